"""Figures of a loss study: where a year's losses arise, and what a kW more costs at which hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mas2sim.report.appearance import DAY_H, LEVEL_NAME, clock_axis, frame, held, line_of
from mas2sim.report.menus import choice_menu
from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

PARTS = {
    "transformer_no_load_kwh": ("Transformer, no load", "#c3c9d1"),
    "transformer_load_kwh": ("Transformer, load", "#56b4e9"),
    "line_kwh": ("Lines", "#0072b2"),
}
HEIGHT = 400


def losses_panels(result: StudyResult) -> list[tuple[str, str, str, go.Figure]]:
    """Name, title, note and figure of each."""
    return [
        (
            "parts",
            "Losses by season",
            "Only the blue parts follow the load; the grey one stays whatever homes do.",
            parts_figure(result.table("seasons").frame),
        ),
        (
            "marginal",
            "What one kW more costs in losses",
            "Losses for a kW more at all connections, by their shares. The menu: the season.",
            marginal_figure(result.table("marginal").frame),
        ),
    ]


def parts_figure(seasons: pd.DataFrame) -> go.Figure:
    """Stacked bars: one for each season and level."""
    import plotly.graph_objects as go

    figure = go.Figure()
    x = [
        [str(season).replace("_", " ") for season in seasons["season"]],
        [LEVEL_NAME[str(level)] for level in seasons["level"]],
    ]
    for column, (name, colour) in PARTS.items():
        figure.add_bar(x=x, y=seasons[column].to_numpy(), name=name, marker={"color": colour})
    return frame(
        figure,
        height=HEIGHT,
        barmode="stack",
        hovermode="closest",
        yaxis={"title": "kWh of a year"},
        xaxis={"type": "multicategory"},
        margin={"l": 62, "r": 30, "t": 20, "b": 110},
    )


def marginal_figure(marginal: pd.DataFrame) -> go.Figure:
    """Marginal losses over the clock by level, one season at a time."""
    import plotly.graph_objects as go

    figure = go.Figure()
    whole = marginal[marginal["place"] == "all"]
    owner: list[str] = []
    for season, of_season in whole.groupby("season", sort=False):
        for level, curve in of_season.groupby("level", sort=False):
            owner.append(str(season))
            figure.add_scatter(
                x=[*curve["hour"], DAY_H],
                y=held(100.0 * curve["slope"].to_numpy()),
                name=LEVEL_NAME[str(level)],
                line={**line_of(str(level)), "shape": "hv"},
                visible=str(season) == owner[0],
                hovertemplate="%{y:.2f} %",
            )
    choice_menu(figure, owner, [name.replace("_", " ") for name in dict.fromkeys(owner)])
    return frame(
        figure,
        height=HEIGHT,
        margin={"l": 62, "r": 30, "t": 60, "b": 60},
        xaxis=clock_axis(),
        yaxis={"title": "Losses, % of the power added"},
    )
