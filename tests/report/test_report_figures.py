"""What the figures on the page plot, read back out of the page, against the recorded case."""

from __future__ import annotations

import dataclasses
import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.typical_day import Level
from mas2sim.report.home_day import chosen_home

NEUTRAL_V = 400.0 / np.sqrt(3.0)
FLOAT32_V = 1e-3
"""Voltages are stored with seven digits: tens of microvolts at 230 V."""
FLOAT32_PERCENT = 1e-4

LEVELS = tuple(Level)


def test_the_load_is_the_sum_of_the_connections(reported: Any, decode: Any) -> None:
    for row, level in enumerate(LEVELS):
        trace = reported.page.trace("load", level.value)
        assert np.allclose(decode(trace["y"])[:-1], reported.record.net_kw[row].sum(axis=0))
        assert np.array_equal(decode(trace["x"]), np.arange(97) / 4)
    limit = reported.page.trace("load", "limit")
    assert decode(limit["y"]).tolist() == [12.0, 12.0]


def test_an_export_limit_shows_when_it_is_within_reach(toy: ModuleType, page_of: Any) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    limits = dataclasses.replace(record.limits, transformer_export_kw=4.0)
    page = page_of(dataclasses.replace(record, limits=limits))
    names = [trace["name"] for trace in page.traces("load") if trace["meta"] == "limit"]
    assert names == ["Import limit", "Export limit"]


def test_the_plans_are_those_of_the_last_managed_level(reported: Any, decode: Any) -> None:
    first, second, prognosis = reported.page.traces("plans")
    a_plan = reported.record.a_plan_kw[LEVELS.index(Level.UC3)]
    assert np.array_equal(decode(first["y"])[:-1], a_plan[0])
    assert np.array_equal(decode(second["y"])[:-1], a_plan[1])
    assert np.allclose(decode(prognosis["y"])[:-1], a_plan.sum(axis=0))


def test_the_duration_curve_is_the_sorted_loading(reported: Any, decode: Any) -> None:
    for level in LEVELS:
        curve = decode(reported.page.trace("duration", level.value)["y"])[:-1]
        loading = reported.record.grid[level].loading_percent[:, 0]
        assert np.allclose(curve, np.sort(loading)[::-1], atol=FLOAT32_PERCENT)


