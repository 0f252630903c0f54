"""The result folder before anything is computed: may it be used, and is the work already done?

Asked first, so that nobody waits for a case whose result cannot be stored. Results appear whole or
not at all: they are written into a sibling folder, which then takes the place of the target.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from mas2sim.domain.errors import StoreError
from mas2sim.results.result import (
    DATA_FILES,
    PROVENANCE_FILE,
    REPORT_FOLDER,
    parts_of,
    read_provenance,
    study_files_of,
)

WRITING = "mas2sim-writing"
REPLACED = "mas2sim-replaced"
OWNER_FILE = "mas2sim-owner.json"
EARLIER = "earlier"
PAGE_SUFFIX = ".html"
OWN_NAMES = frozenset((*DATA_FILES, PROVENANCE_FILE, REPORT_FOLDER, OWNER_FILE))


class FolderState(StrEnum):
    """What a run has to do about its result folder."""

    NEW = "new"
    """Nothing is there: compute and write."""
    FINISHED = "finished"
    """The same plan's result is there, whole: keep it."""
    REPLACE = "replace"
    """The same plan's result is there and is to be computed again (forced, or damaged)."""


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """A folder that was found fit for one plan's result.

    Parameters
    ----------
    path : Path
        Absolute, links resolved.
    plan_hash : str
    state : FolderState
    """

    path: Path
    plan_hash: str
    state: FolderState

    @classmethod
    def prepare(cls, path: Path | str, plan_hash: str, *, force: bool = False) -> Self:
        """Decide what is to be done about `path`, and tidy what dead runs left beside it.

        Parameters
        ----------
        path : Path or str
            The result folder wanted; nothing is made yet.
        plan_hash : str
            Plan that is about to run.
        force : bool
            Compute again what is already there.

        Raises
        ------
        StoreError
            When the folder holds another plan's result or files of somebody else, or cannot be
            written.
        """
        target = Path(path).expanduser().resolve()
        _check_place(target)
        tidy(target)
        state = _state(target, plan_hash, force=force)
        if state is not FolderState.FINISHED:
            _check_writable(target)
        return cls(target, plan_hash, state)

    @staticmethod
    def check_place(path: Path | str) -> None:
        """Find out whether any plan could be stored at `path`; nothing is made.

        Raises
        ------
        StoreError
            When it is a file, a mounted folder, or lies where nothing can be written.
        """
        target = Path(path).expanduser().resolve()
        _check_place(target)
        _check_writable(target)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to compute."""
        return self.state is FolderState.FINISHED


def file_digests(
    folder: Path, parts: Sequence[str] = (), study_files: Sequence[str] = ()
) -> dict[str, str]:
    """SHA-256 of every file with figures in `folder`, by name.

    Parameters
    ----------
    parts : sequence of str
        Folders of the single results in it, whose provenance counts too.
    study_files : sequence of str
        Names of the files of a study.
    """
    names = [
        *DATA_FILES,
        *study_files,
        *(f"{part}/{name}" for part in parts for name in (*DATA_FILES, PROVENANCE_FILE)),
    ]
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in names
        if (folder / name).is_file()
    }


def begin_writing(target: Path) -> Path:
    """Make the temporary sibling of `target`, marked as this process's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return _sibling(target, WRITING)


def put_in_place(written: Path, target: Path) -> None:
    """Let the complete folder `written` take the place of `target`.

    An earlier result is moved aside first and removed last. Should the process die between the two
    renames, the next run moves it back.
    """
    if not target.exists() or not any(target.iterdir()):
        written.replace(target)
    else:
        aside = _sibling(target, REPLACED)
        old = aside / EARLIER
        target.rename(old)
        try:
            written.rename(target)
        except BaseException:
            old.rename(target)
            raise
        shutil.rmtree(aside)
    (target / OWNER_FILE).unlink()


def _sibling(target: Path, purpose: str) -> Path:
    host, process = socket.gethostname(), os.getpid()
    folder = target.parent / f".{target.name}.{purpose}-{host}-{process}"
    folder.mkdir()
    owner = {"target": target.name, "host": host, "process": process}
    (folder / OWNER_FILE).write_text(json.dumps(owner), encoding="utf-8")
    return folder


