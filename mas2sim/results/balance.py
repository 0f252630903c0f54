"""Energy that crosses a boundary, and how much of the generation stays inside it.

The boundary is drawn around groups of homes: each home by itself, each community, or the whole
substation. Within a group and a PTU everything nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Battery, ElectricVehicle, FlexibleDevice
from mas2sim.results.kpi_definition import CaseLevel, ratio


@dataclass(frozen=True, slots=True)
class BoundaryEnergy:
    """Energy of one day over all groups. [kWh]

    Parameters
    ----------
    imported_kwh, exported_kwh : float
        Energy drawn into and fed out of the groups.
    generated_kwh : float
        Energy from PV, wind and micro-CHP.
    exported_generation_kwh : float
        The exported energy less what storages charged from the grid gave back.
    """

    imported_kwh: float
    exported_kwh: float
    generated_kwh: float
    exported_generation_kwh: float

    @property
    def self_consumption_percent(self) -> float:
        """(G - X) / G. [%]"""
        return 100.0 * ratio(self.generated_kwh - self.exported_generation_kwh, self.generated_kwh)

    @property
    def self_sufficiency_percent(self) -> float:
        """(G - X) / (G - X + I). [%]"""
        own = self.generated_kwh - self.exported_generation_kwh
        return 100.0 * ratio(own, own + self.imported_kwh)


def home_groups(case: CaseLevel) -> tuple[tuple[int, ...], ...]:
    """Every home by itself."""
    return tuple((index,) for index in range(len(case.homes)))


def community_groups(case: CaseLevel) -> tuple[tuple[int, ...], ...]:
    """Communities, and every home outside of them by itself."""
    groups = tuple(community.members for community in case.record.communities)
    inside = {index for members in groups for index in members}
    return (*groups, *((index,) for index in range(len(case.homes)) if index not in inside))


def substation_group(case: CaseLevel) -> tuple[tuple[int, ...], ...]:
    """All homes as one group."""
    return (tuple(range(len(case.homes))),)


def storage_kw(case: CaseLevel) -> FloatArray:
    """Net power of the storages that can deliver, by home, shape (home, ptu). [kW]

    An electric vehicle that only charges is a load here, and so is what a heater warms.
    """
    record = case.record
    power = np.zeros_like(case.net_kw)
    for row, device in enumerate(record.device_values):
        if can_deliver(device):
            power[record.devices[row][0]] += case.device_kw[row]
    return power


def can_deliver(device: FlexibleDevice) -> bool:
    """Whether the device stores electricity and gives it back to its home."""
    if isinstance(device, ElectricVehicle):
        return device.discharge_kw > 0
    return isinstance(device, Battery)


def generation_kw(case: CaseLevel) -> FloatArray:
    """Generation of PV, wind and micro-CHP by home, >= 0, shape (home, ptu). [kW]

    Feed-in that a home had to give up was not generated, as far as there was generation.
    """
    possible = -np.array([home.generation_kw for home in case.homes]).reshape(case.net_kw.shape)
    return np.asarray(np.maximum(possible - np.maximum(-case.curtailed_kw, 0.0), 0.0))


def boundary_energy(case: CaseLevel, groups: Sequence[Sequence[int]]) -> BoundaryEnergy:
    """Sum the day's energy over boundaries drawn around `groups`.

    In each PTU generation serves the group's loads first, then its storages, and is exported last.
    So an export comes from discharge as far as there is discharge, and from generation beyond it.
    The exported discharge counts as generation by the share of generation in what the group's
    storages were charged with over the day. The day is cyclic, so what is discharged was charged
    the same day; the share needs no tracking of what lies in a storage. What a vehicle that can
    deliver was charged with for its drive was used, in the same proportion.

    Parameters
    ----------
    groups : sequence of sequence of int
        Home indices of each group.
    """
    net = _by_group(case.net_kw, groups)
    storage = storage_kw(case)
    generation = _by_group(generation_kw(case), groups)
    charge = _by_group(np.maximum(storage, 0.0), groups)
    discharge = _by_group(np.maximum(-storage, 0.0), groups)
    load = net + generation - charge + discharge
    exported = np.maximum(-net, 0.0)
    surplus = np.maximum(generation - load, 0.0)
    charged_by_generation = np.minimum(charge, surplus).sum(axis=1)
    charged = charge.sum(axis=1)
    share = np.divide(
        charged_by_generation, charged, out=np.zeros_like(charged), where=charged > 0.0
    )
    exported_discharge = np.minimum(exported, discharge)
    exported_generation = (exported - exported_discharge).sum(axis=1) + share * (
        exported_discharge.sum(axis=1)
    )
    hours = case.hours
    return BoundaryEnergy(
        imported_kwh=float(np.maximum(net, 0.0).sum() * hours),
        exported_kwh=float(exported.sum() * hours),
        generated_kwh=float(generation.sum() * hours),
        exported_generation_kwh=float(exported_generation.sum() * hours),
    )


def _by_group(values: FloatArray, groups: Sequence[Sequence[int]]) -> FloatArray:
    summed = [values[list(members)].sum(axis=0) for members in groups]
    return np.array(summed, dtype=np.float64).reshape(len(groups), values.shape[1])
