"""Flexibility sold to a buyer outside the community who is not its DSO.

After the local market the aggregator bargains a few rounds in which what the buyer pays stands
beside the community's own bill, and compares what the buyer would pay with what the members would
lose against the plans before (MAS2TERING D6.1, 2.3.4, the second scenario of use case 2). Only a
sale that pays is offered; its gain is shared like the community's own. A room of its own because,
unlike the DSO, such a buyer has a price and no limit to keep: the less may be delivered, and a sale
that does not pay is simply not made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.bargaining import Bargaining, round_width_kw
from mas2sim.market.dso_payment import congestion_payments
from mas2sim.market.external_request import ExternalRequest, SoldFlexibility
from mas2sim.market.membership import Membership
from mas2sim.market.offer_maker import OfferedPlan
from mas2sim.market.split import Payments, SplitTerms

ROUNDS, BLOCKS = 8, 8
"""Rounds of bargaining, and blocks of members asked in each."""
LEAST_GAIN_EUR = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ExternalOffer:
    """What a community offers a buyer.

    Parameters
    ----------
    change_kw : array, shape (ptu)
        Change against the plan before the request, rebound included.
    price_eur : float
        What the members lose: the least for which they would do it.
    revenue_eur : float
        What the change comes to at the buyer's price.
    delivered_kwh : float
        See `ExternalRequest.delivered_kwh`.
    """

    buyer: str
    change_kw: FloatArray
    price_eur: float
    revenue_eur: float
    delivered_kwh: float

    def __post_init__(self) -> None:
        freeze_fields(self, "change_kw")


class ExternalSale:
    """Leads the bargaining about one buyer's request.

    Ask `next_request` for the next message and hand the answers to `take` until it returns None;
    then see the `offer` and send `order`.

    Parameters
    ----------
    membership : Membership
        With the plans of the local market.
    price_eur_per_kwh : array, shape (ptu)
        Internal price at which the local market ended.
    """

    def __init__(
        self,
        request: ExternalRequest,
        membership: Membership,
        tariff: Tariff,
        horizon: Horizon,
        *,
        fee_eur_per_kwh: float,
        price_eur_per_kwh: FloatArray,
        seed: int,
        substation: int,
    ) -> None:
        self._request = request
        self._community = membership.community
        self._horizon = horizon
        self._rng = stream(seed, substation, membership.community, f"external {request.buyer}")
        self._bargaining = Bargaining(
            membership, tariff, horizon, level=Level.UC2, fee_eur_per_kwh=fee_eur_per_kwh
        )
        self._bargaining.price_eur_per_kwh = np.array(price_eur_per_kwh)
        self._before = self._best = self._ordered = OfferedPlan.of(self._bargaining)
        self._wanted = SoldFlexibility(request, self._bargaining.total_kw)
        self._best_gain_eur = LEAST_GAIN_EUR
        self._label = self._keep = -1
        self._round = 0
        self._finished = not (len(self._bargaining.flexible) and self._bargaining.prices.convex)

    @property
    def before(self) -> OfferedPlan:
        """The plan before the request."""
        return self._before

    @property
    def ordered(self) -> OfferedPlan:
        """The plan that the buyer's decision left."""
        return self._ordered

    @property
    def sold(self) -> SoldFlexibility | None:
        """What was sold; None where nothing was."""
        return None if self._ordered is self._before else self._wanted

    @property
    def messages(self) -> int:
        """Requests to and offers of single members."""
        return self._bargaining.messages

    @property
    def events(self) -> tuple[str, ...]:
        """Answers that could not be used."""
        return tuple(self._bargaining.events)

    def next_request(self) -> MemberRequest | None:
        """Return the next request to members; None when the bargaining is over."""
        while not self._finished:
            request = self._bargaining.request(keep=self._keep)
            if request is not None:
                self._keep = -1
                return request
            if self._round:
                self._see()
            if self._round < ROUNDS:
                self._open_round()
            else:
                self._finished = True
        return None

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request."""
        self._bargaining.take(offers)

    def offer(self) -> ExternalOffer | None:
        """Return the sale that gains most; None when none pays."""
        if self._label < 0:
            return None
        change_kw = self._change_kw(self._best)
        return ExternalOffer(
            buyer=self._request.buyer,
            change_kw=change_kw,
            price_eur=max(0.0, self._best.cost_eur - self._before.cost_eur),
            revenue_eur=self._request.revenue_eur(change_kw, self._horizon),
            delivered_kwh=self._request.delivered_kwh(change_kw, self._horizon),
        )

    def order(self, *, taken: bool = True) -> MemberOrder:
        """Tell the members what the buyer has decided about the offer."""
        sold = taken and self._label >= 0
        self._ordered = self._best if sold else self._before
        return MemberOrder(
            community=self._community,
            level=Level.UC2,
            plans=self._label if sold else -1,
            accepted=self._bargaining.last_word(),
            keep=self._bargaining.untold(self._keep),
        )

    def _change_kw(self, plan: OfferedPlan) -> FloatArray:
        return np.asarray((plan.net_kw - self._before.net_kw).sum(axis=0))

    def _open_round(self) -> None:
        bargaining, rng = self._bargaining, self._rng
        blocks = np.array_split(rng.permutation(bargaining.flexible), BLOCKS)
        width_kw = round_width_kw(bargaining.total_kw, self._round / (ROUNDS - 1), rng)
        # At a price below zero a storage would be paid for its losses: told free, energy is drawn
        # just as gladly, and the buyer's true price is counted in the end.
        most_eur_per_kwh = np.maximum(bargaining.price_eur_per_kwh, 0.0)
        curve = self._wanted.curve(bargaining.total_kw, most_eur_per_kwh)
        bargaining.open_round(blocks, width_kw, (curve,))
        self._round += 1

    def _see(self) -> None:
        plan = OfferedPlan.of(self._bargaining)
        revenue_eur = self._wanted.revenue_eur(plan.net_kw.sum(axis=0), self._horizon)
        gain_eur = revenue_eur - (plan.cost_eur - self._before.cost_eur)
        if revenue_eur > 0.0 and gain_eur > self._best_gain_eur:
            self._best, self._best_gain_eur = plan, gain_eur
            self._label = self._keep = self._round


@dataclass(frozen=True, slots=True, eq=False)
class ExternalPayments:
    """Who pays what for a day with a sale. No standing charges are in it.

    The payments and the revenue add up to the cost after the sale, the service and less the
    shortfall.

    Parameters
    ----------
    payment_eur : array, shape (member)
    revenue_eur : float
        What the buyer pays.
    service_eur, shortfall_eur : float
        What the aggregator keeps of the gain, and what it has to add, as in `Payments`.
    """

    payment_eur: FloatArray
    revenue_eur: float
    service_eur: float
    shortfall_eur: float

    def __post_init__(self) -> None:
        freeze_fields(self, "payment_eur")


def external_payments(
    before: Payments,
    cost_after_eur: float,
    revenue_eur: float,
    terms: SplitTerms,
    forgone_eur: FloatArray | None = None,
) -> ExternalPayments:
    """Settle a community that has sold flexibility to a buyer outside.

    The revenue less what the members lose is a gain like the community's own, and shared like a
    decrease of cost in `congestion_payments`. Where the metered day turned out dearer than the
    revenue, nobody pays more than without the sale: the aggregator, who made it, bears the rest.

    Parameters
    ----------
    before : Payments
        What members would pay for the plan before the sale; its `cost_eur` is the reference.
    cost_after_eur : float
        `settled_cost_eur` of the day with the sale.
    revenue_eur : float
        By the buyer's price, for what was delivered.
    forgone_eur : array, shape (member), optional
        Worth of the comfort that each member forgoes by the sale, beyond the plan before.
    """
    paid = congestion_payments(before, cost_after_eur - revenue_eur, terms, forgone_eur)
    return ExternalPayments(
        payment_eur=paid.payment_eur,
        revenue_eur=revenue_eur,
        service_eur=paid.service_eur,
        shortfall_eur=paid.shortfall_eur + paid.dso_eur,
    )
