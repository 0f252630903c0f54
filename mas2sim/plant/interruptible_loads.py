"""Loads behind a relay that may be cut, for so long and so often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.horizon import Horizon


@dataclass(frozen=True, slots=True, eq=False)
class InterruptibleFleet:
    """Interruptible loads of a block of homes as arrays; `p_kw` has shape (device, ptu)."""

    p_kw: FloatArray
    longest_cut: IntArray
    cuts: IntArray

    @classmethod
    def of(cls, loads: Sequence[InterruptibleLoad], horizon: Horizon) -> InterruptibleFleet:
        """Gather loads into arrays."""
        return cls(
            np.array([load.p_kw for load in loads]).reshape(len(loads), horizon.ptus),
            np.array([load.longest_cut for load in loads], dtype=np.int64),
            np.array([load.cuts for load in loads], dtype=np.int64),
        )

    def step(
        self, running_cut: IntArray, cuts_left: IntArray, ptu: int, setpoint: FloatArray
    ) -> tuple[IntArray, IntArray, FloatArray]:
        """Run or cut through one PTU.

        A cut that would be longer than allowed ends, and one too many does not begin: the relay
        protects the household whatever it is asked for.

        Parameters
        ----------
        running_cut, cuts_left : array, shape (level, device)
            PTUs that the present cut has lasted, 0 without one; cuts still allowed today.
        setpoint : array, shape (level, device)
            1 cuts; 0 and NaN do not.

        Returns
        -------
        running_cut, cuts_left, power in kW : arrays, shape (level, device)
        """
        if ptu == 0:
            running_cut, cuts_left = (
                np.zeros_like(running_cut),
                np.zeros_like(cuts_left) + self.cuts,
            )
        goes_on = (running_cut > 0) & (running_cut < self.longest_cut)
        begins = (running_cut == 0) & (cuts_left > 0) & (self.longest_cut > 0)
        cut = (setpoint > 0.5) & (goes_on | begins)
        return (
            np.where(cut, running_cut + 1, 0),
            np.where(cut & begins, cuts_left - 1, cuts_left),
            np.where(cut, 0.0, self.p_kw[:, ptu]),
        )
