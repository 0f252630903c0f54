"""Plans, and the messages in which they travel (USEF's words).

A home's plan stays with its CEMS. What leaves the home is its P-plan, the net profile alone; what
leaves the aggregator is the A-plan, the sum over its community (D6.1, C.1.3 and annex D).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import Declaration
from mas2sim.domain.limits import Regime


class PlanStatus(StrEnum):
    """What a plan is worth."""

    REFERENCE = "reference"
    """Nobody planned: the devices follow their own rules."""
    OPTIMAL = "optimal"
    """Proven least cost."""
    BOUNDED = "bounded"
    """Feasible; the gap to the least cost is stated, not zero."""
    AGREED = "agreed"
    """Feasible, and what a market settled on: what it is worth is the community's affair."""
    INFEASIBLE = "infeasible"
    """The household's wishes cannot be met; the reason says which."""


class TieRule(StrEnum):
    """Which of the plans of equal cost is taken."""

    RANDOM = "random"
    EARLIEST = "earliest"
    FLATTEST = "flattest"


@dataclass(frozen=True, slots=True, eq=False)
class HomePlan:
    """What the CEMS of one home means to do on the day.

    Parameters
    ----------
    net_kw : array, shape (ptu)
        Power expected at the connection point.
    setpoints : mapping of str to array, shape (ptu)
        By name of each offered device in use: power in kW of a battery, vehicle or heater; 1 in the
        PTU in which an appliance begins its cycle, or in which a load is cut, and 0 elsewhere.
    cost_eur : float
        Cost of `net_kw` (no standing charge).
    discomfort_eur : float
        What the household forgoes, at the worth it has put on it.
    bound_eur : float
        Proven lower bound on cost and discomfort together.
    way : str
        How the plan was found, e.g. ``"milp"``.
    reason : str
        Why the status is not optimal; empty otherwise.
    solve_s : float
        Time spent. [s]
    """

    net_kw: FloatArray
    setpoints: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    cost_eur: float = float("nan")
    discomfort_eur: float = 0.0
    bound_eur: float = float("nan")
    status: PlanStatus = PlanStatus.REFERENCE
    way: str = "rule"
    reason: str = ""
    solve_s: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")

    @property
    def gap_eur(self) -> float:
        """How far the plan may be from the least cost; NaN without a bound. [EUR]"""
        gap_eur = self.cost_eur + self.discomfort_eur - self.bound_eur
        # Not max(): it would make a proof of NaN.
        return 0.0 if gap_eur < 0 else gap_eur


@dataclass(frozen=True, slots=True, eq=False)
class PPlans:
    """P-plans of the members of one community, as their CEMS send them to their aggregator.

    Parameters
    ----------
    community : str
        Name of the community; only its own aggregator receives the message.
    members : tuple of int
        Index of each member home.
    net_kw : array, shape (level, member, ptu)
        Expected net power; NaN rows are homes that sent no plan. At the levels that are negotiated
        it is the plan that each home would follow alone.
    alone_eur : array, shape (member), optional
        What each home would pay alone (level `uc1`), without the standing charge: the most that
        its aggregator may ask of it.
    declaration : Declaration, optional
        What the homes tell of their devices, where there is a market.
    """

    community: str
    members: tuple[int, ...]
    net_kw: FloatArray
    alone_eur: FloatArray | None = None
    declaration: Declaration | None = None

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")
        if self.alone_eur is not None:
            freeze_fields(self, "alone_eur")


@dataclass(frozen=True, slots=True, eq=False)
class APlan:
    """Sum of a community's P-plans.

    Parameters
    ----------
    net_kw : array, shape (level, ptu)
    homes : int
        Number of homes summed.
    at_points_kw : array, shape (point, ptu)
        The plan for which the DSO may buy changes, at each of its congestion points, the
        transformer first; empty where no such market is held.
    """

    community: str
    net_kw: FloatArray
    homes: int
    at_points_kw: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "at_points_kw")


@dataclass(frozen=True, slots=True, eq=False)
class DPrognosis:
    """Expected net power at one congestion point, and the DSO's finding about it.

    Parameters
    ----------
    congestion_point : str
    net_kw : array, shape (level, ptu)
    regimes : tuple of tuple of Regime, shape (level, ptu)
    accepted : mapping of str to bool
        Whether the A-plan of each community was received in time and admitted.
    curtailment_kw : array, shape (level, point, ptu)
        Import (negative: export) that the connections behind each congestion point, the transformer
        first, have to give up together in delivery, because there was not enough flexibility to
        buy; empty for none.
    exchanged_kw : mapping of str to array, shape (level, ptu)
        What each community buys from the others behind the point, negative is sold; empty where
        communities do not trade with each other.
    """

    congestion_point: str
    net_kw: FloatArray
    regimes: tuple[tuple[Regime, ...], ...]
    accepted: Mapping[str, bool]
    curtailment_kw: FloatArray = field(default_factory=lambda: np.empty((0, 0, 0)))
    exchanged_kw: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "curtailment_kw")


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What the members of one community owe for the metered day.

    Parameters
    ----------
    bill_eur : array, shape (level, member)
        Each home's bill by its own tariff and meter.
    payment_eur : array, shape (level, member)
        What it pays in the end; differs from the bill where energy is traded in the community.
    dso_eur : array, shape (level)
        What the DSO pays the community for flexibility and for connections that it limited.
    external_eur : array, shape (level)
        What a buyer outside pays the community.
    service_eur, shortfall_eur : array, shape (level)
        What the aggregator keeps of the community's gain, and what it has to add.
    local_kwh : array, shape (level)
        Energy traded within the community.
    """

    community: str
    members: tuple[int, ...]
    bill_eur: FloatArray
    payment_eur: FloatArray
    dso_eur: FloatArray
    external_eur: FloatArray
    service_eur: FloatArray
    shortfall_eur: FloatArray
    local_kwh: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "bill_eur", "payment_eur", "dso_eur")
        freeze_fields(self, "external_eur", "service_eur", "shortfall_eur", "local_kwh")


@dataclass(frozen=True, slots=True, eq=False)
class Setpoints:
    """Setpoints of one PTU for the flexible devices of a block of homes.

    Parameters
    ----------
    values : array, shape (level, device)
        kW for batteries, vehicles and heaters; 1 to begin a cycle or to cut a load, and 0 not to;
        NaN where the device is left to its own rule.
    """

    values: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "values")


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What a block of homes measured in one PTU.

    Parameters
    ----------
    p_kw, q_kvar : array, shape (level, home)
        At the connection points.
    device_kw : array, shape (level, device)
        Power of each flexible device.
    stored_kwh : array, shape (level, device)
        Energy stored at the end of the PTU; NaN for what stores none, and for vehicles while away.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    device_kw: FloatArray
    stored_kwh: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw", "q_kvar", "device_kw", "stored_kwh")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The aggregator's word to its members: whether their plans were admitted, by level."""

    community: str
    admitted: tuple[bool, ...]
