"""The protocols on a community of two whose day one can work out with a pencil."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import (
    Acceptance,
    Declaration,
    MemberOffers,
    MemberRequest,
    PriceCurve,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.admm import AdmmMarket
from mas2sim.market.greedy import GreedyMarket
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.membership import Membership
from mas2sim.market.netting import NettingMarket
from mas2sim.market.protocols import Protocol, local_market
from mas2sim.market.session import hold_local_market

EUR = 1e-9
"""Sums of a few products below 1."""


class OneShifter:
    """Two members: one feeds in 3 kW at noon and draws 1 kW at night, one may move its 2 kW."""

    tariff = Tariff("flat", np.full(24, 0.20), np.full(24, 0.05))
    plans_kw = np.zeros((2, 24))
    plans_kw[0, 3], plans_kw[0, 12], plans_kw[1, 18] = 1.0, -3.0, 2.0

    def __init__(self, *hours: int) -> None:
        """Hours it moves to, one after the other, and then stays at the last."""
        self.hours = hours or (12,)
        self.curves: list[PriceCurve] = []
        self.told: list[Acceptance] = []

    @property
    def membership(self) -> Membership:
        most_kw = np.zeros((2, 24))
        most_kw[1] = 2.0
        least_kw = np.minimum(self.plans_kw, 0.0)
        declared = Declaration("c", (False, True), least_kw, most_kw, np.zeros(2))
        return Membership("c", self.plans_kw, declared, np.zeros(2, np.int64), 1)

    def answer(self, request: MemberRequest) -> MemberOffers:
        self.curves += request.curves
        self.told.append(request.accepted)
        net_kw = np.zeros((1, 24))
        net_kw[0, self.hours[min(request.number, len(self.hours) - 1)]] = 2.0
        nothing = np.zeros(1)
        return MemberOffers(
            "c", request.number, (1,), net_kw, nothing, nothing, nothing, np.zeros((1, 24))
        )

    def order(self, order: object) -> None:
        pass


def test_the_surplus_is_sold_at_the_middle_price_and_its_rest_asked_for() -> None:
    """By hand: 2 kWh that earned 0.05 outside spare 0.20: the bill falls by 2 x 0.15 EUR."""
    members = OneShifter()
    market = GreedyMarket(
        members.membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    outcome = hold_local_market(market, members)
    first, second = members.curves
    assert reading(first, 12) == ([0, 0, 3, 3], [0.05, 0.125, 0.125, 0.20])
    assert reading(first, 18) == ([-2, -2, 0, 0], [0.05, 0.20, 0.20, 0.20])
    assert reading(second, 12) == ([0, 0, 1, 1], [0.05, 0.125, 0.125, 0.20])
    assert members.told[1] == Acceptance(0, (1,))
    # Asked again it stays where it is: nobody moved, and the talk is over.
    assert len(members.curves) == 2
    assert outcome.cost_eur == pytest.approx(0.15, abs=EUR)
    netted = held_netting(members).cost_eur
    assert netted == pytest.approx(0.20 * 3 - 0.05 * 3, abs=EUR)
    assert netted - outcome.cost_eur == pytest.approx(0.30, abs=EUR)


def held_netting(members: OneShifter) -> LocalOutcome:
    market = NettingMarket(members.membership, members.tariff, Horizon(60), LocalTerms())
    assert market.order().level is Level.UC2
    return hold_local_market(market, members)


def reading(curve: PriceCurve, ptu: int) -> tuple[list[float], list[float]]:
    price: FloatArray = curve.price_eur_per_kwh[ptu].round(12)
    return curve.change_kw[ptu].tolist(), price.tolist()


def test_without_surplus_nobody_is_asked_unless_turns_go_on() -> None:
    members = OneShifter()
    plans_kw = np.maximum(members.plans_kw, 0.0)
    membership = replace(members.membership, net_kw=plans_kw)
    quiet = GreedyMarket(
        membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    assert quiet.request() is None
    going_on = GreedyMarket(
        membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1,
        beyond_surplus=True,
    )  # fmt: skip
    assert going_on.request() is not None


@pytest.mark.parametrize(
    ("protocol", "told"), [(Protocol.GREEDY, []), (Protocol.ADMM, [Acceptance(0, (1,))])]
)
def test_an_answer_that_saves_nothing_is_taken_by_admm_alone(
    protocol: Protocol, told: list[Acceptance]
) -> None:
    """Moved to another hour of import, the 2 kWh cost what they cost before."""
    members = OneShifter(3)
    market = local_market(
        protocol, members.membership, members.tariff, Horizon(60), LocalTerms(),
        seed=1, substation=1,
    )  # fmt: skip
    outcome = hold_local_market(market, members)
    netted_eur = held_netting(members).cost_eur
    assert outcome.cost_eur == pytest.approx(netted_eur, abs=EUR)
    assert outcome.net_kw[1, 18] == 2.0
    assert members.told[1:2] == told


def test_admm_orders_the_best_plan_it_met() -> None:
    """Its first answer suits all, every other one is dear: taken, but not ordered."""
    members = OneShifter(12, 3)
    market = AdmmMarket(
        members.membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    outcome = hold_local_market(market, members)
    assert len(members.told) > 2
    assert outcome.cost_eur == pytest.approx(0.15, abs=EUR)
    assert outcome.net_kw[1, 12] == 2.0
    assert market.order().plans == 1


def test_admm_starts_with_a_proximal_step_of_the_bill() -> None:
    """A price that rises by the same for each kW, through the price at a change of nothing.

    By hand, at noon: the sum of -3 kW leaves the price at the export end, where all of it is
    supplied, so that a change of nothing costs just that.
    """
    members = OneShifter()
    market = AdmmMarket(
        members.membership, members.tariff, Horizon(60), LocalTerms(), seed=1, substation=1
    )
    request = market.request()
    assert request is not None
    assert request.asked == (1,)
    (curve,) = request.curves
    slopes = np.diff(curve.price_eur_per_kwh, axis=1) / np.diff(curve.change_kw, axis=1)
    assert slopes == pytest.approx(slopes[0, 0])
    at_nothing = [
        np.interp(0.0, knots, price)
        for knots, price in zip(curve.change_kw, curve.price_eur_per_kwh, strict=True)
    ]
    assert at_nothing[12] == pytest.approx(0.05)
    assert at_nothing[18] == pytest.approx(0.20)
    assert request.prices_eur_per_kwh[0, 12] == pytest.approx(0.05)
    assert request.prices_eur_per_kwh[0, 18] == pytest.approx(0.20)
