"""Whether the services that households asked for were delivered.

A level that saves money by leaving a vehicle empty has saved nothing, so this is measured from the
meters and not taken from plans.
"""

from __future__ import annotations

from dataclasses import dataclass

from mas2sim.results.kpi_definition import CaseLevel, ratio

DELIVERED_KWH = 1e-3
"""A service is delivered when less than a watt-hour is missing: meters sum 96 rounded values."""


@dataclass(frozen=True, slots=True)
class Services:
    """Services of one day over all homes.

    Parameters
    ----------
    asked_kwh, missing_kwh : float
        Energy asked for, and the part of it that was not delivered.
    missing_cycles : int
        Appliance cycles that did not run to the end.
    """

    asked_kwh: float
    missing_kwh: float
    missing_cycles: int

    @property
    def discomfort(self) -> float:
        """Share of the asked energy that was not delivered; NaN when none was asked."""
        return ratio(self.missing_kwh, self.asked_kwh)


def services(case: CaseLevel) -> Services:
    """Compare what vehicles and appliances drew with what they were to draw.

    Energy above what was asked makes up for nothing elsewhere.
    """
    asked_kwh = missing_kwh = 0.0
    missing_cycles = 0
    for row, (index, name) in enumerate(case.record.devices):
        home = case.homes[index]
        cycles = {device.name: sum(device.cycle_kw) * case.hours for device in home.appliances}
        if name in cycles:
            asked = cycles[name]
        elif home.ev is not None and home.ev.name == name:
            asked = home.ev.drawn_kwh
        else:
            continue
        asked_kwh += asked
        missing = asked - float(case.device_kw[row].sum()) * case.hours
        if missing > DELIVERED_KWH:
            missing_kwh += missing
            missing_cycles += name in cycles
    return Services(asked_kwh, missing_kwh, missing_cycles)


def storage_drift_kwh(case: CaseLevel) -> float:
    """Sum over batteries of the difference between the day's last and first energy. [kWh]

    NaN when the energy of a battery was not recorded.
    """
    drift = 0.0
    record = case.record
    for row, (index, name) in enumerate(record.devices):
        battery = case.homes[index].battery
        if battery is None or battery.name != name:
            continue
        change = record.stored_kwh[case.index, row, -1] - record.stored_start_kwh[case.index, row]
        drift += abs(float(change))
    return drift
