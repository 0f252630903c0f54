"""Devices: where a cycle may begin, what it draws, and how storages move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    HeatStore,
    InterruptibleLoad,
    MicroChp,
    WindTurbine,
)
from mas2sim.domain.horizon import Horizon

KWH = 1e-9
"""Rounding of a day's sum of numbers below 100."""
INTEGRATION_K = 1e-7
"""Error of the integration, at relative and absolute tolerances of 1e-10 a step."""
QUARTERS = Horizon()
HOURS = Horizon(60)
CYCLE_KW = (0.7, 0.7, 0.8, 0.8, 0.7, 0.7)
cycles = st.lists(st.floats(0.1, 3.0), min_size=1, max_size=12).map(tuple)
ptus = st.integers(0, QUARTERS.ptus - 1)


def washing_machine(window_start: int, window_end: int) -> Appliance:
    return Appliance("washing_machine", CYCLE_KW, window_start, window_start, window_end)


def test_cycle_ends_within_the_window() -> None:
    # 11:00-17:00 are PTUs 44 to 67; six PTUs long, the cycle begins at 62 (15:30) at the latest.
    starts = washing_machine(44, 68).starts(QUARTERS)

    assert starts.tolist() == list(range(44, 63))


def test_starts_wrap_midnight_in_the_order_of_the_window() -> None:
    # 22:45-00:45: eight PTUs, three starts.
    assert washing_machine(91, 3).starts(QUARTERS).tolist() == [91, 92, 93]
    # 23:45-01:45: the second start lies past midnight.
    assert washing_machine(95, 7).starts(QUARTERS).tolist() == [95, 0, 1]


def test_whole_day_allows_every_start() -> None:
    starts = washing_machine(40, 40).starts(QUARTERS)

    assert starts[0] == 40
    assert sorted(starts.tolist()) == list(range(96))


@pytest.mark.parametrize(("length", "starts"), [(5, []), (6, [10]), (7, [10, 11])])
def test_window_just_about_as_long_as_the_cycle(length: int, starts: list[int]) -> None:
    assert washing_machine(10, 10 + length).starts(QUARTERS).tolist() == starts


def test_profile_by_hand() -> None:
    profile = washing_machine(44, 68).profile_kw(60, QUARTERS)

    assert profile[60:66].tolist() == list(CYCLE_KW)
    assert np.flatnonzero(profile).tolist() == list(range(60, 66))
    assert profile.sum() * QUARTERS.ptu_hours == pytest.approx(1.1, abs=KWH)


def test_profile_wraps_midnight() -> None:
    profile = Appliance("tumble_dryer", (1.0, 2.0, 3.0), 0, 0, 0).profile_kw(23, HOURS)

    assert profile[[23, 0, 1]].tolist() == [1.0, 2.0, 3.0]
    assert profile.sum() == 6.0


@given(cycles, ptus, ptus)
def test_every_allowed_cycle_lies_in_its_window(
    cycle_kw: tuple[float, ...], window_start: int, window_end: int
) -> None:
    assume(window_start != window_end)  # the whole day holds any cycle
    appliance = Appliance("any", cycle_kw, window_start, window_start, window_end)
    inside = QUARTERS.mask(window_start, window_end)

    for start in appliance.starts(QUARTERS):
        profile = appliance.profile_kw(int(start), QUARTERS)
        assert not profile[~inside].any()
        assert profile.sum() == pytest.approx(sum(cycle_kw), abs=KWH)


@given(cycles, ptus, ptus)
def test_no_start_is_left_out(
    cycle_kw: tuple[float, ...], window_start: int, window_end: int
) -> None:
    assume(window_start != window_end)
    appliance = Appliance("any", cycle_kw, window_start, window_start, window_end)
    window = QUARTERS.window(window_start, window_end).tolist()
    runs = [window[at : at + len(cycle_kw)] for at in range(len(window))]

    fitting = [run[0] for run in runs if len(run) == len(cycle_kw)]

    assert appliance.starts(QUARTERS).tolist() == fitting


def test_vehicle_draws_more_than_it_drives() -> None:
    ev = ElectricVehicle(3.6, 24.0, 0.9, 72, 28, 7.2)

    assert ev.drawn_kwh == pytest.approx(8.0, abs=KWH)


def test_vehicle_is_connected_over_night() -> None:
    # 18:00 to 07:00.
    connected = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 7.0).connected(HOURS)

    assert np.flatnonzero(~connected).tolist() == list(range(7, 18))


@pytest.mark.parametrize("horizon", [QUARTERS, Horizon(30), HOURS])
def test_vehicle_stores_what_it_draws_less_losses(horizon: Horizon) -> None:
    step = ElectricVehicle(3.6, 24.0, 0.9, 0, 0, 7.0).transition(horizon)

    assert step.keep == 1.0
    assert step.charge_kwh_per_kw == pytest.approx(0.9 * horizon.ptu_hours, abs=KWH)
    assert step.discharge_kwh_per_kw == 0.0


def test_vehicle_to_home_takes_out_more_than_it_delivers() -> None:
    # A quarter of an hour: 1 kW delivered at 80 % takes 0.25 / 0.8 kWh.
    ev = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 7.0, discharge_kw=3.0, discharge_efficiency=0.8)

    assert ev.transition(QUARTERS).discharge_kwh_per_kw == pytest.approx(0.3125, abs=KWH)
    assert ev.transition(QUARTERS).charge_kwh_per_kw == pytest.approx(0.225, abs=KWH)
    assert ev.arrival_kwh == pytest.approx(17.0, abs=KWH)


