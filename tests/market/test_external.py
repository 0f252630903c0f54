"""Sales to a buyer outside: a battery by hand, homes of any make, and the money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.cems import Negotiator, market_member, plan_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Battery
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.flexibility import MemberOffers, MemberRequest
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.external import (
    BLOCKS,
    ROUNDS,
    ExternalOffer,
    ExternalSale,
    external_payments,
)
from mas2sim.market.external_request import ExternalRequest
from mas2sim.market.local_market import LocalOutcome
from mas2sim.market.membership import Membership
from mas2sim.market.session import hold_local_market
from mas2sim.market.split import SplitTerms, split_payments

from .community_samples import Drawn
from .community_samples import communities as drawn_communities
from .curve_oracle import curve_cost, reading
from .household_samples import (
    HOURS,
    Change,
    Households,
    Listening,
    bill_eur,
    households,
)

EUR = 1e-9
"""Sums of some thousand products below 10."""
KW = 1e-6
"""Knots are met to 1e-9 kW by each of a home's devices."""
SEEDS = range(8)
few = settings(max_examples=30, deadline=None)

IMPORT_EUR, EXPORT_EUR = 0.20, 0.05
LOAD_KW = 4.0
WAY = 0.9
"""Of the energy on each way through the battery that is left."""
REDUCTION_LOSS_EUR = IMPORT_EUR * (1 / WAY**2 - 1)
"""Of a kWh delivered: more has to be drawn at another hour."""
INCREASE_LOSS_EUR = IMPORT_EUR * (1 - WAY**2)
"""Of a kWh drawn: less comes back at another hour."""
WANTED = [18, 19]


def wanted_kw(power_kw: float) -> FloatArray:
    change_kw = np.zeros(HOURS.ptus)
    change_kw[WANTED] = power_kw
    return change_kw


def battery_home(power_kw: float) -> Listening:
    """One home with a steady load and a half full battery, under a flat tariff."""
    battery = Battery(12.0, power_kw, WAY, WAY)
    load_kw = np.full(HOURS.ptus, LOAD_KW)
    home = Home(
        "home", 3300.0, load_kw, battery=battery, owns=frozenset({"battery"}),
        offered=frozenset({"battery"}),
    )  # fmt: skip
    rest = MappingProxyType({"battery": np.zeros(HOURS.ptus)})
    reference = ReferenceDay(load_kw, rest, battery_start_kwh=6.0)
    plan = plan_home(home, reference, FLAT, HOURS, rng=np.random.default_rng(0))
    assert plan.net_kw == pytest.approx(load_kw)
    return Listening(
        Negotiator("c", [market_member(home, reference, plan, FLAT, HOURS)], FLAT, HOURS)
    )


FLAT = Tariff("flat", np.full(HOURS.ptus, IMPORT_EUR), np.full(HOURS.ptus, EXPORT_EUR))


def sold(
    request: ExternalRequest,
    members: Listening,
    tariff: Tariff,
    price_eur_per_kwh: FloatArray,
    fee: float = 0.0,
    *,
    taken: bool = True,
) -> tuple[ExternalOffer | None, ExternalSale]:
    """Hold the bargaining to its end, from where the members stand."""
    net_kw = members.negotiator.net_kw
    sale = ExternalSale(
        request,
        Membership("c", net_kw, members.negotiator.declare(), np.zeros(len(net_kw), np.int64), 1),
        tariff,
        HOURS,
        fee_eur_per_kwh=fee,
        price_eur_per_kwh=price_eur_per_kwh,
        seed=5,
        substation=1,
    )
    while (asked := sale.next_request()) is not None:
        sale.take(members.answer(asked))
    offer = sale.offer()
    members.order(sale.order(taken=taken))
    return offer, sale


