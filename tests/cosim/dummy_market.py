"""A market of dummy agents that count: exchanges, rounds, answers and steps."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mosaik
import numpy as np

from mas2sim.cosim import LINKS, Link
from mas2sim.cosim.market_simulators import (
    AggregatorSimulator,
    CemsSimulator,
    DsoSimulator,
)
from mas2sim.cosim.negotiating import (
    SUB_STEPS,
    NegotiatingSimulator,
    keep_listening,
    start_in_circles,
)
from mas2sim.cosim.scheduled import ScheduledSimulator
from mas2sim.cosim.simulators import (
    ConnectedGrid,
    GridSimulator,
    HomesSimulator,
    Recorder,
    Recording,
)
from mas2sim.cosim.wiring import connect
from mas2sim.cosim.world import _ending_tasks, _Ready
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.flexibility import (
    FlexOffer,
    FlexOrder,
    FlexRequest,
    MemberOffers,
    MemberOrder,
    MemberRequest,
)
from mas2sim.domain.plan import (
    APlan,
    Confirmation,
    DPrognosis,
    Measurements,
    PPlans,
    Setpoints,
    Settlement,
)
from mas2sim.domain.typical_day import Level
from mas2sim.market import Timetable

from .small_world import DAY, CopperPlate

THREE = {"a": 3, "b": 17, "c": 60}
NOTHING = np.zeros((1, DAY.ptus))

Log = list[tuple[str, str, int]]
"""Who did what with which number, in the order in which it happened."""


@dataclass
class CountingBoxes:
    name: str
    log: Log
    orders: list[int] = field(default_factory=list)
    admitted: bool = False
    schedule: FloatArray = field(default_factory=lambda: np.full((1, 0, DAY.ptus), np.nan))

    def plan(self) -> PPlans:
        return PPlans(self.name, (0,), NOTHING[None])

    def answer(self, request: MemberRequest) -> MemberOffers:
        self.log.append((self.name, "answer", request.number))
        return MemberOffers(self.name, request.number, (0,), NOTHING, *np.zeros((3, 1)), NOTHING)

    def order(self, order: MemberOrder) -> None:
        self.orders.append(order.plans)

    def confirm(self, confirmation: Confirmation) -> None:
        self.admitted = all(confirmation.admitted)

    def setpoints(self, ptu: int) -> Setpoints:
        return Setpoints(np.zeros((1, 0)))


@dataclass
class CountingAggregator:
    """Has a given number of exchanges at the plan gate, and at each request of the DSO.

    Its plan is the number of answers, so that who reads it knows whether it was the last.
    """

    name: str
    log: Log
    at_plan: int
    at_request: int = 0
    offering: bool = True
    answers: int = 0
    lost: int = 0
    number: int = 0
    wanted: int = 0
    requests: int = 0
    accepted: list[int] = field(default_factory=list)

    def plan(self, p_plans: PPlans | None) -> None:
        self.wanted = 0 if p_plans is None else self.at_plan

    def next_request(self) -> MemberRequest | None:
        if not self.wanted:
            return None
        self.wanted -= 1
        self.number += 1
        return MemberRequest(self.name, Level.UC2, self.number, (0,), (0,), (), NOTHING, NOTHING[0])

    def take(self, offers: MemberOffers | None) -> None:
        self.lost += offers is None
        if offers is not None:
            self.log.append((self.name, "take", offers.number))
            assert offers.number == self.number
            self.answers += 1

    def order(self) -> MemberOrder | None:
        return MemberOrder(self.name, Level.UC2, self.number) if self.number else None

    def sells_on(self) -> bool:
        return False

    def a_plan(self) -> APlan | None:
        return APlan(self.name, np.full((1, DAY.ptus), float(self.answers)), 5)

    def validate(self, prognosis: DPrognosis | None) -> Confirmation:
        return Confirmation(self.name, (self.name in prognosis.accepted if prognosis else False,))

    def asked(self, request: FlexRequest) -> None:
        self.log.append((self.name, "asked", request.number))
        self.requests += 1
        self.wanted = self.at_request

    def flex_offer(self) -> FlexOffer | None:
        if not self.offering:
            return None
        return FlexOffer(self.name, self.requests, NOTHING, float(self.answers))

    def ordered(self, order: FlexOrder) -> None:
        self.accepted.append(order.accepted.get(self.name, -1))

    def settle(
        self, net_kw: FloatArray, curtailed_kw: FloatArray | None, validated: DPrognosis | None
    ) -> Settlement:
        nothing = NOTHING[0, :1]
        return Settlement(self.name, (0,), NOTHING[:, :1], NOTHING[:, :1], *[nothing] * 5)


@dataclass
class CountingDso:
    """Has a given number of rounds, and orders the last offer of each community."""

    rounds: int
    prognoses: list[dict[str, float]] = field(default_factory=list)
    offers: list[dict[str, FlexOffer]] = field(default_factory=list)
    orders: int = 0
    found: DPrognosis | None = None

    def prognose(self, a_plans: Mapping[str, APlan]) -> DPrognosis:
        self.prognoses.append({name: plan.net_kw[0, 0] for name, plan in a_plans.items()})
        self.found = DPrognosis("plate", NOTHING, (), dict.fromkeys(a_plans, True))
        return self.found

    def next_request(self) -> FlexRequest | None:
        if len(self.offers) == self.rounds:
            return None
        return FlexRequest(
            len(self.offers), "", ("plate",), NOTHING, NOTHING, NOTHING, 1.0, (), NOTHING
        )

    def take(self, offers: Mapping[str, FlexOffer]) -> None:
        self.offers.append(dict(offers))

    def order(self) -> FlexOrder:
        self.orders += 1
        taken = {name: offer.number for name, offer in self.offers[-1].items()}
        return FlexOrder(taken, dict.fromkeys(taken, 0.0), {})

    def validated(self) -> DPrognosis | None:
        return self.found


class IdlePlant:
    """One home that draws nothing."""

    devices = ()

    def run_in(self, day_before: FloatArray) -> FloatArray:
        return np.zeros((1, 0))

    def step(self, ptu: int, setpoints: Setpoints) -> Measurements:
        return Measurements(*np.zeros((2, 1, 1)), *np.zeros((2, 1, 0)))


class Market:
    """A finished world of dummy agents."""

    def __init__(
        self,
        at_plan: Mapping[str, int] = THREE,
        at_request: int = 0,
        rounds: int = 0,
        silent: Sequence[str] = (),
        links: Sequence[Link] = LINKS,
        listening: bool = True,
    ) -> None:
        self.log: Log = []
        self.boxes = {name: CountingBoxes(name, self.log) for name in at_plan}
        self.aggregators = {
            name: CountingAggregator(name, self.log, count, at_request, name not in silent)
            for name, count in at_plan.items()
        }
        self.dso = CountingDso(rounds)
        self.steps: dict[str, int] = {}
        self.sub_steps = 0
        timetable = Timetable()
        communities = [Community(name, (place,)) for place, name in enumerate(at_plan)]
        self.recording = Recording()
        grid = ConnectedGrid(CopperPlate(), communities)
        simulators: dict[str, ScheduledSimulator] = {
            "cems": CemsSimulator(self.boxes, timetable, DAY),
            "homes": HomesSimulator({name: IdlePlant() for name in at_plan}, 1, timetable, DAY),
            "aggregator": AggregatorSimulator(self.aggregators, timetable),
            "dso": DsoSimulator({"plate": self.dso}, timetable),
            "grid": GridSimulator({"plate": grid}, timetable, DAY),
            "recorder": Recorder({"plate": self.recording}, timetable),
        }
        for name in ("cems", "aggregator", "dso"):
            self._watch(name, simulators[name])
        loop = asyncio.new_event_loop()
        with (
            mosaik.World(
                skip_greetings=True,
                configure_logging=False,
                cache=False,
                asyncio_loop=loop,
                max_loop_iterations=SUB_STEPS,
            ) as world,
            _ending_tasks(loop),
        ):
            factories = start_in_circles(
                world, {name: _Ready(simulator) for name, simulator in simulators.items()}
            )
            entities = {
                name: simulator.create_all(factories[name])
                for name, simulator in simulators.items()
            }
            connect(world, entities, links, gate_s=timetable.gate_s)
            if listening:
                keep_listening(world, entities)
            world.run(until=timetable.settle_s + 1, print_progress=False)
        self.finished = all(simulator.finished for simulator in simulators.values())

    def _watch(self, name: str, simulator: NegotiatingSimulator) -> None:
        """Note the most steps at any time as mosaik counts them, and as the simulators do."""
        step = simulator.step
        calls: dict[int, int] = {}

        def watched(time: int, inputs: Mapping, max_advance: int) -> int:
            calls[time] = calls.get(time, 0) + 1
            self.steps[name] = max(self.steps.get(name, 0), calls[time])
            following = step(time, inputs, max_advance)
            self.sub_steps = max(self.sub_steps, simulator.sub_step)
            return following

        simulator.step = watched
