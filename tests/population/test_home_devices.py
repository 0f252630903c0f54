"""Appliances, vehicles and batteries of single homes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, WEEK_SHARE, DayType, Season, TypicalDay
from mas2sim.population.appliances import cycle_today, draw_kinds, draw_use, split_base
from mas2sim.population.storage import draw_battery
from mas2sim.population.tables import read_tables
from mas2sim.population.vehicles import draw_vehicle

from .population_samples import PROFILES

ENERGY = 1e-9
"""Sums of 96 doubles."""
TABLES = read_tables(PROFILES)
KINDS = {kind.name: kind for kind in TABLES.appliances}
HORIZONS = st.sampled_from([Horizon(5), Horizon(15), Horizon(30), Horizon(60)])


def key(home, seed=1):
    return {"seed": seed, "substation": 1, "home": home}


@budget(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(KINDS)),
    home=st.integers(0, 500),
    day=st.sampled_from(TYPICAL_DAYS),
    horizon=HORIZONS,
)
def test_cycle_fits_its_window_from_the_asked_start(name, home, day, horizon):
    cycle = cycle_today(draw_use(KINDS[name], **key(home)), day, horizon)
    assert cycle.asked_start in cycle.starts(horizon)
    energy = sum(cycle.cycle_kw) * horizon.ptu_hours
    assert energy == pytest.approx(KINDS[name].cycle_kwh, rel=ENERGY)


def test_asked_start_is_the_same_time_at_every_resolution():
    use = draw_use(KINDS["dishwasher"], **key(4))
    day = TYPICAL_DAYS[3]
    hours = [
        cycle_today(use, day, Horizon(minutes)).asked_start * minutes / 60
        for minutes in (5, 15, 60)
    ]
    assert hours[0] - hours[1] < 0.25
    assert hours[0] - hours[2] < 1.0
    assert min(hours[0] - hours[1], hours[0] - hours[2]) >= 0


def test_some_windows_wrap_midnight():
    horizon = Horizon(15)
    cycles = [
        cycle_today(draw_use(KINDS["dishwasher"], **key(home)), TYPICAL_DAYS[0], horizon)
        for home in range(50)
    ]
    assert any(cycle.window_end < cycle.window_start for cycle in cycles)


def test_window_is_never_shorter_than_the_cycle():
    use = draw_use(KINDS["washing_machine"], **key(1))
    narrow = replace(use, habit=replace(use.habit, window_before_h=0.0, window_after_h=0.0))
    cycle = cycle_today(narrow, TYPICAL_DAYS[0], Horizon(15))
    assert list(cycle.starts(Horizon(15))) == [cycle.asked_start]


def test_expected_cycle_around_midnight_keeps_its_energy_on_both_sides():
    use = replace(draw_use(KINDS["tumble_dryer"], **key(1)), hour=23.625)
    expected = use.expected_kw()
    assert expected.sum() / 4 == pytest.approx(use.kind.cycle_kwh, rel=ENERGY)
    # Starts fall to the quarter hour: 23:30 on average, with midnight amid the hour that follows.
    assert expected[:48].sum() == pytest.approx(expected[48:].sum(), rel=0.05)


def test_vehicle_leaves_before_it_comes_back():
    parameters = TABLES.parameters("ev")
    clash = {
        "arrival_h": replace(parameters["arrival_h"], value=10.0, spread=0.0, low=10.0),
        "departure_h": replace(parameters["departure_h"], value=12.0, spread=0.0, high=12.0),
    }
    for home in range(20):
        car = draw_vehicle(parameters | clash, {}, TYPICAL_DAYS[0], Horizon(15), **key(home))
        assert 4 <= car.arrival - car.departure <= 5


def test_ownership_and_frequency_are_the_tables():
    homes = range(2000)
    owned = [draw_kinds(TABLES.appliances, **key(home)) for home in homes]
    assert min(len(kinds) for kinds in owned) >= 1
    for kind in TABLES.appliances:
        share = np.mean([kind in kinds for kinds in owned])
        # Three standard errors of 2,000 homes, and the homes that are given their first appliance.
        assert share == pytest.approx(kind.owners_share, abs=0.035)
        runs = [(draw_use(kind, **key(home)).lot < kind.cycles_per_year / 365) for home in homes]
        # 30,000 lots: a standard error of 0.003.
        assert np.mean(runs) == pytest.approx(kind.cycles_per_year / 365, abs=0.012)


@budget(max_examples=60, deadline=None)
@given(
    home=st.integers(0, 1000),
    level=st.floats(0.01, 5),
    relative=st.floats(0.05, 6),
    seed=st.integers(0, 50),
)
def test_cycles_are_taken_out_exactly(home, level, relative, seed):
    load = level * np.random.default_rng(seed).gamma(0.5, 1.0, 96) + 1e-6
    uses = [draw_use(kind, **key(home)) for kind in TABLES.appliances]
    base, probabilities = split_base(load, uses, relative)
    expected = sum(p * use.kind.cycle_kwh for p, use in zip(probabilities, uses, strict=True))
    assert base.min() >= 0
    assert (base >= 0.25 * load - 1e-12).all()
    assert base.sum() / 4 + expected == pytest.approx(load.sum() / 4, rel=ENERGY)
    assert all(0 <= p <= 1 for p in probabilities)


def test_expected_profile_is_the_mean_of_many_days():
    use = draw_use(KINDS["dishwasher"], **key(11))
    rng = np.random.default_rng(0)
    hours = (use.hour + use.habit.day_spread_h * rng.standard_normal(20_000)) % 24
    total = np.zeros(96)
    for quarter, power in enumerate(use.kind.cycle_kw):
        np.add.at(total, ((hours * 4).astype(int) + quarter) % 96, power)
    # 20,000 draws: at most 1.8 kW x sqrt(0.25 / 20,000) = 0.006 kW standard error.
    np.testing.assert_allclose(use.expected_kw(), total / hours.size, atol=0.03)


def test_vehicles_are_as_the_table_says():
    parameters = TABLES.parameters("ev")
    horizon = Horizon(15)
    vehicles = {
        day: [draw_vehicle(parameters, {}, day, horizon, **key(home)) for home in range(400)]
        for day in TYPICAL_DAYS
    }
    week = 0.0
    for day, cars in vehicles.items():
        days = TABLES.seasons[day.season].days * WEEK_SHARE[day.day_type]
        week += days / 365 * np.mean([car.driven_kwh for car in cars])
    # Clipping, and 400 homes with a spread of 30 %: 1.5 % standard error.
    assert week == pytest.approx(7.0, abs=0.4)
    winter = vehicles[TypicalDay(Season.WINTER, DayType.WEEKDAY)]
    assert np.mean([car.charger_kw > 7 for car in winter]) == pytest.approx(0.2, abs=0.06)
    for cars in vehicles.values():
        for car in cars:
            connected = car.connected(horizon)
            hours = connected.sum() * horizon.ptu_hours
            assert connected[0]
            # All are away at half past twelve: nobody leaves later than noon or is back by one.
            assert not connected[50]
            assert hours > 5
            assert car.drawn_kwh <= car.charger_kw * hours + ENERGY
            assert 24 <= car.capacity_kwh <= 30
            assert 0 < car.driven_kwh < car.capacity_kwh


@budget(max_examples=60, deadline=None)
@given(
    home=st.integers(0, 300),
    charger=st.floats(0.05, 22),
    capacity=st.floats(1, 90),
    driven=st.floats(0.1, 90),
    horizon=HORIZONS,
)
def test_drive_never_takes_more_than_can_be_charged(home, charger, capacity, driven, horizon):
    known = {"charger_kw": charger, "capacity_kwh": capacity, "driven_kwh": driven}
    car = draw_vehicle(TABLES.parameters("ev"), known, TYPICAL_DAYS[0], horizon, **key(home))
    stay_h = car.connected(horizon).sum() * horizon.ptu_hours
    assert car.drawn_kwh <= charger * stay_h * (1 + ENERGY)
    assert car.driven_kwh <= capacity
    assert car.charger_kw == charger


def test_battery_loses_a_tenth_on_the_round_trip():
    battery = draw_battery(TABLES.parameters("battery"), {"capacity_kwh": 10.0}, **key(1))
    assert battery.charge_efficiency * battery.discharge_efficiency == pytest.approx(0.9)
    assert (battery.capacity_kwh, battery.power_kw) == (10.0, 3.0)
