"""A seat: one worker process and its successors, which run one task at a time.

Every engine runs its tasks on seats, wherever these are. So what a killed process, a case that
takes too long, a worker that holds too much memory and a full disk mean is said once, here, and is
the same for all engines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from platform import node
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from mas2sim.campaign.ledger import WORKERS, Task
from mas2sim.campaign.worker import BEGUN, DONE, ENDED, READY, STOPPED, WITHOUT_CACHES

if TYPE_CHECKING:
    from mas2sim.campaign.work_list import WorkList

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Cases run side by side, so none of them needs threads."""
MEMORY_MB = 1_500.0
"""A worker that holds more is replaced when its task is done. [MB]"""
START_S = 120.0
"""Time in which a worker must have started. [s]"""
UNREAD_S = 1.0
"""Time in which what a worker has said is read. [s]"""
MOST_FALSE_STARTS = 3
LAST_WORDS = 400
"""Characters of a dead worker's standard error that are told."""

Told = Callable[[str], None]
"""Told the status of every case that ends."""


class End(StrEnum):
    """What can become of a task."""

    DONE = "done"
    DIED = "died"
    """Its worker died."""
    LATE = "late"
    """One of its cases took too long."""
    UNWRITTEN = "unwritten"
    """Its results cannot be written."""
    UNFIT = "unfit"
    """It was not begun, since no worker can run it here."""
    STOPPED = "stopped"
    """The engine stopped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Parameters
    ----------
    end : End
    reason : str
        How a worker died, or why nothing can be written or started.
    number : int
        Place in the plan of the case that took too long.
    """

    end: End
    reason: str = ""
    number: int = -1


class HasWorkers(Protocol):
    """What every engine may be told of its workers; see `SeatRules`."""

    memory_mb: float
    caches: bool
    program: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeatRules:
    """What holds for every worker of a seat.

    Parameters
    ----------
    folder : Path
        The campaign's.
    case_limit_s : float or None
        A case that takes longer is given up. [s]
    memory_mb : float
        A worker that holds more is replaced between tasks. [MB]
    caches : bool
        Whether workers keep what cases share.
    program : tuple of str
        What is started as a worker; the campaign's folder is its argument. Empty: mas2sim's own,
        by the Python that the seat itself runs on.
    """

    folder: Path
    case_limit_s: float | None
    memory_mb: float = MEMORY_MB
    caches: bool = True
    program: tuple[str, ...] = ()

    @classmethod
    def of(cls, work: WorkList, engine: HasWorkers) -> SeatRules:
        """The rules of one engine for what is to be done."""
        limit_s = work.plan.experiment.case_limit_s
        return cls(work.ledger.path, limit_s, engine.memory_mb, engine.caches, engine.program)

    @property
    def command(self) -> list[str]:
        """What is started."""
        program = self.program or (sys.executable, "-m", "mas2sim.campaign")
        return [*program, str(self.folder), *([] if self.caches else [WITHOUT_CACHES])]


def seat_name(place: int) -> str:
    """Name of a seat of this process among those of all machines."""
    return f"{node()}-{os.getpid()}-{place}"


class Seat:
    """Runs tasks one after the other, in a worker process that is kept from task to task.

    Parameters
    ----------
    rules : SeatRules
    name : str
        Tells this seat from the others of a campaign.
    """

    gone = False
    """A seat on this machine can always take another task."""

    def __init__(self, rules: SeatRules, name: str) -> None:
        self._rules, self._name = rules, name
        self._worker: _Worker | None = None
        self._stopped = False

    def run(self, task: Task, told: Told) -> Outcome:
        """Run one task to whatever end.

        Parameters
        ----------
        task : Task
        told : callable
            Told of every case that ends.
        """
        worker = self._ready_worker()
        if isinstance(worker, Outcome):
            return worker
        worker.send([task.shard, task.start, task.stop])
        number = task.start
        try:
            while (message := worker.receive(self._rules.case_limit_s))["kind"] != DONE:
                if message["kind"] == BEGUN:
                    number = message["number"]
                elif message["kind"] == ENDED:
                    told(message["status"])
                elif message["kind"] == STOPPED:
                    return Outcome(End.UNWRITTEN, message["reason"])
        except _LateError:
            worker.kill()
            self._worker = None
            return Outcome(End.LATE, number=number)
        except _DiedError as death:
            self._worker = None
            return Outcome(End.STOPPED if self._stopped else End.DIED, str(death))
        if message["memory_mb"] > self._rules.memory_mb:
            self.dismiss()
        return Outcome(End.DONE)

    def stop(self) -> None:
        """End the worker, whatever it does; called from another thread. No other one starts."""
        self._stopped = True
        worker = self._worker
        if worker is not None:
            worker.kill()

    def dismiss(self) -> None:
        """Let the worker end by itself."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.dismiss()

    def _ready_worker(self) -> _Worker | Outcome:
        """A worker that has started, or why there is none."""
        death = ""
        for _ in range(MOST_FALSE_STARTS):
            if self._worker is not None:
                return self._worker
            try:
                worker = _Worker(self._rules, self._name)
            except _NotStartedError as error:
                return Outcome(End.UNFIT, f"workers do not start: {error}")
            except OSError as error:
                return Outcome(End.UNWRITTEN, error.strerror or str(error))
            self._worker = worker
            if self._stopped:
                # Whoever stops may have looked for the worker just before this one was there.
                worker.kill()
            try:
                message = worker.receive(START_S)
                if message["kind"] == READY:
                    return worker
                if message["kind"] == STOPPED:
                    self.dismiss()
                    return Outcome(End.UNFIT, message["reason"])
            except (_DiedError, _LateError) as error:
                worker.kill()
                self._worker, death = None, str(error)
            if self._stopped:
                return Outcome(End.STOPPED)
        return Outcome(End.UNFIT, f"workers do not start: {death}")


class _LateError(Exception):
    """A case took longer than it may."""


class _DiedError(Exception):
    """A worker is gone; says how."""


class _NotStartedError(Exception):
    """There is no such program."""


class _Worker:
    """One process, its messages in a queue."""

    def __init__(self, rules: SeatRules, name: str) -> None:
        self._errors = rules.folder / WORKERS / f"errors-{name}.txt"
        with self._errors.open("wb") as errors:
            try:
                # A session of its own: Ctrl-C reaches the parent alone, which ends its workers.
                self._process = subprocess.Popen(  # noqa: S603
                    rules.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env={**os.environ, **ONE_THREAD},
                    start_new_session=True,
                )
            except OSError as error:
                raise _NotStartedError(str(error)) from error
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
            # If this process itself was halted (Ctrl-Z), what was said meanwhile is still unread.
            try:
                message = self._messages.get(timeout=UNREAD_S)
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
