"""Fans of a campaign: how the days of all cases spread, level by level.

Cases of one level are looked at together, PTU by PTU or place by place of the duration curves. No
line in a fan is the day of any case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import DAY_H, LEVEL_COLOUR, LEVEL_NAME, LIMIT, clock_axis
from mas2sim.report.menus import choice_menu
from mas2sim.report.small_multiples import framed, multiples, value_words
from mas2sim.results.study_result import StudyTable

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

BANDS = (("p0", "p100", 0.12), ("p5", "p95", 0.22), ("p25", "p75", 0.35))
"""Least and greatest percentile of each shade, and how dark it is."""
MEDIAN = "p50"
ALL = "all"
"""Stands for all cases among the groups."""
DURATION = {
    "net_duration_kw": "Sum of the connections",
    "transformer_duration_percent": "Transformer",
}
DAY = {
    "vm_max_pu": "Highest voltage",
    "vm_min_pu": "Lowest voltage",
    "line_loading_max_percent": "Line",
}
UNITS = {"percent": "% of the rating", "pu": "p.u."}
BASE_V = 400.0 / 3**0.5
"""Voltage phase to neutral that 1 p.u. stands for: 230.9 V, not the 230 V that limits refer to."""
LIMITS = {
    "transformer_duration_percent": 100.0,
    "line_loading_max_percent": 100.0,
    "vm_max_pu": 253.0 / BASE_V,
    "vm_min_pu": 216.2 / BASE_V,
}
"""Ratings, and the statutory limits of voltage (ESQCR 2002: +10 %, -6 % of 230 V)."""
HOURS = (6, 12, 18)
ROOM, NEAR = 0.05, 0.6
"""Above and below the fans, and how far from them a limit is still shown, of their height."""
DIGITS = 5


def duration_figure(table: StudyTable) -> go.Figure | None:
    """Duration curves; the menu chooses the group."""
    return _fans(table, DURATION, clock=False)


def day_figure(table: StudyTable) -> go.Figure | None:
    """Voltages and the line loaded most over the day; the menu chooses the group."""
    return _fans(table, DAY, clock=True)


def _fans(table: StudyTable, named: dict[str, str], *, clock: bool) -> go.Figure | None:
    """A row for each variable, a column for each level."""
    rows = table.frame[table.frame[MEDIAN].notna()]
    there = set(rows["variable"])
    variables = [name for name in named if name in there]
    if not variables:
        return None
    rows = rows[rows["variable"].isin(variables)]
    levels = [str(level) for level in dict.fromkeys(rows["level"])]
    groups = list(dict.fromkeys(rows["group"]))
    titles = [LEVEL_NAME[level] for level in levels] + [""] * (len(levels) * (len(variables) - 1))
    figure = multiples(
        titles,
        len(levels),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=0.06,
    )
    owner: list[str] = []
    fans = dict(iter(rows.groupby(["group", "variable", "level"], sort=False)))
    for (group, variable, level), fan in fans.items():
        traces = _fan(fan, str(level), clock=clock)
        at = {"row": variables.index(str(variable)) + 1, "col": levels.index(str(level)) + 1}
        for trace in traces:
            figure.add_scatter(**trace, visible=group == groups[0], **at)
        owner += [str(group)] * len(traces)
    choice_menu(figure, owner, [_group(each) for each in dict.fromkeys(owner)])
    for row, variable in enumerate(variables, start=1):
        unit = str(rows.loc[rows["variable"] == variable, "unit"].iloc[0])
        words = f"{named[variable]}, {UNITS.get(unit, unit)}"
        own = rows[rows["variable"] == variable]
        figure.update_yaxes(range=_range(variable, own), row=row)
        figure.update_yaxes(title={"text": words, "font": {"size": 13}}, row=row, col=1)
        if variable in LIMITS:
            line = {"color": LIMIT, "dash": "dash", "width": 1}
            for col in range(1, len(levels) + 1):
                figure.add_hline(y=LIMITS[variable], line=line, row=row, col=col)
    ticks = clock_axis() if clock else {"range": [0, DAY_H]}
    figure.update_xaxes(**{**ticks, "tickvals": HOURS, "ticktext": None})
    if clock:
        figure.update_xaxes(ticktext=[f"{hour:02d}:00" for hour in HOURS])
    else:
        figure.update_xaxes(title={"text": "Hours", "font": {"size": 13}}, row=len(variables))
    return framed(figure, len(variables), below=60)


def _group(group: str) -> str:
    return "all cases" if group == ALL else value_words(group)


def _fan(fan: pd.DataFrame, level: str, *, clock: bool) -> list[dict[str, Any]]:
    """Shades and the median of one level."""
    fan = fan.sort_values("index")
    hours = (fan["index"].to_numpy() + (0.0 if clock else 0.5)) * DAY_H / len(fan)
    x = [round(hour, 3) for hour in hours.tolist()]
    colour = LEVEL_COLOUR[level]
    shades: list[dict[str, Any]] = [
        {
            "x": [*x, *reversed(x)],
            "y": [*_rounded(fan[high]), *reversed(_rounded(fan[low]))],
            "fill": "toself",
            "fillcolor": colour,
            "opacity": opacity,
            "line": {"width": 0},
            "mode": "lines",
            "hoverinfo": "skip",
            "showlegend": False,
        }
        for low, high, opacity in BANDS
    ]
    said = [
        [low, high] for low, high in zip(_rounded(fan["p5"]), _rounded(fan["p95"]), strict=True)
    ]
    median = {
        "x": x,
        "y": _rounded(fan[MEDIAN]),
        "customdata": said,
        "mode": "lines",
        "line": {"color": colour, "width": 2},
        "showlegend": False,
        "hovertemplate": (
            "median %{y:.4~g}, 5 to 95 %: %{customdata[0]:.4~g} to %{customdata[1]:.4~g}"
            "<extra></extra>"
        ),
    }
    return [*shades, median]


def _rounded(values: Sequence[float] | pd.Series[Any]) -> list[float]:
    """Values with as many digits as a figure shows; the page is smaller for it."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _range(variable: str, rows: pd.DataFrame) -> list[float]:
    """One scale for all levels and groups, with the limit where it is near."""
    low, high = float(rows["p0"].min()), float(rows["p100"].max())
    limit = LIMITS.get(variable)
    room = ROOM * (high - low) or abs(high) or 1.0
    if limit is not None and low - NEAR * (high - low) < limit < high + NEAR * (high - low):
        low, high = min(low, limit), max(high, limit)
    return [low - room, high + room]
