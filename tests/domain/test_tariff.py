"""What energy costs: bills worked out by hand, and what every bill obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff

EUR = 1e-9
"""Rounding of a sum of 24 products of numbers below 100."""
HOURS = Horizon(60)
powers = npst.arrays(np.float64, 24, elements=st.floats(-20, 20))
prices = npst.arrays(np.float64, 24, elements=st.floats(-1, 1))


def night_and_day(standing_eur_per_day: float = 0.0) -> Tariff:
    return Tariff(
        "night_and_day",
        np.repeat([0.10, 0.30], [6, 18]),
        np.full(24, 0.05),
        standing_eur_per_day,
    )


def test_bill_of_import_and_export_by_hand() -> None:
    # 2 kW for 6 h at 0.10 = 1.20; 1 kW for 10 h at 0.30 = 3.00; 4 kW fed in for 8 h at 0.05 = 1.60.
    net_kw = np.repeat([2.0, 1.0, -4.0], [6, 10, 8])

    assert night_and_day().energy_cost_eur(net_kw, HOURS) == pytest.approx(2.60, abs=EUR)


def test_standing_charge_is_in_the_bill_alone() -> None:
    tariff = night_and_day(standing_eur_per_day=0.40)

    assert tariff.energy_cost_eur(np.zeros(24), HOURS) == 0.0
    assert tariff.bill_eur(np.zeros(24), HOURS) == pytest.approx(0.40, abs=EUR)


def test_peak_is_priced_by_the_greatest_import() -> None:
    # 2 kW for 6 h at 0.10 and 3 kW once at 0.30, 4 kW fed in once at 0.05; the peak is 3 kW.
    net_kw = np.zeros(24)
    net_kw[:6], net_kw[12], net_kw[13] = 2.0, 3.0, -4.0
    tariff = replace(night_and_day(standing_eur_per_day=0.40), peak_eur_per_kw=0.50)

    assert tariff.energy_cost_eur(net_kw, HOURS) == pytest.approx(1.90, abs=EUR)
    assert tariff.cost_eur(net_kw, HOURS) == pytest.approx(3.40, abs=EUR)
    assert tariff.bill_eur(net_kw, HOURS) == pytest.approx(3.80, abs=EUR)


def test_home_that_only_feeds_in_has_no_peak() -> None:
    tariff = replace(night_and_day(), peak_eur_per_kw=0.50)

    assert tariff.cost_eur(np.full(24, -1.0), HOURS) == pytest.approx(-24 * 0.05, abs=EUR)


def test_peaks_of_several_days_are_apart() -> None:
    net_kw = np.stack([np.full(24, 1.0), np.full(24, 2.0)])
    tariff = replace(night_and_day(), peak_eur_per_kw=0.50)

    peaks_eur = tariff.cost_eur(net_kw, HOURS) - tariff.energy_cost_eur(net_kw, HOURS)

    assert peaks_eur == pytest.approx([0.5, 1.0], abs=EUR)


def test_import_and_export_are_not_netted_over_time() -> None:
    # 1 kW drawn at 03:00 (0.10) and fed in at 12:00 (0.05) is not nothing.
    net_kw = np.zeros(24)
    net_kw[3], net_kw[12] = 1.0, -1.0

    assert night_and_day().energy_cost_eur(net_kw, HOURS) == pytest.approx(0.05, abs=EUR)


def test_short_ptus_cost_their_share_of_an_hour() -> None:
    # 1 kW at 0.20 EUR/kWh in one PTU: 0.05, 0.10 and 0.20 EUR.
    for minutes, expected in ((15, 0.05), (30, 0.10), (60, 0.20)):
        horizon = Horizon(minutes)
        net_kw = np.eye(horizon.ptus)[0]
        tariff = Tariff("flat", np.full(horizon.ptus, 0.20), np.zeros(horizon.ptus))
        assert tariff.energy_cost_eur(net_kw, horizon) == pytest.approx(expected, abs=EUR)


def test_leading_axes_are_kept() -> None:
    net_kw = np.arange(2 * 3 * 24, dtype=float).reshape(2, 3, 24) - 60
    tariff = night_and_day(0.40)

    bills = tariff.bill_eur(net_kw, HOURS)

    assert bills.shape == (2, 3)
    assert bills[1, 2] == pytest.approx(float(tariff.bill_eur(net_kw[1, 2], HOURS)), abs=EUR)


@given(powers, prices, prices)
def test_cost_is_the_sum_over_both_directions(
    net_kw: np.ndarray, imported: np.ndarray, exported: np.ndarray
) -> None:
    by_hand = sum(
        buy * max(kw, 0.0) - sell * max(-kw, 0.0)
        for kw, buy, sell in zip(net_kw, imported, exported, strict=True)
    )

    cost = Tariff("t", imported, exported).energy_cost_eur(net_kw, HOURS)

    assert cost == pytest.approx(by_hand, abs=EUR)


@given(powers, powers)
def test_two_homes_pay_no_less_apart_where_export_earns_less(
    one_kw: np.ndarray, other_kw: np.ndarray
) -> None:
    tariff = night_and_day()
    apart = tariff.energy_cost_eur(np.stack([one_kw, other_kw]), HOURS).sum()

    assert tariff.energy_cost_eur(one_kw + other_kw, HOURS) <= apart + EUR
