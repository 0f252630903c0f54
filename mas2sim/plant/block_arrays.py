"""Homes and their devices as the arrays on which `device_physics` works.

Beside the physics, because what a device is (`mas2sim.domain.device`) and how it is laid out for
machine code are told apart: here alone is known which number goes where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
)
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.device_physics import (
    APPLIANCE,
    BATTERY,
    DEVICE,
    HEATER,
    IDLE,
    INTERRUPTIBLE,
    STATE,
    VEHICLE,
    Rows,
    live_ptus,
    periodic_start_kwh,
)

COLDEST_C, HOTTEST_C = -60.0, 200.0
"""Temperatures that no store leaves in a day: bounds for finding its periodic state."""


class BlockOutputs(NamedTuple):
    """What a block measured: arrays of shape (ptu, level, home) and (ptu, level, device)."""

    p_kw: FloatArray
    q_kvar: FloatArray
    device_kw: FloatArray
    stored_kwh: FloatArray

    @classmethod
    def empty(cls, ptus: int, levels: int, homes: int, devices: int) -> BlockOutputs:
        """Make room."""
        of_homes, of_devices = (ptus, levels, homes), (ptus, levels, devices)
        return cls(
            np.empty(of_homes), np.empty(of_homes), np.empty(of_devices), np.empty(of_devices)
        )


class BlockArrays(NamedTuple):
    """A block of homes; `device_physics` says what the rows of devices and profiles hold.

    Parameters
    ----------
    devices : structured array, shape (device)
        In the order of homes, and of `Home.flexible_devices`.
    profiles : array, shape (row, ptu)
        Wider where a cycle is longer than the day.
    base_kw, fixed_kw : array, shape (ptu, home)
        Base load, and what no device changes.
    reactive_per_active : array, shape (home)
    """

    devices: Rows
    profiles: FloatArray
    base_kw: FloatArray
    fixed_kw: FloatArray
    reactive_per_active: FloatArray

    @classmethod
    def of(cls, homes: Sequence[Home], horizon: Horizon) -> BlockArrays:
        """Gather homes and devices into arrays."""
        layouts = [
            (index, *_layout(device, horizon))
            for index, home in enumerate(homes)
            for device in home.flexible_devices
        ]
        rows = [row for _, _, of_device in layouts for row in of_device]
        profiles = np.zeros((len(rows), max([horizon.ptus, *map(len, rows)])))
        for place, row in zip(profiles, rows, strict=True):
            place[: len(row)] = row
        devices = np.zeros(len(layouts), dtype=DEVICE)
        first = 0
        for k, (index, fields, of_device) in enumerate(layouts):
            for name, value in (("home", index), ("profile", first), *fields.items()):
                devices[name][k] = value
            first += len(of_device)
        by_home = (len(homes), horizon.ptus)
        base_kw = np.array([home.base_kw for home in homes]).reshape(by_home)
        fixed_kw = np.array([home.fixed_kw for home in homes]).reshape(by_home)
        return cls(
            devices,
            profiles,
            np.ascontiguousarray(base_kw.T),
            np.ascontiguousarray(fixed_kw.T),
            np.array([home.reactive_per_active for home in homes], dtype=np.float64),
        )

    def at_midnight(self, start_kwh: FloatArray, levels: int) -> Rows:
        """Return the state in which a run-in day begins, shape (level, device).

        Nothing is underway, and vehicles are full, as they are whenever they are neither away nor
        waiting to be charged.

        Parameters
        ----------
        start_kwh : array, shape (device)
            Energy in batteries, buildings and tanks; what it says of others does not count.
        """
        state = np.zeros((levels, len(self.devices)), dtype=STATE)
        full = self.devices["kind"] == VEHICLE
        state["stored_kwh"] = np.where(full, self.devices["upper_kwh"], start_kwh)
        state["place"] = IDLE
        return state

    def live(self, state: Rows, setpoints: FloatArray) -> BlockOutputs:
        """Bring `state` through a day of `setpoints`, shape (ptu, level, device)."""
        ptus, levels, devices = setpoints.shape
        day = BlockOutputs.empty(ptus, levels, self.fixed_kw.shape[1], devices)
        live_ptus(*self, state, 0, setpoints, *day)
        return day

    def run_in(self, state: Rows, setpoints: FloatArray) -> FloatArray:
        """Live a day, so that cycles and charging that cross midnight are underway.

        Batteries, buildings and tanks begin the day to come with the energy that they began this
        one with.

        Returns
        -------
        array, shape (level, device)
            Energy stored at midnight; NaN for what stores none and for vehicles while away. [kWh]
        """
        begun_kwh = state["stored_kwh"].copy()
        stored_kwh: FloatArray = self.live(state, setpoints).stored_kwh[-1]
        again = np.isin(self.devices["kind"], (BATTERY, HEATER))
        state["stored_kwh"][:, again] = begun_kwh[:, again]
        stored_kwh[:, again] = begun_kwh[:, again]
        return stored_kwh

    def write_periodic_starts(self, kind: int, start_kwh: FloatArray, day: BlockOutputs) -> None:
        """Write the energy with which heaters, or batteries, begin and end a day of their own rule.

        Parameters
        ----------
        kind : int
            `HEATER` or `BATTERY`.
        start_kwh : array, shape (device)
            Written where a device is of this kind.
        day : BlockOutputs
            A day of the homes at one level; what their batteries do in it does not count.
        """
        for k in np.flatnonzero(self.devices["kind"] == kind):
            device = self.devices[k]
            without_kw = day.p_kw[:, 0, device["home"]] - day.device_kw[:, 0, k]
            start_kwh[k] = periodic_start_kwh(device, self.profiles, without_kw)


Layout = tuple[Mapping[str, float], Sequence[Sequence[float] | FloatArray]]
"""Fields of `DEVICE`, and rows of profiles."""


def _layout(device: FlexibleDevice, horizon: Horizon) -> Layout:
    match device:
        case Appliance():
            cycle_ptus = len(device.cycle_kw)
            fields = {"kind": APPLIANCE, "begins": device.asked_start, "cycle_ptus": cycle_ptus}
            return fields, (device.cycle_kw,)
        case InterruptibleLoad():
            fields = {"kind": INTERRUPTIBLE, "longest_cut": device.longest_cut, "cuts": device.cuts}
            return fields, (device.p_kw.reshape(horizon.ptus),)
        case Heater():
            return _heater_layout(device, horizon)
        case ElectricVehicle():
            return _vehicle_layout(device, horizon)
        case Battery():
            return _battery_layout(device, horizon)


def _heater_layout(heater: Heater, horizon: Horizon) -> Layout:
    transition = heater.transition(horizon)
    kwh_per_k = heater.store.capacity_kwh_per_k
    fields = {
        "kind": HEATER,
        "power_kw": heater.power_kw,
        "lower_kwh": COLDEST_C * kwh_per_k,
        "upper_kwh": HOTTEST_C * kwh_per_k,
        "keep": transition.keep,
    }
    thermostat_kwh = kwh_per_k * heater.thermostat_c
    of_day = (transition.inflow_kwh, transition.heat_kwh_per_kw, thermostat_kwh)
    return fields, [values.reshape(horizon.ptus) for values in of_day]


def _vehicle_layout(vehicle: ElectricVehicle, horizon: Horizon) -> Layout:
    transition = vehicle.transition(horizon)
    fields = {
        "kind": VEHICLE,
        "power_kw": vehicle.charger_kw,
        "delivery_kw": vehicle.discharge_kw,
        "lower_kwh": min(vehicle.reserve_kwh, vehicle.arrival_kwh),
        "upper_kwh": vehicle.capacity_kwh,
        "charge_kwh_per_kw": transition.charge_kwh_per_kw,
        "discharge_kwh_per_kw": transition.discharge_kwh_per_kw,
        "arrival_kwh": vehicle.arrival_kwh,
        "begins": vehicle.arrival,
    }
    return fields, [vehicle.connected(horizon).astype(np.float64)]


def _battery_layout(battery: Battery, horizon: Horizon) -> Layout:
    transition = battery.transition(horizon)
    fields = {
        "kind": BATTERY,
        "power_kw": battery.power_kw,
        "lower_kwh": battery.reserve_kwh,
        "upper_kwh": battery.capacity_kwh,
        "keep": transition.keep,
        "charge_kwh_per_kw": transition.charge_kwh_per_kw,
        "discharge_kwh_per_kw": transition.discharge_kwh_per_kw,
    }
    return fields, ()
