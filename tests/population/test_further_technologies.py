"""What stands outside the ladder: wind, micro-CHP, interruptible loads, V2H, second cycles."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, Season, Weather
from mas2sim.population import OwnData
from mas2sim.population.adoption import FURTHER, build_adoption, count
from mas2sim.population.appliances import cycle_today, draw_uses, split_base
from mas2sim.population.average_demand import days_in_year
from mas2sim.population.building import draw_building
from mas2sim.population.interruptible import interruptible_load
from mas2sim.population.micro_chp import micro_chp, running
from mas2sim.population.tables import read_tables
from mas2sim.population.wind import output_kw, wind_speed_m_per_s

from .population_samples import (
    FULL_MIX,
    GREEN_2030,
    LADDER,
    PROFILES,
    population,
)

TABLES = read_tables(PROFILES)
KINDS = {kind.name: kind for kind in TABLES.appliances}
WIND = TABLES.parameters("wind")
QUARTERS = Horizon(15)
HORIZONS = st.sampled_from([Horizon(5), Horizon(15), Horizon(30), Horizon(60)])
GOLDEN = Path(__file__).with_name("golden_default_homes.csv")
WRITTEN = 1e-8
"""The golden file has nine digits."""
ENERGY = 1e-9
"""Sums of 96 doubles."""


def key(home, seed=1):
    return {"seed": seed, "substation": 1, "home": home}


def house(home, **known):
    return draw_building(TABLES.parameters("building"), known, **key(home))


def numbers(text):
    return [float(part) for part in text.split(":")] if text else []


def test_default_homes_are_what_they_were():
    """Nothing that was added to the room has moved a number of the homes there were."""
    lines = [line for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
    homes = population().homes
    for home, was in zip(homes, csv.DictReader(lines), strict=True):
        assert home.base_kw.sum() / 4 == pytest.approx(float(was["base_kwh"]), rel=WRITTEN)
        assert home.base_kw.max() == pytest.approx(float(was["base_peak_kw"]), rel=WRITTEN)
        cycles = [
            f"{each.name}:{each.asked_start}:{each.window_start}:{each.window_end}"
            for each in home.appliances
        ]
        assert cycles == was["cycles"].split()
        ev, pv = home.ev, home.pv
        found = (
            [ev.charger_kw, ev.capacity_kwh, ev.arrival, ev.departure, ev.driven_kwh] if ev else []
        )
        assert found == pytest.approx(numbers(was["ev"]), rel=WRITTEN)
        found = [pv.rated_kwp, pv.tilt_deg, pv.azimuth_deg] if pv else []
        assert found == pytest.approx(numbers(was["pv"]), rel=WRITTEN)
        assert (home.battery.capacity_kwh if home.battery else None) == (
            float(was["battery_kwh"]) if was["battery_kwh"] else None
        )
        assert home.owns == set(was["owns"].split())
        assert home.offered - {"heat_pump"} == set(was["offered"].split())
        assert (home.interruptible, home.wind, home.micro_chp) == (None, None, None)
        assert [heater.name for heater in home.heaters] == ["heat_pump"] * (
            "heat_pump" in home.owns
        )


def test_further_technologies_reshuffle_nothing():
    without = population(smart=replace(FULL_MIX, **{f"{name}_percent": 0 for name in FURTHER}))
    withal = population(smart=FULL_MIX)
    further = set(FURTHER)
    for left, right in zip(without.homes, withal.homes, strict=True):
        np.testing.assert_array_equal(left.base_kw, right.base_kw)
        assert (left.appliances, left.ev, left.battery) == (
            right.appliances,
            right.ev,
            right.battery,
        )
        assert left.owns == right.owns - further
        assert left.offered == right.offered - further
        pumps = [heater for heater in right.heaters if heater.name == "heat_pump"]
        for before, after in zip(left.heaters, pumps, strict=True):
            np.testing.assert_array_equal(before.thermostat_c, after.thermostat_c)
            assert before.power_kw == after.power_kw


def test_full_mix_has_every_device():
    homes = population(
        smart=FULL_MIX, most_cycles_per_day=2, ev_least_charge_kw=1.4, flexible_percent=100
    ).homes
    present = {device.name for home in homes for device in home.flexible_devices}
    assert present >= {"ev", "battery", "heat_pump", "direct_heater", "hot_water", "interruptible"}
    assert present >= {"washing_machine", "dishwasher", "tumble_dryer", "dishwasher_2"}
    for home in homes:
        devices = [device.name for device in home.flexible_devices]
        assert len(set(devices)) == len(devices)
        assert home.offered == home.owns - {"pv", "wind", "micro_chp"}
        assert set(devices) <= home.offered
        assert (home.wind is not None) == ("wind" in home.owns)
        assert (home.micro_chp is not None) == ("micro_chp" in home.owns)
        assert not {"heat_pump", "micro_chp"} <= home.owns
        assert home.ev is None or home.ev.least_charge_kw == 1.4
    for name in FURTHER:
        owners = sum(name in home.owns for home in homes)
        assert owners == count(FULL_MIX.percent[name], len(homes))


@budget(max_examples=20, deadline=None)
@given(low=st.floats(0, 100), high=st.floats(0, 100), seed=st.integers(0, 100))
def test_owners_outside_the_ladder_are_nested_and_leave_it_alone(low, high, seed):
    low, high = sorted((low, high))
    adoption = build_adoption(LADDER, 80, seed=seed, substation=1)
    few, many = (
        adoption.owners(replace(GREEN_2030, **{f"{name}_percent": share for name in FURTHER}))
        for share in (low, high)
    )
    for name in FURTHER:
        assert set(few[name]) <= set(many[name])
        assert len(many[name]) == count(high, 80)
    assert few["pv"] == many["pv"]


def test_homes_with_any_technology_are_those_of_the_ladder():
    found = population(smart=FULL_MIX)
    ladder = {"pv", "ev", "heat_pump", "battery", *KINDS}
    adopted = sum(bool(home.owns & ladder) for home in found.homes)
    assert adopted < sum(bool(home.owns) for home in found.homes)
    assert any(f"{adopted} homes own any of the first five" in text for text in found.assumptions)


def test_orders_outside_the_ladder_are_independent():
    adoption = build_adoption(LADDER, 1000, seed=1, substation=1)
    tops = {name: set(adoption.order[name][:300]) for name in FURTHER}
    names = [name for name in FURTHER if name != "micro_chp"]
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            # 300 of 1,000 twice: 90 in common, standard deviation 8.
            assert len(tops[one] & tops[other]) == pytest.approx(90, abs=32)


# Wind


def test_power_curve_by_hand():
    speed = np.array([0.0, 2.9, 3.0, 7.0, 11.0, 24.9, 25.0, 40.0])
    middle = 1.5 * (343 - 27) / (1331 - 27)
    np.testing.assert_allclose(
        output_kw(speed, 1.5, WIND), [0, 0, 0, middle, 1.5, 1.5, 0, 0], rtol=ENERGY
    )


@pytest.mark.parametrize("season", list(Season))
def test_wind_has_the_seasons_mean(season):
    facts = TABLES.seasons[season]
    speed = wind_speed_m_per_s(facts, WIND, seed=5)
    assert speed.mean() == pytest.approx(facts.wind_mean_m_per_s)
    assert speed.min() >= 0


def test_wind_is_weibull_and_has_a_memory():
    facts = TABLES.seasons[Season.WINTER]
    days = np.array([wind_speed_m_per_s(facts, WIND, seed=seed) for seed in range(400)])
    # Rayleigh: the standard deviation is 0.523 of the mean; days scaled to one mean have less.
    assert 0.35 < days.std() / days.mean() < 0.523
    noise = days - days.mean(axis=1, keepdims=True)
    lagged = (noise[:, 4:] * noise[:, :-4]).mean() / noise.var()
    # An hour at a memory of 4 h: exp(-1/4) = 0.78 before each day's mean is taken out.
    assert lagged == pytest.approx(0.72, abs=0.08)


def test_one_wind_for_the_neighbourhood():
    windy = replace(GREEN_2030, wind_percent=100.0)
    one, two = (population(smart=windy, homes=12, substation=each) for each in (1, 2))
    cloudy = population(smart=windy, homes=12, weather=Weather.CLOUDY)
    summer = population(smart=windy, homes=12, day=TYPICAL_DAYS[6])
    powers = np.array([home.wind.p_kw for home in (*one.homes, *two.homes)])
    assert powers.max() <= 0
    assert powers.min() >= -1.5
    # One series, taller or lower masts: outputs rise and fall together.
    assert np.corrcoef(powers).min() > 0.9
    assert np.unique(powers.sum(axis=1)).size > 12
    np.testing.assert_array_equal(one.homes[3].wind.p_kw, cloudy.homes[3].wind.p_kw)
    assert abs(np.corrcoef(one.homes[3].wind.p_kw, summer.homes[3].wind.p_kw)[0, 1]) < 0.9
    assert one.homes[3].generation_kw.sum() <= one.homes[3].wind.p_kw.sum()


# Micro-CHP


@budget(max_examples=100, deadline=None)
@given(home=st.integers(0, 400), run_h=st.floats(0, 40))
def test_unit_starts_twice_at_most(home, run_h):
    on = running(house(home), run_h)
    assert on.sum() == min(round(run_h * 60), 1440)
    starts = np.count_nonzero(on & ~np.roll(on, 1))
    assert starts <= 2
    if 0.1 < run_h < 8:
        assert starts == 2


@budget(max_examples=40, deadline=None)
@given(home=st.integers(0, 400), outdoor=st.floats(-10, 30), horizon=HORIZONS)
def test_unit_makes_the_buildings_heat(home, outdoor, horizon):
    building = house(home)
    air = np.full(96, outdoor)
    unit = micro_chp(building, TABLES.parameters("micro_chp"), {}, air, horizon)
    heat_kwh = -unit.p_kw.sum() * horizon.ptu_hours * unit.heat_kw / unit.electric_kw
    # Half a minute at 6 kW.
    assert heat_kwh == pytest.approx(min(building.heat_kw(air).sum() / 4, 144), abs=0.051)
    assert unit.p_kw.min() >= -1.0
    assert unit.p_kw.max() <= 0


def test_unit_by_hand():
    """0.18 kW/K x (20.5 - 4.5 - 4) for a day is 51.84 kWh: 8.64 h, half of them from 06:00."""
    known = {"heat_loss_kw_per_k": 0.18, "day_c": 20.5, "night_c": 20.5}
    building = replace(house(1, **known), free_gain_k=4.5, morning_h=6.0, evening_h=22.0)
    unit = micro_chp(building, TABLES.parameters("micro_chp"), {}, np.full(96, 4.0), QUARTERS)
    assert -unit.p_kw.sum() / 4 == pytest.approx(8.64, abs=0.01)
    np.testing.assert_allclose(unit.p_kw[24:41], -1.0)
    np.testing.assert_allclose(unit.p_kw[71:88], -1.0)
    assert unit.p_kw[42:70].max() == 0
    assert unit.p_kw[88:].max() == 0


# Interruptible load


def test_interruptible_load_by_hand():
    """0.12 kW/K x (20.5 - 4.5 - 0) = 1.92 kW; at -20 C it would be 4.3 kW, more than rated."""
    building = replace(house(1), day_c=20.5, night_c=20.5, free_gain_k=4.5)
    figures = TABLES.parameters("interruptible")
    known = {"heat_loss_kw_per_k": 0.12}
    load = interruptible_load(building, figures, known, np.zeros(96), QUARTERS, **key(1))
    np.testing.assert_allclose(load.p_kw, 1.92)
    assert (load.longest_cut, load.cuts, load.discomfort_eur_per_kwh) == (4, 2, 0.30)
    cold = interruptible_load(building, figures, known, np.full(96, -20.0), QUARTERS, **key(1))
    np.testing.assert_allclose(cold.p_kw, 3.0)


@pytest.mark.parametrize(("ptu_minutes", "longest"), [(5, 12), (15, 4), (30, 2), (60, 1)])
def test_cut_lasts_an_hour_at_every_resolution(ptu_minutes, longest):
    horizon = Horizon(ptu_minutes)
    figures = TABLES.parameters("interruptible")
    load = interruptible_load(house(2), figures, {}, np.zeros(96), horizon, **key(2))
    assert load.longest_cut == longest
    assert load.p_kw.shape == (horizon.ptus,)


# Vehicles that deliver, and chargers with a least power


def test_v2h_owners_are_nested_and_keep_their_vehicles():
    smart = replace(GREEN_2030, ev_percent=50.0, any_percent=60.0)
    cars = {}
    for share in (0.0, 20.0, 60.0, 100.0):
        homes = population(smart=replace(smart, v2h_percent=share)).homes
        cars[share] = {home.name: home.ev for home in homes if home.ev}
    delivering = {
        share: {name for name, car in each.items() if car.discharge_kw > 0}
        for share, each in cars.items()
    }
    assert not delivering[0.0]
    assert delivering[20.0] < delivering[60.0] < delivering[100.0] == set(cars[0.0])
    # 92 vehicles; the golden-ratio sequence strays by less than 3.
    assert len(delivering[20.0]) == pytest.approx(18.4, abs=3)
    # Whether a vehicle delivers says nothing about whether it is offered.
    half = population(smart=replace(smart, v2h_percent=50.0), flexible_percent=50.0).homes
    delivers, offers = (
        {home.name for home in half if home.ev and home.ev.discharge_kw > 0},
        {home.name for home in half if "ev" in home.offered},
    )
    assert 5 < len(delivers & offers) < 41
    for name, plain in cars[0.0].items():
        car = cars[100.0][name]
        assert replace(car, discharge_kw=0.0, discharge_efficiency=1.0, reserve_kwh=0.0) == plain
        assert (car.discharge_kw, car.discharge_efficiency) == (3.6, 0.9)
        assert car.reserve_kwh == pytest.approx(min(0.3 * car.capacity_kwh, car.arrival_kwh))


def test_vehicle_that_comes_home_low_has_a_lower_reserve(tmp_path):
    path = tmp_path / "who.csv"
    path.write_text(
        "home,device,capacity_kwh,driven_kwh,charger_kw,discharge_kw\n"
        "h001,ev,10,80,7.4,5\nh002,ev,20,80,7.4,\n"
    )
    first, second = population(homes=2, own_data=OwnData(allocation=path)).homes
    # 90 % of a battery may be driven: 1 kWh is left of 10, less than 30 %.
    assert first.ev.discharge_kw == 5
    assert first.ev.reserve_kwh == pytest.approx(first.ev.arrival_kwh) == pytest.approx(1.0)
    assert second.ev.discharge_kw == second.ev.reserve_kwh == 0


def test_weak_charger_is_off_or_full(tmp_path):
    path = tmp_path / "who.csv"
    path.write_text("home,device,charger_kw\nh001,ev,1.0\nh002,ev,\n")
    case = {"homes": 2, "own_data": OwnData(allocation=path)}
    weak, usual = population(**case, ev_least_charge_kw=1.4).homes
    assert (weak.ev.least_charge_kw, usual.ev.least_charge_kw) == (1.0, 1.4)
    assert population(**case).homes[1].ev.least_charge_kw == 0


def test_every_home_has_the_caps_of_the_case():
    homes = population(homes=20, import_cap_kw=9.0, export_cap_kw=0.0).homes
    assert {(home.import_cap_kw, home.export_cap_kw) for home in homes} == {(9.0, 0.0)}
    homes = population(homes=20).homes
    assert {(home.import_cap_kw, home.export_cap_kw) for home in homes} == {(np.inf, np.inf)}


# More than one cycle a day


@budget(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(KINDS)),
    home=st.integers(0, 500),
    day=st.sampled_from(TYPICAL_DAYS),
    horizon=HORIZONS,
    before_h=st.floats(0, 24),
    after_h=st.floats(0, 24),
    minutes=st.integers(1, 20),
)
def test_second_cycle_has_a_window_of_its_own(name, home, day, horizon, before_h, after_h, minutes):
    habits = tuple(
        replace(habit, window_before_h=before_h, window_after_h=after_h)
        for habit in KINDS[name].habits
    )
    kind = replace(KINDS[name], cycles_per_year=700, habits=habits, cycle_kw=tuple([1.0] * minutes))
    uses = draw_uses(kind, 1.0, 2, **key(home))
    if len(uses) == 1:
        # Only where windows of the first leave too little of a day.
        assert 24 - before_h - max(after_h, minutes / 4) < minutes / 4 + 3
        return
    one, two = (cycle_today(use, day, horizon) for use in uses)
    assert (one.name, two.name) == (name, f"{name}_2")
    first = horizon.mask(one.window_start, one.window_end)
    second = horizon.mask(two.window_start, two.window_end)
    assert not (first & second).any()
    for cycle, window in ((one, first), (two, second)):
        assert cycle.asked_start in cycle.starts(horizon)
        assert not cycle.profile_kw(cycle.asked_start, horizon)[~window].any()
        assert window.sum() < horizon.ptus


def test_second_cycle_by_hand():
    """Asked for at 15:00, free from 11:00 to 17:00: again at 21:00, free from 17:00 to 23:00."""
    kind = KINDS["washing_machine"]
    kind = replace(kind, cycles_per_year=500, habits=kind.habits[:1])
    first, second = draw_uses(kind, 1.0, 2, **key(3))
    assert second.hour == pytest.approx((first.hour + 6) % 24)
    np.testing.assert_allclose(second.asked_h, (first.asked_h + 6) % 24)
    first = replace(first, hour=15.0, asked_h=np.full(15, 15.0))
    cycle = cycle_today(replace(second, first=first), TYPICAL_DAYS[0], QUARTERS)
    clock = [
        QUARTERS.clock(ptu) for ptu in (cycle.window_start, cycle.asked_start, cycle.window_end)
    ]
    assert clock == ["17:00", "21:00", "23:00"]
    # 500 cycles: one each day, and a second on 135 days.
    assert (first.probability(1.0), second.probability(1.0)) == pytest.approx((1, 135 / 365))


@pytest.mark.parametrize("relative", [0.5, 1.0, 1.4, 1.7, 3.0])
def test_cycles_beyond_one_a_day_are_seconds(relative):
    kind = KINDS["dishwasher"]
    uses = draw_uses(kind, relative, 2, **key(4))
    wanted = kind.cycles_per_year * min(relative, 2.0)
    assert sum(use.probability(relative) for use in uses) == pytest.approx(wanted / 365)
    assert len(uses) == (2 if wanted > 365 else 1)
    assert len(draw_uses(kind, relative, 1, **key(4))) == 1


def test_second_cycles_are_taken_out_of_the_base():
    uses = draw_uses(KINDS["dishwasher"], 1.9, 2, **key(5))
    load = np.full(96, 3.0)
    base, probabilities = split_base(load, uses, 1.9)
    expected = sum(probabilities) * KINDS["dishwasher"].cycle_kwh
    assert base.sum() / 4 + expected == pytest.approx(72.0, rel=ENERGY)
    # More than for the first alone, at the hours of the second.
    more = split_base(load, uses[:1], 1.9)[0] - base
    assert more.sum() / 4 == pytest.approx(probabilities[1] * uses[1].kind.cycle_kwh)
    expected = probabilities[1] * uses[1].expected_kw()
    np.testing.assert_allclose(more, expected, atol=1e-6)


def test_setting_of_two_cycles_adds_some_and_changes_no_other_home():
    usual, busy = (
        population(flexible_percent=100),
        population(flexible_percent=100, most_cycles_per_day=2),
    )
    changed = 0
    for left, right in zip(usual.homes, busy.homes, strict=True):
        seconds = {name for name in right.owns if name.endswith("_2")}
        assert right.owns - seconds == left.owns
        assert right.offered - seconds == left.offered
        assert seconds <= right.offered
        changed += bool(seconds)
        if not seconds:
            np.testing.assert_array_equal(left.base_kw, right.base_kw)
            assert left.appliances == right.appliances
    assert 1 <= changed <= 12


def test_two_cycles_keep_the_energy_of_the_year():
    """Base, first and second cycles come to the average demand again."""
    days = days_in_year(TABLES.seasons)
    smart = replace(GREEN_2030, smart_appliances_percent=100.0, any_percent=100.0)
    total, seconds = 0.0, 0
    for day, weight in zip(TYPICAL_DAYS, days, strict=True):
        for home in population(homes=150, smart=smart, day=day, most_cycles_per_day=2).homes:
            cycles = sum(sum(cycle.cycle_kw) for cycle in home.appliances)
            seconds += sum(cycle.name.endswith("_2") for cycle in home.appliances)
            total += weight * (home.base_kw.sum() + cycles) / 4
    # As in the same test with one cycle: a standard error of 0.7 %.
    assert total / 150 == pytest.approx(3300, rel=0.02)
    assert seconds > 10


# Own data


def test_own_allocation_knows_every_device(tmp_path):
    path = tmp_path / "who.csv"
    path.write_text(
        "home,device,power_kw,volume_l,rated_kw,electric_kw,time_constant_h,offered\n"
        "h001,heat_pump,4,,,,60,yes\n"
        "h001,hot_water,2,200,,,,no\n"
        "h002,direct_heater,1.2,,,,,yes\n"
        "h002,wind,,,2.5,,,\n"
        "h003,micro_chp,,,,0.8,,\n"
        "h003,interruptible,0.5,,,,,yes\n"
    )
    homes = population(homes=3, own_data=OwnData(allocation=path), flexible_percent=0).homes
    pump, tank = homes[0].heaters
    assert (pump.power_kw, tank.power_kw) == (4, 2)
    assert pump.store.capacity_kwh_per_k == pytest.approx(60 * pump.store.loss_kw_per_k)
    assert tank.store.capacity_kwh_per_k == pytest.approx(200 * 4.18 / 3600)
    assert [home.offered for home in homes] == [{"heat_pump"}, {"direct_heater"}, {"interruptible"}]
    assert homes[1].heaters[0].power_kw == 1.2
    assert homes[1].wind.rated_kw == 2.5
    assert homes[2].micro_chp.p_kw.min() == -0.8
    assert homes[2].interruptible.p_kw.max() <= 0.5
