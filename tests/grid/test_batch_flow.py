from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import Bus, GridState
from mas2sim.grid import (
    BatchPowerFlow,
    Connection,
    FixedLoad,
    Line,
    Network,
    Source,
    Substation,
    Transformer,
    VectorGroup,
    connect,
    power_flow,
)

BALANCE = 1e-6
"""Contract: import = homes + losses to 1e-6 of the import, or of 1 kW where less is drawn."""

CLOSED_FORM_PU = 1e-9
"""The engine stops when voltages move by 1e-10 pu; the closed form is exact."""

SAME_PU = 1e-9
"""Two solutions of one problem, each within 1e-10 pu."""

SAME_LOSS = 1e-7
"""Relative; losses go with the square of small voltage differences."""


def powers(times: int, homes: int, *, seed: int = 1) -> tuple[FloatArray, FloatArray]:
    """Some import, some export, some reactive power."""
    rng = np.random.default_rng(seed)
    p_kw = rng.gamma(1.0, 1.5, (times, homes)) - 4.0 * (rng.random((times, homes)) < 0.15)
    return p_kw, rng.normal(0.2, 0.2, (times, homes))


def balance_error(state: GridState, p_kw: FloatArray) -> FloatArray:
    drawn = np.maximum(np.abs(state.import_kw), 1.0)
    return np.abs(state.import_kw - p_kw.sum(axis=1) - state.loss_kw) / drawn


@pytest.mark.parametrize("unbalanced", [False, True])
def test_energy_balances_and_shapes_fit(cardiff: Substation, unbalanced: bool) -> None:
    p_kw, q_kvar = powers(24, 184)
    state = power_flow(cardiff, unbalanced=unbalanced).solve(p_kw, q_kvar)
    assert state.converged.all()
    assert state.vm_pu.shape == (24, 370, 3 if unbalanced else 1)
    assert state.loading_percent.shape == (24, 369)
    assert balance_error(state, p_kw).max() < BALANCE
    for loss in (state.loss_line_kw, state.loss_transformer_load_kw):
        assert (loss > 0).all()


@pytest.mark.parametrize("unbalanced", [False, True])
def test_a_batch_is_its_times_one_by_one(cardiff: Substation, unbalanced: bool) -> None:
    p_kw, q_kvar = powers(6, 184)
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    batch = flow.solve(p_kw, q_kvar)
    for time in (3, 0, 5):
        single = flow.solve(p_kw[time : time + 1], q_kvar[time : time + 1])
        for field in fields(GridState):
            whole, part = getattr(batch, field.name)[time], getattr(single, field.name)[0]
            np.testing.assert_array_equal(whole, part, err_msg=field.name)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_methods_agree(cardiff: Substation, unbalanced: bool) -> None:
    p_kw, q_kvar = powers(4, 184)
    one = BatchPowerFlow(cardiff, unbalanced=unbalanced).solve(p_kw, q_kvar)
    other = BatchPowerFlow(cardiff, unbalanced=unbalanced, method="newton_raphson")
    state = other.solve(p_kw, q_kvar)
    np.testing.assert_allclose(state.vm_pu, one.vm_pu, atol=SAME_PU)
    np.testing.assert_allclose(state.loss_kw, one.loss_kw, rtol=SAME_LOSS)


def cable(phase: str, *, loads: tuple[FixedLoad, ...] = ()) -> Substation:
    """300 m of cable behind a stiff source, and a home at its end."""
    network = Network(
        name="cable",
        buses=(Bus("source", 0.4, 0.0, 0.0), Bus("end", 0.4, 300.0, 0.0)),
        lines=(
            Line("cable", "source", "end", 300.0, 0.05, 0.022, 200.0, r0_ohm=0.17, x0_ohm=0.03),
        ),
        transformers=(),
        sources=(Source("source", 1.02),),
        loads=loads,
    )
    return connect(network, [Connection("home", "end", phase)])


