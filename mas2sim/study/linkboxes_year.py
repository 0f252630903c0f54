"""A year of one tie at one level: its days weighted by how often they occur."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.typical_day import Level
from mas2sim.grid.link_boxes import Tie
from mas2sim.grid.linked import LINK_STATES, LinkState
from mas2sim.study.linkboxes_day import LinkDay


@dataclass(frozen=True, slots=True, eq=False)
class LinkYear:
    """One tie at one level over the days that were run; sums are over the days they stand for."""

    tie: Tie
    level: Level
    days: Sequence[LinkDay]

    @property
    def covered_days(self) -> float:
        """Days of the year that the days run stand for."""
        return self.total(lambda _day: 1.0)

    def total(self, figure: Callable[[LinkDay], float]) -> float:
        """Sum of a day's figure over the year."""
        return float(sum(each.day.days * figure(each) for each in self.days))

    def energy_kwh(self, figure: Callable[[LinkDay], FloatArray]) -> FloatArray:
        """Sum of a figure by kind of loss over the year, shape (kind). [kWh]"""
        return np.asarray(sum(each.day.days * figure(each) for each in self.days))

    def power_kwh(self, figure: Callable[[LinkDay], FloatArray]) -> float:
        """Energy of a power over the year; PTUs without a number count as nothing. [kWh]"""
        return self.total(lambda each: float(np.nansum(figure(each)) * each.hours))

    def peak_kw(self, figure: Callable[[LinkDay], FloatArray]) -> float:
        """Greatest value of a power on any day; 0 where it is never positive. [kW]"""
        values = [np.nan_to_num(figure(each)).max(initial=0.0) for each in self.days]
        return float(max(values, default=0.0))

    def hours_in(self, state: LinkState) -> float:
        """Time that the schedules spend in a state. [h]"""
        return self.total(lambda each: each.hours_in(state))

    def barred_h(self, obstacle: str, state: LinkState) -> float:
        """Time in which an obstacle bars a state. [h]"""
        at = LINK_STATES.index(state)
        return self.total(lambda each: float(each.obstacles[obstacle][:, at].sum() * each.hours))

    def admissible_h(self, state: LinkState) -> float:
        """Time in which nothing bars a state. [h]"""
        at = LINK_STATES.index(state)
        return self.total(lambda each: float(each.admissible[:, at].sum() * each.hours))

    def saving_h(self, state: LinkState, *, admissible: bool) -> float:
        """Time in which a state loses less than the normal one. [h]"""
        at = LINK_STATES.index(state)

        def hours(each: LinkDay) -> float:
            saves = each.saving_kw(state) > 0.0
            return (
                float((saves & each.admissible[:, at] if admissible else saves).sum()) * each.hours
            )

        return self.total(hours)

    def below_h(self, loading_percent: float) -> float:
        """Time in which both transformers together are loaded less than that. [h]"""
        return self.total(
            lambda each: float((each.both_percent < loading_percent).sum()) * each.hours
        )

    def greatest_saving_percent(self, state: LinkState) -> float:
        """Greatest loading at which a state still loses less; NaN where it never does. [percent]"""
        found = [each.both_percent[each.saving_kw(state) > 0.0] for each in self.days]
        loadings = np.concatenate(found)
        return float(loadings.max()) if loadings.size else float("nan")


def link_years(days: Sequence[LinkDay]) -> tuple[LinkYear, ...]:
    """Gather days by tie and level, both in the order in which they first occur."""
    gathered: dict[tuple[str, Level], list[LinkDay]] = {}
    for each in days:
        gathered.setdefault((each.tie.name, each.level), []).append(each)
    return tuple(
        LinkYear(found[0].tie, found[0].level, tuple(found)) for found in gathered.values()
    )
