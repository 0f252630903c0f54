"""How homes answer a price curve, and what their days are worth at given prices: machine code.

A home answers device by device: each storage takes its best path, each cycle its best start, each
load that may be cut its best cuts, against the curve shifted by what the rest of the home draws,
until none wants to change. Every step lowers the same cost, so the answer is never worse than
where the home stood (block coordinate descent: Tseng 2001, doi:10.1023/A:1017501703105).

These functions call `walk` of `storage_path`: numba does not notice when only that file changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mas2sim.cems.storage_path import walk
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.curve_arithmetic import cost_between, price_at, price_before
from mas2sim.domain.machine_code import compiled

PARTS = 16
"""Most parts into which one rising piece of a curve is cut."""
EPSILON_KW = 1e-9
"""Powers closer than this are equal."""
STILL_KW = 1e-6
"""A home whose storages move less than this in a turn, and nothing else, has answered."""
EQUAL_COST = 1e-12
"""Another start, cut or slope must be better by more than this. [EUR/h]"""
CAP_EUR = 1e3
"""Gain of a cut that a cap of the home asks for: more than energy is ever worth. [EUR/kWh kW]"""


class MarketHomes(NamedTuple):
    """Devices of a block of homes, one after the other.

    Parameters
    ----------
    base_kw : array, shape (home, ptu)
        Net power of everything that is not planned.
    import_cap_kw, export_cap_kw : array, shape (home)
    first_choice, first_storage, first_load : array, shape (home + 1)
        Where each home's devices begin.
    cycle_kw, cycle_steps, starts, options
        As `starts.Cycles`, for all choices.
    begins : array, shape (storage)
        PTU at which the storage's own day begins; the next arrays follow that day.
    keep, inflow_kwh, lower_kwh, upper_kwh, min_kw, max_kw, charge_kwh_per_kw,
    discharge_kwh_per_kw : array, shape (storage, ptu)
    start_kwh, least_draw_kw : array, shape (storage)
    load_kw : array, shape (load, ptu)
        Power of loads that may be cut.
    forgone_eur_per_kwh : array, shape (load)
        What a kWh not served is worth to the household.
    longest_cut, cuts : array, shape (load)
    """

    base_kw: FloatArray
    import_cap_kw: FloatArray
    export_cap_kw: FloatArray
    first_choice: IntArray
    first_storage: IntArray
    first_load: IntArray
    cycle_kw: FloatArray
    cycle_steps: IntArray
    starts: IntArray
    options: IntArray
    begins: IntArray
    keep: FloatArray
    inflow_kwh: FloatArray
    lower_kwh: FloatArray
    upper_kwh: FloatArray
    min_kw: FloatArray
    max_kw: FloatArray
    charge_kwh_per_kw: FloatArray
    discharge_kwh_per_kw: FloatArray
    start_kwh: FloatArray
    least_draw_kw: FloatArray
    load_kw: FloatArray
    forgone_eur_per_kwh: FloatArray
    longest_cut: IntArray
    cuts: IntArray


class Days(NamedTuple):
    """What the devices of the homes do, written in place.

    Parameters
    ----------
    start : array, shape (choice)
        PTU in which each cycle begins.
    storage_kw : array, shape (storage, ptu)
        Power by the clock.
    cut : array, shape (load, ptu)
        1 where the load is cut.
    net_kw : array, shape (home, ptu)
    """

    start: IntArray
    storage_kw: FloatArray
    cut: FloatArray
    net_kw: FloatArray


@compiled
def step_cost(
    rest_kw: float,
    power_kw: float,
    told_kw: float,
    fee: float,
    knots: FloatArray,
    price: FloatArray,
) -> float:
    """What `power_kw` >= 0 on top of `rest_kw` costs at one PTU. [EUR/kWh kW]."""
    change = rest_kw - told_kw
    cost = cost_between(change, change + power_kw, knots, price)
    if fee > 0.0:
        cost += fee * (max(rest_kw + power_kw, 0.0) - max(rest_kw, 0.0))
    return cost


@compiled
def path_against_curve(
    homes: MarketHomes,
    s: int,
    rest_kw: FloatArray,
    told_kw: FloatArray,
    import_cap_kw: float,
    export_cap_kw: float,
    fee: FloatArray,
    knots: FloatArray,
    price: FloatArray,
    resolution: float,
    least_draw: bool,
    work: tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray],
    power_kw: FloatArray,
) -> bool:
    """Write the storage's best power beside `rest_kw`; False where none keeps all bounds.

    With `least_draw` the powers now in `power_kw` decide where it draws: nothing below half the
    least power, at least that power elsewhere.
    """
    begin, width, slope, preference, count, moved, stored = work
    ptus = len(rest_kw)
    pieces = width.shape[1]
    for k in range(ptus):
        t = homes.begins[s] + k
        if t >= ptus:
            t -= ptus
        gain = homes.charge_kwh_per_kw[s, k]
        drain = homes.discharge_kwh_per_kw[s, k]
        low = homes.min_kw[s, k]
        high = homes.max_kw[s, k]
        if least_draw:
            least = homes.least_draw_kw[s]
            if power_kw[t] < 0.5 * least:
                high = min(high, 0.0)
            else:
                low = min(high, least)
        high = max(low, min(high, import_cap_kw - rest_kw[t]))
        low = min(high, max(low, -export_cap_kw - rest_kw[t]))
        begin[k] = low * gain if low > 0.0 else low * drain
        count[k] = 0
        here = low
        shift = rest_kw[t] - told_kw[t]
        last = -np.inf
        knot = 0
        while here < high:
            while knot < knots.shape[1] and knots[t, knot] - shift <= here + EPSILON_KW:
                knot += 1
            end = high
            if knot < knots.shape[1]:
                end = min(end, knots[t, knot] - shift)
            if here < 0.0:
                end = min(end, 0.0)
            if fee[t] > 0.0 and here < -rest_kw[t] - EPSILON_KW:
                end = min(end, -rest_kw[t])
            middle = 0.5 * (here + end)
            kwh_per_kw = gain if middle > 0.0 else drain
            first = price_at(shift + here + EPSILON_KW, knots[t], price[t])
            final = price_before(shift + end - EPSILON_KW, knots[t], price[t])
            extra = fee[t] if rest_kw[t] + middle > 0.0 else 0.0
            parts = int(min(PARTS, max(1.0, np.ceil((final - first) / resolution))))
            parts = min(parts, pieces - count[k])
            for part in range(parts):
                c = (first + (final - first) * (part + 0.5) / parts + extra) / kwh_per_kw
                if c < last - EQUAL_COST:
                    # A price below zero rewards losses on the way through the storage.
                    return False
                last = c
                place = count[k]
                width[k, place] = (end - here) / parts * kwh_per_kw
                slope[k, place] = c
                preference[k, place] = (1.0 if middle > 0.0 else -1.0) / kwh_per_kw
                count[k] += 1
            here = end
    step, _ = walk(
        begin,
        width,
        slope,
        preference,
        count,
        homes.keep[s],
        homes.inflow_kwh[s],
        homes.lower_kwh[s],
        homes.upper_kwh[s],
        homes.start_kwh[s],
        moved,
        stored,
    )
    if step >= 0:
        return False
    for k in range(ptus):
        t = homes.begins[s] + k
        if t >= ptus:
            t -= ptus
        x = moved[k]
        if x != 0.0:
            x /= homes.charge_kwh_per_kw[s, k] if x > 0.0 else homes.discharge_kwh_per_kw[s, k]
        power_kw[t] = min(max(x, homes.min_kw[s, k]), homes.max_kw[s, k])
    return True


@compiled
def best_cuts(gain: FloatArray, longest: int, cuts: int, cut: FloatArray) -> None:
    """Write 1 where cutting pays most: at most so many cuts, none too long, apart from each other.

    `gain` is what a cut of the PTU saves, shape (ptu). A cut does not cross midnight: not both the
    last and the first PTU are cut.
    """
    ptus = len(gain)
    best_total = 0.0
    cut[:] = 0.0
    if longest == 0 or cuts == 0:
        return
    value = np.empty((ptus + 1, cuts + 1))
    taken = np.zeros((ptus + 1, cuts + 1), np.int64)
    for spared in range(2):
        # Spare the first PTU, or the last.
        lowest = 1 if spared == 0 else 0
        highest = ptus if spared == 0 else ptus - 1
        value[:, :] = 0.0
        taken[:, :] = 0
        for end in range(lowest + 1, highest + 1):
            for used in range(1, cuts + 1):
                value[end, used] = value[end - 1, used]
                taken[end, used] = 0
                total = 0.0
                for length in range(1, min(longest, end - lowest) + 1):
                    total += gain[end - length]
                    before = max(end - length - 1, 0)
                    found = total + value[before, used - 1]
                    if found > value[end, used] + EQUAL_COST:
                        value[end, used] = found
                        taken[end, used] = length
        if value[highest, cuts] > best_total + EQUAL_COST:
            best_total = value[highest, cuts]
            cut[:] = 0.0
            end, used = highest, cuts
            while end > lowest and used > 0:
                length = taken[end, used]
                if length == 0:
                    end -= 1
                else:
                    for t in range(end - length, end):
                        cut[t] = 1.0
                    end = max(end - length - 1, 0)
                    used -= 1


@compiled
def uncovers(homes: MarketHomes, h: int, c: int, now: int, start: int, net_kw: FloatArray) -> bool:
    """Whether moving a cycle away lets what it used flow out beyond the home's export cap.

    `net_kw` is the home's power without the cycle.
    """
    ptus = len(net_kw)
    steps = homes.cycle_steps[c]
    for k in range(steps):
        t = (now + k) % ptus
        place = (t - start) % ptus
        left = net_kw[t] + (homes.cycle_kw[c, place] if place < steps else 0.0)
        least = min(-homes.export_cap_kw[h], net_kw[t] + homes.cycle_kw[c, k])
        if left < least - EPSILON_KW:
            return True
    return False


@compiled
def breaks_caps(
    homes: MarketHomes, h: int, b: int, rest_kw: FloatArray, cut: FloatArray, fresh: FloatArray
) -> bool:
    """Whether other cuts of a load would leave the home's caps where it keeps them now."""
    for t in range(len(rest_kw)):
        if fresh[t] > cut[t] and rest_kw[t] < -homes.export_cap_kw[h] - EPSILON_KW:
            return True
        power = homes.load_kw[b, t]
        if fresh[t] < cut[t] and rest_kw[t] + power > homes.import_cap_kw[h] + EPSILON_KW:
            return True
    return False