@given(p_kw=st.floats(-40, 40), q_kvar=st.floats(-15, 15), phase=st.sampled_from("abc"))
@settings(deadline=None, max_examples=40)
def test_one_phase_load_on_a_cable_by_hand(p_kw: float, q_kvar: float, phase: str) -> None:
    """Current returns through the neutral: loop impedance (2 Z1 + Z0) / 3.

    With E the voltage of the source, U = |V| solves
    U^4 + (2 (RP + XQ) - E^2) U^2 + |Z|^2 |S|^2 = 0; the losses are R |S|^2 / U^2.
    """
    z_ohm = (2 * complex(0.05, 0.022) + complex(0.17, 0.03)) / 3
    base_v = 400 / np.sqrt(3)
    e_v, p_w, q_var = 1.02 * base_v, 1e3 * p_kw, 1e3 * q_kvar
    b = 2 * (z_ohm.real * p_w + z_ohm.imag * q_var) - e_v**2
    c = abs(z_ohm) ** 2 * (p_w**2 + q_var**2)
    u2 = (-b + np.sqrt(b * b - 4 * c)) / 2

    state = BatchPowerFlow(cable(phase), unbalanced=True).solve(
        np.array([[p_kw]]), np.array([[q_kvar]])
    )
    at = "abc".index(phase)
    assert state.vm_pu[0, 1, at] == pytest.approx(np.sqrt(u2) / base_v, abs=CLOSED_FORM_PU)
    loss_kw = z_ohm.real * (p_w**2 + q_var**2) / u2 / 1e3
    assert state.loss_line_kw[0] == pytest.approx(loss_kw, rel=SAME_LOSS, abs=CLOSED_FORM_PU)
    current_a = np.hypot(p_w, q_var) / np.sqrt(u2)
    loading = 100 * current_a / 200
    assert state.loading_percent[0, 0] == pytest.approx(loading, rel=SAME_LOSS, abs=1e-6)


def test_equal_phases_are_the_balanced_flow(cardiff: Substation) -> None:
    homes = tuple(replace(home, phase="abc") for home in cardiff.homes)
    even = connect(cardiff.network, homes)
    p_kw, q_kvar = powers(3, 184)
    one = BatchPowerFlow(even, unbalanced=True).solve(p_kw, q_kvar)
    balanced = BatchPowerFlow(cardiff, unbalanced=False).solve(p_kw, q_kvar)
    np.testing.assert_allclose(one.vm_pu, balanced.vm_pu.repeat(3, axis=2), atol=SAME_PU)
    np.testing.assert_allclose(one.loss_kw, balanced.loss_kw, rtol=SAME_LOSS)
    np.testing.assert_allclose(one.loading_percent, balanced.loading_percent, atol=1e-6)


def test_a_service_has_the_voltage_of_its_home_alone(cardiff: Substation) -> None:
    """The model's other phases rise behind the service's neutral; no wire is there to have them."""
    p_kw, q_kvar = powers(4, 184)
    vm_pu = BatchPowerFlow(cardiff, unbalanced=True).solve(p_kw, q_kvar).vm_pu
    known = np.isfinite(vm_pu)
    of_home = {home.bus: [phase in home.phase for phase in "abc"] for home in cardiff.homes}
    for index, bus in enumerate(cardiff.network.buses):
        expected = of_home.get(bus.name, [True, True, True])
        assert known[:, index].tolist() == [expected] * 4, bus.name

    balanced = BatchPowerFlow(cardiff, unbalanced=False).solve(p_kw, q_kvar).vm_pu
    assert np.isfinite(balanced).all()


def test_the_phases_that_a_service_lacks_are_the_ones_that_rise() -> None:
    """One home on phase a at the end of a service: what is kept is below the joint, by hand."""
    z_ohm, base_v = (2 * complex(0.02, 0.001) + complex(0.08, 0.001)) / 3, 400 / np.sqrt(3)
    network = Network(
        name="service",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in ("source", "joint", "end")),
        lines=(
            Line("main", "source", "joint", 1.0, 1e-6, 0.0, 200.0, 1e-6, 0.0, kind="main"),
            Line("service", "joint", "end", 20.0, 0.02, 0.001, 80.0, 0.08, 0.001, kind="service"),
        ),
        transformers=(),
        sources=(Source("source", 1.0),),
    )
    heavy = np.array([[15.0]])

    def volts(kind: str) -> FloatArray:
        lines = (network.lines[0], replace(network.lines[1], kind=kind))
        substation = connect(replace(network, lines=lines), [Connection("home", "end", "a")])
        state = BatchPowerFlow(substation, unbalanced=True).solve(heavy, 0.0 * heavy)
        return np.asarray(state.vm_pu[0, 2] * base_v)

    current_a = 15000.0 / base_v
    three_phase, single_phase = volts("main"), volts("service")
    assert three_phase[0] == pytest.approx(base_v - z_ohm.real * current_a, abs=0.5)
    assert (three_phase[1:] > base_v + 0.2).all()
    assert single_phase[0] == three_phase[0]
    assert np.isnan(single_phase[1:]).all()


