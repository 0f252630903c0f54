"""Markets held in one place, message by message: what mosaik does, without mosaik.

For tests, benchmarks and studies. The agents are the same, so are the bits of their results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mas2sim.domain.flexibility import FlexOffer, MemberOffers, MemberOrder, MemberRequest
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.local_market import LocalOutcome
from mas2sim.market.offer_maker import OfferMaker


class Members(Protocol):
    """The homes of one community, as their aggregator meets them."""

    def answer(self, request: MemberRequest) -> MemberOffers:
        """Let the members asked answer."""
        ...

    def order(self, order: MemberOrder) -> None:
        """Go to the plans ordered."""
        ...


class CommunityMarket(Protocol):
    """A negotiation within one community, whatever its rules."""

    def request(self) -> MemberRequest | None:
        """Return the next request; None when the market is over."""
        ...

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request."""
        ...

    def order(self) -> MemberOrder:
        """The order with which the market ends."""
        ...

    @property
    def outcome(self) -> LocalOutcome:
        """What the market has come to."""
        ...


def hold_local_market(market: CommunityMarket, members: Members) -> LocalOutcome:
    """Hold the market of one community to its end."""
    while (request := market.request()) is not None:
        market.take(members.answer(request))
    members.order(market.order())
    return market.outcome


def hold_congestion_market(
    market: CongestionMarket,
    sellers: Mapping[str, OfferMaker],
    members: Mapping[str, Members],
) -> None:
    """Hold the DSO's market with all aggregators to its end."""
    while (request := market.request()) is not None:
        offers: dict[str, FlexOffer] = {}
        for name, seller in sellers.items():
            seller.asked(request)
            while (asked := seller.next_request()) is not None:
                seller.take(members[name].answer(asked))
            offer = seller.offer()
            if offer is not None:
                offers[name] = offer
        market.take(offers)
    order = market.order()
    for name, seller in sellers.items():
        members[name].order(seller.order(order))
