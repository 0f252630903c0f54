"""Maps of a campaign: two axes at a time, and where the limit of the transformer binds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.report.appearance import FAINT, LEVEL_NAME
from mas2sim.report.menus import choice_menu
from mas2sim.report.small_multiples import (
    WIDE,
    axis_words,
    cell,
    framed,
    kpi_words,
    multiples,
    rows_of,
    value_words,
)
from mas2sim.results.study_result import StudyTable

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    Pair = tuple[str, str]

SCALE, EMPTY = "Blues", "#f1f3f5"
CELL_HEIGHT, LEAST_HEIGHT = 46, 140
SECOND_MENU = 0.42
"""Where the second menu begins, of the figure's width."""
ALL = "all"
"""Stands for all cases in the table of the limit."""
TOP = 1.12
"""Room above the highest bar."""
BAR_COLOUR = "#0072b2"


def pairs_figure(table: StudyTable) -> go.Figure | None:
    """Heat maps of two axes, one for each level; menus choose the pair and the figure."""
    rows = table.frame[table.frame["mean"].notna()]
    if not len(rows):
        return None
    pairs = list(dict.fromkeys(zip(rows["axis_a"], rows["axis_b"], strict=True)))
    levels = [level for level in LEVEL_NAME if (rows["level"] == level).any()]
    # Those first that the highest level has: the baseline has no gains.
    kpis = list(dict.fromkeys([*rows.loc[rows["level"] == levels[-1], "kpi"], *rows["kpi"]]))
    figure = multiples(
        [LEVEL_NAME[level] for level in levels], len(levels), horizontal_spacing=0.02
    )
    owner: list[Pair] = []
    values: dict[str, list[Any]] = {kpi: [] for kpi in kpis}
    most = 1
    for pair in pairs:
        own = rows[(rows["axis_a"] == pair[0]) & (rows["axis_b"] == pair[1])]
        keys = zip(own["level"], own["kpi"], own["value_a"], own["value_b"], strict=True)
        means = dict(zip(keys, (float(f"{mean:.5g}") for mean in own["mean"]), strict=True))
        down, across = _order(own, "value_a", "value_b"), _order(own, "value_b", "value_a")
        most = max(most, len(down))
        for column, level in enumerate(levels, start=1):
            for kpi in kpis:
                values[kpi].append(_map(means, (level, kpi), down, across))
            at = {"visible": pair == pairs[0], "row": 1, "col": column}
            _heat_map(figure, down, across, values[kpis[0]][-1], at)
            owner += [pair] * 2
    labels = [f"{axis_words(a)} (down) and {axis_words(b).lower()}" for a, b in pairs]
    choice_menu(figure, owner, labels)
    _figure_menu(figure, {kpi_words(kpi): each for kpi, each in values.items()})
    return _mapped(figure, most)


def _order(rows: pd.DataFrame, name: str, other: str) -> list[Any]:
    """Values of an axis in the table's order, which one value of the other axis may not show."""
    seen = [list(dict.fromkeys(part[name])) for _, part in rows.groupby(other, sort=False)]
    longest = max(seen, key=len)
    return list(dict.fromkeys([*longest, *(value for each in seen for value in each)]))


def _heat_map(
    figure: go.Figure, down: list[Any], across: list[Any], values: list[Any], at: dict[str, Any]
) -> None:
    """Add a map before a pale one, which shows and keeps the names of cells without a case."""
    cells = {
        "x": [value_words(value) for value in across],
        "y": [value_words(value) for value in down],
        "xgap": 1,
        "ygap": 1,
    }
    figure.add_heatmap(
        **cells,
        z=[[0] * len(across)] * len(down),
        colorscale=[[0, EMPTY], [1, EMPTY]],
        showscale=False,
        hovertemplate="%{y}, %{x}: no value<extra></extra>",
        **at,
    )
    figure.add_heatmap(
        **cells,
        z=values,
        coloraxis="coloraxis",
        texttemplate="%{z:.3~g}",
        hovertemplate="%{y}, %{x}: %{z:.4~g}<extra></extra>",
        **at,
    )


def _map(
    means: Mapping[tuple[str, str, str, str], float],
    shown: tuple[str, str],
    down: list[Any],
    across: list[Any],
) -> list[list[float | None]]:
    """Means of a level and figure as rows and columns; None where no case has both values."""
    return [[means.get((*shown, first, second)) for second in across] for first in down]


