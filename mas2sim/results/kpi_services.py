"""KPIs of services: whether a saving was paid for with an empty vehicle or a cold house."""

from __future__ import annotations

from mas2sim.results.kpi_definition import CaseLevel, Kpi, Measure
from mas2sim.results.services import Services, services, storage_drift_kwh


def _service(
    name: str,
    unit: str,
    label: str,
    formula: str,
    sentence: str,
    compute: Measure,
    *,
    missing: str = "never",
) -> Kpi:
    return Kpi(
        name=name,
        unit=unit,
        label=label,
        group="energy",
        formula=formula,
        sign="positive: missing",
        boundary="home",
        missing=missing,
        sentence=sentence,
        compute=compute,
        better="lower",
    )


def _measured(part: str) -> Measure:
    def compute(case: CaseLevel) -> float:
        delivered: Services = services(case)
        return float(getattr(delivered, part))

    return compute


VEHICLE_NOT_RECORDED = "when the energy in a vehicle at departure was not recorded"

SERVICES = (
    _service(
        "unserved_kwh",
        "kWh",
        "Services not delivered",
        (
            "sum over vehicles of (capacity - energy at departure) / charging efficiency, over "
            "appliances of max(0, cycle - drawn), and over interruptible loads of the energy cut"
        ),
        "Energy that vehicles, appliance cycles and interruptible loads asked for and did not get.",
        _measured("missing_kwh"),
        missing=VEHICLE_NOT_RECORDED,
    ),
    _service(
        "unserved_cycles_count",
        "count",
        "Appliance cycles not run",
        "number of appliances with less energy than their cycle needs",
        "Appliance cycles that were asked for and did not run to the end.",
        _measured("missing_cycles"),
    ),
    _service(
        "late_h",
        "h",
        "Appliance cycles late",
        "sum over appliances of max(0, end of the metered cycle - end of its window)",
        "Hours by which appliance cycles ended after the time the household had set.",
        _measured("late_h"),
    ),
    _service(
        "comfort_missed_kh",
        "K h",
        "Comfort missed",
        "sum over heaters and PTUs of h max(0, lower - T, T - upper), differences above 1 mK",
        "Kelvin-hours by which rooms and hot water were outside the band that households want.",
        _measured("comfort_missed_kh"),
        missing="when the temperature of a building or tank was not recorded",
    ),
    _service(
        "cut_kwh",
        "kWh",
        "Energy of interruptible loads cut",
        "sum over interruptible loads and PTUs of h max(0, asked - drawn)",
        "Energy that interruptible loads would have used where they were cut.",
        _measured("cut_kwh"),
    ),
    _service(
        "discomfort_eur",
        "EUR",
        "Worth of the energy cut",
        "sum over interruptible loads of energy cut times the household's own price of it",
        "What the cuts are worth to the households; no bill shows it, plans count it as a cost.",
        _measured("discomfort_eur"),
    ),
    _service(
        "discomfort",
        "-",
        "Discomfort",
        "energy of services not delivered / energy of services asked",
        (
            "Share of the energy asked by vehicles, appliances and interruptible loads that they "
            "did not get; 0 when all was delivered."
        ),
        _measured("discomfort"),
        missing=f"when no service was asked, or {VEHICLE_NOT_RECORDED}",
    ),
    _service(
        "storage_drift_kwh",
        "kWh",
        "Stores not back where they began",
        "sum over batteries, buildings and tanks of |energy at the end of the day - at its start|",
        (
            "A cyclic day borrows nothing: what is left here is saving on credit. Heat counts as "
            "heat."
        ),
        storage_drift_kwh,
        missing="when the energy of a battery, building or tank was not recorded",
    ),
)
"""KPIs of services."""
