"""Request, offer, order, taken by the word: the second of the market's comparisons.

An aggregator that sees a surplus in the sum of its members' plans asks one member after the other
to move consumption there, at a price between what the surplus earns outside and what energy costs.
An offer that pays is ordered at once, and the next member is asked for what is left (the market
negotiation of MAS2TERING D6.1, annex D.4). Each answer is best when it is given; nothing smooths
the price, nobody revises for the sake of others but in the next turn, and nothing is proven.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest, PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.bargaining import Bargaining
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.membership import CommunityPrices, Membership
from mas2sim.market.netting import exchanges, import_payments_eur, outcome_of
from mas2sim.market.offer_maker import OfferedPlan

LEAST_TURNS = 3
"""Turns of all members that the exchanges must suffice for: then several are asked at once."""
LEAST_SURPLUS_KW = 1e-6
PRICE_SHARE = 0.5
"""Where the price of the surplus lies: 0 at what it earns outside, 1 at what energy costs."""


class GreedyMarket:
    """Leads the requests, offers and orders of one community, with the interface of `LocalMarket`.

    It has as many exchanges with members as a `LocalMarket` of the same terms.

    Parameters
    ----------
    beyond_surplus : bool
        Whether turns go on when no surplus is left. D6.1 knows no such request; what members then
        still find is mostly to leave to others what they would have stored at a loss.
    """

    def __init__(
        self,
        membership: Membership,
        tariff: Tariff,
        horizon: Horizon,
        terms: LocalTerms,
        *,
        seed: int,
        substation: int,
        beyond_surplus: bool = False,
    ) -> None:
        self._community = membership.community
        self._rng = stream(seed, substation, membership.community, "greedy market")
        self._bargaining = Bargaining(
            membership, tariff, horizon, level=Level.UC2, fee_eur_per_kwh=terms.fee_eur_per_kwh
        )
        self._import_eur = import_payments_eur(membership, tariff, horizon)
        self._exchanges = exchanges(terms)
        self._beyond_surplus = beyond_surplus
        self._turn: list[IntArray] = []
        self._turns = 0
        self._moved = True
        self._finished = not self._bargaining.prices.convex

    def request(self) -> MemberRequest | None:
        """Return the next request to members; None when no surplus is left or nobody moves."""
        bargaining = self._bargaining
        self._moved |= bool(bargaining.moved_kw.any())
        if not self._turn and self._moved:
            self._begin_turn()
        surplus = bool((bargaining.total_kw < -LEAST_SURPLUS_KW).any())
        asks = surplus or self._beyond_surplus
        if self._finished or not (asks and self._turn and self._exchanges):
            self._finished = True
            return None
        self._exchanges -= 1
        curve = surplus_curve(bargaining.total_kw, bargaining.prices)
        bargaining.open_round([self._turn.pop(0)], np.inf, own_bill=curve)
        return bargaining.request()

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request: those that pay lower the bill, one by one."""
        self._bargaining.take(offers)

    def order(self) -> MemberOrder:
        """Keep the members where they have come to."""
        return MemberOrder(
            community=self._community,
            level=Level.UC2,
            plans=0,
            accepted=self._bargaining.last_word(),
            keep=(0,),
        )

    @property
    def outcome(self) -> LocalOutcome:
        """What the negotiation has come to so far."""
        bargaining = self._bargaining
        return outcome_of(
            OfferedPlan.of(bargaining),
            bargaining.prices,
            import_payments_eur=self._import_eur,
            rounds=self._turns,
            messages=bargaining.messages,
            events=bargaining.events,
        )

    def _begin_turn(self) -> None:
        members = self._bargaining.flexible
        blocks = min(len(members), max(1, self._exchanges // max(1, LEAST_TURNS - self._turns)))
        if not blocks:
            return
        self._turn = list(np.array_split(self._rng.permutation(members), blocks))
        self._turns += 1
        self._moved = False


def surplus_curve(total_kw: FloatArray, prices: CommunityPrices) -> PriceCurve:
    """What one more kW of a member costs, on top of a community's net power of shape (ptu).

    The price of the surplus up to the surplus, the import price beyond; what a member gives up of
    its consumption is worth the import price as long as another needs it, and what it earns outside
    beyond. It is nowhere below the community's marginal cost upwards and nowhere above it
    downwards, so that an offer that pays at this curve lowers the bill.
    """
    middle = prices.export + PRICE_SHARE * (prices.import_less_fee - prices.export)
    surplus_kw, need_kw = np.maximum(-total_kw, 0.0), np.maximum(total_kw, 0.0)
    return PriceCurve(
        np.stack([-need_kw, -need_kw, surplus_kw, surplus_kw], axis=1),
        np.stack(
            [
                prices.export,
                np.where(surplus_kw > 0, middle, prices.import_less_fee),
                np.where(surplus_kw > 0, middle, prices.import_less_fee),
                prices.import_less_fee,
            ],
            axis=1,
        ),
    )
