"""Small networks that can be solved on paper, and the engine on them.

Two of them are what the figures of a study rest on: the rise of the voltage at a home that feeds in
on one phase, and the load at which one of two transformers may be switched off.
"""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.grid_state import Bus, GridState
from mas2sim.grid import (
    BatchPowerFlow,
    Connection,
    Line,
    Network,
    Source,
    Transformer,
    VectorGroup,
    connect,
)

HAND = 1e-6
"""Contract with hand calculations, relative; the engine stops within 1e-10 pu."""

IRON_KW, COPPER_KW, VK_PERCENT = 0.68, 5.1, 4.75
"""The 500 kVA unit of grids/cardiff/transformers.csv; copper loss is vkr of the rating."""

NOTHING_V, NOTHING_KW = 1e-7, 1e-9
"""What 1e-10 pu may leave of a drop or a loss that is nothing at all."""


def solve(
    network: Network,
    phase: str,
    p_kw: float,
    q_kvar: float = 0.0,
    method: str = "iterative_current",
) -> GridState:
    """One home at the last bus, phase by phase."""
    home = Connection("home", network.buses[-1].name, phase)
    flow = BatchPowerFlow(connect(network, [home]), unbalanced=True)
    state = flow.solve(np.array([[p_kw]]), np.array([[q_kvar]]))
    assert state.converged.all()
    return state


def receiving_v2(z_ohm: complex, e_v: float, p_w: float, q_var: float) -> float:
    """Square of the voltage behind an impedance that feeds a constant power.

    The larger root of U^4 + (2 (R P + X Q) - E^2) U^2 + |Z|^2 |S|^2 = 0.
    """
    b = 2 * (z_ohm.real * p_w + z_ohm.imag * q_var) - e_v**2
    c = abs(z_ohm) ** 2 * (p_w**2 + q_var**2)
    return (-b + sqrt(b * b - 4 * c)) / 2


@given(p_kw=st.floats(-120, 120), q_kvar=st.floats(-40, 40))
@settings(deadline=None, max_examples=30)
def test_drop_and_losses_of_a_line_in_balance(p_kw: float, q_kvar: float) -> None:
    z_ohm, e_v = complex(0.05, 0.022), 408.0
    network = Network(
        name="line",
        buses=(Bus("source", 0.4, 0.0, 0.0), Bus("end", 0.4, 300.0, 0.0)),
        lines=(Line("line", "source", "end", 300.0, z_ohm.real, z_ohm.imag, 200.0, 0.2, 0.03),),
        transformers=(),
        sources=(Source("source", e_v / 400),),
    )
    u2 = receiving_v2(z_ohm, e_v, 1e3 * p_kw, 1e3 * q_kvar)
    loss_kw = z_ohm.real * 1e3 * (p_kw**2 + q_kvar**2) / u2
    state = solve(network, "abc", p_kw, q_kvar)
    drop_v = e_v - 400 * state.vm_pu[0, 1]
    assert drop_v == pytest.approx(np.full(3, e_v - sqrt(u2)), rel=HAND, abs=NOTHING_V)
    assert state.loss_line_kw[0] == pytest.approx(loss_kw, rel=HAND, abs=NOTHING_KW)


def test_a_home_feeds_in_at_the_end_of_main_and_service() -> None:
    """3.5 kW on one phase through 300 m of 185 mm2 and 20 m of 35 mm2, the neutral and all.

    The loop impedance of a phase and its way back is (2 Z1 + Z0) / 3; the service's Z0 has R0 =
    R + 3 Rn with a neutral like its phase. Figures per km are those of grids/cardiff/cables.csv.
    At the joint the phases that carry nothing move by the neutral's share, (Z0 - Z1) I / 3.
    """
    main, main0 = 0.3 * complex(0.166, 0.068), 0.3 * complex(0.58, 0.078)
    service, service0 = 0.02 * complex(0.868, 0.077), 0.02 * complex(4 * 0.868, 0.077)
    network = Network(
        name="export",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in ("busbar", "joint", "home")),
        lines=tuple(
            Line(name, start, end, length_m, z.real, z.imag, rating_a, z0.real, z0.imag, kind=name)
            for name, start, end, length_m, rating_a, z, z0 in (
                ("main", "busbar", "joint", 300.0, 355.0, main, main0),
                ("service", "joint", "home", 20.0, 115.0, service, service0),
            )
        ),
        transformers=(),
        sources=(Source("busbar", 433 / 400),),
    )
    main_loop, service_loop = (2 * main + main0) / 3, (2 * service + service0) / 3
    loop, e_v, p_w = main_loop + service_loop, 433 / sqrt(3), -3500.0
    u_v = sqrt(receiving_v2(loop, e_v, p_w, 0.0))
    # With the home's voltage as the reference, the source is U + loop I, turned by some angle.
    current_a = p_w / u_v
    source_v = u_v + loop * current_a
    joint_v = source_v - main_loop * current_a
    turn = np.exp(2j * np.pi / 3)
    others_v = [abs(source_v * turn**k - (main0 - main) / 3 * current_a) for k in (-1, 1)]

    state = solve(network, "a", p_w / 1e3)
    volts = state.vm_pu[0] * 400 / sqrt(3)
    assert volts[2, 0] - e_v == pytest.approx(u_v - e_v, rel=HAND)
    assert volts[1, 0] - e_v == pytest.approx(abs(joint_v) - e_v, rel=HAND)
    assert volts[1, 1:] - e_v == pytest.approx(np.array(others_v) - e_v, rel=HAND)
    assert np.isnan(volts[2, 1:]).all()
    assert state.loss_line_kw[0] == pytest.approx(loop.real * current_a**2 / 1e3, rel=HAND)
    assert u_v - e_v == pytest.approx(1.75, abs=0.005)
    third = (main * current_a / 3, source_v - main * current_a / 3)
    unbalance = 100 * abs(third[0]) / abs(third[1])
    assert state.unbalance_percent[0, 1] == pytest.approx(unbalance, rel=HAND)
    assert np.isnan(state.unbalance_percent[0, 2])


