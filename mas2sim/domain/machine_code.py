"""Functions compiled on their first call: for the few loops in which most of the time is spent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile on the first call, and keep the machine code on disk where a folder can be written.

    The folder is NUMBA_CACHE_DIR, else beside the function's file, else the user's own.
    """
    try:
        machine_code = numba.njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder it may write to
        machine_code = numba.njit(error_model="numpy")(function)
    return cast("Function", machine_code)
