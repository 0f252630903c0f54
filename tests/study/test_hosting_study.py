"""The whole study on the first Cardiff substation, with few draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.grid_extremes import GridExtremes
from mas2sim.domain.typical_day import Level
from mas2sim.grid import BatchPowerFlow
from mas2sim.results.study_result import StudyResult
from mas2sim.study import hosting_plan
from mas2sim.study.hosting import hosting_study, plan_hosting
from mas2sim.study.hosting_question import HostingQuestion, Technology, day_overrides

BASELINE = (Level.BASELINE,)
HOURLY = "ptu_minutes=60"
"""Four times as quick as PTUs of 15 minutes."""


@cache
def found_and_told(threads: int) -> tuple[StudyResult, list[tuple[str, int, int]]]:
    told: list[tuple[str, int, int]] = []
    result = hosting_study(
        [HOURLY],
        draws=3,
        penetrations=3,
        most_percent=30,
        threads=threads,
        progress=lambda *step: told.append(step),
    )
    return result, told


def found(threads: int = 1) -> StudyResult:
    return found_and_told(threads)[0]


def small(overrides: Sequence[str] = (), **asked: Any) -> StudyResult:
    """One draw in two steps, unless asked otherwise."""
    settings: dict[str, Any] = {"draws": 1, "penetrations": 2, "levels": BASELINE, "threads": 1}
    return hosting_study([HOURLY, *overrides], **(settings | asked))


def tables(result: StudyResult) -> list[str]:
    return [table.frame.to_csv(index=False) for table in result.tables]


def test_tables_say_what_draws_say() -> None:
    result = found()
    draws = result.table("draws").frame
    risk = result.table("risk").frame
    assert len(draws) == 2 * 3
    for level, rows in draws.groupby("level"):
        ranked = np.sort(rows["hosted_homes"].to_numpy())
        shown = risk[risk["level"] == level]
        # Of three draws 5 % is none, 50 % is one, 95 % is two.
        assert shown["hosted_homes"].tolist() == ranked.tolist()
        assert shown["hosted_kw"].tolist() == np.sort(rows["hosted_kw"].to_numpy()).tolist()
    assert (risk["draws"] == 3).all()
    assert set(draws["broken"]) == {"voltage"}
    assert (draws["high_v"] > 253.0).all()
    assert (draws["broken_homes"] == draws["hosted_homes"] + 1).all()


def test_curves_rise_to_the_share_of_draws_that_ended() -> None:
    curves = found().table("curves").frame
    draws = found().table("draws").frame
    for level, rows in curves.groupby("level"):
        share = rows["in_violation_percent"].to_numpy()
        assert (np.diff(share) >= 0).all()
        ended = draws[draws["level"] == level]["broken_homes"].to_numpy()
        by_hand = [100.0 * (ended <= homes).mean() for homes in rows["homes"]]
        assert share == pytest.approx(by_hand)
    # Without any plant all draws are the same day.
    first = curves[curves["homes"] == 0]
    assert (first["high_v_5"] == first["high_v_95"]).all()


def test_the_map_shows_the_median_draw_beyond_its_capacity() -> None:
    result = found()
    assert [day.name.split(",")[0] for day in result.days] == ["baseline", "uc1"]
    for day in result.days:
        assert np.nanmax(day.high_v) > result.voltage_band_v[1]
        assert day.loading_percent.shape == (24, len(result.layout.branches))


def test_the_same_study_gives_the_same_bytes_on_any_number_of_threads() -> None:
    assert tables(found()) == tables(found(2))
    assert found().headlines == found(2).headlines
    assert found().notes == found(2).notes


@pytest.mark.slow
def test_another_seed_is_another_study() -> None:
    result = small(["seed=2"])
    assert tables(result) != tables(small())


@pytest.mark.slow
def test_a_tap_up_hosts_more_in_every_draw() -> None:
    draws = small(taps=[0, 1], draws=2).table("draws").frame
    lower, higher = (draws[draws["tap"] == tap]["hosted_homes"].to_numpy() for tap in (0, 1))
    assert (higher > lower).all()


def test_balanced_flows_say_nothing_about_unbalance() -> None:
    result = small(["power_flow=balanced"])
    assert "unbalance" not in set(result.table("criteria").frame["criterion"])
    assert any("not assessed" in note for note in result.notes)
    assert result.table("draws").frame["unbalance_percent"].isna().all()


def test_a_limit_below_the_base_load_hosts_nothing_and_is_named() -> None:
    result = small(["grid.voltage_max_v=245"], levels=(Level.BASELINE, Level.UC1))
    assert (result.table("risk").frame["hosted_homes"] == 0).all()
    assert (result.table("risk").frame["base_broken"] == 1).all()
    assert any("below the base load" in note and "voltage" in note for note in result.notes)
    gain = result.table("gain").frame
    assert gain["gain_percent"].isna().all()
    assert (gain["undefined_draws"] == 1).all()
    assert next(each for each in result.headlines if "gain" in each.label).value == "-"


def test_a_draw_that_breaks_nothing_is_at_least_the_top() -> None:
    result = small(most_percent=2)
    risk = result.table("risk").frame
    assert risk["at_least"].all()
    assert (risk["hosted_homes"] == 4).all()
    assert result.headlines[0].value.startswith("at least")
    assert any("at least that" in note for note in result.notes)


def test_draws_without_a_solution_are_counted_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(BatchPowerFlow):
        def extremes(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridExtremes:
            lost = p_kw.sum(axis=2).min(axis=1) < -100.0
            return super().extremes(np.where(lost[:, None, None], np.nan, p_kw), q_kvar)

    monkeypatch.setattr(hosting_plan, "BatchPowerFlow", Losing)
    result = small(["grid.voltage_max_v=300"])
    assert (result.table("risk").frame["not_solved"] == 1).all()
    assert result.table("curves").frame["not_solved_percent"].tolist() == [0.0, 100.0, 100.0]
    assert len(result.failures) == 1
    assert "not solved at 2 of 3 penetrations, first at 50 % of homes" in result.failures[0]
    assert result.table("draws").frame["end"].tolist() == ["not solved"]


@pytest.mark.slow
@pytest.mark.parametrize("technology", ["ev", "heat_pump"])
def test_evs_and_heat_pumps_lower_voltages_on_a_winter_day(technology: str) -> None:
    result = small(technology=technology)
    assert dict(result.facts)["day"] == "winter weekday, cloudy, air -7 K"
    curves = result.table("curves").frame
    assert (np.diff(curves["low_v_50"]) < 0).all()
    assert result.table("risk").columns["hosted_kw"].unit == "kW"
    assert (result.table("curves").frame["mean_kw"].to_numpy()[1:] > 100.0).all()


@pytest.mark.slow
def test_markets_run_worlds_and_say_how_far_bisection_is_right() -> None:
    levels = (Level.BASELINE, Level.UC2, Level.UC3)
    result = small(levels=levels, penetrations=4, most_percent=40)
    assert set(result.table("draws").frame["level"]) == {"baseline", "uc2", "uc3"}
    assert sum("of 1 draws tried" in note for note in result.notes) == 2
    assert any("curtails more than 5 %" in note for note in result.notes)
    assert not result.failures
    gain = result.table("gain").frame
    assert set(gain["reference"]) == {"baseline"}
    assert all(math.isfinite(value) for value in gain["gain_percent"])


def test_a_plan_counts_flows_and_estimates_time() -> None:
    question = HostingQuestion(draws=3, penetrations=4)
    plan = plan_hosting([], question, threads=1)
    # Three steps between none and all, six halvings of 46 homes, and the two ends.
    assert plan.flow_days == 2 * (3 * (3 + 6) + 2)
    assert plan.worlds == 0
    assert plan.seconds > 0.0
    assert plan.sentence.startswith(f"{plan.flow_days * 96:,} power flows, about ")


def test_progress_is_told_the_plan_first_and_ends_at_the_end() -> None:
    _, told = found_and_told(1)
    # At two levels, for three draws: three steps, five halvings of 19 homes; and no PV at all.
    days = 2 * (3 * (3 + 5) + 1)
    assert told[0][0].startswith(f"{24 * days:,} power flows, about ")
    assert told[0][1:] == (0, days)
    assert told[-1][1] == told[-1][2]
    assert all(before[1] <= after[1] for before, after in pairwise(told))


def faults(overrides: Sequence[str] = (), **asked: Any) -> str:
    with pytest.raises(ConfigurationError) as error:
        plan_hosting(list(overrides), HostingQuestion(**asked))
    return str(error.value)


def test_all_faults_of_the_question_come_at_once() -> None:
    said = faults(
        ["levels=[uc1]", "smart.wind_percent=3", "grid.tap_pos=1", "smart.any_percent=50"],
        technology="wind",
        levels=(),
        draws=0,
        penetrations=-1,
        most_percent=120.0,
        taps=(1, 1),
        criteria=("noise",),
        curtailment_cap_percent=-1.0,
    )
    for part in (
        "technology: found 'wind'; allowed: pv, ev, heat_pump",
        "levels: found none",
        "draws: found 0",
        "penetrations: found -1",
        "most_percent: found 120 %; allowed: more than 0, at most 100: there are no more plants",
        "taps: found 1, 1",
        "criteria: found 'noise'",
        "curtailment_cap_percent: found -1 %",
        "override levels=[uc1]",
        "override smart.wind_percent=3",
        "override grid.tap_pos=1",
        "override smart.any_percent=50",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("overrides", "asked", "said"),
    [
        ([], {"levels": ("central",)}, "levels: found 'central'"),
        ([], {"most_percent": 0.5}, "found 0.5 % of 184 homes; allowed: one home at least"),
        (["smart.micro_chp_percent=5"], {"technology": "heat_pump"}, "two central heatings"),
        (["power_flow=balanced"], {"criteria": ("unbalance",)}, "unbalance alone"),
        (["market.watch_voltage=false"], {"levels": ("uc3",)}, "market.watch_voltage=false"),
        (["seasn=winter"], {}, "seasn"),
        ([], {"taps": (99,)}, "grid.tap_pos"),
    ],
)
def test_faults_of_question_and_case_are_named(
    overrides: list[str], asked: dict[str, Any], said: str
) -> None:
    assert said in faults(overrides, **asked)


def test_the_design_day_gives_way_to_what_is_asked() -> None:
    cold = day_overrides(Technology.EV, ["seed=2"])
    assert cold == (
        "season=winter",
        "day=weekday",
        "weather=cloudy",
        "population.air_offset_k=-7",
    )
    assert day_overrides(Technology.EV, ["day=sunday"]) == (cold[0], *cold[2:])
    assert day_overrides(Technology.EV, ["season=autumn"]) == cold[1:3]
    assert day_overrides(Technology.PV, ["weather=cloudy"]) == ("season=summer", "day=sunday")


def test_a_small_grid_has_a_step_for_each_home() -> None:
    plan = plan_hosting([], HostingQuestion(draws=1, penetrations=20, most_percent=4.0))
    assert plan.steps == tuple(range(8)), "7 homes are 4 % of 184"
    assert plan.question.penetrations == 7
