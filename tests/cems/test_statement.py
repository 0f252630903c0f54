"""The Pyomo statement against numbers worked out by hand, and against plain enumeration."""

from __future__ import annotations

from itertools import product

import highspy
import numpy as np
import pytest

from mas2sim.cems import statement
from mas2sim.cems.statement import HIGHS_OPTIONS, home_model, solve_home
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, PvPlant
from mas2sim.domain.errors import ConfigurationError, Mas2simError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff

from .home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    random_home,
    reference_of,
    time_of_use,
)

EUR = 1e-7
"""The solver's tolerance of 1e-9 kW, times 96 PTUs, times prices below 1 EUR/kWh."""
KW = 1e-6
"""Rounding of a solution at the solver's tolerance of 1e-9, with a margin for sums over a day."""
QUARTERS = Horizon()
HOURS = Horizon(60)
WASHING_MACHINE = Appliance("washing_machine", (0.7, 0.7, 0.8, 0.8, 0.7, 0.7), 60, 44, 68)


def flat(import_price: float, export_price: float, horizon: Horizon = HOURS) -> Tariff:
    return Tariff("flat", np.full(horizon.ptus, import_price), np.full(horizon.ptus, export_price))


def house(base_kw: float | np.ndarray, horizon: Horizon = HOURS, **devices) -> Home:
    """A home that offers everything it has, unless told otherwise."""
    names = [appliance.name for appliance in devices.get("appliances", ())]
    names += [devices[kind].name for kind in ("ev", "battery") if devices.get(kind)]
    base = np.broadcast_to(np.asarray(base_kw, dtype=float), horizon.ptus)
    return Home("house", 3300.0, base, **{"offered": frozenset(names), **devices})


def steps(horizon: Horizon, otherwise: float, **value_of: float) -> np.ndarray:
    """`otherwise` everywhere but in the given PTUs, e.g. p44=0.9."""
    values = np.full(horizon.ptus, otherwise)
    for ptu, value in value_of.items():
        values[int(ptu[1:])] = value
    return values


def nothing_asked(horizon: Horizon = HOURS, start_kwh: float = 0.0) -> ReferenceDay:
    """A reference that is not read but for the battery's energy at midnight."""
    return ReferenceDay(np.zeros(horizon.ptus), battery_start_kwh=start_kwh)


def test_washing_machine_runs_under_the_sun() -> None:
    # Asked for 15:00, may run 11:00-17:00; PV gives 0.9 kW from 11:00 to 12:30, the base is 0.1 kW.
    # Only a start at 11:00 lies wholly under the PV. Import: 22.5 h x 0.1 kW = 2.25 kWh x 0.20 EUR.
    # Net power during the cycle: -0.1 -0.1 0 0 -0.1 -0.1 kW, an export of 0.1 kWh x 0.05 EUR.
    # Cost 0.45 - 0.005 = 0.445 EUR, less than at 15:00 by 1.1 kWh x (0.20 - 0.05) = 0.165 EUR.
    sun = np.zeros(96)
    sun[44:50] = -0.9
    home = house(0.1, QUARTERS, appliances=(WASHING_MACHINE,), pv=PvPlant(1.0, 35.0, 180.0, sun))
    reference = reference_of(home, QUARTERS)
    tariff = flat(0.20, 0.05, QUARTERS)

    found = solve_home(home, reference, tariff, QUARTERS)

    assert found.status is PlanStatus.OPTIMAL
    assert found.starts == {"washing_machine": 44}
    assert found.objective_eur == pytest.approx(0.445, abs=EUR)
    assert tariff.energy_cost_eur(reference.net_kw, QUARTERS) == pytest.approx(0.610, abs=EUR)
    assert found.net_kw[44:50] == pytest.approx([-0.1, -0.1, 0, 0, -0.1, -0.1], abs=KW)
    assert found.device_kw["washing_machine"].sum() * 0.25 == pytest.approx(1.1, abs=KW)


def test_cycle_runs_round_midnight() -> None:
    # 2.5 kW for an hour within 22:00-02:00; power costs 0.10 from 23:30 to 00:30 and 0.30 else, so
    # the one best start is PTU 94: 2.5 kWh x 0.10 = 0.25 EUR.
    dryer = Appliance("tumble_dryer", (2.5,) * 4, 88, 88, 8)
    prices = steps(QUARTERS, 0.30, p94=0.10, p95=0.10, p0=0.10, p1=0.10)
    tariff = Tariff("cheap_midnight", prices, np.zeros(96))

    found = solve_home(
        house(0.0, QUARTERS, appliances=(dryer,)), nothing_asked(QUARTERS), tariff, QUARTERS
    )

    assert found.starts == {"tumble_dryer": 94}
    assert found.objective_eur == pytest.approx(0.25, abs=EUR)
    assert np.flatnonzero(found.net_kw > KW).tolist() == [0, 1, 94, 95]