@compiled
def workspace(
    ptus: int, pieces: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray]:
    """Arrays in which a path is found."""
    return (
        np.empty(ptus),
        np.empty((ptus, pieces)),
        np.empty((ptus, pieces)),
        np.empty((ptus, pieces)),
        np.empty(ptus, np.int64),
        np.empty(ptus),
        np.empty(ptus),
    )


@compiled
def move_storages(
    homes: MarketHomes,
    h: int,
    told: FloatArray,
    fee: FloatArray,
    knots: FloatArray,
    price: FloatArray,
    resolution: float,
    days: Days,
    work: tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray],
) -> float:
    """Let each storage of a home take its best path in turn; return the greatest move. [kW]."""
    ptus = len(told)
    net = days.net_kw[h]
    rest = np.empty(ptus)
    fresh = np.empty(ptus)
    most_kw = 0.0
    for s in range(homes.first_storage[h], homes.first_storage[h + 1]):
        own = days.storage_kw[s]
        for t in range(ptus):
            rest[t] = net[t] - own[t]
        least = homes.least_draw_kw[s]
        found = path_against_curve(
            homes, s, rest, told, homes.import_cap_kw[h], homes.export_cap_kw[h], fee, knots,
            price, resolution, False, work, fresh,
        )  # fmt: skip
        if found and least > 0.0:
            for t in range(ptus):
                if EPSILON_KW < fresh[t] < least - EPSILON_KW:
                    found = path_against_curve(
                        homes, s, rest, told, homes.import_cap_kw[h], homes.export_cap_kw[h], fee,
                        knots, price, resolution, True, work, fresh,
                    )  # fmt: skip
                    break
        if found:
            for t in range(ptus):
                most_kw = max(most_kw, abs(fresh[t] - own[t]))
                own[t] = fresh[t]
                net[t] = rest[t] + fresh[t]
    return most_kw


