"""Drivers: threads that take tasks from the work list, have them run, and tell what became of them.

A driver has one seat, on this machine or elsewhere, and does not know which. So engines differ in
where their seats are, and in nothing else.
"""

from __future__ import annotations

from queue import SimpleQueue
from threading import Event, Thread
from typing import Protocol

from mas2sim.campaign.engine import EngineError, Watch
from mas2sim.campaign.ledger import Task
from mas2sim.campaign.seat import End, Outcome, Told
from mas2sim.campaign.work_list import WorkList
from mas2sim.domain.errors import StoreError


class AnySeat(Protocol):
    """Where tasks are run, one at a time."""

    @property
    def gone(self) -> bool:
        """Whether it takes no more tasks."""

    def run(self, task: Task, told: Told) -> Outcome:
        """Run one task to whatever end; `told` hears of every case."""

    def stop(self) -> None:
        """End at once; called from another thread."""

    def dismiss(self) -> None:
        """End what is idle: there are no more tasks."""


class Drivers:
    """Drivers of one run of a campaign.

    Parameters
    ----------
    work : WorkList
    watch : callable
        Told how far it is, after every case.
    """

    def __init__(self, work: WorkList, watch: Watch) -> None:
        self._work, self._watch = work, watch
        self._drivers: list[tuple[Thread, AnySeat]] = []
        self._failures: SimpleQueue[Exception] = SimpleQueue()
        self._ended, self._stopping = Event(), Event()

    def add(self, seat: AnySeat, name: str) -> None:
        """Let a driver of its own use one more seat."""
        thread = Thread(
            target=self._drive, args=(seat,), daemon=True, name=f"campaign worker {name}"
        )
        self._drivers.append((thread, seat))
        thread.start()

    def at_work(self, wait_s: float) -> bool:
        """Whether any driver is still at work, after a while or as soon as one ends.

        Parameters
        ----------
        wait_s : float
            [s]

        Raises
        ------
        EngineError, StoreError
            With what ended a driver.
        """
        self._ended.wait(wait_s)
        self._ended.clear()
        self._drivers = [each for each in self._drivers if each[0].is_alive()]
        if not self._failures.empty():
            raise self._failures.get()
        return bool(self._drivers)

    def stop(self) -> None:
        """End all seats and wait for their drivers."""
        self._stopping.set()
        self._work.stop()
        for _, seat in self._drivers:
            seat.stop()
        for driver, _ in self._drivers:
            driver.join()

    def _drive(self, seat: AnySeat) -> None:
        work = self._work
        try:
            while not (self._stopping.is_set() or seat.gone):
                task = work.take()
                if task is None:
                    break
                self._run(seat, task)
        except OSError as error:
            self._failures.put(_not_written(work, error.strerror or str(error)))
        except Exception as error:  # noqa: BLE001 - raised again by the engine, in its own thread
            self._failures.put(error)
        finally:
            seat.dismiss()
            self._ended.set()

    def _run(self, seat: AnySeat, task: Task) -> None:
        """Run one task and tell the work list what became of it."""
        work, watch = self._work, self._watch
        outcome = seat.run(task, lambda status: watch(work.case_ended(task, status)))
        limit_s = work.plan.experiment.case_limit_s
        if outcome.end is End.DONE:
            watch(work.finished(task))
        elif outcome.end is End.DIED:
            watch(work.died(task, outcome.reason))
        elif outcome.end is End.LATE and limit_s is not None:
            watch(work.timed_out(task, outcome.number, limit_s))
        elif outcome.end is End.UNWRITTEN:
            raise _not_written(work, outcome.reason)
        else:
            work.gave_back(task)
            if outcome.end is not End.STOPPED:
                raise EngineError(outcome.reason)


def _not_written(work: WorkList, reason: str) -> StoreError:
    return StoreError(
        f"{work.ledger.path}: results cannot be written ({reason}); what is there stays readable. "
        f"Make room, then: mas2sim resume {work.ledger.path}"
    )
