"""A network made stronger: another tap, another transformer, another cable in the same trench.

Each change gives a new network; nothing here knows what is worth its price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mas2sim.domain.grid_state import LOW_VOLTAGE_KV, SERVICE
from mas2sim.grid import Line, Network, Transformer
from mas2sim.grid.recipe import CableType, TransformerType

_M_PER_KM = 1000.0


def relaid(line: Line, cable: CableType) -> Line:
    """The line with another cable, over the same length."""
    length_km = line.length_m / _M_PER_KM
    return replace(
        line,
        r_ohm=cable.r1_ohm_per_km * length_km,
        x_ohm=cable.x1_ohm_per_km * length_km,
        r0_ohm=cable.r0_ohm_per_km * length_km,
        x0_ohm=cable.x0_ohm_per_km * length_km,
        c_nf=cable.c1_nf_per_km * length_km,
        c0_nf=cable.c1_nf_per_km * length_km,
        g_us=0.0,
        rating_a=cable.rating_a,
    )


def exchanged(unit: Transformer, kind: TransformerType) -> Transformer:
    """A transformer of another rating, made for the voltages, vector group and taps of the old."""
    return replace(
        unit,
        sn_kva=kind.sn_kva,
        rating_kva=kind.sn_kva,
        vk_percent=kind.vk_percent,
        vkr_percent=kind.vkr_percent,
        iron_kw=kind.iron_kw,
        i0_percent=kind.i0_percent,
        vk0_percent=float("nan"),
    )


def with_lines(network: Network, lines: Mapping[int, Line]) -> Network:
    """The network with some lines, by their place, instead of its own."""
    return replace(network, lines=tuple(lines.get(k, line) for k, line in enumerate(network.lines)))


def low_voltage_lines(network: Network) -> list[int]:
    """Places of the lines of low voltage."""
    nominal_kv = {bus.name: bus.vn_kv for bus in network.buses}
    return [
        k
        for k, line in enumerate(network.lines)
        if nominal_kv[line.from_bus] <= LOW_VOLTAGE_KV and line.length_m > 0.0
    ]


def feeding_units(network: Network) -> list[int]:
    """Places of the transformers that feed low voltage and have taps."""
    nominal_kv = {bus.name: bus.vn_kv for bus in network.buses}
    return [
        k
        for k, unit in enumerate(network.transformers)
        if nominal_kv[unit.lv_bus] <= LOW_VOLTAGE_KV and unit.tap_step_percent > 0.0
    ]


def tapped(network: Network, steps: float) -> Network:
    """The network with the taps of all units that feed low voltage moved by some steps."""
    feeding = feeding_units(network)
    return replace(
        network,
        transformers=tuple(
            replace(unit, tap_steps=unit.tap_steps + steps) if k in feeding else unit
            for k, unit in enumerate(network.transformers)
        ),
    )


def way_to(network: Network, bus: str) -> list[int]:
    """Lines on the way from a transformer to a bus, by the fewest lines, in that order.

    Without a transformer the way begins at a source. Empty where the bus is where it begins.
    """
    near: dict[str, list[tuple[int, str]]] = {}
    for k, line in enumerate(network.lines):
        near.setdefault(line.from_bus, []).append((k, line.to_bus))
        near.setdefault(line.to_bus, []).append((k, line.from_bus))
    for one, other in network.joined:
        near.setdefault(one, []).append((-1, other))
        near.setdefault(other, []).append((-1, one))
    # From the bus outwards, so that the first transformer met is the nearest.
    roots = {unit.lv_bus for unit in network.transformers} or {
        source.bus for source in network.sources
    }
    came: dict[str, tuple[int, str]] = {bus: (-1, "")}
    queue = [bus]
    for at in queue:
        if at in roots:
            return _walked(came, at)
        for k, other in near.get(at, ()):
            if other not in came:
                came[other] = (k, at)
                queue.append(other)
    return []


def _walked(came: Mapping[str, tuple[int, str]], at: str) -> list[int]:
    lines = []
    while at:
        k, at = came[at]
        if k >= 0:
            lines.append(k)
    return lines


def sections(network: Network, way: Sequence[int]) -> list[tuple[int, ...]]:
    """Stretches of one kind of line on a way, services left out."""
    found: list[list[int]] = []
    before = None
    for k in way:
        line = network.lines[k]
        if line.kind == SERVICE or line.length_m <= 0.0:
            continue
        kind = (round(_r_ohm_per_km(line), 6), line.rating_a, line.feeder)
        if kind == before:
            found[-1].append(k)
        else:
            found.append([k])
        before = kind
    return [tuple(each) for each in found]


def larger_cables(line: Line, cables: Sequence[CableType]) -> list[CableType]:
    """Cables of less resistance than the line has and no less rating."""
    # A twentieth less, so that a cable is not exchanged for one of its own kind.
    return [
        cable
        for cable in cables
        if cable.r1_ohm_per_km < 0.95 * _r_ohm_per_km(line) and cable.rating_a >= line.rating_a
    ]


def _r_ohm_per_km(line: Line) -> float:
    return line.r_ohm / line.length_m * _M_PER_KM if line.length_m > 0.0 else float("inf")


def describe(line: Line, cables: Sequence[CableType]) -> str:
    """Name of the cable that a line is made of, as far as its figures tell; else its figures."""
    r_ohm_per_km = _r_ohm_per_km(line)
    for cable in cables:
        if abs(cable.r1_ohm_per_km - r_ohm_per_km) < 1e-6 and cable.rating_a == line.rating_a:
            return cable.cable
    return f"{r_ohm_per_km:.3f} ohm/km, {line.rating_a:g} A"
