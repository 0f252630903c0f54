"""What each axis of a campaign does: means by its values, and its share of the variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import LEVEL_NAME, LIMIT, line_of, short_name
from mas2sim.report.menus import choice_menu
from mas2sim.report.small_multiples import (
    GAP,
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

SHARE = "#0072b2"
REST_COLOUR = "#d9dee4"
EFFECT = "_effect"
REST = "rest"
"""Stands for the variance that no axis explains alone."""


def effects_figure(table: StudyTable) -> go.Figure | None:
    """Mean over each axis' values, a line for each level; the menu chooses the figure."""
    rows = table.frame
    axes = [axis for axis, own in rows.groupby("axis", sort=False) if len(set(own["value"])) > 1]
    named = [str(name) for name in rows if str(name).endswith(EFFECT)]
    kpis = [name.removesuffix(EFFECT) for name in named]
    kpis = [kpi for kpi in kpis if rows[kpi].notna().any()]
    if not axes or not kpis:
        return None
    figure = multiples([axis_words(str(axis)) for axis in axes], WIDE, shared_yaxes="all")
    owner: list[str] = []
    for kpi in kpis:
        for place, axis in enumerate(axes):
            for level, own in rows[rows["axis"] == axis].groupby("level", sort=False):
                if own[kpi].notna().any():
                    figure.add_scatter(
                        x=[value_words(value) for value in own["value"]],
                        y=own[kpi].to_numpy(),
                        customdata=own["cases"].to_numpy(),
                        name=LEVEL_NAME[str(level)],
                        legendgroup=str(level),
                        showlegend=place == 0,
                        mode="lines+markers",
                        line=line_of(str(level)),
                        visible=kpi == kpis[0],
                        hovertemplate=(
                            f"%{{x}}, {short_name(level)}: %{{y:.4~g}} (%{{customdata}} cases)"
                            "<extra></extra>"
                        ),
                        **cell(place, WIDE, len(axes)),
                    )
                    owner.append(kpi)
    figure.update_xaxes(type="category")
    figure.update_yaxes(showticklabels=True)
    choice_menu(figure, owner, [kpi_words(kpi) for kpi in dict.fromkeys(owner)])
    return framed(figure, rows_of(len(axes)))


def variance_figure(table: StudyTable) -> go.Figure | None:
    """Shares of the variance that single axes explain, by KPI; the menu chooses the level."""
    rows = table.frame[table.frame["share_percent"].notna()]
    if not len(rows):
        return None
    axes = list(dict.fromkeys(rows["axis"]))
    # The level of which most is known comes first.
    counts = rows.groupby("level", sort=False)["kpi"].nunique()
    levels = sorted(counts.index, key=lambda level: -int(counts[level]))
    kpis = list(dict.fromkeys([*rows.loc[rows["level"] == levels[0], "kpi"], *rows["kpi"]]))
    words = {axis: "All axes leave" if axis == REST else axis_words(str(axis)) for axis in axes}
    row_height = GAP + 22 * len(axes)
    figure = multiples(
        [_plain(kpi_words(kpi)) for kpi in kpis],
        WIDE,
        row_height=row_height,
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    owner: list[str] = []
    for level in levels:
        for place, kpi in enumerate(kpis):
            own = rows[(rows["level"] == level) & (rows["kpi"] == kpi)]
            at = {**cell(place, WIDE, len(kpis)), "visible": level == levels[0]}
            _shares(figure, own, [words[axis] for axis in own["axis"]], place == 0, at)
            owner += [str(level)] * 2
    choice_menu(figure, owner, [LEVEL_NAME[level] for level in dict.fromkeys(owner)])
    figure.update_xaxes(range=[0, 100])
    order = [words[axis] for axis in axes][::-1]
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    return framed(figure, rows_of(len(kpis)), row_height=row_height, barmode="overlay")


def _shares(
    figure: go.Figure, rows: pd.DataFrame, words: list[str], named: bool, at: dict[str, Any]
) -> None:
    """Bars of one KPI, and marks of what chance alone would give."""
    figure.add_bar(
        x=rows["share_percent"].to_numpy(),
        y=words,
        orientation="h",
        name="Explained",
        showlegend=named,
        legendgroup="explained",
        marker={"color": [REST_COLOUR if axis == REST else SHARE for axis in rows["axis"]]},
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        **at,
    )
    alone = (rows["axis"] != REST).to_numpy()
    figure.add_scatter(
        x=rows["chance_percent"].to_numpy()[alone],
        y=[word for word, is_axis in zip(words, alone, strict=True) if is_axis],
        mode="markers",
        name="Of an axis without effect",
        showlegend=named,
        legendgroup="chance",
        marker={
            "symbol": "line-ns-open",
            "size": 11,
            "color": LIMIT,
            "line": {"color": LIMIT, "width": 2},
        },
        hovertemplate="by chance %{x:.1f} %<extra></extra>",
        **at,
    )


def _plain(words: str) -> str:
    """A KPI without its unit: shares of a variance have none."""
    return words.rpartition(", ")[0] or words
