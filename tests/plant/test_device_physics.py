"""Physical steps of devices against hand calculations, and the state in which a day begins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, InterruptibleLoad
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.block_arrays import BlockArrays
from mas2sim.plant.device_physics import periodic_start_kwh
from tests.plant.samples import DAY, OWN_RULE, Alone, battery, heater, home_of

ROUNDING_KWH = 1e-9
"""Sums of 96 products of a few kWh."""


def test_an_appliance_runs_its_cycle_to_the_end_and_only_once() -> None:
    washer = Alone(Appliance("washer", (0.7, 0.8), 94, 90, 2))
    assert [washer.step(ptu) for ptu in range(90, 96)] == [0, 0, 0, 0, 0.7, 0.8]
    assert washer.step(0) == 0


def test_a_setpoint_begins_a_cycle_and_a_running_one_is_not_interrupted() -> None:
    washer = Alone(Appliance("washer", (1.0, 2.0, 3.0), 50, 0, 0))
    assert [washer.step(10, setpoint) for setpoint in (1.0, 1.0, 0.0, 0.0)] == [1, 2, 3, 0]


def test_a_setpoint_of_zero_holds_back_the_asked_start() -> None:
    washer = Alone(Appliance("washer", (1.0,), 50, 0, 0))
    assert [washer.step(50, 0.0), washer.step(50)] == [0, 1]


def test_a_cycle_may_be_longer_than_the_day() -> None:
    """26 hours from 02:00: to 04:00 of the day after, in which it is asked for while it runs."""
    hours = Horizon(60)
    cycle_kw = tuple(float(place) for place in range(1, 27))
    home = Home("home", 0.0, np.zeros(24), appliances=(Appliance("oven", cycle_kw, 2, 0, 0),))
    block = BlockArrays.of([home], hours)
    state = block.at_midnight(np.zeros(1), levels=1)
    days_kw = [block.live(state, np.full((24, 1, 1), OWN_RULE)).p_kw for _ in range(2)]
    assert np.ravel(days_kw).tolist() == [0.0, 0.0, *cycle_kw, *[0.0] * 20]


def vehicle() -> ElectricVehicle:
    return ElectricVehicle(4.0, 30.0, 0.9, arrival=80, departure=20, driven_kwh=3.0)


def test_a_vehicle_charges_on_arrival_until_full() -> None:
    """3 kWh at 0.9 and 4 kW: 0.9 kWh a PTU, so three full PTUs and a third of one."""
    car = Alone(vehicle(), 30.0)
    powers = [car.step(ptu) for ptu in range(78, 86)]
    assert powers == pytest.approx([0, 0, 4, 4, 4, 4 / 3, 0, 0])
    assert car.stored_kwh == pytest.approx(30.0, abs=ROUNDING_KWH)


@pytest.mark.parametrize(
    ("ptu", "setpoint", "power"), [(80, 9.0, 4.0), (80, -2.0, 0.0), (40, 4.0, 0.0)]
)
def test_a_charger_keeps_its_limits(ptu: int, setpoint: float, power: float) -> None:
    assert Alone(vehicle(), 20.0).step(ptu, setpoint) == power


def test_a_vehicle_delivers_down_to_its_reserve() -> None:
    """10 kWh above the reserve at 0.8 gives 8 kWh: 32 kW for a quarter hour, 3 kW at most."""
    sizes = {"discharge_kw": 3.0, "discharge_efficiency": 0.8, "reserve_kwh": 20.0}
    full = Alone(ElectricVehicle(4.0, 30.0, 0.9, 80, 20, 3.0, **sizes), 30.0)
    assert full.step(90, -9.0) == -3.0
    assert full.stored_kwh == pytest.approx(30 - 3 / 0.8 / 4)
    low = Alone(ElectricVehicle(4.0, 30.0, 0.9, 80, 20, 3.0, **sizes), 20.3)
    assert low.step(90, -9.0) == pytest.approx(-0.3 * 0.8 * 4)


def test_a_vehicle_that_arrives_below_its_reserve_delivers_what_it_was_charged() -> None:
    """It comes with 10 of 30 kWh; of 4 kW x 0.9 for a quarter hour, 0.9 kWh, 0.8 come back."""
    car = Alone(
        ElectricVehicle(
            4.0, 30.0, 0.9, 80, 20, 20.0,
            discharge_kw=9.0, discharge_efficiency=0.8, reserve_kwh=20.0,
        ),
        30.0,
    )  # fmt: skip
    assert car.step(80, 4.0) == 4.0
    assert car.step(81, -9.0) == pytest.approx(-0.9 * 0.8 * 4)
    assert car.stored_kwh == pytest.approx(10.0, abs=ROUNDING_KWH)


def test_a_battery_follows_surplus_and_need_of_its_home() -> None:
    """2 kW of surplus stores 2 x 0.9 / 4 = 0.45 kWh; 1 kW of need takes 1 / 0.8 / 4 = 0.3125."""
    charging, delivering = Alone(battery(), 1.0), Alone(battery(), 1.0)
    assert charging.step(0, home_net_kw=-2.0) == 2.0
    assert delivering.step(0, home_net_kw=1.0) == -1.0
    assert (charging.stored_kwh, delivering.stored_kwh) == (1.45, 0.6875)


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
    assert Alone(battery(), stored).step(0, setpoint) == pytest.approx(power)


def test_a_battery_holds_its_reserve_against_standing_loss() -> None:
    """1 kWh loses 1 - 0.96^(1/4) in a quarter hour, which is drawn again at 0.9."""
    leaky = Alone(battery(reserve_kwh=1.0, standing_loss_per_hour=0.04), 1.0)
    assert leaky.step(0, 0.0) == pytest.approx((1 - 0.96**0.25) / 0.9 * 4)
    assert leaky.stored_kwh == pytest.approx(1.0, abs=ROUNDING_KWH)


def battery_start_kwh(of: Battery, net_kw: np.ndarray) -> float:
    block = BlockArrays.of([home_of(of)], DAY)
    return float(periodic_start_kwh(block.devices[0], block.profiles, net_kw))


@given(
    surplus=st.lists(st.floats(-5, 5), min_size=96, max_size=96),
    capacity=st.floats(0.5, 20),
    loss=st.sampled_from([0.0, 0.01]),
)
@settings(deadline=None)
def test_the_day_of_own_surplus_ends_as_it_began(
    surplus: list[float], capacity: float, loss: float
) -> None:
    reserve = 0.2 * capacity
    of = battery(capacity_kwh=capacity, reserve_kwh=reserve, standing_loss_per_hour=loss)
    start = battery_start_kwh(of, np.array(surplus))
    living = Alone(of, start)
    for ptu, net_kw in enumerate(surplus):
        living.step(ptu, home_net_kw=net_kw)
    assert living.stored_kwh == pytest.approx(start, abs=ROUNDING_KWH)
    assert reserve - ROUNDING_KWH <= start <= capacity + ROUNDING_KWH


def test_a_battery_that_touches_no_bound_begins_where_surplus_and_loss_meet() -> None:
    """0.1 kW of surplus all day stores 0.0225 kWh a PTU: e = keep e + 0.0225."""
    start = battery_start_kwh(battery(standing_loss_per_hour=0.04), np.full(DAY.ptus, -0.1))
    assert start == pytest.approx(0.0225 / (1 - 0.96**0.25), abs=ROUNDING_KWH)


def heat_start_kwh(of: object) -> float:
    block = BlockArrays.of([home_of(of)], DAY)
    return float(periodic_start_kwh(block.devices[0], block.profiles, np.zeros(DAY.ptus)))


def test_a_thermostat_holds_its_temperature() -> None:
    """0.18 kW/K x 15 K = 2.7 kW of heat, 1.08 kW of power at 2.5."""
    start = heat_start_kwh(heater())
    assert start == pytest.approx(7.2 * 20)
    building = Alone(heater(), start)
    assert building.step(0) == pytest.approx(1.08)
    assert building.stored_kwh == pytest.approx(7.2 * 20)


def test_a_building_cools_as_the_exponential_says() -> None:
    """Without heat for a day: 5 + 15 exp(-24 / 40) C."""
    building = Alone(heater(), 7.2 * 20.0)
    assert [building.step(ptu, 0.0) for ptu in range(DAY.ptus)] == [0] * DAY.ptus
    assert building.stored_kwh / 7.2 == pytest.approx(5 + 15 * np.exp(-24 / 40))


def test_a_thermostat_that_never_reaches_its_temperature_still_has_a_periodic_state() -> None:
    """1 kW x 2.5 all day holds 5 + 2.5 / 0.18 C, below the 20 C asked for."""
    assert heat_start_kwh(heater(power_kw=1.0)) / 7.2 == pytest.approx(5 + 2.5 / 0.18)


def test_a_relay_protects_the_household() -> None:
    """Two cuts of two PTUs at most: a third PTU runs, and so does a third cut."""
    load = InterruptibleLoad(
        np.full(DAY.ptus, 2.0), longest_cut=2, cuts=2, discomfort_eur_per_kwh=0.3
    )
    relay = Alone(load)
    assert [relay.step(ptu, 1.0) for ptu in range(9)] == [0, 0, 2, 0, 0, 2, 2, 2, 2]
    # The next day it may be cut again.
    assert [relay.step(ptu, 1.0) for ptu in (0, 1, 2)] == [0, 0, 2]
    assert relay.step(3, OWN_RULE) == 2
    # A cut that lasts at midnight is counted from there.
    assert [relay.step(ptu, 1.0) for ptu in (94, 95, 0, 1, 2)] == [0, 0, 0, 0, 2]
