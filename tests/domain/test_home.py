"""A home: what is fixed, what is offered, and what its loads draw beside active power."""

from __future__ import annotations

import numpy as np
import pytest

from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    HeatStore,
    InterruptibleLoad,
    MicroChp,
    PvPlant,
    WindTurbine,
)
from mas2sim.domain.home import Home

EV = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 7.0)
BATTERY = Battery(7.0, 3.0, 0.95, 0.95)
DISHWASHER = Appliance("dishwasher", (1.8, 0.2), 20, 18, 8)
HOT_WATER = Heater(
    "hot_water",
    3.0,
    np.ones(24),
    HeatStore(0.174, 0.0015, *(np.full(24, value) for value in (19.0, 0.2, 45.0, 60.0))),
    np.full(24, 55.0),
)
INTERRUPTIBLE = InterruptibleLoad(np.ones(24), longest_cut=1, cuts=2, discomfort_eur_per_kwh=0.2)


def test_bare_home_is_its_base_load() -> None:
    home = Home("h001", 3300.0, np.full(24, 0.4))

    assert home.fixed_kw.tolist() == [0.4] * 24
    assert home.pv_kw.tolist() == [0.0] * 24
    assert home.flexible_devices == ()
    assert not home.has_flexibility


def test_fixed_power_is_base_less_generation() -> None:
    home = Home(
        "h001",
        3300.0,
        np.full(24, 0.4),
        ev=EV,
        heaters=(HOT_WATER,),
        interruptible=INTERRUPTIBLE,
        pv=PvPlant(3.5, 35.0, 180.0, np.full(24, -2.0)),
        wind=WindTurbine(1.5, np.full(24, -0.5)),
        micro_chp=MicroChp(1.0, 6.0, np.full(24, -1.0)),
    )

    assert home.pv_kw == pytest.approx(np.full(24, -2.0))
    assert home.generation_kw == pytest.approx(np.full(24, -3.5))
    assert home.fixed_kw == pytest.approx(np.full(24, -3.1))


@pytest.mark.parametrize(
    "plant",
    [
        {"pv": PvPlant(3.5, 35.0, 180.0, np.full(24, -2.0))},
        {"wind": WindTurbine(1.5, np.full(24, -2.0))},
        {"micro_chp": MicroChp(1.0, 6.0, np.full(24, -2.0))},
    ],
    ids=["pv", "wind", "micro_chp"],
)
def test_each_plant_generates_alone(plant: dict) -> None:
    home = Home("h001", 3300.0, np.full(24, 0.4), **plant)

    assert home.generation_kw == pytest.approx(np.full(24, -2.0))
    assert home.fixed_kw == pytest.approx(np.full(24, -1.6))


def test_every_kind_of_device_can_be_planned() -> None:
    home = Home(
        "h001",
        3300.0,
        np.zeros(24),
        appliances=(DISHWASHER,),
        ev=EV,
        battery=BATTERY,
        heaters=(HOT_WATER,),
        interruptible=INTERRUPTIBLE,
    )

    assert set(home.flexible_devices) == {DISHWASHER, EV, BATTERY, HOT_WATER, INTERRUPTIBLE}
    assert home.offered_devices == ()


def test_home_has_no_caps_unless_it_is_given_some() -> None:
    home = Home("h001", 3300.0, np.zeros(24))

    assert home.import_cap_kw == home.export_cap_kw == float("inf")


def test_only_offered_devices_in_use_are_planned() -> None:
    home = Home(
        "h001",
        3300.0,
        np.zeros(24),
        appliances=(DISHWASHER,),
        ev=EV,
        battery=BATTERY,
        owns=frozenset({"dishwasher", "washing_machine", "ev", "battery"}),
        offered=frozenset({"dishwasher", "washing_machine", "battery"}),
    )

    assert home.flexible_devices == (DISHWASHER, EV, BATTERY)
    assert home.offered_devices == (DISHWASHER, BATTERY)


def test_flexibility_is_counted_by_assets_not_by_todays_cycles() -> None:
    home = Home("h001", 3300.0, np.zeros(24), offered=frozenset({"washing_machine"}))

    assert home.offered_devices == ()
    assert home.has_flexibility


@pytest.mark.parametrize(("power_factor", "kvar_per_kw"), [(1.0, 0.0), (0.8, 0.75), (0.97, 0.2506)])
def test_reactive_power_of_a_power_factor(power_factor: float, kvar_per_kw: float) -> None:
    # tan(arccos(0.8)) = 0.6 / 0.8; sqrt(1 - 0.97**2) / 0.97 = 0.2431 / 0.97.
    home = Home("h001", 3300.0, np.zeros(24), power_factor=power_factor)

    assert home.reactive_per_active == pytest.approx(kvar_per_kw, abs=5e-5)
