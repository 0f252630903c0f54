"""The aggregator of one community: leads its market, sells to the DSO, settles the day.

A state machine over gates that runs with mosaik and without. P-plans, requests and offers of single
members stay between it and them; what goes beyond is a sum over its homes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
from mas2sim.market.contracts import BilateralContract
from mas2sim.market.dso_payment import curtailment_compensation_eur
from mas2sim.market.external import ExternalSale
from mas2sim.market.external_request import ExternalRequest
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.membership import Membership
from mas2sim.market.offer_maker import OfferedPlan, OfferMaker
from mas2sim.market.protocols import Protocol, local_market
from mas2sim.market.session import CommunityMarket
from mas2sim.market.settlement import Agreements
from mas2sim.market.split import SplitTerms

MARKET_LEVELS = (Level.UC2, Level.UC3, Level.CENTRAL)
"""Levels at which members trade with each other."""
MONEY = ("dso_eur", "external_eur", "service_eur", "shortfall_eur", "local_kwh")
"""What a settlement tells beside the payments, shape (level) each."""


@dataclass(frozen=True, slots=True, eq=False)
class AggregatorTerms:
    """What an aggregator works by.

    Parameters
    ----------
    levels : tuple of Level
        Plans of all levels travel in one message.
    protocol : Protocol
        By what rules the community negotiates.
    market : LocalTerms
    split : SplitTerms
    external : ExternalRequest, optional
        What a buyer outside asks of this community.
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
    protocol: Protocol = Protocol.PRICE_CURVE
    market: LocalTerms = field(default_factory=LocalTerms)
    split: SplitTerms = field(default_factory=SplitTerms)
    external: ExternalRequest | None = None
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
        self._market: CommunityMarket | None = None
        self._sale: ExternalSale | None = None
        self._seller: OfferMaker | None = None
        self._order: MemberOrder | None = None
        self._sold_eur = 0.0
        self._messages = 0
        self.outcome: LocalOutcome | None = None

    @property
    def messages(self) -> int:
        """Market messages received and sent, those with single members included."""
        market = self.outcome.messages if self.outcome is not None else 0
        markets = (self._sale, self._seller)
        return self._messages + market + sum(each.messages for each in markets if each)

    @property
    def events(self) -> tuple[str, ...]:
        """Answers of members that could not be used."""
        market = self.outcome.events if self.outcome is not None else ()
        for each in (self._sale, self._seller):
            market += each.events if each else ()
        return market

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
        self._alone_eur = self._alone(p_plans)
        if p_plans.declaration is not None and self._negotiated:
            self._market = local_market(
                self._terms.protocol,
                self._membership(self._plans_kw[self._negotiated[0]], p_plans.declaration),
                self._tariff,
                self._horizon,
                self._local_terms(),
                seed=self._terms.seed,
                substation=self._terms.substation,
            )

    def next_request(self) -> MemberRequest | None:
        """Return the next request to members; None when there is nothing more to ask."""
        if self._seller is not None:
            return self._seller.next_request()
        if self._sale is not None:
            return self._sale.next_request()
        return None if self._market is None else self._market.request()

    def take(self, offers: MemberOffers | None) -> None:
        """Take the members' answers to the last request; None when none came."""
        if self._seller is not None:
            self._seller.take(offers)
        elif self._sale is not None:
            self._sale.take(offers)
        elif self._market is not None:
            self._market.take(offers)

    def order(self) -> MemberOrder | None:
        """The order to members with which a market has ended; None when none was held."""
        if self._seller is not None:
            order, self._order = self._order, None
            return order
        if self._market is None:
            return None
        if self._sale is not None:
            order = self._sale.order()
            self._agreed(self._sale.ordered.net_kw)
            return order
        self.outcome = self._market.outcome
        self._agreed(self.outcome.net_kw)
        return self._market.order()

    def sells_on(self) -> bool:
        """Whether a buyer outside is still to be answered, once the local market is over."""
        request, outcome = self._terms.external, self.outcome
        if request is None or outcome is None or self._declaration is None or self._sale:
            return False
        self._sale = ExternalSale(
            request,
            self._membership(outcome.net_kw, self._declared_now(self._declaration)),
            self._tariff,
            self._horizon,
            fee_eur_per_kwh=self._terms.market.fee_eur_per_kwh,
            price_eur_per_kwh=outcome.price_eur_per_kwh,
            seed=self._terms.seed,
            substation=self._terms.substation,
        )
        return True

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
        money_eur = np.zeros((len(MONEY), levels))
        agreements = self._agreements()
        traded_kw = None if validated is None else validated.exchanged_kw.get(self._community.name)
        for place, level in enumerate(self._terms.levels):
            if level not in MARKET_LEVELS or agreements is None:
                continue
            paid = agreements.settle(
                level, net_kw[place], None if traded_kw is None else traded_kw[place]
            )
            payment_eur[place] = paid.payment_eur + self._tariff.standing_eur_per_day
            money_eur[:, place] = [getattr(paid, name) for name in MONEY]
        sums = dict(zip(MONEY, money_eur, strict=True))
        if curtailed_kw is not None and curtailed_kw.any():
            lost_eur = curtailment_compensation_eur(
                curtailed_kw * self._horizon.ptu_hours,
                self._tariff,
                self._terms.curtailment_factor,
            )
            payment_eur -= lost_eur
            sums["dso_eur"] = sums["dso_eur"] + lost_eur.sum(axis=1)
        return Settlement(
            community=self._community.name,
            members=self._community.members,
            bill_eur=bill_eur,
            payment_eur=payment_eur,
            **sums,
        )

    def _agreements(self) -> Agreements | None:
        """What there is to settle by; None where no plan was sent."""
        if self._alone_eur is None or self._declaration is None:
            return None
        outcome, sale, seller = self.outcome, self._sale, self._seller
        agreed = None
        if outcome is not None:
            agreed = OfferedPlan(outcome.net_kw, outcome.cost_eur, outcome.forgone_eur)
        sold = sale is not None and sale.sold is not None
        return Agreements(
            tariff=self._tariff,
            horizon=self._horizon,
            split=self._terms.split,
            alone_eur=self._alone_eur,
            forgone_eur=self._declaration.forgone_eur,
            worth_eur=self._worth_eur,
            agreed=agreed,
            sold=sale.ordered if sale is not None and sold else None,
            ordered=None if seller is None else seller.ordered,
            request=self._terms.external if sold else None,
            contracts=self._terms.contracts,
            paid_eur=self._sold_eur,
        )

    def _alone(self, p_plans: PPlans) -> FloatArray | None:
        """What each member would pay alone: by the plan it told, not by its word.

        Where no level holds the plan that it would follow alone, its word is all there is.
        """
        if p_plans.alone_eur is None:
            return None
        for place, level in enumerate(self._terms.levels):
            if level in (Level.UC1, Level.UC2, Level.UC3):
                return self._tariff.cost_eur(p_plans.net_kw[place], self._horizon)
        return p_plans.alone_eur

    def _agreed(self, net_kw: FloatArray) -> None:
        """Members' plans at the levels that begin with the local market's."""
        if self._plans_kw is not None:
            for place in self._negotiated:
                sent = np.isfinite(self._plans_kw[place])
                self._plans_kw[place] = np.where(sent, net_kw, np.nan)

    def _declared_now(self, declaration: Declaration) -> Declaration:
        """The declaration, with the comfort that the plans agreed on so far give up."""
        if self._sale is not None:
            return replace(declaration, forgone_eur=self._sale.ordered.forgone_eur)
        if self.outcome is None:
            return declaration
        return replace(declaration, forgone_eur=self.outcome.forgone_eur)

    def _local_terms(self) -> LocalTerms:
        """Fewer rounds where a buyer outside is to be answered at the same gate."""
        terms = self._terms.market
        if self._terms.external is None:
            return terms
        rounds, questions = min(terms.rounds, 12), min(terms.questions, 24)
        return replace(terms, rounds=rounds, questions=questions)

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
        return OfferMaker(
            self._membership(plans_kw[place], self._declared_now(declaration)),
            self._tariff,
            self._horizon,
            fee_eur_per_kwh=self._terms.market.fee_eur_per_kwh,
            price_eur_per_kwh=price,
            seed=self._terms.seed,
            substation=self._terms.substation,
            attribution=self._terms.attribution,
            sold=None if self._sale is None else self._sale.sold,
        )