def test_battery_buys_cheap_and_spares_dear() -> None:
    # 4 kW all day, 0.10 EUR before 06:00 and 0.30 after: 4 x (6 x 0.10 + 18 x 0.30) = 24.00 EUR.
    # An empty 7 kWh battery draws 7 / 0.9 = 7.7778 kWh at 0.10 and delivers 7 x 0.8 = 5.6 kWh
    # instead of imports at 0.30: 24 + 0.77778 - 1.68 = 23.09778 EUR.
    battery = Battery(7.0, 3.0, 0.9, 0.8)
    tariff = Tariff("two_prices", np.repeat([0.10, 0.30], [6, 18]), np.zeros(24))

    found = solve_home(house(4.0, battery=battery), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(24.0 + 7 / 0.9 * 0.10 - 5.6 * 0.30, abs=EUR)
    assert found.device_kw["battery"][:6].sum() == pytest.approx(7 / 0.9, abs=KW)
    assert found.device_kw["battery"][6:].sum() == pytest.approx(-5.6, abs=KW)
    assert found.battery_kwh[[0, 6]] == pytest.approx([0.0, 7.0], abs=KW)


def test_battery_rests_where_the_spread_does_not_pay_its_losses() -> None:
    # What was drawn at 0.10 comes back at 0.10 / (0.9 x 0.8) = 0.139 EUR, more than 0.13.
    tariff = Tariff("small_spread", np.repeat([0.10, 0.13], [6, 18]), np.zeros(24))

    found = solve_home(
        house(4.0, battery=Battery(7.0, 3.0, 0.9, 0.8)), nothing_asked(), tariff, HOURS
    )

    assert found.objective_eur == pytest.approx(4 * (6 * 0.10 + 18 * 0.13), abs=EUR)
    assert found.device_kw["battery"] == pytest.approx(np.zeros(24), abs=KW)


def test_standing_loss_is_made_good() -> None:
    # Reserve and capacity both 5 kWh: each hour the 1 % that leaks, 0.05 kWh, is charged again at
    # 90 %, 0.05 / 0.9 kWh from the grid: 24 x 0.05556 x 0.20 = 0.26667 EUR.
    battery = Battery(5.0, 3.0, 0.9, 0.9, reserve_kwh=5.0, standing_loss_per_hour=0.01)

    found = solve_home(
        house(0.0, battery=battery), nothing_asked(start_kwh=5.0), flat(0.20, 0.0), HOURS
    )

    assert found.objective_eur == pytest.approx(24 * 0.05 / 0.9 * 0.20, abs=EUR)
    assert found.battery_kwh == pytest.approx(np.full(24, 5.0), abs=KW)


def test_battery_burns_no_energy_that_is_paid_for() -> None:
    # Full and with no room to deliver from, the battery could only draw and deliver at once; with
    # 0.10 EUR paid per kWh drawn that would pay. It may not: 24 h x 1 kW x -0.10 = -2.40 EUR.
    battery = Battery(5.0, 3.0, 0.9, 0.9, reserve_kwh=5.0)

    found = solve_home(
        house(1.0, battery=battery), nothing_asked(start_kwh=5.0), flat(-0.10, -0.10), HOURS
    )

    assert found.objective_eur == pytest.approx(-2.40, abs=EUR)


def test_meter_runs_one_way_even_where_a_round_trip_pays() -> None:
    # The battery rests (reserve is capacity) but its power would let 3 kW pass both ways; energy
    # fed in earns 0.30 and costs 0.10. The home just draws its 1 kW: 24 x 0.10 = 2.40 EUR.
    battery = Battery(5.0, 3.0, 1.0, 1.0, reserve_kwh=5.0)

    found = solve_home(
        house(1.0, battery=battery), nothing_asked(start_kwh=5.0), flat(0.10, 0.30), HOURS
    )

    assert found.objective_eur == pytest.approx(2.40, abs=EUR)
    assert found.net_kw == pytest.approx(np.ones(24), abs=KW)


def test_vehicle_takes_the_cheapest_hours_of_its_stay() -> None:
    # Connected 18:00-07:00. 8.1 kWh driven at 90 % are 9 kWh drawn: 3.6 kW at 03:00 (0.05) and at
    # 22:00 (0.06), the remaining 1.8 kWh at 06:00 (0.07); noon at 0.01 is out of reach.
    # 3.6 x 0.05 + 3.6 x 0.06 + 1.8 x 0.07 = 0.522 EUR.
    ev = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 8.1)
    prices = steps(HOURS, 0.20, p3=0.05, p22=0.06, p6=0.07, p12=0.01, p7=0.02, p17=0.02)

    found = solve_home(
        house(0.0, ev=ev), nothing_asked(), Tariff("hourly", prices, np.zeros(24)), HOURS
    )

    assert found.objective_eur == pytest.approx(0.522, abs=EUR)
    assert found.device_kw["ev"] == pytest.approx(
        steps(HOURS, 0.0, p3=3.6, p22=3.6, p6=1.8), abs=KW
    )


