"""The report of a campaign in its folder: tables, a workbook and, last, the page.

It is made of what is done, also while the campaign runs, and it takes the place of an earlier one
as a whole. What draws the page is given: a campaign does not know how its figures look.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from mas2sim.campaign.ledger import KPI_FILE, REPORT
from mas2sim.campaign.reading import Campaign
from mas2sim.domain.errors import StoreError
from mas2sim.results.folder import begin_writing, put_in_place, tidy
from mas2sim.results.result import PROVENANCE_FILE, REPORT_FILE, STUDY_FILES
from mas2sim.results.study_files import write_study_files
from mas2sim.results.study_result import StudyResult
from mas2sim.results.writing import write_provenance
from mas2sim.scenario.code_version import code_version

Page = Callable[[StudyResult, Path], None]
MADE_OF = "made_of"
"""Key of the report's provenance: the code, and the digest of the campaign's table."""


def report_path(campaign: Campaign) -> Path:
    """Page of a campaign's report, whether or not it is there."""
    return campaign.path / REPORT / REPORT_FILE


def report_is_current(campaign: Campaign) -> bool:
    """Whether a report is there that was made of the whole campaign as it is, by this code."""
    told = campaign.path / REPORT / PROVENANCE_FILE
    if not (told.is_file() and report_path(campaign).is_file()):
        return False
    try:
        made_of = json.loads(told.read_text(encoding="utf-8")).get(MADE_OF)
    except (OSError, ValueError, AttributeError):
        return False
    return campaign.missing == 0 and made_of == _content(campaign)


def write_campaign_report(
    campaign: Campaign, summary: Callable[[Campaign], StudyResult], page: Page
) -> StudyResult:
    """Write the report of what is done of a campaign.

    Parameters
    ----------
    campaign : Campaign
    summary : callable
        Makes the tables, as `campaign_summary`.
    page : callable
        Given the tables and the path of the page to write.

    Returns
    -------
    StudyResult
        What the report says.

    Raises
    ------
    StoreError
        When it cannot be written or drawn; an earlier report stays then, and so do all figures.
    """
    folder = campaign.path / REPORT
    try:
        result = summary(campaign)
        tidy(folder)
        written = begin_writing(folder)
        try:
            names = write_study_files(result, written)
            told = {**campaign.provenance, STUDY_FILES: list(names), MADE_OF: _content(campaign)}
            write_provenance(written, told)
            page(result, written / REPORT_FILE)
            put_in_place(written, folder)
        finally:
            # Gone already when it was put in place.
            shutil.rmtree(written, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: the report could not be written ({error.strerror or error}); the campaign "
            f"itself is whole. Then: mas2sim report {campaign.path}"
        ) from error
    except Exception as error:
        raise StoreError(
            f"{folder}: the report could not be made ({type(error).__name__}: {error}); the "
            "campaign itself is whole"
        ) from error
    return result


def _content(campaign: Campaign) -> dict[str, str]:
    """What a report is made of."""
    path = campaign.path / KPI_FILE
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return {"code_version": code_version(()), "kpi": digest}
