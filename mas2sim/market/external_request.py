"""What a buyer outside the community asks of it, and what a change is worth to him.

Beside the sale, since what has been sold must still count when the DSO asks for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.flexibility import PriceCurve
from mas2sim.domain.horizon import Horizon
from mas2sim.market import price_curve


@dataclass(frozen=True, slots=True, eq=False)
class ExternalRequest:
    """What a buyer asks of a community.

    Parameters
    ----------
    buyer : str
    change_kw : array, shape (ptu)
        Change of the community's net power that is wanted: negative is less import; 0 where the
        buyer wants nothing.
    price_eur_per_kwh : float
        What is paid for each kWh delivered, and taken back for each that goes the wrong way.

    Raises
    ------
    ConfigurationError
        When a change is no number, or the price is none or negative.
    """

    buyer: str
    change_kw: FloatArray
    price_eur_per_kwh: float

    def __post_init__(self) -> None:
        faults, whose, price = [], f"of the request of {self.buyer}", self.price_eur_per_kwh
        if not np.isfinite(self.change_kw).all():
            faults.append(Fault(f"change_kw {whose}", "no number", "finite powers"))
        if not 0.0 <= price < np.inf:
            faults.append(Fault(f"price_eur_per_kwh {whose}", str(price), "a price of 0 or more"))
        if faults:
            raise ConfigurationError(faults)
        freeze_fields(self, "change_kw")

    def delivered_kwh(self, change_kw: FloatArray, horizon: Horizon) -> float:
        """Energy that a change delivers: no more than was wanted, less what goes the wrong way.

        Parameters
        ----------
        change_kw : array, shape (ptu)
        """
        along_kw = np.sign(self.change_kw) * change_kw
        return float(np.minimum(along_kw, np.abs(self.change_kw)).sum() * horizon.ptu_hours)

    def revenue_eur(self, change_kw: FloatArray, horizon: Horizon) -> float:
        """What the buyer pays for a change; negative where more goes the wrong way."""
        return self.price_eur_per_kwh * self.delivered_kwh(change_kw, horizon)

    def curve(self, most_eur_per_kwh: FloatArray) -> PriceCurve:
        """Marginal price of a change of the community, as the buyer's part of its costs.

        Parameters
        ----------
        most_eur_per_kwh : array, shape (ptu)
            The most that is told where an increase is wanted.
        """
        price = np.minimum(self.price_eur_per_kwh, most_eur_per_kwh)
        return price_curve.step(
            np.array(self.change_kw),
            np.where(self.change_kw > 0, -price, 0.0),
            np.where(self.change_kw < 0, self.price_eur_per_kwh, 0.0),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SoldFlexibility:
    """What a community has sold, as it counts beside its bill in a later market.

    Parameters
    ----------
    request : ExternalRequest
    before_kw : array, shape (ptu)
        The community's net power before the sale, against which is delivered.
    """

    request: ExternalRequest
    before_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "before_kw")

    def revenue_eur(self, total_kw: FloatArray, horizon: Horizon) -> float:
        """What the buyer pays for the community's net power of shape (ptu)."""
        return self.request.revenue_eur(total_kw - self.before_kw, horizon)

    def curve(self, total_kw: FloatArray, most_eur_per_kwh: FloatArray) -> PriceCurve:
        """The buyer's part of the marginal cost of a change from `total_kw`, shape (ptu).

        Parameters
        ----------
        most_eur_per_kwh : array, shape (ptu)
            As in `ExternalRequest.curve`.
        """
        return price_curve.moved(
            self.request.curve(most_eur_per_kwh), np.asarray(total_kw - self.before_kw)
        )
