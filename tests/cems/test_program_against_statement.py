"""The planner of the CEMS against the Pyomo statement: same question, same least cost.

The two share no code. What the plan promises is replayed here from its setpoints alone, with the
transitions that the plant uses too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from mas2sim.cems import plan_home
from mas2sim.cems.statement import HomeSolution, solve_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, FlexibleDevice
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

from .home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    random_home,
    reference_of,
    time_of_use,
)

EUR = 1e-6
"""What the planner promises against the proven optimum."""
KW = 1e-5
"""Solver tolerance of up to 1e-6 kW a variable, summed over the devices of a home."""
KWH = 1e-5
"""The same over the PTUs of a day, each at most an hour long, errors of either sign."""

QUARTERS = Horizon()
HOMES = 50
NASTY_EVERY = 7
"""Homes that also meet the nasty tariffs: one in so many, for time."""
NORMAL = [(seed, name) for seed in range(HOMES) for name in ("time_of_use", "dynamic")]
NASTY = [
    (seed, name)
    for seed in range(0, HOMES, NASTY_EVERY)
    for name in ("export_above_import", "negative_prices")
]


def tariff_of(name: str, seed: int, horizon: Horizon) -> Tariff:
    rng = np.random.default_rng([seed, 1])
    return {
        "time_of_use": lambda: time_of_use(horizon),
        "dynamic": lambda: dynamic(horizon, rng),
        "export_above_import": lambda: export_above_import(horizon, rng),
        "negative_prices": lambda: negative_prices(horizon, rng),
    }[name]()


@cache
def sample(seed: int, horizon: Horizon = QUARTERS) -> tuple[Home, ReferenceDay]:
    return random_home(np.random.default_rng(seed), horizon)


@cache
def stated(seed: int, tariff_name: str, horizon: Horizon = QUARTERS) -> HomeSolution:
    return solve_home(*sample(seed, horizon), tariff_of(tariff_name, seed, horizon), horizon)


@cache
def planned(seed: int, tariff_name: str, horizon: Horizon = QUARTERS) -> HomePlan:
    tariff = tariff_of(tariff_name, seed, horizon)
    return plan_home(*sample(seed, horizon), tariff, horizon, rng=stream(seed, "ties"))


def test_samples_meet_every_kind_of_home() -> None:
    homes = [sample(seed)[0] for seed in range(HOMES)]

    assert {len(home.appliances) for home in homes} == {0, 1, 2, 3}
    assert {len(home.offered_devices) for home in homes} >= {0, 1, 2, 3}
    for kind in ("ev", "battery", "pv", "heat_pump"):
        assert {getattr(home, kind) is None for home in homes} == {True, False}
    storages = [device for home in homes for device in (home.ev, home.battery) if device]
    assert {device.name in home.offered for home in homes for device in home.flexible_devices} == {
        True,
        False,
    }
    vehicles = [device for device in storages if isinstance(device, ElectricVehicle)]
    assert {ev.arrival < ev.departure for ev in vehicles} == {True, False}
    batteries = [device for device in storages if isinstance(device, Battery)]
    assert {battery.standing_loss_per_hour > 0 for battery in batteries} == {True, False}
    windows = [appliance for home in homes for appliance in home.appliances]
    assert any(appliance.window_start == appliance.window_end for appliance in windows)
    assert any(appliance.window_start > appliance.window_end for appliance in windows)


@pytest.mark.parametrize("seed", range(HOMES))
def test_reference_of_a_sample_is_a_day_it_can_live(seed: int) -> None:
    home, reference = sample(seed)
    for device in home.flexible_devices:
        check_service(device, reference.device_kw[device.name], reference, QUARTERS)
    total = home.fixed_kw + sum(reference.device_kw.values())
    assert reference.net_kw == pytest.approx(total, abs=KW)


@pytest.mark.parametrize(("seed", "tariff_name"), NORMAL + NASTY)
def test_same_least_cost(seed: int, tariff_name: str) -> None:
    plan, oracle = planned(seed, tariff_name), stated(seed, tariff_name)

    assert oracle.status is PlanStatus.OPTIMAL
    assert plan.status in expected_status(sample(seed)[0])
    assert plan.cost_eur == pytest.approx(oracle.objective_eur, abs=EUR, rel=0)


@pytest.mark.parametrize(("seed", "tariff_name"), NORMAL + NASTY)
def test_plan_is_a_day_that_the_home_can_live(seed: int, tariff_name: str) -> None:
    home, reference = sample(seed)
    check_plan(planned(seed, tariff_name), home, reference, QUARTERS)


@pytest.mark.parametrize(("seed", "tariff_name"), NORMAL + NASTY)
def test_cost_of_the_plan_is_what_its_net_power_costs(seed: int, tariff_name: str) -> None:
    plan = planned(seed, tariff_name)
    tariff = tariff_of(tariff_name, seed, QUARTERS)

    assert plan.cost_eur == pytest.approx(
        float(tariff.energy_cost_eur(plan.net_kw, QUARTERS)), abs=EUR, rel=0
    )
    assert plan.bound_eur <= plan.cost_eur + EUR
    # A bound above the proven optimum would be no bound.
    assert plan.bound_eur <= stated(seed, tariff_name).objective_eur + EUR


@pytest.mark.parametrize(("seed", "tariff_name"), NORMAL + NASTY)
def test_plan_costs_no_more_than_the_unmanaged_day(seed: int, tariff_name: str) -> None:
    _, reference = sample(seed)
    unmanaged = float(
        tariff_of(tariff_name, seed, QUARTERS).energy_cost_eur(reference.net_kw, QUARTERS)
    )

    assert planned(seed, tariff_name).cost_eur <= unmanaged + EUR


@pytest.mark.parametrize("tariff_name", ["time_of_use", "negative_prices"])
@pytest.mark.parametrize("seed", range(0, HOMES, NASTY_EVERY))
@pytest.mark.parametrize("ties", list(TieRule))
def test_ties_change_the_plan_but_not_its_cost(seed: int, tariff_name: str, ties: TieRule) -> None:
    home, reference = sample(seed)
    tariff = tariff_of(tariff_name, seed, QUARTERS)

    plan = plan_home(home, reference, tariff, QUARTERS, ties=ties, rng=stream(seed, "other"))

    assert plan.cost_eur == pytest.approx(stated(seed, tariff_name).objective_eur, abs=EUR, rel=0)
    check_plan(plan, home, reference, QUARTERS)


@pytest.mark.parametrize("seed", range(0, HOMES, 10))
def test_same_stream_gives_the_same_plan(seed: int) -> None:
    home, reference = sample(seed)
    again = plan_home(home, reference, time_of_use(QUARTERS), QUARTERS, rng=stream(seed, "ties"))

    assert again.net_kw.tobytes() == planned(seed, "time_of_use").net_kw.tobytes()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("horizon", [Horizon(30), Horizon(60)], ids=["half_hours", "hours"])
def test_same_least_cost_in_longer_ptus(seed: int, horizon: Horizon) -> None:
    plan, oracle = planned(seed, "dynamic", horizon), stated(seed, "dynamic", horizon)

    assert plan.cost_eur == pytest.approx(oracle.objective_eur, abs=EUR, rel=0)
    check_plan(plan, *sample(seed, horizon), horizon)


@pytest.mark.parametrize(
    "device",
    [
        # Six quarters of an hour in a window of four.
        Appliance("washing_machine", (0.7, 0.7, 0.8, 0.8, 0.7, 0.7), 44, 44, 48),
        # 20 kWh within two hours at 3.6 kW.
        ElectricVehicle(3.6, 24.0, 1.0, 80, 88, 20.0),
    ],
    ids=["window_too_short", "stay_too_short"],
)
def test_both_say_when_a_wish_cannot_be_met(device: Appliance | ElectricVehicle) -> None:
    devices = {"appliances": (device,)} if isinstance(device, Appliance) else {"ev": device}
    home = Home("h", 3300.0, np.full(96, 0.3), offered=frozenset({device.name}), **devices)
    reference = reference_of(home, QUARTERS)
    tariff = time_of_use(QUARTERS)

    plan = plan_home(home, reference, tariff, QUARTERS, rng=stream(1, "ties"))

    assert solve_home(home, reference, tariff, QUARTERS).status is PlanStatus.INFEASIBLE
    assert plan.status is PlanStatus.INFEASIBLE
    assert plan.reason


def expected_status(home: Home) -> set[PlanStatus]:
    """A home that offers nothing in use needs no solve: its reference is its optimum."""
    if home.offered_devices:
        return {PlanStatus.OPTIMAL}
    return {PlanStatus.OPTIMAL, PlanStatus.REFERENCE}


def check_plan(plan: HomePlan, home: Home, reference: ReferenceDay, horizon: Horizon) -> None:
    """Replay the setpoints: services delivered, limits kept, net power as promised."""
    assert set(plan.setpoints) == {device.name for device in home.offered_devices}
    net_kw = np.array(home.fixed_kw)
    for device in home.flexible_devices:
        if device.name in home.offered:
            power = power_kw(device, plan.setpoints[device.name], horizon)
            check_service(device, power, reference, horizon)
        else:
            power = reference.device_kw[device.name]
        net_kw += power
    assert plan.net_kw == pytest.approx(net_kw, abs=KW, rel=0)


def power_kw(device: FlexibleDevice, setpoint: FloatArray, horizon: Horizon) -> FloatArray:
    """Power that a setpoint makes a device draw, shape (ptu). [kW]"""
    if not isinstance(device, Appliance):
        return setpoint
    (begins,) = np.flatnonzero(setpoint)
    assert setpoint[begins] == 1.0
    return device.profile_kw(int(begins), horizon)


def check_service(
    device: FlexibleDevice, power: FloatArray, reference: ReferenceDay, horizon: Horizon
) -> None:
    """A device does on the day what it is there for, within its limits."""
    match device:
        case Appliance():
            allowed = [device.profile_kw(int(s), horizon) for s in device.starts(horizon)]
            assert any(np.allclose(power, profile, rtol=0, atol=KW) for profile in allowed)
        case ElectricVehicle():
            assert power.sum() * horizon.ptu_hours == pytest.approx(device.drawn_kwh, abs=KWH)
            assert (power >= -KW).all()
            assert (power <= device.charger_kw + KW).all()
            assert np.abs(power[~device.connected(horizon)]).max(initial=0.0) <= KW
        case Battery():
            check_battery(device, power, reference.battery_start_kwh, horizon)


def check_battery(battery: Battery, power: FloatArray, start_kwh: float, horizon: Horizon) -> None:
    """Replay the stored energy: one direction a PTU, within limits, back where it began."""
    step = battery.transition(horizon)
    assert np.abs(power).max() <= battery.power_kw + KW
    stored = start_kwh
    for drawn in power.tolist():
        stored = (
            step.keep * stored
            + step.charge_kwh_per_kw * max(drawn, 0.0)
            + step.discharge_kwh_per_kw * min(drawn, 0.0)
        )
        assert battery.reserve_kwh - KWH <= stored <= battery.capacity_kwh + KWH
    assert stored == pytest.approx(start_kwh, abs=KWH)
