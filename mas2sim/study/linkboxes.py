"""Link boxes: what closing ties between neighbouring substations saves, and what it moves.

Each tie is studied alone, with the two substations that it joins, over the days of a year. The
workshop of the original project expected little of the losses and more of balancing (D6.1, C.1.4);
the figures say whether that holds here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.grid_state import GridLayout
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import DayType, Level, Weather
from mas2sim.grid import Connection, Substation
from mas2sim.grid.link_boxes import Tie, chosen_ties, link_box_file, read_ties
from mas2sim.grid.linked import LinkedPair, LinkedPart
from mas2sim.grid.recipe import read_kit, recipe_numbers
from mas2sim.results.study_result import GridDay, StudyResult
from mas2sim.scenario import Case, compose_case
from mas2sim.scenario.grid_source import build_substation
from mas2sim.study.grid_days import DayLevel, day_levels, site_deg
from mas2sim.study.linkboxes_day import LinkDay, LinkLimits, link_day
from mas2sim.study.linkboxes_findings import facts_of, failures_of, headlines_of, notes_of
from mas2sim.study.linkboxes_map import map_days, map_layout, telling_day
from mas2sim.study.linkboxes_schedule import SwitchingRules
from mas2sim.study.linkboxes_tables import linkbox_tables
from mas2sim.study.linkboxes_year import link_years
from mas2sim.study.typical_year import Progress, YearDay, compose_days, run_days, typical_year

KIND = "linkboxes"
DEFAULT_LEVELS = (Level.BASELINE, Level.UC1)


def _weekday(day: YearDay) -> bool:
    return day.choice("day") == DayType.WEEKDAY.value


def _variable_weekday(day: YearDay) -> bool:
    return _weekday(day) and day.choice("weather") == Weather.VARIABLE.value


DAY_CHOICES: Mapping[str, Callable[[YearDay], bool]] = MappingProxyType(
    {
        "all": lambda _day: True,
        "weekdays": _weekday,
        "variable weekdays": _variable_weekday,
    }
)
"""Which of the year's days are run: all 45, or fewer where the answer has to come sooner."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """What was asked, checked."""

    case: Case
    ties: tuple[Tie, ...]
    substations: Mapping[int, Substation]
    days: tuple[YearDay, ...]
    levels: tuple[Level, ...]
    limits: LinkLimits
    rules: SwitchingRules


