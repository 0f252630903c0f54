"""Slopes of losses and voltages: by hand on one cable, on a plate of known slopes, on Cardiff."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import Branch, Bus, GridLayout, GridState, PowerFlow
from mas2sim.grid import BatchPowerFlow, Connection, Line, Network, Source, Substation, connect
from mas2sim.grid.sensitivity import (
    MARGIN_V,
    STEP_KW_PER_HOME,
    FeederVoltages,
    marginal_losses,
    voltage_sensitivity,
)

BAND_V = (216.2, 253.0)

BASE_V = 400.0 / np.sqrt(3.0)

SLOPE = 2e-7
"""[kW / kW] or [V / kW]: the bend of the third order at 50 W, and the engine's 1e-10 pu over it."""

CURVATURE = 1e-6
"""[1 / kW]: the engine's tolerance of the losses over the square of 50 W, a few times."""

STEP_SIZE = 2e-5
"""[kW / kW]: what a step five times smaller changes on a feeder, mostly the larger step's error."""

ONE_SIDED = 1e-3
"""Relative; the bend of the voltage over 100 W on one side only."""

ROUNDING = 1e-9
"""Relative; a linear plate leaves no more than rounding."""

BEND_V = 0.15
"""At a violation of up to 5 V the tangent misses the margin by 0.12 V: the voltage is no line."""


# One cable, by hand


def cable(phase: str) -> Substation:
    """300 m of service behind a stiff source, and a home at its end.

    An idle main beside it tells that the service is one, with no wires but those of its home.
    """
    service = Line("cable", "source", "end", 300.0, 0.05, 0.022, 200.0, 0.17, 0.03, kind="service")
    idle = Line("idle", "source", "spur", 1.0, 0.05, 0.022, 200.0, 0.17, 0.03, kind="main")
    network = Network(
        name="cable",
        buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in ("source", "end", "spur")),
        lines=(service, idle),
        transformers=(),
        sources=(Source("source", 1.02),),
    )
    return connect(network, [Connection("home", "end", phase)])


def by_hand(p_kw: complex, q_kvar: float, phase: str) -> tuple[complex, complex]:
    """Voltage [V] at the end and loss [kW], as functions that take complex steps.

    One phase alone sees the loop (2 Z1 + Z0) / 3; three in balance see Z1, each with a third. U^2
    solves U^4 + (2 (RP + XQ) - E^2) U^2 + |Z|^2 (P^2 + Q^2) = 0.
    """
    z1, z0 = complex(0.05, 0.022), complex(0.17, 0.03)
    wires, z_ohm = (3, z1) if phase == "abc" else (1, (2 * z1 + z0) / 3)
    p_w, q_var, e_v = 1e3 * p_kw / wires, 1e3 * q_kvar / wires, 1.02 * BASE_V
    b = 2 * (z_ohm.real * p_w + z_ohm.imag * q_var) - e_v**2
    s2 = p_w**2 + q_var**2
    u2 = (-b + (b * b - 4 * abs(z_ohm) ** 2 * s2) ** 0.5) / 2
    return u2**0.5, wires * z_ohm.real * s2 / u2 / 1e3


def slope_by_hand(p_kw: float, q_kvar: float, phase: str) -> tuple[float, float]:
    """Complex steps: derivatives to the last digit, with no difference of close numbers."""
    voltage, loss = by_hand(complex(p_kw, 1e-30), q_kvar, phase)
    return voltage.imag / 1e-30, loss.imag / 1e-30


@given(p_kw=st.floats(-30, 30), q_kvar=st.floats(-8, 8), phase=st.sampled_from(["a", "c", "abc"]))
@settings(deadline=None, max_examples=40)
def test_slopes_on_one_cable_are_those_by_hand(p_kw: float, q_kvar: float, phase: str) -> None:
    flow = BatchPowerFlow(cable(phase), unbalanced=True)
    p, q = np.array([[p_kw]]), np.array([[q_kvar]])
    v_per_kw, loss_per_kw = slope_by_hand(p_kw, q_kvar, phase)

    losses = marginal_losses(flow, p, q, [(0,)])
    assert losses.loss_kw[0] == pytest.approx(by_hand(p_kw, q_kvar, phase)[1].real, abs=SLOPE)
    assert losses.slope_kw_per_kw[0, 0] == pytest.approx(loss_per_kw, abs=SLOPE)
    bend = [slope_by_hand(p_kw + side, q_kvar, phase)[1] for side in (1e-4, -1e-4)]
    assert losses.curvature_per_kw[0, 0] == pytest.approx((bend[0] - bend[1]) / 2e-4, abs=CURVATURE)
    assert losses.curvature_per_kw[0, 0] > 0.0

    volts = voltage_sensitivity(flow, p, q, {"cable": (0,)}, BAND_V)
    assert volts.lowest_v[0, 0] == pytest.approx(by_hand(p_kw, q_kvar, phase)[0].real, rel=ROUNDING)
    assert volts.lowest_v_per_kw[0, 0] == pytest.approx(v_per_kw, rel=1e-5)
    assert volts.highest_v_per_kw[0, 0] == pytest.approx(v_per_kw, rel=1e-5)


