"""Planning a campaign: 10,000 cases in less than 2 s of CPU time, the resume of a finished one too.

Three things are timed: 10,000 cases of many axes composed and validated; the plan of table 14
whole, its 9,720 cases named, ordered and cut into shards; and `mas2sim resume` as a command,
imports included, where nothing of these 9,720 is missing. Their rows hold no figures here: they are
those of cases that were given up.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from time import process_time

from benchmarks._targets import Figure, print_table
from mas2sim.campaign import CampaignPlan, make_plan, read_experiment
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.rows import CaseStatus, failed_rows, gathered
from mas2sim.campaign.running import run_plan
from mas2sim.campaign.work_list import WorkList
from mas2sim.scenario.axes import parse_axes
from mas2sim.scenario.sweep import compose_many

CASES, LIMIT_S = 10_000, 2.0
EXPERIMENT = "cardiff_table14"
AXES = (
    "season=glob(*)",
    "day=glob(*)",
    "weather=glob(*)",
    "smart=2020_bau,2020_green,2030_bau,2030_green",
    "flexibility=low,medium,high",
    "communities=1,3,5",
    "seed=range(1,8)",
)
ROUNDS = 3
"""The least of so many counts: what disturbs only makes it longer."""


class _GivesUp:
    """An engine that gives every case up at once."""

    def run(self, work: WorkList, watch: object) -> None:  # noqa: ARG002 - as engines are called
        """Write rows without figures for all tasks."""
        while (task := work.take()) is not None:
            levels = work.plan.experiment.levels
            rows = [
                failed_rows(planned, levels, CaseStatus.ERROR, "given up", 0.0)
                for planned in work.plan.cases[task.start : task.stop]
            ]
            work.ledger.write_table(work.ledger.shard_path(task.shard), gathered(rows))
            work.finished(task)


def main() -> int:
    """Plan, resume, and print what either took."""
    many = list(product(*(axis.overrides for axis in parse_axes(AXES))))[:CASES]
    compose_s = []
    for _ in range(ROUNDS):
        began = process_time()
        cases = compose_many(["levels=[baseline,uc1]"], many)
        compose_s.append(process_time() - began)
    plan_s = []
    for _ in range(ROUNDS):
        began = process_time()
        plan = make_plan(read_experiment(EXPERIMENT))
        plan_s.append(process_time() - began)
    figures = [
        Figure(
            "compose_s", f"{len(cases):,} cases composed, CPU s", min(compose_s), at_most=LIMIT_S
        ),
        Figure("distinct", "distinct cases", len({str(case.axes) for case in cases}), spec=",d"),
        Figure("plan_s", f"{len(plan.cases):,} cases planned, CPU s", min(plan_s), at_most=LIMIT_S),
        Figure("resume_s", "resume of them finished, CPU s", _resume_s(plan), at_most=LIMIT_S),
    ]
    return 0 if print_table(figures) else 1


def _resume_s(plan: CampaignPlan) -> float:
    """Time of the command that resumes a finished campaign. [CPU-s]"""
    with tempfile.TemporaryDirectory() as folder:
        path = Ledger.prepare(Path(folder) / "campaign", plan).path
        run_plan(plan, path, engine=_GivesUp())
        command = [sys.executable, "-m", "mas2sim", "resume", str(path), "--no-report"]
        taken_s = []
        for _ in range(ROUNDS):
            before_s = _children_s()
            subprocess.run(command, check=False, capture_output=True)  # noqa: S603
            taken_s.append(_children_s() - before_s)
    return min(taken_s)


def _children_s() -> float:
    """CPU time of processes started here that have ended. [CPU-s]"""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
