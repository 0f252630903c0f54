"""Electric vehicles: they come home with the drive taken out and leave full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.device import ElectricVehicle
from mas2sim.domain.horizon import Horizon


@dataclass(frozen=True, slots=True, eq=False)
class VehicleFleet:
    """Vehicles of a block of homes as arrays; `connected` has shape (device, ptu)."""

    charger_kw: FloatArray
    capacity_kwh: FloatArray
    charge_kwh_per_kw: FloatArray
    driven_kwh: FloatArray
    arrival: IntArray
    connected: BoolArray

    @classmethod
    def of(cls, vehicles: Sequence[ElectricVehicle], horizon: Horizon) -> VehicleFleet:
        """Gather vehicles into arrays."""
        return cls(
            np.array([vehicle.charger_kw for vehicle in vehicles], dtype=np.float64),
            np.array([vehicle.capacity_kwh for vehicle in vehicles], dtype=np.float64),
            np.array(
                [vehicle.transition(horizon).charge_kwh_per_kw for vehicle in vehicles],
                dtype=np.float64,
            ),
            np.array([vehicle.driven_kwh for vehicle in vehicles], dtype=np.float64),
            np.array([vehicle.arrival for vehicle in vehicles], dtype=np.int64),
            np.array([vehicle.connected(horizon) for vehicle in vehicles], dtype=bool).reshape(
                len(vehicles), horizon.ptus
            ),
        )

    def step(
        self, stored_kwh: FloatArray, ptu: int, setpoint_kw: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Charge through one PTU; without a setpoint (NaN) at full power until full.

        Parameters
        ----------
        stored_kwh, setpoint_kw : array, shape (level, device)

        Returns
        -------
        stored energy in kWh, power in kW : arrays, shape (level, device)
        """
        arrived_kwh = np.where(self.arrival == ptu, stored_kwh - self.driven_kwh, stored_kwh)
        room_kw = np.maximum(self.capacity_kwh - arrived_kwh, 0.0) / self.charge_kwh_per_kw
        wanted_kw = np.where(np.isnan(setpoint_kw), self.charger_kw, setpoint_kw)
        allowed_kw = np.minimum(np.clip(wanted_kw, 0.0, self.charger_kw), room_kw)
        power_kw = np.where(self.connected[:, ptu], allowed_kw, 0.0)
        return arrived_kwh + self.charge_kwh_per_kw * power_kw, power_kw
