"""The engine's own picture of a network: tables for power-grid-model, and its loads that are homes.

Everything that is a quirk of the engine's input is here: SI units, ids that run on through all
components, winding numbers, a conductance given as a loss factor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.grid_state import GridLayout
from mas2sim.grid.network import PHASES, Network

_STIFF_VA = 1e20
_W_PER_KW = 1000.0
_VA_PER_KVA = 1000.0
_V_PER_KV = 1000.0
_F_PER_NF = 1e-9
_S_PER_US = 1e-6
_WINDINGS = {"y": 0, "yn": 1, "d": 2, "z": 3, "zn": 4}
_CONSTANT_POWER = 0


def phases_present(phases: tuple[str, ...]) -> BoolArray:
    """Which of the three phases each element has, shape (element, phase)."""
    present = [[phase in element for phase in PHASES] for element in phases]
    return np.array(present, dtype=bool).reshape(-1, len(PHASES))


def phase_share(phases: tuple[str, ...]) -> FloatArray:
    """Share of a home's power in each phase, shape (home, phase)."""
    on = phases_present(phases).astype(np.float64)
    share: FloatArray = on / on.sum(axis=1, keepdims=True)
    return share


def batch_model(network: Network, layout: GridLayout) -> tuple[Any, IntArray]:
    """Build the model of a network; also the ids of the loads that stand for homes."""
    from power_grid_model import ComponentType, PowerGridModel

    nodes = network.nodes()
    counts = [
        1 + max(nodes.values()),
        len(network.transformers),
        len(network.lines),
        len(network.sources),
        len(layout.home_bus) + len(network.loads),
    ]
    # Ids run on through all components, in the order of `counts`.
    node_ids, unit_ids, line_ids, source_ids, load_ids = np.split(
        np.arange(sum(counts)), np.cumsum(counts)[:-1]
    )
    model = PowerGridModel(
        {
            ComponentType.node: _nodes(network, nodes, node_ids),
            ComponentType.transformer: _transformers(network, nodes, unit_ids),
            ComponentType.line: _lines(network, nodes, line_ids),
            ComponentType.source: _sources(network, nodes, source_ids),
            ComponentType.asym_load: _loads(network, layout, nodes, load_ids),
        },
        system_frequency=network.frequency_hz,
    )
    return model, load_ids[: len(layout.home_bus)]


def _table(component: str, columns: dict[str, Any], rows: int) -> Any:
    """Engine's input table of one kind of component; columns left out keep their default."""
    from power_grid_model import ComponentType, DatasetType, initialize_array

    table = initialize_array(DatasetType.input, ComponentType[component], rows)
    for name, values in columns.items():
        table[name] = values
    return table


def _nodes(network: Network, nodes: dict[str, int], ids: IntArray) -> Any:
    vn_kv = np.zeros(len(ids))
    vn_kv[[nodes[bus.name] for bus in network.buses]] = [bus.vn_kv for bus in network.buses]
    return _table("node", {"id": ids, "u_rated": _V_PER_KV * vn_kv}, len(ids))


def _lines(network: Network, nodes: dict[str, int], ids: IntArray) -> Any:
    lines = network.lines
    c_farad = _F_PER_NF * np.array([line.c_nf for line in lines])
    g_siemens = _S_PER_US * np.array([line.g_us for line in lines])
    susceptance = 2.0 * np.pi * network.frequency_hz * c_farad
    columns = {
        "id": ids,
        "from_node": [nodes[line.from_bus] for line in lines],
        "to_node": [nodes[line.to_bus] for line in lines],
        "from_status": 1,
        "to_status": 1,
        "r1": [line.r_ohm for line in lines],
        "x1": [line.x_ohm for line in lines],
        "c1": c_farad,
        # The engine takes the conductance as a loss factor of the capacitance.
        "tan1": np.divide(g_siemens, susceptance, out=np.zeros(len(lines)), where=susceptance > 0),
        "r0": [line.r0_ohm for line in lines],
        "x0": [line.x0_ohm for line in lines],
        "c0": _F_PER_NF * np.array([line.c0_nf for line in lines]),
        "tan0": 0.0,
        "i_n": [line.rating_a for line in lines],
    }
    return _table("line", columns, len(lines))


def _transformers(network: Network, nodes: dict[str, int], ids: IntArray) -> Any:
    units = network.transformers
    sn_va = _VA_PER_KVA * np.array([unit.sn_kva for unit in units])
    columns = {
        "id": ids,
        "from_node": [nodes[unit.hv_bus] for unit in units],
        "to_node": [nodes[unit.lv_bus] for unit in units],
        "from_status": 1,
        "to_status": 1,
        # The tap is in the winding voltages already, so the engine's own tap stays at neutral.
        "u1": [_V_PER_KV * unit.tapped_kv[0] for unit in units],
        "u2": [_V_PER_KV * unit.tapped_kv[1] for unit in units],
        "sn": sn_va,
        "uk": [unit.vk_percent / 100.0 for unit in units],
        "pk": sn_va * [unit.vkr_percent / 100.0 for unit in units],
        "i0": [unit.i0_percent / 100.0 for unit in units],
        "p0": [_W_PER_KW * unit.iron_kw for unit in units],
        "winding_from": [_WINDINGS[unit.vector_group.hv.lower()] for unit in units],
        "winding_to": [_WINDINGS[unit.vector_group.lv] for unit in units],
        "clock": [unit.vector_group.clock for unit in units],
        "tap_side": 0,
        "tap_pos": 0,
        "tap_min": 0,
        "tap_max": 0,
        "tap_nom": 0,
        "tap_size": 0.0,
    }
    return _table("transformer", columns, len(units))


def _sources(network: Network, nodes: dict[str, int], ids: IntArray) -> Any:
    columns = {
        "id": ids,
        "node": [nodes[source.bus] for source in network.sources],
        "status": 1,
        "u_ref": [source.vm_pu for source in network.sources],
        "u_ref_angle": np.radians([source.va_degree for source in network.sources]),
        "sk": _STIFF_VA,
    }
    return _table("source", columns, len(network.sources))


def _loads(network: Network, layout: GridLayout, nodes: dict[str, int], ids: IntArray) -> Any:
    """Homes first, at no power until a batch says so; then the loads that never change."""
    homes, fixed = len(layout.home_bus), network.loads
    share = phase_share(tuple(load.phase for load in fixed))
    p_kw, q_kvar = np.zeros((2, len(ids), len(PHASES)))
    p_kw[homes:] = share * np.array([load.p_kw for load in fixed])[:, None]
    q_kvar[homes:] = share * np.array([load.q_kvar for load in fixed])[:, None]
    columns = {
        "id": ids,
        "node": [nodes[bus] for bus in (*layout.home_bus, *(load.bus for load in fixed))],
        "status": 1,
        "type": _CONSTANT_POWER,
        "p_specified": p_kw * _W_PER_KW,
        "q_specified": q_kvar * _W_PER_KW,
    }
    return _table("asym_load", columns, len(ids))
