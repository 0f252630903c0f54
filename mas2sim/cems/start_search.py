"""The search over combinations of starts: bound, look at the most promising, then choose.

Best first: the combination of the lowest bound gets its exact cost from the storages' answer, whose
energy values sharpen the bounds of all others. The search ends when no bound is below the best
cost. It counts answers, never seconds, so that a home gets the same plan everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.cems.components import Choice, Storage
from mas2sim.cems.starts import (
    Cycles,
    combinations_below,
    single_costs,
    squares_of,
    tighten,
    with_cycles,
)
from mas2sim.cems.storage_answer import PlannedStorages, StorageAnswer, Ties
from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import InfeasibleError
from mas2sim.domain.plan import TieRule

EQUAL_RELATIVE = 1e-9
"""Plans whose costs differ by less, relative to the cost or to 1 EUR, are equal."""
COMBINATIONS = 100_000
"""Combinations of starts that are kept in hand; a home with more goes to the MILP."""
PATHS = 2_000
"""Answers of the storages after which the search gives up and leaves the home to the MILP."""
GUESSES = 6
"""Guesses, each better than the one before, until the survivors are listed."""
FLATTEST_PATHS = 200
"""Combinations of equal cost that are compared for flatness, storages included."""


def equality_eur(cost_eur: float) -> float:
    """Difference up to which a cost equals `cost_eur`. [EUR]"""
    return EQUAL_RELATIVE * max(1.0, abs(cost_eur))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The starts and the storage power that were taken.

    Parameters
    ----------
    options : array, shape (choice)
    power_kw : array, shape (storage, ptu)
    slack_eur : float
        How far the cost may be above the least: rounding at most.
    paths : int
        Answers of the storages that were needed beyond the first guess.
    """

    options: IntArray
    power_kw: FloatArray
    slack_eur: float
    paths: int


def search(
    net_kw: FloatArray,
    below: FloatArray,
    above: FloatArray,
    choices: Sequence[Choice],
    storages: Sequence[Storage],
    ties: Ties,
) -> Found | None:
    """Take the starts and the storage powers of least cost, among equals by the tie rule.

    Parameters
    ----------
    net_kw : array, shape (ptu)
        What the home draws besides.
    below, above : array, shape (ptu)
        Cost of 1 kW of net power while it is negative, and positive. [EUR/kW]

    Returns
    -------
    Found or None
        None when a storage's bounds cannot be met, or the search is too long.
    """
    planned = PlannedStorages(storages, below, above, ties)
    first = planned.answer(net_kw, final=not choices)
    if first is None:
        return None
    if not choices:
        return Found(np.empty(0, np.int64), first.power_kw, 0.0, 1)
    home = _Home(net_kw, below, above, Cycles.of(choices), planned)
    state = _survivors(home, first)
    if state is None or not _close(home, state):
        return None
    return _preferred(home, state, ties)


@dataclass(frozen=True, slots=True, eq=False)
class _Home:
    """What stays the same throughout a search."""

    net_kw: FloatArray
    below: FloatArray
    above: FloatArray
    cycles: Cycles
    storages: PlannedStorages

    def total_kw(self, options: IntArray) -> FloatArray:
        """Net power with the cycles begun at `options`, without the storages."""
        total_kw = np.empty_like(self.net_kw)
        with_cycles(self.net_kw, self.cycles, options, total_kw)
        return total_kw

    def answer(self, options: IntArray, *, final: bool = False) -> StorageAnswer:
        """The storages' answer to these starts: their own bounds do not depend on them."""
        answer = self.storages.answer(self.total_kw(options), final=final)
        if answer is None:
            raise InfeasibleError("a storage's bounds cannot depend on the starts of appliances")
        return answer

    def singles(self, answer: StorageAnswer) -> tuple[FloatArray, float]:
        """What each start alone adds under the answer's offers, and the bound without any."""
        added = np.full(self.cycles.starts.shape, np.inf)
        alone = single_costs(self.net_kw, self.below, self.above, answer.offers, self.cycles, added)
        return added, alone + answer.constant_eur


@dataclass(slots=True, eq=False)
class _State:
    """What a search has in hand; arrays but `options` have shape (combination).

    Parameters
    ----------
    options : array, shape (combination, choice)
    bound : lower bound of the cost [EUR]
    exact : whether the bound is the cost
    rank : order in which the tie rule takes them
    best_eur : least cost found
    paths : answers of the storages since the first guess
    """

    options: IntArray
    bound: FloatArray
    exact: BoolArray
    rank: IntArray
    best_eur: float
    paths: int

    @property
    def most_eur(self) -> float:
        """Cost up to which a combination is still of interest."""
        return self.best_eur + equality_eur(self.best_eur)


def _guess(home: _Home, first: StorageAnswer) -> tuple[float, StorageAnswer]:
    """Find good starts by turns: starts under the energy values, then the storage under them."""
    best_eur, best = np.inf, first
    options = home.singles(first)[0].argmin(axis=1)
    for _ in range(GUESSES):
        answer = home.answer(options)
        if answer.cost_eur >= best_eur - equality_eur(best_eur):
            break
        best_eur, best = answer.cost_eur, answer
        options = _reconsidered(home, options, answer)
    return best_eur, best


