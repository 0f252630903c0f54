"""A home: what is fixed, what is offered, and what its loads draw beside active power."""

from __future__ import annotations

import numpy as np
import pytest

from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, HeatPump, PvPlant
from mas2sim.domain.home import Home

EV = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 7.0)
BATTERY = Battery(7.0, 3.0, 0.95, 0.95)
DISHWASHER = Appliance("dishwasher", (1.8, 0.2), 20, 18, 8)


def test_bare_home_is_its_base_load() -> None:
    home = Home("h001", 3300.0, np.full(24, 0.4))

    assert home.fixed_kw.tolist() == [0.4] * 24
    assert home.pv_kw.tolist() == [0.0] * 24
    assert home.flexible_devices == ()
    assert not home.has_flexibility


def test_fixed_power_is_base_and_heat_pump_less_pv() -> None:
    home = Home(
        "h001",
        3300.0,
        np.full(24, 0.4),
        ev=EV,
        pv=PvPlant(3.5, 35.0, 180.0, np.full(24, -2.0)),
        heat_pump=HeatPump(0.18, np.full(24, 1.0)),
    )

    assert home.load_kw == pytest.approx(np.full(24, 1.4))
    assert home.fixed_kw == pytest.approx(np.full(24, -0.6))


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
