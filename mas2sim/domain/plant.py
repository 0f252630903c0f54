"""The seam between a CEMS and the physical side of homes, simulated or in a laboratory."""

from __future__ import annotations

from typing import Protocol

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.plan import Measurements, Setpoints


class Plant(Protocol):
    """Setpoints in, measurements out, for the homes that the plant holds.

    A plant never sees a plan: it knows the setpoints up to now, and its own rules where there are
    none.
    """

    @property
    def devices(self) -> tuple[tuple[int, str], ...]:
        """Home (index within the plant) and name of each flexible device."""
        ...

    def run_in(self, day_before: FloatArray) -> FloatArray:
        """Bring the plant into the state in which the cyclic day begins.

        Parameters
        ----------
        day_before : array, shape (level, device, ptu)
            Setpoints of the day before, which equals the day to come.

        Returns
        -------
        array, shape (level, device)
            Energy stored at midnight; NaN for appliances and for vehicles while away. [kWh]
        """
        ...

    def step(self, ptu: int, setpoints: Setpoints) -> Measurements:
        """Follow `setpoints` through PTU `ptu` and say what was measured."""
        ...
