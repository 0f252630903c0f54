"""A study on disk: tables, workbook, map."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook

from mas2sim.domain.grid_state import Branch, Bus, GridLayout
from mas2sim.results.study_files import geojson, read_study_files, workbook, write_study_files
from mas2sim.results.study_result import Column, GridDay, Headline, StudyResult, StudyTable

DEGREE_OF_LATITUDE_M = 111_238.0
"""Length of a degree of the meridian at 51 N on WGS 84, by tables of geodesy to about 20 m."""
TABLE_ROUNDING = 2e-3

FRAME = pd.DataFrame({"asset": ["=1+1", "b"], "hours": [1.5, np.nan], "count": [1, 2]})
COLUMNS = {
    "asset": Column("Asset"),
    "hours": Column("Hours above", "h", "of a year, against 100 %", 1),
    "count": Column("Cases"),
}


def study() -> StudyResult:
    layout = GridLayout(
        "street",
        (Bus("hv", 11.0, 0.0, 0.0), Bus("a", 0.4, 0.0, 0.0), Bus("b", 0.4, 0.0, 1112.38)),
        (Branch("unit", "transformer", "hv", "a", 500.0), Branch("cable", "main", "a", "b", 300.0)),
        ("b",),
        ("abc",),
    )
    day = GridDay(
        "clear Sunday",
        np.array([0.0, 12.0]),
        np.array([[10.0, 20.0], [np.nan, np.nan]]),
        np.array([[np.nan, 240.0, 230.0], [np.nan] * 3]),
        np.array([[np.nan, 245.0, 251.0], [np.nan] * 3]),
    )
    return StudyResult(
        kind="congestion",
        title="A street",
        facts=[("grid", "street")],
        headlines=[Headline("Hours above", "1.5", "h")],
        tables=[StudyTable("assets", "Assets", "of two cases", FRAME, COLUMNS)],
        notes=["taken as balanced"],
        failures=["noon: not solved"],
        layout=layout,
        days=[day],
        site_deg=(51.0, -3.0),
    )


def test_every_column_needs_a_meaning() -> None:
    with pytest.raises(ValueError, match="no meaning is given for hours"):
        StudyTable("assets", "", "", FRAME, {"asset": COLUMNS["asset"], "count": COLUMNS["count"]})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    names = write_study_files(study(), tmp_path)
    assert set(names) == {path.name for path in tmp_path.iterdir()}
    found = read_study_files(tmp_path)
    pd.testing.assert_frame_equal(found.table("assets").frame, FRAME)
    assert found.table("assets").columns == COLUMNS
    assert found.headlines == study().headlines
    assert found.failures == study().failures
    assert found.notes == study().notes


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_study_files(study(), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes(), path.name


def test_no_name_is_carried_out_as_a_formula() -> None:
    book = load_workbook(io.BytesIO(workbook(study())))
    cell = book["assets"]["A2"]
    assert cell.value == "=1+1"
    assert cell.data_type == "s"
    assert book["assets"]["B3"].value is None
    assert [row[0].value for row in book["about"].iter_rows()].count("without an answer") == 1


def test_the_map_lies_on_the_earth_with_the_worst_values() -> None:
    found = geojson(study())
    assert found is not None
    json.dumps(found, allow_nan=False)
    by_name = {each["properties"]["name"]: each for each in found["features"]}
    longitude, latitude = by_name["b"]["geometry"]["coordinates"]
    assert longitude == pytest.approx(-3.0)
    assert (latitude - 51.0) * DEGREE_OF_LATITUDE_M == pytest.approx(1112.38, rel=TABLE_ROUNDING)
    assert by_name["b"]["properties"]["vm_min_v"] == 230.0
    assert by_name["b"]["properties"]["vm_max_v"] == 251.0
    assert by_name["hv"]["properties"]["vm_max_v"] is None
    assert by_name["cable"]["properties"]["loading_max_percent"] == 20.0
    assert by_name["cable"]["properties"]["loading_max_day"] == "clear Sunday"


def test_no_place_on_earth_is_made_up() -> None:
    lost = replace(study(), site_deg=None)
    assert geojson(lost) is None, "metres without a site"
    assert lost.layout is not None
    in_degrees = replace(
        lost.layout,
        buses=tuple(replace(bus, x_m=9.5, y_m=51.3 + 1e-6 * bus.y_m) for bus in lost.layout.buses),
    )
    assert geojson(replace(lost, layout=in_degrees)) is not None
    nowhere = replace(
        lost.layout, buses=tuple(replace(bus, x_m=float("nan")) for bus in lost.layout.buses)
    )
    assert geojson(replace(study(), layout=nowhere)) is None
