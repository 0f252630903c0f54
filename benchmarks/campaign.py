"""A campaign of 60 cases: time of a case, overhead, the plain way, and two workers against one.

The experiment is `cardiff_sample`: 60 cases of table 14 in which every value of an axis is equally
often, with four levels and a flow phase by phase. It runs as a user would run it, in processes of
their own, and neighbours share less than in the whole table. Times are CPU time, so that others on
the machine disturb little; only the two workers are measured by the clock, since that is what they
are for, and so need a machine that is quiet.

Overhead is what all processes take beside the cases: start and imports, planning, the store and the
table. It is measured for 60 cases and for 5, which tells what grows with the cases from what is
there once; the first, the median of three, is held against the target, the second is stated.

The plain way (`_plain_way`) is measured on three cases, on some homes and times of each, and held
against what the same cases took in the campaign; by that ratio it is extrapolated to all 60.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks._plain_way import PlainCase, plain_case
from benchmarks._targets import Figure, print_table
from mas2sim.campaign import Campaign, open_campaign, read_experiment

EXPERIMENT = "cardiff_sample"
FEW = 5
"""Cases of the small campaign: one shard, as many cases as each shard of the large one has."""
REPEATS = 3
"""Both campaigns run so often in turn: what grows is some hundredths of what a run takes."""
PLAIN_EVERY, PLAIN_FIRST = 20, 10
"""Of the campaign, the cases that are taken the plain way too."""

MOST_CASE_S = 0.70
MOST_GROWING_PERCENT = 2.0
LEAST_RATIO_PLAIN = 20.0
LEAST_RATIO_WORKERS = 1.6
MOST_DIFFERENCE_EUR = 1e-6
MOST_DIFFERENCE_PU = 1e-5
"""pandapower's transformer has another model of its iron; beyond this it is another grid."""

PROGRAM = """
import sys
from mas2sim.campaign import LocalEngine, start_campaign
start_campaign(sys.argv[1], engine=LocalEngine(workers=int(sys.argv[3])), out=sys.argv[2])
"""


@dataclass(frozen=True, slots=True)
class _Run:
    """One campaign from its command to its table.

    Parameters
    ----------
    campaign : Campaign
    wall_s : float
        From start to end. [s]
    cpu_s : float
        Of the command and its workers. [CPU-s]
    """

    campaign: Campaign
    wall_s: float
    cpu_s: float

    @property
    def cases(self) -> int:
        return len(self.campaign.cases)

    @property
    def cases_s(self) -> float:
        """Of the cases alone. [CPU-s]"""
        return float(self.campaign.cases["case_s"].sum())

    @property
    def overhead_s(self) -> float:
        """Of all that is no case. [CPU-s]"""
        return self.cpu_s - self.cases_s


