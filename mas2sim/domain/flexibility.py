"""Flexibility as it is asked for, offered and ordered (USEF's words).

Two markets speak in these messages. Within a community the aggregator asks its members by a price
curve and they answer with a profile and its least compensation. Between the DSO and the aggregators
only sums over a community's homes travel, never the plan of one home (D6.1, C.1.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.typical_day import Level

FEWEST_HOMES = 5
"""Fewest homes that a sum beyond the aggregator may hold, so that no home can be told from it."""


@dataclass(frozen=True, slots=True, eq=False)
class PriceCurve:
    """Marginal price of a change of net power in each PTU, piecewise linear and never falling.

    Parameters
    ----------
    change_kw : array, shape (ptu, knot)
        Change against the plan last told, never falling in a PTU; two equal knots are a jump.
    price_eur_per_kwh : array, shape (ptu, knot)
        Price at the knots, linear between them, constant beyond the first and the last.
    """

    change_kw: FloatArray
    price_eur_per_kwh: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "change_kw", "price_eur_per_kwh")


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """What the members of a community tell their aggregator of their devices, as contracts ask.

    Parameters
    ----------
    flexible : tuple of bool, shape (member)
        Whether the member answers requests at all.
    lower_kw, upper_kw : array, shape (member, ptu)
        Net power that its devices can reach: a profile beyond is not possible.
    forgone_eur : array, shape (member)
        Comfort that the plan it comes with gives up, at the worth the household has put on it.
    """

    community: str
    flexible: tuple[bool, ...]
    lower_kw: FloatArray
    upper_kw: FloatArray
    forgone_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "lower_kw", "upper_kw", "forgone_eur")


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Which of the offers to one request were taken.

    Parameters
    ----------
    number : int
        Number of the request; negative before any was answered.
    members : tuple of int
        Positions in the community of the members whose offers were taken.
    """

    number: int = -1
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MemberRequest:
    """The FlexRequest of an aggregator to some of its members, and what it took of their last.

    Parameters
    ----------
    level : Level
        The level that is negotiated.
    number : int
        Number of the request in this negotiation, from 0.
    asked : tuple of int
        Positions in the community of the members asked; each answers on its own.
    group : tuple of int, shape (member asked)
        Which curve and which prices are a member's.
    curves : tuple of PriceCurve
        One for each group of members that the same congestion points concern; empty when only the
        worth of their day is asked.
    prices_eur_per_kwh : array, shape (group, ptu)
        Prices that do not depend on the power: what would the least cost of the day be under them?
        The sum of such answers is what no plan of the community can beat.
    fee_eur_per_kwh : array, shape (ptu)
        Network fee on what a member imports.
    accepted : Acceptance
        Offers taken of the last request that was answered. Who was asked last and is not in it goes
        back to where it stood; so does everybody whose answers did not arrive.
    keep : tuple of int
        Labels under which all members keep the plans as they now stand: those that no answer has
        confirmed yet.
    """

    community: str
    level: Level
    number: int
    asked: tuple[int, ...]
    group: tuple[int, ...]
    curves: tuple[PriceCurve, ...]
    prices_eur_per_kwh: FloatArray
    fee_eur_per_kwh: FloatArray
    accepted: Acceptance = Acceptance()
    keep: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        freeze_fields(self, "prices_eur_per_kwh", "fee_eur_per_kwh")


@dataclass(frozen=True, slots=True, eq=False)
class MemberOffers:
    """The FlexOffers of the members asked.

    Parameters
    ----------
    number : int
        Number of the request answered.
    members : tuple of int
        Positions in the community of the members that answer.
    net_kw : array, shape (member, ptu)
        The profile that the member would follow.
    compensation_eur : array, shape (member)
        The least for which it would: what bill and comfort lose against its own plan.
    forgone_eur : array, shape (member)
        Comfort that the profile gives up, at the worth the household has put on it.
    worth_eur : array, shape (member)
        Least cost of its day under the request's fixed prices.
    worth_net_kw : array, shape (member, ptu)
        The profile of that day: a slope of the worth.
    """

    community: str
    number: int
    members: tuple[int, ...]
    net_kw: FloatArray
    compensation_eur: FloatArray
    forgone_eur: FloatArray
    worth_eur: FloatArray
    worth_net_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "compensation_eur", "forgone_eur")
        freeze_fields(self, "worth_eur", "worth_net_kw")


