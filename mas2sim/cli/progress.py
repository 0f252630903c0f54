"""Progress of a run: a bar with the time left on a terminal, one line a stage elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def show_progress() -> Iterator[Callable[[str, int, int], None]]:
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
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    bar.update(earlier, visible=False)
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show


def _lines(console: Console) -> Callable[[str, int, int], None]:
    """One line when a stage begins."""
    begun: set[str] = set()

    def show(stage: str, done: int, total: int) -> None:
        del done, total
        if stage not in begun:
            begun.add(stage)
            console.print(stage)

    return show
