"""Losses of a year by hand, their bound, their slope, and what was not solved."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.grid_state import Bus
from mas2sim.domain.typical_day import Level
from mas2sim.grid import (
    Connection,
    Line,
    Network,
    Source,
    Substation,
    Transformer,
    VectorGroup,
    connect,
    power_flow,
)
from mas2sim.study.losses import LossTerms, reach_table, season_table, year_table
from mas2sim.study.losses_year import HOURS, LossDay, Losses, LossYear, loss_day

BALANCE_KWH = 1e-6
"""The engine closes the balance of a flow to 1e-10 of the import, some 100 kW over a day."""
SLOPE = 1e-5
"""Central differences of half the step against those of the step."""
CONVEX_KWH = 1e-3
"""Constant powers draw more current at lower voltage: with drops of 3 % the bound holds to that."""
TERMS = LossTerms(0.1, 250.0)


def written(day: object, losses: Losses) -> LossDay:
    return LossDay(day, losses, np.full(24, 0.02), np.full((1, 24), 0.03))  # type: ignore[arg-type]


def year(level: Level, *days: LossDay) -> LossYear:
    found = LossYear(level, tuple(f"{hour:02d}:00" for hour in range(24)), ("north",), 2, "street")
    found.days.extend(days)
    return found


@pytest.fixture
def two_years(small: ModuleType) -> list[LossYear]:
    winter, summer = small.year_day(200.0), small.year_day(165.0, "summer")
    base = year(
        Level.BASELINE,
        written(winter, Losses(4.0, 2.0, 10.0, 400.0, 410.0, 3.0, 1.0, 10.0)),
        written(summer, Losses(2.0, 1.0, 10.0, 200.0, 220.0, 1.5, 0.5, 10.0)),
    )
    alone = year(
        Level.UC1,
        written(winter, Losses(3.0, 2.0, 10.0, 400.0, 410.0, 3.0, 1.0, 10.0)),
        written(summer, Losses(2.0, 1.0, 10.0, 200.0, 220.0, 1.5, 0.5, 10.0)),
    )
    return [base, alone]


def test_losses_of_a_year_from_two_days_by_hand(two_years: list[LossYear]) -> None:
    base, alone = year_table(two_years, TERMS).frame.to_dict("records")
    assert base["line_kwh"] == pytest.approx(200 * 4.0 + 165 * 2.0)
    assert base["transformer_load_kwh"] == pytest.approx(200 * 2.0 + 165 * 1.0)
    assert base["transformer_no_load_kwh"] == pytest.approx(3650.0)
    assert base["total_kwh"] == pytest.approx(5345.0)
    assert base["loss_percent"] == pytest.approx(100 * 5345.0 / (200 * 400.0 + 165 * 200.0))
    assert base["loss_entering_percent"] == pytest.approx(
        100 * 5345.0 / (200 * 410.0 + 165 * 220.0)
    )
    assert base["loss_eur"] == pytest.approx(534.5)
    assert base["co2_kg"] == pytest.approx(5345.0 * 0.25)
    assert np.isnan(base["saved_total_percent"])
    assert alone["saved_total_percent"] == pytest.approx(100 * 200.0 / 5345.0)
    assert alone["saved_variable_percent"] == pytest.approx(100 * 200.0 / 1695.0)


def test_reach_and_fixed_share_by_hand(two_years: list[LossYear]) -> None:
    base = reach_table(two_years).frame.to_dict("records")[0]
    assert base["no_load_percent"] == pytest.approx(100 * 3650.0 / 5345.0)
    flat = 200 * 4.0 + 165 * 2.0
    assert base["flat_variable_kwh"] == pytest.approx(flat)
    assert base["reach_variable_percent"] == pytest.approx(100 * (1695.0 - flat) / 1695.0)
    assert base["reach_total_percent"] == pytest.approx(100 * (1695.0 - flat) / 5345.0)


def test_seasons_add_up_to_the_year(two_years: list[LossYear]) -> None:
    by_season = season_table(two_years, TERMS).frame.groupby("level")["total_kwh"].sum()
    whole = year_table(two_years, TERMS).frame.set_index("level")["total_kwh"]
    assert by_season.to_dict() == pytest.approx(whole.to_dict())


def test_nothing_is_compared_with_a_year_that_has_holes(two_years: list[LossYear]) -> None:
    base, alone = two_years
    hole = alone.days[0]
    alone.days[0] = replace(hole, losses=replace(hole.losses, not_solved_h=0.25))
    row = year_table(two_years, TERMS).frame.to_dict("records")[1]
    assert row["not_solved_hours"] == pytest.approx(50.0)
    assert np.isnan(row["saved_total_percent"])
    assert np.isnan(reach_table(two_years).frame.loc[1, "reach_total_percent"])
    assert base.losses().not_solved_h == 0.0


def test_impossible_prices_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as raised:
        LossTerms(-0.1, 1e6)
    assert [fault.where for fault in raised.value.faults] == ["loss_eur_per_kwh", "co2_g_per_kwh"]


def street() -> Substation:
    """Two single-phase homes on one main, phase by phase."""
    buses = tuple(Bus(name, kv, 0, 0) for name, kv in (("hv", 10.0), ("lv", 0.4), ("a", 0.4)))
    main = Line("main", "lv", "a", 100.0, 0.03, 0.007, 200.0, r0_ohm=0.1, x0_ohm=0.01)
    unit = Transformer(
        "unit", "hv", "lv", 100.0, 100.0, 10.0, 0.4, VectorGroup.parse("Dyn5"), 4.0, 1.2, 0.3, 0.3
    )
    network = Network("street", buses, (main,), (unit,), (Source("hv"),))
    return connect(network, [Connection("h1", "a", "a"), Connection("h2", "a", "b")])


def solved_day(small: ModuleType, p_kw: np.ndarray):  # type: ignore[no-untyped-def]
    flow = power_flow(street(), unbalanced=True)
    day = small.hand_day(small.year_day(365.0))
    state = flow.solve(p_kw, 0.2 * p_kw)
    return flow, replace(day, layout=flow.layout, state=state, p_kw=p_kw, q_kvar=0.2 * p_kw)


def test_what_is_drawn_is_what_homes_take_and_what_is_lost(small: ModuleType) -> None:
    p_kw = np.stack([np.linspace(-4.0, 6.0, 24), np.linspace(5.0, 0.0, 24)], axis=1)
    flow, day = solved_day(small, p_kw)
    losses = loss_day(flow, day).losses
    drawn_kwh = float(day.state.import_kw.sum())
    assert losses.total == pytest.approx(drawn_kwh - p_kw.sum(), abs=BALANCE_KWH)
    assert losses.delivered == pytest.approx(p_kw[p_kw > 0].sum())
    assert losses.entering == pytest.approx(
        np.maximum(day.state.import_kw, 0).sum() - p_kw[p_kw < 0].sum()
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-4.0, 6.0), min_size=48, max_size=48))
def test_no_day_of_the_same_energies_loses_less_than_the_flat_one(
    small: ModuleType, powers: list[float]
) -> None:
    flow, day = solved_day(small, np.array(powers).reshape(24, 2))
    losses = loss_day(flow, day).losses
    assert losses.flat_variable <= losses.variable + CONVEX_KWH


def test_a_flat_day_is_its_own_bound(small: ModuleType) -> None:
    flow, day = solved_day(small, np.tile([2.0, 3.0], (24, 1)))
    losses = loss_day(flow, day).losses
    assert losses.flat_total == pytest.approx(losses.total, abs=BALANCE_KWH)


def test_slopes_are_what_a_little_more_power_loses(small: ModuleType) -> None:
    p_kw = np.tile([2.0, 3.0], (24, 1))
    flow, day = solved_day(small, p_kw)
    found = loss_day(flow, day)
    more, less = (
        flow.solve(p_kw[:1] * (1 + step), 0.2 * p_kw[:1]).loss_kw[0] for step in (0.01, -0.01)
    )
    assert found.slope == pytest.approx((more - less) / 0.1, abs=SLOPE)
    assert found.feeder_slope.shape == (1, HOURS)
    assert found.feeder_slope[0] == pytest.approx(found.slope, abs=SLOPE)


def test_a_ptu_without_a_solution_is_counted_and_left_out(small: ModuleType) -> None:
    p_kw = np.tile([2.0, 3.0], (24, 1))
    flow, day = solved_day(small, p_kw)
    holed = replace(day, state=small.unsolved(day.state, (3, 4)))
    whole, found = loss_day(flow, day).losses, loss_day(flow, holed).losses
    assert found.not_solved_h == 2.0
    assert found.total == pytest.approx(22 / 24 * whole.total)
    assert found.delivered == pytest.approx(22 * 5.0)
