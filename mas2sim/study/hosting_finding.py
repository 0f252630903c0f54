"""What one placement of a technology does to the grid, and which limits it breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.grid_extremes import GridExtremes
from mas2sim.domain.grid_state import GridLayout
from mas2sim.domain.limits import GridLimits
from mas2sim.results.limits_kept import OVER_LIMIT_KW, neutral_voltage_v
from mas2sim.study.hosting_question import Criterion

CURTAILMENT, NOT_SOLVED = "curtailment", "not solved"
"""What else keeps a penetration from being hosted: curtailment beyond the cap, and no answer."""
OVER_CAP_KWH = 1e-6
"""Rounding of sums of curtailed powers."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The worst of the day under one placement.

    Where a PTU was not solved, figures of the flow are NaN and `broken` says so: no answer is no
    "kept".

    Parameters
    ----------
    low_v, high_v : float
        Least and greatest voltage at low voltage, phase to neutral. [V]
    line_percent, transformer_percent : float
        Greatest loading; NaN where the grid has none.
    unbalance_percent : float
        Greatest voltage unbalance; NaN when the flow is balanced.
    export_kw : float
        Greatest feed-in of the sum of the connections; 0 when they never feed in.
    curtailed_kwh : float
        What the DSO had connections give up over the day.
    broken : tuple of str
        Limits that are not kept.
    """

    low_v: float
    high_v: float
    line_percent: float
    transformer_percent: float
    unbalance_percent: float
    export_kw: float
    curtailed_kwh: float
    broken: tuple[str, ...] = ()

    @property
    def solved(self) -> bool:
        """Whether all PTUs were solved."""
        return NOT_SOLVED not in self.broken

    def breaks(self, criterion: str) -> bool:
        """Whether a limit is not kept, or cannot be said to be."""
        return criterion in self.broken or not self.solved


@dataclass(frozen=True, slots=True)
class HostingLimits:
    """The limits that count.

    Parameters
    ----------
    grid : GridLimits
    criteria : tuple of Criterion
        Those that are assessed.
    """

    grid: GridLimits
    criteria: tuple[Criterion, ...]

    def stated(self, criterion: Criterion) -> str:
        """A limit in words."""
        grid = self.grid
        return {
            Criterion.VOLTAGE: (
                f"{grid.voltage_min_v:g} to {grid.voltage_max_v:g} V, phase to neutral, at all "
                "low-voltage buses on the phases they have, in all PTUs"
            ),
            Criterion.THERMAL: (
                f"lines and transformers at most {grid.loading_percent:g} % of their rating"
            ),
            Criterion.UNBALANCE: (
                f"negative over positive sequence at most {grid.unbalance_percent:g} %"
            ),
            Criterion.REVERSE_POWER: (
                f"sum of the connections feeds in at most {grid.transformer_export_kw:g} kW"
            ),
        }[criterion]

    def findings(
        self,
        layout: GridLayout,
        extremes: GridExtremes,
        total_kw: FloatArray,
        curtailed_kwh: FloatArray,
        cap_kwh: FloatArray,
    ) -> list[Finding]:
        """Judge scenarios.

        Parameters
        ----------
        layout : GridLayout
        extremes : GridExtremes
            Of the scenarios.
        total_kw : array, shape (scenario, ptu)
            Sum of the connections.
        curtailed_kwh, cap_kwh : array, shape (scenario)
            What was curtailed, and the most that may be.
        """
        neutral_v = neutral_voltage_v(layout)
        solved = extremes.converged
        rows = zip(
            _volts(extremes.low_pu, extremes.low_bus, neutral_v),
            _volts(extremes.high_pu, extremes.high_bus, neutral_v),
            extremes.line_loading_percent.tolist(),
            extremes.transformer_loading_percent.tolist(),
            extremes.unbalance_percent.tolist(),
            np.maximum(-total_kw.min(axis=1), 0.0).tolist(),
            curtailed_kwh.tolist(),
            cap_kwh.tolist(),
            solved.tolist(),
            strict=True,
        )
        found = []
        for *figures, cap, answered in rows:
            finding = Finding(*figures)
            broken = self._broken(finding, cap)
            found.append(replace(finding, broken=broken if answered else (*broken, NOT_SOLVED)))
        return found

    def _broken(self, finding: Finding, cap_kwh: float) -> tuple[str, ...]:
        """Names of the limits that figures break; no comparison holds for NaN."""
        grid = self.grid
        over_rating = (
            finding.line_percent > grid.loading_percent
            or finding.transformer_percent > grid.loading_percent
        )
        outside_band = finding.low_v < grid.voltage_min_v or finding.high_v > grid.voltage_max_v
        beyond = {
            Criterion.VOLTAGE: outside_band,
            Criterion.THERMAL: over_rating,
            Criterion.UNBALANCE: finding.unbalance_percent > grid.unbalance_percent,
            Criterion.REVERSE_POWER: (
                finding.export_kw > grid.transformer_export_kw + OVER_LIMIT_KW
            ),
        }
        names = tuple(str(criterion) for criterion in self.criteria if beyond[criterion])
        over_cap = finding.curtailed_kwh > cap_kwh + OVER_CAP_KWH
        return (*names, CURTAILMENT) if over_cap else names


def _volts(pu: FloatArray, bus: IntArray, neutral_v: FloatArray) -> list[float]:
    """Voltages of scenarios at the buses where they occur; NaN where there is no such bus. [V]"""
    volts: list[float] = (pu * neutral_v[bus]).tolist()
    return volts
