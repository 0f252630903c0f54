"""Checks of how a pandapower net hangs together: buses, supply, names, voltage levels.

A room beside `net_figures`, which looks at one element at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mas2sim.grid.finding import Finding, Severity
from mas2sim.grid.load_mapping import PLACE_TABLES
from mas2sim.grid.net_figures import elements, value
from mas2sim.grid.pandapower_import import element_labels, in_service

BUS_COLUMNS = {
    "line": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "ext_grid": ("bus",),
    "load": ("bus",),
    "asymmetric_load": ("bus",),
    "sgen": ("bus",),
    "asymmetric_sgen": ("bus",),
    "storage": ("bus",),
    "switch": ("bus",),
}
_OF_SWITCH = {"b": "bus", "l": "line", "t": "trafo"}


def reference_findings(net: Any) -> Iterator[Finding]:
    """Elements without a bus, and buses and elements that are not there."""
    for table, columns in BUS_COLUMNS.items():
        for place, row in elements(net, table):
            for column in columns:
                bus = value(row, column)
                if math.isnan(bus):
                    remedy = "the index of a bus, or put it out of service"
                    yield _fault(place, f"no bus in {column}", "a bus of the net", remedy)
                elif bus not in net.bus.index:
                    yield _fault(place, f"{column} {bus:g}, which is not there", "a bus of the net")
    for place, row in elements(net, "switch"):
        table = _OF_SWITCH.get(str(row["et"]), "")
        if table and row["element"] not in net[table].index:
            found = f"{table} {row['element']}, which is not there"
            yield _fault(place, found, f"an element of net.{table}", "remove the switch")


def structure_findings(net: Any) -> Iterator[Finding]:
    """Sources, islands, voltage levels and names; needs a net whose buses are all there."""
    yield from _sources(net)
    yield from _islands(net)
    yield from _levels(net)
    yield from _names(net)


def dead_buses(net: Any) -> tuple[set[int], set[int]]:
    """Buses in service without supply: all of them, and those that open switches cut off."""
    from pandapower.topology import unsupplied_buses

    live = {index for index, _ in in_service(net, "bus")}
    dead = {int(bus) for bus in unsupplied_buses(net, respect_switches=True)} & live
    without = {int(bus) for bus in unsupplied_buses(net, respect_switches=False)} & live
    return dead, dead - without


def buses_of_loads(net: Any) -> set[int]:
    """Buses with a load in service."""
    return {int(row["bus"]) for table in PLACE_TABLES for _, row in in_service(net, table)}


def _fault(place: str, found: str, allowed: str, remedy: str = "") -> Finding:
    return Finding(Severity.FAULT, place, found, allowed, remedy)


def _sources(net: Any) -> Iterator[Finding]:
    sources = list(in_service(net, "ext_grid"))
    if not sources:
        yield _fault("net.ext_grid", "no source in service", "one", "add an ext_grid at the HV bus")
    elif len(sources) > 1:
        yield Finding(
            Severity.REMARK,
            "net.ext_grid",
            f"{len(sources)} sources",
            "one, as a rule",
            "all of them hold their voltage; power may flow from one to the other",
        )


def _islands(net: Any) -> Iterator[Finding]:
    dead, cut_off = dead_buses(net)
    loaded = buses_of_loads(net)
    labels = element_labels(net, "bus")
    for bus in sorted(dead):
        by_switch = bus in cut_off
        found = "no way to an ext_grid" + (", an open switch is between" if by_switch else "")
        if bus in loaded:
            remedy = "close a switch on its way" if by_switch else "a line to a supplied bus"
            yield _fault(
                f"bus {labels[bus]}",
                f"an island: {found}, and loads in service",
                "supply for every load",
                f"{remedy}, or put the loads out of service",
            )
        else:
            yield Finding(
                Severity.ASSUMED,
                f"bus {labels[bus]}",
                f"an island: {found}",
                "supply, or nothing there",
                "left out; --mend removes it",
            )


def _levels(net: Any) -> Iterator[Finding]:
    vn_kv = net.bus["vn_kv"].to_dict()
    for place, row in elements(net, "line"):
        yield from _level(place, vn_kv[row["from_bus"]], vn_kv[row["to_bus"]])
    for place, row in elements(net, "switch"):
        if row["et"] == "b" and row["closed"] and row["element"] in vn_kv:
            yield from _level(place, vn_kv[row["bus"]], vn_kv[row["element"]])


def _level(place: str, one: float, other: float) -> Iterator[Finding]:
    if math.isfinite(one) and math.isfinite(other) and one != other:
        found = f"{one:g} kV at one end, {other:g} kV at the other"
        yield _fault(place, found, "one voltage level", "a transformer, or correct vn_kv")


def _names(net: Any) -> Iterator[Finding]:
    for table in ("bus", "line", "trafo", "load", "asymmetric_load"):
        rows = net[table].to_dict("index")
        if not rows:
            continue
        names = [row.get("name") for row in rows.values()]
        said = [name for name in names if isinstance(name, str) and name]
        twice = [name for name, count in Counter(said).items() if count > 1]
        taken = "elements of the table are called by their index"
        if twice:
            found = f"{len(twice)} names that stand more than once, first {twice[0]!r}"
            yield Finding(Severity.ASSUMED, f"net.{table}", found, "each name once", taken)
        if len(said) < len(names):
            found = f"{len(names) - len(said)} of {len(names)} without a name"
            yield Finding(Severity.ASSUMED, f"net.{table}", found, "a name for each", taken)
