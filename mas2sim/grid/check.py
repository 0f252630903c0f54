"""Checks of a network and of the homes in it: one fault of one kind each, all of them at once.

Every check yields what it finds; `network_faults` and `connection_faults` run them all.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mas2sim.domain.errors import Fault
from mas2sim.grid.network import PHASES, Network

_VK0_TOLERANCE = 1e-3
"""Relative difference between vk0 and vk that is rounding in a data sheet, not a statement."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a home is connected: its bus, and its phase (``"a"``, ``"b"``, ``"c"``, ``"abc"``)."""

    home: str
    bus: str
    phase: str = "abc"


def network_faults(network: Network) -> list[Fault]:
    """Every reason why `network` cannot be solved."""
    faults = [*_names(network), *_ends(network)]
    if faults:
        # What the other checks would say about a bus that is not there only repeats it.
        return [*faults, *_lines(network), *_transformers(network)]
    return [
        *_lines(network),
        *_transformers(network),
        *_voltages(network),
        *_voltage_levels(network),
        *_supply(network),
        *_load_phases(network),
    ]


def connection_faults(network: Network, homes: Sequence[Connection]) -> list[Fault]:
    """Every reason why `homes` cannot be connected to `network`."""
    buses = {bus.name for bus in network.buses}
    faults = [
        Fault(f"home {home}", f"named {count} times", "each home once")
        for home, count in Counter(connection.home for connection in homes).items()
        if count > 1
    ]
    for connection in homes:
        where = f"home {connection.home}"
        if not connection.bus:
            faults.append(Fault(where, "no bus", f"a bus of {network.name}"))
        elif connection.bus not in buses:
            faults.append(
                Fault(
                    where,
                    f"bus {connection.bus!r}",
                    f"a supplied bus of {network.name}",
                    "a name of the network's buses; a bus out of service is not among them",
                )
            )
        if connection.phase not in (*PHASES, "abc"):
            faults.append(Fault(where, f"phase {connection.phase!r}", "a, b, c or abc"))
    return faults


def zero_sequence_faults(network: Network) -> list[Fault]:
    """Every reason why `network` cannot be solved phase by phase."""
    faults = [
        Fault(
            f"line {line.name}",
            "no zero-sequence impedance",
            "r0_ohm and x0_ohm",
            "give r0_ohm_per_km and x0_ohm_per_km, or solve in balance",
        )
        for line in network.lines
        if not (math.isfinite(line.r0_ohm) and math.isfinite(line.x0_ohm))
    ]
    for transformer in network.transformers:
        group = transformer.vector_group
        if group.lv not in ("yn", "zn") or (group.lv == "yn" and group.hv in ("Y", "ZN", "Z")):
            faults.append(
                Fault(
                    f"transformer {transformer.name}",
                    f"vector group {group}",
                    "one that gives the LV neutral a path: Dyn, YNyn, Dzn, Yzn",
                    "solve in balance",
                )
            )
        if math.isfinite(transformer.vk0_percent) and not math.isclose(
            transformer.vk0_percent, transformer.vk_percent, rel_tol=_VK0_TOLERANCE
        ):
            faults.append(
                Fault(
                    f"transformer {transformer.name}",
                    f"vk0 {transformer.vk0_percent:g} % beside vk {transformer.vk_percent:g} %",
                    "one and the same: the zero sequence is solved with vk",
                    "leave vk0_percent out, or solve in balance",
                )
            )
    return faults


def _names(network: Network) -> Iterator[Fault]:
    kinds = {
        "bus": [bus.name for bus in network.buses],
        "branch": [branch.name for branch in network.branches],
    }
    for kind, names in kinds.items():
        for name, count in Counter(names).items():
            if count > 1:
                yield Fault(f"{kind} {name}", f"named {count} times", "each name once")


