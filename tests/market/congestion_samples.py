"""A day of local markets and of the DSO's, held message by message, with homes of any make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mas2sim.cems import Negotiator
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexRequest
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.congestion_terms import CongestionOutcome, CongestionTerms, PointLimits
from mas2sim.market.local_market import LocalOutcome
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.session import hold_congestion_market, hold_local_market

from .household_samples import HOURS, SEED, SUBSTATION, Households, bill_eur, households

ANY_KW = np.inf


def neighbours(
    seed: int, count: int = 2, homes: int = 4, *, sunny: bool = False
) -> tuple[Households, ...]:
    """Communities of one street."""
    return tuple(
        replace(
            households(100 * (1 + place) + seed, homes, sunny=sunny), name=f"community_{place + 1}"
        )
        for place in range(count)
    )


class Seller(OfferMaker):
    """An aggregator in the congestion market that may be told to keep silent."""

    silent = False

    def offer(self) -> FlexOffer | None:
        offered = super().offer()
        return None if self.silent else offered


class Recorded(CongestionMarket):
    """The DSO's market, its requests written down."""

    def request(self) -> FlexRequest | None:
        asked = super().request()
        if asked is not None:
            self.__dict__.setdefault("said", []).append(asked)
        return asked

    @property
    def requests(self) -> list[FlexRequest]:
        return list(self.__dict__.get("said", []))


@dataclass
class Street:
    """Communities after their local markets, ready for the DSO's."""

    communities: tuple[Households, ...]
    negotiators: dict[str, Negotiator] = field(default_factory=dict)
    local: dict[str, LocalOutcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for community in self.communities:
            negotiator = community.negotiator()
            self.local[community.name] = hold_local_market(community.market(negotiator), negotiator)
            self.negotiators[community.name] = negotiator

    @property
    def total_kw(self) -> FloatArray:
        """Power at the transformer after the local markets, shape (ptu)."""
        return np.asarray(sum(each.net_kw.sum(axis=0) for each in self.local.values()))

    def cost_eur(self) -> dict[str, float]:
        """Bill and comfort of each community as its members stand, from their plans alone."""
        return {
            each.name: bill_eur(self.negotiators[each.name].net_kw, each.tariff, 0.0)
            + sum(plan.discomfort_eur for plan in self.negotiators[each.name].plans("local market"))
            for each in self.communities
        }

    def sellers(self, silent: tuple[str, ...] = ()) -> dict[str, Seller]:
        made = {}
        for community in self.communities:
            outcome = self.local[community.name]
            membership = replace(
                community.membership(community.negotiator()), net_kw=outcome.net_kw
            )
            declaration = replace(membership.declaration, forgone_eur=outcome.forgone_eur)
            made[community.name] = Seller(
                replace(membership, declaration=declaration), community.tariff, HOURS,
                fee_eur_per_kwh=0.0, price_eur_per_kwh=outcome.price_eur_per_kwh,
                seed=SEED, substation=SUBSTATION,
            )  # fmt: skip
            made[community.name].silent = community.name in silent
        return made

    def congestion(
        self,
        upper_kw: float = ANY_KW,
        lower_kw: float = -ANY_KW,
        *,
        silent: tuple[str, ...] = (),
        terms: CongestionTerms | None = None,
    ) -> tuple[CongestionOutcome, Recorded, dict[str, Seller]]:
        sellers = self.sellers(silent)
        everywhere = np.ones((1, HOURS.ptus))
        limits = PointLimits(
            ("transformer",), lower_kw * everywhere, upper_kw * everywhere, 0.0 * everywhere
        )
        tariffs = [community.tariff for community in self.communities]
        spread = max(float((t.import_eur_per_kwh - t.export_eur_per_kwh).max()) for t in tariffs)
        plans = {name: each.a_plan_kw(each.before.net_kw) for name, each in sellers.items()}
        market = Recorded(
            limits, plans, HOURS, terms or CongestionTerms(), spread_eur_per_kwh=spread,
            seed=SEED, substation=SUBSTATION,
        )  # fmt: skip
        hold_congestion_market(market, sellers, self.negotiators)
        return market.outcome, market, sellers
