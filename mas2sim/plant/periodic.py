"""The state in which a cyclic day begins and ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mas2sim.domain.arrays import FloatArray

BISECTIONS = 60
"""Halvings of a few hundred kWh at most: below the resolution of a float."""


def periodic_start(
    day_end: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Find the states that a day leads back to.

    Parameters
    ----------
    day_end : callable
        State at the end of the day by the state at its beginning, each of shape (device); never
        falls when the state at the beginning rises.
    low, high : array, shape (device)
        States between which the day keeps: it ends not below `low` and not above `high`.

    Returns
    -------
    array, shape (device)
        A fixed point exists, because the day's map does not fall and stays within the bounds. A
        device that touches a bound or a set point within the day is there after one day; the others
        are bisected.
    """
    low = day_end(low)
    end = day_end(low)
    if np.array_equal(end, low):
        return low
    high = np.where(end > low, high, low)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        rises = day_end(middle) > middle
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return high
