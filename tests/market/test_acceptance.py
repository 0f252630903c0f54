"""What the DSO takes: against all combinations, and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.flexibility import FlexOffer
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market import combinations
from mas2sim.market.acceptance import Accepted, energy_moved_kwh, least_cost
from mas2sim.market.dso_payment import dso_payment_eur

EUR = 1e-6
"""What settles ties counts for some 1e-8 EUR; the rest is rounding."""
KWH = 3e-6
"""Combinations are told apart by 1e-6 kWh, and 1e-6 kW at each of the few limits is tolerated."""
QUARTERS = Horizon(15)
NO_CAP = float("inf")
KW_LIMIT = 280.0


def offer(community: str, number: int, price_eur: float, *rows: list[float]) -> FlexOffer:
    return FlexOffer(community, number, np.array(rows, dtype=float), price_eur)


def choose(offers, prognosis_kw, upper_kw, **settings) -> Accepted:
    """Choose under upper limits alone, at PTUs of an hour."""
    prognosis_kw = np.array(prognosis_kw, dtype=float)
    upper_kw = np.broadcast_to(np.array(upper_kw, dtype=float), prognosis_kw.shape)
    return least_cost(
        offers,
        prognosis_kw,
        np.full_like(prognosis_kw, -np.inf),
        upper_kw,
        **{"price_cap_eur_per_kwh": NO_CAP, "ptu_hours": 1.0, **settings},
    )


def at(start: str, end: str, p_kw: float) -> FloatArray:
    """Power between two clock times, in PTUs of 15 minutes."""
    hour = [int(time[:2]) + int(time[3:]) / 60 for time in (start, end)]
    return p_kw * QUARTERS.mask(QUARTERS.ptu_at(hour[0]), QUARTERS.ptu_at(hour[1]))


def annex_d_offer(number: int, into: str, until: str) -> FlexOffer:
    """10 kW less for half an hour from 20:30, 5 kW more for the hour from `into`: 5 kWh moved.

    Its price is what the members pay more, on the time-of-use tariff of 0.25 EUR/kWh from 16:00 to
    19:00 and 0.12 EUR/kWh else.
    """
    tariff = Tariff("tou", 0.12 + at("16:00", "19:00", 0.13), np.full(96, 0.05))
    before_kw = np.full(96, 60.0)
    change_kw = at("20:30", "21:00", -10.0) + at(into, until, 5.0)
    price_eur = dso_payment_eur(
        tariff.cost_eur(before_kw, QUARTERS), tariff.cost_eur(before_kw + change_kw, QUARTERS)
    )
    return FlexOffer("A", number, change_kw[None], float(price_eur))


def annex_d(*offers: FlexOffer) -> Accepted:
    """The peak of annex D: 300 kW at 20:00, of which B moves all there is; 290 from 20:30."""
    prognosis_kw = 200.0 + at("20:00", "20:30", 100.0) + at("20:30", "21:00", 90.0)
    b_moves_kw = at("20:00", "20:30", -20.0) + at("22:00", "22:30", 20.0)
    return least_cost(
        [*offers, FlexOffer("B", 0, b_moves_kw[None], 0.0)],
        prognosis_kw[None],
        np.full((1, 96), -500.0),
        np.full((1, 96), KW_LIMIT),
        price_cap_eur_per_kwh=0.5,
        ptu_hours=QUARTERS.ptu_hours,
    )


def test_annex_d_into_the_dear_hours_costs_065() -> None:
    """5 kWh leave 0.12 and come back at 0.25: 5 x 0.13 EUR."""
    accepted = annex_d(annex_d_offer(0, "18:00", "19:00"))

    assert accepted.feasible
    assert accepted.offers == {"A": 0, "B": 0}
    assert accepted.price_eur == pytest.approx({"A": 0.65, "B": 0.0}, abs=EUR)
    assert accepted.cost_eur == pytest.approx(0.65, abs=EUR)


def test_annex_d_at_equal_price_costs_nothing() -> None:
    accepted = annex_d(annex_d_offer(0, "18:00", "19:00"), annex_d_offer(1, "19:00", "20:00"))

    assert accepted.feasible
    assert accepted.offers == {"A": 1, "B": 0}
    assert accepted.cost_eur == pytest.approx(0.0, abs=EUR)
    assert accepted.order.reserve == {"A": (0,)}


def test_two_cheap_halves_beat_one_dear_whole() -> None:
    offers = [
        offer("A", 0, 3.0, [-10.0, 10.0]),
        offer("A", 1, 1.0, [-5.0, 5.0]),
        offer("B", 0, 1.5, [-5.0, 5.0]),
        offer("B", 1, 2.8, [-10.0, 10.0]),
    ]
    accepted = choose(offers, [[20.0, 0.0]], 10.0)

    assert accepted.order.accepted == {"A": 1, "B": 0}
    assert accepted.order.price_eur == {"A": 1.0, "B": 1.5}
    assert accepted.order.reserve == {"A": (0,), "B": (1,)}


def test_a_rebound_may_not_break_a_limit() -> None:
    """The free offer comes back on a feeder that is full; room there decides, not the price."""
    offers = [
        offer("A", 0, 0.0, [-5.0, 5.0], [-5.0, 5.0]),
        offer("A", 1, 2.0, [-5.0, 5.0], [0.0, 0.0]),
    ]
    accepted = choose(offers, [[15.0, 0.0], [4.0, 4.0]], [[10.0, 10.0], [8.0, 8.0]])

    assert accepted.offers == {"A": 1}


def test_lower_limits_are_kept_too() -> None:
    offers = [offer("A", 0, 1.0, [5.0, -5.0]), offer("A", 1, 0.0, [2.0, -2.0])]
    prognosis_kw = np.array([[-20.0, 0.0]])
    accepted = least_cost(
        offers,
        prognosis_kw,
        np.full((1, 2), -16.0),
        np.full((1, 2), 50.0),
        price_cap_eur_per_kwh=NO_CAP,
        ptu_hours=1.0,
    )

    assert accepted.offers == {"A": 0}


def test_insufficient_flexibility_leaves_the_least_energy() -> None:
    """Of 10 kW too many offers take off 4 at most; B's dearer way to 4 is not bought."""
    offers = [
        offer("A", 0, 0.5, [-2.0, 0.0]),
        offer("A", 1, 1.0, [-3.0, 0.0]),
        offer("B", 0, 0.7, [-1.0, 0.0]),
        offer("B", 1, 0.9, [-1.0, 0.0]),
    ]
    accepted = choose(offers, [[20.0, 0.0]], 10.0, ptu_hours=0.25)

    assert not accepted.feasible
    assert accepted.offers == {"A": 1, "B": 0}
    np.testing.assert_allclose(accepted.excess_kw, [[6.0, 0.0]], atol=KWH)


