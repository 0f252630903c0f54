"""Which of the plans of equal cost is taken: a linear preference over a program's columns.

Prices are flat over hours, so a home has many plans of least cost. Were the first one always taken,
all homes would begin at the same minute: an artefact that decides peaks and losses.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.plan import TieRule
from mas2sim.domain.program import HomeProgram, SparseRows

PEAK_WEIGHT = 1e3
"""Weight of a kW of the peak over the random weights below 1, so that the peak decides first."""


def preference(program: HomeProgram, rule: TieRule, rng: np.random.Generator) -> FloatArray:
    """Weight of each column; the plan with the least weighted sum is taken.

    Every weight of a device is positive, so that no rule rewards charging and discharging at once.
    For ``flattest`` the last column of the program must be the peak (`with_peak`).
    """
    weights = np.zeros(len(program.cost))
    for columns in program.devices.values():
        count = columns.stop - columns.start
        if rule is TieRule.EARLIEST:
            weights[columns] = np.arange(1, count + 1) / max(count, 1)
        else:
            weights[columns] = rng.uniform(0.1, 1.0, count)
    if rule is TieRule.FLATTEST:
        weights[-1] = PEAK_WEIGHT
    return weights


def with_peak(program: HomeProgram) -> HomeProgram:
    """Append a column that bounds import and export of every PTU from above."""
    ptus = program.net_import.stop - program.net_import.start
    peak = len(program.cost)
    bounded = np.concatenate(
        [
            np.arange(program.net_import.start, program.net_import.stop),
            np.arange(program.net_export.start, program.net_export.stop),
        ]
    )
    columns = np.stack([bounded, np.full(2 * ptus, peak)], axis=-1).ravel()
    values = np.tile([1.0, -1.0], 2 * ptus)
    start = program.rows.start
    rows = SparseRows(
        start=np.concatenate([start, start[-1] + 2 * np.arange(1, 2 * ptus + 1)]),
        column=np.concatenate([program.rows.column, columns]),
        value=np.concatenate([program.rows.value, values]),
    )
    return replace(
        program,
        cost=np.append(program.cost, 0.0),
        lower=np.append(program.lower, 0.0),
        upper=np.append(program.upper, np.inf),
        integer=np.append(program.integer, False),
        rows=rows,
        row_lower=np.concatenate([program.row_lower, np.full(2 * ptus, -np.inf)]),
        row_upper=np.concatenate([program.row_upper, np.zeros(2 * ptus)]),
    )
