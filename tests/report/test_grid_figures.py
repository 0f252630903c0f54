"""The voltage figure, the map and the losses, read back out of the page, against the record."""

from __future__ import annotations

import dataclasses
import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.typical_day import Level
from mas2sim.report.grid_map import LOADING_CLASSES, ROOM_CLASSES, room_class
from mas2sim.report.kpi_view import kpi_groups
from mas2sim.results import CaseRecord

NEUTRAL_V = 400.0 / np.sqrt(3.0)
LOW_V, HIGH_V = 216.2, 253.0
FLOAT32_V = 1e-3
"""Voltages are stored with seven digits: tens of microvolts at 230 V."""
FLOAT32_PERCENT = 1e-4

LEVELS = tuple(Level)
BASELINE = (Level.BASELINE,)


def with_flow(record: CaseRecord, **changes: np.ndarray) -> CaseRecord:
    flow = dataclasses.replace(record.grid[Level.BASELINE], **changes)
    return dataclasses.replace(record, grid={Level.BASELINE: flow})


def with_volts(record: CaseRecord, volts: dict[tuple[int, int, int], float]) -> CaseRecord:
    """The record with some voltages [V] replaced, by PTU, bus and phase."""
    vm_pu = record.grid[Level.BASELINE].vm_pu.copy()
    for place, value in volts.items():
        vm_pu[place] = value / NEUTRAL_V
    return with_flow(record, vm_pu=vm_pu)


def one_phase(record: CaseRecord, bus: int, phase: int) -> CaseRecord:
    """The record with one phase alone at a bus; the others would have read 270 V."""
    others = [other for other in range(3) if other != phase]
    vm_pu = record.grid[Level.BASELINE].vm_pu.copy()
    vm_pu[:, bus, others] = np.nan
    return with_flow(record, vm_pu=vm_pu)


def test_the_voltage_band_spans_the_low_voltage_buses(reported: Any, decode: Any) -> None:
    for level in LEVELS:
        volts = reported.record.grid[level].vm_pu[:, 1:].reshape(96, -1) * NEUTRAL_V
        for name, reduce in (("lowest", np.min), ("median", np.median), ("highest", np.max)):
            plotted = decode(reported.page.trace("voltage", f"{level.value} {name}")["y"])[:-1]
            assert np.allclose(plotted, reduce(volts, axis=1), atol=FLOAT32_V)
    limits = {
        tuple(decode(trace["y"]))
        for trace in reported.page.traces("voltage")
        if trace["meta"] == "limit"
    }
    assert limits == {(LOW_V, LOW_V), (HIGH_V, HIGH_V)}


