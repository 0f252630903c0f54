"""Devices: where a cycle may begin, what it draws, and how storages move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mas2sim.domain.device import Appliance, Battery, ElectricVehicle
from mas2sim.domain.horizon import Horizon

KWH = 1e-9
"""Rounding of a day's sum of numbers below 100."""
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
