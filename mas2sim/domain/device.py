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
    least_charge_kw : float
        The charger draws nothing or at least this (a charger's least current); 0 for any power.
    discharge_kw, discharge_efficiency : float
        Greatest power delivered to the home (vehicle-to-home), and energy delivered per energy
        taken out; 0 kW for a vehicle that only charges.
    reserve_kwh : float
        Delivering leaves at least this in the battery, or what it arrived with if that is less.
    """

    charger_kw: float
    capacity_kwh: float
    charge_efficiency: float
    arrival: int
    departure: int
    driven_kwh: float
    least_charge_kw: float = 0.0
    discharge_kw: float = 0.0
    discharge_efficiency: float = 1.0
    reserve_kwh: float = 0.0
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
        hours = horizon.ptu_hours
        delivers = self.discharge_kw > 0
        return StorageTransition(
            keep=1.0,
            charge_kwh_per_kw=self.charge_efficiency * hours,
            discharge_kwh_per_kw=hours / self.discharge_efficiency if delivers else 0.0,
        )

    @property
    def arrival_kwh(self) -> float:
        """Energy in the battery on arrival; it leaves full. [kWh]"""
        return self.capacity_kwh - self.driven_kwh


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
class HeatStore:
    """Something that stores heat and loses it to its surroundings: a building, a water tank.

    First order: C dT/dt = heat - draw - loss (T - T_surroundings).

    Parameters
    ----------
    capacity_kwh_per_k : float
        Heat stored per kelvin.
    loss_kw_per_k : float
        Heat lost per kelvin above the surroundings.
    surroundings_c : array, shape (ptu)
        Temperature of the surroundings; a building's free gains are part of it.
    draw_kw : array, shape (ptu)
        Heat taken out (hot water), >= 0.
    lower_c, upper_c : array, shape (ptu)
        Band within which the temperature is to be at the end of each PTU.
    """

    capacity_kwh_per_k: float
    loss_kw_per_k: float
    surroundings_c: FloatArray
    draw_kw: FloatArray
    lower_c: FloatArray
    upper_c: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "surroundings_c", "draw_kw", "lower_c", "upper_c")


@dataclass(frozen=True, slots=True, eq=False)
class HeatTransition:
    """How stored heat moves over a PTU: ``e' = keep e + inflow_kwh + heat_kwh_per_kw p``.

    Exact for powers and temperatures that are constant within the PTU. Stored heat is counted from
    0 C: e = capacity_kwh_per_k T.

    Parameters
    ----------
    keep : float
        Share of the stored heat that is still there after one PTU.
    inflow_kwh : array, shape (ptu)
        Heat that comes without the heater: from the surroundings, less what is drawn. [kWh]
    heat_kwh_per_kw : array, shape (ptu)
        Heat stored by 1 kW of electric power through the PTU. [kWh/kW]
    """

    keep: float
    inflow_kwh: FloatArray
    heat_kwh_per_kw: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Heater:
    """A heat pump or a direct heater with the building or tank that it heats.

    Parameters
    ----------
    name : str
        ``"heat_pump"``, ``"direct_heater"`` or ``"hot_water"``; unique in its home.
    power_kw : float
        Greatest electric power.
    heat_per_power : array, shape (ptu)
        Heat delivered per electric power: a heat pump's coefficient of performance; 1 for a direct
        heater. [-]
    store : HeatStore
    thermostat_c : array, shape (ptu)
        Temperature that the thermostat holds when nobody manages the heater.
    """

    name: str
    power_kw: float
    heat_per_power: FloatArray
    store: HeatStore
    thermostat_c: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "heat_per_power", "thermostat_c")

    def transition(self, horizon: Horizon) -> HeatTransition:
        """Return the transition of the stored heat over one PTU."""
        store = self.store
        hours = horizon.ptu_hours
        decay = store.loss_kw_per_k * hours / store.capacity_kwh_per_k
        # What a heat flow of 1 kW through the PTU leaves in the store at its end. [kWh/kW]
        settled = hours * (-np.expm1(-decay) / decay if decay > 0 else 1.0)
        surroundings_kw = store.loss_kw_per_k * store.surroundings_c
        return HeatTransition(
            keep=float(np.exp(-decay)),
            inflow_kwh=settled * (surroundings_kw - store.draw_kw),
            heat_kwh_per_kw=settled * self.heat_per_power,
        )


@dataclass(frozen=True, slots=True, eq=False)
class InterruptibleLoad:
    """A load that may be cut for a while, such as electric heating behind a relay.

    Parameters
    ----------
    p_kw : array, shape (ptu)
        Power where it is not cut, >= 0.
    longest_cut : int
        Greatest number of PTUs of one cut; none crosses midnight of the cyclic day, so not both the
        last and the first PTU are cut.
    cuts : int
        Greatest number of cuts in the day; there is a PTU between two at least.
    discomfort_eur_per_kwh : float
        What a kWh not served is worth to the household: counted in plans, shown as discomfort.
    """

    p_kw: FloatArray
    longest_cut: int
    cuts: int
    discomfort_eur_per_kwh: float
    name: str = "interruptible"

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw")


@dataclass(frozen=True, slots=True, eq=False)
class WindTurbine:
    """A small wind turbine and what it feeds in on this day; `p_kw` is never positive."""

    rated_kw: float
    p_kw: FloatArray
    name: str = "wind"

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw")


@dataclass(frozen=True, slots=True, eq=False)
class MicroChp:
    """A micro-CHP unit that runs as heat is needed; `p_kw` is never positive."""

    electric_kw: float
    heat_kw: float
    p_kw: FloatArray
    name: str = "micro_chp"

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw")


FlexibleDevice = Appliance | ElectricVehicle | Battery | Heater | InterruptibleLoad
"""Devices whose use can be planned."""
