"""The local flexibility market of one community on one day (use case 2).

First rounds of bargaining, while the smoothing of the bill's kink narrows; then a proof: prices are
moved to where the members' days are worth most, and the sum of those worths is a bound that no plan
of the community can beat (Lagrangian duality; the steps are Polyak's, Introduction to Optimization,
1987, 5.3). It ends at the certified gap that is wanted, or when rounds bring no more, or at the
last round. The best plan met on the way is ordered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.bargaining import Bargaining, round_width_kw
from mas2sim.market.membership import Membership, Worth

IDLE_ROUNDS = 12
IDLE_SHARE = 1e-5
"""So many rounds that bring less than this share of the import payments are the last."""
RESTART_STEPS = 3
"""Questions that raise the bound no more, after which they go on from the best prices again."""


@dataclass(frozen=True, slots=True)
class LocalTerms:
    """How a local market is held.

    Parameters
    ----------
    fee_eur_per_kwh : float
        Network fee on energy traded within the community.
    gap_percent : float
        Certified gap that is good enough, of the import payments under uc1.
    rounds, blocks : int
        Most rounds, and blocks of members asked in each.
    questions : int
        Most questions of the proof.
    """

    fee_eur_per_kwh: float = 0.0
    gap_percent: float = 0.05
    rounds: int = 20
    blocks: int = 8
    questions: int = 38


@dataclass(frozen=True, slots=True, eq=False)
class LocalOutcome:
    """What a local market came to.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        Plans ordered.
    cost_eur : float
        The community's bill, and what its members give up. [EUR]
    bound_eur : float
        What no plan of the community can beat; NaN without a proof. [EUR]
    forgone_eur : array, shape (member)
        Comfort that the plans give up.
    worth_eur : array, shape (member)
        Least cost of each member's day at the prices of the proof; NaN without one.
    price_eur_per_kwh : array, shape (ptu)
        Internal prices, those of the proof where there is one.
    import_payments_eur : float
        What the members' imports cost by the plans they came with: what gaps are shares of.
    rounds, messages : int
    events : tuple of str
        Answers that could not be used.
    """

    net_kw: FloatArray
    cost_eur: float
    bound_eur: float
    forgone_eur: FloatArray
    worth_eur: FloatArray
    price_eur_per_kwh: FloatArray
    import_payments_eur: float
    rounds: int
    messages: int
    events: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "forgone_eur", "worth_eur", "price_eur_per_kwh")

    @property
    def gap_percent(self) -> float:
        """Certified gap, of the import payments; NaN without a proof or payments."""
        if not self.import_payments_eur > 0:
            return float("nan")
        return 100.0 * (self.cost_eur - self.bound_eur) / self.import_payments_eur


class LocalMarket:
    """Leads the bargaining of one community: request by request, answer by answer.

    Ask `request` for the next message, hand the answers to `take`, until `request` returns None;
    then send `order`.
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
    ) -> None:
        self._membership = membership
        self._terms = terms
        self._hours = horizon.ptu_hours
        self._tariff = tariff
        self._rng = stream(seed, substation, membership.community, "local market")
        self._bargaining = Bargaining(
            membership, tariff, horizon, level=Level.UC2, fee_eur_per_kwh=terms.fee_eur_per_kwh
        )
        drawn_kw = np.maximum(self._bargaining.net_kw, 0.0)
        self._import_eur = float((drawn_kw * tariff.import_eur_per_kwh).sum() * self._hours)
        self._round = 0
        self._asked = 0
        self._idle = 0
        self._failed = 0
        self._keep = -1
        self._best_label = -1
        self._best_eur = self._bargaining.cost_eur
        self._best_kw = self._bargaining.net_kw.copy()
        self._best_forgone_eur = self._bargaining.forgone_eur.copy()
        self._proof: Worth | None = None
        self._proof_price = self._bargaining.price_eur_per_kwh
        self._waiting = False
        self._finished = not (len(self._bargaining.flexible) and self._bargaining.prices.convex)
        if not len(self._bargaining.flexible) and self._bargaining.prices.convex:
            # Nobody can move: the plans told are proven by themselves.
            self._bargaining.open_question(self._bargaining.price_eur_per_kwh)
            self._proof = self._bargaining.worth

    @property
    def bargaining(self) -> Bargaining:
        """The bargaining as it stands."""
        return self._bargaining

    def request(self) -> MemberRequest | None:
        """Return the next request to members; None when the market is over."""
        while not self._finished:
            request = self._bargaining.request(keep=self._keep)
            if request is not None:
                self._keep = -1
                return request
            self._next_stage()
        return None

    def take(self, offers: MemberOffers | None) -> None:
        """Take the answers to the last request."""
        self._bargaining.take(offers)

    def order(self) -> MemberOrder:
        """The order with which the market ends."""
        return MemberOrder(
            community=self._membership.community,
            level=Level.UC2,
            plans=self._best_label,
            accepted=self._bargaining.last_word(),
            keep=self._bargaining.untold(self._keep),
        )

    @property
    def outcome(self) -> LocalOutcome:
        """What the market has come to so far."""
        proof = self._proof
        return LocalOutcome(
            net_kw=self._best_kw,
            cost_eur=self._best_eur,
            bound_eur=float("nan") if proof is None else float(proof.worth_eur.sum()),
            forgone_eur=self._best_forgone_eur,
            worth_eur=np.full(len(self._best_kw), np.nan) if proof is None else proof.worth_eur,
            price_eur_per_kwh=self._proof_price,
            import_payments_eur=self._import_eur,
            rounds=self._round,
            messages=self._bargaining.messages,
            events=tuple(self._bargaining.events),
        )

    def _next_stage(self) -> None:
        """After a round or a question: see what it brought, and begin the next."""
        if self._waiting:
            self._see()
        if self._good_enough:
            self._finished = True
        elif self._round < self._terms.rounds and self._idle < IDLE_ROUNDS:
            self._open_round()
        elif self._asked < self._terms.questions and self._proof is not None:
            self._open_question(self._proof)
        else:
            self._finished = True
        self._waiting = not self._finished

    @property
    def _good_enough(self) -> bool:
        return self.outcome.gap_percent <= self._terms.gap_percent

    def _see(self) -> None:
        bargaining, worth = self._bargaining, self._bargaining.worth
        if worth is not None and worth.complete:
            known = -np.inf if self._proof is None else self._proof.worth_eur.sum()
            if worth.worth_eur.sum() > known:
                self._proof, self._proof_price = worth, worth.prices_eur_per_kwh[0]
                self._failed = 0
            else:
                self._failed += 1
        if self._asked:
            return
        cost_eur = bargaining.cost_eur
        saved_eur = self._best_eur - cost_eur
        self._idle = 0 if saved_eur > IDLE_SHARE * self._import_eur else self._idle + 1
        if saved_eur > 0:
            self._best_eur, self._best_kw = cost_eur, bargaining.net_kw.copy()
            self._best_forgone_eur = bargaining.forgone_eur.copy()
            self._best_label = self._keep = self._round

    def _open_round(self) -> None:
        bargaining, rng = self._bargaining, self._rng
        width_kw = round_width_kw(
            bargaining.total_kw, self._round / max(1, self._terms.rounds - 1), rng
        )
        blocks = np.array_split(rng.permutation(bargaining.flexible), self._terms.blocks)
        bargaining.open_round(blocks, width_kw)
        self._round += 1

    def _open_question(self, best: Worth) -> None:
        """Move the prices by a step of Polyak's towards a higher bound."""
        bargaining, prices = self._bargaining, self._bargaining.prices
        worth = (
            best if bargaining.worth is None or not bargaining.worth.complete else bargaining.worth
        )
        if self._failed >= RESTART_STEPS or not self._asked:
            worth, self._failed = best, 0
        price = worth.prices_eur_per_kwh[0]
        slope = worth.net_kw.sum(axis=0) * self._hours
        held = ((price >= prices.import_less_fee) & (slope > 0)) | (
            (price <= prices.export) & (slope < 0)
        )
        slope = np.where(held, 0.0, slope)
        square = float(slope @ slope)
        if square == 0.0:
            # No price can be moved towards more: the bound is the highest there is.
            self._asked = self._terms.questions
            bargaining.open_question(price)
            return
        missing_eur = self._best_eur - float(worth.worth_eur.sum())
        bargaining.open_question(
            np.clip(price + missing_eur / square * slope, prices.export, prices.import_less_fee)
        )
        self._asked += 1
