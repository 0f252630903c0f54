"""What an aggregator offers the DSO: its bound behind merged feeders, and what was sold before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.flexibility import FlexOffer, FlexRequest, PriceCurve
from mas2sim.domain.plan import PPlans
from mas2sim.domain.typical_day import Level
from mas2sim.market.aggregator import Aggregator, AggregatorTerms
from mas2sim.market.external_request import ExternalRequest, SoldFlexibility
from mas2sim.market.membership import Membership
from mas2sim.market.offer_maker import OfferedPlan, OfferMaker
from mas2sim.market.settlement import Agreements, LevelPayments
from mas2sim.market.split import SplitTerms

from .household_samples import HOURS, SEED, SUBSTATION, households
from .test_external import (
    FLAT,
    IMPORT_EUR,
    LOAD_KW,
    REDUCTION_LOSS_EUR,
    WANTED,
    battery_home,
    sold,
    wanted_kw,
)

EUR = 1e-7
"""Sums of some thousand products below 100."""
KW = 1e-6
"""Knots are met to 1e-9 kW by each of a home's devices."""
NOTHING = np.zeros((1, HOURS.ptus))


def request(
    points: tuple[str, ...], curves: tuple[PriceCurve, ...], prices: FloatArray
) -> FlexRequest:
    far = np.full(prices.shape, np.inf)
    return FlexRequest(
        0, "", points, np.zeros(prices.shape), -far, far, 1.0, curves, prices, progress=1.0
    )


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 7),
    share=st.floats(0.0, 1.0),
    level=npst.arrays(np.float64, (3, 1), elements=st.sampled_from([0.0, 0.1, 2.0])),
)
def test_the_bound_holds_for_sums_that_are_told_of_several_feeders_together(
    seed: int, share: float, level: FloatArray
) -> None:
    """No plan costs less than the worth, its power priced where it is reported.

    Prices are the same all day, so that no plan can flee them and the bound is close.
    """
    prices = np.repeat(level, HOURS.ptus, axis=1)
    community = households(seed)
    negotiator = community.negotiator()
    group = np.arange(len(community.homes)) % 2
    told = np.array([[share, share], [1.0 - share, 1.0 - share]])
    seller = OfferMaker(
        Membership(community.name, community.plans_kw, negotiator.declare(), group, 2),
        community.tariff, HOURS, fee_eur_per_kwh=0.0,
        price_eur_per_kwh=community.tariff.import_eur_per_kwh,
        seed=SEED, substation=SUBSTATION, attribution=told,
    )  # fmt: skip
    offer = answered(seller, negotiator, request(("all", "a", "b"), (), prices))
    plan = seller.before
    priced_eur = HOURS.ptu_hours * float((prices * seller.a_plan_kw(plan.net_kw)).sum())
    assert offer.worth_eur <= plan.cost_eur + priced_eur + EUR


def answered(seller: OfferMaker, members: object, asked: FlexRequest) -> FlexOffer:
    seller.asked(asked)
    while (question := seller.next_request()) is not None:
        seller.take(members.answer(question))  # type: ignore[attr-defined]
    offer = seller.offer()
    assert offer is not None
    return offer


@pytest.mark.parametrize("aware", [True, False])
def test_what_was_sold_is_kept_when_the_dso_asks(aware: bool) -> None:
    """The battery of 5 kW has sold 2 kW in two hours at 1 EUR/kWh; the DSO wants little.

    Undoing the sale would save the way through the battery and lose 4 EUR: it is kept. An
    aggregator that forgot the sale would undo it.
    """
    members = battery_home(5.0)
    wanted = ExternalRequest("retailer", wanted_kw(-2.0), 1.0)
    _, sale = sold(wanted, members, FLAT, FLAT.import_eur_per_kwh)
    assert sale.sold is not None
    seller = after_sale(members.negotiator.net_kw, members, sale.sold if aware else None)
    flat = PriceCurve(NOTHING.T, NOTHING.T + 1e-6)
    offer = answered(seller, members, request(("all",), (flat,), NOTHING))
    kept_kw = np.zeros(len(WANTED)) if aware else np.full(len(WANTED), 2.0)
    assert offer.change_kw[0, WANTED] == pytest.approx(kept_kw, abs=KW)
    assert offer.price_eur == pytest.approx(0.0, abs=EUR)


def test_a_sale_undone_for_the_dso_is_part_of_what_members_lose() -> None:
    """By hand: 4 kWh that the buyer would have paid 1 EUR for, less the loss on their way."""
    members = battery_home(5.0)
    wanted = ExternalRequest("retailer", wanted_kw(-2.0), 1.0)
    _, sale = sold(wanted, members, FLAT, FLAT.import_eur_per_kwh)
    seller = after_sale(members.negotiator.net_kw, members, sale.sold)
    # The DSO wants the 2 kW back, and no more: below it pays 5 EUR/kWh, beyond nothing.
    knots, prices = np.zeros((HOURS.ptus, 2)), np.zeros((HOURS.ptus, 2))
    knots[WANTED], prices[WANTED] = 2.0, [-5.0, 0.0]
    offer = answered(seller, members, request(("all",), (PriceCurve(knots, prices),), NOTHING))
    assert offer.change_kw[0, WANTED] == pytest.approx([2.0, 2.0], abs=KW)
    assert offer.price_eur == pytest.approx(4.0 - 4.0 * REDUCTION_LOSS_EUR, abs=EUR)


