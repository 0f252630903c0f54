"""Lies in a small world whose nights are cheap and crowded, with and without the audit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mas2sim.cli import main
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.audit import AuditTerms, Doubt
from mas2sim.study.held_day import DayOutcome, Liar, hold_day, prepare_day
from mas2sim.study.lies import AggregatorLie, MemberLie, added_load_kw, paper_shift_kw
from mas2sim.study.market_day import UC2, UC3, MarketDay
from mas2sim.study.misreport import best_lies, misreports
from tests.cosim.small_world import DAY, small_setup

pytestmark = pytest.mark.slow


EUR = 1e-9
"""Rounding of sums of some hundred products of numbers below 100."""
MARKET_NOISE_EUR = 0.03
"""By how much one member's payment differs when the market, asked otherwise, ends elsewhere."""
AUDIT = AuditTerms()
LIMIT_SHARE = 0.8
WITHOUT_DEVICES = ("community_1", 0)


@cache
def day() -> MarketDay:
    return prepare_day(small_setup(), limit_share=LIMIT_SHARE)


@cache
def honest() -> DayOutcome:
    return hold_day(day())


def congested() -> list[int]:
    return np.flatnonzero(honest().before_kw > day().limit_kw).tolist()


def gain_eur(outcome: DayOutcome, liar: Liar, level: int) -> float:
    if liar.position < 0:
        kept = outcome.aggregator_eur[liar.community] - honest().aggregator_eur[liar.community]
        return float(kept[level])
    saved = honest().cost_eur[liar.community] - outcome.cost_eur[liar.community]
    return float(saved[level, liar.position])


def doubts(outcome: DayOutcome, liar: Liar) -> set[Doubt]:
    assert not any(
        finding.member != liar.position or name != liar.community
        for name, findings in outcome.findings.items()
        for finding in findings
    ), "somebody honest is doubted"
    return {finding.doubt for finding in outcome.findings[liar.community]}


def everybody() -> list[tuple[str, int]]:
    return [(name, place) for name in day().told for place in range(len(day().members[name]))]


def inflexible() -> list[tuple[str, int]]:
    return [
        (name, place)
        for name, place in everybody()
        if not day().registered[name].declaration.flexible[place]
    ]


def test_the_small_world_has_something_to_buy_and_buys_it() -> None:
    assert congested()
    assert all(DAY.start_hours[ptu] >= 23 or DAY.start_hours[ptu] < 6 for ptu in congested())
    assert honest().short_kw == 0.0


def test_an_audit_of_honest_people_changes_nothing() -> None:
    audited = hold_day(day(), terms=AUDIT)
    assert all(findings == () for findings in audited.findings.values())
    for name in day().told:
        np.testing.assert_array_equal(audited.cost_eur[name], honest().cost_eur[name])
        np.testing.assert_array_equal(audited.aggregator_eur[name], honest().aggregator_eur[name])
    np.testing.assert_array_equal(audited.dso_eur, honest().dso_eur)


def test_a_day_held_twice_is_the_same() -> None:
    again = hold_day(prepare_day(small_setup(), limit_share=LIMIT_SHARE))
    np.testing.assert_array_equal(again.before_kw, honest().before_kw)
    for name in day().told:
        np.testing.assert_array_equal(again.cost_eur[name], honest().cost_eur[name])


def test_a_lie_of_no_size_earns_and_costs_nothing() -> None:
    for name, place in everybody():
        lied = hold_day(day(), Liar(name, place, MemberLie("none", 0.0)))
        np.testing.assert_array_equal(lied.cost_eur[name], honest().cost_eur[name])


