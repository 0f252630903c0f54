"""Shops, charging stations, larger PV plants: what participants that are no homes have on the day.

A room beside `equipment`, as their owners are named one by one instead of drawn. They are under the
same sky as the homes, and a shop, a charge point or a plant is planned as a home is, so all become
homes without a household.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from mas2sim.domain.device import Battery, ElectricVehicle, PvPlant
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import TYPICAL_DAYS, DayType, TypicalDay, Weather
from mas2sim.population.average_demand import annual_kwh, average_profiles_kw, days_in_year
from mas2sim.population.pv import Roof, feed_in_kw
from mas2sim.population.resolution import (
    QUARTER_MINUTES,
    minutes_to_ptus,
    quarters_to_minutes,
    quarters_to_ptus,
)
from mas2sim.population.settings import PopulationSettings
from mas2sim.population.tables import Parameter, ProfileTables, read_tables
from mas2sim.population.vehicles import USABLE_SHARE
from mas2sim.population.weather import air_temperature_c, clear_sky, clearness_series

HOURS = 24.0
MINUTES_PER_HOUR = 60
SHORTEST_STAY_H = 1.0
"""A vehicle is connected at least this long, and away as long. [A] [h]"""
WIDEST_SHIFT = 2.0
"""Habits lie within this many standard deviations. [A]"""


@dataclass(frozen=True, slots=True)
class ChargingStation:
    """Charge points behind one meter, each with a vehicle of its own a day.

    Parameters
    ----------
    points : int
        Charge points.
    charger_kw : float
        Greatest power of each.
    capacity_kwh, driven_kwh : float
        Battery of a vehicle, and the mean of what it has to be charged again.
    arrival_h, departure_h : float
        Mean clock times between which vehicles are connected; the stay may wrap midnight.
    spread_h : float
        Standard deviation of both over vehicles.
    days : tuple of DayType
        Days on which vehicles come.
    flexible : bool
        Whether charging is planned; else a vehicle charges on arrival at full power.
    """

    name: str
    points: int
    charger_kw: float
    capacity_kwh: float
    driven_kwh: float
    arrival_h: float
    departure_h: float
    spread_h: float
    days: tuple[DayType, ...] = tuple(DayType)
    flexible: bool = True


@dataclass(frozen=True, slots=True)
class PvFarm:
    """A PV plant, with a battery or without.

    Parameters
    ----------
    rated_kwp, tilt_deg, azimuth_deg : float
        As of a home's plant.
    battery_kwh, battery_kw : float
        Capacity and power of its battery; 0 kWh for none.
    flexible : bool
        Whether the battery is planned; else it answers to the plant's own surplus, and is idle.
    """

    name: str
    rated_kwp: float
    tilt_deg: float
    azimuth_deg: float
    battery_kwh: float = 0.0
    battery_kw: float = 0.0
    flexible: bool = True


@dataclass(frozen=True, slots=True)
class SmallBusiness:
    """A shop, an office or a workshop, without devices that could be planned.

    Parameters
    ----------
    annual_kwh : float or None
        Its energy in a year; None to draw it.
    """

    name: str
    annual_kwh: float | None = None


NonDomestic = ChargingStation | PvFarm | SmallBusiness


def build_non_domestic(
    others: Sequence[NonDomestic],
    settings: PopulationSettings,
    *,
    day: TypicalDay,
    weather: Weather,
    seed: int,
    substation: int,
    horizon: Horizon,
) -> tuple[tuple[Home, ...], ...]:
    """Make what stands behind the meter of each participant, for one day.

    A vehicle depends on the seed, the substation, its station's name and its place there; a shop on
    the seed, the substation and its name.

    Returns
    -------
    tuple of tuple of Home
        Of each participant: a home for each charge point, or one for the plant or the shop.
    """
    if not others:
        return ()
    tables = read_tables(settings.profiles_dir)
    farms = tuple(each for each in others if isinstance(each, PvFarm))
    plants = _plants(farms, settings, tables, day, weather, seed, horizon) if farms else {}
    found = []
    for each in others:
        if isinstance(each, PvFarm):
            found.append(_farm(each, plants[each.name], tables, horizon))
        elif isinstance(each, ChargingStation):
            found.append(_station(each, tables, day, seed, substation, horizon))
        else:
            found.append(_business(each, tables, day, seed, substation, horizon))
    return tuple(found)


def _business(
    business: SmallBusiness,
    tables: ProfileTables,
    day: TypicalDay,
    seed: int,
    substation: int,
    horizon: Horizon,
) -> tuple[Home, ...]:
    """The average small commercial demand, at its own hours and of its own size."""
    parameters = tables.parameters("small_business")
    rng = stream(seed, substation, business.name, "small_business")
    drawn_kwh = float(parameters["annual_kwh"].draw(rng))
    shift_h = float(parameters["shift_h"].draw(rng))
    own_kwh = drawn_kwh if business.annual_kwh is None else business.annual_kwh
    average_kw = average_profiles_kw(tables, Horizon(QUARTER_MINUTES), "small_commercial")
    average_kwh = float(annual_kwh(average_kw, days_in_year(tables.seasons)))
    quarters_kw = np.roll(
        average_kw[TYPICAL_DAYS.index(day)], round(shift_h * MINUTES_PER_HOUR / QUARTER_MINUTES)
    )
    return (
        Home(
            name=f"{business.name}_1",
            annual_kwh=own_kwh,
            base_kw=quarters_to_ptus(quarters_kw[None] * (own_kwh / average_kwh), horizon)[0],
        ),
    )


def _station(
    station: ChargingStation,
    tables: ProfileTables,
    day: TypicalDay,
    seed: int,
    substation: int,
    horizon: Horizon,
) -> tuple[Home, ...]:
    parameters = tables.parameters("ev")
    comes = day.day_type in station.days
    offered = frozenset({"ev"}) if station.flexible else frozenset[str]()
    return tuple(
        Home(
            name=f"{station.name}_{point + 1}",
            annual_kwh=0.0,
            base_kw=np.zeros(horizon.ptus),
            ev=_vehicle(station, parameters, horizon, seed, substation, point) if comes else None,
            owns=frozenset({"ev"}),
            offered=offered,
        )
        for point in range(station.points)
    )


def _vehicle(
    station: ChargingStation,
    parameters: Mapping[str, Parameter],
    horizon: Horizon,
    seed: int,
    substation: int,
    point: int,
) -> ElectricVehicle:
    rng = stream(seed, substation, station.name, point, "ev")
    shift_h = np.clip(rng.standard_normal(2), -WIDEST_SHIFT, WIDEST_SHIFT) * station.spread_h
    usual_h = (station.departure_h - station.arrival_h) % HOURS
    stay_h = usual_h + shift_h[1] - shift_h[0]
    stay_h = min(max(stay_h, SHORTEST_STAY_H), HOURS - SHORTEST_STAY_H)
    arrival_h = station.arrival_h + float(shift_h[0])
    arrival = horizon.ptu_at(arrival_h % HOURS)
    departure = horizon.ptu_at((arrival_h + stay_h) % HOURS)
    wanted_kwh = station.driven_kwh * float(parameters["day_factor"].draw(rng))
    efficiency = parameters["charge_efficiency"].value
    connected_h = horizon.window_length(arrival, departure) * horizon.ptu_hours
    return ElectricVehicle(
        charger_kw=station.charger_kw,
        capacity_kwh=station.capacity_kwh,
        charge_efficiency=efficiency,
        arrival=arrival,
        departure=departure,
        driven_kwh=min(
            wanted_kwh,
            USABLE_SHARE * station.capacity_kwh,
            station.charger_kw * efficiency * connected_h,
        ),
    )


def _plants(
    farms: tuple[PvFarm, ...],
    settings: PopulationSettings,
    tables: ProfileTables,
    day: TypicalDay,
    weather: Weather,
    seed: int,
    horizon: Horizon,
) -> dict[str, PvPlant]:
    """PV plants by the name of their farm, under the sky of the homes."""
    season = tables.season(day.season)
    sky = clear_sky(settings.site, season.representative)
    clearness = clearness_series(season, weather, sky, seed=seed)
    air_c = air_temperature_c(season, settings.air_offset_k)
    feed_in = feed_in_kw(
        tuple(Roof(each.rated_kwp, each.tilt_deg, each.azimuth_deg) for each in farms),
        sky,
        quarters_to_minutes(clearness),
        quarters_to_minutes(air_c),
        tables.parameters("pv"),
    )
    return {
        each.name: PvPlant(each.rated_kwp, each.tilt_deg, each.azimuth_deg, p_kw)
        for each, p_kw in zip(farms, minutes_to_ptus(feed_in, horizon), strict=True)
    }


def _farm(
    farm: PvFarm, plant: PvPlant, tables: ProfileTables, horizon: Horizon
) -> tuple[Home, ...]:
    battery = None
    if farm.battery_kwh > 0:
        one_way = sqrt(tables.parameters("battery")["round_trip_efficiency"].value)
        battery = Battery(farm.battery_kwh, farm.battery_kw, one_way, one_way)
    names = frozenset({"pv"} if battery is None else {"pv", "battery"})
    offered = frozenset({"battery"}) if battery and farm.flexible else frozenset[str]()
    return (
        Home(
            name=f"{farm.name}_1",
            annual_kwh=0.0,
            base_kw=np.zeros(horizon.ptus),
            battery=battery,
            pv=plant,
            owns=names,
            offered=offered,
        ),
    )
