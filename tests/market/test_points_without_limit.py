"""A congestion point without a limit beside one with a limit: members of both are asked at once."""

import numpy as np

from mas2sim.domain.flexibility import Declaration, PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import price_curve
from mas2sim.market.bargaining import Bargaining
from mas2sim.market.membership import Membership

HOUR = Horizon(60)
NOTHING = np.zeros(24)


def price_of(curve: PriceCurve, change_kw: float) -> float:
    return float(np.interp(change_kw, curve.change_kw[0], curve.price_eur_per_kwh[0]))


def test_curves_of_all_groups_have_as_many_knots_and_keep_their_prices() -> None:
    net_kw = np.ones((2, 24))
    declared = Declaration("c", (True, True), 0 * net_kw, 5 * net_kw, np.zeros(2))
    membership = Membership("c", net_kw, declared, np.array([0, 1]), 2)
    tariff = Tariff("flat", np.full(24, 0.2), np.full(24, 0.05))
    bargaining = Bargaining(membership, tariff, HOUR, level=Level.UC3)
    wall = price_curve.step(np.full(24, 0.25), NOTHING, np.ones(24))
    bargaining.open_round([np.array([0, 1])], 1.0, (None, wall, None))
    request = bargaining.request()
    assert request is not None
    limited, free = request.curves
    assert limited.change_kw.shape == free.change_kw.shape
    assert price_of(limited, 1.0) == price_of(free, 1.0) + 1.0
    for change_kw in (-3.0, -1.0, 0.0, 0.2):
        assert price_of(limited, change_kw) == price_of(free, change_kw)
