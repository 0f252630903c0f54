"""Annual figures of a campaign whose axes make up a year of typical days.

Sums are weighted by how often a day occurs; maxima are maxima. A year with a day missing is no
year: what is not whole is left out, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.campaign.experiment import SEED
from mas2sim.campaign.rows import LEVEL
from mas2sim.campaign.summary_rows import (
    ALL,
    CASES,
    KEY_COLUMNS,
    LEVEL_COLUMN,
    SCENARIO_KEYS,
    SummaryRows,
    as_table,
    in_words,
)
from mas2sim.domain.typical_day import DayType, Level, Season, Weather
from mas2sim.grid import recipe_numbers
from mas2sim.population.tables import read_tables
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.scenario.folders import data_folder
from mas2sim.scenario.year import days_of_year

if TYPE_CHECKING:
    import pandas as pd

CALENDAR = {"season": Season, "day": DayType, "weather": Weather}
"""Axes that make up a year, with all of their values."""
SUBSTATION = "substation"
SUMMED = (
    "payment_eur",
    "saved_eur",
    "billed_eur",
    "homes_count",
    "energy_import_kwh",
    "energy_export_kwh",
    "loss_kwh",
    "loss_variable_kwh",
    "entering_kwh",
    "dso_payment_eur",
    "voltage_outside_hours",
    "hours_above",
)
"""Figures of a day that add up to those of a year."""
COLUMNS: Mapping[str, Column] = {
    "substation": Column("Substation", note="`all`: the sum of all substations of the grid"),
    "level": LEVEL_COLUMN,
    "cases": CASES,
    "payment_eur": Column("Payment", "EUR per home and year", decimals=0),
    "saving_percent": Column("Saving", "%", "of the bills without standing charge"),
    "import_kwh": Column("Imported by homes", "kWh/a", decimals=0),
    "export_kwh": Column("Exported by homes", "kWh/a", decimals=0),
    "loss_kwh": Column("Losses", "kWh/a", "lines and transformer, no load included", 0),
    "loss_percent": Column("Losses", "%", "of the energy that enters the low-voltage grid", 3),
    "loss_reduction_total_percent": Column("Less losses than baseline, all", "%"),
    "loss_reduction_variable_percent": Column("Less losses than baseline, variable", "%"),
    "peak_import_kw": Column(
        "Peak import",
        "kW",
        "greatest of any day; of substations the sum of each one's own",
        1,
    ),
    "peak_import_reduction_percent": Column("Lower peak than baseline", "%"),
    "dso_payment_eur": Column("Paid by the DSO", "EUR/a", decimals=0),
    "voltage_outside_hours": Column(
        "Voltage outside the band", "h/a", "hours of each substation, added up", 1
    ),
    "hours_above": Column("Above the limit", "h/a", "hours of each substation, added up", 1),
}


def annual_table(view: SummaryRows) -> StudyTable:
    """Figures of a year for each combination of what is no day of it.

    Groups of which a case is missing are left out; means over seeds, sums over substations where
    all of the grid are swept.
    """
    keys = [key for key in view.several if key not in (*CALENDAR, SEED, SUBSTATION)]
    keys += [key for key in SCENARIO_KEYS if key not in keys]
    keys.sort(key=[*SCENARIO_KEYS, *view.several].index)
    columns = {key: KEY_COLUMNS.get(key, Column(key)) for key in keys} | dict(COLUMNS)
    lacking = _lacking(view)
    left_out = 0
    frame: pd.DataFrame | None = None
    if not lacking and view.cases:
        frame, left_out = _years(view, keys)
    note = f"{view.behind} {lacking or _how(view)}"
    if left_out:
        note += f" Left out: {left_out} combinations of which not every day is there and ok."
    return as_table("annual", "A year", note, frame, columns)


def _how(view: SummaryRows) -> str:
    seeds = len(view.swept.get(SEED, ("",)))
    mean = f"Means over {seeds} seeds. " if seeds > 1 else ""
    substations = "Sums over all substations. " if _is_summed(view) else ""
    return (
        "Sums over the typical days, each by the days of the year that it stands for; the peak is "
        f"each substation's greatest of all days, unweighted. {mean}{substations}Money and energy "
        "of homes only; losses with all participants. Members pay no more at uc3 than at uc2: "
        "what uc3 costs is in the DSO's payment."
    )


def _lacking(view: SummaryRows) -> str:
    """What keeps the campaign's days from being a year, in a sentence; empty when nothing does."""
    faults = []
    for key, values in CALENDAR.items():
        there = set(view.swept.get(key, ()))
        missing = [value.value for value in values if value.value not in there]
        if missing and not there:
            faults.append(f"{key} is not swept")
        elif missing:
            faults.append(f"{key} is swept without {', '.join(missing)}")
    return f"No year: {'; '.join(faults)}." if faults else ""


