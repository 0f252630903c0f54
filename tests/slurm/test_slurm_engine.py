"""The Slurm engine on a real Slurm: what a campaign's table is, whatever becomes of its jobs.

Run them with the Slurm of one node that is beside this file:

    tests/slurm/start_slurm.sh FOLDER
    SLURM_CONF=FOLDER/slurm.conf pytest -m slow tests/slurm
    tests/slurm/stop_slurm.sh FOLDER
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mas2sim.campaign import open_campaign

pytestmark = pytest.mark.slow

CLUSTER = "mas2sim_test"
"""Name in the configuration that start_slurm.sh writes: nobody else's cluster gets jobs of ours."""
EXPERIMENT = """\
question: Does it matter where the cases run?
axes: ['season=winter,summer', 'communities=1,3', 'seed=range(1,9)']
levels: [baseline, uc1]
series: none
"""
CASES = 32
TWO = ("--engine", "slurm", "--workers", "2")
WAIT_S = 240.0
"""Far more than a sweep of these cases takes on one core."""
LOOK_S = 0.1
NOBODY = 6
"""A port that nothing listens on."""
ANSWER_S = 10.0
"""Commands of Slurm wait a minute for a configuration that is not there."""


def told(*command: str) -> str:
    """What a command of Slurm says; nothing when it is not there or does not answer."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def slurm() -> None:
    if not told("sinfo", "--noheader"):
        pytest.skip("no Slurm answers: tests/slurm/start_slurm.sh FOLDER, then set SLURM_CONF")
    if CLUSTER not in told("scontrol", "show", "config"):
        pytest.skip("the Slurm that answers is not that of tests/slurm/start_slurm.sh")


def until(condition: Callable[[], Any], sweep: subprocess.Popen[str] | None = None) -> Any:
    """What a condition gives when it holds at last; it must while the sweep still runs."""
    began = time.monotonic()
    while not (found := condition()):
        assert time.monotonic() - began < WAIT_S
        assert sweep is None or sweep.poll() is None, sweep.communicate()
        time.sleep(LOOK_S)
    return found


class Sweeps:
    """Sweeps of one experiment, as typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiment = folder / "small.yaml"
        self.experiment.write_text(EXPERIMENT)
        self.begun: list[subprocess.Popen[str]] = []

    def begin(self, name: str, *options: str, **environment: str) -> subprocess.Popen[str]:
        out = ("--out", str(self.folder / name), "--no-report")
        return self.typed("sweep", str(self.experiment), *out, *options, **environment)

    def typed(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        on_loopback = {"DASK_JOBQUEUE__SLURM__INTERFACE": "lo"}
        sweep = subprocess.Popen(
            [sys.executable, "-m", "mas2sim", *arguments],
            cwd=self.folder,
            env={**os.environ, **on_loopback, **environment},
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.begun.append(sweep)
        return sweep

    def end(self, sweep: subprocess.Popen[str]) -> str:
        """What a sweep that ends well says."""
        said, faults = sweep.communicate(timeout=WAIT_S)
        assert sweep.returncode == 0, said + faults
        return said + faults

    def table(self, name: str) -> pd.DataFrame:
        """Its table, but for times, which differ from run to run."""
        campaign = open_campaign(self.folder / name)
        assert campaign.missing == 0
        assert len(campaign.failed) == 0, campaign.failed["reason"].tolist()
        times = [column for column in campaign.kpi if column.endswith("_s")]
        return campaign.kpi.drop(columns=times)

    def jobs(self, state: str = "all") -> list[str]:
        """Numbers of the jobs that these sweeps made; others may use Slurm at the same time."""
        lines = told("squeue", "--noheader", f"--states={state}", "--format=%i %Z").splitlines()
        numbers = dict(line.split(maxsplit=1) for line in lines)
        return [number for number, folder in numbers.items() if folder == str(self.folder)]

    def shards_done(self, name: str) -> int:
        return len(list((self.folder / name / "shards").glob("shard-*")))


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory, slurm: None) -> Iterator[Sweeps]:
    made = Sweeps(tmp_path_factory.mktemp("sweeps"))
    yield made
    for sweep in made.begun:
        # Still at work only if its test failed.
        sweep.kill()
        sweep.communicate()


@pytest.fixture(scope="module")
def expected(sweeps: Sweeps) -> pd.DataFrame:
    """The table of one local worker."""
    sweeps.end(sweeps.begin("local", "--engine", "local", "--workers", "1"))
    return sweeps.table("local")


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(expected) == 2 * CASES
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_two_jobs_give_the_table_of_a_local_worker(sweeps: Sweeps, expected: pd.DataFrame) -> None:
    before = sweeps.jobs()
    sweeps.end(sweeps.begin("two", *TWO))
    same(sweeps.table("two"), expected)
    assert len(set(sweeps.jobs()) - set(before)) == 2
    until(lambda: not sweeps.jobs("running,pending,completing"))


@dataclass(frozen=True, slots=True)
class Busy:
    """A worker process in the middle of a shard."""

    job: str
    beat: Path

    @property
    def in_the_middle(self) -> bool:
        said = json.loads(self.beat.read_text())
        _, start, stop = said["task"]
        return bool(0 < said["done"] < stop - start)


def just_begun(folder: Path) -> Busy | None:
    """A worker process that has done one case of its shard, by its heartbeat, and its job."""
    for path in (folder / "workers").glob("worker-*.json"):
        said = json.loads(path.read_text())
        if said["done"] == 1:
            with suppress(OSError):
                for variable in Path(f"/proc/{said['process']}/environ").read_text().split("\0"):
                    if variable.startswith("SLURM_JOB_ID="):
                        return Busy(variable.partition("=")[2], path)
    return None


@pytest.mark.parametrize("workers", [2, 1])
def test_a_job_that_is_cancelled_costs_nothing_but_time(
    sweeps: Sweeps, expected: pd.DataFrame, workers: int
) -> None:
    """The shard of a cancelled job runs again: in the other job, or in one that takes its place."""
    name, before = f"cancelled-{workers}", sweeps.jobs()
    sweep = sweeps.begin(name, "--engine", "slurm", "--workers", str(workers))
    until(lambda: sweeps.shards_done(name), sweep)
    busy: Busy = until(lambda: just_begun(sweeps.folder / name), sweep)
    told("scancel", busy.job)
    until(lambda: busy.job not in sweeps.jobs("running,completing"))
    sweeps.end(sweep)
    assert busy.in_the_middle, "it was cancelled too late to mean anything"
    same(sweeps.table(name), expected)
    if workers == 1:
        assert len(set(sweeps.jobs()) - set(before)) == 2


def test_interrupted_it_cancels_its_jobs_and_keeps_what_is_done(
    sweeps: Sweeps, expected: pd.DataFrame
) -> None:
    sweep = sweeps.begin("interrupted", *TWO)
    until(lambda: sweeps.shards_done("interrupted"), sweep)
    sweep.send_signal(signal.SIGINT)
    sweep.communicate(timeout=WAIT_S)
    assert sweep.returncode == 130
    until(lambda: not sweeps.jobs("running,pending,completing"))
    done = sweeps.shards_done("interrupted")
    assert done > 0
    folder = sweeps.folder / "interrupted"
    sweeps.end(sweeps.typed("resume", str(folder), "--no-report", *TWO))
    same(sweeps.table("interrupted"), expected)


def test_a_slurm_that_does_not_answer_is_told(sweeps: Sweeps) -> None:
    unheard = sweeps.folder / "unheard.conf"
    unheard.write_text(Path(os.environ["SLURM_CONF"]).read_text() + f"SlurmctldPort={NOBODY}\n")
    options = ("--engine", "slurm", "--workers", "1")
    sweep = sweeps.begin("unheard", *options, SLURM_CONF=str(unheard))
    _, faults = sweep.communicate(timeout=WAIT_S)
    assert sweep.returncode == 3
    assert "sbatch" in faults
    assert "mas2sim resume" in faults
