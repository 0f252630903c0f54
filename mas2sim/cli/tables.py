"""The KPI table on the terminal: levels side by side, and what the DSO bought below."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mas2sim.results import KPIS, kpis_by_group
from mas2sim.scenario import CaseResult

if TYPE_CHECKING:
    import xarray as xr

SIGNIFICANT = 5
WIDTH = 100
"""Columns to print for where the output is not a terminal."""
UNIT_SIGNS = {"percent": "%", "count": "", "-": ""}
"""Short, so that five levels stand side by side with the longest name unbroken."""

COLUMNS = {
    "bill_eur": "bill\nEUR",
    "peak_import_kw": "import\nkW",
    "peak_export_kw": "export\nkW",
    "transformer_loading_max_percent": "transf.\n%",
    "line_loading_max_percent": "cables\n%",
    "vm_min_pu": "V min\npu",
    "vm_max_pu": "V max\npu",
    "loss_percent": "losses\n%",
    "congested_ptus": "over\nPTUs",
    "dso_payment_eur": "DSO pays\nEUR",
}
"""KPIs of several substations, in words short enough to stand side by side."""
FEWER = 4
"""Significant digits where that many stand side by side."""
NARROW = (0, 0)
"""Space around a cell there: only what stands between columns is left."""


def print_result(result: CaseResult) -> None:
    """Print the KPIs of each level, what the DSO bought, and where the result is stored."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(_substation_table(result) if result.parts else _kpi_table(result))
    for each in result.parts or (result,):
        place = f"Substation {each.kpi['substation'].iloc[0]}, " if result.parts else ""
        for line in purchase_lines(each.series):
            said = place + line if not line.startswith(" ") else line
            console.print(said, soft_wrap=True, highlight=False)
        for _, row in each.kpi[each.kpi["status"] != "ok"].iterrows():
            console.print(f"[bold red]{place}{row['level']}: {row['status']}[/bold red]")
    if result.path is not None:
        if result.kept:
            console.print("This result was there already; --force computes it again.")
        console.print(f"Result: {result.path}", soft_wrap=True)
        console.print(f"Report: {result.path / 'report' / 'index.html'}", soft_wrap=True)


def _title(result: CaseResult) -> str:
    axes = result.kpi.iloc[0]
    identity = ("season", "day", "weather", "smart", "flexibility", "communities", "seed")
    place = "all substations" if result.parts else axes["substation"]
    return f"{axes['grid']} {place}: " + ", ".join(f"{name} {axes[name]}" for name in identity)


def _substation_table(result: CaseResult) -> Table:
    """Substations one below the other, each level a row: by what a planner compares them."""
    shown = [name for name in COLUMNS if result.kpi[name].notna().any()]
    counts = {kpi.name for kpi in KPIS if kpi.unit == "count"}
    table = Table(
        title=_title(result), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=NARROW
    )
    table.add_column(str(result.kpi["grid"].iloc[0]), justify="right", no_wrap=True)
    table.add_column("level", no_wrap=True)
    for name in shown:
        table.add_column(COLUMNS[name], justify="right", no_wrap=True)
    for part in result.parts:
        for place, (_, row) in enumerate(part.kpi.iterrows()):
            figures = [_figure(row[each], 0 if each in counts else None, FEWER) for each in shown]
            table.add_row("" if place else str(row["substation"]), str(row["level"]), *figures)
        table.add_section()
    return table


def _kpi_table(result: CaseResult) -> Table:
    table = Table(title=_title(result), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("KPI")
    table.add_column("unit")
    for level in result.kpi["level"]:
        table.add_column(str(level), justify="right")
    for group, kpis in kpis_by_group().items():
        shown = [kpi for kpi in kpis if result.kpi[kpi.name].notna().any()]
        if shown:
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        for kpi in shown:
            digits = 0 if kpi.unit == "count" else None
            values = [_figure(value, digits) for value in result.kpi[kpi.name]]
            table.add_row(kpi.name, UNIT_SIGNS.get(kpi.unit, kpi.unit), *values)
    return table


def purchase_lines(series: xr.Dataset) -> Iterator[str]:
    """Say which offers the DSO took, and when there was not enough to buy; nothing otherwise."""
    hours = float(np.diff(series["clock_h"].to_numpy()[:2]).item())
    if "offer" in series.dims:
        moved_kwh = 0.5 * hours * np.abs(series["offer_change_kw"].to_numpy()).sum(axis=1)
        taken = series["offer_accepted"].to_numpy() == 1
        yield f"Bought by the DSO: {int(taken.sum())} of {taken.size} offers"
        for place in np.flatnonzero(taken):
            community = series["offer_community"].to_numpy()[place]
            number = int(series["offer_number"].to_numpy()[place])
            paid = float(series["offer_paid_eur"].to_numpy()[place])
            yield (
                f"  {community}, offer {number}: "
                f"{moved_kwh[place]:,.1f} kWh moved for {paid:,.2f} EUR"
            )
    for level in series["level"].to_numpy():
        curtailed_kw = np.abs(series["curtailed_kw"].sel(level=level).to_numpy())
        if curtailed_kw.any():
            energy_kwh = hours * float(curtailed_kw.sum())
            yield (
                f"{level}: insufficient flexibility, {energy_kwh:,.1f} kWh curtailed at "
                f"{_times(curtailed_kw > 0, series)}"
            )


def _times(flags: np.ndarray, series: xr.Dataset) -> str:
    """The PTUs flagged as spans of the clock, e.g. ``17:30-18:15, 20:00-20:15``."""
    minutes = np.rint(60.0 * series["clock_h"].to_numpy()).astype(int)
    length = int(minutes[1] - minutes[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    spans = [
        f"{_clock(minutes[first])}-{_clock(minutes[last - 1] + length)}"
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]
    return ", ".join(spans)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _figure(value: Any, digits: int | None = None, significant: int = SIGNIFICANT) -> str:
    """A figure with `digits` after the point, or as many as it deserves; "-" for none."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "-"
    if digits is None:
        magnitude = max(0, math.floor(math.log10(abs(value)))) if value else significant - 1
        digits = max(0, significant - 1 - magnitude)
    # Adding 0.0 turns what rounds to -0 into 0.
    return f"{round(value, digits) + 0.0:,.{digits}f}"
