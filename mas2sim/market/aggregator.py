"""The aggregator of one community: leads its market, sells to the DSO, settles the day.

A state machine over gates that runs with mosaik and without. P-plans, requests and offers of single
members stay between it and them; what goes beyond is a sum over its homes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.community import Community
from mas2sim.domain.flexibility import (
    Declaration,
    FlexOffer,
    FlexOrder,
    FlexRequest,
    MemberOffers,
    MemberOrder,
    MemberRequest,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import APlan, Confirmation, DPrognosis, PPlans, Settlement
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.bargaining import Membership
from mas2sim.market.contracts import BilateralContract
from mas2sim.market.dso_payment import congestion_payments, curtailment_compensation_eur
from mas2sim.market.exchange import exchange_gain_eur, shared_gain_eur
from mas2sim.market.local_market import LocalMarket, LocalOutcome, LocalTerms
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.split import Payments, SplitRule, SplitTerms, split_payments

MARKET_LEVELS = (Level.UC2, Level.UC3, Level.CENTRAL)
"""Levels at which members trade with each other."""
LIMITED_LEVELS = (Level.UC3, Level.CENTRAL)
"""Levels at which the grid's limits hold, and the DSO makes good what that costs."""


@dataclass(frozen=True, slots=True, eq=False)
class AggregatorTerms:
    """What an aggregator works by.

    Parameters
    ----------
    levels : tuple of Level
        Plans of all levels travel in one message.
    market : LocalTerms
    split : SplitTerms
    contracts : tuple of BilateralContract
        Those that the DSO has with this aggregator.
    curtailment_factor : float
        Compensation for a limited connection as a multiple of the import price.
    group : array, shape (member)
        Congestion point below the transformer that each member lies behind.
    attribution : array, shape (group, group)
        How what each group does is reported to the DSO, see `OfferMaker`.
    """

    levels: tuple[Level, ...]
    seed: int
    substation: int
    market: LocalTerms = field(default_factory=LocalTerms)
    split: SplitTerms = field(default_factory=SplitTerms)
    contracts: tuple[BilateralContract, ...] = ()
    curtailment_factor: float = 1.0
    group: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    attribution: FloatArray = field(default_factory=lambda: np.eye(1))


