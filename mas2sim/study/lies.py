"""Lies that a member or an aggregator may tell in the market, and participants that tell them.

A room of its own beside the study so that the market stays innocent: participants here wrap honest
ones and change what they say, never what their devices do. Each lie is one value with one size, so
that a family of them can be searched for the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mas2sim.cems import Negotiator
from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import FlexOffer, MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import APlan, PPlans
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level

MOVED_KW = 1e-6
"""A plan that differs by more than this from the one told first is another plan."""


@dataclass(frozen=True, slots=True, eq=False)
class MemberLie:
    """What one member says that is not so.

    Parameters
    ----------
    name : str
        Name of the family, with the unit of its size.
    size : float
    shift_kw : array, shape (ptu)
        Added to every plan told until the DSO asks; empty for none.
    from_plan : bool
        Whether the P-plan has the shift too, and not the answers in the local market alone.
    bill_eur : float
        Taken off the bill alone that it tells.
    comfort_eur : float
        Comfort that it says it gives up by any plan but its first.
    withholds : bool
        Says that it has nothing to offer.
    """

    name: str
    size: float
    shift_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    from_plan: bool = True
    bill_eur: float = 0.0
    comfort_eur: float = 0.0
    withholds: bool = False

    def __post_init__(self) -> None:
        freeze_fields(self, "shift_kw")


@dataclass(frozen=True, slots=True, eq=False)
class AggregatorLie:
    """What one aggregator says to the DSO that is not so.

    Parameters
    ----------
    name : str
    size : float
    price_factor : float
        Factor on what its members lose.
    phantom_kw : array, shape (ptu)
        Import that its A-plan has and its members have not, and that every offer takes off again;
        empty for none.
    phantom_eur_per_kwh : float
        What it asks for that.
    """

    name: str
    size: float
    price_factor: float = 1.0
    phantom_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    phantom_eur_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "phantom_kw")

    def a_plan(self, plan: APlan) -> APlan:
        """The A-plan as told."""
        if not self.phantom_kw.size:
            return plan
        at_points_kw = np.array(plan.at_points_kw)
        at_points_kw[0] += self.phantom_kw
        return replace(plan, net_kw=plan.net_kw + self.phantom_kw, at_points_kw=at_points_kw)

    def offer(self, offer: FlexOffer, horizon: Horizon) -> FlexOffer:
        """The offer as told."""
        change_kw, price_eur = np.array(offer.change_kw), self.price_factor * offer.price_eur
        if self.phantom_kw.size:
            change_kw[0] -= self.phantom_kw
            phantom_kwh = float(self.phantom_kw.sum()) * horizon.ptu_hours
            price_eur += self.phantom_eur_per_kwh * phantom_kwh
        return replace(offer, change_kw=change_kw, price_eur=price_eur)


class LyingMembers:
    """Members of one community, one of whom lies.

    Parameters
    ----------
    member : int
        Position of the one that lies.
    """

    def __init__(self, inner: Negotiator, member: int, lie: MemberLie) -> None:
        self._inner, self._member, self._lie = inner, member, lie
        self._first_kw = inner.net_kw[member]
        self._reach_kw = (
            np.full_like(self._first_kw, -np.inf),
            np.full_like(self._first_kw, np.inf),
        )

    def tell(self, honest: PPlans, tariff: Tariff, horizon: Horizon) -> PPlans:
        """P-plans as told."""
        if honest.alone_eur is None or honest.declaration is None:
            return honest
        member, lie, declared = self._member, self._lie, honest.declaration
        net_kw, alone_eur = np.array(honest.net_kw), np.array(honest.alone_eur)
        lower_kw, upper_kw = np.array(declared.lower_kw), np.array(declared.upper_kw)
        flexible = list(declared.flexible)
        if lie.shift_kw.size:
            if not flexible[member]:
                # Without devices that could take the shift nobody would ask.
                lower_kw[member] += np.minimum(lie.shift_kw, 0.0)
                upper_kw[member] += np.maximum(lie.shift_kw, 0.0)
            flexible[member] = True
            self._reach_kw = (lower_kw[member], upper_kw[member])
            if lie.from_plan:
                net_kw[:, member] = self._shifted(net_kw[0, member])
                alone_eur[member] = tariff.cost_eur(net_kw[0, member], horizon)
        alone_eur[member] -= lie.bill_eur
        flexible[member] = flexible[member] and not lie.withholds
        self._first_kw = net_kw[0, member]
        return replace(
            honest,
            net_kw=net_kw,
            alone_eur=alone_eur,
            declaration=replace(
                declared, flexible=tuple(flexible), lower_kw=lower_kw, upper_kw=upper_kw
            ),
        )

    def answer(self, request: MemberRequest) -> MemberOffers:
        """The members' answers as told."""
        offers, lie = self._inner.answer(request), self._lie
        if self._member not in offers.members:
            return offers
        place = offers.members.index(self._member)
        net_kw, forgone_eur = np.array(offers.net_kw), np.array(offers.forgone_eur)
        compensation_eur = np.array(offers.compensation_eur)
        worth_eur, worth_kw = np.array(offers.worth_eur), np.array(offers.worth_net_kw)
        if lie.shift_kw.size and request.level is Level.UC2:
            hours = 24.0 / len(lie.shift_kw)
            prices = request.prices_eur_per_kwh[request.group[place]]
            net_kw[place] = self._shifted(net_kw[place])
            day_kw = self._shifted(worth_kw[place])
            worth_eur[place] += float(prices @ (day_kw - worth_kw[place])) * hours
            worth_kw[place] = day_kw
        if np.abs(net_kw[place] - self._first_kw).max() > MOVED_KW:
            forgone_eur[place] += lie.comfort_eur
            compensation_eur[place] += lie.comfort_eur
        return replace(
            offers,
            net_kw=net_kw,
            forgone_eur=forgone_eur,
            compensation_eur=compensation_eur,
            worth_eur=worth_eur,
            worth_net_kw=worth_kw,
        )

    def _shifted(self, net_kw: FloatArray) -> FloatArray:
        """A plan with the shift, as far as declared devices reach: what is beyond is refused."""
        return np.clip(net_kw + self._lie.shift_kw, *self._reach_kw)

    def order(self, order: MemberOrder) -> None:
        """Devices do as ordered, without what was only told."""
        self._inner.order(order)


