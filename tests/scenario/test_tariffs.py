"""Shipped tariffs as prices of PTUs, by hand."""

import numpy as np
import pytest

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import DayType
from mas2sim.scenario import compose_case
from mas2sim.scenario.tariff import tariff_of

QUARTERS = Horizon()


def price(hour: float, day: DayType, name: str = "uk_time_of_use") -> float:
    tariff = tariff_of(compose_case([f"tariff={name}"]).configuration.tariff, day, QUARTERS)
    return float(tariff.import_eur_per_kwh[QUARTERS.ptu_at(hour)])


@pytest.mark.parametrize(
    ("hour", "day", "gbp"),
    [
        (0.0, DayType.WEEKDAY, 0.05),
        (5.75, DayType.SUNDAY, 0.05),
        (6.0, DayType.WEEKDAY, 0.12),
        (16.0, DayType.WEEKDAY, 0.25),
        (18.75, DayType.WEEKDAY, 0.25),
        (19.0, DayType.WEEKDAY, 0.12),
        (17.0, DayType.SATURDAY, 0.12),
        (23.0, DayType.SATURDAY, 0.05),
    ],
)
def test_time_of_use_in_eur(hour: float, day: DayType, gbp: float) -> None:
    assert price(hour, day) == pytest.approx(gbp * 1.14)


def test_belgian_days_and_nights() -> None:
    assert price(12, DayType.WEEKDAY, "be_bi_hourly") == 0.25
    assert price(12, DayType.SUNDAY, "be_bi_hourly") == 0.18
    assert price(22, DayType.WEEKDAY, "be_bi_hourly") == 0.18


def test_the_dynamic_tariff_has_24_prices_and_a_spread_of_17_cents() -> None:
    group = compose_case(["tariff=dynamic"]).configuration.tariff
    prices = tariff_of(group, DayType.WEEKDAY, Horizon(60)).import_eur_per_kwh
    assert len(np.unique(prices)) == 24
    assert np.ptp(prices) == pytest.approx(0.17)


def test_a_band_that_ends_within_a_ptu_counts_by_its_share() -> None:
    group = compose_case(
        [
            "tariff=uk_flat",
            "tariff.bands=[{days:[weekday],from:'00:00',to:'00:15',price_per_kwh:1}]",
        ]
    ).configuration.tariff
    hourly = tariff_of(group, DayType.WEEKDAY, Horizon(60))
    assert hourly.import_eur_per_kwh[0] == pytest.approx((0.25 * 1 + 0.75 * 0.14) * 1.14)


def test_equal_prices_are_equal_to_the_bit() -> None:
    """Else what should tie would not."""
    tariff = tariff_of(compose_case().configuration.tariff, DayType.WEEKDAY, QUARTERS)
    assert len(np.unique(tariff.import_eur_per_kwh)) == 3
