"""The grid on a map: how much room each bus has to its voltage limits, how far branches are loaded.

Both are told in classes, not on a sliding scale: a day's voltages fill a small part of the band and
most cables are far from their rating, so a scale from limit to limit would show one colour. Room is
blue for buses and grey for branches; orange is close to a limit and red beyond it for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.report.appearance import frame, level_buttons, values_of
from mas2sim.report.load_figures import managed_level
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

CLOSE, BEYOND, UNKNOWN = "#f0a000", "#c1121f", "#c9a6d9"


@dataclass(frozen=True, slots=True)
class ColourClass:
    """What begins at `above` and ends at the next class."""

    above: float
    name: str
    colour: str


LOADING_CLASSES = (
    ColourClass(-1.0, "up to 10 %", "#dde2e7"),
    ColourClass(10.0, "10 to 20 %", "#bcc5ce"),
    ColourClass(20.0, "20 to 40 %", "#929eaa"),
    ColourClass(40.0, "40 to 60 %", "#66727e"),
    ColourClass(60.0, "60 to 80 %", "#2f3942"),
    ColourClass(80.0, "80 to 100 %", CLOSE),
    ColourClass(100.0, "above 100 %", BEYOND),
)
ROOM_CLASSES = (
    ColourClass(-np.inf, "beyond it", BEYOND),
    ColourClass(0.0, "0 to 2 V", CLOSE),
    ColourClass(2.0, "2 to 5 V", "#8fc7ea"),
    ColourClass(5.0, "5 to 10 V", "#56a3d9"),
    ColourClass(10.0, "10 to 20 V", "#2e7dbd"),
    ColourClass(20.0, "20 to 30 V", "#135a97"),
    ColourClass(30.0, "above 30 V", "#07305f"),
)
"""A bus that stands exactly at its limit is in the class of 0 to 2 V: the limit is kept."""

LIMITS = {
    "nearest": "nearest limit",
    "upper": "upper limit",
    "lower": "lower limit",
}
"""What the room of a bus may be measured to, and its name."""

MANY_BUSES = 150
MAIN_WIDTH, SERVICE_WIDTH, UNIT_SIZE = 10.0, 3.0, 22.0
HOME_SIZE, JOINT_SIZE, LONE_SIZE = 6.5, 4.5, 12.0
"""Sizes of buses [px]: among many, joints are small enough to leave the cable below in sight."""

LEVEL_MENU_PX = 190
"""Left of the menu of limits stands that of levels."""


@dataclass(frozen=True, slots=True)
class Extremes:
    """Lowest and highest voltage of each bus of a level, shape (bus).

    NaN above low voltage and where the power flow is incomplete.

    Parameters
    ----------
    low_v, high_v : array
        Over the day and the phases that the bus has. [V]
    low_h, high_h : array
        Starts of the PTUs in which they occur. [h]
    room_v : dict of array
        From the voltages to the limits named in `LIMITS`, negative beyond them. [V]
    """

    low_v: FloatArray
    high_v: FloatArray
    low_h: FloatArray
    high_h: FloatArray
    room_v: dict[str, FloatArray]


def map_figure(result: Result) -> go.Figure:
    """Buses coloured by their room to a limit, branches by their highest loading.

    One menu chooses the level, the other the limit. Buses and branches without a solved power flow
    have a colour of their own.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    owner: list[str] = []
    shown = managed_level(result)
    levels = result.levels
    bus_traces = []
    extremes = {level: voltage_extremes(result, level) for level in levels}
    for level in levels:
        traces = [
            *_branch_traces(result, level),
            _branch_names(result, level),
            _bus_trace(result, extremes[level]),
        ]
        for trace in traces:
            trace["visible"] = level == shown
            trace["meta"] = f"{level} {trace['meta']}"
            figure.add_scatter(**trace)
            owner.append(level)
        bus_traces.append(len(owner) - 1)
    frame(
        figure,
        height=680,
        hovermode="closest",
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x", "scaleratio": 1},
        margin={"l": 10, "r": 10, "t": 56, "b": 60},
        legend={"title": {"text": "Branches, highest loading: "}, "itemclick": False},
    )
    level_buttons(figure, levels, owner)
    (menu,) = figure.layout.updatemenus
    menu.update(active=levels.index(shown))
    figure.layout.updatemenus = (menu, _limit_menu(list(extremes.values()), bus_traces))
    return figure


