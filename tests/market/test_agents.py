"""Aggregator and DSO as state machines over gates, without mosaik."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.flexibility import Declaration, FlexOrder, FlexRequest, PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import Regime
from mas2sim.domain.plan import APlan, DPrognosis, PPlans, Settlement
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import Aggregator, AggregatorTerms, Dso, DsoTerms, PointLimits, Timetable
from mas2sim.market.split import SplitRule, SplitTerms

from .community_samples import street, tariff

HOUR = Horizon(60)
COMMUNITY = Community("community_1", (3, 5))
NAME = COMMUNITY.name
TARIFF = Tariff("flat", np.full(24, 0.2), np.full(24, 0.05), standing_eur_per_day=0.1)
BOTH = (Level.UC1, Level.UC2)
EUR = 1e-9
"""Sums of some hundred products below 10."""


def aggregator(*levels: Level) -> Aggregator:
    terms = AggregatorTerms(levels or (Level.UC1,), seed=1, substation=1)
    return Aggregator(COMMUNITY, TARIFF, HOUR, terms)


def p_plans(first: float, second: float) -> PPlans:
    return PPlans(NAME, (3, 5), np.array([[np.full(24, first), np.full(24, second)]]))


def told(plans: PPlans | None, agent: Aggregator | None = None) -> APlan | None:
    agent = agent or aggregator()
    agent.plan(plans)
    return agent.a_plan()


def prognosis(**accepted: bool) -> DPrognosis:
    return DPrognosis("t", np.zeros((1, 24)), ((Regime.GREEN,) * 24,), accepted)


def dso(*levels: Level, other_kw: float = 0.0) -> Dso:
    everywhere = np.ones((1, 24))
    limits = PointLimits(
        ("transformer",), -100.0 * everywhere, 280.0 * everywhere, other_kw * everywhere
    )
    terms = DsoTerms(
        levels=levels or (Level.UC1,), limits=limits, spread_eur_per_kwh=0.1, seed=1, substation=1
    )
    return Dso(terms, HOUR)


def test_an_a_plan_is_the_sum_of_p_plans() -> None:
    plan = told(p_plans(1.0, -0.25))
    assert plan is not None
    assert plan.homes == 2
    np.testing.assert_array_equal(plan.net_kw, np.full((1, 24), 0.75))


def test_a_home_without_a_plan_is_left_out_of_the_sum() -> None:
    plan = told(p_plans(1.0, np.nan))
    assert plan is not None
    assert plan.homes == 1
    np.testing.assert_array_equal(plan.net_kw, np.full((1, 24), 1.0))


def test_another_communitys_p_plans_are_not_read() -> None:
    assert told(PPlans("community_2", (3, 5), np.ones((1, 2, 24)))) is None


def test_without_p_plans_there_is_nothing_to_ask_tell_or_order() -> None:
    agent = aggregator(*BOTH)
    agent.plan(None)
    assert agent.next_request() is None
    assert agent.order() is None
    assert agent.a_plan() is None
    assert agent.flex_offer() is None


@pytest.mark.parametrize(
    ("sent", "finding", "admitted"),
    [
        (True, prognosis(community_1=True), True),
        (True, prognosis(community_1=False), False),
        (True, prognosis(community_2=True), False),
        (True, None, False),
        (False, prognosis(community_1=True), False),
    ],
)
def test_plans_are_admitted_only_when_sent_and_found_in_order(
    sent: bool, finding: DPrognosis | None, admitted: bool
) -> None:
    agent = aggregator()
    agent.plan(p_plans(1.0, 1.0) if sent else None)
    assert agent.validate(finding).admitted == (admitted,)


def test_members_are_billed_by_their_own_meter() -> None:
    """24 kWh at 0.2 and 0.1 standing; 12 kWh exported at 0.05, less 0.1 standing."""
    settlement = aggregator().settle(np.array([[np.full(24, 1.0), np.full(24, -0.5)]]))
    assert settlement.bill_eur[0] == pytest.approx([4.9, -0.5])
    assert settlement.payment_eur[0] == pytest.approx([4.9, -0.5])


def settled(net_kw: FloatArray, price: Tariff, terms: SplitTerms | None = None) -> Settlement:
    """A community whose homes can move nothing, from plan to settlement, at uc1 and uc2."""
    members = len(net_kw)
    agent = Aggregator(
        Community(NAME, tuple(range(members))), price, HOUR,
        AggregatorTerms(BOTH, seed=1, substation=1, split=terms or SplitTerms()),
    )  # fmt: skip
    both = np.stack([net_kw, net_kw])
    declared = Declaration(NAME, (False,) * members, net_kw, net_kw, np.zeros(members))
    alone_eur = price.cost_eur(net_kw, HOUR)
    agent.plan(PPlans(NAME, tuple(range(members)), both, alone_eur, declared))
    assert agent.next_request() is None
    agent.order()
    return agent.settle(both)


@pytest.mark.parametrize("rule", SplitRule)
def test_a_street_pays_less_together_as_worked_out_by_hand(rule: SplitRule) -> None:
    """Ten loads of 0.4 kW, two exporters of 1.5 kW, one hour at 0.12 / 0.0491.

    Alone 4 kWh are bought for 0.48 and 3 kWh sold for 0.1473; together 1 kWh is bought for 0.12.
    """
    settlement = settled(street(), tariff(), SplitTerms(rule))
    assert settlement.bill_eur.sum(axis=1) == pytest.approx([0.3327, 0.3327], abs=EUR)
    assert settlement.payment_eur.sum(axis=1) == pytest.approx([0.3327, 0.1200], abs=EUR)
    assert settlement.local_kwh == pytest.approx([0.0, 3.0])
    assert (settlement.payment_eur[1] <= settlement.bill_eur[1] + EUR).all()


def test_at_mid_price_a_load_and_an_exporter_of_the_street_pay_what_a_pencil_says() -> None:
    """Three quarters of each 0.4 kWh at 0.08455, the rest at 0.12; 1.5 kWh sold at 0.08455."""
    payment_eur = settled(street(), tariff()).payment_eur[1]
    assert payment_eur[0] == pytest.approx(0.3 * 0.08455 + 0.1 * 0.12)
    assert payment_eur[11] == pytest.approx(-1.5 * 0.08455)


@settings(deadline=None)
@given(
    net_kw=npst.arrays(np.float64, (4, 24), elements=st.floats(0, 8)),
    rule=st.sampled_from(SplitRule),
)
def test_without_a_surplus_everybody_pays_what_it_would_alone(
    net_kw: FloatArray, rule: SplitRule
) -> None:
    settlement = settled(net_kw, tariff(), SplitTerms(rule))
    assert settlement.payment_eur[1] == pytest.approx(settlement.bill_eur[0], abs=EUR)
    assert settlement.local_kwh[1] == 0.0


def test_a_limited_connection_is_paid_for_what_it_went_without() -> None:
    """2 kWh at the import price, whoever it is; its bill is that of an unlimited day."""
    net_kw = np.array([[np.full(24, 1.0), np.full(24, 1.0)]])
    curtailed_kw = np.zeros_like(net_kw)
    curtailed_kw[0, 1, 18:20] = 1.0
    free = aggregator().settle(net_kw)
    limited = aggregator().settle(net_kw, curtailed_kw)
    assert free.payment_eur - limited.payment_eur == pytest.approx(np.array([[0.0, 0.4]]))
    assert limited.dso_eur - free.dso_eur == pytest.approx([0.4])


def test_the_prognosis_sums_communities_and_names_the_regime() -> None:
    """Annex D of D6.1: a peak of 300 kW against a limit of 280 kW."""
    profile = np.full(24, 50.0)
    profile[20] = 100.0
    a_plans = {f"community_{k}": APlan(f"community_{k}", profile[None], 50) for k in (1, 2, 3)}
    finding = dso().prognose(a_plans)
    assert finding.net_kw[0, 20] == 300.0
    assert [ptu for ptu, regime in enumerate(finding.regimes[0]) if regime is not Regime.GREEN] == [
        20
    ]
    assert finding.accepted == dict.fromkeys(a_plans, True)


def test_export_has_a_limit_of_its_own() -> None:
    flows = np.tile([-100.0, -100.1, 280.0, 280.1], 6)[None]
    finding = dso().prognose({NAME: APlan(NAME, flows, 50)})
    assert finding.regimes[0][:4] == (Regime.GREEN, Regime.YELLOW, Regime.GREEN, Regime.YELLOW)


def test_what_flows_beside_the_communities_is_in_the_prognosis() -> None:
    finding = dso(other_kw=30.0).prognose({NAME: APlan(NAME, np.full((1, 24), 260.0), 50)})
    np.testing.assert_array_equal(finding.net_kw, np.full((1, 24), 290.0))
    assert set(finding.regimes[0]) == {Regime.YELLOW}


def test_a_dso_without_an_excess_asks_nobody_and_orders_nothing() -> None:
    agent = dso(Level.UC3)
    plan = APlan(NAME, np.full((1, 24), 10.0), 50, np.full((1, 24), 10.0))
    agent.prognose({NAME: plan})
    assert agent.next_request() is None
    assert agent.order().accepted == {}
    assert agent.outcome is None
    validated = agent.validated()
    assert validated is not None
    assert not validated.curtailment_kw.any()


def test_what_nobody_offers_to_change_becomes_orange_and_is_limited() -> None:
    """20 kW too much at 20:00, and an aggregator that never answers."""
    profile = np.full((1, 24), 50.0)
    profile[0, 20] = 300.0
    agent = dso(Level.UC3)
    agent.prognose({NAME: APlan(NAME, profile, 50, profile)})
    asked = 0
    while agent.next_request() is not None:
        asked += 1
        agent.take({})
    assert asked
    validated = agent.validated()
    assert validated is not None
    assert validated.regimes[0][20] is Regime.ORANGE
    assert set(validated.regimes[0][:20]) == {Regime.GREEN}
    limited_kw = np.zeros(24)
    limited_kw[20] = 20.0
    assert validated.curtailment_kw[0, 0] == pytest.approx(limited_kw)


def test_a_community_without_a_plan_at_the_points_counts_as_flowing_anyway() -> None:
    agent = dso(Level.UC3)
    agent.prognose({NAME: APlan(NAME, np.full((1, 24), 300.0), 50)})
    assert agent.next_request() is None
    assert agent.outcome is None


@settings(deadline=None, max_examples=30)
@given(
    split_kw=npst.arrays(np.float64, (6, 24), elements=st.integers(-4, 4)),
    other_kw=npst.arrays(np.float64, (6, 24), elements=st.integers(-4, 4)),
)
def test_an_a_plan_does_not_depend_on_who_of_the_homes_draws_what(
    split_kw: FloatArray, other_kw: FloatArray
) -> None:
    """Two communities with the same sums tell the same, whole numbers to the bit."""
    other_kw = other_kw.copy()
    other_kw[-1] += split_kw.sum(axis=0) - other_kw.sum(axis=0)
    said = []
    for net_kw in (split_kw, other_kw):
        levels = (Level.UC1, Level.UC2, Level.UC3)
        agent = Aggregator(
            Community(NAME, tuple(range(6))), TARIFF, HOUR,
            AggregatorTerms(levels, seed=1, substation=1),
        )  # fmt: skip
        declared = Declaration(NAME, (False,) * 6, net_kw, net_kw, np.zeros(6))
        plans = np.repeat(net_kw[None], 3, axis=0)
        agent.plan(PPlans(NAME, tuple(range(6)), plans, TARIFF.cost_eur(net_kw, HOUR), declared))
        agent.order()
        a_plan = agent.a_plan()
        assert a_plan is not None
        agent.asked(any_request())
        assert agent.next_request() is None
        offer = agent.flex_offer()
        assert offer is not None
        said.append((a_plan.net_kw, a_plan.at_points_kw, offer.change_kw, a_plan.homes))
    for one, other in zip(*said, strict=True):
        np.testing.assert_array_equal(one, other)


def any_request() -> FlexRequest:
    flat = PriceCurve(np.zeros((24, 1)), np.full((24, 1), 0.1))
    nothing = np.zeros((1, 24))
    return FlexRequest(
        0, NAME, ("transformer",), nothing, nothing, nothing, 1.0, (flat,), nothing + 0.1
    )


def test_a_request_for_another_community_gets_no_offer() -> None:
    agent = aggregator(Level.UC3)
    nothing = np.zeros((2, 24))
    declared = Declaration(NAME, (False, False), nothing, nothing, np.zeros(2))
    agent.plan(replace(p_plans(1.0, 1.0), alone_eur=np.ones(2), declaration=declared))
    agent.order()
    agent.a_plan()
    agent.asked(replace(any_request(), community="community_2"))
    assert agent.next_request() is None
    assert agent.flex_offer() is None
    agent.ordered(FlexOrder({}, {}, {}))
    order = agent.order()
    assert order is not None
    assert order.plans == -1


def test_gates_follow_each_other_and_end_before_delivery() -> None:
    table = Timetable(plan_s=20 * 3600, gate_s=3600)
    gates = [table.plan_s, table.validate_s, table.confirm_s, table.operate_s, table.settle_s]
    assert gates == sorted(gates)
    assert table.confirm_s < table.operate_s == 24 * 3600


def test_a_member_without_a_plan_is_settled_by_its_meter_and_stops_nobody() -> None:
    """Its plan is no number: it is in no sum, and pays what its own meter says or less."""
    agent = aggregator(*BOTH)
    plans_kw = np.array([[np.full(24, 1.0), np.full(24, np.nan)]] * 2)
    declaration = Declaration(
        NAME, (False, False), np.full((2, 24), -9.0), np.full((2, 24), 9.0), np.zeros(2)
    )
    agent.plan(PPlans(NAME, (3, 5), plans_kw, np.array([4.8, np.nan]), declaration))
    assert agent.next_request() is None
    agent.order()
    settlement = agent.settle(np.array([[np.full(24, 1.0), np.full(24, -0.5)]] * 2))
    assert settlement.bill_eur[1] == pytest.approx([4.9, -0.5])
    assert np.isfinite(settlement.payment_eur).all()
    assert (settlement.payment_eur[1] <= settlement.bill_eur[1] + 1e-9).all()
