"""A finished result, read back from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mas2sim.domain.errors import StoreError
from mas2sim.results.parquet_file import read_frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KPI_FILE = "kpi.parquet"
HOMES_FILE = "homes.parquet"
ASSETS_FILE = "assets.parquet"
CASES_FILE = "cases.parquet"
SERIES_FILE = "series.nc"
PROVENANCE_FILE = "provenance.json"
REPORT_FOLDER = "report"
REPORT_FILE = "index.html"

TABLE_FILES = (KPI_FILE, HOMES_FILE, ASSETS_FILE, CASES_FILE)
DATA_FILES = (*TABLE_FILES, SERIES_FILE)
"""Files that hold figures; their digests are part of the provenance."""
PARTS = "parts"
"""Key of the provenance with the folders of the single results that a result is made of."""
STUDY_FILES = "study_files"
"""Key of the provenance with the names of the files of a study."""

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Tables, series and provenance of one finished case.

    The series are read from disk when they are used; `close` (or a ``with`` block) lets go of the
    file. A case of several substations has a part for each; its tables hold the rows of all of
    them, and its own series are empty.

    Parameters
    ----------
    path : Path
        The result folder.
    kpi, homes, assets, cases : DataFrame
    series : Dataset
    provenance : mapping
    parts : tuple of Result
        Results of the single substations, each in a folder of its own; none where there is one.
    """

    path: Path
    kpi: pd.DataFrame
    homes: pd.DataFrame
    assets: pd.DataFrame
    cases: pd.DataFrame
    series: xr.Dataset
    provenance: Mapping[str, Any]
    parts: tuple[Result, ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the case, in the order in which they were run."""
        if self.parts:
            return self.parts[0].levels
        return tuple(str(level) for level in self.series["level"].to_numpy())

    def close(self) -> None:
        """Let go of the series' files."""
        self.series.close()
        for part in self.parts:
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_result(path: Path | str) -> Result:
    """Read a result folder.

    Parameters
    ----------
    path : Path or str
        The folder.

    Returns
    -------
    Result

    Raises
    ------
    StoreError
        When the folder or one of its files is missing or cannot be read; it names the file.
    """
    import xarray as xr

    folder = Path(path)
    if not folder.is_dir():
        raise StoreError(f"{folder}: there is no result here; the folder does not exist")
    told = read_provenance(folder) if (folder / PROVENANCE_FILE).is_file() else {}
    if study_files_of(told):
        raise StoreError(f"{folder}: this is a study, not a case; its page was made with it")
    named = parts_of(told)
    files = (*(TABLE_FILES if named else DATA_FILES), PROVENANCE_FILE)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise StoreError(
            f"{folder}: not a complete result, without {', '.join(missing)}; run the case again "
            "into another folder"
        )
    provenance = read_provenance(folder)
    tables = {name: _read(folder / name, read_frame) for name in TABLE_FILES}
    parts = _open_parts([folder / name for name in named])
    if named:
        series = xr.Dataset()
    else:
        series = _read(
            folder / SERIES_FILE, lambda file: xr.open_dataset(file, engine="h5netcdf", cache=True)
        )
    return Result(
        path=folder,
        kpi=tables[KPI_FILE],
        homes=tables[HOMES_FILE],
        assets=tables[ASSETS_FILE],
        cases=tables[CASES_FILE],
        series=series,
        provenance=provenance,
        parts=parts,
    )


def _open_parts(folders: Sequence[Path]) -> tuple[Result, ...]:
    """Open all of them, or none."""
    with ExitStack() as opened:
        parts = tuple(opened.enter_context(open_result(folder)) for folder in folders)
        opened.pop_all()
    return parts


def parts_of(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders of the single results that a result is made of; none where it is single itself."""
    return tuple(provenance.get(PARTS, ()))


def study_files_of(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the files that a study left beside its provenance; none for a case."""
    return tuple(provenance.get(STUDY_FILES, ()))


def read_provenance(folder: Path) -> dict[str, Any]:
    """Read the provenance of a result folder.

    Raises
    ------
    StoreError
        When the file cannot be read or is no provenance.
    """
    path = folder / PROVENANCE_FILE
    content = _read(path, lambda file: json.loads(file.read_text(encoding="utf-8")))
    if not isinstance(content, dict) or "plan_hash" not in content:
        raise StoreError(f"{path}: this is not a provenance file of mas2sim; it has no plan_hash")
    for key in (PARTS, STUDY_FILES):
        named = content.get(key, [])
        if not (isinstance(named, list) and all(map(_is_plain_name, named))):
            raise StoreError(
                f"{path}: the file is damaged, {key} is no list of names in this folder; choose "
                "another folder with --out"
            )
    return content


def _is_plain_name(name: object) -> bool:
    """Whether it names something right in a folder, and not the folder itself or one outside."""
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name


def _read(path: Path, reader: Callable[[Path], Content]) -> Content:
    # Readers of four libraries fail in as many ways on a damaged file; all mean the same here.
    try:
        return reader(path)
    except Exception as error:
        raise StoreError(
            f"{path}: the file is damaged or not readable ({type(error).__name__}: {error}); "
            "run the case again with --force"
        ) from error