def voltage_extremes(result: Result, level: str) -> Extremes:
    """Extremes of the voltage of each bus over the day, and when they occur."""
    series = result.series
    nominal_kv = series["bus_vn_kv"].to_numpy()
    hours = series["clock_h"].to_numpy()
    volts = values_of(result, "vm_pu", level) * (nominal_kv * 1000.0 / np.sqrt(3.0))[:, None]
    # Over phases, NaN on those that a bus does not have; a day with a hole has no extremes.
    lowest, highest = np.fmin.reduce(volts, axis=2), np.fmax.reduce(volts, axis=2)
    solved = np.isfinite(lowest).all(axis=0) & (nominal_kv <= LOW_VOLTAGE_KV)

    def known(values: FloatArray) -> FloatArray:
        return np.where(solved, values, np.nan)

    low_v, high_v = known(lowest.min(axis=0)), known(highest.max(axis=0))
    lower = low_v - float(series.attrs["voltage_min_v"])
    upper = float(series.attrs["voltage_max_v"]) - high_v
    return Extremes(
        low_v=low_v,
        high_v=high_v,
        low_h=known(hours[lowest.argmin(axis=0)]),
        high_h=known(hours[highest.argmax(axis=0)]),
        room_v={"nearest": np.minimum(lower, upper), "upper": upper, "lower": lower},
    )


def room_class(room_v: FloatArray) -> FloatArray:
    """Place in `ROOM_CLASSES` of each room, NaN where it is not known."""
    edges = [each.above for each in ROOM_CLASSES[1:]]
    place = np.searchsorted(edges, room_v, side="right").astype(np.float64)
    return np.where(np.isfinite(room_v), place, np.nan)


def _branch_traces(result: Result, level: str) -> list[dict[str, Any]]:
    series = result.series
    loading = values_of(result, "loading_percent", level).max(axis=0)
    kinds = series["branch_kind"].to_numpy()
    ends = _branch_ends(result)
    edges = [*(each.above for each in LOADING_CLASSES[1:]), np.inf]
    inside = [
        (each.name, each.colour, (loading > each.above) & (loading <= edge))
        for each, edge in zip(LOADING_CLASSES, edges, strict=True)
    ]
    if not np.isfinite(loading).all():
        inside.append(("not solved", UNKNOWN, ~np.isfinite(loading)))
    traces = []
    # Services first, so that mains lie above them where they meet.
    for part, width in (("service", SERVICE_WIDTH), ("main", MAIN_WIDTH), ("transformer", 0.0)):
        of_part = (
            kinds == part if part != "main" else (kinds != "service") & (kinds != "transformer")
        )
        for name, colour, member in inside:
            chosen: BoolArray = member & of_part
            trace = _units if part == "transformer" else _lines
            traces.append(trace(ends[chosen], part, name, colour, width))
    return traces


def _lines(ends: FloatArray, part: str, name: str, colour: str, width: float) -> dict[str, Any]:
    # A gap after each branch lets one trace draw all branches of a class.
    gaps = np.concatenate([ends, np.full((len(ends), 1, 2), np.nan)], axis=1).reshape(-1, 2)
    if part == "main" and not len(gaps):
        # A trace without a point has no place in the legend, which is to explain all colours.
        gaps = np.full((1, 2), np.nan)
    return {
        "x": gaps[:, 0],
        "y": gaps[:, 1],
        "mode": "lines",
        "name": name,
        "line": {"color": colour, "width": width},
        "hoverinfo": "skip",
        "legendgroup": name,
        "showlegend": part == "main",
        "meta": f"{part} {name}",
    }


def _units(ends: FloatArray, part: str, name: str, colour: str, _: float) -> dict[str, Any]:
    """Transformers, whose two ends are often at one place."""
    middle = ends.mean(axis=1)
    return {
        "x": middle[:, 0],
        "y": middle[:, 1],
        "mode": "markers",
        "name": name,
        "marker": {
            "symbol": "square",
            "size": UNIT_SIZE,
            "color": colour,
            "line": {"color": "#27313d", "width": 1.2},
        },
        "hoverinfo": "skip",
        "legendgroup": name,
        "showlegend": False,
        "meta": f"{part} {name}",
    }


