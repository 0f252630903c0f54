"""How figures look: one colour per level and per device everywhere, and one frame for all.

The colours are those of Okabe and Ito (2008), which people with any common colour vision tell
apart, with dark ones beside them for the rarer devices; levels differ in their dash as well, so
that a grey print still reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

INK, FAINT, GRID_LINE, LIMIT = "#27313d", "#5f6b7a", "#e6eaef", "#b3261e"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

LEVEL_COLOUR: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "#7a7f87",
        "uc1": "#e69f00",
        "uc2": "#0072b2",
        "uc3": "#009e73",
        "central": "#cc79a7",
    }
)
LEVEL_DASH: Mapping[str, str] = MappingProxyType(
    {"baseline": "solid", "uc1": "solid", "uc2": "solid", "uc3": "dash", "central": "dot"}
)
LEVEL_NAME: Mapping[str, str] = MappingProxyType(
    {
        "baseline": "Baseline",
        "uc1": "UC1 (each home)",
        "uc2": "UC2 (communities)",
        "uc3": "UC3 (with the DSO)",
        "central": "Central bound",
    }
)
DEVICE_COLOUR: Mapping[str, str] = MappingProxyType(
    {
        "base": "#c3c9d1",
        "heat_pump": "#d55e00",
        "direct_heater": "#e69f00",
        "hot_water": "#0072b2",
        "appliance": "#cc79a7",
        "interruptible": "#882255",
        "ev": "#56b4e9",
        "battery": "#009e73",
        "pv": "#f0dc6a",
        "wind": "#1a3a8f",
        "micro_chp": "#661100",
    }
)
DEVICE_NAME: Mapping[str, str] = MappingProxyType(
    {
        "base": "Base load",
        "heat_pump": "Heat pump",
        "direct_heater": "Direct heater",
        "hot_water": "Hot water",
        "appliance": "Appliances",
        "interruptible": "Interruptible load",
        "ev": "Electric vehicle",
        "battery": "Battery",
        "pv": "PV",
        "wind": "Wind turbine",
        "micro_chp": "Micro-CHP",
    }
)
"""Every kind of device, in the order in which they are stacked."""
COMMUNITY_COLOURS = ("#0b3c5d", "#328cc1", "#d9b310", "#7d5ba6", "#5a8f69")

DAY_H = 24.0


def line_of(level: str, width: float = 2.0) -> dict[str, Any]:
    """Line style of a level."""
    return {"color": LEVEL_COLOUR[level], "dash": LEVEL_DASH[level], "width": width}


def short_name(level: object) -> str:
    """Name of a level without what stands in brackets."""
    return LEVEL_NAME[str(level)].partition(" (")[0]


def clock_hours(result: Result) -> FloatArray:
    """Starts of the PTUs and the end of the day, shape (ptu + 1). [h]"""
    return np.append(result.series["clock_h"].to_numpy(), DAY_H)


def held(values: FloatArray) -> FloatArray:
    """Repeat the last value, so that a step line covers the last PTU as well."""
    return np.append(values, values[-1])


def values_of(result: Result, name: str, level: str | None = None) -> FloatArray:
    """Values of a variable of the series, of one level when it is named."""
    variable = result.series[name]
    if level is not None:
        variable = variable.sel(level=level)
    return np.asarray(variable.to_numpy(), dtype=np.float64)


def clock_axis() -> dict[str, Any]:
    """Return the x axis of a day."""
    hours = list(range(0, 25, 3))
    return {
        "range": [0, DAY_H],
        "tickvals": hours,
        "ticktext": [f"{hour:02d}:00" for hour in hours],
        "tickangle": 0,
    }


def frame(figure: go.Figure, *, height: int, **layout: Any) -> go.Figure:
    """Give a figure the common frame: pale, without a title of its own, legend below."""
    figure.update_layout(
        height=height,
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="#ffffff",
        margin={"l": 62, "r": 30, "t": 28, "b": 40},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#9aa3ad", "activecolor": FAINT},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        hoverlabel={"font": {"family": FONT}},
        hovermode="x unified",
    )
    figure.update_xaxes(gridcolor=GRID_LINE, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID_LINE, zerolinecolor="#c3c9d1", automargin=True)
    figure.update_layout(**layout)
    return figure


def level_buttons(figure: go.Figure, levels: tuple[str, ...], owner: list[str]) -> None:
    """Add one button per level that shows the traces it owns, and those of nobody.

    Parameters
    ----------
    owner : list of str
        The level that each trace belongs to; empty for a trace that always shows.
    """
    buttons = [
        {
            "label": LEVEL_NAME[level],
            "method": "restyle",
            "args": [{"visible": [who in ("", level) for who in owner]}],
        }
        for level in levels
    ]
    figure.update_layout(
        updatemenus=[
            {
                "buttons": buttons,
                "type": "dropdown",
                "active": len(levels) - 1,
                "x": 0,
                "xanchor": "left",
                "y": 1.02,
                "yanchor": "bottom",
                "bgcolor": "#ffffff",
                "bordercolor": "#c3c9d1",
                "pad": {"b": 6},
            }
        ]
    )