def _state(target: Path, plan_hash: str, *, force: bool) -> FolderState:
    if not target.exists():
        return FolderState.NEW
    found = {entry.name for entry in target.iterdir()}
    if not found:
        return FolderState.NEW
    if PROVENANCE_FILE not in found:
        raise StoreError(
            f"{target}: the folder holds files that are no result ({_some(found)}); choose an "
            "empty or a new folder with --out"
        )
    earlier = read_provenance(target)
    if earlier["plan_hash"] != plan_hash:
        raise StoreError(
            f"{target}: the folder holds the result of another plan ({earlier['plan_hash']}; this "
            f"one is {plan_hash}); choose another folder with --out, or remove this one"
        )
    parts = parts_of(earlier)
    study_files = study_files_of(earlier)
    whole = earlier.get("files") == file_digests(target, parts, study_files)
    if whole and not force:
        return FolderState.FINISHED
    foreign = found - OWN_NAMES - set(parts) - set(study_files)
    for part in parts:
        foreign |= {f"{part}/{name}" for name in _names(target / part) - OWN_NAMES}
    for report in (REPORT_FOLDER, *(f"{part}/{REPORT_FOLDER}" for part in parts)):
        # Pages of single homes are ours too: `mas2sim report --home` makes them afterwards.
        pages = {name for name in _names(target / report) if name.endswith(PAGE_SUFFIX)}
        foreign |= {f"{report}/{name}" for name in _names(target / report) - pages}
    if foreign:
        raise StoreError(
            f"{target}: computing again would remove files that are no part of the result "
            f"({_some(foreign)}); move them elsewhere first"
        )
    return FolderState.REPLACE


def _names(folder: Path) -> set[str]:
    """Names of what is in a folder; none where there is no folder."""
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _some(names: set[str] | frozenset[str], shown: int = 3) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - shown} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more


def _check_place(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise StoreError(f"{target}: this is a file, not a folder; choose another --out")
    if target.is_dir() and os.path.ismount(target):
        raise StoreError(
            f"{target}: a mounted folder cannot be replaced as a whole; choose a folder inside it"
        )


def _check_writable(target: Path) -> None:
    # Nothing is made yet: a run that is refused leaves no folders behind.
    nearest = next(folder for folder in (target, *target.parents) if folder.exists())
    try:
        for folder in {nearest, target.parent if target.parent.exists() else nearest}:
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise StoreError(
            f"{target}: cannot be written ({error.strerror or error}); choose another --out"
        ) from error


def tidy(target: Path) -> None:
    """Remove what dead runs left beside `target`; bring back a result caught between renames."""
    if not target.parent.is_dir():
        return
    for folder in _siblings(target, REPLACED):
        if not _abandoned(folder, target):
            continue
        if (folder / EARLIER).is_dir() and not target.exists():
            (folder / EARLIER).rename(target)
        shutil.rmtree(folder, ignore_errors=True)
    for folder in _siblings(target, WRITING):
        if _abandoned(folder, target):
            shutil.rmtree(folder, ignore_errors=True)


def _siblings(target: Path, purpose: str) -> list[Path]:
    start = f".{target.name}.{purpose}-"
    return sorted(entry for entry in target.parent.iterdir() if entry.name.startswith(start))


def _abandoned(folder: Path, target: Path) -> bool:
    """Whether `folder` is ours, for this target, and of a process that no longer runs here."""
    try:
        owner = json.loads((folder / OWNER_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(owner, dict) or owner.get("target") != target.name:
        return False
    if owner.get("host") != socket.gethostname():
        return False
    return not _runs(owner.get("process"))


def _runs(process: object) -> bool:
    if not isinstance(process, int) or os.name != "posix":
        # Elsewhere there is no harmless way to ask; a folder too many is better than one too few.
        return True
    if process == os.getpid():
        # One process writes one result at a time, and this one has not begun.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
