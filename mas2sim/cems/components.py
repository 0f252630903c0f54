"""A home's day reduced to what planning needs: a fixed load, choices, storages and prices.

Kinds of devices end here. Whatever picks one of several starts is a `Choice`; whatever moves energy
in time is a `Storage`, if need be with leakage, inflow, hours of absence, or energy per kW that
varies over the day: a vehicle, a battery, a tank, a building behind its heat pump.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray, freeze_fields
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    InterruptibleLoad,
)
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A cycle that begins at one of some PTUs.

    Parameters
    ----------
    cycle_kw : array, shape (step)
        Power in each PTU of the cycle, which may wrap midnight.
    starts : array, shape (option)
        PTUs at which it may begin, in the order of lateness.
    """

    name: str
    cycle_kw: FloatArray
    starts: IntArray

    def __post_init__(self) -> None:
        freeze_fields(self, "cycle_kw")


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Energy that can be moved in time: ``e' = keep e + inflow + charge c - discharge d``.

    Arrays have shape (ptu) and follow the clock, whatever the storage's own day.

    Parameters
    ----------
    first_ptu : int
        PTU at which the storage's day begins: a vehicle's at its arrival, a battery's at midnight.
    start_kwh : float
        Energy at that moment.
    keep, inflow_kwh : array
        Share of the energy still there after a PTU, and energy gained in it.
    lower_kwh, upper_kwh : array
        Bounds of the energy at the end of each PTU; the bounds of the PTU before `first_ptu` bound
        the end of the day, equal ones fix it.
    min_kw, max_kw : array
        Bounds of the power at the home's side, negative is delivery; both 0 while it is away.
    charge_kwh_per_kw, discharge_kwh_per_kw : array
        Energy stored by 1 kW drawn, and taken out by 1 kW delivered, for one PTU.
    least_draw_kw : float
        It draws nothing or at least this.
    """

    name: str
    first_ptu: int
    start_kwh: float
    keep: FloatArray
    inflow_kwh: FloatArray
    lower_kwh: FloatArray
    upper_kwh: FloatArray
    min_kw: FloatArray
    max_kw: FloatArray
    charge_kwh_per_kw: FloatArray
    discharge_kwh_per_kw: FloatArray
    least_draw_kw: float = 0.0

    def __post_init__(self) -> None:
        freeze_fields(self, "keep", "inflow_kwh", "lower_kwh", "upper_kwh", "min_kw", "max_kw")
        freeze_fields(self, "charge_kwh_per_kw", "discharge_kwh_per_kw")
        faults = [
            Fault(f"storage {self.name}, {what}", "a value outside", allowed)
            for what, allowed, holds in (
                ("keep", "shares in (0, 1]", (self.keep > 0.0) & (self.keep <= 1.0)),
                ("power", "min_kw <= max_kw", self.min_kw <= self.max_kw),
                ("energy", "lower_kwh <= upper_kwh", self.lower_kwh <= self.upper_kwh),
                ("energy", "finite bounds", np.isfinite(self.lower_kwh + self.upper_kwh)),
                (
                    "charge_kwh_per_kw",
                    "more than 0 where it draws",
                    (self.charge_kwh_per_kw > 0.0) | (self.max_kw <= 0.0),
                ),
                (
                    "discharge_kwh_per_kw",
                    "more than 0 where it delivers",
                    (self.discharge_kwh_per_kw > 0.0) | (self.min_kw >= 0.0),
                ),
            )
            if not holds.all()
        ]
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True, eq=False)
class HomeComponents:
    """One home's day as planning sees it.

    Parameters
    ----------
    base_kw : array, shape (ptu)
        Net power of everything that is not planned.
    choices : tuple of Choice
    storages : tuple of Storage
    import_eur_per_kwh, export_eur_per_kwh : array, shape (ptu)
        Slopes of the home's cost while its net power is positive, and negative.
    import_cap_kw, export_cap_kw : float
        Bounds of the net power.
    """

    base_kw: FloatArray
    choices: tuple[Choice, ...]
    storages: tuple[Storage, ...]
    import_eur_per_kwh: FloatArray
    export_eur_per_kwh: FloatArray
    import_cap_kw: float = float("inf")
    export_cap_kw: float = float("inf")

    def __post_init__(self) -> None:
        freeze_fields(self, "base_kw", "import_eur_per_kwh", "export_eur_per_kwh")


def components(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    horizon: Horizon,
    *,
    fee_eur_per_kwh: float = 0.0,
) -> HomeComponents | None:
    """Reduce a home to its components; devices that are not offered keep their reference schedule.

    Parameters
    ----------
    fee_eur_per_kwh : float
        Network fee on energy drawn, on top of the import price.

    Returns
    -------
    HomeComponents or None
        None when the home has what these components cannot say: a price of its peak, or a load
        that it may pay to cut. One that is worth more than energy ever costs is never cut, and is
        part of the base.
    """
    import_eur_per_kwh = tariff.import_eur_per_kwh + fee_eur_per_kwh
    load = home.interruptible if _is_offered(home.interruptible, home) else None
    dearest = max(import_eur_per_kwh.max(), tariff.export_eur_per_kwh.max())
    if tariff.peak_eur_per_kw > 0 or (load and load.discomfort_eur_per_kwh < dearest):
        return None
    base_kw = home.fixed_kw.copy() if load is None else home.fixed_kw + load.p_kw
    for device in home.flexible_devices:
        if device.name not in home.offered:
            base_kw += reference.device_kw[device.name]
    choices = tuple(
        Choice(device.name, np.array(device.cycle_kw), device.starts(horizon))
        for device in home.offered_devices
        if isinstance(device, Appliance)
    )
    storages: list[Storage] = []
    for device in home.offered_devices:
        if isinstance(device, ElectricVehicle):
            storages.append(_vehicle(device, horizon))
        elif isinstance(device, Battery):
            storages.append(_battery(device, reference.battery_start_kwh, horizon))
        elif isinstance(device, Heater):
            storages.append(_heater(device, reference.heat_start_kwh[device.name], horizon))
    return HomeComponents(
        base_kw,
        choices,
        tuple(storages),
        import_eur_per_kwh,
        tariff.export_eur_per_kwh,
        home.import_cap_kw,
        home.export_cap_kw,
    )


def _is_offered(load: InterruptibleLoad | None, home: Home) -> bool:
    return load is not None and load.name in home.offered


def _vehicle(vehicle: ElectricVehicle, horizon: Horizon) -> Storage:
    """From arrival to departure, when it is full; while it is away nothing moves."""
    step = vehicle.transition(horizon)
    connected = vehicle.connected(horizon)
    nothing = np.zeros(horizon.ptus)
    lower_kwh = nothing + vehicle.arrival_kwh
    if vehicle.discharge_kw > 0:
        # It may arrive with less than the reserve, but does not deliver below it.
        lower_kwh[:] = min(vehicle.reserve_kwh, vehicle.arrival_kwh)
    lower_kwh[~connected] = vehicle.capacity_kwh
    lower_kwh[vehicle.departure - 1] = vehicle.capacity_kwh
    return Storage(
        name=vehicle.name,
        first_ptu=vehicle.arrival % horizon.ptus,
        start_kwh=vehicle.arrival_kwh,
        keep=nothing + step.keep,
        inflow_kwh=nothing,
        lower_kwh=lower_kwh,
        upper_kwh=nothing + vehicle.capacity_kwh,
        min_kw=np.where(connected, -vehicle.discharge_kw, 0.0),
        max_kw=np.where(connected, vehicle.charger_kw, 0.0),
        charge_kwh_per_kw=nothing + step.charge_kwh_per_kw,
        discharge_kwh_per_kw=nothing + step.discharge_kwh_per_kw,
        least_draw_kw=vehicle.least_charge_kw,
    )


def _battery(battery: Battery, start_kwh: float, horizon: Horizon) -> Storage:
    """Between reserve and capacity, at the end of the day what it was at its beginning."""
    step = battery.transition(horizon)
    nothing = np.zeros(horizon.ptus)
    lower_kwh = nothing + battery.reserve_kwh
    upper_kwh = nothing + battery.capacity_kwh
    lower_kwh[-1] = upper_kwh[-1] = start_kwh
    return Storage(
        name=battery.name,
        first_ptu=0,
        start_kwh=start_kwh,
        keep=nothing + step.keep,
        inflow_kwh=nothing,
        lower_kwh=lower_kwh,
        upper_kwh=upper_kwh,
        min_kw=nothing - battery.power_kw,
        max_kw=nothing + battery.power_kw,
        charge_kwh_per_kw=nothing + step.charge_kwh_per_kw,
        discharge_kwh_per_kw=nothing + step.discharge_kwh_per_kw,
    )


def _heater(heater: Heater, start_kwh: float, horizon: Horizon) -> Storage:
    """Heat within the comfort band, counted from 0 C, at the end of the day as at its beginning."""
    step = heater.transition(horizon)
    nothing = np.zeros(horizon.ptus)
    lower_kwh = heater.store.capacity_kwh_per_k * heater.store.lower_c
    upper_kwh = heater.store.capacity_kwh_per_k * heater.store.upper_c
    lower_kwh[-1] = upper_kwh[-1] = start_kwh
    return Storage(
        name=heater.name,
        first_ptu=0,
        start_kwh=start_kwh,
        keep=nothing + step.keep,
        inflow_kwh=step.inflow_kwh,
        lower_kwh=lower_kwh,
        upper_kwh=upper_kwh,
        min_kw=nothing,
        max_kw=nothing + heater.power_kw,
        charge_kwh_per_kw=step.heat_kwh_per_kw,
        discharge_kwh_per_kw=nothing,
    )