def test_excess_says_on_which_side_it_is() -> None:
    nothing = least_cost(
        [],
        np.array([[12.0, -9.0, 3.0]]),
        np.full((1, 3), -5.0),
        np.full((1, 3), 10.0),
        price_cap_eur_per_kwh=NO_CAP,
        ptu_hours=1.0,
    )

    assert nothing.offers == {}
    assert not nothing.feasible
    np.testing.assert_allclose(nothing.excess_kw, [[2.0, -4.0, 0.0]], atol=KWH)


def test_nothing_is_bought_where_nothing_is_needed() -> None:
    accepted = choose([offer("A", 0, 0.0, [-1.0, 1.0])], [[5.0, 5.0]], 10.0)

    assert accepted.offers == {}
    assert accepted.feasible


def test_offers_above_the_cap_are_refused() -> None:
    """5 kWh moved at 0.30 EUR/kWh are 1.50 EUR: one offer at the cap, one just above, one free."""
    change = [-5.0, 5.0]
    offers = [offer("A", 0, 1.5, change), offer("A", 1, 1.51, change), offer("B", 0, 0.0, [0.0, 0])]
    accepted = choose(offers, [[15.0, 0.0]], 10.0, price_cap_eur_per_kwh=0.30)

    assert energy_moved_kwh(offers[0].change_kw, 1.0) == 5.0
    assert accepted.offers == {"A": 0}
    assert accepted.refused == {"A": (1,)}
    assert accepted.order.reserve == {"B": (0,)}


def test_the_cap_leaves_a_shortfall_and_contracts_are_exempt_from_it() -> None:
    offers = [offer("A", 0, 2.0, [-5.0, 5.0])]
    refused = choose(offers, [[15.0, 0.0]], 10.0, price_cap_eur_per_kwh=0.30)
    taken = choose(offers, [[15.0, 0.0]], 10.0, price_cap_eur_per_kwh=0.30, exempt={("A", 0)})

    assert not refused.feasible
    assert refused.price_eur == {}
    assert taken.offers == {"A": 0}


