"""The devices of a home as values: parameters only.

The physical step of a device is plant's, its optimal plan is cems's, its sizes and habits are
population's. What plan and plant must share, the transition of a storage over one PTU, is computed
here once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.horizon import Horizon


@dataclass(frozen=True, slots=True)
class StorageTransition:
    """How stored energy moves over one PTU: ``e' = keep e + charge_kwh c - discharge_kwh d``.

    Parameters
    ----------
    keep : float
        Share of the stored energy that is still there after one PTU.
    charge_kwh_per_kw : float
        Energy stored by 1 kW drawn for one PTU. [kWh/kW]
    discharge_kwh_per_kw : float
        Energy taken out by 1 kW delivered for one PTU; 0 where the storage cannot deliver. [kWh/kW]
    """

    keep: float
    charge_kwh_per_kw: float
    discharge_kwh_per_kw: float


@dataclass(frozen=True, slots=True)
class Appliance:
    """An appliance with one cycle today that cannot be interrupted once begun.

    Parameters
    ----------
    name : str
        Kind of appliance, unique in its home.
    cycle_kw : tuple of float
        Mean power in each PTU of the cycle.
    asked_start : int
        PTU at which the household asked for the start; the start without management.
    window_start, window_end : int
        The cycle runs from `window_start` up to, not including, `window_end` at the latest. The
        window may wrap midnight; equal ends mean the whole day.
    """

    name: str
    cycle_kw: tuple[float, ...]
    asked_start: int
    window_start: int
    window_end: int

    def starts(self, horizon: Horizon) -> IntArray:
        """PTUs at which the cycle may begin, in the window's order; empty if it does not fit."""
        length = horizon.window_length(self.window_start, self.window_end)
        whole_day = length == horizon.ptus
        count = length if whole_day else max(0, length - len(self.cycle_kw) + 1)
        return (self.window_start + np.arange(count)) % horizon.ptus

    def profile_kw(self, start: int, horizon: Horizon) -> FloatArray:
        """Power over the cyclic day when the cycle begins at PTU `start`, shape (ptu). [kW]"""
        power = np.zeros(horizon.ptus)
        power[(start + np.arange(len(self.cycle_kw))) % horizon.ptus] = self.cycle_kw
        return power


@dataclass(frozen=True, slots=True)
class ElectricVehicle:
    """An electric vehicle with its charger.

    Parameters
    ----------
    charger_kw : float
        Greatest charging power, drawn from the home.
    capacity_kwh : float
        Capacity of the vehicle's battery.
    charge_efficiency : float
        Energy stored per energy drawn.
    arrival, departure : int
        The vehicle is connected from PTU `arrival` up to, not including, `departure`; the stay may
        wrap midnight.
    driven_kwh : float
        Energy that the day's drive takes out of the battery, charged again before departure.
    """

    charger_kw: float
    capacity_kwh: float
    charge_efficiency: float
    arrival: int
    departure: int
    driven_kwh: float
    name: str = "ev"

    def connected(self, horizon: Horizon) -> BoolArray:
        """True in the PTUs in which the vehicle is connected, shape (ptu)."""
        return horizon.mask(self.arrival, self.departure)

    @property
    def drawn_kwh(self) -> float:
        """Energy drawn from the home to make the day's drive good. [kWh]"""
        return self.driven_kwh / self.charge_efficiency

    def transition(self, horizon: Horizon) -> StorageTransition:
        """Return the storage transition over one PTU."""
        return StorageTransition(1.0, self.charge_efficiency * horizon.ptu_hours, 0.0)


@dataclass(frozen=True, slots=True)
class Battery:
    """A home battery.

    Parameters
    ----------
    capacity_kwh, reserve_kwh : float
        The stored energy stays between the two.
    power_kw : float
        Greatest power drawn or delivered, at the home's side.
    charge_efficiency, discharge_efficiency : float
        Energy stored per energy drawn, and delivered per energy taken out.
    standing_loss_per_hour : float
        Share of the stored energy that is lost in an hour.
    """

    capacity_kwh: float
    power_kw: float
    charge_efficiency: float
    discharge_efficiency: float
    reserve_kwh: float = 0.0
    standing_loss_per_hour: float = 0.0
    name: str = "battery"

    def transition(self, horizon: Horizon) -> StorageTransition:
        """Return the storage transition over one PTU."""
        hours = horizon.ptu_hours
        return StorageTransition(
            keep=(1.0 - self.standing_loss_per_hour) ** hours,
            charge_kwh_per_kw=self.charge_efficiency * hours,
            discharge_kwh_per_kw=hours / self.discharge_efficiency,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PvPlant:
    """A photovoltaic plant and what it feeds in on this day.

    Parameters
    ----------
    rated_kwp : float
        Rated power.
    tilt_deg, azimuth_deg : float
        Tilt from the horizontal, azimuth clockwise from north.
    p_kw : array, shape (ptu)
        Power, never positive (generation).
    """

    rated_kwp: float
    tilt_deg: float
    azimuth_deg: float
    p_kw: FloatArray
    name: str = "pv"

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw")


@dataclass(frozen=True, slots=True, eq=False)
class HeatPump:
    """A heat pump as a load driven by the outdoor temperature.

    Parameters
    ----------
    heat_loss_kw_per_k : float
        Heat that the building loses per kelvin.
    p_kw : array, shape (ptu)
        Electric power, >= 0.
    """

    heat_loss_kw_per_k: float
    p_kw: FloatArray
    name: str = "heat_pump"

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw")


FlexibleDevice = Appliance | ElectricVehicle | Battery
"""Devices whose use can be planned."""
