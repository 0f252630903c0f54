"""Workbooks: sheets of names and numbers that are the same bytes for the same content.

Studies and campaigns write them alike. What a workbook would say of the time at which it was made
is left out, and rows go to disk as they come: a campaign has millions of cells.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

SHEET_NAME_LENGTH = 31
"""A workbook bears no longer names of sheets."""
MOST_ROWS = 1_048_575
"""Rows of a sheet below its header (ECMA-376 as spreadsheets keep to it)."""
NO_DATE = datetime(2000, 1, 1)  # noqa: DTZ001 - workbooks have no time zones
NO_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class BookSheet:
    """One sheet of a workbook.

    Parameters
    ----------
    name : str
    header : sequence of str
    rows : iterable of sequence
        Read once.
    """

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]


def write_workbook(target: Path | IO[bytes], sheets: Iterable[BookSheet]) -> None:
    """Write sheets as one XLSX file.

    Parameters
    ----------
    target : Path or binary file
    sheets : iterable of BookSheet
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for sheet in sheets:
        _fill(book.create_sheet(sheet.name[:SHEET_NAME_LENGTH]), sheet)
    book.properties.created = book.properties.modified = NO_DATE
    with tempfile.TemporaryFile() as saved:
        book.save(saved)
        _without_dates(saved, target)


def _fill(into: WriteOnlyWorksheet, sheet: BookSheet) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    def written(value: Any, *, bold: bool = False) -> Any:
        if isinstance(value, str):
            value = ILLEGAL_CHARACTERS_RE.sub("?", value)
            if not bold and not value.startswith("="):
                return value
            cell = WriteOnlyCell(into, value)
            # A name that begins with = is a name; as a formula it would be carried out.
            cell.data_type = "s"
            if bold:
                cell.font = Font(bold=True)
            return cell
        return _cell(value)

    into.freeze_panes = "A2"
    into.append([written(str(name), bold=True) for name in sheet.header])
    for row in sheet.rows:
        into.append([written(value) for value in row])


def _cell(value: Any) -> Any:
    """A value that a workbook knows; None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _without_dates(saved: IO[bytes], target: Path | IO[bytes]) -> None:
    """Pack a workbook again without the time of each file in it."""
    with zipfile.ZipFile(saved) as dated, zipfile.ZipFile(target, "w") as plain:
        for name in dated.namelist():
            entry = zipfile.ZipInfo(name, NO_ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if name == "docProps/core.xml":
                plain.writestr(entry, _core_without_dates(dated.read(name)))
                continue
            entry.file_size = dated.getinfo(name).file_size
            with dated.open(name) as source, plain.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink)


def _core_without_dates(content: bytes) -> bytes:
    """Properties of a workbook: saving it sets the time of the last change."""
    start, end = content.index(b"<dcterms:modified"), content.index(b"</dcterms:modified>")
    opening = content.index(b">", start) + 1
    return content[:opening] + f"{NO_DATE.isoformat()}Z".encode() + content[end:]