def test_unsolved_ptus_are_counted_in_the_duration_curve(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    grid = {Level.BASELINE: toy.unsolved(record.grid[Level.BASELINE], [75, 76, 77])}
    page = page_of(dataclasses.replace(record, grid=grid))
    trace = page.trace("duration", "baseline")
    assert "3 PTUs unsolved" in trace["name"]
    assert decode(trace["y"]).size == 96 - 3 + 1


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
    assert limits == {(216.2, 216.2), (253.0, 253.0)}


def test_the_map_shows_the_worst_of_each_place(reported: Any, decode: Any) -> None:
    for level in LEVELS:
        flow = reported.record.grid[level]
        volts = flow.vm_pu * NEUTRAL_V
        low, high = volts.min(axis=(0, 2)), volts.max(axis=(0, 2))
        worst = np.where(low - 216.2 < 253.0 - high, low, high)
        trace = reported.page.trace("map", f"{level.value} voltage")
        colour = decode(trace["marker"]["color"])
        assert np.isnan(colour[0])
        assert np.allclose(colour[1:], worst[1:], atol=FLOAT32_V)
        loading = decode(reported.page.trace("map", f"{level.value} loading")["customdata"])
        assert np.allclose(loading, flow.loading_percent.max(axis=0), atol=FLOAT32_PERCENT)


def test_a_bus_near_the_upper_limit_is_coloured_by_its_highest_voltage(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    flow = record.grid[Level.BASELINE]
    volts = flow.vm_pu.copy()
    volts[50, 4, 2] = 252.0 / NEUTRAL_V
    volts[60, 5, 0] = 217.0 / NEUTRAL_V
    grid = {Level.BASELINE: dataclasses.replace(flow, vm_pu=volts)}
    page = page_of(dataclasses.replace(record, grid=grid))
    colour = decode(page.trace("map", "baseline voltage")["marker"]["color"])
    assert np.allclose(colour[4:6], [252.0, 217.0], atol=FLOAT32_V)


def test_every_branch_is_drawn_once_in_the_class_of_its_loading(reported: Any, decode: Any) -> None:
    edges = {
        "up to 20 %": (-1, 20),
        "20 to 40 %": (20, 40),
        "40 to 60 %": (40, 60),
        "60 to 80 %": (60, 80),
        "80 to 100 %": (80, 100),
        "above 100 %": (100, np.inf),
    }
    loading = reported.record.grid[Level.BASELINE].loading_percent.max(axis=0)
    drawn = 0
    for name, (above, up_to) in edges.items():
        trace = reported.page.trace("map", f"baseline branches {name}")
        count = np.isnan(decode(trace["x"])).sum()
        assert count == ((loading > above) & (loading <= up_to)).sum(), name
        drawn += count
    assert drawn == len(reported.record.layout.branches)


def test_one_level_of_the_map_shows_at_a_time(reported: Any) -> None:
    figure = json.loads(reported.page.scripts["figure-map"])
    owner = [trace["meta"].split()[0] for trace in figure["data"]]
    assert [trace["visible"] for trace in figure["data"]] == [who == "uc3" for who in owner]
    menu = figure["layout"]["updatemenus"][0]
    assert menu["active"] == LEVELS.index(Level.UC3)
    for level, button in zip(LEVELS, menu["buttons"], strict=True):
        (visible,) = (argument["visible"] for argument in button["args"])
        assert visible == [who == level.value for who in owner]


def test_an_unsolved_grid_is_drawn_as_such(toy: ModuleType, page_of: Any, decode: Any) -> None:
    page = page_of(toy.synthetic_record((Level.BASELINE,), power_flow=False))
    trace = page.trace("map", "baseline branches not solved")
    assert np.isnan(decode(trace["x"])).sum() == 13
    assert np.isnan(decode(page.trace("map", "baseline voltage")["marker"]["color"])).all()


def test_the_home_shown_has_the_most_devices(reported: Any) -> None:
    assert chosen_home(reported.result) == "h1"
    assert "A home's day: h1" in reported.page.visible_text


def test_among_equals_the_home_that_saves_most_is_shown(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    bare = [
        dataclasses.replace(home, appliances=(), ev=None, battery=None, pv=None, heat_pump=None)
        for home in record.homes
    ]
    payment = record.payment_eur.copy()
    payment[1] = record.bill_eur[0] - np.array([0.0, 0.1, 0.2, 0.9, 0.3, 0.0])
    page = page_of(
        dataclasses.replace(
            record,
            homes=tuple(bare),
            devices=(),
            device_kw=np.zeros((2, 0, 96)),
            stored_kwh=np.zeros((2, 0, 96)),
            stored_start_kwh=np.zeros((2, 0)),
            payment_eur=payment,
        )
    )
    assert "A home's day: h4" in page.visible_text


def test_the_home_figure_stacks_up_to_its_net_power(reported: Any, decode: Any) -> None:
    record = reported.record
    for row, level in enumerate(LEVELS):
        parts = {
            trace["meta"].split()[1]: decode(trace["y"])
            for trace in reported.page.traces("home")
            if trace["meta"].startswith(f"{level.value} ")
        }
        net = parts.pop("net")[:-1]
        assert np.allclose(net, record.net_kw[row, 0])
        assert set(parts) == {"base", "appliance", "ev", "battery", "pv"}
        assert np.allclose(sum(parts.values()), net)
        battery = record.devices.index((0, "battery"))
        assert np.allclose(parts["battery"], record.device_kw[row, battery])
    price = decode(reported.page.trace("home", "price")["y"])[:-1]
    assert np.array_equal(price, record.tariff.import_eur_per_kwh)


def test_losses_are_those_of_the_table(reported: Any, decode: Any) -> None:
    table = reported.result.kpi
    bars = {trace["name"]: decode(trace["x"]) for trace in reported.page.traces("losses")[:3]}
    assert np.array_equal(bars["Lines"], table["loss_line_kwh"])
    assert np.array_equal(bars["Transformer, load"], table["loss_transformer_load_kwh"])
    assert np.array_equal(bars["Transformer, no load"], table["loss_transformer_no_load_kwh"])
    flow = reported.record.grid[Level.UC1]
    assert sum(bar[1] for bar in bars.values()) == pytest.approx(0.25 * flow.loss_kw.sum())


def test_losses_that_are_not_known_are_not_drawn_as_none(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    page = page_of(toy.synthetic_record((Level.BASELINE,), power_flow=False))
    assert all(np.isnan(decode(trace["x"])).all() for trace in page.traces("losses"))
