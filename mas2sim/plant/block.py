"""A block of simulated homes stepped together, at all levels at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.device import Battery, Heater
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Measurements, Setpoints
from mas2sim.plant.block_arrays import BlockArrays, BlockOutputs
from mas2sim.plant.device_physics import live_ptus


class SimulatedBlock:
    """Homes whose devices are simulated; fulfils `mas2sim.domain.plant.Plant`.

    Levels are an axis of the arrays: the same homes live the same day once per level.

    Parameters
    ----------
    homes, references : sequence, in the same order
        The homes, and what they do when nobody manages them: batteries, buildings and tanks begin
        the day as there.
    levels : int
        Number of levels.
    """

    def __init__(
        self,
        homes: Sequence[Home],
        references: Sequence[ReferenceDay],
        horizon: Horizon,
        levels: int,
    ) -> None:
        self.devices = tuple(
            (index, device.name)
            for index, home in enumerate(homes)
            for device in home.flexible_devices
        )
        self._block = BlockArrays.of(homes, horizon)
        self._state = self._block.at_midnight(_start_kwh(homes, references), levels)
        self._setpoints = np.empty((1, levels, len(self.devices)))
        self._outputs = BlockOutputs.empty(1, levels, len(homes), len(self.devices))

    def run_in(self, day_before: FloatArray) -> FloatArray:
        """Live the day before, so that cycles and charging that cross midnight are underway.

        Batteries, buildings and tanks begin both days with the energy of the reference, which a
        sound plan ends with; a plan that does not shows at the end of the day.

        Parameters
        ----------
        day_before : array, shape (level, device, ptu)

        Returns
        -------
        array, shape (level, device)
            Energy stored at midnight; NaN for what stores none and for vehicles while away. [kWh]
        """
        setpoints = np.empty((len(self._block.fixed_kw), *self._setpoints.shape[1:]))
        setpoints[:] = np.moveaxis(day_before, 2, 0)
        return frozen(self._block.run_in(self._state, setpoints))

    def step(self, ptu: int, setpoints: Setpoints) -> Measurements:
        """Follow `setpoints` through PTU `ptu` and say what was measured."""
        ptus = len(self._block.fixed_kw)
        # Machine code checks no index: what it is given has the shapes that it expects.
        if not 0 <= ptu < ptus:
            raise IndexError(f"PTU {ptu} of a day of {ptus}")
        self._setpoints[0] = setpoints.values
        live_ptus(*self._block, self._state, ptu, self._setpoints, *self._outputs)
        p_kw, q_kvar, device_kw, stored_kwh = self._outputs
        return Measurements(p_kw[0], q_kvar[0], device_kw[0], stored_kwh[0])


def _start_kwh(homes: Sequence[Home], references: Sequence[ReferenceDay]) -> FloatArray:
    """Energy at midnight in batteries, buildings and tanks, shape (device)."""
    start_kwh = []
    for home, reference in zip(homes, references, strict=True):
        for device in home.flexible_devices:
            stored_kwh = 0.0
            if isinstance(device, Battery):
                stored_kwh = reference.battery_start_kwh
            elif isinstance(device, Heater):
                stored_kwh = reference.heat_start_kwh[device.name]
            start_kwh.append(stored_kwh)
    return np.array(start_kwh, dtype=np.float64)
