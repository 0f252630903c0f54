"""Which loads of a net are homes, on which phase, and with which energy in a year.

A room beside `own_grid`: what stands in the net's own columns and what a mapping file says about it
are read here, with the lines of the file that are at fault. The file goes before the columns.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

from mas2sim.domain.errors import Fault
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.grid.net_figures import value
from mas2sim.grid.network import PHASES
from mas2sim.grid.pandapower_import import element_labels, in_service

COLUMNS = ("load", "home", "phase", "annual_kwh", "kind")
KINDS = ("home", "business", "fixed", "none")
PLACE_TABLES = ("load", "asymmetric_load")
OTHER_TABLES = ("sgen", "asymmetric_sgen", "storage")
ANNUAL_KWH = (50.0, 200_000.0)
"""Energy of a user in a year; what lies outside is in another unit [A]."""
SHOWN = 4
_NAMED_PHASES = (*PHASES, "abc")
_KIND_OF_PROFILE = {"H": "home", "G": "business", "L": "business"}
"""First letter of SimBench's profiles: households, trades and farms; all else are devices, which a
case brings itself (Meinecke et al. 2020, doi.org/10.3390/en13123290)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A load of a net, or a generator or storage, and what it is in a case.

    Parameters
    ----------
    label : str
        Its name in the net, by which a mapping knows it.
    kind : str
        ``"home"``, ``"business"``, ``"fixed"`` (its power in the net, at all times) or ``"none"``.
    phase : str
        ``"a"``, ``"b"``, ``"c"`` or ``"abc"``; empty where nobody stated it.
    annual_kwh : float or None
        None where nobody stated it.
    """

    table: str
    index: int
    label: str
    kind: str
    home: str
    phase: str = ""
    annual_kwh: float | None = None
    p_kw: float = 0.0


def places_of(net: Any, mapping: Path | None) -> tuple[tuple[Place, ...], list[Fault]]:
    """What each load, generator and storage of a net is.

    Returns
    -------
    places : tuple of Place
        Low-voltage loads first, in the order of the tables.
    faults : list of Fault
        Of the net's own columns and of the mapping.
    """
    faults: list[Fault] = []
    places = {place.label: place for place in _own(net, faults)}
    if mapping is not None:
        places |= _mapped(mapping, places, faults)
    users = [place for place in places.values() if place.kind in ("home", "business")]
    faults += [
        Fault(f"home {home}", f"the name of {count} loads", "each home once", "rename all but one")
        for home, count in Counter(place.home for place in users).items()
        if count > 1
    ]
    if not any(place.kind == "home" for place in users) and not faults:
        found = f"no load at up to {LOW_VOLTAGE_KV:g} kV that is a home"
        faults.append(Fault("grid", found, "one at least", "add loads, or map them to homes"))
    return tuple(places.values()), faults


def _own(net: Any, faults: list[Fault]) -> Iterator[Place]:
    """Places as the net itself has them."""
    seen: set[str] = set()
    for table in (*PLACE_TABLES, *OTHER_TABLES):
        labels = element_labels(net, table)
        for index, row in in_service(net, table):
            if row["bus"] not in net.bus.index:
                continue
            label = labels[index] if labels[index] not in seen else f"{table} {index}"
            seen.add(label)
            low = float(net.bus.at[row["bus"], "vn_kv"]) <= LOW_VOLTAGE_KV
            place = Place(table, int(index), label, "none", label, p_kw=_power_kw(row))
            if table in PLACE_TABLES:
                kind = _own_kind(row) if low else "fixed"
                place = replace(place, kind=kind, phase=_own_phase(table, row))
                place = _with_columns(place, row, faults)
            yield place


def _own_kind(row: Mapping[str, Any]) -> str:
    """Kind as in the columns `kind` or `profile`; a home where there is neither."""
    kind = row.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return kind
    profile = row.get("profile")
    if isinstance(profile, str) and profile:
        # Heat pumps are called Air_... and Soil_..., charging points APLS and HLS.
        is_user = len(profile) > 1 and profile[1].isdigit()
        return _KIND_OF_PROFILE.get(profile[0], "none") if is_user else "none"
    return "home"


def _own_phase(table: str, row: Mapping[str, Any]) -> str:
    """Phases that a load by phase has power on."""
    if table != "asymmetric_load":
        return ""
    used = [phase for phase in PHASES if row[f"p_{phase}_mw"] or row[f"q_{phase}_mvar"]]
    return used[0] if len(used) == 1 else "abc" if len(used) > 1 else ""


def _with_columns(place: Place, row: Mapping[str, Any], faults: list[Fault]) -> Place:
    """A place with what the net's own columns `phase` and `annual_kwh` say."""
    where = f"net.{place.table}[{place.index}]"
    phase, energy, kind = row.get("phase"), row.get("annual_kwh"), row.get("kind")
    if _is_said(kind) and kind not in KINDS:
        faults.append(Fault(where, f"kind {kind!r}", ", ".join(KINDS)))
    if _is_said(phase):
        if phase in _NAMED_PHASES:
            place = replace(place, phase=str(phase))
        else:
            faults.append(Fault(where, f"phase {phase!r}", "a, b, c or abc"))
    if _is_said(energy):
        place = replace(place, annual_kwh=_energy(where, str(energy), faults))
    return place


