"""The dask engine: the same table as the local one, whatever becomes of any process of it."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from mas2sim.campaign import (
    Campaign,
    CampaignPlan,
    DaskEngine,
    EngineError,
    SlurmEngine,
    Step,
    dask_engine,
    dask_seat,
    open_campaign,
    resume_campaign,
    slurm_engine,
)
from mas2sim.campaign.dask_seat import Seats
from mas2sim.campaign.ledger import RUN_FILE, Ledger
from mas2sim.campaign.running import run_plan
from mas2sim.campaign.seat import SeatRules
from mas2sim.cli.sweep import sweep
from mas2sim.domain.errors import ConfigurationError, StoreError

from .samples import CHEAP_WORKER, cheap_engine, same

# A client that lost its scheduler leaves a socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")

WAIT_S = 60.0
LIMIT_S = 2.0
CASE_S = 0.1
"""Of a case in campaigns that are disturbed: there is time to do so."""
BEFORE = 8
"""Cases that are done before anything is disturbed."""


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What is left to the garbage collector is collected here, and not in somebody else's test."""
    yield
    gc.collect()


def program(faults: dict[str, object]) -> tuple[str, ...]:
    return (sys.executable, str(CHEAP_WORKER), json.dumps(faults))


def cheap_dask(scheduler: str | None = None, workers: int = 2, **faults: object) -> DaskEngine:
    told = {name.removeprefix("n"): fault for name, fault in faults.items()}
    return DaskEngine(workers, scheduler=scheduler, program=program(told))


