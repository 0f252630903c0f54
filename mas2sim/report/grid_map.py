"""The grid on a map: how low or high each bus goes, how far each branch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.report.appearance import frame, level_buttons, values_of
from mas2sim.report.grid_figures import LOW_VOLTAGE_KV
from mas2sim.report.load_figures import managed_level
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class LoadingClass:
    """Branches loaded above `above_percent`, up to the next class."""

    above_percent: float
    name: str
    colour: str
    width: float


LOADING_CLASSES = (
    LoadingClass(-1.0, "up to 20 %", "#cfd6de", 1.5),
    LoadingClass(20.0, "20 to 40 %", "#a9b8c9", 2.0),
    LoadingClass(40.0, "40 to 60 %", "#7393b3", 2.5),
    LoadingClass(60.0, "60 to 80 %", "#e69f00", 3.5),
    LoadingClass(80.0, "80 to 100 %", "#d55e00", 4.5),
    LoadingClass(100.0, "above 100 %", "#8b0000", 6.0),
)

VOLTAGE_COLOURS = (
    (0.0, "#2166ac"),
    (0.35, "#92c5de"),
    (0.5, "#f7f7f7"),
    (0.65, "#f4a582"),
    (1.0, "#b2182b"),
)
MANY_BUSES = 150


def map_figure(result: Result) -> go.Figure:
    """Buses coloured by their worst voltage, branches by their highest loading; a level at a time.

    The worst voltage of a bus is its lowest or its highest of the day, whichever comes nearer to
    its limit. Buses and branches without a solved power flow are grey.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    owner: list[str] = []
    shown = managed_level(result)
    levels = result.levels
    for level in levels:
        traces = [
            *_branch_traces(result, level),
            _branch_names(result, level),
            _bus_trace(result, level),
        ]
        for trace in traces:
            trace["visible"] = level == shown
            trace["meta"] = f"{level} {trace['meta']}"
            figure.add_scatter(**trace)
            owner.append(level)
    frame(
        figure,
        height=640,
        hovermode="closest",
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x", "scaleratio": 1},
        margin={"l": 10, "r": 10, "t": 52, "b": 40},
    )
    level_buttons(figure, levels, owner)
    figure.update_layout(updatemenus=[{"active": levels.index(shown)}])
    return figure


def worst_voltage_v(result: Result, level: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lowest, highest and worst voltage of each bus, shape (bus) each. [V]

    NaN above low voltage and where the power flow is incomplete.
    """
    series = result.series
    nominal_kv = series["bus_vn_kv"].to_numpy()
    volts = values_of(result, "vm_pu", level) * (nominal_kv * 1000.0 / np.sqrt(3.0))[:, None]
    low, high = volts.min(axis=(0, 2)), volts.max(axis=(0, 2))
    too_low = low - float(series.attrs["voltage_min_v"])
    too_high = float(series.attrs["voltage_max_v"]) - high
    worst = np.where(too_low < too_high, low, high)
    return low, high, np.where(nominal_kv <= LOW_VOLTAGE_KV, worst, np.nan)


def _branch_traces(result: Result, level: str) -> list[dict[str, Any]]:
    loading = values_of(result, "loading_percent", level).max(axis=0)
    ends = _branch_ends(result)
    edges = [*(each.above_percent for each in LOADING_CLASSES[1:]), np.inf]
    traces = []
    for each, edge in zip(LOADING_CLASSES, edges, strict=True):
        inside = (loading > each.above_percent) & (loading <= edge)
        traces.append(_lines(ends[inside], each.name, each.colour, each.width))
    unsolved = ~np.isfinite(loading)
    if unsolved.any():
        traces.append(_lines(ends[unsolved], "not solved", "#9aa3ad", 1.5))
    return traces


def _lines(ends: FloatArray, name: str, colour: str, width: float) -> dict[str, Any]:
    # A gap after each branch lets one trace draw all branches of a class.
    gaps = np.concatenate([ends, np.full((len(ends), 1, 2), np.nan)], axis=1).reshape(-1, 2)
    return {
        "x": gaps[:, 0],
        "y": gaps[:, 1],
        "mode": "lines",
        "name": name,
        "line": {"color": colour, "width": width},
        "hoverinfo": "skip",
        "showlegend": bool(len(ends)),
        "meta": f"branches {name}",
    }


def _branch_names(result: Result, level: str) -> dict[str, Any]:
    """Points in the middle of the branches, not drawn, that carry what hovering shows."""
    series = result.series
    loading = values_of(result, "loading_percent", level).max(axis=0)
    middle = _branch_ends(result).mean(axis=1)
    kinds, ratings = series["branch_kind"].to_numpy(), series["branch_rating"].to_numpy()
    text = [
        f"{name}<br>{kind}, {rating:.0f} {'kVA' if kind == 'transformer' else 'A'}<br>"
        + (f"highest loading {value:.1f} %" if np.isfinite(value) else "not solved")
        for name, kind, rating, value in zip(
            series["branch"].to_numpy(), kinds, ratings, loading, strict=True
        )
    ]
    return {
        "x": middle[:, 0],
        "y": middle[:, 1],
        "mode": "markers",
        "marker": {"size": 11, "opacity": 0},
        "text": text,
        "customdata": loading,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
        "meta": "loading",
        "name": "branches",
    }


def _bus_trace(result: Result, level: str) -> dict[str, Any]:
    series = result.series
    low, high, worst = worst_voltage_v(result, level)
    many = worst.size > MANY_BUSES
    text = [
        f"{name}<br>{bottom:.1f} to {top:.1f} V" if np.isfinite(value) else f"{name}<br>{kv:g} kV"
        for name, bottom, top, value, kv in zip(
            series["bus"].to_numpy(), low, high, worst, series["bus_vn_kv"].to_numpy(), strict=True
        )
    ]
    return {
        "x": series["bus_x_m"].to_numpy(),
        "y": series["bus_y_m"].to_numpy(),
        "mode": "markers",
        "name": "buses",
        "marker": {
            "size": 5 if many else 12,
            "color": worst,
            "cmin": float(series.attrs["voltage_min_v"]),
            "cmax": float(series.attrs["voltage_max_v"]),
            "colorscale": [list(stop) for stop in VOLTAGE_COLOURS],
            "line": {"color": "#5f6b7a", "width": 0.3 if many else 0.8},
            "colorbar": {"title": {"text": "Worst voltage [V]", "side": "right"}, "thickness": 12},
        },
        "text": text,
        "customdata": worst,
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
        "meta": "voltage",
    }


def _branch_ends(result: Result) -> FloatArray:
    """Places of the two ends of each branch, shape (branch, end, xy). [m]"""
    series = result.series
    place = np.column_stack([series["bus_x_m"].to_numpy(), series["bus_y_m"].to_numpy()])
    index = {name: number for number, name in enumerate(series["bus"].to_numpy())}
    ends = [
        [place[index[start]], place[index[end]]]
        for start, end in zip(
            series["branch_from"].to_numpy(), series["branch_to"].to_numpy(), strict=True
        )
    ]
    return np.array(ends, dtype=np.float64).reshape(-1, 2, 2)
