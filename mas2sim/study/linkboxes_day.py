"""One day of two substations with a link box: each way to switch them solved, judged and scheduled.

A state may be used in a PTU when its flow was solved and it keeps the limits: lines, transformers
and voltages. Where the normal state itself breaks a limit, another one may not make it worse there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.errors import Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.grid.link_boxes import Tie
from mas2sim.grid.linked import LINK_STATES, LinkedFlow, LinkedPair, LinkState
from mas2sim.results.limits_kept import neutral_voltage_v
from mas2sim.study.linkboxes_schedule import (
    NORMAL,
    TIED,
    SwitchingRules,
    best_schedule,
    switchings,
    transformer_starts,
)
from mas2sim.study.typical_year import YearDay

NOT_SOLVED, GAP, LINES, TRANSFORMERS, BAND = (
    "not solved",
    "voltage across the tie",
    "line loading",
    "transformer loading",
    "voltage band",
)
OBSTACLES = (NOT_SOLVED, GAP, LINES, TRANSFORMERS, BAND)
"""What can bar a state."""

LINE, LOAD, NO_LOAD = range(3)
"""Places of the kinds of losses: lines, transformer load, transformer no-load."""

SAME_V, SAME_PERCENT = 1e-6, 1e-6
"""Differences that are rounding of the solver, not a state that makes it worse."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What a state has to keep.

    Parameters
    ----------
    voltage_difference_percent : float
        Greatest voltage across the open tie, as a phasor, at which it may be closed.
    loading_percent : float
        Greatest loading of lines and transformers.
    voltage_band_v : (float, float)
        Least and greatest voltage, phase to neutral. [V]
    """

    voltage_difference_percent: float = 2.0
    loading_percent: float = 100.0
    voltage_band_v: tuple[float, float] = (216.2, 253.0)

    def faults(self) -> list[Fault]:
        """What is wrong with the limits."""
        return [
            Fault(name, f"{getattr(self, name):g}", "more than 0, a number")
            for name in ("voltage_difference_percent", "loading_percent")
            if not 0.0 < getattr(self, name) < np.inf
        ]


@dataclass(frozen=True, slots=True, eq=False)
class LinkDay:
    """One tie on one day at one level.

    Parameters
    ----------
    loss_kw : array, shape (ptu, state, kind)
        Lines, transformer load, transformer no-load; NaN where not solved.
    obstacles : mapping of str to array of bool, shape (ptu, state)
        What bars a state, by the names in `OBSTACLES`.
    states : array of int, shape (ptu)
        The cheapest schedule, as indices of `LINK_STATES`.
    loading_percent : array, shape (ptu, transformer)
        In the normal state.
    rating_kva : array, shape (transformer)
    net_kw : array, shape (ptu, 2)
        Sum of the connections of the first and the second substation.
    normal_kw, tied_kw : array, shape (ptu, transformer)
        Power that transformers draw from the HV grid in these states.
    tie_kw : array, shape (ptu)
        Power over the closed tie from the first to the second, both transformers on.
    spread_eur_per_kwh : array, shape (ptu)
        Price of import less that of export.
    rules : SwitchingRules
    """

    day: YearDay
    level: Level
    tie: Tie
    horizon: Horizon
    loss_kw: FloatArray
    obstacles: Mapping[str, BoolArray]
    states: IntArray
    loading_percent: FloatArray
    rating_kva: FloatArray
    net_kw: FloatArray
    normal_kw: FloatArray
    tied_kw: FloatArray
    tie_kw: FloatArray
    spread_eur_per_kwh: FloatArray
    rules: SwitchingRules

    def __post_init__(self) -> None:
        freeze_fields(self, "loss_kw", "loading_percent", "rating_kva", "net_kw")
        freeze_fields(self, "normal_kw", "tied_kw", "tie_kw", "spread_eur_per_kwh")

    @property
    def hours(self) -> float:
        """Length of a PTU. [h]"""
        return self.horizon.ptu_hours

    @property
    def admissible(self) -> BoolArray:
        """True where nothing bars a state, shape (ptu, state)."""
        return np.asarray(~np.logical_or.reduce([*self.obstacles.values()]))

    @property
    def solved(self) -> BoolArray:
        """True where the normal state was solved, shape (ptu)."""
        return np.asarray(np.isfinite(self.loss_kw[:, NORMAL, LINE]))

    @property
    def not_solved_h(self) -> float:
        """Time in which not even the normal state was solved. [h]"""
        return float((~self.solved).sum() * self.hours)

    @property
    def switchings(self) -> int:
        """Operations of link box and breakers."""
        return switchings(self.states)

    @property
    def transformer_starts(self) -> int:
        """How often a transformer is switched on."""
        return transformer_starts(self.states)

    def hours_in(self, state: LinkState) -> float:
        """Time that the schedule spends in a state. [h]"""
        return float((self.states == LINK_STATES.index(state)).sum() * self.hours)

    @property
    def normal_kwh(self) -> FloatArray:
        """Losses without link boxes, by kind, shape (kind). [kWh]"""
        return self._energy_kwh(self.loss_kw[self.solved, NORMAL])

    @property
    def scheduled_kwh(self) -> FloatArray:
        """Losses of the schedule, by kind, shape (kind). [kWh]"""
        ptus = np.flatnonzero(self.solved)
        return self._energy_kwh(self.loss_kw[ptus, self.states[ptus]])

    @property
    def saved_kwh(self) -> FloatArray:
        """Losses saved by the schedule, by kind; negative where they grow, shape (kind). [kWh]"""
        return np.asarray(self.normal_kwh - self.scheduled_kwh)

    @property
    def saved_eur(self) -> float:
        """What the schedule saves, less what its switchings cost. [EUR]"""
        saved_eur = float(self.saved_kwh.sum()) * self.rules.loss_eur_per_kwh
        return saved_eur - self.switchings * self.rules.switching_eur

    @property
    def potential_kw(self) -> FloatArray:
        """What one substation exports while the other imports, the lesser, shape (ptu). [kW]"""
        exports, imports = np.maximum(-self.net_kw, 0.0), np.maximum(self.net_kw, 0.0)
        return np.asarray(np.minimum(exports, imports[:, ::-1]).sum(axis=1))

    @property
    def moved_kw(self) -> FloatArray:
        """What of it flows over the tie where that may be closed, shape (ptu). [kW]"""
        # The one that exports sends it: from the first to the second when that is the first.
        towards = np.where(self.net_kw[:, 0] < 0.0, self.tie_kw, -self.tie_kw)
        flows = np.clip(np.nan_to_num(towards), 0.0, self.potential_kw)
        return np.where(self.admissible[:, TIED], flows, 0.0)

    @property
    def balanced_kw(self) -> FloatArray:
        """Power of the transformers with the tie closed wherever it may be, shape as `tied_kw`."""
        return np.where(self.admissible[:, [TIED]], self.tied_kw, self.normal_kw)

    def worth_eur(self, power_kw: FloatArray) -> float:
        """Bound on what a power is worth that is bought next door instead of sold here. [EUR]"""
        return float((power_kw * self.spread_eur_per_kwh).sum() * self.hours)

    @property
    def tied_loss_kwh(self) -> float:
        """What losses grow by with the tie closed wherever it may be; saved if negative. [kWh]"""
        total = self.loss_kw.sum(axis=2)
        more = np.where(self.admissible[:, TIED], total[:, TIED] - total[:, NORMAL], 0.0)
        return float(more.sum() * self.hours)

    @property
    def carried_kva(self) -> FloatArray:
        """Apparent power through each transformer in the normal state, shape as its loading."""
        return np.asarray(self.loading_percent * self.rating_kva / 100.0)

    @property
    def both_percent(self) -> FloatArray:
        """Loading of both transformers together in the normal state, shape (ptu). [percent]"""
        return np.asarray(100.0 * self.carried_kva.sum(axis=1) / self.rating_kva.sum())

    def saving_kw(self, state: LinkState) -> FloatArray:
        """Losses that a state saves against the normal one, allowed or not, shape (ptu). [kW]"""
        total = self.loss_kw.sum(axis=2)
        return np.asarray(total[:, NORMAL] - total[:, LINK_STATES.index(state)])

    def _energy_kwh(self, loss_kw: FloatArray) -> FloatArray:
        return np.asarray(loss_kw.sum(axis=0) * self.hours)


def link_day(
    pair: LinkedPair,
    day: YearDay,
    level: Level,
    p_kw: tuple[FloatArray, FloatArray],
    q_kvar: tuple[FloatArray, FloatArray],
    *,
    horizon: Horizon,
    tariff: Tariff,
    limits: LinkLimits,
    rules: SwitchingRules,
) -> LinkDay:
    """Solve all states of a day and find its schedule.

    Parameters
    ----------
    p_kw, q_kvar : two arrays, shape (ptu, connection)
        Power drawn at the connections of the first and of the second substation.
    """
    p, q = np.hstack(p_kw), np.hstack(q_kvar)
    flows = {state: pair.solve(state, p, q) for state in LINK_STATES}
    normal, tied = flows[LinkState.NORMAL], flows[LinkState.TIED]
    barred = {state: _obstacles(pair, state, flow, normal, limits) for state, flow in flows.items()}
    obstacles = {
        name: np.stack([barred[state][name] for state in LINK_STATES], axis=1) for name in OBSTACLES
    }
    loss_kw = np.stack(
        [
            np.stack(
                [
                    flow.grid.loss_line_kw,
                    flow.grid.loss_transformer_load_kw,
                    flow.grid.loss_transformer_no_load_kw,
                ],
                axis=1,
            )
            for flow in flows.values()
        ],
        axis=1,
    )
    admissible = ~np.logical_or.reduce([*obstacles.values()])
    units = pair.substations[LinkState.NORMAL].network.transformers
    return LinkDay(
        day=day,
        level=level,
        tie=pair.tie,
        horizon=horizon,
        loss_kw=loss_kw,
        obstacles=obstacles,
        states=best_schedule(loss_kw.sum(axis=2), admissible, rules, ptu_hours=horizon.ptu_hours),
        loading_percent=normal.grid.loading_percent[:, : len(units)],
        rating_kva=np.array([unit.rating_kva for unit in units]),
        net_kw=np.stack([each.sum(axis=1) for each in p_kw], axis=1),
        normal_kw=normal.transformer_kw,
        tied_kw=tied.transformer_kw,
        tie_kw=tied.tie_kw[:, 0],
        spread_eur_per_kwh=tariff.import_eur_per_kwh - tariff.export_eur_per_kwh,
        rules=rules,
    )


def _obstacles(
    pair: LinkedPair, state: LinkState, flow: LinkedFlow, normal: LinkedFlow, limits: LinkLimits
) -> dict[str, BoolArray]:
    """What bars a state, each of shape (ptu); the normal one is barred only where unsolved."""
    none = np.zeros(len(flow.grid.converged), dtype=bool)
    barred = dict.fromkeys(OBSTACLES, none)
    unsolved = ~(flow.grid.converged & normal.grid.converged)
    if state is LinkState.NORMAL:
        return barred | {NOT_SOLVED: unsolved}
    here, before = pair.substations[state].layout, pair.substations[LinkState.NORMAL].layout
    place = {branch.name: index for index, branch in enumerate(before.branches)}
    # The tie itself carries nothing while it is open.
    usual = np.hstack([normal.grid.loading_percent, np.zeros((len(none), 1))])
    usual = usual[:, [place.get(branch.name, -1) for branch in here.branches]]
    bound = np.maximum(limits.loading_percent, usual + SAME_PERCENT)
    over = flow.grid.loading_percent > bound
    units = len(pair.substations[state].network.transformers)
    barred |= {
        NOT_SOLVED: unsolved,
        TRANSFORMERS: np.asarray(over[:, :units].any(axis=1)),
        LINES: np.asarray(over[:, units:].any(axis=1)),
        BAND: _leaves_band(pair, flow, normal, limits),
    }
    if state is LinkState.TIED:
        gap = normal.gap_percent[:, 0]
        barred[GAP] = gap > limits.voltage_difference_percent
    return barred


def _leaves_band(
    pair: LinkedPair, flow: LinkedFlow, normal: LinkedFlow, limits: LinkLimits
) -> BoolArray:
    """Whether a voltage is outside the band and further out than in the normal state."""
    layout = pair.substations[LinkState.NORMAL].layout
    buses = list(layout.low_voltage)
    nominal_v = neutral_voltage_v(layout)[buses][:, None]
    volts, usual = (each.grid.vm_pu[:, buses] * nominal_v for each in (flow, normal))
    least, greatest = limits.voltage_band_v
    low = volts < np.minimum(least, usual - SAME_V)
    high = volts > np.maximum(greatest, usual + SAME_V)
    return np.asarray((low | high).any(axis=(1, 2)))
