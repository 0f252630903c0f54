"""Whether the services that households asked for were delivered.

A level that saves money by leaving a vehicle empty or a house cold has saved nothing, so this is
measured from the meters and not taken from plans.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

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
from mas2sim.domain.horizon import Horizon
from mas2sim.results.kpi_definition import CaseLevel, once_a_level, ratio

DELIVERED_KWH = 1e-3
"""A service is delivered when less than a watt-hour is missing: meters sum 96 rounded values."""

COMFORT_K = 1e-3
"""A millikelvin outside the band is none: a plan solved to 1e-6 kWh in every PTU moves a tank of
0.17 kWh/K by less in a day, and no thermometer of a home resolves it. [K]"""


@dataclass(frozen=True, slots=True)
class Services:
    """Services of one day. What was not recorded is NaN.

    Parameters
    ----------
    asked_kwh, missing_kwh : float
        Energy that vehicles, appliances and interruptible loads were to draw, and the part of it
        that they did not get.
    missing_cycles : int
        Appliance cycles that did not run to the end.
    late_h : float
        Hours by which appliance cycles ended after their windows.
    comfort_missed_kh : float
        Kelvin-hours by which buildings and tanks were outside their comfort bands.
    cut_kwh, discomfort_eur : float
        Energy cut from interruptible loads, and its worth at the households' own prices.
    """

    asked_kwh: float = 0.0
    missing_kwh: float = 0.0
    missing_cycles: int = 0
    late_h: float = 0.0
    comfort_missed_kh: float = 0.0
    cut_kwh: float = 0.0
    discomfort_eur: float = 0.0

    @property
    def discomfort(self) -> float:
        """Share of the asked energy that was not delivered; NaN when none was asked."""
        return ratio(self.missing_kwh, self.asked_kwh)


@once_a_level
def services(case: CaseLevel) -> Services:
    """Services of all homes together."""
    return _total(_by_device(case))


def services_by_home(case: CaseLevel) -> tuple[Services, ...]:
    """Services of each home."""
    parts: list[list[Services]] = [[] for _ in case.homes]
    for (home, _), part in zip(case.record.devices, _by_device(case), strict=True):
        parts[home].append(part)
    return tuple(_total(each) for each in parts)


@once_a_level
def discomfort_eur(case: CaseLevel) -> FloatArray:
    """What the energy cut is worth to each household, by itself, shape (home). [EUR]"""
    record = case.record
    worth_eur = np.zeros(len(case.homes))
    for row, (home, _) in enumerate(record.devices):
        device = record.device_values[row]
        if isinstance(device, InterruptibleLoad):
            delivered = _uncut(device, case.device_kw[row], record.horizon)
            worth_eur[home] += delivered.discomfort_eur
    return worth_eur


def storage_drift_kwh(case: CaseLevel) -> float:
    """Sum over batteries, buildings and tanks of |last energy - first energy| of the day. [kWh]

    Heat counts as heat. NaN when the energy of one of them was not recorded.
    """
    record = case.record
    stores = [
        row
        for row, device in enumerate(record.device_values)
        if isinstance(device, Battery | Heater)
    ]
    ended_kwh = record.stored_kwh[case.index, stores, -1]
    return float(np.abs(ended_kwh - record.stored_start_kwh[case.index, stores]).sum())


def _total(parts: Iterable[Services]) -> Services:
    listed = list(parts)
    return Services(
        **{each.name: sum(map(attrgetter(each.name), listed)) for each in fields(Services)}
    )


def _by_device(case: CaseLevel) -> list[Services]:
    """Services of each device, in the record's order.

    Energy above what was asked makes up for nothing elsewhere.
    """
    record, horizon = case.record, case.record.horizon
    power_kw, stored_kwh = case.device_kw, record.stored_kwh[case.index]
    return [
        _of_device(device, power_kw[row], stored_kwh[row], horizon)
        for row, device in enumerate(record.device_values)
    ]


def _of_device(
    device: FlexibleDevice, power_kw: FloatArray, stored_kwh: FloatArray, horizon: Horizon
) -> Services:
    if isinstance(device, Appliance):
        return _cycle(device, power_kw, horizon)
    if isinstance(device, ElectricVehicle):
        return _charge(device, stored_kwh, horizon)
    if isinstance(device, Heater):
        return _warmth(device, stored_kwh, horizon)
    if isinstance(device, InterruptibleLoad):
        return _uncut(device, power_kw, horizon)
    return Services()


def _cycle(appliance: Appliance, power_kw: FloatArray, horizon: Horizon) -> Services:
    """Energy of the cycle, and when it ended if it ran to the end."""
    asked_kwh = sum(appliance.cycle_kw) * horizon.ptu_hours
    missing_kwh = asked_kwh - float(power_kw.sum()) * horizon.ptu_hours
    if missing_kwh > DELIVERED_KWH:
        return Services(asked_kwh, missing_kwh, missing_cycles=1)
    return Services(asked_kwh, late_h=_late_h(appliance, power_kw, horizon))


def _late_h(appliance: Appliance, power_kw: FloatArray, horizon: Horizon) -> float:
    """Hours by which the metered cycle ended after its window.

    The cycle began where its profile fits the meter best, by least squares. The day being cyclic, a
    cycle outside its window is late where its end is nearer to the window's end than its start is
    to the window's start; otherwise it was early, and not late.
    """
    window = horizon.window_length(appliance.window_start, appliance.window_end)
    if window == horizon.ptus:
        return 0.0
    length = len(appliance.cycle_kw)
    # The profile's own square is the same at every start, so the best fit is the best correlation.
    past_midnight_kw = np.concatenate((power_kw, power_kw[: length - 1]))
    start = int(np.correlate(past_midnight_kw, appliance.cycle_kw).argmax())
    after_start = (start - appliance.window_start) % horizon.ptus
    late_ptus = after_start + length - window
    early_ptus = horizon.ptus - after_start
    return late_ptus * horizon.ptu_hours if 0 < late_ptus <= early_ptus else 0.0


def _charge(vehicle: ElectricVehicle, stored_kwh: FloatArray, horizon: Horizon) -> Services:
    """Energy missing from a full battery at departure, as energy to be drawn from the home.

    A vehicle that delivers and leaves emptier than it came lacks more than the drive took out.
    """
    at_departure_kwh = stored_kwh[(vehicle.departure - 1) % horizon.ptus]
    missing_kwh = float(vehicle.capacity_kwh - at_departure_kwh) / vehicle.charge_efficiency
    return Services(vehicle.drawn_kwh, _unless_delivered(missing_kwh))


def _warmth(heater: Heater, stored_kwh: FloatArray, horizon: Horizon) -> Services:
    store = heater.store
    temperature_c = stored_kwh / store.capacity_kwh_per_k
    outside_k = np.maximum(store.lower_c - temperature_c, temperature_c - store.upper_c)
    # A temperature that was not recorded is not inside the band either: the sum is NaN.
    missed_k = np.where(outside_k <= COMFORT_K, 0.0, outside_k)
    return Services(comfort_missed_kh=float(missed_k.sum()) * horizon.ptu_hours)


def _uncut(load: InterruptibleLoad, power_kw: FloatArray, horizon: Horizon) -> Services:
    asked_kwh = float(load.p_kw.sum()) * horizon.ptu_hours
    cut_kw = np.maximum(load.p_kw - power_kw, 0.0)
    cut_kwh = _unless_delivered(float(cut_kw.sum()) * horizon.ptu_hours)
    return Services(
        asked_kwh,
        cut_kwh,
        cut_kwh=cut_kwh,
        discomfort_eur=cut_kwh * load.discomfort_eur_per_kwh,
    )


def _unless_delivered(missing_kwh: float) -> float:
    """Nothing where less is missing than a meter can tell; NaN stays NaN."""
    return 0.0 if missing_kwh <= DELIVERED_KWH else missing_kwh
