"""Ordering later, from what was not taken at first: by hand."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.flexibility import FlexOffer
from mas2sim.market.reserve import Reserve


def offer_of(community: str, number: int, price_eur: float, change_kw: list[float]) -> FlexOffer:
    return FlexOffer(community, number, np.array([change_kw]), price_eur)


RESERVE = Reserve(
    (
        offer_of("A", 0, 1.0, [-2.0, 0.0, 2.0]),
        offer_of("A", 1, 1.5, [-2.0, -3.0, 5.0]),
        offer_of("A", 2, 0.2, [-2.0, -3.0, 5.0]),
        offer_of("B", 0, 0.8, [0.0, -3.0, 3.0]),
        offer_of("B", 1, 0.1, [-3.0, 0.0, 3.0]),
    ),
    {"A": 0},
)


def test_a_reserve_takes_the_place_of_what_was_ordered() -> None:
    """A's offers add 0.5 EUR and nothing to what it was ordered for; B's second one has begun."""
    still_open = RESERVE.open_from(1)

    assert [(one.community, one.number) for one in still_open] == [("A", 1), ("A", 2), ("B", 0)]
    assert [one.price_eur for one in still_open] == [0.5, 0.0, 0.8]
    np.testing.assert_allclose(still_open[0].change_kw, [[0.0, -3.0, 3.0]])
    assert RESERVE.open_from(3) == ()


def test_more_is_ordered_from_the_reserve_at_the_least_cost() -> None:
    """The first PTU is over its limit but past; in the second 3 kW have to go, and then 3 more."""
    past_kw = np.array([[30.0, 13.0, 0.0]])
    settings = {"ptu": 1, "price_cap_eur_per_kwh": float("inf"), "ptu_hours": 1.0}
    limits_kw = np.full((1, 3), -99.0), np.full((1, 3), 10.0)
    accepted = RESERVE.cheapest_for(past_kw, *limits_kw, **settings)

    assert accepted.feasible
    assert accepted.price_eur == {"A": 0.0}
    assert accepted.offers == {"A": 2}
    now = RESERVE.after(accepted)
    assert now.taken == {"A": 2}
    again = now.cheapest_for(past_kw + np.array([[0.0, 0.0, 3.0]]), *limits_kw, **settings)
    assert again.offers == {"B": 0}
