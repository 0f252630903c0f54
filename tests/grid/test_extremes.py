"""Extremes of scenarios against the whole states; batches cut and shared out keep their bits."""

from dataclasses import fields, replace

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_extremes import NOWHERE, GridExtremes
from mas2sim.domain.grid_state import GridState
from mas2sim.grid import BatchPowerFlow, Substation, batch_flow

SCENARIOS, TIMES = 5, 4


@pytest.fixture(scope="module")
def powers() -> tuple[FloatArray, FloatArray]:
    """Imports, and a scenario with strong exports."""
    rng = np.random.default_rng(2)
    p_kw = rng.gamma(1.0, 1.5, (SCENARIOS, TIMES, 184))
    p_kw[1] -= 4.0
    return p_kw, rng.normal(0.2, 0.2, p_kw.shape)


def assert_same(one: object, other: object) -> None:
    assert type(one) is type(other)
    for field in fields(one):  # type: ignore[arg-type]
        np.testing.assert_array_equal(
            getattr(one, field.name), getattr(other, field.name), err_msg=field.name
        )


@pytest.mark.parametrize("unbalanced", [False, True])
def test_extremes_are_those_of_the_states(
    cardiff: Substation, powers: tuple[FloatArray, FloatArray], unbalanced: bool
) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    worst = flow.extremes(*powers)
    assert worst.converged.all()
    for number in range(SCENARIOS):
        state = flow.solve(powers[0][number], powers[1][number])
        volts = state.vm_pu[:, 1:]
        assert worst.low_pu[number] == np.nanmin(volts)
        assert worst.high_pu[number] == np.nanmax(volts)
        assert worst.line_loading_percent[number] == state.loading_percent[:, 1:].max()
        assert worst.transformer_loading_percent[number] == state.loading_percent[:, 0].max()
        assert worst.import_kw[number] == max(state.import_kw.max(), 0.0)
        assert worst.reverse_kw[number] == max(-state.import_kw.min(), 0.0)
        where = {
            "low_bus": (worst.low_pu, state.vm_pu),
            "high_bus": (worst.high_pu, state.vm_pu),
            "line": (worst.line_loading_percent, state.loading_percent),
            "transformer": (worst.transformer_loading_percent, state.loading_percent),
        }
        if unbalanced:
            assert worst.unbalance_percent[number] == np.nanmax(state.unbalance_percent)
            where["unbalance_bus"] = (worst.unbalance_percent, state.unbalance_percent)
        for name, (figure, values) in where.items():
            place = getattr(worst, name)[number]
            assert figure[number] in values[:, place], name
    assert worst.reverse_kw.tolist()[0] == 0.0 < worst.reverse_kw[1]
    if not unbalanced:
        assert np.isnan(worst.unbalance_percent).all()
        assert (worst.unbalance_bus == NOWHERE).all()


@pytest.mark.parametrize("unbalanced", [False, True])
def test_bits_depend_neither_on_cuts_nor_on_threads(
    cardiff: Substation,
    powers: tuple[FloatArray, FloatArray],
    unbalanced: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    times = [array.reshape(-1, 184) for array in powers]
    worst, state = flow.extremes(*powers), flow.solve(*times)
    both = BatchPowerFlow(cardiff, unbalanced=unbalanced, threads=2)
    assert_same(both.extremes(*powers), worst)
    assert_same(both.solve(*times), state)
    for size in (1, 7, 9):
        monkeypatch.setattr(batch_flow, "FLOWS_AT_ONCE", size)
        assert_same(flow.extremes(*powers), worst)
        assert_same(flow.solve(*times), state)


def test_a_scenario_with_an_unsolved_time_has_no_extremes(
    cardiff: Substation, powers: tuple[FloatArray, FloatArray]
) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=True)
    good = flow.extremes(*powers)
    p_kw = powers[0].copy()
    p_kw[2, 0, 7] = 5000.0
    p_kw[4, 1:3, 3] = np.nan
    worst = flow.extremes(p_kw, powers[1])
    assert worst.unsolved.tolist() == [0, 0, 1, 0, 2]
    assert worst.converged.tolist() == [True, True, False, True, False]
    for field in fields(GridExtremes):
        values, before = getattr(worst, field.name), getattr(good, field.name)
        if field.name == "unsolved":
            continue
        lost = values[[2, 4]]
        assert np.all(lost == NOWHERE) or np.isnan(lost).all(), field.name
        np.testing.assert_array_equal(values[[0, 1, 3]], before[[0, 1, 3]], field.name)


def test_a_network_without_a_transformer_has_no_loading_of_one(cardiff: Substation) -> None:
    """Nor has a part of no scenarios any."""
    flow = BatchPowerFlow(_busbar(cardiff), unbalanced=True)
    p_kw = np.ones((2, 3, 1))
    worst = flow.extremes(p_kw, 0.0 * p_kw)
    assert np.isnan(worst.transformer_loading_percent).all()
    assert worst.transformer.tolist() == [NOWHERE] * 2
    assert worst.line_loading_percent[0] > 0.0
    assert flow.extremes(p_kw[:0], p_kw[:0]).low_pu.shape == (0,)


def _busbar(cardiff: Substation) -> Substation:
    """A substation's first main and service behind a stiff low-voltage busbar."""
    from mas2sim.grid import Network, Source, connect

    home = cardiff.homes[0]
    lines = {line.to_bus: line for line in cardiff.network.lines}
    service = lines[home.bus]
    main = lines[service.from_bus]
    names = (main.from_bus, main.to_bus, home.bus)
    network = Network(
        name="busbar",
        buses=tuple(bus for bus in cardiff.network.buses if bus.name in names),
        lines=(main, service),
        transformers=(),
        sources=(Source(main.from_bus),),
    )
    return connect(network, [home])


def test_extremes_read_views_without_memory_of_their_own(cardiff: Substation) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=False)
    once = np.ones((1, 2, 184))
    many = np.broadcast_to(once, (3, 2, 184))
    assert_same(
        flow.extremes(many, 0.1 * many), flow.extremes(once.repeat(3, 0), 0.1 * once.repeat(3, 0))
    )


@pytest.mark.parametrize("shape", [(2, 184), (2, 3, 183), (2, 0, 184)])
def test_powers_of_the_wrong_shape_are_refused(cardiff: Substation, shape: tuple[int, ...]) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=False)
    with pytest.raises(GridError, match=r"\(scenario, time, 184\)"):
        flow.extremes(np.zeros(shape), np.zeros(shape))


def test_no_thread_is_refused(cardiff: Substation) -> None:
    with pytest.raises(GridError, match="threads"):
        BatchPowerFlow(cardiff, unbalanced=False, threads=0)


def test_parts_of_a_state_keep_its_unbalance(cardiff: Substation) -> None:
    p_kw = np.arange(3.0)[:, None] * np.ones(184)
    state = BatchPowerFlow(cardiff, unbalanced=True).solve(p_kw, 0.0 * p_kw)
    part = state.part(slice(1, 3))
    assert_same(part, replace(part))
    assert isinstance(part, GridState)
    np.testing.assert_array_equal(part.unbalance_percent, state.unbalance_percent[1:])
