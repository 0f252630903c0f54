"""What a congestion market is held for and by, and what it comes to: values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.flexibility import FlexOffer, FlexOrder

LIMIT_KW = 1e-6
"""Power beyond a limit that is rounding."""


@dataclass(frozen=True, slots=True)
class CongestionTerms:
    """How a congestion market is held.

    Parameters
    ----------
    price_cap_eur_per_kwh : float
        The most that the DSO pays for energy moved.
    rounds : int
        Most rounds.
    exchanges : int
        Most exchanges with members and aggregators one after the other.
    proofs : int
        Most questions by which it is proven that limits cannot be kept.
    """

    price_cap_eur_per_kwh: float = 1.0
    rounds: int = 30
    exchanges: int = 196
    proofs: int = 8

    def schedule(self, aggregators: int) -> tuple[int, int]:
        """Rounds, and blocks of members in each turn, that there is time for."""
        blocks = max(1, 4 // aggregators) if aggregators != 3 else 2
        # A turn is an exchange with each block and one with the DSO.
        turns = (self.exchanges - 2 * self.proofs) // (blocks + 1)
        return max(1, min(self.rounds, turns // max(1, aggregators))), blocks


@dataclass(frozen=True, slots=True, eq=False)
class PointLimits:
    """Limits of the sum of the connections behind each congestion point.

    Parameters
    ----------
    points : tuple of str
        The transformer first.
    lower_kw, upper_kw : array, shape (point, ptu)
        Infinite where there is none.
    other_kw : array, shape (point, ptu)
        What flows there besides the communities.
    """

    points: tuple[str, ...]
    lower_kw: FloatArray
    upper_kw: FloatArray
    other_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "lower_kw", "upper_kw", "other_kw")

    def beyond_kw(self, net_kw: FloatArray) -> FloatArray:
        """Power beyond the limits, negative beyond the lower one, shape (point, ptu)."""
        above = np.maximum(net_kw - self.upper_kw, 0.0)
        below = np.maximum(self.lower_kw - net_kw, 0.0)
        return np.asarray(
            np.where(above > LIMIT_KW, above, 0.0) - np.where(below > LIMIT_KW, below, 0.0)
        )


@dataclass(frozen=True, slots=True, eq=False)
class LossWorth:
    """What a change of the power at the transformer saves the DSO in losses, arrays of shape (ptu).

    Parameters
    ----------
    eur_per_kwh : array
        Price of the marginal loss: positive where less import saves losses.
    eur_per_kwh_kw : array
        Its rise with the power.
    """

    eur_per_kwh: FloatArray
    eur_per_kwh_kw: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CongestionOutcome:
    """What a congestion market came to.

    Parameters
    ----------
    before_kw, after_kw : array, shape (point, ptu)
        Prognosis before the market, and with the offers taken.
    before_beyond_kw, beyond_kw : array, shape (point, ptu)
        What was, and what is left, beyond the limits; negative beyond the lower one.
    bound_eur : float
        What all communities' bills together cannot be below within the limits; NaN if unknown.
    saved_loss_eur : float
        What the losses saved are worth to the DSO, by slope and curvature.
    insufficient_kwh : float
        Energy beyond the limits that is proven unavoidable; 0 where nothing is proven.
    offers : mapping of str to tuple of FlexOffer
    order : FlexOrder
    rounds, messages : int
    """

    before_kw: FloatArray
    after_kw: FloatArray
    before_beyond_kw: FloatArray
    beyond_kw: FloatArray
    bound_eur: float
    saved_loss_eur: float
    insufficient_kwh: float
    offers: Mapping[str, tuple[FlexOffer, ...]]
    order: FlexOrder
    rounds: int
    messages: int
