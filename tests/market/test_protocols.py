"""The protocols that the market is compared with, held on homes of any make.

How good they are is measured elsewhere; here it is held that they are what they say, that their
plans are lived and their sums add up, and that nothing which happens to a message stops them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems import Negotiator
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, InterruptibleLoad
from mas2sim.domain.flexibility import (
    Acceptance,
    Declaration,
    MemberOffers,
    MemberRequest,
    PriceCurve,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.admm import AdmmMarket
from mas2sim.market.bargaining import CommunityPrices, Membership
from mas2sim.market.greedy import GreedyMarket, surplus_curve
from mas2sim.market.local_market import LocalMarket, LocalOutcome, LocalTerms
from mas2sim.market.netting import NettingMarket
from mas2sim.market.protocols import Protocol, local_market
from mas2sim.market.session import CommunityMarket, hold_local_market
from tests.cems.day_replay import check_caps, check_service

from .curve_oracle import curve_cost
from .household_samples import (
    HOURS,
    Change,
    Households,
    Listening,
    bill_eur,
    central,
    households,
)

EUR = 1e-9
"""Sums of some thousand products below 10."""
SOLVER_EUR = 1e-5
"""What a solver's row tolerance of 1e-9, times prices, times rows, may leave of a central cost."""
CUT_EUR = 1e-6
"""A PTU's cost is a sum over kinks that are met to 1e-9 kW."""
KW = 1e-6
BEYOND_MARKET_PERCENT = 0.7
"""By how much of the import payments a comparison may beat the market: with five homes the market
itself is only within this of the optimum."""
SEEDS = range(6)
COMPARED = [Protocol.GREEDY, Protocol.NETTING, Protocol.ADMM]
NEGOTIATED = [Protocol.GREEDY, Protocol.ADMM]
FEES = [0.0, 0.02]
SUNNY = [False, True]
few = settings(max_examples=20, deadline=None)
communities = st.builds(
    lambda seed, sunny: households(seed, sunny=sunny), st.integers(0, 5), st.booleans()
)


def held(
    protocol: Protocol,
    community: Households,
    terms: LocalTerms | None = None,
    change: Change | None = None,
    arrives: Callable[[MemberRequest], bool] = lambda _: True,
) -> tuple[LocalOutcome, Listening]:
    members = Listening(community.negotiator(), change, arrives)
    market = opened(protocol, community, members.negotiator, terms or LocalTerms())
    return hold_local_market(market, members), members


def opened(
    protocol: Protocol, community: Households, negotiator: Negotiator, terms: LocalTerms
) -> CommunityMarket:
    return local_market(
        protocol, community.membership(negotiator), community.tariff, HOURS, terms,
        seed=3, substation=1,
    )  # fmt: skip


def netted_eur(community: Households, fee: float = 0.0) -> float:
    """What the community owes and gives up when no plan changes."""
    return bill_eur(community.plans_kw, community.tariff, fee) + float(community.forgone_eur.sum())


def test_each_protocol_is_the_market_of_its_name() -> None:
    community = households(0)
    kinds = {
        Protocol.PRICE_CURVE: LocalMarket,
        Protocol.GREEDY: GreedyMarket,
        Protocol.NETTING: NettingMarket,
        Protocol.ADMM: AdmmMarket,
    }
    assert set(kinds) == set(Protocol)
    for protocol, kind in kinds.items():
        assert type(opened(protocol, community, community.negotiator(), LocalTerms())) is kind


@pytest.mark.parametrize("sunny", SUNNY)
@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("seed", SEEDS)
def test_netting_asks_nobody_and_never_costs_more_than_bills_alone(
    seed: int, fee: float, sunny: bool
) -> None:
    community = households(seed, sunny=sunny)
    outcome, members = held(Protocol.NETTING, community, LocalTerms(fee_eur_per_kwh=fee))
    assert not members.exchanges
    assert (outcome.rounds, outcome.messages, outcome.events) == (0, 0, ())
    np.testing.assert_array_equal(outcome.net_kw, community.plans_kw)
    np.testing.assert_array_equal(members.negotiator.net_kw, community.plans_kw)
    assert outcome.cost_eur == pytest.approx(netted_eur(community, fee), abs=EUR)
    alone_eur = float((community.bills_eur + community.forgone_eur).sum())
    assert outcome.cost_eur <= alone_eur + EUR
    assert np.isnan(outcome.bound_eur)


