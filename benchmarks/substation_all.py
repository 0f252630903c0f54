"""All six substations in one world against substation 1: at most 7.5 times its time, and 2 GiB.

Counted is the CPU time of a case in memory from its words to its tables, at the default levels: it
is composed, built, run and measured. The two take turns in one process, and the least of a few
rounds counts for each. Memory is the most that the process ever held, libraries included.
"""

from __future__ import annotations

import resource
import sys
from time import process_time

from benchmarks._targets import Figure, print_table

MOST_RATIO = 7.5
MOST_GIB = 2.0
ROUNDS = 4
KIB_PER_GIB = 2**20


def main() -> int:
    """Run both a few times and print ratio and memory."""
    from mas2sim.scenario import run_case

    run_case()
    times_s: dict[str, list[float]] = {"1": [], "all": []}
    homes: dict[str, int] = {}
    for _ in range(ROUNDS):
        for substation, measured_s in times_s.items():
            began = process_time()
            result = run_case([f"substation={substation}"])
            measured_s.append(process_time() - began)
            rows = result.homes[result.homes["level"] == "baseline"]
            homes[substation] = len(rows)
    one_s, all_s = (min(measured_s) for measured_s in times_s.values())
    figures = [
        Figure("one_s", f"substation 1, {homes['1']} homes, s", one_s),
        Figure("all_s", f"all six, {homes['all']} homes, s", all_s),
        Figure("ratio", "all over one", all_s / one_s, at_most=MOST_RATIO),
        Figure("homes_ratio", "homes over homes", homes["all"] / homes["1"]),
        Figure("peak_gib", "most memory, GiB", _peak_gib(), at_most=MOST_GIB),
    ]
    return 0 if print_table(figures) else 1


def _peak_gib() -> float:
    """Most memory that this process held. [GiB]"""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kibibytes.
    return peak / KIB_PER_GIB / (1024 if sys.platform == "darwin" else 1)
