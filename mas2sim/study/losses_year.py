"""What a grid loses over a year, day by day: as it is, and with all power flattened in each day.

The flattened day is a bound. Losses are convex in the powers but for what the voltage does to them,
so of all days in which each connection takes the same energy, the one with constant powers loses
least in lines and windings (Jensen's inequality). No shifting within the day gets below it, as long
as it changes no energy and no phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.grid_state import PowerFlow
from mas2sim.domain.typical_day import Level
from mas2sim.grid import marginal_losses
from mas2sim.study.grid_days import DayLevel, day_levels
from mas2sim.study.typical_year import DayRun, YearDay

HOURS = 24


@dataclass(frozen=True, slots=True)
class Losses:
    """Energy lost, and what it is measured against, over a day or a year. [kWh]

    Parameters
    ----------
    line, transformer_load, transformer_no_load : float
    delivered : float
        Taken by the connections that import, PTU by PTU.
    entering : float
        Drawn from the HV grid and fed in by connections that export.
    flat_line, flat_transformer_load, flat_transformer_no_load : float
        Losses of the flattened day.
    not_solved_h : float
        Time without a solution, of which nothing is in the other fields. [h]
    """

    line: float = 0.0
    transformer_load: float = 0.0
    transformer_no_load: float = 0.0
    delivered: float = 0.0
    entering: float = 0.0
    flat_line: float = 0.0
    flat_transformer_load: float = 0.0
    flat_transformer_no_load: float = 0.0
    not_solved_h: float = 0.0

    @property
    def variable(self) -> float:
        """What depends on the load. [kWh]"""
        return self.line + self.transformer_load

    @property
    def total(self) -> float:
        """All losses. [kWh]"""
        return self.variable + self.transformer_no_load

    @property
    def flat_variable(self) -> float:
        """What would be left of the losses that depend on the load. [kWh]"""
        return self.flat_line + self.flat_transformer_load

    @property
    def flat_total(self) -> float:
        """What would be left of all losses. [kWh]"""
        return self.flat_variable + self.flat_transformer_no_load

    def plus(self, other: Losses, weight: float) -> Losses:
        """The sum with `weight` times another."""
        names = self.__slots__
        return Losses(*(getattr(self, name) + weight * getattr(other, name) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class LossDay:
    """What one day loses, and what a kW more would.

    Parameters
    ----------
    day : YearDay
    losses : Losses
    slope : array, shape (ptu)
        Losses for a kW more at all connections together; NaN where not solved. [kW/kW]
    feeder_slope : array, shape (feeder, hour)
        The same for each feeder with connections, by hour of the clock. [kW/kW]
    """

    day: YearDay
    losses: Losses
    slope: FloatArray
    feeder_slope: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "slope", "feeder_slope")


@dataclass(slots=True, eq=False)
class LossYear:
    """All days at one level, in their order; filled day by day."""

    level: Level
    clock: tuple[str, ...]
    feeders: tuple[str, ...]
    connections: int
    name: str
    days: list[LossDay] = field(default_factory=list)

    @property
    def seasons(self) -> list[str]:
        """Seasons of its days, in their order."""
        return list(dict.fromkeys(each.day.choice("season") for each in self.days))

    def losses(self, season: str | None = None) -> Losses:
        """Losses in a year, or in a season of it."""
        total = Losses()
        for each in self.days:
            if season is None or each.day.choice("season") == season:
                total = total.plus(each.losses, each.day.days)
        return total

    def hourly_slope(self, season: str) -> FloatArray:
        """Mean slope by hour of the clock over a season, shape (hour). [kW/kW]"""
        days, weights = self._of_season(season)
        slopes = np.stack([each.slope.reshape(HOURS, -1).mean(axis=1) for each in days])
        return np.asarray(weights @ slopes)

    def hourly_feeder_slope(self, season: str) -> FloatArray:
        """Mean slope by feeder and hour over a season, shape (feeder, hour). [kW/kW]"""
        days, weights = self._of_season(season)
        slopes = np.stack([each.feeder_slope for each in days])
        return np.asarray(np.einsum("d,dfh->fh", weights, slopes))

    def _of_season(self, season: str) -> tuple[list[LossDay], FloatArray]:
        days = [each for each in self.days if each.day.choice("season") == season]
        weights = np.array([each.day.days for each in days])
        return days, weights / weights.sum()


def gather_losses(runs: Iterable[DayRun]) -> tuple[LossYear, ...]:
    """Measure the losses of each day as it comes, and let it go; one year a level."""
    years: dict[Level, LossYear] = {}
    for run in runs:
        for day in day_levels(run):
            if day.level not in years:
                clock = tuple(day.horizon.clock(ptu) for ptu in range(day.horizon.ptus))
                feeders = tuple(day.layout.feeder_homes)
                years[day.level] = LossYear(
                    day.level, clock, feeders, day.p_kw.shape[1], day.layout.name
                )
            years[day.level].days.append(loss_day(run.setup.flow, day))
    return tuple(years.values())


def loss_day(flow: PowerFlow, day: DayLevel) -> LossDay:
    """Measure one day.

    Parameters
    ----------
    flow : PowerFlow
        That of the day, to solve the flattened day and what a kW more does.
    """
    state, hours = day.state, day.hours
    solved_kw = np.where(day.solved[:, None], day.p_kw, 0.0)
    flat = flow.solve(
        np.asarray(day.p_kw.mean(axis=0, keepdims=True)),
        np.asarray(day.q_kvar.mean(axis=0, keepdims=True)),
    )
    losses = Losses(
        line=_sum(state.loss_line_kw, hours),
        transformer_load=_sum(state.loss_transformer_load_kw, hours),
        transformer_no_load=_sum(state.loss_transformer_no_load_kw, hours),
        delivered=_sum(np.maximum(solved_kw, 0.0), hours),
        entering=_sum(np.maximum(state.import_kw, 0.0), hours)
        + _sum(np.maximum(-solved_kw, 0.0), hours),
        flat_line=float(flat.loss_line_kw[0] * HOURS),
        flat_transformer_load=float(flat.loss_transformer_load_kw[0] * HOURS),
        flat_transformer_no_load=float(flat.loss_transformer_no_load_kw[0] * HOURS),
        not_solved_h=day.not_solved_h,
    )
    everyone = [range(day.p_kw.shape[1])]
    slope = marginal_losses(flow, day.p_kw, day.q_kvar, everyone).slope_kw_per_kw[0]
    return LossDay(day.day, losses, slope, _feeder_slope(flow, day))


def _feeder_slope(flow: PowerFlow, day: DayLevel) -> FloatArray:
    """Slopes at the mean powers of each hour: losses are close to quadratic, slopes to linear."""
    groups: Sequence[Sequence[int]] = list(day.layout.feeder_homes.values())
    if not groups:
        return np.zeros((0, HOURS))
    p_kw, q_kvar = (
        values.reshape(HOURS, -1, values.shape[1]).mean(axis=1) for values in (day.p_kw, day.q_kvar)
    )
    return marginal_losses(flow, p_kw, q_kvar, groups).slope_kw_per_kw


def _sum(values_kw: FloatArray, hours: float) -> float:
    """Energy over all that is known. [kWh]"""
    return float(np.nansum(values_kw) * hours)
