"""A community that trades but does not coordinate: the first of the market's comparisons.

Members keep their P-plans, and what one feeds in while another draws is netted at the local price.
What a market saves beyond this is due to plans that it changed. A room of its own because it is
also where each of the comparisons ends that found nothing better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.community_bill import settled_cost_eur
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.membership import CommunityPrices, Membership, Worth
from mas2sim.market.offer_maker import OfferedPlan


class NettingMarket:
    """Sends no request and orders the plans that the members came with."""

    def __init__(
        self, membership: Membership, tariff: Tariff, horizon: Horizon, terms: LocalTerms
    ) -> None:
        net_kw = np.where(membership.present[:, None], membership.net_kw, 0.0)
        forgone_eur = membership.declaration.forgone_eur
        bill_eur = settled_cost_eur(net_kw, tariff, horizon, terms.fee_eur_per_kwh)
        plan = OfferedPlan(net_kw, float(bill_eur) + float(forgone_eur.sum()), forgone_eur)
        prices = CommunityPrices.of(tariff, terms.fee_eur_per_kwh)
        self._community = membership.community
        self._outcome = outcome_of(
            plan, prices, import_payments_eur=import_payments_eur(membership, tariff, horizon)
        )

    def request(self) -> MemberRequest | None:
        """Nothing is asked."""
        return None

    def take(self, offers: MemberOffers | None) -> None:
        """Nobody was asked, so an answer changes nothing."""

    def order(self) -> MemberOrder:
        """Leave the members where they are."""
        return MemberOrder(community=self._community, level=Level.UC2, plans=-1)

    @property
    def outcome(self) -> LocalOutcome:
        """The plans as they came."""
        return self._outcome


def exchanges(terms: LocalTerms) -> int:
    """Exchanges with members that a `LocalMarket` of these terms has at most."""
    return terms.rounds * terms.blocks + terms.questions


def import_payments_eur(membership: Membership, tariff: Tariff, horizon: Horizon) -> float:
    """What the members' imports cost by the plans they came with. [EUR]"""
    drawn_kw = np.where(membership.present[:, None], np.maximum(membership.net_kw, 0.0), 0.0)
    return float((drawn_kw * tariff.import_eur_per_kwh).sum() * horizon.ptu_hours)


def outcome_of(
    plan: OfferedPlan,
    prices: CommunityPrices,
    *,
    import_payments_eur: float,
    proof: Worth | None = None,
    rounds: int = 0,
    messages: int = 0,
    events: Sequence[str] = (),
) -> LocalOutcome:
    """Outcome of a protocol that ended with a plan, and perhaps with a proof.

    Without one the internal price is the community's marginal cost: what it pays where it imports,
    and what it earns elsewhere.
    """
    marginal = np.where(plan.net_kw.sum(axis=0) > 0, prices.import_less_fee, prices.export)
    unknown = np.full(len(plan.net_kw), np.nan)
    return LocalOutcome(
        net_kw=plan.net_kw,
        cost_eur=plan.cost_eur,
        bound_eur=float("nan") if proof is None else float(proof.worth_eur.sum()),
        forgone_eur=plan.forgone_eur,
        worth_eur=unknown if proof is None else proof.worth_eur,
        price_eur_per_kwh=marginal if proof is None else proof.prices_eur_per_kwh[0],
        import_payments_eur=import_payments_eur,
        rounds=rounds,
        messages=messages,
        events=tuple(events),
    )
