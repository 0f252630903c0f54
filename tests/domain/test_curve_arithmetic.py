"""Price curves read, added and integrated by machine code, against numpy on dense points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.curve_arithmetic import (
    accept_in_turn,
    add_curves,
    change_cost,
    cost_between,
    price_at,
    price_before,
)
from tests.market.curve_oracle import Row, integral, reading, rows

EUR_PER_KWH = 1e-9
"""Rounding of an interpolation between prices below 1 EUR/kWh, knots a quarter of a kW apart."""
EUR = 1e-9
"""Rounding of a sum of a dozen such products over at most 10 kW."""
BESIDE_KW = 1e-10
"""So near to a knot a price has moved by less than `EUR_PER_KWH`, unless it jumps there."""
DENSE = np.linspace(-4.0, 4.0, 97) + 1 / 64
"""Changes none of which is a knot, as those are quarters of a kW."""
compiles_first = settings(deadline=None)
"""The first call of a compiled function takes as long as a thousand others."""
powers_kw = st.integers(-32, 32).map(lambda eighths: eighths / 8)


def summed(one: Row, other: Row) -> Row:
    knots = np.empty((1, len(one[0]) + len(other[0])))
    prices = np.empty_like(knots)
    add_curves(one[0][None], one[1][None], other[0][None], other[1][None], knots, prices)
    return knots[0], prices[0]


@compiles_first
@given(row=rows())
def test_a_curve_is_read_as_numpy_reads_it(row: Row) -> None:
    expected = reading(row, DENSE)
    assert [price_at(x, *row) for x in DENSE] == pytest.approx(expected, abs=EUR_PER_KWH)
    assert [price_before(x, *row) for x in DENSE] == pytest.approx(expected, abs=EUR_PER_KWH)


@compiles_first
@given(row=rows())
def test_at_a_knot_the_price_is_that_of_the_side_asked_for(row: Row) -> None:
    for knot in row[0]:
        above, below = reading(row, knot + BESIDE_KW), reading(row, knot - BESIDE_KW)
        assert price_at(knot, *row) == pytest.approx(above, abs=EUR_PER_KWH)
        assert price_before(knot, *row) == pytest.approx(below, abs=EUR_PER_KWH)


def test_a_jump_by_hand() -> None:
    """From 0.1 to 0.3 at 2 kW, on a curve that is flat elsewhere."""
    row = (np.array([2.0, 2.0]), np.array([0.1, 0.3]))
    assert (price_before(2.0, *row), price_at(2.0, *row)) == (0.1, 0.3)
    assert cost_between(1.0, 4.0, *row) == pytest.approx(0.1 + 2 * 0.3)


@compiles_first
@given(row=rows(), one_kw=powers_kw, other_kw=powers_kw)
def test_a_change_costs_the_integral_of_its_curve(row: Row, one_kw: float, other_kw: float) -> None:
    low_kw, high_kw = sorted((one_kw, other_kw))
    assert cost_between(low_kw, high_kw, *row) == pytest.approx(
        integral(row, low_kw, high_kw), abs=EUR
    )
    start, change = np.array([one_kw]), np.array([other_kw - one_kw])
    assert change_cost(start, change, row[0][None], row[1][None]) == pytest.approx(
        integral(row, one_kw, other_kw), abs=EUR
    )


@compiles_first
@given(one=rows(), other=rows())
def test_a_sum_reads_as_the_sum_of_what_is_read(one: Row, other: Row) -> None:
    total = summed(one, other)
    assert (np.diff(total[0]) >= 0).all()
    assert (np.diff(total[1]) >= -EUR_PER_KWH).all()
    expected = reading(one, DENSE) + reading(other, DENSE)
    assert reading(total, DENSE) == pytest.approx(expected, abs=EUR_PER_KWH)


@compiles_first
@given(one=rows(), other=rows())
def test_a_sum_jumps_where_its_parts_do_and_by_as_much(one: Row, other: Row) -> None:
    total = summed(one, other)
    for knot in total[0]:
        for read in (price_at, price_before):
            expected = read(knot, *one) + read(knot, *other)
            assert read(knot, *total) == pytest.approx(expected, abs=EUR_PER_KWH)


@compiles_first
@given(one=rows(), other=rows(), start_kw=powers_kw, change_kw=powers_kw)
def test_the_cost_along_a_sum_is_the_sum_of_costs(
    one: Row, other: Row, start_kw: float, change_kw: float
) -> None:
    total = summed(one, other)
    expected = integral(one, start_kw, start_kw + change_kw) + integral(
        other, start_kw, start_kw + change_kw
    )
    start, change = np.array([start_kw]), np.array([change_kw])
    cost = change_cost(start, change, total[0][None], total[1][None])
    assert cost == pytest.approx(expected, abs=EUR)


@compiles_first
@given(
    community=rows(2),
    feeder=rows(2),
    changes_kw=st.lists(st.tuples(powers_kw, powers_kw), min_size=1, max_size=5),
    behind=st.lists(st.booleans(), min_size=5, max_size=5),
    own=st.lists(st.integers(-30, 30), min_size=5, max_size=5),
)
def test_changes_are_taken_one_after_the_other_while_they_save(
    community: Row,
    feeder: Row,
    changes_kw: list[tuple[float, float]],
    behind: list[bool],
    own: list[int],
) -> None:
    """Two PTUs of half an hour with equal curves, a community and a feeder behind it."""
    count = len(changes_kw)
    change = np.array(changes_kw)
    # Away from what saves exactly as much as it costs, where rounding would decide.
    own_eur = np.array(own[:count]) / 100.0 + 1 / 3000
    point = np.array(behind[:count]).astype(np.int64)
    total, expected_total = np.zeros((2, 2)), np.zeros((2, 2))
    expected = []
    for place in range(count):
        cost = 0.0
        for row, sums in zip((community, feeder), expected_total, strict=True):
            if row is community or point[place]:
                cost += sum(
                    integral(row, at, at + step)
                    for at, step in zip(sums, change[place], strict=True)
                )
        expected.append(0.5 * cost + own_eur[place] < 0)
        if expected[-1]:
            expected_total[: 1 + point[place]] += change[place]
    knots = max(len(community[0]), len(feeder[0]))
    padded = [
        np.pad(values, (0, knots - len(values)), mode="edge")
        for values in (community[0], feeder[0], community[1], feeder[1])
    ]
    kw = np.repeat(np.stack(padded[:2])[:, None], 2, axis=1)
    eur = np.repeat(np.stack(padded[2:])[:, None], 2, axis=1)
    accepted = np.zeros(count, dtype=bool)
    accept_in_turn(change, own_eur, point, kw, eur, 0.5, 1e-9, total, accepted)
    assert accepted.tolist() == expected
    assert total == pytest.approx(expected_total)
