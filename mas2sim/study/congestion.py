"""Where and when a grid is congested over a year, by level, and what it would take instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Headline, StudyResult
from mas2sim.scenario import Case, compose_case
from mas2sim.scenario.grid_source import build_substation
from mas2sim.study.congestion_limits import EXPORT, HIGH_V, IMPORT, LOW_V, UNIT
from mas2sim.study.congestion_overview import (
    days_table,
    duration_table,
    regimes_table,
    reverse_table,
    substation_reverse,
    summary_table,
)
from mas2sim.study.congestion_tables import assets_table, nodes_table
from mas2sim.study.congestion_year import LevelYear, gather_year
from mas2sim.study.grid_days import site_deg
from mas2sim.study.remedies import remedies_table
from mas2sim.study.remedy_prices import RemedyTerms, read_remedy_kit
from mas2sim.study.typical_year import DESIGN_DAYS, Progress, YearDay, run_days, typical_year

LEVELS = (Level.BASELINE, Level.UC1)


def congestion_study(
    overrides: Sequence[str] = (),
    *,
    levels: Sequence[Level] = LEVELS,
    terms: RemedyTerms | None = None,
    days: Sequence[YearDay] | None = None,
    data: Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> StudyResult:
    """Measure a year of typical days, and the design days beside it, against every limit.

    Parameters
    ----------
    overrides : sequence of str
        Of the case, in Hydra's grammar; the study sets season, day, weather and levels.
    levels : sequence of Level
    terms : RemedyTerms, optional
        What reinforcement is reckoned with.
    days : sequence of YearDay, optional
        Other days than the typical year and the design days.
    data : Path, optional
        A folder that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With what is wrong with the overrides, levels or terms, before anything is computed.
    """
    checked_levels(levels)
    case = compose_case(overrides, data=data)
    terms = terms or RemedyTerms()
    kit = read_remedy_kit(case.grids)
    substation = build_substation(case)
    chosen = checked_days((*typical_year(case.profiles), *DESIGN_DAYS) if days is None else days)
    runs = run_days(chosen, overrides, levels=levels, data=data, progress=progress)
    years, maps = gather_year(runs)
    unbalanced = case.configuration.power_flow == "unbalanced"
    remedies = remedies_table(
        years, substation, kit, terms, unbalanced=unbalanced, progress=progress
    )
    limits = years[0].grid_limits
    return StudyResult(
        kind="congestion",
        title=f"Congestion of {substation.name}",
        facts=year_facts(case, years[0]),
        headlines=_headlines(years),
        tables=(
            summary_table(years),
            assets_table(years),
            nodes_table(years),
            remedies,
            days_table(years),
            regimes_table(years),
            reverse_table(years),
            duration_table(years),
        ),
        notes=_notes(years[0], terms),
        failures=not_solved(years),
        layout=years[0].layout,
        voltage_band_v=(limits.voltage_min_v, limits.voltage_max_v),
        days=maps,
        site_deg=site_deg(case),
    )


def checked_levels(levels: Sequence[Level]) -> None:
    """Refuse levels that no study of a grid can compare.

    Raises
    ------
    ConfigurationError
        Without any level, or with one named twice.
    """
    if not levels or len(set(levels)) < len(levels):
        found = ", ".join(level.value for level in levels) or "none"
        allowed = "one level at least, each once"
        raise ConfigurationError(
            [Fault("levels", found, allowed, ", ".join(level.value for level in LEVELS))]
        )


def checked_days(days: Sequence[YearDay]) -> tuple[YearDay, ...]:
    """Refuse days that make up no part of a year.

    Raises
    ------
    ConfigurationError
        When none of them has a weight.
    """
    if all(day.is_design_day for day in days):
        found = "design days alone" if days else "none"
        raise ConfigurationError([Fault("days", found, "one day at least that has a weight")])
    return tuple(days)


def year_facts(case: Case, year: LevelYear) -> list[tuple[str, str]]:
    """What was asked, for the head of a page."""
    configuration, limits = case.configuration, year.grid_limits
    design = sum(day.is_design_day for day in year.days)
    operating = (
        f"{limits.transformer_import_kw:g} kW import, {limits.transformer_export_kw:g} kW export, "
        "sum of the connections"
    )
    return [
        ("grid", f"{configuration.grid.name}, {year.layout.name}"),
        ("homes and other connections", str(len(year.layout.home_bus))),
        ("scenario", f"{configuration.smart.name}, flexibility {configuration.flexibility.name}"),
        ("tariff", configuration.tariff.name),
        ("power flow", configuration.power_flow),
        ("days", f"{len(year.days) - design} typical, {design} design days"),
        ("changes", case.changes or "none"),
        ("operating limits", operating),
        ("voltage band", f"{limits.voltage_min_v:g} to {limits.voltage_max_v:g} V"),
    ]


def not_solved(years: Sequence[LevelYear]) -> list[str]:
    """Days with PTUs that have no solution, in sentences."""
    return [
        f"{day.name}, {year.level.value}: {int((~solved).sum())} of {solved.size} PTUs not solved; "
        f"first at {year.horizon.clock(int(np.flatnonzero(~solved)[0]))}"
        for year in years
        for day, solved in zip(year.days, year.solved, strict=True)
        if not solved.all()
    ]


def _headlines(years: Sequence[LevelYear]) -> list[Headline]:
    found = []
    for year in years:
        level = year.level.value
        found += [
            Headline(
                f"Ratings and standards not kept, {level}",
                f"{year.hours_beyond():.1f}",
                "h/a",
                "transformer, lines, voltage band, unbalance",
            ),
            Headline(
                f"Above the operating limits, {level}",
                f"{year.hours_beyond((IMPORT, EXPORT)):.1f}",
                "h/a",
                "sum of the connections against the limits of the DSO",
            ),
        ]
        for kind, label in (
            (UNIT, "Transformer loading, highest"),
            (HIGH_V, "Voltage, highest"),
            (LOW_V, "Voltage, lowest"),
        ):
            of_kind = year.year_of(kind)
            if of_kind is None:
                continue
            worst = of_kind.worst(design=False)[0]
            limit = of_kind.limit
            extreme = (np.fmin if limit.low else np.fmax).reduce(worst)
            found.append(
                Headline(
                    f"{label}, {level}",
                    f"{extreme:.1f}",
                    limit.unit,
                    f"limit {limit.limit:g} {limit.unit}",
                )
            )
        back = substation_reverse(year)
        found.append(Headline(f"Reverse flow, {level}", f"{back.hours:.1f}", "h/a"))
        if year.not_solved_h or not_solved([year]):
            found.append(Headline(f"Not solved, {level}", f"{year.not_solved_h:.1f}", "h/a"))
    return found


def _notes(year: LevelYear, terms: RemedyTerms) -> list[str]:
    weighed = (
        "Sums of a year weigh each typical day by how often its season, day of the week and sky "
        "occur. Worst values are unweighted."
    )
    design = (
        "Design days (a cold spell, a clear summer Sunday) are shown apart: they enter worst "
        "values of their own and no sum. A typical day may be worse than any design day."
    )
    lost = (
        "A PTU whose flow was not solved is counted as not solved. It is in no sum and nowhere "
        "taken as kept: in shares of time within a band it is outside."
    )
    standard = (
        f"EN 50160 speaks of 10-minute means over a week; here they are means over "
        f"{year.horizon.ptu_minutes} minutes, and a week is five working days, a Saturday and a "
        "Sunday of one season under one sky. One that passes narrowly may yet fail."
    )
    loading = (
        "A feeder's loading is that of the most loaded of its first lines. Energy above a rating "
        "is apparent energy, (loading - limit) x rating x time, as if all phases of a line were "
        "loaded as the worst one is."
    )
    return [weighed, design, lost, standard, loading, *terms.sentences]
