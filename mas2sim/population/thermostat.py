"""What a thermostat makes of a heater's day, needed to know which comfort can be had at all.

A service that the heater cannot deliver at full power is no wish that a plan could be held to. So
where the thermostat itself leaves the comfort band (a cold spell, a house that the sun has warmed),
the band is widened to what it reaches, and the population's assumptions say by how much.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Heater
from mas2sim.domain.horizon import Horizon

SLACK_K = 0.01
"""Room left beyond what the thermostat reaches, so that rounding rules no plan out. [K]"""
PERIODIC_K = 1e-9
"""The day is periodic when it ends this near to where it began. [K]"""
LONGEST_SEARCH = 50
"""Days tried at most; a day that reaches its thermostat once is periodic after two."""


def held_c(heater: Heater, horizon: Horizon) -> FloatArray:
    """Temperature at the end of each PTU of the periodic day under the thermostat, shape (ptu). [C]

    In each PTU the heater gives what brings the store to the thermostat's temperature by the PTU's
    end, between nothing and full power.
    """
    transition, capacity = heater.transition(horizon), heater.store.capacity_kwh_per_k
    # Plain floats: a home's 96 steps in a row are faster so than as arrays.
    inflow_k = (transition.inflow_kwh / capacity).tolist()
    full_k = (transition.heat_kwh_per_kw * heater.power_kw / capacity).tolist()
    asked_c = heater.thermostat_c.tolist()

    def day(start_c: float) -> list[float]:
        reached, temperature_c = [], start_c
        for inflow, full, asked in zip(inflow_k, full_k, asked_c, strict=True):
            unheated_c = transition.keep * temperature_c + inflow
            temperature_c = min(max(asked, unheated_c), unheated_c + full)
            reached.append(temperature_c)
        return reached

    start_c = asked_c[-1]
    reached = day(start_c)
    for _ in range(LONGEST_SEARCH):
        if abs(reached[-1] - start_c) <= PERIODIC_K:
            break
        # The day's end is piecewise linear in its start: a secant finds where the two are equal.
        once_more = day(reached[-1])
        slope = (once_more[-1] - reached[-1]) / (reached[-1] - start_c)
        start_c = reached[-1] + (once_more[-1] - reached[-1]) / (1.0 - slope)
        reached = day(start_c)
    return np.array(reached)


def with_reachable_band(heater: Heater, horizon: Horizon) -> tuple[Heater, float]:
    """Widen the comfort band to what the thermostat reaches.

    Returns
    -------
    heater : Heater
    missed_k : float
        How far the thermostat leaves the band at most; 0 where it stays within. [K]
    """
    reached_c, store = held_c(heater, horizon), heater.store
    missed_k = np.maximum(store.lower_c - reached_c, reached_c - store.upper_c).max()
    widened = replace(
        store,
        lower_c=np.minimum(store.lower_c, reached_c - SLACK_K),
        upper_c=np.maximum(store.upper_c, reached_c + SLACK_K),
    )
    return replace(heater, store=widened), max(0.0, float(missed_k))
