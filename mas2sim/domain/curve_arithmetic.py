"""Reading, adding and integrating price curves: machine code on the arrays of `PriceCurve`.

In `domain` because both sides of a market need it: a home to answer a curve, an aggregator to make
one and to judge the answers.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.machine_code import compiled


@compiled
def price_at(change_kw: float, knots: FloatArray, price: FloatArray) -> float:
    """Price of one PTU's curve at a change; at a jump the price above it. [EUR/kWh]."""
    last = len(knots) - 1
    if change_kw >= knots[last]:
        return float(price[last])
    if change_kw < knots[0]:
        return float(price[0])
    k = 0
    while knots[k + 1] <= change_kw:
        k += 1
    share = (change_kw - knots[k]) / (knots[k + 1] - knots[k])
    return float(price[k] + share * (price[k + 1] - price[k]))


@compiled
def price_before(change_kw: float, knots: FloatArray, price: FloatArray) -> float:
    """Price of one PTU's curve at a change; at a jump the price below it. [EUR/kWh]."""
    last = len(knots) - 1
    if change_kw <= knots[0]:
        return float(price[0])
    if change_kw > knots[last]:
        return float(price[last])
    k = 0
    while knots[k + 1] < change_kw:
        k += 1
    share = (change_kw - knots[k]) / (knots[k + 1] - knots[k])
    return float(price[k] + share * (price[k + 1] - price[k]))


@compiled
def cost_between(low_kw: float, high_kw: float, knots: FloatArray, price: FloatArray) -> float:
    """Integral of one PTU's curve from one change to another, the first not above it.

    In EUR for each hour of the change.
    """
    total = 0.0
    here = low_kw
    for k in range(len(knots)):
        if knots[k] <= here:
            continue
        end = min(knots[k], high_kw)
        if end > here:
            first = price_at(here, knots, price)
            total += 0.5 * (first + price_before(end, knots, price)) * (end - here)
            here = end
        if here >= high_kw:
            return total
    return float(total + price[len(knots) - 1] * (high_kw - here))


@compiled
def add_curves(
    knots: FloatArray,
    price: FloatArray,
    other_knots: FloatArray,
    other_price: FloatArray,
    sum_knots: FloatArray,
    sum_price: FloatArray,
) -> None:
    """Write the sum of two curves, each of shape (ptu, knot), to one with the knots of both.

    Where knots of both are equal the first curve's come first: there the second has not jumped yet.
    """
    for t in range(knots.shape[0]):
        i, j = 0, 0
        for k in range(sum_knots.shape[1]):
            if j == other_knots.shape[1] or (
                i < knots.shape[1] and knots[t, i] <= other_knots[t, j]
            ):
                here = knots[t, i]
                sum_price[t, k] = price[t, i] + price_before(here, other_knots[t], other_price[t])
                i += 1
            else:
                here = other_knots[t, j]
                sum_price[t, k] = other_price[t, j] + price_at(here, knots[t], price[t])
                j += 1
            sum_knots[t, k] = here


@compiled
def change_cost(
    start_kw: FloatArray, change_kw: FloatArray, knots: FloatArray, price: FloatArray
) -> float:
    """What a change from `start_kw` on costs over all PTUs, arrays of shape (ptu).

    In EUR for each hour that a PTU lasts.
    """
    total = 0.0
    for t in range(len(start_kw)):
        if change_kw[t] > 0.0:
            total += cost_between(start_kw[t], start_kw[t] + change_kw[t], knots[t], price[t])
        elif change_kw[t] < 0.0:
            total -= cost_between(start_kw[t] + change_kw[t], start_kw[t], knots[t], price[t])
    return total


@compiled
def accept_in_turn(
    change_kw: FloatArray,
    own_eur: FloatArray,
    point: np.ndarray,
    knots: FloatArray,
    price: FloatArray,
    ptu_hours: float,
    least_eur: float,
    total_kw: FloatArray,
    accepted: np.ndarray,
) -> None:
    """Take one change after the other, if it lowers the cost beside those already taken.

    Parameters
    ----------
    change_kw : array, shape (offer, ptu)
    own_eur : array, shape (offer)
        What the change costs beside the curves.
    point : array, shape (offer)
        Index of the second curve that the change moves along; the first is common to all.
    knots, price : array, shape (curve, ptu, knot)
    least_eur : what a change must save at least
    total_kw : array, shape (curve, ptu), written
        Sum of the changes taken along each curve.
    accepted : array of bool, shape (offer), written
    """
    for i in range(len(change_kw)):
        p = point[i]
        cost = change_cost(total_kw[0], change_kw[i], knots[0], price[0])
        if p > 0:
            cost += change_cost(total_kw[p], change_kw[i], knots[p], price[p])
        accepted[i] = cost * ptu_hours + own_eur[i] < -least_eur
        if accepted[i]:
            for t in range(change_kw.shape[1]):
                total_kw[0, t] += change_kw[i, t]
                if p > 0:
                    total_kw[p, t] += change_kw[i, t]
