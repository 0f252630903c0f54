"""The door to Hydra's launchers: shards one by one, and the same table."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mas2sim.campaign import Campaign, CampaignPlan, LocalEngine, read_status, resume_campaign
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.multirun import run_shard
from mas2sim.campaign.running import run_plan
from mas2sim.cli.sweep import sweep
from mas2sim.domain.errors import ConfigurationError, StoreError

from .samples import cheap_engine, same, small_plan, written


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CampaignPlan:
    return small_plan(tmp_path_factory.mktemp("experiment"), "seed=1,2")


def test_shards_run_one_by_one_make_the_same_table(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    ledger = Ledger.prepare(tmp_path / "c", plan)
    assert len(plan.shards) == 2
    assert run_shard(ledger.path, 2, engine=cheap_engine(1))
    assert [shard.number for shard in ledger.finished(plan)] == [2]
    before = ledger.shard_path(2).stat().st_mtime_ns
    assert not run_shard(ledger.path, 2, engine=LocalEngine(1, program=("no-such-program",)))
    assert ledger.shard_path(2).stat().st_mtime_ns == before
    same(resume_campaign(ledger.path, engine=cheap_engine(1)).kpi, undisturbed.kpi)


def test_what_cannot_be_run_is_told(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    for number in (0, 3):
        with pytest.raises(ConfigurationError, match="allowed: 1 to 2"):
            run_shard(undisturbed.path, number)
    with pytest.raises(StoreError, match="no campaign here"):
        run_shard(tmp_path, 1)
    Ledger.prepare(tmp_path / "c", replace(plan, code_version="of yesterday"))
    with pytest.raises(StoreError, match="do not mix"):
        run_shard(tmp_path / "c", 1)


def test_jobs_share_a_campaign_and_a_whole_run_does_not(plan: CampaignPlan, tmp_path: Path) -> None:
    ledger = Ledger.prepare(tmp_path / "c", plan)
    with ledger.locked(shared=True), ledger.locked(shared=True):
        assert ledger.is_held
        with pytest.raises(StoreError, match="at work"):
            resume_campaign(ledger.path, engine=cheap_engine(1))
    with ledger.locked(), pytest.raises(StoreError, match="at work"):
        run_shard(ledger.path, 1)
    assert not read_status(ledger.path).running


def test_a_campaign_can_be_planned_alone(tmp_path: Path) -> None:
    typed = ["seed=1,2", "--out", str(tmp_path / "c"), "--plan-only"]
    done = CliRunner().invoke(sweep, [str(written(tmp_path)), *typed])
    assert done.exit_code == 0, done.output
    assert f"{tmp_path / 'c'}, shards 1 to 2" in done.output
    ledger = Ledger.find(tmp_path / "c")
    assert len(ledger.missing(ledger.read_plan())) == 2


def by_hydra(*words: str | Path) -> Sequence[str]:
    return [sys.executable, "-m", "mas2sim.campaign.multirun", *map(str, words)]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [[], ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]])
def test_hydra_runs_the_shards_by_any_launcher(tmp_path: Path, launcher: list[str]) -> None:
    # Real cases: Hydra starts mas2sim's own worker.
    plan = small_plan(
        tmp_path,
        "seed=1",
        axes="axes: ['season=winter,summer', 'day=weekday,saturday,sunday', 'seed=1']\n",
        levels="levels: [baseline]\n",
    )
    ledger = Ledger.prepare(tmp_path / "c", plan)
    words = ["--multirun", f"campaign={ledger.path}", "shard=range(1,3)", *launcher]
    subprocess.run(by_hydra(*words), check=True, cwd=tmp_path)
    assert ledger.finished(plan) == [*plan.shards]
    nothing = LocalEngine(1, program=("no-such-program",))
    expected = run_plan(plan, tmp_path / "local", engine=LocalEngine(1))
    same(resume_campaign(ledger.path, engine=nothing).kpi, expected.kpi)
