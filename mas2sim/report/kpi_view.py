"""The KPI table as it is shown: rows in groups, numbers in words a reader takes in at a glance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mas2sim.results import Kpi, Result, kpis_by_group

DASH = "-"
MINUS = "\N{MINUS SIGN}"
AGAINST_UC1 = "_vs_uc1"
GROUP_NAMES = {
    "money": "Money",
    "homes": "Homes with and without flexible assets",
    "energy": "Energy and services",
    "grid": "Grid",
    "market": "Market and run",
}
DECIMALS = {"count": 0, "percent": 1, "pu": 4, "EUR": 2, "h": 2, "-": 3}
FINE_DECIMALS = {"gap_percent": 3, "certified_gap_percent": 3}
"""Of KPIs that are small when all is well."""
UNIT_SIGNS = {"percent": "%", "count": "", "-": "", "pu": "p.u."}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value: what is printed, what it is against the baseline, and whether it is the best."""

    text: str
    change: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One KPI over the levels; the label leaves out the reference, which its table names."""

    kpi: Kpi
    label: str
    unit: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of KPIs: the rows against the baseline, those against uc1, and what is not known."""

    name: str
    rows: tuple[Row, ...]
    against_uc1: tuple[Row, ...]
    unknown: tuple[Kpi, ...]


def kpi_groups(result: Result) -> tuple[Group, ...]:
    """Arrange the KPI table of a case for reading."""
    return tuple(_group(GROUP_NAMES[name], kpis, result) for name, kpis in kpis_by_group().items())


def number(value: float, unit: str, kpi: str = "") -> str:
    """Write a number with as many decimals as its KPI, unit and size ask for; a dash for none."""
    if not math.isfinite(value):
        return DASH
    decimals = FINE_DECIMALS.get(kpi, DECIMALS.get(unit, 1 if abs(value) >= 10 else 2))
    text = f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if text.startswith("-"):
        # A value that rounds to nothing has no sign.
        return MINUS + text[1:] if any(digit in text for digit in "123456789") else text[1:]
    return text


def change(value: float, reference: float, unit: str) -> str:
    """Write a difference: in points for shares, in p.u. for voltages, else in percent.

    Empty when there is nothing to compare, or when the difference rounds to nothing.
    """
    if not (math.isfinite(value) and math.isfinite(reference)):
        return ""
    difference = value - reference
    if unit == "percent":
        words, suffix = number(difference, "percent"), " points"
    elif unit in ("pu", "-", "count"):
        words, suffix = number(difference, unit), ""
    elif reference == 0.0:
        return ""
    else:
        words, suffix = number(100.0 * difference / abs(reference), "percent"), " %"
    if not any(digit in words for digit in "123456789"):
        return ""
    return f"{words if words.startswith(MINUS) else '+' + words}{suffix}"


def _group(name: str, kpis: Sequence[Kpi], result: Result) -> Group:
    present = [kpi for kpi in kpis if kpi.name in result.kpi]
    known = [kpi for kpi in present if result.kpi[kpi.name].notna().any()]
    rows = {kpi.name: row for kpi, row in zip(known, _marked_once(known, result), strict=True)}
    return Group(
        name=name,
        rows=tuple(row for name, row in rows.items() if AGAINST_UC1 not in name),
        against_uc1=tuple(row for name, row in rows.items() if AGAINST_UC1 in name),
        unknown=tuple(kpi for kpi in present if kpi not in known),
    )


def _marked_once(kpis: Sequence[Kpi], result: Result) -> list[Row]:
    """Rows in which the best level is marked, unless a row above prints the same in that unit.

    Payments, bills and the cost of energy are one figure without a market: it wins once.
    """
    rows: list[Row] = []
    printed: set[tuple[str, ...]] = set()
    for kpi in kpis:
        row = _row(kpi, result)
        figures = (kpi.unit, *(cell.text for cell in row.cells))
        if figures in printed:
            row = replace(row, cells=tuple(replace(cell, best=False) for cell in row.cells))
        printed.add(figures)
        rows.append(row)
    return rows


def _row(kpi: Kpi, result: Result) -> Row:
    unit = UNIT_SIGNS.get(kpi.unit, kpi.unit)
    values: Mapping[str, object] = dict(zip(result.kpi["level"], result.kpi[kpi.name], strict=True))
    numbers = {
        level: float(value)
        for level, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    best = _best(kpi, numbers)
    reference = numbers.get("baseline", math.nan)
    cells = []
    for level, value in values.items():
        if isinstance(value, str):
            cells.append(Cell(value))
            continue
        shown = numbers.get(level, math.nan)
        cells.append(
            Cell(
                text=number(shown, kpi.unit, kpi.name),
                change="" if level == "baseline" else change(shown, reference, kpi.unit),
                best=level in best,
            )
        )
    label = kpi.label.removesuffix(" against the baseline").removesuffix(" against uc1")
    return Row(kpi, label, unit, tuple(cells))


def _best(kpi: Kpi, numbers: Mapping[str, float]) -> frozenset[str]:
    """Levels that print the best value, if they do not all print the same."""
    # The central bound is nobody's to reach, so it does not compete.
    taking_part = {level: value for level, value in numbers.items() if level != "central"}
    if not kpi.better or len(taking_part) < 2:
        return frozenset()
    extreme = (min if kpi.better == "lower" else max)(taking_part.values())
    best = {
        level
        for level, value in taking_part.items()
        if number(value, kpi.unit, kpi.name) == number(extreme, kpi.unit, kpi.name)
    }
    return frozenset(best) if len(best) < len(taking_part) else frozenset()