@dataclass(frozen=True, slots=True)
class MemberOrder:
    """The FlexOrder of an aggregator to its members: the plans to carry out.

    Parameters
    ----------
    plans : int
        Label of the plans ordered; negative for those that the members came with.
    accepted, keep
        As in `MemberRequest`, for the last offers.
    """

    community: str
    level: Level
    plans: int
    accepted: Acceptance = Acceptance()
    keep: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FlexRequest:
    """What the DSO asks of one aggregator, or of all, at its congestion points.

    Parameters
    ----------
    number : int
        Number of the request in this negotiation, from 0.
    community : str
        The aggregator asked; empty for all of them.
    points : tuple of str
        Congestion points, the transformer first.
    requested_kw : array, shape (point, ptu)
        Change of the prognosis that is needed: negative is less import; 0 where nothing is.
    available_lower_kw, available_upper_kw : array, shape (point, ptu)
        Change of the prognosis that the limits leave room for.
    price_cap_eur_per_kwh : float
        The most that is paid for energy moved.
    curves : tuple of PriceCurve, one for each point
        What a change of the aggregator's plan at the point costs the DSO; empty when it only asks
        what the members' days are worth.
    prices_eur_per_kwh : array, shape (point, ptu)
        Prices that the DSO puts on the power at each point.
    blocks : int
        Exchanges with members that there is time for.
    progress : float
        How far the negotiation has come, from 0 to 1.
    proof : bool
        Whether the worth is asked for the DSO's prices alone, to prove that the limits cannot be
        kept.
    """

    number: int
    community: str
    points: tuple[str, ...]
    requested_kw: FloatArray
    available_lower_kw: FloatArray
    available_upper_kw: FloatArray
    price_cap_eur_per_kwh: float
    curves: tuple[PriceCurve, ...]
    prices_eur_per_kwh: FloatArray
    blocks: int = 1
    progress: float = 0.0
    proof: bool = False

    def __post_init__(self) -> None:
        freeze_fields(self, "requested_kw", "available_lower_kw", "available_upper_kw")
        freeze_fields(self, "prices_eur_per_kwh")


@dataclass(frozen=True, slots=True, eq=False)
class FlexOffer:
    """What one aggregator offers the DSO: a changed A-plan, rebound included, and its price.

    Parameters
    ----------
    number : int
        Number of the offer among this aggregator's, from 0.
    change_kw : array, shape (point, ptu)
        Change against the A-plan admitted so far, at each congestion point.
    price_eur : float
        What the members lose by it, and no more.
    worth_eur : float
        Least cost of all members' days together under the request's prices and the community's
        own; NaN where not all have answered.
    worth_kw : array, shape (point, ptu)
        Their power at each point on those days: a slope of the worth.
    """

    community: str
    number: int
    change_kw: FloatArray
    price_eur: float
    worth_eur: float = float("nan")
    worth_kw: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        freeze_fields(self, "change_kw", "worth_kw")


@dataclass(frozen=True, slots=True, eq=False)
class FlexOrder:
    """What the DSO takes of the offers it has.

    Parameters
    ----------
    accepted : mapping of str to int
        Number of the offer taken, by community; a community that is not there keeps its A-plan.
    price_eur : mapping of str to float
        What is paid for it.
    reserve : mapping of str to tuple of int
        Offers not taken, kept until delivery.
    """

    accepted: Mapping[str, int]
    price_eur: Mapping[str, float]
    reserve: Mapping[str, tuple[int, ...]]