@compiled
def move_cycles(
    homes: MarketHomes,
    h: int,
    told: FloatArray,
    fee: FloatArray,
    knots: FloatArray,
    price: FloatArray,
    days: Days,
) -> bool:
    """Let each cycle of a home take its best start in turn; return whether any moved."""
    ptus = len(told)
    net = days.net_kw[h]
    moved = False
    rises = price[:, 0].min() >= 0.0
    for c in range(homes.first_choice[h], homes.first_choice[h + 1]):
        steps = homes.cycle_steps[c]
        now = days.start[c]
        for k in range(steps):
            net[(now + k) % ptus] -= homes.cycle_kw[c, k]
        least_cost = np.inf
        taken = now
        for i in range(-1, homes.options[c]):
            # The start that stands goes first: another must be better.
            start = now if i < 0 else homes.starts[c, i]
            cost = 0.0
            if i >= 0 and uncovers(homes, h, c, now, start, net):
                continue
            for k in range(steps):
                t = (start + k) % ptus
                power = homes.cycle_kw[c, k]
                cost += step_cost(net[t], power, told[t], fee[t], knots[t], price[t])
                if i >= 0 and net[t] + power > homes.import_cap_kw[h] + EPSILON_KW:
                    cost = np.inf
                # Below zero, what is still to come may make up for what was dear.
                if rises and cost >= least_cost:
                    break
            if cost < least_cost - EQUAL_COST:
                least_cost = cost
                taken = start
        moved = moved or taken != now
        days.start[c] = taken
        for k in range(steps):
            net[(taken + k) % ptus] += homes.cycle_kw[c, k]
    return moved