def units(count: int, *, iron_kw: float, copper_kw: float, vk_percent: float) -> Network:
    """Transformers of 500 kVA side by side, without magnetising current."""
    unit = {
        "sn_kva": 500.0,
        "rating_kva": 500.0,
        "vn_hv_kv": 11.0,
        "vn_lv_kv": 0.433,
        "vk_percent": vk_percent,
        "vkr_percent": 100 * copper_kw / 500.0,
        "iron_kw": iron_kw,
        "i0_percent": 0.0,
    }
    group = VectorGroup.parse("Dyn11")
    return Network(
        name=f"{count} units",
        buses=(Bus("hv", 11.0, 0.0, 0.0), Bus("lv", 0.433, 0.0, 0.0)),
        lines=(),
        transformers=tuple(
            Transformer(f"unit {number}", "hv", "lv", vector_group=group, **unit)
            for number in range(count)
        ),
        sources=(Source("hv"),),
    )


def test_losses_of_one_unit_and_of_two_with_their_voltage_drop() -> None:
    """The whole pi model on paper: half of the iron loss at either end, as a conductance G / 2.

    With the load P at a power factor of one, the series impedance feeds P + (G / 2) U^2, so
    U^4 (1 + R G + |Z|^2 G^2 / 4) + U^2 (2 R P + |Z|^2 G P - E^2) + |Z|^2 P^2 = 0.
    """
    e_v, p_w = 433.0, 260e3
    for count in (1, 2):
        r_pu = COPPER_KW / 500.0
        x_pu = sqrt((VK_PERCENT / 100) ** 2 - r_pu**2)
        z_ohm = complex(r_pu, x_pu) * e_v**2 / 500e3 / count
        g = 1e3 * count * IRON_KW / e_v**2
        a = 1 + z_ohm.real * g + abs(z_ohm) ** 2 * g**2 / 4
        b = 2 * z_ohm.real * p_w + abs(z_ohm) ** 2 * g * p_w - e_v**2
        u2 = (-b + sqrt(b * b - 4 * a * abs(z_ohm) ** 2 * p_w**2)) / (2 * a)
        load_kw = z_ohm.real * (p_w + g / 2 * u2) ** 2 / u2 / 1e3
        no_load_kw = g / 2 * (e_v**2 + u2) / 1e3
        network = units(count, iron_kw=IRON_KW, copper_kw=COPPER_KW, vk_percent=VK_PERCENT)
        state = solve(network, "abc", p_w / 1e3)
        assert state.vm_pu[0, 1] == pytest.approx(np.full(3, sqrt(u2) / e_v), rel=HAND)
        assert state.loss_transformer_load_kw[0] == pytest.approx(load_kw, rel=HAND)
        assert state.loss_transformer_no_load_kw[0] == pytest.approx(no_load_kw, rel=HAND)


def saved_kw(loading: float, *, of_usual: float) -> float:
    """What switching one of two units off saves, with a share of the usual losses and impedance."""
    one, two = (
        solve(
            units(
                count,
                iron_kw=IRON_KW * of_usual,
                copper_kw=COPPER_KW * of_usual,
                vk_percent=VK_PERCENT * of_usual,
            ),
            "abc",
            loading * 1000.0,
        ).loss_kw[0]
        for count in (1, 2)
    )
    return float(two - one)


def test_where_switching_one_of_two_transformers_off_breaks_even() -> None:
    """At a loading of sqrt(iron / (2 copper)) of both, one unit loses what two do.

    One has iron + copper (2 x)^2, two have 2 iron + 2 copper x^2. That leaves out the voltage drop
    over the units and the current of their iron loss, which are of the size of the impedance and of
    the losses over the load. No net is without them, so they are made small, twice: with units of a
    hundredth and a two-hundredth of the usual losses and impedance, what they do falls by half,
    and the straight line through both ends in nothing.
    """
    loading = sqrt(IRON_KW / (2 * COPPER_KW))
    coarse, fine = (
        saved_kw(loading, of_usual=share) / (share * IRON_KW) for share in (0.01, 0.005)
    )
    assert loading == pytest.approx(0.2582, abs=1e-4)
    assert abs(fine) < abs(coarse) < 1e-3
    assert 2 * fine - coarse == pytest.approx(0.0, abs=HAND)


def test_the_break_even_of_usual_units_is_close_to_it() -> None:
    """What the formula leaves out moves it by less than one percent."""
    loading = sqrt(IRON_KW / (2 * COPPER_KW))
    assert saved_kw(0.99 * loading, of_usual=1.0) > 0.0 > saved_kw(1.01 * loading, of_usual=1.0)
