"""The optimisation of one home as arrays: what cems solves and a central benchmark can stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """A sparse matrix by rows (CSR).

    Parameters
    ----------
    start : array, shape (row + 1)
    column, value : array, shape (entry)
    """

    start: IntArray
    column: IntArray
    value: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class HomeProgram:
    """Minimise ``cost @ x`` subject to ``lower <= x <= upper`` and rows within their bounds.

    Parameters
    ----------
    cost : array, shape (column)
        EUR per unit of each column, discomfort included.
    lower, upper : array, shape (column)
    integer : array of bool, shape (column)
    rows : SparseRows
    row_lower, row_upper : array, shape (row)
    net_import, net_export : slice
        Columns whose difference is the home's net power, one of each for each PTU. [kW]
    excess : slice
        Columns by which import, then export, go beyond the home's caps in each PTU; held at 0, and
        empty for a home without caps. [kW]
    devices : mapping of str to slice
        Columns of each offered device: an appliance's starts in the order of `Appliance.starts`; a
        vehicle's charging and, if it can deliver, delivering power in the PTUs of its stay, in
        order [kW]; a battery's charging, then its discharging power in each PTU [kW]; a heater's
        power in each PTU [kW]; whether an interruptible load is cut in each PTU.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    rows: SparseRows
    row_lower: FloatArray
    row_upper: FloatArray
    net_import: slice
    net_export: slice
    excess: slice
    devices: Mapping[str, slice]
