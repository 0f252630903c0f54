"""Voltage unbalance: the formula against phasors, and the engine against sequence impedances."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import Bus
from mas2sim.grid import (
    BatchPowerFlow,
    Connection,
    Line,
    Network,
    PandapowerFlow,
    Source,
    Substation,
    connect,
)
from mas2sim.grid.solution import unbalance_percent

ROUNDING_PERCENT = 1e-11
"""A few roundings of numbers near 1, in percent."""

HAND = 1e-6
"""Contract with hand calculations, relative."""

BALANCED_PERCENT = 1e-7
"""The engine leaves voltages within 1e-10 pu, 1e-8 %, of where they belong."""

TURN = np.exp(2j * np.pi / 3)


def of_phasors(*phasors: complex) -> float:
    values = np.array(phasors)
    return float(unbalance_percent(np.abs(values), np.angle(values)))


@given(
    negative=st.floats(0.0, 0.5),
    zero=st.floats(0.0, 0.5),
    angles=st.tuples(*(st.floats(-np.pi, np.pi),) * 3),
)
def test_sequences_put_together_are_found_again(
    negative: float, zero: float, angles: tuple[float, float, float]
) -> None:
    """Whatever the zero sequence, and however a transformer turns all phases."""
    one, two, none = (
        size * np.exp(1j * angle) for size, angle in zip((1.0, negative, zero), angles, strict=True)
    )
    phases = [none + one * TURN**-k + two * TURN**k for k in range(3)]
    assert of_phasors(*phases) == pytest.approx(100 * negative, rel=1e-9, abs=ROUNDING_PERCENT)


def test_one_voltage_too_low_by_hand() -> None:
    """Va = 1 - 3 d: V1 = 1 - d, V2 = -d."""
    assert of_phasors(0.94, TURN**-1, TURN) == pytest.approx(100 * 0.02 / 0.98)
    assert of_phasors(1.0, TURN**-1, TURN) == pytest.approx(0.0, abs=ROUNDING_PERCENT)


def mains(*homes: Connection) -> Substation:
    """300 m of cable with three phases behind a stiff source."""
    network = Network(
        name="mains",
        buses=(Bus("source", 0.4, 0.0, 0.0), Bus("end", 0.4, 300.0, 0.0)),
        lines=(
            Line("cable", "source", "end", 300.0, 0.05, 0.022, 200.0, r0_ohm=0.17, x0_ohm=0.03),
        ),
        transformers=(),
        sources=(Source("source", 1.02),),
    )
    return connect(network, homes)


@given(p_kw=st.floats(-25, 25), q_kvar=st.floats(-8, 8), phase=st.sampled_from("abc"))
@settings(deadline=None, max_examples=30)
def test_a_load_on_one_phase_by_hand(p_kw: float, q_kvar: float, phase: str) -> None:
    """A third of its current is of either sequence: V1 = E - Z1 I / 3 and V2 = - Z1 I / 3.

    The load's own voltage, E - (2 Z1 + Z0) I / 3, is the larger root of a quadratic equation.
    """
    z1_ohm, z0_ohm = complex(0.05, 0.022), complex(0.17, 0.03)
    loop_ohm = (2 * z1_ohm + z0_ohm) / 3
    e_v, s_va = 1.02 * 400 / np.sqrt(3), 1e3 * complex(p_kw, q_kvar)
    # E V* = |V|^2 + loop S*, with V = x + jy: y from the imaginary part, x from the real one.
    drop = loop_ohm * s_va.conjugate()
    y = -drop.imag / e_v
    x = (e_v + np.sqrt(e_v**2 - 4 * (y**2 + drop.real))) / 2
    current = (s_va / complex(x, -y).conjugate()).conjugate()
    third_v = z1_ohm * current / 3
    expected = 100 * abs(third_v) / abs(e_v - third_v)

    state = BatchPowerFlow(mains(Connection("home", "end", phase)), unbalanced=True).solve(
        np.array([[p_kw]]), np.array([[q_kvar]])
    )
    assert state.unbalance_percent[0, 0] == pytest.approx(0.0, abs=BALANCED_PERCENT)
    assert state.unbalance_percent[0, 1] == pytest.approx(expected, rel=HAND, abs=BALANCED_PERCENT)


def test_behind_a_delta_the_ratio_does_not_know_the_turn(cardiff: Substation) -> None:
    """Homes on all three phases alike leave no unbalance anywhere behind Dyn11."""
    even = connect(cardiff.network, tuple(replace(home, phase="abc") for home in cardiff.homes))
    p_kw = np.ones((1, 184))
    unbalance = BatchPowerFlow(even, unbalanced=True).solve(p_kw, 0.2 * p_kw).unbalance_percent
    assert unbalance.max() < BALANCED_PERCENT


def test_only_buses_with_three_phases_and_times_that_were_solved_have_one(
    cardiff: Substation,
) -> None:
    p_kw = np.array([[1.0], [2.0], [1e6]]) * np.ones(184)
    homes = (replace(cardiff.homes[0], phase="abc"), *cardiff.homes[1:])
    substation = connect(cardiff.network, homes)
    state = BatchPowerFlow(substation, unbalanced=True).solve(p_kw, 0.0 * p_kw)
    three = [phases == "abc" for phases in substation.layout.bus_phases]
    assert sum(three) == 370 - 183
    assert np.isfinite(state.unbalance_percent).tolist() == [three, three, [False] * 370]
    assert (state.unbalance_percent[1, three] >= 0).all()


def test_a_balanced_flow_says_nothing_about_it(cardiff: Substation) -> None:
    p_kw = np.ones((2, 184))
    for flow in (BatchPowerFlow(cardiff, unbalanced=False), PandapowerFlow(cardiff)):
        unbalance: FloatArray = flow.solve(p_kw, 0.0 * p_kw).unbalance_percent
        assert unbalance.shape == (2, 370)
        assert np.isnan(unbalance).all()