def _ends(network: Network) -> Iterator[Fault]:
    buses = {bus.name for bus in network.buses}
    ends = [
        *((f"{b.kind} {b.name}", end) for b in network.branches for end in (b.from_bus, b.to_bus)),
        *(("source", source.bus) for source in network.sources),
        *((f"load {load.name}", load.bus) for load in network.loads),
        *(("joined buses", bus) for pair in network.joined for bus in pair),
    ]
    for where, bus in ends:
        if bus not in buses:
            yield Fault(where, f"bus {bus!r}", f"a bus of {network.name}")
    if not network.sources:
        yield Fault(f"network {network.name}", "no source", "at least one", "add an ext_grid")
    for branch in network.branches:
        if branch.from_bus == branch.to_bus:
            yield Fault(f"{branch.kind} {branch.name}", "both ends at one bus", "two buses")


def _lines(network: Network) -> Iterator[Fault]:
    for line in network.lines:
        where = f"line {line.name}"
        if not line.rating_a > 0:
            yield Fault(where, f"rating {line.rating_a:g} A", "a rating > 0")
        if not (line.r_ohm >= 0 and 0 < abs(complex(line.r_ohm, line.x_ohm)) < math.inf):
            yield Fault(
                where,
                f"impedance {line.r_ohm:g} + j{line.x_ohm:g} ohm",
                "R >= 0 and not both zero",
                "join its buses by a closed switch instead",
            )
        if not (math.isfinite(line.c_nf) and math.isfinite(line.g_us)):
            yield Fault(where, f"shunt of {line.c_nf:g} nF and {line.g_us:g} uS", "numbers")
        if line.g_us and not line.c_nf:
            yield Fault(where, "conductance without capacitance", "both, or no conductance")


def _transformers(network: Network) -> Iterator[Fault]:
    for unit in network.transformers:
        where = f"transformer {unit.name}"
        if not (0 < unit.sn_kva < math.inf and unit.rating_kva > 0):
            yield Fault(where, f"rating {unit.rating_kva:g} kVA", "a rating > 0")
        if not (0 < unit.vk_percent < math.inf and 0 <= unit.vkr_percent <= unit.vk_percent):
            yield Fault(
                where,
                f"vk {unit.vk_percent:g} %, vkr {unit.vkr_percent:g} %",
                "0 <= vkr <= vk, vk > 0",
            )
        if not (0 <= unit.iron_kw < math.inf and 0 <= unit.i0_percent < math.inf):
            yield Fault(where, f"iron loss {unit.iron_kw:g} kW, i0 {unit.i0_percent:g} %", ">= 0")
        if not all(0 < rated_kv < math.inf for rated_kv in unit.tapped_kv):
            yield Fault(where, f"winding voltages {unit.tapped_kv} kV", "> 0 at the tap in use")


def _voltage_levels(network: Network) -> Iterator[Fault]:
    vn_kv = {bus.name: bus.vn_kv for bus in network.buses}
    pairs = [
        *((f"line {line.name}", line.from_bus, line.to_bus) for line in network.lines),
        *(("joined buses", *pair) for pair in network.joined),
    ]
    for where, one, other in pairs:
        if vn_kv[one] != vn_kv[other]:
            yield Fault(
                where,
                f"{vn_kv[one]:g} kV at {one}, {vn_kv[other]:g} kV at {other}",
                "one voltage level at both ends",
            )


def _voltages(network: Network) -> Iterator[Fault]:
    for bus in network.buses:
        if not (bus.vn_kv > 0 and math.isfinite(bus.vn_kv)):
            yield Fault(f"bus {bus.name}", f"{bus.vn_kv:g} kV", "a rated voltage > 0")
    for source in network.sources:
        if not (source.vm_pu > 0 and math.isfinite(source.vm_pu)):
            where = f"source at {source.bus}"
            yield Fault(where, f"{source.vm_pu:g} pu", "a voltage > 0, about 1")


def _supply(network: Network) -> Iterator[Fault]:
    alive = network.supplied()
    for bus in network.buses:
        if bus.name not in alive:
            yield Fault(f"bus {bus.name}", "no way to a source", "a bus that is supplied")


def _load_phases(network: Network) -> Iterator[Fault]:
    for load in network.loads:
        if load.phase not in (*PHASES, "abc"):
            yield Fault(f"load {load.name}", f"phase {load.phase!r}", "a, b, c or abc")
        if not (math.isfinite(load.p_kw) and math.isfinite(load.q_kvar)):
            yield Fault(f"load {load.name}", f"{load.p_kw} kW, {load.q_kvar} kvar", "numbers")
