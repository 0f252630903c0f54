"""The folder of a campaign: what lies in it is the campaign's only state.

A shard is done when its file is there under its name; it is written under another one and renamed.
Parts of a shard, made when one of its cases ended a worker, are files of the same kind until they
make up the shard.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING, Any

from mas2sim.campaign.plan import CampaignPlan, Shard
from mas2sim.campaign.rows import NUMBER, joined
from mas2sim.campaign.worker import HEARTBEATS
from mas2sim.domain.errors import StoreError
from mas2sim.results import ResultFolder
from mas2sim.results.parquet_file import read_arrow
from mas2sim.results.result import REPORT_FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

PLAN_FILE, PROVENANCE_FILE = "plan.json", "provenance.json"
KPI_FILE, CASES_FILE = "kpi.parquet", "cases.parquet"
SHARDS, SERIES, WORKERS, REPORT = "shards", "series", HEARTBEATS, REPORT_FOLDER
RUN_FILE, LOCK_FILE = "run.json", "campaign.lock"
UNFINISHED = ".writing"
GLANCE_S = 1.0
"""Time that somebody may hold the lock who only looks at the campaign. [s]"""
PART = re.compile(r"part-(\d+)-(\d+)-(\d+)\.parquet")
OWN_NAMES = frozenset(
    (
        *(PLAN_FILE, PROVENANCE_FILE, KPI_FILE, CASES_FILE, RUN_FILE, LOCK_FILE),
        *(SHARDS, SERIES, WORKERS, REPORT),
    )
)


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """Cases of one shard that a worker runs at a stretch: from `start` to before `stop`."""

    shard: int
    start: int
    stop: int

    @property
    def cases(self) -> int:
        """How many there are."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Ledger:
    """Files of one campaign.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @classmethod
    def prepare(cls, path: Path, plan: CampaignPlan) -> Ledger:
        """Make the folder of a plan, or find that it is this plan's already.

        Parameters
        ----------
        path : Path
        plan : CampaignPlan

        Raises
        ------
        StoreError
            When the folder is another plan's or somebody else's, or cannot be written.
        """
        target = path.expanduser().resolve()
        ResultFolder.check_place(target)
        ledger = cls(target)
        found = {entry.name for entry in target.iterdir()} if target.is_dir() else set()
        # What a process that died leaves of its own plan is nobody's.
        found = {name for name in found if not name.endswith(UNFINISHED)}
        if found and PLAN_FILE not in found:
            raise StoreError(
                f"{target}: the folder holds files that are no campaign ({min(found)} and "
                "the like); choose an empty or a new folder with --out"
            )
        if found:
            held = ledger.read_plan().plan_hash
            if held != plan.plan_hash:
                raise StoreError(
                    f"{target}: the folder holds another plan ({held}; this one is "
                    f"{plan.plan_hash}); choose another folder with --out, or remove this one"
                )
        try:
            target.mkdir(parents=True, exist_ok=True)
            # First, so that a folder with anything in it says whose it is.
            if not (target / PLAN_FILE).is_file():
                ledger.write(PLAN_FILE, plan.content)
            ledger.make_folders()
        except OSError as error:
            raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from error
        return ledger

    @classmethod
    def find(cls, path: Path | str) -> Ledger:
        """The ledger of a campaign that is there.

        Raises
        ------
        StoreError
            When the folder holds no campaign.
        """
        folder = Path(path).expanduser().resolve()
        if not cls.is_at(folder):
            raise StoreError(f"{folder}: there is no campaign here, no {PLAN_FILE}")
        return cls(folder)

    @staticmethod
    def is_at(path: Path | str) -> bool:
        """Whether a folder is a campaign's."""
        return (Path(path).expanduser() / PLAN_FILE).is_file()

    def make_folders(self) -> None:
        """Make the folders within, where they are not there."""
        for name in (SHARDS, SERIES, WORKERS):
            (self.path / name).mkdir(parents=True, exist_ok=True)

    def forget(self) -> None:
        """Remove what was computed; only for who holds the lock."""
        for name in OWN_NAMES - {PLAN_FILE, LOCK_FILE}:
            entry = self.path / name
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
        self.make_folders()

    def read_plan(self) -> CampaignPlan:
        """The plan that the folder is for.

        Raises
        ------
        StoreError
            When it cannot be read.
        """
        content = self.read(PLAN_FILE)
        try:
            return CampaignPlan.from_content(content)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{self.path / PLAN_FILE}: this is no plan of a campaign") from error

    def shard_path(self, number: int) -> Path:
        """File of a shard."""
        return self.path / SHARDS / f"shard-{number:04d}.parquet"

    def part_path(self, task: Task) -> Path:
        """File of a part of a shard."""
        name = f"part-{task.shard:04d}-{task.start:06d}-{task.stop:06d}.parquet"
        return self.path / SHARDS / name

    def task_path(self, plan: CampaignPlan, task: Task) -> Path:
        """File of a task's rows: that of its shard, or of a part of it."""
        shard = plan.shards[task.shard - 1]
        whole = (shard.start, shard.stop) == (task.start, task.stop)
        return self.shard_path(task.shard) if whole else self.part_path(task)

    def series_path(self, task: Task) -> Path:
        """File with the series of a task's cases."""
        return self.path / SERIES / f"series-{task.start:06d}-{task.stop:06d}.nc"

    def finished(self, plan: CampaignPlan) -> list[Shard]:
        """Shards whose files are there."""
        there = {entry.name for entry in (self.path / SHARDS).iterdir()}
        return [shard for shard in plan.shards if self.shard_path(shard.number).name in there]

    def missing(self, plan: CampaignPlan) -> list[Task]:
        """What is to be done: shards without a file, less the parts of them that are there."""
        done = {shard.number for shard in self.finished(plan)}
        tasks = []
        for shard in plan.shards:
            if shard.number in done:
                continue
            place = shard.start
            for part in self.parts(shard.number):
                if part.start > place:
                    tasks.append(Task(shard.number, place, part.start))
                place = max(place, part.stop)
            if place < shard.stop:
                tasks.append(Task(shard.number, place, shard.stop))
        return tasks

    def parts(self, shard: int) -> list[Task]:
        """Parts of a shard that are there, in order."""
        found = []
        for entry in (self.path / SHARDS).iterdir():
            match = PART.fullmatch(entry.name)
            if match and int(match[1]) == shard:
                found.append(Task(shard, int(match[2]), int(match[3])))
        return sorted(found)

    def join(self, shard: Shard) -> None:
        """Make a shard of its parts, if they are all there."""
        parts = self.parts(shard.number)
        # Halves of what an earlier run did whole may overlap with it: each case counts once.
        tables, place = [], shard.start
        for part in parts:
            if part.start > place:
                return
            table = read_arrow(self.part_path(part))
            tables.append(_rows_of(table, place, shard.stop))
            place = max(place, part.stop)
        if place < shard.stop:
            return
        self.write_table(self.shard_path(shard.number), joined(tables))
        for part in parts:
            # Another job of Hydra's may have joined the same parts.
            self.part_path(part).unlink(missing_ok=True)

    def reopen(self, plan: CampaignPlan, numbers: Set[int]) -> None:
        """Let cases that are done be missing again; only for who holds the lock.

        Parameters
        ----------
        plan : CampaignPlan
        numbers : set of int
            Their places in the plan.
        """
        for name in (KPI_FILE, CASES_FILE):
            (self.path / name).unlink(missing_ok=True)
        for task in self._done(plan):
            bounds = [task.start - 1, *sorted(numbers & set(range(task.start, task.stop)))]
            if len(bounds) == 1:
                continue
            path = self.task_path(plan, task)
            table = read_arrow(path)
            # What is kept is there under its new names before the old one goes.
            for before, after in pairwise([*bounds, task.stop]):
                kept = Task(task.shard, before + 1, after)
                if kept.cases:
                    self.write_table(self.part_path(kept), _rows_of(table, kept.start, kept.stop))
            path.unlink()

    def _done(self, plan: CampaignPlan) -> list[Task]:
        """Shards that are there, and the parts of those that are not."""
        whole = {shard.number for shard in self.finished(plan)}
        return [
            task
            for shard in plan.shards
            for task in (
                [Task(shard.number, shard.start, shard.stop)]
                if shard.number in whole
                else self.parts(shard.number)
            )
        ]

    def write_table(self, path: Path, table: pa.Table) -> None:
        """Write a table whole or not at all."""
        from pyarrow import parquet

        with self.written(path) as unfinished:
            parquet.write_table(table, unfinished)

    @contextmanager
    def written(self, path: Path) -> Iterator[Path]:
        """Write to the name given in the block; it takes its own when the block ends well."""
        # Processes of two machines may have one number.
        unfinished = path.with_name(f".{path.name}.{node()}-{os.getpid()}{UNFINISHED}")
        try:
            yield unfinished
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write plain values whole or not at all."""
        with self.written(self.path / name) as unfinished:
            unfinished.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    def read(self, name: str) -> dict[str, Any]:
        """Read plain values.

        Raises
        ------
        StoreError
            When the file cannot be read.
        """
        path = self.path / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: the file is missing or damaged ({error})") from error
        if not isinstance(content, dict):
            raise StoreError(f"{path}: this is no file of a campaign")
        return content

    def tidy(self) -> None:
        """Remove what dead workers left unfinished; only for who holds the lock."""
        for folder in (self.path, *(self.path / name for name in (SHARDS, SERIES, WORKERS))):
            for entry in folder.glob(f".*{UNFINISHED}") if folder.is_dir() else ():
                entry.unlink(missing_ok=True)
        for entry in (self.path / WORKERS).glob("*"):
            # What cannot be removed, such as a file that is open on NFS, is in nobody's way.
            with suppress(OSError):
                entry.unlink()

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the campaign while the block runs; the lock goes with the process.

        Parameters
        ----------
        shared : bool
            Whether others may hold it at the same time, if they share it too.

        Raises
        ------
        StoreError
            When another process holds it.
        """
        # For reading too: on NFS a lock that is shared asks for it.
        with (self.path / LOCK_FILE).open("a+") as file:
            deadline = time.monotonic() + GLANCE_S
            while not (held := _lock(file.fileno(), shared=shared)):
                if time.monotonic() > deadline:
                    break
                # Whoever asks for the status takes the lock for a moment.
                time.sleep(GLANCE_S / 10)
            if not held:
                raise StoreError(
                    f"{self.path}: another process is at work on this campaign; see "
                    "`mas2sim status`"
                )
            yield

    @property
    def is_held(self) -> bool:
        """Whether a process is at work on it."""
        path = self.path / LOCK_FILE
        if not path.is_file():
            return False
        try:
            file = path.open("a+")
        except OSError:
            # Somebody else's campaign can be looked at, too.
            file = path.open()
        with file:
            return not _lock(file.fileno())


def _rows_of(table: pa.Table, start: int, stop: int) -> pa.Table:
    """Rows of the cases from `start` to before `stop`."""
    from pyarrow import compute

    number = compute.field(NUMBER)
    return table.filter((number >= start) & (number < stop))


def _lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file, unless somebody has it."""
    try:
        import fcntl
    except ImportError:
        # Without such locks nobody is kept out; two that do the same write the same.
        return True
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        # A file system without locks keeps nobody out, as above.
        return True
    return True


def spans(tasks: Sequence[Task]) -> int:
    """Cases of all tasks together."""
    return sum(task.cases for task in tasks)
