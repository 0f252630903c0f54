"""Which of the aggregators' offers the DSO takes: the cheapest that keep its limits.

A room of its own because it is the one place where aggregators compete. Offers are taken whole, at
most one from each community, so the choice is among combinations, and it is exact
(`combinations`). Where no combination keeps the limits, the one is taken that leaves the least
energy beyond them, and among such the cheapest: what is left is for the orange regime.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isinf

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.flexibility import FlexOffer, FlexOrder
from mas2sim.market.combinations import Competitor, best_combination

TIE_EUR = 1e-9
"""What taking an offer counts as costing beside its price, times its place among its community's:
of combinations at the same price the one with the fewest and first offers is taken."""
TIE_SHARE = 0.01
"""By this share the same counts more in each further community: their names decide last."""
ROUNDING_EUR = 1e-9
"""A price that is above the cap by less than this is at the cap."""
KEEPS = -1
"""Number of the option to keep the A-plan, the first of every community."""


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """What the DSO takes, and where that leaves its grid.

    Parameters
    ----------
    offers : mapping of str to int
        Number of the offer taken, by community; a community that is not there keeps its A-plan.
    price_eur : mapping of str to float
        What is paid for it.
    reserve : mapping of str to tuple of int
        Offers not taken that are not too dear.
    refused : mapping of str to tuple of int
        Offers above the price cap.
    excess_kw : array, shape (point, ptu)
        Power beyond the limits: positive above the upper, negative below the lower, else 0.
    feasible : bool
        Whether the limits are kept.
    cost_eur : float
        Sum of the prices, less what the changes are worth to the DSO.
    proven : bool
        Whether no other combination is better; False when the search was broken off.
    """

    offers: Mapping[str, int]
    price_eur: Mapping[str, float]
    reserve: Mapping[str, tuple[int, ...]]
    refused: Mapping[str, tuple[int, ...]]
    excess_kw: FloatArray
    feasible: bool
    cost_eur: float
    proven: bool

    def __post_init__(self) -> None:
        freeze_fields(self, "excess_kw")

    @property
    def order(self) -> FlexOrder:
        """The order that says so to the aggregators."""
        return FlexOrder(self.offers, self.price_eur, self.reserve)


def least_cost(
    offers: Sequence[FlexOffer],
    prognosis_kw: FloatArray,
    lower_kw: FloatArray,
    upper_kw: FloatArray,
    *,
    price_cap_eur_per_kwh: float,
    ptu_hours: float,
    tolerance_kw: float = 1e-6,
    worth_eur_per_kwh: FloatArray | None = None,
    exempt: Collection[tuple[str, int]] = (),
) -> Accepted:
    """Choose at most one offer of each community so that the limits are kept at the least cost.

    Parameters
    ----------
    offers : sequence of FlexOffer
        Changes against the A-plans that are in the prognosis.
    prognosis_kw : array, shape (point, ptu)
        Sum at each congestion point before any offer is taken, the transformer first.
    lower_kw, upper_kw : array, shape (point, ptu)
        Limits at each point; infinite where there are none.
    price_cap_eur_per_kwh : float
        The most that is paid for energy moved (`energy_moved_kwh`). Dearer offers are refused;
        none are when it is infinite.
    tolerance_kw : float
        Power beyond a limit that still counts as keeping it.
    worth_eur_per_kwh : array, shape (point, ptu), optional
        What one kWh less of import at a point is worth to the DSO, as by losses saved.
    exempt : collection of pairs of str and int
        Community and number of offers that the cap does not apply to.

    Raises
    ------
    ConfigurationError
        When arrays do not fit or hold no number, or a number is given twice.
    """
    faults = _faults(offers, prognosis_kw, lower_kw, upper_kw, worth_eur_per_kwh)
    if faults:
        raise ConfigurationError(faults)
    in_order = sorted(offers, key=lambda offer: (offer.community, offer.number))
    cap = price_cap_eur_per_kwh
    dear = [
        offer
        for offer in in_order
        if (offer.community, offer.number) not in exempt and above_cap(offer, cap, ptu_hours)
    ]
    open_offers = [offer for offer in in_order if offer not in dear]
    cost_eur = [_cost_eur(offer, worth_eur_per_kwh, ptu_hours) for offer in open_offers]
    communities, room_kw = _compete(
        open_offers, cost_eur, prognosis_kw, lower_kw, upper_kw, tolerance_kw
    )
    found = best_combination(communities, room_kw, tolerance_kw=tolerance_kw, ptu_hours=ptu_hours)
    chosen = {
        community.name: int(community.number[option])
        for community, option in zip(communities, found.options, strict=True)
    }
    taken = [
        index for index, offer in enumerate(open_offers) if chosen[offer.community] == offer.number
    ]
    after_kw = prognosis_kw + sum(open_offers[index].change_kw for index in taken)
    excess_kw = np.maximum(after_kw - upper_kw, 0.0) - np.maximum(lower_kw - after_kw, 0.0)
    excess_kw[np.abs(excess_kw) <= tolerance_kw] = 0.0
    rest = [offer for index, offer in enumerate(open_offers) if index not in taken]
    return Accepted(
        offers={open_offers[index].community: open_offers[index].number for index in taken},
        price_eur={open_offers[index].community: open_offers[index].price_eur for index in taken},
        reserve=_numbers(rest),
        refused=_numbers(dear),
        excess_kw=excess_kw,
        feasible=not excess_kw.any(),
        cost_eur=float(sum(cost_eur[index] for index in taken)),
        proven=found.proven,
    )


def energy_moved_kwh(change_kw: FloatArray, ptu_hours: float) -> float:
    """Energy that a change moves, ``1/2 sum of h |d|`` at the transformer (point 0). [kWh]

    Half of the sum, as what leaves one PTU comes back in another. A community that only trades
    power between two feeders in the same PTU moves nothing by this measure.
    """
    return float(0.5 * ptu_hours * np.abs(change_kw[0]).sum())


def above_cap(offer: FlexOffer, price_cap_eur_per_kwh: float, ptu_hours: float) -> bool:
    """Whether an offer is dearer, for the energy it moves, than the cap; never if it is free."""
    if isinf(price_cap_eur_per_kwh):
        return False
    most_eur = price_cap_eur_per_kwh * energy_moved_kwh(offer.change_kw, ptu_hours)
    return offer.price_eur > most_eur + ROUNDING_EUR


def _compete(
    offers: Sequence[FlexOffer],
    cost_eur: Sequence[float],
    prognosis_kw: FloatArray,
    lower_kw: FloatArray,
    upper_kw: FloatArray,
    tolerance_kw: float,
) -> tuple[list[Competitor], FloatArray]:
    """Put offers side by side, at the limits that any combination could break.

    Returns
    -------
    list of Competitor
        In the order of their names, without dominated options.
    array, shape (row)
        Room at each of these limits.
    """
    room_kw = np.stack([upper_kw - prognosis_kw, prognosis_kw - lower_kw]).ravel()
    communities = []
    for rank, name in enumerate(sorted({offer.community for offer in offers})):
        own = [index for index, offer in enumerate(offers) if offer.community == name]
        changes_kw = [np.zeros_like(prognosis_kw), *(offers[index].change_kw for index in own)]
        tie_eur = TIE_EUR * (1.0 + TIE_SHARE * rank) * np.arange(len(own) + 1)
        communities.append(
            Competitor(
                name=name,
                number=np.array([KEEPS, *(offers[index].number for index in own)]),
                push_kw=np.array([np.stack([kw, -kw]).ravel() for kw in changes_kw]),
                cost_eur=np.array([0.0, *(cost_eur[index] for index in own)]) + tie_eur,
            )
        )
    most_kw = sum((community.push_kw.max(axis=0) for community in communities), np.zeros(1))
    at_stake = np.flatnonzero(most_kw > room_kw + tolerance_kw)
    narrowed = [
        Competitor(own.name, own.number, own.push_kw[:, at_stake], own.cost_eur)
        for own in communities
    ]
    return [community.without_dominated() for community in narrowed], room_kw[at_stake]


def _cost_eur(offer: FlexOffer, worth_eur_per_kwh: FloatArray | None, ptu_hours: float) -> float:
    if worth_eur_per_kwh is None:
        return offer.price_eur
    return offer.price_eur + ptu_hours * float((worth_eur_per_kwh * offer.change_kw).sum())


def _numbers(offers: Sequence[FlexOffer]) -> dict[str, tuple[int, ...]]:
    numbers: dict[str, tuple[int, ...]] = {}
    for offer in offers:
        numbers[offer.community] = (*numbers.get(offer.community, ()), offer.number)
    return numbers


def _faults(
    offers: Sequence[FlexOffer],
    prognosis_kw: FloatArray,
    lower_kw: FloatArray,
    upper_kw: FloatArray,
    worth_eur_per_kwh: FloatArray | None,
) -> list[Fault]:
    """List what does not fit: with a NaN every comparison would say that limits are kept."""
    shape = prognosis_kw.shape
    faults = []
    arrays = {"prognosis_kw": prognosis_kw, "lower_kw": lower_kw, "upper_kw": upper_kw}
    if worth_eur_per_kwh is not None:
        arrays["worth_eur_per_kwh"] = worth_eur_per_kwh
    names = [f"offer {offer.number} of {offer.community}" for offer in offers]
    arrays.update(zip(names, (offer.change_kw for offer in offers), strict=True))
    for name, array in arrays.items():
        limit = name in ("lower_kw", "upper_kw")
        if array.shape != shape:
            faults.append(
                Fault(name, f"shape {array.shape}", f"shape {shape}, that of prognosis_kw")
            )
        elif np.isnan(array).any() or not (limit or np.isfinite(array).all()):
            allowed = "numbers or infinity" if limit else "finite numbers"
            faults.append(Fault(name, "a value that is none of them", allowed))
    for place, (name, offer) in enumerate(zip(names, offers, strict=True)):
        if not np.isfinite(offer.price_eur):
            faults.append(Fault(name, f"price {offer.price_eur} EUR", "a finite price"))
        if offer.number < 0:
            faults.append(Fault(name, "a number below 0", "numbers from 0"))
        if name in names[:place]:
            faults.append(Fault(name, "given twice", "each number once in a community"))
    return faults
