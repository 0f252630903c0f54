"""PV plants: yearly yield, symmetry of roofs, and what bounds the power."""

import numpy as np
import pytest

from mas2sim.domain.typical_day import Season, Weather
from mas2sim.population.pv import Roof, feed_in_kw, plane_of_array
from mas2sim.population.resolution import quarters_to_minutes
from mas2sim.population.tables import read_tables
from mas2sim.population.weather import air_temperature_c, clear_sky, clearness_series

from .population_samples import CARDIFF, PROFILES

SATELLITE_KWH_PER_KWP = 1054.0
"""Plant tilted 35 degrees to the south in Cardiff, from satellite data of 2019."""
YIELD = 0.10
"""Relative. Fifteen days stand for a year: one date for a season of up to 155 days, three kinds of
sky, clear-sky indices of the plane of array put on all irradiance, and generic system losses."""
SOUTH = Roof(1.0, 35.0, 180.0)


@pytest.fixture(scope="module")
def tables():
    return read_tables(PROFILES)


def power(tables, season, weather, *roofs):
    facts = tables.seasons[season]
    sky = clear_sky(CARDIFF, facts.representative)
    clearness = clearness_series(facts, weather, sky, seed=1)
    return feed_in_kw(
        roofs,
        sky,
        quarters_to_minutes(clearness),
        quarters_to_minutes(air_temperature_c(facts)),
        tables.parameters("pv"),
    )


def test_yearly_yield_is_near_that_of_the_satellite_data(tables):
    total = sum(
        -power(tables, season, weather, SOUTH).sum()
        / 60
        * facts.days
        * facts.weather_share[weather]
        for season, facts in tables.seasons.items()
        for weather in Weather
    )
    assert total == pytest.approx(SATELLITE_KWH_PER_KWP, rel=YIELD)


def test_power_is_negative_by_day_and_nothing_by_night(tables):
    p_kw = power(tables, Season.SUMMER, Weather.SUNNY, SOUTH)[0]
    assert p_kw.max() == 0
    assert (p_kw[:180] == 0).all()
    assert p_kw[12 * 60] < -0.5


def test_east_has_the_morning_and_west_the_evening(tables):
    east, west = power(tables, Season.SUMMER, Weather.SUNNY, Roof(1, 35, 90), Roof(1, 35, 270))
    hours = np.arange(1440) / 60
    centre_east, centre_west = (hours @ p / p.sum() for p in (east, west))
    assert centre_east < 13 < centre_west
    # About the solar noon of 13:10 the two mirror each other.
    assert (centre_east + centre_west) / 2 == pytest.approx(13.17, abs=0.2)


def test_inverter_cuts_off(tables):
    parameters = tables.parameters("pv")
    sky = clear_sky(CARDIFF, tables.seasons[Season.SUMMER].representative)
    bright = feed_in_kw((SOUTH,), sky, np.full(1440, 2.0), np.full(1440, -10.0), parameters)
    limit = 1.0 / parameters["dc_ac_ratio"].value
    assert -bright.min() == pytest.approx(limit, rel=1e-6)


def test_heat_costs_power(tables):
    parameters = tables.parameters("pv")
    sky = clear_sky(CARDIFF, tables.seasons[Season.SUMMER].representative)
    cold, hot = (
        feed_in_kw((SOUTH,), sky, np.ones(1440), np.full(1440, air), parameters).sum()
        for air in (5.0, 30.0)
    )
    # 25 K at -0.47 % a kelvin, all other things equal; losses of the inverter bend it slightly.
    assert hot / cold == pytest.approx(1 - 0.0047 * 25, abs=0.02)


def test_flat_roof_sees_the_global_irradiance(tables):
    sky = clear_sky(CARDIFF, tables.seasons[Season.SUMMER].representative)
    flat = plane_of_array(sky, (Roof(1.0, 0.0, 180.0),))[0]
    high = sky.zenith_deg < 80
    # Global is beam and diffuse by definition; the model's refraction leaves per mills.
    np.testing.assert_allclose(flat[high], sky.ghi[high], rtol=0.01)
