"""Putting a finished case on disk, all of it at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
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
    PARTS,
    PROVENANCE_FILE,
    REPORT_FILE,
    REPORT_FOLDER,
    SERIES_FILE,
    Result,
    open_result,
    parts_of,
    study_files_of,
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

    def fill(written: Path) -> None:
        _write_data(written, record, provenance)

    return store(folder, provenance, fill, _pages(report))


def write_parts(
    folder: ResultFolder,
    parts: Sequence[tuple[CaseRecord, Mapping[str, Any]]],
    provenance: Mapping[str, Any],
    *,
    report: Report | None = None,
) -> Path:
    """Write the result of several substations: a folder for each, and tables of all.

    Parameters
    ----------
    folder : ResultFolder
    parts : sequence of (record, provenance)
        Of each substation, as if it had been run alone.
    provenance : mapping
        Of the whole.
    report : callable, optional
        As for `write_result`; called for each part, and last for the whole.

    Returns
    -------
    Path
        The result folder.

    Raises
    ------
    StoreError
        As `write_result`.
    """
    names = [part_folder(record) for record, _ in parts]

    def fill(written: Path) -> None:
        tables = []
        for name, (record, own) in zip(names, parts, strict=True):
            (written / name).mkdir()
            tables.append(_write_data(written / name, record, own))
        substations = [record.axes["substation"] for record, _ in parts]
        _write_tables(written, tables_of_all(substations, tables))
        write_provenance(written, {**provenance, PARTS: names})

    return store(folder, provenance, fill, _pages(report))


def part_folder(record: CaseRecord) -> str:
    """Folder of one substation within the result of several."""
    return f"substation_{record.axes['substation']}"


def tables_of_all(
    substations: Sequence[str | int], tables: Sequence[Mapping[str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    """The rows of all substations one below the other, with a column that tells them apart.

    Parameters
    ----------
    substations : sequence of int
    tables : sequence of mapping of str to DataFrame
        Of each substation, by name of the file.
    """
    import pandas as pd

    whole = {}
    for name in tables[0]:
        frames = []
        for substation, own in zip(substations, tables, strict=True):
            frame = own[name].copy()
            if "substation" not in frame:
                frame.insert(1, "substation", substation)
            frames.append(frame)
        whole[name] = pd.concat(frames, ignore_index=True)
    return whole


def record_tables(record: CaseRecord) -> dict[str, pd.DataFrame]:
    """Tables of a case, by name of the file."""
    return {
        KPI_FILE: kpi_table(record),
        HOMES_FILE: homes_table(record),
        ASSETS_FILE: assets_table(record),
        CASES_FILE: cases_table(record),
    }


def store(
    folder: ResultFolder,
    provenance: Mapping[str, Any],
    fill: Callable[[Path], None],
    pages: Callable[[Path], None] | None,
) -> Path:
    """Let `fill` write the figures and `pages` the pages, and put all of it in place at once.

    Raises
    ------
    StoreError
        As `write_result`.
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
        fill(written)
        if pages is not None:
            failed = _failure(pages, written)
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


def _write_data(
    written: Path, record: CaseRecord, provenance: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    tables = record_tables(record)
    _write_tables(written, tables)
    write_series(series_dataset(record), written / SERIES_FILE)
    write_provenance(written, provenance)
    return tables


def _write_tables(written: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        table.to_parquet(written / name, engine="pyarrow", index=False)


def write_provenance(written: Path, provenance: Mapping[str, Any]) -> None:
    """Write where a result comes from, with the time and the digests of its files."""
    whole = {
        **provenance,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": file_digests(written, parts_of(provenance), study_files_of(provenance)),
    }
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    (written / PROVENANCE_FILE).write_text(text + "\n", encoding="utf-8")


def _pages(report: Report | None) -> Callable[[Path], None] | None:
    """What makes the page of a result, after those of its parts."""
    if report is None:
        return None

    def write(written: Path) -> None:
        with open_result(written) as result:
            for each in (*result.parts, result):
                (each.path / REPORT_FOLDER).mkdir()
                report(each, each.path / REPORT_FOLDER / REPORT_FILE)

    return write


def _failure(pages: Callable[[Path], None], written: Path) -> Exception | None:
    """What keeps the pages from being made; none is left then."""
    try:
        pages(written)
    except Exception as error:  # noqa: BLE001 - whatever a figure fails of, the figures are safe
        for folder in written.rglob(REPORT_FOLDER):
            shutil.rmtree(folder)
        return error
    return None
