"""KPIs of the grid: peaks, losses, loading, voltage and congestion.

Figures of the power flow are NaN as soon as one PTU did not converge: the PTU that fails is most
often the worst one, so a maximum over the rest would look like a grid without a problem.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridState
from mas2sim.results.kpi_definition import (
    NAN,
    CaseLevel,
    Kpi,
    Measure,
    compared,
    ratio,
    reduction_percent,
)
from mas2sim.results.limits_kept import (
    branches_of_kind,
    congested,
    congestion_kvah,
    low_voltage_pu,
    outside_band,
    over_limit_kw,
    unbalance_percent,
)

NOT_SOLVED = "when the power flow was not run or a PTU did not converge"
IN_BALANCE = f"{NOT_SOLVED}; when it was solved in balance"


def peak_import_kw(case: CaseLevel) -> float:
    """Greatest sum of the connections, 0 when the substation never imports. [kW]"""
    return float(max(case.total_kw.max(), 0.0))


def peak_export_kw(case: CaseLevel) -> float:
    """Greatest feed-in of the sum of the connections, 0 when it never exports. [kW]"""
    return float(max(-case.total_kw.min(), 0.0))


def _loss_kwh(part: Callable[[GridState], FloatArray]) -> Measure:
    def compute(case: CaseLevel) -> float:
        flow = case.solved_flow
        return NAN if flow is None else float(part(flow).sum() * case.hours)

    return compute


def variable_loss_kw(flow: GridState) -> FloatArray:
    """Losses that depend on the load, shape (time). [kW]"""
    return flow.loss_line_kw + flow.loss_transformer_load_kw


def _loss_percent(case: CaseLevel) -> float:
    flow = case.solved_flow
    if flow is None:
        return NAN
    entering_kw = np.maximum(flow.import_kw, 0.0).sum() + np.maximum(-case.net_kw, 0.0).sum()
    entering_kw += np.maximum(-case.other_kw, 0.0).sum()
    return 100.0 * ratio(float(flow.loss_kw.sum()), float(entering_kw))


def _loss_reduction(
    part: Callable[[GridState], FloatArray],
) -> Callable[[CaseLevel, CaseLevel], float]:
    def compare(reference: CaseLevel, case: CaseLevel) -> float:
        before, after = reference.solved_flow, case.solved_flow
        if before is None or after is None:
            return NAN
        return reduction_percent(float(part(before).sum()), float(part(after).sum()))

    return compare


def _worst_loading(*, transformer: bool) -> Measure:
    def compute(case: CaseLevel) -> float:
        flow = case.solved_flow
        rows = branches_of_kind(case.record.layout, transformer=transformer)
        if flow is None or not rows.size:
            return NAN
        return float(flow.loading_percent[:, rows].max())

    return compute


def _voltage(extreme: Callable[[FloatArray], np.float64]) -> Measure:
    def compute(case: CaseLevel) -> float:
        vm_pu = low_voltage_pu(case)
        return NAN if vm_pu is None or not vm_pu.size else float(extreme(vm_pu))

    return compute


def _outside_band_h(case: CaseLevel) -> float:
    outside = outside_band(case)
    return NAN if outside is None else float(outside.sum() * case.hours)


def _overloaded_h(case: CaseLevel) -> float:
    flow = case.solved_flow
    if flow is None:
        return NAN
    over = flow.loading_percent > case.record.limits.loading_percent
    return float(over.any(axis=1).sum() * case.hours)


def _unbalance_max(case: CaseLevel) -> float:
    values = unbalance_percent(case)
    return NAN if values is None else float(values.max())


def _unbalance_exceeded(case: CaseLevel) -> float:
    values, limit = unbalance_percent(case), case.record.limits.unbalance_percent
    return NAN if values is None else float((values > limit).any(axis=1).sum())


def _grid(
    name: str,
    unit: str,
    label: str,
    formula: str,
    sentence: str,
    compute: Measure,
    *,
    sign: str = "positive",
    better: str = "lower",
    missing: str = NOT_SOLVED,
) -> Kpi:
    return Kpi(
        name=name,
        unit=unit,
        label=label,
        group="grid",
        formula=formula,
        sign=sign,
        boundary="substation",
        missing=missing,
        sentence=sentence,
        compute=compute,
        better=better,
    )


def _reduction(
    stem: str,
    label: str,
    formula: str,
    sentence: str,
    compare: Callable[[CaseLevel, CaseLevel], float],
    missing: str,
) -> tuple[Kpi, Kpi]:
    return compared(
        stem,
        "percent",
        label=label,
        group="grid",
        formula=formula,
        sign="positive: less than before; may be negative",
        boundary="substation",
        sentence=sentence,
        compare=compare,
        better="higher",
        missing=missing,
    )


PEAKS = (
    _grid(
        "peak_import_kw",
        "kW",
        "Peak import",
        "max over PTUs of max(0, sum over connections of n)",
        "Greatest draw of all connections together.",
        peak_import_kw,
        sign="positive: import",
        missing="never",
    ),
    _grid(
        "peak_export_kw",
        "kW",
        "Peak export",
        "max over PTUs of max(0, - sum over connections of n)",
        "Greatest feed-in of all connections together.",
        peak_export_kw,
        sign="positive: export",
        missing="never",
    ),
    *_reduction(
        "peak_import_reduction",
        "Peak import reduction",
        "(P_ref - P) / P_ref",
        "How much lower the highest import is.",
        lambda ref, case: reduction_percent(peak_import_kw(ref), peak_import_kw(case)),
        "without import in the reference",
    ),
    *_reduction(
        "peak_export_reduction",
        "Peak export reduction",
        "(P_ref - P) / P_ref",
        "How much lower the highest feed-in is.",
        lambda ref, case: reduction_percent(peak_export_kw(ref), peak_export_kw(case)),
        "without feed-in in the reference",
    ),
)

LOSSES = (
    _grid(
        "loss_line_kwh",
        "kWh",
        "Losses in lines",
        "sum over PTUs of h P_loss,lines",
        "Losses in mains and services, the neutral included as the grid models it.",
        _loss_kwh(lambda flow: flow.loss_line_kw),
    ),
    _grid(
        "loss_transformer_load_kwh",
        "kWh",
        "Transformer losses, load",
        "sum over PTUs of h P_loss,windings",
        "Losses in the windings, which grow with the square of the load.",
        _loss_kwh(lambda flow: flow.loss_transformer_load_kw),
    ),
    _grid(
        "loss_transformer_no_load_kwh",
        "kWh",
        "Transformer losses, no load",
        "sum over PTUs of h P_loss,iron",
        "Losses in the iron, which no shifting of load can save.",
        _loss_kwh(lambda flow: flow.loss_transformer_no_load_kw),
    ),
    _grid(
        "loss_percent",
        "percent",
        "Losses of the energy that enters",
        "all losses / (sum of h max(P_HV, 0) + sum over connections of h max(-n, 0))",
        "All losses as a share of the energy that enters the low-voltage grid.",
        _loss_percent,
    ),
    *_reduction(
        "loss_reduction_total",
        "Reduction of all losses",
        "(L_ref - L) / L_ref",
        "How much of all losses is saved.",
        _loss_reduction(lambda flow: flow.loss_kw),
        NOT_SOLVED,
    ),
    *_reduction(
        "loss_reduction_variable",
        "Reduction of variable losses",
        "(L_ref - L) / L_ref of lines and windings",
        "How much is saved of the losses that depend on the load.",
        _loss_reduction(variable_loss_kw),
        NOT_SOLVED,
    ),
)

STATE = (
    _grid(
        "transformer_loading_max_percent",
        "percent",
        "Transformer loading, highest",
        "max over PTUs of S_HV / rating; S_HV = sum over phases of |V I*|",
        "Highest loading of the transformer, kVA at the HV side with losses; phase by phase the "
        "phases' apparent powers are added up, so unlike phases count for more than their sum.",
        _worst_loading(transformer=True),
        missing=f"{NOT_SOLVED}; without a transformer",
    ),
    _grid(
        "line_loading_max_percent",
        "percent",
        "Line loading, highest",
        "max over PTUs and lines of I / rating, most loaded phase",
        "Highest loading of any line.",
        _worst_loading(transformer=False),
        missing=f"{NOT_SOLVED}; without lines",
    ),
    _grid(
        "vm_min_pu",
        "pu",
        "Lowest voltage",
        "min over PTUs, low-voltage buses and the phases they have",
        "Lowest voltage phase to neutral in the low-voltage grid.",
        _voltage(np.nanmin),
        better="",
    ),
    _grid(
        "vm_max_pu",
        "pu",
        "Highest voltage",
        "max over PTUs, low-voltage buses and the phases they have",
        "Highest voltage phase to neutral in the low-voltage grid.",
        _voltage(np.nanmax),
        better="",
    ),
    _grid(
        "voltage_outside_hours",
        "h",
        "Hours with a voltage outside the band",
        "h times number of PTUs with a bus outside the statutory band on a phase it has",
        "Time in which at least one low-voltage bus leaves the statutory band.",
        _outside_band_h,
    ),
    _grid(
        "unbalance_max_percent",
        "percent",
        "Voltage unbalance, highest",
        "max over PTUs and low-voltage buses with three phases of |V2| / |V1|",
        "Highest negative-sequence voltage over the positive sequence, phase to neutral.",
        _unbalance_max,
        missing=IN_BALANCE,
    ),
    _grid(
        "unbalance_exceeded_ptus",
        "count",
        "PTUs with too much voltage unbalance",
        "number of PTUs with a bus of |V2| / |V1| above the limit",
        "PTUs in which the voltage unbalance of at least one low-voltage bus is above the limit.",
        _unbalance_exceeded,
        missing=IN_BALANCE,
    ),
    _grid(
        "overloaded_hours",
        "h",
        "Hours with an overloaded line or transformer",
        "h times number of PTUs with a loading above the limit",
        "Time in which at least one line or the transformer is loaded above its limit.",
        _overloaded_h,
    ),
)

CONGESTION = (
    _grid(
        "congestion_kvah",
        "kVAh",
        "Congestion, apparent energy above the limit",
        "O = sum over PTUs of h max(0, S - S_lim); S of the sum of the connections",
        "Apparent energy above the limit; reactive power counts, so a plan that just keeps the "
        "limit in kW may leave a little.",
        congestion_kvah,
        missing="never",
    ),
    *_reduction(
        "congestion_reduction",
        "Reduction of congestion",
        "1 - O / O_ref",
        "How much of the congestion is gone.",
        lambda ref, case: reduction_percent(congestion_kvah(ref), congestion_kvah(case)),
        "without congestion in the reference",
    ),
    _grid(
        "congestion_kwh",
        "kWh",
        "Congestion, energy above the limit",
        "sum over PTUs of h max(0, P - P_lim), import and export",
        "Energy above the limit on the sum of the connections.",
        lambda case: float(over_limit_kw(case.total_kw, case.record.limits).sum() * case.hours),
        missing="never",
    ),
    _grid(
        "congested_ptus",
        "count",
        "Congested PTUs",
        "number of PTUs with the sum of the connections beyond its limit in kW by over 1 W",
        "PTUs in which the limit on the sum of the connections is not kept.",
        lambda case: float(congested(case).sum()),
        missing="never",
    ),
    _grid(
        "hours_above",
        "h",
        "Hours above the limit",
        "h times congested PTUs",
        "Time in which the limit on the sum of the connections is not kept.",
        lambda case: float(congested(case).sum() * case.hours),
        missing="never",
    ),
)

GRID = (*PEAKS, *LOSSES, *STATE, *CONGESTION)
"""KPIs of the grid."""
