"""Energy boxes, aggregators and the DSO: who says what to whom, and when.

A room beside `simulators`, whose gates are one message each. Here some gates are conversations, and
each is written down as one: ask, listen, go on. The agents behind it know nothing of mosaik.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Protocol

from mas2sim.cosim.negotiating import Conversation, NegotiatingSimulator
from mas2sim.cosim.scheduled import Inbox, only
from mas2sim.cosim.simulators import delivery_times
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import (
    FlexOffer,
    FlexOrder,
    FlexRequest,
    MemberOffers,
    MemberOrder,
    MemberRequest,
)
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import APlan, Confirmation, DPrognosis, PPlans, Setpoints, Settlement
from mas2sim.market import Timetable


class BoxesAgent(Protocol):
    """The energy boxes of one community."""

    @property
    def schedule(self) -> FloatArray:
        """What the devices did on the day before, shape (level, device, ptu)."""

    def plan(self) -> PPlans:
        """Plan every home."""

    def answer(self, request: MemberRequest) -> MemberOffers | None:
        """Answer the aggregator for the members asked."""

    def order(self, order: MemberOrder) -> None:
        """Take the plans that the aggregator orders."""

    def confirm(self, confirmation: Confirmation) -> None:
        """Take the aggregator's word on whether the plans were admitted."""

    def setpoints(self, ptu: int) -> Setpoints:
        """Command the devices for one PTU."""


class AggregatorAgent(Protocol):
    """The aggregator of one community."""

    def plan(self, p_plans: PPlans | None) -> None:
        """Gather the P-plans."""

    def next_request(self) -> MemberRequest | None:
        """Ask the members once more, or no more."""

    def take(self, offers: MemberOffers | None) -> None:
        """Take their answer; None when none came."""

    def order(self) -> MemberOrder | None:
        """Order the plans found best; None leaves the members with those that they have."""

    def sells_on(self) -> bool:
        """Whether a buyer outside is to be answered next."""

    def a_plan(self) -> APlan | None:
        """Sum of the plans ordered."""

    def validate(self, prognosis: DPrognosis | None) -> Confirmation:
        """Pass on the DSO's finding."""

    def asked(self, request: FlexRequest) -> None:
        """Take the DSO's request."""

    def flex_offer(self) -> FlexOffer | None:
        """Offer what the members offered, if they did."""

    def ordered(self, order: FlexOrder) -> None:
        """Take the DSO's order."""

    def settle(
        self, net_kw: FloatArray, curtailed_kw: FloatArray | None, validated: DPrognosis | None
    ) -> Settlement:
        """Bill the metered day, arrays of shape (level, member, ptu)."""


class DsoAgent(Protocol):
    """The DSO of one congestion point."""

    def prognose(self, a_plans: Mapping[str, APlan]) -> DPrognosis:
        """Sum the A-plans that came."""

    def next_request(self) -> FlexRequest | None:
        """Ask all aggregators once more, or no more."""

    def take(self, offers: Mapping[str, FlexOffer]) -> None:
        """Take the offers of one round, by community; those that made none are not there."""

    def order(self) -> FlexOrder:
        """Say which of the offers are taken."""

    def validated(self) -> DPrognosis | None:
        """The prognosis with what was bought."""


