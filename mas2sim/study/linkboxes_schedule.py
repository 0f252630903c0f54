"""When to switch: the cheapest day of a link box and two transformers under the rules of switching.

The day is cyclic, as everywhere: its last PTU is followed by its first, so a night is one stretch
and the day ends in the state in which it began. A day that stays in one state switches nothing. The
search is exact: a dynamic programme over the state, the time already spent in it and the switchings
used, once for each way in which the day can begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import Fault
from mas2sim.grid.linked import LINK_STATES, LinkState

STATES = len(LINK_STATES)
NORMAL, TIED, FIRST_OFF, SECOND_OFF = range(STATES)

SWITCHINGS: IntArray = np.array(
    [
        [0, 1, 2, 2],
        [1, 0, 1, 1],
        [2, 1, 0, 2],
        [2, 1, 2, 0],
    ],
    dtype=np.int64,
)
"""Switches operated from one state to another, in the order of `LINK_STATES`: the link box, or the
breaker of a transformer. Nobody is left without supply, so all ways lead through the closed tie
with both transformers on: make before break."""


@dataclass(frozen=True, slots=True)
class SwitchingRules:
    """What switching is allowed to be, and what it costs.

    Parameters
    ----------
    most_switchings : int
        Operations of link box and breakers in a day, together.
    least_hours : float
        Least time in each state. [h]
    loss_eur_per_kwh : float
        What lost energy costs.
    switching_eur : float
        What one operation costs.
    """

    most_switchings: int = 4
    least_hours: float = 2.0
    loss_eur_per_kwh: float = 0.06
    switching_eur: float = 0.0

    def faults(self) -> list[Fault]:
        """What is wrong with the rules."""
        least_h, most_h = 0.0, 24.0
        faults = []
        if self.most_switchings < 0:
            faults.append(Fault("most_switchings", str(self.most_switchings), "0 or more"))
        if not least_h <= self.least_hours <= most_h:
            faults.append(Fault("least_hours", f"{self.least_hours:g}", "0 to 24 h"))
        if not 0.0 < self.loss_eur_per_kwh < inf:
            allowed = "more than 0: losses without a price are not worth saving"
            faults.append(Fault("loss_eur_per_kwh", f"{self.loss_eur_per_kwh:g}", allowed))
        if not 0.0 <= self.switching_eur < inf:
            faults.append(Fault("switching_eur", f"{self.switching_eur:g}", "0 or more, a number"))
        return faults


def best_schedule(
    loss_kw: FloatArray, admissible: BoolArray, rules: SwitchingRules, *, ptu_hours: float
) -> IntArray:
    """Find the cheapest states of a cyclic day.

    A change needs the tie closed with both transformers on to be admissible in the PTU in which it
    is made. A day without such a PTU stays normal: it could not have got into another state. The
    normal state is always allowed, and a PTU in which its losses are not known counts as none.

    Parameters
    ----------
    loss_kw : array, shape (ptu, state)
        States in the order of `LINK_STATES`; NaN where the flow was not solved.
    admissible : array of bool, shape (ptu, state)

    Returns
    -------
    array of int, shape (ptu)
        Indices of `LINK_STATES`; of equally cheap days one with the fewest switchings.
    """
    allowed = admissible & np.isfinite(loss_kw)
    if not allowed[:, TIED].any():
        allowed[:, TIED:] = False
    allowed[:, NORMAL] = True
    eur_per_kw = ptu_hours * rules.loss_eur_per_kwh
    cost_eur = np.where(allowed, np.nan_to_num(loss_kw) * eur_per_kw, inf)
    # Rounding first: 2 h of 0.1 h are 20 PTUs, not 21.
    least = max(1, int(np.ceil(np.round(rules.least_hours / ptu_hours, 9))))
    return _cheapest(cost_eur, allowed[:, TIED], least, rules)


def switchings(states: IntArray) -> int:
    """Operations of link box and breakers in a cyclic day."""
    return int(SWITCHINGS[np.roll(states, 1), states].sum())


def transformer_starts(states: IntArray) -> int:
    """How often a transformer is switched on in a cyclic day."""
    before = np.roll(states, 1)
    off = (FIRST_OFF, SECOND_OFF)
    return int(sum(((before == state) & (states != state)).sum() for state in off))


def _cheapest(
    cost_eur: FloatArray, closable: BoolArray, least: int, rules: SwitchingRules
) -> IntArray:
    """Exact search, with the cost of PTUs in which a state is barred infinite.

    A node is (state, PTUs spent in it up to `least`, switchings used up to now), numbered in that
    order. `value[start, node]` is the least cost of getting there when the day before ended in
    `start`, a (state, PTUs spent); the day has to end there too.
    """
    counts = rules.most_switchings + 1
    shape = (STATES, least, counts)
    before, operations, stays = _moves(shape)
    state_of = np.arange(STATES * least * counts) // (least * counts)
    starts = np.arange(STATES * least)
    value = np.full((len(starts), STATES * least * counts), inf)
    value[starts, starts * counts] = 0.0
    price = np.where(operations >= 0, operations * rules.switching_eur, inf)
    barred = np.where(stays, price, inf)
    chosen = np.empty((len(cost_eur), *value.shape), dtype=np.int8)
    for ptu, (cost, may_change) in enumerate(zip(cost_eur, closable, strict=True)):
        ways = value[:, before] + (price if may_change else barred)
        chosen[ptu] = ways.argmin(axis=-1)
        value = ways.min(axis=-1) + cost[state_of]
    ends = value[starts[:, None], starts[:, None] * counts + np.arange(counts)]
    # Of days that cost the same, the one that switches least, and normal before other states.
    used, start = np.unravel_index(ends.T.argmin(), ends.T.shape)
    node = int(starts[start] * counts + used)
    states = np.empty(len(cost_eur), dtype=np.int64)
    for ptu in range(len(cost_eur) - 1, -1, -1):
        states[ptu] = state_of[node]
        node = int(before[node, chosen[ptu, start, node]])
    return states


def _moves(shape: tuple[int, int, int]) -> tuple[IntArray, IntArray, BoolArray]:
    """Where a node can be reached from.

    Returns
    -------
    before : array of int, shape (node, way)
    operations : array of int, shape (node, way)
        Switchings on that way; -1 where there is no such way.
    stays : array of bool, shape (node, way)
        Whether the state remains what it was.
    """
    states, least, counts = shape
    number = np.arange(states * least * counts).reshape(shape)
    ways = 2 + states
    before = np.zeros((number.size, ways), dtype=np.int64)
    operations = np.full((number.size, ways), -1, dtype=np.int64)
    stays = np.zeros((number.size, ways), dtype=bool)
    for state in range(states):
        for spent in range(least):
            for used in range(counts):
                node = number[state, spent, used]
                found: list[tuple[int, int, bool]] = []
                if spent > 0:
                    found.append((number[state, spent - 1, used], 0, True))
                if spent == least - 1:
                    found.append((number[state, spent, used], 0, True))
                for other in range(states):
                    needed = int(SWITCHINGS[other, state])
                    if spent == 0 and other != state and needed <= used:
                        found.append((number[other, least - 1, used - needed], needed, False))
                for way, (source, needed, stay) in enumerate(found):
                    before[node, way], operations[node, way] = source, needed
                    stays[node, way] = stay
    return before, operations, stays


def runs(states: IntArray) -> list[tuple[int, int, LinkState]]:
    """Stretches of one state in a cyclic day, each from its first PTU to before its last's next.

    Stretches that span midnight are one; a day in one state is one from 0 to 0.
    """
    firsts = np.flatnonzero(states != np.roll(states, 1))
    if not len(firsts):
        return [(0, 0, LINK_STATES[states[0]])]
    nexts = np.roll(firsts, -1)
    return [
        (int(one), int(end), LINK_STATES[states[one]])
        for one, end in zip(firsts, nexts, strict=True)
    ]
