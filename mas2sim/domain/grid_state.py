"""The electrical state of a substation over time, and the places it speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Protocol

from mas2sim.domain.arrays import BoolArray, FloatArray

SERVICE = "service"
"""Kind of the branches that have the wires of the homes behind them and no more."""

TRANSFORMER = "transformer"
"""Kind of the branches whose far side is where feeders begin."""

ALL_PHASES = "abc"

LOW_VOLTAGE_KV = 1.0
"""Low voltage ends here (IEC 60038); statutory limits of the homes' voltage hold below."""


@dataclass(frozen=True, slots=True)
class Bus:
    """A node of the network; `x_m`, `y_m` place it on the map."""

    name: str
    vn_kv: float
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Branch:
    """A line or a transformer between two buses.

    Parameters
    ----------
    kind : str
        ``"main"``, ``"service"``, ``"line"`` or ``"transformer"``.
    rating : float
        Current in A of a line, apparent power in kVA of a transformer.
    feeder : str
        Name of the feeder it belongs to; empty for the transformer.
    """

    name: str
    kind: str
    from_bus: str
    to_bus: str
    rating: float
    length_m: float = 0.0
    feeder: str = ""


@dataclass(frozen=True, slots=True)
class GridLayout:
    """Places of a substation: buses, branches, and where each home is connected.

    Parameters
    ----------
    home_bus, home_phase : tuple of str
        In the order of homes; phases are ``"a"``, ``"b"``, ``"c"`` or ``"abc"``.
    other_loads : tuple of pairs of str
        Bus and phase of what is connected and is no home.
    """

    name: str
    buses: tuple[Bus, ...]
    branches: tuple[Branch, ...]
    home_bus: tuple[str, ...]
    home_phase: tuple[str, ...]
    other_loads: tuple[tuple[str, str], ...] = ()

    @property
    def bus_phases(self) -> tuple[str, ...]:
        """Phases that each bus has: ``"abc"``, or fewer at the end of services.

        A service carries the phases of what it supplies. So buses that only services lead to, and
        that services join to one another, have the phases of the homes and other loads on them
        together. All others have three phases, and so have buses about which nothing is known: no
        load behind the service, or no other branch that it begins at.
        """
        used: dict[str, set[str]] = {}
        for bus, phase in (*zip(self.home_bus, self.home_phase, strict=True), *self.other_loads):
            used.setdefault(bus, set()).update(phase)
        phases = {bus.name: ALL_PHASES for bus in self.buses}
        for tail in self._service_tails():
            found = set[str]().union(*(used.get(bus, ()) for bus in tail))
            if found:
                phases.update(dict.fromkeys(tail, "".join(sorted(found))))
        return tuple(phases[bus.name] for bus in self.buses)

    @property
    def low_voltage(self) -> tuple[int, ...]:
        """Indices of the buses of low voltage, to which the statutory band applies."""
        return tuple(i for i, bus in enumerate(self.buses) if bus.vn_kv <= LOW_VOLTAGE_KV)

    @property
    def feeder_heads(self) -> dict[str, tuple[int, ...]]:
        """Indices of the branches with which each feeder begins, in the order of branches.

        A feeder is what lies behind a branch that leaves the low-voltage side of a transformer. It
        has the name that this branch gives as its feeder, or else the branch's own. Where no branch
        is a transformer, feeders leave the buses that no branch leads to.
        """
        first = self._first_branches()
        heads: dict[str, tuple[int, ...]] = {}
        for index, branch in enumerate(self.branches):
            # Of two cables side by side both begin the feeder, though the way led over one.
            outer = [bus for bus in (branch.from_bus, branch.to_bus) if bus in first]
            if branch.kind != TRANSFORMER and len(outer) == 1:
                feeder = self._feeder_name(first[outer[0]])
                heads[feeder] = (*heads.get(feeder, ()), index)
        return heads

    @property
    def feeder_homes(self) -> dict[str, tuple[int, ...]]:
        """Homes on each feeder that has any, in the order of `feeder_heads`.

        Where there are several ways, a home is on the feeder that reaches it over the fewest
        branches. Homes right at a transformer's busbar are on no feeder, and so are homes to which
        no branch leads from there.
        """
        first = self._first_branches()
        homes: dict[str, tuple[int, ...]] = dict.fromkeys(self.feeder_heads, ())
        for home, bus in enumerate(self.home_bus):
            if bus in first:
                homes[self._feeder_name(first[bus])] += (home,)
        return {feeder: members for feeder, members in homes.items() if members}

    def _feeder_name(self, head: int) -> str:
        return self.branches[head].feeder or self.branches[head].name

    def _roots(self) -> set[str]:
        """Buses at which feeders begin."""
        units = {branch.to_bus for branch in self.branches if branch.kind == TRANSFORMER}
        ends = {branch.to_bus for branch in self.branches}
        return units or {branch.from_bus for branch in self.branches} - ends

    def _first_branches(self) -> dict[str, int]:
        """Branch by which the shortest way to a bus leaves the roots, by the name of the bus."""
        ways: dict[str, list[tuple[int, str]]] = {}
        for index, branch in enumerate(self.branches):
            if branch.kind != TRANSFORMER:
                ways.setdefault(branch.from_bus, []).append((index, branch.to_bus))
                ways.setdefault(branch.to_bus, []).append((index, branch.from_bus))
        roots = self._roots()
        first: dict[str, int] = {}
        # The roots in the order of buses: a set's own order is not the same in every run.
        queue = [bus.name for bus in self.buses if bus.name in roots]
        for bus in queue:
            for index, near in ways.get(bus, ()):
                if near not in roots and near not in first:
                    first[near] = first.get(bus, index)
                    queue.append(near)
        return first

    def _service_tails(self) -> list[set[str]]:
        """Sets of buses joined by services, each with another branch's end as its beginning."""
        trunk = _ends(branch for branch in self.branches if branch.kind != SERVICE)
        neighbours: dict[str, set[str]] = {}
        for branch in self.branches:
            if branch.kind == SERVICE:
                neighbours.setdefault(branch.from_bus, set()).add(branch.to_bus)
                neighbours.setdefault(branch.to_bus, set()).add(branch.from_bus)
        tails: list[set[str]] = []
        seen = set(trunk)
        for start in neighbours:
            if start in seen:
                continue
            tail, frontier, begins = {start}, [start], False
            while frontier:
                near = neighbours[frontier.pop()]
                begins = begins or not near.isdisjoint(trunk)
                fresh = near - trunk - tail
                tail |= fresh
                frontier += fresh
            seen |= tail
            if begins:
                tails.append(tail)
        return tails


