"""After delivery: who pays what at each level, by the meters and by what was agreed.

The steps build on one another. A community's bill is split among its members, nobody above what he
would have paid alone. What a buyer outside has paid, or the DSO for an order, is then added to what
members would have paid without it. Trade with other communities comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market.contracts import BilateralContract
from mas2sim.market.dso_payment import congestion_payments
from mas2sim.market.exchange import exchange_gain_eur, shared_gain_eur
from mas2sim.market.external import external_payments
from mas2sim.market.external_request import ExternalRequest
from mas2sim.market.offer_maker import OfferedPlan
from mas2sim.market.split import Payments, SplitRule, SplitTerms, split_payments


@dataclass(frozen=True, slots=True, eq=False)
class LevelPayments:
    """Payments of one level, without standing charges.

    Parameters
    ----------
    payment_eur : array, shape (member)
    dso_eur, external_eur : float
        What the DSO and a buyer outside pay the community.
    service_eur, shortfall_eur : float
        What the aggregator keeps of the gain, and what it has to add.
    local_kwh : float
        Energy traded within the community.
    """

    payment_eur: FloatArray
    dso_eur: float
    external_eur: float
    service_eur: float
    shortfall_eur: float
    local_kwh: float


@dataclass(frozen=True, slots=True, eq=False)
class Agreements:
    """What a community and its partners have agreed on before delivery.

    Parameters
    ----------
    tariff, horizon
    split : SplitTerms
    alone_eur : array, shape (member)
        What each member would pay alone; no number for one that sent no plan.
    forgone_eur : array, shape (member)
        Comfort that its plan alone gives up.
    worth_eur : array, shape (member), optional
        Worth of each member's day, for the dual split.
    agreed, sold, ordered : OfferedPlan, optional
        Plans that the local market, a buyer outside and the DSO have left; None where there was
        none.
    request : ExternalRequest, optional
        What the buyer asked, if something was sold.
    contracts : tuple of BilateralContract
    paid_eur : float
        What the DSO's order promises.
    """

    tariff: Tariff
    horizon: Horizon
    split: SplitTerms
    alone_eur: FloatArray
    forgone_eur: FloatArray
    worth_eur: FloatArray | None = None
    agreed: OfferedPlan | None = None
    sold: OfferedPlan | None = None
    ordered: OfferedPlan | None = None
    request: ExternalRequest | None = None
    contracts: Sequence[BilateralContract] = ()
    paid_eur: float = 0.0

    def settle(
        self, level: Level, net_kw: FloatArray, traded_kw: FloatArray | None = None
    ) -> LevelPayments:
        """Settle one level with trade.

        Parameters
        ----------
        net_kw : array, shape (member, ptu)
            Metered net power, as it would have been had no connection been limited.
        traded_kw : array, shape (ptu), optional
            What the community bought from others, negative is sold.
        """
        if not np.isfinite(self.alone_eur).all():
            return self._with_absent(net_kw).settle(level, net_kw, traded_kw)
        metered = self._split(net_kw, self.agreed if level is not Level.CENTRAL else None)
        paid = metered
        dso_eur = external_eur = 0.0
        # A central plan that trades across communities moves bills among them: no DSO pays that.
        limited = level is Level.UC3 or (level is Level.CENTRAL and traded_kw is None)
        if self.agreed is not None and level is not Level.CENTRAL and self.sold is not None:
            paid, external_eur = self._with_sale(metered, net_kw, self.sold, of_order=limited)
        if self.agreed is not None and limited:
            before = paid if self.sold is not None and level is Level.UC3 else None
            if before is None:
                before = self._split(self.agreed.net_kw, self.agreed)
            lost_eur = self._lost_comfort_eur() if level is Level.UC3 else None
            # The buyer pays for what is delivered; the DSO makes good what it took from that.
            delivered_eur = self._delivered_eur(net_kw) if external_eur else 0.0
            cost_eur = metered.cost_eur + external_eur - delivered_eur
            external_eur = delivered_eur
            after = congestion_payments(before, cost_eur, self.split, lost_eur)
            beyond_eur = self._beyond_loss_eur(after.dso_eur) if level is Level.UC3 else 0.0
            dso_eur = after.dso_eur + beyond_eur
            paid = replace(
                before,
                payment_eur=after.payment_eur,
                service_eur=after.service_eur + beyond_eur,
                shortfall_eur=after.shortfall_eur,
            )
        traded_eur = 0.0
        if traded_kw is not None:
            traded_eur = exchange_gain_eur(traded_kw, self.tariff, self.horizon, self.split)
        repaid_eur = min(traded_eur, paid.shortfall_eur)
        shared_eur = shared_gain_eur(traded_eur - repaid_eur, paid.gain_eur)
        return LevelPayments(
            payment_eur=paid.payment_eur - shared_eur,
            dso_eur=dso_eur,
            external_eur=external_eur,
            service_eur=paid.service_eur,
            shortfall_eur=paid.shortfall_eur - repaid_eur,
            local_kwh=metered.local_kwh,
        )

    def _with_absent(self, net_kw: FloatArray) -> Agreements:
        """The same, with members that sent no plan counted by their meters throughout."""
        alone_eur = self.tariff.cost_eur(net_kw, self.horizon)
        absent = ~np.isfinite(self.alone_eur)

        def filled(plan: OfferedPlan | None) -> OfferedPlan | None:
            if plan is None:
                return None
            return replace(plan, net_kw=np.where(absent[:, None], net_kw, plan.net_kw))

        return replace(
            self,
            alone_eur=np.where(absent, alone_eur, self.alone_eur),
            agreed=filled(self.agreed),
            sold=filled(self.sold),
            ordered=filled(self.ordered),
        )

    def _split(self, net_kw: FloatArray, plan: OfferedPlan | None) -> Payments:
        """Split a bill; comfort given up since the plan alone counts as paid."""
        lost_eur = 0.0 if plan is None else plan.forgone_eur - self.forgone_eur
        split = self.split
        if split.rule is SplitRule.DUAL and self.worth_eur is None:
            # Without a proof there are no worths to share the gain by.
            split = replace(split, rule=SplitRule.MIDPRICE)
        return split_payments(
            net_kw, self.alone_eur - lost_eur, self.tariff, self.horizon, split, self.worth_eur
        )

    def _with_sale(
        self, metered: Payments, net_kw: FloatArray, sold: OfferedPlan, *, of_order: bool
    ) -> tuple[Payments, float]:
        """Payments with what a buyer outside pays; by plan where an order came after the sale."""
        agreed, request = self.agreed, self.request
        if agreed is None or request is None:
            return metered, 0.0
        before = self._split(agreed.net_kw, agreed)
        day_kw = sold.net_kw if of_order else net_kw
        cost_eur = self._split(day_kw, sold).cost_eur
        change_kw = (day_kw - agreed.net_kw).sum(axis=0)
        revenue_eur = request.revenue_eur(change_kw, self.horizon)
        lost_eur = sold.forgone_eur - agreed.forgone_eur
        after = external_payments(before, cost_eur, revenue_eur, self.split, lost_eur)
        paid = replace(
            before,
            payment_eur=after.payment_eur,
            cost_eur=cost_eur,
            service_eur=after.service_eur,
            shortfall_eur=after.shortfall_eur,
        )
        return paid, after.revenue_eur

    def _delivered_eur(self, net_kw: FloatArray) -> float:
        """What a buyer outside pays by the meters."""
        if self.agreed is None or self.request is None:
            return 0.0
        change_kw = (net_kw - self.agreed.net_kw).sum(axis=0)
        return self.request.revenue_eur(change_kw, self.horizon)

    def _lost_comfort_eur(self) -> FloatArray | None:
        """Comfort that the DSO's order has cost each member."""
        before = self.agreed if self.sold is None else self.sold
        if self.ordered is None or before is None:
            return None
        return np.asarray(self.ordered.forgone_eur - before.forgone_eur)

    def _beyond_loss_eur(self, loss_eur: float) -> float:
        """What bilateral contracts bring beyond the members' loss: the aggregator's affair."""
        if not self.contracts:
            return 0.0
        return sum(each.fee_eur_per_day for each in self.contracts) + self.paid_eur - loss_eur
