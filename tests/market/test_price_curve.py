"""Price curves as they are made and changed, against what is said of them at single points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.market.price_curve import mirrored, moved, ramp, shared, step, total

from .curve_oracle import Row, as_curve, integral, reading, row_of, rows

EUR_PER_KWH = 1e-9
"""Rounding of an interpolation between prices below 1 EUR/kWh."""
EUR = 1e-9
"""Rounding of a sum of a dozen products below 10."""
DENSE = np.linspace(-4.0, 4.0, 97) + 1 / 64
"""Changes none of which is a knot, as those are quarters of a kW."""
compiles_first = settings(deadline=None)
"""The first call of a compiled function takes as long as a thousand others."""
quarters = st.integers(-12, 12).map(lambda count: count / 4)
cents = st.integers(-20, 60).map(lambda count: count / 100)


@compiles_first
@given(price=cents, slope=st.sampled_from([0.0, 0.01, 0.2, 3.0]), ends=st.tuples(cents, cents))
def test_a_ramp_is_a_line_between_two_prices(
    price: float, slope: float, ends: tuple[float, float]
) -> None:
    low, high = sorted(ends)
    curve = ramp(*(np.array([value]) for value in (price, slope, low, high)))
    expected = np.clip(price + slope * DENSE, low, high)
    assert reading(row_of(curve), DENSE) == pytest.approx(expected, abs=EUR_PER_KWH)


def test_a_step_is_one_price_up_to_the_room_and_another_beyond() -> None:
    curve = step(np.array([1.5]), np.array([0.0]), np.array([1.0]))
    assert integral(row_of(curve), -1.0, 1.5) == 0.0
    assert integral(row_of(curve), 1.5, 2.0) == pytest.approx(0.5)


@compiles_first
@given(row=rows(), away_kw=quarters)
def test_a_moved_curve_is_read_from_where_it_was_moved_to(row: Row, away_kw: float) -> None:
    curve = moved(as_curve(row), np.array([away_kw]))
    expected = reading(row, DENSE + away_kw)
    assert reading(row_of(curve), DENSE) == pytest.approx(expected, abs=EUR_PER_KWH)


@compiles_first
@given(row=rows(), sharers=st.sampled_from([1.0, 1.5, 4.0]))
def test_a_shared_curve_tells_each_the_price_of_all_together(row: Row, sharers: float) -> None:
    curve = shared(as_curve(row), sharers)
    expected = reading(row, DENSE)
    assert reading(row_of(curve), DENSE / sharers) == pytest.approx(expected, abs=EUR_PER_KWH)


@compiles_first
@given(row=rows(), change_kw=quarters)
def test_a_mirrored_curve_costs_what_the_opposite_change_costs(row: Row, change_kw: float) -> None:
    curve = mirrored(as_curve(row))
    assert integral(row_of(curve), 0.0, change_kw) == pytest.approx(
        integral(row, 0.0, -change_kw), abs=EUR
    )
    assert (np.diff(curve.change_kw) >= 0).all()
    assert (np.diff(curve.price_eur_per_kwh) >= 0).all()


@compiles_first
@given(parts=st.lists(rows(3), min_size=1, max_size=4), change_kw=quarters)
def test_a_total_costs_what_its_parts_cost(parts: list[Row], change_kw: float) -> None:
    curve = total(tuple(as_curve(row) for row in parts))
    expected = sum(integral(row, 0.0, change_kw) for row in parts)
    assert integral(row_of(curve), 0.0, change_kw) == pytest.approx(expected, abs=EUR)
    assert (np.diff(curve.change_kw) >= 0).all()
    assert (np.diff(curve.price_eur_per_kwh) >= -EUR_PER_KWH).all()
