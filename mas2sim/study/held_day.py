"""One market day held with a participant that does not tell the truth.

A room of its own between the lies and the study: agents of `market` and homes of `cems` negotiate
here as in every case, message by message and without mosaik. What devices do in truth is kept apart
from what was told, so that both can be settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.cems import Negotiator
from mas2sim.cosim import CaseSetup
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexOrder, FlexRequest, MemberRequest
from mas2sim.domain.plan import APlan, PPlans
from mas2sim.domain.typical_day import Level
from mas2sim.market import Aggregator, AggregatorTerms, Dso, DsoTerms, PointLimits
from mas2sim.market.audit import (
    AuditTerms,
    Doubt,
    Finding,
    audit_baseline,
    audit_ordered,
    deviation_charge_eur,
    overstated_eur,
    settle_audited,
    understated_eur,
)
from mas2sim.study.lies import AggregatorLie, LyingMembers, MemberLie
from mas2sim.study.market_day import LEVELS, UC2, UC3, MarketDay, Progress, plan_day

LIMIT_SHARE = 0.95
"""Limit of the transformer as a share of the honest peak, where the case's own does not bind."""


@dataclass(frozen=True, slots=True, eq=False)
class Liar:
    """Who lies, and how; a position of -1 is the aggregator itself."""

    community: str
    position: int
    lie: MemberLie | AggregatorLie


@dataclass(frozen=True, slots=True, eq=False)
class DayOutcome:
    """What a day came to; all money as it is paid, comfort given up in truth included.

    Parameters
    ----------
    cost_eur : mapping of str to array, shape (level, member)
        By community.
    aggregator_eur : mapping of str to array, shape (level)
        What each aggregator keeps, and what an audit leaves for others.
    dso_eur : array, shape (level)
    before_kw : array, shape (ptu)
        Power of all before the DSO's request, as told.
    short_kw : float
        Most that is left beyond the limit, as told.
    findings : mapping of str to tuple of Finding
    """

    cost_eur: Mapping[str, FloatArray]
    aggregator_eur: Mapping[str, FloatArray]
    dso_eur: FloatArray
    before_kw: FloatArray
    short_kw: float
    findings: Mapping[str, tuple[Finding, ...]]


