"""The planner of the CEMS against the Pyomo statement: same question, same least cost.

The two share no code. What the plan promises is replayed here from its setpoints alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from mas2sim.cems import plan_home
from mas2sim.cems.statement import HomeSolution, solve_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
    PvPlant,
)
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

from .day_replay import KW, check_caps, check_cuts, check_service
from .home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    peak_price,
    random_home,
    reference_of,
    time_of_use,
)

EUR = 1e-6
"""What the planner promises against the proven optimum."""

QUARTERS = Horizon()
HALVES = Horizon(30)
HOURS = Horizon(60)
HOMES = 40
KIND = [
    (seed, *(("time_of_use", QUARTERS), ("dynamic", HALVES))[seed % 2]) for seed in range(HOMES)
]
"""Every home, under the prices that tariffs have today."""
NASTY = [
    (seed, name, HOURS)
    for seed in range(0, HOMES, 3)
    for name in ("export_above_import", "negative_prices", "peak_price")
]
"""One home in three, in hours for time: these tariffs leave the statement more to search."""
CASES = KIND + NASTY
every_case = pytest.mark.parametrize(
    ("seed", "tariff_name", "horizon"),
    CASES,
    ids=[f"{seed}-{name}-{horizon.ptu_minutes}" for seed, name, horizon in CASES],
)


def tariff_of(name: str, seed: int, horizon: Horizon) -> Tariff:
    rng = np.random.default_rng([seed, 1])
    return {
        "time_of_use": lambda: time_of_use(horizon),
        "dynamic": lambda: dynamic(horizon, rng),
        "export_above_import": lambda: export_above_import(horizon, rng),
        "negative_prices": lambda: negative_prices(horizon, rng),
        "peak_price": lambda: peak_price(horizon, rng),
    }[name]()


@cache
def sample(seed: int, horizon: Horizon) -> tuple[Home, ReferenceDay]:
    return random_home(np.random.default_rng(seed), horizon)


@cache
def stated(seed: int, tariff_name: str, horizon: Horizon) -> HomeSolution:
    return solve_home(*sample(seed, horizon), tariff_of(tariff_name, seed, horizon), horizon)


@cache
def planned(seed: int, tariff_name: str, horizon: Horizon) -> HomePlan:
    tariff = tariff_of(tariff_name, seed, horizon)
    return plan_home(*sample(seed, horizon), tariff, horizon, rng=stream(seed, "ties"))


def objective_eur(plan: HomePlan) -> float:
    """What a plan makes least."""
    return plan.cost_eur + plan.discomfort_eur


def test_samples_meet_every_kind_of_home() -> None:
    homes = [sample(seed, QUARTERS)[0] for seed in range(HOMES)]

    assert {len(home.appliances) for home in homes} == {0, 1, 2, 3}
    assert {len(home.heaters) for home in homes} == {0, 1, 2}
    assert {len(home.offered_devices) for home in homes} >= {0, 1, 2, 3, 4, 5}
    for kind in ("ev", "battery", "interruptible", "pv", "wind", "micro_chp"):
        assert {getattr(home, kind) is None for home in homes} == {True, False}
    for cap in ("import_cap_kw", "export_cap_kw"):
        assert {np.isinf(getattr(home, cap)) for home in homes} == {True, False}
    for kind in (Appliance, Battery, ElectricVehicle, Heater, InterruptibleLoad):
        assert {device.name in home.offered for home in homes for device in of(home, kind)} == {
            True,
            False,
        }


def test_samples_meet_every_kind_of_device() -> None:
    homes = [sample(seed, QUARTERS)[0] for seed in range(HOMES)]
    vehicles = [ev for home in homes for ev in of(home, ElectricVehicle)]
    batteries = [battery for home in homes for battery in of(home, Battery)]
    heaters = {heater.name for home in homes for heater in of(home, Heater)}
    windows = [appliance for home in homes for appliance in home.appliances]

    assert {ev.arrival < ev.departure for ev in vehicles} == {True, False}
    assert {(ev.least_charge_kw > 0, ev.discharge_kw > 0) for ev in vehicles} == {
        (True, True),
        (True, False),
        (False, True),
        (False, False),
    }
    to_home = [ev for ev in vehicles if ev.discharge_kw > 0]
    assert {ev.reserve_kwh > ev.arrival_kwh for ev in to_home} == {True, False}
    assert {battery.standing_loss_per_hour > 0 for battery in batteries} == {True, False}
    assert heaters == {"heat_pump", "direct_heater", "hot_water"}
    assert any(appliance.window_start == appliance.window_end for appliance in windows)
    assert any(appliance.window_start > appliance.window_end for appliance in windows)


@pytest.mark.slow
def test_caps_and_cuts_of_the_samples_matter() -> None:
    # Least cost presses against some caps, and some cuts are worth their discomfort.
    solved = [
        (sample(seed, horizon)[0], stated(seed, name, horizon)) for seed, name, horizon in KIND
    ]
    offering = [(home, found) for home, found in solved if home.offered_devices]

    assert any(found.discomfort_eur > 0 for _, found in offering)
    assert any(found.net_kw.max() > home.import_cap_kw - KW for home, found in offering)
    assert any(found.net_kw.min() < -home.export_cap_kw + KW for home, found in offering)


@pytest.mark.parametrize("seed", range(HOMES))
def test_reference_of_a_sample_is_a_day_it_can_live(seed: int) -> None:
    home, reference = sample(seed, QUARTERS)
    for device in home.flexible_devices:
        check_service(device, reference.device_kw[device.name], reference, QUARTERS)
    check_caps(home, reference.net_kw)
    total = home.fixed_kw + sum(reference.device_kw.values())
    assert reference.net_kw == pytest.approx(total, abs=KW)


@every_case
def test_same_least_cost(seed: int, tariff_name: str, horizon: Horizon) -> None:
    plan, oracle = planned(seed, tariff_name, horizon), stated(seed, tariff_name, horizon)

    assert oracle.status is PlanStatus.OPTIMAL
    assert plan.status in expected_status(sample(seed, horizon)[0])
    assert objective_eur(plan) == pytest.approx(oracle.objective_eur, abs=EUR, rel=0)


@every_case
def test_plan_is_a_day_that_the_home_can_live(
    seed: int, tariff_name: str, horizon: Horizon
) -> None:
    check_plan(planned(seed, tariff_name, horizon), *sample(seed, horizon), horizon)


@every_case
def test_statement_is_a_day_that_the_home_can_live(
    seed: int, tariff_name: str, horizon: Horizon
) -> None:
    home, reference = sample(seed, horizon)
    found = stated(seed, tariff_name, horizon)

    for device in home.offered_devices:
        check_service(device, found.device_kw[device.name], reference, horizon)
    check_caps(home, found.net_kw)


@every_case
def test_cost_of_the_plan_is_what_its_net_power_costs(
    seed: int, tariff_name: str, horizon: Horizon
) -> None:
    plan = planned(seed, tariff_name, horizon)
    tariff = tariff_of(tariff_name, seed, horizon)

    assert plan.cost_eur == pytest.approx(
        float(tariff.cost_eur(plan.net_kw, horizon)), abs=EUR, rel=0
    )
    assert plan.bound_eur <= objective_eur(plan) + EUR
    # A bound above the proven optimum would be no bound.
    assert plan.bound_eur <= stated(seed, tariff_name, horizon).objective_eur + EUR


@every_case
def test_plan_costs_no_more_than_the_unmanaged_day(
    seed: int, tariff_name: str, horizon: Horizon
) -> None:
    _, reference = sample(seed, horizon)
    tariff = tariff_of(tariff_name, seed, horizon)
    unmanaged_eur = float(tariff.cost_eur(reference.net_kw, horizon))

    assert objective_eur(planned(seed, tariff_name, horizon)) <= unmanaged_eur + EUR


@every_case
def test_discomfort_of_the_plan_is_what_is_not_served(
    seed: int, tariff_name: str, horizon: Horizon
) -> None:
    home, _ = sample(seed, horizon)
    plan = planned(seed, tariff_name, horizon)
    by_hand = sum(
        load.discomfort_eur_per_kwh * horizon.ptu_hours * load.p_kw @ plan.setpoints[load.name]
        for load in of(home, InterruptibleLoad)
        if load.name in home.offered
    )

    assert plan.discomfort_eur == pytest.approx(by_hand, abs=EUR, rel=0)


@pytest.mark.parametrize("tariff_name", ["time_of_use", "negative_prices"])
@pytest.mark.parametrize("seed", range(0, HOMES, 7))
@pytest.mark.parametrize("ties", list(TieRule))
def test_ties_change_the_plan_but_not_its_cost(seed: int, tariff_name: str, ties: TieRule) -> None:
    home, reference = sample(seed, HOURS)
    tariff = tariff_of(tariff_name, seed, HOURS)

    plan = plan_home(home, reference, tariff, HOURS, ties=ties, rng=stream(seed, "other"))

    least_eur = stated(seed, tariff_name, HOURS).objective_eur
    assert objective_eur(plan) == pytest.approx(least_eur, abs=EUR, rel=0)
    check_plan(plan, home, reference, HOURS)


@pytest.mark.parametrize(("seed", "tariff_name", "horizon"), KIND[::10])
def test_same_stream_gives_the_same_plan(seed: int, tariff_name: str, horizon: Horizon) -> None:
    home, reference = sample(seed, horizon)
    tariff = tariff_of(tariff_name, seed, horizon)
    again = plan_home(home, reference, tariff, horizon, rng=stream(seed, "ties"))

    assert again.net_kw.tobytes() == planned(seed, tariff_name, horizon).net_kw.tobytes()


def test_both_spare_midnight() -> None:
    # The day's two dear quarters are its last and its first: together they would be one cut across
    # midnight. Cut one of them and one of the others: 1 kW x 0.25 h x (0.50 + 0.20) EUR are saved,
    # for a discomfort of 2 x 0.25 kWh x 0.10 EUR. Without: 0.25 kWh x (94 x 0.20 + 2 x 0.50).
    load = InterruptibleLoad(np.ones(96), longest_cut=1, cuts=2, discomfort_eur_per_kwh=0.10)
    home = Home("h", 3300.0, np.zeros(96), interruptible=load, offered=frozenset({load.name}))
    prices = np.full(96, 0.20)
    prices[[0, 95]] = 0.50
    tariff, reference = Tariff("dear_midnight", prices, np.zeros(96)), reference_of(home, QUARTERS)
    least_eur = 0.25 * (94 * 0.20 + 2 * 0.50) - 0.25 * 0.70 + 0.05

    plan = plan_home(home, reference, tariff, QUARTERS, rng=stream(1, "ties"))

    assert solve_home(home, reference, tariff, QUARTERS).objective_eur == pytest.approx(
        least_eur, abs=EUR, rel=0
    )
    assert objective_eur(plan) == pytest.approx(least_eur, abs=EUR, rel=0)
    check_plan(plan, home, reference, QUARTERS)


@pytest.mark.parametrize(
    "devices",
    [
        # Six quarters of an hour in a window of four.
        {"appliances": (Appliance("washing_machine", (0.7,) * 6, 44, 44, 48),)},
        # 20 kWh within two hours at 3.6 kW.
        {"ev": ElectricVehicle(3.6, 24.0, 1.0, 80, 88, 20.0)},
        # 0.3 kWh where a quarter of an hour at the least power draws 0.345 kWh.
        {"ev": ElectricVehicle(3.6, 24.0, 1.0, 80, 88, 0.3, least_charge_kw=1.38)},
        # The base load alone is above the cap.
        {
            "ev": ElectricVehicle(3.6, 24.0, 1.0, 80, 30, 5.0),
            "import_cap_kw": 0.25,
        },
        # 2 kW more than the cap lets out for two hours, into a battery of 3 kWh; it has the power
        # to burn them by charging and discharging at once, which it may not.
        {
            "pv": PvPlant(4.3, 35.0, 180.0, np.repeat([0.0, -4.3, 0.0], [48, 8, 40])),
            "battery": Battery(3.0, 5.0, 0.9, 0.9),
            "export_cap_kw": 2.0,
        },
    ],
    ids=[
        "window_too_short",
        "stay_too_short",
        "too_little_to_charge",
        "cap_below_base",
        "cap_only_by_burning",
    ],
)
def test_both_say_when_a_wish_cannot_be_met(devices: dict[str, Any]) -> None:
    offered = frozenset({"washing_machine", "ev", "battery"})
    home = Home("h", 3300.0, np.full(96, 0.3), offered=offered, **devices)
    reference = reference_of(home, QUARTERS)
    tariff = time_of_use(QUARTERS)

    plan = plan_home(home, reference, tariff, QUARTERS, rng=stream(1, "ties"))

    assert solve_home(home, reference, tariff, QUARTERS).status is PlanStatus.INFEASIBLE
    assert plan.status is PlanStatus.INFEASIBLE
    assert plan.reason


def of(home: Home, kind: type[FlexibleDevice]) -> list[Any]:
    """The home's devices of one kind."""
    return [device for device in home.flexible_devices if isinstance(device, kind)]


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
    check_caps(home, plan.net_kw)


def power_kw(device: FlexibleDevice, setpoint: FloatArray, horizon: Horizon) -> FloatArray:
    """Power that a setpoint makes a device draw, shape (ptu). [kW]"""
    match device:
        case Appliance():
            (begins,) = np.flatnonzero(setpoint)
            assert setpoint[begins] == 1.0
            return device.profile_kw(int(begins), horizon)
        case InterruptibleLoad():
            assert set(setpoint.tolist()) <= {0.0, 1.0}
            check_cuts(device, setpoint == 1.0)
            return device.p_kw * (1.0 - setpoint)
        case _:
            return setpoint
