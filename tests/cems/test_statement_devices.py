"""The device blocks of the Pyomo statement against numbers worked out by hand and enumeration."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from mas2sim.cems.statement import solve_home
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    Heater,
    HeatStore,
    InterruptibleLoad,
    PvPlant,
)
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff

from .bare_home import EUR, HOURS, KW, QUARTERS, flat, house, nothing_asked, steps, tank
from .home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    peak_price,
    reference_of,
)

TANK_LOSS_EUR = 1e-4
"""What 1e-6 kW/K lose in a day at 15 K and 0.40 EUR/kWh: 24 x 15 x 1e-6 x 0.40, rounded up."""
WASHING_MACHINE = Appliance("washing_machine", (0.7, 0.7, 0.8, 0.8, 0.7, 0.7), 60, 44, 68)


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


def test_charger_draws_nothing_or_its_least_power() -> None:
    # Connected 18:00-07:00, 4 kWh to draw at 3.6 kW, at least 1.38 kW. The cheapest hour alone is
    # not enough, and 0.4 kW in another is too little: 2.62 kWh x 0.05 + 1.38 kWh x 0.20 EUR.
    ev = ElectricVehicle(3.6, 24.0, 1.0, 18, 7, 4.0, least_charge_kw=1.38)
    tariff = Tariff("hourly", steps(HOURS, 0.20, p3=0.05), np.zeros(24))

    found = solve_home(house(0.0, ev=ev), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(2.62 * 0.05 + 1.38 * 0.20, abs=EUR)
    assert np.sort(found.device_kw["ev"])[-2:] == pytest.approx([1.38, 2.62], abs=KW)


@pytest.mark.parametrize(
    ("driven_kwh", "reserve_kwh", "discharge_kw", "expected_eur"),
    [
        # 2 kW x (22 x 0.20 + 0.10) = 9.00 EUR for the base but at 18:00, and 5 kWh drawn at 10:00
        # for the drive, 0.50 EUR. Without delivering 2 kWh at 18:00 cost 1.20 EUR.
        (4.5, 0.0, 0.0, 9.00 + 0.50 + 1.20),
        # 2 kWh delivered at 18:00 take 2.5 kWh out. Full by then, it draws them at 19:00:
        # 2.5 / 0.9 kWh x 0.20.
        (4.5, 0.0, 7.0, 9.00 + 0.50 + 2.5 / 0.9 * 0.20),
        # 1 kW delivered: the other is imported at 0.60.
        (4.5, 0.0, 1.0, 9.00 + 0.50 + 0.60 + 1.25 / 0.9 * 0.20),
        # 1 kWh drawn for the drive; of 24 kWh 23 stay, so 1 kWh gives 0.8 kWh.
        (0.9, 23.0, 7.0, 9.00 + 0.10 + 1.2 * 0.60 + 1.0 / 0.9 * 0.20),
    ],
    ids=["charges_only", "delivers_the_base", "delivers_its_power", "keeps_its_reserve"],
)
def test_vehicle_delivers_in_the_dear_hour_and_leaves_full(
    driven_kwh: float, reserve_kwh: float, discharge_kw: float, expected_eur: float
) -> None:
    # Connected 10:00-20:00, 90 % in and 80 % out, 2 kW of base load, nothing paid for export.
    ev = ElectricVehicle(
        7.4,
        24.0,
        0.9,
        10,
        20,
        driven_kwh,
        discharge_kw=discharge_kw,
        discharge_efficiency=0.8,
        reserve_kwh=reserve_kwh,
    )
    tariff = Tariff("hourly", steps(HOURS, 0.20, p10=0.10, p18=0.60), np.zeros(24))

    found = solve_home(house(2.0, ev=ev), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(expected_eur, abs=EUR)
    assert found.device_kw["ev"].min() >= -discharge_kw - KW


def test_vehicle_may_come_home_below_its_reserve() -> None:
    # 4.5 kWh below 24, with a reserve of 23: it just charges its 5 kWh at 0.20.
    ev = ElectricVehicle(7.4, 24.0, 0.9, 18, 7, 4.5, discharge_kw=3.0, reserve_kwh=23.0)

    found = solve_home(house(0.0, ev=ev), nothing_asked(), flat(0.20, 0.0), HOURS)

    assert found.objective_eur == pytest.approx(1.0, abs=EUR)


def test_vehicle_feeds_in_where_that_earns_most() -> None:
    # No base load; 4 kW delivered at 18:00 earn 0.60 each, take 5 kWh out, and are drawn again at
    # 19:00: 0.50 EUR for the drive at 10:00, 5 / 0.9 kWh x 0.20 EUR, less 2.40 EUR.
    ev = ElectricVehicle(7.4, 24.0, 0.9, 10, 20, 4.5, discharge_kw=4.0, discharge_efficiency=0.8)
    prices = steps(HOURS, 0.20, p10=0.10)
    tariff = Tariff("evening", prices, steps(HOURS, 0.0, p18=0.60))

    found = solve_home(house(0.0, ev=ev), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(0.50 + 5.0 / 0.9 * 0.20 - 2.40, abs=EUR)
    assert found.net_kw[18] == pytest.approx(-4.0, abs=KW)


def test_vehicle_burns_no_energy_that_is_paid_for() -> None:
    # A stay of one hour, in which 1 kWh is drawn; drawing more to deliver it at once would be paid
    # for. 24 h x 1 kW and 1 kWh at -0.10 EUR.
    ev = ElectricVehicle(7.4, 24.0, 0.9, 10, 11, 0.9, discharge_kw=7.0, discharge_efficiency=0.8)

    found = solve_home(house(1.0, ev=ev), nothing_asked(), flat(-0.10, -0.10), HOURS)

    assert found.objective_eur == pytest.approx(-2.5, abs=EUR)


def halving_store(**upper_c: float) -> HeatStore:
    """1 kWh/K that loses half of its heat in an hour, to 10 C at noon's end, else at will."""
    return HeatStore(
        capacity_kwh_per_k=1.0,
        loss_kw_per_k=np.log(2),
        surroundings_c=np.zeros(24),
        draw_kw=np.zeros(24),
        lower_c=steps(HOURS, 0.0, p12=10.0),
        upper_c=steps(HOURS, 100.0, **upper_c),
    )


