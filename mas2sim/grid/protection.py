"""What trips when the grid is overloaded: USEF's red regime, where the grid protects itself.

Neither market nor DSO decides here any more: a relay or a fuse does, by how much and how long its
limit is exceeded. Which limit that is and along which curve is a setting.

A PTU is taken at its mean: peaks within it are not seen. At 15 minutes a relay's curve is over
almost at once, so above all its pickup matters; a fuse carries its warmth from one PTU to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, expm1, inf, isfinite, log, log1p

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.grid_state import TRANSFORMER, GridLayout

_SECONDS_PER_HOUR = 3600.0


class ProtectedLimit(StrEnum):
    """What the protection watches: the transformers, or the first branches of the feeders."""

    TRANSFORMER = "transformer"
    FEEDER = "feeder"


@dataclass(frozen=True, slots=True)
class StandardInverse:
    """Relay with the standard inverse curve A of IEC 60255-151:2009.

    The time to trip is t = TMS * 0.14 / ((I/Is)^0.02 - 1) seconds, Is being the pickup. While the
    current changes, each PTU adds the share of that time that it lasts; a PTU at or below pickup
    resets the relay.

    Parameters
    ----------
    time_multiplier : float
        TMS, 0.05 to 1 on most relays. [A]
    """

    time_multiplier: float = 1.0

    def __post_init__(self) -> None:
        _check("time_multiplier", self.time_multiplier)

    def hours_to_trip(self, multiple: float) -> float:
        """Time to trip from rest at a constant `multiple` of the pickup. [h]"""
        if not multiple > 1.0:
            return inf
        # expm1 keeps what a difference of two numbers close to 1 would lose just above pickup.
        over = expm1(0.02 * log(multiple))
        return self.time_multiplier * 0.14 / over / _SECONDS_PER_HOUR

    def advance(self, progress: float, multiple: float, hours: float) -> float:
        """Progress towards a trip after `hours` at `multiple` of the pickup; it trips at 1."""
        return progress + hours / self.hours_to_trip(multiple) if multiple > 1.0 else 0.0


@dataclass(frozen=True, slots=True)
class FuseLike:
    """Fuse, or thermal relay, that warms with the square of the current and cools down again.

    Its warmth follows tau dw/dt = (I/Is)^2 - w and it trips at w = 1: from cold after
    t = tau ln(m^2 / (m^2 - 1)) at the multiple m of Is (the thermal electrical relay of
    IEC 60255-149:2013), which is a constant I^2 t of tau Is^2 where the overload is high. At or
    below the pickup it never trips.

    Parameters
    ----------
    time_constant_hours : float
        tau; half an hour to an hour for a fuse, some hours for cables in the ground or for the oil
        of a transformer. [A]
    """

    time_constant_hours: float = 1.0

    def __post_init__(self) -> None:
        _check("time_constant_hours", self.time_constant_hours)

    def hours_to_trip(self, multiple: float) -> float:
        """Time to trip from cold at a constant `multiple` of the pickup. [h]"""
        if not multiple > 1.0:
            return inf
        return -self.time_constant_hours * log1p(-1.0 / multiple**2)

    def advance(self, progress: float, multiple: float, hours: float) -> float:
        """Warmth after `hours` at `multiple` of the pickup; it trips at 1."""
        kept = exp(-hours / self.time_constant_hours)
        return multiple**2 + (progress - multiple**2) * kept


@dataclass(frozen=True, slots=True)
class Protection:
    """Which limit trips, and along which curve.

    Parameters
    ----------
    limit : ProtectedLimit
    pickup_percent : float
        Loading above which it moves towards a trip. [A]
    curve : StandardInverse or FuseLike

    Raises
    ------
    ConfigurationError
        When the limit is none, or the pickup is not positive.
    """

    limit: ProtectedLimit = ProtectedLimit.TRANSFORMER
    pickup_percent: float = 120.0
    curve: StandardInverse | FuseLike = field(default_factory=StandardInverse)

    def __post_init__(self) -> None:
        if self.limit not in tuple(ProtectedLimit):
            allowed = " or ".join(ProtectedLimit)
            raise ConfigurationError([Fault("protection.limit", repr(self.limit), allowed)])
        _check("pickup_percent", self.pickup_percent)


def protected_branches(layout: GridLayout, limit: ProtectedLimit) -> IntArray:
    """Indices of the branches that a protection watches, in the order of branches."""
    if limit == ProtectedLimit.TRANSFORMER:
        units = [branch.kind == TRANSFORMER for branch in layout.branches]
        return np.flatnonzero(np.array(units, dtype=bool))
    heads = [head for feeder in layout.feeder_heads.values() for head in feeder]
    return np.array(sorted(heads), dtype=np.int64)


def trip_progress(
    loading_percent: FloatArray, protection: Protection, ptu_hours: float, *, start: float = 0.0
) -> FloatArray:
    """How far a protection has come at the end of each PTU; it trips at 1.

    The current goes on as if nothing had tripped, so the last value is the `start` of a day that
    follows.

    Parameters
    ----------
    loading_percent : array, shape (ptu)
        Of one branch. Where it is no number, the flow was not solved and more was asked than can be
        known to be carried: that trips.
    ptu_hours : float
    start : float
        Progress at the beginning, 0 at rest or cold.

    Returns
    -------
    array, shape (ptu)
        Within a PTU the progress never turns, so it tells all trips.
    """
    multiples = np.asarray(loading_percent, dtype=np.float64) / protection.pickup_percent
    progress = np.empty(len(multiples))
    now = start
    for ptu, multiple in enumerate(multiples.tolist()):
        known = isfinite(multiple)
        now = protection.curve.advance(now, multiple, ptu_hours) if known else max(now, 1.0)
        progress[ptu] = now
    return progress


def tripped(
    loading_percent: FloatArray, protection: Protection, ptu_hours: float, *, start: float = 0.0
) -> BoolArray:
    """Whether a protection has tripped: True from the PTU in which it does, to the end.

    Parameters and what no number means are those of `trip_progress`.

    Returns
    -------
    array of bool, shape (ptu)
    """
    progress = trip_progress(loading_percent, protection, ptu_hours, start=start)
    return np.logical_or.accumulate(progress >= 1.0)


def _check(name: str, value: float) -> None:
    if not 0.0 < value < inf:
        raise ConfigurationError([Fault(f"protection.{name}", f"{value:g}", "above 0")])
