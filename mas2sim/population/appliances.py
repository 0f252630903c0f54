"""Smart appliances: who has which, when a cycle is asked for, and what that takes off the base.

The average demand already holds the cycles of every home. Where appliances are modelled, the cycles
that are expected of them are therefore taken out of the home's base load.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import TYPICAL_DAYS, TypicalDay
from mas2sim.population.resolution import QUARTER_HOURS, QUARTERS, cycle_to_ptus
from mas2sim.population.tables import ApplianceKind, Habit

DAYS_PER_YEAR = 365
LARGEST_USE = 2.0
"""A home runs its appliances at most this many times as often as a mean home [A]."""
LARGEST_SHARE = 0.5
"""Cycles take at most this share of a day's base load: the rest is what cannot be shifted [A]."""
ROUNDING_H = 3.0
"""What windows and cycle can gain together when they are rounded up to PTUs of an hour. [h]"""
STEADY_SHARE = 0.25
"""Share of the load of each quarter hour that is no cycle: refrigeration, standby [A]."""


@dataclass(frozen=True, slots=True, eq=False)
class ApplianceUse:
    """How one home uses one of its appliances over the typical days.

    Parameters
    ----------
    hour : float
        Clock time at which this household asks for a cycle on average.
    asked_h : array, shape (day)
        Clock time asked for on each typical day.
    lot : array, shape (day)
        Uniform numbers; a cycle runs on the days on which the number is below the probability.
    first : ApplianceUse, optional
        The use of the day's first cycle, where this is that of a second.
    """

    kind: ApplianceKind
    habit: Habit
    hour: float
    asked_h: FloatArray
    lot: FloatArray
    first: ApplianceUse | None = None

    @property
    def name(self) -> str:
        """Name of the cycle as a device: a day's second cycle is a device of its own."""
        return self.kind.name if self.first is None else f"{self.kind.name}_2"

    def probability(self, relative_energy: float) -> float:
        """Probability of a cycle on a day.

        Parameters
        ----------
        relative_energy : float
            Annual energy of the home over that of the mean home.
        """
        cycles = self.kind.cycles_per_year * min(relative_energy, LARGEST_USE)
        before = 0 if self.first is None else 1
        return min(max(cycles / DAYS_PER_YEAR - before, 0.0), 1.0)

    def expected_kw(self) -> FloatArray:
        """Mean power of a day with a cycle over this household's habit, shape (96). [kW]"""
        edges_h = np.arange(-QUARTERS, 2 * QUARTERS + 1) * QUARTER_HOURS
        scale = self.habit.day_spread_h * math.sqrt(2)
        below = np.array([math.erf((edge - self.hour) / scale) for edge in edges_h]) / 2
        # What the normal distribution has beyond midnight belongs to the same cyclic day.
        starts = np.diff(below).reshape(3, QUARTERS).sum(axis=0)
        starts /= starts.sum()
        shifted = [
            power * np.roll(starts, quarter) for quarter, power in enumerate(self.kind.cycle_kw)
        ]
        return np.asarray(np.sum(shifted, axis=0))


def draw_kinds(
    kinds: Sequence[ApplianceKind], *, seed: int, substation: int, home: int
) -> tuple[ApplianceKind, ...]:
    """Which appliances a home with smart appliances has, at least one.

    A home without any by the ownership shares has the appliance that it came nearest to owning.
    """
    lots = stream(seed, substation, home, "appliances").random(len(kinds))
    owned = tuple(kind for kind, lot in zip(kinds, lots, strict=True) if lot < kind.owners_share)
    if owned:
        return owned
    nearest = min(range(len(kinds)), key=lambda index: lots[index] - kinds[index].owners_share)
    return (kinds[nearest],)


def draw_use(kind: ApplianceKind, *, seed: int, substation: int, home: int) -> ApplianceUse:
    """Draw how one home uses one appliance."""
    rng = stream(seed, substation, home, kind.name)
    shares = np.cumsum([habit.share for habit in kind.habits])
    chosen = int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
    habit = kind.habits[min(chosen, len(kind.habits) - 1)]
    hour = habit.hour + habit.spread_h * rng.standard_normal()
    jitter = habit.day_spread_h * rng.standard_normal(len(TYPICAL_DAYS))
    return ApplianceUse(
        kind=kind,
        habit=habit,
        hour=float(hour % 24),
        asked_h=np.asarray((hour + jitter) % 24),
        lot=rng.random(len(TYPICAL_DAYS)),
    )


