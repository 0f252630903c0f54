"""What energy costs at the connection point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.horizon import Horizon


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """Prices of one day, in EUR.

    Parameters
    ----------
    name : str
        Name of the tariff, as in scenarios/tariff.
    import_eur_per_kwh, export_eur_per_kwh : array, shape (ptu)
        Price paid for energy drawn, and received for energy fed in.
    standing_eur_per_day : float
        Standing charge, paid whatever is used.
    peak_eur_per_kw : float
        Price of the day's greatest import, for tariffs that charge the maximum load.
    """

    name: str
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    standing_eur_per_day: float = 0.0
    peak_eur_per_kw: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "import_eur_per_kwh", "export_eur_per_kwh")

    def energy_cost_eur(self, net_kw: FloatArray, horizon: Horizon) -> FloatArray:
        """Cost of a day's energy alone.

        Parameters
        ----------
        net_kw : array, shape (..., ptu)
            Power at the connection point, positive is import.

        Returns
        -------
        array, shape (...)
            sum over PTUs of hours x (c_imp max(n, 0) - c_exp max(-n, 0)). [EUR]
        """
        cost = np.where(
            net_kw > 0, net_kw * self.import_eur_per_kwh, net_kw * self.export_eur_per_kwh
        )
        return np.asarray(cost.sum(axis=-1) * horizon.ptu_hours)

    def cost_eur(self, net_kw: FloatArray, horizon: Horizon) -> FloatArray:
        """Cost that depends on the net power: of energy and of the peak, shape (...). [EUR]"""
        peak_kw = np.maximum(net_kw.max(axis=-1), 0.0)
        return np.asarray(self.energy_cost_eur(net_kw, horizon) + self.peak_eur_per_kw * peak_kw)

    def bill_eur(self, net_kw: FloatArray, horizon: Horizon) -> FloatArray:
        """Cost of a day's net power with the standing charge, shape (...). [EUR]"""
        return self.cost_eur(net_kw, horizon) + self.standing_eur_per_day
