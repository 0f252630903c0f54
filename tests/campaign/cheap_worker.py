"""A worker whose cases take no time and fail as they are told to, to test engines with.

Its argument before the folder is JSON: for each case number, "raise", "die", "die_once", "hang" or
"full". Everything but the case itself is the worker's own.
"""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

import pandas as pd

from mas2sim.campaign import worker
from mas2sim.campaign.plan import PlannedCase
from mas2sim.campaign.rows import CaseStatus, Rows, failed_rows, finished_rows
from mas2sim.campaign.shard import ShardRunner
from mas2sim.results.kpi import KPIS, WORDS

CASE_S = 0.01


def cheap_kpi(planned: PlannedCase, levels: list[str]) -> pd.DataFrame:
    """KPIs that tell the case and the level."""
    columns = {kpi.name: [float(planned.number)] * len(levels) for kpi in KPIS}
    columns |= {name: ["green"] * len(levels) for name in WORDS}
    columns["rounds"] = [float(place) for place in range(len(levels))]
    return pd.DataFrame({"level": levels, "status": "ok", **columns})


def install(faults: dict[str, str], folder: Path) -> None:
    def case(runner: ShardRunner, planned: PlannedCase) -> tuple[Rows, None]:
        levels = runner._plan.experiment.levels
        fault = faults.get(str(planned.number), "")
        marker = folder / "shards" / f"died-{planned.number}"
        if fault == "die" or (fault == "die_once" and not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang":
            time.sleep(600)
        if fault == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if fault == "raise":
            return failed_rows(planned, levels, CaseStatus.ERROR, "ValueError: told to", 0.0), None
        time.sleep(faults.get("case_s", CASE_S))
        return finished_rows(planned, cheap_kpi(planned, [*levels]), time.process_time()), None

    ShardRunner._case = case  # type: ignore[method-assign]


if __name__ == "__main__":
    told, *arguments = sys.argv[1:]
    install(json.loads(told), Path(arguments[0]))
    code = worker.main(arguments)
    sys.stderr.flush()
    os._exit(code)