# A plate whose voltages are lines: limits are then exact


PLATE = GridLayout(
    name="plate",
    buses=tuple(Bus(name, 0.4, 0.0, 0.0) for name in ("bar", "joint", "one", "two", "three")),
    branches=(
        Branch("main", "main", "bar", "joint", 300.0),
        *(Branch(name, "service", "joint", name, 100.0) for name in ("one", "two", "three")),
    ),
    home_bus=("one", "two", "three"),
    home_phase=("a", "b", "abc"),
)

TRUNK = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]

SLOPES = np.array(
    [
        [*TRUNK, [-0.2, 9.0, 9.0], [9.0, 0.05, 9.0], [-0.01, -0.01, -0.01]],
        [*TRUNK, [0.1, 9.0, 9.0], [9.0, -0.3, 9.0], [-0.01, -0.01, -0.01]],
        [*TRUNK, [0.0, 9.0, 9.0], [9.0, 0.0, 9.0], [-0.1, 1e-6, -0.05]],
    ]
)
"""What a kW of each home does at each bus and phase [V / kW].

The wild 9 is where no wire is; 1e-6 stands for what an engine's tolerance leaves of nothing.
"""


@dataclass
class Plate:
    """A flow made of lines, that counts its calls and fails above a power."""

    voltage_v: FloatArray = field(default_factory=lambda: np.full((5, 3), 240.0))
    fails_above_kw: float = np.inf
    layout: GridLayout = PLATE
    solved: list[FloatArray] = field(default_factory=list)

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        self.solved.append(p_kw)
        v = self.voltage_v + np.einsum("th,hbp->tbp", p_kw, SLOPES)
        converged = np.isfinite(p_kw).all(axis=1) & (p_kw.max(axis=1) <= self.fails_above_kw)
        loss = np.where(converged, 1.0 + 0.01 * p_kw.sum(axis=1) ** 2, np.nan)
        return GridState(
            vm_pu=np.where(converged[:, None, None], v / BASE_V, np.nan),
            unbalance_percent=np.full((len(p_kw), 5), np.nan),
            loading_percent=np.zeros((len(p_kw), 4)),
            import_kw=p_kw.sum(axis=1) + loss,
            import_kvar=np.zeros(len(p_kw)),
            loss_line_kw=loss,
            loss_transformer_load_kw=np.zeros(len(p_kw)),
            loss_transformer_no_load_kw=np.zeros(len(p_kw)),
            converged=converged,
        )


def on_plate(
    plate: PowerFlow,
    *p_kw: tuple[float, float, float],
    feeders: dict[str, tuple[int, ...]] | None = None,
    **options: float,
) -> FeederVoltages:
    p = np.array(p_kw)
    groups = feeders or {"one": (0,), "rest": (1, 2)}
    return voltage_sensitivity(plate, p, np.zeros_like(p), groups, BAND_V, **options)


def plate_at(**volts: float) -> Plate:
    """A plate at 240 V but for some places, such as ``one_a``, at no power."""
    voltage_v = np.full((5, 3), 240.0)
    for place, value in volts.items():
        bus, phase = place.split("_")
        voltage_v[[b.name for b in PLATE.buses].index(bus), "abc".index(phase)] = value
    return Plate(voltage_v)


def test_a_group_moves_by_the_size_of_its_homes_and_in_one_call() -> None:
    plate = Plate()
    p = np.array([[3.0, -1.0, 7.0], [0.0, 0.0, 2.0]])
    losses = marginal_losses(plate, p, np.zeros((2, 3)), [(0, 1), (2,)])
    (flows,) = plate.solved
    step = 2 * STEP_KW_PER_HOME
    first = p + step * np.array([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])
    second = p + STEP_KW_PER_HOME * np.array([0.0, 0.0, 1.0])
    expected = [p, first, 2 * p - first, second, 2 * p - second]
    np.testing.assert_allclose(flows, np.concatenate(expected), rtol=ROUNDING)
    total = p.sum(axis=1)
    np.testing.assert_allclose(losses.loss_kw, 1.0 + 0.01 * total**2)
    np.testing.assert_allclose(losses.slope_kw_per_kw, [0.02 * total] * 2, rtol=ROUNDING)
    np.testing.assert_allclose(losses.curvature_per_kw, np.full((2, 2), 0.02), rtol=1e-6)


