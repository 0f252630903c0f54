"""The limits of a grid, and how far and how long one day leaves each of them.

A room beside the study of the year: what is beyond a limit in one PTU is decided here and nowhere
else. What was not solved is never within a limit; it is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.grid_state import ALL_PHASES, TRANSFORMER, Branch, GridLayout
from mas2sim.domain.limits import GridLimits
from mas2sim.results.limits_kept import OVER_LIMIT_KW, low_voltage_buses
from mas2sim.study.grid_days import DayLevel, bus_voltages_v

Reading = Callable[[DayLevel], FloatArray]

IMPORT, EXPORT = "connections_import", "connections_export"
UNIT, FEEDER, LINE = "transformer_loading", "feeder_loading", "line_loading"
HIGH_V, LOW_V, UNBALANCE = "voltage_high", "voltage_low", "unbalance"
LOADINGS = (UNIT, FEEDER, LINE)
STATUTORY = (UNIT, LINE, HIGH_V, LOW_V, UNBALANCE)
"""Ratings and standards. The limit on the sum of the connections is the DSO's own; that of a feeder
is that of its first lines, which are among the lines."""


@dataclass(frozen=True, slots=True, eq=False)
class AssetLimit:
    """One limit of assets of one kind.

    Parameters
    ----------
    kind : str
        One of the kinds above.
    assets : tuple of str
        What it limits.
    limit : float
    unit : str
    beyond_unit : str
        Of what is beyond the limit, summed over time.
    beyond_per_unit : array, shape (asset)
        What one unit beyond the limit is in `beyond_unit` per hour.
    scale : float
        What counts as the whole of the limit: `used` is 1 at the limit and 0 this far from it.
    read : callable
        Values of a day, shape (ptu, asset).
    low : bool
        Whether the values must not be less, instead of not more.
    needs_flow : bool
        Whether the values come from the power flow; else they are known without it.
    tolerance : float
        How far beyond still counts as kept.
    """

    kind: str
    assets: tuple[str, ...]
    limit: float
    unit: str
    beyond_unit: str
    beyond_per_unit: FloatArray
    scale: float
    read: Reading
    low: bool = False
    needs_flow: bool = True
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "beyond_per_unit")

    def beyond(self, values: FloatArray) -> FloatArray:
        """By how much values are beyond the limit; 0 where kept, and where not known."""
        excess = self.limit - values if self.low else values - self.limit
        return np.where(excess > self.tolerance, excess, 0.0)

    def used(self, values: FloatArray) -> FloatArray:
        """Share of the limit that is used: 1 at the limit, more beyond."""
        signed = -1.0 if self.low else 1.0
        return np.asarray(1.0 + signed * (values - self.limit) / self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class LimitDay:
    """What one day makes of one limit.

    Parameters
    ----------
    hours : array, shape (asset)
        Time beyond the limit. [h]
    beyond : array, shape (asset)
        Sum over time of what is beyond, in the limit's `beyond_unit`.
    worst : array, shape (asset)
        Worst value that is known; NaN where none is.
    worst_ptu : array of int, shape (asset)
    ptus : array of bool, shape (ptu)
        True where any of the assets is beyond.
    """

    hours: FloatArray
    beyond: FloatArray
    worst: FloatArray
    worst_ptu: IntArray
    ptus: BoolArray


def measure(limit: AssetLimit, day: DayLevel) -> LimitDay:
    """Hold a day against a limit."""
    values = limit.read(day)
    beyond = limit.beyond(values)
    worse = np.where(np.isfinite(values), -values if limit.low else values, -np.inf)
    worst_ptu = worse.argmax(axis=0)
    at_worst = np.take_along_axis(values, worst_ptu[None], axis=0)[0]
    return LimitDay(
        hours=np.asarray((beyond > 0.0).sum(axis=0) * day.hours),
        beyond=np.asarray(beyond.sum(axis=0) * limit.beyond_per_unit * day.hours),
        worst=np.where(np.isfinite(at_worst), at_worst, np.nan),
        worst_ptu=worst_ptu,
        ptus=np.asarray((beyond > 0.0).any(axis=1)),
    )


def asset_limits(layout: GridLayout, limits: GridLimits, *, unbalance: bool) -> list[AssetLimit]:
    """All limits of a grid: sums of the connections, loadings, voltages, unbalance.

    Parameters
    ----------
    unbalance : bool
        Whether the flow tells the unbalance of voltages.
    """
    found = _connection_limits(layout, limits)
    found += _loading_limits(layout, limits, by_phase=unbalance)
    found += _voltage_limits(layout, limits)
    return [*found, _unbalance_limit(layout, limits)] if unbalance else found


def _connection_limits(layout: GridLayout, limits: GridLimits) -> list[AssetLimit]:
    def along(sign: float) -> Reading:
        return lambda day: sign * day.total_kw[:, None]

    return [
        AssetLimit(
            kind,
            (layout.name,),
            limit_kw,
            "kW",
            "kWh",
            np.ones(1),
            max(abs(limit_kw), OVER_LIMIT_KW),
            along(sign),
            needs_flow=False,
            tolerance=OVER_LIMIT_KW,
        )
        for kind, limit_kw, sign in (
            (IMPORT, limits.transformer_import_kw, 1.0),
            (EXPORT, limits.transformer_export_kw, -1.0),
        )
    ]


def _loading_limits(layout: GridLayout, limits: GridLimits, *, by_phase: bool) -> list[AssetLimit]:
    rating_kva = ratings_kva(layout, by_phase=by_phase)
    units = [k for k, each in enumerate(layout.branches) if each.kind == TRANSFORMER]
    lines = [k for k, each in enumerate(layout.branches) if each.kind != TRANSFORMER]
    # Lists, since nothing keeps two lines of a grid of one's own from having the same name.
    groups: dict[str, list[tuple[str, tuple[int, ...]]]] = {
        UNIT: [(layout.branches[k].name, (k,)) for k in units],
        FEEDER: list(layout.feeder_heads.items()),
        LINE: [(layout.branches[k].name, (k,)) for k in lines],
    }

    def most_loaded(branches: list[tuple[int, ...]]) -> Reading:
        starts = np.cumsum([0, *(len(each) for each in branches)])[:-1]
        columns = np.array([k for each in branches for k in each], dtype=np.int64)
        return lambda day: np.maximum.reduceat(
            day.state.loading_percent[:, columns], starts, axis=1
        )

    return [
        AssetLimit(
            kind,
            tuple(name for name, _ in members),
            limits.loading_percent,
            "%",
            "kVAh",
            # Where several lines begin a feeder, the most loaded one speaks for each of them.
            np.array([rating_kva[list(each)].sum() for _, each in members]) / 100.0,
            limits.loading_percent,
            most_loaded([each for _, each in members]),
        )
        for kind, members in groups.items()
        if members
    ]


def ratings_kva(layout: GridLayout, *, by_phase: bool) -> FloatArray:
    """Apparent power that each branch may carry, shape (branch). [kVA]

    Of a line U I / sqrt(3) at the nominal voltage for each phase, of which it has three.

    Parameters
    ----------
    by_phase : bool
        Whether the flow is solved phase by phase; a line to a bus with fewer phases has as many.
    """
    nominal_kv = {bus.name: bus.vn_kv for bus in layout.buses}
    names = (bus.name for bus in layout.buses)
    phases = dict(zip(names, map(len, layout.bus_phases), strict=True))

    def line_kva(line: Branch) -> float:
        wires = min(phases[line.from_bus], phases[line.to_bus]) if by_phase else len(ALL_PHASES)
        return wires * nominal_kv[line.from_bus] / sqrt(3.0) * line.rating

    return np.array(
        [each.rating if each.kind == TRANSFORMER else line_kva(each) for each in layout.branches]
    )


def _voltage_limits(layout: GridLayout, limits: GridLimits) -> list[AssetLimit]:
    buses = low_voltage_buses(layout)
    names = tuple(layout.buses[k].name for k in buses)
    half_band_v = (limits.voltage_max_v - limits.voltage_min_v) / 2.0

    def side(which: int) -> Reading:
        return lambda day: bus_voltages_v(day.layout, day.state)[which][:, buses]

    if not names:
        return []
    return [
        AssetLimit(
            kind,
            names,
            limit_v,
            "V",
            "V h",
            np.ones(len(names)),
            half_band_v,
            side(which),
            low=kind == LOW_V,
        )
        for kind, limit_v, which in (
            (HIGH_V, limits.voltage_max_v, 1),
            (LOW_V, limits.voltage_min_v, 0),
        )
    ]


def _unbalance_limit(layout: GridLayout, limits: GridLimits) -> AssetLimit:
    buses = low_voltage_buses(layout)
    limit = limits.unbalance_percent
    return AssetLimit(
        UNBALANCE,
        tuple(layout.buses[k].name for k in buses),
        limit,
        "%",
        "% h",
        np.ones(len(buses)),
        limit,
        lambda day: day.state.unbalance_percent[:, buses],
    )


def tells_unbalance(day: DayLevel) -> bool:
    """Whether the flow of a day tells the unbalance of voltages."""
    return bool(np.isfinite(day.state.unbalance_percent).any())
