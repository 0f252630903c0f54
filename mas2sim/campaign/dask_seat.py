"""What runs on dask workers: seats, which a dask worker holds from task to task.

A dask worker runs no case in its own process. It holds a seat for each of its threads, and the seat
has a worker process of mas2sim's; so a case that crashes costs a dask worker nothing. What happens
is told to the engine by events, in order, since results of tasks are lost with the dask worker that
has them.

A room of its own, since it imports `distributed`, which the engine does only when it is used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from mas2sim.campaign.ledger import RUN_FILE, Ledger, Task
from mas2sim.campaign.plan import CampaignPlan, changed_since
from mas2sim.campaign.seat import End, Outcome, Seat, SeatRules, seat_name
from mas2sim.domain.errors import StoreError

TOPIC = "mas2sim"
"""Of the events."""
SHARED_S = 60.0
"""Time in which a file that was written on one machine must be seen on another. [s]"""
SEEN_AGAIN_S = 0.5
"""How long to wait before looking again for a file. [s]"""


class Seats(WorkerPlugin):
    """The seats of one campaign on one dask worker.

    They end when this is taken from the worker, when the worker closes, and when the engine lets go
    of the task that `hold` made, as it does however it ends.

    Parameters
    ----------
    name : str
        Of this run of an engine.
    rules : SeatRules
    run : mapping
        What run.json of the campaign says, which tells that the folder is one and the same.
    """

    def __init__(self, name: str, rules: SeatRules, run: Mapping[str, Any]) -> None:
        self.name = name
        self._rules, self._run = rules, run

    def setup(self, worker: Worker) -> None:
        """Begin without seats: each comes with its first task."""
        self._worker = worker
        self._lock, self._checking, self._stopped = Lock(), Lock(), False
        self._idle: list[Seat] = []
        self._busy: list[Seat] = []
        self._unfit: str | None = None

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - dask names it
        """End all seats."""
        self._stop()

    def transition(self, key: object, start: str, finish: str, **_more: Any) -> None:  # noqa: ARG002
        """End all seats when the engine has let go of what it holds on this worker."""
        if finish == "forgotten" and str(key).startswith(hold_key(self.name, "")):
            # Not in this thread, which is the worker's line to the scheduler.
            Thread(target=self._stop, daemon=True).start()

    def run(self, key: str, task: Task) -> None:
        """Run a task on a seat and tell what happens under the name `key`."""
        outcome = self._checked() or self._on_seat(key, task)
        self._tell(key, end=outcome.end.value, reason=outcome.reason, number=outcome.number)

    def _on_seat(self, key: str, task: Task) -> Outcome:
        with self._lock:
            if self._stopped:
                return Outcome(End.STOPPED)
            place = len(self._idle) + len(self._busy)
            seat = self._idle.pop() if self._idle else Seat(self._rules, seat_name(place + 1))
            self._busy.append(seat)
        try:
            return seat.run(task, lambda status: self._tell(key, status=status))
        finally:
            with self._lock:
                self._busy.remove(seat)
                if not self._stopped:
                    self._idle.append(seat)

    def _tell(self, key: str, **content: Any) -> None:
        self._worker.log_event(TOPIC, {"key": key, **content})

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            seats = [*self._idle, *self._busy]
        for seat in seats:
            seat.stop()

    def _checked(self) -> Outcome | None:
        """Why no task of this campaign can be run here; None if it can."""
        with self._checking:
            if self._unfit is None:
                self._unfit = self._why_unfit()
        if not self._unfit:
            return None
        return Outcome(End.UNFIT, f"the dask worker {self._worker.address}: {self._unfit}")

    def _why_unfit(self) -> str:
        plan = self._shared_plan()
        if plan is None:
            return (
                f"{self._rules.folder} is not the campaign's folder there; choose one with --out "
                "that is on a file system all machines share, under the same path"
            )
        changed = changed_since(plan)
        if changed:
            return (
                f"not as it was planned there: {'; '.join(changed)}. Install the same version of "
                "mas2sim, the same files, and start the dask worker in the same working directory"
            )
        return ""

    def _shared_plan(self) -> CampaignPlan | None:
        """The plan, if the folder is the engine's; a shared file may take a while to be seen."""
        deadline = time.monotonic() + SHARED_S
        while True:
            try:
                ledger = Ledger.find(self._rules.folder)
                if ledger.read(RUN_FILE) == self._run:
                    return ledger.read_plan()
            except StoreError:
                # Not there, or not yet.
                pass
            if time.monotonic() > deadline or not Path(self._rules.folder).is_dir():
                return None
            time.sleep(SEEN_AGAIN_S)


def run_task(name: str, key: str, shard: int, start: int, stop: int) -> None:
    """Run a task on the dask worker that this is called on."""
    seats = cast("Seats", get_worker().plugins[name])
    seats.run(key, Task(shard, start, stop))


def hold() -> None:
    """Be a task whose result the engine holds: when it is let go, the seats end."""


def hold_key(name: str, address: str) -> str:
    """Name of that task."""
    return f"{name}-hold-{address}"
