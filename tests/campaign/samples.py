"""Experiments and engines that the tests of campaigns share."""

import json
import sys
from pathlib import Path

import pandas as pd

from mas2sim.campaign import CampaignPlan, LocalEngine, make_plan, read_experiment

CHEAP_WORKER = Path(__file__).with_name("cheap_worker.py")
LINES = {
    "question": "question: Does the engine lose anything?\n",
    "axes": "axes: ['season=winter,summer', 'communities=1,3', 'seed=range(1,11)']\n",
    "levels": "levels: [baseline, uc1]\n",
    "series": "series: none\n",
}


def written(folder: Path, **lines: str) -> Path:
    """An experiment's file of 40 cases, with some lines put otherwise."""
    path = folder / "small.yaml"
    path.write_text("".join({**LINES, **lines}.values()))
    return path


def small_plan(folder: Path, *overrides: str, **lines: str) -> CampaignPlan:
    return make_plan(read_experiment(str(written(folder, **lines)), overrides))


def cheap_engine(workers: int = 2, *, memory_mb: float = 2000.0, **faults: str) -> LocalEngine:
    """An engine whose cases take no time; ``n7="die"`` tells case 7 to end its worker."""
    told = {name.removeprefix("n"): fault for name, fault in faults.items()}
    program = (sys.executable, str(CHEAP_WORKER), json.dumps(told))
    return LocalEngine(workers, memory_mb=memory_mb, program=program)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Hold that two tables are the same bit for bit, times aside."""
    pd.testing.assert_frame_equal(untimed(found), untimed(expected), check_exact=True)


def untimed(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that are the same bit for bit."""
    return table.drop(columns=[name for name in table if name.endswith("_s")])
