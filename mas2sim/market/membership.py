"""What an aggregator knows of its community: prices, plans, declarations, worths of days.

Values without behaviour, beside the bargaining that uses them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.flexibility import Declaration
from mas2sim.domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class CommunityPrices:
    """What the community's net power costs, arrays of shape (ptu) in EUR/kWh.

    Local trade pays where energy costs more than it earns, network fee included. Where it does not
    pay nobody trades, which is the same as a fee that takes all there is to gain.

    Parameters
    ----------
    export, import_less_fee : array
        Slopes of the bill while the community exports, and imports.
    fee : array
        What each member's own import costs on top.
    """

    export: FloatArray
    import_less_fee: FloatArray
    fee: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "export", "import_less_fee", "fee")

    @classmethod
    def of(cls, tariff: Tariff, fee_eur_per_kwh: float) -> CommunityPrices:
        """Prices of a community under one tariff."""
        spread = tariff.import_eur_per_kwh - tariff.export_eur_per_kwh
        fee = np.minimum(fee_eur_per_kwh, spread)
        return cls(tariff.export_eur_per_kwh, tariff.import_eur_per_kwh - fee, fee)

    @property
    def convex(self) -> bool:
        """Whether energy never earns more than it costs, without which there is no market."""
        return bool((self.fee >= 0).all())


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """What an aggregator knows of its community when a negotiation begins.

    Parameters
    ----------
    net_kw : array, shape (member, ptu)
        P-plans; NaN rows are members that sent none and are left out.
    declaration : Declaration
    group : array, shape (member)
        Index of the congestion point below the transformer that the member lies behind.
    groups : int
        Number of such points.
    """

    community: str
    net_kw: FloatArray
    declaration: Declaration
    group: IntArray
    groups: int

    @property
    def present(self) -> BoolArray:
        """Members that sent a plan, shape (member)."""
        return np.asarray(np.isfinite(self.net_kw).all(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """What the members' days are worth at the prices of one round, where all have answered.

    Parameters
    ----------
    worth_eur : array, shape (member)
    net_kw : array, shape (member, ptu)
    prices_eur_per_kwh : array, shape (group, ptu)
    complete : bool
        Whether every member is counted.
    """

    worth_eur: FloatArray
    net_kw: FloatArray
    prices_eur_per_kwh: FloatArray
    complete: bool
