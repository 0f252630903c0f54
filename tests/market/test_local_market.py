"""The local market held with homes of any make: its bound, its plans, its money, its messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems import Negotiator
from mas2sim.domain.flexibility import MemberOffers, MemberRequest
from mas2sim.domain.tariff import Tariff
from mas2sim.market.local_market import LocalMarket, LocalOutcome, LocalTerms
from mas2sim.market.session import hold_local_market
from mas2sim.market.split import SplitRule, SplitTerms, split_payments
from tests.cems.day_replay import check_caps, check_service

from .household_samples import (
    HOURS,
    Change,
    Households,
    Listening,
    audited,
    bill_eur,
    central,
    costs_on_the_way,
    households,
)

EUR = 1e-9
"""Sums of some thousand products below 10."""
SOLVER_EUR = 1e-5
"""What a solver's row tolerance of 1e-9, times prices, times rows, may leave of a central cost."""
KW = 1e-9
SEEDS = range(8)
FEES = [0.0, 0.02]
few = settings(max_examples=20, deadline=None)
communities = st.builds(
    lambda seed, sunny: households(seed, sunny=sunny), st.integers(0, 7), st.booleans()
)


def held(
    community: Households,
    terms: LocalTerms | None = None,
    change: Change | None = None,
    arrives: Callable[[MemberRequest], bool] = lambda _: True,
) -> tuple[LocalOutcome, Listening]:
    members = Listening(community.negotiator(), change, arrives)
    market = community.market(members.negotiator, terms)
    return hold_local_market(market, members), members


