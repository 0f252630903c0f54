"""The KPI table on the terminal: levels side by side."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

from mas2sim.results import kpis_by_group
from mas2sim.scenario import CaseResult

SIGNIFICANT = 5
WIDTH = 100
"""Columns to print for where the output is not a terminal."""


def print_result(result: CaseResult) -> None:
    """Print the KPIs of each level, the identity of the case and where it is stored."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    axes = result.kpi.iloc[0]
    identity = ("season", "day", "weather", "smart", "flexibility", "communities", "seed")
    title = f"{axes['grid']} {axes['substation']}: " + ", ".join(
        f"{name} {axes[name]}" for name in identity
    )
    table = Table(title=title, title_justify="left")
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
            table.add_row(kpi.name, kpi.unit, *values)
    console.print(table)
    for _, row in result.kpi[result.kpi["status"] != "ok"].iterrows():
        console.print(f"[bold red]{row['level']}: {row['status']}[/bold red]")
    if result.path is not None:
        if result.kept:
            console.print("This result was there already; --force computes it again.")
        console.print(f"Result: {result.path}", soft_wrap=True)
        console.print(f"Report: {result.path / 'report' / 'index.html'}", soft_wrap=True)


def _figure(value: Any, digits: int | None = None) -> str:
    """A figure with `digits` after the point, or as many as it deserves; "-" for none."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "-"
    if digits is None:
        magnitude = max(0, math.floor(math.log10(abs(value)))) if value else SIGNIFICANT - 1
        digits = max(0, SIGNIFICANT - 1 - magnitude)
    # Adding 0.0 turns what rounds to -0 into 0.
    return f"{round(value, digits) + 0.0:,.{digits}f}"
