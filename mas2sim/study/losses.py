"""What a grid loses in a year, by level, and how much of it flexibility can reach at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import Level
from mas2sim.results.claims import LOSS_REDUCTION_PERCENT
from mas2sim.results.kpi_definition import ratio, reduction_percent
from mas2sim.results.study_result import Column, Headline, StudyResult, StudyTable
from mas2sim.scenario import compose_case
from mas2sim.scenario.grid_source import build_substation
from mas2sim.study.congestion import LEVELS, checked_days, checked_levels
from mas2sim.study.losses_year import Losses, LossYear, gather_losses
from mas2sim.study.typical_year import Progress, YearDay, run_days, typical_year

LOSS_EUR_PER_KWH = 0.06
"""What a kWh lost is worth [A]: energy at the order of a wholesale price, as regulators value it in
cost-benefit analyses of networks; no network charges, no taxes."""

CO2_G_PER_KWH = 200.0
"""Emissions of a kWh drawn from the grid [A]: the order of Great Britain's mean mix of the early
2020s in the government's conversion factors for company reporting."""


NAN = float("nan")


@dataclass(frozen=True, slots=True)
class LossTerms:
    """What a kWh lost is worth and emits."""

    eur_per_kwh: float
    co2_g_per_kwh: float

    def __post_init__(self) -> None:
        faults = [
            Fault(name, f"{value:g}", f"0 to {most:g}")
            for name, value, most in (
                ("loss_eur_per_kwh", self.eur_per_kwh, 10.0),
                ("co2_g_per_kwh", self.co2_g_per_kwh, 2000.0),
            )
            if not 0.0 <= value <= most
        ]
        if faults:
            raise ConfigurationError(faults)


def losses_study(
    overrides: Sequence[str] = (),
    *,
    levels: Sequence[Level] = LEVELS,
    loss_eur_per_kwh: float = LOSS_EUR_PER_KWH,
    co2_g_per_kwh: float = CO2_G_PER_KWH,
    days: Sequence[YearDay] | None = None,
    data: Path | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> StudyResult:
    """Sum up the losses of a year of typical days.

    Parameters
    ----------
    overrides : sequence of str
        Of the case, in Hydra's grammar; the study sets season, day, weather and levels.
    levels : sequence of Level
    loss_eur_per_kwh, co2_g_per_kwh : float
        What a kWh lost is worth and emits.
    days : sequence of YearDay, optional
        Other days than the typical year.
    data : Path, optional
        A folder that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With what is wrong with the overrides, levels or prices, before anything is computed.
    """
    checked_levels(levels)
    terms = LossTerms(loss_eur_per_kwh, co2_g_per_kwh)
    case = compose_case(overrides, data=data)
    # Finds what is wrong with the grid before any day is run.
    build_substation(case)
    chosen = checked_days(typical_year(case.profiles) if days is None else days)
    runs = run_days(chosen, overrides, levels=levels, data=data, progress=progress)
    years = gather_losses(runs)
    configuration = case.configuration
    return StudyResult(
        kind="losses",
        title=f"Losses of {years[0].name}",
        facts=[
            ("grid", f"{configuration.grid.name}, {years[0].name}"),
            ("homes and other connections", str(years[0].connections)),
            ("scenario", configuration.smart.name),
            ("flexibility", configuration.flexibility.name),
            ("power flow", configuration.power_flow),
            ("days", f"{len(chosen)} typical days for {sum(day.days for day in chosen):g} days"),
            ("changes", case.changes or "none"),
            ("worth of a kWh lost", f"{terms.eur_per_kwh:g} EUR"),
            ("emissions of a kWh lost", f"{terms.co2_g_per_kwh:g} g CO2"),
        ],
        headlines=_headlines(years),
        tables=(
            year_table(years, terms),
            season_table(years, terms),
            reach_table(years),
            *_marginal_tables(years),
        ),
        notes=_notes(configuration.power_flow),
        failures=[
            f"{each.day.name}, {year.level.value}: {each.losses.not_solved_h:g} h not solved"
            for year in years
            for each in year.days
            if each.losses.not_solved_h
        ],
    )


COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "season": Column("Season"),
    "line_kwh": Column("Lines", "kWh", "mains and services, the neutral as the grid models it", 0),
    "transformer_load_kwh": Column("Transformer, load", "kWh", "windings", 0),
    "transformer_no_load_kwh": Column("Transformer, no load", "kWh", "iron", 0),
    "total_kwh": Column("All", "kWh", decimals=0),
    "delivered_kwh": Column("Delivered", "kWh", "what connections import, PTU by PTU", 0),
    "loss_percent": Column("Of the energy delivered", "%", "all losses over delivered", 3),
    "loss_entering_percent": Column(
        "Of the energy that enters", "%", "over HV import and feed-in, as the KPI loss_percent", 3
    ),
    "loss_eur": Column("Worth", "EUR", decimals=0),
    "co2_kg": Column("Emissions", "kg CO2", decimals=0),
    "saved_total_percent": Column("Less than baseline, all", "%", "(L_ref - L) / L_ref"),
    "saved_variable_percent": Column("Less than baseline, variable", "%", "lines and windings"),
    "not_solved_hours": Column("Not solved", "h", "its losses and energy are in no other column"),
}


