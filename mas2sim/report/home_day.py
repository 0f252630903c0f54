"""One home's day: what each of its devices does, what crosses the meter, and at which price."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.report.appearance import (
    DEVICE_COLOUR,
    DEVICE_NAME,
    INK,
    clock_axis,
    clock_hours,
    frame,
    held,
    level_buttons,
    values_of,
)
from mas2sim.report.load_figures import managed_level
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

IN_USE_KW = 1e-6

GENERATOR_SERIES = {"pv": "pv_kw", "wind": "wind_kw", "micro_chp": "micro_chp_kw"}
FIXED_SERIES = {"base": "base_kw", **GENERATOR_SERIES}
"""Kinds whose power is the same at every level, and the series that hold it."""


def chosen_home(result: Result) -> str:
    """Return the home with the most devices in use; among equals, the one that saves most.

    Generators count as devices. Savings compare the payment at the highest level below
    central with the bill of the baseline; without both, the first of the equals is taken.
    """
    series = result.series
    homes = [str(home) for home in series["home"].to_numpy()]
    in_use = dict.fromkeys(homes, 0)
    device_kw = np.abs(values_of(result, "device_kw", managed_level(result))).max(axis=0)
    for home, power in zip(series["device_home"].to_numpy(), device_kw, strict=True):
        in_use[str(home)] += bool(power > IN_USE_KW)
    for name in GENERATOR_SERIES.values():
        for home, power in zip(homes, np.abs(values_of(result, name)).max(axis=0), strict=True):
            in_use[home] += bool(power > IN_USE_KW)
    saving = savings_eur(result)
    return max(homes, key=lambda home: (in_use[home], saving.get(home, 0.0)))


def savings_eur(result: Result) -> Mapping[str, float]:
    """What each home saves against the baseline at the highest level below central. [EUR]"""
    table = result.homes.set_index("home")
    level = managed_level(result)
    if "baseline" not in result.levels or level == "baseline":
        return {}
    before = table.loc[table["level"] == "baseline", "bill_eur"]
    after = table.loc[table["level"] == level, "payment_eur"]
    return {str(home): float(saved) for home, saved in (before - after).items()}


def components_kw(result: Result, level: str, home: str) -> Mapping[str, FloatArray]:
    """Power of each kind of device in the home, shape (ptu) each; kinds it lacks are left out."""
    series = result.series
    column = [str(name) for name in series["home"].to_numpy()].index(home)
    device_kw = values_of(result, "device_kw", level)
    mine = series["device_home"].to_numpy() == home
    kinds = series["device_kind"].to_numpy()
    parts = {
        kind: values_of(result, FIXED_SERIES[kind])[:, column]
        if kind in FIXED_SERIES
        else device_kw[:, mine & (kinds == kind)].sum(axis=1)
        for kind in DEVICE_NAME
    }
    return {kind: power for kind, power in parts.items() if np.abs(power).max() > IN_USE_KW}


def home_figure(result: Result) -> go.Figure:
    """Devices stacked, the net power over them, and the price on an axis of its own."""
    import plotly.graph_objects as go

    figure = go.Figure()
    home, shown, owner = chosen_home(result), managed_level(result), []
    hours = clock_hours(result)
    step = hours[1] - hours[0]
    column = [str(name) for name in result.series["home"].to_numpy()].index(home)
    for level in result.levels:
        for kind, power in components_kw(result, level, home).items():
            figure.add_bar(
                x=hours[:-1],
                y=power,
                offset=0,
                width=step,
                name=DEVICE_NAME[kind],
                meta=f"{level} {kind}",
                marker={"color": DEVICE_COLOUR[kind], "line": {"width": 0}},
                visible=level == shown,
                hovertemplate="%{y:.2f} kW",
            )
            owner.append(level)
        figure.add_scatter(
            x=hours,
            y=held(values_of(result, "p_kw", level)[:, column]),
            name="Net at the meter",
            meta=f"{level} net",
            line={"color": INK, "width": 1.8, "shape": "hv"},
            visible=level == shown,
            hovertemplate="%{y:.2f} kW",
        )
        owner.append(level)
    figure.add_scatter(
        x=hours,
        y=held(values_of(result, "import_eur_per_kwh")),
        name="Import price",
        meta="price",
        yaxis="y2",
        line={"color": "#7d5ba6", "width": 1.4, "dash": "dot", "shape": "hv"},
        hovertemplate="%{y:.3f} EUR/kWh",
    )
    owner.append("")
    frame(
        figure,
        height=460,
        barmode="relative",
        bargap=0,
        xaxis=clock_axis(),
        yaxis={"title": "Power [kW], import positive"},
        yaxis2={
            "title": "Price [EUR/kWh]",
            "overlaying": "y",
            "side": "right",
            "range": _price_range(values_of(result, "import_eur_per_kwh")),
            "tickmode": "auto",
            "tickformat": ".2f",
            "nticks": 6,
            "showgrid": False,
        },
        margin={"l": 62, "r": 62, "t": 52, "b": 40},
    )
    level_buttons(figure, result.levels, owner)
    figure.update_layout(updatemenus=[{"active": result.levels.index(shown)}])
    return figure


def _price_range(price: FloatArray) -> list[float]:
    """Return a range that holds zero and all prices, with some room on both sides."""
    low, high = min(0.0, float(price.min())), max(0.0, float(price.max()))
    room = 0.08 * (high - low)
    return [low - room, high + room]
