"""The centralised benchmark against the Pyomo statement, by hand, and against its own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cems.program import home_program
from mas2sim.cems.setpoints import carried_out
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, Battery, PvPlant
from mas2sim.domain.errors import ConfigurationError, InfeasibleError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff
from mas2sim.market.central import (
    CentralProblem,
    CongestionPoint,
    Outcome,
    least_shortfall,
    solve_central,
)
from mas2sim.market.home_view import HomeView
from tests.cems.bare_home import flat, house, nothing_asked, steps

from .neighbourhood_samples import (
    FREE,
    HOURS,
    SAMPLES,
    Sample,
    neighbourhood_of,
    problem_of,
    solved,
    stated,
)

EUR = 1e-6
"""What both solvers promise at a gap of zero: 1e-9 kW a row, and gaps of 1e-9 EUR."""
KW = 1e-6
"""Rounding of a solution at the solver's tolerance of 1e-9, with a margin for sums over homes."""
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=str)


def settled_by(
    *homes: Home,
    tariff: Tariff,
    references: tuple[ReferenceDay, ...] = (),
    **choices,
) -> CentralProblem:
    """One community of these homes."""
    references = references or (nothing_asked(),) * len(homes)
    days = zip(homes, references, strict=True)
    programs = tuple(home_program(home, day, tariff, HOURS) for home, day in days)
    return CentralProblem(programs, (tuple(range(len(homes))),), (tariff,), HOURS, **choices)


def import_limit(homes: int, upper_kw: FloatArray) -> CongestionPoint:
    return CongestionPoint("t", tuple(range(homes)), np.zeros(24), -FREE, upper_kw)


def export_limit(homes: int, lower_kw: FloatArray) -> CongestionPoint:
    return CongestionPoint("t", tuple(range(homes)), np.zeros(24), lower_kw, FREE)


@every_sample
def test_least_cost_is_that_of_the_statement(sample: Sample) -> None:
    assert solved(sample).outcome is Outcome.OPTIMAL
    assert stated(sample).status is PlanStatus.OPTIMAL
    assert solved(sample).cost_eur == pytest.approx(stated(sample).objective_eur, abs=EUR)
    assert solved(sample).bound_eur == pytest.approx(stated(sample).objective_eur, abs=EUR)


@every_sample
def test_plans_keep_each_homes_own_program(sample: Sample) -> None:
    for program, columns in zip(problem_of(sample).programs, solved(sample).columns, strict=True):
        assert (columns >= program.lower - KW).all()
        assert (columns <= program.upper + KW).all()
        whole = columns[program.integer]
        np.testing.assert_allclose(whole, np.round(whole), atol=KW)
        values = rows_of(program, columns)
        assert (values >= program.row_lower - KW).all()
        assert (values <= program.row_upper + KW).all()
        assert not (columns[program.net_import] * columns[program.net_export]).any()


def test_both_find_that_limits_leave_no_plan() -> None:
    sample = Sample(20, fee=0.02, most_import=0.8, most_export=0.8)
    assert stated(sample).status is PlanStatus.INFEASIBLE
    assert solved(sample).outcome is Outcome.INFEASIBLE


def rows_of(program: HomeProgram, columns: FloatArray) -> FloatArray:
    products = program.rows.value * columns[program.rows.column]
    row = np.repeat(np.arange(len(program.row_lower)), np.diff(program.rows.start))
    return np.bincount(row, weights=products, minlength=len(program.row_lower))


@every_sample
def test_setpoints_draw_what_was_planned(sample: Sample) -> None:
    street, solution = neighbourhood_of(sample), solved(sample)
    for home, program in enumerate(problem_of(sample).programs):
        day = street.homes[home], street.references[home], program, solution.columns[home], HOURS
        _, net_kw = carried_out(*day)
        np.testing.assert_allclose(net_kw, solution.net_kw[home], atol=KW)


@every_sample
def test_plans_stay_within_reach_and_within_limits(sample: Sample) -> None:
    problem, solution = problem_of(sample), solved(sample)
    for program, net_kw in zip(problem.programs, solution.net_kw, strict=True):
        least_kw, most_kw = HomeView.of(program).reach_kw()
        assert (least_kw - KW <= net_kw).all()
        assert (net_kw <= most_kw + KW).all()
    for point in problem.points:
        flow_kw = point.flow_kw(solution.net_kw)
        assert (point.lower_kw - KW <= flow_kw).all()
        assert (flow_kw <= point.upper_kw + KW).all()


