"""What the DSO makes of prognoses with its own model of the grid: voltages, and what losses cost.

The DSO is told sums, not homes. It knows its connections by place and phase, and the generators
that are registered with it, whose feed-in it expects from their rating and the weather. The rest of
each feeder's power it spreads over the connections evenly, and runs the power flow of the case on
that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import PowerFlow
from mas2sim.domain.limits import GridLimits
from mas2sim.grid import (
    FeederVoltages,
    feeder_ratings_kw,
    marginal_losses,
    voltage_sensitivity,
)
from mas2sim.market import LossWorth
from mas2sim.market.contracts import CongestionRegister

REACTIVE_PER_ACTIVE = float(np.tan(np.arccos(0.97)))
"""Of the power that the DSO expects of homes that import; feed-in runs at a power factor of 1."""


@dataclass(frozen=True, slots=True, eq=False)
class DsoView:
    """The DSO's model of its substation.

    Parameters
    ----------
    register : CongestionRegister
        Feeders are points 1, 2, ...
    generation_kw : array, shape (home, ptu)
        Expected power of registered generators, never positive.
    watch_voltage : bool
        Whether voltages beyond the band become limits of feeders.
    voltage_margin_v : float
        Distance from the band that it plans with, since homes are not as even as it takes them.
    loss_eur_per_kwh : float
        What a kWh of losses is worth; 0 for nothing.
    """

    flow: PowerFlow
    limits: GridLimits
    register: CongestionRegister
    generation_kw: FloatArray
    watch_voltage: bool
    voltage_margin_v: float
    loss_eur_per_kwh: float

    def feeder_limits_kw(self, at_points_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and greatest power of each feeder that keeps voltage and cable, by prognosis.

        A flow that did not converge sets no limit of voltage: nothing is known to buy for.

        Parameters
        ----------
        at_points_kw : array, shape (point, ptu)

        Returns
        -------
        array, shape (point - 1, ptu), each
        """
        feeders = self.register.points[1:]
        ratings = feeder_ratings_kw(self.flow.layout)
        rated_kw = np.array([ratings.get(name, np.inf) for name in feeders])[:, None]
        upper_kw = np.repeat(rated_kw, at_points_kw.shape[1], axis=1)
        lower_kw = -upper_kw
        if self.watch_voltage and feeders:
            found = self._voltages(at_points_kw)
            # Where no power of the feeder keeps the band, the market is not asked for one.
            sound = found.solved & ~found.contradictory
            upper_kw = np.where(sound, np.minimum(upper_kw, found.import_limit_kw), upper_kw)
            lower_kw = np.where(sound, np.maximum(lower_kw, -found.export_limit_kw), lower_kw)
        return lower_kw, upper_kw

    def loss(self, at_points_kw: FloatArray) -> LossWorth | None:
        """What less power at the transformer saves in losses; None where it is worth nothing."""
        if self.loss_eur_per_kwh <= 0:
            return None
        p_kw, q_kvar = self._homes_kw(at_points_kw)
        everyone = tuple(range(p_kw.shape[1]))
        found = marginal_losses(self.flow, p_kw, q_kvar, [everyone])
        known = np.isfinite(found.slope_kw_per_kw[0])
        return LossWorth(
            self.loss_eur_per_kwh * np.where(known, found.slope_kw_per_kw[0], 0.0),
            self.loss_eur_per_kwh
            * np.where(known, np.maximum(found.curvature_per_kw[0], 0.0), 0.0),
        )

    def _voltages(self, at_points_kw: FloatArray) -> FeederVoltages:
        p_kw, q_kvar = self._homes_kw(at_points_kw)
        feeders = {name: self.register.homes_behind(name) for name in self.register.points[1:]}
        margin_v = self.voltage_margin_v
        band_v = (self.limits.voltage_min_v + margin_v, self.limits.voltage_max_v - margin_v)
        return voltage_sensitivity(self.flow, p_kw, q_kvar, feeders, band_v, reach_kw_per_home=0.0)

    def _homes_kw(self, at_points_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Active and reactive power that the DSO expects of each connection, shape (ptu, home)."""
        expected_kw = self.generation_kw.T
        p_kw = expected_kw.copy()
        rest_kw, rest = at_points_kw[0].copy(), set(range(p_kw.shape[1]))
        for point, name in enumerate(self.register.points[1:], start=1):
            behind = list(self.register.homes_behind(name))
            drawn_kw = at_points_kw[point] - expected_kw[:, behind].sum(axis=1)
            p_kw[:, behind] += drawn_kw[:, None] / max(1, len(behind))
            rest_kw -= at_points_kw[point]
            rest -= set(behind)
        if rest:
            others = sorted(rest)
            drawn_kw = rest_kw - expected_kw[:, others].sum(axis=1)
            p_kw[:, others] += drawn_kw[:, None] / len(others)
        return p_kw, np.maximum(p_kw, 0.0) * REACTIVE_PER_ACTIVE