def _loss_row(found: Losses, reference: Losses | None, terms: LossTerms) -> dict[str, Any]:
    whole = reference is not None and not (found.not_solved_h or reference.not_solved_h)
    return {
        "line_kwh": found.line,
        "transformer_load_kwh": found.transformer_load,
        "transformer_no_load_kwh": found.transformer_no_load,
        "total_kwh": found.total,
        "delivered_kwh": found.delivered,
        "loss_percent": 100.0 * ratio(found.total, found.delivered),
        "loss_entering_percent": 100.0 * ratio(found.total, found.entering),
        "loss_eur": found.total * terms.eur_per_kwh,
        "co2_kg": found.total * terms.co2_g_per_kwh / 1000.0,
        "saved_total_percent": reduction_percent(reference.total, found.total)
        if reference is not None and whole
        else NAN,
        "saved_variable_percent": reduction_percent(reference.variable, found.variable)
        if reference is not None and whole
        else NAN,
        "not_solved_hours": found.not_solved_h,
    }


def _baseline(years: Sequence[LossYear], year: LossYear) -> LossYear | None:
    if year.level is Level.BASELINE:
        return None
    return next((each for each in years if each.level is Level.BASELINE), None)


def year_table(years: Sequence[LossYear], terms: LossTerms) -> StudyTable:
    """Losses of a year, one row a level."""
    rows = []
    for year in years:
        base = _baseline(years, year)
        reference = None if base is None else base.losses()
        rows.append({"level": year.level.value, **_loss_row(year.losses(), reference, terms)})
    columns = {name: column for name, column in COLUMNS.items() if name != "season"}
    return StudyTable(
        "losses",
        "Losses of a year",
        f"{len(years[0].days)} typical days by their weight.",
        pd.DataFrame(rows, columns=list(columns)),
        columns,
    )


def season_table(years: Sequence[LossYear], terms: LossTerms) -> StudyTable:
    """Losses by season, which add up to those of the year."""
    rows = []
    for year in years:
        base = _baseline(years, year)
        for season in year.seasons:
            reference = None if base is None else base.losses(season)
            found = _loss_row(year.losses(season), reference, terms)
            rows.append({"level": year.level.value, "season": season, **found})
    return StudyTable(
        "seasons",
        "Losses by season",
        "All days of the season in a year.",
        pd.DataFrame(rows, columns=list(COLUMNS)),
        COLUMNS,
    )


REACH_COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "no_load_percent": Column("Share that nothing reaches", "%", "no-load over all losses", 1),
    "variable_kwh": Column("Variable", "kWh/a", "lines and windings", 0),
    "flat_variable_kwh": Column(
        "Variable, powers flattened", "kWh/a", "each connection at its mean of each day", 0
    ),
    "reach_variable_percent": Column("Reach, variable", "%", "most that shifting can save"),
    "reach_total_percent": Column("Reach, all losses", "%", "most that shifting can save"),
    "saved_variable_percent": Column("Saved, variable", "%", "against baseline"),
    "saved_total_percent": Column("Saved, all losses", "%", "against baseline"),
}


def reach_table(years: Sequence[LossYear]) -> StudyTable:
    """How much of the losses shifting within the day could save at most, beside what it saves."""
    rows = []
    for year in years:
        found, base = year.losses(), _baseline(years, year)
        saved = _loss_row(found, None if base is None else base.losses(), LossTerms(0.0, 0.0))
        whole = not found.not_solved_h
        rows.append(
            {
                "level": year.level.value,
                "no_load_percent": 100.0 * ratio(found.transformer_no_load, found.total),
                "variable_kwh": found.variable,
                "flat_variable_kwh": found.flat_variable,
                "reach_variable_percent": reduction_percent(found.variable, found.flat_variable)
                if whole
                else NAN,
                "reach_total_percent": reduction_percent(found.total, found.flat_total)
                if whole
                else NAN,
                "saved_variable_percent": saved["saved_variable_percent"],
                "saved_total_percent": saved["saved_total_percent"],
            }
        )
    return StudyTable(
        "reach",
        "What flexibility can reach",
        "The bound holds for shifting within each day at the energies of that level: every "
        "connection at its mean power of the day, on its phase. It is no plan that anyone could "
        "make, and a change of energies or phases is not in it.",
        pd.DataFrame(rows, columns=list(REACH_COLUMNS)),
        REACH_COLUMNS,
    )