def test_worst_voltages_leave_out_phases_that_are_not_there() -> None:
    volts = on_plate(plate_at(one_a=231.0, one_b=100.0, two_a=400.0, three_c=246.0), (0, 0, 0))
    assert volts.feeders == ("one", "rest")
    np.testing.assert_allclose(volts.lowest_v[:, 0], [231.0, 240.0])
    np.testing.assert_allclose(volts.highest_v[:, 0], [231.0, 246.0])
    np.testing.assert_allclose(volts.lowest_v_per_kw[0], [-0.2], rtol=1e-6)
    assert volts.kept.all()
    assert volts.solved.all()
    assert not volts.violated.any()


def test_a_low_voltage_limits_the_import() -> None:
    """10 kW put phase a at 215.2 V, 1 V below; 1.2 V at 0.2 V a kW are 6 kW."""
    volts = on_plate(plate_at(one_a=217.2), (10.0, 0.0, 0.0))
    assert volts.below_v[0, 0] == pytest.approx(1.0)
    assert volts.import_limit_kw[0, 0] == pytest.approx(4.0, rel=1e-6)
    assert volts.export_limit_kw[0, 0] == np.inf
    assert volts.violated[:, 0].tolist() == [True, False]
    assert volts.above_v.tolist() == [[0.0], [0.0]]
    wider = on_plate(plate_at(one_a=217.2), (10.0, 0.0, 0.0), margin_v=0.0)
    assert wider.import_limit_kw[0, 0] == pytest.approx(5.0, rel=1e-6)


def test_a_high_voltage_limits_the_export_or_asks_for_an_import() -> None:
    volts = on_plate(plate_at(one_a=252.0), (-10.0, 0.0, 0.0))
    assert volts.above_v[0, 0] == pytest.approx(1.0)
    assert volts.export_limit_kw[0, 0] == pytest.approx(4.0, rel=1e-6)
    assert volts.import_limit_kw[0, 0] == np.inf
    idle = on_plate(plate_at(one_a=253.4), (0.0, 0.0, 0.0))
    assert idle.export_limit_kw[0, 0] == pytest.approx(-3.0, rel=1e-6)


def test_an_import_on_one_phase_may_raise_another() -> None:
    """The neutral's shift: home two raises phase a of bus one, so a limit on import answers."""
    feeders = {"both": (0, 1)}
    volts = on_plate(plate_at(one_a=252.4), (0.0, 10.0, 0.0), feeders=feeders)
    assert volts.above_v[0, 0] == pytest.approx(0.4)
    assert volts.import_limit_kw[0, 0] == pytest.approx(10.0 - 0.6 / 0.1, rel=1e-6)


def test_the_place_that_leaves_the_band_first_need_not_be_the_worst_now() -> None:
    """Phase c is the lower one, but phase a falls twice as fast."""
    plate = plate_at(three_a=219.4, three_c=219.0)
    volts = on_plate(plate, (0.0, 0.0, 0.0), feeders={"end": (2,)}, reach_kw_per_home=100.0)
    assert volts.lowest_v_per_kw[0, 0] == pytest.approx(-0.05, rel=1e-6)
    assert volts.import_limit_kw[0, 0] == pytest.approx(30.0, rel=1e-6)


def test_only_violations_ask_for_a_change_and_far_limits_are_none() -> None:
    """Within the margin the limit is the present power; 5 kW away it is there within reach only."""
    near = on_plate(plate_at(one_a=218.3), (10.0, 0.0, 0.0))
    assert near.kept[0, 0]
    assert near.import_limit_kw[0, 0] == pytest.approx(10.0)
    away = plate_at(one_a=219.4)
    assert on_plate(away, (10.0, 0.0, 0.0)).import_limit_kw[0, 0] == np.inf
    wide = on_plate(away, (10.0, 0.0, 0.0), reach_kw_per_home=5.5)
    assert wide.import_limit_kw[0, 0] == pytest.approx(15.0, rel=1e-6)
    asked = on_plate(plate_at(one_a=217.2), (10.0, 0.0, 0.0), reach_kw_per_home=0.0)
    assert asked.import_limit_kw[0, 0] == pytest.approx(4.0, rel=1e-6)


