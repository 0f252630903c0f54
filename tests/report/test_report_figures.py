"""What the figures on the page plot, read back out of the page, against the recorded case."""

from __future__ import annotations

import dataclasses
import itertools
import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.home import Home
from mas2sim.domain.typical_day import Level
from mas2sim.report.appearance import DEVICE_COLOUR, DEVICE_NAME
from mas2sim.report.home_day import chosen_home, components_kw

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


def test_one_level_of_the_map_shows_at_a_time(reported: Any) -> None:
    figure = json.loads(reported.page.scripts["figure-map"])
    owner = [trace["meta"].split()[0] for trace in figure["data"]]
    assert [trace["visible"] for trace in figure["data"]] == [who == "uc3" for who in owner]
    menu = figure["layout"]["updatemenus"][0]
    assert menu["active"] == LEVELS.index(Level.UC3)
    for level, button in zip(LEVELS, menu["buttons"], strict=True):
        (visible,) = (argument["visible"] for argument in button["args"])
        assert visible == [who == level.value for who in owner]


def test_the_home_shown_has_the_most_devices(reported: Any) -> None:
    assert chosen_home(reported.result) == "h1"
    assert "A home's day: h1" in reported.page.visible_text


def test_among_equals_the_home_that_saves_most_is_shown(
    toy: ModuleType, page_of: Any, decode: Any
) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    bare = [
        Home(home.name, home.annual_kwh, home.base_kw, offered=home.offered)
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


def test_every_kind_of_device_has_its_part_of_the_stack(reported: Any) -> None:
    record = reported.record
    kinds = {
        "h2": {"base", "appliance", "pv", "wind"},
        "h4": {"base", "ev", "interruptible"},
        "h5": {"base", "heat_pump"},
        "h6": {"base", "micro_chp"},
    }
    for home, expected in kinds.items():
        parts = components_kw(reported.result, "uc1", home)
        assert set(parts) == expected
        assert np.allclose(sum(parts.values()), record.net_kw[1, int(home[1]) - 1])
    assert list(DEVICE_NAME) == list(DEVICE_COLOUR)


# Full colour blindness of each kind in linear RGB: Machado, Oliveira and Fernandes (2009), table 1.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TOLD_APART = 15.0
"""Distance in CIELAB; a just noticeable difference is about 2.3, and stacked areas touch."""


def seen(colour: str, vision: str) -> np.ndarray:
    """CIELAB of an sRGB colour (D65) as somebody with this vision sees it."""
    coded = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    light = np.clip(np.array(VISIONS[vision]) @ light, 0, 1)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.072175],
            [0.0193339, 0.119192, 0.9503041],
        ]
    )
    x, y, z = np.cbrt(to_xyz @ light / np.array([0.95047, 1.0, 1.08883]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISIONS)
def test_devices_are_told_apart_by_any_colour_vision(vision: str) -> None:
    places = {kind: seen(colour, vision) for kind, colour in DEVICE_COLOUR.items()}
    for one, other in itertools.combinations(places, 2):
        assert np.linalg.norm(places[one] - places[other]) > TOLD_APART, (one, other)


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
