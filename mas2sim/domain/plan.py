"""Plans, and the messages in which they travel (USEF's words).

A home's plan stays with its CEMS. What leaves the home is its P-plan, the net profile alone; what
leaves the aggregator is the A-plan, the sum over its community (D6.1, C.1.3 and annex D).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.limits import Regime


class PlanStatus(StrEnum):
    """What a plan is worth."""

    REFERENCE = "reference"
    """Nobody planned: the devices follow their own rules."""
    OPTIMAL = "optimal"
    """Proven least cost."""
    BOUNDED = "bounded"
    """Feasible; the gap to the least cost is stated, not zero."""
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
        Expected net power; NaN rows are homes that sent no plan.
    """

    community: str
    members: tuple[int, ...]
    net_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")


@dataclass(frozen=True, slots=True, eq=False)
class APlan:
    """Sum of a community's P-plans.

    Parameters
    ----------
    net_kw : array, shape (level, ptu)
    homes : int
        Number of homes summed.
    """

    community: str
    net_kw: FloatArray
    homes: int

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")


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
    """

    congestion_point: str
    net_kw: FloatArray
    regimes: tuple[tuple[Regime, ...], ...]
    accepted: Mapping[str, bool]

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")


@dataclass(frozen=True, slots=True, eq=False)
class Settlement:
    """What the members of one community owe for the metered day.

    Parameters
    ----------
    bill_eur : array, shape (level, member)
        Each home's bill by its own tariff and meter.
    payment_eur : array, shape (level, member)
        What it pays in the end; differs from the bill where energy is traded in the community.
    """

    community: str
    members: tuple[int, ...]
    bill_eur: FloatArray
    payment_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "bill_eur", "payment_eur")


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
