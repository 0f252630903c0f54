"""Checks a hosting study before it runs, and says what it will cost.

A hundred draws of a market level take hours where two levels of flows take minutes: one should know
before. The time is an estimate from a short sample on the machine at hand; no result depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, log2
from pathlib import Path
from time import perf_counter

import numpy as np

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.home import Home
from mas2sim.domain.typical_day import Level
from mas2sim.grid import BatchPowerFlow, Connection, connect
from mas2sim.scenario import Case, compose_case
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.grid_source import build_substation
from mas2sim.study.hosting_finding import HostingLimits
from mas2sim.study.hosting_homes import adopt, mixed_homes
from mas2sim.study.hosting_placement import ScenarioFlow, draw_orders, step_homes
from mas2sim.study.hosting_question import (
    FACTS,
    Criterion,
    HostingQuestion,
    Technology,
    TechnologyFacts,
    day_overrides,
    size_kw,
)

CHECKED_DRAWS = 2
"""Draws of a market level that are tried at all penetrations, to see whether bisection is right."""
SAMPLE_DAYS = 2
"""Days whose flow is timed."""
SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class TapGrid:
    """The grid at one tap position.

    Parameters
    ----------
    tap : int or None
        None where a grid's own position is kept.
    setup : CaseSetup
        With the homes without the technology.
    flow : ScenarioFlow
    """

    tap: int | None
    setup: CaseSetup
    flow: ScenarioFlow


@dataclass(frozen=True, slots=True, eq=False)
class HostingPlan:
    """A hosting study that was found in order.

    Parameters
    ----------
    question : HostingQuestion
    case : Case
        With the technology's design day.
    grids : tuple of TapGrid
        In the order of the tap positions asked for.
    adopted : tuple of Home
        All homes with the technology.
    orders : array of int, shape (draw, home)
    steps : tuple of int
        Homes at each penetration, the first 0.
    limits : HostingLimits
    flow_days, worlds : int
        Days of flows, and worlds, that it takes at most.
    seconds : float
        How long that takes on this machine, about.
    """

    question: HostingQuestion
    case: Case
    grids: tuple[TapGrid, ...]
    adopted: tuple[Home, ...]
    orders: IntArray
    steps: tuple[int, ...]
    limits: HostingLimits
    flow_days: int
    worlds: int
    seconds: float

    @property
    def technology(self) -> Technology:
        """What is to be hosted."""
        return Technology(self.question.technology)

    @property
    def facts(self) -> TechnologyFacts:
        """How it is spoken of."""
        return FACTS[self.technology]

    @property
    def sizes_kw(self) -> FloatArray:
        """Size of the technology in each home, shape (home). [kWp or kW]"""
        return np.array([size_kw(home, self.technology) for home in self.adopted])

    @property
    def sentence(self) -> str:
        """What it takes, with an estimate of the time."""
        flows = self.flow_days * self.grids[0].setup.horizon.ptus
        parts = [f"{flows:,} power flows"] if flows else []
        parts += [f"at most {self.worlds:,} worlds"] if self.worlds else []
        return f"{' and '.join(parts)}, about {_duration(self.seconds)}"


def plan_hosting(
    overrides: Sequence[str],
    question: HostingQuestion | None = None,
    *,
    data: Path | None = None,
    threads: int | None = None,
) -> HostingPlan:
    """Check a hosting study and estimate what it takes.

    Parameters
    ----------
    overrides : sequence of str
        Of the case, in Hydra's grammar.
    question : HostingQuestion, optional
    data : Path, optional
        A folder that goes before the shipped ones.
    threads : int, optional
        Threads for power flows; the machine's processors when left out. No result depends on it.

    Raises
    ------
    ConfigurationError
        With every fault of question and overrides.
    """
    question = question or HostingQuestion()
    faults = [*question.faults(), *_reserved_faults(question, overrides)]
    if faults:
        raise ConfigurationError(faults)
    technology = Technology(question.technology)
    day = [*overrides, *day_overrides(technology, overrides)]
    taps: Sequence[int | None] = tuple(question.taps) or (None,)
    case = compose_case(_on_tap(day, taps[0]), data=data)
    faults = _case_faults(case, question, technology)
    if faults:
        raise ConfigurationError(faults)
    own = [*day, *_of_study(question)]
    without = f"smart.{technology}_percent=0"
    grids = tuple(
        _tap_grid(compose_case([*_on_tap(own, tap), without], data=data), threads) for tap in taps
    )
    with_all = [*own, f"smart.{technology}_percent=100", "smart.any_percent=100"]
    owners, _ = build_setup(compose_case(_on_tap(with_all, taps[0]), data=data))
    setup = grids[0].setup
    homes = len(setup.homes)
    question = _fitting(question, homes)
    steps = step_homes(homes, question.penetrations, question.most_percent)
    criteria = tuple(Criterion(each) for each in Criterion if each in question.criteria)
    if case.configuration.power_flow == "balanced":
        criteria = tuple(each for each in criteria if each is not Criterion.UNBALANCE)
    plan = HostingPlan(
        question=question,
        case=case,
        grids=grids,
        adopted=tuple(
            adopt(home, owner, technology)
            for home, owner in zip(setup.homes, owners.homes, strict=True)
        ),
        orders=draw_orders(homes, question.draws, seed=setup.seed, substation=setup.substation),
        steps=steps,
        limits=HostingLimits(setup.limits, criteria),
        flow_days=len(question.flow_levels) * len(taps) * _days(question, steps),
        worlds=len(question.market_levels) * len(taps) * _worlds(question, steps),
        seconds=0.0,
    )
    return replace(plan, seconds=_estimate_s(plan))


def _on_tap(overrides: Sequence[str], tap: int | None) -> list[str]:
    return [*overrides, *([] if tap is None else [f"grid.tap_pos={tap}"])]


def _of_study(question: HostingQuestion) -> list[str]:
    """Overrides that follow from the question."""
    watch = ["market.watch_voltage=true"] if Level.UC3 in question.levels else []
    return [f"levels=[{','.join(question.levels)}]", *watch]


def _tap_grid(case: Case, threads: int | None) -> TapGrid:
    """The grid of a case with an engine for many days; its places are those of the case's own."""
    setup, _ = build_setup(case)
    substation, layout = build_substation(case), setup.flow.layout
    places = enumerate(zip(layout.home_bus, layout.home_phase, strict=True))
    connections = [Connection(f"connection_{at}", bus, phase) for at, (bus, phase) in places]
    flow = BatchPowerFlow(
        connect(substation.network, connections, substation.limits),
        unbalanced=case.configuration.power_flow == "unbalanced",
        threads=threads or os.cpu_count() or 1,
    )
    return TapGrid(case.configuration.grid.tap_pos, setup, flow)