def test_vehicle_draws_no_more_than_it_drove_even_where_drawing_is_paid_for() -> None:
    # 4.5 kWh driven at 90 % are 5 kWh drawn, at -0.10: -0.50 EUR.
    ev = ElectricVehicle(3.6, 24.0, 0.9, 18, 7, 4.5)

    found = solve_home(house(0.0, ev=ev), nothing_asked(), flat(-0.10, -0.20), HOURS)

    assert found.objective_eur == pytest.approx(-0.50, abs=EUR)


def test_devices_share_the_surplus_of_a_home() -> None:
    # 2 kW of surplus at 12:00 only; import 0.20, export 0.05. The vehicle needs 3 kWh within
    # 10:00-14:00: 2 kWh from the surplus (0.05 each, forgone) and 1 kWh imported: 0.20 EUR in all.
    surplus = PvPlant(2.0, 35.0, 180.0, steps(HOURS, 0.0, p12=-2.0))
    ev = ElectricVehicle(3.6, 24.0, 1.0, 10, 14, 3.0)

    found = solve_home(house(0.0, ev=ev, pv=surplus), nothing_asked(), flat(0.20, 0.05), HOURS)

    assert found.objective_eur == pytest.approx(0.20, abs=EUR)
    assert found.device_kw["ev"][12] >= 2.0 - KW


def test_device_not_offered_keeps_its_schedule() -> None:
    # The machine stays at 15:00; 0.1 kW x 24 h + 1.1 kWh = 3.5 kWh x 0.20 = 0.70 EUR, although
    # noon is free.
    home = house(0.1, QUARTERS, appliances=(WASHING_MACHINE,), offered=frozenset())
    reference = reference_of(home, QUARTERS)
    prices = np.full(96, 0.20)
    prices[44:50] = 0.0

    found = solve_home(home, reference, Tariff("t", prices, np.zeros(96)), QUARTERS)

    assert found.net_kw == pytest.approx(reference.net_kw, abs=KW)
    assert found.objective_eur == pytest.approx(0.20 * (3.5 - 0.1 * 1.5), abs=EUR)
    assert found.starts == {}
    assert found.device_kw == {}


def cost_by_enumeration(home: Home, tariff: Tariff, horizon: Horizon) -> float:
    """Least cost over every combination of allowed starts (appliances only)."""
    loads = [
        [appliance.profile_kw(int(start), horizon) for start in appliance.starts(horizon)]
        for appliance in home.appliances
    ]
    nets = np.array([home.fixed_kw + sum(chosen) for chosen in product(*loads)])
    return float(tariff.energy_cost_eur(nets, horizon).min())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make_tariff", [dynamic, export_above_import, negative_prices])
