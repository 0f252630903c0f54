"""The engine that comes with mas2sim: worker processes on this machine, one thread each.

Every worker is driven by a thread of its own, which hands it a task, watches it, and replaces it
when it died, holds too much memory, or takes too long over a case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, BinaryIO

from mas2sim.campaign.engine import EngineError, Watch
from mas2sim.campaign.ledger import WORKERS, Task
from mas2sim.campaign.work_list import WorkList
from mas2sim.campaign.worker import BEGUN, DONE, ENDED, READY, STOPPED, WITHOUT_CACHES
from mas2sim.domain.errors import StoreError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Cases run side by side, so none of them needs threads."""
MEMORY_MB = 1_500.0
"""A worker that holds more is replaced when its task is done. [MB]"""
START_S = 120.0
"""Time in which a worker must have started. [s]"""
LOOK_S = 0.2
"""How often the engine looks whether it was interrupted. [s]"""
MOST_FALSE_STARTS = 3
LAST_WORDS = 400
"""Characters of a dead worker's standard error that are told."""


class _LateError(Exception):
    """A case took longer than it may."""


class _DiedError(Exception):
    """A worker is gone; says how."""


@dataclass(slots=True)
class LocalEngine:
    """Runs tasks in worker processes on this machine.

    Parameters
    ----------
    workers : int
        How many at a time.
    memory_mb : float
        A worker that holds more is replaced between tasks. [MB]
    caches : bool
        Whether workers keep what cases share.
    program : tuple of str
        What is started as a worker; the campaign's folder is its argument.
    """

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    memory_mb: float = MEMORY_MB
    caches: bool = True
    program: tuple[str, ...] = (sys.executable, "-m", "mas2sim.campaign.worker")

    def run(self, work: WorkList, watch: Watch) -> None:
        """Run all tasks; see `Engine.run`."""
        failures: SimpleQueue[Exception] = SimpleQueue()
        stop = Event()
        count = min(self.workers, work.tasks_left)
        drivers = [
            _Driver(self, work, watch, stop, failures, number) for number in range(1, count + 1)
        ]
        for driver in drivers:
            driver.start()
        try:
            while any(driver.is_alive() for driver in drivers) and failures.empty():
                for driver in drivers:
                    driver.join(LOOK_S / count)
        finally:
            stop.set()
            work.stop()
            for driver in drivers:
                driver.kill()
            for driver in drivers:
                driver.join()
        if not failures.empty():
            raise failures.get()


class _Driver(Thread):
    """Drives one worker, and its successors."""

    def __init__(
        self,
        engine: LocalEngine,
        work: WorkList,
        watch: Watch,
        stop: Event,
        failures: SimpleQueue[Exception],
        number: int,
    ) -> None:
        super().__init__(daemon=True, name=f"campaign worker {number}")
        self._engine, self._work, self._watch, self._stopping = engine, work, watch, stop
        self._failures, self._number = failures, number
        self._worker: _Worker | None = None

    def run(self) -> None:
        try:
            while not self._stopping.is_set() and (task := self._work.take()) is not None:
                self._run(task)
        except OSError as error:
            self._failures.put(_not_written(self._work, error.strerror or str(error)))
        except Exception as error:  # noqa: BLE001 - raised again by the engine, in its own thread
            self._failures.put(error)
        finally:
            self._work_is_over()

    def kill(self) -> None:
        """End the worker, whatever it does."""
        if self._worker is not None:
            self._worker.kill()

    def _work_is_over(self) -> None:
        if self._worker is not None:
            self._worker.dismiss()

    def _run(self, task: Task) -> None:
        """Run one task and tell the work list what became of it."""
        limit_s = self._work.plan.experiment.case_limit_s
        worker = self._ready_worker(task)
        if worker is None:
            return
        worker.send([task.shard, task.start, task.stop])
        number = task.start
        try:
            while (message := worker.receive(limit_s))["kind"] != DONE:
                if message["kind"] == BEGUN:
                    number = message["number"]
                elif message["kind"] == ENDED:
                    self._watch(self._work.case_ended(task, message["status"]))
                elif message["kind"] == STOPPED:
                    raise _not_written(self._work, message["reason"])
        except _LateError:
            worker.kill()
            self._worker = None
            if limit_s is not None:
                self._watch(self._work.timed_out(task, number, limit_s))
            return
        except _DiedError as death:
            self._worker = None
            if not self._stopping.is_set():
                self._watch(self._work.died(task, str(death)))
            return
        self._watch(self._work.finished(task))
        if message["memory_mb"] > self._engine.memory_mb:
            worker.dismiss()
            self._worker = None

    def _ready_worker(self, task: Task) -> _Worker | None:
        """A worker that has started; None when the engine stops meanwhile."""
        for _ in range(MOST_FALSE_STARTS):
            if self._worker is not None:
                return self._worker
            if self._stopping.is_set():
                break
            worker = _Worker(self._work.ledger.path, self._number, engine=self._engine)
            self._worker = worker
            if self._stopping.is_set():
                # The engine may have looked for workers to end just before this one was there.
                worker.kill()
                break
            try:
                if worker.receive(START_S)["kind"] == READY:
                    return worker
            except (_DiedError, _LateError) as error:
                worker.kill()
                self._worker, death = None, str(error)
        self._work.gave_back(task)
        if self._stopping.is_set():
            return None
        raise EngineError(f"workers do not start: {death}")


class _Worker:
    """One process, its messages in a queue."""

    def __init__(self, folder: Path, number: int, *, engine: LocalEngine) -> None:
        self._errors = folder / WORKERS / f"errors-{number}.txt"
        command = [*engine.program, str(folder), *([] if engine.caches else [WITHOUT_CACHES])]
        with self._errors.open("wb") as errors:
            # A session of its own: Ctrl-C reaches the parent alone, which ends its workers.
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **ONE_THREAD},
                start_new_session=True,
            )
        self._messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        if self._process.stdout is not None:
            Thread(target=_read, args=(self._process.stdout, self._messages), daemon=True).start()

    def send(self, task: list[int]) -> None:
        """Hand the worker a task; that it is gone shows in the next message."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(json.dumps(task).encode() + b"\n")
                self._process.stdin.flush()

    def receive(self, limit_s: float | None) -> dict[str, Any]:
        """Next message of the worker."""
        try:
            message = self._messages.get(timeout=limit_s)
        except Empty:
            raise _LateError(f"no word within {limit_s:g} s") from None
        if message is None:
            raise _DiedError(self._death())
        return message

    def dismiss(self) -> None:
        """Let the worker end by itself."""
        self._hang_up()
        try:
            self._process.wait(timeout=START_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        self._process.wait()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _death(self) -> str:
        code = self._process.wait()
        self._hang_up()
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        with suppress(OSError):
            words = self._errors.read_text(encoding="utf-8", errors="replace").strip()
            how += f": {words.splitlines()[-1][-LAST_WORDS:]}" if words else ""
        return f"the worker was {how}" if code < 0 else f"the worker {how}"


def _read(stream: BinaryIO | Any, messages: SimpleQueue[dict[str, Any] | None]) -> None:
    """Hand on a worker's messages; None when there will be no more."""
    with stream:
        for line in stream:
            # The last line of a worker that was killed may be half of one.
            with suppress(ValueError):
                messages.put(json.loads(line))
    messages.put(None)


def _not_written(work: WorkList, reason: str) -> StoreError:
    return StoreError(
        f"{work.ledger.path}: results cannot be written ({reason}); what is there stays readable. "
        f"Make room, then: mas2sim resume {work.ledger.path}"
    )
