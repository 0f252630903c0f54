"""Homes, days and tariffs of a line each, for tests whose numbers are worked out by hand."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.device import (
    Heater,
    HeatStore,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff

EUR = 1e-7
"""The solver's tolerance of 1e-9 kW, times 96 PTUs, times prices below 1 EUR/kWh."""
KW = 1e-6
"""Rounding of a solution at the solver's tolerance of 1e-9, with a margin for sums over a day."""
QUARTERS = Horizon()
HOURS = Horizon(60)


def flat(import_price: float, export_price: float, horizon: Horizon = HOURS) -> Tariff:
    return Tariff("flat", np.full(horizon.ptus, import_price), np.full(horizon.ptus, export_price))


def house(base_kw: float | np.ndarray, horizon: Horizon = HOURS, **devices) -> Home:
    """A home that offers everything it has, unless told otherwise."""
    names = [appliance.name for appliance in devices.get("appliances", ())]
    names += [heater.name for heater in devices.get("heaters", ())]
    single = ("ev", "battery", "interruptible")
    names += [devices[kind].name for kind in single if devices.get(kind)]
    base = np.broadcast_to(np.asarray(base_kw, dtype=float), horizon.ptus)
    return Home("house", 3300.0, base, **{"offered": frozenset(names), **devices})


def steps(horizon: Horizon, otherwise: float, **value_of: float) -> np.ndarray:
    """`otherwise` everywhere but in the given PTUs, e.g. p44=0.9."""
    values = np.full(horizon.ptus, otherwise)
    for ptu, value in value_of.items():
        values[int(ptu[1:])] = value
    return values


def nothing_asked(
    horizon: Horizon = HOURS, start_kwh: float = 0.0, **heat_start_kwh: float
) -> ReferenceDay:
    """A reference that is not read but for what the storages hold at midnight."""
    return ReferenceDay(
        np.zeros(horizon.ptus), battery_start_kwh=start_kwh, heat_start_kwh=heat_start_kwh
    )


def tank(lower_c: float = 45.0) -> Heater:
    """A tank of 0.1 kWh/K in a place as warm as it, all but lossless; 3 kWh are drawn at 18:00."""
    store = HeatStore(
        capacity_kwh_per_k=0.1,
        loss_kw_per_k=1e-6,
        surroundings_c=np.full(24, 45.0),
        draw_kw=steps(HOURS, 0.0, p18=3.0),
        lower_c=np.full(24, lower_c),
        upper_c=np.full(24, 60.0),
    )
    return Heater("hot_water", 2.0, np.ones(24), store, np.full(24, 50.0))
