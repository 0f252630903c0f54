"""Blocks of homes: levels side by side, the unmanaged day, cycles across midnight."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    InterruptibleLoad,
    PvPlant,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.plan import Measurements, Setpoints
from mas2sim.plant import SimulatedBlock, reference_days
from tests.plant.samples import DAY, any_setpoints, some_home

ROUNDING = 1e-9
"""Sums of 96 products of a few kW."""


def full_home() -> Home:
    sun = np.maximum(0.0, np.sin((DAY.start_hours - 6) / 12 * np.pi))
    return Home(
        "full",
        3000.0,
        np.full(DAY.ptus, 0.3),
        appliances=(Appliance("washer", (0.7, 0.8, 0.9), 94, 80, 20),),
        ev=ElectricVehicle(3.6, 24.0, 0.9, 76, 30, 7.0),
        battery=Battery(7.0, 3.0, 0.95, 0.95),
        pv=PvPlant(3.5, 35.0, 180.0, -3.0 * sun),
        owns=frozenset({"washer", "ev", "battery", "pv"}),
        offered=frozenset({"washer", "ev", "battery"}),
    )


def plain_home() -> Home:
    return Home("plain", 3000.0, np.linspace(0.1, 0.9, DAY.ptus))


@dataclass(frozen=True)
class LivedDay:
    """What a block measured, by quantity of `Measurements`, PTUs last; and its run-in's answer."""

    at_midnight_kwh: np.ndarray
    measured: dict[str, np.ndarray]


def live(homes: list[Home], references: tuple[ReferenceDay, ...], schedule: np.ndarray) -> LivedDay:
    block = SimulatedBlock(homes, references, DAY, levels=len(schedule))
    at_midnight_kwh = block.run_in(schedule)
    day = [block.step(ptu, Setpoints(schedule[:, :, ptu])) for ptu in range(DAY.ptus)]
    return LivedDay(
        at_midnight_kwh,
        {
            field.name: np.stack([getattr(measured, field.name) for measured in day], axis=-1)
            for field in fields(Measurements)
        },
    )


def test_the_reference_day_delivers_every_service() -> None:
    home = full_home()
    (reference,) = reference_days([home], DAY)
    hours = DAY.ptu_hours
    assert reference.device_kw["washer"].sum() * hours == pytest.approx(2.4 * hours)
    assert reference.device_kw["washer"][[94, 95, 0]] == pytest.approx([0.7, 0.8, 0.9])
    assert reference.device_kw["ev"].sum() * hours == pytest.approx(7.0 / 0.9)
    assert reference.device_kw["ev"][76] == 3.6
    parts = home.fixed_kw + sum(reference.device_kw.values())
    np.testing.assert_allclose(reference.net_kw, parts, atol=ROUNDING)


def blocks(seed: int, levels: int) -> tuple[list[Home], tuple[ReferenceDay, ...], np.ndarray]:
    rng = np.random.default_rng(seed)
    homes = [some_home(rng, f"home_{k}") for k in range(5)]
    devices = sum(len(home.flexible_devices) for home in homes)
    return homes, reference_days(homes, DAY), any_setpoints(rng, levels, devices)


SEEDS = st.integers(0, 2**32)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_without_setpoints_homes_live_their_reference_day(seed: int) -> None:
    homes, references, schedule = blocks(seed, levels=1)
    lived = live(homes, references, np.full_like(schedule, np.nan))
    net_kw = np.array([reference.net_kw for reference in references])
    np.testing.assert_array_equal(lived.measured["p_kw"][0], net_kw)
    rows = [values for reference in references for values in reference.device_kw.values()]
    device_kw = np.array(rows).reshape(-1, DAY.ptus)
    np.testing.assert_array_equal(lived.measured["device_kw"][0], device_kw)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_levels_do_not_touch_each_other(seed: int) -> None:
    homes, references, schedule = blocks(seed, levels=3)
    together = live(homes, references, schedule)
    for level in range(3):
        alone = live(homes, references, schedule[[level]])
        np.testing.assert_array_equal(together.at_midnight_kwh[[level]], alone.at_midnight_kwh)
        for quantity, values in alone.measured.items():
            np.testing.assert_array_equal(together.measured[quantity][[level]], values)


@given(seed=SEEDS, some=st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True))
@settings(max_examples=20, deadline=None)
def test_a_home_lives_the_same_in_any_block(seed: int, some: list[int]) -> None:
    homes, references, schedule = blocks(seed, levels=2)
    together = live(homes, references, schedule)
    of_home = np.repeat(np.arange(5), [len(home.flexible_devices) for home in homes])
    devices = np.concatenate([np.flatnonzero(of_home == home) for home in some])
    chosen = [homes[home] for home in some]
    for home, alone in zip(some, reference_days(chosen, DAY), strict=True):
        assert references[home].net_kw.tobytes() == alone.net_kw.tobytes()
        assert references[home].battery_start_kwh == alone.battery_start_kwh
        assert references[home].heat_start_kwh == alone.heat_start_kwh
    apart = live(chosen, tuple(references[home] for home in some), schedule[:, devices])
    np.testing.assert_array_equal(together.at_midnight_kwh[:, devices], apart.at_midnight_kwh)
    for quantity, values in apart.measured.items():
        places = some if quantity in ("p_kw", "q_kvar") else devices
        np.testing.assert_array_equal(together.measured[quantity][:, places], values)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_powers_add_up_and_states_keep_their_bounds(seed: int) -> None:
    homes, references, schedule = blocks(seed, levels=1)
    lived = live(homes, references, schedule)
    p_kw, q_kvar, device_kw, stored_kwh = (
        lived.measured[name][0] for name in ("p_kw", "q_kvar", "device_kw", "stored_kwh")
    )
    place = 0
    for k, home in enumerate(homes):
        net_kw, load_kw = home.fixed_kw.copy(), home.base_kw.copy()
        for device in home.flexible_devices:
            net_kw += device_kw[place]
            if isinstance(device, Battery | ElectricVehicle):
                here = stored_kwh[place][~np.isnan(stored_kwh[place])]
                least_kwh = device.reserve_kwh if isinstance(device, Battery) else 0.0
                assert here.min(initial=least_kwh) >= least_kwh - ROUNDING
                assert here.max(initial=0.0) <= device.capacity_kwh + ROUNDING
            else:
                load_kw += device_kw[place]
                assert device_kw[place].min() >= 0.0
            place += 1
        np.testing.assert_allclose(p_kw[k], net_kw, atol=ROUNDING)
        np.testing.assert_allclose(q_kvar[k], load_kw * home.reactive_per_active, atol=ROUNDING)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_stored_energy_ends_the_reference_day_as_it_began(seed: int) -> None:
    homes, references, _ = blocks(seed, levels=1)
    devices = [device for home in homes for device in home.flexible_devices]
    lived = live(homes, references, np.full((1, len(devices), DAY.ptus), np.nan))
    stored = [k for k, device in enumerate(devices) if isinstance(device, Battery | Heater)]
    np.testing.assert_allclose(
        lived.measured["stored_kwh"][0, stored, -1],
        lived.at_midnight_kwh[0, stored],
        atol=ROUNDING,
    )


