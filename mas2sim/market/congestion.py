"""The congestion market: the DSO buys the flexibility its grid needs, and no more (use case 3).

In each round the aggregators take turns. Each is told the room that the others leave it at every
congestion point, as a price curve that rises where a limit comes near (an augmented Lagrangian of
the limits), and answers with a changed plan and what its members lose by it. In the last rounds the
curves are walls, so that limits are kept exactly. The DSO then takes the cheapest combination of
all offers that keeps its limits. If there is none it asks for a proof: prices on the limits alone,
at which even all members' best days together need more than there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexOrder, FlexRequest, PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.market import price_curve
from mas2sim.market.acceptance import Accepted, least_cost
from mas2sim.market.bargaining import round_width_kw
from mas2sim.market.congestion_terms import (
    CongestionOutcome,
    CongestionTerms,
    LossWorth,
    PointLimits,
)
from mas2sim.market.contracts import BilateralContract, under_contracts

STEEPNESS = 0.3
"""Rise of a limit's price over one width, as a share of the spread between import and export."""
FIRM_SHARE = 0.15
"""Share of the rounds in which limits are walls."""
FAR_KW = 1e9
"""Room that stands for no limit."""
FREE_EUR = 1e-6
IDLE_FIRM_ROUNDS = 4
"""Firm rounds that find nothing cheaper, after which the market ends."""


@dataclass(slots=True, eq=False)
class _Multipliers:
    """Prices on the limits, arrays of shape (point, ptu) in EUR/kWh."""

    upper: FloatArray
    lower: FloatArray

    @property
    def net(self) -> FloatArray:
        return self.upper - self.lower