@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("sunny", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_its_bound_is_below_the_optimum_and_its_cost_above(
    seed: int, fee: float, sunny: bool
) -> None:
    outcome, _ = held(households(seed, sunny=sunny), LocalTerms(fee_eur_per_kwh=fee))
    best = central(seed, fee, sunny=sunny)
    assert outcome.bound_eur <= best.bound_eur + SOLVER_EUR
    assert best.bound_eur <= outcome.cost_eur + SOLVER_EUR


@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("sunny", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_it_never_costs_more_than_netting_the_plans_that_members_came_with(
    seed: int, fee: float, sunny: bool
) -> None:
    community = households(seed, sunny=sunny)
    outcome, _ = held(community, LocalTerms(fee_eur_per_kwh=fee))
    netted = bill_eur(community.plans_kw, community.tariff, fee) + community.forgone_eur.sum()
    assert outcome.cost_eur <= netted + EUR


@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("sunny", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_cost_and_bound_can_be_recomputed_from_its_messages_alone(
    seed: int, fee: float, sunny: bool
) -> None:
    """P-plans, requests and offers are all that it is certified by."""
    community = households(seed, sunny=sunny)
    outcome, members = held(community, LocalTerms(fee_eur_per_kwh=fee))
    assert members.ordered is not None
    audit = audited(community, members.exchanges, members.ordered, fee)
    np.testing.assert_array_equal(audit.net_kw, outcome.net_kw)
    assert outcome.cost_eur == pytest.approx(audit.cost_eur, abs=EUR)
    assert outcome.bound_eur == pytest.approx(audit.bound_eur, abs=EUR)
    assert outcome.gap_percent == pytest.approx(
        100 * (audit.cost_eur - audit.bound_eur) / outcome.import_payments_eur
    )


@pytest.mark.parametrize("rule", SplitRule)
@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("sunny", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_its_money_balances_and_nobody_is_worse_off(
    seed: int, fee: float, sunny: bool, rule: SplitRule
) -> None:
    community = households(seed, sunny=sunny)
    outcome, _ = held(community, LocalTerms(fee_eur_per_kwh=fee))
    given_up = outcome.forgone_eur - community.forgone_eur
    terms = SplitTerms(rule, service_share=0.1, fee_eur_per_kwh=fee)
    paid = split_payments(
        outcome.net_kw, community.bills_eur - given_up, community.tariff, HOURS, terms,
        outcome.worth_eur,
    )  # fmt: skip
    owed = bill_eur(outcome.net_kw, community.tariff, fee)
    assert paid.payment_eur.sum() == pytest.approx(owed + paid.service_eur, abs=EUR)
    assert paid.shortfall_eur == 0.0
    assert (paid.payment_eur + given_up <= community.bills_eur + EUR).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_its_plans_are_carried_out_and_every_service_is_delivered(seed: int) -> None:
    community = households(seed)
    outcome, members = held(community)
    replayed(community, members.negotiator)
    planned = [plan.net_kw for plan in members.negotiator.plans("local market")]
    np.testing.assert_array_equal(planned, outcome.net_kw)


def replayed(community: Households, negotiator: Negotiator) -> None:
    """Follow the setpoints of every home through its devices, and check what they deliver."""
    plans = negotiator.plans("local market")
    for member, reference, plan in zip(community.members, community.references, plans, strict=True):
        home = member.home
        net_kw = home.fixed_kw.copy()
        for device in home.flexible_devices:
            power_kw = reference.device_kw[device.name]
            if device.name in plan.setpoints:
                power_kw = setpoint = np.asarray(plan.setpoints[device.name])
                if hasattr(device, "profile_kw"):
                    power_kw = device.profile_kw(int(np.argmax(setpoint)), HOURS)
                elif hasattr(device, "longest_cut"):
                    power_kw = device.p_kw * (1 - setpoint)
                check_service(device, power_kw, reference, HOURS)
            net_kw += power_kw
        assert plan.net_kw == pytest.approx(net_kw, abs=1e-6)
        check_caps(home, plan.net_kw)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_appliance_that_may_move_runs_once(seed: int) -> None:
    community = households(seed)
    _, members = held(community)
    plans = members.negotiator.plans("local market")
    for member, plan in zip(community.members, plans, strict=True):
        for appliance in member.home.appliances:
            if appliance.name in plan.setpoints:
                assert plan.setpoints[appliance.name].sum() == 1.0


@few
@given(community=communities, seed=st.integers(0, 2**31))
def test_members_stand_where_the_aggregator_believes_whatever_happens_to_answers(
    community: Households, seed: int
) -> None:
    """Lost, late, no numbers, beyond the declaration: the member keeps its last valid plan.

    Requests are lost as well, and with them what the aggregator had taken of the answers before.
    """
    rng = np.random.default_rng(seed)
    late: list[MemberOffers] = []
    hit = 0

    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers | None:
        nonlocal hit
        fate = rng.integers(8)
        hit += fate < 5
        if fate == 0:
            return None
        if fate == 1:
            late.append(offers)
            return late[0]
        net_kw, worth_eur = np.array(offers.net_kw), np.array(offers.worth_eur)
        place = int(rng.integers(len(offers.members)))
        if fate == 2:
            net_kw[place, rng.integers(HOURS.ptus)] = np.nan
        if fate == 3:
            net_kw[place] += 1000.0
        if fate == 4:
            worth_eur[place] = np.nan
        return replace(offers, net_kw=net_kw, worth_eur=worth_eur)

    outcome, members = held(community, change=change, arrives=lambda _: bool(rng.random() < 0.8))
    np.testing.assert_array_equal(members.negotiator.net_kw, outcome.net_kw)
    replayed(community, members.negotiator)
    own = bill_eur(outcome.net_kw, community.tariff, 0.0) + outcome.forgone_eur.sum()
    assert outcome.cost_eur == pytest.approx(own, abs=EUR)
    netted = bill_eur(community.plans_kw, community.tariff, 0.0) + community.forgone_eur.sum()
    assert outcome.cost_eur <= netted + EUR
    assert not (outcome.bound_eur > outcome.cost_eur + EUR)
    if members.exchanges and hit > len(late[:1]):
        assert outcome.events


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        ({"number": 10**6}, "did not answer in time"),
        ({"net_kw": np.nan}, "is no number"),
        ({"worth_net_kw": np.inf}, "is no number"),
        ({"forgone_eur": np.nan}, "is no number"),
        ({"net_kw": 1e4}, "more than its devices can do"),
        ({"net_kw": -1e4}, "more than its devices can do"),
    ],
)
def test_a_community_whose_answers_are_all_useless_keeps_its_plans(
    fault: dict[str, float], event: str
) -> None:
    community = households(0)

    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers:
        del request
        name, value = next(iter(fault.items()))
        if name == "number":
            return replace(offers, number=int(value))
        return replace(offers, **{name: np.full_like(getattr(offers, name), value)})

    outcome, members = held(community, change=change)
    np.testing.assert_array_equal(outcome.net_kw, community.plans_kw)
    np.testing.assert_array_equal(members.negotiator.net_kw, community.plans_kw)
    assert np.isnan(outcome.bound_eur)
    assert np.isnan(outcome.gap_percent)
    assert outcome.events
    assert all(event in told for told in outcome.events)


def test_answers_of_strangers_are_not_read() -> None:
    """A member that was not asked, and positions that no member has."""
    community = households(0)

    def change(request: MemberRequest, offers: MemberOffers) -> MemberOffers:
        del request
        names = [-1 if place % 2 else 99 for place in range(len(offers.members))]
        return replace(offers, members=tuple(names))

    outcome, _ = held(community, change=change)
    np.testing.assert_array_equal(outcome.net_kw, community.plans_kw)
    assert outcome.events


@few
@given(
    community=communities,
    rounds=st.integers(0, 6),
    blocks=st.integers(1, 9),
    questions=st.integers(0, 6),
)
def test_it_keeps_to_its_rounds_exchanges_and_messages(
    community: Households, rounds: int, blocks: int, questions: int
) -> None:
    terms = LocalTerms(rounds=rounds, blocks=blocks, questions=questions, gap_percent=0.0)
    outcome, members = held(community, terms)
    assert outcome.rounds <= rounds
    assert len(members.exchanges) <= rounds * blocks + questions + 1
    said = sum(2 * len(request.asked) for request, _ in members.exchanges)
    assert outcome.messages == said
    numbers = [request.number for request, _ in members.exchanges]
    assert numbers == list(range(len(numbers)))
    assert {member for request, _ in members.exchanges for member in request.asked} <= set(
        np.flatnonzero(community.negotiator().declare().flexible).tolist()
    )


def test_it_ends_once_the_gap_is_good_enough() -> None:
    community = households(1)
    content, _ = held(community, LocalTerms(gap_percent=1e6))
    strict, _ = held(community, LocalTerms(gap_percent=0.0))
    assert content.rounds == 1
    assert strict.rounds > content.rounds


@pytest.mark.parametrize("seed", SEEDS)
def test_it_orders_the_best_plan_that_it_has_met(seed: int) -> None:
    """With one block in a round, every request finds the plan of a finished round."""
    community = households(seed)
    outcome, members = held(community, LocalTerms(blocks=1, gap_percent=0.0))
    assert outcome.cost_eur <= min(costs_on_the_way(community, members.exchanges)) + EUR


@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_prices_of_a_proof_lie_where_nobody_gains_by_trading_without_end(
    seed: int, fee: float
) -> None:
    """Between the export price and the import price less the fee: beyond, worths bound nothing."""
    community = households(seed)
    _, members = held(community, LocalTerms(fee_eur_per_kwh=fee, gap_percent=0.0))
    tariff = community.tariff
    for request, _ in members.exchanges:
        price, fees = request.prices_eur_per_kwh[0], request.fee_eur_per_kwh
        assert (price >= tariff.export_eur_per_kwh - EUR).all()
        assert (price + fees <= tariff.import_eur_per_kwh + EUR).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_market_twice_is_the_same_to_the_bit(seed: int) -> None:
    first, members = held(households(seed))
    again, others = held(households(seed))
    np.testing.assert_array_equal(first.net_kw, again.net_kw)
    np.testing.assert_array_equal(first.price_eur_per_kwh, again.price_eur_per_kwh)
    assert (first.cost_eur, first.bound_eur) == (again.cost_eur, again.bound_eur)
    for (one, said), (other, heard) in zip(members.exchanges, others.exchanges, strict=True):
        assert (one.asked, one.accepted, one.keep) == (other.asked, other.accepted, other.keep)
        assert said is not None
        assert heard is not None
        np.testing.assert_array_equal(said.net_kw, heard.net_kw)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_member_is_offered_no_less_than_it_would_lose(seed: int) -> None:
    """Compensation is bill and comfort against the plan the member came with."""
    community = households(seed)
    _, members = held(community)
    for _, offers in members.exchanges:
        assert offers is not None
        bill = community.tariff.cost_eur(offers.net_kw, HOURS)
        own = community.bills_eur[list(offers.members)]
        given_up = offers.forgone_eur - community.forgone_eur[list(offers.members)]
        assert offers.compensation_eur == pytest.approx(bill - own + given_up, abs=1e-6)


def test_energy_that_earns_more_than_it_costs_makes_no_market() -> None:
    community = households(0)
    tariff = community.tariff
    upside_down = Tariff("t", tariff.export_eur_per_kwh, tariff.import_eur_per_kwh)
    outcome, members = held(replace(community, tariff=upside_down))
    assert not members.exchanges
    np.testing.assert_array_equal(members.negotiator.net_kw, outcome.net_kw)


def test_who_pays_for_a_peak_and_cannot_move_is_in_the_bound_with_it() -> None:
    """Nobody can move, so that the plans told are the best there are: bound and cost are one."""
    community = households(1)
    members = Listening(community.negotiator())
    membership = community.membership(members.negotiator)
    fixed = replace(membership.declaration, flexible=(False,) * len(community.homes))
    outcome = LocalMarket(
        replace(membership, declaration=fixed), replace(community.tariff, peak_eur_per_kw=0.5),
        HOURS, LocalTerms(), seed=1, substation=1,
    ).outcome  # fmt: skip
    assert outcome.bound_eur == pytest.approx(outcome.cost_eur, abs=1e-9)


def test_members_without_a_plan_are_left_out() -> None:
    community = households(2)
    members = Listening(community.negotiator())
    membership = community.membership(members.negotiator)
    sent = np.array(membership.net_kw)
    sent[1] = np.nan
    market = LocalMarket(
        replace(membership, net_kw=sent), community.tariff, HOURS, LocalTerms(),
        seed=1, substation=1,
    )  # fmt: skip
    outcome = hold_local_market(market, members)
    assert not any(1 in request.asked for request, _ in members.exchanges)
    np.testing.assert_array_equal(outcome.net_kw[1], np.zeros(HOURS.ptus))
    np.testing.assert_array_equal(members.negotiator.net_kw[1], community.plans_kw[1])