def test_the_voltage_band_leaves_out_phases_that_are_not_there(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = one_phase(toy.synthetic_record(BASELINE), bus=3, phase=1)
    page = page_of(record)
    volts = record.grid[Level.BASELINE].vm_pu[:, 1:].reshape(96, -1) * NEUTRAL_V
    for name, reduce in (("lowest", np.nanmin), ("median", np.nanmedian), ("highest", np.nanmax)):
        plotted = decode(page.trace("voltage", f"baseline {name}")["y"])[:-1]
        assert np.allclose(plotted, reduce(volts, axis=1), atol=FLOAT32_V)


def test_the_voltage_band_has_a_gap_where_the_flow_was_not_solved(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record(BASELINE)
    grid = {Level.BASELINE: toy.unsolved(record.grid[Level.BASELINE], [30, 31])}
    page = page_of(dataclasses.replace(record, grid=grid))
    for name in ("lowest", "median", "highest"):
        plotted = decode(page.trace("voltage", f"baseline {name}")["y"])[:-1]
        assert np.flatnonzero(np.isnan(plotted)).tolist() == [30, 31]


def test_the_voltage_axis_holds_the_band_and_whatever_leaves_it(
    toy: ModuleType, page_of: Any, reported: Any
) -> None:
    def axis(page: Any) -> tuple[float, float]:
        low, high = json.loads(page.scripts["figure-voltage"])["layout"]["yaxis"]["range"]
        return low, high

    low, high = axis(reported.page)
    assert low < LOW_V < HIGH_V < high
    wide = with_volts(toy.synthetic_record(BASELINE), {(50, 4, 2): 271.0, (60, 5, 0): 190.0})
    low, high = axis(page_of(wide))
    assert low < 190.0
    assert high > 271.0


@pytest.mark.parametrize(
    ("room_v", "name"),
    [
        (-0.01, "beyond it"),
        (0.0, "0 to 2 V"),
        (1.99, "0 to 2 V"),
        (2.0, "2 to 5 V"),
        (12.0, "10 to 20 V"),
        (30.5, "above 30 V"),
    ],
)
def test_a_room_has_its_class(room_v: float, name: str) -> None:
    assert ROOM_CLASSES[int(room_class(np.array([room_v]))[0])].name == name


def test_an_unknown_room_has_no_class() -> None:
    assert np.isnan(room_class(np.array([np.nan]))).all()


def test_the_map_shows_the_room_of_each_bus_to_each_limit(reported: Any, decode: Any) -> None:
    figure = json.loads(reported.page.scripts["figure-map"])
    menu = figure["layout"]["updatemenus"][1]["buttons"]
    for row, level in enumerate(LEVELS):
        volts = reported.record.grid[level].vm_pu[:, 1:] * NEUTRAL_V
        lower = volts.min(axis=(0, 2)) - LOW_V
        upper = HIGH_V - volts.max(axis=(0, 2))
        expected = (np.minimum(lower, upper), upper, lower)
        trace = reported.page.trace("map", f"{level.value} voltage")
        colour = decode(trace["marker"]["color"])
        assert np.isnan(colour[0])
        assert np.array_equal(colour[1:], room_class(expected[0]))
        for button, room_v in zip(menu, expected, strict=True):
            changes, traces = button["args"]
            assert figure["data"][traces[row]]["meta"] == f"{level.value} voltage"
            chosen = changes["marker.color"][row]
            assert chosen[0] is None
            assert np.array_equal(np.array(chosen[1:], dtype=float), room_class(room_v))


def test_the_menu_of_limits_says_what_the_colours_mean(reported: Any) -> None:
    menu = json.loads(reported.page.scripts["figure-map"])["layout"]["updatemenus"][1]["buttons"]
    titles = [button["args"][0]["marker.colorbar.title.text"] for button in menu]
    assert [title.rpartition("the ")[2] for title in titles] == [
        "nearest limit",
        "upper limit",
        "lower limit",
    ]
    shown = reported.page.trace("map", "uc3 voltage")["marker"]["colorbar"]
    assert shown["title"]["text"] == titles[0]
    assert shown["ticktext"] == [each.name for each in ROOM_CLASSES]


def test_pointing_at_a_bus_tells_both_extremes_and_when(toy: ModuleType, page_of: Any) -> None:
    volts = {(50, 4, 2): 254.0, (73, 4, 0): 217.5}
    page = page_of(with_volts(toy.synthetic_record(BASELINE), volts))
    trace = page.trace("map", "baseline voltage")
    assert trace["text"][4].endswith("lowest 217.5 V at 18:15<br>highest 254.0 V at 12:30")
    assert trace["text"][0] == "hv<br>11 kV"


def test_a_bus_is_coloured_by_the_phase_it_has(toy: ModuleType, page_of: Any, decode: Any) -> None:
    volts = {(20, 3, 0): 270.0, (20, 3, 1): 252.5, (20, 3, 2): 271.0}
    record = one_phase(with_volts(toy.synthetic_record(BASELINE), volts), bus=3, phase=1)
    trace = page_of(record).trace("map", "baseline voltage")
    place = decode(trace["marker"]["color"])[3]
    assert ROOM_CLASSES[int(place)].name == "0 to 2 V"
    assert "highest 252.5 V" in trace["text"][3]


def test_every_branch_is_drawn_once_in_the_class_of_its_loading(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record(BASELINE)
    count = len(record.layout.branches)
    loading = np.zeros((96, count))
    # Edges belong to the class below them; the last is overloaded.
    highest = [45.0, 10.0, 10.1, 20.0, 39.0, 41.0, 60.0, 79.0, 80.0, 80.1, 100.0, 100.1, 150.0]
    loading[33] = highest
    page = page_of(with_flow(record, loading_percent=loading))
    drawn = {"main": 0, "service": 0, "transformer": 0}
    edges = [*(each.above for each in LOADING_CLASSES[1:]), np.inf]
    for each, edge in zip(LOADING_CLASSES, edges, strict=True):
        for part in drawn:
            trace = page.trace("map", f"baseline {part} {each.name}")
            points = int(np.isfinite(decode(trace["x"])).sum())
            found = points if part == "transformer" else points // 2
            kinds = [branch.kind == part for branch in record.layout.branches]
            inside = (np.array(highest) > each.above) & (np.array(highest) <= edge)
            assert found == (inside & kinds).sum(), (part, each.name)
            colour = trace["line" if part != "transformer" else "marker"]["color"]
            assert colour == each.colour
            drawn[part] += found
    assert sum(drawn.values()) == count
    hover = page.trace("map", "baseline loading")
    assert np.allclose(decode(hover["customdata"]), highest, atol=FLOAT32_PERCENT)
    assert hover["text"][-1].endswith("highest loading 150.0 % at 08:15")


def test_the_legend_of_a_level_explains_every_class_of_loading(reported: Any) -> None:
    for level in LEVELS:
        legend = [
            trace["name"]
            for trace in reported.page.traces("map")
            if trace["meta"].startswith(f"{level.value} ") and trace["showlegend"]
        ]
        assert legend == [each.name for each in LOADING_CLASSES]


def test_an_unsolved_grid_is_drawn_as_such(toy: ModuleType, page_of: Any, decode: Any) -> None:
    page = page_of(toy.synthetic_record(BASELINE, power_flow=False))
    drawn = [
        np.isfinite(decode(page.trace("map", f"baseline {part} not solved")["x"])).sum()
        for part in ("main", "service", "transformer")
    ]
    assert drawn == [2 * 6, 2 * 6, 1]
    trace = page.trace("map", "baseline voltage")
    assert np.isnan(decode(trace["marker"]["color"])).all()
    assert trace["text"][1].endswith("not solved")


def test_one_unsolved_ptu_leaves_the_map_without_a_statement(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record(BASELINE)
    grid = {Level.BASELINE: toy.unsolved(record.grid[Level.BASELINE], [3])}
    page = page_of(dataclasses.replace(record, grid=grid))
    assert np.isnan(decode(page.trace("map", "baseline voltage")["marker"]["color"])).all()


def test_the_legend_of_losses_runs_as_the_bars_do(reported: Any) -> None:
    assert [trace["name"] for trace in reported.page.traces("losses")[:3]] == [
        "Lines",
        "Transformer, load",
        "Transformer, no load",
    ]
    layout = json.loads(reported.page.scripts["figure-losses"])["layout"]
    assert layout["legend"]["traceorder"] == "normal"


def test_figures_that_repeat_are_marked_once(reported: Any) -> None:
    table = reported.result.kpi.copy()
    table["payment_eur"] = table["bill_eur"] = [5.0, 4.0, 3.0, 3.5, 1.0]
    table["energy_cost_eur"] = [5.0, 4.0, 3.0, 3.6, 1.0]
    groups = kpi_groups(dataclasses.replace(reported.result, kpi=table))
    marked = {
        row.kpi.name: [cell.best for cell in row.cells] for group in groups for row in group.rows
    }
    names = [name for name in marked if name in ("payment_eur", "bill_eur")]
    assert marked[names[0]] == [False, False, True, False, False]
    assert not any(marked[names[1]])
    assert marked["energy_cost_eur"] == [False, False, True, False, False]


def test_the_length_of_a_ptu_and_the_boundary_of_local_use_are_named(reported: Any) -> None:
    words = reported.page.visible_text
    assert "PTU 15 min" in words
    assert "Generation used by the substation's homes" in words
