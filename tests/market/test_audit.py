"""The audit's rules one by one, and that no honest home is ever doubted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems import Negotiator, market_member, plan_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import Declaration, MemberRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.audit import (
    AuditTerms,
    Doubt,
    Finding,
    RegisteredDays,
    audit_baseline,
    audit_ordered,
    deviation_charge_eur,
    overstated_eur,
    settle_audited,
    understated_eur,
)
from mas2sim.market.local_market import LocalMarket, LocalTerms
from mas2sim.market.membership import Membership
from mas2sim.market.session import hold_local_market
from tests.cems.home_samples import dynamic, negative_prices, peak_price, random_home, time_of_use

HOURS = Horizon(60)
TERMS = AuditTerms()
EUR = 1e-9
"""Rounding of sums of some hundred products of numbers below 100."""
TARIFFS = {
    "time_of_use": lambda rng: time_of_use(HOURS),
    "dynamic": lambda rng: dynamic(HOURS, rng),
    "negative_prices": lambda rng: negative_prices(HOURS, rng),
    "peak_price": lambda rng: peak_price(HOURS, rng),
}
NIGHT = HOURS.start_hours < 6
TWO_RATES = Tariff("two", np.where(NIGHT, 0.05, 0.2), np.full(24, 0.04))


def wanted_kw() -> FloatArray:
    """A member that charges 1 kW for three hours of the night, and one with a load of 0.5 kW."""
    net_kw = np.full((2, 24), 0.5)
    net_kw[0, :3] += 1.0
    return net_kw


def declaration(flexible: tuple[bool, ...] = (True, False)) -> Declaration:
    base_kw = np.full((2, 24), 0.5)
    most_kw = base_kw + np.array([[1.0], [0.0]])
    return Declaration("c", flexible, base_kw, most_kw, np.zeros(2))


def registered() -> RegisteredDays:
    least_eur = TWO_RATES.cost_eur(wanted_kw(), HOURS)
    return RegisteredDays(declaration(), wanted_kw(), least_eur, least_eur, np.zeros(2))


def doubts(
    net_kw: FloatArray, *, alone_eur: FloatArray | None = None, told: Declaration | None = None
) -> list[tuple[int, Doubt]]:
    bill_eur = TWO_RATES.cost_eur(net_kw, HOURS) if alone_eur is None else alone_eur
    audited = audit_baseline(
        net_kw, bill_eur, told or declaration(), registered(), TWO_RATES, HOURS, TERMS
    )
    refused = {finding.member for finding in audited.findings}
    assert audited.believed == tuple(member not in refused for member in range(2))
    for member in refused:
        np.testing.assert_array_equal(audited.net_kw[member], wanted_kw()[member])
        assert audited.alone_eur[member] == pytest.approx(registered().least_eur[member], abs=EUR)
        assert not audited.declaration.flexible[member]
    return [(finding.member, finding.doubt) for finding in audited.findings]


def test_another_plan_of_the_same_cost_is_believed() -> None:
    net_kw = np.full((2, 24), 0.5)
    net_kw[0, 3:6] += 1.0
    assert doubts(net_kw) == []


def test_a_member_may_refuse_to_take_part() -> None:
    assert doubts(wanted_kw(), told=declaration((False, False))) == []


def test_charging_at_a_dear_hour_is_not_believed() -> None:
    # 3 kWh at 0.2 instead of 0.05 cost 0.45 EUR more.
    net_kw = np.full((2, 24), 0.5)
    net_kw[0, 17:20] += 1.0
    assert doubts(net_kw) == [(0, Doubt.IMPLAUSIBLE)]


def test_less_than_the_devices_need_is_impossible() -> None:
    net_kw = np.full((2, 24), 0.5)
    assert doubts(net_kw) == [(0, Doubt.IMPOSSIBLE)]


def test_more_than_the_devices_draw_is_beyond_reach() -> None:
    # One hour at 3 kW costs the same as three at 1 kW.
    net_kw = np.full((2, 24), 0.5)
    net_kw[0, 0] += 3.0
    assert doubts(net_kw) == [(0, Doubt.REACH)]


def test_devices_that_nobody_registered_are_beyond_reach() -> None:
    told = declaration((True, True))
    upper_kw = np.array(told.upper_kw)
    upper_kw[1] += 2.0
    assert doubts(wanted_kw(), told=replace(told, upper_kw=upper_kw)) == [(1, Doubt.REACH)]


@pytest.mark.parametrize("beyond_eur", [-0.05, 0.05])
def test_a_bill_that_is_not_that_of_the_plan_is_not_believed(beyond_eur: float) -> None:
    alone_eur = TWO_RATES.cost_eur(wanted_kw(), HOURS) + np.array([0.0, beyond_eur])
    assert doubts(wanted_kw(), alone_eur=alone_eur) == [(1, Doubt.BILL)]


def test_comfort_that_no_device_can_cost_is_not_believed() -> None:
    told = replace(declaration(), forgone_eur=np.array([0.0, 0.05]))
    assert doubts(wanted_kw(), told=told) == [(1, Doubt.IMPLAUSIBLE), (1, Doubt.COMFORT)]
    found = audit_ordered(np.zeros(2), np.array([0.0, 0.05]), registered(), TERMS)
    assert found == (Finding(1, Doubt.COMFORT, 0.05),)


def test_a_member_without_a_plan_is_not_doubted() -> None:
    net_kw = wanted_kw()
    net_kw[1] = np.nan
    assert doubts(net_kw, alone_eur=TWO_RATES.cost_eur(wanted_kw(), HOURS)) == []


def test_prices_refute_a_profile_that_is_cheaper_than_its_devices() -> None:
    """2 kWh told at 0.05 and metered at 0.2: the profile is too cheap by 2 x 0.15 EUR."""
    told_kw = wanted_kw()
    told_kw[:, :2], told_kw[:, 17:19] = [[2.5], [1.5]], -0.5
    prices = np.stack([np.full(24, 0.1), TWO_RATES.import_eur_per_kwh])
    worth_eur = prices @ wanted_kw().T
    days = registered()
    found = understated_eur(told_kw, np.zeros(2), prices, worth_eur, days, HOURS, TERMS)
    # The second has nothing to move; what it told was audited at the plan gate.
    assert found == pytest.approx([0.3, 0.0], abs=EUR)
    # A flat price alone cannot tell.
    flat = understated_eur(told_kw, np.zeros(2), prices[:1], worth_eur[:1], days, HOURS, TERMS)
    assert flat == pytest.approx([0.0, 0.0], abs=EUR)


def test_what_is_metered_beside_the_order_is_charged_at_the_highest_price() -> None:
    metered_kw = wanted_kw()
    metered_kw[0, 5] += 1.1
    metered_kw[1, 7:9] -= TERMS.deviation_kw
    charge_eur = deviation_charge_eur(wanted_kw(), metered_kw, TWO_RATES, HOURS, TERMS)
    assert charge_eur == pytest.approx([1.0 * 0.2, 0.0], abs=EUR)


def test_an_aggregator_that_asks_for_more_than_is_lost_is_found() -> None:
    assert overstated_eur(0.65, 0.65, TERMS) == 0.0
    assert overstated_eur(0.5, 0.65, TERMS) == 0.0
    assert overstated_eur(1.3, 0.65, TERMS) == pytest.approx(0.65, abs=EUR)


def test_who_is_not_believed_pays_its_own_bill_and_the_dso_gets_its_money_back() -> None:
    paid = settle_audited(
        np.array([2.0, 1.0]), np.array([3.0, 1.5]), 0.4,
        np.array([True, False]), np.array([0.0, 0.3]), np.array([0.0, 0.1]),
    )  # fmt: skip
    assert paid.payment_eur == pytest.approx([2.0, 1.6], abs=EUR)
    assert paid.dso_eur == pytest.approx(0.1, abs=EUR)
    assert paid.left_eur == pytest.approx(0.3, abs=EUR)


money = st.floats(0, 10)


@given(st.lists(st.tuples(money, money, st.booleans(), money, money), min_size=1), money)
def test_an_audit_moves_money_and_makes_none(
    members: list[tuple[float, float, bool, float, float]], dso_eur: float
) -> None:
    payment, bill, believed, understated, charge = map(np.array, zip(*members, strict=True))
    paid = settle_audited(payment, bill, dso_eur, believed.astype(bool), understated, charge)
    before, after = payment.sum() + dso_eur, paid.payment_eur.sum() + paid.dso_eur - paid.left_eur
    assert after == pytest.approx(before, abs=EUR)
    assert paid.dso_eur >= 0
    assert (paid.payment_eur >= payment).all()
    doubted = ~believed.astype(bool)
    assert (paid.payment_eur[doubted] >= bill[doubted]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(TARIFFS)))
def test_honest_homes_are_never_doubted(seed: int, tariff_name: str) -> None:
    """Whatever their devices: the plans told and the auditor's differ among equals, no more."""
    rng = np.random.default_rng(seed)
    samples = [random_home(rng, HOURS) for _ in range(5)]
    tariff = TARIFFS[tariff_name](rng)

    def members(ties: int) -> list:
        draw = np.random.default_rng([seed, ties])
        return [
            market_member(
                home, day, plan_home(home, day, tariff, HOURS, ties=TieRule.RANDOM, rng=draw),
                tariff, HOURS,
            )
            for home, day in samples
        ]  # fmt: skip

    told, audited = members(1), members(2)
    negotiator, auditor = (Negotiator("c", each, tariff, HOURS) for each in (told, audited))
    days = RegisteredDays(
        declaration=auditor.declare(),
        net_kw=auditor.net_kw,
        least_eur=np.array([each.plan.cost_eur + each.plan.discomfort_eur for each in audited]),
        bound_eur=np.array([each.plan.bound_eur for each in audited]),
        forgone_most_eur=np.array(
            [
                0.0 if (load := each.home.interruptible) is None
                else load.p_kw.sum() * HOURS.ptu_hours * load.discomfort_eur_per_kwh
                for each in audited
            ]
        ),
    )  # fmt: skip
    alone_eur = np.array([each.plan.cost_eur for each in told])
    first = audit_baseline(
        negotiator.net_kw, alone_eur, negotiator.declare(), days, tariff, HOURS, TERMS
    )
    assert first.findings == ()
    assert all(first.believed)

    membership = Membership(
        "c", negotiator.net_kw, first.declaration, np.zeros(5, dtype=np.int64), 1
    )
    terms = LocalTerms(rounds=6, questions=4)
    market = LocalMarket(membership, tariff, HOURS, terms, seed=seed, substation=1)
    outcome = hold_local_market(market, negotiator)
    prices = np.stack(
        [outcome.price_eur_per_kwh, tariff.import_eur_per_kwh, rng.uniform(-0.1, 0.4, 24)]
    )
    worth_eur = np.stack([_worth_eur(auditor, price) for price in prices])
    understated = understated_eur(
        outcome.net_kw, outcome.forgone_eur, prices, worth_eur, days, HOURS, TERMS
    )
    assert audit_ordered(understated, outcome.forgone_eur, days, TERMS) == ()
    charge_eur = deviation_charge_eur(outcome.net_kw, negotiator.net_kw, tariff, HOURS, TERMS)
    assert charge_eur == pytest.approx(np.zeros(5), abs=EUR)


def _worth_eur(auditor: Negotiator, price: FloatArray) -> FloatArray:
    question = MemberRequest(
        "c", Level.UC2, 0, (0, 1, 2, 3, 4), (0,) * 5, (), price[None], np.zeros(24)
    )
    return auditor.answer(question).worth_eur
