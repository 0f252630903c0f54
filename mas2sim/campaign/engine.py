"""What an engine is: it runs the tasks of a work list somewhere, and knows nothing of what they do.

All engines share the work list, which decides what is run next and what becomes of a task whose
worker died; so a table is the same whatever engine made it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mas2sim.domain.errors import Mas2simError

if TYPE_CHECKING:
    from mas2sim.campaign.work_list import WorkList

SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60


class EngineError(Mas2simError):
    """An engine cannot go on: its workers do not start, or its cluster is gone."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a campaign is.

    Parameters
    ----------
    shards_done, shards : int
    cases_done, cases : int
    failed : int
        Cases done in this run that are not ok.
    run : int
        Cases done in this run.
    elapsed_s : float
        Since this run began. [s]
    shard_ended : bool
        Whether a shard was completed just now.
    """

    shards_done: int
    shards: int
    cases_done: int
    cases: int
    failed: int
    run: int
    elapsed_s: float
    shard_ended: bool = False

    @property
    def cases_per_s(self) -> float:
        """Rate of this run; NaN before its first case. [1/s]"""
        return self.run / self.elapsed_s if self.run and self.elapsed_s > 0 else float("nan")

    @property
    def left_s(self) -> float:
        """Time left at this rate. [s]"""
        return (self.cases - self.cases_done) / self.cases_per_s

    @property
    def pace(self) -> str:
        """Failures and rate in words, e.g. ``"2 not ok, 5.01 cases/s"``."""
        failed = [f"{self.failed} not ok"] if self.failed else []
        rate = [f"{self.cases_per_s:.2f} cases/s"] if self.run else []
        return ", ".join(failed + rate)

    def __str__(self) -> str:
        said = (
            f"{self.shards_done} of {self.shards} shards, {self.cases_done:,} of {self.cases:,} "
            "cases"
        )
        if self.pace:
            said += f", {self.pace}"
        if self.run and self.cases_done < self.cases:
            said += f", {clock(self.left_s)} left"
        return said


Watch = Callable[[Step], None]
"""Told how far a campaign is, after every case."""


class Engine(Protocol):
    """Runs tasks until none is left."""

    def run(self, work: WorkList, watch: Watch) -> None:
        """Take tasks from `work`, run each somewhere, and tell `work` what became of it.

        Raises
        ------
        EngineError
            When it cannot go on.
        StoreError
            When results cannot be written.
        """


def cores() -> int:
    """Cores that this process may use: on a cluster they may be few of many."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def clock(seconds: float) -> str:
    """A length of time for people, e.g. ``"1 h 05 min"``."""
    minutes = round(seconds / SECONDS_PER_MINUTE)
    if minutes >= MINUTES_PER_HOUR:
        return f"{minutes // MINUTES_PER_HOUR} h {minutes % MINUTES_PER_HOUR:02d} min"
    return f"{minutes} min" if minutes else f"{round(seconds)} s"
