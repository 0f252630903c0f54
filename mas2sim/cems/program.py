"""One home's day as a mixed-integer linear program in arrays.

Columns: import and export of each PTU, then those of each offered device. Rows: the balance of each
PTU, then those of each device. Powers are in kW, energies in kWh, costs in EUR.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram, SparseRows
from mas2sim.domain.tariff import Tariff


def home_program(
    home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon
) -> HomeProgram:
    """State the least-cost day of `home`.

    Devices that are not offered keep the schedule of `reference`; the battery begins and ends with
    its energy there.
    """
    program = _Columns()
    ptus = np.arange(horizon.ptus)
    fixed_kw = unplanned_kw(home, reference)

    # Import and export in the same PTU never pay unless export earns more than import costs.
    import_ = program.columns(horizon.ptus, cost=tariff.import_eur_per_kwh * horizon.ptu_hours)
    export = program.columns(horizon.ptus, cost=-tariff.export_eur_per_kwh * horizon.ptu_hours)
    balance = program.rows(fixed_kw, fixed_kw)
    program.entries(balance, import_, 1.0)
    program.entries(balance, export, -1.0)

    devices: dict[str, IntArray] = {}
    most_import = np.maximum(fixed_kw, 0.0)
    most_export = np.maximum(-fixed_kw, 0.0)
    for device in home.offered_devices:
        if isinstance(device, Appliance):
            devices[device.name] = _add_appliance(program, balance, device, horizon)
            most_import = most_import + max(device.cycle_kw)
        elif isinstance(device, ElectricVehicle):
            devices[device.name] = _add_vehicle(program, balance, device, horizon)
            most_import = most_import + device.charger_kw
        else:
            devices[device.name] = _add_battery(
                program, balance, device, reference.battery_start_kwh, tariff, horizon
            )
            most_import = most_import + device.power_kw
            most_export = most_export + device.power_kw

    both_pay = ptus[tariff.export_eur_per_kwh > tariff.import_eur_per_kwh]
    program.exclude(
        import_[both_pay], most_import[both_pay], export[both_pay], most_export[both_pay]
    )
    return program.finish(import_, export, devices)


def unplanned_kw(home: Home, reference: ReferenceDay) -> FloatArray:
    """Net power of everything that is not planned, shape (ptu). [kW]"""
    power = home.fixed_kw.copy()
    for device in home.flexible_devices:
        if device.name not in home.offered:
            power += reference.device_kw[device.name]
    return power


def _add_appliance(
    program: _Columns, balance: IntArray, appliance: Appliance, horizon: Horizon
) -> IntArray:
    """Exactly one of the allowed starts."""
    starts = appliance.starts(horizon)
    chosen = program.columns(len(starts), upper=1.0, integer=True)
    once = program.rows(1.0, 1.0)
    program.entries(np.repeat(once, len(starts)), chosen, 1.0)
    for step, power_kw in enumerate(appliance.cycle_kw):
        program.entries(balance[(starts + step) % horizon.ptus], chosen, -power_kw)
    return chosen


def _add_vehicle(
    program: _Columns, balance: IntArray, vehicle: ElectricVehicle, horizon: Horizon
) -> IntArray:
    """Within the charger's power, as much over the stay as the drive took out."""
    stay = horizon.window(vehicle.arrival, vehicle.departure)
    charge_kwh_per_kw = vehicle.transition(horizon).charge_kwh_per_kw
    power = program.columns(len(stay), upper=vehicle.charger_kw)
    full = program.rows(vehicle.driven_kwh, vehicle.driven_kwh)
    program.entries(np.repeat(full, len(stay)), power, charge_kwh_per_kw)
    program.entries(balance[stay], power, -1.0)
    return power