class CongestionMarket:
    """The DSO's side: request by request, offer by offer.

    Parameters
    ----------
    a_plans_kw : mapping of str to array, shape (point, ptu)
        Plans of the communities that take part.
    spread_eur_per_kwh : float
        Difference between what energy costs and earns by published tariffs: the scale of prices.
    loss : LossWorth, optional
        What less power at the transformer saves in losses, if the DSO buys flexibility for that.
    contracts : tuple of BilateralContract
        Power bought in advance, at its own price.
    """

    def __init__(
        self,
        limits: PointLimits,
        a_plans_kw: Mapping[str, FloatArray],
        horizon: Horizon,
        terms: CongestionTerms,
        *,
        spread_eur_per_kwh: float,
        seed: int,
        substation: int,
        loss: LossWorth | None = None,
        contracts: tuple[BilateralContract, ...] = (),
    ) -> None:
        self._limits = limits
        self._horizon = horizon
        self._contracts = contracts
        self._terms = terms
        self._hours = horizon.ptu_hours
        self._spread = max(spread_eur_per_kwh, 1e-3)
        self._loss = loss
        self._rng = stream(seed, substation, "congestion market")
        self._communities = sorted(a_plans_kw)
        self._before_kw = limits.other_kw + sum(a_plans_kw.values(), np.zeros_like(limits.other_kw))
        self._change_kw = {name: np.zeros_like(self._before_kw) for name in self._communities}
        self._offers: dict[str, list[FlexOffer]] = {name: [] for name in self._communities}
        self._rounds, self._blocks = terms.schedule(max(1, len(self._communities)))
        self._firm_from = self._rounds - max(1, round(FIRM_SHARE * self._rounds))
        self._price = _Multipliers(np.zeros_like(self._before_kw), np.zeros_like(self._before_kw))
        self._slope = 0.0
        self._round = 0
        self._number = 0
        self._queue: list[str] = []
        self._worth: dict[str, tuple[float, FloatArray]] = {}
        self._bound_eur = float("nan")
        self._taken = self._combine()
        self._idle = 0
        self._proofs = 0
        self._proof_price: FloatArray | None = None
        self._insufficient_kwh = 0.0
        self.messages = 0
        needed = bool(np.any(limits.beyond_kw(self._before_kw)))
        self._finished = not self._communities or not (needed or loss is not None)

    @property
    def needed(self) -> bool:
        """Whether there is anything to buy."""
        return self._round > 0 or not self._finished

    def request(self) -> FlexRequest | None:
        """Return the next request to aggregators; None when the market is over."""
        while not self._finished:
            if self._queue:
                return self._ask(self._queue[0])
            self._next_stage()
            if self._proof_price is not None and not self._finished:
                return self._ask("")
        return None

    def take(self, offers: Mapping[str, FlexOffer]) -> None:
        """Take the offers to the last request; an aggregator that sent none keeps its plan."""
        usable = {name: offer for name, offer in offers.items() if self._usable(name, offer)}
        self.messages += len(offers)
        for name, offer in usable.items():
            if offer.worth_kw.shape == self._before_kw.shape and np.isfinite(offer.worth_eur):
                self._worth[name] = (offer.worth_eur, offer.worth_kw)
        if self._queue:
            name = self._queue.pop(0)
            if name in usable:
                self._offers[name].append(usable[name])
                self._change_kw[name] = np.array(usable[name].change_kw)

    def order(self) -> FlexOrder:
        """The order with which the market ends."""
        return self._taken.order

    @property
    def outcome(self) -> CongestionOutcome:
        """What the market has come to so far."""
        after_kw = self._before_kw + self._change_of(self._taken)
        return CongestionOutcome(
            before_kw=self._before_kw,
            after_kw=after_kw,
            before_beyond_kw=self._limits.beyond_kw(self._before_kw),
            beyond_kw=self._limits.beyond_kw(after_kw),
            # Where limits are not kept, what is bounded by them is not what was done.
            bound_eur=self._bound_eur if self._taken.feasible else float("nan"),
            saved_loss_eur=self._saved_eur(self._taken),
            insufficient_kwh=self._insufficient_kwh,
            offers={name: tuple(offers) for name, offers in self._offers.items()},
            order=self.order(),
            rounds=self._round,
            messages=self.messages,
        )

    def _change_of(self, taken: Accepted) -> FloatArray:
        change_kw = np.zeros_like(self._before_kw)
        for name, number in taken.offers.items():
            change_kw += next(o.change_kw for o in self._offers[name] if o.number == number)
        return change_kw

    def _usable(self, name: str, offer: FlexOffer) -> bool:
        return (
            name in self._change_kw
            and offer.change_kw.shape == self._before_kw.shape
            and bool(np.isfinite(offer.change_kw).all())
            and bool(np.isfinite(offer.price_eur))
            and offer.price_eur >= 0
        )

    def _now_kw(self) -> FloatArray:
        return self._before_kw + sum(self._change_kw.values(), np.zeros_like(self._before_kw))

    def _ask(self, community: str) -> FlexRequest:
        limits, now_kw = self._limits, self._now_kw()
        proof = self._proof_price is not None
        request = FlexRequest(
            number=self._number,
            community=community,
            points=limits.points,
            requested_kw=-limits.beyond_kw(self._before_kw),
            available_lower_kw=limits.lower_kw - self._before_kw,
            available_upper_kw=limits.upper_kw - self._before_kw,
            price_cap_eur_per_kwh=self._terms.price_cap_eur_per_kwh,
            curves=() if proof else self._curves(now_kw),
            prices_eur_per_kwh=self._price.net if self._proof_price is None else self._proof_price,
            blocks=self._blocks,
            progress=self._round / max(1, self._rounds),
            proof=proof,
        )
        self._number += 1
        self.messages += len(self._communities) if proof else 1
        return request

    def _curves(self, now_kw: FloatArray) -> tuple[PriceCurve, ...]:
        """What one more kW at each point costs the DSO."""
        cap, limits = self._terms.price_cap_eur_per_kwh, self._limits
        ptus = now_kw.shape[1]
        nothing, most = np.zeros(ptus), np.full(ptus, cap)
        slope = np.full(ptus, self._slope)
        firm = self._round > self._firm_from
        curves = []
        for point in range(len(now_kw)):
            parts = []
            for left_kw, price, turned in (
                (limits.upper_kw[point] - now_kw[point], self._price.upper[point], False),
                (now_kw[point] - limits.lower_kw[point], self._price.lower[point], True),
            ):
                if not np.isfinite(left_kw).any():
                    continue
                room_kw = np.minimum(left_kw, FAR_KW)
                side = [price_curve.ramp(price - slope * room_kw, slope, nothing, most)]
                if firm:
                    side.append(price_curve.step(room_kw, nothing, most))
                parts += [price_curve.mirrored(c) if turned else c for c in side]
            if point == 0 and self._loss is not None:
                moved_kw = now_kw[0] - self._before_kw[0]
                at = self._loss.eur_per_kwh + self._loss.eur_per_kwh_kw * moved_kw
                parts.append(price_curve.ramp(at, self._loss.eur_per_kwh_kw, -most, most))
            flat = PriceCurve(np.zeros((ptus, 1)), np.zeros((ptus, 1)))
            curves.append(price_curve.total(tuple(parts)) if parts else flat)
        return tuple(curves)

    def _next_stage(self) -> None:
        """After a round or a question: see what it brought, and begin the next."""
        if self._proof_price is not None:
            self._see_proof()
        elif self._round:
            self._see_round()
        if self._finished:
            return
        if self._proof_price is None and self._round < self._rounds:
            self._open_round()
        elif self._proofs < self._terms.proofs and not self._taken.feasible:
            self._open_proof()
        else:
            self._finished = True

    def _open_round(self) -> None:
        width_kw = round_width_kw(
            self._now_kw()[0], self._round / max(1, self._rounds - 1), self._rng
        )
        self._slope = STEEPNESS * self._spread / (2.0 * width_kw)
        self._queue = [self._communities[i] for i in self._rng.permutation(len(self._communities))]
        self._worth = {}
        self._round += 1

    def _see_round(self) -> None:
        """Move the prices on the limits, and see whether a combination of offers keeps them."""
        self._see_bound()
        now_kw, cap = self._now_kw(), self._terms.price_cap_eur_per_kwh
        above = self._slope * (now_kw - self._limits.upper_kw)
        below = self._slope * (self._limits.lower_kw - now_kw)
        self._price = _Multipliers(
            np.clip(self._price.upper + above, 0.0, cap),
            np.clip(self._price.lower + below, 0.0, cap),
        )
        last, firm = self._round == self._rounds, self._round > self._firm_from
        kept = not np.any(self._limits.beyond_kw(now_kw))
        if not (last or firm or kept):
            return
        found = self._combine()
        cheaper = (not found.feasible, found.cost_eur) < (
            not self._taken.feasible,
            self._taken.cost_eur - FREE_EUR,
        )
        self._taken = found
        self._idle = 0 if cheaper or not firm else self._idle + 1
        free = found.feasible and found.cost_eur <= FREE_EUR and self._loss is None
        self._finished = free or (found.feasible and self._idle >= IDLE_FIRM_ROUNDS)

    def _combine(self) -> Accepted:
        """The cheapest combination of all offers; none where losses alone are not worth it."""
        found = self._cheapest([offer for offers in self._offers.values() for offer in offers])
        if self._loss is None or not found.offers:
            return found
        nothing = self._cheapest([])
        saved_eur = self._saved_eur(found)
        if nothing.feasible and sum(found.price_eur.values()) >= saved_eur:
            return nothing
        return found

    def _cheapest(self, offers: list[FlexOffer]) -> Accepted:
        priced, exempt = under_contracts(
            offers,
            self._contracts,
            self._limits.points,
            self._horizon,
            price_cap_eur_per_kwh=self._terms.price_cap_eur_per_kwh,
        )
        return least_cost(
            priced,
            self._before_kw,
            self._limits.lower_kw,
            self._limits.upper_kw,
            price_cap_eur_per_kwh=self._terms.price_cap_eur_per_kwh,
            ptu_hours=self._hours,
            worth_eur_per_kwh=self._loss_prices(),
            exempt=exempt,
        )

    def _loss_prices(self) -> FloatArray | None:
        """Marginal losses where the aggregators stand now: there price and worth balance."""
        if self._loss is None:
            return None
        prices = np.zeros_like(self._before_kw)
        moved_kw = self._now_kw()[0] - self._before_kw[0]
        prices[0] = self._loss.eur_per_kwh + self._loss.eur_per_kwh_kw * moved_kw
        return prices

    def _saved_eur(self, taken: Accepted) -> float:
        """What the losses saved by some offers are worth, by slope and curvature."""
        if self._loss is None:
            return 0.0
        change_kw = self._change_of(taken)[0]
        per_h = change_kw * (self._loss.eur_per_kwh + 0.5 * self._loss.eur_per_kwh_kw * change_kw)
        return float(-per_h.sum() * self._hours)

    def _see_bound(self) -> None:
        """What the communities' bills cannot be below: their worth less that of the limits."""
        if set(self._worth) != set(self._communities):
            return
        worth = sum(worth for worth, _ in self._worth.values())
        bound = worth - self._hours * self._priced_limits(self._price)
        if not np.isnan(bound):
            self._bound_eur = float(np.nanmax([self._bound_eur, bound]))

    def _priced_limits(self, price: _Multipliers) -> float:
        """Sum of the limits of the communities' power times the prices on them. [EUR/h]"""
        own_upper = self._limits.upper_kw - self._limits.other_kw
        own_lower = self._limits.lower_kw - self._limits.other_kw
        upper = np.where(price.upper > 0, price.upper * np.where(price.upper > 0, own_upper, 0), 0)
        lower = np.where(price.lower > 0, price.lower * np.where(price.lower > 0, own_lower, 0), 0)
        return float(upper.sum() - lower.sum())

    def _open_proof(self) -> None:
        """Ask for the worth of the limits' prices alone; first those that the rounds ended with."""
        if self._proof_price is None:
            price = self._price.net
            self._proof_price = price / max(float(np.abs(price).max()), 1e-9)
        self._worth = {}
        self._proofs += 1

    def _see_proof(self) -> None:
        price = self._proof_price
        if price is None or set(self._worth) != set(self._communities):
            self._finished = True
            return
        split = _Multipliers(np.maximum(price, 0.0), np.maximum(-price, 0.0))
        worth = sum(worth for worth, _ in self._worth.values())
        missing_kwh = worth - self._hours * self._priced_limits(split)
        self._insufficient_kwh = max(self._insufficient_kwh, float(np.nan_to_num(missing_kwh)))
        total_kw = sum((kw for _, kw in self._worth.values()), self._limits.other_kw.copy())
        slope_up = np.where(np.isfinite(self._limits.upper_kw), total_kw - self._limits.upper_kw, 0)
        slope_down = np.where(
            np.isfinite(self._limits.lower_kw), self._limits.lower_kw - total_kw, 0
        )
        largest = max(float(np.abs(slope_up).max()), float(np.abs(slope_down).max()), 1e-9)
        size = 0.5 / (self._proofs * largest)
        self._proof_price = np.clip(split.upper + size * slope_up, 0.0, 1.0) - np.clip(
            split.lower + size * slope_down, 0.0, 1.0
        )
