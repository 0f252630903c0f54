"""Heat pumps as loads that follow the outdoor temperature.

Quasi-static: the heat delivered is the heat lost at the temperature asked for. The building's time
constant is left out here; ramps of one to four hours between night and day stand for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.randomness import stream
from mas2sim.population.resolution import QUARTER_HOURS, QUARTERS
from mas2sim.population.tables import Parameter


@dataclass(frozen=True, slots=True)
class Heating:
    """A heated home and its household's wishes.

    Parameters
    ----------
    heat_loss_kw_per_k : float
    day_c, night_c : float
        Temperature asked for.
    free_gain_k : float
        Heat from people, appliances and sun, as the rise it causes by itself.
    morning_h, evening_h : float
        Clock time at which the rise to the day's and the fall to the night's temperature begins.
    ramp_h : float
        Duration of rise and fall.
    """

    heat_loss_kw_per_k: float
    day_c: float
    night_c: float
    free_gain_k: float
    morning_h: float
    evening_h: float
    ramp_h: float

    def asked_c(self) -> FloatArray:
        """Temperature asked for in each quarter hour, shape (96). [C]"""
        hour = (np.arange(QUARTERS) + 0.5) * QUARTER_HOURS
        # Hours since the rise began, so that a fall that runs beyond midnight comes out right.
        since = (hour - self.morning_h) % 24
        day_h = (self.evening_h - self.morning_h) % 24
        rise = np.clip(since / self.ramp_h, 0, 1)
        fall = np.clip((since - day_h) / self.ramp_h, 0, 1)
        return np.asarray(self.night_c + (self.day_c - self.night_c) * (rise - fall))


def draw_heating(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    *,
    seed: int,
    substation: int,
    home: int,
) -> Heating:
    """Draw one heated home; what is `known` by parameter name is kept."""
    rng = stream(seed, substation, home, "heat_pump")
    drawn = {
        name: float(parameters[name].draw(rng))
        for name in (
            "heat_loss_kw_per_k",
            "day_c",
            "night_c",
            "free_gain_k",
            "morning_h",
            "evening_h",
            "ramp_h",
        )
    }
    return Heating(**{name: known.get(name, value) for name, value in drawn.items()})


def coefficient_of_performance(
    outdoor_c: FloatArray, table_c: tuple[float, ...], table: tuple[float, ...], field_factor: float
) -> FloatArray:
    """Heat over electricity at an outdoor temperature; the table's ends hold beyond it."""
    return np.asarray(field_factor * np.interp(outdoor_c, table_c, table))


def electric_kw(heating: Heating, outdoor_c: FloatArray, cop: FloatArray) -> FloatArray:
    """Electric power in each quarter hour, shape (96). [kW]

    ``P = U max(0, T_asked - T_free - T_outdoor) / COP``: heat is pumped only for what free gains
    leave over. Hot water is not included.

    Parameters
    ----------
    outdoor_c, cop : array, shape (96)
    """
    lift_k = heating.asked_c() - heating.free_gain_k - outdoor_c
    return np.asarray(heating.heat_loss_kw_per_k * np.maximum(lift_k, 0) / cop)
