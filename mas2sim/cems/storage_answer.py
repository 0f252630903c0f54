"""What a home's storages do beside the rest of the home: no storage, one, or several.

One storage is solved by its path. Several are solved together as a linear program, and then each
by its path beside the others, which leaves the cost least, makes it exact and breaks ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.cems.components import Storage
from mas2sim.cems.starts import Offers, add_offers
from mas2sim.cems.storage_path import StorageDay, storage_plan
from mas2sim.cems.storage_program import StorageProgram
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.plan import TieRule

FLATTEST_PARTS = 16
"""Parts into which a linear piece is cut, so that the flattest path is near the least squares."""


@dataclass(frozen=True, slots=True)
class Ties:
    """The tie rule, and the stream it draws from."""

    rule: TieRule
    rng: np.random.Generator

    def liking(self, storage: Storage) -> FloatArray:
        """Weight of each kW of a storage, positive so that idle cycling is never preferred."""
        ptus = len(storage.keep)
        if self.rule is TieRule.EARLIEST:
            return np.asarray(((np.arange(ptus) - storage.first_ptu) % ptus + 1) / ptus)
        return self.rng.uniform(0.1, 1.0, ptus)


@dataclass(frozen=True, slots=True, eq=False)
class StorageAnswer:
    """Least-cost answer of the storages.

    Parameters
    ----------
    power_kw : array, shape (storage, ptu)
    cost_eur : float
        Cost of the home's net power.
    offers : Offers
        What the storages would draw at the values that their energy has in this answer.
    constant_eur : float
        What makes the cheapest answers to the offers, PTU by PTU, a lower bound.
    """

    power_kw: FloatArray
    cost_eur: float
    offers: Offers
    constant_eur: float


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A storage as the compiled functions take it: copies, since they want writable arrays."""

    day: StorageDay
    first_ptu: int
    start_kwh: float
    liking: FloatArray
    lossy: bool

    @classmethod
    def of(cls, storage: Storage, ties: Ties) -> _Ready:
        day = StorageDay(*(np.array(getattr(storage, name)) for name in StorageDay._fields))
        lossy = bool((delivers_at_a_loss(storage)).any())
        return cls(day, storage.first_ptu, storage.start_kwh, ties.liking(storage), lossy)


def delivers_at_a_loss(storage: Storage) -> np.ndarray:
    """Where the storage can draw and deliver, and the way through it costs energy, shape (ptu)."""
    both = (storage.min_kw < 0) & (storage.max_kw > 0)
    return both & (storage.discharge_kwh_per_kw > storage.charge_kwh_per_kw)


class PlannedStorages:
    """Storages made ready for many answers under the same prices.

    Parameters
    ----------
    below, above : array, shape (ptu)
        Cost of 1 kW of net power while it is negative, and positive. [EUR/kW]
    """

    def __init__(
        self, storages: Sequence[Storage], below: FloatArray, above: FloatArray, ties: Ties
    ) -> None:
        self._below, self._above = below, above
        self._ready = [_Ready.of(storage, ties) for storage in storages]
        self._flattest = ties.rule is TieRule.FLATTEST
        several = len(storages) > 1
        self._program = StorageProgram(storages, below, above) if several else None

    def __len__(self) -> int:
        return len(self._ready)

    def answer(self, net_kw: FloatArray, *, final: bool = False) -> StorageAnswer | None:
        """Least-cost answer to `net_kw`, shape (ptu), its ties broken if it is final.

        Returns
        -------
        StorageAnswer or None
            None when the bounds of the storages cannot be met.
        """
        together = self._together(net_kw)
        if together is None:
            return None
        power_kw, value = together
        total_kw = net_kw + power_kw.sum(axis=0)
        cost_eur = float((total_kw * np.where(total_kw > 0, self._above, self._below)).sum())
        constant_eur = 0.0
        offers = Offers.none(len(net_kw), len(self._ready))
        for place, ready in enumerate(self._ready):
            others_kw = total_kw - power_kw[place] if self._program else net_kw
            # Beside others the values are the program's; those of the path are its own affair.
            values = np.empty(0) if self._program else value[place]
            cost_eur, constant, infeasible, _ = storage_plan(
                others_kw, self._below, self._above, ready.day, ready.first_ptu, ready.start_kwh,
                ready.liking, FLATTEST_PARTS if final and self._flattest else 0,
                power_kw[place], values,
            )  # fmt: skip
            if infeasible >= 0:
                return None
            total_kw = others_kw + power_kw[place]
            constant_eur += _constant_eur(ready, value[place]) if self._program else constant
            add_offers(ready.day, value[place], place, offers)
        return StorageAnswer(power_kw, cost_eur, offers, constant_eur)

    def _together(self, net_kw: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Powers and energy values that balance several storages, shape (storage, ptu) each."""
        if self._program:
            return self._program.solve(net_kw)
        power_kw = np.zeros((len(self._ready), len(net_kw)))
        return power_kw, np.zeros_like(power_kw)


def _constant_eur(ready: _Ready, value: FloatArray) -> float:
    """Part of the Lagrangian bound that depends on energy alone, for any values. [EUR]

    Values below 0 are lifted to 0 where they would make the offers not convex.
    """
    if ready.lossy:
        np.maximum(value, 0.0, out=value)
    day = ready.day
    value, keep, inflow, lower, upper = (
        np.roll(array, -ready.first_ptu)
        for array in (value, day.keep, day.inflow_kwh, day.lower_kwh, day.upper_kwh)
    )
    weight = value - np.append(value[1:] * keep[1:], 0.0)
    at_bound = weight * np.where(weight > 0.0, lower, upper)
    return float((at_bound - value * inflow).sum() - value[0] * keep[0] * ready.start_kwh)
