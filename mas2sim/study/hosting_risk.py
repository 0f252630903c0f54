"""From the capacities of draws to what is hosted at a risk, and what a level gains.

H at a risk of r % is the greatest amount at which at most r % of the draws are in violation, a draw
being in violation beyond its own capacity. Of n capacities in ascending order that is the one after
the first floor(r n / 100).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray

RISKS_PERCENT = (5, 50, 95)
RESAMPLES = 2000
CONFIDENCE_PERCENT = 95.0


def at_risk(capacities: FloatArray, risk_percent: int) -> FloatArray:
    """What is hosted at a risk, shape (...).

    Parameters
    ----------
    capacities : array, shape (..., draw)
    risk_percent : int
        Of 0 to 99.
    """
    draws = capacities.shape[-1]
    place = risk_percent * draws // 100
    return np.asarray(np.sort(capacities, axis=-1)[..., place])


@dataclass(frozen=True, slots=True)
class HostingGain:
    """What one level hosts more than another, draws paired.

    Parameters
    ----------
    gain : float
        (H - H_ref) / H_ref at the risk; NaN when H_ref is 0.
    low, high : float
        Bootstrap interval of it; NaN when H_ref is 0 in any of the resamples.
    undefined : int
        Resamples in which it is.
    mean_gain : float
        Mean of the draws' own gains, over draws whose reference is not 0; NaN without any.
    mean_draws : int
        How many those are.
    mean_difference : float
        Mean over all draws of what is hosted more.
    """

    gain: float
    low: float
    high: float
    undefined: int
    mean_gain: float
    mean_draws: int
    mean_difference: float


def hosting_gain(
    capacities: FloatArray, reference: FloatArray, risk_percent: int, rng: np.random.Generator
) -> HostingGain:
    """Gain at a risk with its bootstrap interval.

    Parameters
    ----------
    capacities, reference : array, shape (draw)
        Of the same draws, at two levels.
    rng : Generator
        Draws the resamples.

    Notes
    -----
    Percentile bootstrap (B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13): draws are resampled with both of their capacities together.
    """
    draws = len(reference)
    chosen = rng.integers(0, draws, (RESAMPLES, draws))
    gains = _ratio(
        at_risk(capacities[chosen], risk_percent), at_risk(reference[chosen], risk_percent)
    )
    undefined = int(np.isnan(gains).sum())
    low, high = float("nan"), float("nan")
    if not undefined:
        outside = (100.0 - CONFIDENCE_PERCENT) / 2.0
        low, high = np.percentile(gains, [outside, 100.0 - outside]).tolist()
    own = _ratio(capacities, reference)
    counted = own[~np.isnan(own)]
    gain = _ratio(at_risk(capacities, risk_percent), at_risk(reference, risk_percent))
    return HostingGain(
        gain=float(gain),
        low=low,
        high=high,
        undefined=undefined,
        mean_gain=float(counted.mean()) if len(counted) else float("nan"),
        mean_draws=len(counted),
        mean_difference=float((capacities - reference).mean()),
    )


def _ratio(value: FloatArray, reference: FloatArray) -> FloatArray:
    """Relative difference; NaN where the reference is 0."""
    safe = np.where(reference > 0.0, reference, np.nan)
    return np.asarray(value / safe - 1.0)
