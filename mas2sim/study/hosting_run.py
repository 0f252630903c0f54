"""Runs a planned hosting study: every level at every tap position, on the same draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import GridDay
from mas2sim.study.grid_days import bus_voltages_v
from mas2sim.study.hosting_capacity import DrawCapacity, bisect_draws, scan_draws
from mas2sim.study.hosting_finding import Finding
from mas2sim.study.hosting_homes import power_bank, technology_kwh
from mas2sim.study.hosting_placement import FlowJudge, MarketHomes, Placement, WorldJudge
from mas2sim.study.hosting_plan import CHECKED_DRAWS, HostingPlan, TapGrid
from mas2sim.study.hosting_risk import at_risk
from mas2sim.study.typical_year import Progress

MEDIAN_PERCENT = 50


@dataclass(frozen=True, slots=True, eq=False)
class LevelRun:
    """All draws at one level and tap position.

    Parameters
    ----------
    level : Level
    tap : int or None
    capacities : tuple of DrawCapacity
    findings : tuple of tuple of Finding, shape (draw, step)
        At levels of worlds of the draws tried at all steps alone.
    agree : int or None
        Of those, how many end at the step that bisection found; None where all draws were tried.
    reasons : tuple of str
        Why worlds came to no end.
    day : GridDay or None
        Of the median draw at its first violation.
    """

    level: Level
    tap: int | None
    capacities: tuple[DrawCapacity, ...]
    findings: tuple[tuple[Finding, ...], ...]
    agree: int | None = None
    reasons: tuple[str, ...] = ()
    day: GridDay | None = None

    @property
    def homes(self) -> FloatArray:
        """Capacity of each draw, shape (draw). [homes]"""
        return np.array([float(each.homes) for each in self.capacities])

    def at_least(self, plan: HostingPlan, risk_percent: int) -> bool:
        """Whether homes or size at a risk are known only as at least.

        That is so where a draw that broke no limit is not above them: what it would have hosted
        beyond the highest penetration is not known.
        """
        censored = [each.censored for each in self.capacities]
        return any(
            bool((hosted[censored] <= at_risk(hosted, risk_percent)).any())
            for hosted in (self.homes, self.hosted_kw(plan))
        )

    def hosted_kw(self, plan: HostingPlan) -> FloatArray:
        """Capacity of each draw by size, shape (draw). [kWp or kW]"""
        sizes = plan.sizes_kw
        # Added up in the order of homes, so that the same homes are the same sum in every draw.
        return np.array(
            [sizes[np.sort(plan.orders[each.draw, : each.homes])].sum() for each in self.capacities]
        )


def run_levels(plan: HostingPlan, progress: Progress) -> tuple[LevelRun, ...]:
    """Run all levels at all tap positions; the map is of the first position."""
    question = plan.question
    total, done = plan.flow_days + plan.worlds, 0
    progress(plan.sentence, 0, total)

    def ended(count: int) -> None:
        nonlocal done
        done = min(done + count, total)
        progress(plan.sentence, done, total)

    runs = []
    setup = plan.grids[0].setup
    levels = question.flow_levels
    bank = power_bank(setup, plan.adopted, levels) if levels else None
    cache = ContentCache()
    energy_kwh = np.zeros(len(plan.adopted))
    if question.market_levels:
        energy_kwh = technology_kwh(plan.adopted, plan.technology, setup.horizon)
    for grid in plan.grids:
        for level in levels:
            if bank is not None:
                judge = FlowJudge(plan.orders, bank, level, grid.flow, plan.limits, ended)
                runs.append(_by_flows(plan, grid, level, judge))
        for level in question.market_levels:
            homes = MarketHomes(
                grid.setup, plan.adopted, energy_kwh, question.curtailment_cap_percent
            )
            worlds = WorldJudge(plan.orders, homes, level, grid.flow, plan.limits, ended, cache)
            runs.append(_by_worlds(plan, grid, level, worlds))
    progress(plan.sentence, total, total)
    return tuple(runs)


def _by_flows(plan: HostingPlan, grid: TapGrid, level: Level, judge: FlowJudge) -> LevelRun:
    names = [str(criterion) for criterion in plan.limits.criteria]
    capacities, findings = scan_draws(judge, plan.steps, plan.question.draws, names)
    return LevelRun(
        level=level,
        tap=grid.tap,
        capacities=tuple(capacities),
        findings=tuple(map(tuple, findings)),
        day=_telling_day(plan, grid, level, capacities, judge.powers),
    )


def _by_worlds(plan: HostingPlan, grid: TapGrid, level: Level, judge: WorldJudge) -> LevelRun:
    checked = min(CHECKED_DRAWS, plan.question.draws)
    scanned, findings = scan_draws(judge, plan.steps, checked, ())
    capacities = bisect_draws(judge, plan.steps, plan.question.draws)
    found = [scan.step == each.step for scan, each in zip(scanned, capacities, strict=False)]
    reasons = tuple(
        f"draw {placement.draw}, {placement.homes} homes: {reason}"
        for placement, reason in judge.reasons.items()
    )
    return LevelRun(
        level=level,
        tap=grid.tap,
        # What was tried at all steps is known better than by bisection.
        capacities=(*scanned, *capacities[checked:]),
        findings=tuple(map(tuple, findings)),
        agree=sum(found),
        reasons=reasons,
        day=_telling_day(plan, grid, level, capacities, judge.powers),
    )


def _telling_day(
    plan: HostingPlan,
    grid: TapGrid,
    level: Level,
    capacities: list[DrawCapacity],
    powers: Callable[[Placement], tuple[FloatArray, FloatArray]],
) -> GridDay | None:
    """The day of the median draw at its first violation; without one, at the top."""
    if grid is not plan.grids[0]:
        return None
    ranked = sorted(capacities, key=lambda each: (each.homes, each.draw))
    median = ranked[MEDIAN_PERCENT * len(ranked) // 100]
    homes = plan.steps[-1] if median.broken_homes is None else median.broken_homes
    p_kw, q_kvar = powers(Placement(median.draw, homes))
    state = grid.flow.solve(p_kw, q_kvar)
    low_v, high_v = bus_voltages_v(grid.flow.layout, state)
    return GridDay(
        name=f"{level.value}, {homes} homes with {plan.facts.label} (draw {median.draw})",
        clock_h=grid.setup.horizon.start_hours,
        loading_percent=state.loading_percent,
        low_v=low_v,
        high_v=high_v,
    )
