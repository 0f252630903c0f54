"""Several storages behind one connection point as a linear program.

Each storage alone is solved by its path; beside each other at the kink of the price they compete
for the same surplus. HiGHS keeps the program and its basis, so that another net power costs a few
pivots.
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np

from mas2sim.cems.components import Storage
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.errors import Mas2simError

OPTIONS: tuple[tuple[str, bool | int | float | str], ...] = (
    ("output_flag", False),
    ("threads", 1),
    ("presolve", "off"),
    ("primal_feasibility_tolerance", 1e-9),
    ("dual_feasibility_tolerance", 1e-9),
)
"""So small a program is solved faster than presolved."""


class StorageProgram:
    """The least cost of the net power of some storages and what is drawn besides.

    Columns: import and export of each PTU; for each storage charge, discharge, and energy at the
    end of each PTU. Rows: the balance of each PTU; for each storage its equation in each PTU.

    Parameters
    ----------
    below, above : array, shape (ptu)
        Cost of 1 kW of net power while it is negative, and positive. [EUR/kW]
    """

    def __init__(self, storages: Sequence[Storage], below: FloatArray, above: FloatArray) -> None:
        self._ptus, self._storages = len(below), len(storages)
        nothing, any_power = np.zeros(len(below)), np.full(len(below), np.inf)
        cost, lower, upper = [above, -below], [nothing, nothing], [any_power, any_power]
        for storage in storages:
            cost += [nothing, nothing, nothing]
            lower += [
                np.maximum(storage.min_kw, 0.0),
                np.maximum(-storage.max_kw, 0.0),
                storage.lower_kwh,
            ]
            upper += [
                np.maximum(storage.max_kw, 0.0),
                np.maximum(-storage.min_kw, 0.0),
                storage.upper_kwh,
            ]
        row, column, value = _entries(storages, len(below))
        known = np.concatenate([nothing, *(_known_kwh(storage) for storage in storages)])

        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = sum(map(len, cost)), len(known)
        lp.col_cost_ = np.concatenate(cost)
        lp.col_lower_, lp.col_upper_ = np.concatenate(lower), np.concatenate(upper)
        lp.row_lower_ = lp.row_upper_ = known
        order = np.argsort(row, kind="stable")
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        starts = np.zeros(len(known) + 1, dtype=np.int32)
        np.cumsum(np.bincount(row, minlength=len(known)), out=starts[1:])
        lp.a_matrix_.start_ = starts
        lp.a_matrix_.index_ = column[order].astype(np.int32)
        lp.a_matrix_.value_ = value[order]
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, setting in OPTIONS:
            _check(self._highs.setOptionValue(name, setting), f"option {name}={setting}")
        _check(self._highs.passModel(lp), "passModel")

    def solve(self, net_kw: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Solve for the storages' least-cost powers beside `net_kw`.

        Returns
        -------
        power_kw, value : array, shape (storage, ptu), or None
            Power of each storage [kW], and worth of 1 kWh more in it at the end of each PTU
            [EUR/kWh]; None when the bounds of the storages cannot be met.
        """
        rows = np.arange(self._ptus, dtype=np.int32)
        # Missing from highspy's type hints.
        changed = self._highs.changeRowsBounds(  # type: ignore[attr-defined]
            self._ptus, rows, net_kw, net_kw
        )
        _check(changed, "changeRowsBounds")
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self._highs.getSolution()
        columns = np.array(solution.col_value)[2 * self._ptus :]
        columns = columns.reshape(self._storages, 3, self._ptus)
        duals = np.array(solution.row_dual)[self._ptus :]
        return columns[:, 0] - columns[:, 1], -duals.reshape(self._storages, self._ptus)


def _entries(storages: Sequence[Storage], ptus: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Row, column and value of every coefficient that is not 0."""
    every = np.arange(ptus)
    one = np.ones(ptus)
    triples = [(every, every, one), (every, every + ptus, -one)]
    for place, storage in enumerate(storages):
        rows = (1 + place) * ptus + every
        charge, discharge, energy = ((2 + 3 * place + k) * ptus + every for k in range(3))
        keep = np.where(every == storage.first_ptu, 0.0, -storage.keep)
        triples += [
            (every, charge, -one),
            (every, discharge, one),
            (rows, energy, one),
            # The PTU before; its energy is the start's in the first one.
            (rows, np.roll(energy, 1), keep),
            (rows, charge, -storage.charge_kwh_per_kw),
            (rows, discharge, storage.discharge_kwh_per_kw),
        ]
    row, column, value = (np.concatenate(parts) for parts in zip(*triples, strict=True))
    there = value != 0.0
    return row[there], column[there], value[there]


def _known_kwh(storage: Storage) -> FloatArray:
    """Right side of a storage's equations, shape (ptu). [kWh]"""
    known_kwh = np.array(storage.inflow_kwh)
    known_kwh[storage.first_ptu] += storage.keep[storage.first_ptu] * storage.start_kwh
    return known_kwh


def _check(status: highspy.HighsStatus, what: str) -> None:
    """HiGHS tells errors of options and model only by status."""
    if status == highspy.HighsStatus.kError:
        raise Mas2simError(f"HiGHS refused {what}: a fault of the program, not of the input")
