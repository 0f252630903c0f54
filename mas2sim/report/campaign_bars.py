"""Bars of a campaign: gains by scenario, a year, and who takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import LEVEL_COLOUR, LEVEL_NAME, frame
from mas2sim.report.menus import choice_menu
from mas2sim.report.small_multiples import (
    WIDE,
    axis_words,
    cell,
    column_words,
    framed,
    multiples,
    rows_of,
    value_words,
)
from mas2sim.results.claims import LOSS_REDUCTION_PERCENT
from mas2sim.results.study_result import StudyTable

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

SCENARIO_FIGURES = (
    "saving_percent",
    "self_consumption_percent",
    "self_sufficiency_percent",
    "peak_import_reduction_percent",
    "loss_reduction_total_percent",
    "loss_reduction_variable_percent",
)
LOSSES = SCENARIO_FIGURES[-2:]
CLAIM = "#cfe8dc"
CLAIM_WORDS = "Claimed: 5 to 8 %"
FLEXIBLE = "homes_flexible_percent"
"""The same at all levels."""
PARTICIPATION_FIGURES = (
    "homes_changed_percent",
    "homes_changed_vs_uc1_percent",
    "local_trade_percent",
    FLEXIBLE,
)
NARROW = 2
TALL = 320
"""Height of a row of figures whose labels have two lines. [px]"""


def scenario_figure(table: StudyTable) -> go.Figure | None:
    """Bars by smart scenario and level, one small figure for each gain."""
    names = _known(table, SCENARIO_FIGURES)
    if not names:
        return None
    figure = multiples([column_words(table, name) for name in names], WIDE)
    for place, name in enumerate(names):
        at = cell(place, WIDE, len(names))
        _bars(figure, table.frame, ("smart",), name, **at)
        if name in LOSSES:
            low, high = LOSS_REDUCTION_PERCENT
            figure.add_hrect(low, high, fillcolor=CLAIM, line_width=0, layer="below", **at)
    if set(LOSSES) & set(names):
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=CLAIM_WORDS,
            marker={"symbol": "square", "size": 11, "color": CLAIM},
        )
    figure.update_xaxes(tickfont={"size": 11})
    return framed(figure, rows_of(len(names)), barmode="group")


def participation_figure(table: StudyTable) -> go.Figure | None:
    """Shares of homes by smart scenario, flexible loads and level."""
    names = _known(table, PARTICIPATION_FIGURES)
    if not names:
        return None
    titles = [column_words(table, name) for name in names]
    figure = multiples(titles, NARROW, row_height=TALL, gap=TALL // 2)
    rows = table.frame
    for place, name in enumerate(names):
        at = cell(place, NARROW, len(names))
        own = rows[rows["level"] == rows["level"].iloc[0]] if name == FLEXIBLE else rows
        _bars(figure, own, ("smart", "flexibility"), name, **at)
    return framed(figure, rows_of(len(names), NARROW), row_height=TALL, below=150, barmode="group")


def annual_figure(table: StudyTable) -> go.Figure | None:
    """Annual figures by scenario, the menu choosing which."""
    import plotly.graph_objects as go

    rows = table.frame
    names = [
        str(name)
        for name in rows.select_dtypes("number")
        if name != "cases" and rows[name].notna().any()
    ]
    if not names:
        return None
    groups = [str(name) for name in rows.select_dtypes("object") if name != "level"]
    keys = [name for name in groups if len(set(rows[name])) > 1] or groups[:1]
    figure = go.Figure()
    for name in names:
        _bars(figure, rows, tuple(keys), name, visible=name == names[0], showlegend=True)
    owner = [name for name in names for _ in range(len(figure.data) // len(names))]
    choice_menu(figure, owner, [column_words(table, name) for name in names])
    return frame(
        figure,
        height=500,
        barmode="group",
        hovermode="closest",
        xaxis={"title": ", ".join(axis_words(key) for key in (*keys[1:], keys[0])).capitalize()},
        margin={"l": 62, "r": 30, "t": 60, "b": 170},
    )


def _bars(
    figure: go.Figure,
    rows: pd.DataFrame,
    keys: tuple[str, ...],
    name: str,
    **options: Any,
) -> None:
    """Bars of one figure for each level, by one key or by several in two lines."""
    options = {"showlegend": not figure.data, **options}
    for level, own in rows.groupby("level", sort=False):
        words = [own[key].map(value_words).tolist() for key in keys[:1]]
        if len(keys) > 1:
            rest = own[list(keys[1:])].map(value_words)
            words.append(rest.agg(", ".join, axis=1).tolist())
        figure.add_bar(
            x=words if len(words) > 1 else words[0],
            y=own[name].to_numpy(dtype=float),
            name=LEVEL_NAME[str(level)],
            legendgroup=str(level),
            marker={"color": LEVEL_COLOUR[str(level)]},
            hovertemplate=f"%{{x}}, {LEVEL_NAME[str(level)]}: %{{y:.4~g}}<extra></extra>",
            **options,
        )


def _known(table: StudyTable, names: tuple[str, ...]) -> list[str]:
    """Columns that have a value at all."""
    return [name for name in names if name in table.frame and table.frame[name].notna().any()]