def main() -> int:
    """Run the campaigns and the sample of the plain way, and print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        small = _with_few_cases(place)
        _run(small, place / "warm", workers=1)
        pairs = [
            (
                _run(small, place / f"few{number}", workers=1),
                _run(EXPERIMENT, place / f"one{number}", workers=1),
            )
            for number in range(REPEATS)
        ]
        two = _run(EXPERIMENT, place / "two", workers=2)
    one = pairs[-1][1]
    plain, own_s = _plain(one.campaign)
    met = print_table(
        [*_time_figures(pairs), *_plain_figures(plain, own_s, one), *_worker_figures(one, two)]
    )
    return 0 if met else 1


def _time_figures(pairs: Sequence[tuple[_Run, _Run]]) -> list[Figure]:
    """Time of a case, and the overhead by pairs of a small and a large run."""
    few, one = pairs[-1]
    added = one.cases - few.cases
    growing_s = median((large.overhead_s - small.overhead_s) / added for small, large in pairs)
    once_s = median(small.overhead_s for small, _ in pairs) - few.cases * growing_s
    growing_percent = 100.0 * growing_s * one.cases / one.cpu_s
    failed = len(one.campaign.failed)
    return [
        Figure("cases", "cases", one.cases, spec="d"),
        Figure("failed", "cases that are not ok", failed, at_most=0, spec="d"),
        Figure("case_s", "a case, CPU s", one.cases_s / one.cases, at_most=MOST_CASE_S),
        Figure(
            "growing_percent",
            "overhead that grows with the cases, %",
            growing_percent,
            at_most=MOST_GROWING_PERCENT,
            spec=".2f",
        ),
        Figure("growing_ms", "  the same, CPU ms per case", 1e3 * growing_s, spec=".1f"),
        Figure("once_s", "overhead that is there once, CPU s", once_s, spec=".2f"),
        Figure(
            "overhead_percent",
            f"both together, of {one.cases} cases, %",
            100.0 * one.overhead_s / one.cpu_s,
            spec=".1f",
        ),
    ]


def _plain_figures(plain: list[PlainCase], own_s: float, one: _Run) -> list[Figure]:
    plain_s = sum(each.total_s for each in plain)
    ratio = plain_s / own_s
    homes, flows = sum(each.homes for each in plain), sum(each.flows for each in plain)
    home_s = sum(each.homes * each.home_s for each in plain)
    flow_s = sum(each.flows * each.flow_s for each in plain)
    return [
        Figure("plain_home_ms", "Pyomo, a home, CPU ms", 1e3 * home_s / homes, spec=".0f"),
        Figure("plain_flow_ms", "runpp_3ph, a time, CPU ms", 1e3 * flow_s / flows, spec=".0f"),
        Figure("plain_case_s", "a case the plain way, CPU s", plain_s / len(plain), spec=".1f"),
        Figure("own_case_s", "the same cases in the campaign, CPU s", own_s / len(plain)),
        Figure("ratio_plain", "plain over own", ratio, at_least=LEAST_RATIO_PLAIN, spec=".0f"),
        Figure("plain_min", "all cases the plain way, min", ratio * one.cases_s / 60, spec=".0f"),
        Figure(
            "difference_eur",
            "their plans' costs differ by, EUR",
            max(each.difference_eur for each in plain),
            at_most=MOST_DIFFERENCE_EUR,
            spec=".1e",
        ),
        Figure(
            "difference_pu",
            "their voltages differ by, pu",
            max(each.difference_pu for each in plain),
            at_most=MOST_DIFFERENCE_PU,
            spec=".1e",
        ),
    ]


def _worker_figures(one: _Run, two: _Run) -> list[Figure]:
    return [
        Figure("one_wall_s", "one worker, s by the clock", one.wall_s, spec=".1f"),
        Figure("two_wall_s", "two workers, s by the clock", two.wall_s, spec=".1f"),
        Figure(
            "ratio_workers",
            "one over two",
            one.wall_s / two.wall_s,
            at_least=LEAST_RATIO_WORKERS,
            spec=".2f",
        ),
        Figure("two_case_s", "a case with two workers, CPU s", two.cases_s / two.cases),
    ]


def _with_few_cases(folder: Path) -> str:
    """The same experiment with few cases, as a file."""
    import yaml

    definition = read_experiment(EXPERIMENT).definition
    content = {
        "question": definition["question"],
        "axes": [f"{key}={','.join(texts)}" for key, texts in definition["axes"].items()],
        "levels": definition["levels"],
        "series": definition["series"],
        "sample": {**definition["sample"], "cases": FEW},
    }
    path = folder / f"{EXPERIMENT}_few.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def _run(experiment: str, out: Path, *, workers: int) -> _Run:
    """Run a campaign in a process of its own, its workers in theirs."""
    before_s, began = _children_s(), perf_counter()
    command = [sys.executable, "-c", PROGRAM, experiment, str(out), str(workers)]
    subprocess.run(command, check=True)  # noqa: S603
    wall_s = perf_counter() - began
    return _Run(open_campaign(out), wall_s, _children_s() - before_s)


def _children_s() -> float:
    """CPU time of all processes started here that have ended, and of those they started. [CPU-s]"""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _plain(campaign: Campaign) -> tuple[list[PlainCase], float]:
    """Some cases the plain way, and what these took in the campaign. [CPU-s]"""
    shared = campaign.plan.experiment.shared
    some = campaign.plan.cases[PLAIN_FIRST::PLAIN_EVERY]
    own_s = campaign.cases.set_index("number")["case_s"]
    return (
        [plain_case([*shared, *each.overrides]) for each in some],
        float(np.sum([own_s[each.number] for each in some])),
    )
