"""The planner's page: tables that can be sorted, a map that can be moved in time."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mas2sim.domain.grid_state import Branch, Bus, GridLayout
from mas2sim.report.positions import positions
from mas2sim.report.study_map import map_values
from mas2sim.report.study_page import shown, study_page
from mas2sim.results.study_result import Column, GridDay, StudyResult, StudyTable

NAN = float("nan")


def layout(*, placed: bool) -> GridLayout:
    at = 0.0 if placed else NAN
    return GridLayout(
        "street",
        tuple(Bus(name, 0.4, at + number, 2.0 * number) for number, name in enumerate("abcd")),
        (
            Branch("one", "line", "a", "b", 100.0),
            Branch("two", "line", "b", "c", 100.0),
            Branch("three", "line", "b", "d", 100.0),
        ),
        ("c", "d"),
        ("a", "b"),
    )


def study(frame: pd.DataFrame) -> StudyResult:
    day = GridDay(
        "clear Sunday",
        np.array([0.0, 12.0]),
        np.array([[10.04, 20.0, NAN], [50.0, 40.0, 30.0]]),
        np.full((2, 4), 229.96),
        np.array([[250.0], [251.0]]).repeat(4, axis=1),
    )
    columns = {name: Column(name, note=f"meaning of {name}") for name in frame.columns}
    return StudyResult(
        kind="none that has figures",
        title="Street",
        facts=[("grid", "street")],
        headlines=[],
        tables=[StudyTable("assets", "Assets", "of two cases", frame, columns)],
        failures=["draw 3: not solved"],
        layout=layout(placed=True),
        days=[day],
    )


def test_names_cannot_leave_their_place() -> None:
    name = "</script><script>alert(1)</script>"
    result = study(pd.DataFrame({"asset": [name]}))
    grid = result.layout
    assert grid is not None
    first, cable = replace(grid.buses[0], name=name), replace(grid.branches[0], from_bus=name)
    named = replace(grid, buses=(first, *grid.buses[1:]), branches=(cable, *grid.branches[1:]))
    page = study_page(replace(result, layout=named))
    assert "alert(1)</script>" not in page
    assert "meaning of asset" in page
    assert "draw 3: not solved" in page


def test_the_page_needs_no_network() -> None:
    page = study_page(study(pd.DataFrame({"asset": ["a"]})))
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)


def test_values_of_the_map() -> None:
    values = map_values(study(pd.DataFrame({"asset": ["a"]})))
    assert values is not None
    json.dumps(values, allow_nan=False)
    (day,) = values["days"]
    assert day["loading"] == [[100, 200, None], [500, 400, 300]]
    assert day["low"][0] == [2300] * 4
    assert day["first"] == 1
    assert values["branches"][1]["ends"] == [1, 2]
    without_days = replace(study(pd.DataFrame({"asset": ["a"]})), days=())
    assert map_values(without_days) is None


@pytest.mark.parametrize(("high_v", "low_v"), [(254.0, 230.0), (251.0, 214.0)])
def test_the_map_opens_where_most_of_any_limit_is_used(high_v: float, low_v: float) -> None:
    """Half of a rating is used at noon, all of the voltage band at midnight."""
    result = study(pd.DataFrame({"asset": ["a"]}))
    volts = np.full((2, 4), 230.0)
    high, low = volts.copy(), volts.copy()
    high[0, 3], low[0, 3] = high_v, low_v
    worse = replace(result.days[0], high_v=high, low_v=low)
    values = map_values(replace(result, days=[worse]))
    assert values is not None
    assert values["days"][0]["first"] == 0


def test_a_grid_without_places_is_drawn_as_a_tree() -> None:
    assert positions(layout(placed=True)).tolist() == [[0, 0], [1, 2], [2, 4], [3, 6]]
    tree = positions(layout(placed=False))
    assert tree[:, 0].tolist() == [0, 1, 2, 2]
    # The ends lie in rows of their own, in order; where they part lies between them.
    assert tree[:, 1].tolist() == [-0.5, -0.5, 0, -1]


def test_a_ring_and_two_islands_have_places_too() -> None:
    ring = replace(
        layout(placed=False),
        branches=(
            Branch("one", "line", "a", "b", 1.0),
            Branch("two", "line", "b", "a", 1.0),
            Branch("three", "line", "c", "d", 1.0),
        ),
    )
    places = positions(ring)
    assert np.isfinite(places).all()
    assert len({tuple(place) for place in places.tolist()}) == 4


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (1234.567, Column("a", "kWh", decimals=1), "1,234.6"),
        (-0.0001, Column("a", "kWh"), "0.00"),
        (3, Column("a"), "3"),
        (3.0, Column("a", "h"), "3.00"),
        (NAN, Column("a"), "-"),
        (None, Column("a"), "-"),
        (np.bool_(True), Column("a"), "yes"),
        ("word", Column("a"), "word"),
    ],
)
def test_shown(value: object, column: Column, text: str) -> None:
    assert shown(value, column) == text
