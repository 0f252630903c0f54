"""From a solution's columns to setpoints for the devices, and what follows from those."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.cems.program import unplanned_kw
from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    InterruptibleLoad,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram


def carried_out(
    home: Home,
    reference: ReferenceDay,
    program: HomeProgram,
    columns: FloatArray,
    horizon: Horizon,
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Setpoints of the offered devices, and the home's net power, from a solution of `program`."""
    net_kw = unplanned_kw(home, reference)
    setpoints: dict[str, FloatArray] = {}
    for device in home.offered_devices:
        chosen = columns[program.devices[device.name]]
        setpoint, power_kw = _device_setpoints(device, chosen, horizon)
        setpoints[device.name] = frozen(setpoint)
        net_kw += power_kw
    return setpoints, net_kw


def _device_setpoints(
    device: FlexibleDevice, columns: FloatArray, horizon: Horizon
) -> tuple[FloatArray, FloatArray]:
    """Setpoints and power of one device from its columns, each of shape (ptu)."""
    if isinstance(device, Appliance):
        start = int(device.starts(horizon)[np.argmax(columns)])
        return _begin_at(start, horizon), device.profile_kw(start, horizon)
    if isinstance(device, InterruptibleLoad):
        cut = (columns > 0.5).astype(np.float64)
        return cut, device.p_kw * (1.0 - cut)
    if isinstance(device, ElectricVehicle):
        stay = horizon.window(device.arrival, device.departure)
        charge_kw, deliver_kw = columns[: len(stay)], columns[len(stay) :]
        power_kw = np.zeros(horizon.ptus)
        power_kw[stay] = np.clip(charge_kw, 0.0, device.charger_kw)
        if device.discharge_kw > 0:
            power_kw[stay] -= np.clip(deliver_kw, 0.0, device.discharge_kw)
        return power_kw, power_kw
    if isinstance(device, Battery):
        charge_kw, discharge_kw = columns[: horizon.ptus], columns[horizon.ptus :]
        power_kw = np.clip(charge_kw - discharge_kw, -device.power_kw, device.power_kw)
        return power_kw, power_kw
    power_kw = np.clip(columns, 0.0, device.power_kw)
    return power_kw, power_kw


def reference_setpoints(
    home: Home, reference: ReferenceDay, horizon: Horizon
) -> dict[str, FloatArray]:
    """Setpoints that make the offered devices do what they do unmanaged."""
    return {
        device.name: as_unmanaged(device, reference, horizon) for device in home.offered_devices
    }


def as_unmanaged(device: FlexibleDevice, reference: ReferenceDay, horizon: Horizon) -> FloatArray:
    """Setpoints that make one device do what it does unmanaged, shape (ptu)."""
    if isinstance(device, Appliance):
        return _begin_at(device.asked_start, horizon)
    if isinstance(device, InterruptibleLoad):
        return np.zeros(horizon.ptus)
    return reference.device_kw[device.name]


def _begin_at(start: int, horizon: Horizon) -> FloatArray:
    """1 in the PTU in which a cycle begins, 0 elsewhere."""
    setpoint = np.zeros(horizon.ptus)
    setpoint[start] = 1.0
    return setpoint


def forgone_eur(home: Home, setpoints: Mapping[str, FloatArray], horizon: Horizon) -> float:
    """What cuts of the interruptible load are worth to the household. [EUR]"""
    load = home.interruptible
    if load is None or load.name not in setpoints:
        return 0.0
    cut_kwh = float(setpoints[load.name] @ load.p_kw) * horizon.ptu_hours
    return cut_kwh * load.discomfort_eur_per_kwh