def _reconsidered(home: _Home, options: IntArray, answer: StorageAnswer) -> IntArray:
    """Let each choice in turn take its best start beside the others'."""
    options = options.copy()
    for j, steps in enumerate(home.cycles.steps):
        one = home.cycles.only(j)
        others_kw = home.total_kw(options)
        start = one.starts[0, options[j]]
        others_kw[(start + np.arange(steps)) % len(others_kw)] -= one.power_kw[0, :steps]
        added = np.full(one.starts.shape, np.inf)
        single_costs(others_kw, home.below, home.above, answer.offers, one, added)
        options[j] = added.argmin()
    return options


def _survivors(home: _Home, first: StorageAnswer) -> _State | None:
    """List every combination that the bound from a good guess does not rule out."""
    best_eur, answer = _guess(home, first)
    added, constant = home.singles(answer)
    order = np.argsort(added, axis=1, kind="stable")
    most_eur = best_eur + equality_eur(best_eur)
    room = np.empty((COMBINATIONS, len(home.cycles.options)), np.int64)
    count = combinations_below(added, home.cycles.options, order, most_eur - constant, room)
    if count < 0:
        return None
    options = room[:count].copy()
    state = _State(
        options=options,
        bound=np.full(count, -np.inf),
        exact=np.zeros(count, dtype=bool),
        rank=np.arange(count),
        best_eur=best_eur,
        paths=0,
    )
    _tighten(home, state, answer)
    if not len(home.storages):
        # Nothing was relaxed: the bounds are the costs.
        state.exact[:] = True
        state.best_eur = float(state.bound.min())
        _drop(state)
    return state


def _tighten(home: _Home, state: _State, answer: StorageAnswer) -> None:
    """Raise the bounds by the energy values of one more path; drop what they rule out."""
    added, constant = home.singles(answer)
    tighten(
        home.net_kw, home.below, home.above, answer.offers, constant, added, home.cycles,
        state.options, state.exact, state.most_eur, state.bound,
    )  # fmt: skip
    _drop(state)


def _drop(state: _State) -> None:
    """Drop the combinations that cannot be of least cost."""
    kept = state.bound <= state.most_eur
    state.options, state.bound = state.options[kept], state.bound[kept]
    state.exact, state.rank = state.exact[kept], state.rank[kept]


def _look_at(home: _Home, state: _State, place: int) -> None:
    """Find the exact cost of one combination, and what it proves about the others."""
    answer = home.answer(state.options[place])
    state.paths += 1
    state.bound[place], state.exact[place] = answer.cost_eur, True
    state.best_eur = min(state.best_eur, answer.cost_eur)
    _tighten(home, state, answer)


def _close(home: _Home, state: _State) -> bool:
    """Look at combinations until no bound is below the best cost; False when there are too many."""
    while state.paths < PATHS and len(state.bound):
        open_bound = np.where(state.exact, np.inf, state.bound)
        place = int(open_bound.argmin())
        if open_bound[place] >= state.best_eur - equality_eur(state.best_eur):
            return True
        _look_at(home, state, place)
    return False


def _preferred(home: _Home, state: _State, ties: Ties) -> Found | None:
    """Take among the combinations of equal cost the one that the tie rule prefers.

    None when rounding in the storages' program has ruled out all of them.
    """
    if ties.rule is TieRule.FLATTEST:
        return _flattest(home, state)
    if ties.rule is TieRule.EARLIEST:
        # Options are in the order of lateness.
        state.rank = np.argsort(np.argsort(state.options.sum(axis=1), kind="stable"))
    else:
        # The first of a random order that has the least cost: each such has the same chance.
        state.rank = ties.rng.permutation(len(state.options))
    while len(state.rank):
        place = int(state.rank.argmin())
        if state.exact[place]:
            answer = home.answer(state.options[place], final=True)
            return _found(state, state.options[place], answer)
        _look_at(home, state, place)
    return None


def _flattest(home: _Home, state: _State) -> Found | None:
    """Compare the sums of squares of the net power, the storage's part included."""
    squares = np.empty(len(state.options))
    squares_of(home.net_kw, home.cycles, state.options, squares)
    if not len(home.storages):
        place = int(squares.argmin())
        return _found(state, state.options[place], home.answer(state.options[place]))
    least, taken = np.inf, None
    for place in np.argsort(squares, kind="stable"):
        answer = home.answer(state.options[place], final=True)
        state.paths += 1
        total_kw = home.total_kw(state.options[place]) + answer.power_kw.sum(axis=0)
        square = float(total_kw @ total_kw)
        if answer.cost_eur <= state.most_eur and square < least:
            least, taken = square, _found(state, state.options[place], answer)
        if taken is not None and state.paths >= FLATTEST_PATHS:
            break
    return taken


def _found(state: _State, options: IntArray, answer: StorageAnswer) -> Found:
    proven = min(state.best_eur, float(state.bound.min()))
    slack_eur = max(0.0, answer.cost_eur - proven)
    return Found(options, answer.power_kw, slack_eur, state.paths)
