"""The work list: what becomes of a task whose worker died, without any worker."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mas2sim.campaign import CampaignPlan
from mas2sim.campaign.ledger import Ledger, Task
from mas2sim.campaign.rows import finished_rows, gathered
from mas2sim.campaign.table import read_rows
from mas2sim.campaign.work_list import WorkList

from .cheap_worker import cheap_kpi
from .samples import small_plan

CULPRIT = 13


@pytest.fixture
def plan(tmp_path: Path) -> CampaignPlan:
    return small_plan(tmp_path, "season=winter")


@pytest.fixture
def ledger(tmp_path: Path, plan: CampaignPlan) -> Ledger:
    return Ledger.prepare(tmp_path / "c", plan)


def store(ledger: Ledger, plan: CampaignPlan, task: Task) -> None:
    """What a worker does with a task that ends well."""
    cases = plan.cases[task.start : task.stop]
    rows = [finished_rows(case, cheap_kpi(case, ["baseline", "uc1"]), 0.0) for case in cases]
    shard = plan.shards[task.shard - 1]
    whole = (shard.start, shard.stop) == (task.start, task.stop)
    path = ledger.shard_path(task.shard) if whole else ledger.part_path(task)
    ledger.write_table(path, gathered(rows))


def run(
    ledger: Ledger, plan: CampaignPlan, dies: Callable[[Task, int], bool], most: int = 1000
) -> list[Task]:
    """Run tasks one after the other; `dies` says of a task and its turn whether its worker dies."""
    work = WorkList(ledger, plan, ledger.missing(plan))
    tried: list[Task] = []
    while len(tried) < most and (task := work.take()) is not None:
        tried.append(task)
        if dies(task, tried.count(task)):
            work.died(task, "killed")
        else:
            store(ledger, plan, task)
            work.finished(task)
    return tried


def rows_of(ledger: Ledger, plan: CampaignPlan) -> pd.DataFrame:
    return read_rows(ledger, plan)


def holds(task: Task) -> bool:
    return task.start <= CULPRIT < task.stop


def test_the_culprit_is_alone_in_the_end(ledger: Ledger, plan: CampaignPlan) -> None:
    tried = run(ledger, plan, lambda task, _turn: holds(task))
    assert tried.count(Task(3, CULPRIT, CULPRIT + 1)) == 2
    rows = rows_of(ledger, plan)
    assert rows["number"].tolist() == [n for n in range(len(plan.cases)) for _ in range(2)]
    crashed = rows[rows["case_status"] == "crashed"]
    assert crashed["number"].tolist() == [CULPRIT] * 2
    assert crashed["reason"].unique().tolist() == ["killed"]
    assert not list((ledger.path / "shards").glob("part*"))


def test_a_case_that_dies_once_alone_is_given_another_chance(
    ledger: Ledger, plan: CampaignPlan
) -> None:
    run(ledger, plan, lambda task, turn: holds(task) and turn == 1)
    assert set(rows_of(ledger, plan)["case_status"]) == {"ok"}


def test_parts_are_kept_when_it_stops_and_only_the_rest_is_missing(
    ledger: Ledger, plan: CampaignPlan
) -> None:
    done = run(ledger, plan, lambda task, _turn: holds(task), most=7)
    missing = ledger.missing(plan)
    covered = sorted(
        number
        for task in [*missing, *(task for task in done if not holds(task))]
        for number in range(task.start, task.stop)
    )
    assert covered == list(range(len(plan.cases)))
    run(ledger, plan, lambda _task, _turn: False)
    assert set(rows_of(ledger, plan)["case_status"]) == {"ok"}


def test_a_case_that_takes_too_long_is_left_out_of_its_task(
    ledger: Ledger, plan: CampaignPlan
) -> None:
    work = WorkList(ledger, plan, ledger.missing(plan))
    step = None
    while (task := work.take()) is not None:
        if holds(task):
            step = work.timed_out(task, CULPRIT, 9.0)
            continue
        store(ledger, plan, task)
        step = work.finished(task)
    assert step is not None
    assert (step.cases_done, step.failed, step.shards_done) == (20, 1, 4)
    late = rows_of(ledger, plan).query("case_status == 'timeout'")
    assert late["number"].tolist() == [CULPRIT] * 2
    assert late["reason"].iloc[0] == "took longer than 9 s"


def test_steps_count_what_is_done(ledger: Ledger, plan: CampaignPlan) -> None:
    work = WorkList(ledger, plan, ledger.missing(plan))
    task = work.take()
    assert task is not None
    assert work.case_ended(task, "error").failed == 1
    assert work.case_ended(task, "ok").cases_done == 2
    step = work.died(task, "killed")
    assert (step.cases_done, step.failed) == (0, 0)
    assert "0 of 4 shards, 0 of 20 cases" in str(step)


def test_a_lock_keeps_others_out(ledger: Ledger) -> None:
    assert not ledger.is_held
    with ledger.locked():
        assert ledger.is_held
    assert not ledger.is_held


def test_a_worker_that_died_when_its_work_was_done_costs_nothing(
    plan: CampaignPlan, ledger: Ledger
) -> None:
    work = WorkList(ledger, plan, ledger.missing(plan))
    task = work.take()
    assert task is not None
    work.case_ended(task, "error")
    store(ledger, plan, task)
    step = work.died(task, "killed")
    assert (step.shards_done, step.run, step.failed) == (1, task.cases, 1)
    assert step.shard_ended
    following = work.take()
    assert following is not None
    assert following.shard != task.shard
