"""Home batteries: within power and energy, whatever they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Battery
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.periodic import periodic_start


@dataclass(frozen=True, slots=True, eq=False)
class BatteryFleet:
    """Batteries of a block of homes as arrays, shape (device)."""

    capacity_kwh: FloatArray
    reserve_kwh: FloatArray
    power_kw: FloatArray
    keep: FloatArray
    charge_kwh_per_kw: FloatArray
    discharge_kwh_per_kw: FloatArray

    @classmethod
    def of(cls, batteries: Sequence[Battery], horizon: Horizon) -> BatteryFleet:
        """Gather batteries into arrays."""
        transitions = [battery.transition(horizon) for battery in batteries]
        return cls(
            np.array([battery.capacity_kwh for battery in batteries], dtype=np.float64),
            np.array([battery.reserve_kwh for battery in batteries], dtype=np.float64),
            np.array([battery.power_kw for battery in batteries], dtype=np.float64),
            np.array([transition.keep for transition in transitions], dtype=np.float64),
            np.array(
                [transition.charge_kwh_per_kw for transition in transitions], dtype=np.float64
            ),
            np.array(
                [transition.discharge_kwh_per_kw for transition in transitions], dtype=np.float64
            ),
        )

    def step(
        self, stored_kwh: FloatArray, setpoint_kw: FloatArray, home_net_kw: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Charge or discharge through one PTU.

        Parameters
        ----------
        stored_kwh : array, shape (level, device)
        setpoint_kw : array, shape (level, device)
            Positive charges. NaN: the battery follows its home's own surplus and need.
        home_net_kw : array, shape (level, device)
            Net power of each battery's home without the battery.

        Returns
        -------
        stored energy in kWh, power in kW : arrays, shape (level, device)
        """
        wanted_kw = np.where(np.isnan(setpoint_kw), -home_net_kw, setpoint_kw)
        left_kwh = self.keep * stored_kwh
        room_kw = np.maximum(self.capacity_kwh - left_kwh, 0.0) / self.charge_kwh_per_kw
        available_kw = np.maximum(left_kwh - self.reserve_kwh, 0.0) / self.discharge_kwh_per_kw
        # Where standing loss would take it below, the battery holds its reserve by itself.
        lacking_kw = np.maximum(self.reserve_kwh - left_kwh, 0.0) / self.charge_kwh_per_kw
        most_kw = np.minimum(self.power_kw, room_kw)
        charge_kw = np.clip(np.maximum(wanted_kw, lacking_kw), 0.0, most_kw)
        discharge_kw = np.clip(-wanted_kw, 0.0, np.minimum(self.power_kw, available_kw))
        stored = (
            left_kwh + self.charge_kwh_per_kw * charge_kw - self.discharge_kwh_per_kw * discharge_kw
        )
        return stored, charge_kw - discharge_kw

    def periodic_start_kwh(self, home_net_kw: FloatArray) -> FloatArray:
        """Energy with which a cyclic day of following the own surplus begins and ends.

        Parameters
        ----------
        home_net_kw : array, shape (device, ptu)
            Net power of each home without its battery.

        Returns
        -------
        array, shape (device)
        """
        no_setpoint = np.full_like(self.capacity_kwh, np.nan)

        def day_end(stored_kwh: FloatArray) -> FloatArray:
            for net_kw in home_net_kw.T:
                stored_kwh, _ = self.step(stored_kwh, no_setpoint, net_kw)
            return stored_kwh

        return periodic_start(day_end, self.reserve_kwh, self.capacity_kwh)