@pytest.mark.parametrize("from_plan", [True, False])
def test_inflating_the_baseline_by_2_kw_pays_and_does_not_under_the_audit(from_plan: bool) -> None:
    """On paper 2 kW are drawn in the crowded night that are drawn by day; the DSO pays that."""
    shift_kw = paper_shift_kw(2.0, congested(), day().setup.tariff, DAY)
    name, place = inflexible()[0]
    liar = Liar(name, place, MemberLie("shift", 2.0, shift_kw, from_plan=from_plan))

    free, audited = hold_day(day(), liar), hold_day(day(), liar, AUDIT)

    assert gain_eur(free, liar, UC3) > 0.05
    assert free.dso_eur[UC3] - honest().dso_eur[UC3] > 0.05
    assert gain_eur(audited, liar, UC3) <= EUR
    assert gain_eur(audited, liar, UC2) <= EUR
    assert audited.dso_eur[UC3] <= honest().dso_eur[UC3] + AUDIT.tolerance_eur
    assert doubts(audited, liar)


def test_members_with_devices_that_shift_within_their_reach_are_refuted_by_prices() -> None:
    """What they tell could be drawn and delivered in each PTU, but not in one day."""
    shift_kw = paper_shift_kw(2.0, congested(), day().setup.tariff, DAY)
    refuted = 0
    for name, place in everybody():
        reach = day().registered[name].declaration
        if reach.flexible[place] and (reach.lower_kw[place] < -2.0).any():
            liar = Liar(name, place, MemberLie("shift", 2.0, shift_kw, from_plan=False))
            free, audited = hold_day(day(), liar), hold_day(day(), liar, AUDIT)
            assert gain_eur(free, liar, UC3) > 0.05
            found = doubts(audited, liar)
            assert Doubt.IMPOSSIBLE in found
            assert Doubt.REACH not in found
            assert gain_eur(audited, liar, UC3) <= EUR
            # What the plan took from the DSO comes back, as far as prices can tell.
            assert audited.dso_eur[UC3] < free.dso_eur[UC3] - 0.05
            refuted += 1
    assert refuted


def test_a_load_that_is_only_added_never_pays_since_losses_are_paid_and_not_kw() -> None:
    load_kw = added_load_kw(2.0, congested(), DAY)
    for name, place in inflexible():
        free = hold_day(day(), Liar(name, place, MemberLie("added", 2.0, load_kw)))
        assert gain_eur(free, Liar(name, place, MemberLie("", 0.0)), UC3) <= AUDIT.tolerance_eur


def test_a_lower_bill_alone_is_not_believed_and_found_out() -> None:
    """The aggregator counts by the plan that was told, not by the member's word."""
    tariff = day().setup.tariff
    for name, place in everybody()[::2]:
        liar = Liar(name, place, MemberLie("bill", 5.0, bill_eur=5.0))
        free, audited = hold_day(day(), liar), hold_day(day(), liar, AUDIT)
        alone_eur = day().registered[name].least_eur[place] + tariff.standing_eur_per_day
        true_gain_eur = alone_eur - honest().cost_eur[name][UC2, place]
        assert gain_eur(free, liar, UC2) == pytest.approx(0.0, abs=EUR)
        assert free.dso_eur[UC3] == pytest.approx(honest().dso_eur[UC3], abs=EUR)
        # Not believed, it pays its own bill.
        assert gain_eur(audited, liar, UC2) == pytest.approx(-true_gain_eur, abs=EUR)
        assert doubts(audited, liar) == {Doubt.BILL}


def test_an_aggregator_keeps_what_it_asks_beyond_the_loss_until_losses_are_settled() -> None:
    load_kw = added_load_kw(2.0, congested(), DAY)
    lie = AggregatorLie("phantom", 2.0, phantom_kw=load_kw, phantom_eur_per_kwh=0.1)
    asked_eur = 0.1 * 2.0 * len(congested()) * DAY.ptu_hours
    gains = []
    for name in day().told:
        liar = Liar(name, -1, lie)
        free, audited = hold_day(day(), liar), hold_day(day(), liar, AUDIT)
        gains.append(gain_eur(free, liar, UC3))
        assert gain_eur(audited, liar, UC3) == pytest.approx(0.0, abs=EUR)
        assert doubts(audited, liar) == {Doubt.SUM}
    # Where others sell instead nothing is earned.
    assert min(gains) >= 0.0
    assert max(gains) == pytest.approx(asked_eur, abs=AUDIT.tolerance_eur)


