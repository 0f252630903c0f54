"""Combinations of starts: their lower bounds, which of them survive, and how flat they are.

Machine code on plain arrays, used by `structured`. The cost of one PTU, once the storage has
answered at its energy value, is convex in the power of the cycles. So the rise of two cycles
together is at least the sum of their rises alone: sums of single costs are bounds too, and only the
few combinations that survive them are looked at closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mas2sim.cems.components import Choice
from mas2sim.cems.storage_path import StorageDay
from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.machine_code import compiled


class Cycles(NamedTuple):
    """Choices as arrays, padded.

    Parameters
    ----------
    power_kw : array, shape (choice, step)
    steps : array, shape (choice)
    starts : array, shape (choice, option)
    options : array, shape (choice)
    """

    power_kw: FloatArray
    steps: IntArray
    starts: IntArray
    options: IntArray

    @classmethod
    def of(cls, choices: Sequence[Choice]) -> Cycles:
        """Gather choices."""
        steps = np.array([len(choice.cycle_kw) for choice in choices], dtype=np.int64)
        options = np.array([len(choice.starts) for choice in choices], dtype=np.int64)
        power_kw = np.zeros((len(choices), int(steps.max(initial=0))))
        starts = np.zeros((len(choices), int(options.max(initial=0))), dtype=np.int64)
        for row, choice in enumerate(choices):
            power_kw[row, : steps[row]] = choice.cycle_kw
            starts[row, : options[row]] = choice.starts
        return cls(power_kw, steps, starts, options)

    def only(self, choice: int) -> Cycles:
        """One choice of these."""
        row = slice(choice, choice + 1)
        return Cycles(self.power_kw[row], self.steps[row], self.starts[row], self.options[row])


class Offers(NamedTuple):
    """What a home's storages would draw in each PTU, if stored energy had given values.

    Parameters
    ----------
    floor_kw, floor_eur : array, shape (ptu)
        Least power of all storages together, and its cost in stored energy.
    length_kw, worth_eur_per_kw : array, shape (ptu, piece)
        Power beyond that and what it is worth, by falling worth.
    """

    floor_kw: FloatArray
    floor_eur: FloatArray
    length_kw: FloatArray
    worth_eur_per_kw: FloatArray

    @classmethod
    def none(cls, ptus: int, storages: int) -> Offers:
        """Room for the offers of so many storages."""
        return cls(
            np.zeros(ptus),
            np.zeros(ptus),
            np.zeros((ptus, 2 * storages)),
            np.full((ptus, 2 * storages), -np.inf),
        )


@compiled
def add_offers(day: StorageDay, value: FloatArray, storage: int, offers: Offers) -> None:
    """Sort in what one storage offers if 1 kWh in it is worth `value`, shape (ptu). [EUR/kWh].

    `storage` is the number of storages already there. The offers are convex where the value is at
    least 0 or nothing is lost on the way through the storage.
    """
    for t in range(len(value)):
        low = day.min_kw[t]
        high = day.max_kw[t]
        charge = day.charge_kwh_per_kw[t]
        discharge = day.discharge_kwh_per_kw[t]
        offers.floor_kw[t] += low
        offers.floor_eur[t] -= value[t] * low * (discharge if low < 0.0 else charge)
        for piece in range(2):
            if piece == 0:
                length = min(0.0, high) - low
                worth = value[t] * discharge
            else:
                length = high - max(0.0, low)
                worth = value[t] * charge
            length = max(length, 0.0)
            place = 2 * storage + piece
            while place > 0 and offers.worth_eur_per_kw[t, place - 1] < worth:
                offers.worth_eur_per_kw[t, place] = offers.worth_eur_per_kw[t, place - 1]
                offers.length_kw[t, place] = offers.length_kw[t, place - 1]
                place -= 1
            offers.worth_eur_per_kw[t, place] = worth
            offers.length_kw[t, place] = length


@compiled
def least_answer(net_kw: float, below: float, above: float, offers: Offers, ptu: int) -> float:
    """Least cost of one PTU less the worth of the energy put in, over the storages' power. [EUR].

    What is offered is taken while it is worth more than the price, which rises at zero net power.
    """
    net = net_kw + offers.floor_kw[ptu]
    cost = offers.floor_eur[ptu]
    for piece in range(offers.length_kw.shape[1]):
        worth = offers.worth_eur_per_kw[ptu, piece]
        if worth <= below:
            break
        length = offers.length_kw[ptu, piece]
        if worth <= above:
            length = min(length, max(0.0, -net))
        net += length
        cost -= worth * length
    return float(cost + net * (above if net > 0.0 else below))


@compiled
def single_costs(
    net_kw: FloatArray,
    below: FloatArray,
    above: FloatArray,
    offers: Offers,
    cycles: Cycles,
    added: FloatArray,
) -> float:
    """Write what each start alone adds, shape (choice, option); return the cost without any. [EUR].

    `below` and `above` are the cost of 1 kW while the net power is negative, and positive.
    """
    ptus = len(net_kw)
    alone = np.empty(ptus)
    total = 0.0
    for t in range(ptus):
        alone[t] = least_answer(net_kw[t], below[t], above[t], offers, t)
        total += alone[t]
    for j in range(len(cycles.options)):
        for i in range(cycles.options[j]):
            rise = 0.0
            for k in range(cycles.steps[j]):
                t = (cycles.starts[j, i] + k) % ptus
                power = net_kw[t] + cycles.power_kw[j, k]
                rise += least_answer(power, below[t], above[t], offers, t) - alone[t]
            added[j, i] = rise
    return total


@compiled
def combinations_below(
    added: FloatArray, options: IntArray, order: IntArray, most: float, found: IntArray
) -> int:
    """Write the combinations whose sum of `added` is at most `most` to `found`; return how many.

    Parameters
    ----------
    added, order : array, shape (choice, option)
        Single costs, and the options of each choice by rising single cost.
    found : array, shape (combination, choice)
        Option of each choice.

    Returns
    -------
    int
        -1 when `found` is too small.
    """
    choices = len(options)
    rest = np.zeros(choices + 1)
    for j in range(choices - 1, -1, -1):
        rest[j] = rest[j + 1] + added[j, order[j, 0]]
    at = np.zeros(choices + 1, np.int64)
    total = np.zeros(choices + 1)
    count = 0
    j = 0
    while j >= 0:
        if at[j] < options[j]:
            total[j + 1] = total[j] + added[j, order[j, at[j]]]
            if total[j + 1] + rest[j + 1] <= most:
                at[j] += 1
                if j + 1 < choices:
                    j += 1
                    at[j] = 0
                    continue
                if count == len(found):
                    return -1
                for i in range(choices):
                    found[count, i] = order[i, at[i] - 1]
                count += 1
                continue
        j -= 1
    return count


@compiled
def overlap(cycles: Cycles, options: IntArray, ptus: int) -> bool:
    """Whether any two of the cycles begun at `options` run at once."""
    for j in range(len(options)):
        for i in range(j):
            gap = cycles.starts[j, options[j]] - cycles.starts[i, options[i]]
            if gap % ptus < cycles.steps[i] or -gap % ptus < cycles.steps[j]:
                return True
    return False


@compiled
def tighten(
    net_kw: FloatArray,
    below: FloatArray,
    above: FloatArray,
    offers: Offers,
    constant: float,
    added: FloatArray,
    cycles: Cycles,
    found: IntArray,
    exact: BoolArray,
    most: float,
    bound: FloatArray,
) -> None:
    """Raise `bound`, shape (combination), to what the offers prove, where not yet `exact`.

    Where cycles overlap and the sum of single costs does not rule them out (`most`), the PTUs that
    they touch are worked out together.
    """
    ptus = len(net_kw)
    choices = found.shape[1]
    power = np.zeros(ptus)
    for c in range(len(found)):
        if exact[c] or bound[c] > most:
            continue
        proven = constant
        for j in range(choices):
            proven += added[j, found[c, j]]
        if proven <= most and overlap(cycles, found[c], ptus):
            proven = constant
            for j in range(choices):
                for k in range(cycles.steps[j]):
                    t = (cycles.starts[j, found[c, j]] + k) % ptus
                    before = net_kw[t] + power[t]
                    power[t] += cycles.power_kw[j, k]
                    after = net_kw[t] + power[t]
                    proven += least_answer(after, below[t], above[t], offers, t)
                    proven -= least_answer(before, below[t], above[t], offers, t)
            for j in range(choices):
                for k in range(cycles.steps[j]):
                    power[(cycles.starts[j, found[c, j]] + k) % ptus] = 0.0
        bound[c] = max(bound[c], proven)


@compiled
def with_cycles(
    net_kw: FloatArray, cycles: Cycles, options: IntArray, total_kw: FloatArray
) -> float:
    """Write `net_kw` plus the cycles begun at `options`, shape (choice); return its square sum."""
    ptus = len(net_kw)
    for t in range(ptus):
        total_kw[t] = net_kw[t]
    for j in range(len(options)):
        for k in range(cycles.steps[j]):
            total_kw[(cycles.starts[j, options[j]] + k) % ptus] += cycles.power_kw[j, k]
    squares = 0.0
    for t in range(ptus):
        squares += total_kw[t] * total_kw[t]
    return squares


@compiled
def squares_of(net_kw: FloatArray, cycles: Cycles, found: IntArray, squares: FloatArray) -> None:
    """Write the sum of squares of the net power under each combination. [kW2]."""
    total_kw = np.empty(len(net_kw))
    for c in range(len(found)):
        squares[c] = with_cycles(net_kw, cycles, found[c], total_kw)


@compiled
def add_cheapest(price: FloatArray, cycles: Cycles, net_kw: FloatArray) -> None:
    """Add to `net_kw` each cycle at its first start of least cost under `price` [EUR/kW]."""
    ptus = len(price)
    for j in range(len(cycles.options)):
        least = np.inf
        taken = 0
        for i in range(cycles.options[j]):
            start = cycles.starts[j, i]
            cost = 0.0
            for k in range(cycles.steps[j]):
                t = start + k
                cost += price[t if t < ptus else t - ptus] * cycles.power_kw[j, k]
            if cost < least:
                least, taken = cost, start
        for k in range(cycles.steps[j]):
            net_kw[(taken + k) % ptus] += cycles.power_kw[j, k]
