"""Commands for campaigns: plan and run one, look at it, go on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mas2sim.campaign import Campaign, CampaignPlan, Engine, Step

FOLDER = click.Path(path_type=Path)
FAILED_CASES, ENGINE_FAILED, INTERRUPTED = 2, 3, 130
ENGINES = ("local",)
BYTES_PER_MB = 1e6
MOST_FAILURES = 10
"""Cases that are not ok that are printed."""

with_engine = click.option(
    "--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="What runs it."
)
with_workers = click.option(
    "--workers", type=click.IntRange(1), help="Cases at a time. [number of cores]"
)


@click.command()
@click.argument("experiment")
@click.argument("overrides", nargs=-1)
@with_workers
@with_engine
@click.option("--dry-run", is_flag=True, help="Check all cases and say what would be run.")
@click.option("--out", type=FOLDER, help="The campaign's folder. [results/<name>/<plan hash>]")
@click.option("--force", is_flag=True, help="Compute again what is there.")
@click.option("--data", type=FOLDER, help="A folder whose experiments/, scenarios/ ... go first.")
def sweep(
    experiment: str,
    overrides: Sequence[str],
    workers: int | None,
    engine: str,
    dry_run: bool,
    out: Path | None,
    force: bool,
    data: Path | None,
) -> None:
    """Run a campaign: the cases of an EXPERIMENT, which is a file in experiments/ or a path.

    OVERRIDES narrow or widen its axes in Hydra's grammar: season=winter,summer
    seed=range(1,11) weather=glob(*) "levels=[baseline,uc1]" grid.transformer_limit_kw=250,280.
    What is there already is not computed again.
    """
    from mas2sim.campaign import make_plan, read_experiment

    plan = make_plan(read_experiment(experiment, overrides, data=data), data=data)
    count = _workers(workers)
    if dry_run:
        _print_plan(plan, count)
        return
    from mas2sim.campaign import default_folder
    from mas2sim.campaign.running import run_plan

    folder = out or default_folder(plan)
    _run(
        folder,
        lambda watch: run_plan(
            plan, folder, engine=_engine(engine, count), force=force, watch=watch
        ),
    )


@click.command()
@click.argument("result", type=FOLDER)
def status(result: Path) -> None:
    """Say how the campaign in RESULT stands, also while it runs."""
    from mas2sim.campaign import read_status

    for line in read_status(result).sentences():
        click.echo(line)


@click.command()
@click.argument("result", type=FOLDER)
@with_workers
@with_engine
def resume(result: Path, workers: int | None, engine: str) -> None:
    """Do what is missing of the campaign in RESULT, and nothing twice."""
    from mas2sim.campaign import resume_campaign

    count = _workers(workers)
    _run(result, lambda watch: resume_campaign(result, engine=_engine(engine, count), watch=watch))


def _workers(workers: int | None) -> int:
    import os

    return workers or os.cpu_count() or 1


def _engine(name: str, workers: int) -> Engine:
    from mas2sim.campaign import LocalEngine

    engines: dict[str, Callable[[], Engine]] = {"local": lambda: LocalEngine(workers)}
    return engines[name]()


def _run(folder: Path, go: Callable[[Callable[[Step], None]], Campaign]) -> None:
    """Run a campaign with its progress shown, and tell how it ended."""
    from mas2sim.campaign import EngineError

    try:
        with _shown() as watch:
            campaign = go(watch)
    except KeyboardInterrupt:
        click.echo(f"interrupted; what is done is kept: mas2sim resume {folder}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except EngineError as error:
        click.echo(f"mas2sim: {error}", err=True)
        click.echo(f"what is done is kept: mas2sim resume {folder}", err=True)
        raise click.exceptions.Exit(ENGINE_FAILED) from None
    _print_end(campaign)
    if len(campaign.failed):
        raise click.exceptions.Exit(FAILED_CASES)


@contextmanager
def _shown() -> Iterator[Callable[[Step], None]]:
    """A bar on a terminal, one line for each shard elsewhere."""
    from rich.console import Console

    from mas2sim.cli.progress import show_progress

    if not Console(stderr=True).is_terminal:
        yield lambda step: click.echo(str(step), err=True) if step.shard_ended else None
        return
    with show_progress() as progress:
        yield lambda step: progress("run the cases", step.cases_done, step.cases)


def _print_plan(plan: CampaignPlan, workers: int) -> None:
    from mas2sim.campaign import default_folder
    from mas2sim.campaign.engine import clock

    sizes = [shard.cases for shard in plan.shards]
    levels = ", ".join(plan.experiment.levels)
    click.echo(f"{plan.experiment.name}: {plan.experiment.question}")
    for axis in plan.experiment.axes:
        click.echo(f"  {axis.key}: {', '.join(axis.texts)}")
    click.echo(
        f"{len(plan.cases):,} cases at levels {levels}, in {len(sizes)} shards of {min(sizes)} to "
        f"{max(sizes)} cases"
    )
    click.echo(
        f"about {clock(plan.cpu_s() / workers)} with {workers} workers, "
        f"{plan.disk_bytes() / BYTES_PER_MB:,.0f} MB on disk"
    )
    click.echo(f"plan {plan.plan_hash}, folder {default_folder(plan)}")


def _print_end(campaign: Campaign) -> None:
    counts = campaign.cases["status"].value_counts()
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    click.echo(f"{len(campaign.cases):,} cases: {said}")
    for _, row in campaign.failed.head(MOST_FAILURES).iterrows():
        click.echo(f"  {row['case']} {row['status']}: {row['reason']}")
    if len(campaign.failed) > MOST_FAILURES:
        click.echo(f"  and {len(campaign.failed) - MOST_FAILURES:,} more, see cases.parquet")
    click.echo(f"Campaign: {campaign.path}")
