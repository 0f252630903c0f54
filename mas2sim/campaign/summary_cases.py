"""Single cases that are worth a look: the best and the worst, and those without figures.

Each comes with the command that runs it alone, since a figure that stands out is a question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mas2sim.campaign.reading import Campaign
from mas2sim.campaign.rows import CASE, LEVEL, NUMBER, REASON
from mas2sim.campaign.summary_rows import LEVEL_COLUMN, SummaryRows, as_table
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

RANKED = {
    "bill_saving_percent": "higher",
    "loss_reduction_total_percent": "higher",
    "peak_import_reduction_percent": "higher",
    "vm_max_pu": "lower",
}
"""KPIs by which cases are ranked, and which of their ends is the better one.

The registry calls no voltage better than another; where PV feeds in, it is the high ones that end
what a grid can take.
"""
EACH_END = 5
COMMUNITIES = "communities"
COMMAND = Column("Command", note="runs the case alone")
CASE_COLUMN = Column("Case", note="its name in the tables")


def _apart(ranked: pd.DataFrame, view: SummaryRows) -> pd.DataFrame:
    """The first of those that differ in their communities alone."""
    others = [axis for axis in view.swept if axis != COMMUNITIES]
    return ranked.drop_duplicates(others) if others else ranked


def best_and_worst_table(view: SummaryRows) -> StudyTable:
    """Best and worst cases of each level above the baseline, by a few KPIs."""
    import pandas as pd

    cases = view.campaign.cases.set_index(NUMBER)
    rows: list[dict[str, Any]] = []
    for name, better in RANKED.items():
        for level in view.levels:
            if level == Level.BASELINE:
                continue
            part = view.rows[(view.rows[LEVEL] == level) & view.rows[name].notna()]
            ranked = part.sort_values(name, kind="stable", ascending=better == "lower")
            # Cases that differ in their communities alone are nearly alike: one of them is enough.
            best, worst = (_apart(each, view) for each in (ranked, ranked[::-1]))
            each_end = min(EACH_END, len(best) // 2) or len(best)
            ends = {"best": best[:each_end], "worst": worst[:each_end]}
            rows += [
                {
                    "kpi": name,
                    "level": level,
                    "end": end,
                    "rank": rank,
                    "value": row[name],
                    "case": row[CASE],
                    "what": _what(row, view.several),
                    "command": cases["command"].get(row[NUMBER]),
                }
                for end, chosen in ends.items()
                for rank, (_, row) in enumerate(chosen.iterrows(), start=1)
            ]
    columns = {
        "kpi": Column("KPI"),
        "level": LEVEL_COLUMN,
        "end": Column("End", note="best or worst"),
        "rank": Column("Rank", decimals=0),
        "value": Column("Value", note="in the KPI's unit", decimals=4),
        "case": CASE_COLUMN,
        "what": Column("What it is", note="its values of the swept axes"),
        "command": COMMAND,
    }
    note = f"{view.behind} Of the highest voltage the lower is the better one."
    frame = pd.DataFrame(rows) if rows else None
    return as_table("best_and_worst", "Best and worst cases", note, frame, columns)


def _what(row: pd.Series, axes: Sequence[str]) -> str:
    """Values of the axes in words: a number alone would not say what it counts."""
    values = [(axis, str(row[axis])) for axis in axes]
    return ", ".join(
        f"{axis} {value}" if value.replace(".", "", 1).isdigit() else value
        for axis, value in values
    )


def failed_table(campaign: Campaign) -> StudyTable:
    """Cases that are done and not ok."""
    columns = {
        "case": CASE_COLUMN,
        "status": Column("Status"),
        "reason": Column("Reason"),
        "command": COMMAND,
    }
    failed = campaign.failed
    note = f"{len(failed)} of {len(campaign.cases)} cases; they are in no other table."
    return as_table(
        "failed", "Cases that are not ok", note, failed, columns, shown=not failed.empty
    )


def failures(campaign: Campaign) -> list[str]:
    """Cases that are not ok, counted by status, the most frequent first, with one reason each."""
    failed = campaign.failed
    counts = failed["status"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    found = []
    for status, count in counts.items():
        of_status = failed[failed["status"] == status]
        reason = str(of_status[REASON].iloc[0])
        first = f", e.g. {of_status[CASE].iloc[0]}: {reason}" if reason else ""
        found.append(f"{count} {'case' if count == 1 else 'cases'} {status}{first}")
    return found
