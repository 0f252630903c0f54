"""The four phases in order: average demand, diversification, devices, weather and habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.device import Appliance
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TypicalDay, Weather
from mas2sim.population.appliances import cycle_today, draw_uses, split_base
from mas2sim.population.assumptions import state_assumptions
from mas2sim.population.average_demand import average_profiles_kw, days_in_year
from mas2sim.population.diversification import UseProcess, diversify, draw_annual_kwh
from mas2sim.population.equipment import (
    heating,
    home_batteries,
    pv_plants,
    vehicles,
    wind_turbines,
)
from mas2sim.population.holdings import Case, Holdings, hold
from mas2sim.population.own_data import read_own_data
from mas2sim.population.resolution import QUARTER_MINUTES, quarters_to_ptus
from mas2sim.population.settings import PopulationSettings
from mas2sim.population.tables import read_tables
from mas2sim.population.weather import air_temperature_c, clear_sky, clearness_series


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """The homes of one substation on one day.

    Parameters
    ----------
    homes : tuple of Home
    date : str
        Representative date of the season, YYYY-MM-DD. It sets the sun; the kind of day of the week
        is the case's, whatever weekday the date fell on.
    outdoor_c : array, shape (ptu)
        Air temperature.
    clearness : array, shape (ptu)
        Clear-sky index.
    assumptions : tuple of str
        What lies behind this population, in plain sentences.
    """

    homes: tuple[Home, ...]
    date: str
    outdoor_c: FloatArray
    clearness: FloatArray
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze_fields(self, "outdoor_c", "clearness")


def build_population(
    settings: PopulationSettings,
    *,
    day: TypicalDay,
    weather: Weather,
    seed: int,
    substation: int,
    horizon: Horizon,
    cache: ContentCache | None = None,
) -> Population:
    """Make the homes of one substation for one day.

    A home depends on the seed, the substation and its place in the list; day, weather, scenario,
    flexibility and PTU length only decide what of it is seen.

    Parameters
    ----------
    cache : ContentCache, optional
        What is shared with other populations of this process; the homes are the same without it.

    Raises
    ------
    ConfigurationError
        With every fault of the shipped tables, or of the own data.
    """
    tables = read_tables(settings.profiles_dir)
    own = read_own_data(
        settings.own_data,
        homes=settings.homes,
        home_names=settings.home_names,
        appliances=[kind.name for kind in tables.appliances],
    )
    case = Case(settings, tables, own, day, seed, substation, horizon)
    energy_kwh = _annual_kwh(case)
    load_kw = _day_load_kw(case, energy_kwh)
    holdings = hold(case, cache)
    sky = clear_sky(settings.site, case.season.representative)
    clearness = clearness_series(case.season, weather, sky, seed=seed)
    outdoor_c = air_temperature_c(case.season, settings.air_offset_k)

    base_kw, cycles, holdings = _appliances(case, holdings, load_kw, energy_kwh)
    plants = pv_plants(case, holdings, sky, clearness, outdoor_c)
    evs, batteries = vehicles(case, holdings), home_batteries(case, holdings)
    heat = heating(case, holdings, outdoor_c)
    turbines = wind_turbines(case, holdings)
    homes = tuple(
        Home(
            name=own.names[home],
            annual_kwh=float(energy_kwh[home]),
            base_kw=base_kw[home],
            appliances=cycles.get(home, ()),
            ev=evs.get(home),
            battery=batteries.get(home),
            pv=plants.get(home),
            heaters=heat.heaters.get(home, ()),
            interruptible=heat.interruptible.get(home),
            wind=turbines.get(home),
            micro_chp=heat.micro_chp.get(home),
            owns=holdings.owns(home),
            offered=holdings.offered.get(home, frozenset()),
            import_cap_kw=settings.import_cap_kw,
            export_cap_kw=settings.export_cap_kw,
        )
        for home in range(settings.homes)
    )
    return Population(
        homes=homes,
        date=case.season.representative.isoformat(),
        outdoor_c=quarters_to_ptus(outdoor_c, horizon),
        clearness=quarters_to_ptus(clearness, horizon),
        assumptions=state_assumptions(case, holdings, energy_kwh, weather, heat.missed_k),
    )


def _annual_kwh(case: Case) -> FloatArray:
    """Annual energy of each home, own, the grid's or drawn, shape (home). [kWh]"""
    if case.own.annual_kwh is not None:
        return case.own.annual_kwh
    drawn = draw_annual_kwh(
        case.settings.homes,
        case.settings.mean_annual_kwh,
        case.settings.annual_kwh_cv,
        seed=case.seed,
        substation=case.substation,
    )
    stated = case.settings.annual_kwh
    if not stated:
        return drawn
    known = np.array([np.nan if energy is None else energy for energy in stated])
    return np.where(np.isnan(known), drawn, known)


def _day_load_kw(case: Case, energy_kwh: FloatArray) -> FloatArray:
    """Load of each home on the day, measured or made, shape (home, 96). [kW]"""
    average_kw = case.own.average_kw
    if average_kw is None:
        average_kw = average_profiles_kw(case.tables, Horizon(QUARTER_MINUTES))
    profiles = diversify(
        average_kw,
        energy_kwh,
        days_in_year(case.tables.seasons),
        UseProcess(),
        seed=case.seed,
        substation=case.substation,
    )
    load_kw = profiles[:, case.day.index].copy()
    for home, measured_kw in case.own.measured_kw.items():
        load_kw[home] = measured_kw
    return load_kw


def _appliances(
    case: Case, holdings: Holdings, load_kw: FloatArray, energy_kwh: FloatArray
) -> tuple[FloatArray, dict[int, tuple[Appliance, ...]], Holdings]:
    """Base load without expected cycles, shape (home, ptu), the day's cycles, and their names."""
    base_kw = load_kw.copy()
    cycles = {}
    most = case.settings.most_cycles_per_day
    second_cycles = {}
    for home, kinds in holdings.kinds.items():
        relative = float(energy_kwh[home] / energy_kwh.mean())
        uses = [use for kind in kinds for use in draw_uses(kind, relative, most, **case.key(home))]
        base_kw[home], probabilities = split_base(load_kw[home], uses, relative)
        cycles[home] = tuple(
            cycle_today(use, case.day, case.horizon)
            for use, probability in zip(uses, probabilities, strict=True)
            if use.lot[case.day.index] < probability
        )
        second_cycles[home] = tuple(use for use in uses if use.first is not None)
    return quarters_to_ptus(base_kw, case.horizon), cycles, holdings.with_second(second_cycles)
