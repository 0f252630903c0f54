"""Price curves: what a community, or a limit of the grid, makes of one more kW.

A community's bill has a kink where it turns from export to import, and a limit of the grid is one
great kink. Both are smoothed into ramps (the Moreau envelope of the cost around a price:
Rockafellar and Wets, Variational Analysis, 1998, 1.G), which homes can answer one after the other.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.curve_arithmetic import add_curves
from mas2sim.domain.flexibility import PriceCurve


def ramp(
    price_eur_per_kwh: FloatArray,
    slope_eur_per_kwh_kw: FloatArray,
    lowest: FloatArray,
    highest: FloatArray,
) -> PriceCurve:
    """Return the curve ``clip(price + slope d, lowest, highest)``, arrays of shape (ptu).

    Where the slope is zero the curve is flat at the clipped price.
    """
    steep = slope_eur_per_kwh_kw > 0
    slope = np.where(steep, slope_eur_per_kwh_kw, 1.0)
    flat = np.clip(price_eur_per_kwh, lowest, highest)
    knots = np.stack(
        [(lowest - price_eur_per_kwh) / slope, (highest - price_eur_per_kwh) / slope], axis=1
    )
    prices = np.stack([lowest, highest], axis=1)
    return PriceCurve(
        np.where(steep[:, None], knots, [[0.0, 0.0]]),
        np.where(steep[:, None], prices, flat[:, None]),
    )


def step(room_kw: FloatArray, below: FloatArray, above: FloatArray) -> PriceCurve:
    """Return the curve that jumps from one price to another at `room_kw`, arrays of shape (ptu)."""
    return PriceCurve(np.stack([room_kw, room_kw], axis=1), np.stack([below, above], axis=1))


def total(curves: tuple[PriceCurve, ...]) -> PriceCurve:
    """Sum of curves."""
    first, *others = curves
    for other in others:
        ptus, knots = first.change_kw.shape
        sum_kw = np.empty((ptus, knots + other.change_kw.shape[1]))
        sum_eur = np.empty_like(sum_kw)
        add_curves(
            np.array(first.change_kw), np.array(first.price_eur_per_kwh),
            np.array(other.change_kw), np.array(other.price_eur_per_kwh), sum_kw, sum_eur,
        )  # fmt: skip
        first = PriceCurve(sum_kw, sum_eur)
    return first


def moved(curve: PriceCurve, change_kw: FloatArray) -> PriceCurve:
    """The same curve seen after a change of shape (ptu)."""
    return PriceCurve(curve.change_kw - change_kw[:, None], curve.price_eur_per_kwh)


def shared(curve: PriceCurve, sharers: float) -> PriceCurve:
    """The curve as each of several sees it who answer at once: so many times as steep."""
    return PriceCurve(curve.change_kw / sharers, curve.price_eur_per_kwh)


def mirrored(curve: PriceCurve) -> PriceCurve:
    """The curve of the opposite change: ``-p(-d)``."""
    return PriceCurve(-curve.change_kw[:, ::-1], -curve.price_eur_per_kwh[:, ::-1])
