"""A substation from a net of one's own: which of its loads are homes, and what is left out.

A room beside `cardiff`, which generates one: here the net is given, and what a case needs of it has
to be found in it or in a mapping file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.domain.limits import GridLimits
from mas2sim.grid.check import Connection, zero_sequence_faults
from mas2sim.grid.finding import listed
from mas2sim.grid.load_mapping import OTHER_TABLES, PLACE_TABLES, Place, places_of
from mas2sim.grid.net_figures import value
from mas2sim.grid.net_tables import table_faults
from mas2sim.grid.network import FixedLoad, Network
from mas2sim.grid.pandapower_import import element_labels, from_pandapower, in_service
from mas2sim.grid.substation import IMPORT_PERCENT, Substation, connect, default_limits

HV_VM_PU = (0.8, 1.2)


@dataclass(frozen=True, slots=True)
class OwnGrid:
    """What a case sets about a net of one's own.

    Parameters
    ----------
    mapping : Path, optional
        Which loads are homes, docs/own_grid.md.
    hv_vm_pu : float, optional
        Voltage of all ext_grids; as the net has it when left out.
    tap_pos : int, optional
        Position of the taps of all transformers that step down to low voltage; as the net has it
        when left out.
    """

    mapping: Path | None = None
    hv_vm_pu: float | None = None
    tap_pos: int | None = None
    transformer_import_kw: float | None = None
    transformer_import_percent: float = IMPORT_PERCENT
    transformer_export_kw: float | None = None
    voltage_band_v: tuple[float, float] = (207.0, 253.0)
    unbalance_percent: float = 2.0


def build_own_grid(
    net: Any, settings: OwnGrid, *, unbalanced: bool, name: str | None = None
) -> Substation:
    """Make a substation of a pandapower net.

    Parameters
    ----------
    net : pandapowerNet
        Changed by the settings; give one that nobody else needs.
    unbalanced : bool
        Whether it will be solved phase by phase, so that it needs zero-sequence data.

    Raises
    ------
    GridError
        With every fault of the net, the mapping and the settings.
    """
    faults = table_faults(net)
    if faults:
        raise GridError(faults)
    faults = _set_supply(net, settings)
    places, found = places_of(net, settings.mapping)
    faults += found
    try:
        network = from_pandapower(net, name=name)
    except GridError as error:
        raise GridError([*faults, *error.faults]) from error
    network = replace(network, loads=tuple(_kept(network, places)))
    if unbalanced:
        faults += grouped(
            zero_sequence_faults(network),
            "power_flow=balanced, or `mas2sim grid check SOURCE --assume-zero-sequence --out FILE`",
        )
    limits, found = _limits(network, settings)
    faults += found
    users = list(_connections(net, places))
    try:
        substation = connect(
            network,
            [user for user, place in users if place.kind == "home"],
            limits,
            commercial=[user for user, place in users if place.kind == "business"],
        )
    except GridError as error:
        # A home named twice is known from its loads already.
        known = {fault.where for fault in faults}
        faults += [fault for fault in error.faults if fault.where not in known]
        raise GridError(faults) from error
    if faults:
        raise GridError(faults)
    return replace(
        substation,
        annual_kwh=tuple(
            place.annual_kwh
            for kind in ("home", "business")
            for _, place in users
            if place.kind == kind
        ),
        assumptions=tuple(_assumptions(places)),
    )


def grouped(faults: Sequence[Fault], remedy: str | None = None) -> list[Fault]:
    """Faults of one kind as one: the first few elements named, the others counted."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for fault in faults:
        key = (fault.found, fault.allowed, remedy or fault.remedy)
        groups.setdefault(key, []).append(fault.where)
    return [
        Fault(listed(places), found, allowed, tried)
        for (found, allowed, tried), places in groups.items()
    ]


def _set_supply(net: Any, settings: OwnGrid) -> list[Fault]:
    """Set voltage and taps as the case wants them."""
    faults = []
    voltage, tap = settings.hv_vm_pu, settings.tap_pos
    if voltage is not None:
        low, high = HV_VM_PU
        if not low <= voltage <= high:
            faults.append(Fault("hv_vm_pu", f"{voltage:g}", f"{low:g} to {high:g}"))
        net.ext_grid["vm_pu"] = voltage
    if tap is None:
        return faults
    labels = element_labels(net, "trafo")
    for index, row in in_service(net, "trafo"):
        bus = row["lv_bus"]
        if bus not in net.bus.index or float(net.bus.at[bus, "vn_kv"]) > LOW_VOLTAGE_KV:
            continue
        low, high, step = (value(row, name) for name in ("tap_min", "tap_max", "tap_step_percent"))
        if not (isfinite(low) and isfinite(high) and isfinite(step) and step):
            found = f"{tap}, and transformer {labels[index]} has no taps"
            faults.append(Fault("tap_pos", found, "null: as the net says", "grid.tap_pos=null"))
        elif not low <= tap <= high:
            allowed = f"{low:g} to {high:g}, the taps of transformer {labels[index]}"
            faults.append(Fault("tap_pos", str(tap), allowed))
        else:
            net.trafo["tap_pos"] = net.trafo["tap_pos"].astype(float)
            net.trafo.loc[index, "tap_pos"] = float(tap)
    return faults


