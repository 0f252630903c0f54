"""Plans: complete, in an order that shares work, cut into shards, named by all that matters."""

from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from mas2sim.campaign import CampaignPlan, make_plan, read_experiment
from mas2sim.campaign.plan import LEAST_CASES, TARGET_CASES, PlannedCase, _shards, changed_since
from mas2sim.domain.errors import ConfigurationError
from mas2sim.results.case_identity import case_id
from mas2sim.scenario import compose_case

from .samples import small_plan


def test_every_combination_is_there_once(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    assert len({case.case for case in plan.cases}) == 2 * 2 * 10
    assert [case.number for case in plan.cases] == list(range(40))
    for case in plan.cases[::13]:
        axes = compose_case([*plan.experiment.shared, *case.overrides]).axes
        assert case.columns == axes
        assert case.case == case_id(axes)


def test_cases_with_the_same_homes_are_neighbours(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "weather=sunny,cloudy", "tariff=uk_flat,uk_time_of_use")

    def homes(case: PlannedCase) -> tuple[object, ...]:
        return tuple(case.columns[name] for name in ("seed", "season", "weather"))

    runs = [key for key, _ in groupby(plan.cases, key=homes)]
    assert len(runs) == len(set(runs))


def test_shards_follow_each_other_and_have_their_size(tmp_path: Path) -> None:
    for axes in ("seed=range(1,3)", "seed=range(1,60)", "communities=range(1,150)"):
        plan = small_plan(tmp_path, axes)
        assert plan.shards[0].start == 0
        assert plan.shards[-1].stop == len(plan.cases)
        assert all(first.stop == second.start for first, second in pairwise(plan.shards))
        sizes = [shard.cases for shard in plan.shards]
        assert max(sizes) < 2 * TARGET_CASES
        assert min(sizes[:-1], default=LEAST_CASES) >= LEAST_CASES


def test_table_14_has_shards_of_twenty_to_a_hundred() -> None:
    cases = [
        PlannedCase(number, str(number), (f"seed={number // 3}", f"communities={number % 3}"), {})
        for number in range(9720)
    ]
    assert {20 <= shard.cases <= 100 for shard in _shards(cases)} == {True}


def test_what_is_excluded_is_left_out(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, exclude="exclude: ['season=winter communities=3']\n")
    assert len(plan.cases) == 30
    pairs = {(case.columns["season"], case.columns["communities"]) for case in plan.cases}
    assert pairs == {("winter", 1), ("summer", 1), ("summer", 3)}


def test_a_sample_has_every_value_equally_often() -> None:
    plan = make_plan(read_experiment("cardiff_sample", ["substation=1,2"]))
    assert len({case.case for case in plan.cases}) == 60
    for axis in plan.experiment.axes:
        counts = Counter(case.columns[axis.key] for case in plan.cases)
        assert set(counts.values()) == {60 // len(axis.texts)}


def test_a_sample_leaves_out_what_is_excluded_and_keeps_its_shares(tmp_path: Path) -> None:
    plan = small_plan(
        tmp_path,
        exclude="exclude: ['season=winter seed=1,2']\n",
        sample="sample: {cases: 20, seed: 3}\n",
    )
    assert len(plan.cases) == 20
    assert Counter(case.columns["seed"] for case in plan.cases) == dict.fromkeys(range(1, 11), 2)
    left_out = [
        case
        for case in plan.cases
        if case.columns["season"] == "winter" and case.columns["seed"] in (1, 2)
    ]
    assert not left_out


def test_the_hash_names_all_that_decides_a_figure(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    assert small_plan(tmp_path).plan_hash == plan.plan_hash
    others = [
        small_plan(tmp_path, "season=winter"),
        small_plan(tmp_path, "levels=[uc1]"),
        small_plan(tmp_path, "ties=earliest"),
        small_plan(tmp_path, series="series: extremes\n"),
        replace(plan, code_version="another"),
        replace(plan, files={"energy.csv": "another"}),
    ]
    assert len({plan.plan_hash, *(other.plan_hash for other in others)}) == 1 + len(others)


def test_its_content_says_all_of_it(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, "grid.transformer_limit_kw=null,250", "population=glob(*)")
    assert CampaignPlan.from_content(plan.content) == plan
    assert {case.columns["grid.transformer_limit_kw"] for case in plan.cases} == {"null", "250"}
    assert {case.columns["population"] for case in plan.cases} == {"uk", "uk_full_rules"}


def test_two_names_of_one_case_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the same case"):
        small_plan(tmp_path, "season=winter", "flexibility.offered_percent=50,50.0")


def test_every_case_is_checked_before_the_first_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        small_plan(tmp_path, "weather=sunny,suny", "grid.voltage_min_v=200,300", "community=1,2")
    wrong = {fault.where for fault in caught.value.faults}
    assert wrong == {"weather", "grid.voltage_min_v", "override community"}


def test_substations_are_cases_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"substation=1,2,3"):
        small_plan(tmp_path, "substation=1,all")


def test_other_versions_of_libraries_are_a_change(tmp_path: Path) -> None:
    plan = small_plan(tmp_path)
    assert changed_since(CampaignPlan.from_content(plan.content)) == []
    older = CampaignPlan.from_content({**plan.content, "versions": {"numpy": "1.0", "numba": None}})
    assert [each.split(",")[0] for each in changed_since(older)] == [
        "numpy was 1.0",
        "numba was None",
    ]
    assert older.plan_hash == plan.plan_hash