def _is_said(cell: Any) -> bool:
    """Whether a cell of a net holds anything; empty ones hold None, NaN or no text."""
    return cell is not None and cell != "" and not (isinstance(cell, float) and isnan(cell))


def _power_kw(row: Mapping[str, Any]) -> float:
    """Power of all phases; what is no number is none."""
    parts = (value(row, name) for name in ("p_mw", "p_a_mw", "p_b_mw", "p_c_mw"))
    scaling = value(row, "scaling")
    total_mw = sum(part for part in parts if isfinite(part))
    return 1000.0 * total_mw * (scaling if isfinite(scaling) else 1.0)


def _energy(where: str, text: str, faults: list[Fault]) -> float | None:
    low, high = ANNUAL_KWH
    try:
        energy_kwh = float(text)
    except ValueError:
        energy_kwh = nan
    if low <= energy_kwh <= high:
        return energy_kwh
    hint = ""
    if energy_kwh < low:
        hint = "give kWh, not MWh"
    elif energy_kwh > high:
        hint = "give kWh, not Wh"
    faults.append(Fault(where, f"annual_kwh {text!r}", f"a number from {low:g} to {high:g}", hint))
    return None


@dataclass(slots=True)
class _Rows:
    """Lines of a mapping by number, and what is wrong with them."""

    name: str
    lines: list[tuple[int, dict[str, str]]] = field(default_factory=list)


def _mapped(path: Path, places: Mapping[str, Place], faults: list[Fault]) -> dict[str, Place]:
    """Places that a mapping speaks of, as it has them."""
    rows = _read(path, faults)
    by_index = {str(place.index): label for label, place in places.items() if place.table == "load"}
    found: dict[str, Place] = {}
    line_of: dict[str, int] = {}
    for line, cells in rows.lines:
        where = f"{rows.name}, line {line}"
        label = cells["load"] if cells["load"] in places else by_index.get(cells["load"], "")
        if not label:
            close = get_close_matches(cells["load"], places, n=2, cutoff=0.5)
            allowed = "the name of a load in service, or its index in net.load"
            faults.append(Fault(where, f"load {cells['load']!r}", allowed, " or ".join(close)))
        elif label in found:
            again = f"load {label!r}, as in line {line_of[label]}"
            faults.append(Fault(where, again, "each load once"))
        else:
            line_of[label] = line
            found[label] = _line(where, cells, places[label], faults)
    homes: dict[str, int] = {}
    for label, place in found.items():
        if place.home in homes and place.kind in ("home", "business"):
            where = f"{rows.name}, line {line_of[label]}"
            again = f"home {place.home!r}, as in line {homes[place.home]}"
            faults.append(Fault(where, again, "each home once"))
            found[label] = replace(place, home=f"{place.home} ({label})")
        homes.setdefault(place.home, line_of[label])
    return found


def _line(where: str, cells: Mapping[str, str], place: Place, faults: list[Fault]) -> Place:
    """A place as one line of a mapping has it; empty cells leave what the net says."""
    kind = cells.get("kind") or (place.kind if place.kind != "none" else "home")
    if kind not in KINDS:
        faults.append(Fault(where, f"kind {kind!r}", ", ".join(KINDS)))
        kind = place.kind
    if place.table not in PLACE_TABLES and kind not in ("fixed", "none"):
        if cells.get("kind"):
            allowed = "fixed or none for what generates or stores"
            faults.append(Fault(where, f"kind {kind!r} of {place.label}", allowed))
        kind = "none"
    phase = cells.get("phase") or place.phase
    if phase and phase not in _NAMED_PHASES:
        faults.append(Fault(where, f"phase {phase!r}", "a, b, c or abc"))
        phase = ""
    energy = place.annual_kwh
    if cells.get("annual_kwh"):
        energy = _energy(where, cells["annual_kwh"], faults)
    home = cells.get("home") or place.home
    return replace(place, kind=kind, phase=phase, annual_kwh=energy, home=home)


def _read(path: Path, faults: list[Fault]) -> _Rows:
    """Lines of a mapping that have as many cells as its header."""
    rows = _Rows(path.name)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = [name.strip() for name in next(reader, [])]
            content = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        faults.append(Fault(str(path), f"a file that cannot be read ({reason})", "a CSV file"))
        return rows
    faults += _header_faults(path.name, header)
    if "load" not in header:
        return rows
    for line, cells in content:
        if len(cells) != len(header):
            found = f"{len(cells)} cells"
            faults.append(
                Fault(f"{path.name}, line {line}", found, f"{len(header)} as in the header")
            )
            continue
        stripped = (cell.strip() for cell in cells)
        rows.lines.append((line, dict(zip(header, stripped, strict=True))))
    return rows


def _header_faults(name: str, header: Sequence[str]) -> list[Fault]:
    faults = []
    if "load" not in header:
        found = f"columns {', '.join(header) or 'none'}"
        faults.append(Fault(name, found, "a column load", ",".join(COLUMNS)))
    faults += [
        Fault(name, f"column {column!r}", ", ".join(COLUMNS), "remove the column")
        for column in header
        if column not in COLUMNS
    ]
    faults += [
        Fault(name, f"column {column!r} {count} times", "each column once")
        for column, count in Counter(header).items()
        if count > 1
    ]
    return faults