def test_losses_saved_pay_for_an_offer() -> None:
    """2 kWh less where a kWh is worth 0.3, 2 kWh more where it is worth 0.1: 0.4 EUR for 0.25."""
    worth = np.array([[0.3, 0.1]])
    offers = [offer("A", 0, 0.25, [-2.0, 2.0]), offer("B", 0, 0.45, [-2.0, 2.0])]
    accepted = choose(offers, [[5.0, 0.0]], 10.0, worth_eur_per_kwh=worth)

    assert accepted.offers == {"A": 0}
    assert accepted.price_eur == {"A": 0.25}
    assert accepted.cost_eur == pytest.approx(-0.15, abs=EUR)


def test_ties_go_to_the_first_number_and_then_to_the_first_name() -> None:
    change = [-5.0, 5.0]
    equal = [offer(name, number, 1.0, change) for name in ("B", "A") for number in (7, 3)]

    assert choose(equal, [[15.0, 0.0]], 10.0).offers == {"A": 3}
    later_a = [replace(equal[3], number=9), offer("A", 2, 1.0, [0.0, 0.0]), *equal[:2]]
    assert choose(later_a, [[15.0, 0.0]], 10.0).offers == {"B": 3}
    # What has more options is searched first, and still the name decides.
    less_of_b = [offer("B", 7 + less, 1.0 - 0.3 * less, [less - 5.0, 5.0]) for less in range(4)]
    assert choose([equal[3], *less_of_b], [[15.0, 0.0]], 10.0).offers == {"A": 3}


def brute_force(offers, prognosis_kw, lower_kw, upper_kw, worth) -> tuple[float, float]:
    """Least energy beyond the limits of all combinations, and the least cost with no more."""
    names = sorted({one.community for one in offers})
    choices = [[None, *(one for one in offers if one.community == name)] for name in names]
    seen = []
    for combination in product(*choices):
        after_kw, cost_eur = prognosis_kw.copy(), 0.0
        for one in combination:
            if one is not None:
                after_kw += one.change_kw
                cost_eur += one.price_eur + 0.5 * float((worth * one.change_kw).sum())
        over_kw = np.maximum(after_kw - upper_kw, 0) + np.maximum(lower_kw - after_kw, 0)
        seen.append((0.5 * over_kw.sum(), cost_eur))
    least_kwh = min(energy for energy, _ in seen)
    return least_kwh, min(cost for energy, cost in seen if energy <= least_kwh + KWH)


