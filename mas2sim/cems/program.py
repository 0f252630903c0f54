"""One home's day as a mixed-integer linear program in arrays.

Columns: import and export of each PTU, then those of each offered device. Rows: the balance of each
PTU, then those of each device. Powers are in kW, energies in kWh, costs in EUR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mas2sim.cems.columns import Columns
from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff


def home_program(
    home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon
) -> HomeProgram:
    """State the day of least cost and discomfort of `home`.

    Devices that are not offered keep the schedule of `reference`; storages begin and end with their
    energy there.
    """
    program = Columns()
    fixed_kw = unplanned_kw(home, reference)
    for device in home.offered_devices:
        if isinstance(device, InterruptibleLoad):
            fixed_kw += device.p_kw
    import_, export, balance = _add_connection(program, fixed_kw, tariff, horizon)
    excess = _add_caps(program, home, import_, export)
    day = _Day(
        program,
        balance,
        waste_pays=(np.minimum(tariff.import_eur_per_kwh, tariff.export_eur_per_kwh) <= 0.0)
        | np.isfinite(home.export_cap_kw),
        horizon=horizon,
    )
    devices = {device.name: _add_device(day, device, reference) for device in home.offered_devices}
    # Import and export in the same PTU never pay unless export earns more than import costs.
    both_pay = np.flatnonzero(tariff.export_eur_per_kwh > tariff.import_eur_per_kwh)
    drawn_kw = sum(_most_drawn_kw(device) for device in home.offered_devices)
    delivered_kw = sum(_most_delivered_kw(device) for device in home.offered_devices)
    program.exclude(
        import_[both_pay],
        np.maximum(fixed_kw, 0.0)[both_pay] + drawn_kw,
        export[both_pay],
        np.maximum(-fixed_kw, 0.0)[both_pay] + delivered_kw,
    )
    return program.finish(import_, export, excess, devices)


def unplanned_kw(home: Home, reference: ReferenceDay) -> FloatArray:
    """Net power of everything that is not planned, shape (ptu). [kW]"""
    power = home.fixed_kw.copy()
    for device in home.flexible_devices:
        if device.name not in home.offered:
            power += reference.device_kw[device.name]
    return power


@dataclass(frozen=True, slots=True)
class _Day:
    """What devices are added to.

    Parameters
    ----------
    balance : array, shape (ptu)
        Rows of the home's power balance.
    waste_pays : array of bool, shape (ptu)
        Where it may pay to lose energy: at prices of zero or less, and where export is capped.
    """

    program: Columns
    balance: IntArray
    waste_pays: BoolArray
    horizon: Horizon


def _add_connection(
    program: Columns, fixed_kw: FloatArray, tariff: Tariff, horizon: Horizon
) -> tuple[IntArray, IntArray, IntArray]:
    """Import and export, their balance, and the price of the peak."""
    ptus = horizon.ptus
    import_ = program.columns(ptus, cost=tariff.import_eur_per_kwh * horizon.ptu_hours)
    export = program.columns(ptus, cost=-tariff.export_eur_per_kwh * horizon.ptu_hours)
    balance = program.rows(fixed_kw, fixed_kw)
    program.entries(balance, import_, 1.0)
    program.entries(balance, export, -1.0)
    if tariff.peak_eur_per_kw > 0:
        peak = program.columns(1, cost=tariff.peak_eur_per_kw)
        below = program.rows(np.full(ptus, -np.inf), np.zeros(ptus))
        program.entries(below, import_, 1.0)
        program.entries(below, np.repeat(peak, ptus), -1.0)
    return import_, export, balance


def _add_caps(program: Columns, home: Home, import_: IntArray, export: IntArray) -> IntArray:
    """Bounds on import and export, with columns for what goes beyond, held at zero."""
    capped = [
        (columns, cap_kw)
        for columns, cap_kw in ((import_, home.import_cap_kw), (export, home.export_cap_kw))
        if np.isfinite(cap_kw)
    ]
    excess = program.columns(sum(len(columns) for columns, _ in capped), upper=0.0)
    beyond = iter(np.split(excess, len(capped) or 1))
    for columns, cap_kw in capped:
        within = program.rows(np.full(len(columns), -np.inf), np.full(len(columns), cap_kw))
        program.entries(within, columns, 1.0)
        program.entries(within, next(beyond), -1.0)
    return excess


def _add_device(day: _Day, device: FlexibleDevice, reference: ReferenceDay) -> IntArray:
    if isinstance(device, Appliance):
        return _add_appliance(day, device)
    if isinstance(device, ElectricVehicle):
        return _add_vehicle(day, device)
    if isinstance(device, Heater):
        return _add_heater(day, device, reference.heat_start_kwh[device.name])
    if isinstance(device, InterruptibleLoad):
        return _add_interruptible(day, device)
    return _add_battery(day, device, reference.battery_start_kwh)


def _most_drawn_kw(device: FlexibleDevice) -> float:
    if isinstance(device, Appliance):
        return max(device.cycle_kw)
    if isinstance(device, ElectricVehicle):
        return device.charger_kw
    return 0.0 if isinstance(device, InterruptibleLoad) else device.power_kw


def _most_delivered_kw(device: FlexibleDevice) -> float:
    if isinstance(device, ElectricVehicle):
        return device.discharge_kw
    if isinstance(device, InterruptibleLoad):
        return float(device.p_kw.max())
    return device.power_kw if isinstance(device, Battery) else 0.0


def _add_appliance(day: _Day, appliance: Appliance) -> IntArray:
    """Exactly one of the allowed starts."""
    program, horizon = day.program, day.horizon
    starts = appliance.starts(horizon)
    chosen = program.columns(len(starts), upper=1.0, integer=True)
    once = program.rows(1.0, 1.0)
    program.entries(np.repeat(once, len(starts)), chosen, 1.0)
    for step, power_kw in enumerate(appliance.cycle_kw):
        program.entries(day.balance[(starts + step) % horizon.ptus], chosen, -power_kw)
    return chosen


def _add_vehicle(day: _Day, vehicle: ElectricVehicle) -> IntArray:
    """Over the stay, as much as the drive took out; delivering to the home if it can."""
    program = day.program
    stay = day.horizon.window(vehicle.arrival, vehicle.departure)
    transition = vehicle.transition(day.horizon)
    charge = program.columns(len(stay), upper=vehicle.charger_kw)
    program.entries(day.balance[stay], charge, -1.0)
    delivers = len(stay) if vehicle.discharge_kw > 0 else 0
    deliver = program.columns(delivers, upper=vehicle.discharge_kw)
    if vehicle.least_charge_kw > 0:
        on = program.columns(len(stay), upper=1.0, integer=True)
        at_most = program.rows(np.full(len(stay), -np.inf), np.zeros(len(stay)))
        program.entries(at_most, charge, 1.0)
        program.entries(at_most, on, -vehicle.charger_kw)
        at_least = program.rows(np.zeros(len(stay)), np.full(len(stay), np.inf))
        program.entries(at_least, charge, 1.0)
        program.entries(at_least, on, -vehicle.least_charge_kw)
    if not delivers:
        full = program.rows(vehicle.driven_kwh, vehicle.driven_kwh)
        program.entries(np.repeat(full, len(stay)), charge, transition.charge_kwh_per_kw)
        return charge
    program.entries(day.balance[stay], deliver, 1.0)
    least_kwh = np.full(len(stay), min(vehicle.reserve_kwh, vehicle.arrival_kwh), dtype=np.float64)
    most_kwh = np.full(len(stay), vehicle.capacity_kwh, dtype=np.float64)
    least_kwh[-1] = vehicle.capacity_kwh
    moves = _add_path(day, vehicle.arrival_kwh, 1.0, np.zeros(len(stay)), least_kwh, most_kwh)
    program.entries(moves, charge, -transition.charge_kwh_per_kw)
    program.entries(moves, deliver, transition.discharge_kwh_per_kw)
    if vehicle.least_charge_kw > 0:
        # Delivering beside it would be a way around the least charging power.
        day = replace(day, waste_pays=np.ones_like(day.waste_pays))
    _exclude_both_ways(day, stay, charge, vehicle.charger_kw, deliver, vehicle.discharge_kw)
    return np.concatenate([charge, deliver])


def _add_battery(day: _Day, battery: Battery, start_kwh: float) -> IntArray:
    """Energy from PTU to PTU, within its bounds, at the end what it was at the beginning."""
    program, ptus = day.program, day.horizon.ptus
    transition = battery.transition(day.horizon)
    charge = program.columns(ptus, upper=battery.power_kw)
    discharge = program.columns(ptus, upper=battery.power_kw)
    program.entries(day.balance, charge, -1.0)
    program.entries(day.balance, discharge, 1.0)
    least_kwh = np.full(ptus, battery.reserve_kwh, dtype=np.float64)
    most_kwh = np.full(ptus, battery.capacity_kwh, dtype=np.float64)
    least_kwh[-1] = most_kwh[-1] = start_kwh
    moves = _add_path(day, start_kwh, transition.keep, np.zeros(ptus), least_kwh, most_kwh)
    program.entries(moves, charge, -transition.charge_kwh_per_kw)
    program.entries(moves, discharge, transition.discharge_kwh_per_kw)
    everywhere = np.arange(ptus)
    _exclude_both_ways(day, everywhere, charge, battery.power_kw, discharge, battery.power_kw)
    return np.concatenate([charge, discharge])


def _add_heater(day: _Day, heater: Heater, start_kwh: float) -> IntArray:
    """Heat from PTU to PTU, within the comfort band, at the end what it was at the beginning."""
    program, store = day.program, heater.store
    transition = heater.transition(day.horizon)
    power = program.columns(day.horizon.ptus, upper=heater.power_kw)
    program.entries(day.balance, power, -1.0)
    least_kwh = store.capacity_kwh_per_k * store.lower_c
    most_kwh = store.capacity_kwh_per_k * store.upper_c
    least_kwh[-1] = most_kwh[-1] = start_kwh
    moves = _add_path(day, start_kwh, transition.keep, transition.inflow_kwh, least_kwh, most_kwh)
    program.entries(moves, power, -transition.heat_kwh_per_kw)
    return power


def _add_interruptible(day: _Day, load: InterruptibleLoad) -> IntArray:
    """Few cuts, each at most so long and worth what it costs in comfort, a PTU between two.

    A cut is an interval, and intervals on a line pack integrally: the relaxation of these rows is
    exact by itself, where one flag a PTU would leave it weak.
    """
    program, ptus = day.program, day.horizon.ptus
    worth_eur = load.discomfort_eur_per_kwh * day.horizon.ptu_hours * load.p_kw
    cut = program.columns(ptus, cost=worth_eur, upper=1.0)
    # The balance counts the load as running; a cut takes it out.
    program.entries(day.balance, cut, load.p_kw)

    start, length = _cuts(load)
    taken = program.columns(len(start), upper=1.0, integer=True)
    is_cut = program.rows(np.zeros(ptus), np.zeros(ptus))
    program.entries(is_cut, cut, -1.0)
    # Of the cuts that cover a PTU, or ended just before it, one at most is taken.
    apart = program.rows(np.full(ptus, -np.inf), np.ones(ptus))
    for step in range(load.longest_cut + 1):
        covers, reaches = length > step, (length >= step) & (start + step < ptus)
        program.entries(is_cut[start[covers] + step], taken[covers], 1.0)
        program.entries(apart[start[reaches] + step], taken[reaches], 1.0)
    often = program.rows(-np.inf, float(load.cuts))
    program.entries(np.repeat(often, len(taken)), taken, 1.0)
    # The day is cyclic: a cut in its last and first PTU would be one across midnight.
    program.entries(np.repeat(program.rows(-np.inf, 1.0), 2), cut[[0, -1]], 1.0)
    return cut


def _cuts(load: InterruptibleLoad) -> tuple[IntArray, IntArray]:
    """Start and length of every cut that begins and ends with something to cut."""
    runs = load.p_kw > 0
    start, length = (
        values.ravel()
        for values in np.meshgrid(np.arange(len(runs)), np.arange(1, load.longest_cut + 1))
    )
    within = start + length <= len(runs)
    start, length = start[within], length[within]
    useful = runs[start] & runs[start + length - 1]
    return start[useful], length[useful]


def _add_path(
    day: _Day,
    start_kwh: float,
    keep: float,
    inflow_kwh: FloatArray,
    least_kwh: FloatArray,
    most_kwh: FloatArray,
) -> IntArray:
    """Stored energy at the end of each step; the rows ``e' - keep e = inflow`` await powers."""
    program = day.program
    stored = program.columns(len(least_kwh), lower=least_kwh, upper=most_kwh)
    comes_kwh = np.array(inflow_kwh, dtype=np.float64)
    comes_kwh[0] += keep * start_kwh
    moves = program.rows(comes_kwh, comes_kwh)
    program.entries(moves, stored, 1.0)
    program.entries(moves[1:], stored[:-1], -keep)
    return moves


def _exclude_both_ways(
    day: _Day,
    ptus: IntArray,
    charge: IntArray,
    charge_kw: float,
    deliver: IntArray,
    deliver_kw: float,
) -> None:
    """Charging and delivering at once loses energy, so it is ruled out where that may pay."""
    pays = np.flatnonzero(day.waste_pays[ptus])
    day.program.exclude(
        charge[pays], np.full(len(pays), charge_kw), deliver[pays], np.full(len(pays), deliver_kw)
    )
