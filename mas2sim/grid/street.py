"""Places along a street: where joints and homes of a generated feeder lie on the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.arrays import FloatArray


def corners(legs: Sequence[tuple[float, float]]) -> FloatArray:
    """Corners of a street that begins at (0, 0).

    Parameters
    ----------
    legs : sequence of (bearing in degrees clockwise from north, length in m)

    Returns
    -------
    array, shape (leg + 1, 2)
        East and north of each corner. [m]
    """
    bearing = np.radians([leg[0] for leg in legs])
    length = np.array([leg[1] for leg in legs])
    steps = np.stack([length * np.sin(bearing), length * np.cos(bearing)], axis=1)
    return np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def along(street: FloatArray, distance_m: FloatArray, offset_m: FloatArray) -> FloatArray:
    """Places at `distance_m` along a street and `offset_m` to the right of it.

    Parameters
    ----------
    street : array, shape (corner, 2)
    distance_m, offset_m : array, shape (place)
        A negative offset is to the left.

    Returns
    -------
    array, shape (place, 2)
        East and north of each place. [m]
    """
    steps = np.diff(street, axis=0)
    length = np.hypot(steps[:, 0], steps[:, 1])
    ends = np.cumsum(length)
    leg = np.minimum(np.searchsorted(ends, distance_m), len(length) - 1)
    ahead = steps[leg] / length[leg, None]
    right = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
    into_m = distance_m - (ends[leg] - length[leg])
    place: FloatArray = street[leg] + into_m[:, None] * ahead + offset_m[:, None] * right
    return place
