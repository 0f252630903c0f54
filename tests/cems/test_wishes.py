"""Wishes that cannot be met: the best plan that breaks least, with the reason in words."""

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cems import plan_home
from mas2sim.cems.wishes import nearest_feasible
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, Heater, HeatStore
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.plant import reference_days

HOURS = Horizon(60)
NIGHT = (HOURS.start_hours < 6) | (HOURS.start_hours >= 22)
TARIFF = Tariff("two", np.where(NIGHT, 0.1, 0.3), np.full(24, 0.05))
POWER_KW = 1e-6
"""Tolerance of the solver's rows."""


def home(**devices: object) -> Home:
    names = [getattr(device, "name", None) for device in devices.values()]
    names += [
        part.name for device in devices.values() if isinstance(device, tuple) for part in device
    ]
    base_kw = devices.pop("base_kw", np.full(24, 0.5))
    everything = frozenset(name for name in names if name)
    return Home("h", 3000.0, base_kw, owns=everything, offered=everything, **devices)


def plan(of: Home, tariff: Tariff = TARIFF) -> tuple[HomePlan, ReferenceDay]:
    (reference,) = reference_days([of], HOURS)
    made = plan_home(
        of, reference, tariff, HOURS, ties=TieRule.RANDOM, rng=np.random.default_rng(1)
    )
    return made, reference


def test_what_can_be_met_is_left_alone() -> None:
    of = home(ev=ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 7.0))
    wishes = nearest_feasible(of, reference_days([of], HOURS)[0], HOURS)
    assert wishes.home is of
    assert wishes.reasons == ()


def test_a_vehicle_that_cannot_be_full_charges_all_it_can() -> None:
    """Two hours of 3 kW at 0.9 are 5.4 of the 10 kWh driven."""
    made, _ = plan(home(ev=ElectricVehicle(3.0, 24.0, 0.9, 20, 22, 10.0)))
    assert made.status is PlanStatus.INFEASIBLE
    assert made.reason == "ev: 4.60 of 10.00 kWh cannot be charged by 22:00"
    assert made.setpoints["ev"][[20, 21]] == pytest.approx([3.0, 3.0])


def test_an_appliance_with_too_short_a_window_ends_late_and_no_later() -> None:
    made, _ = plan(home(appliances=(Appliance("washer", (1.0, 1.0, 1.0), 14, 14, 15),)))
    assert made.status is PlanStatus.INFEASIBLE
    assert "washer: its window 14:00-15:00 is 2 h shorter" in made.reason
    assert made.setpoints["washer"][14] == 1


def weak_heater(power_kw: float) -> Heater:
    day = np.ones(24)
    store = HeatStore(5.0, 0.2, 0.0 * day, 0.0 * day, 19.0 * day, 22.0 * day)
    return Heater("heat_pump", power_kw, 2.0 * day, store, 20.0 * day)


def test_a_heater_that_is_too_weak_runs_all_day() -> None:
    """1 kW x 2 of heat holds 2 / 0.2 = 10 K above the outdoors, 9 K below the band."""
    made, _ = plan(home(heaters=(weak_heater(1.0),)))
    assert made.status is PlanStatus.INFEASIBLE
    assert "heat_pump: up to 9.0 K below the comfort band" in made.reason
    assert made.setpoints["heat_pump"] == pytest.approx(np.ones(24), abs=POWER_KW)


def test_a_cap_below_the_base_load_is_broken_by_the_least_energy() -> None:
    """2 kW at 18:00 against a cap of 1.2 kW: 0.8 kWh too many, and not a watt-hour more."""
    base_kw = np.where(HOURS.start_hours == 18, 2.0, 0.5)
    car = ElectricVehicle(3.0, 24.0, 1.0, 17, 7, 4.0)
    of = replace(home(ev=car, base_kw=base_kw), import_cap_kw=1.2)
    made, _ = plan(of)
    assert made.status is PlanStatus.INFEASIBLE
    assert "exceeded by up to 0.80 kW at 18:00, 0.80 kWh in all" in made.reason
    beyond = np.maximum(made.net_kw - 1.2, 0.0)
    assert beyond.sum() == pytest.approx(0.8, abs=1e-5)
    assert made.setpoints["ev"].sum() == pytest.approx(4.0)


def test_a_cap_that_can_be_kept_is_kept_though_it_costs() -> None:
    car = ElectricVehicle(3.0, 24.0, 1.0, 17, 7, 6.0)
    free, _ = plan(home(ev=car))
    capped, reference = plan(replace(home(ev=car), import_cap_kw=1.0))
    assert capped.status is PlanStatus.OPTIMAL
    assert capped.net_kw.max() <= 1.0 + POWER_KW
    assert free.cost_eur < capped.cost_eur
    assert reference.net_kw.max() > 1.0


def test_a_price_on_the_peak_lowers_it() -> None:
    """Six kWh over eight cheap hours at equal power: 0.5 + 6 / 8 kW."""
    car = ElectricVehicle(3.0, 24.0, 1.0, 22, 6, 6.0)
    tariff = Tariff("peak", TARIFF.import_eur_per_kwh, TARIFF.export_eur_per_kwh, 0.0, 0.2)
    made, _ = plan(home(ev=car), tariff)
    assert made.net_kw.max() == pytest.approx(1.25)
    energy_eur = 0.5 * (8 * 0.1 + 16 * 0.3) + 6 * 0.1
    assert made.cost_eur == pytest.approx(energy_eur + 0.2 * 1.25)


def test_a_home_without_anything_to_plan_says_when_its_cap_is_broken() -> None:
    made, _ = plan(replace(home(), import_cap_kw=0.3))
    assert made.status is PlanStatus.INFEASIBLE
    assert "0.20 kW" in made.reason


def test_more_battery_never_costs_more() -> None:
    costs = [
        plan(home(battery=Battery(capacity, 3.0, 0.95, 0.95)))[0].cost_eur
        for capacity in (1.0, 2.0, 5.0, 10.0)
    ]
    assert costs == sorted(costs, reverse=True)
