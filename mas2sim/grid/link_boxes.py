"""Link boxes as read from a file: ties between substations, with their cable and its length.

What is read here comes from people, so everything that is wrong with it is said at once; `linked`
takes what has been checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import ALL_PHASES, GridLayout
from mas2sim.grid.network import Line
from mas2sim.grid.recipe import CableType, Positive

FILE = "link_boxes.yaml"
TIE = "tie"
"""Kind of the branch that a closed link box is."""

_M_PER_KM = 1000.0


class TieEnd(BaseModel):
    """Where a tie ends: a bus of a substation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    substation: Annotated[int, Field(gt=0)]
    bus: Annotated[str, Field(min_length=1)]


class _TieRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    ends: tuple[TieEnd, TieEnd]
    cable: str
    length_m: Positive
    provenance: Annotated[str, Field(min_length=1)]


class _TieFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ties: Annotated[tuple[_TieRecord, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Tie:
    """A cable between two substations with a link box in it.

    Parameters
    ----------
    ends : tuple of two TieEnd
        The first and the second substation, and the bus of each.
    """

    name: str
    ends: tuple[TieEnd, TieEnd]
    cable: CableType
    length_m: float

    @property
    def substations(self) -> tuple[int, int]:
        """Numbers of the first and the second substation."""
        return self.ends[0].substation, self.ends[1].substation

    def line(self, from_bus: str, to_bus: str) -> Line:
        """The tie as a line between two buses of a network."""
        length_km = self.length_m / _M_PER_KM
        return Line(
            name=f"{TIE}_{self.name}",
            from_bus=from_bus,
            to_bus=to_bus,
            length_m=self.length_m,
            r_ohm=self.cable.r1_ohm_per_km * length_km,
            x_ohm=self.cable.x1_ohm_per_km * length_km,
            rating_a=self.cable.rating_a,
            r0_ohm=self.cable.r0_ohm_per_km * length_km,
            x0_ohm=self.cable.x0_ohm_per_km * length_km,
            c_nf=self.cable.c1_nf_per_km * length_km,
            c0_nf=self.cable.c1_nf_per_km * length_km,
            kind=TIE,
        )


def link_box_file(directory: Path) -> Path:
    """Return the file of the link boxes of a grid.

    Raises
    ------
    GridError
        When there is none.
    """
    path = directory / FILE
    if not path.is_file():
        remedy = f"write {FILE} beside the recipes, or study a grid that has one, e.g. cardiff"
        raise GridError([Fault(f"grid {directory.name}", f"no {FILE}", "link boxes", remedy)])
    return path


def read_ties(
    directory: Path, layouts: Mapping[int, GridLayout], cables: Mapping[str, CableType]
) -> tuple[Tie, ...]:
    """Read the link boxes of a grid.

    Parameters
    ----------
    directory : Path
        Folder of the grid, with link_boxes.yaml in it.
    layouts : mapping of int to GridLayout
        The substations that the ties may name.
    cables : mapping of str to CableType

    Raises
    ------
    GridError
        With all faults of the file.
    """
    records = _records(link_box_file(directory))
    faults = [
        Fault(f"{FILE}, tie {name}", f"named {count} times", "each name once")
        for name, count in Counter(record.name for record in records).items()
        if count > 1
    ]
    for record in records:
        faults += _tie_faults(record, layouts, cables)
    if faults:
        raise GridError(faults)
    return tuple(
        Tie(record.name, record.ends, cables[record.cable], record.length_m) for record in records
    )


def chosen_ties(ties: Sequence[Tie], names: Sequence[str] | None) -> tuple[Tie, ...]:
    """Return the ties of these names in the order of the file; all where none are named.

    Raises
    ------
    GridError
        With every name that is no tie's.
    """
    if names is None:
        return tuple(ties)
    known = {tie.name for tie in ties}
    allowed = f"of {', '.join(tie.name for tie in ties)}"
    faults = [Fault("tie", name, f"one {allowed}") for name in names if name not in known]
    if not names:
        faults.append(Fault("ties", "none", f"at least one {allowed}"))
    if faults:
        raise GridError(faults)
    return tuple(tie for tie in ties if tie.name in names)


def _records(path: Path) -> tuple[_TieRecord, ...]:
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise GridError([Fault(FILE, " ".join(str(error).split()), "YAML")]) from error
    try:
        return _TieFile.model_validate(data).ties
    except ValidationError as error:
        faults = []
        for detail in error.errors():
            field = ".".join(map(str, detail["loc"]))
            # A missing field is reported with the record around it, which says nothing.
            found = "nothing" if detail["type"] == "missing" else repr(detail["input"])
            faults.append(Fault(f"{FILE}, {field}" if field else FILE, found, detail["msg"]))
        raise GridError(faults) from error


def _tie_faults(
    record: _TieRecord, layouts: Mapping[int, GridLayout], cables: Mapping[str, CableType]
) -> list[Fault]:
    where = f"{FILE}, tie {record.name}"
    one, other = record.ends
    faults = []
    if one.substation == other.substation:
        found = f"both ends at substation {one.substation}"
        faults.append(Fault(where, found, "two substations"))
    if record.cable not in cables:
        faults.append(Fault(f"{where}, cable", record.cable, f"one of {', '.join(cables)}"))
    vn_kv = []
    for end in record.ends:
        if end.substation not in layouts:
            allowed = f"one of {', '.join(map(str, layouts))}"
            faults.append(Fault(f"{where}, substation", str(end.substation), allowed))
            continue
        layout = layouts[end.substation]
        names = [bus.name for bus in layout.buses]
        if end.bus not in names:
            allowed = f"a bus of substation {end.substation} ({layout.name})"
            faults.append(Fault(f"{where}, bus", repr(end.bus), allowed, _like(end.bus, names)))
            continue
        index = names.index(end.bus)
        vn_kv.append(layout.buses[index].vn_kv)
        if layout.bus_phases[index] != ALL_PHASES or index not in layout.low_voltage:
            allowed = "a low-voltage bus with three phases"
            faults.append(Fault(f"{where}, bus", repr(end.bus), allowed, "a joint on a main"))
    if len(set(vn_kv)) > 1:
        found = " and ".join(f"{kv:g} kV" for kv in vn_kv)
        faults.append(Fault(where, found, "one nominal voltage at both ends"))
    return faults


def _like(name: str, names: Sequence[str]) -> str:
    """Buses whose names begin as this one does, for who mistyped a number."""
    stem = name.rsplit("_", 1)[0]
    like = [each for each in names if each.rsplit("_", 1)[0] == stem]
    return f"{like[0]} to {like[-1]}" if like else ""
