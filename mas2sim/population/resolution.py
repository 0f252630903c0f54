"""From the quarter hours in which profiles are made to the PTUs of a case, energy kept.

Homes are made in quarter hours whatever the PTU, so that the same home is the same home at every
resolution. A minute divides both a quarter hour and every PTU, so the way leads over minutes.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import MINUTES_PER_DAY, Horizon

QUARTERS = 96
QUARTER_MINUTES = 15
QUARTER_HOURS = QUARTER_MINUTES / 60


def minutes_to_ptus(minute_values: FloatArray, horizon: Horizon) -> FloatArray:
    """Mean over each PTU of values by minute, shape (..., 1440) to (..., ptu)."""
    shape = (*minute_values.shape[:-1], horizon.ptus, horizon.ptu_minutes)
    return np.asarray(minute_values.reshape(shape).mean(axis=-1))


def quarters_to_minutes(quarter_values: FloatArray) -> FloatArray:
    """Values by minute, constant in each quarter hour, shape (..., 96) to (..., 1440)."""
    return np.repeat(quarter_values, QUARTER_MINUTES, axis=-1)


def quarters_to_ptus(quarter_values: FloatArray, horizon: Horizon) -> FloatArray:
    """Mean over each PTU of values by quarter hour, shape (..., 96) to (..., ptu)."""
    if horizon.ptu_minutes == QUARTER_MINUTES:
        return quarter_values
    return minutes_to_ptus(quarters_to_minutes(quarter_values), horizon)


def ptus_to_quarters(values: FloatArray) -> FloatArray:
    """Mean over each quarter hour of values at any whole number of steps an hour.

    Parameters
    ----------
    values : array, shape (..., step)
        As many steps as divide a day into whole minutes.
    """
    steps = values.shape[-1]
    minutes = np.repeat(values, MINUTES_PER_DAY // steps, axis=-1)
    return minutes_to_ptus(minutes, Horizon(QUARTER_MINUTES))


def cycle_to_ptus(cycle_kw: tuple[float, ...], horizon: Horizon) -> tuple[float, ...]:
    """Power of a cycle in each PTU from its power in each quarter hour, energy kept. [kW]

    The cycle begins with a PTU; the last PTU is filled up with nothing.
    """
    if horizon.ptu_minutes == QUARTER_MINUTES:
        return cycle_kw
    minutes = np.repeat(np.asarray(cycle_kw), QUARTER_MINUTES)
    padding = -minutes.size % horizon.ptu_minutes
    padded = np.append(minutes, np.zeros(padding)).reshape(-1, horizon.ptu_minutes)
    return tuple(float(value) for value in padded.mean(axis=1))