def _figure_menu(figure: go.Figure, values: dict[str, list[Any]]) -> None:
    """Add the menu that fills all maps with another figure."""
    if len(values) < 2:
        return
    maps = [place for place, trace in enumerate(figure.data) if trace.coloraxis]
    menu = {
        "buttons": [
            {"label": label, "method": "restyle", "args": [{"z": each}, maps]}
            for label, each in values.items()
        ],
        "type": "dropdown",
        "active": 0,
        "x": SECOND_MENU,
        "xanchor": "left",
        "y": 1.03,
        "yanchor": "bottom",
        "bgcolor": "#ffffff",
        "bordercolor": "#c3c9d1",
    }
    figure.update_layout(updatemenus=[*figure.layout.updatemenus, menu])


def _mapped(figure: go.Figure, rows: int) -> go.Figure:
    drawn = framed(
        figure,
        1,
        row_height=max(CELL_HEIGHT * rows, LEAST_HEIGHT),
        below=70,
        coloraxis={"colorscale": SCALE, "colorbar": {"thickness": 12, "outlinewidth": 0}},
    )
    drawn.update_xaxes(type="category", showgrid=False)
    # Axes that were tied together would keep the values of pairs that were shown before.
    drawn.update_yaxes(type="category", showgrid=False, autorange="reversed", showticklabels=False)
    return drawn.update_yaxes(showticklabels=True, col=1)


def binding_figure(table: StudyTable) -> go.Figure | None:
    """Share of the cases in which the limit binds: by each axis, and by two together."""
    rows = table.frame
    alone = rows[(rows["axis"] != ALL) & (rows["axis_b"] == "")]
    both = rows[rows["axis_b"] != ""]
    axes = list(dict.fromkeys(alone["axis"]))
    titles = [axis_words(str(axis)) for axis in axes]
    if len(both):
        names = [axis_words(str(both[name].iloc[0])) for name in ("axis", "axis_b")]
        titles.append(f"{names[0]} (down) and {names[1].lower()}")
    if not titles:
        return None
    figure = multiples(titles, WIDE, horizontal_spacing=0.09)
    overall = rows.loc[rows["axis"] == ALL, "binding_percent"]
    for place, axis in enumerate(axes):
        own = alone[alone["axis"] == axis]
        at = cell(place, WIDE, len(titles))
        figure.add_bar(
            x=[value_words(value) for value in own["value"]],
            y=own["binding_percent"].to_numpy(),
            customdata=own[["binding_cases", "cases"]].to_numpy(),
            marker={"color": BAR_COLOUR},
            showlegend=False,
            hovertemplate=(
                "%{x}: %{y:.1f} % (%{customdata[0]} of %{customdata[1]} cases)<extra></extra>"
            ),
            **at,
        )
        figure.update_yaxes(range=[0, TOP * max(1.0, float(alone["binding_percent"].max()))], **at)
        for share in overall:
            figure.add_hline(y=share, line={"color": FAINT, "dash": "dash", "width": 1}, **at)
    if len(both):
        _add_map(figure, both, cell(len(axes), WIDE, len(titles)))
    figure.update_xaxes(type="category")
    return framed(figure, rows_of(len(titles)), below=50)


def _add_map(figure: go.Figure, rows: pd.DataFrame, at: dict[str, int]) -> None:
    """Add the map of two axes, its shares written into it."""
    wide = rows.set_index(["value", "value_b"])["binding_percent"].unstack()  # noqa: PD010
    down, across = list(dict.fromkeys(rows["value"])), list(dict.fromkeys(rows["value_b"]))
    shares = wide.reindex(index=down, columns=across).to_numpy()
    figure.add_heatmap(
        x=[value_words(value) for value in across],
        y=[value_words(value) for value in down],
        z=[[float(each) if np.isfinite(each) else None for each in row] for row in shares],
        zmin=0.0,
        colorscale=SCALE,
        showscale=False,
        xgap=1,
        ygap=1,
        texttemplate="%{z:.0f}",
        hovertemplate="%{y}, %{x}: %{z:.1f} %<extra></extra>",
        **at,
    )
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, **at)