@pytest.mark.parametrize("paid", [2.0, 50.0])
@pytest.mark.parametrize("battery_kw", [5.0, 1.5])
@pytest.mark.parametrize(
    ("direction", "loss_eur"), [(-1.0, REDUCTION_LOSS_EUR), (1.0, INCREASE_LOSS_EUR)]
)
def test_a_battery_sells_what_is_wanted_as_far_as_it_can(
    direction: float, loss_eur: float, battery_kw: float, paid: float
) -> None:
    """By hand: two hours of 2 kW, or of what the battery can, at what the way through it costs.

    A buyer who pays more than energy costs does not make the battery burn any.
    """
    members = battery_home(battery_kw)
    request = ExternalRequest("retailer", wanted_kw(2.0 * direction), paid * loss_eur)
    offer, _ = sold(request, members, FLAT, FLAT.import_eur_per_kwh)
    assert offer is not None
    delivered_kwh = 2.0 * min(2.0, battery_kw)
    change_kw = wanted_kw(delivered_kwh / 2.0 * direction)
    assert offer.change_kw[WANTED] == pytest.approx(change_kw[WANTED], abs=KW)
    assert offer.delivered_kwh == pytest.approx(delivered_kwh, abs=KW)
    assert offer.revenue_eur == pytest.approx(paid * loss_eur * delivered_kwh, abs=KW)
    assert offer.price_eur == pytest.approx(loss_eur * delivered_kwh, abs=KW)
    assert members.negotiator.net_kw[0] - LOAD_KW == pytest.approx(offer.change_kw, abs=KW)
    # The rebound comes at any other hour.
    assert offer.change_kw.sum() == pytest.approx(
        delivered_kwh * (1 / WAY**2 - 1 if direction < 0 else 1 - WAY**2), abs=KW
    )


def test_what_is_sold_is_not_asked_for_again() -> None:
    """The buyer's price is told from 2 kW below the plan on, and once they are sold from there."""
    members = battery_home(5.0)
    sold(ExternalRequest("retailer", wanted_kw(-2.0), 0.1), members, FLAT, FLAT.import_eur_per_kwh)
    (first, _), (second, _) = members.exchanges[:2]
    for asked, jump_kw in ((first, -2.0), (second, 0.0)):
        curve = asked.curves[0]
        row = curve.change_kw[WANTED[0]], curve.price_eur_per_kwh[WANTED[0]]
        around = reading(row, np.array([jump_kw - 0.01, jump_kw + 0.01]))
        assert around == pytest.approx([IMPORT_EUR, IMPORT_EUR + 0.1])


@pytest.mark.parametrize(
    ("direction", "loss_eur"), [(-1.0, REDUCTION_LOSS_EUR), (1.0, INCREASE_LOSS_EUR)]
)
def test_who_pays_less_than_it_costs_is_offered_nothing(direction: float, loss_eur: float) -> None:
    members = battery_home(5.0)
    request = ExternalRequest("retailer", wanted_kw(2.0 * direction), 0.9 * loss_eur)
    offer, sale = sold(request, members, FLAT, FLAT.import_eur_per_kwh)
    assert offer is None
    assert sale.ordered is sale.before
    np.testing.assert_array_equal(members.negotiator.net_kw, sale.before.net_kw)


def test_an_offer_that_the_buyer_does_not_take_leaves_the_plans() -> None:
    members = battery_home(5.0)
    request = ExternalRequest("retailer", wanted_kw(-2.0), 1.0)
    offer, sale = sold(request, members, FLAT, FLAT.import_eur_per_kwh, taken=False)
    assert offer is not None
    assert sale.ordered is sale.before
    np.testing.assert_array_equal(members.negotiator.net_kw, sale.before.net_kw)


def test_a_request_for_nothing_brings_no_offer() -> None:
    members = battery_home(5.0)
    offer, _ = sold(
        ExternalRequest("retailer", wanted_kw(0.0), 1.0), members, FLAT, FLAT.import_eur_per_kwh
    )
    assert offer is None


def traded(
    community: Households,
    request: ExternalRequest,
    change: Change | None = None,
    arrives: Callable[[MemberRequest], bool] = lambda _: True,
) -> tuple[LocalOutcome, ExternalOffer | None, ExternalSale, Listening]:
    """A local market, and a sale after it whose messages may be changed."""
    negotiator = community.negotiator()
    local = hold_local_market(community.market(negotiator), Listening(negotiator))
    members = Listening(negotiator, change, arrives)
    offer, sale = sold(request, members, community.tariff, local.price_eur_per_kwh)
    return local, offer, sale, members


