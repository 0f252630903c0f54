"""Price curves read a second way: by numpy alone, segment by segment, and what hypothesis draws."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import PriceCurve

Row = tuple[FloatArray, FloatArray]
"""Knots and prices of one PTU."""


def reading(row: Row, change_kw: FloatArray) -> FloatArray:
    """Prices at changes that are no knots: there is no jump to decide on."""
    knots, prices = row
    # Equal knots would make numpy divide by zero; nothing is read between them.
    return np.interp(change_kw, knots, prices)


def integral(row: Row, low_kw: float, high_kw: float) -> float:
    """Cost of going from one change to another, either way round.

    A curve is linear between its knots, so that the price in the middle of a segment times its
    width is its integral; no jump is ever in the middle.
    """
    if high_kw < low_kw:
        return -integral(row, high_kw, low_kw)
    inside = row[0][(row[0] > low_kw) & (row[0] < high_kw)]
    ends = np.unique(np.concatenate([[low_kw], inside, [high_kw]]))
    middle = 0.5 * (ends[1:] + ends[:-1])
    return float((np.diff(ends) * reading(row, middle)).sum())


def curve_cost(curve: PriceCurve, change_kw: FloatArray) -> float:
    """Cost of a change of shape (ptu), for each hour that a PTU lasts."""
    return sum(
        integral((curve.change_kw[t], curve.price_eur_per_kwh[t]), 0.0, float(change))
        for t, change in enumerate(change_kw)
    )


def random_curve(
    rng: np.random.Generator, ptus: int, *, lowest: float = 0.02, highest: float = 0.5
) -> PriceCurve:
    """A never falling curve with ramps, flats and jumps."""
    knots = np.sort(rng.uniform(-5.0, 5.0, (ptus, 4)), axis=1)
    jump = rng.random(ptus) < 0.4
    knots[jump, 2] = knots[jump, 1]
    prices = np.sort(rng.uniform(lowest, highest, (ptus, 4)), axis=1)
    flat = rng.random(ptus) < 0.3
    prices[flat, 3] = prices[flat, 2]
    return PriceCurve(knots, prices)


@st.composite
def rows(draw: st.DrawFn, most: int = 4) -> Row:
    """Knots on quarters of a kW, so that equal ones are drawn often; prices never falling."""
    count = draw(st.integers(1, most))
    quarters = draw(st.lists(st.integers(-12, 12), min_size=count, max_size=count))
    cents = draw(st.lists(st.integers(-20, 60), min_size=count, max_size=count))
    return np.array(sorted(quarters)) / 4.0, np.array(sorted(cents)) / 100.0


def as_curve(row: Row) -> PriceCurve:
    """The curve of a single PTU."""
    return PriceCurve(row[0][None], row[1][None])


def row_of(curve: PriceCurve, ptu: int = 0) -> Row:
    return curve.change_kw[ptu], curve.price_eur_per_kwh[ptu]
