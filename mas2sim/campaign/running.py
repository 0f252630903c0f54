"""Runs a campaign from its plan to its table: all of it, or what is missing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence, Set
from pathlib import Path

from mas2sim.campaign.engine import Engine, Watch
from mas2sim.campaign.experiment import read_experiment
from mas2sim.campaign.ledger import (
    CASES_FILE,
    KPI_FILE,
    PROVENANCE_FILE,
    RUN_FILE,
    Ledger,
    spans,
)
from mas2sim.campaign.plan import CampaignPlan, changed_since, make_plan
from mas2sim.campaign.reading import Campaign, opened
from mas2sim.campaign.rows import AGAIN
from mas2sim.campaign.table import cases_table, read_rows, read_statuses
from mas2sim.campaign.work_list import WorkList
from mas2sim.domain.errors import StoreError
from mas2sim.scenario.run import RESULTS


def default_folder(plan: CampaignPlan) -> Path:
    """Where a campaign is stored unless another folder is named."""
    return RESULTS / plan.experiment.name / plan.plan_hash


def start_campaign(
    experiment: str,
    overrides: Sequence[str] = (),
    *,
    engine: Engine,
    out: Path | str | None = None,
    force: bool = False,
    data: Path | None = None,
    watch: Watch = lambda _step: None,
) -> Campaign:
    """Plan an experiment, run what is missing of it, and open it.

    Parameters
    ----------
    experiment : str
        Name of a file in experiments/, or its path.
    overrides : sequence of str
        What narrows or widens it.
    engine : Engine
        What runs the cases.
    out : Path or str, optional
        The campaign's folder; results/<experiment>/<plan hash> without it.
    force : bool
        Compute again what is there.
    data : Path, optional
        A folder whose experiments/, scenarios/, grids/ or profiles/ go before the shipped ones.
    watch : callable
        Told how far it is.

    Raises
    ------
    ConfigurationError
        With all faults of all cases, before the first runs.
    StoreError
        When the folder is another plan's, is being worked on, or cannot be written.
    EngineError
        When the engine cannot go on.
    """
    plan = make_plan(read_experiment(experiment, overrides, data=data), data=data)
    return run_plan(plan, out or default_folder(plan), engine=engine, force=force, watch=watch)


def run_plan(
    plan: CampaignPlan,
    out: Path | str,
    *,
    engine: Engine,
    force: bool = False,
    watch: Watch = lambda _step: None,
) -> Campaign:
    """Run what is missing of a plan in its folder; see `start_campaign`."""
    ledger = Ledger.prepare(Path(out), plan)
    with ledger.locked():
        if force:
            ledger.forget()
        _run_missing(ledger, plan, engine, watch)
    return opened(ledger, plan)


def resume_campaign(
    path: Path | str,
    *,
    engine: Engine,
    again: bool = False,
    watch: Watch = lambda _step: None,
) -> Campaign:
    """Do what is missing of a campaign, and nothing twice.

    Parameters
    ----------
    path : Path or str
        The campaign's folder.
    engine : Engine
        What runs the cases.
    again : bool
        Whether cases that raised, took too long or crashed are run once more.
    watch : callable
        Told how far it is.

    Raises
    ------
    StoreError
        When there is no campaign at `path`, code or data changed since it was planned, it is being
        worked on, or results cannot be written.
    EngineError
        When the engine cannot go on.
    """
    ledger = Ledger.find(path)
    plan = ledger.read_plan()
    with ledger.locked():
        unlucky = _unlucky(ledger, plan) if again else set()
        if _is_whole(ledger, plan) and not unlucky:
            return opened(ledger, plan)
        check_unchanged(ledger, plan)
        ledger.make_folders()
        _run_missing(ledger, plan, engine, watch, again=unlucky)
    return opened(ledger, plan)


def _is_whole(ledger: Ledger, plan: CampaignPlan) -> bool:
    tables = all((ledger.path / name).is_file() for name in (KPI_FILE, CASES_FILE))
    return tables and not ledger.missing(plan)


def _unlucky(ledger: Ledger, plan: CampaignPlan) -> set[int]:
    """Cases whose end the machine may have decided."""
    statuses = read_statuses(ledger, plan)
    return {number for number, status in statuses.items() if status in AGAIN}


def check_unchanged(ledger: Ledger, plan: CampaignPlan) -> None:
    """Refuse to mix what different code, scenarios or data files give."""
    changed = changed_since(plan)
    if changed:
        raise StoreError(
            f"{ledger.path}: changed since the campaign was planned: {'; '.join(changed)}. Old and "
            "new figures do not mix: take back the change, or plan anew with `mas2sim sweep "
            f"{plan.experiment.name}`"
        )


def _run_missing(
    ledger: Ledger,
    plan: CampaignPlan,
    engine: Engine,
    watch: Watch,
    again: Set[int] = frozenset(),
) -> None:
    """Run what is missing and put the whole into one table; only for who holds the lock.

    Cases of `again` count as missing though they are done.
    """
    try:
        ledger.tidy()
        if again:
            ledger.reopen(plan, again)
        tasks = ledger.missing(plan)
        for shard in plan.shards:
            if not ledger.shard_path(shard.number).is_file():
                ledger.join(shard)
        if not (ledger.path / PROVENANCE_FILE).is_file():
            ledger.write(PROVENANCE_FILE, _provenance(plan))
        if tasks:
            begun = {
                "process": os.getpid(),
                "host": socket.gethostname(),
                "began": time.time(),
                "done_before": len(plan.cases) - spans(tasks),
            }
            ledger.write(RUN_FILE, begun)
            engine.run(WorkList(ledger, plan, tasks), watch)
            if left := spans(ledger.missing(plan)):
                raise StoreError(
                    f"{ledger.path}: {left} cases are missing though the engine has ended; look "
                    f"whether files were removed, then: mas2sim resume {ledger.path}"
                )
        if not _is_whole(ledger, plan):
            _compact(ledger, plan)
    except OSError as error:
        raise StoreError(
            f"{ledger.path}: results cannot be written ({error.strerror or error}); what is there "
            f"stays readable. Then: mas2sim resume {ledger.path}"
        ) from error


def _compact(ledger: Ledger, plan: CampaignPlan) -> None:
    """Write the whole table, by case and level, and one row for each case."""
    from pyarrow import Table

    rows = read_rows(ledger, plan)
    for name, table in {CASES_FILE: cases_table(rows, plan), KPI_FILE: rows}.items():
        ledger.write_table(ledger.path / name, Table.from_pandas(table, preserve_index=False))


def _provenance(plan: CampaignPlan) -> dict[str, object]:
    from mas2sim.results import make_provenance
    from mas2sim.scenario.code_version import git_revision

    made = make_provenance(
        {"experiment": plan.experiment.definition, "files": dict(plan.files)},
        code_version=plan.code_version,
        seed=0,
        overrides=plan.experiment.shared,
        git_revision=git_revision(),
    )
    del made["seed"]
    return {**made, "plan_hash": plan.plan_hash}
