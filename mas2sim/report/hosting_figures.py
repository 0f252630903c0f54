"""Figures of a hosting study: the risk over penetration, and how voltage goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import LEVEL_COLOUR, LEVEL_NAME, LIMIT, frame
from mas2sim.report.menus import choice_menu
from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

HEIGHT = 420
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
RISKS_PERCENT = (5, 50, 95)
OWN_TAP = "own"
"""Stands for the tap position of a grid that keeps its own."""


def hosting_panels(result: StudyResult) -> list[tuple[str, str, str, go.Figure]]:
    """Name, title, note and figure of each."""
    curves = result.table("curves").frame
    return [
        (
            "risk",
            "Risk over penetration",
            (
                "Share of the draws in violation, by level; dashes tell tap positions apart. "
                "Dotted are risks of 5, 50 and 95 %."
            ),
            risk_figure(curves),
        ),
        (
            "spread",
            "Voltage over penetration",
            (
                "Greatest and least voltage of the day: the line is the median draw, the shade "
                "spans 5 to 95 % of the draws. The menu chooses the tap position. Dashed are "
                "the limits. Levels of a market are not tried at all penetrations and are not "
                "shown."
            ),
            spread_figure(curves, result.voltage_band_v),
        ),
    ]


def risk_figure(curves: pd.DataFrame) -> go.Figure:
    """Share of draws in violation over penetration."""
    import plotly.graph_objects as go

    figure = go.Figure()
    taps = list(dict.fromkeys(_taps(curves)))
    for (tap, level), curve in curves.groupby([_taps(curves), "level"], sort=False):
        name = LEVEL_NAME[str(level)]
        figure.add_scatter(
            x=curve["penetration_percent"].to_numpy(),
            y=curve["in_violation_percent"].to_numpy(),
            customdata=curve["mean_kw"].to_numpy(),
            name=name if len(taps) == 1 else f"{name}, tap {tap}",
            line={
                "color": LEVEL_COLOUR[str(level)],
                "dash": DASHES[taps.index(tap) % len(DASHES)],
                "width": 2,
            },
            hovertemplate="%{y:.0f} % of draws (%{customdata:.0f} kW on average)",
        )
    for risk in RISKS_PERCENT:
        figure.add_hline(y=risk, line={"color": "#9aa3ad", "dash": "dot", "width": 1})
    return frame(
        figure,
        height=HEIGHT,
        xaxis={"title": "Homes with the technology, %"},
        yaxis={"title": "Draws in violation, %", "range": [-2, 102]},
        margin={"l": 62, "r": 30, "t": 20, "b": 90},
    )


def spread_figure(curves: pd.DataFrame, band_v: tuple[float, float]) -> go.Figure:
    """Voltages over penetration by level, one tap position at a time."""
    import plotly.graph_objects as go

    figure = go.Figure()
    owner: list[str] = []
    shown = curves[curves["high_v_50"].notna()] if "high_v_50" in curves else curves.iloc[:0]
    for (tap, level), curve in shown.groupby([_taps(shown), "level"], sort=False):
        for side in ("high", "low"):
            traces = _shade_and_line(curve, side, str(level))
            owner += [str(tap)] * len(traces)
            for trace in traces:
                figure.add_scatter(**trace, visible=str(tap) == owner[0])
    for limit_v in band_v:
        figure.add_hline(y=limit_v, line={"color": LIMIT, "dash": "dash", "width": 1.5})
    choice_menu(figure, owner, [f"tap position {tap}" for tap in dict.fromkeys(owner)])
    return frame(
        figure,
        height=HEIGHT,
        hovermode="closest",
        xaxis={"title": "Homes with the technology, %"},
        yaxis={"title": "V, phase to neutral"},
        margin={"l": 62, "r": 30, "t": 60, "b": 60},
    )


def _shade_and_line(curve: pd.DataFrame, side: str, level: str) -> list[dict[str, Any]]:
    x = curve["penetration_percent"].to_list()
    upper, lower = curve[f"{side}_v_95"].to_list(), curve[f"{side}_v_5"].to_list()
    words = "greatest" if side == "high" else "least"
    colour = LEVEL_COLOUR[level]
    shade = {
        "x": [*x, *reversed(x)],
        "y": [*upper, *reversed(lower)],
        "fill": "toself",
        "fillcolor": colour,
        "opacity": 0.2,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    line = {
        "x": x,
        "y": curve[f"{side}_v_50"].to_list(),
        "name": LEVEL_NAME[level],
        "legendgroup": level,
        "showlegend": side == "high",
        "line": {"color": colour, "width": 2},
        "hovertemplate": f"{words}, median: %{{y:.1f}} V at %{{x:.0f}} % of homes<extra></extra>",
    }
    return [shade, line]


def _taps(curves: pd.DataFrame) -> pd.Series[Any]:
    """Tap position of each row as a word; rows of a grid's own position have one too."""
    known = curves["tap"].notna()
    return curves["tap"].map(lambda tap: f"{int(tap):+d}", na_action="ignore").where(known, OWN_TAP)