def test_a_transformer_is_loaded_by_the_sum_of_its_phases_by_hand() -> None:
    """A load on one phase behind a delta draws in two phases of the HV side.

    The LV current I flows in one delta winding as I (Vn_LV / sqrt 3) / Vn_HV, and so in two lines,
    each at the source's phase voltage: S = 2 V I Vn_LV / (sqrt 3 Vn_HV), 1.15 times the load's own.
    """
    unit = Transformer(
        "unit", "hv", "lv", 100.0, 50.0, 11.0, 0.433, VectorGroup.parse("Dyn11"), 4.0, 1.2, 0.0, 0.0
    )
    network = Network(
        name="unit",
        buses=(Bus("hv", 11.0, 0.0, 0.0), Bus("lv", 0.4, 0.0, 0.0)),
        lines=(),
        transformers=(unit,),
        sources=(Source("hv", 1.0),),
    )
    substation = connect(network, [Connection("home", "lv", "b")])
    state = BatchPowerFlow(substation, unbalanced=True).solve(np.array([[20.0]]), np.array([[5.0]]))
    lv_v = state.vm_pu[0, 1, 1] * 400 / np.sqrt(3)
    current_a = 1e3 * np.hypot(20.0, 5.0) / lv_v
    hv_a = current_a * (433 / np.sqrt(3)) / 11000
    s_kva = 2 * (11000 / np.sqrt(3)) * hv_a / 1e3
    assert state.loading_percent[0, 0] == pytest.approx(100 * s_kva / 50, rel=SAME_LOSS)
    of_the_sum = 100 * np.hypot(state.import_kw[0], state.import_kvar[0]) / 50
    assert state.loading_percent[0, 0] > 1.1 * of_the_sum


def test_single_phase_homes_lose_more(cardiff: Substation) -> None:
    p_kw = np.ones((1, 184))
    unbalanced, balanced = (
        power_flow(cardiff, unbalanced=flag).solve(p_kw, 0.25 * p_kw) for flag in (True, False)
    )
    assert unbalanced.loss_line_kw[0] > balanced.loss_line_kw[0]


@pytest.mark.parametrize("unbalanced", [False, True])
def test_a_time_that_cannot_be_solved_leaves_the_others_alone(
    cardiff: Substation, unbalanced: bool
) -> None:
    p_kw, q_kvar = powers(5, 184)
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    good = flow.solve(p_kw, q_kvar)
    p_kw[2, 7] = 5000.0
    p_kw[3, 50] = np.inf
    q_kvar[4, 100] = np.nan
    state = flow.solve(p_kw, q_kvar)
    assert state.converged.tolist() == [True, True, False, False, False]
    for field in fields(GridState):
        if field.name == "converged":
            continue
        values = getattr(state, field.name)
        assert np.isnan(values[2:]).all(), field.name
        np.testing.assert_array_equal(values[:2], getattr(good, field.name)[:2], field.name)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_only_hopeless_times_and_no_times_at_all(cardiff: Substation, unbalanced: bool) -> None:
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    p_kw = np.repeat([[13.0], [15.0], [500.0], [1e6]], 184, axis=1)
    state = flow.solve(p_kw, 0.25 * p_kw)
    assert not state.converged.any()
    assert np.isnan(state.vm_pu).all()
    assert flow.solve(np.zeros((0, 184)), np.zeros((0, 184))).import_kw.shape == (0,)


@pytest.mark.parametrize("shape", [(184,), (3, 183), (2, 3, 184)])
def test_powers_of_the_wrong_shape_are_refused(cardiff: Substation, shape: tuple[int, ...]) -> None:
    with pytest.raises(GridError, match=r"\(time, 184\)"):
        power_flow(cardiff, unbalanced=False).solve(np.zeros(shape), np.zeros((3, 184)))


def test_fixed_loads_draw_at_all_times() -> None:
    fixed = FixedLoad("lamp", "end", "b", 12.0, 3.0)
    nothing, ours = np.zeros((2, 1)), np.full((2, 1), 12.0)
    with_lamp = BatchPowerFlow(cable("b", loads=(fixed,)), unbalanced=True).solve(nothing, nothing)
    by_home = BatchPowerFlow(cable("b"), unbalanced=True).solve(ours, 0.25 * ours)
    assert np.array_equal(with_lamp.vm_pu, by_home.vm_pu)
    assert with_lamp.import_kw[1] > 12.0


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.0, 3.0), unbalanced=st.booleans())
@settings(deadline=None, max_examples=25)
def test_losses_are_never_negative(
    cardiff: Substation, seed: int, scale: float, unbalanced: bool
) -> None:
    rng = np.random.default_rng(seed)
    p_kw = scale * rng.normal(0.0, 1.5, (2, 184))
    state = power_flow(cardiff, unbalanced=unbalanced).solve(p_kw, 0.3 * np.abs(p_kw))
    assert state.converged.all()
    assert balance_error(state, p_kw).max() < BALANCE
    assert (state.loss_line_kw >= 0).all()
    assert (state.loss_transformer_load_kw >= 0).all()
    assert (state.loss_transformer_no_load_kw > 0).all()
