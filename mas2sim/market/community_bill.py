"""What a community owes for its metered day, before it is split among the members.

A room of its own because three parties need the same figure: the aggregator minimises it,
settlement hands it out, and the centralised benchmark is compared with it. Standing charges are
left out, as they depend on nothing that is decided; they are added to the payments.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff


def trade_pays(tariff: Tariff, fee_eur_per_kwh: float = 0.0) -> BoolArray:
    """PTUs in which a price exists that suits buyer and seller, shape (ptu).

    It lies between the export price and the import price less the network fee. Where the latter is
    the lower, both do better with their suppliers.
    """
    return np.asarray(tariff.import_eur_per_kwh - fee_eur_per_kwh >= tariff.export_eur_per_kwh)


def community_cost_eur(
    net_kw: FloatArray, tariff: Tariff, horizon: Horizon, fee_eur_per_kwh: float = 0.0
) -> FloatArray:
    """Community's bill B, energy netted among the members in every PTU.

    Parameters
    ----------
    net_kw : array, shape (..., member, ptu)
        Power at the connection points, positive is import.
    fee_eur_per_kwh : float
        Network charge on energy traded within the community.

    Returns
    -------
    array, shape (...)
        sum over PTUs of hours x (c_imp N+ - c_exp N- + fee (sum of members' n+ - N+)), N the sum of
        the members' net power, and the price of each member's own peak. [EUR]
    """
    together_kw = net_kw.sum(axis=-2)
    local_kw = np.maximum(net_kw, 0.0).sum(axis=-2) - np.maximum(together_kw, 0.0)
    fee_eur = fee_eur_per_kwh * horizon.ptu_hours * local_kw.sum(axis=-1)
    energy_eur = tariff.energy_cost_eur(together_kw, horizon)
    return np.asarray(energy_eur + fee_eur + peaks_eur(net_kw, tariff).sum(axis=-1))


def settled_cost_eur(
    net_kw: FloatArray, tariff: Tariff, horizon: Horizon, fee_eur_per_kwh: float = 0.0
) -> FloatArray:
    """Community's bill when nobody trades at a loss, shape (...). [EUR]

    Energy is netted where `trade_pays`, and billed by each member's own meter elsewhere. It is B
    where trade pays all day, and below B by hours x (c_exp + fee - c_imp) times the volume that was
    not traded otherwise.

    Parameters
    ----------
    net_kw : array, shape (..., member, ptu)
    """
    traded = trade_pays(tariff, fee_eur_per_kwh)
    netted_eur = community_cost_eur(np.where(traded, net_kw, 0.0), tariff, horizon, fee_eur_per_kwh)
    apart_eur = tariff.energy_cost_eur(np.where(traded, 0.0, net_kw), horizon).sum(axis=-1)
    traded_peaks_eur = peaks_eur(np.where(traded, net_kw, 0.0), tariff).sum(axis=-1)
    all_peaks_eur = peaks_eur(net_kw, tariff).sum(axis=-1)
    return np.asarray(netted_eur - traded_peaks_eur + apart_eur + all_peaks_eur)


def peaks_eur(net_kw: FloatArray, tariff: Tariff) -> FloatArray:
    """Price of each member's own greatest import, shape (..., member). [EUR]"""
    return np.asarray(tariff.peak_eur_per_kw * np.maximum(net_kw.max(axis=-1), 0.0))
