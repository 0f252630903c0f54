"""Electric hot-water tanks: their size, and when the household draws from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Heater, HeatStore
from mas2sim.domain.horizon import MINUTES_PER_DAY, MINUTES_PER_HOUR, Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import TYPICAL_DAYS, TypicalDay
from mas2sim.population.resolution import minutes_to_ptus
from mas2sim.population.tables import Parameter

WATER_KWH_PER_L_K = 4.18 / 3600
"""Heat stored by a litre of water per kelvin: 4.18 kJ/(kg K), 1 kg/l. [kWh/(l K)]"""


def hot_water(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    day: TypicalDay,
    horizon: Horizon,
    *,
    seed: int,
    substation: int,
    home: int,
) -> Heater:
    """Draw the tank of one home on one typical day; what is `known` by parameter name is kept."""
    rng = stream(seed, substation, home, "hot_water")
    names = "volume_l power_kw heat_kwh thermostat_c morning_h evening_h"
    drawn = {name: float(parameters[name].draw(rng)) for name in names.split()}
    factor = parameters["day_factor"].draw(rng, len(TYPICAL_DAYS))[day.index]
    tank = {name: known.get(name, value) for name, value in drawn.items()}
    figure = {name: parameter.value for name, parameter in parameters.items()}
    morning = figure["morning_percent"] / 100
    rate = morning * _draw_per_h(tank["morning_h"], figure["draw_h"])
    rate += (1 - morning) * _draw_per_h(tank["evening_h"], figure["draw_h"])
    draw_kw = tank["heat_kwh"] * factor * rate
    return Heater(
        name="hot_water",
        power_kw=tank["power_kw"],
        heat_per_power=np.ones(horizon.ptus),
        store=HeatStore(
            capacity_kwh_per_k=tank["volume_l"] * WATER_KWH_PER_L_K,
            loss_kw_per_k=figure["loss_kw_per_k"],
            surroundings_c=np.full(horizon.ptus, figure["room_c"]),
            draw_kw=minutes_to_ptus(draw_kw, horizon),
            lower_c=np.full(horizon.ptus, figure["low_c"]),
            upper_c=np.full(horizon.ptus, figure["high_c"]),
        ),
        thermostat_c=np.full(horizon.ptus, tank["thermostat_c"]),
    )


def _draw_per_h(hour: float, duration_h: float) -> FloatArray:
    """Rate of a draw of 1 that begins at clock time `hour`, by minute, shape (1440). [1/h]"""
    minutes = round(duration_h * MINUTES_PER_HOUR)
    rate = np.zeros(MINUTES_PER_DAY)
    first = round(hour * MINUTES_PER_HOUR)
    rate[(first + np.arange(minutes)) % MINUTES_PER_DAY] = MINUTES_PER_HOUR / minutes
    return rate
