"""The command that checks a grid before anybody plans with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from mas2sim.grid.grid_report import GridReport

FOLDER = click.Path(path_type=Path)
WIDTH = 132
"""Columns to print for where the output is not a terminal."""
COLOURS = {"fault": "bold red", "mended": "green", "assumed": "yellow", "remark": ""}


@click.command()
@click.argument("source")
@click.option("--mapping", type=FOLDER, help="A CSV file that says which loads are homes.")
@click.option("--mend", is_flag=True, help="Mend what has one mending.")
@click.option(
    "--assume-zero-sequence",
    "zero_sequence",
    is_flag=True,
    help="R0 = 4 R1, X0 = 4 X1 for low-voltage lines without: four equal cores.",
)
@click.option("--out", type=FOLDER, help="A JSON file for the net with what was mended.")
@click.option("--data", type=FOLDER, help="A folder whose grids/ goes before ours.")
def check(
    source: str,
    mapping: Path | None,
    mend: bool,
    zero_sequence: bool,
    out: Path | None,
    data: Path | None,
) -> None:
    """Check a grid: what it is, everything that is wrong with it, and how it behaves.

    SOURCE is a pandapower net in JSON, the name of a network of pandapower
    (create_kerber_dorfnetz), a SimBench code (1-LV-rural3--0-sw), or cardiff/1 to cardiff/6. Ends
    with 1 where faults remain.
    """
    from mas2sim.grid.grid_report import check_grid, save_net
    from mas2sim.scenario.folders import data_folder

    report = check_grid(
        source,
        recipes=data_folder("grids", data),
        mapping=mapping,
        mending=mend,
        zero_sequence=zero_sequence,
    )
    _print(report)
    if out is not None:
        save_net(report, out)
        click.echo(f"Net: {out}")
    if not report.sound:
        raise click.exceptions.Exit(1)


def _print(report: GridReport) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    console.print(Text(f"Grid {report.source}", style="bold"))
    for label, words in report.summary:
        console.print(Text(f"  {label}: {words}"))
    _print_findings(console, report)
    _print_states(console, report)
    faults = sum(each.severity == "fault" for each in report.findings)
    said = "no faults" if not faults else f"{faults} fault" + "s" * (faults > 1)
    console.print(Text(f"{said}, {len(report.findings) - faults} other findings", style="bold"))


def _print_findings(console: Console, report: GridReport) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    if not report.findings:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "where", "found", "allowed", "what to try, or what was done"):
        table.add_column(name, overflow="fold")
    for each in report.findings:
        table.add_row(
            Text(each.severity.value, style=COLOURS[each.severity.value]),
            *map(Text, (each.element, each.found, each.allowed, each.remedy)),
        )
    console.print(table)


def _print_states(console: Console, report: GridReport) -> None:
    from rich.text import Text

    if not report.states:
        console.print(Text("Not solved: the faults keep it from that.", style="bold red"))
    for state in report.states:
        head = f"  {state.engine}, {state.users} users at 1 kW each: "
        if not state.converged:
            console.print(Text(f"{head}not solved", style="bold red"))
            continue
        console.print(
            Text(
                f"{head}lowest {state.lowest_v:.1f} V at {state.lowest_bus}, highest "
                f"{state.highest_v:.1f} V at {state.highest_bus}; "
                f"{state.loading_percent:.1f} % of {state.loaded_branch}; "
                f"losses {state.loss_kw:.3f} kW"
            )
        )
