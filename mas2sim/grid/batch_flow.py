"""Power flow of many times in one call, by power-grid-model: balanced, or phase by phase.

The model is built once for a substation; each call hands it the powers of all times at once. A
batch gives bit for bit what its times give one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.grid.check import zero_sequence_faults
from mas2sim.grid.network import PHASES, Network
from mas2sim.grid.solution import masked_state, no_load_kw, powers_or_fault
from mas2sim.grid.substation import Substation

ERROR_TOLERANCE_PU = 1e-10
"""Greatest change of a voltage in the last iteration. [C] It closes the energy balance to 1e-10 of
the import; the engine's default of 1e-8 closes it to 1e-8 at 10 % less time."""

MAX_ITERATIONS = 100
"""Beyond this a time counts as not converged. [C] On the Cardiff substation, equal homes at up to
5 kW (0.93 pu) need 14, at 10 kW (0.66 pu) 57; what needs more than 100 is within 4 % of the load at
which voltages collapse."""

_SEQUENTIAL = -1
_STIFF_VA = 1e20
_W_PER_KW = 1000.0
_VA_PER_KVA = 1000.0
_V_PER_KV = 1000.0
_F_PER_NF = 1e-9
_S_PER_US = 1e-6
_WINDINGS = {"y": 0, "yn": 1, "d": 2, "z": 3, "zn": 4}
_CONSTANT_POWER = 0


class BatchPowerFlow:
    """The default engine.

    Parameters
    ----------
    substation : Substation
    unbalanced : bool
        True to solve phase by phase; `GridState.vm_pu` then has three phases.
    method : str
        ``"iterative_current"`` (default), which factorises once for the whole batch, or
        ``"newton_raphson"``: the same result, slower, and it gives up on some strong exports.

    Raises
    ------
    GridError
        When `unbalanced` and the network lacks zero-sequence data.
    """

    def __init__(
        self, substation: Substation, *, unbalanced: bool, method: str = "iterative_current"
    ) -> None:
        network = substation.network
        faults = zero_sequence_faults(network) if unbalanced else []
        if faults:
            raise GridError(faults)
        self._layout = substation.layout
        self._unbalanced = unbalanced
        self._method = method
        nodes = network.nodes()
        self._network = network
        self._bus_node: IntArray = np.array([nodes[bus.name] for bus in network.buses])
        self._share = phase_share(self._layout.home_phase)
        self._has_phase = phases_present(self._layout.bus_phases) if unbalanced else True
        self._rating = np.array([branch.rating for branch in network.branches])
        self._model, self._home_ids = _model(network, self._layout)

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        return self._layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch.

        Parameters
        ----------
        p_kw, q_kvar : array, shape (time, home)
            Power drawn at each connection point. A time with a power that is no number counts as
            not converged.

        Returns
        -------
        GridState
            One phase in `vm_pu` when balanced, three when not, NaN on those that a bus lacks.

        Raises
        ------
        GridError
            When the shapes do not fit the homes.
        """
        p_kw, q_kvar, known = powers_or_fault(p_kw, q_kvar, homes=len(self._layout.home_bus))
        output, failed = self._calculate(p_kw, q_kvar)
        known[failed] = False
        return self._state(output, known)

    def _calculate(self, p_kw: FloatArray, q_kvar: FloatArray) -> tuple[dict[str, Any], IntArray]:
        from power_grid_model import ComponentType, DatasetType, initialize_array

        update = initialize_array(DatasetType.update, ComponentType.asym_load, p_kw.shape)
        update["id"] = self._home_ids
        update["p_specified"] = p_kw[:, :, None] * self._share * _W_PER_KW
        update["q_specified"] = q_kvar[:, :, None] * self._share * _W_PER_KW
        wanted = {
            "node": ["u_pu"],
            "source": ["p", "q"],
            "transformer": ["p_from", "p_to", "s_from"],
            "line": ["p_from", "p_to", "i_from", "i_to"],
        }
        output = self._model.calculate_power_flow(
            symmetric=not self._unbalanced,
            error_tolerance=ERROR_TOLERANCE_PU,
            max_iterations=MAX_ITERATIONS,
            calculation_method=self._method,
            update_data={ComponentType.asym_load: update},
            threading=_SEQUENTIAL,
            output_component_types={
                ComponentType[name]: attributes for name, attributes in wanted.items()
            },
            continue_on_batch_error=True,
        )
        error = self._model.batch_error
        failed = np.array([] if error is None else error.failed_scenarios, dtype=np.int64)
        for columns in output.values():
            for values in columns.values():
                # Left as they are, they may be anything, and overflow in what follows.
                values[failed] = np.nan
        kind = DatasetType.asym_output if self._unbalanced else DatasetType.sym_output
        # The engine leaves out what the network has none of.
        none = {
            name: initialize_array(kind, ComponentType[name], (len(p_kw), 0)) for name in wanted
        }
        return none | {component.value: values for component, values in output.items()}, failed

    def _state(self, output: dict[str, Any], known: BoolArray) -> GridState:
        node, source = output["node"], output["source"]
        unit, line = output["transformer"], output["line"]

        vm_pu = _by_phase(node["u_pu"], self._unbalanced)[:, self._bus_node]
        unit_loss_kw = (_all_phases(unit["p_from"]) + _all_phases(unit["p_to"])) / _W_PER_KW
        no_load_kw_ = no_load_kw(self._network, vm_pu)
        line_loss_kw = (_all_phases(line["p_from"]) + _all_phases(line["p_to"])) / _W_PER_KW
        current_a = np.maximum(line["i_from"], line["i_to"])
        carried = [
            _all_phases(unit["s_from"]) / _VA_PER_KVA,
            _by_phase(current_a, self._unbalanced).max(axis=-1),
        ]
        return masked_state(
            known,
            vm_pu=np.where(self._has_phase, vm_pu, np.nan),
            loading_percent=100.0 * np.concatenate(carried, axis=1) / self._rating,
            import_kw=_all_phases(source["p"]).sum(axis=1) / _W_PER_KW,
            import_kvar=_all_phases(source["q"]).sum(axis=1) / _VA_PER_KVA,
            loss_line_kw=line_loss_kw.sum(axis=1),
            loss_transformer_load_kw=unit_loss_kw.sum(axis=1) - no_load_kw_,
            loss_transformer_no_load_kw=no_load_kw_,
        )


def phases_present(phases: tuple[str, ...]) -> BoolArray:
    """Which of the three phases each element has, shape (element, phase)."""
    present = [[phase in element for phase in PHASES] for element in phases]
    return np.array(present, dtype=bool).reshape(-1, len(PHASES))


def phase_share(phases: tuple[str, ...]) -> FloatArray:
    """Share of a home's power in each phase, shape (home, phase)."""
    on = phases_present(phases).astype(np.float64)
    share: FloatArray = on / on.sum(axis=1, keepdims=True)
    return share


def _by_phase(values: FloatArray, unbalanced: bool) -> FloatArray:
    """Values with the phase as their last axis, of length one when balanced."""
    return values if unbalanced else values[..., None]


def _all_phases(values: FloatArray) -> FloatArray:
    """Sum over phases, shape (time, element); balanced values are such sums already."""
    by_phase = 3
    total: FloatArray = values.sum(axis=-1) if values.ndim == by_phase else values
    return total


def _model(network: Network, layout: GridLayout) -> tuple[Any, IntArray]:
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
