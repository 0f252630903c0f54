"""The page of a result of several substations: what they came to, and the way to each one's report.

A room beside `page`, which shows one substation: here there are no figures, only a table.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from mas2sim.report.appearance import LEVEL_NAME
from mas2sim.report.page import write_report
from mas2sim.report.render import STYLE_FILE, text_of
from mas2sim.results import KPIS, Result
from mas2sim.results.result import REPORT_FILE, REPORT_FOLDER

TEMPLATE_FILE = "overview_page.html.j2"
COMPARED = (
    "bill_eur",
    "peak_import_kw",
    "peak_export_kw",
    "transformer_loading_max_percent",
    "line_loading_max_percent",
    "vm_min_pu",
    "vm_max_pu",
    "loss_percent",
    "congested_ptus",
    "dso_payment_eur",
)
"""KPIs by which a planner compares substations."""
SIGNIFICANT = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One substation at one level; `link` is there in its first row."""

    substation: str
    link: str
    homes: str
    level: str
    status: str
    values: tuple[str, ...]


def write_pages(result: Result, path: Path) -> None:
    """Write the page of a result: its report, or for several substations the table of them.

    Parameters
    ----------
    result : Result
    path : Path
        The HTML file to write; its folder is made.
    """
    if not result.parts:
        write_report(result, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(overview_page(result, path.parent), encoding="utf-8")


def overview_page(result: Result, folder: Path) -> str:
    """Return the page as HTML; links are relative to `folder`, where it will be."""
    import jinja2

    known = {kpi.name: kpi for kpi in KPIS}
    columns = [name for name in COMPARED if result.kpi[name].notna().any()]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(text_of(TEMPLATE_FILE)).render(
        style=text_of(STYLE_FILE),
        title=_title(result),
        substations=len(result.parts),
        homes=sum(part.homes["home"].nunique() for part in result.parts),
        kpis=[known[name] for name in columns],
        rows=[row for part in result.parts for row in _rows(part, columns, folder)],
        assumptions=result.provenance.get("assumptions", []),
    )


def _title(result: Result) -> str:
    """The day, and the grid as a whole."""
    axes = result.cases.iloc[0]
    day = " ".join(str(axes[name]).replace("_", " ") for name in ("weather", "season", "day"))
    return f"{day[:1].upper()}{day[1:]}, {axes['grid']}"


def _rows(part: Result, columns: list[str], folder: Path) -> list[Row]:
    page = part.path / REPORT_FOLDER / REPORT_FILE
    first = {
        "substation": str(part.series.attrs.get("substation", part.path.name)),
        "link": Path(os.path.relpath(page, folder)).as_posix(),
        "homes": str(part.homes["home"].nunique()),
    }
    later = dict.fromkeys(first, "")
    return [
        Row(
            **(later if place else first),
            level=LEVEL_NAME[row["level"]],
            status=row["status"],
            values=tuple(_figure(row[column]) for column in columns),
        )
        for place, row in enumerate(part.kpi.to_dict("records"))
    ]


def _figure(value: float) -> str:
    """A figure with as many digits as it deserves; "-" for none."""
    if math.isnan(value):
        return "-"
    whole = 1 + max(0, math.floor(math.log10(abs(value)))) if value else SIGNIFICANT
    # Adding 0.0 turns what rounds to -0 into 0.
    digits = max(0, SIGNIFICANT - whole)
    return f"{round(value, digits) + 0.0:,.{digits}f}"
