"""Many small figures in one frame, and the words that stand at their axes.

A campaign is read by looking at the same thing for several figures, axes or levels side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import INK, frame
from mas2sim.report.kpi_view import UNIT_SIGNS
from mas2sim.results.kpi import KPIS
from mas2sim.results.study_result import StudyTable

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLE_SIZE = 13
WIDE = 3
"""Small figures side by side."""
ROW_HEIGHT, GAP, TITLE_HEIGHT, MENU_HEIGHT, LEGEND_HEIGHT = 230, 80, 50, 46, 90
"""Of a row of small figures, from one row to the next, of titles, menus and the legend. [px]"""
AXIS_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "smart": "Smart scenario",
        "day": "Day",
        "ties": "Tie rule",
        "flexibility": "Flexible loads",
        "seed": "Set of homes",
        "grid.transformer_limit_kw": "Limit of the transformer, kW",
    }
)
DERIVED: Mapping[str, str] = MappingProxyType(
    {"payment_per_home_eur": "Payment, EUR per home and day", "loss_kwh": "Losses, kWh"}
)
"""Figures that tables work out of KPIs."""
_OF_KPI = {kpi.name: kpi for kpi in KPIS}
REFERENCES = (" against the baseline", " against uc1")


def multiples(
    titles: Sequence[str],
    columns: int,
    *,
    row_height: int = ROW_HEIGHT,
    gap: int = GAP,
    **options: Any,
) -> go.Figure:
    """Make an empty figure for each title, in rows of some columns, read row by row.

    Parameters
    ----------
    titles : sequence of str
    columns : int
        Most of them side by side.
    row_height : int
        Of each row with its title and the labels below it; `framed` is told the same. [px]
    gap : int
        What of it is for the labels of one row and the titles of the next. [px]
    """
    from plotly.subplots import make_subplots

    columns = min(columns, len(titles))
    rows = ceil(len(titles) / columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        subplot_titles=list(titles),
        **{"vertical_spacing": min(gap / row_height, 0.9) / rows, **options},
    )
    figure.update_annotations(font={"size": TITLE_SIZE, "color": INK})
    return figure


def framed(
    figure: go.Figure,
    rows: int,
    *,
    row_height: int = ROW_HEIGHT,
    below: int = LEGEND_HEIGHT,
    **layout: Any,
) -> go.Figure:
    """Give small figures their frame, with room for their menus above and the legend below.

    Parameters
    ----------
    rows : int
        Rows of small figures.
    row_height : int
        As `multiples` was told. [px]
    below : int
        Room below the last row. [px]
    """
    menus = figure.layout.updatemenus
    above = TITLE_HEIGHT + (MENU_HEIGHT if menus else 0)
    inside = row_height * rows
    for menu in menus:
        menu.y = 1.0 + (TITLE_HEIGHT - 16) / inside
    margin = {"l": 62, "r": 30, "t": above, "b": below}
    return frame(
        figure,
        height=inside + above + below,
        **{"hovermode": "closest", "margin": margin, **layout},
    )


def rows_of(count: int, columns: int = WIDE) -> int:
    """Rows that `count` small figures take."""
    return -(-count // columns)


def cell(place: int, columns: int, count: int) -> dict[str, int]:
    """Row and column of one of `count` small figures."""
    columns = min(columns, count)
    return {"row": place // columns + 1, "col": place % columns + 1}


def axis_words(axis: str) -> str:
    """A swept key as it is read; keys below a group stay as they are typed."""
    plain = axis[:1].upper() + axis[1:].replace("_", " ")
    return AXIS_WORDS.get(axis, axis if "." in axis else plain)


def value_words(value: object) -> str:
    """A value of an axis as it is read."""
    return str(value).replace("_", " ")


def column_words(table: StudyTable, name: str) -> str:
    """A figure and its unit, as the table has them, or the registry of KPIs."""
    column = table.columns.get(name)
    if column is None:
        return kpi_words(name)
    label = _without_reference(column.label)
    return f"{label}, {column.unit}" if column.unit else label


def kpi_words(name: str) -> str:
    """A KPI and its unit, without the reference."""
    kpi = _OF_KPI.get(name)
    if kpi is None:
        return DERIVED.get(name, value_words(name))
    label = _without_reference(kpi.label)
    unit = UNIT_SIGNS.get(kpi.unit, kpi.unit)
    return f"{label}, {unit}" if unit else label


def _without_reference(label: str) -> str:
    for reference in REFERENCES:
        label = label.removesuffix(reference)
    return label
