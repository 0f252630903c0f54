"""A user's table, CSV or Parquet: its columns, its complete days, and what is wrong with it.

Faults are collected, not raised, and name the lines of the file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import Fault
from mas2sim.domain.horizon import MINUTES_PER_DAY, MINUTES_PER_HOUR
from mas2sim.population.resolution import ptus_to_quarters

SHOWN = 4
"""Places named in one fault; the others are counted."""

UNIT_REMEDIES: Mapping[str, str] = {
    "p_w": "divide by 1000 and name the column p_kw",
    "p_mw": "multiply by 1000 and name the column p_kw",
    "power_kw": "name the column p_kw",
    "annual_wh": "divide by 1000 and name the column annual_kwh",
    "annual_mwh": "multiply by 1000 and name the column annual_kwh",
    "rated_wp": "divide by 1000 and name the column rated_kwp",
    "rated_kw": "give the rated power of the modules as rated_kwp",
    "capacity_wh": "divide by 1000 and name the column capacity_kwh",
    "power_w": "divide by 1000 and name the column power_kw",
    "charger_w": "divide by 1000 and name the column charger_kw",
    "heat_loss_w_per_k": "divide by 1000 and name the column heat_loss_kw_per_k",
}
"""Columns whose name tells that they are in another unit."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """Columns of a file as text, with the place of each row in the file."""

    name: str
    row_word: str
    places: Sequence[int]
    columns: Mapping[str, Sequence[str]]
    faults: list[Fault]

    def where(self, rows: Iterable[int]) -> str:
        """Name of the file and of some of its rows."""
        places = [self.places[row] for row in rows]
        shown = ", ".join(str(place) for place in places[:SHOWN])
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        plural = "s" if len(places) > 1 else ""
        return f"{self.name}, {self.row_word}{plural} {shown}{more}"

    def require(self, columns: Sequence[str]) -> bool:
        """Whether all `columns` are there; one fault for each that is not."""
        lacking = [column for column in columns if column not in self.columns]
        for column in lacking:
            ending = column.rpartition("_")[0]
            near = [
                name
                for name in self.columns
                if name in UNIT_REMEDIES and column in UNIT_REMEDIES[name]
            ]
            near = near or [name for name in self.columns if ending and name.startswith(ending)]
            found = f"column {near[0]}" if near else f"columns {', '.join(self.columns) or 'none'}"
            remedy = UNIT_REMEDIES.get(near[0], "") if near else ""
            self.faults.append(Fault(self.name, found, f"a column {column}", remedy))
        return not lacking

    def numbers(self, column: str, low: float, high: float, remedy: str = "") -> FloatArray:
        """Column as numbers, shape (row); NaN, and one fault each kind, for what is not one."""
        values = np.array([number(text) for text in self.columns[column]], dtype=np.float64)
        allowed = f"a number from {low:g} to {high:g}"
        no_number = np.flatnonzero(np.isnan(values))
        below = np.flatnonzero(values < low)
        above = np.flatnonzero(values > high)
        for rows, word, hint in (
            (no_number, "no number", "fill the gap or leave the home out"),
            (below, "too small", ""),
            (above, "too large", remedy),
        ):
            if rows.size:
                cell = self.columns[column][rows[0]]
                found = f"{column} {word}, first {cell!r}"
                self.faults.append(Fault(self.where(rows.tolist()), found, allowed, hint))
        values[below] = values[above] = np.nan
        return values

    def unknown(self, column: str, known: Iterable[str], remedy: str = "") -> set[int]:
        """Rows whose cell is none of `known`; one fault for each such cell."""
        allowed = list(known)
        rows: dict[str, list[int]] = {}
        for row, text in enumerate(self.columns[column]):
            if text not in allowed:
                rows.setdefault(text, []).append(row)
        listed = ", ".join(allowed[:6]) + (", ..." if len(allowed) > 6 else "")
        for text, found in rows.items():
            self.faults.append(
                Fault(self.where(found), f"unknown {column} {text!r}", listed, remedy)
            )
        return {row for found in rows.values() for row in found}


def number(text: str) -> float:
    """Finite number that `text` stands for, NaN if none."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def open_table(path: Path, faults: list[Fault]) -> TableFile:
    """Read a CSV or Parquet file; without columns, and with a fault, if it cannot be read."""
    empty = TableFile(path.name, "line", (), {}, faults)
    try:
        if path.suffix == ".parquet":
            return _open_parquet(path, faults)
        if path.suffix == ".csv":
            return _open_csv(path, faults)
    except FileNotFoundError:
        faults.append(Fault(str(path), "no such file", "a CSV or Parquet file"))
        return empty
    except (OSError, ValueError, csv.Error) as error:
        reason = str(error).splitlines()[0]
        faults.append(Fault(str(path), f"a file that cannot be read ({reason})", "CSV or Parquet"))
        return empty
    faults.append(Fault(str(path), f"ending {path.suffix!r}", ".csv or .parquet"))
    return empty


