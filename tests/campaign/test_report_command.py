"""The report of a campaign: made at the end of a sweep, again by `report`, and while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mas2sim.campaign import CampaignPlan, open_campaign
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.report_folder import report_is_current, write_campaign_report
from mas2sim.campaign.running import run_plan
from mas2sim.campaign.shard import ShardRunner
from mas2sim.campaign.work_list import WorkList
from mas2sim.cli import commands
from mas2sim.cli import sweep as sweeping
from mas2sim.domain.errors import StoreError
from mas2sim.results.study_files import read_study_files
from mas2sim.results.study_result import Column, StudyResult, StudyTable

from .cheap_worker import install
from .samples import small_plan, written


class Here:
    """An engine that runs cases that take no time in this process."""

    def __init__(self, patch: pytest.MonkeyPatch, **faults: str) -> None:
        self.patch = patch
        self.faults = {name.removeprefix("n"): fault for name, fault in faults.items()}

    def run(self, work: WorkList, watch: object) -> None:
        with self.patch.context() as installed:
            # So that it is put back when the block ends.
            installed.setattr(ShardRunner, "_case", ShardRunner._case)
            install(self.faults, work.ledger.path)
            runner = ShardRunner(work.ledger, work.plan)
            while (task := work.take()) is not None:
                runner.run(task)
                work.finished(task)


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands.commands, [str(argument) for argument in arguments])


def study(campaign: object) -> StudyResult:
    """A summary that tells how much of the campaign it saw."""
    seen = len(campaign.cases)  # type: ignore[attr-defined]
    frame = pd.DataFrame({"cases": [seen]})
    tables = [StudyTable("by_scenario", "Seen", "", frame, {"cases": Column("Cases")})]
    missing = campaign.missing  # type: ignore[attr-defined]
    unfinished = f"{missing} cases are missing" if missing else ""
    return StudyResult("campaign", "Small", [], [], tables, unfinished=unfinished)


def page(result: StudyResult, path: Path) -> None:
    path.write_text(f"page {result.unfinished}", encoding="utf-8")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases, tables and pages that take no time."""
    monkeypatch.setattr(sweeping, "_engine", lambda *_: Here(monkeypatch))
    monkeypatch.setattr("mas2sim.campaign.summary.campaign_summary", lambda each, **_: study(each))
    monkeypatch.setattr("mas2sim.report.write_study_page", page)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CampaignPlan:
    """Of four cases."""
    return small_plan(tmp_path_factory.mktemp("experiment"), "seed=1")


