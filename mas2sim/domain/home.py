"""A home on one day: its loads, its devices, and which of them it offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    HeatPump,
    PvPlant,
)


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """One prosumer or consumer on the day of the case.

    Parameters
    ----------
    name : str
        Name of the home, unique in its substation.
    annual_kwh : float
        Annual energy of the base load before the expected cycles of the modelled appliances are
        taken out.
    base_kw : array, shape (ptu)
        Load that is neither modelled as a device nor flexible, >= 0.
    appliances : tuple of Appliance
        Appliances with a cycle today.
    owns : frozenset of str
        Names of all devices owned, those without a cycle today included.
    offered : frozenset of str
        Names of the owned devices whose use the household lets be planned.
    power_factor : float
        Power factor (lagging) of base load, appliances and heat pump. PV, battery and EV charger
        run at 1.0.
    """

    name: str
    annual_kwh: float
    base_kw: FloatArray
    appliances: tuple[Appliance, ...] = ()
    ev: ElectricVehicle | None = None
    battery: Battery | None = None
    pv: PvPlant | None = None
    heat_pump: HeatPump | None = None
    owns: frozenset[str] = frozenset()
    offered: frozenset[str] = frozenset()
    power_factor: float = 0.97

    def __post_init__(self) -> None:
        freeze_fields(self, "base_kw")

    @property
    def flexible_devices(self) -> tuple[FlexibleDevice, ...]:
        """Devices in use today whose use can be planned, whether offered or not."""
        storages = (device for device in (self.ev, self.battery) if device is not None)
        return (*self.appliances, *storages)

    @property
    def offered_devices(self) -> tuple[FlexibleDevice, ...]:
        """Devices in use today whose use is planned."""
        return tuple(device for device in self.flexible_devices if device.name in self.offered)

    @property
    def has_flexibility(self) -> bool:
        """Whether the home offers any device, in use today or not: by assets, not plans."""
        return bool(self.offered)

    @property
    def load_kw(self) -> FloatArray:
        """Base load and heat pump, shape (ptu). [kW]"""
        return self.base_kw if self.heat_pump is None else self.base_kw + self.heat_pump.p_kw

    @property
    def pv_kw(self) -> FloatArray:
        """PV, never positive, shape (ptu). [kW]"""
        return np.zeros_like(self.base_kw) if self.pv is None else self.pv.p_kw

    @property
    def fixed_kw(self) -> FloatArray:
        """What no device plan changes: base load, heat pump and PV, shape (ptu). [kW]"""
        return self.load_kw + self.pv_kw

    @property
    def reactive_per_active(self) -> float:
        """Reactive over active power of the loads that run at `power_factor`. [kvar/kW]"""
        return float(np.tan(np.arccos(self.power_factor)))


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceDay:
    """What one home does on the cyclic day when nobody manages it.

    Devices that are not offered keep this schedule at every level; storages begin and end every
    level's day with the energy they have here at midnight.

    Parameters
    ----------
    device_kw : mapping of str to array, shape (ptu)
        Power of each flexible device by name.
    net_kw : array, shape (ptu)
        Power at the connection point.
    battery_start_kwh : float
        Energy in the battery at midnight; 0 without one.
    """

    net_kw: FloatArray
    device_kw: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    battery_start_kwh: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")
