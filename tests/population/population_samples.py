"""Settings that several test files share."""

from pathlib import Path
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Heater
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import DayType, Season, TypicalDay, Weather
from mas2sim.population import (
    Population,
    PopulationSettings,
    Site,
    SmartScenario,
    build_population,
)
from mas2sim.population.thermostat import held_c

PROFILES = Path(__file__).parents[2] / "profiles"
CARDIFF = Site(51.48, -3.18, 20.0, "Europe/London")
BAU_2020 = SmartScenario("2020_bau", 3, 1, 1, 0.5, 3, 5)
BAU_2030 = SmartScenario("2030_bau", 4, 5, 4, 1.5, 5, 15)
GREEN_2020 = SmartScenario("2020_green", 6, 4, 4, 2, 9, 18)
GREEN_2030 = SmartScenario("2030_green", 20, 18, 15, 8, 18, 47)
FULL_MIX = SmartScenario("full_mix", 40, 30, 30, 30, 60, 70, 30, 20, 10, 10, 20, 20)
EVERYTHING = SmartScenario("everything", 100, 100, 100, 100, 100, 100)
LADDER = (BAU_2020, BAU_2030, GREEN_2020, GREEN_2030)
WINTER_WEEKDAY = TypicalDay(Season.WINTER, DayType.WEEKDAY)


def settings(**changes: Any) -> PopulationSettings:
    values: dict[str, Any] = {
        "homes": 184,
        "site": CARDIFF,
        "smart": GREEN_2030,
        "ladder": LADDER,
        "flexible_percent": 50.0,
        "profiles_dir": PROFILES,
    }
    return PopulationSettings(**(values | changes))


def population(**changes: Any) -> Population:
    """Build a population; names of build_population's arguments and of settings mix freely."""
    case: dict[str, Any] = {
        "day": WINTER_WEEKDAY,
        "weather": Weather.VARIABLE,
        "seed": 1,
        "substation": 1,
        "horizon": Horizon(15),
    }
    case |= {name: changes.pop(name) for name in list(changes) if name in case}
    return build_population(settings(**changes), **case)


def thermostat_kw(heater: Heater, horizon: Horizon) -> FloatArray:
    """Power that the thermostat draws over the periodic day, by the balance of stored heat."""
    transition = heater.transition(horizon)
    stored_kwh = heater.store.capacity_kwh_per_k * held_c(heater, horizon)
    gained_kwh = stored_kwh - transition.keep * np.roll(stored_kwh, 1) - transition.inflow_kwh
    return gained_kwh / transition.heat_kwh_per_kw
