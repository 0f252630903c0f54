"""Tables below the level of a case: its homes, the assets of its grid, and its own row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import membership
from mas2sim.domain.grid_state import ALL_PHASES, TRANSFORMER
from mas2sim.domain.plan import HomePlan
from mas2sim.results.balance import generation_kw
from mas2sim.results.case_identity import case_id
from mas2sim.results.kpi_definition import NAN, CaseLevel
from mas2sim.results.limits_kept import (
    OVER_LIMIT_KW,
    low_voltage_buses,
    neutral_voltage_v,
)
from mas2sim.results.record import CaseRecord
from mas2sim.results.services import Services, services_by_home

if TYPE_CHECKING:
    import pandas as pd

NO_PLAN = "no_plan"
EXACT = 0.0


def homes_table(record: CaseRecord) -> pd.DataFrame:
    """Money, energy, services and plan of every home at every level.

    Import and export are what the grid saw; ``curtailed_kwh`` is what the home had to give up of
    either, which bills count as if it had not.

    Returns
    -------
    DataFrame
        One row per level and home. Services are metered: energy, hours and kelvin-hours missing,
        and what cut energy is worth to the household. ``status`` is the plan's, ``no_plan`` where
        none was recorded, and ``reason`` says why it is not optimal; ``gap_eur`` is NaN where the
        cost has no proven bound.
    """
    import pandas as pd

    community = membership(record.communities)
    rows = []
    for index, level in enumerate(record.levels):
        case = CaseLevel(record, index)
        imported = np.maximum(case.net_kw, 0.0).sum(axis=1) * case.hours
        exported = np.maximum(-case.net_kw, 0.0).sum(axis=1) * case.hours
        generated = generation_kw(case).sum(axis=1) * case.hours
        curtailed = np.abs(case.curtailed_kw).sum(axis=1) * case.hours
        delivered = services_by_home(case)
        for number, home in enumerate(record.homes):
            rows.append(
                {
                    "case": case_id(record.axes),
                    "level": level.value,
                    "home": home.name,
                    "community": community.get(number, ""),
                    "phase": record.layout.home_phase[number],
                    "bill_eur": float(case.bill_eur[number]),
                    "payment_eur": float(case.payment_eur[number]),
                    "import_kwh": float(imported[number]),
                    "export_kwh": float(exported[number]),
                    "generation_kwh": float(generated[number]),
                    "curtailed_kwh": float(curtailed[number]),
                    "has_flexibility": home.has_flexibility,
                    **_service_columns(delivered[number]),
                    **_plan_columns(case.plans[number] if case.plans else None),
                }
            )
    return pd.DataFrame(rows)


def _service_columns(delivered: Services) -> dict[str, float]:
    return {
        "unserved_kwh": delivered.missing_kwh,
        "late_h": delivered.late_h,
        "comfort_missed_kh": delivered.comfort_missed_kh,
        "cut_kwh": delivered.cut_kwh,
        "discomfort_eur": delivered.discomfort_eur,
    }


def _plan_columns(plan: HomePlan | None) -> dict[str, Any]:
    if plan is None:
        return {
            "status": NO_PLAN,
            "reason": "",
            "way": "",
            "bound_eur": NAN,
            "gap_eur": NAN,
            "solve_s": NAN,
        }
    return {
        "status": plan.status.value,
        "reason": plan.reason,
        "way": plan.way,
        "bound_eur": plan.bound_eur,
        "gap_eur": plan.gap_eur,
        "solve_s": plan.solve_s,
    }


def assets_table(record: CaseRecord) -> pd.DataFrame:
    """Limits of every asset, and how far and how long they were left.

    Returns
    -------
    DataFrame
        One row per level, asset and limit. ``kind`` is transformer_import or transformer_export
        [kW], transformer_loading, line_loading or unbalance [percent], voltage_low or voltage_high
        [V]. Unbalance is that of buses with three phases, and left out of balanced flows.
        ``hours_above`` is the time beyond the limit (below it for voltage_low); ``worst`` the
        extreme value and ``worst_at`` the clock time of its PTU. Where the power flow is
        incomplete, the last three are missing and ``status`` says why.
    """
    import pandas as pd

    rows = []
    for index in range(len(record.levels)):
        case = CaseLevel(record, index)
        head = {"case": case_id(record.axes), "level": case.level.value}
        rows += [{**head, **row} for row in _connection_rows(case)]
        rows += [{**head, **row} for row in _flow_rows(case)]
    return pd.DataFrame(rows)


def _asset_row(
    case: CaseLevel,
    asset: str,
    kind: str,
    limit: float,
    unit: str,
    values: FloatArray | None,
    *,
    low: bool = False,
    tolerance: float = EXACT,
) -> dict[str, Any]:
    row = {"asset": asset, "kind": kind, "limit": limit, "unit": unit}
    if values is None:
        return {
            **row,
            "hours_above": NAN,
            "worst": NAN,
            "worst_at": None,
            "status": case.status,
        }
    beyond = values < limit - tolerance if low else values > limit + tolerance
    worst = int(values.argmin() if low else values.argmax())
    return {
        **row,
        "hours_above": float(beyond.sum() * case.hours),
        "worst": float(values[worst]),
        "worst_at": case.record.horizon.clock(worst),
        "status": "ok",
    }


def _connection_rows(case: CaseLevel) -> Iterator[dict[str, Any]]:
    limits, name = case.record.limits, case.record.layout.name
    directions = (
        ("transformer_import", limits.transformer_import_kw, case.total_kw),
        ("transformer_export", limits.transformer_export_kw, -case.total_kw),
    )
    for kind, limit, values in directions:
        yield _asset_row(case, name, kind, limit, "kW", values, tolerance=OVER_LIMIT_KW)


def _flow_rows(case: CaseLevel) -> Iterator[dict[str, Any]]:
    flow, layout, limits = case.solved_flow, case.record.layout, case.record.limits
    for column, branch in enumerate(layout.branches):
        kind = "transformer_loading" if branch.kind == TRANSFORMER else "line_loading"
        loading = None if flow is None else flow.loading_percent[:, column]
        yield _asset_row(case, branch.name, kind, limits.loading_percent, "percent", loading)
    nominal_v = neutral_voltage_v(layout)
    for column in low_voltage_buses(layout):
        volts = None if flow is None else flow.vm_pu[:, column, :] * nominal_v[column]
        lowest = None if volts is None else np.nanmin(volts, axis=1)
        highest = None if volts is None else np.nanmax(volts, axis=1)
        bus = layout.buses[column].name
        yield _asset_row(case, bus, "voltage_low", limits.voltage_min_v, "V", lowest, low=True)
        yield _asset_row(case, bus, "voltage_high", limits.voltage_max_v, "V", highest)
    if flow is not None and flow.vm_pu.shape[-1] == 1:
        return
    phases = layout.bus_phases
    for column in low_voltage_buses(layout):
        if phases[column] == ALL_PHASES:
            unbalance = None if flow is None else flow.unbalance_percent[:, column]
            bus = layout.buses[column].name
            yield _asset_row(case, bus, "unbalance", limits.unbalance_percent, "percent", unbalance)


def cases_table(record: CaseRecord) -> pd.DataFrame:
    """One row with the identity of the case and the worst status of its levels."""
    import pandas as pd

    statuses = [CaseLevel(record, index).status for index in range(len(record.levels))]
    bad = [
        f"{level.value}: {status}"
        for level, status in zip(record.levels, statuses, strict=True)
        if status != "ok"
    ]
    row = {
        "case": case_id(record.axes),
        **record.axes,
        "date": record.date,
        "status": " | ".join(bad) or "ok",
    }
    return pd.DataFrame([row])
