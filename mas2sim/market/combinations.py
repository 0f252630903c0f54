"""The best combination of options, one from each competitor, under limits that they share.

A room of its own because it knows numbers only, no market: costs, and what each option adds towards
each limit. Branch and bound over the competitors (Land and Doig, Econometrica 28(3), 1960,
doi:10.2307/1910129), a batch of partial combinations at a time. What is left to add bounds both
aims: at each limit the least that the remaining competitors can add, and in cost the least they can
come to when the limits have prices (Lagrangian relaxation: Geoffrion, Mathematical Programming
Study 2, 1974, doi:10.1007/BFb0120690).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray

STEP_KWH = 1e-6
"""Combinations are told apart by this much energy beyond the limits, and by cost below that."""
ROUNDING_STEPS = 1e-3
ROUNDING_EUR = 1e-12
"""So much is rounding; bounds give way by it again, since sums in another order must not rule out
the best."""
MOST_COMBINATIONS = 20_000_000
"""Partial combinations looked at before the best one so far is taken."""
BATCH = 100
"""Partial combinations that are continued at a time: more are quicker, fewer are bounded sooner."""
PRICE_STEPS = 40
"""Steps by which the prices on the limits are found; more of them bring little."""


@dataclass(frozen=True, slots=True, eq=False)
class Competitor:
    """The options of one competitor.

    Parameters
    ----------
    number : array, shape (option)
        What the caller calls them.
    push_kw : array, shape (option, row)
        What the option adds towards each limit.
    cost_eur : array, shape (option)
    """

    name: str
    number: IntArray
    push_kw: FloatArray
    cost_eur: FloatArray

    def only(self, kept: BoolArray) -> Competitor:
        """Leave out some of the options."""
        return Competitor(self.name, self.number[kept], self.push_kw[kept], self.cost_eur[kept])

    def without_dominated(self) -> Competitor:
        """Leave out options that another beats in cost and equals or beats at every limit."""
        better = self.cost_eur[None, :] < self.cost_eur[:, None]
        for worse, rivals in enumerate(better):
            near = np.flatnonzero(rivals)
            better[worse, near] = (self.push_kw[near] <= self.push_kw[worse]).all(axis=1)
        return self.only(np.asarray(~better.any(axis=1)))


@dataclass(frozen=True, slots=True)
class Combination:
    """One option of each competitor.

    Parameters
    ----------
    options : tuple of int
        Positions among the competitor's options, in the order of competitors.
    proven : bool
        Whether no other is better; False when the search was broken off.
    """

    options: tuple[int, ...]
    proven: bool


def best_combination(
    competitors: Sequence[Competitor],
    room_kw: FloatArray,
    *,
    tolerance_kw: float,
    ptu_hours: float,
) -> Combination:
    """Find the combination with the least energy beyond the limits, and of those the cheapest.

    Parameters
    ----------
    room_kw : array, shape (row)
        How much may be added towards each limit.
    tolerance_kw : float
        What is beyond a limit by no more than this counts as keeping it.
    """
    if not competitors:
        return Combination((), proven=True)
    search = _Search(competitors, room_kw, tolerance_kw, ptu_hours)
    search.run()
    return Combination(search.best, search.proven)


class _Search:
    """The best combination known, and what is needed to rule out others.

    What has the most options comes first: the last levels are looked at most often.
    """

    def __init__(
        self,
        competitors: Sequence[Competitor],
        room_kw: FloatArray,
        tolerance_kw: float,
        ptu_hours: float,
    ) -> None:
        self._order = sorted(range(len(competitors)), key=lambda k: -len(competitors[k].number))
        self._push = [competitors[k].push_kw for k in self._order]
        self._cost = [competitors[k].cost_eur for k in self._order]
        self._least_push = _sums_from_the_end([push.min(axis=0) for push in self._push], room_kw)
        # What no combination can avoid is the same for all, so it takes no part in the search.
        unavoidable = self._least_push[0] > room_kw + tolerance_kw
        self._room_kw = np.where(unavoidable, self._least_push[0], room_kw)
        self._tolerance_kw = np.where(unavoidable, 0.0, tolerance_kw)
        self._ptu_hours = ptu_hours
        self._looked_at = 0
        self._options, self._steps, self._eur = self._first_combination()
        self._price = self._prices_on_limits()
        priced = [
            cost + push @ self._price for cost, push in zip(self._cost, self._push, strict=True)
        ]
        self._priced = priced
        self._least_priced = _sums_from_the_end([eur.min() for eur in priced], 0.0)

    @property
    def best(self) -> tuple[int, ...]:
        """Option of each competitor in the best combination found."""
        found = dict(zip(self._order, self._options, strict=True))
        return tuple(found[k] for k in range(len(self._order)))

    @property
    def proven(self) -> bool:
        """Whether all other combinations are ruled out."""
        return self._looked_at < MOST_COMBINATIONS

    def run(self) -> None:
        """Look at all combinations that may be better than the best one known."""
        none_yet = np.zeros((1, 0), dtype=np.int64)
        rent_eur = -float(self._price @ (self._room_kw + self._tolerance_kw))
        self._continue(np.zeros((1, len(self._room_kw))), np.array([rent_eur]), none_yet)

    def _continue(self, push_kw: FloatArray, priced_eur: FloatArray, options: IntArray) -> None:
        """Add each option of the next competitor to partial combinations, and go on from there.

        Parameters
        ----------
        push_kw : array, shape (combination, row)
        priced_eur : array, shape (combination)
            Cost with the prices on the limits, less the rent of the room.
        options : array, shape (combination, competitor so far)
        """
        level = options.shape[1]
        count = len(self._cost[level])
        self._looked_at += len(priced_eur) * count
        least_eur = (
            priced_eur[:, None] + self._priced[level] + self._least_priced[level + 1]
        ).ravel()
        candidate = np.flatnonzero(self._may_beat(np.zeros(len(least_eur)), least_eur))
        parent, option = np.divmod(candidate, count)
        least_eur = least_eur[candidate]
        push = push_kw[parent] + self._push[level][option]
        told = np.column_stack([options[parent], option])
        if level + 1 == len(self._order):
            self._keep_best(push, told)
            return
        steps = self._steps_beyond(push + self._least_push[level + 1], 2.0 * ROUNDING_STEPS)
        promising = np.lexsort((least_eur, steps))
        eur = least_eur - self._least_priced[level + 1]
        for first in range(0, len(promising), BATCH):
            batch = promising[first : first + BATCH]
            batch = batch[self._may_beat(steps[batch], least_eur[batch])]
            if len(batch) and self.proven:
                self._continue(push[batch], eur[batch], told[batch])

    def _may_beat(self, steps: FloatArray, eur: FloatArray) -> BoolArray:
        """Whether combinations that come to no less than this may be better than the best known.

        Prices on the limits make the cost a bound only for what keeps them; they are zero unless
        that can be asked for.
        """
        as_good = (steps == self._steps) & (eur < self._eur + ROUNDING_EUR)
        return np.asarray((steps < self._steps) | as_good)

    def _keep_best(self, push_kw: FloatArray, options: IntArray) -> None:
        if not len(options):
            return
        steps = self._steps_beyond(push_kw)
        eur = np.zeros(len(options))
        for level, cost in enumerate(self._cost):
            eur += cost[options[:, level]]
        least = np.lexsort((eur, steps))[0]
        if (steps[least], eur[least]) < (self._steps, self._eur):
            self._steps, self._eur = float(steps[least]), float(eur[least])
            self._options = tuple(int(option) for option in options[least])

    def _steps_beyond(self, push_kw: FloatArray, slack: float = ROUNDING_STEPS) -> FloatArray:
        """Energy beyond the limits in steps, rounded up, shape (combination)."""
        beyond_kw = push_kw - self._room_kw
        beyond_kw[beyond_kw <= self._tolerance_kw] = 0.0
        in_steps = beyond_kw.sum(axis=1) * (self._ptu_hours / STEP_KWH)
        return np.asarray(np.ceil(in_steps - slack))

    def _first_combination(self) -> tuple[tuple[int, ...], float, float]:
        """Start from the first options and let each in turn choose best, until none changes."""
        options = [0] * len(self._order)
        best = (float("inf"), float("inf"))
        waiting = len(options)
        level = 0
        while waiting:
            others = [k for k in range(len(options)) if k != level]
            push = self._push[level] + sum(self._push[k][options[k]] for k in others)
            eur = self._cost[level] + sum(self._cost[k][options[k]] for k in others)
            steps = self._steps_beyond(push)
            least = int(np.lexsort((eur, steps))[0])
            found = (float(steps[least]), float(eur[least]))
            waiting -= 1
            if found < best:
                options[level], best, waiting = least, found, len(others)
            level = (level + 1) % len(options)
        return tuple(options), *best

    def _prices_on_limits(self) -> FloatArray:
        """Prices on the limits under which the best separate choices bound the cost, shape (row).

        Steps along the subgradient, as long as the best known cost allows (Polyak, Introduction to
        Optimization, 1987, 5.3). Zero where no combination is known that keeps the limits.
        """
        room_kw = self._room_kw + self._tolerance_kw
        price = np.zeros_like(room_kw)
        best, highest_eur = price, -float("inf")
        if self._steps > 0:
            return best
        for _ in range(PRICE_STEPS):
            eur, beyond_kw = -float(price @ room_kw), -room_kw
            for cost, push in zip(self._cost, self._push, strict=True):
                priced = cost + push @ price
                option = int(priced.argmin())
                eur += float(priced[option])
                beyond_kw = beyond_kw + push[option]
            if eur > highest_eur:
                best, highest_eur = price, eur
            length = float(beyond_kw @ beyond_kw)
            if length == 0.0 or eur >= self._eur:
                break
            price = np.maximum(price + (self._eur - eur) / length * beyond_kw, 0.0)
        return best


def _sums_from_the_end(parts: Sequence[FloatArray], like: FloatArray | float) -> list[FloatArray]:
    """Sum of each part and all that follow, and nothing at last."""
    sums = [np.zeros_like(like)]
    for part in reversed(parts):
        sums.append(sums[-1] + part)
    return sums[::-1]
