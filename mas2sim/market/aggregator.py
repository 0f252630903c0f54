"""The aggregator of one community: gathers P-plans, speaks for its members, settles the day."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import APlan, Confirmation, DPrognosis, PPlans, Settlement
from mas2sim.domain.tariff import Tariff


class Aggregator:
    """AGR agent.

    Parameters
    ----------
    levels : int
        Number of levels; plans of all levels travel in one message.

    Attributes
    ----------
    messages : int
        Market messages received.
    """

    def __init__(
        self, community: Community, tariff: Tariff, horizon: Horizon, *, levels: int
    ) -> None:
        self._community = community
        self._tariff = tariff
        self._horizon = horizon
        self._levels = levels
        self._planned = False
        self.messages = 0

    def plan(self, p_plans: PPlans | None) -> APlan | None:
        """At the plan gate: sum the members' P-plans; None when there are none.

        A home that sent no plan (NaN) is left out of the sum.
        """
        if p_plans is None or p_plans.community != self._community.name:
            return None
        sent = np.isfinite(p_plans.net_kw).all(axis=(0, 2))
        self.messages += int(sent.sum())
        self._planned = bool(sent.any())
        return APlan(
            community=self._community.name,
            net_kw=p_plans.net_kw[:, sent].sum(axis=1),
            homes=int(sent.sum()),
        )

    def validate(self, prognosis: DPrognosis | None) -> Confirmation:
        """At the validate gate: pass on whether the DSO admitted the community's A-plan."""
        self.messages += prognosis is not None
        admitted = (
            self._planned
            and prognosis is not None
            and prognosis.accepted.get(self._community.name, False)
        )
        return Confirmation(self._community.name, (admitted,) * self._levels)

    def settle(self, net_kw: FloatArray) -> Settlement:
        """After delivery: bill each member by its own tariff and meter.

        Parameters
        ----------
        net_kw : array, shape (level, member, ptu)
            Metered net power.
        """
        bill_eur = self._tariff.bill_eur(net_kw, self._horizon)
        return Settlement(
            self._community.name, self._community.members, bill_eur, payment_eur=bill_eur
        )