def paper_shift_kw(
    size_kw: float, congested: Sequence[int], tariff: Tariff, horizon: Horizon
) -> FloatArray:
    """Consumption that stands in cheap congested PTUs on paper and in dear ones in truth.

    Only PTUs are paired of which the congested one is the cheaper; as many are taken out as put in,
    the dearest first, so that the energy of the day stays what it is.

    Returns
    -------
    array, shape (ptu)
        Zero where every congested PTU is as dear as the rest of the day. [kW]
    """
    price = tariff.import_eur_per_kwh
    inside = sorted(set(congested), key=lambda ptu: (price[ptu], ptu))
    outside = sorted(set(range(horizon.ptus)) - set(inside), key=lambda ptu: (-price[ptu], ptu))
    shift_kw = np.zeros(horizon.ptus)
    for told, true in zip(inside, outside, strict=False):
        if price[told] < price[true]:
            shift_kw[told], shift_kw[true] = size_kw, -size_kw
    return shift_kw


def added_load_kw(size_kw: float, congested: Sequence[int], horizon: Horizon) -> FloatArray:
    """Consumption that stands in congested PTUs on paper and nowhere in truth, shape (ptu)."""
    load_kw = np.zeros(horizon.ptus)
    load_kw[list(congested)] = size_kw
    return load_kw


def member_lies(
    congested: Sequence[int], tariff: Tariff, horizon: Horizon
) -> tuple[MemberLie, ...]:
    """The family of lies that members are tried with; a shift that cannot pay is left out."""
    lies = [MemberLie("withholds its flexibility", 1.0, withholds=True)]
    lies += [MemberLie("bill alone lower [EUR]", eur, bill_eur=eur) for eur in (0.1, 0.5)]
    lies += [MemberLie("bill alone higher [EUR]", 0.5, bill_eur=-0.5)]
    lies += [MemberLie("comfort given up [EUR]", eur, comfort_eur=eur) for eur in (0.05, 0.2)]
    for kw in (1.0, 2.0):
        load_kw = added_load_kw(kw, congested, horizon)
        lies.append(MemberLie("load added on paper [kW]", kw, load_kw))
    for kw in (0.5, 2.0):
        shift_kw = paper_shift_kw(kw, congested, tariff, horizon)
        if shift_kw.any():
            lies += [
                MemberLie("load shifted on paper [kW]", kw, shift_kw),
                MemberLie("shifted in answers only [kW]", kw, shift_kw, from_plan=False),
            ]
    return tuple(lies)


def aggregator_lies(congested: Sequence[int], horizon: Horizon) -> tuple[AggregatorLie, ...]:
    """The family of lies that aggregators are tried with."""
    priced = [
        AggregatorLie("price over loss [factor]", factor, price_factor=factor)
        for factor in (1.1, 1.5, 2.0, 3.0)
    ]
    phantoms = [
        AggregatorLie(
            "nothing at 0.10 EUR/kWh [kW]",
            kw,
            phantom_kw=added_load_kw(kw, congested, horizon),
            phantom_eur_per_kwh=0.10,
        )
        for kw in (2.0, 10.0)
    ]
    return (*priced, *phantoms)
