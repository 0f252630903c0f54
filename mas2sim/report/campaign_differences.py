"""Differences between the levels of a campaign's cases, pair by pair of levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.report.appearance import LEVEL_COLOUR, short_name
from mas2sim.report.small_multiples import (
    GAP,
    WIDE,
    cell,
    framed,
    kpi_words,
    multiples,
    rows_of,
)
from mas2sim.results.study_result import StudyTable

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

DIFFERENCES = (
    "payment_per_home_eur",
    "bill_saving_percent",
    "self_consumption_percent",
    "peak_import_reduction_percent",
    "loss_reduction_total_percent",
    "loss_reduction_variable_percent",
    "dso_payment_eur",
    "vm_max_pu",
    "transformer_loading_max_percent",
)
"""Of the figures that are compared, those that are drawn; the table has all."""
SPREAD, INTERVAL = 2, 7
"""Widths of lines."""
DECIMALS = 6
"""What is smaller is rounding of sums, and would have an axis of its own."""


def differences_figure(table: StudyTable) -> go.Figure | None:
    """Paired differences between levels: the mean, its interval over seeds, and the spread."""
    rows = table.frame[table.frame["kpi"].isin(DIFFERENCES) & table.frame["mean"].notna()]
    kpis = [kpi for kpi in DIFFERENCES if (rows["kpi"] == kpi).any()]
    if not kpis:
        return None
    rows = rows.assign(
        pair=rows["reference"].map(short_name) + " to " + rows["level"].map(short_name)
    )
    order = list(dict.fromkeys(rows["pair"]))[::-1]
    row_height = GAP + 28 * len(order)
    figure = multiples(
        [kpi_words(kpi) for kpi in kpis],
        WIDE,
        row_height=row_height,
        shared_yaxes=True,
        horizontal_spacing=0.04,
    )
    for place, kpi in enumerate(kpis):
        at = cell(place, WIDE, len(kpis))
        for _, row in rows[rows["kpi"] == kpi].iterrows():
            _difference(figure, row, at)
        figure.add_vline(x=0.0, line={"color": "#9aa3ad", "width": 1}, **at)
    figure.update_yaxes(categoryorder="array", categoryarray=order, range=[-0.6, len(order) - 0.4])
    named = [("5 to 95 % of the cases", SPREAD)]
    if rows["low"].notna().any():
        named.append(("95 % interval of the mean over seeds", INTERVAL))
    for name, width in named:
        line = {"color": "#5f6b7a", "width": width}
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=line)
    return framed(figure, rows_of(len(kpis)), row_height=row_height)


def _difference(figure: go.Figure, row: pd.Series[Any], at: dict[str, int]) -> None:
    """Lines and the dot of one pair of levels."""
    colour, word = LEVEL_COLOUR[str(row["level"])], str(row["pair"])
    for ends, width in ((("p5", "p95"), SPREAD), (("low", "high"), INTERVAL)):
        values = [round(float(row[end]), DECIMALS) for end in ends]
        if np.isfinite(values).all():
            figure.add_scatter(
                x=values,
                y=[word, word],
                mode="lines",
                line={"color": colour, "width": width},
                showlegend=False,
                hoverinfo="skip",
                **at,
            )
    said = f"{word}: mean {row['mean']:.4g}, median {row['median']:.4g}, {row['pairs']} cases"
    if np.isfinite(row["better_percent"]):
        said += (
            f"<br>better in {row['better_percent']:.0f} %, worse in {row['worse_percent']:.0f} %, "
            f"equal in {row['equal_percent']:.0f} %"
        )
    figure.add_scatter(
        x=[round(float(row["mean"]), DECIMALS)],
        y=[word],
        mode="markers",
        marker={"color": colour, "size": 10, "line": {"color": "#ffffff", "width": 1.5}},
        showlegend=False,
        hovertemplate=f"{said}<extra></extra>",
        **at,
    )
