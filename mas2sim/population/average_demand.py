"""Phase 1 of the data production: the average demand of the fifteen typical days."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, WEEK_SHARE, Season, TypicalDay
from mas2sim.population.resolution import QUARTER_HOURS
from mas2sim.population.tables import Harmonics, ProfileTables, SeasonFacts

HOURS_PER_DAY = 24.0


def mean_demand_kw(harmonics: Harmonics, horizon: Horizon) -> FloatArray:
    """Mean of the average demand over each PTU, exactly, shape (ptu). [kW]

    With w = 2 pi k / 24 h the integral of ``cos_k cos(w t) + sin_k sin(w t)`` from a to b is
    ``(cos_k (sin(w b) - sin(w a)) - sin_k (cos(w b) - cos(w a))) / w``.
    """
    edges_h = np.arange(horizon.ptus + 1) * horizon.ptu_hours
    order = np.arange(1, harmonics.cos_kw.size + 1)
    frequency = 2 * np.pi * order[:, np.newaxis] / HOURS_PER_DAY
    antiderivative = (
        harmonics.cos_kw[:, np.newaxis] * np.sin(frequency * edges_h)
        - harmonics.sin_kw[:, np.newaxis] * np.cos(frequency * edges_h)
    ) / frequency
    waves_kwh = np.diff(antiderivative.sum(axis=0))
    return np.asarray(harmonics.mean_kw + waves_kwh / horizon.ptu_hours)


def average_profiles_kw(
    tables: ProfileTables, horizon: Horizon, customer: str = "domestic"
) -> FloatArray:
    """Average demand on the typical days, shape (day, ptu). [kW]

    Parameters
    ----------
    customer : str
        ``"domestic"`` or ``"small_commercial"``.
    """
    return np.array(
        [
            mean_demand_kw(tables.harmonics[customer, day.season, day.day_type], horizon)
            for day in TYPICAL_DAYS
        ]
    )


def days_in_year(seasons: Mapping[Season, SeasonFacts]) -> FloatArray:
    """How many days of a year each typical day stands for, shape (day)."""
    return np.array([_days(seasons, day) for day in TYPICAL_DAYS])


def _days(seasons: Mapping[Season, SeasonFacts], day: TypicalDay) -> float:
    return seasons[day.season].days * WEEK_SHARE[day.day_type]


def annual_kwh(quarter_kw: FloatArray, days: FloatArray) -> FloatArray:
    """Energy in a year of typical days.

    Parameters
    ----------
    quarter_kw : array, shape (..., day, 96)
    days : array, shape (day)
        How many days of a year each typical day stands for.

    Returns
    -------
    array, shape (...)
        [kWh]
    """
    return np.asarray(quarter_kw.sum(axis=-1) @ days * QUARTER_HOURS)