def test_what_a_feeder_cannot_mend_is_said() -> None:
    """A voltage that it does not move has no limit; one too low beside one too high have both."""
    still = on_plate(plate_at(three_b=255.0), (0.0, 0.0, 0.0), feeders={"one": (0,), "end": (2,)})
    assert still.violated[1, 0]
    assert np.isinf([still.import_limit_kw[1, 0], still.export_limit_kw[1, 0]]).all()
    assert not still.contradictory.any()
    both = on_plate(plate_at(three_a=215.2, three_c=254.0), (0.0, 0.0, 0.0), feeders={"end": (2,)})
    assert both.contradictory.all()
    assert (both.below_v[0, 0], both.above_v[0, 0]) == pytest.approx((1.0, 1.0))


def test_what_was_not_solved_is_never_kept() -> None:
    """PTU 1 has no power, PTU 2 does not converge, PTU 3 only with more power does not."""
    plate = Plate(fails_above_kw=20.0)
    ptus = ((1.0, 1.0, 1.0), (1.0, np.nan, 1.0), (30.0, 1.0, 1.0), (20.0, 1.0, 1.0))
    volts = on_plate(plate, *ptus)
    assert volts.solved.tolist() == [[True, False, False, False], [True, False, False, True]]
    assert volts.kept.tolist() == [[True, False, False, True]] * 2
    assert not volts.violated.any()
    for name in ("net_kw", "lowest_v", "above_v", "import_limit_kw", "export_limit_kw"):
        assert np.isnan(getattr(volts, name)[:, 1:3]).all(), name
    assert np.isfinite(volts.net_kw[:, 3]).all()
    assert np.isnan(volts.export_limit_kw[0, 3])
    losses = marginal_losses(plate, np.array(ptus), np.zeros((4, 3)), [(0,), (1, 2)])
    assert losses.solved.tolist() == volts.solved.tolist()
    assert np.isnan(losses.loss_kw).tolist() == [False, True, True, False]


def test_no_feeders_and_no_ptus() -> None:
    plate = Plate()
    none = voltage_sensitivity(plate, np.zeros((5, 3)), np.zeros((5, 3)), {}, BAND_V)
    assert none.kept.shape == none.import_limit_kw.shape == (0, 5)
    assert marginal_losses(plate, np.zeros((5, 3)), np.zeros((5, 3)), []).solved.shape == (0, 5)
    empty = voltage_sensitivity(plate, np.zeros((0, 3)), np.zeros((0, 3)), {"one": (0,)}, BAND_V)
    assert empty.kept.shape == empty.import_limit_kw.shape == (1, 0)


def test_faults_of_groups_come_together() -> None:
    p = np.zeros((1, 3))
    with pytest.raises(GridError) as caught:
        marginal_losses(Plate(), p, p, [(0,), (), (0, 3), (1, 1)])
    assert [str(fault).split(";")[0] for fault in caught.value.faults] == [
        "group 1: found no homes",
        "group 2: found homes [3]",
        "group 3: found a home named twice",
    ]
    with pytest.raises(GridError, match=r"\(time, 3\)"):
        marginal_losses(Plate(), np.zeros((1, 2)), p, [(0,)])
    with pytest.raises(GridError, match="with a margin of 20 V"):
        on_plate(Plate(), (0.0, 0.0, 0.0), margin_v=20.0)


# Cardiff


def day(*, ptus: int = 6, scale: float = 1.0, seed: int = 3) -> tuple[FloatArray, FloatArray]:
    """Imports and some exports of 184 homes."""
    rng = np.random.default_rng(seed)
    p_kw = scale * rng.gamma(2.0, 0.5, (ptus, 184))
    exporting = rng.random((ptus, 184)) < 0.2
    return np.where(exporting, -2.0 * p_kw, p_kw), 0.25 * p_kw


