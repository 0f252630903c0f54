"""Accounts that add up, and suggestions worth what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.cems.awareness import (
    MeteredDay,
    ObservedDay,
    Period,
    accounts,
    hours_in_use,
    moved_saving_eur,
    suggestions,
)
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, ElectricVehicle
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.plant import reference_days

H = Horizon()
EUR = 1e-6
"""A plan is proven to 1e-7 EUR."""
EXACT = 1e-9
"""Sums of a few thousand floats."""


def at(hour: float) -> int:
    return H.ptu_at(hour)


def flat(value: float) -> FloatArray:
    return np.full(H.ptus, value)


def two_prices(day: float, night: float, export: float = 0.05) -> Tariff:
    prices = np.where(H.start_hours < 6, night, day)
    return Tariff("two prices", prices, flat(export), standing_eur_per_day=0.3)


DISHWASHER = Appliance("dishwasher", (2.0, 2.0), at(19), at(19), at(5))
VEHICLE = ElectricVehicle(3.6, 24.0, 0.9, at(18), at(7), 6.48)


def home_of(*, offered: tuple[str, ...] = ()) -> Home:
    names = frozenset({"dishwasher", "ev"})
    return Home(
        "h001", 3300.0, flat(0.2), (DISHWASHER,), VEHICLE, owns=names, offered=frozenset(offered)
    )


def observed(tariff: Tariff, days_per_year: float = 365.0) -> ObservedDay:
    home = home_of()
    return ObservedDay(home, reference_days([home], H)[0], tariff, days_per_year)


def metered(day: date, net_kw: FloatArray, generation_kw: FloatArray | None = None) -> MeteredDay:
    generation_kw = np.zeros(H.ptus) if generation_kw is None else generation_kw
    return MeteredDay(day, net_kw, generation_kw, two_prices(0.2, 0.1))


def test_a_day_by_hand() -> None:
    """1 kW by night, 0.5 kW fed in from 2 kW of sun for four hours, nothing else."""
    net_kw = np.where(H.start_hours < 6, 1.0, 0.0)
    sun = (H.start_hours >= 12) & (H.start_hours < 16)
    net_kw[sun] = -0.5
    (account,) = accounts(
        [metered(date(2019, 3, 1), net_kw, np.where(sun, -2.0, 0.0))], Period.DAY, H
    )
    assert account.label == "2019-03-01"
    assert account.consumption_kwh == pytest.approx(6.0 + 4 * 1.5, abs=EXACT)
    assert account.generation_kwh == pytest.approx(8.0, abs=EXACT)
    assert account.import_kwh == pytest.approx(6.0, abs=EXACT)
    assert account.export_kwh == pytest.approx(2.0, abs=EXACT)
    assert account.energy_eur == pytest.approx(6 * 0.1 - 2 * 0.05, abs=EXACT)
    assert account.cost_eur == pytest.approx(0.5 + 0.3, abs=EXACT)


def test_weeks_begin_on_monday_and_years_do_not_cut_them() -> None:
    days = [metered(date(2018, 12, 30) + timedelta(days=k), flat(1.0)) for k in range(3)]
    assert [a.label for a in accounts(days[::-1], Period.DAY, H)] == [
        "2018-12-30",
        "2018-12-31",
        "2019-01-01",
    ]
    assert [(a.label, a.days) for a in accounts(days, Period.WEEK, H)] == [
        ("2018-W52", 1),
        ("2019-W01", 2),
    ]
    assert [(a.label, a.days) for a in accounts(days, Period.MONTH, H)] == [
        ("2018-12", 2),
        ("2019-01", 1),
    ]


@given(st.integers(1, 45), st.sampled_from(Period), st.integers(0, 1000))
def test_periods_add_up_to_their_days(count: int, period: Period, seed: int) -> None:
    rng = np.random.default_rng(seed)
    days = [
        metered(
            date(2019, 1, 20) + timedelta(days=k),
            rng.normal(0.3, 1, H.ptus),
            -rng.uniform(0, 1, H.ptus),
        )
        for k in range(count)
    ]
    whole, parts = accounts(days, period, H), accounts(days, Period.DAY, H)
    for name in (
        "days",
        "consumption_kwh",
        "generation_kwh",
        "import_kwh",
        "export_kwh",
        "cost_eur",
    ):
        total = sum(getattr(part, name) for part in parts)
        assert sum(getattr(each, name) for each in whole) == pytest.approx(total, abs=EXACT)
    for part in parts:
        balance_kwh = part.import_kwh - part.export_kwh + part.generation_kwh
        assert part.consumption_kwh == pytest.approx(balance_kwh, abs=EXACT)


def test_what_was_not_read_is_counted_not_guessed() -> None:
    holed = flat(1.0)
    holed[:8] = np.nan
    empty = metered(date(2019, 3, 2), flat(np.nan))
    first, second = accounts([metered(date(2019, 3, 1), holed), empty], Period.DAY, H)
    assert first.missing_ptus == 8
    assert first.import_kwh == pytest.approx(22.0, abs=EXACT)
    assert second.missing_ptus == 96
    assert math.isnan(second.import_kwh)
    assert math.isnan(second.cost_eur)
    (month,) = accounts([metered(date(2019, 3, 1), holed), empty], Period.MONTH, H)
    assert month.missing_ptus == 104
    assert month.import_kwh == pytest.approx(22.0, abs=EXACT)


def test_bad_days_are_refused_together() -> None:
    days = [
        metered(date(2019, 3, 1), np.zeros(4)),
        metered(date(2019, 3, 1), flat(0.0), flat(0.5)),
    ]
    with pytest.raises(ConfigurationError) as told:
        accounts(days, Period.DAY, H)
    assert [fault.where for fault in told.value.faults] == [
        "2019-03-01, net_kw",
        "day",
        "2019-03-01, generation_kw",
    ]


def test_shifting_the_dishwasher_is_worth_its_price_difference() -> None:
    """1 kWh at 0.10 rather than 0.30; the vehicle's 7.2 kWh charge from 18:00, free until 07:00."""
    vehicle, dishwasher = suggestions([observed(two_prices(0.30, 0.10), 200.0)], H)
    assert dishwasher.device == "dishwasher"
    assert dishwasher.saving_eur == pytest.approx(1.0 * 0.20, abs=EUR)
    assert dishwasher.saving_eur_per_year == pytest.approx(200 * 0.20, abs=200 * EUR)
    assert dishwasher.words == "dishwasher: run 00:00-00:30 rather than 19:00-19:30"
    assert vehicle.device == "ev"
    assert vehicle.saving_eur == pytest.approx(7.2 * 0.20, abs=EUR)
    assert vehicle.words == "ev: let it draw power 00:00-02:00 rather than 18:00-20:00"
    assert "200 days" in vehicle.assumption


