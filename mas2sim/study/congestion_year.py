"""A year at one level, gathered day by day from what its days make of each limit.

Sums are weighted by how often a typical day occurs; design days have no weight and are asked for
their worst values only. Records are let go as soon as their day is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.grid_state import GridLayout
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import GridDay
from mas2sim.study.congestion_limits import (
    LOADINGS,
    STATUTORY,
    AssetLimit,
    LimitDay,
    asset_limits,
    measure,
    tells_unbalance,
)
from mas2sim.study.congestion_voltage import band_shares
from mas2sim.study.grid_days import DayLevel, day_levels, grid_day
from mas2sim.study.typical_year import DayRun, YearDay

REVERSE_KW = 1e-3
"""Power that counts as flowing back: what is above the rounding of a sum of meters."""


@dataclass(frozen=True, slots=True, eq=False)
class LimitYear:
    """One limit over all days of a study.

    Parameters
    ----------
    limit : AssetLimit
    days : sequence of LimitDay
        In the order of the study's days.
    weights : array, shape (day)
        Days of the year that each stands for; 0 for design days.
    """

    limit: AssetLimit
    days: Sequence[LimitDay]
    weights: FloatArray

    @property
    def hours(self) -> FloatArray:
        """Time beyond the limit in a year, shape (asset). [h]"""
        return np.asarray(self.weights @ np.stack([day.hours for day in self.days]))

    @property
    def beyond(self) -> FloatArray:
        """What is beyond the limit in a year, shape (asset)."""
        return np.asarray(self.weights @ np.stack([day.beyond for day in self.days]))

    def worst(self, *, design: bool) -> tuple[FloatArray, IntArray, IntArray]:
        """Worst values over the typical or the design days.

        Returns
        -------
        value : array, shape (asset)
            NaN where none is known.
        day, ptu : array of int, shape (asset)
            When; of days alike the first.
        """
        of_kind = (self.weights == 0.0) == design
        values = np.stack([day.worst for day in self.days])
        known = np.isfinite(values) & of_kind[:, None]
        worse = np.where(known, -values if self.limit.low else values, -np.inf)
        day = worse.argmax(axis=0)
        column = np.arange(values.shape[1])
        ptu = np.stack([each.worst_ptu for each in self.days])[day, column]
        value = np.where(known[day, column], values[day, column], np.nan)
        return value, day, ptu


@dataclass(slots=True, eq=False)
class LevelYear:
    """All days of a study at one level, in their order; filled day by day.

    Parameters
    ----------
    level : Level
    horizon, layout, grid_limits
        The same on all days.
    limits : list of AssetLimit
    days : list of YearDay
    measured : list of lists of LimitDay
        By day, then in the order of `limits`.
    loadings : list of array, shape (ptu, asset)
        Loading of transformers, feeders and lines, in the order of `limits`. [%]
    p_kw, q_kvar : list of array, shape (ptu, connection)
    import_kw : list of array, shape (ptu)
        Drawn from the HV grid; NaN where not solved.
    bands : list of array, shape (band, bus)
        Share of the day in each of the voltage bands of `congestion_voltage`.
    regimes : list of tuple of Regime
    solved : list of array of bool, shape (ptu)
    payments_eur : list of float
    """

    level: Level
    horizon: Horizon
    layout: GridLayout
    grid_limits: GridLimits
    limits: list[AssetLimit]
    days: list[YearDay] = field(default_factory=list)
    measured: list[list[LimitDay]] = field(default_factory=list)
    loadings: list[FloatArray] = field(default_factory=list)
    p_kw: list[FloatArray] = field(default_factory=list)
    q_kvar: list[FloatArray] = field(default_factory=list)
    import_kw: list[FloatArray] = field(default_factory=list)
    bands: list[FloatArray] = field(default_factory=list)
    regimes: list[tuple[Regime, ...]] = field(default_factory=list)
    solved: list[BoolArray] = field(default_factory=list)
    payments_eur: list[float] = field(default_factory=list)

    @classmethod
    def begin(cls, day: DayLevel) -> LevelYear:
        """Begin with the grid of a first day; the day itself is still to be added."""
        limits = asset_limits(day.layout, day.limits, unbalance=tells_unbalance(day))
        return cls(day.level, day.horizon, day.layout, day.limits, limits)

    def add(self, day: DayLevel) -> float:
        """Add a day.

        Returns
        -------
        float
            Greatest share that it uses of any limit; infinite with a PTU that was not solved.
        """
        found = [measure(limit, day) for limit in self.limits]
        self.days.append(day.day)
        self.measured.append(found)
        self.loadings.append(
            np.hstack([each.read(day) for each in self.limits if each.kind in LOADINGS])
        )
        self.p_kw.append(day.p_kw)
        self.q_kvar.append(day.q_kvar)
        self.import_kw.append(day.state.import_kw)
        self.bands.append(band_shares(day))
        self.regimes.append(day.regimes)
        self.solved.append(day.solved)
        self.payments_eur.append(day.dso_payment_eur)
        if not day.solved.all():
            return float("inf")
        return max(
            float(np.fmax.reduce(limit.used(each.worst), initial=-np.inf))
            for limit, each in zip(self.limits, found, strict=True)
        )

    @property
    def weights(self) -> FloatArray:
        """Days of the year that each day stands for, shape (day)."""
        return np.array([day.days for day in self.days])

    @property
    def by_limit(self) -> list[LimitYear]:
        """The year of each limit, in the order of `limits`."""
        return [
            LimitYear(limit, [day[k] for day in self.measured], self.weights)
            for k, limit in enumerate(self.limits)
        ]

    def year_of(self, kind: str) -> LimitYear | None:
        """The year of the limit of one kind; None where the grid has none."""
        return next((each for each in self.by_limit if each.limit.kind == kind), None)

    @property
    def not_solved_h(self) -> float:
        """Time of a year without a solution of the flow. [h]"""
        lost = np.array([(~solved).sum() for solved in self.solved])
        return float(self.weights @ lost * self.horizon.ptu_hours)

    @property
    def ptu_hours(self) -> FloatArray:
        """Time of a year that each PTU stands for, shape (day, ptu). [h]"""
        return np.repeat(self.weights[:, None], self.horizon.ptus, 1) * self.horizon.ptu_hours

    @property
    def payment_eur(self) -> float:
        """What the DSO pays in a year; NaN where it buys nothing at this level."""
        return float(self.weights @ np.array(self.payments_eur))

    def regime_hours(self, day: int | None = None) -> dict[Regime, float]:
        """Time in each regime in a year, or on one day. [h]"""
        counts = np.array([[day.count(each) for each in Regime] for day in self.regimes])
        hours = self.horizon.ptu_hours * (self.weights @ counts if day is None else counts[day])
        return dict(zip(Regime, hours.tolist(), strict=True))

    def beyond(self, day: int, kinds: Sequence[str] = STATUTORY) -> BoolArray:
        """True where a limit of these kinds is known to be left, shape (ptu)."""
        found = [
            each.ptus
            for limit, each in zip(self.limits, self.measured[day], strict=True)
            if limit.kind in kinds
        ]
        return np.asarray(np.any(found, axis=0))

    def hours_beyond(self, kinds: Sequence[str] = STATUTORY) -> float:
        """Time of a year in which any limit of these kinds is known to be left. [h]"""
        ptus = np.array([self.beyond(day, kinds).sum() for day in range(len(self.days))])
        return float(self.weights @ ptus * self.horizon.ptu_hours)


@dataclass(frozen=True, slots=True)
class Reverse:
    """Power that flows back, at one place in a year."""

    hours: float
    energy_kwh: float
    greatest_kw: float


def reverse_flow(year: LevelYear, power_kw: Sequence[FloatArray]) -> Reverse:
    """Sum up reverse flow over a year; `power_kw` is by day, shape (ptu), positive is import."""
    back_kw = np.maximum(-np.stack(power_kw), 0.0)
    back_kw = np.where(back_kw > REVERSE_KW, back_kw, 0.0)
    hours = year.ptu_hours
    return Reverse(
        float(hours[back_kw > 0.0].sum()),
        float((hours * back_kw).sum()),
        float(back_kw[year.weights > 0.0].max(initial=0.0)),
    )


def gather_year(runs: Iterable[DayRun]) -> tuple[tuple[LevelYear, ...], tuple[GridDay, ...]]:
    """Measure each day as it comes, and let it go.

    Returns
    -------
    tuple of LevelYear
        One a level.
    tuple of GridDay
        For the map: the typical day that uses most of any limit at the first level, then the
        design days, each at all levels.
    """
    years: dict[Level, LevelYear] = {}
    design: list[GridDay] = []
    worst: tuple[float, list[GridDay]] = (-np.inf, [])
    for run in runs:
        levels = list(day_levels(run))
        for day in levels:
            if day.level not in years:
                years[day.level] = LevelYear.begin(day)
        used = [years[day.level].add(day) for day in levels]
        if run.day.is_design_day:
            design += [grid_day(day) for day in levels]
        elif used[0] > worst[0]:
            worst = (used[0], [grid_day(day) for day in levels])
    return tuple(years.values()), (*worst[1], *design)
