"""Physical steps of appliances, vehicles and batteries against hand calculations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    HeatStore,
    InterruptibleLoad,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.appliances import IDLE, ApplianceFleet
from mas2sim.plant.batteries import BatteryFleet
from mas2sim.plant.heaters import HeaterFleet
from mas2sim.plant.interruptible_loads import InterruptibleFleet
from mas2sim.plant.vehicles import VehicleFleet

DAY = Horizon()
OWN_RULE = np.array([[np.nan]])
ROUNDING_KWH = 1e-9
"""Sums of 96 products of a few kWh."""


def test_an_appliance_runs_its_cycle_to_the_end_and_only_once() -> None:
    fleet = ApplianceFleet.of([Appliance("washer", (0.7, 0.8), 94, 90, 2)])
    position = np.array([[IDLE]])
    powers = []
    for ptu in range(90, 96):
        position, power_kw = fleet.step(position, ptu, OWN_RULE)
        powers.append(float(power_kw[0, 0]))
    assert powers == [0, 0, 0, 0, 0.7, 0.8]


def test_a_setpoint_begins_a_cycle_and_a_running_one_is_not_interrupted() -> None:
    fleet = ApplianceFleet.of([Appliance("washer", (1.0, 2.0, 3.0), 50, 0, 0)])
    position = np.array([[IDLE]])
    powers = []
    for setpoint in (1.0, 1.0, 0.0, 0.0):
        position, power_kw = fleet.step(position, 10, np.array([[setpoint]]))
        powers.append(float(power_kw[0, 0]))
    assert powers == [1, 2, 3, 0]


def vehicle() -> ElectricVehicle:
    return ElectricVehicle(4.0, 30.0, 0.9, arrival=80, departure=20, driven_kwh=3.0)


def test_a_vehicle_charges_on_arrival_until_full() -> None:
    """3 kWh at 0.9 and 4 kW: 0.9 kWh a PTU, so three full PTUs and a third of one."""
    fleet = VehicleFleet.of([vehicle()], DAY)
    stored = np.array([[30.0]])
    powers = []
    for ptu in range(78, 86):
        stored, power_kw = fleet.step(stored, ptu, OWN_RULE)
        powers.append(float(power_kw[0, 0]))
    assert powers == pytest.approx([0, 0, 4, 4, 4, 4 / 3, 0, 0])
    assert stored[0, 0] == pytest.approx(30.0, abs=ROUNDING_KWH)


@pytest.mark.parametrize(
    ("ptu", "setpoint", "power"), [(80, 9.0, 4.0), (80, -2.0, 0.0), (40, 4.0, 0.0)]
)
def test_a_charger_keeps_its_limits(ptu: int, setpoint: float, power: float) -> None:
    _, power_kw = VehicleFleet.of([vehicle()], DAY).step(
        np.array([[20.0]]), ptu, np.array([[setpoint]])
    )
    assert power_kw[0, 0] == power


def battery(**changes: float) -> Battery:
    return Battery(
        **{
            "capacity_kwh": 7.0,
            "power_kw": 3.0,
            "charge_efficiency": 0.9,
            "discharge_efficiency": 0.8,
            **changes,
        }
    )


def test_a_battery_follows_surplus_and_need_of_its_home() -> None:
    """2 kW of surplus stores 2 x 0.9 / 4 = 0.45 kWh; 1 kW of need takes 1 / 0.8 / 4 = 0.3125."""
    fleet = BatteryFleet.of([battery()], DAY)
    stored, power_kw = fleet.step(np.array([[1.0]]), OWN_RULE, np.array([[-2.0]]))
    assert (stored[0, 0], power_kw[0, 0]) == (1.45, 2.0)
    stored, power_kw = fleet.step(np.array([[1.0]]), OWN_RULE, np.array([[1.0]]))
    assert (stored[0, 0], power_kw[0, 0]) == (0.6875, -1.0)


@pytest.mark.parametrize(
    ("stored", "setpoint", "power"),
    [
        (3.0, 9.0, 3.0),  # the inverter
        (6.91, 3.0, 0.4),  # 0.09 kWh of room / 0.9 x 4
        (0.3, -3.0, -0.96),  # 0.3 kWh x 0.8 x 4
        (3.0, -9.0, -3.0),
    ],
)
def test_a_battery_keeps_its_limits(stored: float, setpoint: float, power: float) -> None:
    fleet = BatteryFleet.of([battery()], DAY)
    _, power_kw = fleet.step(np.array([[stored]]), np.array([[setpoint]]), np.array([[0.0]]))
    assert power_kw[0, 0] == pytest.approx(power)


def day_end(fleet: BatteryFleet, stored: np.ndarray, net_kw: np.ndarray) -> np.ndarray:
    for ptu in range(net_kw.shape[1]):
        stored, _ = fleet.step(stored, np.full_like(stored, np.nan), net_kw[:, ptu])
    return stored


@given(
    surplus=st.lists(st.floats(-5, 5), min_size=96, max_size=96),
    capacity=st.floats(0.5, 20),
    loss=st.sampled_from([0.0, 0.01]),
)
def test_the_day_of_own_surplus_ends_as_it_began(
    surplus: list[float], capacity: float, loss: float
) -> None:
    reserve = 0.2 * capacity
    fleet = BatteryFleet.of(
        [battery(capacity_kwh=capacity, reserve_kwh=reserve, standing_loss_per_hour=loss)], DAY
    )
    net_kw = np.array([surplus])
    start = fleet.periodic_start_kwh(net_kw)
    assert day_end(fleet, start, net_kw) == pytest.approx(start, abs=ROUNDING_KWH)
    assert reserve - ROUNDING_KWH <= start[0] <= capacity + ROUNDING_KWH


def test_a_vehicle_delivers_down_to_its_reserve() -> None:
    """10 kWh above the reserve at 0.8 gives 8 kWh: 32 kW for a quarter hour, 3 kW at most."""
    car = ElectricVehicle(
        4.0, 30.0, 0.9, 80, 20, 3.0, discharge_kw=3.0, discharge_efficiency=0.8, reserve_kwh=20.0
    )
    fleet = VehicleFleet.of([car], DAY)
    stored, power_kw = fleet.step(np.array([[30.0]]), 90, np.array([[-9.0]]))
    assert power_kw[0, 0] == -3.0
    assert stored[0, 0] == pytest.approx(30 - 3 / 0.8 / 4)
    _, power_kw = fleet.step(np.array([[20.3]]), 90, np.array([[-9.0]]))
    assert power_kw[0, 0] == pytest.approx(-0.3 * 0.8 * 4)


def heater(**changes: object) -> Heater:
    """A building of 180 W/K and 40 h at 5 C outdoors."""
    day = np.ones(DAY.ptus)
    store = HeatStore(7.2, 0.18, 5.0 * day, 0.0 * day, 17.0 * day, 22.0 * day)
    return Heater("heat_pump", 3.0, 2.5 * day, store, 20.0 * day)


def test_a_thermostat_holds_its_temperature() -> None:
    """0.18 kW/K x 15 K = 2.7 kW of heat, 1.08 kW of power at 2.5."""
    fleet = HeaterFleet.of([heater()], DAY)
    start = fleet.periodic_start_kwh()
    assert start == pytest.approx([7.2 * 20])
    stored, power_kw = fleet.step(np.array([start]), 0, OWN_RULE)
    assert power_kw[0, 0] == pytest.approx(1.08)
    assert stored[0, 0] == pytest.approx(7.2 * 20)


def test_a_building_cools_as_the_exponential_says() -> None:
    """Without heat for a day: 5 + 15 exp(-24 / 40) C."""
    fleet = HeaterFleet.of([heater()], DAY)
    stored = np.array([[7.2 * 20.0]])
    for ptu in range(DAY.ptus):
        stored, power_kw = fleet.step(stored, ptu, np.array([[0.0]]))
        assert power_kw[0, 0] == 0
    assert stored[0, 0] / 7.2 == pytest.approx(5 + 15 * np.exp(-24 / 40))


def test_a_thermostat_that_never_reaches_its_temperature_still_has_a_periodic_state() -> None:
    """1 kW x 2.5 all day holds 5 + 2.5 / 0.18 C, below the 20 C asked for."""
    weak = replace(heater(), power_kw=1.0)
    start = HeaterFleet.of([weak], DAY).periodic_start_kwh()
    assert start / 7.2 == pytest.approx([5 + 2.5 / 0.18])


def test_a_relay_protects_the_household() -> None:
    """Two cuts of two PTUs at most: a third PTU runs, and so does a third cut."""
    load = InterruptibleLoad(
        np.full(DAY.ptus, 2.0), longest_cut=2, cuts=2, discomfort_eur_per_kwh=0.3
    )
    fleet = InterruptibleFleet.of([load], DAY)
    cut, left = np.zeros((1, 1), dtype=int), np.zeros((1, 1), dtype=int)
    powers = []
    for ptu in range(9):
        cut, left, power_kw = fleet.step(cut, left, ptu, np.array([[1.0]]))
        powers.append(float(power_kw[0, 0]))
    assert powers == [0, 0, 2, 0, 0, 2, 2, 2, 2]
