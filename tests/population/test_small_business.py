"""Small businesses: their year, their hours, and what decides them."""

import numpy as np
import pytest

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TYPICAL_DAYS, DayType, Season, TypicalDay, Weather
from mas2sim.population import PopulationSettings, Site, SmallBusiness, SmartScenario
from mas2sim.population.average_demand import days_in_year
from mas2sim.population.non_domestic import build_non_domestic
from mas2sim.population.tables import read_tables

from .population_samples import PROFILES

QUARTERS = Horizon(15)
WINTER = TypicalDay(Season.WINTER, DayType.WEEKDAY)
ROUNDING = 1e-12
"""Sums of a thousand doubles."""
MANY = 400
MEAN_KWH, SPREAD_KWH = 12_000.0, 5_000.0
SIGMAS = 4.0
CLIPPED_KWH = 72.0
"""What the bound of 3,000 kWh, 1.8 spreads below, lifts the mean: phi(1.8) - 1.8 Q(1.8) spreads."""


def settings() -> PopulationSettings:
    nobody = SmartScenario("nobody", 0, 0, 0, 0, 0, 0)
    return PopulationSettings(
        homes=1,
        site=Site(51.48, -3.18, 20, "Europe/London"),
        smart=nobody,
        ladder=(nobody,),
        flexible_percent=50,
        profiles_dir=PROFILES,
    )


def shops(
    *businesses: SmallBusiness,
    day: TypicalDay = WINTER,
    seed: int = 1,
    substation: int = 2,
    horizon: Horizon = QUARTERS,
    weather: Weather = Weather.CLOUDY,
):
    points = build_non_domestic(
        businesses,
        settings(),
        day=day,
        weather=weather,
        seed=seed,
        substation=substation,
        horizon=horizon,
    )
    assert all(len(each) == 1 for each in points)
    return [each[0] for each in points]


def test_fifteen_days_add_up_to_its_year() -> None:
    days = days_in_year(read_tables(PROFILES).seasons)
    bakery = SmallBusiness("bakery", annual_kwh=9_000.0)
    daily_kwh = [shops(bakery, day=day)[0].base_kw.sum() / 4 for day in TYPICAL_DAYS]
    assert days @ daily_kwh == pytest.approx(9_000.0, rel=ROUNDING)
    assert shops(bakery)[0].annual_kwh == 9_000.0


def test_it_works_by_day_and_rests_on_sundays() -> None:
    shop = SmallBusiness("shop005")
    weekday, sunday = (
        shops(shop, day=TypicalDay(Season.SPRING, kind))[0].base_kw
        for kind in (DayType.WEEKDAY, DayType.SUNDAY)
    )
    assert weekday.min() > 0.0
    assert weekday[40:64].mean() > 2.0 * weekday[:20].mean()
    assert sunday.sum() < 0.7 * weekday.sum()


def test_seed_substation_and_name_decide_and_nothing_else() -> None:
    shop, other = SmallBusiness("shop005"), SmallBusiness("shop041")
    first = shops(shop)[0]
    again = shops(other, shop, weather=Weather.SUNNY)[1]
    assert first.annual_kwh == again.annual_kwh
    assert np.array_equal(first.base_kw, again.base_kw)
    years = {
        first.annual_kwh,
        shops(other)[0].annual_kwh,
        shops(shop, seed=2)[0].annual_kwh,
        shops(shop, substation=3)[0].annual_kwh,
    }
    assert len(years) == 4


def test_other_ptus_are_means_of_the_same_profile() -> None:
    shop = SmallBusiness("shop005")
    quarters, hours = shops(shop)[0].base_kw, shops(shop, horizon=Horizon(60))[0].base_kw
    assert hours == pytest.approx(quarters.reshape(24, 4).mean(axis=1), rel=ROUNDING)


def test_years_scatter_about_12_000_kwh() -> None:
    years = [each.annual_kwh for each in shops(*(SmallBusiness(f"s{k}") for k in range(MANY)))]
    error_kwh = SIGMAS * SPREAD_KWH / np.sqrt(MANY)
    assert np.mean(years) == pytest.approx(MEAN_KWH, abs=error_kwh + CLIPPED_KWH)
    assert np.std(years) == pytest.approx(SPREAD_KWH, rel=0.2)
    assert min(years) >= 3_000.0


def test_nothing_of_it_can_be_planned() -> None:
    (shop,) = shops(SmallBusiness("shop005"))
    assert not shop.has_flexibility
    assert not shop.owns
