"""Trade between the communities of a substation, with what their own markets have left over.

A setting (use case 3-5; D6.1, 2.4.1): the DSO, who has all A-plans, matches what one community
exports with what another imports in the same PTU. Communities trade among each other as homes do
within one: the smaller side all it has, at a price between export and import. No plan changes for
it; what plans made for it could bring is the centralised benchmark's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.split import SplitTerms, local_trade, proportions


def exchanged_kw(
    plans_kw: Mapping[str, FloatArray], tariff: Tariff, fee_eur_per_kwh: float
) -> dict[str, FloatArray]:
    """What each community buys (positive) and sells (negative), shape (ptu). [kW]

    Parameters
    ----------
    plans_kw : mapping of str to array, shape (ptu)
        A-plan of each community.
    """
    if not plans_kw:
        return {}
    names = sorted(plans_kw)
    bought_kw, sold_kw = local_trade(
        np.array([plans_kw[name] for name in names]), tariff, fee_eur_per_kwh
    )
    return dict(zip(names, bought_kw - sold_kw, strict=True))


def exchange_gain_eur(
    traded_kw: FloatArray, tariff: Tariff, horizon: Horizon, terms: SplitTerms
) -> float:
    """What a community saves by its trade with others, network fee paid. [EUR]

    Parameters
    ----------
    traded_kw : array, shape (ptu)
        As `exchanged_kw` has it.
    """
    fee, lower, upper = terms.fee_eur_per_kwh, tariff.export_eur_per_kwh, tariff.import_eur_per_kwh
    price = lower + terms.local_price_share * (upper - fee - lower)
    bought_kw, sold_kw = np.maximum(traded_kw, 0.0), np.maximum(-traded_kw, 0.0)
    saved = (upper - fee - price) * bought_kw + (price - lower) * sold_kw
    return float(saved.sum() * horizon.ptu_hours)


def shared_gain_eur(gain_eur: float, member_gain_eur: FloatArray) -> FloatArray:
    """A community's gain handed on in proportion to what members gain already, shape (member)."""
    return gain_eur * proportions(member_gain_eur)
