"""Putting a finished case on disk, all of it at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas2sim.domain.errors import StoreError
from mas2sim.results.folder import ResultFolder, begin_writing, file_digests, put_in_place
from mas2sim.results.kpi import kpi_table
from mas2sim.results.record import CaseRecord
from mas2sim.results.result import (
    ASSETS_FILE,
    CASES_FILE,
    HOMES_FILE,
    KPI_FILE,
    PROVENANCE_FILE,
    REPORT_FILE,
    REPORT_FOLDER,
    SERIES_FILE,
    Result,
    open_result,
)
from mas2sim.results.series import series_dataset, write_series
from mas2sim.results.tables import assets_table, cases_table, homes_table

if TYPE_CHECKING:
    import pandas as pd

Report = Callable[[Result, Path], None]


def write_result(
    folder: ResultFolder,
    record: CaseRecord,
    provenance: Mapping[str, Any],
    *,
    report: Report | None = None,
) -> Path:
    """Write a case's result and, last, its report.

    Parameters
    ----------
    folder : ResultFolder
        The folder, as `ResultFolder.prepare` found it.
    record : CaseRecord
    provenance : mapping
        From `make_provenance`; the time of creation and the files' digests are added.
    report : callable, optional
        Given the result and the path of the page to write. A page that fails does not cost the
        result: the result is kept and the error raised.

    Returns
    -------
    Path
        The result folder.

    Raises
    ------
    StoreError
        When the result cannot be written, in which case what was there before is untouched; or when
        only the report failed.
    """
    if provenance.get("plan_hash") != folder.plan_hash:
        raise StoreError(
            f"{folder.path}: prepared for plan {folder.plan_hash}, but the result is of plan "
            f"{provenance.get('plan_hash')}"
        )
    failed: Exception | None = None
    try:
        written = begin_writing(folder.path)
    except OSError as error:
        raise _not_written(folder.path, error) from error
    try:
        _write_data(written, record, provenance)
        if report is not None:
            failed = _write_report(written, report)
        put_in_place(written, folder.path)
    except OSError as error:
        raise _not_written(folder.path, error) from error
    finally:
        # Gone already when it was put in place.
        shutil.rmtree(written, ignore_errors=True)
    if failed is not None:
        raise StoreError(
            f"{folder.path}: the result is complete, but its report could not be made "
            f"({type(failed).__name__}: {failed}); try `mas2sim report` on the folder"
        ) from failed
    return folder.path


def _not_written(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: the result could not be written ({error.strerror or error})")


def _write_data(written: Path, record: CaseRecord, provenance: Mapping[str, Any]) -> None:
    tables: dict[str, pd.DataFrame] = {
        KPI_FILE: kpi_table(record),
        HOMES_FILE: homes_table(record),
        ASSETS_FILE: assets_table(record),
        CASES_FILE: cases_table(record),
    }
    for name, table in tables.items():
        table.to_parquet(written / name, engine="pyarrow", index=False)
    write_series(series_dataset(record), written / SERIES_FILE)
    whole = {
        **provenance,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": file_digests(written),
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    (written / PROVENANCE_FILE).write_text(text + "\n", encoding="utf-8")


def _write_report(written: Path, report: Report) -> Exception | None:
    page = written / REPORT_FOLDER / REPORT_FILE
    page.parent.mkdir()
    try:
        with open_result(written) as result:
            report(result, page)
    except Exception as error:  # noqa: BLE001 - whatever a figure fails of, the figures are safe
        shutil.rmtree(page.parent)
        return error
    return None