class Aggregator:
    """AGR agent.

    Attributes
    ----------
    messages : int
        Market messages received and sent.
    outcome : LocalOutcome or None
        What its local market came to.
    """

    def __init__(
        self, community: Community, tariff: Tariff, horizon: Horizon, terms: AggregatorTerms
    ) -> None:
        self._community = community
        self._tariff = tariff
        self._horizon = horizon
        self._terms = terms
        self._plans_kw: FloatArray | None = None
        self._declaration: Declaration | None = None
        self._alone_eur: FloatArray | None = None
        self._market: LocalMarket | None = None
        self._seller: OfferMaker | None = None
        self._order: MemberOrder | None = None
        self._sold_eur = 0.0
        self._messages = 0
        self.outcome: LocalOutcome | None = None

    @property
    def messages(self) -> int:
        """Market messages received and sent, those with single members included."""
        market = self.outcome.messages if self.outcome is not None else 0
        return self._messages + market + (self._seller.messages if self._seller else 0)

    @property
    def events(self) -> tuple[str, ...]:
        """Answers of members that could not be used."""
        market = self.outcome.events if self.outcome is not None else ()
        return market + (self._seller.events if self._seller else ())

    @property
    def seller(self) -> OfferMaker | None:
        """Its part in the congestion market."""
        return self._seller

    def plan(self, p_plans: PPlans | None) -> None:
        """At the plan gate: gather the members' P-plans; without any there is no market."""
        if p_plans is None or p_plans.community != self._community.name:
            return
        sent = np.isfinite(p_plans.net_kw).all(axis=(0, 2))
        self._messages += int(sent.sum())
        if not sent.any():
            return
        self._plans_kw = np.array(p_plans.net_kw)
        self._declaration = p_plans.declaration
        self._alone_eur = p_plans.alone_eur
        if p_plans.declaration is not None and self._negotiated:
            self._market = LocalMarket(
                self._membership(self._plans_kw[self._negotiated[0]], p_plans.declaration),
                self._tariff,
                self._horizon,
                self._terms.market,
                seed=self._terms.seed,
                substation=self._terms.substation,
            )

    def next_request(self) -> MemberRequest | None:
        """Return the next request to members; None when there is nothing more to ask."""
        if self._seller is not None:
            return self._seller.next_request()
        return None if self._market is None else self._market.request()

    def take(self, offers: MemberOffers | None) -> None:
        """Take the members' answers to the last request; None when none came."""
        if self._seller is not None:
            self._seller.take(offers)
        elif self._market is not None:
            self._market.take(offers)

    def order(self) -> MemberOrder | None:
        """The order to members with which a market has ended; None when none was held."""
        if self._seller is not None:
            order, self._order = self._order, None
            return order
        if self._market is None or self._plans_kw is None:
            return None
        self.outcome = self._market.outcome
        for place in self._negotiated:
            self._plans_kw[place] = np.where(
                np.isfinite(self._plans_kw[place]), self.outcome.net_kw, np.nan
            )
        return self._market.order()

    def a_plan(self) -> APlan | None:
        """The sum of the members' plans; a home that sent none (NaN) is left out of it."""
        if self._plans_kw is None:
            return None
        sent = np.isfinite(self._plans_kw).all(axis=(0, 2))
        at_points_kw = np.empty((0, 0))
        if Level.UC3 in self._terms.levels and self._declaration is not None:
            self._seller = self._offer_maker(self._plans_kw, self._declaration)
            at_points_kw = self._seller.a_plan_kw(self._seller.before.net_kw)
        return APlan(
            community=self._community.name,
            net_kw=self._plans_kw[:, sent].sum(axis=1),
            homes=int(sent.sum()),
            at_points_kw=at_points_kw,
        )

    def asked(self, request: FlexRequest) -> None:
        """Take the DSO's request."""
        self._messages += 1
        if self._seller is not None:
            self._seller.asked(request)

    def flex_offer(self) -> FlexOffer | None:
        """Offer what came of the last request; None when it was not meant for this one."""
        return None if self._seller is None else self._seller.offer()

    def ordered(self, order: FlexOrder) -> None:
        """Take the DSO's order."""
        self._messages += 1
        if self._seller is not None:
            self._order = self._seller.order(order)
            self._sold_eur = order.price_eur.get(self._community.name, 0.0)

    def validate(self, prognosis: DPrognosis | None) -> Confirmation:
        """At the validate gate: pass on whether the DSO admitted the community's A-plan."""
        self._messages += prognosis is not None
        admitted = (
            self._plans_kw is not None
            and prognosis is not None
            and prognosis.accepted.get(self._community.name, False)
        )
        return Confirmation(self._community.name, (admitted,) * len(self._terms.levels))

    def settle(
        self,
        net_kw: FloatArray,
        curtailed_kw: FloatArray | None = None,
        validated: DPrognosis | None = None,
    ) -> Settlement:
        """After delivery: bill each member by its own meter, and split what trade has saved.

        A limited connection is billed as if it had not been, and the DSO makes good what it had to
        do without.

        Parameters
        ----------
        net_kw : array, shape (level, member, ptu)
            Metered net power, as it would have been had no connection been limited.
        curtailed_kw : array, shape (level, member, ptu), optional
            Power that the connections had to give up.
        validated : DPrognosis, optional
            The DSO's last word, with what the community trades with others.
        """
        bill_eur = self._tariff.bill_eur(net_kw, self._horizon)
        levels = len(self._terms.levels)
        payment_eur = np.array(bill_eur)
        dso_eur, service_eur, shortfall_eur, local_kwh = np.zeros((4, levels))
        for place, level in enumerate(self._terms.levels):
            if level not in MARKET_LEVELS or self._plans_kw is None or self._alone_eur is None:
                continue
            paid = self._split(net_kw[place], self._alone_eur, level)
            local_kwh[place] = paid.local_kwh
            shares_eur, service, short = paid.payment_eur, paid.service_eur, paid.shortfall_eur
            # A central plan that trades across communities moves bills among them: no DSO pays that.
            across = level is Level.CENTRAL and validated is not None and validated.exchanged_kw
            if level in LIMITED_LEVELS and self.outcome is not None and not across:
                before = self._split(self.outcome.net_kw, self._alone_eur, Level.UC2)
                lost_eur = self._lost_comfort_eur(level)
                after = congestion_payments(before, paid.cost_eur, self._terms.split, lost_eur)
                contracted_eur = self._beyond_loss_eur(level, after.dso_eur)
                dso_eur[place] = after.dso_eur + contracted_eur
                shares_eur, short = after.payment_eur, after.shortfall_eur
                service = after.service_eur + contracted_eur
            traded_eur = self._traded_eur(place, validated)
            repaid_eur = min(traded_eur, short)
            shares_eur = shares_eur - shared_gain_eur(traded_eur - repaid_eur, paid.gain_eur)
            short -= repaid_eur
            payment_eur[place] = shares_eur + self._tariff.standing_eur_per_day
            service_eur[place], shortfall_eur[place] = service, short
        if curtailed_kw is not None and curtailed_kw.any():
            lost_eur = curtailment_compensation_eur(
                curtailed_kw * self._horizon.ptu_hours,
                self._tariff,
                self._terms.curtailment_factor,
            )
            payment_eur -= lost_eur
            dso_eur += lost_eur.sum(axis=1)
        return Settlement(
            community=self._community.name,
            members=self._community.members,
            bill_eur=bill_eur,
            payment_eur=payment_eur,
            dso_eur=dso_eur,
            service_eur=service_eur,
            shortfall_eur=shortfall_eur,
            local_kwh=local_kwh,
        )

    @property
    def _negotiated(self) -> list[int]:
        """Places of the levels that begin with the local market's plans."""
        return [
            place
            for place, level in enumerate(self._terms.levels)
            if level in (Level.UC2, Level.UC3)
        ]

    @property
    def _worth_eur(self) -> FloatArray | None:
        """Worth of each member's day for the dual split."""
        worth = None if self.outcome is None else self.outcome.worth_eur
        return None if worth is None or not np.isfinite(worth).all() else worth

    def _split_terms(self) -> SplitTerms:
        """The split agreed on; without a proof there are no worths to share the gain by."""
        split = self._terms.split
        if split.rule is SplitRule.DUAL and self._worth_eur is None:
            return SplitTerms(
                SplitRule.MIDPRICE,
                split.local_price_share,
                split.service_share,
                split.fee_eur_per_kwh,
            )
        return split

    def _split(self, net_kw: FloatArray, alone_eur: FloatArray, level: Level) -> Payments:
        return split_payments(
            net_kw,
            self._guaranteed_eur(alone_eur, level),
            self._tariff,
            self._horizon,
            self._split_terms(),
            self._worth_eur,
        )

    def _traded_eur(self, place: int, validated: DPrognosis | None) -> float:
        """What trade with other communities saves this one. [EUR]"""
        traded_kw = None if validated is None else validated.exchanged_kw.get(self._community.name)
        if traded_kw is None:
            return 0.0
        return exchange_gain_eur(traded_kw[place], self._tariff, self._horizon, self._terms.split)

    def _lost_comfort_eur(self, level: Level) -> FloatArray | None:
        """Comfort that an order of the DSO has cost each member."""
        if level is not Level.UC3 or self._seller is None:
            return None
        return np.asarray(self._seller.ordered.forgone_eur - self._seller.before.forgone_eur)

    def _beyond_loss_eur(self, level: Level, loss_eur: float) -> float:
        """What bilateral contracts bring beyond the members' loss: the aggregator's affair."""
        contracts = self._terms.contracts
        if not contracts or level is not Level.UC3:
            return 0.0
        return sum(each.fee_eur_per_day for each in contracts) + self._sold_eur - loss_eur

    def _guaranteed_eur(self, alone_eur: FloatArray, level: Level) -> FloatArray:
        """What each member pays at most: its bill alone, less comfort it has given up since."""
        if self._declaration is None or self.outcome is None or level is Level.CENTRAL:
            return alone_eur
        return alone_eur - (self.outcome.forgone_eur - self._declaration.forgone_eur)

    def _membership(self, net_kw: FloatArray, declaration: Declaration) -> Membership:
        group = self._terms.group
        return Membership(
            community=self._community.name,
            net_kw=net_kw,
            declaration=declaration,
            group=group if len(group) else np.zeros(len(net_kw), dtype=np.int64),
            groups=len(self._terms.attribution),
        )

    def _offer_maker(self, plans_kw: FloatArray, declaration: Declaration) -> OfferMaker:
        place = self._terms.levels.index(Level.UC3)
        price = (
            self._tariff.import_eur_per_kwh
            if self.outcome is None
            else self.outcome.price_eur_per_kwh
        )
        if self.outcome is not None:
            declaration = Declaration(
                declaration.community,
                declaration.flexible,
                declaration.lower_kw,
                declaration.upper_kw,
                self.outcome.forgone_eur,
            )
        return OfferMaker(
            self._membership(plans_kw[place], declaration),
            self._tariff,
            self._horizon,
            fee_eur_per_kwh=self._terms.market.fee_eur_per_kwh,
            price_eur_per_kwh=price,
            seed=self._terms.seed,
            substation=self._terms.substation,
            attribution=self._terms.attribution,
        )