def _ends(branches: Iterable[Branch]) -> set[str]:
    return {bus for branch in branches for bus in (branch.from_bus, branch.to_bus)}


@dataclass(frozen=True, slots=True, eq=False)
class GridState:
    """Solution of the power flow over a batch of times.

    A time that did not converge is False in `converged` and NaN everywhere else. NaN stands also
    for a voltage on a phase that a bus does not have and for an unbalance without three phases, so
    `converged` alone tells whether the flow was solved.

    Parameters
    ----------
    vm_pu : array, shape (time, bus, phase)
        Voltage magnitude, phase to neutral; one phase when the flow is balanced. NaN also on the
        phases that are not among `GridLayout.bus_phases`: the neutral's shift moves the voltage
        there in the model, but no wire has it.
    unbalance_percent : array, shape (time, bus)
        Voltage unbalance: the negative over the positive sequence of the voltages phase to neutral
        (IEC 61000-4-30). NaN on buses that have not three phases (`GridLayout.bus_phases`), and
        everywhere when the flow is balanced, which says nothing about it.
    loading_percent : array, shape (time, branch)
        Lines: current of the most loaded phase against the rating. Transformer: apparent power at
        the HV side, losses included, against the rating; phase by phase it is the sum of the
        phases' apparent powers, which is more than that of their sum when they are not alike.
    import_kw, import_kvar : array, shape (time)
        Power drawn from the HV grid.
    loss_line_kw, loss_transformer_load_kw, loss_transformer_no_load_kw : array, shape (time)
        Losses, split.
    converged : array of bool, shape (time)
    """

    vm_pu: FloatArray
    unbalance_percent: FloatArray
    loading_percent: FloatArray
    import_kw: FloatArray
    import_kvar: FloatArray
    loss_line_kw: FloatArray
    loss_transformer_load_kw: FloatArray
    loss_transformer_no_load_kw: FloatArray
    converged: BoolArray

    def part(self, times: slice) -> GridState:
        """Return the state over a part of the batch."""
        return GridState(*(getattr(self, field.name)[times] for field in fields(self)))

    @property
    def loss_kw(self) -> FloatArray:
        """All losses, shape (time). [kW]"""
        return self.loss_line_kw + self.loss_transformer_load_kw + self.loss_transformer_no_load_kw


class PowerFlow(Protocol):
    """Seam: what turns powers of homes into a state of the grid."""

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        ...

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch.

        Parameters
        ----------
        p_kw, q_kvar : array, shape (time, home)
            Power drawn at each connection point.
        """
        ...