class CemsSimulator(NegotiatingSimulator):
    """Energy boxes: plan, answer the aggregator, take its word, command through day D."""

    def __init__(
        self, boxes: Mapping[str, BoxesAgent], timetable: Timetable, horizon: Horizon
    ) -> None:
        super().__init__(
            "EnergyBoxes",
            ["p_plans", "confirmation", "day_before", "setpoints"],
            ["member_request", "member_offers", "member_order"],
            list(boxes),
            [timetable.plan_s, timetable.confirm_s, *delivery_times(timetable, horizon)],
        )
        self._boxes, self._timetable, self._horizon = boxes, timetable, horizon

    def at_gate(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Plan, confirm or command."""
        boxes = self._boxes[entity]
        if time == self._timetable.plan_s:
            return {"p_plans": boxes.plan()}
        if time == self._timetable.confirm_s:
            confirmation = only(inbox, "confirmation")
            if confirmation is not None:
                boxes.confirm(confirmation)
            return {"day_before": boxes.schedule}
        ptu = (time - self._timetable.operate_s) // self._horizon.ptu_seconds
        return {"setpoints": boxes.setpoints(ptu)}

    def answer(self, entity: str, heard: Inbox) -> Conversation:
        """Answer as long as questions come; an order is carried out whenever it comes."""
        boxes = self._boxes[entity]
        while (request := only(heard, "member_request")) is not None:
            heard = yield {"member_offers": boxes.answer(request)}
        order = only(heard, "member_order")
        if order is not None:
            boxes.order(order)
        return {}


class AggregatorSimulator(NegotiatingSimulator):
    """Aggregators: negotiate with their members at the plan gate and whenever the DSO asks."""

    def __init__(self, aggregators: Mapping[str, AggregatorAgent], timetable: Timetable) -> None:
        super().__init__(
            "Aggregator",
            [
                "p_plans",
                "a_plan",
                "d_prognosis",
                "confirmation",
                "metered_kw",
                "curtailed_kw",
                "validated",
                "settlement",
            ],
            [
                "member_request",
                "member_offers",
                "member_order",
                "flex_request",
                "flex_offer",
                "flex_order",
            ],
            list(aggregators),
            [timetable.plan_s, timetable.validate_s, timetable.settle_s],
        )
        self._aggregators, self._timetable = aggregators, timetable

    def at_gate(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any] | Conversation:
        """Plan, validate or settle; a message that comes after its gate is not read any more."""
        aggregator = self._aggregators[entity]
        if time == self._timetable.plan_s:
            return self._plan(entity, aggregator, only(inbox, "p_plans"))
        if time == self._timetable.validate_s:
            return {"confirmation": aggregator.validate(only(inbox, "d_prognosis"))}
        metered_kw = only(inbox, "metered_kw")
        if metered_kw is None:
            return {}
        curtailed_kw, validated = only(inbox, "curtailed_kw"), only(inbox, "validated")
        return {"settlement": aggregator.settle(metered_kw, curtailed_kw, validated)}

    def answer(self, entity: str, heard: Inbox) -> Mapping[str, Any] | Conversation:
        """Make an offer to the DSO, or carry out its order."""
        aggregator = self._aggregators[entity]
        request = only(heard, "flex_request")
        if request is not None:
            return self._offer(entity, aggregator, request)
        order = only(heard, "flex_order")
        if order is None:
            return {}
        aggregator.ordered(order)
        return _order(aggregator)

    def _plan(
        self, entity: str, aggregator: AggregatorAgent, p_plans: PPlans | None
    ) -> Conversation:
        aggregator.plan(p_plans)
        yield from self._exchanges(entity, aggregator)
        order = _order(aggregator)
        if aggregator.sells_on():
            # Members go to the plans agreed on before they are asked for more.
            yield order
            yield from self._exchanges(entity, aggregator)
            order = _order(aggregator)
        return {**order, "a_plan": aggregator.a_plan()}

    def _offer(
        self, entity: str, aggregator: AggregatorAgent, request: FlexRequest
    ) -> Conversation:
        aggregator.asked(request)
        yield from self._exchanges(entity, aggregator)
        # None is said too: the DSO hears that there is no offer.
        return {"flex_offer": aggregator.flex_offer()}

    def _exchanges(
        self, entity: str, aggregator: AggregatorAgent
    ) -> Generator[Mapping[str, Any], Inbox, None]:
        """Ask the members as long as the aggregator wants to know more."""
        while self.may_ask(entity) and (request := aggregator.next_request()) is not None:
            heard = yield {"member_request": request}
            aggregator.take(only(heard, "member_offers"))


class DsoSimulator(NegotiatingSimulator):
    """The DSO: one prognosis for each congestion point, and what flexibility it buys there."""

    def __init__(self, points: Mapping[str, DsoAgent], timetable: Timetable) -> None:
        super().__init__(
            "Dso",
            ["a_plan", "d_prognosis", "validated"],
            ["flex_request", "flex_offer", "flex_order"],
            list(points),
            [timetable.plan_s, timetable.validate_s],
        )
        self._points, self._timetable = points, timetable

    def at_gate(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any] | Conversation:
        """Prognose, or buy."""
        dso = self._points[entity]
        if time == self._timetable.plan_s:
            return {"d_prognosis": dso.prognose(inbox.get("a_plan", {}))}
        return self._buy(entity, dso)

    def answer(self, entity: str, heard: Inbox) -> Mapping[str, Any]:
        """An offer that nobody asked for is not read."""
        del entity, heard
        return {}

    def _buy(self, entity: str, dso: DsoAgent) -> Conversation:
        """Ask as long as the DSO wants more and somebody answers, then order."""
        asked = False
        answered = True
        while answered and self.may_ask(entity) and (request := dso.next_request()) is not None:
            heard = yield {"flex_request": request}
            asked = True
            said = heard.get("flex_offer", {})
            answered = bool(said)
            dso.take({name: offer for name, offer in said.items() if offer is not None})
        order = {"flex_order": dso.order()} if asked else {}
        return {**order, "validated": dso.validated()}


def _order(aggregator: AggregatorAgent) -> Mapping[str, Any]:
    order = aggregator.order()
    return {} if order is None else {"member_order": order}