def _kept(network: Network, places: Sequence[Place]) -> Iterator[FixedLoad]:
    """Loads that stay in the network: those that a mapping or the voltage makes fixed."""
    fixed = {f"{place.table} {place.index}": place for place in places if place.kind == "fixed"}
    for load in network.loads:
        place = fixed.get(load.element)
        if place is None:
            continue
        # A load by phase that is on several is three-phase as a whole, each of its parts is not.
        by_phase = place.table.startswith("asymmetric") and place.phase == "abc"
        yield load if by_phase else replace(load, phase=place.phase or load.phase)


def _limits(network: Network, settings: OwnGrid) -> tuple[GridLimits, list[Fault]]:
    """Limits of the case; ratings are of those units that feed low voltage."""
    vn_kv = {bus.name: bus.vn_kv for bus in network.buses}
    rating_kva = sum(
        unit.rating_kva for unit in network.transformers if vn_kv[unit.lv_bus] <= LOW_VOLTAGE_KV
    )
    faults = []
    if not rating_kva and None in (settings.transformer_import_kw, settings.transformer_export_kw):
        found = "null, and the net has no transformer to low voltage whose rating it follows from"
        names = ("transformer_limit_kw", "transformer_export_limit_kw")
        remedy = "grid.transformer_limit_kw=250 grid.transformer_export_limit_kw=400, for example"
        faults = [Fault(" and ".join(names), found, "numbers [kW]", remedy)]
    limits = default_limits(
        rating_kva,
        transformer_import_kw=settings.transformer_import_kw,
        transformer_import_percent=settings.transformer_import_percent,
        transformer_export_kw=settings.transformer_export_kw,
        voltage_band_v=settings.voltage_band_v,
        unbalance_percent=settings.unbalance_percent,
    )
    return limits, faults


def _connections(net: Any, places: Sequence[Place]) -> Iterator[tuple[Connection, Place]]:
    """Homes and businesses at their buses; three phases where none is stated."""
    buses = element_labels(net, "bus")
    for place in places:
        if place.kind in ("home", "business"):
            bus = buses[net[place.table].at[place.index, "bus"]]
            yield Connection(place.home, bus, place.phase or "abc"), place


def _assumptions(places: Sequence[Place]) -> Iterator[str]:
    """What was made of the net's loads, in sentences."""
    homes = [place for place in places if place.kind == "home"]
    shops = sum(place.kind == "business" for place in places)
    loads = sum(place.table in PLACE_TABLES for place in places)
    yield (
        f"Of the net's {loads} loads {len(homes)} are homes and {shops} small businesses; their "
        "powers in the net are not used."
    )
    without_phase = sum(not place.phase for place in homes)
    if without_phase:
        yield (
            f"{without_phase} homes have no phase stated and are connected to all three, which "
            "understates unbalance and losses."
        )
    known = sum(place.annual_kwh is not None for place in homes)
    yield f"{known} of {len(homes)} homes have an annual energy of their own; the others' is drawn."
    fixed = [place for place in places if place.kind == "fixed"]
    if fixed:
        yield (
            f"{len(fixed)} loads stay as the net has them, at all times: {_named(fixed)}. The flow "
            "has them; limits on the sum of the connections do not count them."
        )
    left_out = [place for place in places if place.kind == "none"]
    if left_out:
        yield (
            f"{len(left_out)} devices of the net are left out, since the scenario brings its own: "
            f"{_named(left_out)}."
        )


def _named(places: Sequence[Place]) -> str:
    words = {"load": "loads", "asymmetric_load": "loads by phase", "sgen": "static generators",
             "asymmetric_sgen": "generators by phase", "storage": "storages"}  # fmt: skip
    parts = []
    for table in (*PLACE_TABLES, *OTHER_TABLES):
        group = [place.p_kw for place in places if place.table == table]
        if group:
            parts.append(f"{len(group)} {words[table]} ({sum(group):g} kW)")
    return ", ".join(parts)