def test_samples_meet_limits_that_cost_something() -> None:
    limited = [sample for sample in SAMPLES if sample.most_import or sample.most_export]
    free = [replace(sample, most_import=0.0, most_export=0.0) for sample in limited]
    extra_eur = [
        solved(sample).cost_eur - solved(other).cost_eur
        for sample, other in zip(limited, free, strict=True)
    ]
    assert sum(extra > 100 * EUR for extra in extra_eur) >= len(limited) / 2
    assert min(extra_eur) >= -EUR


@pytest.mark.parametrize("gap", [0.0, 1e-3, 0.3])
def test_bound_and_cost_lie_around_the_least_cost(gap: float) -> None:
    for sample in SAMPLES[:10]:
        solution = solve_central(problem_of(sample), relative_gap=gap)
        least_eur = stated(sample).objective_eur
        assert solution.bound_eur <= solution.cost_eur
        assert solution.bound_eur - EUR <= least_eur <= solution.cost_eur + EUR
        assert solution.cost_eur - solution.bound_eur <= solution.gap_eur + EUR


def test_costs_add_up() -> None:
    """In a sample with a peak price, discomfort and a home in no community."""
    sample = SAMPLES[-1]
    solution, street = solved(sample), neighbourhood_of(sample)
    assert solution.cost_eur == solution.energy_eur.sum() + solution.home_eur.sum()
    alone = next(home for home in range(4) if home not in sample.communities[0])
    price = street.tariffs[alone]
    assert solution.home_eur[alone] >= price.cost_eur(solution.net_kw[alone], HOURS) - EUR


def test_ten_loads_and_two_exporters_by_hand() -> None:
    """Ten of 0.4 kW and two of -1.5 kW for an hour: alone 10 x 0.4 x 0.12 - 2 x 1.5 x 0.0491 =
    0.3327 EUR, together (4 - 3) x 0.12 = 0.12 EUR."""
    tariff = flat(0.12, 0.0491)
    loads = [house(steps(HOURS, 0.0, p12=0.4)) for _ in range(10)]
    sun = PvPlant(2.0, 35.0, 180.0, steps(HOURS, 0.0, p12=-1.5))
    problem = settled_by(*loads, *(house(0.0, pv=sun) for _ in range(2)), tariff=tariff)
    together = solve_central(problem)
    alone = solve_central(replace(problem, communities=(), tariffs=()))
    assert together.cost_eur == pytest.approx(0.1200, abs=EUR)
    assert alone.cost_eur == pytest.approx(0.3327, abs=EUR)
    with_fee = solve_central(replace(problem, fee_eur_per_kwh=0.01))
    assert with_fee.cost_eur == pytest.approx(0.1200 + 3 * 0.01, abs=EUR)
    assert together.bound_eur == pytest.approx(together.cost_eur, abs=EUR)


def test_a_cycle_moves_to_a_neighbours_surplus() -> None:
    """1 kW for an hour at 0.3 EUR, moved to where the neighbour would be paid 0.05 for it."""
    cycle = Appliance("washing_machine", (1.0,), 18, 0, 0)
    sun = PvPlant(2.0, 35.0, 180.0, steps(HOURS, 0.0, p12=-1.0))
    problem = settled_by(
        house(0.0, appliances=(cycle,)), house(0.0, pv=sun), tariff=flat(0.3, 0.05)
    )
    solution = solve_central(problem)
    assert solution.cost_eur == pytest.approx(0.0, abs=EUR)
    np.testing.assert_allclose(solution.net_kw[0], steps(HOURS, 0.0, p12=1.0), atol=KW)


def test_exchange_nets_between_communities() -> None:
    tariff = flat(0.3, 0.05)
    sun = PvPlant(2.0, 35.0, 180.0, np.full(24, -1.0))
    problem = replace(
        settled_by(house(1.0), house(0.0, pv=sun), tariff=tariff),
        communities=((0,), (1,)),
        tariffs=(tariff, tariff),
    )
    assert solve_central(problem).cost_eur == pytest.approx(24 * (0.3 - 0.05), abs=EUR)
    assert solve_central(replace(problem, exchange=True)).cost_eur == pytest.approx(0.0, abs=EUR)


