"""A program in the making: columns, rows and entries are appended, then gathered once."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.program import HomeProgram, SparseRows


class Columns:
    """Columns, rows and entries of one home's program."""

    def __init__(self) -> None:
        self._cost: list[FloatArray] = []
        self._lower: list[FloatArray] = []
        self._upper: list[FloatArray] = []
        self._integer: list[BoolArray] = []
        self._row_lower: list[FloatArray] = []
        self._row_upper: list[FloatArray] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._column_count = 0
        self._row_count = 0

    def columns(
        self,
        count: int,
        *,
        cost: npt.ArrayLike = 0.0,
        lower: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = np.inf,
        integer: bool = False,
    ) -> IntArray:
        """Append `count` columns and return their indices."""
        self._cost.append(_filled(cost, count))
        self._lower.append(_filled(lower, count))
        self._upper.append(_filled(upper, count))
        self._integer.append(np.full(count, integer))
        first, self._column_count = self._column_count, self._column_count + count
        return np.arange(first, self._column_count)

    def rows(self, lower: npt.ArrayLike, upper: npt.ArrayLike) -> IntArray:
        """Append rows with these bounds and return their indices."""
        count = np.size(lower)
        self._row_lower.append(_filled(lower, count))
        self._row_upper.append(_filled(upper, count))
        first, self._row_count = self._row_count, self._row_count + count
        return np.arange(first, self._row_count)

    def entries(self, rows: IntArray, columns: IntArray, values: npt.ArrayLike) -> None:
        """Set one coefficient for each pair of row and column."""
        self._entries.append((rows, columns, _filled(values, len(columns))))

    def exclude(
        self, first: IntArray, first_most: FloatArray, second: IntArray, second_most: FloatArray
    ) -> None:
        """Let at most one column of each pair differ from zero."""
        count = len(first)
        takes_first = self.columns(count, upper=1.0, integer=True)
        first_rows = self.rows(np.full(count, -np.inf), np.zeros(count))
        self.entries(first_rows, first, 1.0)
        self.entries(first_rows, takes_first, -first_most)
        second_rows = self.rows(np.full(count, -np.inf), second_most)
        self.entries(second_rows, second, 1.0)
        self.entries(second_rows, takes_first, second_most)

    def finish(
        self,
        import_: IntArray,
        export: IntArray,
        excess: IntArray,
        devices: dict[str, IntArray],
    ) -> HomeProgram:
        """Gather everything into one program."""
        rows, columns, values = (
            np.concatenate(parts) for parts in zip(*self._entries, strict=True)
        )
        order = np.lexsort((columns, rows))
        start = np.zeros(self._row_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=self._row_count), out=start[1:])
        return HomeProgram(
            cost=np.concatenate(self._cost),
            lower=np.concatenate(self._lower),
            upper=np.concatenate(self._upper),
            integer=np.concatenate(self._integer),
            rows=SparseRows(start, columns[order], values[order]),
            row_lower=np.concatenate(self._row_lower),
            row_upper=np.concatenate(self._row_upper),
            net_import=_run(import_),
            net_export=_run(export),
            excess=_run(excess),
            devices=MappingProxyType({name: _run(where) for name, where in devices.items()}),
        )


def _filled(values: npt.ArrayLike, count: int) -> FloatArray:
    """One value for each of `count` places."""
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)))


def _run(indices: IntArray) -> slice:
    """Slice of consecutive indices."""
    return slice(int(indices[0]), int(indices[-1]) + 1) if len(indices) else slice(0, 0)