def test_appliances_against_every_combination_of_starts(seed: int, make_tariff) -> None:
    rng = np.random.default_rng(seed)
    appliances = (
        Appliance("washing_machine", (1.4, 0.7), 20, 18, 8),  # round midnight
        Appliance("dishwasher", (1.8, 0.2, 0.5), 3, 3, 3),  # whole day
    )
    sun = PvPlant(3.0, 35.0, 180.0, -3.0 * rng.random(24))
    home = house(rng.random(24), appliances=appliances, pv=sun)
    tariff = make_tariff(HOURS, rng)

    found = solve_home(home, nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(cost_by_enumeration(home, tariff, HOURS), abs=EUR)


def cost_on_whole_kwh(
    battery: Battery, fixed_kw: np.ndarray, start_kwh: int, tariff: Tariff
) -> float:
    """Least cost of a lossless battery that moves whole kWh in hourly PTUs, by recursion.

    With whole numbers for powers, energies and the fixed load, this is the least cost of all: once
    the direction of the meter is settled in each PTU, what remains is a flow in a network with
    whole bounds, which has a whole optimum.
    """
    levels = range(int(battery.reserve_kwh), int(battery.capacity_kwh) + 1)
    cost = {level: 0.0 if level == start_kwh else np.inf for level in levels}
    for t in reversed(range(len(fixed_kw))):
        later = cost
        cost = {
            level: min(
                later[then]
                + max(fixed_kw[t] + then - level, 0) * tariff.import_eur_per_kwh[t]
                + min(fixed_kw[t] + then - level, 0) * tariff.export_eur_per_kwh[t]
                for then in levels
                if abs(then - level) <= battery.power_kw
            )
            for level in levels
        }
    return float(cost[start_kwh])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make_tariff", [dynamic, export_above_import, negative_prices])
def test_battery_against_recursion_over_whole_kwh(seed: int, make_tariff) -> None:
    rng = np.random.default_rng(seed)
    battery = Battery(6.0, 2.0, 1.0, 1.0, reserve_kwh=1.0)
    fixed_kw = rng.integers(-3, 5, 24).astype(float)
    start_kwh = int(rng.integers(1, 7))
    tariff = make_tariff(HOURS, rng)

    found = solve_home(
        house(fixed_kw, battery=battery), nothing_asked(start_kwh=start_kwh), tariff, HOURS
    )

    by_recursion = cost_on_whole_kwh(battery, fixed_kw, start_kwh, tariff)
    assert found.objective_eur == pytest.approx(by_recursion, abs=EUR)


@pytest.mark.parametrize("horizon", [Horizon(15), Horizon(30)], ids=["quarters", "half_hours"])
@pytest.mark.parametrize("seed", range(6))
def test_solution_of_a_random_home_is_a_day_it_can_live(seed: int, horizon: Horizon) -> None:
    rng = np.random.default_rng(seed)
    home, reference = random_home(rng, horizon)
    tariff = time_of_use(horizon)

    found = solve_home(home, reference, tariff, horizon)

    assert found.objective_eur == pytest.approx(
        float(tariff.energy_cost_eur(found.net_kw, horizon)), abs=EUR
    )
    assert found.objective_eur <= float(tariff.energy_cost_eur(reference.net_kw, horizon)) + EUR
    assert found.bound_eur <= found.objective_eur + EUR
    kept = [
        reference.device_kw[device.name]
        for device in home.flexible_devices
        if device.name not in home.offered
    ]
    total = home.fixed_kw + sum(kept) + sum(found.device_kw.values())
    assert found.net_kw == pytest.approx(total, abs=KW)


@pytest.mark.parametrize(
    ("home", "start_kwh"),
    [
        # A cycle of two hours in a window of one.
        (house(0.2, appliances=(Appliance("dishwasher", (1.0, 1.0), 5, 5, 6),)), 0.0),
        # 10 kWh in two hours at 3.6 kW.
        (house(0.2, ev=ElectricVehicle(3.6, 24.0, 1.0, 3, 5, 10.0)), 0.0),
        # More at midnight than fits.
        (house(0.2, battery=Battery(5.0, 3.0, 0.9, 0.9)), 6.0),
        # A leak of 0.5 kWh an hour against a charger of 0.1 kW.
        (
            house(0.2, battery=Battery(5.0, 0.1, 0.9, 0.9, 4.5, standing_loss_per_hour=0.1)),
            5.0,
        ),
    ],
    ids=["window_too_short", "stay_too_short", "battery_overfull", "battery_leaks"],
)
def test_wish_that_cannot_be_met_is_a_status(home: Home, start_kwh: float) -> None:
    found = solve_home(home, nothing_asked(start_kwh=start_kwh), flat(0.2, 0.05), HOURS)

    assert found.status is PlanStatus.INFEASIBLE
    assert np.isnan(found.objective_eur)
    assert np.isnan(found.bound_eur)
    assert np.isnan(found.net_kw).all()
    assert found.starts == {}


def test_all_faults_of_the_input_come_together() -> None:
    home = house(0.2, appliances=(WASHING_MACHINE,), offered=frozenset())
    tariff = Tariff("quarters", np.zeros(96), np.zeros(24))

    with pytest.raises(ConfigurationError) as caught:
        home_model(home, nothing_asked(), tariff, HOURS)

    assert [fault.where for fault in caught.value.faults] == [
        "home house, reference schedule of washing_machine",
        "tariff quarters, import",
    ]


def test_solver_that_gives_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "HIGHS_OPTIONS", {**HIGHS_OPTIONS, "time_limit": 0.0})
    home, reference = random_home(np.random.default_rng(0), QUARTERS)

    with pytest.raises(Mas2simError, match="home sample: HiGHS ended with maxTimeLimit"):
        solve_home(home, reference, time_of_use(QUARTERS), QUARTERS)


@pytest.mark.parametrize(("option", "value"), HIGHS_OPTIONS.items())
def test_solver_knows_the_option(option: str, value: float) -> None:
    # Pyomo passes options on without asking whether HiGHS took them.
    assert highspy.Highs().setOptionValue(option, value) == highspy.HighsStatus.kOk
