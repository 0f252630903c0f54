"""`python -m benchmarks` lists what there is."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_benchmarks_are_listed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in (
        "power_flow",
        "year_of_flows",
        "hosting",
        "campaign",
        "campaign_plan",
        "campaign_memory",
        "mosaik_overhead",
        "market_quality",
        "market_speed",
        "substation_all",
    ):
        assert name in done.stdout
    assert "_market_runs" not in done.stdout
    assert "_plain_way" not in done.stdout
