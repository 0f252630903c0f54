"""The whole room: a home is the same home whatever the case asks."""

import subprocess
import sys
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, Season, Weather
from mas2sim.population import PopulationSettings
from mas2sim.population.average_demand import annual_kwh, days_in_year
from mas2sim.population.tables import read_tables

from .population_samples import (
    BAU_2020,
    BAU_2030,
    CARDIFF,
    EVERYTHING,
    FULL_MIX,
    GREEN_2020,
    GREEN_2030,
    PROFILES,
    population,
    settings,
    thermostat_kw,
)

ROUNDING = 1e-9
"""Sums over homes and quarter hours of fitted profiles."""
BUILD_S = 1.5
"""What a case of 184 homes may spend here; measured 0.1 s, full mix 0.17 s, imports apart."""


def test_same_case_same_bytes():
    one, two = population(), population()
    for left, right in zip(one.homes, two.homes, strict=True):
        assert left.base_kw.tobytes() == right.base_kw.tobytes()
        assert (left.appliances, left.ev, left.battery) == (
            right.appliances,
            right.ev,
            right.battery,
        )
        assert (left.owns, left.offered) == (right.owns, right.offered)
        if left.pv:
            assert left.pv.p_kw.tobytes() == right.pv.p_kw.tobytes()
    assert one.clearness.tobytes() == two.clearness.tobytes()


def test_flexibility_changes_offers_only():
    few, some, all_ = (population(flexible_percent=share) for share in (25.0, 50.0, 100.0))
    for low, middle, high in zip(few.homes, some.homes, all_.homes, strict=True):
        assert low.offered <= middle.offered <= high.offered
        assert high.offered == high.owns - {"pv"}
        assert low.owns == high.owns
        assert low.appliances == high.appliances
        np.testing.assert_array_equal(low.base_kw, high.base_kw)
    assert sum(home.has_flexibility for home in few.homes) < sum(
        home.has_flexibility for home in all_.homes
    )


def test_scenarios_keep_what_homes_have():
    bau, green = population(smart=BAU_2020), population(smart=GREEN_2020)
    greener = population(smart=GREEN_2030)
    for now, later, latest in zip(bau.homes, green.homes, greener.homes, strict=True):
        assert now.owns <= later.owns <= latest.owns
        assert now.annual_kwh == latest.annual_kwh
        if now.pv and latest.pv:
            np.testing.assert_array_equal(now.pv.p_kw, latest.pv.p_kw)
        if now.ev:
            assert now.ev == latest.ev


def test_weather_changes_pv_only():
    sunny, cloudy = population(weather=Weather.SUNNY), population(weather=Weather.CLOUDY)
    for left, right in zip(sunny.homes, cloudy.homes, strict=True):
        np.testing.assert_array_equal(left.base_kw, right.base_kw)
        if left.pv:
            assert left.pv.p_kw.sum() < right.pv.p_kw.sum() < 0


def test_one_sky_over_all_substations():
    one, two = population(substation=1), population(substation=2)
    np.testing.assert_array_equal(one.clearness, two.clearness)
    # Not the same use at another level: homes that differ correlate as any pair of homes does.
    pairs = zip(one.homes, two.homes, strict=True)
    assert np.mean([np.corrcoef(a.base_kw, b.base_kw)[0, 1] for a, b in pairs]) < 0.5
    assert one.homes[0].annual_kwh != two.homes[0].annual_kwh


@pytest.mark.parametrize("ptu_minutes", [5, 30, 60])
def test_resolution_changes_no_energy(ptu_minutes):
    horizon = Horizon(ptu_minutes)
    quarter, other = population(homes=60), population(homes=60, horizon=horizon)
    for left, right in zip(quarter.homes, other.homes, strict=True):
        for name in ("base_kw", "pv_kw"):
            energy = getattr(left, name).sum() / 4
            assert getattr(right, name).sum() * horizon.ptu_hours == pytest.approx(
                energy, rel=ROUNDING
            )
        assert left.owns == right.owns
        assert [cycle.name for cycle in left.appliances] == [
            cycle.name for cycle in right.appliances
        ]
    assert other.outdoor_c.shape == (horizon.ptus,)


