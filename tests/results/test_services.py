"""Services by hand: what a vehicle, a cycle, a room and a load that is cut were to get, and got."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mas2sim.domain.device import Appliance
from mas2sim.domain.typical_day import Level
from mas2sim.results import CaseRecord, kpi_table
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.services import Services, services, services_by_home

H = 0.25
SUM_OF_96 = 1e-9
"""Sums of 96 doubles of the order of 100 in another order differ in the last digits only."""


@pytest.fixture
def record(toy: ModuleType) -> CaseRecord:
    made: CaseRecord = toy.synthetic_record((Level.UC1,))
    return made


def delivered(record: CaseRecord) -> Services:
    return services(CaseLevel(record, 0))


def with_stored(record: CaseRecord, home: int, name: str, values: dict[int, float]) -> CaseRecord:
    """The record with other energies in one device at some PTUs."""
    stored = record.stored_kwh.copy()
    for ptu, energy in values.items():
        stored[0, record.devices.index((home, name)), ptu] = energy
    return dataclasses.replace(record, stored_kwh=stored)


def with_power(record: CaseRecord, home: int, name: str, power: np.ndarray) -> CaseRecord:
    device = record.device_kw.copy()
    device[0, record.devices.index((home, name))] = power
    return dataclasses.replace(record, device_kw=device)


def with_window(record: CaseRecord, start: int, end: int) -> CaseRecord:
    """The record with another window for the washing machine of h1, whose cycle takes an hour."""
    first, *others = record.homes
    (washer,) = first.appliances
    washer = dataclasses.replace(washer, window_start=start, window_end=end)
    first = dataclasses.replace(first, appliances=(washer,))
    return dataclasses.replace(record, homes=(first, *others))


def began_at(record: CaseRecord, start: int) -> CaseRecord:
    (washer,) = record.homes[0].appliances
    return with_power(record, 0, "washing_machine", washer.profile_kw(start, record.horizon))


def test_all_is_delivered_but_what_was_cut(record: CaseRecord) -> None:
    found = delivered(record)
    # Three vehicles of 7.2 kWh, three cycles of 0.8 kWh, 0.4 kW all day.
    assert found.asked_kwh == pytest.approx(3 * 7.2 + 3 * 0.8 + 9.6)
    assert found.missing_kwh == found.cut_kwh == pytest.approx(0.4)
    assert found.discomfort_eur == pytest.approx(0.04)
    assert (found.missing_cycles, found.late_h, found.comfort_missed_kh) == (0, 0.0, 0.0)
    assert found.discomfort == pytest.approx(0.4 / 33.6)


def test_a_vehicle_lacks_what_it_leaves_without(record: CaseRecord) -> None:
    """It leaves at 07:00: the last PTU of the stay is the 28th of the day."""
    before = delivered(record).missing_kwh
    short = delivered(with_stored(record, 0, "ev", {27: 38.2}))
    assert short.missing_kwh - before == pytest.approx(1.8 / 0.9)
    assert delivered(with_stored(record, 0, "ev", {26: 38.2})).missing_kwh == before


def test_a_vehicle_that_drew_enough_but_delivered_too_much_is_short(record: CaseRecord) -> None:
    """What counts is the battery at departure, not the sum of the meter."""
    column = record.devices.index((3, "ev"))
    assert H * record.device_kw[0, column].sum() > 7.2
    short = delivered(with_stored(record, 3, "ev", {27: 31.0}))
    assert short.missing_kwh == pytest.approx(9.0 / 0.9 + 0.4)


def test_a_vehicle_not_recorded_is_unknown_not_served(record: CaseRecord) -> None:
    unknown = with_stored(record, 0, "ev", {27: math.nan})
    row = kpi_table(unknown).iloc[0]
    assert math.isnan(row["unserved_kwh"])
    assert math.isnan(row["discomfort"])
    assert row["cut_kwh"] == pytest.approx(0.4)


def test_a_cycle_not_run_shows(record: CaseRecord) -> None:
    idle = with_power(record, 0, "washing_machine", np.zeros(96))
    row = kpi_table(idle).iloc[0]
    assert row["unserved_cycles_count"] == 1
    assert row["unserved_kwh"] == pytest.approx(0.8 + 0.4)
    assert row["discomfort"] == pytest.approx(1.2 / 33.6)
    # Nobody limited the connection: that is recorded, not guessed from what is missing.
    assert row["curtailed_kwh"] == 0.0


@pytest.mark.parametrize(
    ("window", "start", "late_h"),
    [
        ((40, 56), 40, 0.0),
        ((40, 56), 52, 0.0),  # ends with its window
        ((40, 56), 53, 0.25),
        ((40, 56), 60, 2.0),
        ((40, 56), 38, 0.0),  # early, which is not late
        ((90, 6), 1, 0.0),  # a window over midnight
        ((90, 6), 4, 0.5),
        ((80, 92), 92, 1.0),  # ends at midnight
        ((80, 94), 94, 1.0),  # ends after midnight
        ((40, 42), 40, 0.5),  # a window shorter than the cycle
        ((40, 40), 38, 0.0),  # the whole day
    ],
)
def test_a_cycle_is_late_by_what_ends_after_its_window(
    record: CaseRecord, window: tuple[int, int], start: int, late_h: float
) -> None:
    late = with_window(began_at(record, start), *window)
    assert delivered(late).late_h == pytest.approx(late_h)
    assert kpi_table(late).iloc[0]["late_h"] == pytest.approx(late_h)


def test_a_cycle_that_draws_most_after_midnight_is_found_where_it_began(record: CaseRecord) -> None:
    first, *others = record.homes
    (washer,) = first.appliances
    rising = dataclasses.replace(washer, cycle_kw=(0.4, 0.4, 0.6, 1.8))
    first = dataclasses.replace(first, appliances=(rising,))
    changed = with_window(dataclasses.replace(record, homes=(first, *others)), 80, 94)
    assert delivered(began_at(changed, 94)).late_h == pytest.approx(1.0)
    assert delivered(began_at(changed, 90)).late_h == 0.0


@settings(max_examples=60, deadline=None)
@given(
    cycle=st.lists(st.floats(0.1, 3.0), min_size=1, max_size=8),
    start=st.integers(0, 95),
    window=st.tuples(st.integers(0, 95), st.integers(0, 95)),
)
def test_the_start_is_read_from_the_meter(
    toy: ModuleType, cycle: list[float], start: int, window: tuple[int, int]
) -> None:
    """Against counting the running PTUs outside the window, for cycles that begin within it."""
    record = toy.synthetic_record((Level.UC1,))
    washer = Appliance("washing_machine", tuple(cycle), 0, *window)
    first = dataclasses.replace(record.homes[0], appliances=(washer,))
    record = dataclasses.replace(record, homes=(first, *record.homes[1:]))
    record = with_power(record, 0, "washing_machine", washer.profile_kw(start, record.horizon))
    inside = record.horizon.mask(*window)
    assume(inside[start] and (~inside).sum() >= 2 * len(cycle))
    outside = (washer.profile_kw(start, record.horizon) > 0) & ~inside
    assert delivered(record).late_h == pytest.approx(H * outside.sum())


def test_kelvin_hours_are_counted_on_both_sides_of_the_band(record: CaseRecord) -> None:
    """6 kWh/K, 19 to 22 C from 07:00 to 22:00, 17 C below that at night."""
    kept = {40: 6 * 18.5, 41: 6 * 18.0, 50: 6 * 24.0, 4: 6 * 18.0, 60: 6 * 19.0}
    found = delivered(with_stored(record, 4, "heat_pump", kept))
    assert found.comfort_missed_kh == pytest.approx(H * (0.5 + 1.0 + 2.0))
    cold = delivered(with_stored(record, 4, "heat_pump", {4: 6 * 16.0}))
    assert cold.comfort_missed_kh == pytest.approx(H * 1.0)


def test_a_band_left_by_rounding_is_kept(record: CaseRecord) -> None:
    touched = with_stored(record, 4, "heat_pump", {40: 6 * (19.0 - 5e-4), 41: 6 * (22.0 + 5e-4)})
    assert delivered(touched).comfort_missed_kh == 0.0
    left = with_stored(record, 4, "heat_pump", {40: 6 * (19.0 - 2e-3)})
    assert delivered(left).comfort_missed_kh == pytest.approx(H * 2e-3)


def test_a_temperature_not_recorded_is_unknown_not_kept(record: CaseRecord) -> None:
    assert math.isnan(
        delivered(with_stored(record, 4, "heat_pump", {3: math.nan})).comfort_missed_kh
    )


def test_a_cut_is_what_the_meter_lacks(record: CaseRecord) -> None:
    power = np.full(96, 0.4)
    power[10:13] = 0.0
    power[50] = 0.1
    power[60] = 5.0  # more elsewhere makes up for nothing
    found = delivered(with_power(record, 3, "interruptible", power))
    assert found.cut_kwh == pytest.approx(H * (3 * 0.4 + 0.3))
    assert found.discomfort_eur == pytest.approx(0.1 * H * 1.5)


def test_energy_left_in_any_store_shows(record: CaseRecord) -> None:
    """Battery and building; a vehicle has to leave full instead."""
    assert kpi_table(record).iloc[0]["storage_drift_kwh"] == pytest.approx(0.0, abs=SUM_OF_96)
    start = record.stored_start_kwh.copy()
    start[0, record.devices.index((0, "battery"))] += 0.7
    start[0, record.devices.index((4, "heat_pump"))] -= 1.1
    start[0, record.devices.index((3, "ev"))] -= 9.0
    row = kpi_table(dataclasses.replace(record, stored_start_kwh=start)).iloc[0]
    assert row["storage_drift_kwh"] == pytest.approx(0.7 + 1.1)


def test_homes_have_their_own_services(record: CaseRecord) -> None:
    cold = with_stored(began_at(record, 60), 4, "heat_pump", {40: 6 * 18.0})
    by_home = services_by_home(CaseLevel(with_window(cold, 40, 56), 0))
    assert [each.late_h for each in by_home] == [2.0, 0, 0, 0, 0, 0]
    assert [each.comfort_missed_kh for each in by_home] == pytest.approx([0, 0, 0, 0, 0.25, 0])
    assert [each.cut_kwh for each in by_home] == pytest.approx([0, 0, 0, 0.4, 0, 0])
    assert by_home[5] == Services()
