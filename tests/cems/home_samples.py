"""Random homes of every make, and tariffs kind and nasty, for tests that compare planners.

Sizes are assumptions of this project [A] chosen to cover the corners, not to be typical. Every
reference day is one that the home can really live: a planner can only be cheaper.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, HeatPump, PvPlant
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff

EUR_PER_GBP = 1.14
CYCLES_KW = {
    "washing_machine": (0.7, 0.7, 0.8, 0.8, 0.7, 0.7),
    "dishwasher": (1.8, 0.2, 0.2, 1.8, 0.5),
    "tumble_dryer": (2.5, 2.5, 2.5, 2.5),
}
"""Mean power per quarter of an hour [A]; used per PTU whatever the PTU's length."""


def time_of_use(horizon: Horizon) -> Tariff:
    """UK weekday offer of 2017 [R]: night, day and evening peak; flat export."""
    hours = horizon.start_hours
    night = (hours >= 23) | (hours < 6)
    evening = (hours >= 16) & (hours < 19)
    gbp = np.where(night, 0.05, np.where(evening, 0.25, 0.12))
    return Tariff("time_of_use", gbp * EUR_PER_GBP, np.full(horizon.ptus, 0.0491 * EUR_PER_GBP))


def dynamic(horizon: Horizon, rng: np.random.Generator) -> Tariff:
    """A price for each hour, all different, with a morning and an evening peak [A]."""
    hours = np.arange(24)
    shape = np.exp(-(((hours - 8) / 2) ** 2)) + 1.3 * np.exp(-(((hours - 18.5) / 2.5) ** 2))
    prices = 0.10 + 0.13 * shape + rng.uniform(0, 0.02, 24)
    per_ptu = prices[horizon.start_hours.astype(int)]
    return Tariff("dynamic", per_ptu, np.full(horizon.ptus, 0.05))


def export_above_import(horizon: Horizon, rng: np.random.Generator) -> Tariff:
    """In some hours energy fed in earns more than energy drawn costs."""
    base = dynamic(horizon, rng)
    above = (rng.random(24) < 0.3)[horizon.start_hours.astype(int)]
    export = np.where(above, base.import_eur_per_kwh + 0.08, base.export_eur_per_kwh)
    return Tariff("export_above_import", base.import_eur_per_kwh, export)


def negative_prices(horizon: Horizon, rng: np.random.Generator) -> Tariff:
    """In some hours drawing energy is paid for; in some of them feeding in costs even more."""
    base = dynamic(horizon, rng)
    hour = horizon.start_hours.astype(int)
    shift = np.where(rng.random(24) < 0.25, rng.uniform(-0.35, -0.15, 24), 0.0)[hour]
    spread = np.where(rng.random(24) < 0.5, -0.03, 0.02)[hour]
    imported = base.import_eur_per_kwh + shift
    export = np.where(shift < 0, imported + spread, base.export_eur_per_kwh)
    return Tariff("negative_prices", imported, export)


def random_home(rng: np.random.Generator, horizon: Horizon) -> tuple[Home, ReferenceDay]:
    """Draw a home of any make, with a reference day that it can live.

    Presence of each kind of device is an even draw, so fifty homes meet most combinations; a
    device in use is offered four times out of five.
    """
    appliances = _random_appliances(rng, horizon)
    ev = _random_vehicle(rng, horizon) if rng.random() < 0.5 else None
    battery = _random_battery(rng) if rng.random() < 0.5 else None
    devices = [*appliances, *(storage for storage in (ev, battery) if storage is not None)]
    names = [device.name for device in devices]
    home = Home(
        name="sample",
        annual_kwh=3300.0,
        base_kw=_base_kw(rng, horizon),
        appliances=appliances,
        ev=ev,
        battery=battery,
        pv=_random_pv(rng, horizon) if rng.random() < 0.5 else None,
        heat_pump=_random_heat_pump(rng, horizon) if rng.random() < 0.3 else None,
        owns=frozenset(names),
        offered=frozenset(name for name in names if rng.random() < 0.8),
    )
    return home, reference_of(home, horizon, start_kwh=_wished_start_kwh(rng, battery))


def reference_of(home: Home, horizon: Horizon, *, start_kwh: float | None = None) -> ReferenceDay:
    """Return the unmanaged day of a home.

    Parameters
    ----------
    start_kwh : float, optional
        Energy at midnight of a battery that rests all day; without it, or where the battery loses
        energy at rest, the battery follows the home's own surplus from its periodic state.
    """
    device_kw = {
        appliance.name: appliance.profile_kw(appliance.asked_start, horizon)
        for appliance in home.appliances
    }
    if home.ev is not None:
        device_kw[home.ev.name] = charge_on_arrival_kw(home.ev, horizon)
    net_kw = np.asarray(sum(device_kw.values(), start=home.fixed_kw), dtype=np.float64)
    battery_start_kwh = 0.0
    if home.battery is not None:
        if start_kwh is not None and home.battery.standing_loss_per_hour == 0.0:
            battery_start_kwh, battery_kw = start_kwh, np.zeros(horizon.ptus)
        else:
            battery_start_kwh, battery_kw = _own_surplus_day(home.battery, net_kw, horizon)
        device_kw[home.battery.name] = battery_kw
        net_kw = net_kw + battery_kw
    return ReferenceDay(net_kw, device_kw, battery_start_kwh)


def charge_on_arrival_kw(ev: ElectricVehicle, horizon: Horizon) -> FloatArray:
    """Full power from arrival on, a partial last PTU, shape (ptu). [kW]"""
    power = np.zeros(horizon.ptus)
    open_kwh = ev.drawn_kwh
    for ptu in horizon.window(ev.arrival, ev.departure):
        power[ptu] = min(ev.charger_kw, open_kwh / horizon.ptu_hours)
        open_kwh -= power[ptu] * horizon.ptu_hours
    return power


