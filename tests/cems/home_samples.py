"""Random homes of every make, and tariffs kind and nasty, for tests that compare planners.

Sizes are assumptions of this project [A] chosen to cover the corners, not to be typical. Every
reference day is one that the home can really live: a planner can only be cheaper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    HeatStore,
    InterruptibleLoad,
    MicroChp,
    PvPlant,
    WindTurbine,
)
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
LEAST_CHARGE_KW = 6 * 0.23
"""Least current of a charger on one phase, 6 A [A]; 7.4 and 3.6 kW are more than twice that."""
COMFORT_MARGIN_K = 0.01
"""Room left beside the thermostat's own day where the wanted band cannot hold it."""


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


def peak_price(horizon: Horizon, rng: np.random.Generator) -> Tariff:
    """Energy by the hour, and a price on the day's greatest import that makes it worth shaving."""
    return replace(dynamic(horizon, rng), name="peak_price", peak_eur_per_kw=rng.uniform(0.05, 0.6))


def random_home(rng: np.random.Generator, horizon: Horizon) -> tuple[Home, ReferenceDay]:
    """Draw a home of any make, with a reference day that it can live.

    Presence of the common kinds of device is an even draw, of the others one in three or four, so
    forty homes meet most combinations; a device in use is offered four times out of five.
    """
    appliances = _random_appliances(rng, horizon)
    ev = _random_vehicle(rng, horizon) if rng.random() < 0.5 else None
    battery = _random_battery(rng) if rng.random() < 0.5 else None
    heaters = _random_heaters(rng, horizon)
    interruptible = _random_interruptible_load(rng, horizon) if rng.random() < 0.3 else None
    single = (ev, battery, interruptible)
    devices = [*appliances, *heaters, *(device for device in single if device is not None)]
    names = [device.name for device in devices]
    home = Home(
        name="sample",
        annual_kwh=3300.0,
        base_kw=_base_kw(rng, horizon),
        appliances=appliances,
        ev=ev,
        battery=battery,
        heaters=heaters,
        interruptible=interruptible,
        pv=_random_pv(rng, horizon) if rng.random() < 0.5 else None,
        wind=_random_wind(rng, horizon) if rng.random() < 0.25 else None,
        micro_chp=_random_micro_chp(rng, horizon) if rng.random() < 0.25 else None,
        owns=frozenset(names),
        offered=frozenset(name for name in names if rng.random() < 0.8),
    )
    reference = reference_of(home, horizon, start_kwh=_wished_start_kwh(rng, battery))
    return _with_random_caps(rng, home, reference), reference


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
    heat_start_kwh = {}
    for heater in home.heaters:
        heat_start_kwh[heater.name], device_kw[heater.name] = thermostat_day(heater, horizon)
    if home.interruptible is not None:
        device_kw[home.interruptible.name] = home.interruptible.p_kw
    net_kw = np.asarray(sum(device_kw.values(), start=home.fixed_kw), dtype=np.float64)
    battery_start_kwh = 0.0
    if home.battery is not None:
        if start_kwh is not None and home.battery.standing_loss_per_hour == 0.0:
            battery_start_kwh, battery_kw = start_kwh, np.zeros(horizon.ptus)
        else:
            battery_start_kwh, battery_kw = _own_surplus_day(home.battery, net_kw, horizon)
        device_kw[home.battery.name] = battery_kw
        net_kw = net_kw + battery_kw
    return ReferenceDay(net_kw, device_kw, battery_start_kwh, heat_start_kwh)


def thermostat_day(heater: Heater, horizon: Horizon) -> tuple[float, FloatArray]:
    """Periodic day under the thermostat: heat at midnight [kWh] and powers [kW], shape (ptu)."""

    def day(start_kwh: float) -> tuple[float, FloatArray]:
        heat_kwh, power_kw = _hold_temperature(heater, start_kwh, horizon)
        return float(heat_kwh[-1]), power_kw

    return _periodic_day(day, 0.0, 100.0 * heater.store.capacity_kwh_per_k)


