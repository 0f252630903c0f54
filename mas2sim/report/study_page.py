"""The planner's page of a study: what was found, on one page that needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mas2sim.report.page import provenance_rows
from mas2sim.report.render import Panel, render, text_of
from mas2sim.report.study_figures import study_panels
from mas2sim.report.study_map import map_values
from mas2sim.results.study_result import Column, StudyResult, StudyTable

TEMPLATE_FILE, SCRIPT_FILES = "study_page.html.j2", ("sorting.js", "study_map.js")
ROWS_SHOWN = 300
"""Rows of a table on the page; all of them are in its file."""
DASH = "-"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: as it is shown, and as it is sorted by."""

    text: str
    sort: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of the page."""

    name: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int

    @property
    def is_word(self) -> tuple[bool, ...]:
        """Whether each column holds words."""
        first = self.rows[0] if self.rows else ()
        return tuple(not cell.is_number for cell in first) or (True,) * len(self.columns)


def write_study_page(result: StudyResult, path: Path) -> None:
    """Write the page of a study.

    Parameters
    ----------
    result : StudyResult
    path : Path
        The HTML file to write; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(study_page(result), encoding="utf-8")


def study_page(result: StudyResult) -> str:
    """Return the page as HTML."""
    drawn = map_values(result)
    return render(
        TEMPLATE_FILE,
        script="\n".join(text_of(name) for name in SCRIPT_FILES),
        study=result,
        sheets=[sheet_of(table) for table in result.tables if table.shown],
        panels=[Panel.of(*panel) for panel in study_panels(result)],
        map_json=None if drawn is None else script_json(drawn),
        provenance=provenance_rows(result.provenance),
        configuration=json.dumps(
            result.provenance.get("configuration", {}), indent=2, ensure_ascii=False
        ),
    )


def script_json(values: Mapping[str, Any]) -> str:
    """JSON that can stand inside a script element whatever names are in it."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def sheet_of(table: StudyTable) -> Sheet:
    """Prepare a table for the page."""
    names = list(table.frame.columns)
    columns = tuple(table.columns[name] for name in names)
    rows: Sequence[Sequence[Any]] = list(
        table.frame.head(ROWS_SHOWN).itertuples(index=False, name=None)
    )
    return Sheet(
        name=table.name,
        title=table.title,
        note=table.note,
        columns=columns,
        rows=tuple(
            tuple(_cell(value, column) for value, column in zip(row, columns, strict=True))
            for row in rows
        ),
        left_out=max(0, len(table.frame) - ROWS_SHOWN),
    )


def _cell(value: Any, column: Column) -> Cell:
    if isinstance(value, str):
        return Cell(value, value, is_number=False)
    text = shown(value, column)
    missing = text == DASH
    # What is missing is sorted below everything that is there.
    return Cell(text, "" if missing else repr(float(value)), is_number=True)


def shown(value: Any, column: Column) -> str:
    """A value as it is read; "-" for none."""
    if value is None:
        return DASH
    if isinstance(value, str):
        return value
    number = float(value)
    if math.isnan(number):
        return DASH
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    decimals = column.decimals if not float(number).is_integer() or column.unit else 0
    # Adding 0.0 turns what rounds to -0 into 0.
    return f"{round(number, decimals) + 0.0:,.{decimals}f}" if math.isfinite(number) else str(value)
