"""Flexibility sold at wholesale: each home against its statement at other prices, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cems.program import home_program
from mas2sim.cems.setpoints import carried_out
from mas2sim.cems.statement import solve_home
from mas2sim.domain.device import Appliance, Battery
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff
from mas2sim.market.mixed_integer import Outcome
from mas2sim.market.wholesale import solve_wholesale
from tests.cems.bare_home import flat, house, nothing_asked, steps
from tests.cems.home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    peak_price,
    random_home,
)

EUR = 5e-6
"""The gap of a home's search of 1e-6 EUR, with a margin for the solver's tolerance."""
KW = 1e-6
"""Rounding of a solution at the solver's tolerance of 1e-9, with a margin for sums over a day."""
HOURS = Horizon(60)
TARIFFS = (dynamic, export_above_import, negative_prices, peak_price)


def spot(rng: np.random.Generator) -> np.ndarray:
    """Wholesale prices so far apart that losing energy pays in some hours."""
    return rng.uniform(-0.1, 0.3, 24)


def alone(home, tariff: Tariff, **reference) -> HomeProgram:
    return home_program(home, nothing_asked(**reference), tariff, HOURS)


@pytest.mark.parametrize("seed", range(12))
def test_each_home_is_planned_at_its_tariff_plus_the_spread(seed: int) -> None:
    rng = np.random.default_rng([seed, 11])
    home, reference = random_home(rng, HOURS)
    tariff, price = TARIFFS[seed % len(TARIFFS)](HOURS, rng), spot(rng)
    program = home_program(home, reference, tariff, HOURS)
    solution = solve_wholesale([program], price, reference.net_kw[None], HOURS)

    spread = price - price.mean()
    shifted = replace(
        tariff,
        import_eur_per_kwh=tariff.import_eur_per_kwh + spread,
        export_eur_per_kwh=tariff.export_eur_per_kwh + spread,
    )
    least_eur = solve_home(home, reference, shifted, HOURS).objective_eur
    least_eur -= float(spread @ reference.net_kw)
    assert solution.outcomes == (Outcome.OPTIMAL,)
    assert solution.cost_eur == pytest.approx(least_eur, abs=EUR)
    assert solution.bound_eur.sum() == pytest.approx(least_eur, abs=EUR)
    assert solution.bound_eur.sum() <= solution.cost_eur
    _, net_kw = carried_out(home, reference, program, solution.columns[0], HOURS)
    np.testing.assert_allclose(net_kw, solution.net_kw[0], atol=KW)


def test_a_cycle_moves_to_the_cheapest_hour_of_the_market() -> None:
    """1 kWh at a flat tariff of 0.2, moved from 18:00 at 0.10 to 03:00 at 0.02: 0.08 EUR earned."""
    home = house(0.0, appliances=(Appliance("washing_machine", (1.0,), 18, 0, 0),))
    price = steps(HOURS, 0.1, p3=0.02)
    asked_kw = steps(HOURS, 0.0, p18=1.0)[None]
    solution = solve_wholesale([alone(home, flat(0.2, 0.05))], price, asked_kw, HOURS)
    np.testing.assert_allclose(solution.net_kw[0], steps(HOURS, 0.0, p3=1.0), atol=KW)
    assert solution.home_eur[0] == pytest.approx(0.2, abs=EUR)
    assert solution.traded_eur[0] == pytest.approx(-0.08, abs=EUR)


def test_neighbours_do_not_net_and_who_changes_nothing_trades_nothing() -> None:
    """A load and a surplus of 1 kW each: 24 x (0.30 - 0.05) EUR whatever the market pays."""
    tariff = flat(0.30, 0.05)
    homes = [house(1.0), house(1.0)]
    programs = [alone(home, tariff) for home in homes]
    net_kw = np.array([np.full(24, 1.0), np.full(24, -1.0)])
    programs[1] = replace(programs[1], row_lower=net_kw[1], row_upper=net_kw[1])
    solution = solve_wholesale(programs, steps(HOURS, 0.1, p3=0.9), net_kw, HOURS)
    assert solution.cost_eur == pytest.approx(24 * (0.30 - 0.05), abs=EUR)
    assert solution.traded_eur.tolist() == [0.0, 0.0]


def test_what_the_supplier_is_settled_with_decides_about_energy_saved() -> None:
    """A home that draws 1 kWh less than foreseen at 0.10 EUR sells it at 0.10 less settlement."""
    program = [alone(house(1.0), flat(0.2, 0.05))]
    foreseen_kw = steps(HOURS, 1.0, p3=2.0)[None]
    price = np.full(24, 0.1)
    settled = solve_wholesale(program, price, foreseen_kw, HOURS)
    gift = solve_wholesale(program, price, foreseen_kw, HOURS, settlement_eur_per_kwh=0.0)
    assert settled.traded_eur[0] == pytest.approx(0.0, abs=EUR)
    assert gift.traded_eur[0] == pytest.approx(-0.10, abs=EUR)


def test_a_battery_cannot_lose_energy_for_the_market() -> None:
    """The market takes 1 kWh off for 0.5 EUR at 03:00: a loss would earn, but is not for sale."""
    battery = Battery(0.0, 0.5, 0.9, 0.9, reserve_kwh=0.0)
    program = alone(house(1.0, battery=battery), flat(0.2, 0.05))
    price = steps(HOURS, 0.1, p3=-0.5)
    solution = solve_wholesale([program], price, np.ones((1, 24)), HOURS)
    np.testing.assert_allclose(solution.net_kw[0], np.ones(24), atol=KW)
    assert solution.traded_eur[0] == pytest.approx(0.0, abs=EUR)


def test_a_home_without_a_plan_has_no_figures() -> None:
    battery = Battery(4.0, 1.0, 0.9, 0.9, reserve_kwh=0.0)
    short = replace(house(3.0, battery=battery), import_cap_kw=1.0)
    tariff = flat(0.3, 0.05)
    programs = [alone(short, tariff, start_kwh=1.0), alone(house(1.0), tariff)]
    solution = solve_wholesale(programs, np.full(24, 0.1), np.ones((2, 24)), HOURS)
    assert solution.outcomes == (Outcome.INFEASIBLE, Outcome.OPTIMAL)
    assert len(solution.columns[0]) == 0
    assert np.isnan(solution.net_kw[0]).all()
    assert np.isnan(solution.cost_eur)
    assert solution.home_eur[1] == pytest.approx(24 * 0.3, abs=EUR)


def test_arrays_must_fit() -> None:
    program = [alone(house(1.0), flat(0.3, 0.05))]
    with pytest.raises(ConfigurationError, match=r"(?s)wholesale.*reference_net_kw"):
        solve_wholesale(program, np.ones(3), np.ones((2, 24)), HOURS)
