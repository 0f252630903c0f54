"""A home with a washing machine under three prices, and its Energy Box."""

from __future__ import annotations

import numpy as np

from mas2sim.cems.services import (
    Direction,
    EnergyBox,
)
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, PvPlant
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.plant import reference_days

H = Horizon()
REDUCE, INCREASE = Direction.REDUCE, Direction.INCREASE


def at(clock: str) -> int:
    hour, minute = clock.split(":")
    return H.ptu_at(int(hour) + int(minute) / 60)


def steps(*bands: tuple[str, float]) -> FloatArray:
    """Prices that hold from each clock time on; the first from midnight."""
    prices = np.full(H.ptus, bands[0][1])
    for clock, price in bands[1:]:
        prices[at(clock) :] = price
    return prices


def flat(price: float) -> FloatArray:
    return np.full(H.ptus, price)


MORNING = Tariff(
    "three bands",
    steps(("00:00", 0.40), ("10:00", 0.10), ("11:00", 0.20), ("12:00", 0.30)),
    flat(0.05),
)
MACHINE = Appliance("washing_machine", (1.0, 1.0), at("11:30"), at("10:00"), at("14:00"))


def make(
    *appliances: Appliance,
    ev: ElectricVehicle | None = None,
    battery: Battery | None = None,
    pv_kw: FloatArray | None = None,
    base_kw: float = 0.2,
    offer: bool = True,
) -> tuple[Home, ReferenceDay]:
    names = [appliance.name for appliance in appliances]
    names += [device.name for device in (ev, battery) if device is not None]
    home = Home(
        name="h001",
        annual_kwh=3300.0,
        base_kw=flat(base_kw),
        appliances=appliances,
        ev=ev,
        battery=battery,
        pv=None if pv_kw is None else PvPlant(4.0, 35.0, 180.0, pv_kw),
        owns=frozenset(names),
        offered=frozenset(names if offer else ()),
    )
    return home, reference_days([home], H)[0]


def machine_box(**changes: object) -> EnergyBox:
    return EnergyBox(*make(MACHINE), MORNING, H, ties=TieRule.EARLIEST, **changes)  # type: ignore[arg-type]


def start_of(plan_setpoint: FloatArray) -> str:
    return H.clock(int(np.argmax(plan_setpoint)))
