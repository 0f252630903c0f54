"""Which feeder a home is on, where feeders begin, and what they may carry."""

import numpy as np
import pytest

from mas2sim.domain.grid_state import Branch, Bus, GridLayout
from mas2sim.grid import Substation
from mas2sim.grid.sensitivity import feeder_ratings_kw


def test_feeders_of_cardiff(cardiff: Substation) -> None:
    layout = cardiff.layout
    assert list(layout.feeder_homes) == ["north", "east", "south", "west"]
    for feeder, homes in layout.feeder_homes.items():
        services = {b.to_bus for b in layout.branches if b.kind == "service" and b.feeder == feeder}
        assert {layout.home_bus[home] for home in homes} == services
    # 465 A at 400 V: sqrt(3) * 0.4 * 465.
    assert feeder_ratings_kw(layout) == pytest.approx(dict.fromkeys(layout.feeder_homes, 322.1614))


def test_feeders_without_names_take_that_of_their_first_branch() -> None:
    """Branches written either way round, two cables side by side, a home on the busbar.

    Above the unit there is another, with a cable between the two.
    """
    grid = GridLayout(
        name="chain",
        buses=tuple(
            Bus(name, 0.4, 0.0, 0.0) for name in ("grid", "mv", "hv", "lv", "p", "q", "r", "s", "x")
        ),
        branches=(
            Branch("unit", "transformer", "hv", "lv", 500.0),
            Branch("bulk", "transformer", "grid", "mv", 9000.0),
            Branch("above", "line", "mv", "hv", 300.0),
            Branch("first", "line", "p", "lv", 100.0),
            Branch("second", "line", "lv", "r", 200.0, feeder="street"),
            Branch("beside", "line", "lv", "p", 50.0),
            Branch("on", "line", "q", "p", 80.0),
            Branch("service", "service", "s", "r", 80.0),
            Branch("spare", "line", "lv", "x", 80.0),
        ),
        home_bus=("s", "q", "lv", "p", "nowhere"),
        home_phase=("a", "b", "c", "a", "b"),
    )
    heads = {"above": (2,), "first": (3, 5), "street": (4,), "spare": (8,)}
    assert grid.feeder_heads == heads
    assert grid.feeder_homes == {"first": (1, 3), "street": (0,)}
    per_a = np.sqrt(3.0) * 0.4
    expected = {"first": 150 * per_a, "street": 200 * per_a}
    assert feeder_ratings_kw(grid) == pytest.approx(expected)


def test_feeders_without_a_transformer_leave_where_no_branch_leads_to() -> None:
    grid = GridLayout(
        name="fork",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in ("end", "bar", "joint", "other")),
        branches=(
            Branch("service", "service", "joint", "end", 100.0),
            Branch("left", "main", "bar", "joint", 300.0),
            Branch("right", "main", "bar", "other", 300.0),
        ),
        home_bus=("other", "end"),
        home_phase=("a", "b"),
    )
    assert grid.feeder_homes == {"left": (1,), "right": (0,)}