requests = st.builds(
    ExternalRequest,
    st.just("retailer"),
    npst.arrays(np.float64, HOURS.ptus, elements=st.sampled_from([0.0, 0.0, 0.0, -2.0, 1.5])),
    st.sampled_from([0.02, 0.1, 0.5, 3.0]),
)
communities = st.builds(
    lambda seed, sunny: households(seed, sunny=sunny), st.integers(0, 7), st.booleans()
)


def delivered_kwh(request: ExternalRequest, change_kw: FloatArray) -> float:
    """PTU by PTU: along the request and no further, or against it."""
    total = 0.0
    for wanted, change in zip(request.change_kw, change_kw, strict=True):
        if wanted < 0:
            total += -max(change, wanted)
        if wanted > 0:
            total += min(change, wanted)
    return total * HOURS.ptu_hours


@few
@given(community=communities, request=requests)
def test_an_offer_pays_and_is_what_the_members_then_do(
    community: Households, request: ExternalRequest
) -> None:
    local, offer, sale, members = traded(community, request)
    net_kw = members.negotiator.net_kw
    np.testing.assert_array_equal(net_kw, sale.ordered.net_kw)
    assert len(members.exchanges) <= ROUNDS * BLOCKS
    assert all(asked.level is Level.UC2 for asked, _ in members.exchanges)
    if offer is None:
        np.testing.assert_array_equal(net_kw, local.net_kw)
        return
    change_kw = (net_kw - local.net_kw).sum(axis=0)
    assert offer.change_kw == pytest.approx(change_kw, abs=EUR)
    assert offer.delivered_kwh == pytest.approx(delivered_kwh(request, change_kw), abs=EUR)
    assert offer.revenue_eur == pytest.approx(
        request.price_eur_per_kwh * offer.delivered_kwh, abs=EUR
    )
    after_eur = bill_eur(net_kw, community.tariff, 0.0) + sale.ordered.forgone_eur.sum()
    lost_eur = max(0.0, after_eur - local.cost_eur)
    assert offer.price_eur == pytest.approx(lost_eur, abs=EUR)
    assert offer.revenue_eur > offer.price_eur


@few
@given(community=communities, request=requests, seed=st.integers(0, 2**31))
def test_nothing_that_happens_to_messages_parts_members_and_aggregator(
    community: Households, request: ExternalRequest, seed: int
) -> None:
    rng = np.random.default_rng(seed)

    def change(asked: MemberRequest, offers: MemberOffers) -> MemberOffers | None:
        fate = rng.integers(4)
        if fate == 0:
            return None
        net_kw = np.array(offers.net_kw)
        if fate == 1:
            net_kw[rng.integers(len(net_kw))] = np.nan
        return replace(offers, net_kw=net_kw)

    _, offer, sale, members = traded(
        community, request, change, arrives=lambda _: bool(rng.random() < 0.8)
    )
    np.testing.assert_array_equal(members.negotiator.net_kw, sale.ordered.net_kw)
    if offer is not None:
        assert offer.revenue_eur > offer.price_eur


@pytest.mark.parametrize("heard", range(1, BLOCKS + 2))
def test_members_end_where_they_are_believed_though_the_last_requests_are_lost(
    heard: int,
) -> None:
    """What they should keep was told in a request that none has read: the order says it again."""
    request = ExternalRequest("retailer", wanted_kw(-2.0), 1.0)
    for seed in SEEDS:
        _, _, sale, members = traded(
            households(seed), request, arrives=lambda asked: asked.number < heard
        )
        np.testing.assert_array_equal(members.negotiator.net_kw, sale.ordered.net_kw)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_buyer_who_pays_a_fortune_gets_something(seed: int) -> None:
    """Homes of any make can do without something in three hours of the evening."""
    change_kw = np.zeros(HOURS.ptus)
    change_kw[17:20] = -1.0
    _, offer, _, _ = traded(households(seed), ExternalRequest("retailer", change_kw, 3.0))
    assert offer is not None
    assert offer.delivered_kwh > 0.1


