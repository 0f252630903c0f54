"""A door to Hydra's launchers: ``python -m mas2sim.campaign.multirun --multirun``.

Every job of Hydra's runs one shard of a campaign that has its folder, unless the shard is there;
`mas2sim resume` does what is missing then and makes the table. Shards, and not cases, are Hydra's
jobs, since it composes all of them before the first one starts and one after the other.

A job runs its cases on a seat, as engines do, and not in its own process: a case that crashes would
else take the job with it, and joblib's launcher all others too.

A program of its own: nothing else in the package may start Hydra's command line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mas2sim.campaign.engine import Engine
from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.local_engine import LocalEngine
from mas2sim.campaign.running import check_unchanged
from mas2sim.campaign.work_list import WorkList
from mas2sim.domain.errors import ConfigurationError, Fault

NAME = "multirun"
DEFAULTS = {
    "campaign": "???",
    "shard": "???",
    "hydra": {
        "output_subdir": None,
        "run": {"dir": "${campaign}/multirun/shard-${shard}"},
        "sweep": {"dir": "${campaign}/multirun", "subdir": "shard-${shard}"},
    },
}
"""What Hydra sets by its command line; its logs go beside the shards."""


def run_shard(campaign: Path | str, number: int, *, engine: Engine | None = None) -> bool:
    """Run one shard of a campaign, unless it is there.

    Parameters
    ----------
    campaign : Path or str
        The campaign's folder.
    number : int
        Of the shard, from 1.
    engine : Engine, optional
        What runs it; a seat on this machine without it.

    Returns
    -------
    bool
        Whether anything was run.

    Raises
    ------
    ConfigurationError
        When there is no such shard.
    StoreError
        When there is no campaign, code or data changed, a whole run is at work on it, or results
        cannot be written.
    EngineError
        When no worker starts.
    """
    ledger = Ledger.find(campaign)
    plan = ledger.read_plan()
    if not 1 <= number <= len(plan.shards):
        raise ConfigurationError([Fault("shard", str(number), f"1 to {len(plan.shards)}")])
    with ledger.locked(shared=True):
        if ledger.shard_path(number).is_file():
            return False
        check_unchanged(ledger, plan)
        ledger.make_folders()
        tasks = [task for task in ledger.missing(plan) if task.shard == number]
        if tasks:
            (engine or LocalEngine(1)).run(WorkList(ledger, plan, tasks), lambda _step: None)
        else:
            ledger.join(plan.shards[number - 1])
        return True


def main() -> None:
    """Let Hydra start the jobs that its command line names."""
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name=NAME, node=DEFAULTS)
    hydra.main(version_base="1.3", config_path=None, config_name=NAME)(_job)()


def _job(job: Mapping[str, Any]) -> None:
    """One job of Hydra's."""
    campaign, number = str(job["campaign"]), int(job["shard"])
    done = run_shard(campaign, number)
    log = logging.getLogger(__name__)
    log.info("shard %d of %s: %s", number, campaign, "done" if done else "was there")


if __name__ == "__main__":
    main()