class Scheduler:
    """A scheduler and its workers, in processes of their own."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._said = folder / "scheduler.json"
        self._output = (folder / "dask.txt").open("wb")
        self.process = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_until(self._said.is_file)
        self.address: str = json.loads(self._said.read_text())["address"]
        self.workers = [
            self._start("worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
            for _ in range(workers)
        ]

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "dask",
                *words,
                "--no-dashboard",
                "--scheduler-file",
                self._said,
            ],
            stdout=self._output,
            stderr=self._output,
        )

    def __enter__(self) -> "Scheduler":
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self.workers, self.process):
            process.kill()
        for process in (*self.workers, self.process):
            process.wait(WAIT_S)
        self._output.close()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    with Scheduler(tmp_path_factory.mktemp("dask"), 2) as there:
        yield there


def wait_until(holds: Callable[[], object]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < WAIT_S
        time.sleep(0.05)


def seats(folder: Path) -> list[int]:
    """Worker processes of a campaign that are alive."""
    beats = [json.loads(path.read_text()) for path in (folder / "workers").glob("worker-*.json")]
    return [beat["process"] for beat in beats if psutil.pid_exists(beat["process"])]


def once(after: int, what: Callable[[], object]) -> Callable[[Step], None]:
    """A watch that does something once, when some cases are done."""
    left = [what]

    def watch(step: Step) -> None:
        if step.run >= after and left:
            left.pop()()

    return watch


@pytest.mark.slow
def test_a_cluster_on_this_machine_gives_the_same_table(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    steps: list[Step] = []
    campaign = run_plan(plan, tmp_path / "c", engine=cheap_dask(), watch=steps.append)
    same(campaign.kpi, undisturbed.kpi)
    assert sorted({step.cases_done for step in steps}) == list(range(1, len(plan.cases) + 1))
    assert sum(step.shard_ended for step in steps) == len(plan.shards)
    assert len(list((tmp_path / "c" / "workers").glob("worker-*.json"))) == 2
    assert not seats(tmp_path / "c")


@pytest.mark.slow
def test_a_scheduler_that_is_there_gives_the_same_table_and_is_left_as_it_was(
    scheduler: Scheduler, plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    from distributed import Client

    for folder in (tmp_path / "first", tmp_path / "second"):
        same(run_plan(plan, folder, engine=cheap_dask(scheduler.address)).kpi, undisturbed.kpi)
        assert not seats(folder)
    with Client(scheduler.address, set_as_default=False) as client:
        held = client.run_on_scheduler(
            lambda dask_scheduler: (len(dask_scheduler.tasks), [*dask_scheduler.worker_plugins])
        )
        assert len(client.nthreads()) == 2
    tasks, plugins = held
    assert tasks == 0
    assert not [name for name in plugins if name.startswith("mas2sim")]


@pytest.mark.slow
def test_what_ends_a_seat_costs_its_case_alone(
    scheduler: Scheduler, plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    short = replace(plan, experiment=replace(plan.experiment, case_limit_s=LIMIT_S))
    engine = cheap_dask(scheduler.address, n6="die", n9="die_once", n17="hang", n20="raise")
    campaign = run_plan(short, tmp_path / "c", engine=engine)
    assert campaign.failed[["number", "status"]].to_numpy().tolist() == [
        [6, "crashed"],
        [17, "timeout"],
        [20, "error"],
    ]
    assert "signal 9" in campaign.failed["reason"].iloc[0]
    others = ~undisturbed.kpi["number"].isin([6, 17, 20])
    same(campaign.kpi[others], undisturbed.kpi[others])


@pytest.mark.slow
def test_a_killed_dask_worker_costs_its_task_and_is_replaced(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    def kill() -> None:
        process = psutil.Process(seats(tmp_path / "c")[0]).parent()
        assert process is not None
        assert process.pid != os.getpid()
        process.kill()

    engine = cheap_dask(case_s=CASE_S)
    campaign = run_plan(plan, tmp_path / "c", engine=engine, watch=once(BEFORE, kill))
    same(campaign.kpi, undisturbed.kpi)
    assert not list((campaign.path / "shards").glob("part*"))


@pytest.mark.slow
def test_a_full_disk_stops_the_campaign_and_leaves_it_readable(
    scheduler: Scheduler, plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"No space left.*resume"):
        run_plan(plan, tmp_path / "c", engine=cheap_dask(scheduler.address, n30="full"))
    assert 0 < len(set(open_campaign(tmp_path / "c").kpi["number"])) < len(plan.cases)
    assert not seats(tmp_path / "c")
    same(resume_campaign(tmp_path / "c", engine=cheap_engine(1)).kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_and_what_is_done_is_kept(
    plan: CampaignPlan, undisturbed: Campaign, tmp_path: Path
) -> None:
    with Scheduler(tmp_path, 1) as there:
        engine = cheap_dask(there.address, case_s=CASE_S)
        with pytest.raises(EngineError, match=r"is gone; see that it runs"):
            run_plan(plan, tmp_path / "c", engine=engine, watch=once(BEFORE, there.process.kill))
        wait_until(lambda: not seats(tmp_path / "c"))
    same(resume_campaign(tmp_path / "c", engine=cheap_engine(1)).kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_connection_that_is_lost_ends_the_run_and_its_seats(
    scheduler: Scheduler,
    plan: CampaignPlan,
    undisturbed: Campaign,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = []
    connect = dask_engine._connect

    def connected(address: str) -> object:
        clients.append(connect(address))
        return clients[-1]

    def cut() -> None:
        clients[0].loop.add_callback(clients[0].scheduler_comm.comm.abort)

    monkeypatch.setattr(dask_engine, "_connect", connected)
    engine = cheap_dask(scheduler.address, case_s=CASE_S)
    with pytest.raises(EngineError, match="or the connection to it, is gone"):
        run_plan(plan, tmp_path / "c", engine=engine, watch=once(BEFORE, cut))
    wait_until(lambda: not seats(tmp_path / "c"))
    same(resume_campaign(tmp_path / "c", engine=cheap_dask(scheduler.address)).kpi, undisturbed.kpi)


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told(plan: CampaignPlan, tmp_path: Path) -> None:
    with Scheduler(tmp_path, 0) as there:
        engine = replace(cheap_dask(there.address), wait_s=1.0)
        with pytest.raises(EngineError, match=r"dask worker tcp://127\.0\.0\.1"):
            run_plan(plan, tmp_path / "c", engine=engine)


@pytest.mark.slow
def test_other_code_on_a_dask_worker_is_refused(
    scheduler: Scheduler, plan: CampaignPlan, tmp_path: Path
) -> None:
    other = replace(plan, code_version="of yesterday")
    with pytest.raises(EngineError, match=r"dask worker tcp://.*not as it was planned"):
        run_plan(other, tmp_path / "c", engine=cheap_dask(scheduler.address))


PARENT = """
import sys
from mas2sim.campaign import DaskEngine
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.running import run_plan
if __name__ == "__main__":
    folder, scheduler, *program = sys.argv[1:]
    engine = DaskEngine(2, scheduler=scheduler or None, program=tuple(program))
    run_plan(Ledger.find(folder).read_plan(), folder, engine=engine)
