"""A campaign of real cases: the same as runs of single cases, with caches or without."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import mas2sim
from mas2sim.campaign import Campaign, CampaignPlan, LocalEngine, Shard, Step
from mas2sim.campaign.ledger import Ledger, Task
from mas2sim.campaign.running import run_plan
from mas2sim.campaign.shard import ShardRunner
from mas2sim.campaign.work_list import WorkList
from mas2sim.domain.errors import StoreError
from mas2sim.results import KPIS

from .samples import small_plan, untimed

FLOAT32 = 1e-6
"""Relative rounding of series, which are stored as float32."""


class InProcess:
    """The least engine there can be: one task after the other in this process."""

    def __init__(self, *, caches: bool = True) -> None:
        self.caches = caches
        self.runner: ShardRunner | None = None

    def run(self, work: WorkList, watch: object) -> None:
        self.runner = ShardRunner(work.ledger, work.plan, caches=self.caches)
        while (task := work.take()) is not None:
            self.runner.run(task)
            work.finished(task)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CampaignPlan:
    overrides = ["season=summer", "communities=3,1", "weather=sunny", "seed=1"]
    folder = tmp_path_factory.mktemp("experiment")
    levels = "levels: [baseline, uc1, uc2]\n"
    return small_plan(folder, *overrides, levels=levels, series="series: extremes\n")


@pytest.fixture(scope="module")
def engine() -> InProcess:
    return InProcess()


@pytest.fixture(scope="module")
def campaign(
    plan: CampaignPlan, engine: InProcess, tmp_path_factory: pytest.TempPathFactory
) -> Campaign:
    return run_plan(plan, tmp_path_factory.mktemp("with"), engine=engine)


def test_the_result_is_the_same_without_caches(
    plan: CampaignPlan, campaign: Campaign, tmp_path: Path
) -> None:
    engine = InProcess(caches=False)
    without = run_plan(plan, tmp_path / "c", engine=engine)
    pd.testing.assert_frame_equal(untimed(without.kpi), untimed(campaign.kpi), check_exact=True)
    for name in campaign.kpi.select_dtypes("float"):
        if not name.endswith("_s"):
            assert without.kpi[name].to_numpy().tobytes() == campaign.kpi[name].to_numpy().tobytes()
    for path in (campaign.path / "series").iterdir():
        assert path.read_bytes() == (without.path / "series" / path.name).read_bytes()
    assert engine.runner is not None
    assert engine.runner.shared.setups_reused == 0


def test_caches_are_hit(plan: CampaignPlan, engine: InProcess, campaign: Campaign) -> None:
    assert len(campaign.cases) == len(plan.cases)
    assert engine.runner is not None
    shared = engine.runner.shared
    assert shared.setups_reused == len(plan.cases) // 2
    assert shared.cache is not None
    # Every second case takes the plans of its 184 homes, and their unmanaged days, from the first.
    assert shared.cache.hits >= 185 * len(plan.cases) // 2


def test_a_case_is_the_same_as_run_alone(plan: CampaignPlan, campaign: Campaign) -> None:
    planned = plan.cases[-1]
    alone = mas2sim.run_case([*plan.experiment.shared, *planned.overrides])
    rows = campaign.kpi[campaign.kpi["case"] == planned.case].reset_index(drop=True)
    shared = [name for name in alone.kpi if not name.endswith("_s")]
    pd.testing.assert_frame_equal(rows[shared], alone.kpi[shared], check_exact=True)
    command = campaign.cases.set_index("case").loc[planned.case, "command"]
    assert command.startswith("mas2sim run ")
    assert all(override in command for override in planned.overrides)


def test_the_dataset_holds_the_table_over_the_axes(campaign: Campaign) -> None:
    dataset = campaign.dataset()
    sizes = {"season": 1, "communities": 2, "seed": 1, "level": 3}
    assert dict(dataset.sizes) == sizes
    assert dataset["communities"].to_numpy().tolist() == [3, 1]
    for _, row in campaign.kpi.iterrows():
        chosen = dataset.sel({name: row[name] for name in sizes})
        assert chosen["bill_eur"].item() == row["bill_eur"]
        assert chosen["case_status"].item() == "ok"
    assert {kpi.name for kpi in KPIS} <= set(dataset.data_vars)


def test_duration_curves_are_those_of_the_case(plan: CampaignPlan, campaign: Campaign) -> None:
    planned = plan.cases[0]
    with campaign.series(planned.case) as series:
        net_kw = series["net_duration_kw"].sel(level="uc1").to_numpy()
        worst = series["transformer_duration_percent"].sel(level="uc1").to_numpy()
    assert (np.diff(net_kw) <= 0).all()
    row = campaign.kpi.query("number == 0 and level == 'uc1'").iloc[0]
    assert net_kw[0] == pytest.approx(row["peak_import_kw"], rel=FLOAT32)
    assert worst[0] == pytest.approx(row["transformer_loading_max_percent"], rel=FLOAT32)
    with pytest.raises(StoreError, match="no case"):
        campaign.series("unknown")


@pytest.mark.slow
def test_all_series_are_kept_on_request(plan: CampaignPlan, tmp_path: Path) -> None:
    experiment = replace(plan.experiment, series=type(plan.experiment.series).ALL)
    one = replace(plan, experiment=experiment, cases=plan.cases[:1], shards=plan.shards[:1])
    ledger = Ledger.prepare(tmp_path / "c", one)
    ShardRunner(ledger, one).run(Task(1, 0, 1))
    with mas2sim.open_campaign(ledger.path).series(one.cases[0].case) as series:
        assert series.sizes["level"] == 3
        assert series.sizes["time"] == 96
    # A file that spans the case and does not hold it: the case failed at first, and ran again.
    kept = ledger.series_path(Task(1, 0, 1))
    kept.rename(ledger.series_path(Task(1, 0, 2)))
    h5py.File(kept, "w").close()
    with mas2sim.open_campaign(ledger.path).series(one.cases[0].case) as series:
        assert series.sizes["level"] == 3
    ledger.series_path(Task(1, 0, 2)).unlink()
    with pytest.raises(StoreError, match="no series were kept"):
        mas2sim.open_campaign(ledger.path).series(one.cases[0].case)


def test_a_case_that_cannot_be_built_is_an_error_with_its_reason(
    plan: CampaignPlan, campaign: Campaign, tmp_path: Path
) -> None:
    # More communities than homes shows only when the grid is there.
    bad = replace(plan.cases[1], overrides=("season=summer", "communities=5000"))
    broken = replace(plan, cases=(plan.cases[0], bad), shards=(Shard(1, 0, 2),))
    found = run_plan(broken, tmp_path / "c", engine=InProcess())
    assert found.failed["number"].tolist() == [1]
    assert "communities" in found.failed["reason"].iloc[0]
    first = campaign.kpi["number"] == 0
    pd.testing.assert_frame_equal(
        untimed(found.kpi[: first.sum()]), untimed(campaign.kpi[first]), check_exact=True
    )


def test_a_damaged_file_is_named(campaign: Campaign, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no campaign"):
        mas2sim.open_campaign(tmp_path)
    copy = tmp_path / "c"
    ledger = Ledger.prepare(copy, campaign.plan)
    with pytest.raises(StoreError, match="no case of this campaign"):
        mas2sim.open_campaign(copy)
    ledger.shard_path(1).write_bytes(b"damaged")
    with pytest.raises(StoreError, match=ledger.shard_path(1).name):
        mas2sim.open_campaign(copy)


@pytest.mark.slow
def test_worker_processes_give_the_same_bytes(
    plan: CampaignPlan, campaign: Campaign, tmp_path: Path
) -> None:
    steps: list[Step] = []
    found = run_plan(plan, tmp_path / "c", engine=LocalEngine(2), watch=steps.append)
    pd.testing.assert_frame_equal(untimed(found.kpi), untimed(campaign.kpi), check_exact=True)
    assert steps[-1].cases_done == len(plan.cases)
