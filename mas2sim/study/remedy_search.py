"""Search for the reinforcement that keeps a grid within its ratings and voltage band.

Transformers and lines that are overloaded are made larger first. Voltages are mended by a tap where
one will do, since it costs next to nothing; what is left, by larger cables on the way to the worst
node, stretch by stretch, the most volts per EUR first. The search looks at the worst PTUs; what it
finds is solved again for all of them, so nothing is said to be mended that was not seen to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.grid_state import SERVICE, GridState
from mas2sim.domain.limits import GridLimits
from mas2sim.grid import Connection, Network, Substation, connect, power_flow
from mas2sim.study.congestion_year import LevelYear
from mas2sim.study.grid_days import bus_voltages_v
from mas2sim.study.reinforcement import (
    exchanged,
    feeding_units,
    larger_cables,
    low_voltage_lines,
    relaid,
    sections,
    tapped,
    way_to,
    with_lines,
)
from mas2sim.study.remedy_prices import RemedyKit, RemedyTerms

WORST_PTUS = 16
"""PTUs with the worst value of each kind that the search looks at. [C] They span the hours around a
peak of a few days; whatever they miss is found by solving all, and joins them."""
WORST_AT_NODE = 4
"""PTUs by which the cables on the way to a node are chosen. [C]"""
FLOWS_AT_ONCE = 768
"""Flows of a network that are solved and let go together. [C]"""
MOST_ROUNDS = 6
"""Rounds of search and check; each adds the PTUs that were still amiss."""


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """Worst values of each time over all assets, and of each branch over all times.

    Parameters
    ----------
    unit_percent, line_percent : array, shape (time)
        Greatest loading; 0 without such a branch, NaN where not solved.
    high_v, low_v : array, shape (time)
    branch_percent : array, shape (branch)
    solved : array of bool, shape (time)
    """

    unit_percent: FloatArray
    line_percent: FloatArray
    high_v: FloatArray
    low_v: FloatArray
    branch_percent: FloatArray
    solved: BoolArray

    def __post_init__(self) -> None:
        freeze_fields(self, "unit_percent", "line_percent", "high_v", "low_v", "branch_percent")

    def amiss(self, limits: GridLimits) -> BoolArray:
        """True where a rating or the band is not kept, or not known to be, shape (time)."""
        return np.asarray(self._by_kind(limits).any(axis=0))

    def amiss_by_kind(self, limits: GridLimits) -> int:
        """Times that are amiss, one with several kinds of limits left counted for each of them."""
        return int(self._by_kind(limits).sum())

    def _by_kind(self, limits: GridLimits) -> BoolArray:
        """True where a kind of limit is not kept, or not known to be, shape (kind, time)."""
        beyond = [
            self.unit_percent > limits.loading_percent,
            self.line_percent > limits.loading_percent,
            self.high_v > limits.voltage_max_v,
            self.low_v < limits.voltage_min_v,
        ]
        return np.stack([each | ~self.solved for each in beyond])

    def worst(self) -> IntArray:
        """Times with the worst values of each kind."""
        kinds = (self.unit_percent, self.line_percent, self.high_v, -self.low_v)
        found = [
            np.where(np.isfinite(kind), kind, -np.inf).argsort(kind="stable")[-WORST_PTUS:]
            for kind in kinds
        ]
        return np.unique(np.concatenate(found))


@dataclass(frozen=True, slots=True, eq=False)
class Reinforced:
    """A network made stronger, and what was done to it.

    Parameters
    ----------
    network : Network
    cables : mapping of int to str
        Cable that a line was relaid with, by the line's place.
    units : mapping of int to str
        Unit that a transformer was exchanged for.
    tap_steps : float
        Steps by which taps were moved.
    no_unit, no_cable : tuple of int
        Transformers and lines for whose load nothing in the tables is large enough.
    """

    network: Network
    cables: Mapping[int, str] = field(default_factory=dict)
    units: Mapping[int, str] = field(default_factory=dict)
    tap_steps: float = 0.0
    no_unit: tuple[int, ...] = ()
    no_cable: tuple[int, ...] = ()


class RemedySearch:
    """The powers of a year at one level, and how a network bears them.

    Parameters
    ----------
    year : LevelYear
    substation : Substation
        The grid of the year; its own connections are replaced by those of the year.
    unbalanced : bool
    """

    def __init__(
        self,
        year: LevelYear,
        substation: Substation,
        kit: RemedyKit,
        terms: RemedyTerms,
        *,
        unbalanced: bool,
    ) -> None:
        self._substation, self._kit, self._terms = substation, kit, terms
        self._limits, self._unbalanced = year.grid_limits, unbalanced
        self._p_kw, self._q_kvar = np.concatenate(year.p_kw), np.concatenate(year.q_kvar)
        places = zip(year.layout.home_bus, year.layout.home_phase, strict=True)
        self._homes = tuple(
            Connection(f"connection {k}", bus, phase) for k, (bus, phase) in enumerate(places)
        )
        self._times = np.arange(len(self._p_kw))

    def extremes(self, network: Network, times: IntArray | None = None) -> Extremes:
        """Solve the year, or some of its times, with another network."""
        chosen = self._times if times is None else times
        substation = connect(network, self._homes, self._limits)
        flow = power_flow(substation, unbalanced=self._unbalanced)
        units = len(network.transformers)
        parts = []
        for start in range(0, len(chosen), FLOWS_AT_ONCE):
            some = chosen[start : start + FLOWS_AT_ONCE]
            state = flow.solve(self._p_kw[some], self._q_kvar[some])
            parts.append(_extremes(substation, state, units))
        return _joined(parts)

    def reinforce(self) -> tuple[Extremes, Reinforced, Extremes]:
        """Search, check, and search again with what the check found.

        Returns
        -------
        before : Extremes
        found : Reinforced
        after : Extremes
            Over all PTUs, with the network found.
        """
        before = self.extremes(self._substation.network)
        nothing = Reinforced(self._substation.network)
        found, after = nothing, before
        times, settled = before.worst(), False
        for _ in range(MOST_ROUNDS):
            if not after.amiss(self._limits).any():
                break
            rated = self._with_larger_lines(self._with_larger_units(found, after), after)
            # Once anything was done for voltages, cables were chosen for the tap as it is.
            found = rated if settled else self._with_tap(rated, times)
            found = self._with_stretches(found, times)
            settled = settled or found is not rated
            checked = self.extremes(found.network)
            more = np.union1d(times, checked.worst())
            after, stuck = checked, more.size == times.size and not self._overloaded(checked)
            if stuck:
                break
            times = more
        # By kinds: to mend an overload helps, though the voltage stays too high all the while.
        if after.amiss_by_kind(self._limits) < before.amiss_by_kind(self._limits):
            return before, found, after
        # What does not help is not recommended; what is too large for the tables is still told.
        return before, replace(nothing, no_unit=found.no_unit, no_cable=found.no_cable), before

    def _overloaded(self, extremes: Extremes) -> bool:
        return bool((extremes.branch_percent > self._limits.loading_percent).any())

    def _needed(self, rating: float, loading_percent: float) -> float:
        return rating * loading_percent / 100.0 * (1.0 + self._terms.margin_percent / 100.0)

    def _with_larger_units(self, found: Reinforced, extremes: Extremes) -> Reinforced:
        network, units, without = found.network, dict(found.units), set(found.no_unit)
        transformers = list(network.transformers)
        for k, unit in enumerate(transformers):
            loading = float(extremes.branch_percent[k])
            if not loading > self._limits.loading_percent:
                continue
            kind = self._kit.unit_for(self._needed(unit.rating_kva, loading), unit.vn_hv_kv)
            if kind is None:
                without.add(k)
                continue
            transformers[k] = exchanged(unit, kind)
            units[k] = kind.transformer
        changed = replace(network, transformers=tuple(transformers))
        return replace(found, network=changed, units=units, no_unit=tuple(sorted(without)))

    def _with_larger_lines(self, found: Reinforced, extremes: Extremes) -> Reinforced:
        """Relay overloaded lines, and all thinner ones on the way to them."""
        network, first = found.network, len(found.network.transformers)
        cables, without = dict(found.cables), set(found.no_cable)
        low = set(low_voltage_lines(network))
        chosen: dict[int, float] = {}
        for k, line in enumerate(network.lines):
            loading = float(extremes.branch_percent[first + k])
            if not loading > self._limits.loading_percent:
                continue
            cable = self._kit.cable_for(self._needed(line.rating_a, loading))
            # The cables of the tables are for low voltage.
            if cable is None or k not in low:
                without.add(k)
                continue
            thinner = [
                j
                for j in way_to(network, line.to_bus)
                if network.lines[j].rating_a < cable.rating_a
            ]
            for j in {*thinner, k}:
                chosen[j] = max(chosen.get(j, 0.0), cable.rating_a)
        lines = {}
        for j, rating_a in chosen.items():
            cable = self._kit.cable_for(rating_a)
            if cable is not None:
                lines[j], cables[j] = relaid(network.lines[j], cable), cable.cable
        changed = with_lines(network, lines)
        return replace(found, network=changed, cables=cables, no_cable=tuple(sorted(without)))

    def _excess_v(self, network: Network, times: IntArray) -> FloatArray:
        """By how much each bus leaves the band, shape (time, bus); NaN where not solved. [V]"""
        substation = connect(network, self._homes, self._limits)
        flow = power_flow(substation, unbalanced=self._unbalanced)
        state = flow.solve(self._p_kw[times], self._q_kvar[times])
        low_v, high_v = bus_voltages_v(substation.layout, state)
        limits = self._limits
        return np.maximum(high_v - limits.voltage_max_v, limits.voltage_min_v - low_v)

    def _with_tap(self, found: Reinforced, times: IntArray) -> Reinforced:
        """Move the taps by as few steps as will do, or to where the worst voltage is least bad."""
        network, most = found.network, self._terms.tap_steps
        feeding = feeding_units(network)
        if not feeding:
            return found
        at = [network.transformers[k].tap_steps for k in feeding]
        steps = [
            float(step)
            for step in range(-2 * most, 2 * most + 1)
            if all(-most <= each + step <= most for each in at)
        ]
        worst_v = {
            step: _greatest(self._excess_v(tapped(network, step), times))
            for step in sorted({0.0, *steps}, key=abs)
        }
        best = min(worst_v, key=lambda step: (max(worst_v[step], 0.0), abs(step)))
        if best == 0.0:
            return found
        return replace(found, network=tapped(network, best), tap_steps=best)

    def _with_stretches(self, found: Reinforced, times: IntArray) -> Reinforced:
        """Relay stretches of main towards the worst node, the most volts per EUR first.

        Nothing is spent on a node that the best cables everywhere would not mend.
        """
        lost_v = self._excess_v(self._with_best_cables(found.network), times)
        hopeless = np.fmax.reduce(lost_v, axis=0, initial=-np.inf) > 0.0
        excess_v = self._excess_v(found.network, times)
        while True:
            excess_v[:, hopeless] = np.nan
            at_bus = np.fmax.reduce(excess_v, axis=0, initial=-np.inf)
            bus = int(at_bus.argmax())
            if not at_bus[bus] > 0.0:
                return found
            known = np.where(np.isfinite(excess_v[:, bus]), excess_v[:, bus], -np.inf)
            better = self._best_stretch(
                found, bus, times[known.argsort(kind="stable")[-WORST_AT_NODE:]]
            )
            if better is None:
                hopeless[bus] = True
            else:
                found = better
                excess_v = self._excess_v(found.network, times)

    def _with_best_cables(self, network: Network) -> Network:
        """The network with the best cable in each low-voltage line but the services."""
        lines = {}
        for k in low_voltage_lines(network):
            larger = larger_cables(network.lines[k], self._kit.cables)
            if larger and network.lines[k].kind != SERVICE:
                best = min(larger, key=lambda cable: cable.r1_ohm_per_km)
                lines[k] = relaid(network.lines[k], best)
        return with_lines(network, lines)

    def _best_stretch(self, found: Reinforced, bus: int, times: IntArray) -> Reinforced | None:
        network = found.network
        before_v = _greatest(self._excess_v(network, times)[:, [bus]])
        best: tuple[float, Reinforced] | None = None
        for stretch in sections(network, way_to(network, network.buses[bus].name)):
            for cable in larger_cables(network.lines[stretch[0]], self._kit.cables):
                lines = {k: relaid(network.lines[k], cable) for k in stretch}
                trial = with_lines(network, lines)
                gain_v = before_v - _greatest(self._excess_v(trial, times)[:, [bus]])
                laid = dict.fromkeys(stretch, cable.cable)
                cost = self._cost(found, laid)
                if gain_v > 0.0 and (best is None or gain_v / cost > best[0]):
                    more = {**found.cables, **laid}
                    best = gain_v / cost, replace(found, network=trial, cables=more)
        return None if best is None else best[1]

    def _cost(self, found: Reinforced, laid: Mapping[int, str]) -> float:
        """What it costs to lay these cables as well; one laid already only counts the better."""
        per_m = self._kit.cable_eur_per_m
        cost = sum(
            found.network.lines[k].length_m
            * (per_m[cable] - per_m[found.cables[k]] if k in found.cables else per_m[cable])
            for k, cable in laid.items()
        )
        return max(cost, 1.0)


def _extremes(substation: Substation, state: GridState, units: int) -> Extremes:
    low_v, high_v = bus_voltages_v(substation.layout, state)
    loading = state.loading_percent
    return Extremes(
        unit_percent=_most(loading[:, :units], state.converged),
        line_percent=_most(loading[:, units:], state.converged),
        high_v=np.fmax.reduce(high_v, axis=1),
        low_v=np.fmin.reduce(low_v, axis=1),
        branch_percent=np.fmax.reduce(loading, axis=0),
        solved=state.converged,
    )


def _most(loading: FloatArray, solved: BoolArray) -> FloatArray:
    """Greatest of each time; 0 where there is nothing to be loaded."""
    greatest = np.fmax.reduce(loading, axis=1, initial=0.0)
    return np.where(solved, greatest, np.nan)


def _joined(parts: Sequence[Extremes]) -> Extremes:
    return Extremes(
        unit_percent=np.concatenate([part.unit_percent for part in parts]),
        line_percent=np.concatenate([part.line_percent for part in parts]),
        high_v=np.concatenate([part.high_v for part in parts]),
        low_v=np.concatenate([part.low_v for part in parts]),
        branch_percent=np.fmax.reduce([part.branch_percent for part in parts], axis=0),
        solved=np.concatenate([part.solved for part in parts]),
    )


def _greatest(values: FloatArray) -> float:
    return float(np.fmax.reduce(values, axis=None, initial=-np.inf))
