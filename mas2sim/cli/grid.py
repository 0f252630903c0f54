"""Commands for those who plan a grid: each asks one question of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mas2sim.cli.grid_check import check

if TYPE_CHECKING:
    from mas2sim.results.study_result import StudyResult

FOLDER = click.Path(path_type=Path)
ALL_LEVELS = ("baseline", "uc1", "uc2", "uc3")
TECHNOLOGIES = ("pv", "ev", "heat_pump")
CRITERIA = ("voltage", "thermal", "unbalance", "reverse_power")
DAYS = ("all", "weekdays", "variable weekdays")

Command = TypeVar("Command", bound=Callable[..., None])


@click.group()
def grid() -> None:
    """Questions of those who plan a grid: is it sound, where is it congested, what can it host?"""


grid.add_command(check)


def _study_options(command: Command) -> Command:
    """Arguments that all studies of a grid have."""
    options = (
        click.argument("overrides", nargs=-1),
        click.option(
            "--level",
            "levels",
            multiple=True,
            type=click.Choice(ALL_LEVELS),
            default=("baseline", "uc1"),
            show_default=True,
            help="Repeat for each level.",
        ),
        click.option("--out", type=FOLDER, help="The folder. [results/<study>_<grid>/<plan>]"),
        click.option("--force", is_flag=True, help="Compute again what is stored already."),
        click.option(
            "--data", type=FOLDER, help="A folder whose scenarios/, grids/ or profiles/ go first."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@grid.command()
@_study_options
def congestion(overrides: Sequence[str], levels: Sequence[str], **kept: Any) -> None:
    """Find where and when a grid is beyond its limits in a year, and what it would take instead.

    45 typical days by their weight in a year, a cold spell and a clear summer Sunday beside them.
    OVERRIDES change the case as in `mas2sim run`: grid=cardiff substation=2 smart=2030_green,
    grid=file grid.source=NET.json, grid=simbench grid.source=1-LV-rural3--2-sw power_flow=balanced
    """
    from mas2sim.domain.typical_day import Level
    from mas2sim.study.congestion import congestion_study

    asked = {"levels": [Level(level) for level in levels]}
    _keep("congestion", overrides, asked, congestion_study, **kept)


@grid.command()
@_study_options
@click.option("--eur-per-kwh", type=float, help="What a kWh lost is worth. [0.06]")
@click.option("--co2-g-per-kwh", type=float, help="What a kWh lost emits. [200]")
def losses(
    overrides: Sequence[str],
    levels: Sequence[str],
    eur_per_kwh: float | None,
    co2_g_per_kwh: float | None,
    **kept: Any,
) -> None:
    """Sum up what a grid loses in a year, and how much of it flexibility can reach at all.

    OVERRIDES change the case as in `mas2sim run`.
    """
    from mas2sim.domain.typical_day import Level
    from mas2sim.study.losses import losses_study

    asked = {
        "levels": [Level(level) for level in levels],
        "loss_eur_per_kwh": eur_per_kwh,
        "co2_g_per_kwh": co2_g_per_kwh,
    }
    _keep("losses", overrides, asked, losses_study, **kept)


@grid.command()
@_study_options
@click.option("--technology", type=click.Choice(TECHNOLOGIES), default="pv", show_default=True)
@click.option("--draws", type=int, help="Orders in which homes get the technology. [100]")
@click.option("--penetrations", type=int, help="Steps from none to all homes. [20]")
@click.option("--most-percent", type=float, help="Highest penetration, % of homes. [100]")
@click.option(
    "--tap", "taps", multiple=True, type=int, help="Repeat for each tap position. [the case's]"
)
@click.option(
    "--criterion",
    "criteria",
    multiple=True,
    type=click.Choice(CRITERIA),
    help="Repeat for each limit that counts. [all]",
)
@click.option(
    "--curtailment-cap-percent", type=float, help="Most that uc3 may curtail, % of a day. [5]"
)
def hosting(overrides: Sequence[str], levels: Sequence[str], **options: Any) -> None:
    """Find how much PV, how many EVs or heat pumps a grid can host, at 5, 50 and 95 % risk.

    Homes get the technology in random orders, on the day that is hardest for it, until a limit
    breaks. Levels uc2 and uc3 run a market for each draw and penetration, which takes its time; how
    long is said beforehand. OVERRIDES change the case as in `mas2sim run`.
    """
    from mas2sim.domain.typical_day import Level
    from mas2sim.study.hosting import hosting_study

    kept = {name: options.pop(name) for name in ("out", "force", "data")}
    asked = {"levels": [Level(level) for level in levels], **options}
    _keep("hosting", overrides, asked, hosting_study, **kept)


@grid.command()
@_study_options
@click.option("--tie", "ties", multiple=True, help="Repeat for each tie. [all]")
@click.option("--days", type=click.Choice(DAYS), default="all", show_default=True)
@click.option("--most-switchings", type=int, help="Operations in a day. [4]")
@click.option("--least-hours", type=float, help="Least time in each state. [2]")
@click.option("--eur-per-kwh", type=float, help="What a kWh lost is worth. [0.06]")
@click.option("--switching-eur", type=float, help="What an operation costs. [0]")
@click.option(
    "--voltage-difference-percent", type=float, help="Greatest across a tie to be closed. [2]"
)
def linkboxes(
    overrides: Sequence[str],
    levels: Sequence[str],
    ties: Sequence[str],
    days: str,
    most_switchings: int | None,
    least_hours: float | None,
    eur_per_kwh: float | None,
    switching_eur: float | None,
    voltage_difference_percent: float | None,
    **kept: Any,
) -> None:
    """Find what link boxes between neighbouring substations save in losses, and what they move.

    OVERRIDES change the case as in `mas2sim run`, but for the substation: all that a tie joins are
    run.
    """
    from mas2sim.domain.typical_day import Level
    from mas2sim.study.linkboxes import linkbox_study
    from mas2sim.study.linkboxes_day import LinkLimits
    from mas2sim.study.linkboxes_schedule import SwitchingRules

    rules = {
        "most_switchings": most_switchings,
        "least_hours": least_hours,
        "loss_eur_per_kwh": eur_per_kwh,
        "switching_eur": switching_eur,
    }
    asked = {
        "levels": [Level(level) for level in levels],
        "ties": list(ties),
        "days": days,
        "rules": _given(rules),
        "limits": _given({"voltage_difference_percent": voltage_difference_percent}),
    }

    def study(
        overrides: Sequence[str],
        *,
        rules: Mapping[str, Any] = MappingProxyType({}),
        limits: Mapping[str, Any] = MappingProxyType({}),
        **given: Any,
    ) -> StudyResult:
        return linkbox_study(
            overrides, rules=SwitchingRules(**rules), limits=LinkLimits(**limits), **given
        )

    _keep("linkboxes", overrides, asked, study, **kept)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the user gave; what is left out is for the study to know."""
    return {name: value for name, value in options.items() if value not in (None, (), [], {})}


def _keep(
    kind: str,
    overrides: Sequence[str],
    asked: Mapping[str, Any],
    study: Callable[..., StudyResult],
    **kept: Any,
) -> None:
    """Run a study unless it is stored, store it, and print it."""
    from mas2sim.cli.commands import FAILED_CASES
    from mas2sim.cli.progress import show_progress
    from mas2sim.cli.study_tables import print_study
    from mas2sim.report import write_study_page
    from mas2sim.study.keep import keep_study

    given = _given(asked)
    with show_progress() as progress:
        found = keep_study(
            kind,
            overrides,
            given,
            lambda: study(overrides, **given, data=kept["data"], progress=progress),
            page=write_study_page,
            **kept,
        )
    print_study(found.result, found.path, kept=found.kept)
    if found.result.failures:
        raise click.exceptions.Exit(FAILED_CASES)