@pytest.fixture
def folder(plan: CampaignPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign that is done, without a report."""
    return run_plan(plan, tmp_path / "c", engine=Here(monkeypatch)).path


def half_done(folder: Path) -> None:
    """Make a campaign one of which only the first shard is done."""
    for name in ("kpi.parquet", "cases.parquet", "shards/shard-0002.parquet"):
        (folder / name).unlink()


def test_a_sweep_ends_with_its_report(quick: None, tmp_path: Path) -> None:
    arguments = ("sweep", written(tmp_path), "seed=1,2", "--out", tmp_path / "c", "--workers", "1")
    done = typed(*arguments, "--no-report")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "c" / "report").exists()
    done = typed(*arguments)
    made = tmp_path / "c" / "report" / "index.html"
    assert f"Report: {made}" in done.output
    assert "Seen" in done.output
    before = made.stat().st_mtime_ns
    # What is there and of these figures is not made again, but by its own command.
    assert f"Report: {made}" in typed("resume", tmp_path / "c").output
    assert made.stat().st_mtime_ns == before
    assert typed("report", tmp_path / "c").exit_code == 0
    assert made.stat().st_mtime_ns != before


def test_a_report_that_is_interrupted_leaves_the_campaign_whole(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mas2sim.report.write_study_page", interrupted)
    done = typed("sweep", written(tmp_path), "seed=1", "--out", tmp_path / "c", "--workers", "1")
    assert done.exit_code == 130
    assert f"the campaign is done, its report: mas2sim report {tmp_path / 'c'}" in done.output
    assert (tmp_path / "c" / "kpi.parquet").is_file()
    assert not (tmp_path / "c" / "report").exists()


def test_the_report_of_what_is_done_says_so_and_is_made_anew(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_plan(small_plan(tmp_path, "seed=1,2"), tmp_path / "c", engine=Here(monkeypatch))
    half_done(tmp_path / "c")
    done = typed("report", tmp_path / "c")
    assert done.exit_code == 0, done.output
    assert "2 cases are missing" in done.output
    made = tmp_path / "c" / "report" / "index.html"
    assert made.read_text() == "page 2 cases are missing"
    assert read_study_files(made.parent).unfinished == "2 cases are missing"
    done = typed("resume", tmp_path / "c")
    assert done.exit_code == 0, done.output
    assert made.read_text() == "page "


def test_what_the_folder_holds(folder: Path) -> None:
    campaign = open_campaign(folder)
    assert not report_is_current(campaign)
    write_campaign_report(campaign, study, page)
    report = folder / "report"
    assert {entry.name for entry in report.iterdir()} == {
        *("index.html", "by_scenario.csv", "tables.xlsx", "study.json", "provenance.json")
    }
    told = json.loads((report / "provenance.json").read_text())
    assert told["plan_hash"] == campaign.plan.plan_hash
    assert "by_scenario.csv" in told["files"]
    assert report_is_current(campaign)
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]
    # Other figures, or none of the whole: not the same report.
    (folder / "kpi.parquet").write_bytes(b"other")
    assert not report_is_current(campaign)
    Ledger(folder).forget()
    assert not report.exists()


def test_a_page_that_fails_leaves_the_earlier_report(folder: Path) -> None:
    campaign = open_campaign(folder)
    write_campaign_report(campaign, study, page)

    def broken(_result: StudyResult, path: Path) -> None:
        path.touch()
        raise ValueError("no such colour")

    with pytest.raises(StoreError, match="ValueError: no such colour"):
        write_campaign_report(campaign, study, broken)
    assert (folder / "report" / "index.html").read_text() == "page "

    def full(_result: StudyResult, _path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="No space left"):
        write_campaign_report(campaign, study, full)
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


def test_no_report_of_nothing(quick: None, plan: CampaignPlan, tmp_path: Path) -> None:
    ledger = Ledger.prepare(tmp_path / "c", plan)
    done = typed("report", ledger.path)
    assert isinstance(done.exception, StoreError)
    assert "no case of this campaign is done" in str(done.exception)
    assert not (ledger.path / "report").exists()


def test_a_campaign_has_no_homes(folder: Path) -> None:
    done = typed("report", folder, "--home", "h1")
    assert done.exit_code == 2
    assert "a home is of one case" in done.output


def test_a_folder_that_is_no_campaign_is_a_case(tmp_path: Path) -> None:
    done = typed("report", tmp_path)
    assert isinstance(done.exception, StoreError)
    assert "not a complete result" in str(done.exception)


def test_an_export_as_typed(folder: Path, tmp_path: Path) -> None:
    done = typed("export", folder, "--to", tmp_path / "out.csv")
    assert done.exit_code == 0, done.output
    assert f"Written: {tmp_path / 'out.csv'}" in done.output
    assert "not done" not in done.output
    assert len(pd.read_csv(tmp_path / "out.csv")) == 8
    assert isinstance(typed("export", folder, "--to", tmp_path / "out.csv").exception, StoreError)
    assert typed("export", folder, "--to", tmp_path / "out.csv", "--force").exit_code == 0
    no_campaign = typed("export", tmp_path, "--to", tmp_path / "x.csv").exception
    assert isinstance(no_campaign, StoreError)


def test_a_broken_report_does_not_hide_what_became_of_the_cases(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_campaign: object, **_: object) -> StudyResult:
        raise KeyError("smart")

    monkeypatch.setattr("mas2sim.campaign.summary.campaign_summary", broken)
    done = typed("sweep", written(tmp_path), "seed=1", "--out", tmp_path / "c", "--workers", "1")
    assert "4 cases: 4 ok" in done.output
    assert isinstance(done.exception, StoreError)
    assert (tmp_path / "c" / "kpi.parquet").is_file()


@pytest.mark.slow
def test_the_whole_report_of_a_small_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_engine", lambda *_: Here(monkeypatch, n3="raise"))
    done = typed("sweep", written(tmp_path), "--out", tmp_path / "c", "--workers", "1")
    assert done.exit_code == 2
    assert "39 ok, 1 error" in done.output
    report = tmp_path / "c" / "report"
    told = read_study_files(report)
    assert told.failures
    text = (report / "index.html").read_text(encoding="utf-8")
    assert "ValueError: told to" in text
    assert 'id="plot-scenario"' in text
