"""Offers that the DSO did not take, kept until delivery in case more is needed.

A room of its own because ordering later is not ordering again: a community carries out one changed
A-plan, so an offer from the reserve takes the place of what was ordered from it, and only as far as
delivery has not begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer
from mas2sim.market.acceptance import Accepted, least_cost


@dataclass(frozen=True, slots=True, eq=False)
class Reserve:
    """Offers of a negotiation that has ended.

    Parameters
    ----------
    offers : tuple of FlexOffer
        Those taken, and those that may still be.
    taken : mapping of str to int
        Number of the offer in force, by community.
    """

    offers: tuple[FlexOffer, ...]
    taken: Mapping[str, int]

    def open_from(self, ptu: int, *, tolerance_kw: float = 1e-6) -> tuple[FlexOffer, ...]:
        """Return the offers that can be ordered when only PTUs from `ptu` on can be changed.

        An offer is open as long as it changes nothing before against what is in force. Its change
        and price are what it adds to that. What was ordered stays paid, so it adds no less than 0.
        """
        still_open = []
        for offer in self.offers:
            number = self.taken.get(offer.community)
            if offer.number == number:
                continue
            change_kw, price_eur = offer.change_kw, offer.price_eur
            if number is not None:
                in_force = self._offer(offer.community, number)
                change_kw = change_kw - in_force.change_kw
                price_eur = max(price_eur - in_force.price_eur, 0.0)
            if (np.abs(change_kw[:, :ptu]) <= tolerance_kw).all():
                still_open.append(replace(offer, change_kw=change_kw, price_eur=price_eur))
        return tuple(still_open)

    def cheapest_for(
        self,
        prognosis_kw: FloatArray,
        lower_kw: FloatArray,
        upper_kw: FloatArray,
        *,
        ptu: int,
        price_cap_eur_per_kwh: float,
        ptu_hours: float,
    ) -> Accepted:
        """Choose from the reserve what keeps the limits of the rest of the day at the least cost.

        Parameters
        ----------
        prognosis_kw : array, shape (point, ptu)
            With what is in force in it.
        lower_kw, upper_kw : array, shape (point, ptu)
            As in `least_cost`; limits of PTUs that have passed are of no account.
        ptu : int
            First PTU that can still be changed.
        """
        passed = np.arange(prognosis_kw.shape[1]) < ptu
        return least_cost(
            self.open_from(ptu),
            prognosis_kw,
            np.where(passed, -np.inf, lower_kw),
            np.where(passed, np.inf, upper_kw),
            price_cap_eur_per_kwh=price_cap_eur_per_kwh,
            ptu_hours=ptu_hours,
        )

    def after(self, accepted: Accepted) -> Reserve:
        """Return the reserve when what was chosen from it is in force."""
        return replace(self, taken={**self.taken, **accepted.offers})

    def _offer(self, community: str, number: int) -> FlexOffer:
        return next(
            offer for offer in self.offers if (offer.community, offer.number) == (community, number)
        )
