"""A home's exact best answer to a price per PTU, in microseconds.

Under a price that does not depend on the home's own power nothing in it competes: each cycle takes
its cheapest start, each storage its own path. A negotiation asks this question thousands of times,
and its lower bound is a sum of such answers; so everything but the price is worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.cems.components import HomeComponents, Storage
from mas2sim.cems.starts import Cycles, add_cheapest
from mas2sim.cems.storage_path import StorageDay, storage_plan
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault


@dataclass(frozen=True, slots=True, eq=False)
class _ReadyStorage:
    """A storage as the compiled function takes it."""

    name: str
    day: StorageDay
    first_ptu: int
    start_kwh: float
    lossy: bool

    @classmethod
    def of(cls, storage: Storage) -> _ReadyStorage:
        day = StorageDay(*(np.array(getattr(storage, name)) for name in StorageDay._fields))
        both = (storage.min_kw < 0) & (storage.max_kw > 0)
        lossy = bool((both & (day.discharge_kwh_per_kw > day.charge_kwh_per_kw)).any())
        return cls(storage.name, day, storage.first_ptu, storage.start_kwh, lossy)


@dataclass(frozen=True, slots=True, eq=False)
class LinearResponse:
    """One home, ready to answer prices; the arrays are its own and are not to be written.

    Build it with `LinearResponse.of`.
    """

    base_kw: FloatArray
    cycles: Cycles
    storages: tuple[_ReadyStorage, ...]
    zeros: FloatArray
    ones: FloatArray
    unwanted: FloatArray

    @classmethod
    def of(cls, home: HomeComponents) -> LinearResponse:
        """Work out what does not depend on the price.

        Raises
        ------
        ConfigurationError
            When a cycle fits nowhere or the bounds of a storage cannot be met, so that the home has
            no answer; or when a cap or a least power ties its devices together.
        """
        faults = [
            Fault(f"storage {storage.name}", f"{storage.least_draw_kw:g} kW at least", "any power")
            for storage in home.storages
            if storage.least_draw_kw > 0
        ]
        if np.isfinite([home.import_cap_kw, home.export_cap_kw]).any():
            caps = f"{home.import_cap_kw:g} kW of import, {home.export_cap_kw:g} kW of export"
            faults.append(Fault("caps of the home", caps, "none"))
        faults += [
            Fault(f"choice {choice.name}", "no start", "at least one")
            for choice in home.choices
            if not len(choice.starts)
        ]
        ready = cls(
            np.array(home.base_kw),
            Cycles.of(home.choices),
            tuple(_ReadyStorage.of(storage) for storage in home.storages),
            np.zeros(len(home.base_kw)),
            np.ones(len(home.base_kw)),
            np.empty(0),
        )
        for storage in ready.storages:
            power_kw = np.empty_like(ready.base_kw)
            _, _, ptu, missing_kwh = ready._path(storage, ready.zeros, power_kw)
            if ptu >= 0:
                found = f"{missing_kwh:g} kWh missing at the end of PTU {ptu}"
                faults.append(Fault(f"storage {storage.name}", found, "bounds that can be met"))
        if faults:
            raise ConfigurationError(faults)
        return ready

    def answer(self, price_eur_per_kw: FloatArray) -> tuple[float, FloatArray]:
        """Find the net power of least cost; among equals the first starts, the least throughput.

        Parameters
        ----------
        price_eur_per_kw : array, shape (ptu)
            Price of 1 kW for one PTU; at least 0 for a home whose storage delivers at a loss,
            since a negative price would reward charging and discharging at once.

        Returns
        -------
        cost_eur : float
            ``price @ net_kw``, least over all days that the home can live.
        net_kw : array, shape (ptu)
        """
        price = np.ascontiguousarray(price_eur_per_kw)
        net_kw = self.base_kw.copy()
        add_cheapest(price, self.cycles, net_kw)
        power_kw = np.empty_like(net_kw)
        for storage in self.storages:
            if storage.lossy and price.min() < 0:
                raise ConfigurationError(
                    [Fault("price_eur_per_kw", f"{price.min():g}", f"at least 0: {storage.name}")]
                )
            self._path(storage, price, power_kw)
            net_kw += power_kw
        return float(price @ net_kw), net_kw

    def _path(
        self, storage: _ReadyStorage, price: FloatArray, power_kw: FloatArray
    ) -> tuple[float, float, int, float]:
        """Write the storage's power, as if it were alone in the home."""
        return storage_plan(
            self.zeros, price, price, storage.day, storage.first_ptu, storage.start_kwh,
            self.ones, 0, power_kw, self.unwanted,
        )  # fmt: skip
