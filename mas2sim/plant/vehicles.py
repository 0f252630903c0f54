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
    discharge_kw: FloatArray
    capacity_kwh: FloatArray
    reserve_kwh: FloatArray
    charge_kwh_per_kw: FloatArray
    discharge_kwh_per_kw: FloatArray
    arrival_kwh: FloatArray
    arrival: IntArray
    connected: BoolArray

    @classmethod
    def of(cls, vehicles: Sequence[ElectricVehicle], horizon: Horizon) -> VehicleFleet:
        """Gather vehicles into arrays."""
        transitions = [vehicle.transition(horizon) for vehicle in vehicles]

        def column(values: list[float]) -> FloatArray:
            return np.array(values, dtype=np.float64)

        return cls(
            column([vehicle.charger_kw for vehicle in vehicles]),
            column([vehicle.discharge_kw for vehicle in vehicles]),
            column([vehicle.capacity_kwh for vehicle in vehicles]),
            column([min(vehicle.reserve_kwh, vehicle.arrival_kwh) for vehicle in vehicles]),
            column([transition.charge_kwh_per_kw for transition in transitions]),
            column([transition.discharge_kwh_per_kw for transition in transitions]),
            column([vehicle.arrival_kwh for vehicle in vehicles]),
            np.array([vehicle.arrival for vehicle in vehicles], dtype=np.int64),
            np.array([vehicle.connected(horizon) for vehicle in vehicles], dtype=bool).reshape(
                len(vehicles), horizon.ptus
            ),
        )

    def step(
        self, stored_kwh: FloatArray, ptu: int, setpoint_kw: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Charge, or deliver, through one PTU; without a setpoint (NaN) charge until full.

        A vehicle arrives with what the day's drive has left of a full battery: what it could not
        charge here it is taken to have charged elsewhere, and the plan's status says so.

        Parameters
        ----------
        stored_kwh, setpoint_kw : array, shape (level, device)
            Positive charges.

        Returns
        -------
        stored energy in kWh, power in kW : arrays, shape (level, device)
        """
        stored_kwh = np.where(self.arrival == ptu, self.arrival_kwh, stored_kwh)
        room_kw = np.maximum(self.capacity_kwh - stored_kwh, 0.0) / self.charge_kwh_per_kw
        spare_kwh = np.maximum(stored_kwh - self.reserve_kwh, 0.0)
        # A vehicle that only charges has 0 kW and 0 kWh/kW: nothing to divide, nothing to deliver.
        spare_kw = spare_kwh / np.where(self.discharge_kw > 0, self.discharge_kwh_per_kw, 1.0)
        wanted_kw = np.where(np.isnan(setpoint_kw), self.charger_kw, setpoint_kw)
        charge_kw = np.clip(wanted_kw, 0.0, np.minimum(self.charger_kw, room_kw))
        deliver_kw = np.clip(-wanted_kw, 0.0, np.minimum(self.discharge_kw, spare_kw))
        at_home = self.connected[:, ptu]
        charge_kw, deliver_kw = (
            np.where(at_home, charge_kw, 0.0),
            np.where(at_home, deliver_kw, 0.0),
        )
        stored_kwh = (
            stored_kwh + self.charge_kwh_per_kw * charge_kw - self.discharge_kwh_per_kw * deliver_kw
        )
        return stored_kwh, charge_kw - deliver_kw