def after_sale(net_kw: FloatArray, members: object, what: SoldFlexibility | None) -> OfferMaker:
    declared = members.negotiator.declare()  # type: ignore[attr-defined]
    return OfferMaker(
        Membership("c", net_kw, declared, np.zeros(1, np.int64), 1), FLAT, HOURS,
        fee_eur_per_kwh=0.0, price_eur_per_kwh=FLAT.import_eur_per_kwh, seed=5,
        substation=SUBSTATION, sold=what,
    )  # fmt: skip


@pytest.mark.parametrize("kept_kw", [2.0, 0.5, 0.0])
def test_the_buyer_pays_for_what_the_dso_left_and_the_dso_for_the_rest(kept_kw: float) -> None:
    """By hand: 4 kWh were sold at 1 EUR, and of 2 kW in each hour `kept_kw` are delivered.

    The rebound is free of losses here. What is not delivered the DSO makes good, less what it
    costs less; the member pays what it would have paid.
    """
    agreed_kw = np.full((1, HOURS.ptus), LOAD_KW)
    sold_kw, metered_kw = agreed_kw.copy(), agreed_kw.copy()
    sold_kw[0, WANTED] -= 2.0
    sold_kw[0, 3] += 4.5  # half a kWh more than without the sale
    metered_kw[0, WANTED] -= kept_kw
    metered_kw[0, 3] += 4.5
    terms = Agreements(
        FLAT, HOURS, SplitTerms(), FLAT.cost_eur(agreed_kw, HOURS), np.zeros(1),
        agreed=OfferedPlan(agreed_kw, 0.0, np.zeros(1)),
        sold=OfferedPlan(sold_kw, 0.0, np.zeros(1)),
        ordered=OfferedPlan(metered_kw, 0.0, np.zeros(1)),
        request=ExternalRequest("retailer", wanted_kw(-2.0), 1.0),
    )  # fmt: skip
    paid = terms.settle(Level.UC3, metered_kw)
    missing_kwh = 2.0 * (2.0 - kept_kw)
    alone_eur = IMPORT_EUR * LOAD_KW * HOURS.ptus
    assert paid.external_eur == pytest.approx(2.0 * kept_kw, abs=EUR)
    assert paid.dso_eur == pytest.approx(missing_kwh * (1.0 + IMPORT_EUR), abs=EUR)
    assert paid.payment_eur == pytest.approx([alone_eur + 0.5 * IMPORT_EUR - 4.0], abs=EUR)
    assert balance_eur(paid) == pytest.approx(float(FLAT.cost_eur(metered_kw[0], HOURS)), abs=EUR)


def balance_eur(paid: LevelPayments) -> float:
    """What all pay together, less what the aggregator keeps."""
    members = float(paid.payment_eur.sum())
    return members + paid.dso_eur + paid.external_eur + paid.shortfall_eur - paid.service_eur


def test_an_aggregator_that_has_sold_offers_the_dso_nothing_of_it() -> None:
    """From its members' plans to the offer, message by message: the battery keeps its sale."""
    members = battery_home(5.0)
    terms = AggregatorTerms(
        (Level.UC2, Level.UC3), SEED, SUBSTATION,
        external=ExternalRequest("retailer", wanted_kw(-2.0), 1.0),
    )  # fmt: skip
    agent = Aggregator(Community("c", (0,)), FLAT, HOURS, terms)
    both_kw = np.repeat(members.negotiator.net_kw[None], 2, axis=0)
    alone_eur = FLAT.cost_eur(both_kw[0], HOURS)
    agent.plan(PPlans("c", (0,), both_kw, alone_eur, members.negotiator.declare()))
    for _ in range(2):
        while (question := agent.next_request()) is not None:
            agent.take(members.answer(question))
        order = agent.order()
        assert order is not None
        members.order(order)
        agent.sells_on()
    plan = agent.a_plan()
    assert plan is not None
    assert plan.net_kw[1, WANTED] == pytest.approx([LOAD_KW - 2.0] * 2, abs=KW)
    flat = PriceCurve(NOTHING.T, NOTHING.T + 1e-6)
    agent.asked(request(("all",), (flat,), NOTHING))
    while (question := agent.next_request()) is not None:
        agent.take(members.answer(question))
    offer = agent.flex_offer()
    assert offer is not None
    assert offer.change_kw[0, WANTED] == pytest.approx([0.0, 0.0], abs=KW)


def test_trade_with_other_communities_repays_the_aggregator_before_members() -> None:
    """By hand: a day 0.8 EUR dearer than alone; of 1 EUR by trade 0.2 are left for two members."""
    net_kw = np.zeros((2, HOURS.ptus))
    net_kw[:, 12] = 2.0
    alone_eur = np.zeros(2)
    terms = Agreements(FLAT, HOURS, SplitTerms(), alone_eur, np.zeros(2))
    traded_kw = np.zeros(HOURS.ptus)
    spread_eur = 0.5 * (IMPORT_EUR - float(FLAT.export_eur_per_kwh[0]))
    traded_kw[12] = 1.0 / spread_eur
    paid = terms.settle(Level.UC2, net_kw, traded_kw)
    assert paid.shortfall_eur == pytest.approx(0.0, abs=EUR)
    assert paid.payment_eur == pytest.approx([-0.1, -0.1], abs=EUR)