def test_a_price_above_the_loss_is_kept_until_losses_are_settled() -> None:
    """The loss is so small here that only a great factor can be told from rounding."""
    tight = prepare_day(small_setup(), limit_share=0.6)
    without = hold_day(tight)
    kept = []
    for name in tight.told:
        liar = Liar(name, -1, AggregatorLie("price", 10.0, price_factor=10.0))
        free, audited = hold_day(tight, liar), hold_day(tight, liar, AUDIT)
        kept.append((free.aggregator_eur[name] - without.aggregator_eur[name])[UC3])
        earned = audited.aggregator_eur[name] - without.aggregator_eur[name]
        assert earned[UC3] == pytest.approx(0.0, abs=EUR)
        if kept[-1] > AUDIT.tolerance_eur:
            assert doubts(audited, liar) == {Doubt.PRICE}
    assert min(kept) >= -EUR
    assert max(kept) > AUDIT.tolerance_eur


def test_comfort_that_no_device_can_cost_is_paid_for_and_found_out() -> None:
    gains = []
    for name, place in everybody():
        liar = Liar(name, place, MemberLie("comfort", 0.05, comfort_eur=0.05))
        free, audited = hold_day(day(), liar), hold_day(day(), liar, AUDIT)
        gains.append(gain_eur(free, liar, UC3))
        found = doubts(audited, liar)
        assert found <= {Doubt.COMFORT}
        if found:
            assert gain_eur(audited, liar, UC3) <= EUR
        else:
            # It was never taken at its word: no more than another course of the market.
            assert gains[-1] <= MARKET_NOISE_EUR
    assert max(gains) > MARKET_NOISE_EUR


def test_a_shift_pairs_cheap_congested_hours_with_the_dearest_others() -> None:
    hours = Horizon(60)
    price = np.full(24, 0.1)
    price[17:20], price[2] = (0.3, 0.25, 0.2), 0.05
    tariff = Tariff("t", price, np.full(24, 0.04))
    shift_kw: FloatArray = paper_shift_kw(2.0, [2, 3, 17], tariff, hours)
    expected_kw = np.zeros(24)
    expected_kw[2], expected_kw[18], expected_kw[3], expected_kw[19] = 2.0, -2.0, 2.0, -2.0
    np.testing.assert_array_equal(shift_kw, expected_kw)


def test_a_shift_under_a_flat_tariff_is_none() -> None:
    flat = Tariff("flat", np.full(48, 0.1), np.full(48, 0.04))
    assert not paper_shift_kw(2.0, [1, 2], flat, DAY).any()


def test_the_study_tells_every_lie_of_every_actor_and_none_pays_under_the_audit() -> None:
    frame = misreports(small_setup(), actors=1, limit_share=LIMIT_SHARE)
    members = frame[~frame["actor"].str.startswith("community")]
    assert members["actor"].nunique() == 1
    assert set(frame.loc[frame["actor"].str.startswith("community"), "level"]) == {"uc3"}
    told = members["lie"].ne("withholds its flexibility")
    assert (members.loc[told, "gain_eur_audited"] <= AUDIT.tolerance_eur).all()
    best = best_lies(frame).set_index(["lie", "level"])
    assert best.loc[("load shifted on paper [kW]", "uc3"), "gain_eur"] > 0.05
    assert (best["tried"] > 0).all()


def test_the_command_refuses_a_folder_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no" / "lies.csv"
    assert main(["study", "misreport", "--out", str(missing)]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_the_command_prints_the_best_lies_and_writes_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lies.csv"
    assert main(["study", "misreport", "--actors", "1", "--out", str(out)]) == 0
    assert "price over loss" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("seed,lie,size,actor")