@compiled
def move_loads(
    homes: MarketHomes,
    h: int,
    told: FloatArray,
    fee: FloatArray,
    knots: FloatArray,
    price: FloatArray,
    days: Days,
) -> bool:
    """Cut each load of a home where that pays most; return whether any cut changed."""
    ptus = len(told)
    net = days.net_kw[h]
    rest = np.empty(ptus)
    gain = np.empty(ptus)
    fresh = np.empty(ptus)
    moved = False
    for b in range(homes.first_load[h], homes.first_load[h + 1]):
        for t in range(ptus):
            power = homes.load_kw[b, t]
            rest[t] = net[t] - power * (1.0 - days.cut[b, t])
            served = step_cost(rest[t], power, told[t], fee[t], knots[t], price[t])
            gain[t] = served - homes.forgone_eur_per_kwh[b] * power
            if rest[t] + power > homes.import_cap_kw[h] + EPSILON_KW:
                gain[t] += CAP_EUR
            if rest[t] < -homes.export_cap_kw[h] - EPSILON_KW:
                gain[t] -= CAP_EUR
        best_cuts(gain, homes.longest_cut[b], homes.cuts[b], fresh)
        if breaks_caps(homes, h, b, rest, days.cut[b], fresh):
            continue
        for t in range(ptus):
            moved = moved or fresh[t] != days.cut[b, t]
            days.cut[b, t] = fresh[t]
            net[t] = rest[t] + homes.load_kw[b, t] * (1.0 - fresh[t])
    return moved


@compiled
def answer_curves(
    homes: MarketHomes,
    asked: IntArray,
    group: IntArray,
    knots: FloatArray,
    price: FloatArray,
    fee: FloatArray,
    resolution: float,
    sweeps: int,
    days: Days,
) -> None:
    """Let each home asked answer its curve; homes do not see each other's answers.

    Parameters
    ----------
    asked, group : array, shape (asked)
        The homes, and the curve of each.
    knots, price : array, shape (curve, ptu, knot)
        Knots of the curves [kW] and prices there [EUR/kWh].
    fee : array, shape (ptu)
        Network fee on what the home imports. [EUR/kWh]
    resolution : float
        Greatest rise of the price within one piece of a storage's cost. [EUR/kWh]
    sweeps : int
        Times that the devices of a home take turns at most.
    """
    ptus = homes.base_kw.shape[1]
    work = workspace(ptus, PARTS * (knots.shape[2] + 3))
    told = np.empty(ptus)
    for a in range(len(asked)):
        h, g = asked[a], group[a]
        told[:] = days.net_kw[h]
        for _ in range(sweeps):
            most_kw = move_storages(homes, h, told, fee, knots[g], price[g], resolution, days, work)
            moved = move_cycles(homes, h, told, fee, knots[g], price[g], days)
            moved = move_loads(homes, h, told, fee, knots[g], price[g], days) or moved
            if not moved and most_kw < STILL_KW:
                break
