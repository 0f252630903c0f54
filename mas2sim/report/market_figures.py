"""Figures of the markets: request and prognosis, offers, regimes, and trade among neighbours.

The first two follow figures 42 to 44 of D6.1.
"""

from __future__ import annotations

from html import escape
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.limits import Regime
from mas2sim.report.appearance import (
    DAY_H,
    FAINT,
    INK,
    LEVEL_COLOUR,
    LEVEL_NAME,
    LIMIT,
    clock_axis,
    clock_hours,
    frame,
    held,
    level_buttons,
    values_of,
)
from mas2sim.report.market_view import (
    ASKED_KW,
    Offer,
    community_name,
    market_levels,
    offers,
    shown_offers,
)
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

BEFORE, ROOM, RESERVE = "#c3c9d1", "#e3f1ec", "#9fb0c3"
TAKEN = LEVEL_COLOUR["uc3"]
UNKNOWN = "unknown"
REGIME_COLOUR = {
    UNKNOWN: "#f1f3f5",
    Regime.GREEN.value: "#8cc8a5",
    Regime.YELLOW.value: "#f0dc6a",
    Regime.ORANGE.value: "#e8833a",
    Regime.RED.value: LIMIT,
}
"""In the order in which the series number them, from -1."""
TRADE_COLOUR = {"from": "#9fb0c3", "local": "#009e73", "to": "#f0dc6a"}
MOST_COLUMNS = 3
ROOM_ABOVE = 1.15
"""Range of an axis over the largest value on it."""


