"""Home batteries: within power and energy, whatever they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Battery
from mas2sim.domain.horizon import Horizon


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
        charge_kw = np.clip(wanted_kw, 0.0, np.minimum(self.power_kw, room_kw))
        discharge_kw = np.clip(-wanted_kw, 0.0, np.minimum(self.power_kw, available_kw))
        stored = (
            left_kwh + self.charge_kwh_per_kw * charge_kw - self.discharge_kwh_per_kw * discharge_kw
        )
        return stored, charge_kw - discharge_kw

    def day_end_kwh(self, start_kwh: FloatArray, home_net_kw: FloatArray) -> FloatArray:
        """Energy after a day of following the own surplus.

        Parameters
        ----------
        start_kwh : array, shape (device)
        home_net_kw : array, shape (device, ptu)
        """
        stored = start_kwh
        no_setpoint = np.full_like(start_kwh, np.nan)
        for net_kw in home_net_kw.T:
            stored, _ = self.step(stored, no_setpoint, net_kw)
        return stored

    def periodic_start_kwh(self, home_net_kw: FloatArray) -> FloatArray:
        """Energy with which a cyclic day of following the own surplus begins and ends.

        Over a day the energy at the end never falls when the energy at the start rises, and it
        stays within reserve and capacity; so a fixed point exists and lies between the state
        reached from empty and the capacity. A battery that touches a bound within the day reaches
        it in two days; the others are bisected.

        Parameters
        ----------
        home_net_kw : array, shape (device, ptu)
            Net power of each home without its battery.

        Returns
        -------
        array, shape (device)
        """
        low = self.day_end_kwh(np.zeros_like(self.capacity_kwh), home_net_kw)
        end = self.day_end_kwh(low, home_net_kw)
        if np.array_equal(end, low):
            return low
        high = np.where(end > low, self.capacity_kwh, low)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            rises = self.day_end_kwh(middle, home_net_kw) > middle
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        return high


BISECTIONS = 60
"""Halvings of at most the capacity: 10 kWh / 2**60 is below the resolution of a float."""
