"""Phase 1: the average demand against quadrature and the energies it was fitted to."""

import numpy as np
import pytest

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, DayType, Season
from mas2sim.population.average_demand import annual_kwh, average_profiles_kw, days_in_year
from mas2sim.population.resolution import (
    cycle_to_ptus,
    ptus_to_quarters,
    quarters_to_ptus,
)
from mas2sim.population.tables import read_tables

from .population_samples import PROFILES

TABLE_ROUNDING_KWH = 0.01
"""The daily energies below are rounded to 0.01 kWh, the coefficients to 0.0001 kW."""
QUADRATURE = 1e-9
"""Twenty-point Gauss-Legendre on eight harmonics over an hour at most: exact to rounding."""
ROUNDING = 1e-12
"""Sums of a hundred doubles of order one."""

# kWh a day of the settlement profiles that the harmonics were fitted to: weekday, Saturday, Sunday.
FITTED_KWH = {
    Season.WINTER: (12.29, 12.55, 13.46),
    Season.SPRING: (9.74, 10.21, 10.70),
    Season.SUMMER: (8.87, 9.14, 9.71),
    Season.HIGH_SUMMER: (8.86, 8.84, 9.52),
    Season.AUTUMN: (9.90, 10.15, 10.68),
}


@pytest.fixture(scope="module")
def tables():
    return read_tables(PROFILES)


@pytest.mark.parametrize("ptu_minutes", [5, 15, 30, 60])
def test_ptu_means_are_the_integral_of_the_harmonics(tables, ptu_minutes):
    horizon = Horizon(ptu_minutes)
    profiles = average_profiles_kw(tables, horizon)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    hours = horizon.start_hours[:, None] + horizon.ptu_hours * (nodes + 1) / 2
    for index, day in enumerate(TYPICAL_DAYS):
        wave = tables.harmonics["domestic", day.season, day.day_type]
        power = np.full_like(hours, wave.mean_kw)
        for k in range(1, 9):
            angle = 2 * np.pi * k * hours / 24
            power += wave.cos_kw[k - 1] * np.cos(angle) + wave.sin_kw[k - 1] * np.sin(angle)
        np.testing.assert_allclose(profiles[index], power @ weights / 2, atol=QUADRATURE)


def test_energies_of_the_days_are_those_that_were_fitted(tables):
    daily = average_profiles_kw(tables, Horizon(15)).sum(axis=1) / 4
    for index, day in enumerate(TYPICAL_DAYS):
        wanted = FITTED_KWH[day.season][list(DayType).index(day.day_type)]
        assert daily[index] == pytest.approx(wanted, abs=TABLE_ROUNDING_KWH)


def test_year_peak_and_minimum_are_those_of_the_average_customer(tables):
    profiles = average_profiles_kw(tables, Horizon(15))
    assert annual_kwh(profiles, days_in_year(tables.seasons)) == pytest.approx(3921, abs=1.5)
    winter = profiles[TYPICAL_DAYS.index(TYPICAL_DAYS[0])]
    assert winter.max() == pytest.approx(0.93, abs=0.01)
    assert 17 <= winter.argmax() / 4 <= 19
    assert profiles.min() == pytest.approx(0.18, abs=0.005)


def test_seasons_fill_the_reference_year(tables):
    days = {season: facts.days for season, facts in tables.seasons.items()}
    assert sum(days.values()) == 365
    for facts in tables.seasons.values():
        length = (facts.last - facts.first).days + 1
        assert (length if length > 0 else length + 365) == facts.days


@pytest.mark.parametrize("ptu_minutes", [5, 10, 15, 20, 30, 60])
def test_resampling_keeps_energy(ptu_minutes):
    horizon = Horizon(ptu_minutes)
    quarters = np.random.default_rng(3).random((4, 96))
    resampled = quarters_to_ptus(quarters, horizon)
    assert resampled.shape == (4, horizon.ptus)
    energy = resampled.sum(axis=1) * horizon.ptu_hours
    np.testing.assert_allclose(energy, quarters.sum(axis=1) / 4, rtol=ROUNDING)
    np.testing.assert_allclose(ptus_to_quarters(resampled).sum(axis=1) / 4, energy, rtol=ROUNDING)
    cycle = (1.8, 0.2, 0.2, 1.8, 0.5)
    assert sum(cycle_to_ptus(cycle, horizon)) * horizon.ptu_hours == pytest.approx(
        sum(cycle) / 4, rel=ROUNDING
    )
