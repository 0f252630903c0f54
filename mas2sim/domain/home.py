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
    Heater,
    InterruptibleLoad,
    MicroChp,
    PvPlant,
    WindTurbine,
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
    heaters : tuple of Heater
        Heat pump, direct heater, hot water: each with what it heats.
    owns : frozenset of str
        Names of all devices owned, those without a cycle today included.
    offered : frozenset of str
        Names of the owned devices whose use the household lets be planned.
    power_factor : float
        Power factor (lagging) of all loads but the EV charger, which like PV and battery
        runs at 1.0.
    import_cap_kw, export_cap_kw : float
        Bounds that the household sets itself, or its contract sets, on its own net power.
    joins_market : bool
        Whether the household lets its plan be changed for others; a home that does not still plans
        for itself and is a passive member of its community.
    """

    name: str
    annual_kwh: float
    base_kw: FloatArray
    appliances: tuple[Appliance, ...] = ()
    ev: ElectricVehicle | None = None
    battery: Battery | None = None
    pv: PvPlant | None = None
    heaters: tuple[Heater, ...] = ()
    interruptible: InterruptibleLoad | None = None
    wind: WindTurbine | None = None
    micro_chp: MicroChp | None = None
    owns: frozenset[str] = frozenset()
    offered: frozenset[str] = frozenset()
    power_factor: float = 0.97
    import_cap_kw: float = float("inf")
    export_cap_kw: float = float("inf")
    joins_market: bool = True

    def __post_init__(self) -> None:
        freeze_fields(self, "base_kw")

    @property
    def flexible_devices(self) -> tuple[FlexibleDevice, ...]:
        """Devices in use today whose use can be planned, whether offered or not."""
        single = (self.interruptible, self.ev, self.battery)
        present = (device for device in single if device is not None)
        return (*self.appliances, *self.heaters, *present)

    @property
    def offered_devices(self) -> tuple[FlexibleDevice, ...]:
        """Devices in use today whose use is planned."""
        return tuple(device for device in self.flexible_devices if device.name in self.offered)

    @property
    def has_flexibility(self) -> bool:
        """Whether the home offers any device, in use today or not: by assets, not plans."""
        return bool(self.offered)

    @property
    def pv_kw(self) -> FloatArray:
        """PV, never positive, shape (ptu). [kW]"""
        return np.zeros_like(self.base_kw) if self.pv is None else self.pv.p_kw

    @property
    def generation_kw(self) -> FloatArray:
        """PV, wind and micro-CHP, never positive, shape (ptu). [kW]"""
        others = (plant.p_kw for plant in (self.wind, self.micro_chp) if plant is not None)
        return np.asarray(sum(others, start=self.pv_kw))

    @property
    def fixed_kw(self) -> FloatArray:
        """What no device plan changes: base load and generation, shape (ptu). [kW]"""
        return self.base_kw + self.generation_kw

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
    heat_start_kwh : mapping of str to float
        Heat stored at midnight by each heater's building or tank, counted from 0 C.
    """

    net_kw: FloatArray
    device_kw: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    battery_start_kwh: float = 0.0
    heat_start_kwh: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")
