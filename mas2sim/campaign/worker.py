"""The process that runs tasks: ``python -m mas2sim.campaign FOLDER``.

A program of its own and not a fork: it starts with nothing of its parent's, and a crash costs no
more than its task. It is told a task by a line on its standard input, tells what it does by lines
on its standard output, both JSON, and ends when its input ends, as it does when the parent is gone.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from pathlib import Path
from platform import node
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from mas2sim.campaign.ledger import Ledger, Task
    from mas2sim.campaign.plan import PlannedCase

READY, BEGUN, ENDED, DONE, STOPPED = "ready", "begun", "ended", "done", "stopped"
"""Kinds of message: started; a case begins; a case ends; a task is done; it cannot go on."""
BYTES_PER_MB = 1e6
WITHOUT_CACHES = "--no-caches"
HEARTBEATS = "workers"
"""Folder of the heartbeats within a campaign's."""
BEAT_S = 1.0
"""Heartbeats are at least so far apart: nobody looks more often. [s]"""
GONE = 3
"""Exit code of a worker whose parent is gone."""


def main(arguments: list[str]) -> int:
    """Run the tasks that come in, until no more come."""
    told = _own_output()
    tasks: SimpleQueue[list[int] | None] = SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(tasks, busy), daemon=True).start()

    # Heavy, and so after the listener: a parent that is gone is noticed at once.
    from mas2sim.campaign.ledger import Ledger, Task
    from mas2sim.campaign.plan import changed_since
    from mas2sim.campaign.shard import ShardRunner

    ledger = Ledger.find(Path(arguments[0]))
    plan = ledger.read_plan()
    reporter = _Reporter(told, ledger)
    if changed := changed_since(plan):
        # A worker may start hours after the plan was made, and from another folder's files.
        said = f"changed since the campaign was planned: {'; '.join(changed)}"
        reporter.tell(STOPPED, reason=said)
        return 1
    runner = ShardRunner(ledger, plan, caches=WITHOUT_CACHES not in arguments)
    reporter.tell(READY)
    frozen = False
    while (numbers := tasks.get()) is not None:
        task = Task(*numbers)
        reporter.begin(task)
        try:
            runner.run(task, begun=reporter.begun, ended=reporter.ended)
        except OSError as error:
            reporter.tell(STOPPED, reason=f"{error.strerror or error}")
            return 1
        busy.clear()
        reporter.tell(DONE, memory_mb=memory_mb())
        if not frozen:
            frozen = True
            # Libraries and their compiled code are all loaded now and stay: to look through them
            # for garbage again and again would take a sixtieth of every case.
            gc.collect()
            gc.freeze()
    return 0


class _Reporter:
    """Tells the parent what happens, and leaves a heartbeat in the folder for everybody else."""

    def __init__(self, told: TextIO, ledger: Ledger) -> None:
        self._told, self._ledger = told, ledger
        self._task: list[int] = []
        self._began, self._done, self._beaten = 0.0, 0, float("-inf")

    def tell(self, kind: str, **content: Any) -> None:
        """Send one message."""
        self._told.write(json.dumps({"kind": kind, **content}) + "\n")
        self._told.flush()

    def begin(self, task: Task) -> None:
        """Begin a task."""
        self._task = [task.shard, task.start, task.stop]
        self._began, self._done = monotonic(), 0

    def begun(self, planned: PlannedCase) -> None:
        """Tell that a case begins."""
        self.tell(BEGUN, number=planned.number)

    def ended(self, planned: PlannedCase, status: str) -> None:
        """Tell that a case has its status."""
        self._done += 1
        self.tell(ENDED, number=planned.number, status=status)
        now = monotonic()
        if now - self._beaten < BEAT_S:
            return
        self._beaten = now
        beat = {
            "process": os.getpid(),
            "task": self._task,
            "done": self._done,
            "elapsed_s": now - self._began,
            "memory_mb": memory_mb(),
        }
        # Processes of two machines may have one number.
        self._ledger.write(f"{HEARTBEATS}/worker-{node()}-{os.getpid()}.json", beat)


def _own_output() -> TextIO:
    """Standard output for messages alone; whatever else is printed goes to standard error."""
    own = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return own


def _listen(tasks: SimpleQueue[list[int] | None], busy: threading.Event) -> None:
    """Hand on what comes in; end at once when the input ends in the middle of a task."""
    for line in sys.stdin:
        busy.set()
        tasks.put(json.loads(line))
    if busy.is_set():
        os._exit(GONE)
    tasks.put(None)


def memory_mb() -> float:
    """Memory that this process holds now; its peak where the system does not tell. [MB]"""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / BYTES_PER_MB
    except (OSError, ValueError, IndexError):
        return _peak_mb()


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0) / BYTES_PER_MB
