"""A network as plain values, in the middle between those who write it and those who solve it.

Recipes and pandapower nets are turned into it; pandapower and power-grid-model read it. So a run
needs no pandapower, and both engines solve the very same network.

Everything in a `Network` is in service: what is switched off is left out by whoever makes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mas2sim.domain.grid_state import Branch, Bus

PHASES = ("a", "b", "c")
"""The phases; ``"abc"`` is a connection to all three."""

_VECTOR_GROUP = re.compile(r"(D|YN?|ZN?)(d|yn?|zn?)(\d{1,2})")
_HOURS = 12


@dataclass(frozen=True, slots=True)
class VectorGroup:
    """Windings and clock number of a transformer, e.g. ``Dyn11``."""

    hv: str
    lv: str
    clock: int

    @classmethod
    def parse(cls, text: str) -> VectorGroup:
        """Read ``"Dyn11"``.

        Windings of the same kind (wye and zigzag count as different ones, delta and zigzag as the
        same) turn the phases by an even number of hours, others by an odd one (IEC 60076-1).

        Raises
        ------
        ValueError
            When there is no such group.
        """
        match = _VECTOR_GROUP.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no vector group such as Dyn11")
        hv, lv, hour = match[1], match[2], int(match[3])
        wyes = (hv[0] == "Y") + (lv[0] == "y")
        if hour > _HOURS or hour % 2 != wyes % 2:
            raise ValueError(f"windings {hv}{lv} cannot have clock number {hour}")
        return cls(hv, lv, hour % _HOURS)

    def __str__(self) -> str:
        return f"{self.hv}{self.lv}{self.clock}"


@dataclass(frozen=True, slots=True)
class Line:
    """A cable or overhead line, as it is laid: totals, not values per km.

    Parameters
    ----------
    kind : str
        ``"main"``, ``"service"`` or ``"line"``.
    r_ohm, x_ohm, c_nf, g_us : float
        Positive sequence: series impedance, and shunt over the whole length.
    r0_ohm, x0_ohm, c0_nf : float
        Zero sequence. The neutral is in it: R0 = R + 3 Rn. NaN where it is not known; then the line
        can be solved in balance only.
    rating_a : float
        Current that it may carry for long, each phase.
    """

    name: str
    from_bus: str
    to_bus: str
    length_m: float
    r_ohm: float
    x_ohm: float
    rating_a: float
    r0_ohm: float = float("nan")
    x0_ohm: float = float("nan")
    c_nf: float = 0.0
    g_us: float = 0.0
    c0_nf: float = 0.0
    kind: str = "line"
    feeder: str = ""

    @property
    def branch(self) -> Branch:
        """The line as a place."""
        return Branch(
            self.name,
            self.kind,
            self.from_bus,
            self.to_bus,
            self.rating_a,
            self.length_m,
            self.feeder,
        )


@dataclass(frozen=True, slots=True)
class Transformer:
    """A two-winding transformer, or several equal ones side by side as one.

    Parameters
    ----------
    sn_kva : float
        Rated power, that the relative impedances refer to.
    rating_kva : float
        What it may carry; differs from `sn_kva` where the unit is derated.
    vn_hv_kv, vn_lv_kv : float
        Rated voltages at the neutral tap.
    vk_percent, vkr_percent : float
        Short-circuit voltage and its resistive part; taken for the zero sequence as well.
    vk0_percent : float
        Short-circuit voltage of the zero sequence where somebody stated it, else NaN. One that
        differs from `vk_percent` bars the unit from being solved phase by phase.
    iron_kw, i0_percent : float
        No-load loss and no-load current at rated voltage.
    tap_side : str
        Winding with the taps, ``"hv"`` or ``"lv"``.
    tap_steps : float
        Position of the tap away from neutral; each step adds `tap_step_percent` to the winding.
    """

    name: str
    hv_bus: str
    lv_bus: str
    sn_kva: float
    rating_kva: float
    vn_hv_kv: float
    vn_lv_kv: float
    vector_group: VectorGroup
    vk_percent: float
    vkr_percent: float
    iron_kw: float
    i0_percent: float
    tap_side: str = "hv"
    tap_steps: float = 0.0
    tap_step_percent: float = 2.5
    vk0_percent: float = float("nan")

    @property
    def tapped_kv(self) -> tuple[float, float]:
        """Rated voltages of the HV and the LV winding at the present tap. [kV]"""
        ratio = 1.0 + self.tap_steps * self.tap_step_percent / 100.0
        if self.tap_side == "hv":
            return self.vn_hv_kv * ratio, self.vn_lv_kv
        return self.vn_hv_kv, self.vn_lv_kv * ratio

    @property
    def branch(self) -> Branch:
        """The transformer as a place."""
        return Branch(self.name, "transformer", self.hv_bus, self.lv_bus, self.rating_kva)


@dataclass(frozen=True, slots=True)
class Source:
    """The grid above: a voltage that no load can move."""

    bus: str
    vm_pu: float = 1.0
    va_degree: float = 0.0


@dataclass(frozen=True, slots=True)
class FixedLoad:
    """A load that is no home, the same at all times.

    Parameters
    ----------
    phase : str
        ``"a"``, ``"b"``, ``"c"`` or ``"abc"``.
    p_kw, q_kvar : float
        Power drawn; generation is negative.
    kind : str
        ``"load"``, ``"generator"`` or ``"storage"``.
    element : str
        Table and index in the net that it was read from, ``"load 3"``: names of two tables may be
        alike. Empty where there is no such net.
    """

    name: str
    bus: str
    phase: str
    p_kw: float
    q_kvar: float
    kind: str = "load"
    element: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """Buses and what joins them.

    Parameters
    ----------
    joined : tuple of pairs of str
        Buses that are one electrically: a closed switch between two busbars.
    """

    name: str
    buses: tuple[Bus, ...]
    lines: tuple[Line, ...]
    transformers: tuple[Transformer, ...]
    sources: tuple[Source, ...]
    loads: tuple[FixedLoad, ...] = ()
    joined: tuple[tuple[str, str], ...] = ()
    frequency_hz: float = 50.0

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Transformers first, then lines: the order of every result by branch."""
        transformers = tuple(unit.branch for unit in self.transformers)
        return transformers + tuple(line.branch for line in self.lines)

    @property
    def rating_kva(self) -> float:
        """What all transformers may carry together. [kVA]"""
        return sum(transformer.rating_kva for transformer in self.transformers)

    def nodes(self) -> dict[str, int]:
        """Electrical node of each bus, counted from 0; joined buses share one."""
        root = {bus.name: bus.name for bus in self.buses}

        def find(name: str) -> str:
            while root[name] != name:
                root[name] = name = root[root[name]]
            return name

        for one, other in self.joined:
            root[find(one)] = find(other)
        number: dict[str, int] = {}
        return {name: number.setdefault(find(name), len(number)) for name in root}

    def supplied(self) -> frozenset[str]:
        """Names of the buses that have a way to a source."""
        neighbours: dict[str, list[str]] = {bus.name: [] for bus in self.buses}
        ends = [(branch.from_bus, branch.to_bus) for branch in self.branches]
        for one, other in [*ends, *self.joined]:
            neighbours[one].append(other)
            neighbours[other].append(one)
        reached = {source.bus for source in self.sources}
        frontier = list(reached)
        while frontier:
            found = [bus for bus in neighbours[frontier.pop()] if bus not in reached]
            reached.update(found)
            frontier.extend(found)
        return frozenset(reached)

    def without_dead_parts(self) -> Network:
        """Return the network without what has no way to a source."""
        alive = self.supplied()
        return replace(
            self,
            buses=tuple(bus for bus in self.buses if bus.name in alive),
            lines=tuple(line for line in self.lines if line.from_bus in alive),
            transformers=tuple(unit for unit in self.transformers if unit.hv_bus in alive),
            loads=tuple(load for load in self.loads if load.bus in alive),
            joined=tuple(pair for pair in self.joined if pair[0] in alive),
        )
