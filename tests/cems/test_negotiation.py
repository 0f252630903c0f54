"""The homes' side of a negotiation: what they declare, answer, keep and go back to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems import Negotiator, market_member, plan_home
from mas2sim.cems.market_homes import MarketMember
from mas2sim.domain.device import Appliance, Battery
from mas2sim.domain.flexibility import (
    Acceptance,
    MemberOffers,
    MemberOrder,
    MemberRequest,
    PriceCurve,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from tests.market.curve_oracle import random_curve
from tests.market.household_samples import HOURS, Households, households

from .bare_home import flat, house, nothing_asked

KW = 1e-9
EUR = 1e-9
NO_FEE = np.zeros(24)
few = settings(max_examples=20, deadline=None)


def asking(
    community: Households | str,
    members: tuple[int, ...],
    curve: PriceCurve,
    *,
    number: int = 0,
) -> MemberRequest:
    return MemberRequest(
        community if isinstance(community, str) else community.name, Level.UC2, number, members,
        (0,) * len(members), (curve,), np.full((1, 24), 0.1), NO_FEE,
    )  # fmt: skip


NOTHING_TAKEN = Acceptance()


def ordering(
    plans: int = -1, accepted: Acceptance = NOTHING_TAKEN, keep: tuple[int, ...] = ()
) -> MemberOrder:
    return MemberOrder("community_1", Level.UC2, plans, accepted, keep)


@few
@given(seed=st.integers(0, 7), curve_seed=st.integers(0, 1000))
def test_no_answer_is_beyond_what_the_home_has_declared(seed: int, curve_seed: int) -> None:
    community = households(seed)
    negotiator = community.negotiator()
    declared = negotiator.declare()
    rng = np.random.default_rng(curve_seed)
    everyone = tuple(np.flatnonzero(declared.flexible).tolist())
    for number in range(3):
        request = asking(community, everyone, random_curve(rng, 24), number=number)
        offers = negotiator.answer(replace(request, accepted=Acceptance(number - 1, everyone)))
        assert (offers.net_kw <= declared.upper_kw[list(everyone)] + KW).all()
        assert (offers.net_kw >= declared.lower_kw[list(everyone)] - KW).all()
        bill = community.tariff.cost_eur(offers.net_kw, HOURS)
        lost = bill - community.bills_eur[list(everyone)]
        given_up = offers.forgone_eur - community.forgone_eur[list(everyone)]
        assert offers.compensation_eur == pytest.approx(lost + given_up, abs=1e-6)
        assert (offers.number, offers.members) == (number, everyone)


@few
@given(seed=st.integers(0, 7), draw_seed=st.integers(0, 1000))
def test_members_whose_offer_is_not_taken_go_back_to_where_they_stood(
    seed: int, draw_seed: int
) -> None:
    """Requests in any order of members; a model keeps book of what is believed of each."""
    community = households(seed)
    negotiator = community.negotiator()
    flexible = np.flatnonzero(negotiator.declare().flexible)
    rng = np.random.default_rng(draw_seed)
    believed = community.plans_kw.copy()
    kept = {-1: believed.copy()}
    last: MemberOffers | None = None
    for number in range(8):
        accepted: tuple[int, ...] = ()
        if last is not None:
            accepted = tuple(m for m in last.members if rng.random() < 0.5)
            for place, member in enumerate(last.members):
                if member in accepted:
                    believed[member] = last.net_kw[place]
        keep = number if rng.random() < 0.4 else -1
        if keep >= 0:
            kept[keep] = believed.copy()
        asked = tuple(rng.permutation(flexible)[: rng.integers(1, len(flexible) + 1)].tolist())
        request = asking(community, asked, random_curve(rng, 24), number=number)
        if rng.random() < 0.2:
            request = replace(request, curves=())
        told = Acceptance(-1 if last is None else last.number, accepted)
        labels = (keep,) if keep >= 0 else ()
        last = negotiator.answer(replace(request, accepted=told, keep=labels))
        if not request.curves:
            np.testing.assert_array_equal(last.net_kw, believed[list(asked)])
    label = int(rng.choice(sorted(kept)))
    negotiator.order(ordering(label))
    np.testing.assert_array_equal(negotiator.net_kw, kept[label])
    negotiator.order(ordering())
    np.testing.assert_array_equal(negotiator.net_kw, kept[label])


def test_an_order_for_the_plans_that_members_came_with_undoes_everything() -> None:
    community = households(1)
    negotiator = community.negotiator()
    everyone = tuple(range(len(community.homes)))
    curve = random_curve(np.random.default_rng(1), 24)
    moved = negotiator.answer(asking(community, everyone, curve))
    assert np.abs(moved.net_kw - community.plans_kw).max() > 0.1
    negotiator.order(ordering(accepted=Acceptance(0, everyone)))
    np.testing.assert_array_equal(negotiator.net_kw, community.plans_kw)
    assert [plan is member.plan for plan, member in zip(
        negotiator.plans("x"), community.members, strict=True
    )] == [True] * len(everyone)  # fmt: skip


def test_what_is_said_of_another_request_than_the_last_answered_takes_nothing() -> None:
    """The answers to the last one did not arrive: nobody believes them."""
    community = households(1)
    negotiator = community.negotiator()
    everyone = tuple(range(len(community.homes)))
    curve = random_curve(np.random.default_rng(1), 24)
    negotiator.answer(asking(community, everyone, curve, number=5))
    question = replace(asking(community, everyone, curve, number=6), curves=())
    offers = negotiator.answer(replace(question, accepted=Acceptance(4, everyone)))
    np.testing.assert_array_equal(offers.net_kw, community.plans_kw)


def test_plans_say_how_they_were_found_and_what_they_cost() -> None:
    community = households(1)
    negotiator = community.negotiator()
    everyone = tuple(range(len(community.homes)))
    curve = random_curve(np.random.default_rng(1), 24)
    offers = negotiator.answer(asking(community, everyone, curve))
    negotiator.order(ordering(0, Acceptance(0, everyone), keep=(0,)))
    for place, plan in enumerate(negotiator.plans("local market")):
        assert plan.cost_eur + plan.discomfort_eur == pytest.approx(
            community.bills_eur[place]
            + community.forgone_eur[place]
            + offers.compensation_eur[place],
            abs=1e-6,
        )
        if not np.array_equal(plan.net_kw, community.plans_kw[place]):
            assert (plan.status, plan.way) == (PlanStatus.AGREED, "local market")


def washing_home(**changes: object) -> Home:
    """0.5 kW all day, a cycle of 1 kW somewhere, and a battery."""
    devices = {
        "appliances": (Appliance("washer", (1.0, 1.0), 18, 0, 0),),
        "battery": Battery(4.0, 2.0, 1.0, 1.0),
    }
    return replace(house(0.5, **devices), **changes)


def as_asked(home: Home) -> ReferenceDay:
    """The washer when it is asked for, the battery at rest."""
    washer_kw = home.appliances[0].profile_kw(18, HOURS)
    return replace(
        nothing_asked(),
        net_kw=home.fixed_kw + washer_kw,
        device_kw={"washer": washer_kw, "battery": np.zeros(24)},
    )


def member_from(home: Home, tariff: Tariff | None = None) -> MarketMember:
    tariff = tariff or flat(0.2, 0.05)
    reference = as_asked(home)
    plan = plan_home(home, reference, tariff, HOURS, rng=np.random.default_rng(0))
    return market_member(home, reference, plan, tariff, HOURS)


def cheap_at(hour: int) -> PriceCurve:
    price = np.full((24, 2), 0.3)
    price[hour : hour + 2] = 0.1
    price[:, 1] += 0.001
    return PriceCurve(np.tile([-10.0, 10.0], (24, 1)), price)


def test_a_home_takes_its_cycle_and_its_battery_to_the_cheap_hours() -> None:
    negotiator = Negotiator("c", [member_from(washing_home())], flat(0.2, 0.05), HOURS)
    offers = negotiator.answer(asking("c", (0,), cheap_at(3)))
    assert offers.net_kw[0, 3:5] == pytest.approx([3.5, 3.5])
    assert offers.net_kw[0].sum() == pytest.approx(24 * 0.5 + 2.0)


@pytest.mark.parametrize("home", [
    washing_home(joins_market=False), washing_home(offered=frozenset())
])  # fmt: skip
def test_a_home_that_does_not_want_to_or_offers_nothing_keeps_its_plan(home: Home) -> None:
    member = member_from(home)
    negotiator = Negotiator("c", [member], flat(0.2, 0.05), HOURS)
    declared = negotiator.declare()
    assert declared.flexible == (False,)
    np.testing.assert_array_equal(declared.lower_kw[0], member.plan.net_kw)
    np.testing.assert_array_equal(declared.upper_kw[0], member.plan.net_kw)
    offers = negotiator.answer(asking("c", (0,), cheap_at(3)))
    np.testing.assert_array_equal(offers.net_kw[0], member.plan.net_kw)
    assert offers.compensation_eur[0] == pytest.approx(0.0, abs=EUR)


def test_a_device_that_is_not_offered_stays_where_it_was() -> None:
    home = washing_home(offered=frozenset({"battery"}))
    negotiator = Negotiator("c", [member_from(home)], flat(0.2, 0.05), HOURS)
    offers = negotiator.answer(asking("c", (0,), cheap_at(3)))
    assert offers.net_kw[0, 3:5] == pytest.approx([2.5, 2.5])
    assert offers.net_kw[0].sum() == pytest.approx(24 * 0.5 + 2.0)
    # The washer still runs at 18:00, whether or not the battery delivers then.
    assert offers.net_kw[0, 18:20].min() >= 1.5 - 2.0 - KW


def test_a_home_with_a_price_on_its_own_peak_takes_no_part() -> None:
    """A price per PTU cannot say what a peak costs."""
    tariff = replace(flat(0.2, 0.05), peak_eur_per_kw=0.5)
    member = member_from(washing_home(), tariff)
    assert Negotiator("c", [member], tariff, HOURS).declare().flexible == (False,)
