"""The rows of a campaign put together: of all shards, or of those that are there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mas2sim.campaign.ledger import Ledger
from mas2sim.campaign.plan import CampaignPlan, PlannedCase
from mas2sim.campaign.rows import CASE_SECONDS, CASE_STATUS, LEVEL, NUMBER, REASON, joined
from mas2sim.domain.errors import StoreError
from mas2sim.results.parquet_file import read_arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_rows(ledger: Ledger, plan: CampaignPlan) -> pd.DataFrame:
    """Rows of all that is there, by case and level.

    Raises
    ------
    StoreError
        When nothing is there yet, or a file is damaged; it names the file.
    """
    tables = list(_tables(ledger, plan))
    if not tables:
        raise StoreError(f"{ledger.path}: no case of this campaign is done yet")
    rows: pd.DataFrame = joined(tables).to_pandas(use_threads=False)
    return rows.drop_duplicates([NUMBER, LEVEL], ignore_index=True)


def read_statuses(ledger: Ledger, plan: CampaignPlan) -> dict[int, str]:
    """What became of each case that is there, by its number.

    Raises
    ------
    StoreError
        When a file is damaged; it names the file.
    """
    statuses: dict[int, str] = {}
    for table in _tables(ledger, plan, [NUMBER, CASE_STATUS]):
        statuses.update(zip(table[NUMBER].to_pylist(), table[CASE_STATUS].to_pylist(), strict=True))
    return statuses


def _tables(
    ledger: Ledger, plan: CampaignPlan, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Tables of all shards, or of the parts of those that are not whole."""
    for shard in plan.shards:
        path = ledger.shard_path(shard.number)
        parts = [] if path.is_file() else [*map(ledger.part_path, ledger.parts(shard.number))]
        # Parts become the shard while they are listed or read: then it has all their rows.
        for each in [*parts, path]:
            try:
                yield read_arrow(each, columns)
            except FileNotFoundError:
                continue
            except Exception as error:
                raise StoreError(
                    f"{each}: the file is damaged ({type(error).__name__}); remove it, then: "
                    f"mas2sim resume {ledger.path}"
                ) from error


def cases_table(rows: pd.DataFrame, plan: CampaignPlan) -> pd.DataFrame:
    """One row for each case: its axes, what became of it, and the command that runs it alone."""
    table = rows.drop_duplicates(NUMBER, ignore_index=True)
    axes = list(table.columns[: table.columns.tolist().index(LEVEL)])
    table = table[[*axes, CASE_STATUS, REASON, CASE_SECONDS]]
    table = table.rename(columns={CASE_STATUS: "status"})
    commands = {case.number: command(plan, case) for case in plan.cases}
    return table.assign(command=[commands[number] for number in table[NUMBER]])


def command(plan: CampaignPlan, case: PlannedCase) -> str:
    """What to type to run one case of a campaign alone."""
    data = [] if plan.data is None else ["--data", plan.data]
    return shlex.join(["mas2sim", "run", *plan.experiment.shared, *case.overrides, *data])
