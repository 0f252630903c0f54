"""How values are spread over a year in which each has its own share of the time."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray

ROUNDING = 1e-12
"""Of a sum of a year's shares; below it a percentile is met."""


def not_exceeded(values: FloatArray, hours: FloatArray, share: float) -> FloatArray:
    """Least value that is not exceeded in a share of the time.

    Parameters
    ----------
    values : array, shape (time, asset)
        NaN stands for what is not known and counts as greater than all that is.
    hours : array, shape (time)
        How long each lasts; what lasts no time is left out.
    share : float
        0 gives the least value, 1 the greatest.

    Returns
    -------
    array, shape (asset)
        NaN where what is not known begins before.
    """
    counted = hours > 0.0
    known = np.where(np.isfinite(values[counted]), values[counted], np.inf)
    order = known.argsort(axis=0, kind="stable")
    passed = hours[counted][order].cumsum(axis=0) / hours[counted].sum()
    place = (passed < share - ROUNDING).sum(axis=0)
    place = np.minimum(place, len(known) - 1)
    found = np.take_along_axis(known, np.take_along_axis(order, place[None], axis=0), axis=0)[0]
    return np.where(np.isfinite(found), found, np.nan)
