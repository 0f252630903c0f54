"""The agents of a case, their messages handed over one by one: what mosaik does, without mosaik."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.cems import EnergyBoxes, PlanningTask
from mas2sim.cosim import CaseSetup
from mas2sim.cosim.agent_terms import aggregator_terms, congestion_register, dso_terms
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexRequest
from mas2sim.domain.plan import APlan, DPrognosis
from mas2sim.domain.typical_day import Level
from mas2sim.market import Aggregator, Dso
from mas2sim.plant import reference_days


@dataclass
class HeldDay:
    """What the gates of D-1 came to.

    `a_plans`, `requests` and `offers` are all that ever crosses between aggregators and DSO before
    delivery.
    """

    boxes: dict[str, EnergyBoxes]
    aggregators: dict[str, Aggregator]
    dso: Dso
    a_plans: dict[str, APlan]
    requests: list[FlexRequest]
    offers: list[FlexOffer]
    validated: DPrognosis | None

    def planned_kw(self, setup: CaseSetup, level: Level) -> FloatArray:
        """Plans of one level in the order of homes, shape (home, ptu)."""
        plans = np.empty((len(setup.homes), setup.horizon.ptus))
        for community in setup.communities:
            made = self.boxes[community.name].plans[level]
            plans[list(community.members)] = [plan.net_kw for plan in made]
        return plans


def _ask_members(aggregator: Aggregator, boxes: EnergyBoxes) -> None:
    while (request := aggregator.next_request()) is not None:
        aggregator.take(boxes.answer(request))


def _order(aggregator: Aggregator, boxes: EnergyBoxes) -> None:
    order = aggregator.order()
    if order is not None:
        boxes.order(order)


def hold_day(setup: CaseSetup) -> HeldDay:
    """Hold plan and validate gates of a case without the level `central`."""
    references = reference_days(setup.homes, setup.horizon)
    task = PlanningTask(
        setup.levels, setup.tariff, setup.horizon, setup.ties, setup.seed, setup.substation
    )
    register = congestion_register(setup)
    boxes = {
        each.name: EnergyBoxes(each, setup.homes, references, task) for each in setup.communities
    }
    aggregators = {
        each.name: Aggregator(
            each, setup.tariff, setup.horizon, aggregator_terms(setup, each, register)
        )
        for each in setup.communities
    }
    a_plans = {}
    for name, aggregator in aggregators.items():
        aggregator.plan(boxes[name].plan())
        _ask_members(aggregator, boxes[name])
        _order(aggregator, boxes[name])
        plan = aggregator.a_plan()
        assert plan is not None
        a_plans[name] = plan
    dso = Dso(dso_terms(setup, register), setup.horizon)
    dso.prognose(a_plans)
    requests: list[FlexRequest] = []
    said: list[FlexOffer] = []
    while (request := dso.next_request()) is not None:
        requests.append(request)
        offers = {}
        for name, aggregator in aggregators.items():
            aggregator.asked(request)
            _ask_members(aggregator, boxes[name])
            offer = aggregator.flex_offer()
            if offer is not None:
                offers[name] = offer
                said.append(offer)
        dso.take(offers)
    if requests:
        order = dso.order()
        for name, aggregator in aggregators.items():
            aggregator.ordered(order)
            _order(aggregator, boxes[name])
    return HeldDay(boxes, aggregators, dso, a_plans, requests, said, dso.validated())
