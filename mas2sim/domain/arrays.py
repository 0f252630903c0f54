"""Array types, and arrays that do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def frozen(values: npt.ArrayLike) -> FloatArray:
    """Return `values` as a read-only float array of its own.

    What travels between agents is passed by reference: a buffer written twice would deliver wrong
    values silently.
    """
    array: FloatArray = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def freeze_fields(value: Any, *names: str) -> None:
    """Replace the named fields of a frozen dataclass by read-only copies (for __post_init__)."""
    for name in names:
        object.__setattr__(value, name, frozen(getattr(value, name)))
