"""Link boxes: the schedule is the cheapest there is, limits hold, and the year adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.grid_state import Bus
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.grid import Connection, Line, Network, Source, Transformer, VectorGroup
from mas2sim.grid.link_boxes import Tie, TieEnd
from mas2sim.grid.linked import (
    LINK_STATES,
    LinkedPair,
    LinkedPart,
    LinkState,
    break_even_loading,
)
from mas2sim.grid.recipe import CableType
from mas2sim.study import linkboxes
from mas2sim.study.linkboxes import linkbox_study
from mas2sim.study.linkboxes_day import BAND, GAP, LINES, NOT_SOLVED, LinkDay, LinkLimits, link_day
from mas2sim.study.linkboxes_findings import failures_of, verdict
from mas2sim.study.linkboxes_map import map_days, map_layout, telling_day
from mas2sim.study.linkboxes_schedule import (
    FIRST_OFF,
    NORMAL,
    SECOND_OFF,
    SWITCHINGS,
    TIED,
    SwitchingRules,
    best_schedule,
    runs,
    switchings,
    transformer_starts,
)
from mas2sim.study.linkboxes_tables import balance_row, loss_row
from mas2sim.study.linkboxes_year import link_years
from mas2sim.study.typical_year import YearDay

ROUNDING = 1e-9
"""Of sums of some hundred products below 10."""
FLOW_KW = 0.02
"""Losses of transformers that carry a few kW of a closed form without losses."""
EVEN = 0.03
"""Relative: the closed form knows neither voltage drops nor the losses that a unit carries."""
HOURS = Horizon(60)
UNIT = Transformer(
    "unit", "hv", "lv", 500, 500, 11, 0.433, VectorGroup.parse("Dyn11"), 4.75, 1.02, 0.68, 0.4
)
SILVER = CableType(
    cable="silver",
    r1_ohm_per_km=1e-4,
    x1_ohm_per_km=1e-4,
    r0_ohm_per_km=1e-4,
    x0_ohm_per_km=1e-4,
    c1_nf_per_km=0,
    rating_a=5000,
    provenance="made up: a cable that loses nothing",
)
TIE = Tie("t", (TieEnd(substation=1, bus="end"), TieEnd(substation=2, bus="end")), SILVER, 10.0)
DAY = YearDay("a day", (), 1.0)
FREE = SwitchingRules(most_switchings=4, least_hours=2.0, loss_eur_per_kwh=1.0)


def cost_of(states: IntArray, loss_kw: FloatArray, rules: SwitchingRules) -> float:
    """What a day costs at one hour a PTU."""
    lost = np.nan_to_num(loss_kw)[np.arange(len(states)), states].sum()
    return float(lost * rules.loss_eur_per_kwh + switchings(states) * rules.switching_eur)


def keeps(states: IntArray, allowed: BoolArray, rules: SwitchingRules) -> bool:
    """Whether a day keeps all rules, written down anew: at one hour a PTU."""
    ptus = len(states)
    if not allowed[np.arange(ptus), states].all():
        return False
    changes = [ptu for ptu in range(ptus) if states[ptu] != states[ptu - 1]]
    if not all(allowed[ptu, TIED] for ptu in changes):
        return False
    operated = sum(int(SWITCHINGS[states[ptu - 1], states[ptu]]) for ptu in changes)
    if operated > rules.most_switchings:
        return False
    stretches = [
        (later - sooner) % ptus or ptus
        for sooner, later in zip(changes, changes[1:] + changes[:1], strict=True)
    ]
    return all(length >= rules.least_hours for length in stretches)


def effective(loss_kw: FloatArray, admissible: BoolArray) -> BoolArray:
    """Which states may be used: none but the normal one where no PTU allows to close the tie."""
    allowed = admissible & np.isfinite(loss_kw)
    if not allowed[:, TIED].any():
        allowed[:] = False
    allowed[:, NORMAL] = True
    return allowed


@st.composite
def days(draw: st.DrawFn, ptus: int) -> tuple[FloatArray, BoolArray, SwitchingRules]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loss_kw = random.uniform(0.0, 3.0, (ptus, len(LINK_STATES)))
    loss_kw[random.random(loss_kw.shape) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    admissible = random.random(loss_kw.shape) < draw(st.sampled_from([0.5, 0.8, 1.0]))
    rules = SwitchingRules(
        most_switchings=draw(st.integers(0, 6)),
        least_hours=float(draw(st.integers(0, 4))),
        loss_eur_per_kwh=1.0,
        switching_eur=draw(st.sampled_from([0.0, 0.1, 1.0])),
    )
    return loss_kw, admissible, rules


@settings(max_examples=25, deadline=None)
@given(days(5))
def test_no_schedule_is_cheaper(day: tuple[FloatArray, BoolArray, SwitchingRules]) -> None:
    loss_kw, admissible, rules = day
    allowed = effective(loss_kw, admissible)
    every = (np.array(each) for each in product(range(len(LINK_STATES)), repeat=len(loss_kw)))
    cheapest = min(cost_of(each, loss_kw, rules) for each in every if keeps(each, allowed, rules))
    found = best_schedule(loss_kw, admissible, rules, ptu_hours=1.0)
    assert keeps(found, allowed, rules)
    assert cost_of(found, loss_kw, rules) == pytest.approx(cheapest, abs=ROUNDING)


@settings(max_examples=60, deadline=None)
@given(days(24))
def test_schedules_keep_the_rules(day: tuple[FloatArray, BoolArray, SwitchingRules]) -> None:
    loss_kw, admissible, rules = day
    found = best_schedule(loss_kw, admissible, rules, ptu_hours=1.0)
    assert keeps(found, effective(loss_kw, admissible), rules)
    normal = cost_of(np.zeros(24, dtype=np.int64), loss_kw, rules)
    assert cost_of(found, loss_kw, rules) <= normal + ROUNDING


def test_a_night_over_midnight_is_one_stretch() -> None:
    loss_kw = np.ones((24, len(LINK_STATES)))
    loss_kw[:, TIED] = 2.0
    loss_kw[[22, 23, 0, 1, 2], SECOND_OFF] = 0.5
    loss_kw[3:22, SECOND_OFF] = 3.0
    found = best_schedule(loss_kw, np.ones_like(loss_kw, dtype=bool), FREE, ptu_hours=1.0)
    assert runs(found) == [(3, 22, LinkState.NORMAL), (22, 3, LinkState.SECOND_OFF)]
    assert (switchings(found), transformer_starts(found)) == (4, 1)
    # Two operations are too few to come and go.
    few = replace(FREE, most_switchings=3)
    found = best_schedule(loss_kw, np.ones_like(loss_kw, dtype=bool), few, ptu_hours=1.0)
    assert runs(found) == [(0, 0, LinkState.NORMAL)]


def test_without_a_ptu_to_close_the_tie_the_day_stays_normal() -> None:
    loss_kw = np.ones((24, len(LINK_STATES)))
    loss_kw[:, FIRST_OFF] = 0.0
    admissible = np.ones_like(loss_kw, dtype=bool)
    admissible[:, TIED] = False
    found = best_schedule(loss_kw, admissible, FREE, ptu_hours=1.0)
    assert (found == NORMAL).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("most_switchings", -1),
        ("least_hours", 25.0),
        ("loss_eur_per_kwh", 0.0),
        ("switching_eur", float("nan")),
    ],
)
def test_rules_at_fault_are_named(field: str, value: Any) -> None:
    rules = replace(SwitchingRules(), **{field: value})
    assert [fault.where for fault in rules.faults()] == [field]


def network(unit: Transformer = UNIT, *, rating_a: float = 5000.0, r_ohm: float = 1e-7) -> Network:
    """A transformer, a busbar, and one cable to where the tie ends."""
    return Network(
        name="tiny",
        buses=(Bus("hv", 11.0, 0, 0), Bus("lv", 0.4, 0, 0), Bus("end", 0.4, 10, 0)),
        lines=(Line("main", "lv", "end", 10.0, r_ohm, 1e-7, rating_a, r_ohm, 1e-7, kind="main"),),
        transformers=(unit,),
        sources=(Source("hv"),),
    )


def linked_day(
    first_kw: FloatArray,
    second_kw: FloatArray,
    *,
    first: Network | None = None,
    second: Network | None = None,
    at: str = "lv",
    limits: LinkLimits | None = None,
    rules: SwitchingRules = FREE,
) -> LinkDay:
    """A day of 24 hours of two substations with one home each."""
    parts = [
        LinkedPart(number, each or network(), [Connection("home", at)])
        for number, each in ((1, first), (2, second))
    ]
    p_kw = first_kw[:, None], second_kw[:, None]
    return link_day(
        LinkedPair(TIE, *parts, unbalanced=False),
        DAY,
        Level.BASELINE,
        p_kw,
        (0.0 * p_kw[0], 0.0 * p_kw[1]),
        horizon=HOURS,
        tariff=Tariff("flat", np.full(24, 0.2), np.full(24, 0.05)),
        limits=limits or LinkLimits(voltage_band_v=(200.0, 270.0)),
        rules=rules,
    )


@pytest.mark.parametrize(("share", "off"), [(1.0 - EVEN, True), (1.0 + EVEN, False)])
def test_a_transformer_is_off_below_the_break_even_and_on_above(share: float, *, off: bool) -> None:
    even_kw = break_even_loading(UNIT, UNIT) * UNIT.sn_kva
    load_kw = np.full(24, share * even_kw)
    day = linked_day(load_kw, load_kw)
    assert day.hours_in(LinkState.FIRST_OFF) + day.hours_in(LinkState.SECOND_OFF) == (
        24.0 if off else 0.0
    )
    assert bool(day.saved_kwh.sum() > 0.1) is off


def test_what_a_switched_off_transformer_saves_is_its_iron() -> None:
    # Next to nothing is carried, so all that changes is one no-load loss of 0.68 kW.
    day = linked_day(np.full(24, 1.0), np.full(24, 1.0))
    assert day.saved_kwh.sum() / 24.0 == pytest.approx(0.68, abs=FLOW_KW)
    assert day.switchings == 0
    row = loss_row(link_years([day])[0])
    assert row["no_load_saved_kwh"] - row["more_load_kwh"] - row["more_line_kwh"] == pytest.approx(
        row["saved_kwh"], abs=ROUNDING
    )
    assert row["saved_eur"] == pytest.approx(row["saved_kwh"] * 1.0, abs=ROUNDING)


def test_a_day_and_a_night_are_told_apart() -> None:
    busy = np.where(np.arange(24) < 8, 5.0, 300.0)
    day = linked_day(busy, busy)
    # By day one alone would lose more; whether the tie is open then is all the same.
    assert day.switchings in (2, 4)
    states = {(first, end): state for first, end, state in runs(day.states)}
    assert states[0, 8] in (LinkState.FIRST_OFF, LinkState.SECOND_OFF)
    assert set(day.states[8:].tolist()) <= {NORMAL, TIED}


def test_unlike_taps_keep_the_tie_open() -> None:
    load_kw = np.full(24, 5.0)
    day = linked_day(load_kw, load_kw, second=network(replace(UNIT, tap_steps=1)))
    assert day.obstacles[GAP][:, TIED].all()
    assert (day.states == NORMAL).all()
    assert day.saved_kwh.sum() == 0.0
    # Nor is anything moved over a tie that may not be closed.
    surplus = linked_day(-load_kw, load_kw, second=network(replace(UNIT, tap_steps=1)))
    assert surplus.potential_kw.sum() > 0.0
    assert surplus.moved_kw.sum() == 0.0
    wide = LinkLimits(voltage_difference_percent=5.0, voltage_band_v=(200.0, 270.0))
    day = linked_day(load_kw, load_kw, second=network(replace(UNIT, tap_steps=1)), limits=wide)
    assert not day.obstacles[GAP].any()


def test_unlike_voltages_above_keep_the_tie_open() -> None:
    load_kw = np.full(24, 5.0)
    low = replace(network(), sources=(Source("hv", 0.97),))
    day = linked_day(load_kw, load_kw, second=low)
    assert day.obstacles[GAP][:, TIED].all()
    assert (day.states == NORMAL).all()


def test_an_overloaded_cable_bars_a_state() -> None:
    # 20 kW over a cable for 10 A: 400 V x 10 A x sqrt 3 is 7 kW.
    load_kw = np.full(24, 20.0)
    day = linked_day(load_kw, load_kw, first=network(rating_a=10.0))
    assert day.obstacles[LINES][:, FIRST_OFF].all()
    assert not day.obstacles[LINES][:, NORMAL].any()
    assert (day.states != FIRST_OFF).all()


def test_where_normal_breaks_a_limit_another_state_may_not_make_it_worse() -> None:
    load_kw = np.full(24, 20.0)
    # Homes at the ends: with its own transformer off, the first's cable carries nothing ...
    relieved = linked_day(load_kw, load_kw, first=network(rating_a=10.0), at="end")
    assert not relieved.obstacles[LINES][:, FIRST_OFF].any()
    # ... and with the second's off it carries both.
    assert relieved.obstacles[LINES][:, SECOND_OFF].all()
    # 20 kW are too much for the second's cable; less the first's 5 kW it is still, but less so.
    surplus = linked_day(np.full(24, -5.0), load_kw, second=network(rating_a=10.0), at="end")
    assert not surplus.obstacles[LINES][:, FIRST_OFF].any()


def test_a_voltage_out_of_the_band_bars_a_state() -> None:
    load_kw = np.full(24, 60.0)
    drop = network(r_ohm=0.2)
    band = LinkLimits(voltage_band_v=(240.0, 270.0))
    day = linked_day(load_kw, load_kw, first=drop, limits=band)
    # The busbar of the first is fed through its own cable: 83 A over 0.2 ohm cost 17 V.
    assert day.obstacles[BAND][:, FIRST_OFF].all()
    assert not day.obstacles[BAND][:, NORMAL].any()


def test_what_is_not_solved_is_counted_and_stays_normal() -> None:
    load_kw = np.full(24, 5.0)
    load_kw[6] = np.nan
    day = linked_day(load_kw, np.full(24, 5.0))
    assert day.obstacles[NOT_SOLVED][6].all()
    assert day.states[6] == NORMAL
    assert day.not_solved_h == 1.0
    assert failures_of(link_years([day])) == ("t, baseline, a day: 1 h not solved",)
    assert np.isfinite(day.saved_kwh).all()


def test_surplus_moves_to_the_neighbour() -> None:
    """Equal transformers share 4 kW of export, so 8 of 10 kW cross a tie without impedance."""
    day = linked_day(np.full(24, -10.0), np.full(24, 6.0))
    np.testing.assert_allclose(day.potential_kw, 6.0)
    np.testing.assert_allclose(day.tie_kw, 8.0, atol=FLOW_KW)
    np.testing.assert_allclose(day.moved_kw, 6.0)
    iron_kw = 2.0 * 0.68
    np.testing.assert_allclose(day.normal_kw.sum(axis=1), -4.0 + iron_kw, atol=FLOW_KW)
    row = balance_row(link_years([day])[0])
    assert row["moved_kwh"] == pytest.approx(144.0)
    assert row["value_eur"] == pytest.approx(144.0 * 0.15)
    assert row["moved_percent"] == pytest.approx(100.0)
    # Iron loss comes on top of what flows: 10 kW less it open, 2 kW less it tied.
    assert row["reverse_normal_kw"] == pytest.approx(10.0 - 0.68, abs=FLOW_KW)
    assert row["reverse_tied_kw"] == pytest.approx(2.0 - 0.68, abs=FLOW_KW)


def test_two_that_both_import_have_nothing_to_move() -> None:
    day = linked_day(np.full(24, 10.0), np.full(24, 6.0))
    assert day.potential_kw.sum() == 0.0
    assert day.moved_kw.sum() == 0.0


def test_the_map_shows_what_is_in_use() -> None:
    busy = np.where(np.arange(24) < 8, 5.0, 300.0)
    day = linked_day(busy, busy)
    pair = LinkedPair(
        TIE,
        *(LinkedPart(number, network(), [Connection("home", "lv")]) for number in (1, 2)),
        unbalanced=False,
    )
    p_kw = np.stack([busy, busy], axis=1)
    layout = map_layout(pair)
    switched, still = map_days(pair, day, p_kw, 0.0 * p_kw)
    names = [branch.name for branch in layout.branches]
    off = names.index(f"{1 if FIRST_OFF in day.states else 2}/unit")
    on = 1 - off
    assert (switched.loading_percent[:8, off] == 0.0).all()
    # One carries 10 kW, where both together carry 5 each.
    assert (switched.loading_percent[:8, on] > still.loading_percent[:8, on]).all()
    assert (still.loading_percent[:, names.index("tie_t")] == 0.0).all()
    np.testing.assert_allclose(
        switched.loading_percent[8:, :2], still.loading_percent[8:, :2], rtol=1e-6
    )
    assert telling_day(link_years([day])) is day
    # Voltages are stated at low voltage only.
    high = [bus.vn_kv > 1.0 for bus in layout.buses]
    assert np.isnan(switched.low_v[:, high]).all()
    assert np.isfinite(switched.high_v[:, ~np.array(high)]).all()


def test_days_count_as_often_as_they_occur() -> None:
    low, high = np.full(24, 1.0), np.full(24, 300.0)
    sooner, later = linked_day(low, low), linked_day(high, high)
    often = replace(sooner, day=replace(DAY, days=300.0))
    seldom = replace(later, day=replace(DAY, days=65.0))
    year = link_years([often, seldom])[0]
    assert year.covered_days == 365.0
    row = loss_row(year)
    assert row["normal_kwh"] == pytest.approx(
        300.0 * sooner.normal_kwh.sum() + 65.0 * later.normal_kwh.sum()
    )
    hours = [row[name] for name in ("normal_h", "tied_h", "first_off_h", "second_off_h")]
    assert sum(hours) == pytest.approx(8760.0)
    assert row["first_off_h"] + row["second_off_h"] == pytest.approx(7200.0)


@pytest.mark.parametrize(
    ("percent", "saved", "moved", "expected"),
    [
        ([0.2], [1.0], [5.0], "confirmed"),
        ([0.2], [5.0], [1.0], "half confirmed"),
        ([9.0], [5.0], [9.0], "half confirmed"),
        ([0.1, 9.0], [5.0, 5.0], [9.0, 0.0], "refuted"),
    ],
)
def test_the_verdict_follows_the_figures(
    percent: list[float], saved: list[float], moved: list[float], expected: str
) -> None:
    assert verdict(percent, saved, moved)[0] == expected


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (lambda: linkbox_study([], ties=["nowhere"]), "tie: found nowhere"),
        (lambda: linkbox_study([], days="mondays"), "days: found 'mondays'"),
        (lambda: linkbox_study([], levels=()), "levels: found none"),
        (lambda: linkbox_study(["substation=2"]), "override substation=2"),
        (lambda: linkbox_study(["season=winter"]), "override season=winter"),
        (
            lambda: linkbox_study([], limits=LinkLimits(loading_percent=0.0)),
            "loading_percent: found 0",
        ),
        (
            lambda: linkbox_study([], rules=SwitchingRules(most_switchings=-1)),
            "most_switchings: found -1",
        ),
    ],
)
def test_faults_come_before_anything_runs(
    study: Callable[[], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkboxes, "run_days", None)
    with pytest.raises(ConfigurationError, match=message):
        study()


def test_a_folder_without_link_boxes_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkboxes, "run_days", None)
    own = tmp_path / "grids" / "cardiff"
    own.mkdir(parents=True)
    # By this file a folder of grids is known.
    (own / "transformers.csv").touch()
    with pytest.raises(ConfigurationError, match=r"grid cardiff: found no link_boxes\.yaml"):
        linkbox_study([], data=tmp_path)


@pytest.mark.slow
def test_a_study_adds_up_and_is_the_same_again() -> None:
    found, again = (
        linkbox_study([], levels=[Level.BASELINE], ties=["one_two"], days="variable weekdays")
        for _ in range(2)
    )
    assert found.headlines == again.headlines
    assert [each.loading_percent.shape[1] for each in found.days] == [
        len(found.layout.branches) if found.layout else 0
    ] * 2
    for one, other in zip(found.tables, again.tables, strict=True):
        assert one.frame.equals(other.frame)
    losses = found.table("losses").frame.iloc[0]
    by_day = found.table("days").frame
    assert losses["saved_kwh"] == pytest.approx((by_day["days"] * by_day["saved_kwh"]).sum())
    hours = losses[["normal_h", "tied_h", "first_off_h", "second_off_h"]].sum()
    assert hours == pytest.approx(24.0 * by_day["days"].sum())
    assert found.table("balancing").frame["moved_kwh"].iloc[0] > 0.0