def _reserved_faults(question: HostingQuestion, overrides: Sequence[str]) -> list[Fault]:
    """Overrides of what the study itself sets."""
    reserved = {"levels": "levels", "smart.any_percent": ""}
    reserved |= {f"smart.{question.technology}_percent": "most_percent"}
    if question.taps:
        reserved["grid.tap_pos"] = "taps"
    if Level.UC3 in question.levels:
        reserved["market.watch_voltage"] = ""
    faults = []
    for text in overrides:
        key = text.split("=", 1)[0]
        if key in reserved:
            setting = reserved[key]
            remedy = f"leave it out; {setting} is a setting of the study" if setting else ""
            faults.append(
                Fault(
                    f"override {text}",
                    "set by the study",
                    "any other key",
                    remedy or "leave it out",
                )
            )
    return faults


def _case_faults(case: Case, question: HostingQuestion, technology: Technology) -> list[Fault]:
    """What is wrong with a case only because of what it is asked."""
    configuration, faults = case.configuration, []
    if str(configuration.substation) == "all":
        faults.append(Fault("substation", "all", "one substation", "substation=1"))
    if configuration.population.allocation is not None:
        faults.append(
            Fault(
                "population.allocation",
                "a file that says who owns what",
                "null: the study says who has the technology",
                "population.allocation=null",
            )
        )
    if technology is Technology.HEAT_PUMP and configuration.smart.micro_chp_percent > 0:
        faults.append(
            Fault(
                "smart.micro_chp_percent",
                f"{configuration.smart.micro_chp_percent:g}",
                "0: no home has two central heatings",
                "smart.micro_chp_percent=0",
            )
        )
    if configuration.power_flow == "balanced" and set(question.criteria) == {Criterion.UNBALANCE}:
        faults.append(
            Fault(
                "criteria",
                "unbalance alone, with power_flow=balanced",
                "a flow phase by phase, or another criterion",
                "power_flow=unbalanced",
            )
        )
    return faults


