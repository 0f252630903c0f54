"""What is made of a campaign when it is there: its report, and files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mas2sim.campaign import Campaign

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("result", type=FOLDER)
@click.option("--to", "target", type=FOLDER, required=True, help="The file to write.")
@click.option("--force", is_flag=True, help="Write over what is there.")
def export(result: Path, target: Path, force: bool) -> None:
    """Write the figures of the campaign in RESULT into one file for another program.

    The ending names the kind: .nc (NetCDF) and .zarr hold the KPIs over the axes, .csv and .parquet
    a row for each case and level, .xlsx that and a sheet of the cases.
    """
    from mas2sim.campaign import open_campaign

    campaign = open_campaign(result)
    written = campaign.export(target, force=force)
    if campaign.missing:
        click.echo(f"{campaign.missing:,} of {len(campaign.plan.cases):,} cases are not done yet")
    click.echo(f"Written: {written}")


def make_report(campaign: Campaign, *, keep: bool = False) -> None:
    """Make the report of a campaign and print what it says first.

    Parameters
    ----------
    campaign : Campaign
    keep : bool
        Leave a report that was made of the same figures as it is.
    """
    from mas2sim.campaign.report_folder import (
        report_is_current,
        report_path,
        write_campaign_report,
    )
    from mas2sim.campaign.summary import campaign_summary
    from mas2sim.cli.progress import show_progress
    from mas2sim.cli.study_tables import print_campaign
    from mas2sim.report import write_study_page

    page = report_path(campaign)
    if keep and report_is_current(campaign):
        click.echo(f"Report: {page}")
        return
    with show_progress() as progress:
        said = write_campaign_report(
            campaign, lambda each: campaign_summary(each, progress=progress), write_study_page
        )
    print_campaign(said, page)