def test_year_of_homes_is_their_annual_energy():
    """Base load and expected cycles together are the year that was asked for."""
    tables = read_tables(PROFILES)
    days = days_in_year(tables.seasons)
    base = np.array(
        [[home.base_kw for home in population(homes=40, day=day).homes] for day in TYPICAL_DAYS]
    ).transpose(1, 0, 2)
    homes = population(homes=40).homes
    for home, profile in zip(homes, base, strict=True):
        year = annual_kwh(profile, days)
        if home.owns & {kind.name for kind in tables.appliances}:
            assert 0.45 * home.annual_kwh < year < home.annual_kwh
        else:
            assert year == pytest.approx(home.annual_kwh, rel=ROUNDING)
    assert np.mean([home.annual_kwh for home in homes]) == pytest.approx(3300, rel=ROUNDING)


def test_cycles_run_as_often_as_they_were_taken_out():
    """Over many homes and the year, base and cycles come to the average demand again."""
    tables = read_tables(PROFILES)
    days = days_in_year(tables.seasons)
    total = 0.0
    for day, weight in zip(TYPICAL_DAYS, days, strict=True):
        for home in population(homes=150, smart=EVERYTHING, day=day).homes:
            cycles = sum(sum(cycle.cycle_kw) for cycle in home.appliances)
            total += weight * (home.base_kw.sum() + cycles) / 4
    # About 290 appliances whose cycles carry a fifth of the energy: a standard error of 0.7 %.
    assert total / 150 == pytest.approx(3300, rel=0.02)


def test_dates_and_air_follow_the_season():
    for day in TYPICAL_DAYS[::3]:
        found = population(homes=3, day=day)
        facts = read_tables(PROFILES).seasons[day.season]
        assert found.date == facts.representative.isoformat()
        assert found.outdoor_c.mean() == pytest.approx(facts.air_mean_c)
    summer = population(
        homes=3, day=TYPICAL_DAYS[[d.season for d in TYPICAL_DAYS].index(Season.SUMMER)]
    )
    assert summer.outdoor_c.mean() > population(homes=3).outdoor_c.mean()


def test_cold_spell_makes_heat_pumps_work_harder():
    mild, cold = population(), population(air_offset_k=-8.0)
    owners = 0
    for left, right in zip(mild.homes, cold.homes, strict=True):
        for pump, colder in zip(left.heaters, right.heaters, strict=True):
            owners += 1
            energy, more = (thermostat_kw(each, Horizon(15)).sum() for each in (pump, colder))
            # The COP falls as the heat rises.
            assert more > 2 * energy
            assert colder.power_kw == pump.power_kw
    assert owners == 28


def test_assumptions_carry_the_figures():
    text = " ".join(population(smart=BAU_2030).assumptions)
    assert "184 homes use 3300 kWh" in text
    assert "27" in text
    assert "28" in text


def test_population_is_built_fast():
    population(homes=3)  # imports
    for smart in (GREEN_2030, FULL_MIX):
        begin = perf_counter()
        population(smart=smart)
        assert perf_counter() - begin < BUILD_S


def test_faults_of_settings_come_together():
    with pytest.raises(ConfigurationError) as caught:
        settings(homes=0, flexible_percent=120.0, ladder=(GREEN_2030, BAU_2020))
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("import_cap_kw", 0.0),
        ("export_cap_kw", -1.0),
        ("ev_least_charge_kw", 8.0),
        ("most_cycles_per_day", 3),
    ],
)
def test_settings_of_homes_have_bounds(setting, value):
    with pytest.raises(ConfigurationError, match=f"population.{setting}"):
        settings(**{setting: value})


def test_shares_outside_the_ladder_have_bounds():
    with pytest.raises(ConfigurationError) as caught:
        settings(smart=replace(FULL_MIX, wind_percent=101, v2h_percent=-1))
    assert [fault.where for fault in caught.value.faults] == [
        "smart scenario full_mix, v2h_percent",
        "smart scenario full_mix, wind_percent",
    ]


def test_faults_of_tables_come_together(tmp_path):
    for path in PROFILES.glob("*.csv"):
        (tmp_path / path.name).write_text(path.read_text())
    devices = tmp_path / "devices.csv"
    devices.write_text(devices.read_text().replace("pv,rated_kwp,3.5", "pv,rated_kwp,many"))
    (tmp_path / "habits.csv").unlink()
    with pytest.raises(ConfigurationError) as caught:
        population(profiles_dir=tmp_path)
    text = str(caught.value)
    assert "devices.csv, line 3, column value: found 'many'" in text
    assert "habits.csv: found no such file" in text


def test_room_opens_without_heavy_imports():
    code = (
        "import sys, mas2sim.population; print({'pandas', 'pvlib', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_default_own_data_is_none():
    defaults = PopulationSettings(
        homes=1, site=CARDIFF, smart=BAU_2020, ladder=(BAU_2020,), flexible_percent=0
    )
    assert defaults.own_data.allocation is None
