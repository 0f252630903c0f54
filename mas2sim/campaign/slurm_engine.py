"""Runs tasks on a cluster with Slurm: jobs of one dask worker each, and the dask engine on these.

What a job asks for - partition, account, memory, walltime, network interface - is said where
dask-jobqueue reads it (``jobqueue.yaml``, or variables such as ``DASK_JOBQUEUE__SLURM__QUEUE``), as
each cluster needs it once and not for every campaign.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from mas2sim.campaign.dask_engine import WITHOUT_DASHBOARD, DaskRun, require_installed
from mas2sim.campaign.engine import EngineError, Watch
from mas2sim.campaign.ledger import WORKERS
from mas2sim.campaign.seat import MEMORY_MB, SeatRules
from mas2sim.campaign.work_list import WorkList

if TYPE_CHECKING:
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Security

MEMORY = "3GB"
"""Of a job where dask's configuration names none: a worker process, the dask worker, its nanny."""
TEND_S = 15.0
"""How often jobs are looked after. [s]"""
MOST_VAIN_JOBS = 3
"""Times that all jobs may end without any worker before the engine gives up."""
ANSWER_S = 60.0
"""Time in which a command of Slurm must answer. [s]"""


@dataclass(slots=True)
class SlurmEngine:
    """Runs tasks on dask workers that Slurm starts.

    Parameters
    ----------
    workers : int
        Jobs, each with one dask worker on one core. A job that ends is replaced.
    memory_mb : float
        A worker process that holds more is replaced between tasks. [MB]
    caches : bool
        Whether worker processes keep what cases share.
    program : tuple of str
        What is started as a worker process; empty: mas2sim's own.
    """

    workers: int
    memory_mb: float = MEMORY_MB
    caches: bool = True
    program: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_installed("dask_jobqueue")

    def run(self, work: WorkList, watch: Watch) -> None:
        """Run all tasks; see `Engine.run`."""
        from distributed import Client

        jobs = min(self.workers, work.tasks_left)
        rules = SeatRules.of(work, self)
        name, folder = f"mas2sim-{work.plan.plan_hash}", work.ledger.path / WORKERS
        with (
            _cluster(name, folder) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            DaskRun(client, work, watch, rules, _Jobs(cluster, jobs, name, folder)).go()


class _Jobs:
    """Sees to it that there are as many jobs as wanted."""

    def __init__(self, cluster: SLURMCluster, jobs: int, name: str, folder: Path) -> None:
        self._cluster, self._jobs, self._name, self._folder = cluster, jobs, name, folder
        self._looked, self._vain = monotonic(), 0
        cluster.scale(jobs=jobs)

    def __call__(self, workers: int) -> None:
        if workers:
            self._vain = 0
        if workers >= self._jobs or monotonic() - self._looked < TEND_S:
            return
        self._looked = monotonic()
        if not workers and not _slurm("squeue", "--noheader", "--name", self._name).strip():
            self._vain += 1
            if self._vain > MOST_VAIN_JOBS:
                raise EngineError(
                    f"Slurm's jobs end without a dask worker; what they said is in {self._folder}, "
                    f"{self._name}-*.err"
                )
        # Replaces those that are gone; what waits in the queue is left there.
        self._cluster.scale(jobs=self._jobs)


@contextmanager
def _cluster(name: str, folder: Path) -> Iterator[SLURMCluster]:
    """A scheduler on this machine, which the jobs will find, and no job yet.

    Parameters
    ----------
    name : str
        Of the jobs.
    folder : Path
        A folder all machines share, for output and keys of jobs.
    """
    import dask

    if shutil.which("sbatch") is None:
        raise EngineError(
            "there is no `sbatch` here; start this on a login node of a Slurm cluster"
        )
    with _cluster_type()(
        cores=1,
        processes=1,
        memory=dask.config.get("jobqueue.slurm.memory") or MEMORY,
        job_name=name,
        log_directory=str(folder),
        scheduler_options=WITHOUT_DASHBOARD,
        # Without TLS anybody who reaches the scheduler could run code in the jobs.
        security=_security(),
        shared_temp_directory=str(folder),
    ) as cluster:
        # What Slurm refuses is otherwise only logged by dask, and waited for.
        _slurm("sbatch", "--test-only", given=cluster.job_script())
        yield cluster


def _cluster_type() -> type[SLURMCluster]:
    """dask-jobqueue's cluster; its import alone would make Ctrl-C end the process in silence."""
    before = signal.getsignal(signal.SIGINT)
    from dask_jobqueue.slurm import SLURMCluster

    signal.signal(signal.SIGINT, before)
    return SLURMCluster


def _security() -> Security:
    """Certificates of dask's configuration, or some for this run alone."""
    import dask
    from distributed import Security

    own = dask.config.get("distributed.comm.tls.ca-file", None)
    return Security() if own else Security.temporary()


def _slurm(*command: str, given: str = "") -> str:
    """What a command of Slurm says."""
    try:
        done = subprocess.run(  # noqa: S603
            command, input=given, capture_output=True, text=True, check=True, timeout=ANSWER_S
        )
    except subprocess.CalledProcessError as error:
        raise EngineError(f"Slurm refuses `{' '.join(command)}`: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"Slurm does not answer `{' '.join(command)}`: {error}") from error
    return done.stdout
