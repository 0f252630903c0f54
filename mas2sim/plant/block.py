"""A block of simulated homes stepped together, at all levels at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Measurements, Setpoints
from mas2sim.plant.appliances import IDLE, ApplianceFleet
from mas2sim.plant.batteries import BatteryFleet
from mas2sim.plant.vehicles import VehicleFleet


class SimulatedBlock:
    """Homes whose devices are simulated; fulfils `mas2sim.domain.plant.Plant`.

    Levels are an axis of the arrays: the same homes live the same day once per level.

    Parameters
    ----------
    homes, references : sequence, in the same order
        The homes, and what they do when nobody manages them: batteries begin the day as there.
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
        self._load_kw = np.array([home.load_kw for home in homes]).reshape(-1, horizon.ptus)
        self._pv_kw = np.array([home.pv_kw for home in homes]).reshape(-1, horizon.ptus)
        self._reactive_per_active = np.array([home.reactive_per_active for home in homes])

        self._in_home = np.zeros((len(owned), len(homes)))
        self._in_home[np.arange(len(owned)), [index for index, _ in owned]] = 1.0
        self._appliance_at = _places(owned, Appliance)
        self._vehicle_at = _places(owned, ElectricVehicle)
        self._battery_at = _places(owned, Battery)
        self._home_of_battery = np.array([owned[k][0] for k in self._battery_at], dtype=np.int64)
        self._appliances = ApplianceFleet.of([d for _, d in owned if isinstance(d, Appliance)])
        self._vehicles = VehicleFleet.of(
            [d for _, d in owned if isinstance(d, ElectricVehicle)], horizon
        )
        self._batteries = BatteryFleet.of([d for _, d in owned if isinstance(d, Battery)], horizon)

        # Vehicles are full whenever they are not underway or waiting to be charged; a run-in day
        # brings those that wait at midnight into their state.
        self._position = np.full((levels, len(self._appliance_at)), IDLE)
        self._vehicle_kwh = np.tile(self._vehicles.capacity_kwh, (levels, 1))
        start_kwh = np.array([references[home].battery_start_kwh for home in self._home_of_battery])
        self._battery_kwh = np.tile(start_kwh, (levels, 1))

    def run_in(self, day_before: FloatArray) -> FloatArray:
        """Live the day before, so that cycles and charging that cross midnight are underway.

        Batteries begin both days with the energy of the reference, which a sound plan ends with; a
        plan that does not shows at the end of the day.

        Parameters
        ----------
        day_before : array, shape (level, device, ptu)

        Returns
        -------
        array, shape (level, device)
            Energy stored at midnight; NaN for appliances and for vehicles while away. [kWh]
        """
        battery_kwh = self._battery_kwh
        for ptu in range(self._horizon.ptus):
            self.step(ptu, Setpoints(day_before[:, :, ptu]))
        self._battery_kwh = battery_kwh
        stored = self._stored_kwh(self._horizon.ptus - 1)
        stored.setflags(write=False)
        return stored

    def step(self, ptu: int, setpoints: Setpoints) -> Measurements:
        """Follow `setpoints` through PTU `ptu` and say what was measured."""
        values = setpoints.values
        power_kw = np.zeros(self._shape)
        self._position, power_kw[:, self._appliance_at] = self._appliances.step(
            self._position, ptu, values[:, self._appliance_at]
        )
        appliance_kw = power_kw @ self._in_home
        self._vehicle_kwh, power_kw[:, self._vehicle_at] = self._vehicles.step(
            self._vehicle_kwh, ptu, values[:, self._vehicle_at]
        )
        load_kw = self._load_kw[:, ptu]
        net_kw = load_kw + self._pv_kw[:, ptu] + power_kw @ self._in_home
        self._battery_kwh, power_kw[:, self._battery_at] = self._batteries.step(
            self._battery_kwh, values[:, self._battery_at], net_kw[:, self._home_of_battery]
        )
        battery_kw = power_kw[:, self._battery_at] @ self._in_home[self._battery_at]
        return Measurements(
            p_kw=net_kw + battery_kw,
            q_kvar=(load_kw + appliance_kw) * self._reactive_per_active,
            device_kw=power_kw,
            stored_kwh=self._stored_kwh(ptu),
        )

    def _stored_kwh(self, ptu: int) -> FloatArray:
        """Energy stored at the end of PTU `ptu`, shape (level, device)."""
        stored = np.full(self._shape, np.nan)
        at_home = self._vehicles.connected[:, ptu]
        stored[:, self._vehicle_at] = np.where(at_home, self._vehicle_kwh, np.nan)
        stored[:, self._battery_at] = self._battery_kwh
        return stored


def _places(owned: Sequence[tuple[int, object]], kind: type) -> IntArray:
    """Places of the devices of one kind among all of the block."""
    return np.array(
        [k for k, (_, device) in enumerate(owned) if isinstance(device, kind)], dtype=np.int64
    )
