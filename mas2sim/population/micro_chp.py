"""Micro-CHP units: they run as a building needs heat, and electricity comes along."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.device import MicroChp
from mas2sim.domain.horizon import MINUTES_PER_DAY, MINUTES_PER_HOUR, Horizon
from mas2sim.population.building import Building
from mas2sim.population.resolution import QUARTER_HOURS, minutes_to_ptus
from mas2sim.population.tables import Parameter


def running(building: Building, run_h: float) -> BoolArray:
    """Minutes in which a unit runs that is needed for `run_h` hours a day, shape (1440).

    Half from the morning on, half up to the evening, so that there are two starts; one where the
    two meet, and the whole day where that is not enough [A].
    """
    run = min(round(run_h * MINUTES_PER_HOUR), MINUTES_PER_DAY)
    morning = round(building.morning_h * MINUTES_PER_HOUR)
    day = round(building.day_h * MINUTES_PER_HOUR)
    on = np.zeros(MINUTES_PER_DAY, dtype=bool)
    first = run if run >= day else run // 2
    on[(morning + np.arange(first)) % MINUTES_PER_DAY] = True
    on[(morning + day - 1 - np.arange(run - first)) % MINUTES_PER_DAY] = True
    return on


def micro_chp(
    building: Building,
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    outdoor_c: FloatArray,
    horizon: Horizon,
) -> MicroChp:
    """Return the micro-CHP unit of a building: it makes the day's heat at full power.

    Parameters
    ----------
    known : mapping of str to float
        ``electric_kw`` and ``heat_kw`` where they differ from the table.
    outdoor_c : array, shape (96)
    """
    size = {name: known.get(name, parameters[name].value) for name in ("electric_kw", "heat_kw")}
    heat_kwh = building.heat_kw(outdoor_c).sum() * QUARTER_HOURS
    on = running(building, heat_kwh / size["heat_kw"])
    p_kw = -size["electric_kw"] * minutes_to_ptus(on.astype(np.float64), horizon)
    return MicroChp(size["electric_kw"], size["heat_kw"], p_kw)
