"""Wishes that cannot be met, and the nearest ones that can.

A home is never left without a plan because a household wants the impossible: the wish is given way
as little as physics needs, and the reason is told in words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, ElectricVehicle, Heater, HeatStore
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon

NOTHING_KWH = 1e-9
"""Shortfalls below this are rounding."""
NOTHING_K = 1e-6
"""Temperatures missed by less than this are rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Wishes:
    """A home whose wishes can be met, and what had to give way for that.

    Parameters
    ----------
    home : Home
        The home with the nearest feasible wishes.
    reasons : tuple of str
        One for each wish that gave way; empty when all can be met.
    """

    home: Home
    reasons: tuple[str, ...]


def nearest_feasible(home: Home, reference: ReferenceDay, horizon: Horizon) -> Wishes:
    """Give way where a device cannot do what is wished of it.

    An appliance whose window is shorter than its cycle ends late; a vehicle whose stay is too short
    leaves with what it can charge; a heater that is too weak leaves the comfort band by what it
    cannot reach from where the day begins.
    """
    reasons: list[str] = []
    appliances = tuple(_appliance(device, horizon, reasons) for device in home.appliances)
    ev = None if home.ev is None else _vehicle(home.ev, horizon, reasons)
    heaters = tuple(
        _heater(device, reference.heat_start_kwh[device.name], horizon, reasons)
        for device in home.heaters
    )
    if not reasons:
        return Wishes(home, ())
    return Wishes(replace(home, appliances=appliances, ev=ev, heaters=heaters), tuple(reasons))


def _appliance(device: Appliance, horizon: Horizon, reasons: list[str]) -> Appliance:
    if len(device.starts(horizon)):
        return device
    length = horizon.window_length(device.window_start, device.window_end)
    late_h = (len(device.cycle_kw) - length) * horizon.ptu_hours
    window = f"{horizon.clock(device.window_start)}-{horizon.clock(device.window_end)}"
    reasons.append(
        f"{device.name}: its window {window} is {late_h:g} h shorter than its cycle, it ends late"
    )
    end = (device.window_start + len(device.cycle_kw)) % horizon.ptus
    return replace(device, window_end=end)


def _vehicle(device: ElectricVehicle, horizon: Horizon, reasons: list[str]) -> ElectricVehicle:
    charge_kwh_per_kw = device.transition(horizon).charge_kwh_per_kw
    least_kwh = charge_kwh_per_kw * device.least_charge_kw
    if 0 < device.driven_kwh < least_kwh - NOTHING_KWH:
        reasons.append(
            f"{device.name}: {device.driven_kwh:.2f} kWh are less than its least power of "
            f"{device.least_charge_kw:g} kW stores in a PTU, so it charges for a part of one"
        )
        return replace(device, least_charge_kw=device.driven_kwh / charge_kwh_per_kw)
    stay = horizon.window_length(device.arrival, device.departure)
    most_kwh = charge_kwh_per_kw * device.charger_kw * stay
    missing_kwh = device.driven_kwh - most_kwh
    if missing_kwh <= NOTHING_KWH:
        return device
    reasons.append(
        f"{device.name}: {missing_kwh:.2f} of {device.driven_kwh:.2f} kWh cannot be charged by "
        f"{horizon.clock(device.departure)}"
    )
    return replace(device, driven_kwh=most_kwh)


def _heater(device: Heater, start_kwh: float, horizon: Horizon, reasons: list[str]) -> Heater:
    """Lower the band to what full power reaches, and raise it to what no power leaves."""
    store, transition = device.store, device.transition(horizon)
    lower_kwh = store.capacity_kwh_per_k * store.lower_c
    upper_kwh = store.capacity_kwh_per_k * store.upper_c
    heat_kwh = transition.heat_kwh_per_kw * device.power_kw
    warmest, coolest = np.empty(horizon.ptus), np.empty(horizon.ptus)
    warm_kwh = cool_kwh = start_kwh
    for ptu in range(horizon.ptus):
        cool_kwh = transition.keep * cool_kwh + transition.inflow_kwh[ptu]
        coolest[ptu] = cool_kwh
        most_kwh = max(upper_kwh[ptu], cool_kwh)
        left_kwh = transition.keep * warm_kwh + transition.inflow_kwh[ptu]
        warm_kwh = min(left_kwh + heat_kwh[ptu], max(most_kwh, left_kwh))
        warmest[ptu] = warm_kwh
    # The day ends as it began, wherever the band is.
    lower_kwh[-1] = upper_kwh[-1] = start_kwh
    too_cold_k = _missed(lower_kwh - warmest, store)
    too_warm_k = _missed(coolest - upper_kwh, store)
    if max(too_cold_k.max(), too_warm_k.max()) <= NOTHING_K:
        return device
    for missed_k, word in ((too_cold_k, "below"), (too_warm_k, "above")):
        if missed_k.max() > NOTHING_K:
            worst = int(missed_k.argmax())
            reasons.append(
                f"{device.name}: up to {missed_k[worst]:.1f} K {word} the comfort band at "
                f"{horizon.clock(worst)}"
            )
    reachable = replace(
        store,
        lower_c=np.minimum(store.lower_c, warmest / store.capacity_kwh_per_k),
        upper_c=np.maximum(store.upper_c, coolest / store.capacity_kwh_per_k),
    )
    return replace(device, store=reachable)


def _missed(missed_kwh: FloatArray, store: HeatStore) -> FloatArray:
    """By how much a band is missed, shape (ptu). [K]"""
    missed_k: FloatArray = np.maximum(missed_kwh, 0.0) / store.capacity_kwh_per_k
    missed_k[-1] = 0.0
    return missed_k