def _base_kw(rng: np.random.Generator, horizon: Horizon) -> FloatArray:
    hours = horizon.start_hours
    evening = 0.4 * np.exp(-(((hours - 19) / 2.5) ** 2))
    return np.asarray(0.15 + evening + rng.gamma(0.6, 0.3, horizon.ptus))


def _random_appliances(rng: np.random.Generator, horizon: Horizon) -> tuple[Appliance, ...]:
    names = sorted(CYCLES_KW)
    chosen = rng.choice(names, size=rng.integers(0, len(names) + 1), replace=False)
    return tuple(_random_appliance(rng, str(name), horizon) for name in chosen)


def _random_appliance(rng: np.random.Generator, name: str, horizon: Horizon) -> Appliance:
    cycle_kw = CYCLES_KW[name]
    begin = int(rng.integers(horizon.ptus))
    whole_day = rng.random() < 0.2
    length = horizon.ptus if whole_day else int(rng.integers(len(cycle_kw), horizon.ptus * 2 // 3))
    end = (begin + length) % horizon.ptus
    asked = begin + int(rng.integers(length if whole_day else length - len(cycle_kw) + 1))
    return Appliance(name, cycle_kw, asked % horizon.ptus, begin, end)


def _random_vehicle(rng: np.random.Generator, horizon: Horizon) -> ElectricVehicle:
    arrival_hour, stay_hours = (
        (rng.uniform(15, 21), rng.uniform(8, 14))  # over night
        if rng.random() < 0.7
        else (rng.uniform(7, 12), rng.uniform(2, 8))  # by day
    )
    arrival = horizon.ptu_at(arrival_hour)
    departure = horizon.ptu_at(arrival_hour + stay_hours)
    charger_kw = float(rng.choice([3.6, 7.4]))
    efficiency = float(rng.uniform(0.85, 1.0))
    stay = horizon.window_length(arrival, departure) * horizon.ptu_hours
    # Up to a stay that is charging from end to end.
    driven = min(float(rng.uniform(0, 20)), stay * charger_kw * efficiency)
    return ElectricVehicle(charger_kw, 24.0, efficiency, arrival, departure, driven)


def _random_battery(rng: np.random.Generator) -> Battery:
    capacity = float(rng.uniform(3, 14))
    return Battery(
        capacity_kwh=capacity,
        power_kw=float(rng.uniform(1, 5)),
        charge_efficiency=float(rng.choice([1.0, rng.uniform(0.85, 0.99)])),
        discharge_efficiency=float(rng.choice([1.0, rng.uniform(0.85, 0.99)])),
        reserve_kwh=float(rng.choice([0.0, 0.1 * capacity])),
        standing_loss_per_hour=float(rng.choice([0.0, 0.001, 0.01])),
    )


def _wished_start_kwh(rng: np.random.Generator, battery: Battery | None) -> float | None:
    """Empty, full or between, in half of the cases."""
    if battery is None or rng.random() < 0.5:
        return None
    between = rng.uniform(battery.reserve_kwh, battery.capacity_kwh)
    return float(rng.choice([battery.reserve_kwh, between, battery.capacity_kwh]))


def _random_pv(rng: np.random.Generator, horizon: Horizon) -> PvPlant:
    rated_kwp = float(rng.uniform(1, 6))
    sun = np.clip(np.sin((horizon.start_hours - 6) / 12 * np.pi), 0, None)
    return PvPlant(rated_kwp, 35.0, 180.0, -rated_kwp * sun * rng.uniform(0.2, 0.9, horizon.ptus))


def _random_heat_pump(rng: np.random.Generator, horizon: Horizon) -> HeatPump:
    on = rng.random(horizon.ptus) < 0.4
    return HeatPump(0.18, np.where(on, rng.uniform(0.8, 2.5), 0.0))


def _own_surplus_day(
    battery: Battery, net_kw: FloatArray, horizon: Horizon
) -> tuple[float, FloatArray]:
    """Periodic day of a battery that stores surplus and covers need: energy at midnight, powers.

    The energy at the end of the day grows with the energy at its start, but by less: the difference
    falls, and halving the interval finds its root.
    """
    low, high = battery.reserve_kwh, battery.capacity_kwh
    for _ in range(60):
        middle = (low + high) / 2
        end, _ = _follow_surplus(battery, net_kw, middle, horizon)
        low, high = (middle, high) if end > middle else (low, middle)
    return high, _follow_surplus(battery, net_kw, high, horizon)[1]


def _follow_surplus(
    battery: Battery, net_kw: FloatArray, start_kwh: float, horizon: Horizon
) -> tuple[float, FloatArray]:
    """Energy at the end of the day and the powers; the reserve is kept even from the grid."""
    step = battery.transition(horizon)
    stored, powers = start_kwh, []
    for need in net_kw.tolist():
        kept = step.keep * stored
        least = (battery.reserve_kwh - kept) / step.charge_kwh_per_kw
        if need > 0 and least <= 0:
            room = (kept - battery.reserve_kwh) / step.discharge_kwh_per_kw
            power = -min(need, battery.power_kw, room)
        else:
            room = (battery.capacity_kwh - kept) / step.charge_kwh_per_kw
            power = min(max(-need, least, 0.0), battery.power_kw, room)
        gain = step.charge_kwh_per_kw if power > 0 else step.discharge_kwh_per_kw
        stored = kept + gain * power
        powers.append(power)
    return stored, np.array(powers)
