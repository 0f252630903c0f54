"""Progress of a run: a bar with the time left on a terminal, one line a stage elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Show(Protocol):
    """Shows stages."""

    def __call__(self, stage: str, done: int, total: int, said: str = "") -> None:
        """Show what is done of a stage and what there is to do; `said` stands beside the bar."""


@contextmanager
def show_progress() -> Iterator[Show]:
    """Show the stages of a run on standard error while the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int, said: str = "") -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                tasks[stage] = bar.add_task(stage, total=total, said=said)
            bar.update(tasks[stage], completed=done, said=said)

        yield show


def _lines(console: Console) -> Show:
    """One line when a stage begins."""
    begun: set[str] = set()

    def show(stage: str, done: int, total: int, said: str = "") -> None:
        del done, total, said
        if stage not in begun:
            begun.add(stage)
            console.print(stage)

    return show
