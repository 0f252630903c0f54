"""One day at one level as studies of a grid read it: its powers, its flow, and what follows.

A record speaks of homes and meters. Here it is brought to the connections of the power flow, so
that a study can solve the same day again with another grid or other powers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, freeze_fields
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi import KPIS
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.limits_kept import neutral_voltage_v
from mas2sim.results.record import OtherRecord
from mas2sim.results.study_result import GridDay
from mas2sim.scenario import Case
from mas2sim.study.typical_year import DayRun, YearDay

PAYMENT = "dso_payment_eur"


@dataclass(frozen=True, slots=True, eq=False)
class DayLevel:
    """One day at one level.

    Parameters
    ----------
    day : YearDay
    level : Level
    horizon : Horizon
    layout : GridLayout
        With a home for each connection of the power flow.
    limits : GridLimits
    state : GridState
    p_kw, q_kvar : array, shape (ptu, connection)
        Metered power, in the order in which the power flow takes it.
    regimes : tuple of Regime, shape (ptu)
    dso_payment_eur : float
        What the DSO pays for flexibility on this day; NaN at a level at which none is bought.
    """

    day: YearDay
    level: Level
    horizon: Horizon
    layout: GridLayout
    limits: GridLimits
    state: GridState
    p_kw: FloatArray
    q_kvar: FloatArray
    regimes: tuple[Regime, ...]
    dso_payment_eur: float

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw", "q_kvar")

    @property
    def hours(self) -> float:
        """Length of a PTU. [h]"""
        return self.horizon.ptu_hours

    @property
    def solved(self) -> BoolArray:
        """True where the flow was solved, shape (ptu)."""
        return self.state.converged

    @property
    def total_kw(self) -> FloatArray:
        """Sum of the connections, shape (ptu). [kW]"""
        return np.asarray(self.p_kw.sum(axis=1))

    @property
    def not_solved_h(self) -> float:
        """Time of the day without a solution. [h]"""
        return float((~self.solved).sum() * self.hours)


def day_levels(run: DayRun) -> Iterator[DayLevel]:
    """The levels of one day, in their order."""
    record = run.record
    payment = next(kpi for kpi in KPIS if kpi.name == PAYMENT)
    for index, level in enumerate(record.levels):
        home_kw, home_kvar = record.net_kw[index].T, record.reactive_kvar[index].T
        paid_eur = payment.compute(CaseLevel(record, index))
        yield DayLevel(
            day=run.day,
            level=level,
            horizon=record.horizon,
            layout=run.setup.flow.layout,
            limits=record.limits,
            state=record.grid[level],
            p_kw=np.hstack([home_kw, *_points(record.others, index, "net_kw")]),
            q_kvar=np.hstack([home_kvar, *_points(record.others, index, "reactive_kvar")]),
            regimes=record.regimes[index],
            dso_payment_eur=paid_eur if isinstance(paid_eur, float) else float("nan"),
        )


def _points(others: OtherRecord | None, level: int, name: str) -> Iterator[FloatArray]:
    """Power behind each other participant's meter, in equal parts, each of shape (ptu, point).

    All points of a meter are at one bus on the same phases, so how they share its power does not
    matter to the flow.
    """
    if others is None:
        return
    for participant, metered in zip(others.participants, getattr(others, name)[level], strict=True):
        points = len(participant.points)
        yield np.repeat(metered[:, None] / points, points, axis=1)


def low_voltage_mask(layout: GridLayout) -> BoolArray:
    """True for the buses to which the statutory band applies, shape (bus)."""
    return np.isin(np.arange(len(layout.buses)), layout.low_voltage)


def bus_voltages_v(layout: GridLayout, state: GridState) -> tuple[FloatArray, FloatArray]:
    """Least and greatest voltage over the phases that a bus has, each of shape (time, bus). [V]

    NaN above low voltage and where the flow was not solved.
    """
    volts = state.vm_pu * neutral_voltage_v(layout)[:, None]
    low = low_voltage_mask(layout)
    # Unlike nanmin they take a bus without any number in silence.
    lowest, highest = np.fmin.reduce(volts, axis=2), np.fmax.reduce(volts, axis=2)
    return np.where(low, lowest, np.nan), np.where(low, highest, np.nan)


def grid_day(day: DayLevel) -> GridDay:
    """The day as a map shows it."""
    low_v, high_v = bus_voltages_v(day.layout, day.state)
    return GridDay(
        name=f"{day.day.name}, {day.level.value}",
        clock_h=day.horizon.start_hours,
        loading_percent=day.state.loading_percent,
        low_v=low_v,
        high_v=high_v,
    )


def site_deg(case: Case) -> tuple[float, float] | None:
    """Latitude and longitude of the layout's origin; None where a grid has places of its own."""
    grid = case.configuration.grid
    return (grid.site.latitude_deg, grid.site.longitude_deg) if grid.name == "cardiff" else None