def _branch_names(result: Result, level: str) -> dict[str, Any]:
    """Points in the middle of the branches, not drawn, that carry what hovering shows."""
    series = result.series
    over_day = values_of(result, "loading_percent", level)
    loading, at = over_day.max(axis=0), series["clock_h"].to_numpy()[over_day.argmax(axis=0)]
    middle = _branch_ends(result).mean(axis=1)
    kinds, ratings = series["branch_kind"].to_numpy(), series["branch_rating"].to_numpy()
    text = [
        f"{name}<br>{kind}, {rating:.0f} {'kVA' if kind == 'transformer' else 'A'}<br>"
        + (
            f"highest loading {value:.1f} % at {_clock(hour)}"
            if np.isfinite(value)
            else "not solved"
        )
        for name, kind, rating, value, hour in zip(
            series["branch"].to_numpy(), kinds, ratings, loading, at, strict=True
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


def _bus_trace(result: Result, extremes: Extremes) -> dict[str, Any]:
    series = result.series
    many = extremes.low_v.size > MANY_BUSES
    homes = np.isin(series["bus"].to_numpy(), series["home_bus"].to_numpy())
    text = [
        _bus_text(*row)
        for row in zip(
            series["bus"].to_numpy(),
            series["bus_vn_kv"].to_numpy(),
            extremes.low_v,
            extremes.low_h,
            extremes.high_v,
            extremes.high_h,
            strict=True,
        )
    ]
    return {
        "x": series["bus_x_m"].to_numpy(),
        "y": series["bus_y_m"].to_numpy(),
        "mode": "markers",
        "name": "buses",
        "marker": {
            "size": np.where(homes, HOME_SIZE, JOINT_SIZE) if many else LONE_SIZE,
            "opacity": 1.0,
            "color": room_class(extremes.room_v["nearest"]),
            "cmin": -0.5,
            "cmax": len(ROOM_CLASSES) - 0.5,
            "colorscale": _steps([each.colour for each in ROOM_CLASSES]),
            "line": {"color": "#ffffff", "width": 0.5 if many else 1.0},
            "colorbar": {
                "title": {"text": _room_title("nearest"), "side": "top"},
                "tickvals": list(range(len(ROOM_CLASSES))),
                "ticktext": [each.name for each in ROOM_CLASSES],
                "thickness": 14,
                "len": 0.6,
            },
        },
        "text": text,
        "customdata": np.column_stack([extremes.room_v[limit] for limit in LIMITS]),
        "hovertemplate": "%{text}<extra></extra>",
        "showlegend": False,
        "meta": "voltage",
    }


def _bus_text(
    name: str, vn_kv: float, low_v: float, low_h: float, high_v: float, high_h: float
) -> str:
    if not np.isfinite(low_v):
        return f"{name}<br>{vn_kv:g} kV" + ("" if vn_kv > LOW_VOLTAGE_KV else ", not solved")
    return (
        f"{name}<br>lowest {low_v:.1f} V at {_clock(low_h)}"
        f"<br>highest {high_v:.1f} V at {_clock(high_h)}"
    )


def _clock(hours: float) -> str:
    minutes = round(60.0 * hours)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _room_title(limit: str) -> str:
    return f"Buses, room to<br>the {LIMITS[limit]}"


def _limit_menu(extremes: list[Extremes], traces: list[int]) -> dict[str, Any]:
    """Menu that colours the buses of all levels by their room to another limit."""
    buttons = []
    for limit, name in LIMITS.items():
        # Arrays in a menu are not unpacked as those of traces are, so they are lists.
        colours = [
            [
                None if np.isnan(place) else place
                for place in room_class(each.room_v[limit]).tolist()
            ]
            for each in extremes
        ]
        changes = {
            "marker.color": colours,
            "marker.colorbar.title.text": _room_title(limit),
        }
        buttons.append(
            {"label": f"Voltage: {name}", "method": "restyle", "args": [changes, traces]}
        )
    return {
        "buttons": buttons,
        "type": "dropdown",
        "active": 0,
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "bgcolor": "#ffffff",
        "bordercolor": "#c3c9d1",
        "pad": {"b": 6, "l": LEVEL_MENU_PX},
    }


def _steps(colours: list[str]) -> list[list[Any]]:
    """Colour scale with a step from class to class."""
    count = len(colours)
    return [
        [edge / count, colour]
        for place, colour in enumerate(colours)
        for edge in (place, place + 1)
    ]


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
