"""Small communities of homes of any make, ready for a market, and what a market's messages say.

The homes are those of the planners' tests; a community of them is drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from mas2sim.cems import Negotiator, home_program, market_member, nearest_feasible, plan_home
from mas2sim.cems.market_homes import MarketMember
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import PvPlant
from mas2sim.domain.flexibility import Acceptance, MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.central import (
    CentralProblem,
    CentralSolution,
    CongestionPoint,
    solve_central,
)
from mas2sim.market.local_market import LocalMarket, LocalTerms
from mas2sim.market.membership import Membership
from tests.cems.home_samples import dynamic, random_home, reference_of

HOURS = Horizon(60)
SEED, SUBSTATION = 3, 1


@dataclass(frozen=True)
class Households:
    """Homes with the plans they would follow alone.

    Cached properties are worked out once; nothing in them is changed by a market.
    """

    name: str
    homes: tuple[Home, ...]
    references: tuple[ReferenceDay, ...]
    tariff: Tariff

    @cached_property
    def members(self) -> tuple[MarketMember, ...]:
        made = []
        for place, (home, reference) in enumerate(zip(self.homes, self.references, strict=True)):
            rng = np.random.default_rng(place)
            plan = plan_home(home, reference, self.tariff, HOURS, rng=rng)
            made.append(market_member(home, reference, plan, self.tariff, HOURS))
        return tuple(made)

    @cached_property
    def plans_kw(self) -> FloatArray:
        return np.array([member.plan.net_kw for member in self.members])

    @cached_property
    def forgone_eur(self) -> FloatArray:
        return np.array([member.plan.discomfort_eur for member in self.members])

    @cached_property
    def bills_eur(self) -> FloatArray:
        """Bill of each home alone, comfort aside."""
        return np.asarray(self.tariff.cost_eur(self.plans_kw, HOURS))

    def negotiator(self) -> Negotiator:
        return Negotiator(self.name, self.members, self.tariff, HOURS)

    def membership(self, negotiator: Negotiator) -> Membership:
        return Membership(
            self.name, self.plans_kw, negotiator.declare(), np.zeros(len(self.homes), np.int64), 1
        )

    def market(
        self, negotiator: Negotiator, terms: LocalTerms | None = None, seed: int = SEED
    ) -> LocalMarket:
        return LocalMarket(
            self.membership(negotiator), self.tariff, HOURS, terms or LocalTerms(),
            seed=seed, substation=SUBSTATION,
        )  # fmt: skip


@cache
def households(seed: int, count: int = 5, *, sunny: bool = False) -> Households:
    """A community of homes of any make; with `sunny`, on a day with more sun than they need."""
    rng = np.random.default_rng([seed, 11])
    drawn = [random_home(rng, HOURS) for _ in range(count)]
    if sunny:
        drawn = [_in_the_sun(home) for home, _ in drawn]
    homes, references = zip(*drawn, strict=True)
    named = tuple(replace(home, name=f"home_{place}") for place, home in enumerate(homes))
    return Households("community_1", named, references, dynamic(HOURS, rng))


def _in_the_sun(home: Home) -> tuple[Home, ReferenceDay]:
    """The home with 4 kWp of its own, and no caps that so much sun could break."""
    sun = np.clip(np.sin((HOURS.start_hours - 6) / 12 * np.pi), 0, None)
    free = {"import_cap_kw": np.inf, "export_cap_kw": np.inf}
    sunny = replace(home, pv=PvPlant(4.0, 35.0, 180.0, -3.5 * sun), **free)
    return sunny, reference_of(sunny, HOURS)


def central_problem(
    communities: Sequence[Households],
    fee_eur_per_kwh: float = 0.0,
    limits_kw: tuple[FloatArray, FloatArray] | None = None,
) -> CentralProblem:
    """What one who knows everything would solve; limits are lower and upper ones of the sum."""
    programs, members = [], []
    for community in communities:
        members.append(tuple(range(len(programs), len(programs) + len(community.homes))))
        for home, reference in zip(community.homes, community.references, strict=True):
            wished = nearest_feasible(home, reference, HOURS).home
            programs.append(home_program(wished, reference, community.tariff, HOURS))
    everyone = tuple(range(len(programs)))
    return CentralProblem(
        programs=tuple(programs),
        communities=tuple(members),
        tariffs=tuple(community.tariff for community in communities),
        horizon=HOURS,
        fee_eur_per_kwh=fee_eur_per_kwh,
        points=()
        if limits_kw is None
        else (CongestionPoint("transformer", everyone, np.zeros(HOURS.ptus), *limits_kw),),
        trade_at_a_loss=False,
    )


@cache
def central(seed: int, fee_eur_per_kwh: float = 0.0, *, sunny: bool = False) -> CentralSolution:
    problem = central_problem([households(seed, sunny=sunny)], fee_eur_per_kwh)
    return solve_central(problem, relative_gap=0.0)


Change = Callable[[MemberRequest, MemberOffers], MemberOffers | None]


class Listening:
    """Members whose messages are written down, and perhaps changed on their way."""

    def __init__(
        self,
        members: Negotiator,
        change: Change | None = None,
        arrives: Callable[[MemberRequest], bool] = lambda _: True,
    ) -> None:
        self.negotiator = members
        self._change = change
        self._arrives = arrives
        self.exchanges: list[tuple[MemberRequest, MemberOffers | None]] = []
        self.ordered: MemberOrder | None = None

    def answer(self, request: MemberRequest) -> MemberOffers | None:
        offers: MemberOffers | None = None
        if self._arrives(request):
            offers = self.negotiator.answer(request)
        if offers is not None and self._change is not None:
            offers = self._change(request, offers)
        self.exchanges.append((request, offers))
        return offers

    def order(self, order: MemberOrder) -> None:
        self.ordered = order
        self.negotiator.order(order)


@dataclass
class Standing:
    """What the members of a community stand at: profiles and comfort given up."""

    net_kw: FloatArray
    forgone_eur: FloatArray

    def copy(self) -> Standing:
        return Standing(self.net_kw.copy(), self.forgone_eur.copy())


@dataclass(frozen=True)
class Audit:
    """What a local market came to, by its messages alone."""

    net_kw: FloatArray
    cost_eur: float
    bound_eur: float


def bill_eur(net_kw: FloatArray, tariff: Tariff, fee_eur_per_kwh: float) -> float:
    """Bill of a community, PTU by PTU: netted where that pays, by single meters elsewhere."""
    total = 0.0
    for t in range(net_kw.shape[1]):
        bought, sold = tariff.import_eur_per_kwh[t], tariff.export_eur_per_kwh[t]
        drawn = sum(kw for kw in net_kw[:, t] if kw > 0)
        fed = sum(-kw for kw in net_kw[:, t] if kw < 0)
        local = min(drawn, fed)
        total += drawn * bought - fed * sold - local * max(bought - sold - fee_eur_per_kwh, 0.0)
    return float(total * HOURS.ptu_hours)


def audited(
    community: Households,
    exchanges: Sequence[tuple[MemberRequest, MemberOffers | None]],
    order: MemberOrder,
    fee_eur_per_kwh: float = 0.0,
) -> Audit:
    """Recompute plans, cost and bound from P-plans, declaration of comfort, and messages alone."""
    now = Standing(community.plans_kw.copy(), community.forgone_eur.copy())
    kept = {-1: now.copy()}
    bound_eur, waiting, worths, last = -np.inf, None, {}, None
    flexible = set(np.flatnonzero(community.negotiator().declare().flexible).tolist())
    for request, offers in exchanges:
        _take(now, waiting, request.accepted)
        for label in request.keep:
            kept[label] = now.copy()
        prices = request.prices_eur_per_kwh[0]
        if last is None or not np.array_equal(last[0], prices) or set(worths) >= flexible:
            worths = {}
        last = (prices, request.fee_eur_per_kwh)
        waiting = offers
        if offers is None:
            continue
        for place, member in enumerate(offers.members):
            worths[member] = offers.worth_eur[place]
        if set(worths) == flexible:
            bound_eur = max(bound_eur, _bound(community, worths, prices, request.fee_eur_per_kwh))
    _take(now, waiting, order.accepted)
    for label in order.keep:
        kept[label] = now.copy()
    ended = kept[order.plans]
    cost = bill_eur(ended.net_kw, community.tariff, fee_eur_per_kwh) + ended.forgone_eur.sum()
    return Audit(ended.net_kw, float(cost), float(bound_eur))


def _take(now: Standing, offers: MemberOffers | None, accepted: Acceptance) -> None:
    if offers is None or accepted.number != offers.number:
        return
    for place, member in enumerate(offers.members):
        if member in accepted.members:
            now.net_kw[member] = offers.net_kw[place]
            now.forgone_eur[member] = offers.forgone_eur[place]


def costs_on_the_way(
    community: Households, exchanges: Sequence[tuple[MemberRequest, MemberOffers | None]]
) -> list[float]:
    """Cost of what stood when each request was made, by messages alone."""
    now = Standing(community.plans_kw.copy(), community.forgone_eur.copy())
    waiting, costs = None, []
    for request, offers in exchanges:
        _take(now, waiting, request.accepted)
        waiting = offers
        costs.append(bill_eur(now.net_kw, community.tariff, 0.0) + float(now.forgone_eur.sum()))
    return costs


def _bound(
    community: Households, worths: dict[int, float], prices: FloatArray, fee: FloatArray
) -> float:
    """Worth told by those that move, and what the others' plans cost at the same prices."""
    total = sum(worths.values())
    for member, net_kw in enumerate(community.plans_kw):
        if member not in worths:
            cost = prices @ net_kw + fee @ np.maximum(net_kw, 0.0)
            total += float(cost) * HOURS.ptu_hours + community.forgone_eur[member]
    return float(total)
