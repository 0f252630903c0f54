"""Link boxes: reading them, joining substations, and the break-even of two transformers."""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pytest

from mas2sim.domain.errors import GridError
from mas2sim.grid import (
    BatchPowerFlow,
    Connection,
    Substation,
    Transformer,
    VectorGroup,
    build_cardiff,
)
from mas2sim.grid.link_boxes import Tie, chosen_ties, read_ties
from mas2sim.grid.linked import (
    LINK_STATES,
    LinkedPair,
    LinkedPart,
    LinkState,
    break_even_loading,
    join_substations,
    transformer_saving_kw,
)
from mas2sim.grid.recipe import read_kit, recipe_numbers

LOSS_KW = 1e-9
"""Both ways solve the same equations to 1e-10 pu."""
BALANCE_KW = 1e-6
"""The solver closes the balance to 1e-10 of some hundred kW; a thousand elements add up."""
PERCENT = 0.05
"""A gap across an open tie, against the ratio of the winding voltages: the load moves it a bit."""
FLOW = 0.03
"""Relative: the closed form knows neither voltage drops nor the losses that a unit carries."""


def all_substations(files: Path) -> dict[int, Substation]:
    return {number: build_cardiff(files, number) for number in recipe_numbers(files)}


@pytest.fixture(scope="module")
def substations(cardiff_files: Path) -> dict[int, Substation]:
    return all_substations(cardiff_files)


@pytest.fixture(scope="module")
def ties(cardiff_files: Path, substations: dict[int, Substation]) -> tuple[Tie, ...]:
    layouts = {number: each.layout for number, each in substations.items()}
    return read_ties(cardiff_files, layouts, read_kit(cardiff_files, 1).cables)


def part(number: int, substation: Substation) -> LinkedPart:
    return LinkedPart(number, substation.network, substation.homes)


def pair_of(tie: Tie, substations: dict[int, Substation], *, unbalanced: bool = True) -> LinkedPair:
    first, second = (part(number, substations[number]) for number in tie.substations)
    return LinkedPair(tie, first, second, unbalanced=unbalanced)


def some_powers(homes: int, times: int = 3) -> np.ndarray:
    return np.random.default_rng(5).uniform(-0.2, 0.4, (times, homes))


def faults_of(files: Path, substations: dict[int, Substation], folder: Path, text: str) -> str:
    (folder / "link_boxes.yaml").write_text(text, encoding="utf-8")
    layouts = {number: each.layout for number, each in substations.items()}
    with pytest.raises(GridError) as error:
        read_ties(folder, layouts, read_kit(files, 1).cables)
    return str(error.value)


