"""Blocks of homes: levels side by side, the unmanaged day, cycles across midnight."""

import numpy as np
import pytest

from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, PvPlant
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Setpoints
from mas2sim.plant import SimulatedBlock, reference_days

DAY = Horizon()
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


def live(block: SimulatedBlock, schedule: np.ndarray) -> np.ndarray:
    block.run_in(schedule)
    day = [block.step(ptu, Setpoints(schedule[:, :, ptu])) for ptu in range(DAY.ptus)]
    return np.stack([measured.p_kw for measured in day], axis=-1)


def test_without_setpoints_homes_live_their_reference_day() -> None:
    homes = [plain_home(), full_home()]
    references = reference_days(homes, DAY)
    block = SimulatedBlock(homes, references, DAY, levels=1)
    net_kw = live(block, np.full((1, 3, DAY.ptus), np.nan))
    expected = np.array([reference.net_kw for reference in references])
    np.testing.assert_allclose(net_kw[0], expected, atol=ROUNDING)


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


def test_levels_do_not_touch_each_other() -> None:
    homes = [full_home()]
    references = reference_days(homes, DAY)
    rng = np.random.default_rng(3)
    schedule = np.where(
        rng.random((2, 3, DAY.ptus)) < 0.5, rng.uniform(-3, 3, (2, 3, DAY.ptus)), np.nan
    )
    together = live(SimulatedBlock(homes, references, DAY, levels=2), schedule)
    for level in range(2):
        alone = live(SimulatedBlock(homes, references, DAY, levels=1), schedule[[level]])
        np.testing.assert_array_equal(together[level], alone[0])


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
