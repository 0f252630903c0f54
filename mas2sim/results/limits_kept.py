"""Where and when the grid leaves its limits: the arithmetic under the grid KPIs and asset table."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.grid_state import TRANSFORMER, GridLayout
from mas2sim.domain.limits import GridLimits
from mas2sim.results.kpi_definition import CaseLevel, once_a_level

OVER_LIMIT_KW = 1e-3
"""A plan that meets a limit exactly is metered within a watt of it."""


def low_voltage_buses(layout: GridLayout) -> IntArray:
    """Indices of the buses to which the statutory band applies."""
    return np.array(layout.low_voltage, dtype=np.int64)


def branches_of_kind(layout: GridLayout, *, transformer: bool) -> IntArray:
    """Indices of the transformers, or of all lines."""
    return np.array(
        [
            index
            for index, branch in enumerate(layout.branches)
            if (branch.kind == TRANSFORMER) is transformer
        ],
        dtype=np.int64,
    )


def neutral_voltage_v(layout: GridLayout) -> FloatArray:
    """Nominal voltage phase to neutral of each bus, shape (bus). [V]"""
    nominal_kv = np.array([bus.vn_kv for bus in layout.buses], dtype=np.float64)
    return np.asarray(nominal_kv * 1000.0 / np.sqrt(3.0))


@once_a_level
def low_voltage_pu(case: CaseLevel) -> FloatArray | None:
    """Voltage phase to neutral at the low-voltage buses, shape (time, bus, phase). [pu]

    NaN on phases that a bus does not have. None where the flow was not solved.
    """
    flow, buses = case.solved_flow, low_voltage_buses(case.record.layout)
    return None if flow is None else flow.vm_pu.take(buses, axis=1)


def outside_band(case: CaseLevel) -> BoolArray | None:
    """True in the PTUs with a low-voltage bus outside the statutory band, shape (ptu).

    None where the flow was not solved.
    """
    vm_pu = low_voltage_pu(case)
    if vm_pu is None:
        return None
    layout, limits = case.record.layout, case.record.limits
    volts = vm_pu * neutral_voltage_v(layout)[low_voltage_buses(layout)][:, None]
    # No comparison holds for NaN, so a phase that a bus does not have is never outside.
    outside = (volts < limits.voltage_min_v) | (volts > limits.voltage_max_v)
    return np.asarray(outside.any(axis=(1, 2)))


@once_a_level
def unbalance_percent(case: CaseLevel) -> FloatArray | None:
    """Unbalance of the low-voltage buses that have one, shape (time, bus). [%]

    None where the flow was not solved, or no such bus has one.
    """
    if (flow := case.solved_flow) is None:
        return None
    values = flow.unbalance_percent.take(low_voltage_buses(case.record.layout), axis=1)
    known = values[:, np.isfinite(values).all(axis=0)]
    return known if known.size else None


def over_limit_kw(total_kw: FloatArray, limits: GridLimits) -> FloatArray:
    """Power beyond the limits of the sum of the connections, either way, shape (ptu). [kW]

    0 in PTUs in which it is no more than `OVER_LIMIT_KW`.
    """
    over = np.maximum(total_kw - limits.transformer_import_kw, 0.0)
    under = np.maximum(-total_kw - limits.transformer_export_kw, 0.0)
    beyond = over + under
    return np.where(beyond > OVER_LIMIT_KW, beyond, 0.0)


def congested(case: CaseLevel) -> BoolArray:
    """True in the PTUs in which the sum of the connections is beyond its limit, shape (ptu)."""
    return np.asarray(over_limit_kw(case.total_kw, case.record.limits) > 0.0)


def drawn_beyond_kwh(case: CaseLevel) -> float:
    """Energy that would be beyond the limits, had no connection been limited. [kWh]"""
    beyond = over_limit_kw(case.total_drawn_kw, case.record.limits)
    return float(beyond.sum() * case.hours)


def congestion_kvah(case: CaseLevel) -> float:
    """O, the apparent energy above the limit. [kVAh]

    The limit of a PTU is the import limit while the sum of the connections imports, and the export
    limit while it exports, both read as kVA.
    """
    limits = case.record.limits
    total = case.total_kw
    limit = np.where(total >= 0.0, limits.transformer_import_kw, limits.transformer_export_kw)
    return float(np.maximum(np.hypot(total, case.total_kvar) - limit, 0.0).sum() * case.hours)
