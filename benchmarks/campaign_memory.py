"""Memory of a worker over 500 cases of table 14: at most 10 % more after the last than after 100.

A worker process of the local engine runs tasks of ten cases that go round the six substations, so
that by the hundredth case it has held the largest of them and filled its caches; it is not
replaced, however much it holds. Its own heartbeats tell what it holds, which goes up and down with
the case: compared is the most in one round of the substations, up to case 100 and up to case 500.
It takes some minutes.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks._targets import Figure, print_table
from mas2sim.campaign import CampaignPlan, LocalEngine, Step, make_plan, read_experiment
from mas2sim.campaign.ledger import WORKERS, Ledger, Task
from mas2sim.campaign.work_list import WorkList

EXPERIMENT = "cardiff_table14"
CASES, WARM_CASES = 500, 100
TASK_CASES = 10
SUBSTATIONS = 6
ROUND_CASES = TASK_CASES * SUBSTATIONS
APART = 7
"""Shards between two tasks of a substation: another season, day or scenario each time."""
MOST_GROWTH_PERCENT = 10.0


class _Watcher:
    """Reads the worker's memory whenever a case ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: set[str] = set()
        self.memory_mb: dict[int, float] = {}
        self.failed = 0

    def __call__(self, step: Step) -> None:
        for path in self._folder.glob("worker-*.json"):
            self.processes.add(path.name)
            self.memory_mb[step.run] = json.loads(path.read_text(encoding="utf-8"))["memory_mb"]
        self.failed = step.failed

    def most_mb(self, cases: int) -> float:
        """Most that was held in the round of substations that ends with so many cases. [MB]"""
        return max(self.memory_mb.get(case, 0.0) for case in range(cases - ROUND_CASES, cases + 1))


def main() -> int:
    """Run the cases and print what the worker held on the way."""
    plan = make_plan(read_experiment(EXPERIMENT))
    tasks = list(_tasks(plan))
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.prepare(Path(folder) / "campaign", plan)
        watcher = _Watcher(ledger.path / WORKERS)
        engine = LocalEngine(1, memory_mb=math.inf)
        engine.run(WorkList(ledger, plan, tasks), watcher)
    for cases in range(WARM_CASES, CASES + 1, WARM_CASES):
        print(f"up to {cases} cases, in one round: {watcher.most_mb(cases):.0f} MB")
    first_mb, last_mb = watcher.most_mb(WARM_CASES), watcher.most_mb(CASES)
    growth_percent = 100.0 * (last_mb / first_mb - 1.0)
    figures = [
        Figure("failed", "cases that are not ok", watcher.failed, at_most=0, spec="d"),
        Figure("workers", "worker processes", len(watcher.processes), at_most=1, spec="d"),
        Figure("first_mb", f"up to {WARM_CASES} cases, MB", first_mb, spec=".0f"),
        Figure("last_mb", f"up to {CASES} cases, MB", last_mb, spec=".0f"),
        Figure(
            "growth_percent", "growth, %", growth_percent, at_most=MOST_GROWTH_PERCENT, spec=".1f"
        ),
    ]
    return 0 if print_table(figures) else 1


def _tasks(plan: CampaignPlan) -> Iterator[Task]:
    """Beginnings of shards, one of each substation after the other."""
    of_one = len(plan.shards) // SUBSTATIONS
    for place in range(CASES // TASK_CASES):
        turn, substation = divmod(place, SUBSTATIONS)
        shard = plan.shards[substation * of_one + turn * APART % of_one]
        yield Task(shard.number, shard.start, shard.start + TASK_CASES)
