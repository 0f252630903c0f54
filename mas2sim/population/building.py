"""A heated building and its household's wishes: what every kind of heating in a home shares.

The building belongs to the home, not to the device that heats it: a home has the same one whether a
heat pump, a direct heater, a relay or a micro-CHP unit serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.device import HeatStore
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.population.resolution import QUARTER_HOURS, QUARTERS, quarters_to_ptus
from mas2sim.population.tables import Parameter


@dataclass(frozen=True, slots=True)
class Building:
    """A heated building and when its household wants it how warm.

    Parameters
    ----------
    heat_loss_kw_per_k : float
    time_constant_h : float
        Heat stored per kelvin over the heat loss.
    day_c, night_c : float
        Temperature asked for; equal in homes that do not lower it at night.
    free_gain_k : float
        Heat from people, appliances and sun, as the rise it causes by itself.
    morning_h, evening_h : float
        Clock time at which the rise to the day's and the fall to the night's temperature begins.
    ramp_h : float
        Duration of rise and fall.
    day_low_c, night_low_c, high_c : float
        Comfort band: its lower edge by day and by night, its upper edge.
    """

    heat_loss_kw_per_k: float
    time_constant_h: float
    day_c: float
    night_c: float
    free_gain_k: float
    morning_h: float
    evening_h: float
    ramp_h: float
    day_low_c: float
    night_low_c: float
    high_c: float

    def _since_morning_h(self, hour: FloatArray) -> FloatArray:
        """Hours since the rise began, so that a fall that runs beyond midnight comes out right."""
        return np.asarray((hour - self.morning_h) % 24)

    @property
    def day_h(self) -> float:
        """Hours from the begin of the rise to that of the fall. [h]"""
        return (self.evening_h - self.morning_h) % 24

    def asked_c(self, hour: FloatArray) -> FloatArray:
        """Temperature asked for at clock times `hour`, same shape. [C]"""
        since = self._since_morning_h(hour)
        rise = np.clip(since / self.ramp_h, 0, 1)
        fall = np.clip((since - self.day_h) / self.ramp_h, 0, 1)
        return np.asarray(self.night_c + (self.day_c - self.night_c) * (rise - fall))

    def is_day(self, hour: FloatArray) -> BoolArray:
        """Whether the band of the day holds: from the end of the rise to the begin of the fall."""
        since = self._since_morning_h(hour)
        return np.asarray((since >= self.ramp_h) & (since < self.day_h))

    def surroundings_c(self, outdoor_c: FloatArray) -> FloatArray:
        """Temperature that the building would come to unheated, same shape as `outdoor_c`. [C]

        Free gains warm it to the band's upper edge at most: then windows are opened [A].
        """
        warmed_c = outdoor_c + self.free_gain_k
        return np.asarray(np.minimum(warmed_c, np.maximum(outdoor_c, self.high_c)))

    def heat_kw(self, outdoor_c: FloatArray) -> FloatArray:
        """Heat that holds the temperature asked for as if none were stored, shape (96). [kW]

        ``Q = U max(0, T_asked - T_surroundings)``: free gains come first.
        """
        middle_h = np.arange(0.5, QUARTERS) * QUARTER_HOURS
        lift_k = self.asked_c(middle_h) - self.surroundings_c(outdoor_c)
        return np.asarray(self.heat_loss_kw_per_k * np.maximum(lift_k, 0.0))

    def store(self, outdoor_c: FloatArray, horizon: Horizon) -> HeatStore:
        """Return the building as a store of heat with its comfort band.

        Parameters
        ----------
        outdoor_c : array, shape (96)
        """
        end_h = horizon.start_hours + horizon.ptu_hours
        return HeatStore(
            capacity_kwh_per_k=self.heat_loss_kw_per_k * self.time_constant_h,
            loss_kw_per_k=self.heat_loss_kw_per_k,
            surroundings_c=quarters_to_ptus(self.surroundings_c(outdoor_c), horizon),
            draw_kw=np.zeros(horizon.ptus),
            lower_c=np.where(self.is_day(end_h), self.day_low_c, self.night_low_c),
            upper_c=np.full(horizon.ptus, self.high_c),
        )

    def thermostat_c(self, horizon: Horizon) -> FloatArray:
        """Temperature asked for at the end of each PTU, shape (ptu). [C]"""
        return self.asked_c(horizon.start_hours + horizon.ptu_hours)


def draw_building(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    *,
    seed: int,
    substation: int,
    home: int,
) -> Building:
    """Draw the building of one home; what is `known` by parameter name is kept.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        Of the device ``"building"``.
    """
    rng = stream(seed, substation, home, "building")
    habits = "day_c night_c morning_h evening_h ramp_h"
    names = ["heat_loss_kw_per_k", "time_constant_h", "free_gain_k", *habits.split()]
    drawn = {name: float(parameters[name].draw(rng)) for name in names}
    # Only some households lower the temperature at night.
    if 100 * rng.random() >= parameters["setback_percent"].value:
        drawn["night_c"] = known.get("day_c", drawn["day_c"])
    edges = {name: parameters[name].value for name in ("day_low_c", "night_low_c", "high_c")}
    return Building(**{name: known.get(name, value) for name, value in (drawn | edges).items()})
