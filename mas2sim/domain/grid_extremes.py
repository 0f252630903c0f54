"""The worst of what a grid sees, scenario by scenario.

A hosting study solves some hundred thousand flows and asks of each day only whether limits were
kept, by how much, and where. The whole state of so many flows would not fit in memory; this does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields

NOWHERE = -1
"""Stands for a place where there is none: no such element, or a scenario that was not solved."""

_COUNTS = ("low_bus", "high_bus", "unbalance_bus", "line", "transformer", "unsolved")


@dataclass(frozen=True, slots=True, eq=False)
class GridExtremes:
    """Extremes over the times and places of each scenario, all of shape (scenario).

    A scenario with a single time that did not converge has no extremes: all of them are NaN, and
    `unsolved` counts its times. That time is most often the worst one, so what the others show
    would look like a grid without a problem.

    Parameters
    ----------
    low_pu, high_pu : array
        Least and greatest voltage phase to neutral of the low-voltage buses, on phases they have.
    line_loading_percent, transformer_loading_percent : array
        Greatest loading, as in `GridState.loading_percent`; NaN where the grid has none.
    unbalance_percent : array
        Greatest voltage unbalance of the low-voltage buses with three phases; NaN when balanced.
    import_kw, reverse_kw : array
        Greatest power drawn from, and fed into, the HV grid; 0 where it never flows that way.
    low_bus, high_bus, unbalance_bus : array of int
        Where that is, as indices of `GridLayout.buses`, or `NOWHERE`.
    line, transformer : array of int
        Where that is, as indices of `GridLayout.branches`, or `NOWHERE`.
    unsolved : array of int
        Number of times that did not converge.
    """

    low_pu: FloatArray
    high_pu: FloatArray
    line_loading_percent: FloatArray
    transformer_loading_percent: FloatArray
    unbalance_percent: FloatArray
    import_kw: FloatArray
    reverse_kw: FloatArray
    low_bus: IntArray
    high_bus: IntArray
    unbalance_bus: IntArray
    line: IntArray
    transformer: IntArray
    unsolved: IntArray

    def __post_init__(self) -> None:
        freeze_fields(self, *(name for name in self.__slots__ if name not in _COUNTS))
        for name in _COUNTS:
            values = np.array(getattr(self, name), dtype=np.int64)
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @classmethod
    def joined(cls, parts: Sequence[GridExtremes]) -> GridExtremes:
        """Return the scenarios of all parts, one after the other."""
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(cls)
            )
        )

    @property
    def converged(self) -> BoolArray:
        """True where all times of a scenario were solved, shape (scenario)."""
        return np.asarray(self.unsolved == 0)