def prognosis_figure(result: Result) -> go.Figure:
    """The prognosis before and after against the limits, and below it what was asked and ordered.

    Where less is asked for, the room for more is shaded: there the load may go.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.12,
        row_heights=[0.58, 0.42],
        subplot_titles=["D-prognosis", "Flexibility request and order"],
    )
    before_kw, after_kw = (values_of(result, f"prognosis_{end}_kw") for end in ("before", "after"))
    asked_kw, ordered_kw = values_of(result, "flex_requested_kw"), after_kw - before_kw
    _bars(figure, result, before_kw, "Before", BEFORE, meta="before")
    _bars(
        figure,
        result,
        -asked_kw,
        "Beyond the limit",
        LIMIT,
        meta="beyond",
        base=before_kw + asked_kw,
        said=before_kw,
    )
    _limit_lines(figure, result, np.concatenate([before_kw, after_kw]))
    hours = clock_hours(result)
    figure.add_scatter(
        x=hours,
        y=held(after_kw),
        name="After",
        meta="after",
        line={"color": TAKEN, "width": 2.2, "shape": "hv"},
        hovertemplate="%{y:.1f} kW",
    )
    largest_kw = ROOM_ABOVE * float(np.abs([asked_kw, ordered_kw]).max())
    for side, wanted in (("upper", asked_kw.min() < 0), ("lower", asked_kw.max() > 0)):
        if wanted:
            room_kw = values_of(result, f"flex_available_{side}_kw")
            room_kw = np.maximum(room_kw, 0.0) if side == "upper" else np.minimum(room_kw, 0.0)
            word = "an increase" if side == "upper" else "a reduction"
            _bars(figure, result, room_kw, f"Room for {word}", ROOM, row=2, meta=f"room {side}")
    _bars(figure, result, asked_kw, "Requested", LIMIT, row=2, meta="requested")
    figure.add_scatter(
        x=hours,
        y=held(ordered_kw),
        name="Ordered",
        meta="ordered",
        line={"color": TAKEN, "width": 2.2, "shape": "hv"},
        hovertemplate="%{y:+.1f} kW",
        row=2,
        col=1,
    )
    frame(figure, height=600, barmode="overlay", bargap=0)
    figure.update_xaxes(**clock_axis())
    figure.update_xaxes(showticklabels=True, row=1)
    figure.update_yaxes(title="Sum of homes [kW]", row=1)
    figure.update_yaxes(title="Change [kW]", range=[-largest_kw, largest_kw], row=2)
    return _pale_titles(figure)


def offers_figure(result: Result) -> go.Figure:
    """Change of plan of the offers, a column for each community, those taken in the first row."""
    from plotly.subplots import make_subplots

    made = offers(result)
    names = list(dict.fromkeys(offer.community for offer in made))
    shown = {name: shown_offers(made, name) for name in names}
    columns = min(len(names), MOST_COLUMNS)
    bands, depth = ceil(len(names) / columns), max(map(len, shown.values()))
    titles, cells = [], []
    # All that were taken before any in reserve, also where communities fill several rows.
    for row in range(depth):
        for band in range(bands):
            for column in range(columns):
                own = shown.get(_at(names, band * columns + column), ())
                offer = own[row] if row < len(own) else None
                titles.append("" if offer is None else _offer_title(offer))
                if offer is not None:
                    cells.append((offer, row * bands + band + 1, column + 1))
    rows = bands * depth
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all",
        vertical_spacing=0.36 / rows,
        horizontal_spacing=0.03,
        subplot_titles=titles,
    )
    legend: set[str] = set()
    for offer, row, column in cells:
        figure.add_bar(
            x=clock_hours(result)[:-1],
            y=offer.change_kw,
            offset=0,
            width=_step_h(result),
            name=offer.standing.capitalize(),
            legendgroup=offer.standing,
            showlegend=offer.standing not in legend,
            meta=f"{offer.community} {offer.number}",
            marker={"color": TAKEN if offer.accepted else RESERVE, "line": {"width": 0}},
            hovertemplate="%{y:+.1f} kW",
            row=row,
            col=column,
        )
        legend.add(offer.standing)
    margin = {"l": 62, "r": 30, "t": 60, "b": 40}
    frame(figure, height=130 + 200 * rows, bargap=0, margin=margin)
    _quarter_days(figure)
    figure.update_yaxes(title="Change [kW]", col=1)
    return _pale_titles(figure)


def regime_figure(result: Result) -> go.Figure:
    """The operating regime in each PTU as a strip of colours, a row for each level."""
    import plotly.graph_objects as go

    codes = np.array([values_of(result, "regime", level) for level in result.levels])
    names, colours = list(REGIME_COLOUR), list(REGIME_COLOUR.values())
    shares = np.repeat(np.arange(len(names) + 1) / len(names), 2)[1:-1]
    hours = clock_hours(result)
    figure = go.Figure()
    figure.add_heatmap(
        x=hours,
        y=[LEVEL_NAME[level] for level in result.levels],
        z=codes,
        zmin=-1.5,
        zmax=len(names) - 1.5,
        colorscale=list(zip(shares, np.repeat(colours, 2).tolist(), strict=True)),
        showscale=False,
        xgap=0.5,
        ygap=6,
        meta="regime",
        text=[[names[int(code) + 1] for code in level] for level in codes],
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    for code, (name, colour) in enumerate(REGIME_COLOUR.items(), start=-1):
        if (codes == code).any():
            figure.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=name.capitalize(),
                marker={"color": colour, "symbol": "square", "size": 12},
            )
    frame(figure, height=110 + 34 * len(result.levels), xaxis=clock_axis(), hovermode="closest")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False)
    return figure


def traded_kw(result: Result, level: str, community: str) -> dict[str, FloatArray]:
    """Power from the grid, traded among members, and to the grid (negative), shape (ptu) each.

    What members draw comes from other members as far as those feed in, in the same PTU.
    """
    mine = result.series["home_community"].to_numpy() == community
    net_kw = values_of(result, "p_kw", level)[:, mine]
    drawn_kw = np.maximum(net_kw, 0.0).sum(axis=1)
    fed_kw = np.maximum(-net_kw, 0.0).sum(axis=1)
    local_kw = np.minimum(drawn_kw, fed_kw)
    return {"local": local_kw, "from": drawn_kw - local_kw, "to": local_kw - fed_kw}


def trade_figure(result: Result) -> go.Figure:
    """Where the power of each community comes from and goes to, by level."""
    from plotly.subplots import make_subplots

    communities = [str(name) for name in result.series["community"].to_numpy()]
    levels = market_levels(result)
    columns = min(len(communities), MOST_COLUMNS)
    rows = ceil(len(communities) / columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        shared_yaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=0.25 / rows,
        subplot_titles=[community_name(name) for name in communities],
    )
    words = {"local": "Traded among members", "from": "From the grid", "to": "To the grid"}
    shown, owner = _shown_level(levels), []
    for level in levels:
        for place, community in enumerate(communities):
            for part, power_kw in traded_kw(result, level, community).items():
                figure.add_bar(
                    x=clock_hours(result)[:-1],
                    y=power_kw,
                    offset=0,
                    width=_step_h(result),
                    name=words[part],
                    legendgroup=part,
                    showlegend=place == 0,
                    meta=f"{level} {community} {part}",
                    marker={"color": TRADE_COLOUR[part], "line": {"width": 0}},
                    visible=level == shown,
                    hovertemplate="%{y:.1f} kW",
                    row=place // columns + 1,
                    col=place % columns + 1,
                )
                owner.append(level)
    frame(
        figure,
        height=170 + 230 * rows,
        barmode="relative",
        bargap=0,
        margin={"l": 62, "r": 30, "t": 76, "b": 40},
    )
    _quarter_days(figure)
    figure.update_yaxes(title="Power [kW]", col=1)
    level_buttons(figure, levels, owner)
    figure.update_layout(updatemenus=[{"active": levels.index(shown), "y": 1.0, "pad": {"b": 30}}])
    return _pale_titles(figure)


def _bars(
    figure: go.Figure,
    result: Result,
    power_kw: FloatArray,
    name: str,
    colour: str,
    *,
    meta: str,
    row: int = 1,
    base: FloatArray | None = None,
    said: FloatArray | None = None,
) -> None:
    """Add bars as wide as PTUs; PTUs without power have none."""
    drawn = np.where(np.abs(power_kw) > ASKED_KW, power_kw, np.nan)
    figure.add_bar(
        x=clock_hours(result)[:-1],
        y=drawn,
        base=base,
        offset=0,
        width=_step_h(result),
        name=name,
        meta=meta,
        marker={"color": colour, "line": {"width": 0}},
        customdata=power_kw if said is None else said,
        hovertemplate="%{customdata:.1f} kW",
        row=row,
        col=1,
    )


def _limit_lines(figure: go.Figure, result: Result, power_kw: FloatArray) -> None:
    attrs = result.series.attrs
    limits = [(float(attrs["transformer_import_limit_kw"]), "Import limit")]
    export_kw = -float(attrs["transformer_export_limit_kw"])
    # A limit far beyond anything that happens would only flatten the bars.
    if power_kw.min() < 0.5 * export_kw:
        limits.append((export_kw, "Export limit"))
    for limit_kw, name in limits:
        figure.add_scatter(
            x=[0.0, DAY_H],
            y=[limit_kw, limit_kw],
            name=name,
            mode="lines",
            meta="limit",
            line={"color": LIMIT, "dash": "dash", "width": 1.5},
            hovertemplate="%{y:.1f} kW",
        )


def _quarter_days(figure: go.Figure) -> None:
    """Ticks for small panels."""
    hours = (6, 12, 18)
    figure.update_xaxes(
        range=[0, DAY_H],
        tickvals=hours,
        ticktext=[f"{hour:02d}:00" for hour in hours],
        tickangle=0,
    )
    figure.update_yaxes(zerolinecolor=FAINT)


def _pale_titles(figure: go.Figure) -> go.Figure:
    figure.update_annotations(font={"size": 13, "color": INK})
    return figure


def _offer_title(offer: Offer) -> str:
    return f"{escape(offer.community)}, offer {offer.number}<br>{offer.price}, {offer.standing}"


def _shown_level(levels: tuple[str, ...]) -> str:
    below = [level for level in levels if level != "central"]
    return below[-1] if below else levels[-1]


def _at(names: list[str], place: int) -> str:
    return names[place] if place < len(names) else ""


def _step_h(result: Result) -> float:
    hours = clock_hours(result)
    return float(hours[1] - hours[0])
