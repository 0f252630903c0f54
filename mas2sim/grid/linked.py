"""Two substations with a link box between them: one network for each way to switch them.

The HV grid is one and stiff: each substation sees it at its own HV bus, with the voltage of its own
settings. A transformer that is off is left out of the network, so each state is solved as a batch
of its own. Beside the losses, a planner needs to know what goes through each transformer and over
the tie, and what voltage stands across a tie before it is closed; the usual flow does not say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, sqrt
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import GridState
from mas2sim.grid.batch_flow import BatchPowerFlow
from mas2sim.grid.check import Connection
from mas2sim.grid.link_boxes import TIE, Tie
from mas2sim.grid.network import Network, Transformer
from mas2sim.grid.solution import masked_state, powers_or_fault
from mas2sim.grid.substation import Substation, connect

_W_PER_KW = 1000.0


class LinkState(StrEnum):
    """How two substations are switched."""

    NORMAL = "normal"
    TIED = "tied"
    FIRST_OFF = "first off"
    SECOND_OFF = "second off"


LINK_STATES = tuple(LinkState)


@dataclass(frozen=True, slots=True, eq=False)
class LinkedPart:
    """A substation on its way into a joint network.

    Parameters
    ----------
    number : int
        By which ties know it, and which goes before the names of all that is its own.
    connections : sequence of Connection
        In the order in which powers are given.
    """

    number: int
    network: Network
    connections: Sequence[Connection]


@dataclass(frozen=True, slots=True, eq=False)
class LinkedFlow:
    """A joint network over a batch of times, in one state.

    Parameters
    ----------
    grid : GridState
    transformer_kw : array, shape (time, transformer)
        Power drawn from the HV grid by each transformer in service, in the order of the network.
    tie_kw : array, shape (time, tie)
        Power that leaves the first end of each closed tie for the second.
    gap_percent : array, shape (time, tie)
        Voltage between the ends of each tie that is open, as a phasor, so its angle is in it: the
        greatest of the phases, over the nominal voltage. 1 degree alone makes 1.7 %.
    """

    grid: GridState
    transformer_kw: FloatArray
    tie_kw: FloatArray
    gap_percent: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "transformer_kw", "tie_kw", "gap_percent")


def join_substations(
    parts: Sequence[LinkedPart], ties: Sequence[Tie], *, off: Sequence[int] = ()
) -> Substation:
    """Put substations and the closed ties between them into one network.

    Parameters
    ----------
    parts : sequence of LinkedPart
        Their connections follow one another in the order of powers.
    ties : sequence of Tie
        The closed ones.
    off : sequence of int
        Numbers of the substations whose transformers are off. Their HV buses stay, so that buses
        have the same places in all states.

    Raises
    ------
    GridError
        When a bus has lost its supply, or a network or connection is at fault.
    """
    networks = [_renamed(part, on=part.number not in off) for part in parts]
    frequencies = sorted({network.frequency_hz for network in networks})
    if len(frequencies) > 1:
        found = " and ".join(f"{hz:g} Hz" for hz in frequencies)
        raise GridError([Fault("joint network", found, "one frequency")])
    closed = tuple(tie.line(*(_own(end.substation, end.bus) for end in tie.ends)) for tie in ties)
    network = Network(
        name=" and ".join(network.name for network in networks),
        buses=tuple(bus for each in networks for bus in each.buses),
        lines=(*(line for each in networks for line in each.lines), *closed),
        transformers=tuple(unit for each in networks for unit in each.transformers),
        sources=tuple(source for each in networks for source in each.sources),
        loads=tuple(load for each in networks for load in each.loads),
        joined=tuple(pair for each in networks for pair in each.joined),
        frequency_hz=frequencies[0],
    )
    connections = [
        Connection(_own(part.number, each.home), _own(part.number, each.bus), each.phase)
        for part in parts
        for each in part.connections
    ]
    return connect(network, connections)


class LinkedPair:
    """Two substations with a tie, to be solved in each of the states.

    Parameters
    ----------
    tie : Tie
    first, second : LinkedPart
        The substations at its first and second end.
    unbalanced : bool
        True to solve phase by phase.

    Raises
    ------
    GridError
        When the substations are not on one HV grid, or a network is at fault.
    """

    def __init__(
        self, tie: Tie, first: LinkedPart, second: LinkedPart, *, unbalanced: bool
    ) -> None:
        parts = (first, second)
        hv_kv = [_hv_kv(part.network) for part in parts]
        if hv_kv[0] != hv_kv[1]:
            found = " and ".join(f"{sorted(each)} kV" for each in hv_kv)
            raise GridError([Fault(f"tie {tie.name}", found, "substations on one HV grid")])
        self.tie = tie
        self.substations: Mapping[LinkState, Substation] = {
            LinkState.NORMAL: join_substations(parts, ()),
            LinkState.TIED: join_substations(parts, [tie]),
            LinkState.FIRST_OFF: join_substations(parts, [tie], off=[first.number]),
            LinkState.SECOND_OFF: join_substations(parts, [tie], off=[second.number]),
        }
        ends = [tuple(_own(end.substation, end.bus) for end in tie.ends)]
        self._flows = {
            state: _Flow(
                substation, ends if state is LinkState.NORMAL else [], unbalanced=unbalanced
            )
            for state, substation in self.substations.items()
        }

    def solve(self, state: LinkState, p_kw: FloatArray, q_kvar: FloatArray) -> LinkedFlow:
        """Solve one state.

        Parameters
        ----------
        p_kw, q_kvar : array, shape (time, connection)
            Power drawn at each connection, those of the first substation first.
        """
        return self._flows[state].solve_linked(p_kw, q_kvar)


def break_even_loading(off: Transformer, on: Transformer) -> float:
    """Loading at which switching one of two transformers off begins to cost more than it saves.

    Both carry the same share x of their ratings; then `on` carries both loads. With iron loss
    P_fe and load loss P_cu at rated power S, and nothing lost in the tie, both ways lose the same
    where x^2 (P_cu,on ((S_off + S_on) / S_on)^2 - P_cu,on - P_cu,off) = P_fe,off. For two equal
    units that is x = sqrt(P_fe / (2 P_cu)).

    Returns
    -------
    float
        x as a share of the ratings; infinite where `on` alone always loses less.
    """
    copper_off_kw, copper_on_kw = (unit.vkr_percent / 100.0 * unit.sn_kva for unit in (off, on))
    both = (off.sn_kva + on.sn_kva) / on.sn_kva
    more_kw = copper_on_kw * (both**2 - 1.0) - copper_off_kw
    return sqrt(off.iron_kw / more_kw) if more_kw > 0.0 else inf


def transformer_saving_kw(
    off: Transformer, on: Transformer, off_kva: FloatArray, on_kva: FloatArray
) -> FloatArray:
    """What two transformers lose less when one carries the load of both.

    Load losses go with the square of the apparent power, iron loss is that at rated voltage, and
    nothing is lost in cables: what is left is the most that switching could save.

    Parameters
    ----------
    off_kva, on_kva : array, shape (time)
        Load of each while both are on.

    Returns
    -------
    array, shape (time)
        Negative where both together lose less. [kW]
    """
    copper_off_kw, copper_on_kw = (unit.vkr_percent / 100.0 * unit.sn_kva for unit in (off, on))
    carried = np.square((off_kva + on_kva) / on.sn_kva) - np.square(on_kva / on.sn_kva)
    spared_kw = copper_off_kw * np.square(off_kva / off.sn_kva)
    return np.asarray(off.iron_kw + spared_kw - copper_on_kw * carried)


class _Flow(BatchPowerFlow):
    """The batch flow, which also tells powers of branches and voltages across open ties."""

    def __init__(
        self, substation: Substation, open_ends: Sequence[tuple[str, ...]], *, unbalanced: bool
    ) -> None:
        super().__init__(substation, unbalanced=unbalanced)
        network = substation.network
        nodes = network.nodes()
        self._ties = [i for i, line in enumerate(network.lines) if line.kind == TIE]
        self._open = np.array(
            [[nodes[bus] for bus in ends] for ends in open_ends], dtype=np.int64
        ).reshape(-1, 2)

    def solve_linked(self, p_kw: FloatArray, q_kvar: FloatArray) -> LinkedFlow:
        p_kw, q_kvar, known = powers_or_fault(p_kw, q_kvar, homes=len(self._layout.home_bus))
        # Phase by phase the flow asks for the angles itself.
        node = ("u_pu",) if self._unbalanced else ("u_pu", "u_angle")
        wanted = {
            "node": node,
            "source": ("p", "q"),
            "transformer": ("p_from", "p_to", "s_from"),
            "line": ("p_from", "p_to", "i_from", "i_to"),
        }
        output, failed = self._calculate(p_kw, q_kvar, wanted)
        known[failed] = False
        fields: dict[str, Any] = {"unbalance_percent": None, **self._state(output)}
        linked = {
            "transformer_kw": _phases_together(output["transformer"]["p_from"]),
            "tie_kw": _phases_together(output["line"]["p_from"])[:, self._ties],
            "gap_percent": self._gap_percent(output["node"]),
        }
        for values in linked.values():
            values[~known] = np.nan
        return LinkedFlow(masked_state(known, **fields), **linked)

    def _gap_percent(self, node: Mapping[str, FloatArray]) -> FloatArray:
        shape = (len(node["u_pu"]), -1, 3 if self._unbalanced else 1)
        u = (node["u_pu"] * np.exp(1j * node["u_angle"])).reshape(shape)
        gap = np.abs(u[:, self._open[:, 0]] - u[:, self._open[:, 1]])
        return np.asarray(100.0 * gap.max(axis=-1))


def _phases_together(values: FloatArray) -> FloatArray:
    """Power of each element over its phases, shape (time, element). [kW]"""
    by_phase = 3
    total = values.sum(axis=-1) if values.ndim == by_phase else values.copy()
    return np.asarray(total / _W_PER_KW)


def _own(number: int, name: str) -> str:
    """Name of what belongs to a substation among those of others."""
    return f"{number}/{name}"


def _hv_kv(network: Network) -> set[float]:
    vn_kv = {bus.name: bus.vn_kv for bus in network.buses}
    return {vn_kv[source.bus] for source in network.sources}


def _renamed(part: LinkedPart, *, on: bool) -> Network:
    network, number = part.network, part.number

    def own(name: str) -> str:
        return _own(number, name)

    return replace(
        network,
        buses=tuple(replace(bus, name=own(bus.name)) for bus in network.buses),
        lines=tuple(
            replace(
                line,
                name=own(line.name),
                from_bus=own(line.from_bus),
                to_bus=own(line.to_bus),
                feeder=own(line.feeder) if line.feeder else "",
            )
            for line in network.lines
        ),
        transformers=tuple(
            replace(unit, name=own(unit.name), hv_bus=own(unit.hv_bus), lv_bus=own(unit.lv_bus))
            for unit in network.transformers
            if on
        ),
        sources=tuple(replace(source, bus=own(source.bus)) for source in network.sources),
        loads=tuple(
            replace(load, name=own(load.name), bus=own(load.bus)) for load in network.loads
        ),
        joined=tuple((own(one), own(other)) for one, other in network.joined),
    )