def test_every_substation_has_a_tie(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    joined = {number for tie in ties for number in tie.substations}
    assert joined == set(substations) == {1, 2, 3, 4, 5, 6}


def test_ties_are_as_long_as_the_map_has_it(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    # The file says: 1.2 times the straight way, whose length the provenance has in whole metres.
    for tie in ties:
        at = [
            next(
                (bus.x_m, bus.y_m)
                for bus in substations[end.substation].network.buses
                if bus.name == end.bus
            )
            for end in tie.ends
        ]
        straight_m = np.hypot(at[0][0] - at[1][0], at[0][1] - at[1][1])
        assert tie.length_m == pytest.approx(1.2 * straight_m, abs=1.5)


def test_faults_of_a_file_come_together(
    cardiff_files: Path, substations: dict[int, Substation], tmp_path: Path
) -> None:
    text = """
ties:
  - {name: a, ends: [{substation: 9, bus: x}, {substation: 2, bus: west_99}],
     cable: silver, length_m: 10, provenance: test}
  - {name: a, ends: [{substation: 1, bus: h001}, {substation: 1, bus: east_46}],
     cable: main_95_al, length_m: 10, provenance: test}
"""
    message = faults_of(cardiff_files, substations, tmp_path, text)
    for piece in (
        "named 2 times",
        "found 9",
        "'west_99'",
        "west_01 to west_46",
        "silver",
        "both ends at substation 1",
        "'h001'; allowed: a low-voltage bus with three phases",
    ):
        assert piece in message


def test_a_file_of_the_wrong_shape_is_a_fault(
    cardiff_files: Path, substations: dict[int, Substation], tmp_path: Path
) -> None:
    assert "ties" in faults_of(cardiff_files, substations, tmp_path, "ties: []")
    assert "YAML" in faults_of(cardiff_files, substations, tmp_path, "ties: [")


def test_a_grid_without_link_boxes_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"no link_boxes\.yaml"):
        read_ties(tmp_path, {}, {})


def test_unknown_ties_are_named_with_those_there_are(ties: tuple[Tie, ...]) -> None:
    with pytest.raises(GridError, match="one_seven; allowed: one of one_two, two_three"):
        chosen_ties(ties, ["one_two", "one_seven"])
    with pytest.raises(GridError, match="at least one"):
        chosen_ties(ties, [])
    assert chosen_ties(ties, None) == ties
    assert chosen_ties(ties, ["one_four"])[0].name == "one_four"


@pytest.mark.parametrize("unbalanced", [True, False])
def test_with_the_tie_open_nothing_changes(
    ties: tuple[Tie, ...], substations: dict[int, Substation], *, unbalanced: bool
) -> None:
    tie = ties[0]
    one, two = (substations[number] for number in tie.substations)
    p_kw = some_powers(len(one.homes) + len(two.homes))
    joint = pair_of(tie, substations, unbalanced=unbalanced).solve(
        LinkState.NORMAL, p_kw, 0.2 * p_kw
    )
    cut = len(one.homes)
    apart = [
        BatchPowerFlow(each, unbalanced=unbalanced).solve(p, 0.2 * p)
        for each, p in ((one, p_kw[:, :cut]), (two, p_kw[:, cut:]))
    ]
    together = sum(each.loss_kw for each in apart)
    np.testing.assert_allclose(joint.grid.loss_kw, together, rtol=0, atol=LOSS_KW)
    voltages = np.concatenate([each.vm_pu for each in apart], axis=1)
    np.testing.assert_allclose(joint.grid.vm_pu, voltages, rtol=0, atol=LOSS_KW)
    imports = np.stack([each.import_kw for each in apart], axis=1)
    np.testing.assert_allclose(joint.transformer_kw, imports, rtol=0, atol=BALANCE_KW)


@pytest.mark.parametrize("state", LINK_STATES)
def test_energy_balances_in_every_state(
    ties: tuple[Tie, ...], substations: dict[int, Substation], state: LinkState
) -> None:
    pair = pair_of(ties[0], substations)
    homes = len(pair.substations[state].homes)
    p_kw = 0.3 * some_powers(homes)
    flow = pair.solve(state, p_kw, 0.0 * p_kw)
    assert flow.grid.converged.all()
    drawn = p_kw.sum(axis=1) + flow.grid.loss_kw
    np.testing.assert_allclose(flow.grid.import_kw, drawn, rtol=0, atol=BALANCE_KW)
    np.testing.assert_allclose(flow.transformer_kw.sum(axis=1), drawn, rtol=0, atol=BALANCE_KW)
    off = state in (LinkState.FIRST_OFF, LinkState.SECOND_OFF)
    assert flow.transformer_kw.shape == (3, 1 if off else 2)
    assert flow.tie_kw.shape == (3, 0 if state is LinkState.NORMAL else 1)


def test_without_its_transformer_all_goes_over_the_tie(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    pair = pair_of(ties[0], substations)
    first = len(substations[ties[0].substations[0]].homes)
    p_kw = np.full((1, len(pair.substations[LinkState.TIED].homes)), 0.1)
    flow = pair.solve(LinkState.FIRST_OFF, p_kw, 0.0 * p_kw)
    # The first end of the tie receives what the first substation draws and what its lines lose.
    lost_kw = -flow.tie_kw[0, 0] - p_kw[:, :first].sum()
    assert 0.0 < lost_kw < flow.grid.loss_line_kw[0]


def test_a_power_that_is_no_number_is_not_solved(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    pair = pair_of(ties[0], substations)
    p_kw = np.full((2, len(pair.substations[LinkState.TIED].homes)), 0.1)
    p_kw[0, 0] = np.nan
    flow = pair.solve(LinkState.TIED, p_kw, 0.0 * p_kw)
    assert flow.grid.converged.tolist() == [False, True]
    assert np.isnan(flow.tie_kw[0]).all()
    assert np.isnan(flow.transformer_kw[0]).all()
    assert np.isfinite(flow.tie_kw[1]).all()


def gap_percent(files: Path, ties: tuple[Tie, ...], second: Substation) -> float:
    substations = {1: build_cardiff(files, 1), 2: second}
    pair = pair_of(ties[0], substations)
    p_kw = np.zeros((1, len(pair.substations[LinkState.NORMAL].homes)))
    return float(pair.solve(LinkState.NORMAL, p_kw, p_kw).gap_percent[0, 0])


def test_the_gap_across_an_open_tie_sees_taps_voltages_and_clocks(
    cardiff_files: Path, ties: tuple[Tie, ...]
) -> None:
    # Without load the secondary stands at 433/400 of nominal: 1.0825 pu.
    no_load_percent = 100.0 * 433.0 / 400.0
    alike = build_cardiff(cardiff_files, 2)
    assert gap_percent(cardiff_files, ties, alike) == pytest.approx(0.0, abs=PERCENT)
    tapped = build_cardiff(cardiff_files, 2, tap_pos=1)
    expected = no_load_percent * (1.0 - 1.0 / 1.025)
    assert gap_percent(cardiff_files, ties, tapped) == pytest.approx(expected, abs=PERCENT)
    low = build_cardiff(cardiff_files, 2, hv_vm_pu=0.97)
    expected = no_load_percent * 0.03
    assert gap_percent(cardiff_files, ties, low) == pytest.approx(expected, abs=PERCENT)
    # Dyn1 against Dyn11 is 60 degrees: the chord is as long as the radius.
    unit = replace(alike.network.transformers[0], vector_group=VectorGroup.parse("Dyn1"))
    turned = replace(alike, network=replace(alike.network, transformers=(unit,)))
    assert gap_percent(cardiff_files, ties, turned) == pytest.approx(no_load_percent, abs=PERCENT)


def test_substations_on_two_hv_grids_are_refused(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    second = substations[2].network
    buses = tuple(replace(bus, vn_kv=10.0) if bus.name == "hv" else bus for bus in second.buses)
    other = LinkedPart(2, replace(second, buses=buses), substations[2].homes)
    with pytest.raises(GridError, match="one HV grid"):
        LinkedPair(ties[0], part(1, substations[1]), other, unbalanced=False)


def test_a_substation_switched_off_without_a_tie_is_an_island(
    substations: dict[int, Substation],
) -> None:
    parts = [part(1, substations[1]), part(2, substations[2])]
    with pytest.raises(GridError, match="no way to a source"):
        join_substations(parts, (), off=[1])


def test_three_substations_in_a_chain(
    ties: tuple[Tie, ...], substations: dict[int, Substation]
) -> None:
    parts = [part(number, substations[number]) for number in (1, 2, 3)]
    joint = join_substations(parts, ties[:2], off=[2])
    p_kw = np.full((1, len(joint.homes)), 0.1)
    state = BatchPowerFlow(joint, unbalanced=True).solve(p_kw, 0.0 * p_kw)
    assert state.converged.all()
    assert len(joint.network.transformers) == 2
    balance = state.import_kw - p_kw.sum() - state.loss_kw
    np.testing.assert_allclose(balance, 0.0, atol=BALANCE_KW)


def unit_of(substation: Substation) -> Transformer:
    return substation.network.transformers[0]


def test_break_even_of_two_equal_units_is_the_closed_form(
    substations: dict[int, Substation],
) -> None:
    unit = unit_of(substations[1])
    # 500 kVA: 0.68 kW of iron, 1.02 % of 500 kVA in copper.
    expected = sqrt(0.68 / (2.0 * 0.0102 * 500.0))
    assert break_even_loading(unit, unit) == pytest.approx(expected, abs=1e-12)


def test_at_the_break_even_of_unlike_units_nothing_is_saved(
    substations: dict[int, Substation],
) -> None:
    for off, on in ((1, 2), (2, 1), (3, 6)):
        units = unit_of(substations[off]), unit_of(substations[on])
        even = break_even_loading(*units)
        load = [np.array([0.9, 1.0, 1.1]) * even * unit.sn_kva for unit in units]
        saved = transformer_saving_kw(*units, *load)
        assert saved[0] > 0.0 > saved[2]
        assert saved[1] == pytest.approx(0.0, abs=1e-12)


def test_a_unit_worse_than_the_two_together_is_always_better_off() -> None:
    bad = Transformer(
        "bad", "hv", "lv", 100, 100, 11, 0.4, VectorGroup.parse("Dyn11"), 4.0, 4.0, 0.5, 0.0
    )
    good = replace(bad, sn_kva=1000.0, vkr_percent=0.5)
    assert break_even_loading(bad, good) == inf


@pytest.mark.parametrize(("share", "saves"), [(1.0 - FLOW, True), (1.0 + FLOW, False)])
def test_the_flow_breaks_even_where_the_closed_form_does(
    substations: dict[int, Substation], ties: tuple[Tie, ...], share: float, *, saves: bool
) -> None:
    """Two equal units, homes at the busbars, and a tie from busbar to busbar without losses."""
    network = substations[1].network
    homes = [Connection("home", "lv", "abc")]
    cable = ties[0].cable.model_copy(update={"r1_ohm_per_km": 1e-6, "x1_ohm_per_km": 1e-6})
    ends = tuple(
        end.model_copy(update={"substation": number, "bus": "lv"})
        for number, end in zip((1, 2), ties[0].ends, strict=True)
    )
    tie = Tie("bar", (ends[0], ends[1]), cable, 1.0)
    pair = LinkedPair(
        tie, LinkedPart(1, network, homes), LinkedPart(2, network, homes), unbalanced=False
    )
    unit = network.transformers[0]
    p_kw = np.full((1, 2), share * break_even_loading(unit, unit) * unit.sn_kva)
    normal, off = (
        pair.solve(state, p_kw, 0.0 * p_kw).grid.loss_kw[0]
        for state in (LinkState.NORMAL, LinkState.FIRST_OFF)
    )
    assert bool(off < normal) is saves
