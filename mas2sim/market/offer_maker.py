"""An aggregator that sells its community's flexibility to the DSO (use case 3).

Asked by the DSO, it bargains one round with its members in which the DSO's curves stand beside the
community's own bill, and offers what came of it: the change of its A-plan, rebound included, at
what the members lose against the plan before the request, and no more. What was sold to a buyer
outside before is money too: it is kept, or its price is part of what is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import (
    FlexOffer,
    FlexOrder,
    FlexRequest,
    MemberOffers,
    MemberOrder,
    MemberRequest,
    PriceCurve,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import price_curve
from mas2sim.market.bargaining import Bargaining, round_width_kw
from mas2sim.market.external_request import SoldFlexibility
from mas2sim.market.membership import Membership


@dataclass(frozen=True, slots=True, eq=False)
class OfferedPlan:
    """What the members would do, and owe together, if one offer were taken.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
    cost_eur : float
        The community's bill and what its members give up. [EUR]
    forgone_eur : array, shape (member)
        Comfort that each gives up.
    """

    net_kw: FloatArray
    cost_eur: float
    forgone_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "forgone_eur")

    @classmethod
    def of(cls, bargaining: Bargaining) -> OfferedPlan:
        """The plan as the bargaining stands."""
        return cls(bargaining.net_kw, bargaining.cost_eur, bargaining.forgone_eur)


class OfferMaker:
    """State of one aggregator in the congestion market.

    Parameters
    ----------
    membership : Membership
        With the plans admitted so far; group g lies behind congestion point g + 1.
    price_eur_per_kwh : array, shape (ptu)
        Internal price at which the local market ended.
    attribution : array, shape (group, group), optional
        How much of what each group (column) does is reported at each group's point: groups too
        small to be told apart are reported together.
    sold : SoldFlexibility, optional
        What a buyer outside has been sold before.
    """

    def __init__(
        self,
        membership: Membership,
        tariff: Tariff,
        horizon: Horizon,
        *,
        fee_eur_per_kwh: float,
        price_eur_per_kwh: FloatArray,
        seed: int,
        substation: int,
        attribution: FloatArray | None = None,
        sold: SoldFlexibility | None = None,
    ) -> None:
        self._membership = membership
        self._horizon = horizon
        self._sold = sold
        self._rng = stream(seed, substation, membership.community, "congestion market")
        self._bargaining = Bargaining(
            membership, tariff, horizon, level=Level.UC3, fee_eur_per_kwh=fee_eur_per_kwh
        )
        self._bargaining.price_eur_per_kwh = np.array(price_eur_per_kwh)
        self._attribution = np.eye(membership.groups) if attribution is None else attribution
        self._before = OfferedPlan.of(self._bargaining)
        self._offered: list[OfferedPlan] = []
        self._request: FlexRequest | None = None
        self._keep = -1
        self._ordered = self._before

    @property
    def before(self) -> OfferedPlan:
        """The plan before any request."""
        return self._before

    @property
    def ordered(self) -> OfferedPlan:
        """The plan that the DSO's order left."""
        return self._ordered

    @property
    def messages(self) -> int:
        """Requests to and offers of single members."""
        return self._bargaining.messages

    @property
    def events(self) -> tuple[str, ...]:
        """Answers that could not be used."""
        return tuple(self._bargaining.events)

    def a_plan_kw(self, net_kw: FloatArray) -> FloatArray:
        """What may be told of the members' plans, shape (point, ptu).

        The sum, and where there is more than one group, that of each as it is attributed.
        """
        if self._membership.groups == 1:
            return np.asarray(net_kw.sum(axis=0)[None])
        groups = np.zeros((self._membership.groups, net_kw.shape[1]))
        np.add.at(groups, self._membership.group, net_kw)
        return np.vstack([net_kw.sum(axis=0), self._attribution @ groups])

    def asked(self, request: FlexRequest) -> None:
        """Take a request of the DSO; one that is meant for others changes nothing."""
        self._request = None
        if request.community not in ("", self._membership.community):
            return
        self._request = request
        bargaining = self._bargaining
        # What the DSO puts on the transformer holds for all, what on a feeder for those reported
        # there, by their share: only then are worth and reported power sides of one bound.
        prices = request.prices_eur_per_kwh
        groups = np.repeat(prices[:1], self._membership.groups, axis=0)
        if len(prices) > 1:
            groups += self._attribution.T @ prices[1:]
        if request.curves:
            blocks = np.array_split(self._rng.permutation(bargaining.flexible), request.blocks)
            width_kw = round_width_kw(bargaining.total_kw, request.progress, self._rng)
            bargaining.open_round(blocks, width_kw, self._concerning(request), groups)
        else:
            price = bargaining.price_eur_per_kwh * (0.0 if request.proof else 1.0)
            bargaining.open_question(price, groups, with_fee=not request.proof)

    def _concerning(self, request: FlexRequest) -> tuple[PriceCurve | None, ...]:
        """The request's curves; None for a point without a limit. A buyer's stands at the first."""
        curves = [curve if curve.price_eur_per_kwh.any() else None for curve in request.curves]
        if self._sold is None:
            return tuple(curves)
        bargaining, first = self._bargaining, curves[0]
        own = self._sold.curve(bargaining.total_kw, np.maximum(bargaining.price_eur_per_kwh, 0.0))
        curves[0] = own if first is None else price_curve.total((first, own))
        return tuple(curves)

    def _owed_eur(self, plan: OfferedPlan) -> float:
        """Cost of a plan less what a buyer outside pays for it."""
        if self._sold is None:
            return plan.cost_eur
        return plan.cost_eur - self._sold.revenue_eur(plan.net_kw.sum(axis=0), self._horizon)

    def next_request(self) -> MemberRequest | None:
        """Return the next request to members; None when the round is over."""
        if self._request is None:
            return None
        request = self._bargaining.request(keep=self._keep)
        if request is not None:
            self._keep = -1
        return request

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request."""
        self._bargaining.take(offers)

    def offer(self) -> FlexOffer | None:
        """Return the offer that came of the round; None when nothing was asked."""
        request, bargaining = self._request, self._bargaining
        if request is None:
            return None
        self._request = None
        if request.curves:
            self._keep = len(self._offered)
            self._offered.append(OfferedPlan.of(bargaining))
        latest = self._offered[-1] if self._offered else self._before
        worth = bargaining.worth
        known = worth is not None and worth.complete
        return FlexOffer(
            community=self._membership.community,
            number=len(self._offered) - 1,
            change_kw=self.a_plan_kw(latest.net_kw) - self.a_plan_kw(self._before.net_kw),
            price_eur=max(0.0, self._owed_eur(latest) - self._owed_eur(self._before)),
            worth_eur=float(worth.worth_eur.sum()) if worth and known else float("nan"),
            worth_kw=self.a_plan_kw(worth.net_kw) if worth and known else np.empty((0, 0)),
        )

    def order(self, order: FlexOrder) -> MemberOrder:
        """Pass the DSO's order on to the members."""
        taken = order.accepted.get(self._membership.community, -1)
        self._ordered = self._offered[taken] if taken >= 0 else self._before
        return MemberOrder(
            community=self._membership.community,
            level=Level.UC3,
            plans=taken,
            accepted=self._bargaining.last_word(),
            keep=self._bargaining.untold(self._keep),
        )
