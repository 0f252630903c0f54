"""Power flow of many times in one call, by power-grid-model: balanced, or phase by phase.

The model is built once for a substation; each call hands it the powers of many times at once. A
batch gives bit for bit what its times give one by one, however it is cut and on however many
threads it is solved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_extremes import GridExtremes
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.grid.batch_extremes import ExtremePlaces, extremes_of, over_phases
from mas2sim.grid.batch_model import batch_model, phase_share, phases_present
from mas2sim.grid.check import zero_sequence_faults
from mas2sim.grid.solution import masked_state, no_load_kw, powers_or_fault, unbalance_percent
from mas2sim.grid.substation import Substation

ERROR_TOLERANCE_PU = 1e-10
"""Greatest change of a voltage in the last iteration. [C] It closes the energy balance to 1e-10 of
the import; the engine's default of 1e-8 closes it to 1e-8 at 10 % less time."""

MAX_ITERATIONS = 100
"""Beyond this a time counts as not converged. [C] On the Cardiff substation, equal homes at up to
5 kW (0.93 pu) need 14, at 10 kW (0.66 pu) 57; what needs more than 100 is within 4 % of the load at
which voltages collapse."""

FLOWS_AT_ONCE = 2000
"""Flows in one call of the engine: of the reference substation they take some 100 MB. [C]"""

_SEQUENTIAL = -1
_W_PER_KW = 1000.0
_VA_PER_KVA = 1000.0