def charge_on_arrival_kw(ev: ElectricVehicle, horizon: Horizon) -> FloatArray:
    """Full power from arrival on, a partial last PTU, shape (ptu). [kW]

    Where the last PTU would fall below the charger's least power, the PTU before gives up a part.
    """
    power = np.zeros(horizon.ptus)
    full, part = divmod(ev.drawn_kwh / horizon.ptu_hours, ev.charger_kw)
    stay = horizon.window(ev.arrival, ev.departure)
    power[stay[: int(full)]] = ev.charger_kw
    if int(full) < len(stay):
        power[stay[int(full)]] = part
        short = max(ev.least_charge_kw - part, 0.0)
        if short and full and part > 0:
            power[stay[int(full) - 1 : int(full) + 1]] += (-short, short)
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
    least_charge_kw = LEAST_CHARGE_KW if rng.random() < 0.4 else 0.0
    to_home = rng.random() < 0.4
    capacity_kwh = 24.0
    stay = horizon.window_length(arrival, departure) * horizon.ptu_hours
    # From what the least power draws in a PTU up to a stay that is charging from end to end.
    least_kwh = least_charge_kw * horizon.ptu_hours * efficiency
    driven = min(max(float(rng.uniform(0, 20)), least_kwh), stay * charger_kw * efficiency)
    return ElectricVehicle(
        charger_kw,
        capacity_kwh,
        efficiency,
        arrival,
        departure,
        driven,
        least_charge_kw=least_charge_kw,
        discharge_kw=float(rng.uniform(1, 7)) if to_home else 0.0,
        discharge_efficiency=float(rng.choice([1.0, rng.uniform(0.85, 0.99)])) if to_home else 1.0,
        # Below and above what it comes home with.
        reserve_kwh=float(rng.uniform(0, 0.6)) * capacity_kwh if to_home else 0.0,
    )


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