def draw_second_use(
    first: ApplianceUse, *, seed: int, substation: int, home: int
) -> ApplianceUse | None:
    """Draw the use of a second cycle a day; None where the first one's window leaves no room.

    It is asked for as soon after the first one's window as the habit's freedom to begin earlier
    allows, so that the windows of the two do not overlap.
    """
    cycle_h = len(first.kind.cycle_kw) * QUARTER_HOURS
    first_after_h = max(first.habit.window_after_h, cycle_h)
    room_h = 24 - first.habit.window_before_h - first_after_h - ROUNDING_H
    if room_h < cycle_h:
        return None
    before_h = min(first.habit.window_before_h, room_h - cycle_h)
    after_h = min(first_after_h, room_h - before_h)
    later_h = first_after_h + before_h
    return ApplianceUse(
        kind=first.kind,
        habit=replace(first.habit, window_before_h=before_h, window_after_h=after_h),
        hour=(first.hour + later_h) % 24,
        asked_h=(first.asked_h + later_h) % 24,
        lot=stream(seed, substation, home, f"{first.kind.name}_2").random(len(TYPICAL_DAYS)),
        first=first,
    )


def draw_uses(
    kind: ApplianceKind,
    relative_energy: float,
    most_per_day: int,
    *,
    seed: int,
    substation: int,
    home: int,
) -> tuple[ApplianceUse, ...]:
    """Draw the uses of one appliance in a day: one, or two where it runs more often than daily."""
    first = draw_use(kind, seed=seed, substation=substation, home=home)
    if most_per_day < 2:
        return (first,)
    second = draw_second_use(first, seed=seed, substation=substation, home=home)
    if second is None or second.probability(relative_energy) == 0:
        return (first,)
    return first, second


def cycle_today(use: ApplianceUse, day: TypicalDay, horizon: Horizon) -> Appliance:
    """The cycle of a day on which one runs, in PTUs of the horizon.

    The window always holds the start that was asked for, whole cycle included.
    """
    if use.first is not None:
        return _second_today(use, cycle_today(use.first, day, horizon), horizon)
    cycle_kw = cycle_to_ptus(use.kind.cycle_kw, horizon)
    hour = float(use.asked_h[day.index])
    asked = horizon.ptu_at(hour)
    before = math.ceil(use.habit.window_before_h / horizon.ptu_hours)
    after = max(math.ceil(use.habit.window_after_h / horizon.ptu_hours), len(cycle_kw))
    # A window of a day or more is the whole day, which equal ends stand for.
    length = min(before + after, horizon.ptus)
    start = (asked - before) % horizon.ptus
    return Appliance(
        name=use.name,
        cycle_kw=cycle_kw,
        asked_start=asked,
        window_start=start,
        window_end=(start + length) % horizon.ptus,
    )


def _second_today(use: ApplianceUse, first: Appliance, horizon: Horizon) -> Appliance:
    """The day's second cycle: its window begins where that of the first ends."""
    length = len(first.cycle_kw)
    free = horizon.ptus - horizon.window_length(first.window_start, first.window_end)
    before = min(math.ceil(use.habit.window_before_h / horizon.ptu_hours), free - length)
    after = max(math.ceil(use.habit.window_after_h / horizon.ptu_hours), length)
    after = min(after, free - before)
    asked = first.window_end + before
    return Appliance(
        name=use.name,
        cycle_kw=first.cycle_kw,
        asked_start=asked % horizon.ptus,
        window_start=first.window_end,
        window_end=(asked + after) % horizon.ptus,
    )


def split_base(
    base_kw: FloatArray, uses: Sequence[ApplianceUse], relative_energy: float
) -> tuple[FloatArray, tuple[float, ...]]:
    """Take the expected cycles of a day out of a home's base load.

    Parameters
    ----------
    base_kw : array, shape (96)
        Load of the home on the day, cycles included.
    relative_energy : float
        Annual energy of the home over that of the mean home.

    Returns
    -------
    base_kw : array, shape (96)
        At least `STEADY_SHARE` of what it was; its energy is less by exactly the energy expected
        of the cycles. [kW]
    probabilities : tuple of float
        Of a cycle of each appliance. Lower than habits have it where cycles would take more than
        `LARGEST_SHARE` of the day's load.
    """
    wanted = [use.probability(relative_energy) for use in uses]
    expected_kwh = sum(p * use.kind.cycle_kwh for p, use in zip(wanted, uses, strict=True))
    available_kwh = LARGEST_SHARE * base_kw.sum() * QUARTER_HOURS
    carried = min(1.0, available_kwh / expected_kwh) if expected_kwh > 0 else 1.0
    probabilities = tuple(carried * p for p in wanted)
    cycles_kw = np.zeros(QUARTERS)
    for probability, use in zip(probabilities, uses, strict=True):
        cycles_kw += probability * use.expected_kw()
    return _less(base_kw, cycles_kw), probabilities


def _less(base_kw: FloatArray, taken_kw: FloatArray) -> FloatArray:
    """`base_kw` less `taken_kw`, the steady share kept; what is short is taken elsewhere."""
    steady_kw = STEADY_SHARE * base_kw
    rest_kw = np.maximum(base_kw - taken_kw - steady_kw, 0)
    wanted = base_kw.sum() - taken_kw.sum() - steady_kw.sum()
    scale = wanted / rest_kw.sum() if rest_kw.sum() > 0 else 0.0
    return np.asarray(steady_kw + scale * rest_kw)