def _fitting(question: HostingQuestion, homes: int) -> HostingQuestion:
    """The question with no more steps of penetration than there are homes up to the top.

    Raises
    ------
    ConfigurationError
        When the highest penetration is less than one home.
    """
    most = int(question.most_percent / 100.0 * homes)
    if most < 1:
        found = f"{question.most_percent:g} % of {homes} homes"
        raise ConfigurationError(
            [Fault("most_percent", found, "one home at least", "most_percent=100")]
        )
    return replace(question, penetrations=min(question.penetrations, most))


def _halvings(steps: Sequence[int]) -> int:
    """Most halvings that it takes to find one home between two steps."""
    widest = max(after - before for before, after in pairwise(steps))
    return ceil(log2(widest)) if widest > 1 else 0


def _days(question: HostingQuestion, steps: Sequence[int]) -> int:
    """Days of flows at one level and tap; without any home, and with all, once for all draws."""
    alike = 2 if question.most_percent == 100.0 else 1
    return question.draws * (len(steps) - alike + _halvings(steps)) + alike


def _worlds(question: HostingQuestion, steps: Sequence[int]) -> int:
    """Most worlds at one level and tap."""
    each = ceil(log2(len(steps))) + _halvings(steps)
    return question.draws * each + min(CHECKED_DRAWS, question.draws) * len(steps)


def _estimate_s(plan: HostingPlan) -> float:
    """Time of the study from a few days of flows and a world of each market level. [s]"""
    grid = plan.grids[0]
    total_s = 0.0
    if plan.flow_days:
        total_s += plan.flow_days * _flow_day_s(grid)
    levels = plan.question.market_levels
    if levels:
        has = np.zeros(len(plan.adopted), dtype=np.bool_)
        has[plan.orders[0, : plan.steps[len(plan.steps) // 2]]] = True
        mixed = mixed_homes(grid.setup.homes, plan.adopted, has)
        # The first world of a process also loads compiled code.
        run_world(replace(grid.setup, levels=tuple(levels)))
        began = perf_counter()
        for level in levels:
            run_world(replace(grid.setup, homes=mixed, levels=(level,)))
        total_s += plan.worlds / len(levels) * (perf_counter() - began)
    return total_s


def _flow_day_s(grid: TapGrid) -> float:
    """Time of one day of flows, loads alone. [s]"""
    fixed_kw = np.array([home.fixed_kw for home in grid.setup.connections]).T
    p_kw = np.repeat(fixed_kw[None], SAMPLE_DAYS, axis=0)
    grid.flow.extremes(p_kw[:1], 0.25 * p_kw[:1])
    began = perf_counter()
    grid.flow.extremes(p_kw, 0.25 * p_kw)
    return (perf_counter() - began) / SAMPLE_DAYS


def _duration(seconds: float) -> str:
    if seconds < SECONDS_PER_MINUTE:
        return f"{max(seconds, 1.0):.0f} s"
    minutes = seconds / SECONDS_PER_MINUTE
    return f"{minutes:.0f} min" if minutes < SECONDS_PER_MINUTE else f"{minutes / 60.0:.1f} h"