def _marginal_tables(years: Sequence[LossYear]) -> tuple[StudyTable, StudyTable]:
    whole, ptus = [], []
    for year in years:
        level = year.level.value
        for season in year.seasons:
            slopes = [("all", year.hourly_slope(season))]
            slopes += zip(year.feeders, year.hourly_feeder_slope(season), strict=True)
            whole += [
                {"level": level, "season": season, "place": place, "hour": hour, "slope": value}
                for place, values in slopes
                for hour, value in enumerate(values)
            ]
        ptus += [
            {"level": level, "day": each.day.name, "clock": clock, "slope": slope}
            for each in year.days
            for clock, slope in zip(year.clock, each.slope, strict=True)
        ]
    slope = Column("Marginal losses", "kW/kW", "losses for a kW more at these connections", 4)
    by_hour = {
        "level": Column("Level"),
        "season": Column("Season"),
        "place": Column("At", note="all connections, or those of a feeder, by their shares"),
        "hour": Column("Hour", "h", "of the clock, that it begins", 0),
        "slope": slope,
    }
    by_ptu = {
        "level": Column("Level"),
        "day": Column("Day"),
        "clock": Column("Clock", note="at which the PTU begins"),
        "slope": slope,
    }
    return (
        StudyTable(
            "marginal",
            "Marginal losses by season and hour",
            "Weighted means over the days of a season; feeders at the mean powers of the hour. "
            "Below zero a kW more saves losses.",
            pd.DataFrame(whole, columns=list(by_hour)),
            by_hour,
            shown=False,
        ),
        StudyTable(
            "marginal_ptu",
            "Marginal losses by PTU",
            "For each typical day, all connections together.",
            pd.DataFrame(ptus, columns=list(by_ptu)),
            by_ptu,
            shown=False,
        ),
    )


def _headlines(years: Sequence[LossYear]) -> list[Headline]:
    found = []
    low, high = LOSS_REDUCTION_PERCENT
    for year in years:
        losses, base, level = year.losses(), _baseline(years, year), year.level.value
        found.append(
            Headline(
                f"Losses, {level}",
                f"{losses.total:.0f}",
                "kWh/a",
                f"{100.0 * ratio(losses.total, losses.delivered):.2f} % of the energy delivered",
            )
        )
        if losses.not_solved_h:
            found.append(Headline(f"Not solved, {level}", f"{losses.not_solved_h:.1f}", "h/a"))
        elif base is None:
            reach = reduction_percent(losses.total, losses.flat_total)
            found.append(
                Headline(
                    "Most that shifting within the day can save",
                    f"{reach:.1f}",
                    "% of all losses",
                    f"at the energies of {level}; {low:g} to {high:g} % was claimed at the outset",
                )
            )
        elif not base.losses().not_solved_h:
            saved = reduction_percent(base.losses().total, losses.total)
            note = f"{low:g} to {high:g} % was claimed at the outset"
            found.append(Headline(f"Saved, {level}", f"{saved:.2f}", "% of all losses", note))
    return found


def _notes(power_flow: str) -> list[str]:
    fixed = (
        "No-load losses of the transformer stay whatever homes do; only lines and windings follow "
        "the load."
    )
    shares = (
        "The energy delivered is what connections import, PTU by PTU; the energy that enters is "
        "what the HV grid gives and what connections feed in, as the KPI of a case has it."
    )
    bound = (
        "The bound on what shifting can save keeps each connection's energy of each day and its "
        "phase. Levels differ in their energies too: batteries lose some, heat pumps run at other "
        "temperatures."
    )
    worth = (
        f"The worth of a kWh lost ({LOSS_EUR_PER_KWH:g} EUR by default) and its emissions "
        f"({CO2_G_PER_KWH:g} g by default) are assumptions [A], the same at all hours."
    )
    balanced = "The flow is balanced, which leaves out what unlike phases and the neutral lose."
    unbalanced = power_flow == "unbalanced"
    return [fixed, shares, bound, worth, *([] if unbalanced else [balanced])]
