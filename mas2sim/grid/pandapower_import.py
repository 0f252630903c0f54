"""A pandapower net read into a `Network`.

What the net leaves out of service is left out; so are parts without a way to an ext_grid, unless
a load is in service there, which is a fault. A line or
transformer with one end open stays as a stub on a bus of its own, as in pandapower. Taps count
whether or not their type is stated (pandapower drops a tap without a type, which is how SimBench's
nets lose theirs). Elements that have no counterpart here are faults, all named at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import Bus
from mas2sim.grid.net_json import load_net
from mas2sim.grid.net_tables import table_faults
from mas2sim.grid.network import PHASES, FixedLoad, Line, Network, Source, Transformer, VectorGroup

_READ = (
    "bus", "line", "trafo", "ext_grid", "switch", "load", "sgen", "storage",
    "asymmetric_load", "asymmetric_sgen",
)  # fmt: skip
_NO_MATTER = ("controller",)
"""Tables with an in_service column that the power flow does not look at."""

_KW_PER_MW = 1000.0
_A_PER_KA = 1000.0
_M_PER_KM = 1000.0
_DEGREES_PER_HOUR = 30.0
_ZIP_COLUMNS = (
    "const_z_percent", "const_i_percent", "const_z_p_percent", "const_i_p_percent",
    "const_z_q_percent", "const_i_q_percent",
)  # fmt: skip

Row = Mapping[str, Any]


def from_pandapower(net: Any, *, name: str | None = None) -> Network:
    """Read a pandapower net.

    Parameters
    ----------
    net : pandapowerNet
    name : str, optional
        Name of the network; the net's own when left out.

    Returns
    -------
    Network
        Its loads are fixed loads; `loads_as_homes` turns them into homes.

    Raises
    ------
    GridError
        With every element that has no counterpart here.
    """
    faults = table_faults(net)
    if faults:
        raise GridError(faults)
    reader = _Reader(net)
    network = Network(
        name=name or net.name or "network",
        buses=tuple(reader.buses()),
        lines=tuple(reader.lines()),
        transformers=tuple(reader.transformers()),
        sources=tuple(reader.sources()),
        loads=tuple(reader.loads()),
        joined=tuple(reader.joined()),
        frequency_hz=float(net.f_hz),
    )
    # The branches are read after the buses, and only then are the ends of stubs known.
    network = replace(network, buses=(*network.buses, *reader.open_ends))
    # A branch at fault is not there, and what it feeds would seem cut off.
    faults = [*_unread(net), *reader.faults] or list(_cut_off(network))
    if faults:
        raise GridError(faults)
    return network.without_dead_parts()


def read_pandapower(path: Path, *, name: str | None = None) -> Network:
    """Read a pandapower net from a JSON file.

    Raises
    ------
    GridError
        When there is no such file, or with what `from_pandapower` finds in it.
    """
    return from_pandapower(load_net(path), name=name or path.stem)


def element_labels(net: Any, table: str) -> dict[int, str]:
    """Name of each element of a table, by index, as `from_pandapower` gives it."""
    kinds = {"trafo": "transformer"}
    return _labels(net[table], kinds.get(table, table))


def in_service(net: Any, table: str) -> Iterator[tuple[int, Row]]:
    """Rows of a table that are in service, by index."""
    return _rows(net[table])


def _unread(net: Any) -> Iterator[Fault]:
    """Tables with elements in service that cannot be told in a `Network`."""
    for table, frame in net.items():
        if table.startswith(("_", "res_")) or table in (*_READ, *_NO_MATTER):
            continue
        if "in_service" not in getattr(frame, "columns", ()):
            continue
        count = int(frame["in_service"].astype(bool).sum())
        if count:
            yield Fault(
                f"net.{table}",
                f"{count} in service",
                "none: only lines, two-winding transformers, ext_grids, switches, loads, static "
                "generators and storages are read",
                "put them out of service, or replace them by loads",
            )


def _cut_off(network: Network) -> Iterator[Fault]:
    """Loads that a user would miss: in service, on a bus that no ext_grid feeds."""
    alive = network.supplied()
    for load in network.loads:
        if load.bus not in alive:
            yield Fault(
                f"{load.kind} {load.name}",
                f"bus {load.bus}, without a way to an ext_grid",
                "a supplied bus",
                "close a switch on its way, or put the load out of service",
            )


@dataclass(slots=True)
class _Reader:
    """Reads table by table; collects faults and the buses at the open ends of stubs."""

    net: Any
    faults: list[Fault] = field(default_factory=list)
    open_ends: list[Bus] = field(default_factory=list)
    _bus: dict[int, Bus] = field(init=False)
    _open: set[tuple[str, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        labels = _labels(self.net.bus, "bus")
        self._bus = {
            index: Bus(labels[index], _number(row, "vn_kv", math.nan), *_place(row.get("geo")))
            for index, row in _rows(self.net.bus)
        }
        self._open = {
            (str(row["et"]), row["element"], row["bus"])
            for _, row in _rows(self.net.switch)
            if not row["closed"]
        }

    def buses(self) -> Iterator[Bus]:
        yield from self._bus.values()

    def joined(self) -> Iterator[tuple[str, str]]:
        for index, row in _rows(self.net.switch):
            ends = row["bus"], row["element"]
            if row["et"] != "b" or not row["closed"] or not all(end in self._bus for end in ends):
                continue
            if _number(row, "z_ohm", 0.0):
                self._fault("switch", index, f"z_ohm {row['z_ohm']:g}", "0", "make it a line")
            yield self._bus[ends[0]].name, self._bus[ends[1]].name

    def sources(self) -> Iterator[Source]:
        for index, row in _rows(self.net.ext_grid):
            if self._stands("ext_grid", index, row["bus"]) and row["bus"] in self._bus:
                yield Source(
                    self._bus[row["bus"]].name,
                    _number(row, "vm_pu", math.nan),
                    _number(row, "va_degree", 0.0),
                )

    def lines(self) -> Iterator[Line]:
        labels = _labels(self.net.line, "line")
        for index, row in _rows(self.net.line):
            ends = self._ends("l", index, labels[index], (row["from_bus"], row["to_bus"]))
            if ends is None:
                continue
            length_km, parallel = (_number(row, key, math.nan) for key in ("length_km", "parallel"))
            if not parallel >= 1:
                self._fault("line", index, f"parallel {parallel:g}", "a whole number, at least 1")
                continue
            series, shunt = length_km / parallel, length_km * parallel
            yield Line(
                name=labels[index],
                from_bus=ends[0],
                to_bus=ends[1],
                length_m=length_km * _M_PER_KM,
                r_ohm=_number(row, "r_ohm_per_km", math.nan) * series,
                x_ohm=_number(row, "x_ohm_per_km", math.nan) * series,
                rating_a=_number(row, "max_i_ka", math.nan)
                * _number(row, "df", 1.0)
                * parallel
                * _A_PER_KA,
                r0_ohm=_number(row, "r0_ohm_per_km", math.nan) * series,
                x0_ohm=_number(row, "x0_ohm_per_km", math.nan) * series,
                c_nf=_number(row, "c_nf_per_km", math.nan) * shunt,
                g_us=_number(row, "g_us_per_km", 0.0) * shunt,
                c0_nf=_number(row, "c0_nf_per_km", 0.0) * shunt,
            )

    def transformers(self) -> Iterator[Transformer]:
        labels = _labels(self.net.trafo, "transformer")
        for index, row in _rows(self.net.trafo):
            group = self._vector_group(index, row)
            tap_steps = self._tap_steps(index, row)
            ends = self._ends("t", index, labels[index], (row["hv_bus"], row["lv_bus"]))
            if ends is None or group is None:
                continue
            parallel = _number(row, "parallel", math.nan)
            sn_kva = _number(row, "sn_mva", math.nan) * parallel * _KW_PER_MW
            yield Transformer(
                name=labels[index],
                hv_bus=ends[0],
                lv_bus=ends[1],
                sn_kva=sn_kva,
                rating_kva=sn_kva * _number(row, "df", 1.0),
                vn_hv_kv=_number(row, "vn_hv_kv", math.nan),
                vn_lv_kv=_number(row, "vn_lv_kv", math.nan),
                vector_group=group,
                vk_percent=_number(row, "vk_percent", math.nan),
                vkr_percent=_number(row, "vkr_percent", math.nan),
                iron_kw=_number(row, "pfe_kw", math.nan) * parallel,
                i0_percent=_number(row, "i0_percent", math.nan),
                tap_side="lv" if row.get("tap_side") == "lv" else "hv",
                tap_steps=tap_steps,
                tap_step_percent=_number(row, "tap_step_percent", 0.0),
                vk0_percent=_number(row, "vk0_percent", math.nan),
            )

    def loads(self) -> Iterator[FixedLoad]:
        for table, kind, sign in (("load", "load", 1.0), ("sgen", "generator", -1.0),
                                  ("storage", "storage", 1.0)):  # fmt: skip
            labels = _labels(self.net[table], table)
            for index, row in self._connected(table):
                scale = sign * _number(row, "scaling", 1.0) * _KW_PER_MW
                p_kw, q_kvar = (
                    _number(row, column, math.nan) * scale for column in ("p_mw", "q_mvar")
                )
                yield FixedLoad(
                    labels[index],
                    self._bus[row["bus"]].name,
                    "abc",
                    p_kw,
                    q_kvar,
                    kind,
                    f"{table} {index}",
                )
        yield from self._by_phase("asymmetric_load", "load", 1.0)
        yield from self._by_phase("asymmetric_sgen", "generator", -1.0)

    def _by_phase(self, table: str, kind: str, sign: float) -> Iterator[FixedLoad]:
        """One load for each phase in use; one on all phases where none is."""
        labels = _labels(self.net[table], table)
        for index, row in self._connected(table):
            scale = sign * _number(row, "scaling", 1.0) * _KW_PER_MW
            powers = {
                phase: (
                    _number(row, f"p_{phase}_mw", math.nan) * scale,
                    _number(row, f"q_{phase}_mvar", math.nan) * scale,
                )
                for phase in PHASES
            }
            used = [phase for phase in PHASES if any(powers[phase])]
            bus, element = self._bus[row["bus"]].name, f"{table} {index}"
            if not used:
                yield FixedLoad(labels[index], bus, "abc", 0.0, 0.0, kind, element)
            for phase in used:
                label = labels[index] if len(used) == 1 else f"{labels[index]}_{phase}"
                yield FixedLoad(label, bus, phase, *powers[phase], kind, element)

    def _connected(self, table: str) -> Iterator[tuple[int, Row]]:
        for index, row in _rows(self.net[table]):
            if not self._stands(table, index, row["bus"]) or row["bus"] not in self._bus:
                continue
            parts = [column for column in _ZIP_COLUMNS if _number(row, column, 0.0)]
            if parts:
                self._fault(table, index, ", ".join(parts), "constant power", "set them to 0")
            if row.get("type") == "delta":
                self._fault(table, index, "type delta", "wye: phase to neutral")
            yield index, row

    def _ends(
        self, kind: str, index: int, label: str, buses: tuple[int, int]
    ) -> tuple[str, str] | None:
        """Buses of a branch, with a bus of its own for an open end; None when both are open."""
        table = {"l": "line", "t": "trafo"}[kind]
        stand = [self._stands(table, index, bus) for bus in buses]
        if not all(stand):
            return None
        closed = [bus in self._bus and (kind, index, bus) not in self._open for bus in buses]
        if not any(closed):
            return None
        names = []
        for bus, is_closed in zip(buses, closed, strict=True):
            if is_closed:
                names.append(self._bus[bus].name)
                continue
            end = Bus(f"open end of {label}", _number(self.net.bus.loc[bus], "vn_kv", math.nan),
                      *_place(self.net.bus.loc[bus].get("geo")))  # fmt: skip
            self.open_ends.append(end)
            names.append(end.name)
        return names[0], names[1]

    def _stands(self, table: str, index: int, bus: Any) -> bool:
        """Whether the net has that bus, in service or not; none is a fault."""
        if bus in self.net.bus.index:
            return True
        found = "no bus" if bus is None or bus != bus else f"bus {bus}, which is not there"
        self._fault(table, index, found, "a bus of the net", "put it out of service")
        return False

    def _vector_group(self, index: int, row: Row) -> VectorGroup | None:
        """Group of a transformer; letters that are left out follow from the phase shift."""
        shift = _number(row, "shift_degree", 0.0)
        hours = shift / _DEGREES_PER_HOUR
        stated = row.get("vector_group")
        letters = stated.rstrip("0123456789") if isinstance(stated, str) else ""
        letters = letters or ("Dyn" if round(hours) % 2 else "YNyn")
        # A shift between two hours gives a clock number with a fraction, which is none.
        clock = round(hours) % 12 if hours.is_integer() else hours
        try:
            return VectorGroup.parse(f"{letters}{clock}")
        except ValueError as error:
            found = f"vector group {stated}, shift {shift:g} degrees ({error})"
            self._fault("trafo", index, found, "a group and the shift that goes with it")
            return None

    def _tap_steps(self, index: int, row: Row) -> float:
        """Steps from neutral; a changer that turns the phase is a fault away from neutral."""
        neutral = _number(row, "tap_neutral", 0.0)
        steps = _number(row, "tap_pos", neutral) - neutral
        if not steps or not _number(row, "tap_step_percent", 0.0):
            steps = 0.0 if not _number(row, "tap_step_degree", 0.0) else steps
        if not steps:
            return 0.0
        kind = row.get("tap_changer_type")
        turns = kind in ("Ideal", "Tabular") or _number(row, "tap_step_degree", 0.0)
        if turns or row.get("tap_dependency_table") is True:
            self._fault("trafo", index, f"tap changer {kind}", "a ratio changer, or neutral tap")
        if _number(row, "tap2_pos", 0.0) != _number(row, "tap2_neutral", 0.0):
            self._fault("trafo", index, "a second tap changer away from neutral", "one changer")
        return steps

    def _fault(self, table: str, index: int, found: str, allowed: str, remedy: str = "") -> None:
        self.faults.append(Fault(f"net.{table}[{index}]", found, allowed, remedy))


def _rows(frame: Any) -> Iterator[tuple[int, Row]]:
    """Rows in service, by index."""
    for index, row in frame.to_dict("index").items():
        if row.get("in_service", True):
            yield index, row


def _labels(frame: Any, kind: str) -> dict[int, str]:
    """Name of each element: its own where all have one and none is used twice."""
    own = {index: row.get("name") for index, row in frame.to_dict("index").items()}
    names = [name for name in own.values() if isinstance(name, str) and name]
    if len(names) == len(own) == len(set(names)):
        return {index: str(name) for index, name in own.items()}
    return {index: f"{kind} {index}" for index in own}


def _number(row: Row, column: str, default: float) -> float:
    """Value of a column that may be absent or empty."""
    value = row.get(column)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return default
    return default if math.isnan(number) else number


def _place(geo: Any) -> tuple[float, float]:
    """Coordinates of a GeoJSON point, NaN when there is none."""
    try:
        x, y = json.loads(geo)["coordinates"][:2]
        return float(x), float(y)
    except (TypeError, ValueError, KeyError):
        return math.nan, math.nan
