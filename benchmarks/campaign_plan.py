"""Planning a campaign: 10,000 cases composed and validated in less than 2 s of CPU time."""

from __future__ import annotations

from itertools import product
from time import process_time

from benchmarks._targets import Figure, print_table
from mas2sim.scenario.axes import parse_axes
from mas2sim.scenario.sweep import compose_many

CASES, LIMIT_S = 10_000, 2.0
AXES = (
    "season=glob(*)",
    "day=glob(*)",
    "weather=glob(*)",
    "smart=2020_bau,2020_green,2030_bau,2030_green",
    "flexibility=low,medium,high",
    "communities=1,3,5",
    "seed=range(1,8)",
)


def main() -> int:
    many = list(product(*(axis.overrides for axis in parse_axes(AXES))))[:CASES]
    began = process_time()
    cases = compose_many(["levels=[baseline,uc1]"], many)
    figures = [
        Figure("plan_s", f"{len(cases):,} cases, CPU s", process_time() - began, at_most=LIMIT_S),
        Figure("distinct", "distinct cases", len({str(case.axes) for case in cases}), spec=",d"),
    ]
    return 0 if print_table(figures) else 1
