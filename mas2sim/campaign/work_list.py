"""What is left to do, and what becomes of a task whose worker died.

A task that took its worker with it runs again in halves until the culprit is alone. A case that
ends its worker twice when alone is recorded as crashed; once may be somebody else's doing, such as
a system that kills whatever is large.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from threading import Condition
from time import monotonic

from mas2sim.campaign.engine import Step
from mas2sim.campaign.ledger import Ledger, Task, spans
from mas2sim.campaign.plan import CampaignPlan
from mas2sim.campaign.rows import CaseStatus, failed_rows, gathered

MOST_DEATHS = 2
"""Deaths of a case alone after which it is held to be the cause."""


class WorkList:
    """Tasks of one run of a campaign; several threads may use it.

    Parameters
    ----------
    ledger : Ledger
    plan : CampaignPlan
    tasks : sequence of Task
        What is missing.
    """

    def __init__(self, ledger: Ledger, plan: CampaignPlan, tasks: Sequence[Task]) -> None:
        self.ledger, self.plan = ledger, plan
        self._waiting = deque(tasks)
        self._running: set[Task] = set()
        self._changed = Condition()
        self._deaths: Counter[Task] = Counter()
        self._began = monotonic()
        self._shards_done = len(ledger.finished(plan))
        self._done_before = len(plan.cases) - spans(tasks)
        self._in_progress: Counter[Task] = Counter()
        self._finished = self._failed = 0
        self._failures: Counter[Task] = Counter()
        self._stopped = False

    @property
    def tasks_left(self) -> int:
        """Tasks that wait or run."""
        with self._changed:
            return len(self._waiting) + len(self._running)

    def take(self) -> Task | None:
        """Next task; waits while others may yet leave some, None when nothing is left to do."""
        with self._changed:
            while not self._stopped and not self._waiting and self._running:
                self._changed.wait()
            if self._stopped or not self._waiting:
                return None
            task = self._waiting.popleft()
            self._running.add(task)
            return task

    def stop(self) -> None:
        """Hand out no more tasks."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def case_ended(self, task: Task, status: str) -> Step:
        """Count one case of a running task."""
        with self._changed:
            self._in_progress[task] += 1
            self._failures[task] += status != CaseStatus.OK
            return self._step()

    def finished(self, task: Task) -> Step:
        """Count a task whose file is there; a shard whose parts are complete is made of them."""
        with self._changed:
            return self._finished_task(task)

    def died(self, task: Task, how: str) -> Step:
        """Decide what becomes of a task whose worker died.

        Parameters
        ----------
        how : str
            How it died, for the row of a case that is held to be the cause.
        """
        with self._changed:
            if self.path(task).is_file():
                # It died after its work was done.
                return self._finished_task(task)
            self._forget(task)
            self._failures.pop(task, None)
            self._deaths[task] += 1
            if task.cases > 1:
                middle = (task.start + task.stop) // 2
                self._put_first(
                    Task(task.shard, task.start, middle), Task(task.shard, middle, task.stop)
                )
            elif self._deaths[task] < MOST_DEATHS:
                self._put_first(task)
            else:
                return self._give_up(task, CaseStatus.CRASHED, how)
            return self._step()

    def timed_out(self, task: Task, number: int, limit_s: float) -> Step:
        """Give up a case that took too long; the others of its task run again without it."""
        with self._changed:
            if self.path(task).is_file():
                # It was done, and only the word of it came too late.
                return self._finished_task(task)
            self._forget(task)
            self._failures.pop(task, None)
            around = (Task(task.shard, task.start, number), Task(task.shard, number + 1, task.stop))
            self._put_first(*(each for each in around if each.cases))
            alone = Task(task.shard, number, number + 1)
            return self._give_up(alone, CaseStatus.TIMEOUT, f"took longer than {limit_s:g} s")

    def gave_back(self, task: Task) -> None:
        """Put back a task that was not begun."""
        with self._changed:
            self._forget(task)
            self._put_first(task)

    def path(self, task: Task) -> Path:
        """File of a task's rows."""
        return self.ledger.task_path(self.plan, task)

    def _finished_task(self, task: Task) -> Step:
        self._forget(task)
        self._finished += task.cases
        self._failed += self._failures.pop(task, 0)
        return self._step(shard_ended=self._join(task.shard))

    def _give_up(self, task: Task, status: CaseStatus, reason: str) -> Step:
        planned = self.plan.cases[task.start]
        rows = failed_rows(planned, self.plan.experiment.levels, status, reason, float("nan"))
        self.ledger.write_table(self.path(task), gathered([rows]))
        self._finished += 1
        self._failed += 1
        return self._step(shard_ended=self._join(task.shard))

    def _join(self, number: int) -> bool:
        """Make a shard of its parts if they are complete; whether its file is there."""
        path = self.ledger.shard_path(number)
        if not path.is_file():
            self.ledger.join(self.plan.shards[number - 1])
        done = path.is_file()
        self._shards_done += done
        return done

    def _put_first(self, *tasks: Task) -> None:
        """Tasks that were begun go before new ones: a shard in parts is finished soon."""
        self._waiting.extendleft(reversed(tasks))
        self._changed.notify_all()

    def _forget(self, task: Task) -> None:
        self._running.discard(task)
        self._in_progress.pop(task, None)
        self._changed.notify_all()

    def _step(self, *, shard_ended: bool = False) -> Step:
        run = self._finished + sum(self._in_progress.values())
        return Step(
            shards_done=self._shards_done,
            shards=len(self.plan.shards),
            cases_done=self._done_before + run,
            cases=len(self.plan.cases),
            failed=self._failed + sum(self._failures.values()),
            run=run,
            elapsed_s=monotonic() - self._began,
            shard_ended=shard_ended,
        )
