"""What the DSO pays: for flexibility that it ordered, and for curtailment that it forced.

A room of its own because this money comes from outside the community. One sentence keeps it honest:
the DSO makes good what an order costs the members, and no more, so that no one profits from a
congestion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.tariff import Tariff
from mas2sim.market.split import Payments, SplitTerms, proportions


@dataclass(frozen=True, slots=True, eq=False)
class CongestionPayments:
    """Who pays what for the day after an order of the DSO. No standing charges are in it.

    The payments and the DSO's add up to the cost after the order, the service and less the
    shortfall.

    Parameters
    ----------
    payment_eur : array, shape (member)
    dso_eur : float
        What the DSO pays to the community.
    service_eur, shortfall_eur : float
        What the aggregator keeps of the gain, and what it has to add, as in `Payments`.
    """

    payment_eur: FloatArray
    dso_eur: float
    service_eur: float
    shortfall_eur: float

    def __post_init__(self) -> None:
        freeze_fields(self, "payment_eur")


@dataclass(frozen=True, slots=True, eq=False)
class Curtailment:
    """Power taken off in the orange regime.

    Parameters
    ----------
    curtailed_kw : array, shape (member, ptu)
        What each connection loses: positive is import, negative is export.
    remaining_kw : array, shape (ptu)
        Excess that is left when every connection on that side is at zero, with the excess's sign.
    """

    curtailed_kw: FloatArray
    remaining_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "curtailed_kw", "remaining_kw")


def dso_payment_eur(cost_before_eur: FloatArray, cost_after_eur: FloatArray) -> FloatArray:
    """What the DSO pays to each aggregator, shape of the costs. [EUR]

    The increase of cost against the plan before the request. Both are costs of nearly optimal
    plans, so that an order may seem to save money: such an aggregator is paid nothing, and what it
    saves does not lower what another one is paid.
    """
    return np.maximum(cost_after_eur - cost_before_eur, 0.0)


def congestion_payments(
    before: Payments,
    cost_after_eur: float,
    terms: SplitTerms,
    forgone_eur: FloatArray | None = None,
) -> CongestionPayments:
    """Settle a community that has carried out an order of the DSO.

    Members are held harmless: each pays what it would have paid without the request, less the worth
    of the comfort that the order cost it, and the DSO bears the increase. Where the order lowers
    the cost, the DSO pays nothing and the decrease is a gain like any other: it covers the
    aggregator's shortfall first, the aggregator keeps its service share of the rest, and members
    share what is left in proportion to the gains they had (equally when nobody had one).

    The service is kept as it was where the cost rises, since the DSO's payment restores the gain of
    which it is a share.

    Parameters
    ----------
    before : Payments
        What members would pay for the plan before the request; its `cost_eur` is the reference.
    cost_after_eur : float
        `settled_cost_eur` of the day with the order. Curtailed energy counts as if it had not been
        curtailed: it is compensated by itself, and not to be paid for twice.
    forgone_eur : array, shape (member), optional
        Worth of the comfort that each member forgoes by the order, beyond the plan before.
    """
    forgone = np.zeros_like(before.payment_eur) if forgone_eur is None else forgone_eur
    increase_eur = cost_after_eur - before.cost_eur + float(forgone.sum())
    saved_eur = max(-increase_eur, 0.0)
    repaid_eur = min(saved_eur, before.shortfall_eur)
    service_eur = terms.service_share * (saved_eur - repaid_eur)
    shared_eur = saved_eur - repaid_eur - service_eur
    return CongestionPayments(
        payment_eur=before.payment_eur - forgone - proportions(before.gain_eur) * shared_eur,
        dso_eur=max(increase_eur, 0.0),
        service_eur=before.service_eur + service_eur,
        shortfall_eur=before.shortfall_eur - repaid_eur,
    )


def fair_shares(net_kw: FloatArray, excess_kw: FloatArray) -> Curtailment:
    """Share a curtailment that could not be avoided.

    Each connection on the side of the excess gives the same fraction of its net power: importers
    where the import limit is exceeded, exporters where the export limit is. No connection is taken
    beyond zero, and who does not add to the excess gives nothing.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        Power at the connection points, positive is import.
    excess_kw : array, shape (ptu)
        Power beyond the limit: positive of import, negative of export, 0 within the limits.

    Returns
    -------
    Curtailment
        ``curtailed_kw.sum(axis=0) + remaining_kw`` is `excess_kw`.
    """
    side_kw = np.maximum(net_kw * np.sign(excess_kw), 0.0)
    available_kw = side_kw.sum(axis=0)
    taken_kw = np.minimum(np.abs(excess_kw), available_kw)
    fraction = np.divide(
        taken_kw, available_kw, out=np.zeros_like(available_kw), where=available_kw > 0
    )
    sign = np.sign(excess_kw)
    return Curtailment(
        curtailed_kw=side_kw * fraction * sign, remaining_kw=excess_kw - sign * taken_kw
    )


def curtailment_compensation_eur(
    curtailed_kwh: FloatArray, tariff: Tariff, factor: float = 1.0
) -> FloatArray:
    """What the DSO owes each member for curtailed energy, shape (member). [EUR]

    Energy is paid at the import price times `factor`, whichever its direction: what is not fed in
    has to be replaced, and what is not drawn was worth at least its price. A negative import price
    counts as zero: nobody pays for having been curtailed.

    Parameters
    ----------
    curtailed_kwh : array, shape (member, ptu)
        Either sign.
    factor : float
        The compensation as a multiple of the import price.
    """
    price = factor * np.maximum(tariff.import_eur_per_kwh, 0.0)
    return np.asarray((np.abs(curtailed_kwh) * price).sum(axis=-1))
