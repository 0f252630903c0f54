"""Heat pumps and direct heaters with the building or tank that they heat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Heater
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.periodic import periodic_start

COLDEST_C, HOTTEST_C = -60.0, 200.0
"""Temperatures that no store leaves in a day: bounds for finding its periodic state."""


@dataclass(frozen=True, slots=True, eq=False)
class HeaterFleet:
    """Heaters of a block of homes as arrays, shape (device) or (device, ptu).

    Parameters
    ----------
    thermostat_kwh : array, shape (device, ptu)
        Heat stored at the temperature that the thermostat holds.
    """

    power_kw: FloatArray
    capacity_kwh_per_k: FloatArray
    keep: FloatArray
    inflow_kwh: FloatArray
    heat_kwh_per_kw: FloatArray
    thermostat_kwh: FloatArray

    @classmethod
    def of(cls, heaters: Sequence[Heater], horizon: Horizon) -> HeaterFleet:
        """Gather heaters into arrays."""
        transitions = [heater.transition(horizon) for heater in heaters]
        shape = (len(heaters), horizon.ptus)
        return cls(
            np.array([heater.power_kw for heater in heaters], dtype=np.float64),
            np.array([heater.store.capacity_kwh_per_k for heater in heaters], dtype=np.float64),
            np.array([transition.keep for transition in transitions], dtype=np.float64),
            np.array([transition.inflow_kwh for transition in transitions]).reshape(shape),
            np.array([transition.heat_kwh_per_kw for transition in transitions]).reshape(shape),
            np.array(
                [heater.store.capacity_kwh_per_k * heater.thermostat_c for heater in heaters]
            ).reshape(shape),
        )

    def step(
        self, stored_kwh: FloatArray, ptu: int, setpoint_kw: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Heat through one PTU; without a setpoint (NaN) as the thermostat asks.

        Parameters
        ----------
        stored_kwh, setpoint_kw : array, shape (level, device)

        Returns
        -------
        stored heat in kWh, power in kW : arrays, shape (level, device)
        """
        left_kwh = self.keep * stored_kwh + self.inflow_kwh[:, ptu]
        heat_kwh_per_kw = self.heat_kwh_per_kw[:, ptu]
        asked_kw = (self.thermostat_kwh[:, ptu] - left_kwh) / heat_kwh_per_kw
        wanted_kw = np.where(np.isnan(setpoint_kw), asked_kw, setpoint_kw)
        power_kw = np.clip(wanted_kw, 0.0, self.power_kw)
        return left_kwh + heat_kwh_per_kw * power_kw, power_kw

    def periodic_start_kwh(self) -> FloatArray:
        """Heat with which a cyclic day of following the thermostat begins and ends, (device)."""
        no_setpoint = np.full_like(self.power_kw, np.nan)

        def day_end(stored_kwh: FloatArray) -> FloatArray:
            for ptu in range(self.inflow_kwh.shape[1]):
                stored_kwh, _ = self.step(stored_kwh, ptu, no_setpoint)
            return stored_kwh

        return periodic_start(
            day_end, COLDEST_C * self.capacity_kwh_per_k, HOTTEST_C * self.capacity_kwh_per_k
        )
