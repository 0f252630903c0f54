"""Commands for campaigns: plan and run one, look at it, go on with it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mas2sim.cli.campaign_report import make_report

if TYPE_CHECKING:
    from mas2sim.campaign import Campaign, CampaignPlan, Engine, Step

FOLDER = click.Path(path_type=Path)
FAILED_CASES, ENGINE_FAILED, INTERRUPTED = 2, 3, 130
ENGINES = ("local", "dask", "slurm")
BYTES_PER_MB = 1e6
MOST_FAILURES = 10
"""Cases that are not ok that are printed."""

with_engine = click.option(
    "--engine", type=click.Choice(ENGINES), default="local", show_default=True, help="What runs it."
)
with_report = click.option("--no-report", is_flag=True, help="Leave the report for later.")
with_scheduler = click.option(
    "--scheduler", metavar="ADDRESS", help="A dask scheduler that is there, for --engine dask."
)
with_workers = click.option(
    "--workers", type=click.IntRange(1), help="Cases at a time. [number of cores]"
)


@click.command()
@click.argument("experiment")
@click.argument("overrides", nargs=-1)
@with_workers
@with_engine
@with_scheduler
@click.option("--dry-run", is_flag=True, help="Check all cases and say what would be run.")
@click.option(
    "--plan-only", is_flag=True, help="Make the campaign's folder; its shards are run elsewhere."
)
@click.option("--out", type=FOLDER, help="The campaign's folder. [results/<name>/<plan hash>]")
@click.option("--force", is_flag=True, help="Compute again what is there.")
@click.option("--data", type=FOLDER, help="A folder whose experiments/, scenarios/ ... go first.")
@with_report
def sweep(
    experiment: str,
    overrides: Sequence[str],
    workers: int | None,
    engine: str,
    scheduler: str | None,
    dry_run: bool,
    plan_only: bool,
    out: Path | None,
    force: bool,
    data: Path | None,
    no_report: bool,
) -> None:
    """Run a campaign: the cases of an EXPERIMENT, which is a file in experiments/ or a path.

    OVERRIDES narrow or widen its axes in Hydra's grammar: season=winter,summer
    seed=range(1,11) weather=glob(*) "levels=[baseline,uc1]" grid.transformer_limit_kw=250,280.
    What is there already is not computed again.
    """
    from mas2sim.campaign import make_plan, read_experiment

    count = _workers(workers)
    made = _engine(engine, count, scheduler)
    plan = make_plan(read_experiment(experiment, overrides, data=data), data=data)
    from mas2sim.campaign import default_folder
    from mas2sim.campaign.ledger import Ledger
    from mas2sim.campaign.running import run_plan

    folder = out or default_folder(plan)
    if dry_run:
        _print_plan(plan, folder, count)
        return
    if plan_only:
        Ledger.prepare(folder, plan)
        click.echo(f"Campaign: {folder}, shards 1 to {len(plan.shards)}")
        return
    _run(
        folder,
        lambda watch: run_plan(plan, folder, engine=made, force=force, watch=watch),
        report=not no_report,
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
@with_scheduler
@click.option("--again", is_flag=True, help="Also cases that raised, took too long or crashed.")
@with_report
def resume(
    result: Path,
    workers: int | None,
    engine: str,
    scheduler: str | None,
    again: bool,
    no_report: bool,
) -> None:
    """Do what is missing of the campaign in RESULT, and nothing twice."""
    from mas2sim.campaign import resume_campaign

    made = _engine(engine, _workers(workers), scheduler)
    _run(
        result,
        lambda watch: resume_campaign(result, engine=made, again=again, watch=watch),
        report=not no_report,
    )


def _workers(workers: int | None) -> int:
    from mas2sim.campaign.engine import cores

    return workers or cores()


def _engine(name: str, workers: int, scheduler: str | None) -> Engine:
    """The engine of that name.

    Raises
    ------
    ConfigurationError
        When its libraries are not installed.
    """
    from mas2sim.campaign import DaskEngine, LocalEngine, SlurmEngine

    if scheduler is not None and name != "dask":
        raise click.UsageError(f"--scheduler belongs to --engine dask, not to --engine {name}")
    engines: dict[str, Callable[[], Engine]] = {
        "local": lambda: LocalEngine(workers),
        "dask": lambda: DaskEngine(workers, scheduler=scheduler),
        "slurm": lambda: SlurmEngine(workers),
    }
    return engines[name]()


def _run(folder: Path, go: Callable[[Callable[[Step], None]], Campaign], *, report: bool) -> None:
    """Run a campaign with its progress shown, tell how it ended, and make its report."""
    from mas2sim.campaign import EngineError

    try:
        with _told_to_end(), _shown() as watch:
            campaign = go(watch)
    except KeyboardInterrupt:
        click.echo(f"interrupted; what is done is kept: mas2sim resume {folder}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except EngineError as error:
        click.echo(f"mas2sim: {error}", err=True)
        click.echo(f"what is done is kept: mas2sim resume {folder}", err=True)
        raise click.exceptions.Exit(ENGINE_FAILED) from None
    _print_end(campaign)
    if report:
        _report(campaign)
    if len(campaign.failed):
        raise click.exceptions.Exit(FAILED_CASES)


def _report(campaign: Campaign) -> None:
    """Make the report at the end; without it the campaign is whole all the same."""
    try:
        with _told_to_end():
            make_report(campaign, keep=True)
    except KeyboardInterrupt:
        said = f"interrupted; the campaign is done, its report: mas2sim report {campaign.path}"
        click.echo(said, err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


@contextmanager
def _told_to_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: batch systems and closed terminals send them."""

    def interrupted(*_told: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What was told to be ignored, as nohup does, stays so.
    taken = [
        each
        for each in map(signal.Signals.__getitem__, names)
        if signal.getsignal(each) is signal.SIG_DFL
    ]
    for each in taken:
        signal.signal(each, interrupted)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def _line(step: Step) -> None:
    """Say that a shard is done; that nobody reads it any more is no reason to stop."""
    if step.shard_ended:
        with suppress(OSError):
            click.echo(str(step), err=True)


@contextmanager
def _shown() -> Iterator[Callable[[Step], None]]:
    """A bar on a terminal, one line for each shard elsewhere."""
    from rich.console import Console

    from mas2sim.cli.progress import show_progress

    if not Console(stderr=True).is_terminal:
        yield _line
        return
    with show_progress() as progress:
        yield lambda step: progress("run the cases", step.cases_done, step.cases, step.pace)


def _print_plan(plan: CampaignPlan, folder: Path, workers: int) -> None:
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
    click.echo(f"plan {plan.plan_hash}, folder {folder}")


def _print_end(campaign: Campaign) -> None:
    from mas2sim.campaign.rows import AGAIN

    counts = campaign.cases["status"].value_counts()
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    click.echo(f"{len(campaign.cases):,} cases: {said}")
    for _, row in campaign.failed.head(MOST_FAILURES).iterrows():
        click.echo(f"  {row['case']} {row['status']}: {row['reason']}")
    if len(campaign.failed) > MOST_FAILURES:
        click.echo(f"  and {len(campaign.failed) - MOST_FAILURES:,} more, see cases.parquet")
    if campaign.failed["status"].isin(list(AGAIN)).any():
        click.echo(
            f"To run those again that raised or were ended: mas2sim resume {campaign.path} --again"
        )
    click.echo(f"Campaign: {campaign.path}")
