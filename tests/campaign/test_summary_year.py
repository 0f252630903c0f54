"""A year from the typical days of a campaign: weights, sums, maxima, and what is no year."""

import csv
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from mas2sim.campaign.summary_year import annual_table
from mas2sim.domain.typical_day import DayType, Season, Weather
from mas2sim.population.tables import read_tables
from mas2sim.results.study_result import StudyTable
from mas2sim.scenario.year import days_of_year

from .summary_samples import Figures, made_up, view_of

ROUNDING = 1e-9
PROFILES = Path(__file__).resolve().parents[2] / "profiles"
CALENDAR = {
    "season": [each.value for each in Season],
    "day": [each.value for each in DayType],
    "weather": [each.value for each in Weather],
}
LEVELS = ("baseline", "uc1")


def season_facts() -> dict[str, dict[str, str]]:
    lines = (PROFILES / "seasons.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["season"]: row for row in rows}


def table_of(
    axes: Mapping[str, list[str | int]], figures: Figures, **options: object
) -> StudyTable:
    return annual_table(view_of(made_up(axes, figures, levels=LEVELS, **options)))  # type: ignore[arg-type]


def flat(case: Mapping[str, object], level: str) -> dict[str, float]:
    """The same day all year, in a substation of as many homes and kWh as its number says."""
    size = float(str(case["substation"]))
    losses = 4.0 if level == "baseline" else 3.0
    return {
        "homes_count": 10.0 * size,
        "standing_charge_eur": 5.0 * size,
        "bill_eur": 25.0 * size,
        "payment_eur": (25.0 if level == "baseline" else 23.0) * size,
        "energy_import_kwh": 50.0 * size,
        "energy_export_kwh": 0.0,
        "loss_line_kwh": (losses - 2.0) * size,
        "loss_transformer_load_kwh": 1.0 * size,
        "loss_transformer_no_load_kwh": 1.0 * size,
        "loss_percent": 10.0 * losses,
        "peak_import_kw": 20.0 if level == "baseline" else 15.0,
        "hours_above": 0.25,
    }


def test_weights_sum_to_the_days_of_the_year_and_of_each_season() -> None:
    tables = read_tables(PROFILES)
    weights = {each: days_of_year(*each, tables) for each in product(Season, DayType, Weather)}
    assert sum(weights.values()) == pytest.approx(365.0, abs=ROUNDING)
    for season, facts in season_facts().items():
        found = sum(days for each, days in weights.items() if each[0] == season)
        assert found == pytest.approx(float(facts["days"]), abs=ROUNDING)


def test_the_same_day_all_year_is_365_of_it() -> None:
    table = table_of({**CALENDAR, "smart": ["a", "b"]}, flat)
    assert table.frame["smart"].tolist() == ["a", "a", "b", "b"]
    assert table.frame["cases"].tolist() == [45] * 4
    base, managed = table.frame.iloc[0], table.frame.iloc[1]
    assert base["substation"] == "1"
    assert base["import_kwh"] == pytest.approx(365.0 * 50.0)
    assert managed["payment_eur"] == pytest.approx(365.0 * 23.0 / 10.0)
    assert managed["saving_percent"] == pytest.approx(100.0 * 2.0 / 20.0)
    assert managed["loss_kwh"] == pytest.approx(365.0 * 3.0)
    # 3 kWh are 30 % of the 10 kWh that enter.
    assert managed["loss_percent"] == pytest.approx(30.0)
    assert managed["loss_reduction_total_percent"] == pytest.approx(25.0)
    assert managed["loss_reduction_variable_percent"] == pytest.approx(100.0 / 3.0)
    assert managed["peak_import_reduction_percent"] == pytest.approx(25.0)
    assert managed["hours_above"] == pytest.approx(365.0 / 4.0)
    for name in ("saving_percent", "loss_reduction_total_percent"):
        assert pd.isna(base[name])
    assert pd.isna(managed["dso_payment_eur"])


def test_three_days_by_hand_and_the_peak_unweighted() -> None:
    three = {
        ("winter", "weekday", "sunny"): 7.0,
        ("spring", "saturday", "variable"): 14.0,
        ("autumn", "sunday", "cloudy"): 21.0,
    }
    facts = season_facts()
    by_hand = (
        7.0 * float(facts["winter"]["days"]) * 5.0 / 7.0 * float(facts["winter"]["sunny_share"])
        + 14.0 * float(facts["spring"]["days"]) / 7.0 * float(facts["spring"]["variable_share"])
        + 21.0 * float(facts["autumn"]["days"]) / 7.0 * float(facts["autumn"]["cloudy_share"])
    )

    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        there = three.get((str(case["season"]), str(case["day"]), str(case["weather"])), 0.0)
        return {**flat(case, level), "energy_import_kwh": there, "peak_import_kw": there}

    row = table_of(CALENDAR, figures).frame.iloc[0]
    assert row["import_kwh"] == pytest.approx(by_hand, abs=ROUNDING)
    assert row["peak_import_kw"] == 21.0


def test_all_substations_are_summed_and_seeds_averaged() -> None:
    axes = {**CALENDAR, "substation": [1, 2, 3, 4, 5, 6], "seed": [1, 2]}

    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        found = flat(case, level)
        seed = float(str(case["seed"]))
        found["energy_export_kwh"] = seed
        found["payment_eur"] += seed
        return found

    table = table_of(axes, figures)
    assert table.frame["substation"].tolist() == ["all", "all"]
    assert table.frame["cases"].tolist() == [540, 540]
    managed = table.frame.iloc[1]
    assert managed["import_kwh"] == pytest.approx(365.0 * 50.0 * 21.0)
    assert managed["export_kwh"] == pytest.approx(365.0 * 6.0 * 1.5)
    # 210 homes pay 23 EUR for ten of them, and 1 or 2 EUR more in each substation.
    assert managed["payment_eur"] == pytest.approx(365.0 * (23.0 * 21.0 + 9.0) / 210.0)
    assert "Means over 2 seeds" in table.note
    assert "all substations" in table.note


def test_some_substations_stand_each_for_itself() -> None:
    table = table_of({**CALENDAR, "substation": [4, 2]}, flat)
    assert table.frame["substation"].tolist() == ["4", "4", "2", "2"]
    assert table.frame["import_kwh"].iloc[0] == pytest.approx(365.0 * 200.0)


def test_other_axes_are_columns_of_their_own() -> None:
    axes = {**CALENDAR, "grid.transformer_limit_kw": [120, 80], "communities": [1, 3]}
    table = table_of(axes, flat)
    assert list(table.frame)[:4] == [
        "smart",
        "flexibility",
        "communities",
        "grid.transformer_limit_kw",
    ]
    assert len(table.frame) == 8
    assert table.frame["grid.transformer_limit_kw"].unique().tolist() == ["120", "80"]


def test_a_year_with_a_day_missing_is_left_out_and_counted() -> None:
    axes = {"smart": ["a", "b"], **CALENDAR}
    table = table_of(axes, flat, not_ok={3: "error"})
    assert table.frame["smart"].tolist() == ["b", "b"]
    assert "Left out: 1 combinations" in table.note
    unfinished = table_of(axes, flat, done=89)
    assert unfinished.frame["smart"].tolist() == ["a", "a"]


def test_a_figure_missing_on_one_day_is_missing_in_the_year() -> None:
    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        found = flat(case, level)
        if (case["season"], case["day"], case["weather"]) == ("summer", "sunday", "sunny"):
            del found["energy_import_kwh"]
        return found

    row = table_of(CALENDAR, figures).frame.iloc[0]
    assert pd.isna(row["import_kwh"])
    assert row["export_kwh"] == 0.0


def test_days_that_are_no_year_leave_it_empty_and_say_which_are_missing() -> None:
    table = table_of({"season": ["winter", "spring"], "day": CALENDAR["day"]}, flat)
    assert table.frame.empty
    assert "season is swept without summer, high_summer, autumn" in table.note
    assert "weather is not swept" in table.note
    assert "day is" not in table.note
