"""Memory of a worker over 500 cases of table 14, in the plan's order and across substations.

A worker process of the local engine runs the first 500 cases as a campaign does, and is not
replaced, however much it holds. Its own heartbeats tell what it holds, which goes up and down with
the case: compared is the most over 60 cases, up to case 100 and up to case 500, and it may grow by
10 %.

Stated beside it is what a second worker holds that goes round the six substations, ten cases each:
the system keeps room of the largest of them, and caches fill more slowly. It takes some minutes.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Iterator
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
"""Cases of which the most is taken, in either order."""
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
    """Run the cases in both orders and print what the workers held on the way."""
    plan = make_plan(read_experiment(EXPERIMENT))
    own, across = _watched(plan, _first(plan)), _watched(plan, _across(plan))
    failed, workers = own.failed + across.failed, len(own.processes) + len(across.processes)
    figures = [
        Figure("failed", "cases that are not ok", failed, at_most=0, spec="d"),
        Figure("workers", "worker processes", workers, at_most=2, spec="d"),
        *_figures(own, "", "in the plan's order", MOST_GROWTH_PERCENT),
        *_figures(across, "across_", "across substations", None),
    ]
    return 0 if print_table(figures) else 1


def _watched(plan: CampaignPlan, tasks: Iterable[Task]) -> _Watcher:
    """Run tasks in one worker and note what it holds."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.prepare(Path(folder) / "campaign", plan)
        watcher = _Watcher(ledger.path / WORKERS)
        engine = LocalEngine(1, memory_mb=math.inf)
        engine.run(WorkList(ledger, plan, list(tasks)), watcher)
    return watcher


def _figures(watcher: _Watcher, name: str, order: str, most: float | None) -> list[Figure]:
    held_mb = {cases: watcher.most_mb(cases) for cases in range(WARM_CASES, CASES + 1, WARM_CASES)}
    growth_percent = 100.0 * (held_mb[CASES] / held_mb[WARM_CASES] - 1.0)
    return [
        *(
            Figure(f"{name}{cases}_mb", f"{order}, up to {cases} cases, MB", held, spec=".0f")
            for cases, held in held_mb.items()
        ),
        Figure(f"{name}growth_percent", "  growth, %", growth_percent, at_most=most, spec=".1f"),
    ]


def _first(plan: CampaignPlan) -> Iterator[Task]:
    """The first shards, as a campaign runs them."""
    for shard in plan.shards:
        if shard.start < CASES:
            yield Task(shard.number, shard.start, min(shard.stop, CASES))


def _across(plan: CampaignPlan) -> Iterator[Task]:
    """Beginnings of shards, one of each substation after the other."""
    of_one = len(plan.shards) // SUBSTATIONS
    for place in range(CASES // TASK_CASES):
        turn, substation = divmod(place, SUBSTATIONS)
        shard = plan.shards[substation * of_one + turn * APART % of_one]
        yield Task(shard.number, shard.start, shard.start + TASK_CASES)
