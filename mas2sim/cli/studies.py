"""Commands that ask a question of the market instead of running one case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

FOLDER = click.Path(path_type=Path)
WIDTH = 132
"""Columns to print for where the output is not a terminal."""


@click.group()
def study() -> None:
    """Studies of the market."""


@study.command()
@click.argument("overrides", nargs=-1)
@click.option("--seed", "seeds", multiple=True, type=int, help="Repeat for more sets of homes.")
@click.option(
    "--actors", type=click.IntRange(1), default=8, show_default=True, help="Members that lie."
)
@click.option(
    "--limit-share",
    type=click.FloatRange(0, min_open=True),
    default=0.95,
    show_default=True,
    help="Limit of the transformer, of the honest peak; no more than the case's own.",
)
@click.option("--out", type=click.Path(path_type=Path), help="A CSV file for every lie tried.")
@click.option(
    "--data", type=FOLDER, help="A folder whose scenarios/, grids/ or profiles/ go before ours."
)
def misreport(
    overrides: Sequence[str],
    seeds: Sequence[int],
    actors: int,
    limit_share: float,
    out: Path | None,
    data: Path | None,
) -> None:
    """Find what the best lie of one member or one aggregator would earn, audited or not.

    OVERRIDES change the case as in `mas2sim run`. Every lie is told once by each of a few members
    and each aggregator, in the market as it is. One case takes less than a minute.
    """
    from mas2sim.cli.progress import show_progress
    from mas2sim.study.misreport import best_lies, misreport_study

    if out is not None and not out.parent.is_dir():
        raise click.BadParameter(f"{out.parent} is no folder", param_hint="--out")
    with show_progress() as progress:
        frame = misreport_study(
            overrides, seeds, actors=actors, limit_share=limit_share, data=data, progress=progress
        )
    _print(best_lies(frame))
    if out is not None:
        frame.to_csv(out, index=False)
        click.echo(f"All lies tried: {out}")


def _print(best: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table(
        title="The best lie of each kind, in EUR per day more than by honesty",
        title_justify="left",
    )
    for name in ("lie", "level", "size", "liar"):
        table.add_column(name, justify="right" if name == "size" else "left", no_wrap=True)
    for name in ("gain", "others", "DSO pays", "audited gain", "DSO pays", "gain %", "caught %"):
        table.add_column(name, justify="right")
    money = ("gain_eur", "others_eur", "dso_eur", "gain_eur_audited", "dso_eur_audited")
    for _, row in best.iterrows():
        table.add_row(
            escape(str(row["lie"])),
            str(row["level"]),
            f"{row['size']:g}",
            str(row["actor"]),
            *(f"{round(float(row[name]), 3) + 0.0:.3f}" for name in money),
            f"{row['gains_percent_audited']:.0f}",
            f"{row['caught_percent']:.0f}",
        )
    console.print(table)
    console.print(
        "Without the audit: what the best of them gains, what other members and aggregators have "
        "more by it, and what the DSO pays more. Audited: the greatest gain of any, the share that "
        "gains more than the audit's tolerance, and the share that is caught."
    )
