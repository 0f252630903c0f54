"""The Pyomo statement of a whole home: what crosses the meter, what it costs, what is refused."""

from __future__ import annotations

from dataclasses import replace

import highspy
import numpy as np
import pytest

from mas2sim.cems import statement
from mas2sim.cems.statement import HIGHS_OPTIONS, home_model, solve_home
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    MicroChp,
    PvPlant,
    WindTurbine,
)
from mas2sim.domain.errors import ConfigurationError, Mas2simError
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff

from .bare_home import EUR, HOURS, KW, QUARTERS, flat, house, nothing_asked, steps, tank
from .day_replay import check_caps, check_service
from .home_samples import (
    random_home,
    reference_of,
    time_of_use,
)

WASHING_MACHINE = Appliance("washing_machine", (0.7, 0.7, 0.8, 0.8, 0.7, 0.7), 60, 44, 68)


def test_meter_runs_one_way_even_where_a_round_trip_pays() -> None:
    # The battery rests (reserve is capacity) but its power would let 3 kW pass both ways; energy
    # fed in earns 0.30 and costs 0.10. The home just draws its 1 kW: 24 x 0.10 = 2.40 EUR.
    battery = Battery(5.0, 3.0, 1.0, 1.0, reserve_kwh=5.0)

    found = solve_home(
        house(1.0, battery=battery), nothing_asked(start_kwh=5.0), flat(0.10, 0.30), HOURS
    )

    assert found.objective_eur == pytest.approx(2.40, abs=EUR)
    assert found.net_kw == pytest.approx(np.ones(24), abs=KW)


def test_devices_share_the_surplus_of_a_home() -> None:
    # 2 kW of surplus at 12:00 only; import 0.20, export 0.05. The vehicle needs 3 kWh within
    # 10:00-14:00: 2 kWh from the surplus (0.05 each, forgone) and 1 kWh imported: 0.20 EUR in all.
    surplus = PvPlant(2.0, 35.0, 180.0, steps(HOURS, 0.0, p12=-2.0))
    ev = ElectricVehicle(3.6, 24.0, 1.0, 10, 14, 3.0)

    found = solve_home(house(0.0, ev=ev, pv=surplus), nothing_asked(), flat(0.20, 0.05), HOURS)

    assert found.objective_eur == pytest.approx(0.20, abs=EUR)
    assert found.device_kw["ev"][12] >= 2.0 - KW


def test_cap_on_import_spreads_the_charging() -> None:
    # 1 kW of base leaves 2 kW below the cap: 6 kWh take the three cheapest hours. Uncapped, two do.
    ev = ElectricVehicle(3.6, 24.0, 1.0, 18, 7, 6.0)
    tariff = Tariff("hourly", steps(HOURS, 0.20, p3=0.05, p4=0.06, p5=0.07), np.zeros(24))
    base_eur = 21 * 0.20 + 0.18

    capped, free = (
        solve_home(house(1.0, ev=ev, import_cap_kw=cap), nothing_asked(), tariff, HOURS)
        for cap in (3.0, float("inf"))
    )

    assert capped.objective_eur == pytest.approx(base_eur + 2 * 0.18, abs=EUR)
    assert capped.net_kw.max() == pytest.approx(3.0, abs=KW)
    assert free.objective_eur == pytest.approx(base_eur + 3.6 * 0.05 + 2.4 * 0.06, abs=EUR)