def _add_battery(
    program: _Columns,
    balance: IntArray,
    battery: Battery,
    start_kwh: float,
    tariff: Tariff,
    horizon: Horizon,
) -> IntArray:
    """Energy from PTU to PTU, within its bounds, at the end what it was at the beginning."""
    ptus = horizon.ptus
    transition = battery.transition(horizon)
    charge = program.columns(ptus, upper=battery.power_kw)
    discharge = program.columns(ptus, upper=battery.power_kw)
    program.entries(balance, charge, -1.0)
    program.entries(balance, discharge, 1.0)

    least_kwh = np.full(ptus, battery.reserve_kwh, dtype=np.float64)
    most_kwh = np.full(ptus, battery.capacity_kwh, dtype=np.float64)
    least_kwh[-1] = most_kwh[-1] = start_kwh
    stored = program.columns(ptus, lower=least_kwh, upper=most_kwh)
    kept_kwh = np.zeros(ptus)
    kept_kwh[0] = transition.keep * start_kwh
    moves = program.rows(kept_kwh, kept_kwh)
    program.entries(moves, stored, 1.0)
    program.entries(moves[1:], stored[:-1], -transition.keep)
    program.entries(moves, charge, -transition.charge_kwh_per_kw)
    program.entries(moves, discharge, transition.discharge_kwh_per_kw)

    # Charging and discharging at once wastes energy, which pays only where energy costs nothing.
    worthless = np.minimum(tariff.import_eur_per_kwh, tariff.export_eur_per_kwh) <= 0.0
    places = np.flatnonzero(worthless)
    most_kw = np.full(len(places), battery.power_kw)
    program.exclude(charge[places], most_kw, discharge[places], most_kw)
    return np.concatenate([charge, discharge])


class _Columns:
    """A program in the making: columns, rows and entries are appended, then gathered once."""

    def __init__(self) -> None:
        self._cost: list[FloatArray] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._integer: list[BoolArray] = []
        self._row_lower: list[FloatArray] = []
        self._row_upper: list[FloatArray] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._column_count = 0
        self._row_count = 0

    def columns(
        self,
        count: int,
        *,
        cost: npt.ArrayLike = 0.0,
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = np.inf,
        integer: bool = False,
    ) -> IntArray:
        """Append `count` columns and return their indices."""
        self._cost.append(_filled(cost, count))
        self._lower.append(_filled(lower, count))
        self._upper.append(_filled(upper, count))
        self._integer.append(np.full(count, integer))
        first, self._column_count = self._column_count, self._column_count + count
        return np.arange(first, self._column_count)

    def rows(self, lower: npt.ArrayLike, upper: npt.ArrayLike) -> IntArray:
        """Append rows with these bounds and return their indices."""
        count = np.size(lower)
        self._row_lower.append(_filled(lower, count))
        self._row_upper.append(_filled(upper, count))
        first, self._row_count = self._row_count, self._row_count + count
        return np.arange(first, self._row_count)

    def entries(self, rows: IntArray, columns: IntArray, values: npt.ArrayLike) -> None:
        """Set one coefficient for each pair of row and column."""
        self._entries.append((rows, columns, _filled(values, len(columns))))

    def exclude(
        self, first: IntArray, first_most: FloatArray, second: IntArray, second_most: FloatArray
    ) -> None:
        """Let at most one column of each pair differ from zero."""
        count = len(first)
        takes_first = self.columns(count, upper=1.0, integer=True)
        first_rows = self.rows(np.full(count, -np.inf), np.zeros(count))
        self.entries(first_rows, first, 1.0)
        self.entries(first_rows, takes_first, -first_most)
        second_rows = self.rows(np.full(count, -np.inf), second_most)
        self.entries(second_rows, second, 1.0)
        self.entries(second_rows, takes_first, second_most)

    def finish(
        self, import_: IntArray, export: IntArray, devices: dict[str, IntArray]
    ) -> HomeProgram:
        """Gather everything into one program."""
        rows, columns, values = (
            np.concatenate(parts) for parts in zip(*self._entries, strict=True)
        )
        order = np.lexsort((columns, rows))
        start = np.zeros(self._row_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=self._row_count), out=start[1:])
        return HomeProgram(
            cost=np.concatenate(self._cost),
            lower=np.concatenate(self._lower),
            upper=np.concatenate(self._upper),
            integer=np.concatenate(self._integer),
            rows=SparseRows(start, columns[order], values[order]),
            row_lower=np.concatenate(self._row_lower),
            row_upper=np.concatenate(self._row_upper),
            net_import=_run(import_),
            net_export=_run(export),
            devices=MappingProxyType({name: _run(where) for name, where in devices.items()}),
        )


def _filled(values: npt.ArrayLike, count: int) -> FloatArray:
    """One value for each of `count` places."""
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)))


def _run(indices: IntArray) -> slice:
    """Slice of consecutive indices."""
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)
