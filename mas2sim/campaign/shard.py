"""Runs the cases of one task in this process and writes their rows.

A case that raises costs itself alone: its row says why. Only a store that cannot be written ends
the task.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

from mas2sim.campaign.ledger import Ledger, Task
from mas2sim.campaign.plan import CampaignPlan, PlannedCase
from mas2sim.campaign.rows import (
    CASE_STATUS,
    CaseStatus,
    Rows,
    failed_rows,
    finished_rows,
    gathered,
)
from mas2sim.campaign.series import SeriesWriter
from mas2sim.campaign.shared_work import SharedWork
from mas2sim.domain.errors import InfeasibleError
from mas2sim.scenario import Case
from mas2sim.scenario.sweep import CaseFactory

if TYPE_CHECKING:
    from mas2sim.results import CaseRecord

Begun = Callable[[PlannedCase], None]
Ended = Callable[[PlannedCase, str], None]
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that takes no more."""


class ShardRunner:
    """Runs tasks of one plan; what cases share is kept from task to task.

    Parameters
    ----------
    ledger : Ledger
    plan : CampaignPlan
    caches : bool
        Whether anything is kept; the rows are the same without.
    """

    def __init__(self, ledger: Ledger, plan: CampaignPlan, *, caches: bool = True) -> None:
        self._ledger, self._plan, self._caches = ledger, plan, caches
        self.shared = SharedWork(enabled=caches)
        self._factory: CaseFactory | None = None

    def run(
        self,
        task: Task,
        *,
        begun: Begun = lambda _planned: None,
        ended: Ended = lambda _planned, _status: None,
    ) -> None:
        """Run the cases of a task and put their rows and series on disk.

        Parameters
        ----------
        task : Task
        begun, ended : callable
            Told of each case when it begins and when it has its status.

        Raises
        ------
        OSError
            When the results cannot be written.
        """
        plan = self._plan
        series = SeriesWriter(plan.experiment.series)
        tables = []
        for planned in plan.cases[task.start : task.stop]:
            begun(planned)
            rows, record = self._case(planned)
            if record is not None:
                series.add(planned, record)
            tables.append(rows)
            ended(planned, str(rows[CASE_STATUS][0]))
        if series.any:
            with self._ledger.written(self._ledger.series_path(task)) as unfinished:
                series.write(unfinished)
        self._ledger.write_table(self._ledger.task_path(plan, task), gathered(tables))

    def _composed(self, planned: PlannedCase) -> Case:
        if self._factory is None:
            data = None if self._plan.data is None else Path(self._plan.data)
            self._factory = CaseFactory(self._plan.experiment.shared, data=data)
        return self._factory.case(planned.overrides)

    def _case(self, planned: PlannedCase) -> tuple[Rows, CaseRecord | None]:
        """Rows of one case, and its record if it has one."""
        from mas2sim.cosim import run_world
        from mas2sim.results import kpi_table

        began = process_time()
        shared = self.shared if self._caches else SharedWork(enabled=False)

        def failed(status: CaseStatus, reason: str) -> tuple[Rows, None]:
            levels = self._plan.experiment.levels
            return failed_rows(planned, levels, status, reason, process_time() - began), None

        try:
            case = self._composed(planned)
            setup = shared.setup(case, planned.overrides)
            record = run_world(setup, cache=shared.cache).record
            kpi = kpi_table(record)
        except InfeasibleError as error:
            return failed(CaseStatus.INFEASIBLE, str(error))
        except MemoryError:
            # Nothing can be relied on any more: the process ends, and with it the shared work.
            raise
        except Exception as error:
            # Whatever it is, the other cases go on.
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            return failed(CaseStatus.ERROR, f"{type(error).__name__}: {error}")
        return finished_rows(planned, kpi, process_time() - began), record
