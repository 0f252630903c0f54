"""The substation's load over the day against its limit, and how long the transformer is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mas2sim.report.appearance import (
    COMMUNITY_COLOURS,
    FAINT,
    LEVEL_NAME,
    LIMIT,
    clock_axis,
    clock_hours,
    frame,
    held,
    line_of,
    values_of,
)
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

LOAD_AXIS = "Sum of homes [kW]"


def load_figure(result: Result) -> go.Figure:
    """Sum of all connections at every level, and the limits on it."""
    import plotly.graph_objects as go

    figure = go.Figure()
    hours = clock_hours(result)
    totals = {level: values_of(result, "p_kw", level).sum(axis=1) for level in result.levels}
    for level, total in totals.items():
        figure.add_scatter(
            x=hours,
            y=held(total),
            name=LEVEL_NAME[level],
            line={**line_of(level), "shape": "hv"},
            meta=level,
            hovertemplate="%{y:.1f} kW",
        )
    everything = np.concatenate(list(totals.values()))
    limits = [(float(result.series.attrs["transformer_import_limit_kw"]), "Import limit")]
    export_kw = -float(result.series.attrs["transformer_export_limit_kw"])
    # A limit far beyond anything that happens would only flatten the curves.
    if everything.min() < 0.5 * export_kw:
        limits.append((export_kw, "Export limit"))
    for limit, name in limits:
        figure.add_scatter(
            x=[hours[0], hours[-1]],
            y=[limit, limit],
            name=name,
            mode="lines",
            line={"color": LIMIT, "dash": "dash", "width": 1.5},
            meta="limit",
            hovertemplate="%{y:.1f} kW",
        )
    return frame(figure, height=420, xaxis=clock_axis(), yaxis={"title": LOAD_AXIS})


def plans_figure(result: Result) -> go.Figure:
    """A-plans of the communities and the D-prognosis at the last level below central."""
    import plotly.graph_objects as go

    figure = go.Figure()
    hours = clock_hours(result)
    level = managed_level(result)
    plans = values_of(result, "a_plan_kw", level)
    for column, name in enumerate(result.series["community"].to_numpy()):
        figure.add_scatter(
            x=hours,
            y=held(plans[:, column]),
            name=str(name).replace("_", " ").capitalize(),
            line={
                "color": COMMUNITY_COLOURS[column % len(COMMUNITY_COLOURS)],
                "width": 1.8,
                "shape": "hv",
            },
            hovertemplate="%{y:.1f} kW",
        )
    figure.add_scatter(
        x=hours,
        y=held(values_of(result, "d_prognosis_kw", level)),
        name="D-prognosis",
        line={"color": FAINT, "width": 1.8, "dash": "dot", "shape": "hv"},
        hovertemplate="%{y:.1f} kW",
    )
    return frame(figure, height=360, xaxis=clock_axis(), yaxis={"title": "Plan [kW]"})


def duration_figure(result: Result) -> go.Figure:
    """Transformer loading from the highest to the lowest PTU, at every level.

    PTUs without a power flow have no place in the order and are left out; the name says how many.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    rows = np.flatnonzero(result.series["branch_kind"].to_numpy() == "transformer")
    hours = clock_hours(result)
    step = hours[1] - hours[0]
    for level in result.levels if rows.size else ():
        loading = values_of(result, "loading_percent", level)[:, rows].max(axis=1)
        solved = np.sort(loading[np.isfinite(loading)])[::-1]
        if not solved.size:
            continue
        lost = loading.size - solved.size
        figure.add_scatter(
            x=step * np.arange(solved.size + 1),
            y=held(solved),
            name=LEVEL_NAME[level] + (f" ({lost} PTUs unsolved)" if lost else ""),
            line={**line_of(level), "shape": "hv"},
            meta=level,
            hovertemplate="%{y:.1f} %",
        )
    limit = float(result.series.attrs["loading_limit_percent"])
    figure.add_scatter(
        x=[hours[0], hours[-1]],
        y=[limit, limit],
        name="Rating",
        mode="lines",
        line={"color": LIMIT, "dash": "dash", "width": 1.5},
        meta="limit",
        hovertemplate="%{y:.0f} %",
    )
    return frame(
        figure,
        height=380,
        xaxis={"title": "Hours of the day at or above", "range": [0, 24], "dtick": 3},
        yaxis={"title": "Transformer loading [%]", "rangemode": "tozero"},
    )


def managed_level(result: Result) -> str:
    """Return the highest level that is not the central bound."""
    below = [level for level in result.levels if level != "central"]
    return below[-1] if below else result.levels[-1]