@pytest.mark.parametrize("protocol", NEGOTIATED)
@pytest.mark.parametrize("sunny", SUNNY)
@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("seed", SEEDS)
def test_costs_lie_between_the_optimum_and_netting(
    seed: int, fee: float, sunny: bool, protocol: Protocol
) -> None:
    community = households(seed, sunny=sunny)
    outcome, _ = held(protocol, community, LocalTerms(fee_eur_per_kwh=fee))
    best = central(seed, fee, sunny=sunny)
    assert best.bound_eur <= outcome.cost_eur + SOLVER_EUR
    assert outcome.cost_eur <= netted_eur(community, fee) + EUR
    told = bill_eur(outcome.net_kw, community.tariff, fee) + outcome.forgone_eur.sum()
    assert outcome.cost_eur == pytest.approx(told, abs=EUR)
    # Only ADMM has prices under which days are worth something to all.
    assert np.isnan(outcome.bound_eur) == (protocol is Protocol.GREEDY)
    assert not outcome.bound_eur > best.bound_eur + SOLVER_EUR


def test_where_the_sun_shines_all_but_netting_find_something() -> None:
    for seed in SEEDS:
        community = households(seed, sunny=True)
        for protocol in NEGOTIATED:
            outcome, _ = held(protocol, community)
            assert outcome.cost_eur < netted_eur(community) - 0.01


@pytest.mark.parametrize("protocol", COMPARED)
@pytest.mark.parametrize("sunny", SUNNY)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_comparison_beats_the_market(seed: int, sunny: bool, protocol: Protocol) -> None:
    community = households(seed, sunny=sunny)
    market, _ = held(Protocol.PRICE_CURVE, community)
    compared, _ = held(protocol, community)
    spare_eur = BEYOND_MARKET_PERCENT / 100 * market.import_payments_eur
    assert market.cost_eur <= compared.cost_eur + spare_eur


@pytest.mark.parametrize("protocol", NEGOTIATED)
@pytest.mark.parametrize("sunny", SUNNY)
@pytest.mark.parametrize("seed", SEEDS)
def test_plans_are_carried_out_and_every_service_is_delivered(
    seed: int, sunny: bool, protocol: Protocol
) -> None:
    community = households(seed, sunny=sunny)
    outcome, members = held(protocol, community)
    np.testing.assert_array_equal(members.negotiator.net_kw, outcome.net_kw)
    replayed(community, members.negotiator)


def replayed(community: Households, negotiator: Negotiator) -> None:
    """Follow every device by its setpoints, and compare the sums with the plans."""
    plans = negotiator.plans("comparison")
    for member, reference, plan in zip(community.members, community.references, plans, strict=True):
        net_kw = member.home.fixed_kw.copy()
        for device in member.home.flexible_devices:
            power_kw = reference.device_kw[device.name]
            if device.name in plan.setpoints:
                power_kw = np.asarray(plan.setpoints[device.name])
                if isinstance(device, Appliance):
                    assert power_kw.sum() == 1.0
                    power_kw = device.profile_kw(int(np.argmax(power_kw)), HOURS)
                elif isinstance(device, InterruptibleLoad):
                    power_kw = device.p_kw * (1.0 - power_kw)
                check_service(device, power_kw, reference, HOURS)
            net_kw += power_kw
        assert plan.net_kw == pytest.approx(net_kw, abs=KW)
        check_caps(member.home, plan.net_kw)