def _open_csv(path: Path, faults: list[Fault]) -> TableFile:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise ValueError("it is empty")
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    faults += [
        Fault(f"{path.name}, line {line}", f"{len(cells)} cells", f"{len(header)} as in the header")
        for line, cells in rows
        if len(cells) != len(header)
    ]
    rows = [(line, cells) for line, cells in rows if len(cells) == len(header)]
    columns = {
        name: [cells[place].strip() for _, cells in rows] for place, name in enumerate(header)
    }
    return TableFile(path.name, "line", [line for line, _ in rows], columns, faults)


def _open_parquet(path: Path, faults: list[Fault]) -> TableFile:
    from pyarrow import parquet

    table = parquet.read_table(path).to_pydict()
    columns = {
        name: ["" if value is None else str(value) for value in values]
        for name, values in table.items()
    }
    size = max((len(values) for values in columns.values()), default=0)
    return TableFile(path.name, "row", range(1, size + 1), columns, faults)


def day_steps(file: TableFile, column: str) -> tuple[FloatArray, int]:
    """Place of each row in the day, and the steps of a day that the file has.

    Column `ptu` counts from 0; column `time` is the clock time at which a step begins, alone or
    with a date. Steps divide an hour.
    """
    if column == "ptu":
        place = file.numbers("ptu", 0, MINUTES_PER_DAY - 1)
        odd = np.flatnonzero(place % 1 > 0)
        if odd.size:
            file.faults.append(Fault(file.where(odd.tolist()), "part of a PTU", "a whole number"))
            place[odd] = np.nan
        steps = 0 if np.isnan(place).all() else int(np.nanmax(place)) + 1
    else:
        minute = np.array([_minute(text) for text in file.columns["time"]])
        wrong = np.flatnonzero(np.isnan(minute))
        if wrong.size:
            found = f"time {file.columns['time'][wrong[0]]!r}"
            allowed = "clock time such as 17:45, or a date with it"
            file.faults.append(Fault(file.where(wrong.tolist()), found, allowed))
        apart = np.diff(np.unique(minute[~np.isnan(minute)]))
        length = float(apart.min()) if apart.size else math.nan
        place = minute / length
        steps = round(MINUTES_PER_DAY / length) if apart.size else 0
    hour = steps // 24
    if steps % 24 or not hour or MINUTES_PER_HOUR % hour:
        allowed = "24, 48, 96 or another number a day that divides every hour"
        remedy = "count PTUs from 0 and give the whole day"
        file.faults.append(Fault(file.name, f"{steps} PTUs in a day", allowed, remedy))
        steps = 0
    return place, steps


def _minute(text: str) -> float:
    """Minute of the day of a clock time, NaN if `text` is none."""
    for convert in (lambda part: datetime.strptime(part, "%H:%M"), datetime.fromisoformat):  # noqa: DTZ007
        try:
            moment = convert(text)
        except ValueError:
            continue
        return moment.hour * 60.0 + moment.minute
    return math.nan


def complete_days(
    file: TableFile, keys: Sequence[str], place: FloatArray, steps: int, p_kw: FloatArray
) -> dict[str, FloatArray]:
    """One complete day in quarter hours for each key; faults for gaps and duplicates."""
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key and not math.isnan(place[row]):
            rows.setdefault(key, []).append(row)
    days = {}
    for key, found in rows.items():
        position = place[found]
        if (position % 1 > 0).any():
            odd = [row for row in found if place[row] % 1 > 0]
            allowed = f"{steps} equal steps a day"
            file.faults.append(Fault(f"{file.where(odd)}, {key}", "an uneven time", allowed))
            continue
        times = np.bincount(position.astype(np.int64), minlength=steps)
        for wrong, word in ((times > 1, "duplicate"), (times == 0, "missing")):
            ptus = np.flatnonzero(wrong)
            if ptus.size:
                shown = ", ".join(map(str, ptus[:SHOWN])) + (" ..." if ptus.size > SHOWN else "")
                found_ptus = f"{ptus.size} {word}: PTU {shown}"
                allowed = f"each PTU from 0 to {steps - 1} once"
                file.faults.append(Fault(f"{file.name}, {key}", found_ptus, allowed))
        if (times == 1).all():
            values = np.empty(steps)
            values[position.astype(np.int64)] = p_kw[found]
            days[key] = ptus_to_quarters(values)
    return days
