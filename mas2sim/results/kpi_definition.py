"""What a KPI is, and the view of one level of a case from which it is computed.

The definition carries everything a reader needs to judge the figure, so that the table's columns,
the report's tooltips and the reference page come from one place and cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.grid_state import GridState
from mas2sim.domain.home import Home
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.results.record import CaseRecord

NAN = float("nan")

GROUPS = ("money", "homes", "energy", "grid", "market")
"""Groups of KPIs in the order in which they are shown."""


ENDED_WELL = ("", "optimal", "bounded")
"""Ends of a search with a plan and a gap that are the same on every machine; none for markets."""


Value = TypeVar("Value")


def once_a_level(compute: Callable[[CaseLevel], Value]) -> Callable[[CaseLevel], Value]:
    """Compute a value of a level once, however many KPIs ask for it.

    It is kept in `CaseLevel.known`, so it lives no longer than the table that is being made. Arrays
    are kept read-only, as each of those who ask gets the same one.
    """

    @wraps(compute)
    def kept(case: CaseLevel) -> Value:
        key = (case.record, case.index, compute)
        if key not in case.known:
            value = compute(case)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            case.known[key] = value
        found: Value = case.known[key]
        return found

    return kept


@dataclass(frozen=True, slots=True, eq=False)
class CaseLevel:
    """One level of a recorded case.

    Parameters
    ----------
    record : CaseRecord
    index : int
        Place of the level in ``record.levels``.
    known : dict
        Values of `once_a_level` by record, index and function; see `levels_of`.
    """

    record: CaseRecord
    index: int
    known: dict[tuple[CaseRecord, int, object], Any] = field(default_factory=dict, repr=False)

    def at(self, level: Level) -> CaseLevel | None:
        """Return another level of the same case; None when it was not run."""
        if level not in self.record.levels:
            return None
        return CaseLevel(self.record, self.record.levels.index(level), self.known)

    @property
    def level(self) -> Level:
        """The level looked at."""
        return self.record.levels[self.index]

    @property
    def hours(self) -> float:
        """Length of a PTU. [h]"""
        return self.record.horizon.ptu_hours

    @property
    def homes(self) -> tuple[Home, ...]:
        """Homes of the substation."""
        return self.record.homes

    @property
    def net_kw(self) -> FloatArray:
        """Power at the connection points, curtailed where it had to be, shape (home, ptu). [kW]"""
        return np.asarray(self.record.net_kw[self.index])

    @property
    @once_a_level
    def curtailed_kw(self) -> FloatArray:
        """What connections had to give up, negative of feed-in, shape (home, ptu). [kW]"""
        recorded = self.record.curtailed_kw
        return np.asarray(recorded[self.index]) if recorded.size else np.zeros_like(self.net_kw)

    @property
    @once_a_level
    def drawn_kw(self) -> FloatArray:
        """Power had no connection been limited, as settlement counts it, shape (home, ptu). [kW]"""
        return np.asarray(self.net_kw + self.curtailed_kw)

    @property
    @once_a_level
    def total_kw(self) -> FloatArray:
        """Sum of the connections, homes and others, shape (ptu). [kW]"""
        return self._with_others(self.net_kw, "net_kw")

    @property
    @once_a_level
    def total_kvar(self) -> FloatArray:
        """Sum of the connections' reactive power, shape (ptu). [kvar]"""
        return self._with_others(self.record.reactive_kvar[self.index], "reactive_kvar")

    @property
    @once_a_level
    def total_drawn_kw(self) -> FloatArray:
        """Sum of the connections had none been limited, shape (ptu). [kW]"""
        return self._with_others(self.drawn_kw, "net_kw", "curtailed_kw")

    @property
    def other_kw(self) -> FloatArray:
        """Power of the participants that are no homes, shape (participant, ptu). [kW]"""
        return self._of_others("net_kw")

    @property
    def other_drawn_kw(self) -> FloatArray:
        """Their power had no connection been limited, shape (participant, ptu). [kW]"""
        return np.asarray(self.other_kw + self._of_others("curtailed_kw"))

    def _of_others(self, name: str) -> FloatArray:
        """Recorded values of the other participants, shape (participant, ptu)."""
        others = self.record.others
        if others is None:
            return np.zeros((0, self.record.horizon.ptus))
        return np.asarray(getattr(others, name)[self.index])

    def _with_others(self, by_home: FloatArray, *names: str) -> FloatArray:
        """Sum over homes, and over other participants where there are some, shape (ptu)."""
        total = np.asarray(by_home.sum(axis=0))
        if self.record.others is None:
            return total
        return np.asarray(sum((self._of_others(name).sum(axis=0) for name in names), total))

    @property
    def device_kw(self) -> FloatArray:
        """Power of flexible devices, shape (device, ptu). [kW]"""
        return np.asarray(self.record.device_kw[self.index])

    @property
    def bill_eur(self) -> FloatArray:
        """Bill by each home's own meter, shape (home). [EUR]"""
        return np.asarray(self.record.bill_eur[self.index])

    @property
    def payment_eur(self) -> FloatArray:
        """What each home pays in the end, shape (home). [EUR]"""
        return np.asarray(self.record.payment_eur[self.index])

    @property
    def plans(self) -> tuple[HomePlan, ...]:
        """Plans of the homes; empty when none were recorded."""
        return self.record.plans.get(self.level, ())

    @property
    def flow(self) -> GridState | None:
        """State of the grid; None when the flow was not run."""
        return self.record.grid.get(self.level)

    @property
    @once_a_level
    def solved_flow(self) -> GridState | None:
        """State of the grid; None unless every PTU converged.

        A day with a hole in it has no maximum, minimum or sum that could be trusted.
        """
        flow = self.flow
        return flow if flow is not None and bool(flow.converged.all()) else None

    @property
    @once_a_level
    def flexible(self) -> BoolArray:
        """True for the homes that offer a device, shape (home)."""
        return np.array([home.has_flexibility for home in self.homes], dtype=bool)

    @property
    def has_plan(self) -> bool:
        """Whether the level found a plan; a benchmark that found none left the homes unmanaged."""
        market = self.record.markets.get(self.level)
        return market is None or market.planned

    @property
    def status(self) -> str:
        """``"ok"``, or in words what keeps the figures of this level from being complete."""
        faults = []
        infeasible = sum(plan.status is PlanStatus.INFEASIBLE for plan in self.plans)
        if infeasible:
            faults.append(f"infeasible ({infeasible} of {len(self.plans)} homes)")
        if self.flow is None:
            faults.append("no_power_flow")
        elif (lost := int((~self.flow.converged).sum())) > 0:
            faults.append(f"not_converged ({lost} of {self.flow.converged.size} PTUs)")
        market = self.record.markets.get(self.level)
        if market is not None and market.outcome not in ENDED_WELL:
            faults.append(f"benchmark_{market.outcome.replace(' ', '_')}")
        return "; ".join(faults) or "ok"

    def against(self, reference: Level) -> CaseLevel | None:
        """Return the reference level of this case; None at or below it, or when it was not run."""
        order = list(Level)
        above = order.index(self.level) > order.index(reference)
        return self.at(reference) if above else None


