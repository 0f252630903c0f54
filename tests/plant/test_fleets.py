"""Physical steps of appliances, vehicles and batteries against hand calculations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.device import Appliance, Battery, ElectricVehicle
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.appliances import IDLE, ApplianceFleet
from mas2sim.plant.batteries import BatteryFleet
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


@given(
    surplus=st.lists(st.floats(-5, 5), min_size=96, max_size=96),
    capacity=st.floats(0.5, 20),
    loss=st.sampled_from([0.0, 0.01]),
)
def test_the_day_of_own_surplus_ends_as_it_began(
    surplus: list[float], capacity: float, loss: float
) -> None:
    fleet = BatteryFleet.of([battery(capacity_kwh=capacity, standing_loss_per_hour=loss)], DAY)
    net_kw = np.array([surplus])
    start = fleet.periodic_start_kwh(net_kw)
    assert fleet.day_end_kwh(start, net_kw) == pytest.approx(start, abs=ROUNDING_KWH)
    assert -ROUNDING_KWH <= start[0] <= capacity + ROUNDING_KWH
