"""What each axis does to the main KPIs: means by value, shares of the variance, pairs of axes.

One axis at a time, over all values of the others. In a design with every combination these effects
do not disturb each other; in a sample of one they do, and the tables say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.rows import LEVEL
from mas2sim.campaign.summary_rows import (
    CASES,
    LEVEL_COLUMN,
    MAIN_KPIS,
    SummaryRows,
    as_table,
    kpi_column,
    means,
)
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

REST = "rest"
"""Stands for what no axis explains by itself."""
MOST_VALUES = 12
"""Values of an axis in a table of pairs; beyond that a map of them is no picture."""
SAME = 1e-12
"""Spread of values about their size below which they are one value and rounding."""

AXIS = Column("Axis")
VALUE = Column("Value")
KPI = Column("KPI")


def is_whole(view: SummaryRows) -> bool:
    """Whether every combination of the axes' values is there, all with figures."""
    combined = 1
    for values in view.swept.values():
        combined *= len(values)
    return view.cases == combined


def _caution(view: SummaryRows) -> str:
    if is_whole(view):
        return ""
    return (
        " Not every combination of the axes is there, so an effect of one axis has in it some of "
        "what the others do."
    )


def effects_table(view: SummaryRows) -> StudyTable:
    """Mean of each main KPI for each value of each axis, and how far it is from the grand mean."""
    import pandas as pd

    effects = [f"{name}_effect" for name in MAIN_KPIS]
    grand = view.rows.groupby(LEVEL, observed=True)[list(MAIN_KPIS)].mean()
    parts = []
    for axis in view.several:
        part = means(view.rows, [axis, LEVEL], MAIN_KPIS)
        part[effects] = part[list(MAIN_KPIS)].to_numpy() - grand.loc[part[LEVEL]].to_numpy()
        parts.append(part.rename(columns={axis: "value"}).astype({"value": str}).assign(axis=axis))
    columns = {"axis": AXIS, "value": VALUE, "level": LEVEL_COLUMN, "cases": CASES}
    for name, effect in zip(MAIN_KPIS, effects, strict=True):
        column = kpi_column(name)
        columns[name] = column
        note = "mean less the mean over all cases of the level"
        columns[effect] = Column(f"{column.label}, effect", column.unit, note, column.decimals)
    note = (
        f"{view.behind} Effect: mean less the mean over all cases of that level. Means of the "
        f"cases' own savings and reductions, which are no ratios of sums.{_caution(view)}"
    )
    frame = pd.concat(parts, ignore_index=True) if parts else None
    return as_table("effects", "Effects of each axis", note, frame, columns)


def variance_table(view: SummaryRows) -> StudyTable:
    """Share of the variance over cases that each axis explains alone, and what none explains."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for level, part in view.rows.groupby(LEVEL, observed=True):
        for name in MAIN_KPIS:
            rows += [{"level": level, "kpi": name, **each} for each in _shares(view, part, name)]
    columns = {
        "axis": Column("Axis", note=f"`{REST}`: what all axes together leave"),
        "kpi": KPI,
        "level": LEVEL_COLUMN,
        "cases": CASES,
        "share_percent": Column("Share of the variance", "%", "eta squared", 1),
        "chance_percent": Column(
            "By chance", "%", "(values - 1) / (cases - 1): expected of an axis without effect", 1
        ),
    }
    note = (
        f"{view.behind} Eta squared of one axis: variance of the means by its values over the "
        f"variance over cases. `{REST}`: what a sum of effects of all axes leaves, their joint "
        f"effects among it.{_caution(view)}"
    )
    frame = pd.DataFrame(rows) if rows and view.several else None
    return as_table("variance_share", "What the variance comes from", note, frame, columns)


def _shares(view: SummaryRows, part: pd.DataFrame, name: str) -> list[dict[str, Any]]:
    """Share of each axis and the rest in the variance of one KPI at one level; none without it."""
    part = part[part[name].notna()]
    values = part[name].to_numpy(dtype=np.float64)
    if not values.size or np.ptp(values) <= SAME * np.abs(values).max():
        return []
    codes = [np.asarray(part[axis].cat.codes, dtype=np.int64) for axis in view.several]
    counts = [np.unique(code).size for code in codes]
    found = [
        {
            "axis": axis,
            "cases": values.size,
            "share_percent": 100.0 * max(0.0, 1.0 - _unexplained(values, [code])),
            "chance_percent": 100.0 * (count - 1) / (values.size - 1),
        }
        for axis, code, count in zip(view.several, codes, counts, strict=True)
    ]
    free = values.size - 1 - sum(count - 1 for count in counts)
    left = 100.0 * _unexplained(values, codes) if free > 0 else float("nan")
    chance = 100.0 * free / (values.size - 1) if free > 0 else float("nan")
    rest = {"axis": REST, "cases": values.size, "share_percent": left, "chance_percent": chance}
    return [*found, rest]


def _unexplained(values: FloatArray, codes: Sequence[IntArray]) -> float:
    """Share of the variance that the least squares sum of effects of some axes leaves.

    Parameters
    ----------
    values : array, shape (case)
    codes : sequence of array, shape (case)
        Place of each case's value on an axis.
    """
    columns = [np.ones(values.size)]
    columns += [code == place for code in codes for place in np.unique(code)[1:]]
    design = np.column_stack(columns).astype(np.float64)
    centred = values - values.mean()
    # The columns may depend on each other in a sample: the fit is the same for any solution.
    solution = np.linalg.lstsq(design, centred, rcond=None)[0]
    left = centred - design @ solution
    return float(left @ left / (centred @ centred))


def pairs_table(view: SummaryRows) -> StudyTable:
    """Mean of each main KPI for each pair of values of two axes, for maps."""
    import pandas as pd

    drawn = [axis for axis in view.several if len(view.swept[axis]) <= MOST_VALUES]
    parts = []
    for first, second in combinations(drawn, 2):
        keys = [first, second, LEVEL]
        groups = view.rows.groupby(keys, observed=True)[list(MAIN_KPIS)]
        part = groups.mean().reset_index().melt(keys, var_name="kpi", value_name="mean")
        part["cases"] = groups.count().melt()["value"]
        part = part.dropna().rename(columns={first: "value_a", second: "value_b"})
        words = {"value_a": str, "value_b": str, "level": str}
        parts.append(part.astype(words).assign(axis_a=first, axis_b=second))
    columns = {
        "axis_a": AXIS,
        "value_a": VALUE,
        "axis_b": Column("Other axis"),
        "value_b": Column("Other value"),
        "level": LEVEL_COLUMN,
        "kpi": KPI,
        "mean": Column("Mean", note="in the KPI's unit", decimals=4),
        "cases": CASES,
    }
    note = f"{view.behind} Means over all values of the other axes.{_caution(view)}"
    frame = pd.concat(parts, ignore_index=True) if parts else None
    return as_table("pairs", "Pairs of axes", note, frame, columns, shown=False)
