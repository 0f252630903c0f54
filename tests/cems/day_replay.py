"""Replay of a day, device by device: services delivered, limits kept.

It knows powers alone, no plan, and the transitions that the plant uses too.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
    StorageTransition,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon

KW = 1e-5
"""Solver tolerance of up to 1e-6 kW a variable, summed over the devices of a home."""
KWH = 1e-5
"""The same over the PTUs of a day, each at most an hour long, errors of either sign."""


def check_service(
    device: FlexibleDevice, power: FloatArray, reference: ReferenceDay, horizon: Horizon
) -> None:
    """A device does on the day what it is there for, within its limits."""
    match device:
        case Appliance():
            allowed = [device.profile_kw(int(s), horizon) for s in device.starts(horizon)]
            assert any(np.allclose(power, profile, rtol=0, atol=KW) for profile in allowed)
        case ElectricVehicle():
            check_vehicle(device, power, horizon)
        case Battery():
            check_battery(device, power, reference.battery_start_kwh, horizon)
        case Heater():
            check_heater(device, power, reference.heat_start_kwh[device.name], horizon)
        case InterruptibleLoad():
            cut = power < device.p_kw - KW
            assert np.where(cut, 0.0, device.p_kw) == pytest.approx(power, abs=KW)
            check_cuts(device, cut)


def check_vehicle(ev: ElectricVehicle, power: FloatArray, horizon: Horizon) -> None:
    """Replay the stay from arrival: within limits all along, full at departure."""
    assert np.abs(power[~ev.connected(horizon)]).max(initial=0.0) <= KW
    assert (power >= -ev.discharge_kw - KW).all()
    assert (power <= ev.charger_kw + KW).all()
    assert (power[power > KW] >= ev.least_charge_kw - KW).all()
    stored, step = ev.arrival_kwh, ev.transition(horizon)
    for drawn in power[horizon.window(ev.arrival, ev.departure)].tolist():
        stored = after(stored, drawn, step)
        assert min(ev.reserve_kwh, ev.arrival_kwh) - KWH <= stored <= ev.capacity_kwh + KWH
    assert stored == pytest.approx(ev.capacity_kwh, abs=KWH)


def check_battery(battery: Battery, power: FloatArray, start_kwh: float, horizon: Horizon) -> None:
    """Replay the stored energy: one direction a PTU, within limits, back where it began."""
    assert np.abs(power).max() <= battery.power_kw + KW
    stored, step = start_kwh, battery.transition(horizon)
    for drawn in power.tolist():
        stored = after(stored, drawn, step)
        assert battery.reserve_kwh - KWH <= stored <= battery.capacity_kwh + KWH
    assert stored == pytest.approx(start_kwh, abs=KWH)


def after(stored_kwh: float, drawn_kw: float, step: StorageTransition) -> float:
    """Energy after a PTU in which the storage draws, or delivers where negative. [kWh]"""
    charged_kwh = step.charge_kwh_per_kw * max(drawn_kw, 0.0)
    return step.keep * stored_kwh + charged_kwh + step.discharge_kwh_per_kw * min(drawn_kw, 0.0)


def check_heater(heater: Heater, power: FloatArray, start_kwh: float, horizon: Horizon) -> None:
    """Replay the stored heat: within the band at the end of each PTU, back where it began."""
    assert (power >= -KW).all()
    assert (power <= heater.power_kw + KW).all()
    stored, step, store = start_kwh, heater.transition(horizon), heater.store
    for t in range(horizon.ptus):
        stored = step.keep * stored + step.inflow_kwh[t] + step.heat_kwh_per_kw[t] * power[t]
        assert store.capacity_kwh_per_k * store.lower_c[t] - KWH <= stored
        assert stored <= store.capacity_kwh_per_k * store.upper_c[t] + KWH
    assert stored == pytest.approx(start_kwh, abs=KWH)


def check_cuts(load: InterruptibleLoad, cut: BoolArray) -> None:
    """No more cuts than allowed, none too long, none across midnight."""
    runs = [len(list(run)) for is_cut, run in groupby(cut.tolist()) if is_cut]
    assert len(runs) <= load.cuts
    assert max(runs, default=0) <= load.longest_cut
    assert not (cut[-1] and cut[0])


def check_caps(home: Home, net_kw: FloatArray) -> None:
    """The home keeps within what it set itself."""
    assert net_kw.max() <= home.import_cap_kw + KW
    assert net_kw.min() >= -home.export_cap_kw - KW