@pytest.mark.parametrize("homes", [[], [plain_home()], [plain_home(), plain_home()]])
def test_blocks_without_homes_or_devices(homes: list[Home]) -> None:
    references = reference_days(homes, DAY)
    lived = live(homes, references, np.empty((2, 0, DAY.ptus)))
    assert lived.at_midnight_kwh.shape == (2, 0)
    assert lived.measured["p_kw"].shape == (2, len(homes), DAY.ptus)
    for home, reference, p_kw in zip(homes, references, lived.measured["p_kw"][0], strict=True):
        np.testing.assert_array_equal(reference.net_kw, home.base_kw)
        np.testing.assert_array_equal(p_kw, home.base_kw)


def test_what_does_not_fit_the_block_is_refused() -> None:
    """Before it reaches machine code, which would read beside its arrays."""
    homes = [full_home()]
    block = SimulatedBlock(homes, reference_days(homes, DAY), DAY, levels=1)
    for ptu in (-1, DAY.ptus):
        with pytest.raises(IndexError, match="of a day of 96"):
            block.step(ptu, Setpoints(np.zeros((1, 3))))
    with pytest.raises(ValueError, match="broadcast"):
        block.step(0, Setpoints(np.zeros((1, 4))))
    with pytest.raises(ValueError, match="broadcast"):
        block.run_in(np.zeros((1, 4, DAY.ptus)))
    cut = InterruptibleLoad(np.ones(24), 1, 1, 0.3)
    with pytest.raises(ValueError, match="reshape"):
        reference_days([replace(plain_home(), interruptible=cut)], DAY)


def test_a_battery_answers_to_all_else_in_its_home() -> None:
    """At PTU 76: 0.3 kW of base, the vehicle's 2 kW and the cycle's 0.7 kW; no sun."""
    homes = [plain_home(), full_home()]
    start = ReferenceDay(np.zeros(DAY.ptus), battery_start_kwh=5.0)
    block = SimulatedBlock(homes, [start, start], DAY, levels=1)
    measured = block.step(76, Setpoints(np.array([[1.0, 2.0, np.nan]])))
    assert measured.device_kw[0] == pytest.approx([0.7, 2.0, -3.0])
    assert measured.p_kw[0, 1] == pytest.approx(0.0, abs=ROUNDING)


def test_storages_begin_the_day_after_its_run_in_as_the_reference_says() -> None:
    homes = [full_home()]
    start = ReferenceDay(np.zeros(DAY.ptus), battery_start_kwh=5.0)
    block = SimulatedBlock(homes, [start], DAY, levels=1)
    emptied = np.zeros((1, 3, DAY.ptus))
    emptied[0, 2] = -3.0
    assert block.run_in(emptied)[0, 2] == 5.0
    assert block.step(0, Setpoints(np.zeros((1, 3)))).stored_kwh[0, 2] == 5.0


def test_nobody_knows_what_is_stored_in_a_vehicle_while_it_is_away() -> None:
    home = full_home()
    block = SimulatedBlock([home], reference_days([home], DAY), DAY, levels=1)
    stored_kwh = [
        block.step(ptu, Setpoints(np.full((1, 3), np.nan))).stored_kwh[0] for ptu in range(DAY.ptus)
    ]
    assert np.isnan([kwh[1] for kwh in stored_kwh]).tolist() == [30 <= k < 76 for k in range(96)]
    assert np.isnan([kwh[0] for kwh in stored_kwh]).all()


def test_reactive_power_comes_from_loads_alone() -> None:
    """0.3 kW of base at 0.97: 0.3 x tan(acos 0.97) kvar, whatever PV and storages do."""
    homes = [full_home()]
    block = SimulatedBlock(homes, reference_days(homes, DAY), DAY, levels=1)
    measured = block.step(48, Setpoints(np.array([[0.0, 0.0, 0.0]])))
    assert measured.q_kvar[0, 0] == pytest.approx(0.3 * np.tan(np.arccos(0.97)))


def test_messages_cannot_be_changed_afterwards() -> None:
    homes = [plain_home()]
    block = SimulatedBlock(homes, reference_days(homes, DAY), DAY, levels=1)
    measured = block.step(0, Setpoints(np.empty((1, 0))))
    with pytest.raises(ValueError, match="read-only"):
        measured.p_kw[0, 0] = 1.0
