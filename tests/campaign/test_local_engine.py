"""The local engine: nothing is lost or done twice, whatever becomes of workers and parent."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mas2sim.campaign import (
    Campaign,
    CampaignPlan,
    EngineError,
    LocalEngine,
    Step,
    open_campaign,
    read_status,
    resume_campaign,
)
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.running import run_plan
from mas2sim.domain.errors import StoreError
from mas2sim.domain.randomness import stream

from .samples import CHEAP_WORKER, cheap_engine, same, small_plan

WAIT_S = 30.0
LIMIT_S = 2.0
MOMENTS = 20
RUN_S = 2.0
"""About how long the cases of two workers take in the campaigns that are killed."""


def test_every_case_has_a_row_for_each_level(plan: CampaignPlan, undisturbed: Campaign) -> None:
    assert list(undisturbed.kpi["number"]) == [n for n in range(len(plan.cases)) for _ in range(2)]
    assert list(undisturbed.kpi["level"]) == ["baseline", "uc1"] * len(plan.cases)
    assert undisturbed.kpi["bill_eur"].tolist() == undisturbed.kpi["number"].tolist()
    assert list(undisturbed.cases["case"]) == [case.case for case in plan.cases]


def test_two_workers_give_the_same_bytes_but_for_times(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    steps: list[Step] = []
    campaign = run_plan(plan, tmp_path / "two", engine=cheap_engine(2), watch=steps.append)
    same(campaign.kpi, undisturbed.kpi)
    assert max(step.cases_done for step in steps) == len(plan.cases)
    assert sum(step.shard_ended for step in steps) == len(plan.shards)


def test_a_case_that_raises_costs_itself_alone(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    campaign = run_plan(plan, tmp_path / "c", engine=cheap_engine(n5="raise"))
    assert campaign.failed[["number", "status", "reason"]].to_numpy().tolist() == [
        [5, "error", "ValueError: told to"]
    ]
    rows = campaign.kpi[campaign.kpi["number"] == 5]
    assert rows["bill_eur"].isna().all()
    assert set(rows["status"]) == {"error"}
    same(
        campaign.kpi[campaign.kpi["number"] != 5],
        undisturbed.kpi[undisturbed.kpi["number"] != 5],
    )


def test_cases_that_raised_are_run_again_when_told_and_no_others(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "c"
    # The first, the last, and two neighbours of a shard; a shard that is right stays as it is.
    bad = {f"n{number}": "raise" for number in (0, 3, 5, 6)}
    run_plan(plan, folder, engine=cheap_engine(**bad))
    right = folder / "shards" / "shard-0003.parquet"
    before = right.stat().st_mtime_ns
    assert len(resume_campaign(folder, engine=cheap_engine()).failed) == 4
    steps: list[Step] = []
    again = resume_campaign(folder, engine=cheap_engine(), again=True, watch=steps.append)
    same(again.kpi, undisturbed.kpi)
    assert steps[-1].run == 4
    assert right.stat().st_mtime_ns == before
    assert not list((folder / "shards").glob("part*"))
    nothing = LocalEngine(1, program=("no-such-program",))
    same(resume_campaign(folder, engine=nothing, again=True).kpi, undisturbed.kpi)


def test_a_full_disk_before_cases_run_again_leaves_what_is_done(
    plan: CampaignPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = run_plan(plan, tmp_path / "c", engine=cheap_engine(n5="raise"))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write_table", full)
        with pytest.raises(StoreError, match=r"No space left.*resume"):
            resume_campaign(before.path, engine=cheap_engine(), again=True)
    same(open_campaign(before.path).kpi, before.kpi)


def test_cases_of_a_part_are_run_again_too(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "c"
    run_plan(plan, folder, engine=cheap_engine(1, n1="raise"))
    ledger = Ledger(folder)
    ledger.reopen(plan, {2})
    assert [(part.start, part.stop) for part in ledger.parts(1)] == [
        (0, 2),
        (3, plan.shards[0].stop),
    ]
    with pytest.raises(StoreError, match="No space"):
        resume_campaign(folder, engine=cheap_engine(1, n2="full"), again=True)
    same(resume_campaign(folder, engine=cheap_engine(1)).kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_culprit_is_found_and_the_rest_of_its_shard_is_kept(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    campaign = run_plan(plan, tmp_path / "c", engine=cheap_engine(n6="die", n17="die"))
    assert campaign.failed[["number", "status"]].to_numpy().tolist() == [
        [6, "crashed"],
        [17, "crashed"],
    ]
    assert "signal 9" in campaign.failed["reason"].iloc[0]
    others = ~undisturbed.kpi["number"].isin([6, 17])
    same(campaign.kpi[others], undisturbed.kpi[others])
    assert not list((campaign.path / "shards").glob("part*"))


@pytest.mark.slow
def test_a_worker_killed_from_outside_leaves_no_trace(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    campaign = run_plan(plan, tmp_path / "c", engine=cheap_engine(n2="die_once", n9="die_once"))
    same(campaign.kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_case_that_takes_too_long_is_given_up(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    short = replace(plan, experiment=replace(plan.experiment, case_limit_s=LIMIT_S))
    campaign = run_plan(short, tmp_path / "c", engine=cheap_engine(n3="hang"))
    assert campaign.failed[["number", "status"]].to_numpy().tolist() == [[3, "timeout"]]
    assert f"{LIMIT_S:g} s" in campaign.failed["reason"].iloc[0]
    others = undisturbed.kpi["number"] != 3
    same(campaign.kpi[others], undisturbed.kpi[others])


@pytest.mark.slow
def test_a_full_disk_stops_the_campaign_and_leaves_it_readable(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "c"
    with pytest.raises(StoreError, match=r"No space left.*resume"):
        run_plan(plan, folder, engine=cheap_engine(1, n30="full"))
    partial = open_campaign(folder)
    done = set(partial.kpi["number"])
    assert 0 < len(done) < len(plan.cases)
    same(
        partial.kpi.reset_index(drop=True),
        undisturbed.kpi[undisturbed.kpi["number"].isin(done)].reset_index(drop=True),
    )
    same(resume_campaign(folder, engine=cheap_engine(1)).kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_worker_that_holds_too_much_is_replaced(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    ten = replace(plan, cases=plan.cases[:10], shards=plan.shards[:2])
    campaign = run_plan(ten, tmp_path / "c", engine=cheap_engine(1, memory_mb=1.0))
    processes = {path.name for path in (campaign.path / "workers").glob("worker-*.json")}
    assert len(processes) == 2
    same(campaign.kpi, undisturbed.kpi[: len(campaign.kpi)])


def test_workers_that_do_not_start_are_the_engines_fault(
    plan: CampaignPlan, tmp_path: Path
) -> None:
    broken = LocalEngine(1, program=(sys.executable, "-c", "raise SystemExit('no such thing')"))
    with pytest.raises(EngineError, match="no such thing"):
        run_plan(plan, tmp_path / "c", engine=broken)


PARENT = """
import sys
from pathlib import Path
from mas2sim.campaign import LocalEngine, open_campaign
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.running import run_plan
folder, worker = sys.argv[1:]
plan = Ledger.find(folder).read_plan()
run_plan(plan, folder, engine=LocalEngine(2, program=(sys.executable, worker, '{"case_s": 0.1}')))
"""


def started(plan: CampaignPlan, folder: Path) -> subprocess.Popen[bytes]:
    """A process that runs the campaign, once some of its cases are done."""
    Ledger.prepare(folder, plan)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder), str(CHEAP_WORKER)])
    began = time.monotonic()
    while not list((folder / "workers").glob("worker-*.json")):
        assert time.monotonic() - began < WAIT_S
        assert parent.poll() is None
        time.sleep(0.02)
    return parent


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_and_resumed_it_is_the_same_table(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path, moment: int
) -> None:
    folder = tmp_path / "c"
    parent = started(plan, folder)
    workers = [json.loads(path.read_text())["process"] for path in beats(folder)]
    assert read_status(folder).running
    with pytest.raises(StoreError, match="at work"):
        resume_campaign(folder, engine=cheap_engine(1))
    time.sleep(stream(1, "moments", moment).random() * RUN_S)
    if moment % 2:
        with suppress(ProcessLookupError):
            os.kill(workers[0], signal.SIGKILL)
        parent.wait(WAIT_S)
        assert parent.returncode == 0
    else:
        parent.kill()
        parent.wait()
    for process in workers:
        assert ended(process)
    before = {path: path.stat().st_mtime_ns for path in (folder / "shards").glob("shard*")}
    assert not read_status(folder).running
    same(resume_campaign(folder, engine=cheap_engine(2)).kpi, undisturbed.kpi)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def beats(folder: Path) -> list[Path]:
    return list((folder / "workers").glob("worker-*.json"))


def ended(process: int) -> bool:
    """Whether a process ends within a while."""
    for _ in range(int(WAIT_S / 0.05)):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
def test_interrupted_it_ends_its_workers_and_keeps_what_is_done(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "c"
    parent = started(plan, folder)
    workers = [json.loads(path.read_text())["process"] for path in beats(folder)]
    parent.send_signal(signal.SIGINT)
    parent.wait(WAIT_S)
    assert parent.returncode != 0
    assert all(ended(process) for process in workers)
    same(resume_campaign(folder, engine=cheap_engine(1)).kpi, undisturbed.kpi)


def test_what_is_finished_is_not_done_again(undisturbed: Campaign) -> None:
    nothing = LocalEngine(1, program=("no-such-program",))
    again = resume_campaign(undisturbed.path, engine=nothing)
    same(again.kpi, undisturbed.kpi)


def test_another_plan_is_refused(plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path) -> None:
    other = small_plan(tmp_path, "seed=1,2")
    with pytest.raises(StoreError, match="another plan"):
        run_plan(other, undisturbed.path, engine=cheap_engine(1))
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("mine")
    with pytest.raises(StoreError, match="no campaign"):
        run_plan(plan, tmp_path / "foreign", engine=cheap_engine(1))


def test_changed_code_is_not_mixed_with_old_results(
    plan: CampaignPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger.prepare(tmp_path / "c", replace(plan, code_version="of yesterday"))
    with pytest.raises(StoreError, match="do not mix"):
        resume_campaign(tmp_path / "c", engine=cheap_engine(1))


def test_missing_figures_are_missing(undisturbed: Campaign) -> None:
    assert np.isfinite(undisturbed.kpi["solve_s"]).all()
    assert undisturbed.missing == 0
    assert read_status(undisturbed.path).by_status == {"ok": len(undisturbed.cases)}
