"""A study on the terminal: its headlines, the top rows of its tables, and where its files lie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mas2sim.report import shown
from mas2sim.results.study_result import StudyResult, StudyTable

WIDTH = 140
"""Columns to print for where the output is not a terminal."""
ROWS = 12
MOST_COLUMNS = 14
"""A table with more columns is for a page or a program, not for a terminal."""
FAILURES = 5
CAMPAIGN_TABLE = "by_scenario"
"""Of a campaign's tables the one that is printed, with as many columns as fit."""
CAMPAIGN_COLUMNS = (
    "smart",
    "level",
    "cases",
    "payment_per_home_eur",
    "saving_percent",
    "self_consumption_percent",
    "peak_import_reduction_percent",
    "loss_reduction_total_percent",
    "dso_payment_eur",
)


def print_study(result: StudyResult, folder: Path, *, kept: bool = False) -> None:
    """Print what a study found, and where its files are."""
    console = _console()
    console.print(Text(result.title, style="bold"))
    console.print(Text(", ".join(f"{name} {value}" for name, value in result.facts)))
    _print_headlines(console, result)
    for table in result.tables:
        if not table.shown or not len(table.frame):
            continue
        if len(table.frame.columns) > MOST_COLUMNS:
            console.print(Text(f"{table.title}: {table.name}.csv"))
        else:
            console.print(_table(table))
    _print_failures(console, result)
    if kept:
        console.print("This study was there already; --force computes it again.")
    console.print(f"Files:  {folder}", soft_wrap=True, highlight=False)
    console.print(f"Report: {folder / 'report' / 'index.html'}", soft_wrap=True, highlight=False)


def print_campaign(result: StudyResult, page: Path) -> None:
    """Print what a campaign's report says first, and where the rest of it is.

    Parameters
    ----------
    result : StudyResult
    page : Path
        The report's page; its tables lie beside it.
    """
    console = _console()
    if result.unfinished:
        console.print(Text(result.unfinished, style="bold red"))
    _print_headlines(console, result)
    shown = [table for table in result.tables if table.shown and len(table.frame)]
    for table in shown:
        if table.name == CAMPAIGN_TABLE:
            names = [name for name in CAMPAIGN_COLUMNS if name in table.frame]
            console.print(_table(replace(table, frame=table.frame[names]), len(table.frame)))
    others = ", ".join(table.name for table in shown if table.name != CAMPAIGN_TABLE)
    if others:
        console.print(Text(f"Tables beside it: {others}"))
    console.print(f"Report: {page}", soft_wrap=True, highlight=False)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _print_headlines(console: Console, result: StudyResult) -> None:
    for headline in result.headlines:
        words = f"  {headline.label}: {headline.value} {headline.unit}".rstrip()
        console.print(Text(words + (f" ({headline.note})" if headline.note else "")))


def _print_failures(console: Console, result: StudyResult) -> None:
    for failure in result.failures[:FAILURES]:
        console.print(Text(f"without an answer: {failure}", style="bold red"))
    if len(result.failures) > FAILURES:
        more = len(result.failures) - FAILURES
        console.print(Text(f"... and {more} more, on the page and in study.json", style="bold red"))


def _table(table: StudyTable, most: int = ROWS) -> Table:
    left_out = len(table.frame) - most
    caption = f"{left_out} more rows are in {table.name}.csv" if left_out > 0 else None
    drawn = Table(
        title=Text(table.title),
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    columns = [table.columns[name] for name in table.frame.columns]
    words = [table.frame[name].dtype == object for name in table.frame.columns]
    for column, is_word in zip(columns, words, strict=True):
        head = f"{column.label} [{column.unit}]" if column.unit else column.label
        drawn.add_column(Text(head), justify="left" if is_word else "right")
    for row in table.frame.head(most).itertuples(index=False, name=None):
        cells = zip(row, columns, strict=True)
        drawn.add_row(*(Text(shown(value, column)) for value, column in cells))
    return drawn
