"""The rules by which a community may negotiate, and which of them is which market.

Price curves are how it is meant to be. The others are what they are compared with: no coordination,
the literal request and offer, and a well-known distributed method.
"""

from __future__ import annotations

from enum import StrEnum

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.admm import AdmmMarket
from mas2sim.market.greedy import GreedyMarket
from mas2sim.market.local_market import LocalMarket, LocalTerms
from mas2sim.market.membership import Membership
from mas2sim.market.netting import NettingMarket
from mas2sim.market.session import CommunityMarket


class Protocol(StrEnum):
    """By what rules a community negotiates."""

    PRICE_CURVE = "price_curve"
    """Answers to the community's price curve, and a proof: `LocalMarket`."""
    GREEDY = "greedy"
    """One member after the other is asked to use the surplus: `GreedyMarket`."""
    NETTING = "netting"
    """Plans stay, trade nets what is left: `NettingMarket`."""
    ADMM = "admm"
    """All members answer at once, each held to where it stands by a penalty: `AdmmMarket`."""


def local_market(
    protocol: Protocol,
    membership: Membership,
    tariff: Tariff,
    horizon: Horizon,
    terms: LocalTerms,
    *,
    seed: int,
    substation: int,
) -> CommunityMarket:
    """Open the market of one community under a protocol."""
    match protocol:
        case Protocol.NETTING:
            return NettingMarket(membership, tariff, horizon, terms)
        case Protocol.GREEDY:
            kind: type[LocalMarket | GreedyMarket | AdmmMarket] = GreedyMarket
        case Protocol.ADMM:
            kind = AdmmMarket
        case Protocol.PRICE_CURVE:
            kind = LocalMarket
    return kind(membership, tariff, horizon, terms, seed=seed, substation=substation)
