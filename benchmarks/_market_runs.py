"""Markets held on a neighbourhood, with what they took: CPU time and exchanges.

Homes come with their plans of uc1, which are not counted. What is counted is making the homes ready
for a market, the market itself and, where it is proven, its certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time

import numpy as np

from benchmarks._market_homes import SUBSTATION, Neighbourhood
from mas2sim.cems import Negotiator
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.market import CongestionOutcome, LocalOutcome, LocalTerms, PointLimits
from mas2sim.market.bargaining import Membership
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.local_market import LocalMarket
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.session import CommunityMarket, hold_congestion_market, hold_local_market
from mas2sim.market.terms import MarketTerms

TERMS = MarketTerms()


@dataclass(slots=True, eq=False)
class CountedMembers:
    """Members of one community that count how often they were asked, one after the other."""

    negotiator: Negotiator
    exchanges: int = 0

    def answer(self, request: MemberRequest) -> MemberOffers:
        self.exchanges += 1
        return self.negotiator.answer(request)

    def order(self, order: MemberOrder) -> None:
        self.negotiator.order(order)


@dataclass(frozen=True, slots=True, eq=False)
class LocalRun:
    """Local markets of all communities of a neighbourhood.

    Parameters
    ----------
    members : mapping of str to CountedMembers
        At the plans ordered.
    flexible : int
        Homes that answered.
    cpu_s : float
        CPU time. [s]
    """

    outcomes: Mapping[str, LocalOutcome]
    members: Mapping[str, CountedMembers]
    flexible: int
    exchanges: int
    cpu_s: float

    @property
    def cost_eur(self) -> float:
        return sum(outcome.cost_eur for outcome in self.outcomes.values())

    @property
    def bound_eur(self) -> float:
        return sum(outcome.bound_eur for outcome in self.outcomes.values())

    @property
    def gap_percent(self) -> float:
        """Certified gap of the widest community."""
        return max(outcome.gap_percent for outcome in self.outcomes.values())

    @property
    def rounds(self) -> int:
        return max(outcome.rounds for outcome in self.outcomes.values())

    @property
    def net_kw(self) -> FloatArray:
        """Power of all homes together, shape (ptu)."""
        together = [outcome.net_kw.sum(axis=0) for outcome in self.outcomes.values()]
        return np.asarray(np.sum(together, axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class CongestionRun:
    """A congestion market held after the local ones.

    Parameters
    ----------
    plans_kw : mapping of str to array, shape (member, ptu)
        Plans ordered.
    cost_eur : float
        Of all communities with these plans.
    exchanges : int
        Between aggregators and members and between DSO and aggregators, one after the other.
    cpu_s : float
        CPU time of this market alone. [s]
    """

    outcome: CongestionOutcome
    plans_kw: Mapping[str, FloatArray]
    cost_eur: float
    exchanges: int
    cpu_s: float

    @property
    def net_kw(self) -> FloatArray:
        """Power of all homes together, shape (ptu)."""
        together = [plans_kw.sum(axis=0) for plans_kw in self.plans_kw.values()]
        return np.asarray(np.sum(together, axis=0))


Rules = Callable[[Membership, Neighbourhood, LocalTerms, int], CommunityMarket]
"""Makes the market of one community; the last argument is the market's seed."""


def price_curve_market(
    membership: Membership, neighbourhood: Neighbourhood, terms: LocalTerms, seed: int
) -> CommunityMarket:
    return LocalMarket(
        membership,
        neighbourhood.tariff,
        neighbourhood.horizon,
        terms,
        seed=seed,
        substation=SUBSTATION,
    )


def hold_local_markets(
    neighbourhood: Neighbourhood,
    terms: LocalTerms = TERMS.local,
    *,
    rules: Rules = price_curve_market,
    seed: int = 1,
) -> LocalRun:
    """Hold the local market of every community."""
    begun = process_time()
    members: dict[str, CountedMembers] = {}
    outcomes: dict[str, LocalOutcome] = {}
    flexible = 0
    for name in neighbourhood.communities:
        some = members[name] = CountedMembers(neighbourhood.members(name))
        membership = membership_of(name, some.negotiator)
        flexible += sum(membership.declaration.flexible)
        outcomes[name] = hold_local_market(rules(membership, neighbourhood, terms, seed), some)
    spent_s = process_time() - begun
    exchanges = max(some.exchanges for some in members.values())
    return LocalRun(outcomes, members, flexible, exchanges, spent_s)


def hold_dso_market(
    neighbourhood: Neighbourhood, local: LocalRun, limit_kw: float, *, seed: int = 1
) -> CongestionRun:
    """Hold the congestion market from where local ones ended; their members serve once."""
    begun = process_time()
    tariff, horizon = neighbourhood.tariff, neighbourhood.horizon
    sellers = {
        name: OfferMaker(
            membership_of(name, local.members[name].negotiator),
            tariff,
            horizon,
            fee_eur_per_kwh=0.0,
            price_eur_per_kwh=outcome.price_eur_per_kwh,
            seed=seed,
            substation=SUBSTATION,
        )
        for name, outcome in local.outcomes.items()
    }
    everywhere = np.ones((1, horizon.ptus))
    market = CongestionMarket(
        PointLimits(
            ("transformer",), -np.inf * everywhere, limit_kw * everywhere, 0.0 * everywhere
        ),
        {name: seller.a_plan_kw(seller.before.net_kw) for name, seller in sellers.items()},
        horizon,
        TERMS.congestion,
        spread_eur_per_kwh=float((tariff.import_eur_per_kwh - tariff.export_eur_per_kwh).max()),
        seed=seed,
        substation=SUBSTATION,
    )
    before = sum(some.exchanges for some in local.members.values())
    hold_congestion_market(market, sellers, local.members)
    spent_s = process_time() - begun
    with_members = sum(some.exchanges for some in local.members.values()) - before
    outcome = market.outcome
    return CongestionRun(
        outcome=outcome,
        plans_kw={name: seller.ordered.net_kw for name, seller in sellers.items()},
        cost_eur=sum(seller.ordered.cost_eur for seller in sellers.values()),
        exchanges=with_members + sum(len(offers) for offers in outcome.offers.values()),
        cpu_s=spent_s,
    )


def membership_of(name: str, negotiator: Negotiator) -> Membership:
    """What an aggregator is told of its members when a market begins."""
    net_kw = negotiator.net_kw
    group = np.zeros(len(net_kw), dtype=np.int64)
    return Membership(name, net_kw, negotiator.declare(), group, groups=1)
