"""Figures of a congestion study: how long assets are loaded, and the days that strain the grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mas2sim.report.appearance import LEVEL_COLOUR, LEVEL_NAME, LIMIT, frame, line_of
from mas2sim.report.menus import choice_menu
from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

DAY_HEIGHT, HEAD_HEIGHT, CURVE_HEIGHT = 15, 130, 420
BAND_OFFSET = 0.18
"""Distance of the levels of one day from each other, in rows."""


def congestion_panels(result: StudyResult) -> list[tuple[str, str, str, go.Figure]]:
    """Name, title, note and figure of each."""
    return [
        (
            "duration",
            "How long the transformer and the feeders are loaded",
            (
                "Hours of a year in which a loading is reached; the menu chooses the asset. "
                "Dashed is the rating."
            ),
            duration_figure(result.table("duration").frame),
        ),
        (
            "voltages",
            "Voltage on each day",
            (
                "From the lowest to the highest voltage of any low-voltage bus and phase, by "
                "day and level; dashed are the limits. Design days have no weight in a year."
            ),
            voltage_figure(result.table("days").frame, result.voltage_band_v),
        ),
    ]


def duration_figure(duration: pd.DataFrame) -> go.Figure:
    """Duration curves by level; one asset at a time."""
    import plotly.graph_objects as go

    figure = go.Figure()
    assets = list(dict.fromkeys(zip(duration["kind"], duration["asset"], strict=True)))
    owner = []
    for kind, asset in assets:
        of_asset = duration[(duration["kind"] == kind) & (duration["asset"] == asset)]
        for level, curve in of_asset.groupby("level", sort=False):
            figure.add_scatter(
                x=curve["exceeded_hours"].to_numpy(),
                y=curve["loading_percent"].to_numpy(),
                name=LEVEL_NAME[str(level)],
                line=line_of(str(level)),
                visible=(kind, asset) == assets[0],
                hovertemplate="%{y:.1f} %",
            )
            owner.append((kind, asset))
    figure.add_hline(y=100.0, line={"color": LIMIT, "dash": "dash", "width": 1.5})
    words = [kind.removesuffix("_loading") for kind, _ in assets]
    labels = [
        asset if word == asset else f"{word} {asset}"
        for word, (_, asset) in zip(words, assets, strict=True)
    ]
    choice_menu(figure, owner, labels)
    return frame(
        figure,
        height=CURVE_HEIGHT,
        margin={"l": 62, "r": 30, "t": 60, "b": 60},
        xaxis={"title": "Hours of a year", "rangemode": "tozero"},
        yaxis={"title": "Loading, % of the rating", "rangemode": "tozero"},
    )


def voltage_figure(days: pd.DataFrame, band_v: tuple[float, float]) -> go.Figure:
    """One bar from the lowest to the highest voltage for each day and level."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = list(dict.fromkeys(days["day"]))
    row = {name: len(names) - place for place, name in enumerate(names)}
    levels = list(dict.fromkeys(days["level"]))
    for place, level in enumerate(levels):
        of_level = days[days["level"] == level]
        offset = BAND_OFFSET * ((len(levels) - 1) / 2 - place)
        x: list[float | None] = []
        y: list[float | None] = []
        text: list[str] = []
        for day, low, high in zip(
            of_level["day"], of_level["lowest_v"], of_level["highest_v"], strict=True
        ):
            at = row[day] + offset
            x += [low, high, None]
            y += [at, at, None]
            text += [f"{day}: {low:.1f} to {high:.1f} V"] * 3
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            name=LEVEL_NAME[str(level)],
            line={"color": LEVEL_COLOUR[str(level)], "width": 2},
            marker={"size": 4},
            text=text,
            hovertemplate="%{text}<extra></extra>",
        )
    for limit_v in band_v:
        figure.add_vline(x=limit_v, line={"color": LIMIT, "dash": "dash", "width": 1.5})
    return frame(
        figure,
        height=HEAD_HEIGHT + DAY_HEIGHT * len(names),
        hovermode="closest",
        xaxis={"title": "Voltage phase to neutral, V", "side": "bottom"},
        yaxis={
            "tickvals": [row[name] for name in names],
            "ticktext": names,
            "tickfont": {"size": 10},
            "range": [0, len(names) + 1],
        },
        margin={"l": 62, "r": 30, "t": 10, "b": 80},
    )
