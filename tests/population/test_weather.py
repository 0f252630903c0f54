"""Phase 4: representative dates, clouds and air temperature."""

from datetime import date

import numpy as np
import pytest

from mas2sim.domain.typical_day import Season, Weather
from mas2sim.population import representative_dates
from mas2sim.population.resolution import ptus_to_quarters
from mas2sim.population.tables import read_tables
from mas2sim.population.weather import air_temperature_c, clear_sky, clearness_series

from .population_samples import CARDIFF, PROFILES

EXACT = 1e-12
"""The series is scaled to the table's mean: rounding only."""


@pytest.fixture(scope="module")
def seasons():
    return read_tables(PROFILES).seasons


@pytest.fixture(scope="module")
def skies(seasons):
    return {name: clear_sky(CARDIFF, facts.representative) for name, facts in seasons.items()}


def test_shipped_dates_are_those_that_the_model_gives(seasons):
    shipped = {season: facts.representative for season, facts in seasons.items()}
    assert representative_dates(CARDIFF, seasons) == shipped


def test_day_runs_by_the_local_clock(skies):
    # Solar noon at 3.18 W is 12:13 mean time, less up to 16 minutes for the equation of time, and
    # an hour later by the clock in summer.
    noon = {season: skies[season].zenith_deg.argmin() / 60 for season in Season}
    assert noon[Season.WINTER] == pytest.approx(11.94, abs=0.1)
    for season in set(Season) - {Season.WINTER}:
        assert noon[season] == pytest.approx(13.15, abs=0.25)


def test_lowest_zenith_is_latitude_less_declination(skies):
    # Cooper's formula for the declination is good to half a degree.
    day = date(2015, 5, 28).timetuple().tm_yday
    declination = 23.45 * np.sin(2 * np.pi * (284 + day) / 365)
    assert skies[Season.SUMMER].zenith_deg.min() == pytest.approx(51.48 - declination, abs=0.5)


@pytest.mark.parametrize("season", list(Season))
@pytest.mark.parametrize("weather", list(Weather))
def test_mean_clearness_is_the_tables(seasons, skies, season, weather):
    for seed in range(5):
        index = clearness_series(seasons[season], weather, skies[season], seed=seed)
        ghi = ptus_to_quarters(skies[season].ghi)
        assert index @ ghi / ghi.sum() == pytest.approx(
            seasons[season].clearness[weather], rel=EXACT
        )
        assert index.min() > 0


@pytest.mark.parametrize("season", list(Season))
def test_variable_day_has_two_states_of_half_an_hour_to_an_hour(seasons, skies, season):
    index = clearness_series(seasons[season], Weather.VARIABLE, skies[season], seed=7)
    values = np.unique(np.round(index, 9))
    assert values.size == 2
    assert values[1] / values[0] == pytest.approx(4.0, rel=1e-6)
    changes = np.flatnonzero(np.diff(index))
    # The day is cut out of a longer series, so its first, last and midnight spells may be cut.
    dwells = np.diff(changes)
    assert np.mean((dwells >= 2) & (dwells <= 4)) > 0.85


def test_sunny_is_smooth_and_cloudy_is_mild(seasons, skies):
    facts, sky = seasons[Season.SUMMER], skies[Season.SUMMER]
    assert np.ptp(clearness_series(facts, Weather.SUNNY, sky, seed=1)) == 0
    cloudy = clearness_series(facts, Weather.CLOUDY, sky, seed=1)
    assert 0.03 < cloudy.std() / cloudy.mean() < 0.25


def test_seeds_differ(seasons, skies):
    facts, sky = seasons[Season.SUMMER], skies[Season.SUMMER]
    one, two = (clearness_series(facts, Weather.VARIABLE, sky, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, two)


def test_air_is_warmest_in_the_afternoon(seasons):
    facts = seasons[Season.WINTER]
    air = air_temperature_c(facts, offset_k=-5)
    assert air.mean() == pytest.approx(facts.air_mean_c - 5)
    assert air.argmax() / 4 == pytest.approx(15.0, abs=0.25)
    assert np.ptp(air) == pytest.approx(2 * facts.air_swing_k, rel=0.01)
