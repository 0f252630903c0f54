"""Homes with devices of every kind, and one device stepped by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    HeatStore,
    InterruptibleLoad,
    PvPlant,
)
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.block_arrays import BlockArrays
from mas2sim.plant.device_physics import step_device

DAY = Horizon()
OWN_RULE = float("nan")


def home_of(*devices: FlexibleDevice, name: str = "home", base_kw: float = 0.0) -> Home:
    """Return a home with these devices, at most one of a kind but appliances and heaters."""

    def the(kind: type[FlexibleDevice]) -> FlexibleDevice | None:
        return next((device for device in devices if isinstance(device, kind)), None)

    return Home(
        name,
        3000.0,
        np.full(DAY.ptus, base_kw),
        appliances=tuple(device for device in devices if isinstance(device, Appliance)),
        heaters=tuple(device for device in devices if isinstance(device, Heater)),
        ev=the(ElectricVehicle),
        battery=the(Battery),
        interruptible=the(InterruptibleLoad),
    )


class Alone:
    """One device, stepped as its block steps it."""

    def __init__(self, device: FlexibleDevice, stored_kwh: float = 0.0) -> None:
        self.block = BlockArrays.of([home_of(device)], DAY)
        self.state = self.block.at_midnight(np.zeros(1), levels=1)[0]
        self.state["stored_kwh"] = stored_kwh

    @property
    def stored_kwh(self) -> float:
        return float(self.state["stored_kwh"][0])

    def step(self, ptu: int, setpoint: float = OWN_RULE, home_net_kw: float = 0.0) -> float:
        """Return the power."""
        power_kw, _ = step_device(
            self.block.devices[0], self.block.profiles, self.state[0], ptu, setpoint, home_net_kw
        )
        return float(power_kw)


def battery(**changes: float) -> Battery:
    sizes = {
        "capacity_kwh": 7.0,
        "power_kw": 3.0,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
    }
    return Battery(**{**sizes, **changes})


def heater(**changes: object) -> Heater:
    """Return a building of 180 W/K and 40 h at 5 C outdoors."""
    day = np.ones(DAY.ptus)
    store = HeatStore(7.2, 0.18, 5.0 * day, 0.0 * day, 17.0 * day, 22.0 * day)
    return replace(Heater("heat_pump", 3.0, 2.5 * day, store, 20.0 * day), **changes)


def some_home(rng: np.random.Generator, name: str = "some") -> Home:
    """Return a home that has each kind of device or not, of any size."""
    sun = np.maximum(0.0, np.sin((DAY.start_hours - 6) / 12 * np.pi))
    arrival, departure, *asked = (int(ptu) for ptu in rng.integers(DAY.ptus, size=5))
    delivers = float(rng.integers(2)) * rng.uniform(1, 5)
    devices: list[FlexibleDevice] = [
        *(
            Appliance(f"cycle_{k}", tuple(rng.uniform(0.1, 2.0, rng.integers(1, 9))), start, 0, 0)
            for k, start in enumerate(asked)
        ),
        heater(power_kw=rng.uniform(0.5, 4.0)),
        InterruptibleLoad(
            rng.uniform(0, 2, DAY.ptus), int(rng.integers(4)), int(rng.integers(4)), 0.3
        ),
        ElectricVehicle(
            rng.uniform(2, 11), 40.0, 0.9, arrival, departure, rng.uniform(1, 20),
            discharge_kw=delivers, discharge_efficiency=0.85, reserve_kwh=rng.uniform(0, 35),
        ),
        battery(reserve_kwh=rng.uniform(0, 1), standing_loss_per_hour=rng.choice([0.0, 0.01])),
    ]  # fmt: skip
    home = home_of(*(device for device in devices if rng.random() < 0.6), name=name)
    return replace(
        home,
        base_kw=rng.uniform(0.0, 1.5, DAY.ptus),
        pv=PvPlant(3.5, 35.0, 180.0, -rng.uniform(0, 5) * sun),
        power_factor=rng.uniform(0.9, 1.0),
    )


def any_setpoints(rng: np.random.Generator, levels: int, devices: int) -> np.ndarray:
    """Return setpoints that no sound plan would ask for, every other one left out."""
    shape = (levels, devices, DAY.ptus)
    return np.where(rng.random(shape) < 0.5, rng.uniform(-4, 4, shape), OWN_RULE)
