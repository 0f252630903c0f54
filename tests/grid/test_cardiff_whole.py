"""The six substations together: who is connected, where they lie, what each consists of."""

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from mas2sim.domain.errors import GridError
from mas2sim.grid import Substation, build_cardiff, recipe_numbers
from mas2sim.grid.recipe import read_kit

USERS = {1: 184, 2: 92, 3: 310, 4: 148, 5: 264, 6: 202}
RATING_KVA = {1: 500.0, 2: 315.0, 3: 800.0, 4: 500.0, 5: 750.0, 6: 500.0}
RESIDENTIAL_PERCENT, WITHIN_PERCENT = 98.0, 0.1
FEEDER_USERS = range(37, 53)
TOUCHING_M2 = 1e-6
"""Twice the area of the triangle of a cable and another's end, below which they only touch."""
SHIFT_M = 1e-9
"""Rounding of coordinates of a few kilometres."""


@pytest.fixture(scope="module")
def whole(cardiff_files: Path) -> dict[int, Substation]:
    return {number: build_cardiff(cardiff_files, number) for number in USERS}


@pytest.fixture
def folder(cardiff_files: Path, tmp_path: Path) -> Path:
    shutil.copytree(cardiff_files, tmp_path / "grid")
    return tmp_path / "grid"


def change(folder: Path, number: int, **changes: object) -> None:
    path = folder / f"substation_{number}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def test_six_substations_with_their_users_and_units(whole: dict[int, Substation]) -> None:
    for number, substation in whole.items():
        assert len(substation.homes) + len(substation.commercial) == USERS[number]
        assert substation.network.rating_kva == RATING_KVA[number]
        feeders = substation.layout.feeder_homes
        shops = {shop.bus for shop in substation.commercial}
        for feeder in feeders:
            services = [
                line
                for line in substation.network.lines
                if line.feeder == feeder and line.kind == "service"
            ]
            assert len(services) in FEEDER_USERS
        ends = {line.to_bus for line in substation.network.lines if line.kind == "service"}
        assert shops | set(substation.layout.home_bus) == ends


def test_two_percent_of_the_users_are_commercial(whole: dict[int, Substation]) -> None:
    homes = sum(len(each.homes) for each in whole.values())
    assert sum(USERS.values()) == 1200
    assert 100.0 * homes / 1200 == pytest.approx(RESIDENTIAL_PERCENT, abs=WITHIN_PERCENT)
    assert not whole[1].commercial


def test_numbers_of_the_recipes(cardiff_files: Path, tmp_path: Path) -> None:
    assert recipe_numbers(cardiff_files) == tuple(USERS)
    (tmp_path / "substation_10.yaml").touch()
    (tmp_path / "substation_9.yaml").touch()
    (tmp_path / "substation_old.yaml").touch()
    assert recipe_numbers(tmp_path) == (9, 10)
    assert recipe_numbers(tmp_path / "nowhere") == ()


def test_shops_bear_their_number_and_homes_are_counted_without_them(folder: Path) -> None:
    change(folder, 2, commercial=[2, 5], commercial_phases=["abc", "b"], phases=["a", "b", "c"])
    substation = build_cardiff(folder, 2)
    shops = [(shop.home, shop.bus, shop.phase) for shop in substation.commercial]
    assert shops == [("shop002", "shop002", "abc"), ("shop005", "shop005", "b")]
    first = [(home.home, home.phase) for home in substation.homes[:4]]
    # Users 1, 3, 4 and 6: their phases are those of their places, with the shops in between.
    assert first == [("h001", "a"), ("h002", "c"), ("h003", "a"), ("h004", "c")]
    assert substation.homes[-1].home == "h090"


def test_shops_that_are_not_there_are_named(folder: Path) -> None:
    change(folder, 2, commercial=[7, 7, 93])
    with pytest.raises(GridError) as caught:
        read_kit(folder, 2)
    assert [fault.found for fault in caught.value.faults] == ["user 7", "user 93"]


def test_a_place_moves_the_map_and_nothing_else(folder: Path, whole: dict[int, Substation]) -> None:
    change(folder, 1, at_m=[250.0, -40.0])
    moved, before = build_cardiff(folder, 1).network, whole[1].network
    for there, here in zip(moved.buses, before.buses, strict=True):
        assert there.x_m - here.x_m == pytest.approx(250.0, abs=SHIFT_M)
        assert there.y_m - here.y_m == pytest.approx(-40.0, abs=SHIFT_M)
    assert replace(moved, buses=before.buses) == before


def test_no_two_cables_cross_on_the_map_of_all(whole: dict[int, Substation]) -> None:
    ends = []
    for substation in whole.values():
        at = {bus.name: (bus.x_m, bus.y_m) for bus in substation.layout.buses}
        ends += [(*at[line.from_bus], *at[line.to_bus]) for line in substation.network.lines]
    start, end = np.hsplit(np.array(ends), 2)
    ahead = end - start

    def side(place: np.ndarray) -> np.ndarray:
        """On which side of each cable (row) each place (column) lies."""
        to = place[None] - start[:, None]
        return ahead[:, None, 0] * to[..., 1] - ahead[:, None, 1] * to[..., 0]

    apart = side(start) * side(end) < -TOUCHING_M2
    crossing = np.argwhere(apart & apart.T)
    assert not len(crossing), crossing[:5]


def test_larger_units_lose_more_in_iron_and_a_smaller_share_in_copper(cardiff_files: Path) -> None:
    units = sorted(
        {
            each.transformer: each
            for each in (read_kit(cardiff_files, k).transformer for k in USERS)
        }.values(),
        key=lambda unit: unit.sn_kva,
    )
    assert [unit.sn_kva for unit in units] == [315, 500, 750, 800]
    for small, large in pairwise(units):
        assert small.iron_kw < large.iron_kw
        assert small.iron_kw / small.sn_kva > large.iron_kw / large.sn_kva
        assert small.vkr_percent > large.vkr_percent
        assert (large.vn_lv_kv, str(large.vector_group)) == (0.433, "Dyn11")