def test_cap_on_export_sends_the_rest_into_the_battery() -> None:
    # At 12:00 4 kW are left over and earn 0.30, but only 2 kW may leave: the other 2 kWh save 0.20
    # each later. 23 kWh of base x 0.20 - 2 x 0.30 - 2 x 0.20 = 3.60 EUR.
    sun = PvPlant(5.0, 35.0, 180.0, steps(HOURS, 0.0, p12=-5.0))
    home = house(1.0, battery=Battery(10.0, 3.0, 1.0, 1.0), pv=sun, export_cap_kw=2.0)
    tariff = Tariff("noon", np.full(24, 0.20), steps(HOURS, 0.0, p12=0.30))

    found = solve_home(home, nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(3.60, abs=EUR)
    assert found.net_kw[12] == pytest.approx(-2.0, abs=KW)


@pytest.mark.parametrize(
    ("peak_eur_per_kw", "expected_eur", "peak_kw"),
    [
        # 6 kWh within 10:00-14:00, 10:00 at 0.10 and the rest of the day at 0.20; base 1 kW.
        # All at 10:00: 0.60 and a peak of 7 kW.
        (0.0, 4.70 + 0.60, 7.0),
        (0.01, 4.70 + 0.60 + 0.07, 7.0),
        # A kWh moved costs 0.10 and takes up to 1 kW off the peak: even out, 1.5 kWh an hour.
        (0.50, 4.70 + 1.5 * 0.10 + 4.5 * 0.20 + 0.50 * 2.5, 2.5),
    ],
)
def test_peak_price_evens_out_what_it_is_worth(
    peak_eur_per_kw: float, expected_eur: float, peak_kw: float
) -> None:
    ev = ElectricVehicle(6.0, 24.0, 1.0, 10, 14, 6.0)
    tariff = Tariff(
        "peak", steps(HOURS, 0.20, p10=0.10), np.zeros(24), peak_eur_per_kw=peak_eur_per_kw
    )

    found = solve_home(house(1.0, ev=ev), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(expected_eur, abs=EUR)
    assert found.net_kw.max() == pytest.approx(peak_kw, abs=KW)


def test_home_that_never_imports_pays_no_peak() -> None:
    tariff = Tariff("peak", np.full(24, 0.20), np.full(24, 0.05), peak_eur_per_kw=1.0)

    found = solve_home(house(-1.0), nothing_asked(), tariff, HOURS)

    assert found.objective_eur == pytest.approx(-24 * 0.05, abs=EUR)


def test_wind_and_micro_chp_are_generation() -> None:
    # 1 kW of base less 0.4 and 0.5 kW: 0.1 kW x 24 h x 0.20 EUR.
    home = house(
        1.0,
        wind=WindTurbine(1.5, np.full(24, -0.4)),
        micro_chp=MicroChp(1.0, 6.0, np.full(24, -0.5)),
    )

    found = solve_home(home, nothing_asked(), flat(0.20, 0.05), HOURS)

    assert found.objective_eur == pytest.approx(0.48, abs=EUR)


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


@pytest.mark.parametrize("horizon", [Horizon(15), Horizon(30)], ids=["quarters", "half_hours"])
@pytest.mark.parametrize("seed", range(6))
def test_solution_of_a_random_home_is_a_day_it_can_live(seed: int, horizon: Horizon) -> None:
    rng = np.random.default_rng(seed)
    home, reference = random_home(rng, horizon)
    tariff = time_of_use(horizon)

    found = solve_home(home, reference, tariff, horizon)

    cost_eur = float(tariff.cost_eur(found.net_kw, horizon))
    assert found.cost_eur == pytest.approx(cost_eur, abs=EUR)
    assert found.objective_eur == pytest.approx(cost_eur + found.discomfort_eur, abs=EUR)
    assert found.objective_eur <= float(tariff.cost_eur(reference.net_kw, horizon)) + EUR
    assert found.bound_eur <= found.objective_eur + EUR
    for device in home.offered_devices:
        check_service(device, found.device_kw[device.name], reference, horizon)
    check_caps(home, found.net_kw)
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
        # 1 kWh where an hour at the least power draws 1.38 kWh.
        (house(0.2, ev=ElectricVehicle(3.6, 24.0, 1.0, 3, 9, 1.0, least_charge_kw=1.38)), 0.0),
        # 0.2 kW of base load above the cap.
        (house(0.2, import_cap_kw=0.1), 0.0),
        (house(-3.0, export_cap_kw=2.0), 0.0),
        # 3 kWh are drawn; 1.5 kWh of room in the band and 0.1 kW do not make them good.
        (house(0.2, heaters=(replace(tank(), power_kw=0.1),)), 0.0),
        # It would have to end as it begins, below the band.
        (house(0.2, heaters=(tank(lower_c=50.0),)), 0.0),
    ],
    ids=[
        "window_too_short",
        "stay_too_short",
        "battery_overfull",
        "battery_leaks",
        "too_little_to_charge",
        "base_above_cap",
        "export_above_cap",
        "heater_too_weak",
        "begins_too_cold",
    ],
)
def test_wish_that_cannot_be_met_is_a_status(home: Home, start_kwh: float) -> None:
    reference = nothing_asked(start_kwh=start_kwh, hot_water=4.5)

    found = solve_home(home, reference, flat(0.2, 0.05), HOURS)

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


def test_faults_of_the_newer_devices_come_together_too() -> None:
    short = np.zeros(3)
    home = house(
        0.2,
        heaters=(tank(), replace(tank(), heat_per_power=short)),
        wind=WindTurbine(1.5, short),
        import_cap_kw=-1.0,
        export_cap_kw=float("nan"),
    )
    tariff = Tariff("refund", np.zeros(24), np.zeros(24), peak_eur_per_kw=-0.1)

    with pytest.raises(ConfigurationError) as caught:
        home_model(home, nothing_asked(), tariff, HOURS)

    assert {fault.where for fault in caught.value.faults} == {
        "home house, name hot_water",
        "home house, import_cap_kw",
        "home house, export_cap_kw",
        "tariff refund, peak_eur_per_kw",
        "home house, reference heat of hot_water",
        "home house, wind",
        "home house, heat_per_power of hot_water",
    }


def test_solver_that_gives_up_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "HIGHS_OPTIONS", {**HIGHS_OPTIONS, "time_limit": 0.0})
    home, reference = random_home(np.random.default_rng(0), QUARTERS)

    with pytest.raises(Mas2simError, match="home sample: HiGHS ended with maxTimeLimit"):
        solve_home(home, reference, time_of_use(QUARTERS), QUARTERS)


@pytest.mark.parametrize(("option", "value"), HIGHS_OPTIONS.items())
def test_solver_knows_the_option(option: str, value: float) -> None:
    # Pyomo passes options on without asking whether HiGHS took them.
    assert highspy.Highs().setOptionValue(option, value) == highspy.HighsStatus.kOk