def test_battery_transition_by_hand() -> None:
    # A quarter of an hour: 1 kW drawn stores 0.25 x 0.9 kWh, 1 kW delivered takes 0.25 / 0.8 kWh,
    # and of 1 % an hour the fourth root is kept.
    step = Battery(7.0, 3.0, 0.9, 0.8, standing_loss_per_hour=0.01).transition(QUARTERS)

    assert step.charge_kwh_per_kw == pytest.approx(0.225, abs=KWH)
    assert step.discharge_kwh_per_kw == pytest.approx(0.3125, abs=KWH)
    assert step.keep**4 == pytest.approx(0.99, abs=KWH)


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_standing_loss_of_a_day_does_not_depend_on_the_ptu(minutes: int) -> None:
    horizon = Horizon(minutes)
    step = Battery(7.0, 3.0, 0.9, 0.8, standing_loss_per_hour=0.01).transition(horizon)

    assert step.keep**horizon.ptus == pytest.approx(0.99**24, abs=KWH)


@given(st.floats(0.5, 1.0), st.floats(0.5, 1.0))
def test_round_trip_returns_the_product_of_the_efficiencies(
    charge: float, discharge: float
) -> None:
    step = Battery(7.0, 3.0, charge, discharge).transition(QUARTERS)

    round_trip = step.charge_kwh_per_kw / step.discharge_kwh_per_kw

    assert round_trip == pytest.approx(charge * discharge, abs=KWH)


def heater(
    capacity_kwh_per_k: float = 7.2,
    loss_kw_per_k: float = 0.18,
    surroundings_c: float = 5.0,
    draw_kw: float = 0.0,
    ptus: int = 24,
) -> Heater:
    """A heat pump in a building, all the same all day."""
    constant = (np.full(ptus, value) for value in (surroundings_c, draw_kw, 17.0, 22.0))
    store = HeatStore(capacity_kwh_per_k, loss_kw_per_k, *constant)
    return Heater("heat_pump", 3.0, np.full(ptus, 2.5), store, np.full(ptus, 20.0))


def test_building_halves_its_distance_to_the_surroundings() -> None:
    # A loss of ln 2 times the capacity an hour; 1 kWh/K from 20 C towards 10 C: 15 C in an hour.
    step = heater(1.0, np.log(2), surroundings_c=10.0).transition(HOURS)

    assert step.keep == pytest.approx(0.5, abs=KWH)
    assert step.keep * 20.0 + step.inflow_kwh[0] == pytest.approx(15.0, abs=KWH)
    # Of the 2.5 kWh that 1 kW brings, (1 - 1/2) / ln 2 = 72 % are still there.
    assert step.heat_kwh_per_kw[0] == pytest.approx(2.5 * 0.5 / np.log(2), abs=KWH)


@given(
    st.floats(0.05, 20.0),
    st.floats(0.001, 0.5),
    st.floats(-10.0, 30.0),
    st.floats(0.0, 5.0),
    st.floats(0.0, 3.0),
    st.floats(5.0, 65.0),
)
def test_heat_moves_as_the_differential_equation_says(
    capacity: float, loss: float, around_c: float, draw_kw: float, power_kw: float, begin_c: float
) -> None:
    device = heater(capacity, loss, around_c, draw_kw, QUARTERS.ptus)
    step = device.transition(QUARTERS)
    heat_kwh = (
        step.keep * capacity * begin_c + step.inflow_kwh[0] + step.heat_kwh_per_kw[0] * power_kw
    )

    integrated = solve_ivp(
        lambda _, t: (2.5 * power_kw - draw_kw - loss * (t - around_c)) / capacity,
        (0.0, QUARTERS.ptu_hours),
        [begin_c],
        rtol=1e-10,
        atol=1e-10,
    )

    assert heat_kwh / capacity == pytest.approx(integrated.y[0, -1], abs=INTEGRATION_K)


@pytest.mark.parametrize("minutes", [5, 15, 30])
def test_heat_of_an_hour_does_not_depend_on_the_ptu(minutes: int) -> None:
    # Constant power and surroundings through the hour: exact whatever the step.
    horizon, power_kw = Horizon(minutes), 1.7
    device, hourly = heater(draw_kw=0.4, ptus=horizon.ptus), heater(draw_kw=0.4)
    step, long = device.transition(horizon), hourly.transition(HOURS)
    heat_kwh = 7.2 * 20.0
    for t in range(60 // minutes):
        heat_kwh = step.keep * heat_kwh + step.inflow_kwh[t] + step.heat_kwh_per_kw[t] * power_kw

    expected = long.keep * 144.0 + long.inflow_kwh[0] + long.heat_kwh_per_kw[0] * power_kw
    assert heat_kwh == pytest.approx(expected, abs=KWH)


def test_heater_that_makes_the_losses_good_keeps_its_temperature() -> None:
    # 0.18 kW/K x 15 K and a draw of 0.3 kW, at a performance of 2.5: 1.2 kW of power.
    step = heater(draw_kw=0.3).transition(QUARTERS)

    after = step.keep * 144.0 + step.inflow_kwh[0] + step.heat_kwh_per_kw[0] * 1.2

    assert after == pytest.approx(144.0, abs=KWH)


@pytest.mark.parametrize(
    "array",
    [
        heater().heat_per_power,
        heater().thermostat_c,
        heater().store.surroundings_c,
        heater().store.draw_kw,
        heater().store.lower_c,
        heater().store.upper_c,
        InterruptibleLoad(np.ones(24), 1, 1, 0.2).p_kw,
        WindTurbine(1.5, -np.ones(24)).p_kw,
        MicroChp(1.0, 6.0, -np.ones(24)).p_kw,
    ],
)
def test_profiles_of_devices_do_not_change(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0
