"""What is wrong with a net and can be mended in one way only; and zero sequences by a stated rule.

A room beside the checks: it changes a net, they do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.grid.finding import Finding, Severity
from mas2sim.grid.load_mapping import PLACE_TABLES
from mas2sim.grid.net_structure import buses_of_loads, dead_buses

ZERO_SEQUENCE_RATIO = 4.0
"""Z0 over Z1 of a cable with four equal cores whose neutral carries the whole return.

With self impedance Zs of each core and mutual impedance Zm between any two (Kersting, Distribution
System Modeling and Analysis, ch. 4), 1 A in each phase and 3 A back give
Z0 = (Zs + 2 Zm - 3 Zm) - (3 Zm - 3 Zs) = 4 (Zs - Zm), and Z1 = Zs - Zm. A thinner neutral has more,
one that is earthed at many places less.
"""
_RULE = "R0 = 4 R1, X0 = 4 X1, C0 = C1: four equal cores, all return in the neutral"


def mend(net: Any) -> Iterator[Finding]:
    """Mend in place what has one mending, and say what was done."""
    yield from _taps(net)
    yield from _types(net)
    yield from _dead_parts(net)
    yield from _names(net)


def assume_zero_sequence(net: Any) -> Iterator[Finding]:
    """Give low-voltage lines without zero-sequence data some by a rule, in place."""
    lines = net.line
    for column in ("r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km"):
        if column not in lines:
            lines[column] = np.nan
        lines[column] = lines[column].astype(float)
    low = lines["from_bus"].map(net.bus["vn_kv"]) <= LOW_VOLTAGE_KV
    bare = low & (lines["r0_ohm_per_km"].isna() | lines["x0_ohm_per_km"].isna())
    for column, ratio in (("r", ZERO_SEQUENCE_RATIO), ("x", ZERO_SEQUENCE_RATIO)):
        lines.loc[bare, f"{column}0_ohm_per_km"] = ratio * lines.loc[bare, f"{column}_ohm_per_km"]
    lines.loc[bare, "c0_nf_per_km"] = lines.loc[bare, "c_nf_per_km"]
    if bare.any():
        yield Finding(
            Severity.ASSUMED,
            "net.line",
            f"{int(bare.sum())} low-voltage lines without zero-sequence impedance",
            "r0_ohm_per_km and x0_ohm_per_km",
            _RULE,
        )


def _mended(place: str, found: str, allowed: str, done: str) -> Finding:
    return Finding(Severity.MENDED, place, found, allowed, done)


def _taps(net: Any) -> Iterator[Finding]:
    units = net.trafo
    if not len(units) or "tap_pos" not in units:
        return
    if "tap_changer_type" not in units:
        units["tap_changer_type"] = None
    units["tap_changer_type"] = units["tap_changer_type"].astype(object)
    step = units.get("tap_step_percent")
    if step is None:
        return
    bare = units["tap_changer_type"].isna() & step.fillna(0.0).ne(0.0)
    neutral = units["tap_neutral"].fillna(0.0) if "tap_neutral" in units else 0.0
    away = bare & units["tap_pos"].notna() & (units["tap_pos"] != neutral)
    units.loc[bare, "tap_changer_type"] = "Ratio"
    if away.any():
        found = f"{int(away.sum())} taps away from neutral, of changers without a type"
        yield _mended("net.trafo", found, "tap_changer_type Ratio", "Ratio was written down")


def _types(net: Any) -> Iterator[Finding]:
    for table in PLACE_TABLES:
        frame = net[table]
        if not len(frame):
            continue
        if "type" not in frame:
            frame["type"] = None
        frame["type"] = frame["type"].astype(object)
        bare = frame["type"].isna()
        frame.loc[bare, "type"] = "wye"
        if bare.any():
            found = f"{int(bare.sum())} loads without a type"
            yield _mended(f"net.{table}", found, "wye or delta", "wye was written down")


def _dead_parts(net: Any) -> Iterator[Finding]:
    """Remove islands without a load in service; those with one somebody has to decide about."""
    from pandapower.toolbox import drop_buses
    from pandapower.topology import connected_components, create_nxgraph

    dead, _ = dead_buses(net)
    loaded = buses_of_loads(net)
    graph = create_nxgraph(net, respect_switches=True)
    gone = sorted(
        bus
        for part in connected_components(graph)
        if part <= dead and part.isdisjoint(loaded)
        for bus in part
    )
    if gone:
        drop_buses(net, gone)
        found = f"{len(gone)} buses without a way to an ext_grid"
        yield _mended("net.bus", found, "supply, or nothing there", "removed with what hung there")


def _names(net: Any) -> Iterator[Finding]:
    """Name buses that have no name, by their index."""
    names = net.bus["name"].astype(object)
    bare = names.isna() | names.eq("")
    taken = set(names[~bare])
    for bus in net.bus.index[bare]:
        name = f"bus {bus}"
        while name in taken:
            name += "_"
        names[bus] = name
        taken.add(name)
    net.bus["name"] = names
    if bare.any():
        found = f"{int(bare.sum())} buses without a name"
        yield _mended("net.bus", found, "a name for each", "named by their index")