@pytest.mark.parametrize("narrow", [False, True], ids=["wide_band", "narrow_band"])
def test_building_is_heated_ahead_of_the_dear_hour(narrow: bool) -> None:
    # The power of an hour settles at (1 - 1/2) / ln 2 of itself; a performance of 2 ln 2 makes
    # that 1 kWh per kW. What is stored at 11:00 for 0.20 is half lost an hour later, so costs 0.40
    # there against 0.50 at 12:00; at 10:00 it would cost 0.80. So all that the power (8 kW) or the
    # band (6 C) allow is heated ahead. After noon it cools to the start, 10 / 2**11 kWh, of which
    # 12 hours leave as good as nothing.
    start_kwh = 10 / 2**11
    left_kwh = start_kwh / 2**12
    ahead_kw = 6.0 - left_kwh if narrow else 8.0
    expected_eur = ahead_kw * 0.20 + (10.0 - (ahead_kw + left_kwh) / 2) * 0.50
    store = halving_store(p11=6.0) if narrow else halving_store()
    pump = Heater("heat_pump", 8.0, np.full(24, 2 * np.log(2)), store, np.ones(24))
    tariff = Tariff("hourly", steps(HOURS, 0.20, p12=0.50), np.zeros(24))

    found = solve_home(
        house(0.0, heaters=(pump,)), nothing_asked(heat_pump=start_kwh), tariff, HOURS
    )

    assert found.objective_eur == pytest.approx(expected_eur, abs=EUR)
    assert found.device_kw["heat_pump"][11] == pytest.approx(ahead_kw, abs=KW)


def test_tank_is_filled_at_night_as_far_as_its_band_allows() -> None:
    # From 45 to 60 C it takes 1.5 kWh, at 03:00 for 0.10; the rest of the 3 kWh at 18:00 for 0.40.
    tariff = Tariff("hourly", steps(HOURS, 0.20, p3=0.10, p18=0.40), np.zeros(24))

    found = solve_home(house(0.0, heaters=(tank(),)), nothing_asked(hot_water=4.5), tariff, HOURS)

    assert found.objective_eur == pytest.approx(1.5 * 0.10 + 1.5 * 0.40, abs=TANK_LOSS_EUR)