@pytest.mark.parametrize("unbalanced", [False, True])
def test_marginal_losses_are_what_solving_again_gives(
    cardiff: Substation, unbalanced: bool
) -> None:
    """A smaller step, flow by flow, on the homes of one feeder."""
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    p, q = day()
    homes = np.arange(46, 92)
    losses = marginal_losses(flow, p, q, [tuple(homes)])
    assert losses.solved.all()
    for ptu in range(len(p)):
        size = abs(p[ptu, homes])
        more, less = p[ptu].copy(), p[ptu].copy()
        more[homes] += 0.5 * size / size.sum()
        less[homes] -= 0.5 * size / size.sum()
        up, down = (flow.solve(side[None], q[ptu : ptu + 1]).loss_kw[0] for side in (more, less))
        assert losses.slope_kw_per_kw[0, ptu] == pytest.approx(up - down, abs=STEP_SIZE)
        bend = (up - 2 * losses.loss_kw[ptu] + down) / 0.5**2
        assert losses.curvature_per_kw[0, ptu] == pytest.approx(bend, rel=1e-3)


def test_groups_add_up_to_a_change_of_all(cardiff: Substation) -> None:
    """The chain rule: a kW of all homes is each feeder's share of a kW of that feeder."""
    flow = BatchPowerFlow(cardiff, unbalanced=True)
    p, q = day()
    feeders = tuple(cardiff.layout.feeder_homes.values())
    losses = marginal_losses(flow, p, q, [*feeders, tuple(range(184))])
    size = np.array([abs(p[:, list(feeder)]).sum(axis=1) for feeder in feeders])
    summed = (losses.slope_kw_per_kw[:4] * size / size.sum(axis=0)).sum(axis=0)
    np.testing.assert_allclose(losses.slope_kw_per_kw[4], summed, atol=STEP_SIZE)


@pytest.mark.parametrize("unbalanced", [False, True])
def test_voltages_of_feeders_are_what_solving_again_gives(
    cardiff: Substation, unbalanced: bool
) -> None:
    """The worst of each feeder's homes, one by one, and where it goes with a kW more."""
    flow = BatchPowerFlow(cardiff, unbalanced=unbalanced)
    p, q = day(ptus=3)
    layout = cardiff.layout
    volts = voltage_sensitivity(flow, p, q, layout.feeder_homes, BAND_V)
    names = [bus.name for bus in layout.buses]
    state = flow.solve(p, q)
    for row, homes in enumerate(layout.feeder_homes.values()):
        at = [names.index(layout.home_bus[home]) for home in homes]
        phase = ["abc".index(layout.home_phase[home]) if unbalanced else 0 for home in homes]
        near = state.vm_pu[:, at, phase] * BASE_V
        np.testing.assert_allclose(volts.lowest_v[row], near.min(axis=1), rtol=ROUNDING)
        np.testing.assert_allclose(volts.highest_v[row], near.max(axis=1), rtol=ROUNDING)
        more = p.copy()
        size = abs(p[:, homes])
        more[:, homes] += 0.1 * size / size.sum(axis=1, keepdims=True)
        moved = (flow.solve(more, q).vm_pu[:, at, phase] * BASE_V - near) / 0.1
        worst = near.argmin(axis=1)
        moved = moved[np.arange(3), worst]
        np.testing.assert_allclose(volts.lowest_v_per_kw[row], moved, rtol=ONE_SIDED)


@pytest.mark.parametrize(("scale", "direction"), [(4.6, 1.0), (1.4, -1.0)])
def test_a_feeder_at_its_limit_is_back_in_the_band(
    cardiff: Substation, scale: float, direction: float
) -> None:
    """Too much import, too much export; each feeder moves alone, as its limit assumes."""
    flow = BatchPowerFlow(cardiff, unbalanced=True)
    feeders = cardiff.layout.feeder_homes
    p = direction * scale * np.random.default_rng(3).gamma(4.0, 0.25, (6, 184))
    q = 0.05 * abs(p)
    volts = voltage_sensitivity(flow, p, q, feeders, BAND_V)
    assert volts.violated.sum() >= 4
    limit_kw = volts.import_limit_kw if direction > 0 else -volts.export_limit_kw
    for row, homes in enumerate(feeders.values()):
        ptus = np.flatnonzero(volts.violated[row])
        part = p[np.ix_(ptus, homes)]
        there = p[ptus].copy()
        there[:, homes] = part * (limit_kw[row, ptus] / volts.net_kw[row, ptus])[:, None]
        after = voltage_sensitivity(flow, there, q[ptus], feeders, BAND_V)
        left_v = np.minimum(after.lowest_v[row] - BAND_V[0], BAND_V[1] - after.highest_v[row])
        assert (abs(left_v - MARGIN_V) < BEND_V).all()
        # The voltage bends down as power rises: the tangent errs on the safe side of export only.
        assert (direction * (MARGIN_V - left_v) > 0.0).all()
