"""A study on disk: each table as CSV, all of them as one workbook, the grid as GeoJSON.

The same study gives the same bytes, the workbook's too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import StoreError
from mas2sim.domain.grid_state import GridLayout
from mas2sim.results.folder import ResultFolder
from mas2sim.results.result import REPORT_FILE, REPORT_FOLDER, STUDY_FILES
from mas2sim.results.study_result import Column, GridDay, Headline, StudyResult, StudyTable
from mas2sim.results.workbook import BookSheet, write_workbook
from mas2sim.results.writing import store, write_provenance

STUDY_FILE, WORKBOOK_FILE, MAP_FILE = "study.json", "tables.xlsx", "map.geojson"

EARTH_A_M, EARTH_E2 = 6378137.0, 6.69437999014e-3
"""Semi-major axis, and square of the first eccentricity of WGS 84 (NGA.STND.0036)."""
FURTHEST_DEG = (180.0, 90.0)


def write_study(
    folder: ResultFolder,
    result: StudyResult,
    *,
    page: Callable[[StudyResult, Path], None] | None = None,
) -> Path:
    """Write a study and, last, its page.

    Parameters
    ----------
    folder : ResultFolder
        The folder, as `ResultFolder.prepare` found it.
    result : StudyResult
    page : callable, optional
        Given the study and the path of the page to write. A page that fails does not cost the
        study: it is kept and the error raised.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StoreError
        As `write_result`.
    """

    def fill(written: Path) -> None:
        names = write_study_files(result, written)
        write_provenance(written, {**result.provenance, STUDY_FILES: list(names)})

    def pages(written: Path) -> None:
        if page is not None:
            page(result, written / REPORT_FOLDER / REPORT_FILE)

    return store(folder, result.provenance, fill, pages)


def write_study_files(result: StudyResult, folder: Path) -> tuple[str, ...]:
    """Write all files of a study but its page and provenance into `folder`.

    Returns
    -------
    tuple of str
        Names of the files.
    """
    names = []
    for table in result.tables:
        name = f"{table.name}.csv"
        table.frame.to_csv(folder / name, index=False, lineterminator="\n")
        names.append(name)
    (folder / WORKBOOK_FILE).write_bytes(workbook(result))
    _write_json(folder / STUDY_FILE, _in_words(result))
    names += [WORKBOOK_FILE, STUDY_FILE]
    collection = geojson(result)
    if collection is not None:
        _write_json(folder / MAP_FILE, collection)
        names.append(MAP_FILE)
    return tuple(names)


def workbook(result: StudyResult) -> bytes:
    """Make a workbook: what the study is about, a sheet for each table, the columns' meaning."""
    about = [("study", result.title), *result.facts]
    if result.unfinished:
        about.append(("unfinished", result.unfinished))
    about += [(each.label, f"{each.value} {each.unit}".strip()) for each in result.headlines]
    about += [("assumed", note) for note in result.notes]
    about += [("without an answer", failure) for failure in result.failures]
    meaning = [
        (table.name, name, column.label, column.unit, column.note)
        for table in result.tables
        for name, column in table.columns.items()
        if name in table.frame.columns
    ]
    sheets = [BookSheet("about", ("what", "figure"), about)]
    for table in result.tables:
        rows = table.frame.itertuples(index=False, name=None)
        sheets.append(BookSheet(table.name, tuple(map(str, table.frame.columns)), rows))
    sheets.append(BookSheet("columns", ("table", "column", "label", "unit", "note"), meaning))
    made = io.BytesIO()
    write_workbook(made, sheets)
    return made.getvalue()


def geojson(result: StudyResult) -> dict[str, Any] | None:
    """Give the grid as GeoJSON (RFC 7946), each place with its worst values over the map's days.

    Returns
    -------
    dict or None
        None where there is no map, or nobody knows where on earth it is.
    """
    layout = result.layout
    if layout is None:
        return None
    places = _lon_lat(layout, result.site_deg)
    if places is None:
        return None
    index = {bus.name: number for number, bus in enumerate(layout.buses)}
    lines = [
        _feature(
            "LineString",
            [places[index[branch.from_bus]].tolist(), places[index[branch.to_bus]].tolist()],
            {
                "name": branch.name,
                "kind": branch.kind,
                "feeder": branch.feeder,
                "rating": branch.rating,
                **_worst_branch(result.days, number),
            },
        )
        for number, branch in enumerate(layout.branches)
    ]
    points = [
        _feature(
            "Point",
            places[number].tolist(),
            {"name": bus.name, "vn_kv": bus.vn_kv, **_worst_bus(result.days, number)},
        )
        for number, bus in enumerate(layout.buses)
    ]
    return {"type": "FeatureCollection", "features": lines + points}


