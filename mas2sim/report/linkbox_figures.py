"""Figures of a study of link boxes: what each tie saves in losses, and what it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mas2sim.report.appearance import LEVEL_NAME, frame
from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

SAVINGS = {
    "no_load_saved_kwh": ("Iron", 1.0, "#009e73"),
    "more_load_kwh": ("Windings", -1.0, "#56b4e9"),
    "more_line_kwh": ("Lines", -1.0, "#0072b2"),
}
HEIGHT = 420


def linkbox_panels(result: StudyResult) -> list[tuple[str, str, str, go.Figure]]:
    """Name, title, note and figure of each."""
    return [
        (
            "saved",
            "What switching saves and costs in losses",
            "Above zero is saved, below zero is what it costs; the sum is saved.",
            saved_figure(result.table("losses").frame),
        ),
        (
            "moved",
            "Surplus that a neighbour could use",
            (
                "Energy that one substation feeds back while the other draws, and how much of "
                "it goes over the tie where it may be closed."
            ),
            moved_figure(result.table("balancing").frame),
        ),
    ]


def saved_figure(losses: pd.DataFrame) -> go.Figure:
    """Stacked bars of what is saved and what it costs, one for each tie and level."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for column, (name, sign, colour) in SAVINGS.items():
        figure.add_bar(
            x=_places(losses),
            y=sign * losses[column].to_numpy(),
            name=name,
            marker={"color": colour},
        )
    return _framed(figure, "relative")


def moved_figure(balancing: pd.DataFrame) -> go.Figure:
    """Bars of the surplus beside a deficit, and of what is moved."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for column, name, colour in (
        ("potential_kwh", "Surplus beside a deficit", "#c3c9d1"),
        ("moved_kwh", "Moved over the tie", "#0072b2"),
    ):
        figure.add_bar(
            x=_places(balancing),
            y=balancing[column].to_numpy(),
            name=name,
            marker={"color": colour},
        )
    return _framed(figure, "group")


def _places(table: pd.DataFrame) -> list[list[str]]:
    return [
        [str(tie) for tie in table["tie"]],
        [LEVEL_NAME[str(level)] for level in table["level"]],
    ]


def _framed(figure: go.Figure, barmode: str) -> go.Figure:
    return frame(
        figure,
        height=HEIGHT,
        barmode=barmode,
        hovermode="closest",
        yaxis={"title": "kWh of a year"},
        xaxis={"type": "multicategory"},
        margin={"l": 62, "r": 30, "t": 20, "b": 120},
    )
