"""The DSO's market with two or three communities of homes of any make and one limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from mas2sim.domain.flexibility import MemberOffers, MemberRequest
from mas2sim.market.central import (
    CentralProblem,
    Outcome,
    Shortfall,
    least_shortfall,
    solve_central,
)
from mas2sim.market.central_program import stack_homes
from mas2sim.market.congestion_terms import CongestionTerms
from mas2sim.market.mixed_integer import minimise
from tests.cems.day_replay import check_caps

from .congestion_samples import ANY_KW, Street, neighbours
from .household_samples import HOURS, Change, Listening, central_problem
from .test_local_market import replayed

EUR = 1e-9
"""Sums of some thousand products below 10."""
KW = 1e-6
"""Power beyond a limit that is rounding."""
CENTRAL_GAP = 1e-3
SOLVER_EUR = 1e-5
KWH = 1e-3
"""What rounding may add to a proof: 1e-9 kW times the rows of two programs, and cuts of limits."""
TIGHT = [(seed, share) for seed in range(6) for share in (0.8, 0.5)]
with_limits = pytest.mark.parametrize(("seed", "share"), TIGHT)


def limits_kw(upper_kw: float, lower_kw: float = -ANY_KW) -> tuple[np.ndarray, np.ndarray]:
    return np.full(HOURS.ptus, lower_kw), np.full(HOURS.ptus, upper_kw)


def whole_shortfall_kwh(problem: CentralProblem) -> float:
    """Least energy beyond the limits when cycles and cuts are whole: what a market can prove.

    A market's proof knows that a cycle is run as a whole, so that it may lie above what a linear
    program says, but never above this.
    """
    stacked = stack_homes(problem, exclude_waste=False)
    program, excess = stacked.program, stacked.excess
    cost, upper = np.zeros_like(program.cost), program.upper.copy()
    cost[excess], upper[excess] = HOURS.ptu_hours, np.inf
    changed = replace(program, cost=cost, upper=upper, constant=0.0)
    found = minimise(changed, gap=1e-4, max_nodes=5000)
    assert found.outcome is Outcome.OPTIMAL
    return float(found.value)


def shortfall(street: Street, upper_kw: float) -> Shortfall:
    return least_shortfall(central_problem(street.communities, 0.0, limits_kw(upper_kw)))


@with_limits
def test_a_limit_that_can_be_kept_is_kept_and_costs_no_less_than_it_must(
    seed: int, share: float
) -> None:
    street = Street(neighbours(seed))
    upper_kw = share * float(street.total_kw.max())
    outcome, _, _ = street.congestion(upper_kw)
    problem = central_problem(street.communities, 0.0, limits_kw(upper_kw))
    best = solve_central(problem, relative_gap=CENTRAL_GAP, max_nodes=2000)
    assert best.outcome is not Outcome.INFEASIBLE
    assert street.total_kw.max() > upper_kw + KW
    drawn_kw = sum(each.net_kw.sum(axis=0) for each in street.negotiators.values())
    assert np.max(drawn_kw) <= upper_kw + KW
    assert outcome.after_kw[0] == pytest.approx(drawn_kw)
    assert not outcome.beyond_kw.any()
    assert outcome.insufficient_kwh == 0.0
    cost_eur = sum(street.cost_eur().values())
    assert cost_eur >= best.bound_eur - SOLVER_EUR
    assert outcome.bound_eur <= best.cost_eur + SOLVER_EUR


@with_limits
def test_the_dso_pays_the_increase_of_what_members_owe_and_no_more(seed: int, share: float) -> None:
    street = Street(neighbours(seed))
    before_eur = street.cost_eur()
    outcome, _, _ = street.congestion(share * float(street.total_kw.max()))
    after_eur = street.cost_eur()
    for name, before in before_eur.items():
        increase = after_eur[name] - before
        if name in outcome.order.accepted:
            assert outcome.order.price_eur[name] == pytest.approx(max(increase, 0.0), abs=EUR)
        else:
            assert name not in outcome.order.price_eur
            assert increase == pytest.approx(0.0, abs=EUR)


@with_limits
def test_offers_say_what_they_change_rebound_included(seed: int, share: float) -> None:
    street = Street(neighbours(seed))
    outcome, _, sellers = street.congestion(share * float(street.total_kw.max()))
    for name, number in outcome.order.accepted.items():
        taken = next(offer for offer in outcome.offers[name] if offer.number == number)
        stands_kw = street.negotiators[name].net_kw
        np.testing.assert_array_equal(stands_kw, sellers[name].ordered.net_kw)
        change_kw = stands_kw.sum(axis=0) - street.local[name].net_kw.sum(axis=0)
        assert taken.change_kw[0] == pytest.approx(change_kw, abs=1e-9)


@with_limits
def test_services_are_delivered_after_the_dsos_order_too(seed: int, share: float) -> None:
    street = Street(neighbours(seed))
    street.congestion(share * float(street.total_kw.max()))
    for community in street.communities:
        negotiator = street.negotiators[community.name]
        replayed(community, negotiator)
        for member, plan in zip(community.members, negotiator.plans("dso"), strict=True):
            check_caps(member.home, plan.net_kw)


@pytest.mark.parametrize("seed", range(4))
def test_export_has_a_limit_of_its_own(seed: int) -> None:
    """On a sunny day; where homes cannot keep it, what is left is said."""
    street = Street(neighbours(seed, count=3, homes=3, sunny=True))
    least_kw = float(street.total_kw.min())
    lower_kw = 0.8 * least_kw
    outcome, _, _ = street.congestion(lower_kw=lower_kw)
    problem = central_problem(street.communities, 0.0, limits_kw(ANY_KW, lower_kw))
    found = solve_central(problem, relative_gap=CENTRAL_GAP, max_nodes=2000)
    assert outcome.before_beyond_kw.min() < 0
    if found.outcome is Outcome.INFEASIBLE:
        assert outcome.beyond_kw.min() < 0
    else:
        assert not outcome.beyond_kw.any()


@pytest.mark.parametrize("seed", range(4))
def test_a_limit_that_nobody_can_keep_is_proven_too_low(seed: int) -> None:
    street = Street(neighbours(seed))
    upper_kw = 0.2 * float(street.total_kw.mean())
    least = shortfall(street, upper_kw)
    assert least.proven
    problem = central_problem(street.communities, 0.0, limits_kw(upper_kw))
    outcome, market, _ = street.congestion(upper_kw)
    assert 0.0 < outcome.insufficient_kwh <= whole_shortfall_kwh(problem) + KWH
    left_kwh = outcome.beyond_kw.sum() * HOURS.ptu_hours
    assert left_kwh >= least.energy_kwh - KWH
    assert (outcome.beyond_kw <= outcome.before_beyond_kw.max() + KW).all()
    assert len(market.requests) <= terms_allow(2, CongestionTerms())


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_proven_of_a_limit_that_can_be_kept(seed: int) -> None:
    street = Street(neighbours(seed))
    upper_kw = 0.4 * float(street.total_kw.max())
    possible = not shortfall(street, upper_kw).proven
    outcome, _, _ = street.congestion(upper_kw, silent=("community_1",))
    if possible:
        assert outcome.insufficient_kwh == 0.0


def terms_allow(aggregators: int, terms: CongestionTerms) -> int:
    rounds, _ = terms.schedule(aggregators)
    return rounds * aggregators + terms.proofs


@pytest.mark.parametrize("count", [1, 2, 3])
def test_rounds_and_exchanges_stay_within_the_terms(count: int) -> None:
    street = Street(neighbours(1, count=count, homes=3))
    members = {name: Listening(each) for name, each in street.negotiators.items()}
    street.negotiators = members
    terms = CongestionTerms()
    outcome, market, _ = street.congestion(0.3 * float(street.total_kw.max()), terms=terms)
    assert 1 <= outcome.rounds <= terms.rounds
    assert len(market.requests) <= terms_allow(count, terms)
    # Asked for a proof, aggregators ask their members all at once; before, one after the other.
    rounds = [
        request for each in members.values() for request, _ in each.exchanges if request.curves
    ]
    proofs = [request for request in market.requests if not request.curves]
    assert len(market.requests) + len(rounds) + len(proofs) <= terms.exchanges
    numbers = [request.number for request in market.requests]
    assert numbers == list(range(len(numbers)))


def test_with_room_enough_nobody_is_asked() -> None:
    street = Street(neighbours(0))
    outcome, market, sellers = street.congestion(float(street.total_kw.max()) + 1.0)
    assert not market.requests
    assert not market.needed
    assert outcome.order.accepted == {}
    assert outcome.rounds == 0
    assert all(seller.messages == 0 for seller in sellers.values())
    np.testing.assert_array_equal(outcome.before_kw, outcome.after_kw)


@pytest.mark.parametrize("seed", range(3))
def test_an_aggregator_that_never_offers_keeps_its_plan_and_the_others_help(seed: int) -> None:
    street = Street(neighbours(seed))
    outcome, market, _ = street.congestion(
        0.9 * float(street.total_kw.max()), silent=("community_1",)
    )
    assert market.requests
    assert "community_1" not in outcome.order.accepted
    np.testing.assert_array_equal(
        street.negotiators["community_1"].net_kw, street.local["community_1"].net_kw
    )
    assert np.abs(outcome.beyond_kw).sum() < np.abs(outcome.before_beyond_kw).sum()


def test_when_no_aggregator_offers_anything_the_market_ends_and_nothing_changes() -> None:
    street = Street(neighbours(0))
    names = tuple(each.name for each in street.communities)
    outcome, _, _ = street.congestion(0.5 * float(street.total_kw.max()), silent=names)
    assert outcome.order.accepted == {}
    np.testing.assert_array_equal(outcome.after_kw, outcome.before_kw)
    assert outcome.insufficient_kwh == 0.0
    assert np.isnan(outcome.bound_eur)


def test_what_costs_more_than_the_cap_is_not_bought() -> None:
    street = Street(neighbours(1))
    before = street.cost_eur()
    upper_kw = 0.45 * float(street.total_kw.max())
    outcome, _, _ = street.congestion(upper_kw, terms=CongestionTerms(price_cap_eur_per_kwh=1e-4))
    for name, number in outcome.order.accepted.items():
        taken = next(offer for offer in outcome.offers[name] if offer.number == number)
        moved_kwh = 0.5 * np.abs(taken.change_kw[0]).sum() * HOURS.ptu_hours
        assert taken.price_eur <= 2 * 1e-4 * moved_kwh + EUR
    assert outcome.beyond_kw.any()
    assert sum(street.cost_eur().values()) <= sum(before.values()) + 0.01


def test_the_same_market_twice_is_the_same_to_the_bit() -> None:
    first, again = Street(neighbours(2)), Street(neighbours(2))
    upper_kw = 0.5 * float(first.total_kw.max())
    one, _, _ = first.congestion(upper_kw)
    other, _, _ = again.congestion(upper_kw)
    np.testing.assert_array_equal(one.after_kw, other.after_kw)
    assert dict(one.order.accepted) == dict(other.order.accepted)
    assert dict(one.order.price_eur) == dict(other.order.price_eur)
    assert one.bound_eur == other.bound_eur


def spoiled(
    street: Street, change: Change, arrives: Callable[[MemberRequest], bool] = lambda _: True
) -> Street:
    street.negotiators = {
        name: Listening(each, change, arrives) for name, each in street.negotiators.items()
    }
    return street


@pytest.mark.parametrize("share", [0.7, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_members_whose_answers_are_lost_or_spoiled_keep_the_plan_that_is_believed(
    seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)

    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers | None:
        del request
        fate = rng.integers(8)
        if fate == 0:
            return None
        if fate == 1:
            return replace(offers, number=offers.number + 1)
        if fate == 2:
            return replace(offers, net_kw=np.full_like(offers.net_kw, np.nan))
        if fate == 3:
            return replace(offers, worth_eur=np.full_like(offers.worth_eur, np.nan))
        return offers

    street = spoiled(Street(neighbours(seed)), change, lambda _: bool(rng.random() < 0.8))
    outcome, _, sellers = street.congestion(share * float(street.total_kw.max()))
    drawn_kw = np.zeros(HOURS.ptus)
    for community in street.communities:
        members = street.negotiators[community.name]
        np.testing.assert_array_equal(
            members.negotiator.net_kw, sellers[community.name].ordered.net_kw
        )
        replayed(community, members.negotiator)
        drawn_kw += members.negotiator.net_kw.sum(axis=0)
        assert sellers[community.name].events
    assert outcome.after_kw[0] == pytest.approx(drawn_kw)


def test_a_proof_that_not_all_have_answered_proves_nothing() -> None:
    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers | None:
        return offers if request.curves else None

    street = spoiled(Street(neighbours(0)), change)
    outcome, market, _ = street.congestion(0.1 * float(street.total_kw.mean()))
    assert any(request.proof for request in market.requests)
    assert outcome.beyond_kw.any()
    assert outcome.insufficient_kwh == 0.0