@pytest.mark.parametrize(("dear", "discomfort"), [(0.30, 0.25), (0.30, 0.35)])
def test_load_is_cut_where_the_price_is_above_the_discomfort(
    dear: float, discomfort: float
) -> None:
    # 1 kW all day at 0.20 and once at 0.30: 4.60 EUR, and the lesser of 0.30 and the discomfort.
    load = InterruptibleLoad(np.ones(24), 1, 1, discomfort)
    tariff = Tariff("hourly", steps(HOURS, 0.20, p18=dear), np.zeros(24))

    found = solve_home(house(0.0, interruptible=load), nothing_asked(), tariff, HOURS)

    is_cut = dear > discomfort
    assert found.objective_eur == pytest.approx(4.60 + min(dear, discomfort), abs=EUR)
    assert found.discomfort_eur == pytest.approx(discomfort if is_cut else 0.0, abs=EUR)
    assert found.cost_eur == pytest.approx(4.60 if is_cut else 4.90, abs=EUR)
    assert found.net_kw[18] == pytest.approx(0.0 if is_cut else 1.0, abs=KW)


@pytest.mark.parametrize(
    ("dear_ptus", "cuts", "longest_cut", "hours_cut"),
    [
        ((10, 11, 12, 13), 2, 2, 3),  # 10, 11 and 13: there is an hour between two cuts
        ((10, 11, 12, 13), 1, 2, 2),
        ((10, 11, 12, 13), 2, 4, 4),
        ((10, 11, 12, 13), 9, 1, 2),
        ((22, 23, 0, 1), 1, 2, 2),
        ((22, 23, 0, 1), 2, 2, 3),  # a cut at 23:00 and one at 00:00 would be one across midnight
        ((10, 11, 12, 13), 0, 2, 0),
        ((10, 11, 12, 13), 2, 0, 0),
    ],
)
def test_cuts_are_few_short_and_apart(
    dear_ptus: tuple[int, ...], cuts: int, longest_cut: int, hours_cut: int
) -> None:
    # 1 kW at 0.20, four hours at 0.50; an hour cut there saves 0.50 and costs 0.30 of discomfort.
    load = InterruptibleLoad(np.ones(24), longest_cut, cuts, 0.30)
    tariff = Tariff(
        "hourly", steps(HOURS, 0.20, **{f"p{t}": 0.50 for t in dear_ptus}), np.zeros(24)
    )

    found = solve_home(house(0.0, interruptible=load), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(6.00 - 0.20 * hours_cut, abs=EUR)
    assert found.discomfort_eur == pytest.approx(0.30 * hours_cut, abs=EUR)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make_tariff", [dynamic, export_above_import, negative_prices, peak_price])
def test_interruptible_load_against_every_choice_of_cuts(seed: int, make_tariff) -> None:
    rng = np.random.default_rng(seed)
    load = InterruptibleLoad(2.0 * rng.random(24), 2, 2, float(rng.uniform(0, 0.2)))
    sun = PvPlant(3.0, 35.0, 180.0, -3.0 * rng.random(24))
    home = house(rng.random(24), interruptible=load, pv=sun)
    tariff = make_tariff(HOURS, rng)
    cuts = [{t} for t in range(24)] + [{t, t + 1} for t in range(23)]
    apart = [
        one | other
        for one, other in combinations(cuts, 2)
        if not any((t + shift) % 24 in other for t in one for shift in (-1, 0, 1))
    ]
    chosen = np.array([[t in cut for t in range(24)] for cut in [set(), *cuts, *apart]])
    nets = home.fixed_kw + np.where(chosen, 0.0, load.p_kw)
    discomfort_eur = load.discomfort_eur_per_kwh * (chosen * load.p_kw).sum(axis=1)

    found = solve_home(home, nothing_asked(), tariff, HOURS)

    least_eur = (tariff.cost_eur(nets, HOURS) + discomfort_eur).min()
    assert found.objective_eur == pytest.approx(float(least_eur), abs=EUR)


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
