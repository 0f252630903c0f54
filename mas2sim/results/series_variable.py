"""How a variable of the series is said: dimensions, values, unit and name together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def variable(
    dims: tuple[str, ...], values: Any, units: str, long_name: str, **attributes: Any
) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
    """Describe a variable as xarray takes it."""
    return dims, values, {"units": units, "long_name": long_name, **attributes}


def words(values: Iterable[str]) -> Any:
    """Words as NetCDF stores them."""
    return np.array(list(values), dtype=object)
