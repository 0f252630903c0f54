"""The figures of a campaign's page: which there are, and from which table each is drawn.

A table that a campaign does not have, or has without rows, is no figure: a sentence stands in its
place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mas2sim.report.campaign_bars import annual_figure, participation_figure, scenario_figure
from mas2sim.report.campaign_differences import differences_figure
from mas2sim.report.campaign_effects import effects_figure, variance_figure
from mas2sim.report.campaign_fans import day_figure, duration_figure
from mas2sim.report.campaign_maps import binding_figure, pairs_figure
from mas2sim.results.study_result import StudyResult, StudyTable

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Drawing:
    """How one figure comes from one table.

    Parameters
    ----------
    name, title, note : str
        Of the panel.
    table : str
    draw : callable
        None where the table has no value to show.
    """

    name: str
    title: str
    note: str
    table: str
    draw: Callable[[StudyTable], go.Figure | None]


def campaign_panels(result: StudyResult) -> list[tuple[str, str, str, go.Figure | None]]:
    """Name, title, note and figure of each; no figure and the reason where there is none."""
    tables = {table.name: table for table in result.tables}
    panels: list[tuple[str, str, str, go.Figure | None]] = []
    for drawing in DRAWINGS:
        table = tables.get(drawing.table)
        figure = drawing.draw(table) if table is not None and len(table.frame) else None
        note = drawing.note
        if figure is None:
            why = f"this campaign has no table {drawing.table}" if table is None else table.note
            note = f"Not drawn: {why}"
        panels.append((drawing.name, drawing.title, note, figure))
    return panels


DRAWINGS = (
    Drawing(
        "scenario",
        "What each use case brings, by scenario",
        (
            "Savings are ratios of sums over the cases of a scenario, the other bars means of the "
            "cases' own, against the baseline of the same case. The green band is the reduction of "
            "losses by 5 to 8 % that Mas2tering expected (Mas2tering overview, 2017)."
        ),
        "by_scenario",
        scenario_figure,
    ),
    Drawing(
        "differences",
        "Level against level",
        (
            "Differences between two levels of the same case: dots are means, thin lines span 5 to "
            "95 % of the cases. Thick lines are intervals of the mean over sets of homes, where "
            "there are several. Point at a dot for the shares of cases that are better or worse."
        ),
        "level_differences",
        differences_figure,
    ),
    Drawing(
        "annual",
        "A year",
        "Typical days by their weight in a year. The menu chooses the figure.",
        "annual",
        annual_figure,
    ),
    Drawing(
        "participation",
        "Who takes part",
        "Homes by smart scenario and flexible loads, and what they trade with each other.",
        "participation",
        participation_figure,
    ),
    Drawing(
        "effects",
        "What each axis does",
        (
            "Means over all cases with a value of an axis, whatever their other values are. All "
            "small figures have the same scale. The menu chooses the figure."
        ),
        "effects",
        effects_figure,
    ),
    Drawing(
        "variance",
        "What makes cases differ",
        (
            "Share of the variance over cases that each axis explains by itself; grey is what all "
            "axes together leave. The red mark is what an axis without any effect would seem to "
            "explain, by chance. In a sample the shares overlap. The menu chooses the level."
        ),
        "variance_share",
        variance_figure,
    ),
    Drawing(
        "pairs",
        "Pairs of axes",
        (
            "Means over all cases with both values, by level; colours are the same for all levels. "
            "The menus choose the pair and the figure."
        ),
        "pairs",
        pairs_figure,
    ),
    Drawing(
        "binding",
        "Where the limit of the transformer binds",
        (
            "Share of the cases in which the plans of UC2 would not keep the operating limit of "
            "the transformer."
        ),
        "binding",
        binding_figure,
    ),
    Drawing(
        "duration_fans",
        "How long the substation is loaded",
        (
            "Hours of the day in which a load is reached, over cases: the line is the median, the "
            "shades span a quarter to three quarters, 5 to 95 %, and all cases."
        ),
        "fans",
        duration_figure,
    ),
    Drawing(
        "day_fans",
        "Voltages and lines over the day",
        (
            "Extremes of each PTU over all low-voltage buses and phases, and the line loaded most, "
            "over cases: the line is the median, the shades span a quarter to three quarters, 5 to "
            "95 %, and all cases. Dashed are the statutory limits, and the rating."
        ),
        "fans",
        day_figure,
    ),
)