@few
@given(
    community=communities,
    protocol=st.sampled_from(NEGOTIATED),
    seed=st.integers(0, 2**31),
)
def test_lost_late_and_useless_messages_stop_none_of_them(
    community: Households, protocol: Protocol, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    late: list[MemberOffers] = []

    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers | None:
        fate = rng.integers(8)
        net_kw, worth_eur = np.array(offers.net_kw), np.array(offers.worth_eur)
        place = int(rng.integers(len(offers.members)))
        if fate == 0:
            return None
        if fate == 1:
            late.append(offers)
            return late[0]
        if fate == 2:
            net_kw[place, rng.integers(HOURS.ptus)] = np.nan
        if fate == 3:
            net_kw[place] += 1000.0
        if fate == 4:
            worth_eur[place] = np.nan
        return replace(offers, net_kw=net_kw, worth_eur=worth_eur)

    outcome, members = held(
        protocol, community, change=change, arrives=lambda _: bool(rng.random() < 0.8)
    )
    np.testing.assert_array_equal(members.negotiator.net_kw, outcome.net_kw)
    replayed(community, members.negotiator)
    assert outcome.cost_eur <= netted_eur(community) + EUR
    assert not outcome.bound_eur > outcome.cost_eur + EUR


@pytest.mark.parametrize("protocol", NEGOTIATED)
def test_nobody_answers_and_the_plans_stay(protocol: Protocol) -> None:
    community = households(1, sunny=True)
    outcome, members = held(protocol, community, arrives=lambda _: False)
    assert members.exchanges
    assert outcome.events
    np.testing.assert_array_equal(outcome.net_kw, community.plans_kw)
    np.testing.assert_array_equal(members.negotiator.net_kw, community.plans_kw)


@few
@given(
    community=communities,
    protocol=st.sampled_from(NEGOTIATED),
    rounds=st.integers(0, 6),
    blocks=st.integers(1, 9),
    questions=st.integers(0, 6),
)
def test_they_have_no_more_exchanges_than_the_market(
    community: Households, protocol: Protocol, rounds: int, blocks: int, questions: int
) -> None:
    terms = LocalTerms(rounds=rounds, blocks=blocks, questions=questions, gap_percent=0.0)
    outcome, members = held(protocol, community, terms)
    assert len(members.exchanges) <= rounds * blocks + questions
    said = sum(2 * len(request.asked) for request, _ in members.exchanges)
    assert outcome.messages == said


@pytest.mark.parametrize("protocol", NEGOTIATED)
def test_the_same_comparison_twice_is_the_same_to_the_bit(protocol: Protocol) -> None:
    community = households(2, sunny=True)
    first, members = held(protocol, community)
    again, others = held(protocol, community)
    np.testing.assert_array_equal(first.net_kw, again.net_kw)
    assert first.cost_eur == again.cost_eur
    assert len(members.exchanges) == len(others.exchanges)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_energy_that_earns_more_than_it_costs_is_not_negotiated(protocol: Protocol) -> None:
    community = households(0, sunny=True)
    tariff = community.tariff
    upside_down = Tariff("t", tariff.export_eur_per_kwh, tariff.import_eur_per_kwh)
    outcome, members = held(protocol, replace(community, tariff=upside_down))
    assert not members.exchanges
    np.testing.assert_array_equal(outcome.net_kw, members.negotiator.net_kw)


@pytest.mark.parametrize("protocol", list(Protocol))
def test_members_without_a_plan_are_left_out(protocol: Protocol) -> None:
    community = households(2, sunny=True)
    members = Listening(community.negotiator())
    membership = community.membership(members.negotiator)
    net_kw = np.array(membership.net_kw)
    net_kw[1] = np.nan
    market = local_market(
        protocol, replace(membership, net_kw=net_kw), community.tariff, HOURS, LocalTerms(),
        seed=3, substation=1,
    )  # fmt: skip
    outcome = hold_local_market(market, members)
    assert all(1 not in request.asked for request, _ in members.exchanges)
    assert (outcome.net_kw[1] == 0.0).all()
    assert np.isfinite(outcome.cost_eur)


@few
@given(seed=st.integers(0, 2**31), share=st.floats(0.0, 1.0))
def test_what_pays_at_the_curve_of_the_surplus_lowers_the_bill(seed: int, share: float) -> None:
    """The greedy curve never asks less than the community saves: a bound on the bill's change."""
    rng = np.random.default_rng(seed)
    imported = rng.uniform(0.05, 0.4, HOURS.ptus)
    tariff = Tariff("drawn", imported, imported * rng.uniform(0.0, 1.0, HOURS.ptus))
    total_kw = rng.normal(0.0, 3.0, HOURS.ptus) * (rng.random(HOURS.ptus) < 0.8)
    change_kw = share * rng.normal(0.0, 6.0, HOURS.ptus)
    curve = surplus_curve(total_kw, CommunityPrices.of(tariff, 0.0))
    asked_eur = curve_cost(curve, change_kw) * HOURS.ptu_hours
    bills = tariff.energy_cost_eur(np.stack([total_kw, total_kw + change_kw]), HOURS)
    assert asked_eur >= float(bills[1] - bills[0]) - CUT_EUR


class OneShifter:
    """Two members by hand: one feeds in 3 kW at noon, one may move 2 kW from the evening there."""

    tariff = Tariff("flat", np.full(24, 0.20), np.full(24, 0.05))
    plans_kw = np.zeros((2, 24))
    plans_kw[0, 12], plans_kw[1, 18] = -3.0, 2.0

    def __init__(self, hour: int = 12) -> None:
        self.hour = hour
        self.curves: list[PriceCurve] = []
        self.told: list[Acceptance] = []

    @property
    def membership(self) -> Membership:
        most_kw = np.zeros((2, 24))
        most_kw[1] = 2.0
        declared = Declaration("c", (False, True), self.plans_kw - 0.0, most_kw, np.zeros(2))
        lower_kw = np.minimum(np.zeros((2, 24)), self.plans_kw)
        declared = replace(declared, lower_kw=lower_kw)
        return Membership("c", self.plans_kw, declared, np.zeros(2, np.int64), 1)

    def answer(self, request: MemberRequest) -> MemberOffers:
        self.curves += request.curves
        self.told.append(request.accepted)
        net_kw = np.zeros((1, 24))
        net_kw[0, self.hour] = 2.0
        nothing = np.zeros(1)
        return MemberOffers(
            "c", request.number, (1,), net_kw, nothing, nothing, nothing, np.zeros((1, 24))
        )

    def order(self, order: object) -> None:
        pass


def test_the_surplus_is_sold_at_the_middle_price_and_its_rest_asked_for() -> None:
    """By hand: 2 kWh that earned 0.05 outside spare 0.20: the bill falls by 2 x 0.15 EUR."""
    members = OneShifter()
    market = GreedyMarket(
        members.membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    outcome = hold_local_market(market, members)
    first, second = members.curves
    assert reading(first, 12) == ([0, 0, 3, 3], [0.05, 0.125, 0.125, 0.20])
    assert reading(first, 18) == ([-2, -2, 0, 0], [0.05, 0.20, 0.20, 0.20])
    assert reading(second, 12) == ([0, 0, 1, 1], [0.05, 0.125, 0.125, 0.20])
    assert members.told[1] == Acceptance(0, (1,))
    # Asked again it stays where it is: nobody moved, and the talk is over.
    assert len(members.curves) == 2
    assert outcome.cost_eur == pytest.approx(-0.05, abs=EUR)
    netted = held_netting(members).cost_eur
    assert netted == pytest.approx(0.20 * 2 - 0.05 * 3, abs=EUR)
    assert netted - outcome.cost_eur == pytest.approx(0.30, abs=EUR)


def held_netting(members: OneShifter) -> LocalOutcome:
    market = NettingMarket(members.membership, members.tariff, Horizon(60), LocalTerms())
    assert market.order().level is Level.UC2
    return hold_local_market(market, members)


def reading(curve: PriceCurve, ptu: int) -> tuple[list[float], list[float]]:
    price: FloatArray = curve.price_eur_per_kwh[ptu].round(12)
    return curve.change_kw[ptu].tolist(), price.tolist()


def test_without_surplus_nobody_is_asked_unless_turns_go_on() -> None:
    members = OneShifter()
    plans_kw = np.maximum(members.plans_kw, 0.0)
    membership = replace(members.membership, net_kw=plans_kw)
    quiet = GreedyMarket(
        membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    assert quiet.request() is None
    going_on = GreedyMarket(
        membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1,
        beyond_surplus=True,
    )  # fmt: skip
    assert going_on.request() is not None


@pytest.mark.parametrize(
    ("protocol", "told"), [(Protocol.GREEDY, []), (Protocol.ADMM, [Acceptance(0, (1,))])]
)
def test_an_answer_that_saves_nothing_is_taken_by_admm_alone(
    protocol: Protocol, told: list[Acceptance]
) -> None:
    """Moved to another hour of import, the 2 kWh cost what they cost before."""
    members = OneShifter(hour=3)
    market = local_market(
        protocol, members.membership, members.tariff, Horizon(60), LocalTerms(),
        seed=1, substation=1,
    )  # fmt: skip
    outcome = hold_local_market(market, members)
    netted_eur = held_netting(members).cost_eur
    assert outcome.cost_eur == pytest.approx(netted_eur, abs=EUR)
    assert outcome.net_kw[1, 18] == 2.0
    assert members.told[1:2] == told


def test_admm_starts_with_a_proximal_step_of_the_bill() -> None:
    """A price that rises by the same for each kW, through the price at a change of nothing.

    By hand, at noon: the sum of -3 kW leaves the price at the export end, where all of it is
    supplied, so that a change of nothing costs just that.
    """
    members = OneShifter()
    market = AdmmMarket(
        members.membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    request = market.request()
    assert request is not None
    assert request.asked == (1,)
    (curve,) = request.curves
    slopes = np.diff(curve.price_eur_per_kwh, axis=1) / np.diff(curve.change_kw, axis=1)
    assert slopes == pytest.approx(slopes[0, 0])
    at_nothing = [
        np.interp(0.0, knots, price)
        for knots, price in zip(curve.change_kw, curve.price_eur_per_kwh, strict=True)
    ]
    assert at_nothing[12] == pytest.approx(0.05)
    assert at_nothing[18] == pytest.approx(0.20)
    assert request.prices_eur_per_kwh[0, 12] == pytest.approx(0.05)
    assert request.prices_eur_per_kwh[0, 18] == pytest.approx(0.20)
