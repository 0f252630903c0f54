"""The devices of all homes of a case: plants, vehicles, batteries, and what heats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Battery,
    ElectricVehicle,
    Heater,
    InterruptibleLoad,
    MicroChp,
    PvPlant,
    WindTurbine,
)
from mas2sim.population.adoption import offering
from mas2sim.population.building import Building, draw_building
from mas2sim.population.heaters import direct_heater, heat_pump
from mas2sim.population.holdings import Case, Holdings
from mas2sim.population.hot_water import hot_water
from mas2sim.population.interruptible import interruptible_load
from mas2sim.population.micro_chp import micro_chp
from mas2sim.population.pv import draw_roof, feed_in_kw
from mas2sim.population.resolution import minutes_to_ptus, quarters_to_minutes
from mas2sim.population.storage import draw_battery
from mas2sim.population.thermostat import SLACK_K, with_reachable_band
from mas2sim.population.vehicles import draw_vehicle
from mas2sim.population.weather import ClearSky
from mas2sim.population.wind import wind_speed_m_per_s, wind_turbine


@dataclass(frozen=True, slots=True)
class Heating:
    """What heats, by home.

    Parameters
    ----------
    missed_k : mapping of int to float
        Homes whose thermostats leave the comfort band today, and by how much at most. [K]
    """

    heaters: Mapping[int, tuple[Heater, ...]]
    interruptible: Mapping[int, InterruptibleLoad]
    micro_chp: Mapping[int, MicroChp]
    missed_k: Mapping[int, float]


def pv_plants(
    case: Case, holdings: Holdings, sky: ClearSky, clearness: FloatArray, outdoor_c: FloatArray
) -> dict[int, PvPlant]:
    """Photovoltaic plants by home; `clearness` and `outdoor_c` have shape (96)."""
    if not holdings.owners["pv"]:
        return {}
    parameters = case.tables.parameters("pv")
    roofs = tuple(
        draw_roof(parameters, holdings.parameters("pv", home), **case.key(home))
        for home in holdings.owners["pv"]
    )
    feed_in = feed_in_kw(
        roofs, sky, quarters_to_minutes(clearness), quarters_to_minutes(outdoor_c), parameters
    )
    return {
        home: PvPlant(roof.rated_kwp, roof.tilt_deg, roof.azimuth_deg, p_kw)
        for home, roof, p_kw in zip(
            holdings.owners["pv"], roofs, minutes_to_ptus(feed_in, case.horizon), strict=True
        )
    }


def wind_turbines(case: Case, holdings: Holdings) -> dict[int, WindTurbine]:
    """Wind turbines by home, all in the same wind."""
    if not holdings.owners["wind"]:
        return {}
    parameters = case.tables.parameters("wind")
    speed = wind_speed_m_per_s(case.season, parameters, seed=case.seed)
    return {
        home: wind_turbine(
            parameters, holdings.parameters("wind", home), speed, case.horizon, **case.key(home)
        )
        for home in holdings.owners["wind"]
    }


def vehicles(case: Case, holdings: Holdings) -> dict[int, ElectricVehicle]:
    """Electric vehicles by home."""
    parameters, owners = case.tables.parameters("ev"), holdings.owners["ev"]
    delivering = offering(
        owners, case.settings.smart.v2h_percent, "v2h", seed=case.seed, substation=case.substation
    )
    return {
        home: draw_vehicle(
            parameters,
            holdings.parameters("ev", home),
            case.day,
            case.horizon,
            **case.key(home),
            delivers=home in delivering,
            least_charge_kw=case.settings.ev_least_charge_kw,
        )
        for home in owners
    }


def home_batteries(case: Case, holdings: Holdings) -> dict[int, Battery]:
    """Batteries by home."""
    parameters = case.tables.parameters("battery")
    return {
        home: draw_battery(parameters, holdings.parameters("battery", home), **case.key(home))
        for home in holdings.owners["battery"]
    }


def heating(case: Case, holdings: Holdings, outdoor_c: FloatArray) -> Heating:
    """Heaters, interruptible loads and micro-CHP units; `outdoor_c` has shape (96)."""
    owners, horizon = holdings.owners, case.horizon
    figures = case.tables.parameters("building")
    warmed = {"heat_pump", "direct_heater", "interruptible", "micro_chp"}
    buildings = {
        home: draw_building(figures, holdings.parameters("heat_pump", home), **case.key(home))
        for home in {home for name in warmed for home in owners[name]}
    }
    heaters: dict[int, tuple[Heater, ...]] = {}
    missed_k: dict[int, float] = {}
    for name in ("heat_pump", "direct_heater", "hot_water"):
        for home in owners[name]:
            wished = _heater(case, holdings, name, home, buildings.get(home), outdoor_c)
            heater, missed = with_reachable_band(wished, horizon)
            heaters[home] = (*heaters.get(home, ()), heater)
            if missed > SLACK_K:
                missed_k[home] = max(missed, missed_k.get(home, 0.0))
    relay, unit = case.tables.parameters("interruptible"), case.tables.parameters("micro_chp")
    interruptible = {
        home: interruptible_load(
            buildings[home],
            relay,
            holdings.parameters("interruptible", home),
            outdoor_c,
            horizon,
            **case.key(home),
        )
        for home in owners["interruptible"]
    }
    units = {
        home: micro_chp(
            buildings[home], unit, holdings.parameters("micro_chp", home), outdoor_c, horizon
        )
        for home in owners["micro_chp"]
    }
    return Heating(heaters, interruptible, units, missed_k)


def _heater(
    case: Case,
    holdings: Holdings,
    name: str,
    home: int,
    building: Building | None,
    outdoor_c: FloatArray,
) -> Heater:
    """One heater of a home with the comfort band that its household wishes."""
    known = holdings.parameters(name, home)
    if building is None or name == "hot_water":
        parameters = case.tables.parameters("hot_water")
        return hot_water(parameters, known, case.day, case.horizon, **case.key(home))
    if name == "heat_pump":
        return heat_pump(building, case.tables, known, outdoor_c, case.horizon)
    parameters = case.tables.parameters("direct_heater")
    return direct_heater(building, parameters, known, outdoor_c, case.horizon, **case.key(home))
