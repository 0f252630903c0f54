"""The check of a grid before anybody plans with it: what it is, what is wrong, how it behaves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault, GridError
from mas2sim.domain.grid_state import LOW_VOLTAGE_KV, GridLayout, GridState
from mas2sim.grid.cardiff import build_cardiff
from mas2sim.grid.check import zero_sequence_faults
from mas2sim.grid.finding import Finding, Severity, grouped
from mas2sim.grid.load_mapping import OTHER_TABLES, places_of
from mas2sim.grid.net_figures import elements, figure_findings, value
from mas2sim.grid.net_mending import assume_zero_sequence, mend
from mas2sim.grid.net_source import kind_of, net_of
from mas2sim.grid.net_structure import reference_findings, structure_findings
from mas2sim.grid.net_tables import table_faults
from mas2sim.grid.own_grid import OwnGrid, build_own_grid
from mas2sim.grid.pandapower_export import to_pandapower
from mas2sim.grid.pandapower_import import element_labels, from_pandapower
from mas2sim.grid.recipe import recipe_numbers
from mas2sim.grid.substation import Substation, connect, power_flow

KW_A_HOME = 1.0
"""Diversified demand of a home at the peak of an evening, by rule of thumb [A]."""
RECIPES = "cardiff"
_LIMITS_KW = 1.0
"""Stands for limits that a net without a transformer does not give; the check asks for none."""


@dataclass(frozen=True, slots=True)
class RatedState:
    """The grid with every user at `KW_A_HOME`.

    Parameters
    ----------
    engine : str
        ``"balanced"`` or ``"unbalanced"``.
    users : int
        Homes and small businesses.
    lowest_v, highest_v : float
        Voltages at low voltage, phase to neutral, and at which bus; NaN where the flow was not
        solved, or there is no such bus.
    loading_percent : float
        Of the most loaded branch; NaN where there is none.
    loss_kw : float
        Of lines and transformers.
    """

    engine: str
    converged: bool
    users: int
    lowest_v: float = float("nan")
    lowest_bus: str = ""
    highest_v: float = float("nan")
    highest_bus: str = ""
    loading_percent: float = float("nan")
    loaded_branch: str = ""
    loss_kw: float = float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class GridReport:
    """What a check found.

    Parameters
    ----------
    source : str
        As asked.
    summary : tuple of (str, str)
        What was read: label and words.
    findings : tuple of Finding
        From the worst to the least.
    states : tuple of RatedState
        None where faults keep the grid from being solved.
    net : pandapowerNet or None
        As checked, so with what was mended and assumed.
    """

    source: str
    summary: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    states: tuple[RatedState, ...]
    net: Any = None

    @property
    def sound(self) -> bool:
        """Whether nothing is at fault, and the grid can be solved."""
        faults = any(each.severity == Severity.FAULT for each in self.findings)
        return not faults and bool(self.states) and all(state.converged for state in self.states)


def check_grid(
    source: str,
    *,
    recipes: Path,
    mapping: Path | None = None,
    mending: bool = False,
    zero_sequence: bool = False,
) -> GridReport:
    """Check a grid.

    Parameters
    ----------
    source : str
        A path, a name of pandapower's, a SimBench code, or ``"cardiff"``, ``"cardiff/3"``.
    recipes : Path
        Folder in which the folder of recipes lies.
    mapping : Path, optional
        Which loads are homes.
    mending : bool
        Whether to mend what has one mending.
    zero_sequence : bool
        Whether to assume zero sequences by rule where they are missing.

    Raises
    ------
    GridError
        When there is no net to check: no such file, not a net, no such name.
    """
    if source.partition("/")[0] == RECIPES and not Path(source).is_file():
        return _generated(source, recipes)
    net = net_of(kind_of(source), source)
    return check_net(net, source, mapping=mapping, mending=mending, zero_sequence=zero_sequence)


def check_net(
    net: Any,
    source: str,
    *,
    mapping: Path | None = None,
    mending: bool = False,
    zero_sequence: bool = False,
) -> GridReport:
    """Check a pandapower net, as `check_grid` does; the net itself stays as it is."""
    lacking = table_faults(net)
    if lacking:
        raise GridError(lacking)
    if not len(net.bus):
        remedy = "save the net after its buses were made"
        raise GridError([Fault(source, "a net without a bus", "buses, lines, loads", remedy)])
    net = deepcopy(net)
    findings: list[Finding] = []
    broken = list(reference_findings(net))
    if not broken:
        findings += mend(net) if mending else ()
        findings += assume_zero_sequence(net) if zero_sequence else ()
        findings += structure_findings(net)
    findings += [*broken, *figure_findings(net)]
    if not broken:
        findings += _reading(net, mapping, [each.found for each in findings if _is_fault(each)])
    states: tuple[RatedState, ...] = ()
    if not any(_is_fault(each) for each in findings):
        states, more = _solved(net, mapping)
        findings += more
    return GridReport(source, tuple(_summary(net)), tuple(grouped(findings)), states, net)


def save_net(report: GridReport, path: Path) -> None:
    """Write the net of a report as pandapower's JSON.

    Raises
    ------
    GridError
        When there is no net, or no such folder.
    """
    if report.net is None or not path.parent.is_dir():
        raise GridError([Fault("--out", str(path), "a file in a folder that exists")])
    import pandapower as pp

    pp.to_json(report.net, str(path))


def _is_fault(finding: Finding) -> bool:
    return finding.severity == Severity.FAULT


def _generated(source: str, recipes: Path) -> GridReport:
    """A generated substation; its files are checked as it is built."""
    number = source.partition("/")[2] or "1"
    numbers = recipe_numbers(recipes / RECIPES)
    if not number.isdecimal() or int(number) not in numbers:
        named = ", ".join(f"{RECIPES}/{each}" for each in numbers)
        raise GridError([Fault("source", source, named or "no recipe is there")])
    substation = build_cardiff(recipes / RECIPES, int(number))
    net = to_pandapower(substation, by_phase=True)
    states = tuple(_rated(substation, unbalanced=each) for each in (False, True))
    return GridReport(source, tuple(_summary(net)), (), states, net)


def _reading(net: Any, mapping: Path | None, known: Sequence[str]) -> Iterator[Finding]:
    """What keeps the net from being read, and what can only be solved in balance."""
    places, faults = places_of(net, mapping)
    yield from map(Finding.of, faults)
    left_out = [place for place in places if place.table in OTHER_TABLES and place.kind == "none"]
    if left_out:
        total_kw = sum(place.p_kw for place in left_out)
        yield Finding(
            Severity.ASSUMED,
            "net.sgen, net.storage",
            f"{len(left_out)} generators and storages, {total_kw:g} kW",
            "none: a scenario brings its own",
            "left out; a mapping with kind fixed keeps one, at its power at all times",
        )
    try:
        network = from_pandapower(net)
    except GridError as error:
        # Islands are named already, bus by bus.
        again = (each for each in error.faults if known and "ext_grid" in each.found)
        seen = {*known, *(each.found for each in again)}
        yield from (Finding.of(each) for each in error.faults if each.found not in seen)
        return
    yield from (
        Finding(
            Severity.REMARK, each.where, each.found, each.allowed, "power_flow=balanced; " + hint
        )
        for each in zero_sequence_faults(network)
        for hint in (
            "--assume-zero-sequence takes a rule" if each.where.startswith("line") else each.remedy,
        )
    )


def _solved(net: Any, mapping: Path | None) -> tuple[tuple[RatedState, ...], list[Finding]]:
    """States at rated load; in balance, and phase by phase where the data are there."""
    settings = OwnGrid(
        mapping=mapping, transformer_import_kw=_LIMITS_KW, transformer_export_kw=_LIMITS_KW
    )
    try:
        substation = build_own_grid(deepcopy(net), settings, unbalanced=False)
    except ConfigurationError as error:
        return (), [Finding.of(fault) for fault in error.faults]
    states = [_rated(substation, unbalanced=False)]
    if not zero_sequence_faults(substation.network):
        states.append(_rated(substation, unbalanced=True))
    findings = [Finding(Severity.ASSUMED, "homes", said, "") for said in substation.assumptions[:1]]
    findings += [
        Finding(
            Severity.FAULT,
            f"{state.engine} power flow",
            f"no solution at {KW_A_HOME:g} kW a home",
            "a solution",
            "look for a length, an impedance or a rating in another unit",
        )
        for state in states
        if not state.converged
    ]
    return tuple(states), findings


def _rated(substation: Substation, *, unbalanced: bool) -> RatedState:
    """Solve the substation with every user at the same power."""
    users = (*substation.homes, *substation.commercial)
    p_kw = np.full((1, len(users)), KW_A_HOME)
    connected = connect(substation.network, users, substation.limits)
    flow = power_flow(connected, unbalanced=unbalanced)
    state, layout = flow.solve(p_kw, 0.0 * p_kw), flow.layout
    engine = "unbalanced" if unbalanced else "balanced"
    if not state.converged[0]:
        return RatedState(engine, converged=False, users=len(users))
    return RatedState(
        engine=engine,
        converged=True,
        users=len(users),
        loss_kw=float(state.loss_kw[0]),
        **_voltages(state, layout),
        **_loaded(state.loading_percent[0], layout),
    )


def _voltages(state: GridState, layout: GridLayout) -> dict[str, Any]:
    """Extremes at low voltage; none where the net has no bus of it."""
    low = list(layout.low_voltage)
    if not low:
        return {}
    base_v = np.array([layout.buses[bus].vn_kv for bus in low]) * 1000.0 / math.sqrt(3.0)
    voltage: FloatArray = state.vm_pu[0, low] * base_v[:, None]
    least, most = np.nanmin(voltage, axis=1), np.nanmax(voltage, axis=1)
    bottom, top = int(np.argmin(least)), int(np.argmax(most))
    return {
        "lowest_v": float(least[bottom]),
        "lowest_bus": layout.buses[low[bottom]].name,
        "highest_v": float(most[top]),
        "highest_bus": layout.buses[low[top]].name,
    }


def _loaded(loading_percent: FloatArray, layout: GridLayout) -> dict[str, Any]:
    """The most loaded branch; none where the net has no branch."""
    if not len(loading_percent):
        return {}
    worst = int(np.argmax(loading_percent))
    return {
        "loading_percent": float(loading_percent[worst]),
        "loaded_branch": layout.branches[worst].name,
    }


def _summary(net: Any) -> Iterator[tuple[str, str]]:
    """What is in a net, in words."""
    buses = list(elements(net, "bus"))
    low = sum(value(row, "vn_kv") <= LOW_VOLTAGE_KV for _, row in buses)
    yield "buses", f"{len(buses)}, {low} of them at up to {LOW_VOLTAGE_KV:g} kV"
    loads = sum(len(list(elements(net, table))) for table in ("load", "asymmetric_load"))
    others = sum(len(list(elements(net, table))) for table in OTHER_TABLES)
    yield "loads", f"{loads}, and {others} generators and storages"
    for place, row in elements(net, "trafo"):
        tap = value(row, "tap_pos")
        words = f"{1000 * value(row, 'sn_mva'):g} kVA, {value(row, 'vn_hv_kv'):g}/"
        words += f"{value(row, 'vn_lv_kv'):g} kV, " + (
            "no taps" if math.isnan(tap) else f"tap {tap:g}"
        )
        limits = value(row, "tap_min"), value(row, "tap_max")
        words += f" of {limits[0]:g} to {limits[1]:g}" if all(np.isfinite(limits)) else ""
        yield place, words
    lines = [value(row, "length_km") for _, row in elements(net, "line")]
    yield "lines", f"{len(lines)}, {np.nansum(lines):.3f} km"
    switches = [bool(row["closed"]) for _, row in elements(net, "switch")]
    yield "switches", f"{len(switches)}, {switches.count(False)} of them open"
    for _, row in elements(net, "ext_grid"):
        yield (
            f"source at bus {element_labels(net, 'bus').get(row['bus'], '?')}",
            f"{value(row, 'vm_pu'):g} pu",
        )
