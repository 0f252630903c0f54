"""In how many cases the operating limit binds, by what, and what it costs where it does.

It binds where the plans that communities make for themselves (uc2) would not keep it; what the DSO
then buys is uc3.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from mas2sim.campaign.summary_rows import ALL, CASES, SummaryRows, as_table
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

TOGETHER = ("smart", "season")
"""Axes that are looked at together, beside each alone."""
WHERE_BOUND = ("congested_before_ptus", "congested_ptus", "dso_payment_eur", "curtailed_kwh")
"""Means over the cases in which the limit binds."""
_COLUMNS = {
    "axis": Column("Axis", note=f"`{ALL}`: all cases"),
    "value": Column("Value"),
    "axis_b": Column("Other axis", note="empty: all of its values"),
    "value_b": Column("Other value"),
    "cases": CASES,
    "binding_cases": Column("Cases in which it binds", decimals=0),
    "binding_percent": Column("Binds", "% of cases", decimals=1),
    "congested_before_ptus": Column("PTUs beyond it at uc2", "", "mean where it binds", 1),
    "congested_ptus": Column("PTUs beyond it at uc3", "", "mean where it binds", 1),
    "kept_percent": Column("Kept at uc3", "% of cases", "of those in which it binds", 1),
    "by_market_percent": Column(
        "Kept by the market alone", "% of cases", "of those in which it binds: none was limited", 1
    ),
    "dso_payment_eur": Column("Paid by the DSO", "EUR", "mean where it binds"),
    "curtailed_kwh": Column("Curtailed", "kWh", "mean where it binds", 1),
}


def binding(view: SummaryRows) -> pd.Series:
    """Whether the limit binds in each case of which that is known; indexed as the rows of uc3."""
    before = view.at(Level.UC3)["congested_before_ptus"].dropna()
    return before > 0.0


def binding_table(view: SummaryRows) -> StudyTable:
    """Share of cases in which the limit binds: overall, by each axis, and by two together."""
    import pandas as pd

    binds = binding(view)
    if binds.empty:
        reason = f"{view.behind} No case has level uc3: nothing says where the limit binds."
        return as_table("binding", "Where the operating limit binds", reason, None, _COLUMNS)
    rows = view.at(Level.UC3).loc[binds.index].assign(binds=binds)
    asked: list[tuple[str, ...]] = [(), *((axis,) for axis in view.several)]
    asked += [TOGETHER] if set(TOGETHER) <= set(view.several) else []
    found = list(chain.from_iterable(_shares(rows, axes) for axes in asked))
    note = (
        f"{view.behind} It binds where at uc3 the prognosis before the market, the plans of uc2, "
        "is beyond a limit on the sum of the connections by over 1 W, import or export."
    )
    frame = pd.DataFrame(found)
    return as_table("binding", "Where the operating limit binds", note, frame, _COLUMNS)


def _shares(rows: pd.DataFrame, axes: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each combination of values of `axes`; one of all cases without any."""
    groups = rows.groupby(list(axes), observed=True) if axes else [((), rows)]
    everything = {"axis": ALL, "value": ALL, "axis_b": "", "value_b": ""}
    found: list[dict[str, Any]] = []
    for values, part in groups:
        named = dict(zip(("axis", "axis_b"), axes, strict=False))
        named |= dict(zip(("value", "value_b"), map(str, values), strict=False))
        where = part[part["binds"]]
        bound = where[list(WHERE_BOUND)].mean()
        is_kept = where["congested_ptus"] == 0.0
        by_market = is_kept & (where["curtailed_kwh"] == 0.0)
        found.append(
            {
                **everything,
                **named,
                "cases": len(part),
                "binding_cases": len(where),
                "binding_percent": 100.0 * len(where) / len(part),
                "kept_percent": 100.0 * is_kept.mean(),
                "by_market_percent": 100.0 * by_market.mean(),
                **{name: bound[name] for name in WHERE_BOUND},
            }
        )
    return found
