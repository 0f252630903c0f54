"""Rows of a campaign's table: one for each case and level, whatever became of the case.

Workers that ran a case and the coordinator that gave one up write the same columns, in the same
order and of the same kinds; so they have this room in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.plan import PlannedCase
from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi import KPIS, WORDS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Rows = Mapping[str, Sequence[Any]]
"""Columns of a few rows by name; a DataFrame of a hundred columns takes longer than its figures."""

NUMBER, CASE, LEVEL = "number", "case", "level"
CASE_STATUS, REASON, CASE_SECONDS = "case_status", "reason", "case_s"
TAIL = (CASE_STATUS, REASON, CASE_SECONDS)
"""Columns after the KPIs; they are the case's, the same at each of its levels."""
MOST_REASON = 300
"""Characters of a reason."""


class CaseStatus(StrEnum):
    """What became of a case."""

    OK = "ok"
    INFEASIBLE = "infeasible"
    """At some level a home has no plan that keeps its limits."""
    NOT_CONVERGED = "not_converged"
    """At some level the power flow has no solution in some PTUs."""
    INCOMPLETE = "incomplete"
    """At some level the benchmark ended without its proof."""
    ERROR = "error"
    """It raised an error."""
    TIMEOUT = "timeout"
    """It took longer than a case may."""
    CRASHED = "crashed"
    """It ended the process that ran it, twice, alone."""


AGAIN = frozenset({CaseStatus.ERROR, CaseStatus.TIMEOUT, CaseStatus.CRASHED})
"""What the machine may have decided and not the case: another run may end otherwise."""


def status_of(statuses: Sequence[tuple[str, str]]) -> tuple[CaseStatus, str]:
    """Status of a case, the worst of its levels', and the reason.

    Parameters
    ----------
    statuses : sequence of (str, str)
        Level and its status in words.
    """
    reason = "; ".join(f"{level}: {status}" for level, status in statuses if status != "ok")
    if not reason:
        return CaseStatus.OK, ""
    if CaseStatus.INFEASIBLE in reason:
        return CaseStatus.INFEASIBLE, reason[:MOST_REASON]
    if CaseStatus.NOT_CONVERGED in reason or "no_power_flow" in reason:
        return CaseStatus.NOT_CONVERGED, reason[:MOST_REASON]
    return CaseStatus.INCOMPLETE, reason[:MOST_REASON]


def finished_rows(planned: PlannedCase, kpi: pd.DataFrame, seconds: float) -> Rows:
    """Rows of a case that was run, column by column.

    Parameters
    ----------
    planned : PlannedCase
    kpi : DataFrame
        Its KPIs, one row per level.
    seconds : float
        CPU time that the case took. [s]
    """
    levels = kpi[LEVEL].tolist()
    status, reason = status_of(list(zip(levels, kpi["status"].tolist(), strict=True)))
    # All figures at once: a hundred columns one by one take as long as some KPIs.
    figures = kpi.select_dtypes("float64")
    by_name = dict(zip(figures.columns, figures.to_numpy().T.tolist(), strict=True))
    measured = {
        each.name: by_name[each.name] if each.name in by_name else kpi[each.name].tolist()
        for each in KPIS
    }
    return _table(planned, levels, kpi["status"].tolist(), measured, (status, reason, seconds))


def failed_rows(
    planned: PlannedCase, levels: Sequence[Level], status: CaseStatus, reason: str, seconds: float
) -> Rows:
    """Rows of a case that has no figures: they are missing, never 0."""
    names = [level.value for level in levels]
    said = " ".join(reason.split())[:MOST_REASON]
    nothing: Rows = {
        kpi.name: [None if kpi.name in WORDS else float("nan")] * len(names) for kpi in KPIS
    }
    statuses = [status.value] * len(names)
    return _table(planned, names, statuses, nothing, (status, said, seconds))


def _table(
    planned: PlannedCase,
    levels: Sequence[str],
    statuses: Sequence[str],
    measured: Rows,
    tail: tuple[CaseStatus, str, float],
) -> Rows:
    count = len(levels)
    status, reason, seconds = tail
    return {
        NUMBER: [planned.number] * count,
        CASE: [planned.case] * count,
        **{name: [value] * count for name, value in planned.columns.items()},
        LEVEL: list(levels),
        "status": list(statuses),
        **measured,
        CASE_STATUS: [status.value] * count,
        REASON: [reason] * count,
        CASE_SECONDS: [seconds] * count,
    }


def gathered(cases: Sequence[Rows]) -> pa.Table:
    """Rows of several cases in one table, by case and level.

    A column of an axis that has numbers and words becomes words. Figures that are missing are null.
    """
    import pyarrow as pa

    numbers = {CASE_SECONDS, *(kpi.name for kpi in KPIS if kpi.name not in WORDS)}

    def column(name: str) -> pa.Array:
        values = [value for rows in cases for value in rows[name]]
        if name in numbers:
            return pa.array(np.array(values, dtype=np.float64), from_pandas=True)
        # Columns with nothing in them have no type of their own.
        if name in WORDS or len({isinstance(value, str) for value in values}) > 1:
            return pa.array([None if each is None else str(each) for each in values], pa.string())
        return pa.array(values)

    return _in_order(pa.table({name: column(name) for name in cases[0]}))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of several tables, by case and level; a column of numbers and words becomes words."""
    import pyarrow as pa

    names = tables[0].column_names
    for name in names[: names.index(LEVEL)]:
        words = {pa.types.is_string(table.schema.field(name).type) for table in tables}
        if len(words) > 1:
            tables = [_with_words(table, name) for table in tables]
    return _in_order(pa.concat_tables(tables, promote_options="permissive"))


def _with_words(table: pa.Table, name: str) -> pa.Table:
    import pyarrow as pa

    words = pa.array([str(value) for value in table[name].to_pylist()])
    return table.set_column(table.column_names.index(name), name, words)


def _in_order(table: pa.Table) -> pa.Table:
    """The same rows by case and level."""
    order = {level.value: place for place, level in enumerate(Level)}
    places = [order[level] for level in table[LEVEL].to_pylist()]
    return table.take(np.lexsort((places, table[NUMBER].to_numpy())))