@few
@given(request=requests, change_kw=npst.arrays(np.float64, 24, elements=st.floats(-5, 5)))
def test_the_buyers_curve_is_its_price_for_what_is_delivered(
    request: ExternalRequest, change_kw: FloatArray
) -> None:
    """A change along the curve costs what it does not earn of the buyer's money."""
    curve = request.curve(np.full(HOURS.ptus, np.inf))
    cost_eur = curve_cost(curve, change_kw) * HOURS.ptu_hours
    assert cost_eur == pytest.approx(-request.revenue_eur(change_kw, HOURS), abs=1e-6)


@pytest.mark.parametrize(
    ("change_kw", "price", "told"),
    [
        (np.full(24, np.nan), 0.1, "change_kw of the request of retailer"),
        (np.zeros(24), -0.1, "price_eur_per_kwh of the request of retailer"),
        (np.zeros(24), np.nan, "price_eur_per_kwh of the request of retailer"),
    ],
)
def test_a_request_without_sense_is_refused(change_kw: FloatArray, price: float, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        ExternalRequest("retailer", change_kw, price)


@settings(max_examples=60, deadline=None)
@given(
    community=drawn_communities(),
    lost_eur=st.floats(-1.0, 5.0),
    revenue_eur=st.floats(0.0, 5.0),
)
def test_the_money_of_a_sale_adds_up_and_nobody_pays_for_it(
    community: Drawn, lost_eur: float, revenue_eur: float
) -> None:
    terms = community.terms
    before = split_payments(
        community.net_kw, community.alone_eur, community.tariff, HOURS, terms, community.worth_eur
    )
    after_eur = before.cost_eur + lost_eur
    paid = external_payments(before, after_eur, revenue_eur, terms)
    total = float(paid.payment_eur.sum()) + revenue_eur + paid.shortfall_eur
    assert total == pytest.approx(after_eur + paid.service_eur, abs=1e-7)
    assert (paid.payment_eur <= before.payment_eur + EUR).all()
    gain_eur = revenue_eur - lost_eur
    if gain_eur > 0:
        service_eur = terms.service_share * gain_eur
        assert paid.service_eur - before.service_eur == pytest.approx(service_eur, abs=1e-7)
        shared = before.payment_eur - paid.payment_eur
        assert shared.sum() == pytest.approx(gain_eur - service_eur, abs=1e-7)
        gains = before.gain_eur
        if gains.max() > 1e-3:
            # In proportion to the gains that members had.
            assert shared * gains.sum() == pytest.approx(gains * shared.sum(), abs=1e-6)
    else:
        assert paid.payment_eur == pytest.approx(before.payment_eur, abs=EUR)
        assert paid.shortfall_eur - before.shortfall_eur == pytest.approx(-gain_eur, abs=1e-7)


def test_comfort_that_a_sale_takes_is_paid_for_first() -> None:
    """By hand: 1 EUR of revenue, 0.30 more to pay, 0.20 of comfort of the first: 0.50 to share."""
    net_kw = np.zeros((2, 24))
    net_kw[0, 12], net_kw[1, 12] = 1.0, -1.0
    alone_eur = np.array([IMPORT_EUR, -EXPORT_EUR])
    terms = SplitTerms()
    before = split_payments(net_kw, alone_eur, FLAT, HOURS, terms)
    assert before.payment_eur == pytest.approx([0.125, -0.125])
    paid = external_payments(
        before, before.cost_eur + 0.30, 1.0, terms, forgone_eur=np.array([0.20, 0.0])
    )
    assert paid.payment_eur == pytest.approx([0.125 - 0.20 - 0.25, -0.125 - 0.25])
    assert (paid.service_eur, paid.shortfall_eur) == (0.0, 0.0)
