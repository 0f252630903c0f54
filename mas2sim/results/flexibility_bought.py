"""What the DSO was offered and took, as the record of a case holds it.

A room of its own because KPIs, series and the terminal tell of the same purchase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

from mas2sim.domain.flexibility import FlexOffer
from mas2sim.market import CongestionOutcome
from mas2sim.market.acceptance import energy_moved_kwh


@dataclass(frozen=True, slots=True, eq=False)
class OfferMade:
    """One offer of one aggregator.

    Parameters
    ----------
    paid_eur : float
        What the order pays for it; NaN where it was not taken.
    """

    offer: FlexOffer
    paid_eur: float

    @property
    def taken(self) -> bool:
        """Whether the DSO took it."""
        return not isnan(self.paid_eur)


def offers_made(outcome: CongestionOutcome) -> tuple[OfferMade, ...]:
    """All offers, by community and number."""
    order = outcome.order
    paid: Mapping[tuple[str, int], float] = {
        (name, number): order.price_eur[name] for name, number in order.accepted.items()
    }
    made = [
        OfferMade(offer, paid.get((name, offer.number), float("nan")))
        for name, offers in outcome.offers.items()
        for offer in offers
    ]
    return tuple(sorted(made, key=lambda each: (each.offer.community, each.offer.number)))


def moved_kwh(outcome: CongestionOutcome, ptu_hours: float) -> float:
    """Energy that the offers taken move at the transformer, each counted by itself. [kWh]"""
    return sum(
        energy_moved_kwh(each.offer.change_kw, ptu_hours)
        for each in offers_made(outcome)
        if each.taken
    )
