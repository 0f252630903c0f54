"""The worst of each scenario, out of what the engine puts out for a piece of a batch.

Apart from the engine itself because hundreds of thousands of flows go through here: only what has
to be compared is read, and nothing of the size of the output is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.grid_extremes import NOWHERE, GridExtremes
from mas2sim.domain.grid_state import GridLayout
from mas2sim.grid.network import Network
from mas2sim.grid.solution import unbalance_percent

_W_PER_KW = 1000.0
_VA_PER_KVA = 1000.0

_PHASES = 3


@dataclass(frozen=True, slots=True, eq=False)
class ExtremePlaces:
    """Where extremes are looked for, as columns of the engine's output.

    Parameters
    ----------
    volts, volts_bus : array of int, shape (place)
        Phases of low-voltage buses as columns of node times phase, and the bus of each.
    trio, trio_bus : array of int, shape (bus)
        Nodes of the low-voltage buses with three phases; none when balanced.
    unit_kva, line_a : array
        Ratings of transformers and lines.
    """

    volts: IntArray
    volts_bus: IntArray
    trio: IntArray
    trio_bus: IntArray
    unit_kva: FloatArray
    line_a: FloatArray

    @classmethod
    def of(
        cls, network: Network, layout: GridLayout, bus_node: IntArray, present: BoolArray
    ) -> ExtremePlaces:
        """Places of a network.

        Parameters
        ----------
        bus_node : array of int, shape (bus)
            The engine's node of each bus.
        present : array of bool, shape (bus, phase)
            Phases that a bus has; one column when balanced.
        """
        low = np.array(layout.low_voltage, dtype=np.int64)
        at, phase = np.nonzero(present[low])
        phases = present.shape[1]
        trio = low[present[low].all(axis=1)] if phases == _PHASES else low[:0]
        return cls(
            volts=bus_node[low[at]] * phases + phase,
            volts_bus=low[at],
            trio=bus_node[trio],
            trio_bus=trio,
            unit_kva=np.array([unit.rating_kva for unit in network.transformers]),
            line_a=np.array([line.rating_a for line in network.lines]),
        )


def extremes_of(
    output: Mapping[str, Mapping[str, FloatArray]], known: BoolArray, times: int, at: ExtremePlaces
) -> GridExtremes:
    """Extremes of whole scenarios, one after the other in the engine's output.

    Parameters
    ----------
    output : mapping
        By component and attribute, shape (scenario x time, element) or with the phase last.
    known : array of bool, shape (scenario x time)
        Times that were solved.
    times : int
        Times in a scenario.
    at : ExtremePlaces
    """
    node, line, unit = output["node"], output["line"], output["transformer"]
    solved = known.reshape(-1, times)
    whole = np.asarray(solved.all(axis=1))

    def worst(values: FloatArray, places: IntArray, sign: float = 1.0) -> _Worst:
        return _worst(sign * values, whole, places).times(sign)

    u_pu = node["u_pu"]
    volts = u_pu.reshape(len(known), prod(u_pu.shape[1:]))[:, at.volts]
    line_a = np.maximum(
        over_phases(np.maximum, line["i_from"]), over_phases(np.maximum, line["i_to"])
    )
    unit_kva = over_phases(np.add, unit["s_from"]) / _VA_PER_KVA
    import_kw = over_phases(np.add, output["source"]["p"]).sum(axis=1, keepdims=True) / _W_PER_KW
    here = np.zeros(1, dtype=np.int64)
    units = np.arange(len(at.unit_kva))
    low, high = worst(volts, at.volts_bus, -1.0), worst(volts, at.volts_bus)
    unbalance = worst(_unbalance(node, at), at.trio_bus)
    loaded_line = worst(100.0 * line_a / at.line_a, len(units) + np.arange(len(at.line_a)))
    loaded_unit = worst(100.0 * unit_kva / at.unit_kva, units)
    return GridExtremes(
        low_pu=low.value,
        high_pu=high.value,
        line_loading_percent=loaded_line.value,
        transformer_loading_percent=loaded_unit.value,
        unbalance_percent=unbalance.value,
        import_kw=np.maximum(worst(import_kw, here).value, 0.0),
        reverse_kw=np.maximum(-worst(import_kw, here, -1.0).value, 0.0),
        low_bus=low.place,
        high_bus=high.place,
        unbalance_bus=unbalance.place,
        line=loaded_line.place,
        transformer=loaded_unit.place,
        unsolved=times - solved.sum(axis=1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Worst:
    """Greatest value of each scenario and the place of it, shape (scenario)."""

    value: FloatArray
    place: IntArray

    def times(self, factor: float) -> _Worst:
        return _Worst(factor * self.value, self.place)


def _worst(values: FloatArray, whole: BoolArray, places: IntArray) -> _Worst:
    """Greatest of values of shape (scenario x time, place), where the whole scenario was solved."""
    if not len(places) or not len(whole):
        return _Worst(np.full(len(whole), np.nan), np.full(len(whole), NOWHERE))
    by_scenario = values.reshape(len(whole), -1)
    first = by_scenario.argmax(axis=1)
    value = np.take_along_axis(by_scenario, first[:, None], axis=1)[:, 0]
    return _Worst(
        np.where(whole, value, np.nan), np.where(whole, places[first % len(places)], NOWHERE)
    )


def _unbalance(node: Mapping[str, FloatArray], at: ExtremePlaces) -> FloatArray:
    if not len(at.trio):
        return np.zeros((0, 0))
    return unbalance_percent(node["u_pu"][:, at.trio], node["u_angle"][:, at.trio])


def over_phases(combine: np.ufunc, values: FloatArray) -> FloatArray:
    """Combine the phases of an element; balanced values stand for all of them already.

    Phase by phase, as to reduce over a last axis of three takes several times as long.

    Returns
    -------
    array, shape (time, element)
    """
    by_phase = 3
    return values if values.ndim < by_phase else reduce(combine, np.moveaxis(values, -1, 0))
