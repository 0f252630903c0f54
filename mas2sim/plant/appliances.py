"""Appliances that run a cycle to its end once they have begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.device import Appliance

IDLE = -1


@dataclass(frozen=True, slots=True, eq=False)
class ApplianceFleet:
    """Appliances of a block of homes as arrays.

    Parameters
    ----------
    asked_start : array, shape (device)
    cycle_kw : array, shape (device, longest cycle)
        Padded with zeros.
    cycle_ptus : array, shape (device)
    """

    asked_start: IntArray
    cycle_kw: FloatArray
    cycle_ptus: IntArray

    @classmethod
    def of(cls, appliances: Sequence[Appliance]) -> ApplianceFleet:
        """Gather appliances into arrays."""
        longest = max((len(appliance.cycle_kw) for appliance in appliances), default=1)
        cycle_kw = np.zeros((len(appliances), longest))
        for row, appliance in zip(cycle_kw, appliances, strict=True):
            row[: len(appliance.cycle_kw)] = appliance.cycle_kw
        return cls(
            np.array([appliance.asked_start for appliance in appliances], dtype=np.int64),
            cycle_kw,
            np.array([len(appliance.cycle_kw) for appliance in appliances], dtype=np.int64),
        )

    def step(
        self, position: IntArray, ptu: int, setpoint: FloatArray
    ) -> tuple[IntArray, FloatArray]:
        """Run through one PTU.

        Parameters
        ----------
        position : array, shape (level, device)
            Place in the cycle that comes next, or `IDLE`.
        setpoint : array, shape (level, device)
            1 begins a cycle; NaN leaves it to the household's asked start. A running cycle is not
            interrupted.

        Returns
        -------
        next position, power in kW : arrays, shape (level, device)
        """
        begins = np.where(np.isnan(setpoint), self.asked_start == ptu, setpoint > 0.5)
        position = np.where((position == IDLE) & begins, 0, position)
        running = position != IDLE
        columns = np.arange(len(self.cycle_ptus))
        power = np.where(running, self.cycle_kw[columns, np.maximum(position, 0)], 0.0)
        position = np.where(running, position + 1, IDLE)
        return np.where(position >= self.cycle_ptus, IDLE, position), power
