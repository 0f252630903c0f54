"""The homes' side of a negotiation: answers to an aggregator's requests, and the plan agreed on.

One object speaks for all members of a community to save messages; each member answers with its own
devices alone, and only profiles and money leave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from mas2sim.cems.market_homes import MarketMember, days_of, market_homes
from mas2sim.cems.market_kernel import Days, answer_curves
from mas2sim.cems.market_worth import worths
from mas2sim.domain.arrays import FloatArray, IntArray, frozen
from mas2sim.domain.flexibility import (
    Acceptance,
    Declaration,
    MemberOffers,
    MemberOrder,
    MemberRequest,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.tariff import Tariff

STEPS = 64
"""Steps in which a home sees the rise of its prices from the lowest to the highest."""
SWEEPS = 1
"""Times that the devices of a home take turns within one answer."""


class Negotiator:
    """Members of one community in the market of one day.

    Parameters
    ----------
    members : sequence of MarketMember
        In the order of the community.
    """

    def __init__(
        self, community: str, members: Sequence[MarketMember], tariff: Tariff, horizon: Horizon
    ) -> None:
        self._community = community
        self._members = tuple(members)
        self._tariff = tariff
        self._horizon = horizon
        self._homes = market_homes(members, horizon.ptus)
        self._days = days_of(members, horizon.ptus)
        self._alone_eur = tariff.cost_eur(self._days.net_kw, horizon) + self._forgone_eur(
            np.arange(len(members))
        )
        self._asked: IntArray = np.empty(0, dtype=np.int64)
        self._answered = -1
        self._before = self._days
        self._kept: dict[int, Days] = {-1: _copy(self._days)}

    @property
    def net_kw(self) -> FloatArray:
        """Net power of the members as they stand, shape (member, ptu)."""
        return self._days.net_kw.copy()

    def declare(self) -> Declaration:
        """What the aggregator may know of the members' devices."""
        homes, members = self._homes, range(len(self._members))
        lower_kw, upper_kw = self._homes.base_kw.copy(), self._homes.base_kw.copy()
        for member in members:
            for choice in self._members[member].parts.choices:
                most_kw = np.zeros(self._horizon.ptus)
                for start in choice.starts:
                    ptus = (start + np.arange(len(choice.cycle_kw))) % self._horizon.ptus
                    np.maximum.at(most_kw, ptus, choice.cycle_kw)
                upper_kw[member] += most_kw
            for storage in self._members[member].parts.storages:
                lower_kw[member] += storage.min_kw
                upper_kw[member] += storage.max_kw
            load = self._members[member].load
            if load is not None:
                upper_kw[member] += load.p_kw
        firsts = (homes.first_choice, homes.first_storage, homes.first_load)
        devices = np.sum([np.diff(first) for first in firsts], axis=0)
        flexible = tuple((devices > 0).tolist())
        forgone_eur = self._forgone_eur(np.arange(len(self._members)))
        return Declaration(self._community, flexible, lower_kw, upper_kw, forgone_eur)

    def answer(self, request: MemberRequest) -> MemberOffers:
        """Let each member asked answer on its own."""
        self._settle_last(request.accepted, request.keep)
        asked = np.array(request.asked, dtype=np.int64)
        group = np.array(request.group, dtype=np.int64)
        fee = np.array(request.fee_eur_per_kwh)
        if request.curves:
            self._asked, self._before = asked, self._part(asked)
            self._answered = request.number
            self._answer_curves(request, asked, group, fee)
        else:
            self._asked = asked[:0]
        worth_eur = np.empty(len(asked))
        worth_net_kw = np.empty((len(asked), self._horizon.ptus))
        worths(
            self._homes, asked, np.array(request.prices_eur_per_kwh), group, fee,
            self._days.net_kw, self._horizon.ptu_hours, worth_eur, worth_net_kw,
        )  # fmt: skip
        net_kw = self._days.net_kw[asked]
        forgone_eur = self._forgone_eur(asked)
        cost_eur = self._tariff.cost_eur(net_kw, self._horizon) + forgone_eur
        return MemberOffers(
            community=self._community,
            number=request.number,
            members=request.asked,
            net_kw=net_kw,
            compensation_eur=cost_eur - self._alone_eur[asked],
            forgone_eur=forgone_eur,
            worth_eur=worth_eur,
            worth_net_kw=worth_net_kw,
        )

    def order(self, order: MemberOrder) -> None:
        """Go to the plans kept under the order's label, and begin anew from there."""
        self._settle_last(order.accepted, order.keep)
        # A label that never arrived: the plans they came with are feasible and theirs.
        self._days = _copy(self._kept.get(order.plans, self._kept[-1]))
        self._kept = {-1: _copy(self._days)}
        self._answered = -1

    def plans(self, way: str) -> tuple[HomePlan, ...]:
        """The members' plans as they stand; a member that has not moved keeps the one it had."""
        forgone_eur = self._forgone_eur(np.arange(len(self._members)))
        return tuple(
            self._plan(member, way, float(forgone_eur[member]))
            for member in range(len(self._members))
        )

    def _answer_curves(
        self, request: MemberRequest, asked: IntArray, group: IntArray, fee: FloatArray
    ) -> None:
        knots = np.stack([curve.change_kw for curve in request.curves])
        price = np.stack([curve.price_eur_per_kwh for curve in request.curves])
        spread = float((self._tariff.import_eur_per_kwh - self._tariff.export_eur_per_kwh).max())
        answer_curves(
            self._homes, asked, group, knots, price, fee, max(spread, 1e-6) / STEPS, SWEEPS,
            self._days,
        )  # fmt: skip

    def _settle_last(self, accepted: Acceptance, keep: tuple[int, ...]) -> None:
        """Members whose last offer was not taken go back; then keep what is worth keeping."""
        taken = set(accepted.members) if accepted.number == self._answered else set()
        back = np.array([place for place, m in enumerate(self._asked) if m not in taken], np.int64)
        if len(back):
            self._restore(self._asked[back], back)
        self._asked = self._asked[:0]
        for label in keep:
            self._kept[label] = _copy(self._days)

    def _part(self, members: IntArray) -> Days:
        """What the devices of some members do, in the order of the members."""
        homes, days = self._homes, self._days
        return Days(
            days.start[_span(homes.first_choice, members)],
            days.storage_kw[_span(homes.first_storage, members)],
            days.cut[_span(homes.first_load, members)],
            days.net_kw[members],
        )

    def _restore(self, members: IntArray, places: IntArray) -> None:
        """Put members back to where they stood when last asked; `places` are theirs among those."""
        homes, days, before = self._homes, self._days, self._before
        chosen = np.zeros(len(homes.base_kw), dtype=bool)
        chosen[members] = True
        for values, old, first in (
            (days.start, before.start, homes.first_choice),
            (days.storage_kw, before.storage_kw, homes.first_storage),
            (days.cut, before.cut, homes.first_load),
        ):
            asked = self._asked
            owner = np.repeat(asked, first[asked + 1] - first[asked])
            values[_span(first, members)] = old[chosen[owner]]
        days.net_kw[members] = before.net_kw[places]

    def _forgone_eur(self, members: IntArray) -> FloatArray:
        """Worth of the loads cut, shape (member). [EUR]"""
        homes = self._homes
        each = (homes.load_kw * self._days.cut).sum(axis=1) * homes.forgone_eur_per_kwh
        total = np.zeros(len(homes.base_kw))
        np.add.at(total, np.repeat(np.arange(len(total)), np.diff(homes.first_load)), each)
        return np.asarray(total[members] * self._horizon.ptu_hours)

    def _plan(self, member: int, way: str, forgone_eur: float) -> HomePlan:
        came = self._members[member]
        net_kw = self._days.net_kw[member].copy()
        if np.array_equal(net_kw, came.plan.net_kw):
            return came.plan
        homes, days, ptus = self._homes, self._days, self._horizon.ptus
        setpoints = dict(came.plan.setpoints)
        starts = days.start[homes.first_choice[member] : homes.first_choice[member + 1]]
        for choice, start in zip(came.parts.choices, starts, strict=True):
            setpoints[choice.name] = frozen((np.arange(ptus) == start).astype(np.float64))
        powers = days.storage_kw[homes.first_storage[member] : homes.first_storage[member + 1]]
        for storage, power_kw in zip(came.parts.storages, powers, strict=True):
            setpoints[storage.name] = frozen(power_kw.copy())
        if came.load is not None:
            setpoints[came.load.name] = frozen(days.cut[homes.first_load[member]].copy())
        infeasible = came.plan.status is PlanStatus.INFEASIBLE
        return HomePlan(
            net_kw=net_kw,
            setpoints=MappingProxyType(setpoints),
            cost_eur=float(self._tariff.cost_eur(net_kw, self._horizon)),
            discomfort_eur=forgone_eur,
            status=PlanStatus.INFEASIBLE if infeasible else PlanStatus.AGREED,
            way=way,
            reason=came.plan.reason if infeasible else "",
        )


def _copy(days: Days) -> Days:
    return Days(days.start.copy(), days.storage_kw.copy(), days.cut.copy(), days.net_kw.copy())


def _span(first: IntArray, members: IntArray) -> IntArray:
    """Places of the devices of some members, in the order of the members."""
    if not len(members):
        return np.empty(0, dtype=np.int64)
    return np.concatenate([np.arange(first[m], first[m + 1]) for m in members])
