"""A block of simulated homes stepped together, at all levels at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Measurements, Setpoints
from mas2sim.plant.appliances import IDLE, ApplianceFleet
from mas2sim.plant.batteries import BatteryFleet
from mas2sim.plant.heaters import HeaterFleet
from mas2sim.plant.interruptible_loads import InterruptibleFleet
from mas2sim.plant.vehicles import VehicleFleet

Device = TypeVar("Device", bound=FlexibleDevice)


class SimulatedBlock:
    """Homes whose devices are simulated; fulfils `mas2sim.domain.plant.Plant`.

    Levels are an axis of the arrays: the same homes live the same day once per level.

    Parameters
    ----------
    homes, references : sequence, in the same order
        The homes, and what they do when nobody manages them: batteries, buildings and tanks begin
        the day as there.
    levels : int
        Number of levels.
    """

    def __init__(
        self,
        homes: Sequence[Home],
        references: Sequence[ReferenceDay],
        horizon: Horizon,
        levels: int,
    ) -> None:
        owned = [
            (index, device) for index, home in enumerate(homes) for device in home.flexible_devices
        ]
        self.devices = tuple((index, device.name) for index, device in owned)
        self._horizon = horizon
        self._shape = (levels, len(owned))
        self._base_kw = np.array([home.base_kw for home in homes]).reshape(-1, horizon.ptus)
        self._fixed_kw = np.array([home.fixed_kw for home in homes]).reshape(-1, horizon.ptus)
        self._reactive_per_active = np.array([home.reactive_per_active for home in homes])
        self._in_home = np.zeros((len(owned), len(homes)))
        self._in_home[np.arange(len(owned)), [index for index, _ in owned]] = 1.0

        self._appliance_at, appliances = _of_kind(owned, Appliance)
        self._heater_at, heaters = _of_kind(owned, Heater)
        self._interruptible_at, interruptibles = _of_kind(owned, InterruptibleLoad)
        self._vehicle_at, vehicles = _of_kind(owned, ElectricVehicle)
        self._battery_at, batteries = _of_kind(owned, Battery)
        self._home_of_battery = np.array([owned[k][0] for k in self._battery_at], dtype=np.int64)
        self._appliances = ApplianceFleet.of(appliances)
        self._heaters = HeaterFleet.of(heaters, horizon)
        self._interruptibles = InterruptibleFleet.of(interruptibles, horizon)
        self._vehicles = VehicleFleet.of(vehicles, horizon)
        self._batteries = BatteryFleet.of(batteries, horizon)

        self._position = np.full((levels, len(appliances)), IDLE)
        self._running_cut = np.zeros((levels, len(interruptibles)), dtype=np.int64)
        self._cuts_left = self._running_cut
        # Vehicles are full whenever they are not underway or waiting to be charged; a run-in day
        # brings those that wait at midnight into their state.
        self._vehicle_kwh = np.tile(self._vehicles.capacity_kwh, (levels, 1))
        battery_kwh = [references[home].battery_start_kwh for home in self._home_of_battery]
        self._battery_kwh = np.tile(np.array(battery_kwh, dtype=np.float64), (levels, 1))
        heat_kwh = [
            references[owned[k][0]].heat_start_kwh[heater.name]
            for k, heater in zip(self._heater_at, heaters, strict=True)
        ]
        self._heat_kwh = np.tile(np.array(heat_kwh, dtype=np.float64), (levels, 1))

    def run_in(self, day_before: FloatArray) -> FloatArray:
        """Live the day before, so that cycles and charging that cross midnight are underway.

        Batteries, buildings and tanks begin both days with the energy of the reference, which a
        sound plan ends with; a plan that does not shows at the end of the day.

        Parameters
        ----------
        day_before : array, shape (level, device, ptu)

        Returns
        -------
        array, shape (level, device)
            Energy stored at midnight; NaN for what stores none and for vehicles while away. [kWh]
        """
        battery_kwh, heat_kwh = self._battery_kwh, self._heat_kwh
        for ptu in range(self._horizon.ptus):
            self.step(ptu, Setpoints(day_before[:, :, ptu]))
        self._battery_kwh, self._heat_kwh = battery_kwh, heat_kwh
        stored = self._stored_kwh(self._horizon.ptus - 1)
        stored.setflags(write=False)
        return stored

    def step(self, ptu: int, setpoints: Setpoints) -> Measurements:
        """Follow `setpoints` through PTU `ptu` and say what was measured."""
        power_kw = np.zeros(self._shape)
        self._step_loads(ptu, setpoints.values, power_kw)
        load_kw = self._base_kw[:, ptu] + power_kw @ self._in_home
        self._step_storages(ptu, setpoints.values, power_kw)
        return Measurements(
            p_kw=self._fixed_kw[:, ptu] + power_kw @ self._in_home,
            q_kvar=load_kw * self._reactive_per_active,
            device_kw=power_kw,
            stored_kwh=self._stored_kwh(ptu),
        )

    def _step_loads(self, ptu: int, values: FloatArray, power_kw: FloatArray) -> None:
        """Appliances, heaters and interruptible loads: what runs at the home's power factor."""
        self._position, power_kw[:, self._appliance_at] = self._appliances.step(
            self._position, ptu, values[:, self._appliance_at]
        )
        self._heat_kwh, power_kw[:, self._heater_at] = self._heaters.step(
            self._heat_kwh, ptu, values[:, self._heater_at]
        )
        self._running_cut, self._cuts_left, power_kw[:, self._interruptible_at] = (
            self._interruptibles.step(
                self._running_cut, self._cuts_left, ptu, values[:, self._interruptible_at]
            )
        )

    def _step_storages(self, ptu: int, values: FloatArray, power_kw: FloatArray) -> None:
        """Vehicles, then batteries, whose own rule answers to everything else in the home."""
        self._vehicle_kwh, power_kw[:, self._vehicle_at] = self._vehicles.step(
            self._vehicle_kwh, ptu, values[:, self._vehicle_at]
        )
        net_kw = self._fixed_kw[:, ptu] + power_kw @ self._in_home
        self._battery_kwh, power_kw[:, self._battery_at] = self._batteries.step(
            self._battery_kwh, values[:, self._battery_at], net_kw[:, self._home_of_battery]
        )

    def _stored_kwh(self, ptu: int) -> FloatArray:
        """Energy stored at the end of PTU `ptu`, shape (level, device)."""
        stored = np.full(self._shape, np.nan)
        at_home = self._vehicles.connected[:, ptu]
        stored[:, self._vehicle_at] = np.where(at_home, self._vehicle_kwh, np.nan)
        stored[:, self._battery_at] = self._battery_kwh
        stored[:, self._heater_at] = self._heat_kwh
        return stored


def _of_kind(
    owned: Sequence[tuple[int, FlexibleDevice]], kind: type[Device]
) -> tuple[IntArray, list[Device]]:
    """Places among all devices of the block, and devices, of one kind."""
    found = [(k, device) for k, (_, device) in enumerate(owned) if isinstance(device, kind)]
    return np.array([k for k, _ in found], dtype=np.int64), [device for _, device in found]