def levels_of(record: CaseRecord) -> tuple[CaseLevel, ...]:
    """Return all levels of a case, which have in common what has been computed of any."""
    known: dict[tuple[CaseRecord, int, object], Any] = {}
    return tuple(CaseLevel(record, index, known) for index in range(len(record.levels)))


UNIT_OF_ENDING = MappingProxyType({"eur": "EUR", "kwh": "kWh"})
"""Units that are written otherwise in a column's name."""

Measure = Callable[[CaseLevel], float | str | None]
Comparison = Callable[[CaseLevel, CaseLevel], float]


@dataclass(frozen=True, slots=True)
class Kpi:
    """One key performance indicator.

    Parameters
    ----------
    name : str
        Column of the KPI table; ends in the unit where there is one.
    unit : str
        ``"-"`` for words and shares of one.
    label : str
        The name in plain words.
    group : str
        One of `GROUPS`.
    formula : str
    sign : str
        What a positive value means.
    boundary : str
        Where it is measured: home, community, substation or case.
    missing : str
        When the value is NaN.
    sentence : str
        What it tells, in one sentence.
    compute : callable
        From one level of a case to the value; NaN (None for words) where there is none.
    better : str
        ``"lower"``, ``"higher"``, or empty where neither is better in itself.
    """

    name: str
    unit: str
    label: str
    group: str
    formula: str
    sign: str
    boundary: str
    missing: str
    sentence: str
    compute: Measure
    better: str = ""


def compared(
    stem: str,
    unit: str,
    *,
    label: str,
    group: str,
    formula: str,
    sign: str,
    boundary: str,
    sentence: str,
    compare: Comparison,
    better: str = "",
    missing: str = "",
) -> tuple[Kpi, Kpi]:
    """Define a KPI that compares with the baseline, and its twin that compares with uc1.

    Their names are `stem` and `unit`, the latter as it ends a column's name.

    Both references are given, since the first holds the effect of management as a whole and the
    second the market's own.
    """

    def kpi(reference: Level, name: str, words: str) -> Kpi:
        def compute(case: CaseLevel) -> float:
            other = case.against(reference)
            return NAN if other is None else compare(other, case)

        holes = f"at or below {reference.value}, or when {reference.value} was not run"
        return Kpi(
            name=name,
            unit=UNIT_OF_ENDING.get(unit, unit),
            label=f"{label} {words}",
            group=group,
            formula=formula.replace("ref", reference.value),
            sign=sign,
            boundary=boundary,
            missing=f"{holes}; {missing}" if missing else holes,
            sentence=sentence,
            compute=compute,
            better=better,
        )

    return (
        kpi(Level.BASELINE, f"{stem}_{unit}", "against the baseline"),
        kpi(Level.UC1, f"{stem}_vs_uc1_{unit}", "against uc1"),
    )


def ratio(numerator: float, denominator: float) -> float:
    """Quotient, NaN where the denominator is zero or either side is missing."""
    return float(numerator / denominator) if denominator != 0.0 else NAN


def reduction_percent(reference: float, value: float) -> float:
    """``(reference - value) / reference`` in percent, NaN for 0/0 and for a zero reference. [%]"""
    return 100.0 * ratio(reference - value, reference)
