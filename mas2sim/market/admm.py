"""ADMM on the community's bill: the third of the market's comparisons.

All members answer at once, each to a price of its own change that rises from where it stands: a
proximal step towards what the community's bill asks of all (Boyd et al. 2011,
doi:10.1561/2200000016, 7.3: the sharing problem, of which exchange is the special case without a
bill). Two things are done for homes whose cycles are not convex, where rounds need not settle. The
penalty begins so small that homes see little but the price, and grows until they hold still. And
the last exchanges repair what is left: block after block by the true bill, each answer taken only
if it lowers it. To balance the residuals by the penalty instead (3.4.1) was tried, each relative
to its size (Wohlberg 2017, arXiv:1704.06209): within twenty rounds the penalty is so large that no
cycle moves any more, and the gap that is left is more than twice as great.

It has as many exchanges as a `LocalMarket` of the same terms. Its prices lie between export and
import, so that the worth of the members' days under them is a bound here too.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import IntArray
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest, PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import price_curve
from mas2sim.market.bargaining import LEAST_MEAN_KW, Bargaining
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.membership import Membership, Worth
from mas2sim.market.netting import exchanges, import_payments_eur, outcome_of
from mas2sim.market.offer_maker import OfferedPlan

FIRST_SHARE = 0.01
"""Penalty of the first round, as a share of the one at which the mean power moves the price from
one end to the other."""
GROWTH = 1.04
"""Factor of the penalty from one round to the next."""
REPAIR_SHARE = 0.25
"""Share of the exchanges in which the plan is repaired."""
REPAIR_BLOCKS = 16
KNOTS = 5
"""Knots of a proximal curve: a home reads the more of it the more there are."""


class AdmmMarket:
    """Leads the rounds of one community, with the interface of `LocalMarket`."""

    def __init__(
        self,
        membership: Membership,
        tariff: Tariff,
        horizon: Horizon,
        terms: LocalTerms,
        *,
        seed: int,
        substation: int,
    ) -> None:
        self._community = membership.community
        self._rng = stream(seed, substation, membership.community, "admm market")
        self._bargaining = bargaining = Bargaining(
            membership, tariff, horizon, level=Level.UC2, fee_eur_per_kwh=terms.fee_eur_per_kwh
        )
        self._gap_percent = terms.gap_percent
        self._exchanges = exchanges(terms)
        self._repairs = round(REPAIR_SHARE * self._exchanges)
        self._import_eur = import_payments_eur(membership, tariff, horizon)
        self._round = 0
        self._blocks: list[IntArray] = []
        self._best = OfferedPlan.of(bargaining)
        self._label = self._keep = -1
        self._proof: Worth | None = None
        self._members = bargaining.flexible
        prices, mean_kw = bargaining.prices, float(np.abs(bargaining.total_kw).mean())
        spread = float((prices.import_less_fee - prices.export).mean())
        self._penalty = FIRST_SHARE * len(self._members) * spread / max(mean_kw, LEAST_MEAN_KW)
        self._finished = not (self._penalty > 0.0 and prices.convex)
        self._price = bargaining.price_eur_per_kwh
        self._supply_kw = bargaining.total_kw
        if not self._finished:
            self._move_price()

    def request(self) -> MemberRequest | None:
        """Return the next request to members; None when the market is over."""
        if self._finished:
            return None
        if self._round:
            self._see()
        if self._round >= self._exchanges or self.outcome.gap_percent <= self._gap_percent:
            self._finished = True
            return None
        self._open_round()
        request = self._bargaining.request(keep=self._keep)
        self._keep = -1
        return request

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request."""
        self._bargaining.take(offers)

    def order(self) -> MemberOrder:
        """The order with which the market ends."""
        return MemberOrder(
            community=self._community,
            level=Level.UC2,
            plans=self._label,
            accepted=self._bargaining.last_word(),
            keep=self._bargaining.untold(self._keep),
        )

    @property
    def outcome(self) -> LocalOutcome:
        """What the market has come to so far."""
        bargaining = self._bargaining
        return outcome_of(
            self._best,
            bargaining.prices,
            import_payments_eur=self._import_eur,
            proof=self._proof,
            rounds=self._round,
            messages=bargaining.messages,
            events=bargaining.events,
        )

    @property
    def _repairing(self) -> bool:
        return self._round > self._exchanges - self._repairs

    def _open_round(self) -> None:
        bargaining, prices = self._bargaining, self._bargaining.prices
        self._round += 1
        bargaining.price_eur_per_kwh = self._price
        if not self._repairing:
            bargaining.open_round(
                [self._members], np.inf, own_bill=self._proximal_curve(), judged=False
            )
            return
        if not self._blocks:
            blocks = min(REPAIR_BLOCKS, len(self._members))
            self._blocks = list(np.array_split(self._rng.permutation(self._members), blocks))
        bill = price_curve.step(-bargaining.total_kw, prices.export, prices.import_less_fee)
        bargaining.open_round([self._blocks.pop(0)], np.inf, own_bill=bill)

    def _proximal_curve(self) -> PriceCurve:
        """Price of a member's change d: ``price + penalty (d + (total - supply) / members)``.

        It ends at zero, below which storages would be paid for their losses, and as far above the
        import price.
        """
        bargaining, members = self._bargaining, len(self._members)
        beyond_kw = (bargaining.total_kw - self._supply_kw) / members
        price = self._price + self._penalty * beyond_kw
        lowest = np.minimum(bargaining.prices.export, 0.0)
        highest = 2.0 * bargaining.prices.import_less_fee - lowest
        knots = np.linspace(lowest, highest, KNOTS, axis=1)
        return PriceCurve((knots - price[:, None]) / self._penalty, knots)

    def _see(self) -> None:
        bargaining, worth = self._bargaining, self._bargaining.worth
        if worth is not None and worth.complete:
            known = -np.inf if self._proof is None else self._proof.worth_eur.sum()
            if worth.worth_eur.sum() > known:
                self._proof = worth
        if bargaining.cost_eur < self._best.cost_eur:
            self._best = OfferedPlan.of(bargaining)
            self._label = self._keep = self._round
        if not self._repairing:
            self._move_price()
            self._penalty *= GROWTH

    def _move_price(self) -> None:
        """Let the community's bill answer the members' sum, and move the price by what is left.

        The bill's step has a closed form: the price goes with the sum and stops at the ends of the
        bill's slopes, and what is supplied makes up for the rest.
        """
        bargaining, members = self._bargaining, len(self._members)
        prices, total_kw = bargaining.prices, bargaining.total_kw
        slope = self._penalty / members
        price = np.clip(self._price + slope * total_kw, prices.export, prices.import_less_fee)
        self._supply_kw = total_kw + (self._price - price) / slope
        self._price = price
