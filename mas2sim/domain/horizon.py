"""The day in programme time units (PTUs): one cyclic day of local clock time, from 00:00."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import ConfigurationError, Fault

MINUTES_PER_DAY = 24 * 60
MINUTES_PER_HOUR = 60


@dataclass(frozen=True, slots=True)
class Horizon:
    """A cyclic day cut into PTUs of equal length.

    PTU k covers ``[k, k + 1)`` times `ptu_minutes` after midnight. Windows may wrap midnight: the
    PTU after the last is the first.

    Raises
    ------
    ConfigurationError
        When `ptu_minutes` does not divide an hour.
    """

    ptu_minutes: int = 15

    def __post_init__(self) -> None:
        if self.ptu_minutes <= 0 or MINUTES_PER_HOUR % self.ptu_minutes:
            raise ConfigurationError(
                [
                    Fault(
                        "ptu_minutes",
                        str(self.ptu_minutes),
                        "a length in minutes that divides an hour",
                        "15 (the default), 5, 10, 30 or 60",
                    )
                ]
            )

    @property
    def ptus(self) -> int:
        """Number of PTUs in the day."""
        return MINUTES_PER_DAY // self.ptu_minutes

    @property
    def ptu_hours(self) -> float:
        """Length of a PTU. [h]"""
        return self.ptu_minutes / MINUTES_PER_HOUR

    @property
    def ptu_seconds(self) -> int:
        """Length of a PTU. [s]"""
        return self.ptu_minutes * 60

    @property
    def start_hours(self) -> FloatArray:
        """Clock time at which each PTU starts, shape (ptu). [h]"""
        return np.arange(self.ptus, dtype=np.float64) * self.ptu_hours

    def ptu_at(self, hour: float) -> int:
        """Return the PTU that covers clock time `hour` [h]; hours beyond the day wrap."""
        # The small addend keeps 0.1 h steps from falling into the PTU before.
        return int((hour + 1e-9) // self.ptu_hours) % self.ptus

    def clock(self, ptu: int) -> str:
        """Return the clock time at which `ptu` starts, as ``"HH:MM"``."""
        minutes = (ptu % self.ptus) * self.ptu_minutes
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    def window_length(self, start: int, end: int) -> int:
        """Number of PTUs from `start` to before `end`; equal ones mean the whole day."""
        return (end - start) % self.ptus or self.ptus

    def window(self, start: int, end: int) -> IntArray:
        """PTUs from `start` up to, not including, `end`, in order, wrapping midnight."""
        return (start + np.arange(self.window_length(start, end))) % self.ptus

    def mask(self, start: int, end: int) -> BoolArray:
        """True in the PTUs of the window, shape (ptu)."""
        inside = np.zeros(self.ptus, dtype=bool)
        inside[self.window(start, end)] = True
        return inside