def test_days_are_weighed_by_how_often_they_come() -> None:
    cheap, dear = observed(two_prices(0.20, 0.10), 100.0), observed(two_prices(0.40, 0.10), 10.0)
    dishwasher = suggestions([cheap, dear], H)[-1]
    assert dishwasher.saving_eur == pytest.approx(0.30, abs=EUR)
    assert dishwasher.saving_eur_per_year == pytest.approx(100 * 0.1 + 10 * 0.3, abs=110 * EUR)
    assert "110 days" in dishwasher.assumption


def test_less_than_a_cent_is_not_worth_a_word() -> None:
    assert {s.device for s in suggestions([observed(two_prices(0.1095, 0.10))], H)} == {"ev"}
    assert {s.device for s in suggestions([observed(two_prices(0.1105, 0.10))], H)} == {
        "dishwasher",
        "ev",
    }
    assert suggestions([observed(two_prices(0.10, 0.10))], H) == ()


def test_a_home_at_its_best_gets_no_suggestion() -> None:
    home = home_of()
    settled = replace(home, appliances=(replace(DISHWASHER, asked_start=at(1)),), ev=None)
    day = ObservedDay(settled, reference_days([settled], H)[0], two_prices(0.3, 0.1), 365.0)
    assert suggestions([day], H) == ()


def test_whether_a_device_is_offered_does_not_matter() -> None:
    day = observed(two_prices(0.30, 0.10))
    offered = replace(day, home=home_of(offered=("dishwasher", "ev")))
    assert suggestions([day], H) == suggestions([offered], H)


def test_moving_one_device_by_hand() -> None:
    tariff = two_prices(0.30, 0.10)
    before, after = DISHWASHER.profile_kw(at(19), H), DISHWASHER.profile_kw(at(1), H)
    saving_eur = moved_saving_eur(flat(0.2) + before, before, after, tariff, H)
    assert saving_eur == pytest.approx(0.2, abs=EXACT)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ((), "never"),
        (tuple(range(24)), "all day"),
        ((18, 19), "18:00-20:00"),
        ((23, 0), "23:00-01:00"),
        ((0, 5, 23), "05:00-06:00, 23:00-01:00"),
        ((23,), "23:00-00:00"),
    ],
)
def test_hours_in_words(hours: tuple[int, ...], words: str) -> None:
    power_kw = np.isin(H.start_hours.astype(int), hours).astype(float)
    assert hours_in_use(power_kw, H) == words
