"""The year of typical days that studies of a grid sum over."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import Level
from mas2sim.study.typical_year import DESIGN_DAYS, compose_days, typical_year

PROFILES = Path(__file__).resolve().parents[2] / "profiles"
ROUNDING = 1e-9


def seasons() -> dict[str, float]:
    lines = (PROFILES / "seasons.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["season"]: float(row["days"]) for row in rows}


def test_weights_add_up_to_a_year_and_to_each_season() -> None:
    days = typical_year(PROFILES)
    assert len(days) == 45
    assert sum(day.days for day in days) == pytest.approx(365.0, abs=ROUNDING)
    for season, length in seasons().items():
        found = sum(day.days for day in days if day.choice("season") == season)
        assert found == pytest.approx(length, abs=ROUNDING)


def test_five_sevenths_are_weekdays_and_design_days_have_no_weight() -> None:
    days = typical_year(PROFILES)
    weekdays = sum(day.days for day in days if day.choice("day") == "weekday")
    assert weekdays == pytest.approx(365.0 * 5.0 / 7.0, abs=ROUNDING)
    assert not any(day.is_design_day for day in days)
    assert all(day.is_design_day for day in DESIGN_DAYS)


def test_what_makes_a_day_cannot_be_overridden() -> None:
    with pytest.raises(ConfigurationError, match=r"season=winter.*set by the study"):
        compose_days(DESIGN_DAYS, ["season=winter"], levels=(Level.BASELINE,))
