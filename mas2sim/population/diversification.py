"""Phase 2 of the data production: from the average home to homes that all differ.

Each home gets fifteen profiles of its own. Over the homes their mean is again the average demand;
over a year each home uses its own annual energy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.randomness import stream
from mas2sim.population.average_demand import annual_kwh
from mas2sim.population.resolution import QUARTER_HOURS

FIT_TOLERANCE = 1e-10
"""Relative error at which proportional fitting ends; well below the 1e-9 that is promised."""
FIT_ROUNDS = 2000
"""Fitting of a positive table converges geometrically (about ten rounds for 184 homes)."""


@dataclass(frozen=True, slots=True)
class UseProcess:
    """How a home's use scatters around the average demand.

    Parameters
    ----------
    base_share : float
        Share of the demand that runs steadily (refrigeration, standby).
    shift_h : float
        Standard deviation over homes of the time by which a home lives early or late.
    event_shape : float
        Shape of the gamma variates, one a quarter hour, that the rest of the demand is made of; the
        smaller, the fewer and larger the events.
    event_quarters : int
        Duration of an event in quarter hours.

    Notes
    -----
    Shape and duration are [C]: of a coarse search (shape 0.2-0.8, duration 1-4) the pair whose
    coincident peaks come nearest a published table of after-diversity maximum demand for 1 to 184
    homes; what is reached is in docs/population.md.
    """

    base_share: float = 0.25
    shift_h: float = 1.0
    event_shape: float = 0.38
    event_quarters: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Diversity:
    """How different homes are on one typical day.

    Parameters
    ----------
    load_factors : array, shape (home)
        Mean over peak.
    correlations : array, shape (pair)
        Pearson correlation of every pair of homes.
    """

    load_factors: FloatArray
    correlations: FloatArray


def draw_annual_kwh(
    homes: int, mean_kwh: float, variation: float, *, seed: int, substation: int
) -> FloatArray:
    """Lognormal annual energy of each home, with exactly `mean_kwh` as the mean, shape (home).

    Parameters
    ----------
    variation : float
        Coefficient of variation before the mean is set. [-]
    """
    sigma = np.sqrt(np.log1p(variation**2))
    drawn = np.exp(sigma * stream(seed, substation, "annual_kwh").standard_normal(homes))
    return np.asarray(drawn * (mean_kwh / drawn.mean()))


def diversify(
    average_kw: FloatArray,
    energy_kwh: FloatArray,
    days: FloatArray,
    process: UseProcess,
    *,
    seed: int,
    substation: int,
) -> FloatArray:
    """Profiles of every home on every typical day.

    Parameters
    ----------
    average_kw : array, shape (day, 96)
        Average demand; its level does not matter, its shape over the year does.
    energy_kwh : array, shape (home)
        Annual energy of each home.
    days : array, shape (day)
        How many days of a year each typical day stands for.

    Returns
    -------
    array, shape (home, day, 96)
        Positive. The mean over homes is `average_kw` scaled to the mean annual energy, and each
        home's year is its annual energy, both to `FIT_TOLERANCE`. [kW]
    """
    target_kw = average_kw * (energy_kwh.mean() / annual_kwh(average_kw, days))
    start = np.array(
        [_use(target_kw, process, seed, substation, home) for home in range(energy_kwh.size)]
    )
    return fit_proportionally(start, target_kw, energy_kwh, days)


def _use(
    average_kw: FloatArray, process: UseProcess, seed: int, substation: int, home: int
) -> FloatArray:
    """One home before fitting: shifted demand times a steady base and use events, (day, 96)."""
    rng = stream(seed, substation, home, "demand")
    shifted = shift(average_kw, process.shift_h * rng.standard_normal() / QUARTER_HOURS)
    events = rng.gamma(process.event_shape, 1 / process.event_shape, average_kw.shape)
    lags = range(process.event_quarters)
    spread = np.mean([np.roll(events, lag, axis=-1) for lag in lags], axis=0)
    use = process.base_share + (1 - process.base_share) * spread
    return np.asarray(shifted * use)


def shift(profiles: FloatArray, quarters: float) -> FloatArray:
    """Move cyclic profiles later by quarter hours, not necessarily whole, energy kept."""
    whole = int(np.floor(quarters))
    part = quarters - whole
    earlier, later = (np.roll(profiles, steps, axis=-1) for steps in (whole, whole + 1))
    return np.asarray((1 - part) * earlier + part * later)


def fit_proportionally(
    profiles_kw: FloatArray, mean_kw: FloatArray, energy_kwh: FloatArray, days: FloatArray
) -> FloatArray:
    """Scale homes and quarter hours in turn until both sums hold.

    Iterative proportional fitting (Deming and Stephan 1940, doi:10.1214/aoms/1177731829): of all
    profiles with the wanted sums, those that differ least, in relative entropy, from the given.

    Parameters
    ----------
    profiles_kw : array, shape (home, day, 96)
        Positive.
    mean_kw : array, shape (day, 96)
        Wanted mean over the homes.
    energy_kwh : array, shape (home)
        Wanted annual energy.

    Raises
    ------
    ConfigurationError
        When the two cannot be had together.
    """
    fitted = profiles_kw.copy()
    for _ in range(FIT_ROUNDS):
        column = np.divide(
            mean_kw, fitted.mean(axis=0), out=np.zeros_like(mean_kw), where=mean_kw > 0
        )
        fitted *= column
        row = energy_kwh / annual_kwh(fitted, days)
        if np.abs(row - 1).max() < FIT_TOLERANCE:
            return fitted
        fitted *= row[:, np.newaxis, np.newaxis]
    raise ConfigurationError(
        [
            Fault(
                "annual energy and average profiles",
                f"no profiles that have both after {FIT_ROUNDS} rounds of fitting",
                "average demand that is positive in most PTUs",
                "fill the zeros of the average profiles with a small base",
            )
        ]
    )


def diversity(profiles_kw: FloatArray) -> Diversity:
    """Load factors and pairwise correlations of profiles of one day, shape (home, ptu)."""
    upper = np.triu_indices(len(profiles_kw), 1)
    return Diversity(
        load_factors=np.asarray(profiles_kw.mean(axis=1) / profiles_kw.max(axis=1)),
        correlations=np.atleast_2d(np.corrcoef(profiles_kw))[upper],
    )


def coincident_peak_kw(
    profiles_kw: FloatArray, group: int, *, draws: int, rng: np.random.Generator
) -> float:
    """Mean over random groups of the peak per home of `group` homes together. [kW]

    Parameters
    ----------
    profiles_kw : array, shape (home, ptu)
        Profiles of one day.
    """
    homes = len(profiles_kw)
    peaks = [profiles_kw[rng.permutation(homes)[:group]].mean(axis=0).max() for _ in range(draws)]
    return float(np.mean(peaks))
