"""Which phases a bus has, from what is known of the services and of the loads behind them."""

from dataclasses import replace

import pytest

from mas2sim.domain.grid_state import Branch, Bus, GridLayout
from mas2sim.grid import FixedLoad, Substation, connect

Ends = tuple[str, str, str]
"""Kind of a branch, and its two buses."""

TRUNK: tuple[Ends, ...] = (("transformer", "hv", "lv"), ("main", "lv", "joint"))


def layout(
    *branches: Ends,
    homes: tuple[tuple[str, str], ...] = (),
    others: tuple[tuple[str, str], ...] = (),
) -> GridLayout:
    names = dict.fromkeys(bus for _, *ends in branches for bus in ends)
    return GridLayout(
        name="street",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in names),
        branches=tuple(
            Branch(str(number), kind, start, end, 100.0)
            for number, (kind, start, end) in enumerate(branches)
        ),
        home_bus=tuple(bus for bus, _ in homes),
        home_phase=tuple(phase for _, phase in homes),
        other_loads=others,
    )


def phases(grid: GridLayout) -> dict[str, str]:
    return {bus.name: has for bus, has in zip(grid.buses, grid.bus_phases, strict=True)}


def test_the_end_of_a_service_has_the_phase_of_its_home() -> None:
    grid = layout(*TRUNK, ("service", "joint", "end"), homes=(("end", "b"),))
    assert phases(grid) == {"hv": "abc", "lv": "abc", "joint": "abc", "end": "b"}


def test_a_service_may_be_written_from_either_end() -> None:
    grid = layout(*TRUNK, ("service", "end", "joint"), homes=(("end", "c"),))
    assert phases(grid)["end"] == "c"


def test_a_service_that_goes_on_to_the_next_home_has_the_phases_of_both() -> None:
    chain = (*TRUNK, ("service", "joint", "first"), ("service", "first", "second"))
    one = phases(layout(*chain, homes=(("first", "a"), ("second", "a"))))
    assert (one["first"], one["second"], one["joint"]) == ("a", "a", "abc")
    two = phases(layout(*chain, homes=(("second", "c"), ("first", "a"))))
    assert (two["first"], two["second"]) == ("ac", "ac")


def test_two_services_at_one_joint_are_two() -> None:
    grid = layout(
        *TRUNK,
        ("service", "joint", "left"),
        ("service", "joint", "right"),
        homes=(("left", "a"), ("right", "abc")),
    )
    assert (phases(grid)["left"], phases(grid)["right"]) == ("a", "abc")


def test_a_home_on_a_main_or_line_leaves_its_bus_three_phases() -> None:
    grid = layout(*TRUNK, ("line", "joint", "end"), homes=(("end", "b"), ("joint", "a")))
    assert set(phases(grid).values()) == {"abc"}


def test_what_is_no_home_counts_as_well() -> None:
    grid = layout(
        *TRUNK, ("service", "joint", "end"), homes=(("end", "b"),), others=(("end", "c"),)
    )
    assert phases(grid)["end"] == "bc"


@pytest.mark.parametrize(
    "branches",
    [
        pytest.param((*TRUNK, ("service", "joint", "end")), id="nothing on it"),
        pytest.param((("service", "source", "end"),), id="no beginning"),
    ],
)
def test_a_service_about_which_nothing_is_known_has_three_phases(
    branches: tuple[Ends, ...],
) -> None:
    homes = () if branches[0][0] == "transformer" else (("end", "a"),)
    assert phases(layout(*branches, homes=homes))["end"] == "abc"


def test_on_the_substation_homes_have_one_phase_and_all_else_three(cardiff: Substation) -> None:
    of = phases(cardiff.layout)
    assert [of[home.bus] for home in cardiff.homes] == [home.phase for home in cardiff.homes]
    homes = {home.bus for home in cardiff.homes}
    assert {has for bus, has in of.items() if bus not in homes} == {"abc"}


def test_fixed_loads_of_a_network_are_in_its_layout(cardiff: Substation) -> None:
    first = cardiff.homes[0]
    other = next(phase for phase in "abc" if phase != first.phase)
    lamp = FixedLoad("lamp", first.bus, other, 0.1, 0.0)
    network = replace(cardiff.network, loads=(lamp,))
    of = phases(connect(network, cardiff.homes).layout)
    assert of[first.bus] == "".join(sorted(first.phase + other))