def _random_wind(rng: np.random.Generator, horizon: Horizon) -> WindTurbine:
    gusts = np.repeat(rng.beta(1.2, 2.0, 24), horizon.ptus // 24)
    return WindTurbine(1.5, -1.5 * gusts)


def _random_micro_chp(rng: np.random.Generator, horizon: Horizon) -> MicroChp:
    """One run in the morning, one in the evening."""
    hours = horizon.start_hours
    morning, evening = rng.uniform(5, 8), rng.uniform(16, 19)
    runs = ((hours >= morning) & (hours < morning + 2)) | (
        (hours >= evening) & (hours < evening + 4)
    )
    return MicroChp(1.0, 6.0, np.where(runs, -1.0, 0.0))


def _random_interruptible_load(rng: np.random.Generator, horizon: Horizon) -> InterruptibleLoad:
    """Electric heating in a part of the day; cutting is worth it in dear hours or never."""
    hours = horizon.start_hours
    begin, length = rng.uniform(0, 24), rng.uniform(4, 24)
    runs = (hours - begin) % 24 < length
    return InterruptibleLoad(
        p_kw=np.where(runs, rng.uniform(0.5, 3.0) * rng.uniform(0.6, 1.0, horizon.ptus), 0.0),
        longest_cut=int(rng.integers(1, max(1, round(1 / horizon.ptu_hours)) + 1)),
        cuts=int(rng.integers(1, 4)),
        discomfort_eur_per_kwh=float(rng.uniform(0.0, 0.3)),
    )


def _random_heaters(rng: np.random.Generator, horizon: Horizon) -> tuple[Heater, ...]:
    """A heat pump or a direct heater for the building, or neither, and perhaps hot water."""
    heaters = []
    if rng.random() < 0.35:
        heaters.append(_random_room_heating(rng, horizon, pump=rng.random() < 0.6))
    if rng.random() < 0.25:
        heaters.append(_random_hot_water(rng, horizon))
    return tuple(_with_livable_band(heater, horizon) for heater in heaters)


def _random_room_heating(rng: np.random.Generator, horizon: Horizon, *, pump: bool) -> Heater:
    """A building on a day between frost and mild; a direct heater warms a part of it."""
    hours = horizon.start_hours
    outdoor_c = rng.uniform(-5, 12) - 3.0 * np.cos((hours - 3) / 12 * np.pi)
    loss_kw_per_k = float(rng.uniform(0.12, 0.26)) * (1.0 if pump else 0.4)
    by_day = (hours >= 6.5) & (hours < 22.5)
    lower_c = np.where(by_day, 19.0, 17.0)
    store = HeatStore(
        capacity_kwh_per_k=loss_kw_per_k * float(rng.uniform(20, 80)),
        loss_kw_per_k=loss_kw_per_k,
        surroundings_c=outdoor_c + rng.uniform(0, 3),
        draw_kw=np.zeros(horizon.ptus),
        lower_c=lower_c,
        upper_c=np.full(horizon.ptus, 22.0),
    )
    performance = np.interp(outdoor_c, [-5, 0, 7, 12], [1.7, 2.2, 2.9, 3.3])
    return Heater(
        name="heat_pump" if pump else "direct_heater",
        power_kw=float(rng.uniform(1.5, 4.0)),
        heat_per_power=performance if pump else np.ones(horizon.ptus),
        store=store,
        thermostat_c=lower_c + rng.choice([0.0, rng.uniform(0.2, 2.5)]),
    )


def _random_hot_water(rng: np.random.Generator, horizon: Horizon) -> Heater:
    """A tank of 150 l that gives away some 4.5 kWh a day in a few draws."""
    draw_kw = np.zeros(horizon.ptus)
    for hour, kwh in zip(rng.uniform(5, 23, 6), rng.uniform(0.2, 1.4, 6), strict=True):
        draw_kw[horizon.ptu_at(hour)] += kwh / horizon.ptu_hours
    store = HeatStore(
        capacity_kwh_per_k=0.174,
        loss_kw_per_k=0.0015,
        surroundings_c=np.full(horizon.ptus, 19.0),
        draw_kw=draw_kw,
        lower_c=np.full(horizon.ptus, 45.0),
        upper_c=np.full(horizon.ptus, 60.0),
    )
    wanted_c = np.full(horizon.ptus, rng.uniform(50, 58))
    return Heater("hot_water", float(rng.uniform(1.0, 3.0)), np.ones(horizon.ptus), store, wanted_c)


def _with_livable_band(heater: Heater, horizon: Horizon) -> Heater:
    """The heater with a band as wide as wanted, or as its thermostat's own day needs."""
    start_kwh, _ = thermostat_day(heater, horizon)
    heat_kwh, _ = _hold_temperature(heater, start_kwh, horizon)
    temperature_c = heat_kwh / heater.store.capacity_kwh_per_k
    lower_c, upper_c = heater.store.lower_c, heater.store.upper_c
    store = replace(
        heater.store,
        lower_c=np.where(temperature_c < lower_c, temperature_c - COMFORT_MARGIN_K, lower_c),
        upper_c=np.where(temperature_c > upper_c, temperature_c + COMFORT_MARGIN_K, upper_c),
    )
    return replace(heater, store=store)


def _hold_temperature(
    heater: Heater, start_kwh: float, horizon: Horizon
) -> tuple[FloatArray, FloatArray]:
    """Heat at the end of each PTU [kWh] and power [kW] of a heater under its thermostat."""
    step = heater.transition(horizon)
    wanted_kwh = heater.store.capacity_kwh_per_k * heater.thermostat_c
    heat_kwh, power_kw = np.zeros(horizon.ptus), np.zeros(horizon.ptus)
    heat = start_kwh
    for t in range(horizon.ptus):
        unheated = step.keep * heat + step.inflow_kwh[t]
        needed_kw = (wanted_kwh[t] - unheated) / step.heat_kwh_per_kw[t]
        power_kw[t] = min(max(needed_kw, 0.0), heater.power_kw)
        heat = heat_kwh[t] = unheated + step.heat_kwh_per_kw[t] * power_kw[t]
    return heat_kwh, power_kw


def _with_random_caps(rng: np.random.Generator, home: Home, reference: ReferenceDay) -> Home:
    """The home with caps at or above its unmanaged day, in one case of three each."""
    room = rng.choice([0.0, rng.uniform(0, 1.5)])
    most_import_kw = max(0.0, float(reference.net_kw.max())) + room
    most_export_kw = max(0.0, -float(reference.net_kw.min())) + room
    return replace(
        home,
        import_cap_kw=most_import_kw if rng.random() < 1 / 3 else float("inf"),
        export_cap_kw=most_export_kw if rng.random() < 1 / 3 else float("inf"),
    )


def _own_surplus_day(
    battery: Battery, net_kw: FloatArray, horizon: Horizon
) -> tuple[float, FloatArray]:
    """Periodic day of a battery that stores surplus and covers need: energy at midnight, powers."""
    return _periodic_day(
        lambda start_kwh: _follow_surplus(battery, net_kw, start_kwh, horizon),
        battery.reserve_kwh,
        battery.capacity_kwh,
    )


def _periodic_day(
    day: Callable[[float], tuple[float, FloatArray]], low: float, high: float
) -> tuple[float, FloatArray]:
    """Start between `low` and `high` at which `day` ends as it began, and the powers of that day.

    The energy at the end of the day grows with the energy at its start, but by less: the difference
    falls, and halving the interval finds its root.
    """
    for _ in range(60):
        middle = (low + high) / 2
        end, _ = day(middle)
        low, high = (middle, high) if end > middle else (low, middle)
    return high, day(high)[1]


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
