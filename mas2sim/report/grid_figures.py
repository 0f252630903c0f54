"""Voltage over the day against the statutory band, and what the grid loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.report.appearance import (
    INK,
    LEVEL_COLOUR,
    LEVEL_NAME,
    LIMIT,
    clock_axis,
    clock_hours,
    frame,
    held,
    values_of,
)
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROOM_V = 3.0
"""Left free above and below the band, or the voltages where they leave it. [V]"""

LOSS_PARTS = (
    ("loss_line_kwh", "Lines", "#0072b2"),
    ("loss_transformer_load_kwh", "Transformer, load", "#56b4e9"),
    ("loss_transformer_no_load_kwh", "Transformer, no load", "#c3c9d1"),
)


def bus_voltage_v(result: Result, level: str) -> FloatArray:
    """Voltage phase to neutral at the low-voltage buses, shape (ptu, bus, phase). [V]

    NaN on phases that a bus does not have.
    """
    nominal_kv = result.series["bus_vn_kv"].to_numpy()
    low = nominal_kv <= LOW_VOLTAGE_KV
    volts = values_of(result, "vm_pu", level)[:, low, :]
    return np.asarray(volts * (nominal_kv[low] * 1000.0 / np.sqrt(3.0))[:, None])


def voltage_curves_v(result: Result, level: str) -> Mapping[str, FloatArray]:
    """Lowest, highest and median voltage over buses and the phases they have, shape (ptu) each.

    NaN in a PTU that was not solved. [V]
    """
    volts = bus_voltage_v(result, level)
    flat = volts.reshape(volts.shape[0], -1)
    solved = values_of(result, "converged", level).astype(bool)
    median = np.full(len(flat), np.nan)
    median[solved] = np.nanmedian(flat[solved], axis=1)
    return {
        "lowest": np.where(solved, np.fmin.reduce(flat, axis=1), np.nan),
        "highest": np.where(solved, np.fmax.reduce(flat, axis=1), np.nan),
        "median": median,
    }


def voltage_figure(result: Result) -> go.Figure:
    """Lowest, median and highest voltage over buses and their phases, one panel per level."""
    from plotly.subplots import make_subplots

    levels = result.levels
    figure = make_subplots(
        rows=len(levels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.2 / len(levels),
        subplot_titles=[LEVEL_NAME[level] for level in levels],
    )
    hours = clock_hours(result)
    band = [float(result.series.attrs[name]) for name in ("voltage_min_v", "voltage_max_v")]
    span = list(band)
    for row, level in enumerate(levels, start=1):
        curves = voltage_curves_v(result, level)
        span = [
            np.fmin.reduce(curves["lowest"], initial=span[0]),
            np.fmax.reduce(curves["highest"], initial=span[1]),
        ]
        for name, values in curves.items():
            figure.add_scatter(
                x=hours,
                y=held(values),
                name=name,
                meta=f"{level} {name}",
                mode="lines",
                line={
                    "color": LEVEL_COLOUR[level],
                    "width": 2.0 if name == "median" else 0.8,
                    "shape": "hv",
                },
                fill="tonexty" if name == "highest" else None,
                fillcolor=_pale(LEVEL_COLOUR[level]),
                showlegend=False,
                hovertemplate="%{y:.1f} V",
                row=row,
                col=1,
            )
        for limit in band:
            figure.add_scatter(
                x=[hours[0], hours[-1]],
                y=[limit, limit],
                name="limit",
                meta="limit",
                mode="lines",
                line={"color": LIMIT, "dash": "dash", "width": 1.2},
                showlegend=False,
                hovertemplate="%{y:.1f} V",
                row=row,
                col=1,
            )
    frame(figure, height=80 + 165 * len(levels))
    figure.update_xaxes(**clock_axis())
    figure.update_yaxes(title="V", range=[span[0] - ROOM_V, span[1] + ROOM_V], nticks=5)
    figure.update_annotations(font={"size": 13}, x=0, xanchor="left")
    return figure


def loss_figure(result: Result) -> go.Figure:
    """Energy lost in a day at every level, by where it is lost."""
    import plotly.graph_objects as go

    figure = go.Figure()
    table = result.kpi
    names = [LEVEL_NAME[level] for level in table["level"]]
    total = table[[column for column, _, _ in LOSS_PARTS]].sum(axis=1, min_count=len(LOSS_PARTS))
    for column, name, colour in LOSS_PARTS:
        figure.add_bar(
            y=names,
            x=table[column].to_numpy(),
            name=name,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{x:.2f} kWh",
        )
    figure.add_scatter(
        y=names,
        x=total.to_numpy(),
        mode="text",
        text=[f" {value:.2f} kWh" if np.isfinite(value) else "" for value in total],
        textposition="middle right",
        textfont={"color": INK},
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )
    top = total.max()
    figure = frame(
        figure,
        height=150 + 46 * len(names),
        barmode="stack",
        hovermode="y unified",
        xaxis={"title": "Losses [kWh]"},
        yaxis={"autorange": "reversed"},
        # Told from left to right, as the bars are stacked.
        legend={"traceorder": "normal"},
        bargap=0.35,
    )
    if np.isfinite(top):
        figure.update_xaxes(range=[0, 1.18 * float(top)])
    return figure


def _pale(colour: str, opacity: float = 0.18) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