@st.composite
def markets(draw: st.DrawFn):
    """Draw a small market; whole kW and cents, so that ties and equal sums are common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points, ptus = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    fine = draw(st.booleans())

    def numbers(lowest: int, highest: int, size) -> FloatArray:
        if fine:
            return rng.uniform(lowest, highest, size)
        return rng.integers(lowest, highest, size).astype(float)

    offers = [
        FlexOffer(f"c{k}", n, numbers(-6, 6, (points, ptus)), float(numbers(0, 300, ())) / 100)
        for k, count in enumerate(counts)
        for n in range(count)
    ]
    prognosis_kw = numbers(-10, 20, (points, ptus))
    tight = draw(st.sampled_from([1.0, 5.0, 12.0]))
    worth = numbers(-10, 40, (points, ptus)) / 100 * draw(st.booleans())
    return offers, prognosis_kw, np.full_like(prognosis_kw, -tight), tight, worth


@given(markets())
def test_no_combination_is_better(market) -> None:
    offers, prognosis_kw, lower_kw, tight, worth = market
    upper_kw = np.full_like(prognosis_kw, tight)
    least_kwh, least_eur = brute_force(offers, prognosis_kw, lower_kw, upper_kw, worth)
    accepted = least_cost(
        offers,
        prognosis_kw,
        lower_kw,
        upper_kw,
        price_cap_eur_per_kwh=NO_CAP,
        ptu_hours=0.5,
        worth_eur_per_kwh=worth,
    )
    by_name = {(one.community, one.number): one for one in offers}
    taken = [by_name[key] for key in accepted.offers.items()]
    after_kw = prognosis_kw + sum(one.change_kw for one in taken)
    over_kw = np.maximum(after_kw - upper_kw, 0) - np.maximum(lower_kw - after_kw, 0)

    np.testing.assert_allclose(accepted.excess_kw, over_kw, atol=KWH)
    assert accepted.proven
    assert accepted.feasible == (least_kwh <= KWH)
    assert np.abs(accepted.excess_kw).sum() * 0.5 == pytest.approx(least_kwh, abs=KWH)
    assert accepted.cost_eur == pytest.approx(least_eur, abs=EUR)
    assert accepted.price_eur == {one.community: one.price_eur for one in taken}


@given(markets(), st.randoms(use_true_random=False))
def test_the_order_of_offers_does_not_matter(market, random) -> None:
    offers, prognosis_kw, lower_kw, tight, worth = market
    shuffled = random.sample(offers, len(offers))
    first, second = (
        least_cost(
            some,
            prognosis_kw,
            lower_kw,
            np.full_like(prognosis_kw, tight),
            price_cap_eur_per_kwh=0.2,
            ptu_hours=0.5,
            worth_eur_per_kwh=worth,
        )
        for some in (offers, shuffled)
    )

    assert first.offers == second.offers
    assert first.refused == second.refused


def hard_market(seed: int) -> tuple[list[FlexOffer], FloatArray]:
    """Five communities with eight offers each, of which none is better than another at all limits.

    59049 combinations: enough to be searched in several batches.
    """
    rng = np.random.default_rng(seed)
    offers = [
        FlexOffer(f"c{k}", n, rng.uniform(-4, 2, (2, 3)), rng.uniform(0, 1))
        for k in range(5)
        for n in range(8)
    ]
    return offers, rng.uniform(8, 12, (2, 3))


@pytest.mark.parametrize(
    ("seed", "limit_kw", "worth"),
    [
        (0, 6.0, 0.0),
        (1, 3.0, 0.0),
        (2, 1.0, 0.0),
        (3, -6.0, 0.0),
        # More import is welcome and there is room for it: the limits end what pays.
        (6, 13.0, -0.3),
        (6, 13.0, -0.6),
    ],
)
def test_large_markets_are_searched_to_the_end(seed: int, limit_kw: float, worth: float) -> None:
    offers, prognosis_kw = hard_market(seed)
    values = np.full((2, 3), worth)
    accepted = choose(offers, prognosis_kw, limit_kw, worth_eur_per_kwh=values)

    sums_kw, costs_eur = prognosis_kw[None], np.zeros(1)
    for name in sorted({one.community for one in offers}):
        own = [one for one in offers if one.community == name]
        changes_kw = np.array([np.zeros((2, 3)), *(one.change_kw for one in own)])
        prices_eur = np.array(
            [0.0, *(one.price_eur + (values * one.change_kw).sum() for one in own)]
        )
        sums_kw = (sums_kw[:, None] + changes_kw).reshape(-1, 2, 3)
        costs_eur = (costs_eur[:, None] + prices_eur).ravel()
    over_kwh = np.maximum(sums_kw - limit_kw, 0).sum(axis=(1, 2))
    least_eur = costs_eur[over_kwh <= over_kwh.min() + KWH].min()
    assert accepted.proven
    assert accepted.excess_kw.sum() == pytest.approx(over_kwh.min(), abs=KWH)
    assert accepted.cost_eur == pytest.approx(least_eur, abs=EUR)


def test_a_search_that_is_broken_off_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combinations, "MOST_COMBINATIONS", 20)
    accepted = choose(hard_market(0)[0], hard_market(0)[1], 6.0)

    assert not accepted.proven
    assert accepted.feasible


def test_arrays_must_fit_and_hold_numbers() -> None:
    offers = [
        offer("A", 0, 1.0, [1.0, 2.0]),
        offer("A", 0, 1.0, [1.0]),
        offer("B", 0, float("nan"), [1.0]),
        offer("C", 0, 1.0, [float("nan")]),
        offer("D", -1, 1.0, [1.0]),
    ]
    with pytest.raises(ConfigurationError) as refused:
        choose(offers, [[float("nan")]], float("nan"))
    where = {fault.where for fault in refused.value.faults}
    assert where == {
        "prognosis_kw",
        "upper_kw",
        "offer 0 of A",
        "offer 0 of B",
        "offer 0 of C",
        "offer -1 of D",
    }
    assert "given twice" in str(refused.value)
