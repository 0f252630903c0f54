"""The year as studies of a grid see it: fifteen typical days under three skies, and design days.

Sums over a year are weighted by how often a day occurs; maxima are maxima. A design day stands for
no day of the year: it is there for the worst that a planner has to expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import DayType, Level, Season, Weather
from mas2sim.population.tables import read_tables
from mas2sim.results import CaseRecord
from mas2sim.scenario import Case
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.sweep import compose_many
from mas2sim.scenario.year import days_of_year

Progress = Callable[[str, int, int], None]

COLD_SPELL_K = -7.0
"""A cold spell is this much colder than the mean of winter, about 0 C in Cardiff [A]."""


@dataclass(frozen=True, slots=True)
class YearDay:
    """One day of a study's year.

    Parameters
    ----------
    name : str
        E.g. ``"winter weekday, cloudy"``.
    overrides : tuple of str
        What makes a case this day.
    days : float
        Days of the year that it stands for; 0 for a design day.
    """

    name: str
    overrides: tuple[str, ...]
    days: float

    @property
    def is_design_day(self) -> bool:
        """Whether it counts in maxima only."""
        return self.days == 0

    def choice(self, group: str) -> str:
        """What makes the day in one group of overrides, e.g. its season."""
        return dict(text.split("=", 1) for text in self.overrides)[group]


@dataclass(frozen=True, slots=True, eq=False)
class DayRun:
    """One day of the year, run at all levels."""

    day: YearDay
    setup: CaseSetup
    record: CaseRecord


DESIGN_DAYS = (
    YearDay(
        "cold spell, winter weekday, cloudy",
        (
            "season=winter",
            "day=weekday",
            "weather=cloudy",
            f"population.air_offset_k={COLD_SPELL_K:g}",
        ),
        0.0,
    ),
    YearDay("clear summer Sunday", ("season=summer", "day=sunday", "weather=sunny"), 0.0),
)


def typical_year(profiles: Path) -> tuple[YearDay, ...]:
    """The 45 days that make up a year; their weights sum to its days.

    Parameters
    ----------
    profiles : Path
        Folder with seasons.csv, which has the days of each season and how often each weather is.
    """
    tables = read_tables(profiles)
    days = []
    for season, day, weather in product(Season, DayType, Weather):
        days.append(
            YearDay(
                f"{season.value.replace('_', ' ')} {day.value}, {weather.value}",
                (f"season={season.value}", f"day={day.value}", f"weather={weather.value}"),
                days_of_year(season, day, weather, tables),
            )
        )
    return tuple(days)


def run_days(
    days: Sequence[YearDay],
    overrides: Sequence[str],
    *,
    levels: Sequence[Level],
    data: Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Iterator[DayRun]:
    """Run each day at all levels; all cases are composed, and so checked, before the first runs.

    Raises
    ------
    ConfigurationError
        With every fault of the overrides; among them an override of what makes a day.
    """
    cases = compose_days(days, overrides, levels=levels, data=data)
    for done, (day, case) in enumerate(zip(days, cases, strict=True)):
        progress("run the days of the year", done, len(days))
        setup, _ = build_setup(case)
        yield DayRun(day, setup, run_world(setup).record)
    progress("run the days of the year", len(days), len(days))


def compose_days(
    days: Sequence[YearDay],
    overrides: Sequence[str],
    *,
    levels: Sequence[Level],
    data: Path | None = None,
) -> tuple[Case, ...]:
    """Compose the case of each day.

    Raises
    ------
    ConfigurationError
        With every fault of the overrides.
    """
    own = {text.split("=", 1)[0] for day in days for text in day.overrides} | {"levels"}
    faults = [
        Fault(f"override {text}", "set by the study", "any other key", "leave it out")
        for text in overrides
        if text.split("=", 1)[0] in own
    ]
    if faults:
        raise ConfigurationError(faults)
    named = f"levels=[{','.join(level.value for level in levels)}]"
    return compose_many([*overrides, named], [day.overrides for day in days], data=data)
