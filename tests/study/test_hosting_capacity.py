"""Hosting capacities of one cable, held against its closed form, and judges that are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_extremes import GridExtremes
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.typical_day import Level
from mas2sim.grid import BatchPowerFlow
from mas2sim.study.hosting_capacity import DrawCapacity, End, bisect_draws, scan_draws
from mas2sim.study.hosting_finding import NOT_SOLVED, Finding, HostingLimits
from mas2sim.study.hosting_homes import PowerBank
from mas2sim.study.hosting_placement import (
    FlowJudge,
    Placement,
    ScenarioFlow,
    draw_orders,
    step_homes,
)
from mas2sim.study.hosting_question import CRITERIA, Criterion
from tests.study.hosting_grid import (
    HOMES,
    SOURCE_V,
    WIDE,
    bank,
    cable,
    far_v,
    in_turn,
    steps,
)

SAME_V = 1e-6
"""The engine stops when voltages move by 1e-10 pu, 23 nV; the closed form is exact."""
BASE_KW, PLANT_KW = 0.5, 3.5
NAMES = [str(criterion) for criterion in CRITERIA]


def capacity(
    limits: GridLimits,
    *,
    flow: ScenarioFlow | None = None,
    powers: PowerBank | None = None,
    criteria: Sequence[Criterion] = CRITERIA,
) -> tuple[DrawCapacity, list[Finding]]:
    """Capacity of one draw on the cable, and the findings at its steps."""
    judge = FlowJudge(
        in_turn(),
        bank(base_kw=BASE_KW, plant_kw=PLANT_KW) if powers is None else powers,
        Level.BASELINE,
        cable() if flow is None else flow,
        HostingLimits(limits, tuple(criteria)),
    )
    capacities, findings = scan_draws(judge, steps(), 1, [str(each) for each in criteria])
    assert bisect_draws(judge, steps(), 1)[0].homes == capacities[0].homes
    return capacities[0], findings[0]


def noon_kw(homes: int) -> float:
    """Sum of the connections in the PTU with sun."""
    return HOMES * BASE_KW - homes * PLANT_KW


def test_voltage_ends_where_the_closed_form_says() -> None:
    band = replace(WIDE, voltage_max_v=SOURCE_V * 1.0112)
    found, findings = capacity(band)
    by_hand = max(n for n in range(HOMES + 1) if far_v(noon_kw(n)) <= band.voltage_max_v)
    assert 0 < by_hand < HOMES
    assert by_hand % 2 == 1, "the case should need the refinement to a single home"
    assert (found.homes, found.broken_homes) == (by_hand, by_hand + 1)
    assert found.binding == ("voltage",)
    assert found.end is End.LIMIT
    for homes, finding in zip(steps(), findings, strict=True):
        # The source is at low voltage too, so the line's near end is the highest without export.
        assert finding.high_v == pytest.approx(max(far_v(noon_kw(homes)), SOURCE_V), abs=SAME_V)
        assert finding.low_v == pytest.approx(far_v(HOMES * BASE_KW), abs=SAME_V)


def test_thermal_ends_where_the_current_is_the_rating() -> None:
    rating_a = 40.0
    found, _ = capacity(replace(WIDE, loading_percent=100.0), flow=cable(rating_a=rating_a))

    def current_a(homes: int) -> float:
        return abs(1000.0 * noon_kw(homes) / 3.0 / far_v(noon_kw(homes)))

    assert found.homes == max(n for n in range(HOMES + 1) if current_a(n) <= rating_a)
    assert found.binding == ("thermal",)


def test_unbalance_ends_where_the_sequence_ratio_is_the_limit() -> None:
    limit_percent = 0.5
    found, _ = capacity(
        replace(WIDE, unbalance_percent=limit_percent), flow=cable(phase="a", rating_a=1e3)
    )

    def ratio_percent(homes: int) -> float:
        # R0 = R1: no coupling, so the other two phases stay at the source's voltage.
        volts = far_v(noon_kw(homes), phases=1)
        return 100.0 * abs(volts - SOURCE_V) / (volts + 2.0 * SOURCE_V)

    assert found.homes == max(n for n in range(HOMES + 1) if ratio_percent(n) <= limit_percent)
    assert found.binding == ("unbalance",)


def test_reverse_power_ends_at_the_export_limit() -> None:
    found, _ = capacity(replace(WIDE, transformer_export_kw=25.0))
    assert found.homes == 10, "20 x 0.5 - 10 x 3.5 kW is the limit itself, and kept"
    assert found.binding == ("reverse_power",)


def test_only_criteria_that_were_asked_for_count() -> None:
    band = replace(WIDE, voltage_max_v=SOURCE_V * 1.01, transformer_export_kw=0.0)
    found, _ = capacity(band, criteria=(Criterion.VOLTAGE,))
    assert found.binding == ("voltage",)
    both, _ = capacity(band)
    assert both.binding == ("reverse_power",)
    assert both.homes < found.homes


def test_each_criterion_is_known_by_itself() -> None:
    band = replace(WIDE, voltage_max_v=SOURCE_V * 1.01, transformer_export_kw=0.0)
    found, _ = capacity(band)
    assert found.by_criterion["reverse_power"] == 2
    assert found.by_criterion["voltage"] > 2
    assert found.by_criterion["thermal"] == HOMES


def test_nothing_is_hosted_where_the_base_load_breaks_a_limit() -> None:
    found, findings = capacity(replace(WIDE, voltage_min_v=SOURCE_V))
    assert (found.homes, found.broken_homes, found.end) == (0, 0, End.BASE_LOAD)
    assert found.binding == ("voltage",)
    assert findings[0].low_v < SOURCE_V


def test_a_draw_without_violation_is_censored_at_the_top() -> None:
    found, _ = capacity(WIDE)
    assert (found.homes, found.broken_homes, found.end) == (HOMES, None, End.TOP)
    assert found.censored
    assert found.binding == ()


class _Failing:
    """Loses the solution of days on which more than some power is fed in."""

    def __init__(self, flow: BatchPowerFlow, most_kw: float) -> None:
        self._flow, self._most_kw = flow, most_kw

    @property
    def layout(self) -> GridLayout:
        return self._flow.layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        return self._flow.solve(p_kw, q_kvar)

    def extremes(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridExtremes:
        lost = (-p_kw.sum(axis=2)).max(axis=1) > self._most_kw
        broken = np.where(lost[:, None, None], np.nan, p_kw)
        return self._flow.extremes(broken, q_kvar)


def test_a_flow_without_solution_ends_a_draw_and_is_not_taken_for_kept() -> None:
    found, findings = capacity(WIDE, flow=_Failing(cable(), 25.0))
    assert (found.homes, found.end) == (10, End.NOT_SOLVED)
    assert found.binding == (NOT_SOLVED,)
    assert all(found.by_criterion[name] == 10 for name in NAMES)
    assert [finding.solved for finding in findings] == [homes <= 10 for homes in steps()]
    assert np.isnan(findings[-1].high_v)


def test_the_first_violation_counts_though_limits_are_kept_again() -> None:
    class Returning:
        def find(self, placements: Sequence[Placement]) -> list[Finding]:
            return [
                Finding(230, 240, 50, 50, 1, 0, 0, ("voltage",) if 4 < homes < 9 else ())
                for _, homes in placements
            ]

    (found,), _ = scan_draws(Returning(), steps(), 1, ["voltage"])
    assert (found.homes, found.broken_homes, found.returns) == (4, 5, True)


def test_powers_are_solved_once_and_draws_with_no_or_all_homes_are_one() -> None:
    count = 0

    def ended(more: int) -> None:
        nonlocal count
        count += more

    limits = HostingLimits(WIDE, CRITERIA)
    powers = bank(base_kw=BASE_KW, plant_kw=PLANT_KW)
    judge = FlowJudge(in_turn(3), powers, Level.BASELINE, cable(), limits, ended)
    scan_draws(judge, steps(), 3, NAMES)
    assert count == 3 * (len(steps()) - 2) + 2


@given(st.integers(1, 200), st.integers(1, 40), st.floats(1.0, 100.0))
def test_steps_ascend_from_none_to_the_top(homes: int, penetrations: int, most: float) -> None:
    found = step_homes(homes, penetrations, most)
    assert found[0] == 0
    assert abs(found[-1] - most / 100.0 * homes) <= 0.5
    assert all(before <= after for before, after in pairwise(found))
    assert len(found) == penetrations + 1


def test_draws_are_nested_and_keyed_by_seed_and_substation() -> None:
    orders = draw_orders(30, 5, seed=1, substation=1)
    assert all(sorted(order) == list(range(30)) for order in orders.tolist())
    assert len({tuple(order) for order in orders.tolist()}) == 5
    # Fewer draws are the first of more.
    assert (draw_orders(30, 2, seed=1, substation=1) == orders[:2]).all()
    assert (draw_orders(30, 5, seed=2, substation=1) != orders).any()
    powers = bank(base_kw=BASE_KW, plant_kw=PLANT_KW)
    judge = FlowJudge(in_turn(), powers, Level.BASELINE, cable(), HostingLimits(WIDE, CRITERIA))
    fewer, more = judge.has([Placement(0, 7), Placement(0, 8)])
    assert np.flatnonzero(fewer).tolist() == in_turn()[0, :7].tolist()
    assert more.sum() == 8
    assert not (fewer & ~more).any()


@given(st.lists(st.integers(0, HOMES), min_size=1, max_size=6))
def test_bisection_finds_what_a_scan_finds_when_limits_stay_broken(least: list[int]) -> None:
    class Monotone:
        def find(self, placements: Sequence[Placement]) -> list[Finding]:
            return [
                Finding(230, 240, 50, 50, 1, 0, 0, ("voltage",) if homes > least[draw] else ())
                for draw, homes in placements
            ]

    scanned, _ = scan_draws(Monotone(), steps(), len(least), [])
    bisected = bisect_draws(Monotone(), steps(), len(least))
    assert [each.homes for each in scanned] == least
    assert [(each.homes, each.step, each.end) for each in bisected] == [
        (each.homes, each.step, each.end) for each in scanned
    ]