def linkbox_study(
    overrides: Sequence[str],
    *,
    levels: Sequence[Level] = DEFAULT_LEVELS,
    ties: Sequence[str] | None = None,
    days: str = "all",
    limits: LinkLimits | None = None,
    rules: SwitchingRules | None = None,
    data: Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> StudyResult:
    """Study the link boxes of a grid over a year.

    Parameters
    ----------
    overrides : sequence of str
        Of the case; substation, days and levels are the study's own.
    levels : sequence of Level
    ties : sequence of str, optional
        Names in the grid's link_boxes.yaml; all when left out.
    days : str
        A key of `DAY_CHOICES`.
    limits : LinkLimits, optional
        What a state has to keep; its voltage band is that of the case, whatever it says.
    rules : SwitchingRules, optional
        What switching is allowed to be, and what losses and switchings cost.
    data : Path, optional
        A folder that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With what is wrong with the settings, the case, its grids or link boxes, before anything
        runs.
    """
    asked = _question(
        overrides, levels, ties, days, limits or LinkLimits(), rules or SwitchingRules(), data
    )
    powers = _powers(asked, overrides, data, progress)
    years = link_years([_link_day(asked, each) for each in powers])
    layout, days_shown = _mapped(asked, overrides, data, telling_day(years))
    return StudyResult(
        kind=KIND,
        title=f"Link boxes of {asked.case.axes['grid']}",
        facts=facts_of(years, asked.case, asked.limits, asked.rules),
        headlines=headlines_of(years),
        tables=linkbox_tables(years, asked.substations),
        notes=notes_of(years, asked.limits, asked.rules),
        failures=failures_of(years),
        layout=layout,
        voltage_band_v=asked.limits.voltage_band_v,
        days=days_shown,
        site_deg=site_deg(asked.case),
    )


def _question(
    overrides: Sequence[str],
    levels: Sequence[Level],
    ties: Sequence[str] | None,
    days: str,
    limits: LinkLimits,
    rules: SwitchingRules,
    data: Path | None,
) -> _Question:
    """Check all that was asked."""
    faults = [*limits.faults(), *rules.faults()]
    if not levels:
        faults.append(Fault("levels", "none", "at least one, e.g. baseline"))
    if days not in DAY_CHOICES:
        faults.append(Fault("days", repr(days), f"one of {', '.join(DAY_CHOICES)}"))
    faults += [
        Fault(f"override {text}", "set by the study", "any other key", "leave it out")
        for text in overrides
        if text.split("=", 1)[0] == "substation"
    ]
    if faults:
        raise ConfigurationError(faults)
    case = compose_case(overrides, data=data)
    grid = case.configuration.grid
    directory = case.grids / grid.name
    link_box_file(directory)
    year = tuple(day for day in typical_year(case.profiles) if DAY_CHOICES[days](day))
    # Refuses what the study sets itself; the days are composed whole when they are run.
    compose_days(year[:1], overrides, levels=levels, data=data)
    numbers = recipe_numbers(directory)
    substations = {number: build_substation(_of_substation(case, number)) for number in numbers}
    layouts = {number: each.layout for number, each in substations.items()}
    known = read_ties(directory, layouts, read_kit(directory, numbers[0]).cables)
    chosen = chosen_ties(known, ties)
    band_v = (grid.voltage_min_v, grid.voltage_max_v)
    return _Question(
        case=case,
        ties=chosen,
        substations=substations,
        days=year,
        levels=tuple(levels),
        limits=replace(limits, voltage_band_v=band_v),
        rules=rules,
    )


def _of_substation(case: Case, number: int) -> Case:
    configuration = case.configuration.model_copy(update={"substation": number})
    return replace(case, configuration=configuration)


@dataclass(frozen=True, slots=True, eq=False)
class _Powers:
    """A tie on one day at one level, before its states are solved."""

    pair: LinkedPair
    day: YearDay
    tariff: Tariff
    parts: tuple[DayLevel, DayLevel]


def _powers(
    asked: _Question,
    overrides: Sequence[str],
    data: Path | None,
    progress: Progress,
) -> Iterator[_Powers]:
    """Every tie on every day at every level; each substation's day is run once."""
    needed = sorted({number for tie in asked.ties for number in tie.substations})
    days = [
        YearDay(f"{day.name}, substation {number}", (*day.overrides, f"substation={number}"), 0.0)
        for day in asked.days
        for number in needed
    ]
    runs = run_days(days, overrides, levels=asked.levels, data=data, progress=progress)
    pairs: dict[str, LinkedPair] = {}
    unbalanced = asked.case.configuration.power_flow == "unbalanced"
    for day in asked.days:
        today = {}
        for number in needed:
            run = next(runs)
            today[number] = run.setup.tariff, {each.level: each for each in day_levels(run)}
        for tie, level in product(asked.ties, asked.levels):
            tariff, first = today[tie.substations[0]]
            both = first[level], today[tie.substations[1]][1][level]
            if tie.name not in pairs:
                parts = (
                    _part(number, asked.substations[number], each)
                    for number, each in zip(tie.substations, both, strict=True)
                )
                pairs[tie.name] = LinkedPair(tie, *parts, unbalanced=unbalanced)
            yield _Powers(pairs[tie.name], day, tariff, both)
    # The last step of the progress comes after the last day.
    for _ in runs:
        pass


def _link_day(asked: _Question, powers: _Powers) -> LinkDay:
    first, second = powers.parts
    return link_day(
        powers.pair,
        powers.day,
        first.level,
        (first.p_kw, second.p_kw),
        (first.q_kvar, second.q_kvar),
        horizon=first.horizon,
        tariff=powers.tariff,
        limits=asked.limits,
        rules=asked.rules,
    )


def _mapped(
    asked: _Question, overrides: Sequence[str], data: Path | None, day: LinkDay
) -> tuple[GridLayout, tuple[GridDay, ...]]:
    """The map of a day, which is run again: to keep all of them would take some gigabytes."""
    again = replace(asked, ties=(day.tie,), days=(day.day,))
    of_level = (
        each
        for each in _powers(again, overrides, data, lambda _stage, _done, _total: None)
        if each.parts[0].level is day.level
    )
    powers = next(of_level)
    p_kw, q_kvar = (
        np.hstack([getattr(each, name) for each in powers.parts]) for name in ("p_kw", "q_kvar")
    )
    return map_layout(powers.pair), map_days(powers.pair, day, p_kw, q_kvar)


def _part(number: int, substation: Substation, day: DayLevel) -> LinkedPart:
    """The substation with a connection for each power of a day."""
    places = zip(day.layout.home_bus, day.layout.home_phase, strict=True)
    connections = [
        Connection(f"connection {index}", bus, phase)
        for index, (bus, phase) in enumerate(places, start=1)
    ]
    return LinkedPart(number, substation.network, connections)
