"""How a campaign stands, seen from outside: from another terminal, while it runs or after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mas2sim.campaign.engine import clock
from mas2sim.campaign.ledger import RUN_FILE, WORKERS, Ledger
from mas2sim.campaign.table import read_statuses
from mas2sim.domain.errors import StoreError


@dataclass(frozen=True, slots=True)
class Status:
    """How a campaign stands.

    Parameters
    ----------
    name, plan_hash : str
    cases : int
        Of the plan.
    shards_done, shards : int
    by_status : mapping of str to int
        Cases on disk, by what became of them.
    running : bool
        Whether a process is at work on it.
    in_progress : int
        Cases that workers have done and not put on disk yet.
    workers : int
        Processes that said something in this run.
    cases_per_s : float
        Rate of this run; NaN when it does not run. [1/s]
    """

    name: str
    plan_hash: str
    cases: int
    shards_done: int
    shards: int
    by_status: Mapping[str, int]
    running: bool
    in_progress: int
    workers: int
    cases_per_s: float

    @property
    def cases_done(self) -> int:
        """Cases on disk."""
        return sum(self.by_status.values())

    @property
    def finished(self) -> bool:
        """Whether nothing is missing."""
        return self.cases_done == self.cases

    def sentences(self) -> list[str]:
        """The status in words, line by line."""
        shards = f"{self.shards_done} of {self.shards} shards"
        cases = f"{self.cases_done:,} of {self.cases:,} cases on disk"
        lines = [f"{self.name}, plan {self.plan_hash}", f"{shards}, {cases}"]
        if self.by_status:
            counts = (f"{count:,} {status}" for status, count in sorted(self.by_status.items()))
            lines.append("cases: " + ", ".join(counts))
        if self.finished:
            lines.append("finished")
        elif not self.running:
            lines.append("not running; what is missing is done by `mas2sim resume`")
        else:
            lines.append(self._course())
        return lines

    def _course(self) -> str:
        said = f"running, {self.workers} workers, {self.in_progress} cases done beside"
        if self.cases_per_s > 0:
            left = (self.cases - self.cases_done - self.in_progress) / self.cases_per_s
            said += f", {self.cases_per_s:.2f} cases/s, {clock(left)} left"
        return said


def read_status(path: Path | str) -> Status:
    """Read how a campaign stands; nothing is changed.

    Raises
    ------
    StoreError
        When there is no campaign at `path`.
    """
    ledger = Ledger.find(path)
    plan = ledger.read_plan()
    statuses = read_statuses(ledger, plan)
    running = ledger.is_held
    beats = _heartbeats(ledger) if running else []
    in_progress = sum(
        beat["done"] for beat in beats if statuses.keys().isdisjoint(range(*beat["task"][1:]))
    )
    return Status(
        name=plan.experiment.name,
        plan_hash=plan.plan_hash,
        cases=len(plan.cases),
        shards_done=len(ledger.finished(plan)),
        shards=len(plan.shards),
        by_status=Counter(statuses.values()),
        running=running,
        in_progress=in_progress,
        workers=len(beats),
        cases_per_s=_rate(ledger, len(statuses) + in_progress) if running else float("nan"),
    )


def _heartbeats(ledger: Ledger) -> list[dict[str, Any]]:
    found = []
    for entry in (ledger.path / WORKERS).glob("worker-*.json"):
        try:
            found.append(ledger.read(f"{WORKERS}/{entry.name}"))
        except StoreError:
            # The worker is gone and its file with it.
            continue
    return found


def _rate(ledger: Ledger, done: int) -> float:
    """Cases a second since this run began. [1/s]"""
    try:
        run = ledger.read(RUN_FILE)
    except StoreError:
        return float("nan")
    elapsed_s = time.time() - run["began"]
    return (done - run["done_before"]) / elapsed_s if elapsed_s > 0 else float("nan")
