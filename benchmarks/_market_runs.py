"""Markets held on a neighbourhood, with what they took: CPU time and exchanges.

Homes come with their plans of uc1, which are not counted. What is counted is making the homes ready
for a market, the market itself and, where it is proven, its certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import process_time

import numpy as np

from benchmarks._market_homes import SUBSTATION, Neighbourhood
from mas2sim.cems import Negotiator
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.market import CongestionOutcome, LocalOutcome, LocalTerms, PointLimits, SplitRule
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.dso_payment import congestion_payments
from mas2sim.market.membership import Membership
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.protocols import Protocol, local_market
from mas2sim.market.session import hold_congestion_market, hold_local_market
from mas2sim.market.split import Payments, SplitTerms, split_payments
from mas2sim.market.terms import MarketTerms

TERMS = MarketTerms()
SAME_EUR = 1e-9
"""What sums of rounded products may add to a payment or a bound that equals what it is held
against."""


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
    costs_eur : mapping of str to float
        Of each community with these plans.
    exchanges : int
        Between aggregators and members and between DSO and aggregators, one after the other.
    cpu_s : float
        CPU time of this market alone. [s]
    """

    outcome: CongestionOutcome
    plans_kw: Mapping[str, FloatArray]
    costs_eur: Mapping[str, float]
    exchanges: int
    cpu_s: float

    @property
    def cost_eur(self) -> float:
        return sum(self.costs_eur.values())

    @property
    def net_kw(self) -> FloatArray:
        """Power of all homes together, shape (ptu)."""
        together = [plans_kw.sum(axis=0) for plans_kw in self.plans_kw.values()]
        return np.asarray(np.sum(together, axis=0))


def hold_local_markets(
    neighbourhood: Neighbourhood,
    terms: LocalTerms = TERMS.local,
    *,
    protocol: Protocol = Protocol.PRICE_CURVE,
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
        market = local_market(
            protocol,
            membership,
            neighbourhood.tariff,
            neighbourhood.horizon,
            terms,
            seed=seed,
            substation=SUBSTATION,
        )
        outcomes[name] = hold_local_market(market, some)
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
        costs_eur={name: seller.ordered.cost_eur for name, seller in sellers.items()},
        exchanges=with_members + sum(len(offers) for offers in outcome.offers.values()),
        cpu_s=spent_s,
    )


def membership_of(name: str, negotiator: Negotiator) -> Membership:
    """What an aggregator is told of its members when a market begins."""
    net_kw = negotiator.net_kw
    group = np.zeros(len(net_kw), dtype=np.int64)
    return Membership(name, net_kw, negotiator.declare(), group, groups=1)


def worse_off(neighbourhood: Neighbourhood, run: LocalRun) -> int:
    """Members that pay and give up more than under uc1, under either rule of splitting."""
    return sum(
        above(payments.payment_eur, payments.alone_eur)
        for name, outcome in run.outcomes.items()
        for rule in rules_of(outcome)
        for payments in [settled(neighbourhood, run, name, rule)]
    )


def worse_off_after_order(neighbourhood: Neighbourhood, local: LocalRun, run: CongestionRun) -> int:
    """The same after the DSO's order, whose payment makes good what it costs."""
    count = 0
    for name, cost_eur in run.costs_eur.items():
        for rule in rules_of(local.outcomes[name]):
            before = settled(neighbourhood, local, name, rule)
            after = congestion_payments(before, cost_eur, SplitTerms(rule))
            count += above(after.payment_eur, before.alone_eur)
    return count


def rules_of(outcome: LocalOutcome) -> list[SplitRule]:
    """Rules by which a day can be settled; without a proof there is nothing to share by worth."""
    proven = bool(np.isfinite(outcome.worth_eur).all())
    return [rule for rule in SplitRule if proven or rule is not SplitRule.DUAL]


def settled(neighbourhood: Neighbourhood, run: LocalRun, name: str, rule: SplitRule) -> Payments:
    """Payments of one community; each member is guaranteed its uc1 day, comfort included."""
    outcome = run.outcomes[name]
    guaranteed_eur = neighbourhood.alone_eur[list(neighbourhood.communities[name])]
    return split_payments(
        outcome.net_kw,
        guaranteed_eur - outcome.forgone_eur,
        neighbourhood.tariff,
        neighbourhood.horizon,
        SplitTerms(rule),
        outcome.worth_eur - outcome.forgone_eur if rule is SplitRule.DUAL else None,
    )


def above(payment_eur: FloatArray, most_eur: FloatArray) -> int:
    """Members whose payment is above what they pay at most."""
    return int((payment_eur > most_eur + SAME_EUR).sum())


def is_bound(bound_eur: float, *costs_eur: float) -> bool:
    """Whether a bound, if there is one, lies below the costs of plans that exist."""
    return not any(bound_eur > cost_eur + SAME_EUR for cost_eur in costs_eur)
