"""The energy boxes of one community's homes, as one agent for the co-simulation.

Each box plans its own home; gathering them saves messages, not secrets: what leaves a box is its
P-plan to its own aggregator, and setpoints to its own home.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mas2sim.cems.market_homes import market_member
from mas2sim.cems.negotiation import Negotiator
from mas2sim.cems.planner import plan_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.device import Battery
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Confirmation, HomePlan, PPlans, Setpoints, TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level


@dataclass(frozen=True, slots=True)
class PlanningTask:
    """What all boxes of a substation have in common.

    Parameters
    ----------
    cache : ContentCache, optional
        Plans shared with other cases of this process.
    given : mapping of Level to sequence of HomePlan, in the order of the substation's homes
        Plans that one who knows all has made for the homes (level `central`).
    """

    levels: tuple[Level, ...]
    tariff: Tariff
    horizon: Horizon
    ties: TieRule
    seed: int
    substation: int
    cache: ContentCache | None = None
    given: Mapping[Level, Sequence[HomePlan]] = field(default_factory=lambda: MappingProxyType({}))


NEGOTIATED = {Level.UC2: "local market", Level.UC3: "congestion market"}
"""Levels at which homes begin with the plan they would follow alone, and how others are found."""


class EnergyBoxes:
    """CEMS agents of one community: plan at the gate, command in each PTU.

    A level is managed only once the aggregator has confirmed it; until then, and at level
    `baseline`, devices are left to their own rules.

    Parameters
    ----------
    homes, references : sequence
        Of the whole substation.
    planned : callable, optional
        Called after each home's plans are made, for progress.

    Attributes
    ----------
    plans : mapping of Level to tuple of HomePlan, in the order of members
    messages : int
        Market messages received.
    """

    def __init__(
        self,
        community: Community,
        homes: Sequence[Home],
        references: Sequence[ReferenceDay],
        task: PlanningTask,
        planned: Callable[[], None] = lambda: None,
    ) -> None:
        self._community = community
        self._homes = [homes[member] for member in community.members]
        self._references = [references[member] for member in community.members]
        self._task = task
        self._planned = planned
        self.messages = 0
        self.plans: Mapping[Level, tuple[HomePlan, ...]] = {}
        self._negotiator: Negotiator | None = None
        self._unmanaged: FloatArray = self._setpoints_of(())
        self._schedule: FloatArray = self._unmanaged

    def plan(self) -> PPlans:
        """Plan every home at every level and say what the aggregator may know."""
        levels = self._task.levels
        made: dict[Level, list[HomePlan]] = {level: [] for level in levels}
        managed = [level for level in levels if level is not Level.BASELINE]
        alone: list[HomePlan] = []
        for place, (home, reference) in enumerate(zip(self._homes, self._references, strict=True)):
            if managed:
                alone.append(self._plan_alone(home, reference))
            for level in managed:
                given = self._task.given.get(level)
                made[level].append(
                    alone[-1] if given is None else given[self._community.members[place]]
                )
            if Level.BASELINE in levels:
                made[Level.BASELINE].append(self._unmanaged_plan(reference))
            self._planned()
        self.plans = {level: tuple(plans) for level, plans in made.items()}
        return self._told(alone, in_market=managed not in ([], [Level.UC1]))

    def answer(self, request: MemberRequest) -> MemberOffers | None:
        """Let the homes asked answer their aggregator; None before they have planned."""
        self.messages += len(request.asked)
        return None if self._negotiator is None else self._negotiator.answer(request)

    def order(self, order: MemberOrder) -> None:
        """Take the plans that a market has ended with, for its level and those that follow."""
        if self._negotiator is None:
            return
        self._negotiator.order(order)
        later = [level for level in self._task.levels if level in NEGOTIATED]
        if order.level is Level.UC3:
            later = [Level.UC3]
        agreed = self._negotiator.plans(NEGOTIATED[order.level])
        self.plans = {**self.plans, **dict.fromkeys(later, agreed)}

    def confirm(self, confirmation: Confirmation) -> None:
        """Take the aggregator's word: the levels it admitted are carried out."""
        self.messages += len(self._homes)
        managed = [
            level
            for level, admitted in zip(self._task.levels, confirmation.admitted, strict=True)
            if admitted and level is not Level.BASELINE
        ]
        self._schedule = self._setpoints_of(managed)

    @property
    def schedule(self) -> FloatArray:
        """Setpoints of the cyclic day, shape (level, device, ptu); NaN: the device's own rule."""
        return self._schedule

    def setpoints(self, ptu: int) -> Setpoints:
        """Setpoints of one PTU."""
        return Setpoints(self._schedule[:, :, ptu])

    def _told(self, alone: Sequence[HomePlan], *, in_market: bool) -> PPlans:
        """What the aggregator is told; in a market, of the devices and of the bills alone too."""
        task, community = self._task, self._community
        net_kw = np.array([[plan.net_kw for plan in self.plans[level]] for level in task.levels])
        if not in_market:
            return PPlans(community.name, community.members, net_kw)
        members = [
            market_member(home, reference, plan, task.tariff, task.horizon)
            for home, reference, plan in zip(self._homes, self._references, alone, strict=True)
        ]
        self._negotiator = Negotiator(community.name, members, task.tariff, task.horizon)
        return PPlans(
            community.name,
            community.members,
            net_kw,
            alone_eur=np.array([plan.cost_eur for plan in alone]),
            declaration=self._negotiator.declare(),
        )

    def _unmanaged_plan(self, reference: ReferenceDay) -> HomePlan:
        cost_eur = float(self._task.tariff.cost_eur(reference.net_kw, self._task.horizon))
        return HomePlan(reference.net_kw, cost_eur=cost_eur)

    def _plan_alone(self, home: Home, reference: ReferenceDay) -> HomePlan:
        task = self._task
        keyed = (task.seed, task.substation, home.name, "ties")

        def make() -> HomePlan:
            rng = stream(*keyed)
            return plan_home(home, reference, task.tariff, task.horizon, ties=task.ties, rng=rng)

        if task.cache is None:
            return make()
        content = (home, reference, task.tariff, task.horizon, task.ties, keyed)
        return task.cache.get(content, make)

    def _setpoints_of(self, managed: Sequence[Level]) -> FloatArray:
        """Setpoints where only `managed` levels command, shape (level, device, ptu)."""
        rows = [
            [
                self._device_schedule(place, home, level) if level in managed else None
                for place, home in enumerate(self._homes)
            ]
            for level in self._task.levels
        ]
        ptus = self._task.horizon.ptus
        devices = sum(len(home.flexible_devices) for home in self._homes)
        schedule = np.full((len(rows), devices, ptus), np.nan)
        for level_schedule, row in zip(schedule, rows, strict=True):
            first = 0
            for home, commands in zip(self._homes, row, strict=True):
                last = first + len(home.flexible_devices)
                if commands is not None:
                    level_schedule[first:last] = commands
                first = last
        schedule.setflags(write=False)
        return schedule

    def _device_schedule(self, place: int, home: Home, level: Level) -> FloatArray:
        """Setpoints of one home's devices, shape (device, ptu).

        A battery that is not offered keeps its reference schedule: left to its rule it would answer
        to the other devices' plan.
        """
        plan, reference = self.plans[level][place], self._references[place]
        schedule = np.full((len(home.flexible_devices), self._task.horizon.ptus), np.nan)
        for row, device in zip(schedule, home.flexible_devices, strict=True):
            if device.name in plan.setpoints:
                row[:] = plan.setpoints[device.name]
            elif isinstance(device, Battery):
                row[:] = reference.device_kw[device.name]
        return schedule
