"""A flow that remembers gives what one without a memory gives, and solves each time once."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import GridState, PowerFlow
from mas2sim.grid import Substation, power_flow
from mas2sim.grid.flow_memory import FlowMemory


@pytest.fixture(scope="module")
def engine(cardiff: Substation) -> PowerFlow:
    return power_flow(cardiff, unbalanced=True)


def powers(homes: int, *scales: float) -> tuple[np.ndarray, np.ndarray]:
    p_kw = np.array([scale * (1.0 + 0.01 * np.arange(homes)) for scale in scales])
    p_kw = p_kw.reshape(-1, homes)
    return p_kw, 0.25 * p_kw


def same(one: GridState, other: GridState) -> bool:
    return all(
        np.array_equal(
            getattr(one, field.name),
            getattr(other, field.name),
            equal_nan=field.name != "converged",
        )
        for field in fields(GridState)
    )


@settings(max_examples=20, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.1, np.nan]), max_size=6),
        min_size=1,
        max_size=5,
    ),
    most=st.integers(1, 5),
)
def test_same_states_whatever_is_remembered(
    engine: PowerFlow, batches: list[list[float]], most: int
) -> None:
    memory = FlowMemory(engine, most)
    for batch in batches:
        p_kw, q_kvar = powers(len(engine.layout.home_bus), *batch)
        assert same(memory.solve(p_kw, q_kvar), engine.solve(p_kw, q_kvar))


def test_each_time_is_solved_once(engine: PowerFlow) -> None:
    memory = FlowMemory(engine, 4)
    homes = len(engine.layout.home_bus)
    memory.solve(*powers(homes, 0.2, 0.5, 0.2))
    assert (memory.asked, memory.solved) == (3, 2)
    memory.solve(*powers(homes, 0.5, 0.8, 0.2))
    assert (memory.asked, memory.solved) == (6, 3)
    # Two more push the oldest two out.
    memory.solve(*powers(homes, 0.9, 1.0))
    memory.solve(*powers(homes, 0.8))
    assert memory.solved == 5
    memory.solve(*powers(homes, 0.2))
    assert memory.solved == 6


def test_a_state_is_its_readers_own(engine: PowerFlow) -> None:
    memory = FlowMemory(engine)
    given = powers(len(engine.layout.home_bus), 0.4)
    first = memory.solve(*given)
    first.import_kw[:] = 0.0
    assert same(memory.solve(*given), engine.solve(*given))


def test_one_bit_makes_another_time(engine: PowerFlow) -> None:
    memory = FlowMemory(engine)
    p_kw, q_kvar = powers(len(engine.layout.home_bus), 0.4)
    memory.solve(p_kw, q_kvar)
    other = p_kw.copy()
    other[0, 3] = np.nextafter(other[0, 3], 1.0)
    memory.solve(other, q_kvar)
    assert memory.solved == 2


def test_balanced_flows_have_no_unbalance(cardiff: Substation) -> None:
    engine = power_flow(cardiff, unbalanced=False)
    memory = FlowMemory(engine)
    given = powers(len(engine.layout.home_bus), 0.4, 0.5)
    memory.solve(*given)
    assert same(memory.solve(*given), engine.solve(*given))


def test_shapes_that_do_not_fit_are_refused_as_without(engine: PowerFlow) -> None:
    with pytest.raises(GridError):
        FlowMemory(engine).solve(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(GridError):
        FlowMemory(engine).solve(np.zeros(3), np.zeros(3))
