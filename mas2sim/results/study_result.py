"""What a study of a grid leaves behind: tables with the meaning of their columns, and maps.

A case has KPIs; a study has answers, each a table. The study fills this value, `study_files` puts
it on disk, and the report draws it: none of them needs to know how the others work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.grid_state import GridLayout

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """Meaning of one column of a table.

    Parameters
    ----------
    label : str
        What it is, in a planner's words.
    unit : str
        Empty for names and counts.
    note : str
        How it is worked out, and the limit that it is held against.
    decimals : int
        Places after the point when shown.
    """

    label: str
    unit: str = ""
    note: str = ""
    decimals: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class StudyTable:
    """One answer of a study.

    Parameters
    ----------
    name : str
        Of its file; small letters, digits and _.
    title, note : str
        What it answers, and what has to be known to read it, the number of cases behind it among
        that.
    frame : DataFrame
        The rows that matter most first.
    columns : mapping of str to Column
        For each column of `frame`.
    shown : bool
        Whether it is printed and shown on the page; else it is in the files alone.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    columns: Mapping[str, Column]
    shown: bool = True

    def __post_init__(self) -> None:
        missing = [name for name in self.frame.columns if name not in self.columns]
        if missing:
            raise ValueError(f"table {self.name}: no meaning is given for {', '.join(missing)}")


@dataclass(frozen=True, slots=True, eq=False)
class GridDay:
    """State of a grid over one day, for a map with a slider over its time.

    Parameters
    ----------
    name : str
        Which day and level, e.g. ``"clear summer Sunday, uc1"``.
    clock_h : array, shape (time)
    loading_percent : array, shape (time, branch)
    low_v, high_v : array, shape (time, bus)
        Least and greatest voltage over the phases that a bus has, phase to neutral; NaN above low
        voltage. [V]
    """

    name: str
    clock_h: FloatArray
    loading_percent: FloatArray
    low_v: FloatArray
    high_v: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "clock_h", "loading_percent", "low_v", "high_v")


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure that is read first."""

    label: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """A finished study.

    Parameters
    ----------
    kind : str
        ``"congestion"``, ``"losses"``, ``"hosting"``, ``"linkboxes"``, ``"check"`` or
        ``"campaign"``.
    title : str
    facts : sequence of (str, str)
        What was asked: grid, levels, limits, number of cases.
    headlines : sequence of Headline
    tables : sequence of StudyTable
        The most important first.
    notes : sequence of str
        What was assumed and what is not modelled, in sentences.
    failures : sequence of str
        Cases and draws without an answer, each with its reason; none is dropped silently.
    unfinished : str
        What of it is still to be done, in a sentence; empty for all that is whole.
    provenance : mapping
        From `make_provenance`.
    layout : GridLayout or None
        For the map; None where there is none to draw.
    voltage_band_v : (float, float)
        Least and greatest voltage allowed, phase to neutral.
    days : sequence of GridDay
        For the map, the most telling first.
    site_deg : (float, float) or None
        Latitude and longitude of the point (0, 0) of the layout; None where the layout's own
        coordinates are longitude and latitude, or of no known place.
    """

    kind: str
    title: str
    facts: Sequence[tuple[str, str]]
    headlines: Sequence[Headline]
    tables: Sequence[StudyTable]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()
    unfinished: str = ""
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    layout: GridLayout | None = None
    voltage_band_v: tuple[float, float] = (216.2, 253.0)
    days: Sequence[GridDay] = ()
    site_deg: tuple[float, float] | None = None

    def table(self, name: str) -> StudyTable:
        """Return the table of that name."""
        return next(each for each in self.tables if each.name == name)
