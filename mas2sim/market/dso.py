"""The DSO of one substation: prognosis, check against its limits, and what flexibility it buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import FlexOffer, FlexOrder, FlexRequest
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import Regime
from mas2sim.domain.plan import APlan, DPrognosis
from mas2sim.domain.typical_day import Level
from mas2sim.market.congestion import (
    CongestionMarket,
    CongestionOutcome,
    CongestionTerms,
    LossWorth,
    PointLimits,
)

NOTHING_TO_BUY = FlexOrder({}, {}, {})


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
    loss : LossWorth, optional
        What less power at the transformer saves in losses, if the DSO buys flexibility for that.
    """

    levels: tuple[Level, ...]
    limits: PointLimits
    spread_eur_per_kwh: float
    seed: int
    substation: int
    market: CongestionTerms = field(default_factory=CongestionTerms)
    loss: LossWorth | None = None


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
        terms = self._terms
        net_kw = np.repeat(terms.limits.other_kw[:1], len(terms.levels), axis=0)
        for plan in a_plans.values():
            net_kw = net_kw + plan.net_kw
        if Level.UC3 in terms.levels:
            at_points = {
                name: plan.at_points_kw
                for name, plan in a_plans.items()
                if plan.at_points_kw.shape == terms.limits.other_kw.shape
            }
            self._market = CongestionMarket(
                self._limits_beside(a_plans, at_points),
                at_points,
                self._horizon,
                terms.market,
                spread_eur_per_kwh=terms.spread_eur_per_kwh,
                seed=terms.seed,
                substation=terms.substation,
                loss=terms.loss,
            )
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
        if found is None or outcome is None:
            return found
        place = self._terms.levels.index(Level.UC3)
        net_kw = np.array(found.net_kw)
        net_kw[place] += outcome.after_kw[0] - outcome.before_kw[0]
        curtailment_kw = np.zeros_like(net_kw)
        curtailment_kw[place] = outcome.beyond_kw[0]
        before = outcome.before_beyond_kw.any(axis=0)
        left = outcome.beyond_kw.any(axis=0)
        bought = tuple(
            Regime.ORANGE if short else Regime.YELLOW if wanted else Regime.GREEN
            for wanted, short in zip(before, left, strict=True)
        )
        regimes = list(found.regimes)
        regimes[place] = bought
        return DPrognosis(
            congestion_point=found.congestion_point,
            net_kw=net_kw,
            regimes=tuple(regimes),
            accepted=found.accepted,
            curtailment_kw=curtailment_kw,
        )

    def _limits_beside(
        self, a_plans: Mapping[str, APlan], at_points: Mapping[str, FloatArray]
    ) -> PointLimits:
        """Limits, with what takes no part in the market counted as flowing anyway."""
        limits = self._terms.limits
        other_kw = np.array(limits.other_kw)
        place = self._terms.levels.index(Level.UC3)
        for name, plan in a_plans.items():
            if name not in at_points:
                other_kw[0] += plan.net_kw[place]
        return PointLimits(limits.points, limits.lower_kw, limits.upper_kw, other_kw)

    def _regimes(self, net_kw: FloatArray) -> tuple[tuple[Regime, ...], ...]:
        """Green within the transformer's limits, yellow beyond: flexibility is wanted.

        Parameters
        ----------
        net_kw : array, shape (level, ptu)
        """
        limits = self._terms.limits
        beyond = (net_kw > limits.upper_kw[0]) | (net_kw < limits.lower_kw[0])
        return tuple(
            tuple(Regime.YELLOW if flag else Regime.GREEN for flag in level) for level in beyond
        )
