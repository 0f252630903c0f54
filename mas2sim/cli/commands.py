"""Commands and exit codes. Heavy imports live inside the commands, so that help comes at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import mas2sim
from mas2sim.cli.campaign_report import export
from mas2sim.cli.grid import grid
from mas2sim.cli.studies import study
from mas2sim.cli.sweep import resume, status, sweep
from mas2sim.domain.errors import Mas2simError

WELL, BAD_INPUT, FAILED_CASES, INTERRUPTED = 0, 1, 2, 130

FOLDER = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mas2sim.__version__, prog_name="mas2sim")
def commands() -> None:
    """Multi-agent flexibility markets in low-voltage grids, co-simulated."""


@commands.command()
@click.argument("overrides", nargs=-1)
@click.option("--out", type=FOLDER, help="The result folder. [results/<grid>/<plan hash>]")
@click.option("--force", is_flag=True, help="Compute again what is stored already.")
@click.option(
    "--data", type=FOLDER, help="A folder whose scenarios/, grids/ or profiles/ go before ours."
)
def run(overrides: Sequence[str], out: Path | None, force: bool, data: Path | None) -> None:
    """Run one case: a typical day of a substation, at each level.

    OVERRIDES change the default case, in Hydra's grammar: season=summer weather=sunny
    smart=2030_green flexibility=high communities=5 seed=2 "levels=[baseline,uc1]" ties=earliest
    grid.transformer_limit_kw=250 substation=2 (or all) ... The groups and keys are those of
    scenarios/.
    """
    from mas2sim.cli.progress import show_progress
    from mas2sim.cli.tables import print_result
    from mas2sim.report.overview_page import write_pages
    from mas2sim.scenario import run_case

    with show_progress() as progress:
        result = run_case(
            overrides,
            out=out,
            store=True,
            force=force,
            data=data,
            report=write_pages,
            progress=progress,
        )
    print_result(result)
    if (result.kpi["status"] != "ok").any():
        raise click.exceptions.Exit(FAILED_CASES)


@commands.command()
@click.argument("name", type=click.Choice(["annex_d"]))
@click.option("--out", type=FOLDER, required=True, help="The result folder.")
@click.option("--force", is_flag=True, help="Compute again what is stored already.")
@click.option("--data", type=FOLDER, help="A folder whose grids/ goes before ours.")
def example(name: str, out: Path, force: bool, data: Path | None) -> None:
    """Run an example, from its homes to its report.

    annex_d: annex D of D6.1. Three communities of 50 homes peak with 300 kW at 20:00 where the
    transformer may carry 280 kW, and the DSO buys flexibility.
    """
    from mas2sim.cli.progress import show_progress
    from mas2sim.cli.tables import print_result
    from mas2sim.report import write_report
    from mas2sim.study.example import run_example

    with show_progress() as progress:
        result = run_example(
            name, out, force=force, data=data, report=write_report, progress=progress
        )
    print_result(result)
    if (result.kpi["status"] != "ok").any():
        raise click.exceptions.Exit(FAILED_CASES)


@commands.command()
@click.argument("result", type=FOLDER)
@click.option(
    "--home", "homes", multiple=True, help="Make the page of this home instead; may be repeated."
)
def report(result: Path, homes: Sequence[str]) -> None:
    """Make the report of a stored RESULT again, or the pages of single homes.

    RESULT is a case or a campaign; of a campaign that still runs, the report says what is done.
    """
    from mas2sim.campaign.ledger import Ledger

    if Ledger.is_at(result):
        _report_campaign(result, homes)
        return
    from mas2sim.report import home_page_name, write_home_page
    from mas2sim.report.overview_page import write_pages
    from mas2sim.results import open_result

    folder = result / "report"
    with open_result(result) as opened:
        if homes and opened.parts:
            raise click.UsageError(
                "a home is of one substation: name its folder, e.g. "
                f"mas2sim report {opened.parts[0].path} --home {homes[0]}"
            )
        for home in homes:
            write_home_page(opened, home, folder / home_page_name(home))
            click.echo(f"Page of {home}: {folder / home_page_name(home)}")
        if not homes:
            for each in (*opened.parts, opened):
                write_pages(each, each.path / "report" / "index.html")
            click.echo(f"Report: {folder / 'index.html'}")


def _report_campaign(folder: Path, homes: Sequence[str]) -> None:
    from mas2sim.campaign import open_campaign
    from mas2sim.cli.campaign_report import make_report

    if homes:
        raise click.UsageError(
            "a home is of one case, and a campaign keeps no homes: run the case alone (the column "
            f"command of {folder / 'cases.parquet'}) and name its folder"
        )
    make_report(open_campaign(folder))


commands.add_command(export)
commands.add_command(grid)
commands.add_command(study)
commands.add_command(sweep)
commands.add_command(status)
commands.add_command(resume)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0 all well, 1 bad input, 2 a case failed in part, 3 the engine failed, 130 interrupted. Errors
    are told in words, without a traceback; a traceback is a fault of the program.
    """
    try:
        # Without standalone mode click returns the code of its `Exit` instead of raising it.
        code = commands.main(arguments, prog_name="mas2sim", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing was written, earlier results are whole", err=True)
        return INTERRUPTED
    except Mas2simError as error:
        click.echo(f"mas2sim: {error}", err=True)
        return BAD_INPUT
    except OSError as error:
        click.echo(f"mas2sim: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        return BAD_INPUT
    return code if isinstance(code, int) else WELL