def test_nobody_need_trade_at_a_loss() -> None:
    """Import at 0.10, export at 0.15: netting 1 kW costs the two 0.05 EUR an hour."""
    sun = PvPlant(2.0, 35.0, 180.0, np.full(24, -1.0))
    problem = settled_by(house(1.0), house(0.0, pv=sun), tariff=flat(0.10, 0.15))
    willing = solve_central(replace(problem, trade_at_a_loss=False))
    assert solve_central(problem).cost_eur == pytest.approx(0.0, abs=EUR)
    assert willing.cost_eur == pytest.approx(-24 * 0.05, abs=EUR)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.tariff != "dynamic" or s.fee > 0.1])
def test_a_choice_to_net_costs_no_more_than_having_to(sample: Sample) -> None:
    willing = solve_central(replace(problem_of(sample), trade_at_a_loss=False), relative_gap=0.0)
    assert willing.outcome is Outcome.OPTIMAL
    assert willing.cost_eur <= solved(sample).cost_eur + EUR
    assert willing.bound_eur == pytest.approx(willing.cost_eur, abs=EUR)


def test_a_limit_that_nobody_can_hold_is_proven_so() -> None:
    """Three homes of 1 kW under 2.4 kW in one hour: 0.6 kWh too much, battery or not."""
    problem = settled_by(house(1.0), house(1.0), house(1.0), tariff=flat(0.3, 0.05))
    limited = replace(problem, points=(import_limit(3, steps(HOURS, np.inf, p18=2.4)),))
    solution = solve_central(limited)
    assert solution.outcome is Outcome.INFEASIBLE
    assert solution.columns == ()
    assert np.isnan(solution.cost_eur)
    assert solution.bound_eur == np.inf
    shortfall = least_shortfall(limited)
    assert shortfall.proven
    assert shortfall.energy_kwh == pytest.approx(0.6, abs=KW)
    np.testing.assert_allclose(shortfall.above_kw, [steps(HOURS, 0.0, p18=0.6)], atol=KW)
    assert not shortfall.below_kw.any()


def test_a_battery_takes_its_part_of_a_shortfall() -> None:
    """2 kW under 0.5 kW in one hour; a battery of 1 kW delivers all of it and charges at night."""
    battery = Battery(4.0, 1.0, 0.9, 0.9, reserve_kwh=0.0)
    problem = settled_by(
        house(2.0, battery=battery),
        tariff=flat(0.3, 0.05),
        references=(nothing_asked(start_kwh=2.0),),
        points=(import_limit(1, steps(HOURS, np.inf, p18=0.5)),),
    )
    assert solve_central(problem).outcome is Outcome.INFEASIBLE
    shortfall = least_shortfall(problem)
    assert shortfall.proven
    assert shortfall.energy_kwh == pytest.approx(0.5, abs=KW)
    point = import_limit(1, steps(HOURS, np.inf, p18=1.0))
    held = replace(problem, points=(point,))
    assert solve_central(held).outcome is Outcome.OPTIMAL
    assert not least_shortfall(held).proven


def test_a_battery_cannot_charge_and_deliver_to_waste_a_surplus() -> None:
    """Only losing energy would keep 2 kW of sun within 1.95 kW all day; in parts it could."""
    sun = PvPlant(2.0, 35.0, 180.0, np.full(24, -2.0))
    battery = Battery(1e-3, 1.0, 0.9, 0.9, reserve_kwh=0.0)
    problem = settled_by(
        house(0.0, pv=sun, battery=battery),
        tariff=flat(0.3, 0.05),
        points=(export_limit(1, np.full(24, -1.95)),),
    )
    assert solve_central(problem).outcome is Outcome.INFEASIBLE
    shortfall = least_shortfall(problem)
    assert not shortfall.proven
    assert shortfall.energy_kwh == pytest.approx(0.0, abs=KW)