class _Community:
    """One community on one day: its aggregator, its members, and what the audit says of them."""

    def __init__(
        self, day: MarketDay, name: str, liar: Liar | None, terms: AuditTerms | None
    ) -> None:
        setup = day.setup
        community = next(each for each in setup.communities if each.name == name)
        self._day, self._name, self._terms = day, name, terms
        self._lie = liar.lie if liar is not None and liar.community == name else None
        self._inner = day.negotiator(name)
        self._members: Negotiator | LyingMembers = self._inner
        told = day.told[name]
        if liar is not None and isinstance(self._lie, MemberLie):
            lying = LyingMembers(self._inner, liar.position, self._lie)
            told, self._members = lying.tell(told, setup.tariff, setup.horizon), lying
        self._believed = np.ones(len(community.members), dtype=bool)
        self.findings: list[Finding] = []
        if terms is not None:
            told = self._audited(told, terms)
        self._aggregator = Aggregator(
            community,
            setup.tariff,
            setup.horizon,
            AggregatorTerms(
                levels=LEVELS,
                seed=setup.seed,
                substation=setup.substation,
                market=setup.market.local,
                split=setup.market.split,
            ),
        )
        self._aggregator.plan(told)
        self._negotiate()
        order = self._aggregator.order()
        if order is not None:
            self._members.order(order)
        self._true: list[tuple[FloatArray, FloatArray]] = [self._truth()]
        self._asked_eur = 0.0

    def a_plan(self) -> APlan | None:
        """The A-plan as told; an auditor that sums the plans finds out one that is not the sum."""
        plan, lie = self._aggregator.a_plan(), self._lie
        if plan is None or not isinstance(lie, AggregatorLie):
            return plan
        if self._terms is None:
            return lie.a_plan(plan)
        if lie.phantom_kw.any():
            self.findings.append(Finding(-1, Doubt.SUM, float(np.abs(lie.phantom_kw).max())))
        return plan

    def offer(self, request: FlexRequest) -> FlexOffer | None:
        """The offer as told."""
        self._aggregator.asked(request)
        self._negotiate()
        return self._as_told(self._aggregator.flex_offer())

    def _as_told(self, offer: FlexOffer | None) -> FlexOffer | None:
        lie = self._lie
        if offer is None or not isinstance(lie, AggregatorLie):
            return offer
        if self._terms is not None:
            lie = replace(lie, phantom_kw=np.empty(0))
        return lie.offer(offer, self._day.setup.horizon)

    def ordered(self, order: FlexOrder) -> None:
        """Carry out the DSO's order."""
        self._asked_eur = order.price_eur.get(self._name, 0.0)
        self._aggregator.ordered(order)
        word = self._aggregator.order()
        if word is not None:
            self._members.order(word)
        self._true.append(self._truth())

    def settle(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cost of members (level, member), what the aggregator keeps and the DSO pays (level)."""
        metered_kw = np.stack([net_kw for net_kw, _ in self._true])
        comfort_eur = np.stack([forgone for _, forgone in self._true])
        settled = self._aggregator.settle(metered_kw)
        payment_eur, dso_eur = np.array(settled.payment_eur), np.array(settled.dso_eur)
        keeps_eur = np.array(settled.service_eur) - settled.shortfall_eur
        if isinstance(self._lie, AggregatorLie):
            beyond_eur = self._asked_eur - float(dso_eur[UC3])
            if self._terms is None:
                keeps_eur[UC3] += beyond_eur
                dso_eur[UC3] = self._asked_eur
            elif overstated_eur(self._asked_eur, float(dso_eur[UC3]), self._terms):
                self.findings.append(Finding(-1, Doubt.PRICE, beyond_eur))
        if self._terms is not None:
            payment_eur, kept_eur, dso_eur = self._settle_audited(
                metered_kw, payment_eur, np.array(settled.bill_eur), dso_eur, self._terms
            )
            keeps_eur += kept_eur
        return payment_eur + comfort_eur, keeps_eur, dso_eur

    def _negotiate(self) -> None:
        while (request := self._aggregator.next_request()) is not None:
            self._aggregator.take(self._members.answer(request))

    def _truth(self) -> tuple[FloatArray, FloatArray]:
        """What the devices do, and the comfort that costs."""
        plans = self._inner.plans("")
        return self._inner.net_kw, np.array([plan.discomfort_eur for plan in plans])

    def _audited(self, told: PPlans, terms: AuditTerms) -> PPlans:
        setup = self._day.setup
        if told.alone_eur is None or told.declaration is None:
            return told
        audited = audit_baseline(
            told.net_kw[UC2],
            told.alone_eur,
            told.declaration,
            self._day.registered[self._name],
            setup.tariff,
            setup.horizon,
            terms,
        )
        self._believed = np.array(audited.believed)
        self.findings += audited.findings
        return replace(
            told,
            net_kw=np.repeat(audited.net_kw[None], len(LEVELS), 0),
            alone_eur=audited.alone_eur,
            declaration=audited.declaration,
        )

    def _settle_audited(
        self,
        metered_kw: FloatArray,
        payment_eur: FloatArray,
        bill_eur: FloatArray,
        dso_eur: FloatArray,
        terms: AuditTerms,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        setup, registered = self._day.setup, self._day.registered[self._name]
        outcome, seller = self._aggregator.outcome, self._aggregator.seller
        if outcome is None or seller is None:
            return payment_eur, np.zeros(len(LEVELS)), dso_eur
        prices = np.stack(
            [
                outcome.price_eur_per_kwh,
                setup.tariff.import_eur_per_kwh,
                setup.tariff.export_eur_per_kwh,
            ]
        )
        worth_eur = np.stack([self._worth_eur(price) for price in prices])
        understated = understated_eur(
            outcome.net_kw,
            outcome.forgone_eur,
            prices,
            worth_eur,
            registered,
            setup.horizon,
            terms,
        )
        # The most that a member says it has given up, by the community's plan or by the DSO's.
        claimed_eur = np.maximum(outcome.forgone_eur, seller.ordered.forgone_eur)
        found = audit_ordered(understated, claimed_eur, registered, terms)
        believed = np.array(self._believed)
        believed[[finding.member for finding in found]] = False
        taken_eur = understated + np.maximum(
            seller.ordered.forgone_eur - seller.before.forgone_eur, 0.0
        )
        self.findings += found
        kept_eur, paid_eur, owed_eur = np.zeros(len(LEVELS)), np.array(payment_eur), dso_eur
        for level, ordered_kw in enumerate((outcome.net_kw, seller.ordered.net_kw)):
            charge_eur = deviation_charge_eur(
                ordered_kw, metered_kw[level], setup.tariff, setup.horizon, terms
            )
            deviates = np.flatnonzero(charge_eur > 0)
            self.findings += [
                Finding(int(member), Doubt.NOT_DELIVERED, float(charge_eur[member]))
                for member in deviates
            ]
            after = settle_audited(
                payment_eur[level],
                bill_eur[level],
                float(dso_eur[level]),
                believed,
                taken_eur if level == UC3 else np.zeros_like(taken_eur),
                charge_eur,
            )
            paid_eur[level], kept_eur[level] = after.payment_eur, after.left_eur
            owed_eur[level] = after.dso_eur
        return paid_eur, kept_eur, owed_eur

    def _worth_eur(self, price_eur_per_kwh: FloatArray) -> FloatArray:
        """Least cost of each member's registered devices at a price."""
        everybody = tuple(range(len(self._believed)))
        question = MemberRequest(
            community=self._name,
            level=Level.UC2,
            number=0,
            asked=everybody,
            group=(0,) * len(everybody),
            curves=(),
            prices_eur_per_kwh=price_eur_per_kwh[None],
            fee_eur_per_kwh=np.zeros_like(price_eur_per_kwh),
        )
        return self._day.negotiator(self._name).answer(question).worth_eur


def prepare_day(
    setup: CaseSetup,
    *,
    limit_share: float = LIMIT_SHARE,
    progress: Progress = lambda _stage, _done, _total: None,
) -> MarketDay:
    """Plan the day, and limit the transformer so that there is something to buy."""
    day = plan_day(setup, progress=progress)
    peak_kw = float(hold_day(day).before_kw.max())
    return replace(day, limit_kw=min(setup.limits.transformer_import_kw, limit_share * peak_kw))


def hold_day(
    day: MarketDay, liar: Liar | None = None, terms: AuditTerms | None = None
) -> DayOutcome:
    """Hold both markets of a day, and settle them.

    Parameters
    ----------
    terms : AuditTerms, optional
        Those of the audit; without them all that is told is believed.
    """
    communities = {name: _Community(day, name, liar, terms) for name in day.members}
    a_plans = {name: plan for name, each in communities.items() if (plan := each.a_plan())}
    dso = _dso(day)
    dso.prognose(a_plans)
    while (request := dso.next_request()) is not None:
        offers = {name: each.offer(request) for name, each in communities.items()}
        dso.take({name: offer for name, offer in offers.items() if offer is not None})
    order = dso.order()
    for each in communities.values():
        each.ordered(order)
    settled = {name: each.settle() for name, each in communities.items()}
    bought = dso.outcome
    return DayOutcome(
        cost_eur={name: cost_eur for name, (cost_eur, _, _) in settled.items()},
        aggregator_eur={name: keeps_eur for name, (_, keeps_eur, _) in settled.items()},
        dso_eur=np.sum([dso_eur for _, _, dso_eur in settled.values()], axis=0),
        before_kw=np.sum([plan.at_points_kw[0] for plan in a_plans.values()], axis=0),
        short_kw=0.0 if bought is None else float(np.abs(bought.beyond_kw).max()),
        findings={name: tuple(each.findings) for name, each in communities.items()},
    )


def _dso(day: MarketDay) -> Dso:
    setup, ptus = day.setup, day.setup.horizon.ptus
    prices = setup.tariff.import_eur_per_kwh - setup.tariff.export_eur_per_kwh
    limits = PointLimits(
        points=("transformer",),
        lower_kw=np.full((1, ptus), -np.inf),
        upper_kw=np.full((1, ptus), day.limit_kw),
        other_kw=np.zeros((1, ptus)),
    )
    return Dso(
        DsoTerms(
            levels=LEVELS,
            limits=limits,
            spread_eur_per_kwh=float(prices.max()),
            seed=setup.seed,
            substation=setup.substation,
            market=setup.market.congestion,
        ),
        setup.horizon,
    )