_WHOLE_STATE: Mapping[str, Sequence[str]] = {
    "node": ("u_pu",),
    "source": ("p", "q"),
    "transformer": ("p_from", "p_to", "s_from"),
    "line": ("p_from", "p_to", "i_from", "i_to"),
}
_FOR_EXTREMES: Mapping[str, Sequence[str]] = {
    "node": ("u_pu",),
    "source": ("p",),
    "transformer": ("s_from",),
    "line": ("i_from", "i_to"),
}


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
    threads : int
        Threads that the engine spreads a batch over. One is right where cases already run side by
        side.

    Raises
    ------
    GridError
        When `unbalanced` and the network lacks zero-sequence data, or there is no thread.
    """

    def __init__(
        self,
        substation: Substation,
        *,
        unbalanced: bool,
        method: str = "iterative_current",
        threads: int = 1,
    ) -> None:
        network = substation.network
        faults = zero_sequence_faults(network) if unbalanced else []
        if threads < 1:
            faults.append(Fault("threads", str(threads), "1 or more"))
        if faults:
            raise GridError(faults)
        self._layout = substation.layout
        self._unbalanced = unbalanced
        self._method = method
        self._threads = threads
        nodes = network.nodes()
        self._network = network
        self._bus_node: IntArray = np.array([nodes[bus.name] for bus in network.buses])
        self._share = phase_share(self._layout.home_phase)
        present = phases_present(self._layout.bus_phases)
        self._absent = ~present if unbalanced else np.zeros((len(present), 1), dtype=bool)
        self._three = np.flatnonzero(present.all(axis=1))
        self._rating = np.array([branch.rating for branch in network.branches])
        self._model, self._home_ids = batch_model(network, self._layout)

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
        parts = []
        for times in _chunks(len(p_kw), FLOWS_AT_ONCE):
            output, failed = self._calculate(p_kw[times], q_kvar[times], _WHOLE_STATE)
            known[times][failed] = False
            parts.append(self._state(output))
        # Field by field, and each part given up: a year would not fit in memory twice.
        whole = {name: np.concatenate([part.pop(name) for part in parts]) for name in [*parts[0]]}
        return masked_state(
            known,
            vm_pu=whole["vm_pu"],
            unbalance_percent=whole.get("unbalance_percent"),
            loading_percent=whole["loading_percent"],
            import_kw=whole["import_kw"],
            import_kvar=whole["import_kvar"],
            loss_line_kw=whole["loss_line_kw"],
            loss_transformer_load_kw=whole["loss_transformer_load_kw"],
            loss_transformer_no_load_kw=whole["loss_transformer_no_load_kw"],
        )

    def extremes(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridExtremes:
        """Solve many scenarios and keep the worst of each.

        Parameters
        ----------
        p_kw, q_kvar : array, shape (scenario, time, home)
            Power drawn at each connection point. Views without memory of their own, such as
            ``numpy.broadcast_to`` makes them, are read piece by piece.

        Returns
        -------
        GridExtremes
            The same figures as those of the states that `solve` returns.

        Raises
        ------
        GridError
            When the shapes are not alike, do not fit the homes, or have no times.
        """
        p_kw, q_kvar = np.asarray(p_kw), np.asarray(q_kvar)
        homes = len(self._layout.home_bus)
        faults = [
            Fault(name, f"shape {array.shape}", f"(scenario, time, {homes}), one time at least")
            for name, array in (("p_kw", p_kw), ("q_kvar", q_kvar))
            if array.shape != (*p_kw.shape[:2], homes) or 0 in array.shape[1:2]
        ]
        if faults:
            raise GridError(faults)
        scenarios, times = p_kw.shape[:2]
        places = ExtremePlaces.of(self._network, self._layout, self._bus_node, ~self._absent)
        parts = []
        for chunk in _chunks(scenarios, max(1, FLOWS_AT_ONCE // times)):
            p, q, known = powers_or_fault(
                p_kw[chunk].reshape(-1, homes), q_kvar[chunk].reshape(-1, homes), homes=homes
            )
            output, failed = self._calculate(p, q, _FOR_EXTREMES)
            known[failed] = False
            parts.append(extremes_of(output, known, times, places))
        return GridExtremes.joined(parts)

    def _calculate(
        self, p_kw: FloatArray, q_kvar: FloatArray, wanted: Mapping[str, Sequence[str]]
    ) -> tuple[dict[str, Any], IntArray]:
        """Output of the engine by component and attribute, and which times failed: NaN in it."""
        from power_grid_model import ComponentType, DatasetType, initialize_array

        update = initialize_array(DatasetType.update, ComponentType.asym_load, p_kw.shape)
        update["id"] = self._home_ids
        update["p_specified"] = p_kw[:, :, None] * self._share * _W_PER_KW
        update["q_specified"] = q_kvar[:, :, None] * self._share * _W_PER_KW
        if self._unbalanced:
            wanted = {**wanted, "node": (*wanted["node"], "u_angle")}
        output = self._model.calculate_power_flow(
            symmetric=not self._unbalanced,
            error_tolerance=ERROR_TOLERANCE_PU,
            max_iterations=MAX_ITERATIONS,
            calculation_method=self._method,
            update_data={ComponentType.asym_load: update},
            threading=_SEQUENTIAL if self._threads == 1 else self._threads,
            output_component_types={
                ComponentType[name]: list(attributes) for name, attributes in wanted.items()
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

    def _state(self, output: dict[str, Any]) -> dict[str, FloatArray]:
        """Fields of the state of a batch, but for what was solved."""
        node, source = output["node"], output["source"]
        unit, line = output["transformer"], output["line"]

        vm_pu = node["u_pu"][:, self._bus_node]
        vm_pu = vm_pu if self._unbalanced else vm_pu[..., None]
        no_load_kw_ = no_load_kw(self._network, vm_pu)
        vm_pu[:, self._absent] = np.nan
        unit_loss_kw = _all(unit["p_from"]) + _all(unit["p_to"])
        line_loss_kw = _all(line["p_from"]) + _all(line["p_to"])
        carried = [
            over_phases(np.add, unit["s_from"]) / _VA_PER_KVA,
            np.maximum(
                over_phases(np.maximum, line["i_from"]), over_phases(np.maximum, line["i_to"])
            ),
        ]
        state = {
            "vm_pu": vm_pu,
            "loading_percent": 100.0 * np.concatenate(carried, axis=1) / self._rating,
            "import_kw": _all(source["p"]) / _W_PER_KW,
            "import_kvar": _all(source["q"]) / _VA_PER_KVA,
            "loss_line_kw": line_loss_kw / _W_PER_KW,
            "loss_transformer_load_kw": unit_loss_kw / _W_PER_KW - no_load_kw_,
            "loss_transformer_no_load_kw": no_load_kw_,
        }
        if self._unbalanced:
            state["unbalance_percent"] = self._unbalance(node)
        return state

    def _unbalance(self, node: Mapping[str, FloatArray]) -> FloatArray:
        unbalance = np.full((len(node["u_pu"]), len(self._bus_node)), np.nan)
        at = self._bus_node[self._three]
        unbalance[:, self._three] = unbalance_percent(node["u_pu"][:, at], node["u_angle"][:, at])
        return unbalance


def _all(values: FloatArray) -> FloatArray:
    """Sum over elements and phases, shape (time)."""
    return np.asarray(values.sum(axis=tuple(range(1, values.ndim))))


def _chunks(length: int, size: int) -> Iterator[slice]:
    """Slices that cover a length; one empty one where there is nothing."""
    for start in range(0, max(length, 1), size):
        yield slice(start, start + size)