def test_a_battery_cannot_lose_energy_to_spare_a_fee() -> None:
    """3 kW beside 1 kW of sun at 0.3 EUR, and a fee of 0.4 on the 1 kW: a loss would save 0.1."""
    sun = PvPlant(2.0, 35.0, 180.0, np.full(24, -1.0))
    battery = Battery(0.0, 0.5, 0.9, 0.9, reserve_kwh=0.0)
    problem = settled_by(
        house(3.0), house(0.0, pv=sun, battery=battery), tariff=flat(0.3, 0.05), fee_eur_per_kwh=0.4
    )
    assert solve_central(problem).cost_eur == pytest.approx(24 * (2 * 0.3 + 0.4), abs=EUR)


def test_what_half_a_cycle_would_hold_is_not_proven_short() -> None:
    """A cycle of 1 kW in one of two hours under 0.5 kW: half of it in each is no plan."""
    cycle = Appliance("washing_machine", (1.0,), 18, 18, 20)
    problem = settled_by(
        house(0.0, appliances=(cycle,)),
        tariff=flat(0.3, 0.05),
        points=(import_limit(1, np.full(24, 0.5)),),
    )
    assert solve_central(problem).outcome is Outcome.INFEASIBLE
    shortfall = least_shortfall(problem)
    assert not shortfall.proven
    assert shortfall.energy_kwh == pytest.approx(0.0, abs=KW)


def test_without_limits_nothing_falls_short() -> None:
    shortfall = least_shortfall(settled_by(house(1.0), tariff=flat(0.3, 0.05)))
    assert not shortfall.proven
    assert shortfall.above_kw.shape == (0, 24)


def test_a_home_that_cannot_keep_its_own_cap() -> None:
    problem = settled_by(replace(house(2.0), import_cap_kw=1.0), house(1.0), tariff=flat(0.3, 0.05))
    assert solve_central(problem).outcome is Outcome.INFEASIBLE
    limited = replace(problem, points=(import_limit(2, np.full(24, 9.0)),))
    with pytest.raises(InfeasibleError, match="caps or wishes"):
        least_shortfall(limited)


def test_a_home_within_its_cap_and_nothing_to_plan_is_settled_beforehand() -> None:
    tariff = replace(flat(0.3, 0.05), peak_eur_per_kw=0.5)
    home = replace(house(steps(HOURS, 1.0, p18=2.0)), import_cap_kw=2.0)
    solution = solve_central(settled_by(home, tariff=tariff))
    assert solution.home_eur.tolist() == pytest.approx([0.5 * 2.0], abs=EUR)
    assert solution.energy_eur.tolist() == pytest.approx([0.3 * 25.0], abs=EUR)


def test_the_clock_is_told_from_the_search() -> None:
    solution = solve_central(problem_of(SAMPLES[0]), relative_gap=0.0, time_limit_s=0.0)
    assert solution.outcome is Outcome.OUT_OF_TIME


def test_the_same_problem_gives_the_same_bytes() -> None:
    for sample in (SAMPLES[0], SAMPLES[8]):
        again = solve_central(problem_of(sample), relative_gap=0.0)
        assert again.net_kw.tobytes() == solved(sample).net_kw.tobytes()
        assert again.bound_eur == solved(sample).bound_eur


def test_all_faults_come_together() -> None:
    problem = settled_by(house(1.0), house(1.0), tariff=flat(0.3, 0.05))
    wrong = replace(
        problem,
        communities=((0, 5), (0,)),
        fee_eur_per_kwh=-0.1,
        points=(CongestionPoint("t", (9, 9), np.zeros(3), -FREE, FREE),),
    )
    with pytest.raises(ConfigurationError) as caught:
        solve_central(wrong)
    text = str(caught.value)
    for part in ("home 5", "home 0 twice", "-0.1", "1 tariffs", "(9, 9)", "each home once", "(3,)"):
        assert part in text


def test_programs_and_tariffs_must_fit() -> None:
    problem = settled_by(house(1.0), house(1.0), tariff=flat(0.3, 0.05))
    other = flat(0.2, 0.05)
    with pytest.raises(ConfigurationError, match="program of home 1"):
        solve_central(replace(problem, tariffs=(other,)))
    apart = replace(
        problem,
        programs=(problem.programs[0], home_program(house(1.0), nothing_asked(), other, HOURS)),
        communities=((0,), (1,)),
        tariffs=(*problem.tariffs, other),
    )
    solve_central(apart)
    with pytest.raises(ConfigurationError, match="exchange"):
        solve_central(replace(apart, exchange=True))
