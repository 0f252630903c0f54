"""The DSO of one substation: prognosis, check against its limits, and what flexibility it buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Protocol

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexOrder, FlexRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import Regime
from mas2sim.domain.plan import APlan, DPrognosis
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.congestion_terms import (
    CongestionOutcome,
    CongestionTerms,
    LossWorth,
    PointLimits,
)
from mas2sim.market.contracts import BilateralContract
from mas2sim.market.exchange import exchanged_kw

AT_LIMIT_KW = 1e-3
"""A plan that meets a limit exactly is within a watt of it."""
NOTHING_TO_BUY = FlexOrder({}, {}, {})


class GridView(Protocol):
    """Seam: what the DSO's own model of the grid makes of prognoses, shape (point, ptu)."""

    def feeder_limits_kw(self, at_points_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and greatest power behind each point but the first, shape (point - 1, ptu)."""
        ...

    def loss(self, at_points_kw: FloatArray) -> LossWorth | None:
        """What less power at the transformer saves; None where that is worth nothing."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ExchangeTerms:
    """Terms of trade between communities: one published tariff, and the network fee on it.

    Parameters
    ----------
    apart : frozenset of str
        Who sends an A-plan and takes no part: participants that are in no community.
    """

    tariff: Tariff
    fee_eur_per_kwh: float
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class DsoTerms:
    """What a DSO works by.

    Parameters
    ----------
    levels : tuple of Level
    limits : PointLimits
        Of its congestion points; the transformer first.
    spread_eur_per_kwh : float
        Greatest difference between import and export price in the published tariffs.
    view : GridView, optional
        Its model of the grid; without one it knows the limits of the transformer alone.
    contracts : tuple of BilateralContract
        Power bought in advance.
    exchange : ExchangeTerms, optional
        How communities trade with each other; without it they do not.
    """

    levels: tuple[Level, ...]
    limits: PointLimits
    spread_eur_per_kwh: float
    seed: int
    substation: int
    market: CongestionTerms = field(default_factory=CongestionTerms)
    view: GridView | None = None
    contracts: tuple[BilateralContract, ...] = ()
    exchange: ExchangeTerms | None = None


class Dso:
    """DSO agent.

    Attributes
    ----------
    messages : int
        Market messages received and sent.
    """

    def __init__(self, terms: DsoTerms, horizon: Horizon) -> None:
        self._terms = terms
        self._horizon = horizon
        self._market: CongestionMarket | None = None
        self._prognosis: DPrognosis | None = None
        self._plans_kw: dict[str, FloatArray] = {}
        self._messages = 0

    @property
    def messages(self) -> int:
        """Market messages received and sent."""
        return self._messages + (self._market.messages if self._market else 0)

    @property
    def outcome(self) -> CongestionOutcome | None:
        """What its market came to; None when there was nothing to buy."""
        if self._market is None or not self._market.needed:
            return None
        return self._market.outcome

    def prognose(self, a_plans: Mapping[str, APlan]) -> DPrognosis:
        """At the plan gate: sum the A-plans and find out in which regime each PTU lies.

        A community whose A-plan did not arrive is not in the prognosis and is not admitted.
        """
        self._messages += len(a_plans)
        self._plans_kw = {name: np.array(plan.net_kw) for name, plan in a_plans.items()}
        terms = self._terms
        net_kw = np.repeat(terms.limits.other_kw[:1], len(terms.levels), axis=0)
        for plan in a_plans.values():
            net_kw = net_kw + plan.net_kw
        if Level.UC3 in terms.levels:
            self._market = self._open_market(a_plans)
        self._prognosis = DPrognosis(
            congestion_point=terms.limits.points[0],
            net_kw=net_kw,
            regimes=self._regimes(net_kw),
            accepted=MappingProxyType(dict.fromkeys(a_plans, True)),
        )
        return self._prognosis

    def next_request(self) -> FlexRequest | None:
        """Return the next request to aggregators; None when no more flexibility is wanted."""
        return None if self._market is None else self._market.request()

    def take(self, offers: Mapping[str, FlexOffer]) -> None:
        """Take the offers to the last request, by community."""
        if self._market is not None:
            self._market.take(offers)

    def order(self) -> FlexOrder:
        """Say which of the offers are taken."""
        return NOTHING_TO_BUY if self._market is None else self._market.order()

    def validated(self) -> DPrognosis | None:
        """The prognosis with what was bought, and what is still beyond the limits."""
        found, outcome = self._prognosis, self.outcome
        if found is None:
            return None
        if outcome is None:
            return replace(found, exchanged_kw=self._exchanged_kw(None))
        place = self._terms.levels.index(Level.UC3)
        net_kw = np.array(found.net_kw)
        net_kw[place] += outcome.after_kw[0] - outcome.before_kw[0]
        curtailment_kw = np.zeros((len(net_kw), *outcome.beyond_kw.shape))
        curtailment_kw[place] = outcome.beyond_kw
        before = np.abs(outcome.before_beyond_kw).max(axis=0) > 0
        left = np.abs(outcome.beyond_kw).max(axis=0) > 0
        bought = tuple(
            Regime.ORANGE if short else Regime.YELLOW if wanted else Regime.GREEN
            for wanted, short in zip(before, left, strict=True)
        )
        regimes = list(found.regimes)
        regimes[place] = bought
        return replace(
            found,
            net_kw=net_kw,
            regimes=tuple(regimes),
            curtailment_kw=curtailment_kw,
            exchanged_kw=self._exchanged_kw(outcome),
        )

    def _exchanged_kw(self, outcome: CongestionOutcome | None) -> dict[str, FloatArray]:
        """What communities trade with each other by the plans they end with."""
        terms = self._terms
        if terms.exchange is None:
            return {}
        trading_kw = {
            name: plan_kw
            for name, plan_kw in self._plans_kw.items()
            if name not in terms.exchange.apart
        }
        traded_kw = {name: np.zeros_like(plan_kw) for name, plan_kw in trading_kw.items()}
        for place, level in enumerate(terms.levels):
            if level in (Level.BASELINE, Level.UC1):
                continue
            plans_kw = {name: plan_kw[place] for name, plan_kw in trading_kw.items()}
            if outcome is not None and level is Level.UC3:
                for name, number in outcome.order.accepted.items():
                    if name not in plans_kw:
                        continue
                    taken = next(o for o in outcome.offers[name] if o.number == number)
                    plans_kw[name] = plans_kw[name] + taken.change_kw[0]
            found = exchanged_kw(plans_kw, terms.exchange.tariff, terms.exchange.fee_eur_per_kwh)
            for name, each_kw in found.items():
                traded_kw[name][place] = each_kw
        return traded_kw

    def _open_market(self, a_plans: Mapping[str, APlan]) -> CongestionMarket:
        """The market for what the prognosis wants of the grid; who sent no plan takes no part."""
        terms, limits = self._terms, self._terms.limits
        at_points = {
            name: plan.at_points_kw
            for name, plan in a_plans.items()
            if plan.at_points_kw.shape == limits.other_kw.shape
        }
        other_kw = np.array(limits.other_kw)
        place = terms.levels.index(Level.UC3)
        for name, plan in a_plans.items():
            if name not in at_points:
                other_kw[0] += plan.net_kw[place]
        lower_kw, upper_kw = np.array(limits.lower_kw), np.array(limits.upper_kw)
        loss = None
        if terms.view is not None:
            expected_kw = other_kw + sum(at_points.values(), np.zeros_like(other_kw))
            lower_kw[1:], upper_kw[1:] = terms.view.feeder_limits_kw(expected_kw)
            loss = terms.view.loss(expected_kw)
        return CongestionMarket(
            PointLimits(limits.points, lower_kw, upper_kw, other_kw),
            at_points,
            self._horizon,
            terms.market,
            spread_eur_per_kwh=terms.spread_eur_per_kwh,
            seed=terms.seed,
            substation=terms.substation,
            loss=loss,
            contracts=terms.contracts,
        )

    def _regimes(self, net_kw: FloatArray) -> tuple[tuple[Regime, ...], ...]:
        """Green within the transformer's limits, yellow beyond: flexibility is wanted.

        Parameters
        ----------
        net_kw : array, shape (level, ptu)
        """
        limits = self._terms.limits
        beyond = (net_kw > limits.upper_kw[0] + AT_LIMIT_KW) | (
            net_kw < limits.lower_kw[0] - AT_LIMIT_KW
        )
        return tuple(
            tuple(Regime.YELLOW if flag else Regime.GREEN for flag in level) for level in beyond
        )