"""


def started(plan: CampaignPlan, folder: Path, address: str) -> subprocess.Popen[bytes]:
    """A process that runs the campaign, once both seats are at work."""
    Ledger.prepare(folder, plan)
    script = folder.with_suffix(".py")
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, script, folder, address, *program({"case_s": 3 * CASE_S})],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: parent.poll() is not None or len(seats(folder)) == 2)
    assert parent.poll() is None
    return parent


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["own", "there"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_its_seats_end_and_the_scheduler_stays(
    scheduler: Scheduler,
    plan: CampaignPlan,
    undisturbed: Campaign,
    tmp_path: Path,
    whose: str,
    how: signal.Signals,
) -> None:
    folder = tmp_path / "c"
    parent = started(plan, folder, scheduler.address if whose == "there" else "")
    children = psutil.Process(parent.pid).children(recursive=True)
    if how is signal.SIGINT:
        # As a terminal does: to all processes in the foreground.
        os.killpg(parent.pid, how)
    else:
        parent.kill()
    parent.wait(WAIT_S)
    wait_until(lambda: not seats(folder))
    wait_until(lambda: not any(child.is_running() for child in children))
    assert scheduler.process.poll() is None
    assert all(worker.poll() is None for worker in scheduler.workers)
    same(resume_campaign(folder, engine=cheap_engine(2)).kpi, undisturbed.kpi)


def test_a_scheduler_that_is_not_there_is_told(
    plan: CampaignPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "CONNECT_S", 0.2)
    with pytest.raises(
        EngineError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:1 .*start"
    ):
        run_plan(plan, tmp_path / "c", engine=cheap_dask("tcp://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("engine", "module"), [(DaskEngine, "distributed"), (SlurmEngine, "dask_jobqueue")]
)
def test_what_is_to_be_installed_is_told(
    engine: Callable[[int], object], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "find_spec", lambda name: None if name == module else 1)
    with pytest.raises(ConfigurationError, match=r'no .*pip install "mas2sim\[cluster\]"'):
        engine(1)


def test_a_folder_that_is_not_shared_is_refused(
    plan: CampaignPlan, undisturbed: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_seat, "SHARED_S", 0.0)
    rules = SeatRules(undisturbed.path, None)
    run = Ledger.find(undisturbed.path).read(RUN_FILE)
    assert Seats("test", rules, run)._why_unfit() == ""
    other_file_system = Seats("test", rules, {**run, "host": "elsewhere"})
    assert "file system all machines share" in other_file_system._why_unfit()
    nothing_there = Seats("test", replace(rules, folder=undisturbed.path / "other"), run)
    assert "is not the campaign's folder" in nothing_there._why_unfit()


def test_a_scheduler_is_for_the_dask_engine_alone() -> None:
    done = CliRunner().invoke(sweep, ["seasons", "--scheduler", "tcp://127.0.0.1:1"])
    assert done.exit_code == 2
    assert "belongs to --engine dask, not to --engine local" in done.stderr


def test_without_slurm_that_is_told(
    plan: CampaignPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_engine.shutil, "which", lambda _name: None)
    with pytest.raises(EngineError, match="no `sbatch` here"):
        run_plan(plan, tmp_path / "c", engine=SlurmEngine(1))