def _feature(kind: str, places: list[Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": places},
        "properties": dict(properties),
    }


def _worst_branch(days: Sequence[GridDay], branch: int) -> dict[str, Any]:
    worst = [(_largest(day.loading_percent[:, branch]), day.name) for day in days]
    value, name = max(worst, default=(-np.inf, ""))
    if not np.isfinite(value):
        return {"loading_max_percent": None, "loading_max_day": None}
    return {"loading_max_percent": round(value, 3), "loading_max_day": name}


def _worst_bus(days: Sequence[GridDay], bus: int) -> dict[str, Any]:
    low_v = min((-_largest(-day.low_v[:, bus]) for day in days), default=np.inf)
    high_v = max((_largest(day.high_v[:, bus]) for day in days), default=-np.inf)
    return {
        "vm_min_v": round(low_v, 3) if np.isfinite(low_v) else None,
        "vm_max_v": round(high_v, 3) if np.isfinite(high_v) else None,
    }


def _largest(values: FloatArray) -> float:
    """Greatest of the values that are numbers; minus infinity where none is."""
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else -np.inf


def _lon_lat(layout: GridLayout, site_deg: tuple[float, float] | None) -> FloatArray | None:
    """Longitude and latitude of each bus, shape (bus, 2); None where they are not known."""
    xy = np.array([(bus.x_m, bus.y_m) for bus in layout.buses], dtype=np.float64)
    if not np.isfinite(xy).all():
        return None
    if site_deg is None:
        # A net that brings degrees has them in the places of metres.
        on_earth = bool((np.abs(xy) <= FURTHEST_DEG).all()) and bool(np.ptp(xy, axis=0).max() < 1)
        return xy.round(7) if on_earth else None
    latitude = np.radians(site_deg[0])
    curved = 1.0 - EARTH_E2 * np.sin(latitude) ** 2
    east_m = EARTH_A_M / np.sqrt(curved) * np.cos(latitude)
    north_m = EARTH_A_M * (1.0 - EARTH_E2) / curved**1.5
    origin_deg = np.array([site_deg[1], site_deg[0]])
    return np.asarray((origin_deg + np.degrees(xy / [east_m, north_m])).round(7))


def _in_words(result: StudyResult) -> dict[str, Any]:
    """Everything of a study that is no table, with the meaning of the tables' columns."""
    return {
        "kind": result.kind,
        "title": result.title,
        "facts": [list(fact) for fact in result.facts],
        "headlines": [asdict(each) for each in result.headlines],
        "notes": list(result.notes),
        "failures": list(result.failures),
        "unfinished": result.unfinished,
        "tables": {table.name: _meaning(table) for table in result.tables},
    }


def _meaning(table: StudyTable) -> dict[str, Any]:
    columns = {
        name: asdict(column)
        for name, column in table.columns.items()
        if name in table.frame.columns
    }
    return {
        "title": table.title,
        "note": table.note,
        "shown": table.shown,
        "words": [name for name in columns if table.frame[name].dtype == object],
        "columns": columns,
    }


def read_study_files(folder: Path) -> StudyResult:
    """Read a study back from its files; map and provenance are not among them.

    Raises
    ------
    StoreError
        When there is no study, or a file of it cannot be read.
    """
    try:
        words = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))
        return StudyResult(
            kind=words["kind"],
            title=words["title"],
            facts=[(name, value) for name, value in words["facts"]],
            headlines=[Headline(**each) for each in words["headlines"]],
            tables=[
                _table_read(folder / f"{name}.csv", name, told)
                for name, told in words["tables"].items()
            ],
            notes=words["notes"],
            failures=words["failures"],
            unfinished=words.get("unfinished", ""),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{folder}: this is no study that can be read ({type(error).__name__}: {error}); make "
            "it again with --force"
        ) from error


def _table_read(path: Path, name: str, told: Mapping[str, Any]) -> StudyTable:
    import pandas as pd

    numbers = [column for column in told["columns"] if column not in told["words"]]
    frame = pd.read_csv(
        path,
        dtype=dict.fromkeys(told["words"], str),
        keep_default_na=False,
        na_values={column: [""] for column in numbers},
    )
    columns = {key: Column(**each) for key, each in told["columns"].items()}
    return StudyTable(name, told["title"], told["note"], frame, columns, told["shown"])


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