def _is_summed(view: SummaryRows) -> bool:
    """Whether the substations swept are all of one grid."""
    grids = view.rows["grid"].unique()
    if SUBSTATION not in view.swept or len(grids) != 1:
        return False
    data = view.campaign.plan.data
    folder = data_folder("grids", None if data is None else Path(data)) / str(grids[0])
    everything = {str(number) for number in recipe_numbers(folder)} if folder.is_dir() else set()
    return bool(everything) and everything <= set(view.swept[SUBSTATION])


def _weights(view: SummaryRows) -> dict[tuple[str, str, str], float]:
    """Days of the year that each season, day and weather stand for."""
    data = view.campaign.plan.data
    tables = read_tables(data_folder("profiles", None if data is None else Path(data)))
    return {
        (season.value, day.value, weather.value): days_of_year(season, day, weather, tables)
        for season, day, weather in product(Season, DayType, Weather)
    }


def _years(view: SummaryRows, keys: list[str]) -> tuple[pd.DataFrame, int]:
    """Rows of the years that are whole, and how many combinations are not."""
    summed, weights = _is_summed(view), _weights(view)
    days = zip(*(view.rows[key] for key in CALENDAR), strict=True)
    weight = np.array([weights[day] for day in days])
    place = ALL if summed else view.rows[SUBSTATION].map(in_words)
    rows = view.rows.assign(**{SUBSTATION: place})
    rows[list(SUMMED)] = rows[list(SUMMED)].mul(weight, axis=0)
    groups = rows.groupby([*keys, SUBSTATION, LEVEL], observed=True)
    seeds = len(view.swept.get(SEED, ("",)))
    needed = len(weights) * seeds * (len(view.swept[SUBSTATION]) if summed else 1)
    # A day without a figure leaves the year without it.
    sums = groups[list(SUMMED)].sum(min_count=needed)
    # Each substation has a transformer of its own: the greatest of all would hide the others.
    own = rows.assign(own=view.rows[SUBSTATION]).groupby(
        [*keys, SUBSTATION, LEVEL, "own"], observed=True
    )
    peaks = own["peak_import_kw"].max().groupby([*keys, SUBSTATION, LEVEL], observed=True).sum()
    cases = groups.size()
    year = sums.assign(peak_import_kw=peaks, cases=cases).reset_index()
    year["homes"] = year["homes_count"] / sum(weights.values())
    whole = year["cases"] == needed
    named = [*keys, SUBSTATION]
    kept = year.loc[whole, named].drop_duplicates()
    # Of what was planned: a combination of which no case is ok has no row to be counted by.
    planned = prod(
        len(view.swept.get(key, ("",))) for key in named if key != SUBSTATION or not summed
    )
    return _figures(year[whole], named, seeds), planned - len(kept)


def _figures(year: pd.DataFrame, keys: list[str], seeds: int) -> pd.DataFrame:
    """Means over seeds, shares, and reductions against the baseline of the same combination."""
    names = ["loss_kwh", "loss_variable_kwh", "peak_import_kw"]
    is_baseline = year[LEVEL] == Level.BASELINE.value
    baseline = year.loc[is_baseline, [*keys, *names]]
    # The baseline is no reduction of itself: it finds no partner.
    own = year[keys].where(~is_baseline)
    before = own.merge(baseline, on=keys, how="left").set_index(year.index)

    def lower_percent(name: str) -> pd.Series:
        reference = before[name].where(before[name] != 0.0)
        return 100.0 * (reference - year[name]) / reference

    return year.assign(
        payment_eur=year["payment_eur"] / year["homes"],
        saving_percent=100.0 * year["saved_eur"] / year["billed_eur"],
        import_kwh=year["energy_import_kwh"] / seeds,
        export_kwh=year["energy_export_kwh"] / seeds,
        loss_kwh=year["loss_kwh"] / seeds,
        loss_percent=100.0 * year["loss_kwh"] / year["entering_kwh"],
        loss_reduction_total_percent=lower_percent("loss_kwh"),
        loss_reduction_variable_percent=lower_percent("loss_variable_kwh"),
        peak_import_reduction_percent=lower_percent("peak_import_kw"),
        dso_payment_eur=year["dso_payment_eur"] / seeds,
        voltage_outside_hours=year["voltage_outside_hours"] / seeds,
        hours_above=year["hours_above"] / seeds,
    )
