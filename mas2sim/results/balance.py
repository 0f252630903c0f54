"""Energy that crosses a boundary, and how much of the generation stays inside it.

The boundary is drawn around groups of homes: each home by itself, each community, or the whole
substation. Within a group and a PTU everything nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.device import Battery, ElectricVehicle, FlexibleDevice
from mas2sim.results.kpi_definition import CaseLevel, once_a_level, ratio

EVERY = slice(None)
"""All groups."""


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


@dataclass(frozen=True, slots=True, eq=False)
class GroupEnergy:
    """Energy of one day of each group by itself, arrays of shape (group). [kWh]

    Parameters
    ----------
    imported_kwh, exported_kwh, generated_kwh, exported_generation_kwh : array
        As in `BoundaryEnergy`.
    """

    imported_kwh: FloatArray
    exported_kwh: FloatArray
    generated_kwh: FloatArray
    exported_generation_kwh: FloatArray

    def together(self, groups: IntArray | slice = EVERY) -> BoundaryEnergy:
        """Sum over the groups of these places, or over all."""
        return BoundaryEnergy(
            imported_kwh=float(self.imported_kwh[groups].sum()),
            exported_kwh=float(self.exported_kwh[groups].sum()),
            generated_kwh=float(self.generated_kwh[groups].sum()),
            exported_generation_kwh=float(self.exported_generation_kwh[groups].sum()),
        )


@dataclass(frozen=True, slots=True, eq=False)
class GroupFlows:
    """Powers that tell what crosses the boundary of a group, shape (group, ptu). [kW]

    Parameters
    ----------
    net_kw : array
        Positive is import.
    generation_kw : array
        Generation, >= 0.
    charge_kw, discharge_kw : array
        What storages of the group take and give, >= 0; what one home's storages pass to each other
        is neither.
    """

    net_kw: FloatArray
    generation_kw: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray

    def by_group(self, groups: Sequence[Sequence[int]]) -> GroupFlows:
        """Sum over the members of each of `groups`."""
        return GroupFlows(
            net_kw=_by_group(self.net_kw, groups),
            generation_kw=_by_group(self.generation_kw, groups),
            charge_kw=_by_group(self.charge_kw, groups),
            discharge_kw=_by_group(self.discharge_kw, groups),
        )


@once_a_level
def community_groups(case: CaseLevel) -> tuple[tuple[int, ...], ...]:
    """Communities, and every home outside of them by itself."""
    groups = tuple(community.members for community in case.record.communities)
    inside = {index for members in groups for index in members}
    return (*groups, *((index,) for index in range(len(case.homes)) if index not in inside))


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
    given_up_kw = np.maximum(-case.curtailed_kw, 0.0)
    return np.asarray(np.maximum(-case.record.generation_kw - given_up_kw, 0.0))


@once_a_level
def home_flows(case: CaseLevel) -> GroupFlows:
    """What counts for the boundary around each home by itself."""
    storage = storage_kw(case)
    return GroupFlows(
        net_kw=case.net_kw,
        generation_kw=generation_kw(case),
        charge_kw=np.maximum(storage, 0.0),
        discharge_kw=np.maximum(-storage, 0.0),
    )


@once_a_level
def home_energy(case: CaseLevel) -> GroupEnergy:
    """Energy over the boundary of each home, shape (home)."""
    return group_energy(home_flows(case), case.hours)


@once_a_level
def community_energy(case: CaseLevel) -> BoundaryEnergy:
    """Energy over boundaries around communities, and around every home outside of them."""
    return boundary_energy(case, community_groups(case))


@once_a_level
def substation_energy(case: CaseLevel) -> BoundaryEnergy:
    """Energy over a boundary around all homes."""
    return boundary_energy(case, (range(len(case.homes)),))


def boundary_energy(case: CaseLevel, groups: Sequence[Sequence[int]]) -> BoundaryEnergy:
    """Sum the day's energy over boundaries drawn around `groups`.

    Parameters
    ----------
    groups : sequence of sequence of int
        Home indices of each group.
    """
    return group_energy(home_flows(case).by_group(groups), case.hours).together()


def group_energy(flows: GroupFlows, hours: float) -> GroupEnergy:
    """Energy of the day over the boundary of each group.

    In each PTU generation serves the group's loads first, then its storages, and is exported last.
    So an export comes from discharge as far as there is discharge, and from generation beyond it.
    The exported discharge counts as generation by the share of generation in what the group's
    storages were charged with over the day. The day is cyclic, so what is discharged was charged
    the same day; the share needs no tracking of what lies in a storage. What a vehicle that can
    deliver was charged with for its drive was used, in the same proportion.

    Parameters
    ----------
    hours : float
        Length of a PTU. [h]
    """
    net, generation = flows.net_kw, flows.generation_kw
    charge, discharge = flows.charge_kw, flows.discharge_kw
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
    return GroupEnergy(
        imported_kwh=np.maximum(net, 0.0).sum(axis=1) * hours,
        exported_kwh=exported.sum(axis=1) * hours,
        generated_kwh=generation.sum(axis=1) * hours,
        exported_generation_kwh=exported_generation * hours,
    )


def _by_group(values: FloatArray, groups: Sequence[Sequence[int]]) -> FloatArray:
    """Sums over the rows of each group, in an order that no other group has a say in."""
    sizes = np.array([len(members) for members in groups], dtype=np.int64)
    summed = np.zeros((len(sizes), values.shape[1]))
    if (filled := sizes > 0).any():
        rows = np.concatenate([np.array(members, dtype=np.int64) for members in groups])
        # An empty group has no place in reduceat, which would give it the first row of the next.
        summed[filled] = np.add.reduceat(values[rows], (sizes.cumsum() - sizes)[filled], axis=0)
    return summed
