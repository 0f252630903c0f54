"""The path of one leaky storage at the least cost: exact, by greedy exchange of marginal costs.

A storage moves as ``e' = keep e + inflow + x`` within bounds; putting in x costs a convex
piecewise-linear function of x. The least cost of reaching an energy is then convex and
piecewise linear too, and is kept as a sorted list of pieces: marginal cost and length. A step
merges its own pieces into the list (an infimal convolution: Rockafellar, Convex Analysis, 1970,
theorem 16.4), and the bounds cut the list at both ends. What is cut off at the low end is bought
for good, what is cut off at the high end never is; each piece knows the step it came from, so the
path is there when the last step is done, without a way back.

Every piece carries a second slope, the preference, and pieces are sorted by cost first and
preference second. So among the paths of least cost the one of least preference is found, exactly.

The functions marked `compiled` are machine code after their first call. Those that call each other
stand in this one file, since numba renews its cache when the file of the caller changes, not that
of the callee. Importing this module imports numba; `mas2sim.cems` does so only when a home is
planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.machine_code import compiled

ENERGY_TOLERANCE_KWH = 1e-9
"""What rounding may add up to over a day; a storage that misses its bounds by less is feasible."""


class StorageDay(NamedTuple):
    """What one storage can do in each PTU of the clock, arrays of shape (ptu).

    Parameters
    ----------
    keep : share of the energy that is still there after the PTU
    inflow_kwh : energy that flows in by itself
    lower_kwh, upper_kwh : bounds of the energy at the end of the PTU
    min_kw, max_kw : bounds of the power at the home's side; equal where nothing can be decided
    charge_kwh_per_kw : energy stored by 1 kW drawn
    discharge_kwh_per_kw : energy taken out by 1 kW delivered
    """

    keep: FloatArray
    inflow_kwh: FloatArray
    lower_kwh: FloatArray
    upper_kwh: FloatArray
    min_kw: FloatArray
    max_kw: FloatArray
    charge_kwh_per_kw: FloatArray
    discharge_kwh_per_kw: FloatArray


@compiled
def walk(
    begin: FloatArray,
    width: FloatArray,
    slope: FloatArray,
    preference: FloatArray,
    count: IntArray,
    keep: FloatArray,
    inflow: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    start: float,
    moved: FloatArray,
    stored: FloatArray,
) -> tuple[int, float]:
    """Write the least-cost path to `moved` and `stored`, each of shape (step).

    In step t the first ``count[t]`` of `width`, `slope` and `preference`, shape (step, piece), are
    the pieces of the cost above ``begin[t]``, ascending by slope, then preference. `stored` is the
    energy at the end of each step.

    Energies are counted in units of what is left of 1 kWh of the start (`scale`), so that leakage
    changes no piece after it was merged.

    Returns
    -------
    step : int
        -1, or the first step whose bounds no path can meet.
    missing : float
        Energy by which it misses them: > 0 too little, < 0 too much. [kWh]
    """
    steps = len(begin)
    # Cutting a piece never makes two.
    size = count.sum()
    cost = np.empty(size)
    liking = np.empty(size)
    length = np.empty(size)
    origin = np.empty(size, np.int64)
    scale = np.empty(steps)
    head = 0
    tail = 0
    left = 1.0
    low = start
    high = start
    for t in range(steps):
        left *= keep[t]
        scale[t] = left
        moved[t] = begin[t]
        unit = 1.0 / left
        low += (inflow[t] + begin[t]) * unit
        high += (inflow[t] + begin[t]) * unit

        place = tail + count[t]
        old = tail - 1
        new = count[t] - 1
        while new >= 0:
            place -= 1
            c = slope[t, new] * left
            p = preference[t, new] * left
            if old >= head and (cost[old] > c or (cost[old] == c and liking[old] > p)):
                cost[place] = cost[old]
                liking[place] = liking[old]
                length[place] = length[old]
                origin[place] = origin[old]
                old -= 1
            else:
                cost[place] = c
                liking[place] = p
                length[place] = width[t, new] * unit
                origin[place] = t
                high += width[t, new] * unit
                new -= 1
        tail += count[t]

        least = lower[t] * unit
        most = upper[t] * unit
        if high < least - ENERGY_TOLERANCE_KWH * unit:
            return t, (least - high) * left
        if low > most + ENERGY_TOLERANCE_KWH * unit:
            return t, (most - low) * left
        while low < least and head < tail:
            bought = min(length[head], least - low)
            moved[origin[head]] += bought * scale[origin[head]]
            if bought < length[head]:
                length[head] -= bought
                low = least
            else:
                low += bought
                head += 1
        while high > most and head < tail:
            dropped = min(length[tail - 1], high - most)
            if dropped < length[tail - 1]:
                length[tail - 1] -= dropped
                high = most
            else:
                high -= dropped
                tail -= 1

    while head < tail and (cost[head] < 0.0 or (cost[head] == 0.0 and liking[head] < 0.0)):
        moved[origin[head]] += length[head] * scale[origin[head]]
        head += 1
    energy = start
    for t in range(steps):
        energy = keep[t] * energy + inflow[t] + moved[t]
        stored[t] = energy
    return -1, 0.0


@compiled
def energy_values(
    begin: FloatArray,
    width: FloatArray,
    slope: FloatArray,
    count: IntArray,
    keep: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    moved: FloatArray,
    stored: FloatArray,
    value: FloatArray,
) -> None:
    """Write what 1 kWh more is worth in each step of a least-cost path to `value`, shape (step).

    The values are multipliers of the storage's equation: each lies between the slopes left and
    right of ``moved[t]``; counted in units of the start they stay the same from step to step, rise
    only where the storage is full and fall only where it is empty. Among those allowed the middle
    is taken. Any values give a valid Lagrangian bound, these a tight one; rounding costs tightness.
    """
    steps = len(begin)
    least = np.empty(steps)
    most = np.empty(steps)
    full = np.empty(steps, np.bool_)
    empty = np.empty(steps, np.bool_)
    scale = np.empty(steps)
    left = 1.0
    low, high = -np.inf, np.inf
    for t in range(steps):
        left *= keep[t]
        scale[t] = left
        edge = begin[t]
        below, above = -np.inf, np.inf
        for k in range(count[t]):
            if moved[t] > edge + ENERGY_TOLERANCE_KWH:
                below = slope[t, k] * left
            edge += width[t, k]
            if moved[t] < edge - ENERGY_TOLERANCE_KWH:
                above = slope[t, k] * left
                break
        low = max(low, below)
        high = min(high, above)
        least[t], most[t] = low, max(low, high)
        full[t] = stored[t] > upper[t] - ENERGY_TOLERANCE_KWH
        empty[t] = stored[t] < lower[t] + ENERGY_TOLERANCE_KWH
        if full[t]:
            high = np.inf
        if empty[t]:
            low = -np.inf
    # After the last step energy is worth nothing.
    following = 0.0
    for t in range(steps - 1, -1, -1):
        low, high = least[t], most[t]
        if full[t] or empty[t]:
            if not empty[t]:
                high = max(low, min(high, following))
            elif not full[t]:
                low = min(high, max(low, following))
            if low == -np.inf and high == np.inf:
                following = 0.0
            elif low == -np.inf:
                following = high
            elif high == np.inf:
                following = low
            else:
                following = 0.5 * (low + high)
        value[t] = following / scale[t]


@compiled
def storage_plan(
    net_kw: FloatArray,
    below: FloatArray,
    above: FloatArray,
    day: StorageDay,
    first: int,
    start_kwh: float,
    liking: FloatArray,
    parts: int,
    power_kw: FloatArray,
    value: FloatArray,
) -> tuple[float, float, int, float]:
    """Plan one storage against the power of everything else, arrays of shape (ptu) by the clock.

    Parameters
    ----------
    net_kw : what the rest of the home draws
    below, above : cost of 1 kW of the home's net power while it is negative, and positive [EUR/kW]
    first : PTU at which the storage's day begins, with `start_kwh`
    liking : preference of each kW drawn or delivered, positive; the least sum is taken
    parts : pieces into which each linear piece is cut for the flattest net power, and then the
        preference is twice the net power in place of `liking`; 0 for no cut
    power_kw : written, power of the storage
    value : written, worth of 1 kWh more at the end of each PTU [EUR/kWh]; empty where not wanted

    Returns
    -------
    cost : float
        Cost of the home's net power. [EUR]
    bound : float
        What the Lagrangian bound of `value` adds to the cheapest answer of each PTU; NaN where
        `value` is not wanted. [EUR]
    step, missing
        As of `walk`; all else is then worthless.
    """
    ptus = len(net_kw)
    pieces = 3 * max(1, parts)
    begin = np.empty(ptus)
    width = np.empty((ptus, pieces))
    slope = np.empty((ptus, pieces))
    preference = np.empty((ptus, pieces))
    count = np.zeros(ptus, np.int64)
    keep = np.empty(ptus)
    inflow = np.empty(ptus)
    lower = np.empty(ptus)
    upper = np.empty(ptus)
    for k in range(ptus):
        t = (first + k) % ptus
        keep[k] = day.keep[t]
        inflow[k] = day.inflow_kwh[t]
        lower[k] = day.lower_kwh[t]
        upper[k] = day.upper_kwh[t]
        low = day.min_kw[t]
        high = day.max_kw[t]
        gain = day.charge_kwh_per_kw[t]
        drain = day.discharge_kwh_per_kw[t]
        begin[k] = low * gain if low > 0.0 else low * drain
        here = low
        for corner in (min(0.0, -net_kw[t]), max(0.0, -net_kw[t]), high):
            end = min(corner, high)
            if end <= here:
                continue
            middle = 0.5 * (here + end)
            kwh_per_kw = gain if middle > 0.0 else drain
            price = above[t] if net_kw[t] + middle > 0.0 else below[t]
            for part in range(max(1, parts)):
                place = count[k]
                width[k, place] = (end - here) / max(1, parts) * kwh_per_kw
                slope[k, place] = price / kwh_per_kw
                if parts > 0:
                    power = here + (end - here) * (part + 0.5) / parts
                    preference[k, place] = 2.0 * (net_kw[t] + power) / kwh_per_kw
                else:
                    weight = liking[t] if middle > 0.0 else -liking[t]
                    preference[k, place] = weight / kwh_per_kw
                count[k] += 1
            here = end

    moved = np.empty(ptus)
    stored = np.empty(ptus)
    step, missing = walk(
        begin, width, slope, preference, count, keep, inflow, lower, upper, start_kwh, moved, stored
    )
    if step >= 0:
        return np.nan, np.nan, (first + step) % ptus, missing
    cost = 0.0
    for k in range(ptus):
        t = (first + k) % ptus
        kwh_per_kw = day.charge_kwh_per_kw[t] if moved[k] > 0.0 else day.discharge_kwh_per_kw[t]
        power = moved[k] / kwh_per_kw if moved[k] != 0.0 else 0.0
        power_kw[t] = min(max(power, day.min_kw[t]), day.max_kw[t])
        total = net_kw[t] + power_kw[t]
        cost += total * (above[t] if total > 0.0 else below[t])
    if len(value) == 0:
        return cost, np.nan, -1, 0.0

    values = np.empty(ptus)
    energy_values(begin, width, slope, count, keep, lower, upper, moved, stored, values)
    bound = -values[0] * keep[0] * start_kwh
    for k in range(ptus):
        following = values[k + 1] * keep[k + 1] if k + 1 < ptus else 0.0
        weight = values[k] - following
        bound += weight * (lower[k] if weight > 0.0 else upper[k]) - values[k] * inflow[k]
        value[(first + k) % ptus] = values[k]
    return cost, bound, -1, 0.0


@dataclass(frozen=True, slots=True, eq=False)
class StorageTask:
    """A storage over some steps, and what moving energy costs.

    Parameters
    ----------
    keep, inflow_kwh, lower_kwh, upper_kwh : array, shape (step)
        Share kept and energy gained in a step, bounds of the energy at its end; equal bounds at the
        last step fix the end.
    start_kwh : float
        Energy at the start.
    begin_kwh : array, shape (step)
        Least energy that can be put in (negative: taken out).
    width_kwh, slope_eur_per_kwh, preference : array, shape (step, piece)
        Pieces of the cost above `begin_kwh`, ascending by slope, then preference; zero width where
        a step has fewer.
    """

    keep: FloatArray
    inflow_kwh: FloatArray
    lower_kwh: FloatArray
    upper_kwh: FloatArray
    start_kwh: float
    begin_kwh: FloatArray
    width_kwh: FloatArray
    slope_eur_per_kwh: FloatArray
    preference: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "keep", "inflow_kwh", "lower_kwh", "upper_kwh", "begin_kwh")
        freeze_fields(self, "width_kwh", "slope_eur_per_kwh", "preference")
        faults = _faults(self)
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True, eq=False)
class StoragePath:
    """Path of a storage; NaN throughout where there is none.

    Parameters
    ----------
    moved_kwh, stored_kwh : array, shape (step)
        Energy put in during each step, and stored at its end.
    value_eur_per_kwh : array, shape (step)
        What 1 kWh more would be worth.
    cost_eur, preference : float
        Cost above that of `begin_kwh`, and preference likewise.
    infeasible_step : int
        First step whose bounds cannot be met; -1 when all can.
    missing_kwh : float
        Energy by which it misses them: > 0 too little, < 0 too much.
    """

    moved_kwh: FloatArray
    stored_kwh: FloatArray
    value_eur_per_kwh: FloatArray
    cost_eur: float
    preference: float
    infeasible_step: int = -1
    missing_kwh: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "moved_kwh", "stored_kwh", "value_eur_per_kwh")

    @property
    def feasible(self) -> bool:
        """Whether there is a path."""
        return self.infeasible_step < 0


def least_cost_path(task: StorageTask) -> StoragePath:
    """Find the path of least cost, and among those the one of least preference.

    Returns
    -------
    StoragePath
        Never raises for bounds that cannot be met: the path says where and by how much.
    """
    # The compiled functions are made for writable arrays alone, not for each kind of argument.
    keep, inflow, lower, upper, begin = map(
        np.array, (task.keep, task.inflow_kwh, task.lower_kwh, task.upper_kwh, task.begin_kwh)
    )
    width, slope, preference = map(
        np.array, (task.width_kwh, task.slope_eur_per_kwh, task.preference)
    )
    moved, stored, value = (np.full(len(keep), np.nan) for _ in range(3))
    count = np.full(len(keep), width.shape[1])
    step, missing = walk(
        begin, width, slope, preference, count, keep, inflow, lower, upper, task.start_kwh, moved,
        stored,
    )  # fmt: skip
    if step >= 0:
        nothing = np.full(len(keep), np.nan)
        return StoragePath(nothing, nothing, nothing, np.nan, np.nan, int(step), float(missing))
    energy_values(begin, width, slope, count, keep, lower, upper, moved, stored, value)
    edges = np.cumsum(width, axis=1) - width
    used = np.clip((moved - begin)[:, None] - edges, 0.0, width)
    return StoragePath(
        moved, stored, value, float((used * slope).sum()), float((used * preference).sum())
    )


def _faults(task: StorageTask) -> list[Fault]:
    """What would make the list of pieces unsorted or its units meaningless."""
    faults = []
    if not ((task.keep > 0.0) & (task.keep <= 1.0)).all():
        faults.append(Fault("keep", str(task.keep.min()), "shares in (0, 1]"))
    if (task.width_kwh < 0.0).any():
        faults.append(Fault("width_kwh", str(task.width_kwh.min()), "widths of at least 0"))
    rise = np.diff(task.slope_eur_per_kwh, axis=1)
    liking = np.diff(task.preference, axis=1)
    if ((rise < 0.0) | ((rise == 0.0) & (liking < 0.0))).any():
        faults.append(
            Fault("slope_eur_per_kwh", "a falling slope", "pieces ascending by slope, preference")
        )
    return faults
