"""The structured method on homes with devices, against the planner's MILP and plain enumeration."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from mas2sim.cems.components import Storage, components
from mas2sim.cems.milp import Outcome, ProgramSolver
from mas2sim.cems.program import home_program
from mas2sim.cems.structured import StructuredPlan, solve_structured
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
    PvPlant,
    StorageTransition,
)
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

from .component_oracle import oracle_eur
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
KW = 1e-9
"""Rounding of sums over a home's devices."""
KWH = 1e-9
"""What a storage path allows rounding to add up to over a day."""
LEVEL_KW = 3.6 / 16
"""The flattest path is made of sixteenths of a charger's range."""

QUARTERS = Horizon()
HOURS = Horizon(60)
HOMES = 50
WAYS = {"fixed", "separable", "enumerated", "one storage"}
TARIFFS = ("time_of_use", "dynamic", "export_above_import", "negative_prices")
CASES = list(product(range(HOMES), TARIFFS))


def tariff_of(name: str, seed: int, horizon: Horizon = QUARTERS) -> Tariff:
    rng = np.random.default_rng([seed, 1])
    if name == "time_of_use":
        return time_of_use(horizon)
    kinds = {
        "dynamic": dynamic,
        "export_above_import": export_above_import,
        "negative_prices": negative_prices,
    }
    return kinds[name](horizon, rng)


@cache
def sample(seed: int) -> tuple[Home, ReferenceDay]:
    """A home of any make whose limits do not bind."""
    home, reference = limited_sample(seed)
    ev = home.ev and replace(home.ev, least_charge_kw=0.0)
    return replace(home, ev=ev, import_cap_kw=np.inf, export_cap_kw=np.inf), reference


@cache
def limited_sample(seed: int) -> tuple[Home, ReferenceDay]:
    """A home of any make, but without loads that may be cut, which components cannot say."""
    home, reference = random_home(np.random.default_rng(seed), QUARTERS)
    cut = {home.interruptible.name} if home.interruptible else set()
    return replace(home, offered=home.offered - cut), reference


def solved(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    ties: TieRule = TieRule.RANDOM,
    seed: int = 1,
    horizon: Horizon = QUARTERS,
) -> StructuredPlan | None:
    parts = components(home, reference, tariff, horizon)
    assert parts is not None
    return solve_structured(parts, horizon, ties, stream(seed, "ties"))


@pytest.mark.parametrize(("seed", "tariff_name"), CASES)
def test_same_least_cost_as_the_milp(seed: int, tariff_name: str) -> None:
    home, reference = sample(seed)
    tariff = tariff_of(tariff_name, seed)
    if not home.offered_devices:
        pytest.skip("nothing to plan")
    plans = [solved(home, reference, tariff, ties) for ties in TieRule]
    if plans[0] is None:
        assert plans == [None] * len(TieRule)
        return
    oracle = ProgramSolver(home_program(home, reference, tariff, QUARTERS)).least_cost()

    assert oracle.outcome is Outcome.OPTIMAL
    for plan in plans:
        assert plan is not None
        assert plan.cost_eur == pytest.approx(oracle.objective, abs=EUR, rel=0)
        assert plan.bound_eur == pytest.approx(plan.cost_eur, abs=EUR, rel=0)
        check_plan(plan, home, reference, tariff)


def test_every_way_is_met_and_only_what_does_not_fit_is_left() -> None:
    ways: dict[str, Counter[str]] = {name: Counter() for name in TARIFFS}
    for seed, name in CASES:
        plan = solved(*sample(seed), tariff_of(name, seed))
        ways[name][plan.way if plan else "left"] += 1

    for name in ("time_of_use", "dynamic"):
        # With kind prices nothing is left to the fallback.
        assert set(ways[name]) == {*WAYS, "several storages"}
    for name in ("export_above_import", "negative_prices"):
        assert ways[name]["left"] > 0
        assert ways[name]["separable"] > 0


@pytest.mark.parametrize("tariff_name", ["time_of_use", "dynamic"])
def test_limits_left_out_of_the_search_are_kept_all_the_same(tariff_name: str) -> None:
    kept = dropped = 0
    for seed in range(HOMES):
        home, reference = limited_sample(seed)
        least_charge_kw = home.ev.least_charge_kw if home.ev and "ev" in home.offered else 0.0
        limited = np.isfinite([home.import_cap_kw, home.export_cap_kw]).any() or least_charge_kw
        if not limited or not home.offered_devices:
            continue
        plan = solved(home, reference, tariff_of(tariff_name, seed))
        if plan is None:
            dropped += 1
            continue
        kept += 1
        tariff = tariff_of(tariff_name, seed)
        oracle = ProgramSolver(home_program(home, reference, tariff, QUARTERS)).least_cost()
        assert plan.cost_eur == pytest.approx(oracle.objective, abs=EUR, rel=0)
        check_plan(plan, home, reference, tariff)
        check_between(plan.net_kw, -home.export_cap_kw, home.import_cap_kw)
        drawn_kw = plan.setpoints["ev"] if least_charge_kw else np.zeros(1)
        assert (drawn_kw[drawn_kw > KW] >= least_charge_kw - KW).all()

    assert min(kept, dropped) > 3


def check_plan(plan: StructuredPlan, home: Home, reference: ReferenceDay, tariff: Tariff) -> None:
    """Replay the setpoints: services delivered, limits kept, net power and cost as promised."""
    assert set(plan.setpoints) == {device.name for device in home.offered_devices}
    net_kw = np.array(home.fixed_kw)
    for device in home.flexible_devices:
        if device.name in home.offered:
            net_kw += replayed_kw(device, plan.setpoints[device.name], reference)
        else:
            net_kw += reference.device_kw[device.name]
    assert plan.net_kw == pytest.approx(net_kw, abs=KW, rel=0)
    cost_eur = float(tariff.energy_cost_eur(net_kw, QUARTERS))
    assert plan.cost_eur == pytest.approx(cost_eur, abs=EUR, rel=0)


def replayed_kw(
    device: FlexibleDevice, setpoint: FloatArray, reference: ReferenceDay
) -> FloatArray:
    """Power that a setpoint makes a device draw, after checking that it may."""
    ptus = np.arange(QUARTERS.ptus)
    if isinstance(device, Appliance):
        (begins,) = np.flatnonzero(setpoint)
        assert setpoint[begins] == 1.0
        assert begins in device.starts(QUARTERS)
        return device.profile_kw(int(begins), QUARTERS)
    if isinstance(device, ElectricVehicle):
        stay = QUARTERS.window(device.arrival, device.departure)
        assert not np.delete(setpoint, stay).any()
        limits = (-device.discharge_kw, device.charger_kw)
        step = device.transition(QUARTERS)
        stored = followed(step, setpoint[stay], device.arrival_kwh, limits)
        least = min(device.reserve_kwh if device.discharge_kw else 0.0, device.arrival_kwh)
        check_between(stored, least, device.capacity_kwh)
        assert stored[-1] == pytest.approx(device.capacity_kwh, abs=KWH)
        return setpoint
    if isinstance(device, Battery):
        start_kwh = reference.battery_start_kwh
        limits = (-device.power_kw, device.power_kw)
        stored = followed(device.transition(QUARTERS), setpoint, start_kwh, limits)
        check_between(stored, min(device.reserve_kwh, start_kwh), device.capacity_kwh)
        assert stored[-1] == pytest.approx(start_kwh, abs=KWH)
        return setpoint
    assert isinstance(device, Heater)
    step, store = device.transition(QUARTERS), device.store
    assert ((setpoint >= 0.0) & (setpoint <= device.power_kw)).all()
    heat = start_kwh = reference.heat_start_kwh[device.name]
    for t in ptus[:-1]:
        heat = step.keep * heat + step.inflow_kwh[t] + step.heat_kwh_per_kw[t] * setpoint[t]
        lower, upper = store.lower_c[t], store.upper_c[t]
        check_between(heat, *(store.capacity_kwh_per_k * c for c in (lower, upper)))
    heat = step.keep * heat + step.inflow_kwh[-1] + step.heat_kwh_per_kw[-1] * setpoint[-1]
    assert heat == pytest.approx(start_kwh, abs=KWH)
    return setpoint


def followed(
    step: StorageTransition, power_kw: FloatArray, start_kwh: float, limits: tuple[float, float]
) -> FloatArray:
    """Energy at the end of each PTU under these powers."""
    check_between(power_kw, *limits, tolerance=0.0)
    stored, energies = start_kwh, []
    for power in power_kw.tolist():
        gain = step.charge_kwh_per_kw if power > 0 else step.discharge_kwh_per_kw
        stored = step.keep * stored + gain * power
        energies.append(stored)
    return np.array(energies)


def check_between(values: object, least: float, most: float, *, tolerance: float = KWH) -> None:
    assert np.min(values) >= least - tolerance
    assert np.max(values) <= most + tolerance


def sunny_home(*, battery: Battery | None = None, **changes: object) -> Home:
    """Two appliances and PV; some combinations of starts cost the same."""
    hours = HOURS.start_hours
    appliances = (
        Appliance("washing_machine", (0.8, 0.8), 9, 8, 18),
        Appliance("dishwasher", (1.2,), 9, 8, 18),
    )
    pv = PvPlant(3.0, 35.0, 180.0, np.where((hours >= 10) & (hours < 15), -1.0, 0.0))
    names = {"washing_machine", "dishwasher"} | ({"battery"} if battery else set())
    given = {"appliances": appliances, "pv": pv, "battery": battery, "offered": frozenset(names)}
    return Home("sunny", 3000.0, np.full(24, 0.1), **{**given, **changes})


def flat_tariff(price: float = 0.2, export: float = 0.05) -> Tariff:
    return Tariff("flat", np.full(24, price), np.full(24, export))


def equal_combinations(home: Home, tariff: Tariff) -> dict[tuple[int, int], float]:
    """Sum of squares of the net power of each cheapest pair of starts, by enumeration."""
    first, second = home.appliances
    squares, costs = {}, {}
    for pair in product(first.starts(HOURS).tolist(), second.starts(HOURS).tolist()):
        net = home.fixed_kw + first.profile_kw(pair[0], HOURS) + second.profile_kw(pair[1], HOURS)
        costs[pair] = float(tariff.energy_cost_eur(net, HOURS))
        squares[pair] = float(net @ net)
    least = min(costs.values())
    return {pair: squares[pair] for pair, cost in costs.items() if cost <= least + 1e-12}


def pair_of(plan: StructuredPlan | None) -> tuple[int, int]:
    assert plan is not None
    return (
        int(plan.setpoints["washing_machine"].argmax()),
        int(plan.setpoints["dishwasher"].argmax()),
    )


def test_random_takes_each_equal_combination_equally_often() -> None:
    home, draws = sunny_home(), 600
    equal = equal_combinations(home, flat_tariff())
    reference = reference_of(home, HOURS)
    assert 3 <= len(equal) <= 20

    met = Counter(
        pair_of(solved(home, reference, flat_tariff(), seed=seed, horizon=HOURS))
        for seed in range(draws)
    )

    assert set(met) == set(equal)
    expected = draws / len(equal)
    # Chi-square of as many classes: mean n - 1, and beyond n - 1 + 5 sqrt(2 n) hardly ever.
    chi_square = sum((count - expected) ** 2 / expected for count in met.values())
    assert chi_square < len(equal) - 1 + 5 * np.sqrt(2 * len(equal))


def test_earliest_is_least_late_in_the_windows() -> None:
    home = sunny_home()
    plan = solved(home, reference_of(home, HOURS), flat_tariff(), TieRule.EARLIEST, horizon=HOURS)

    # Both windows begin at 8:00.
    least = min(sum(pair) for pair in equal_combinations(home, flat_tariff()))
    assert sum(pair_of(plan)) == least


def test_flattest_has_the_least_squares() -> None:
    hours = HOURS.start_hours
    # More surplus than both need, and more of it later: starts within it cost the same.
    rising_kw = np.where((hours >= 10) & (hours < 15), -2.5 - 0.2 * (hours - 10), 0.0)
    home = sunny_home(pv=PvPlant(4.0, 35.0, 180.0, rising_kw))
    plan = solved(home, reference_of(home, HOURS), flat_tariff(), TieRule.FLATTEST, horizon=HOURS)

    equal = equal_combinations(home, flat_tariff())
    assert equal[pair_of(plan)] == pytest.approx(min(equal.values()))
    assert len(set(equal.values())) > 3
    assert pair_of(plan) != min(equal)


@pytest.mark.parametrize("ties", list(TieRule))
def test_with_a_battery_ties_are_broken_at_the_same_cost(ties: TieRule) -> None:
    home = sunny_home(battery=Battery(2.0, 1.0, 0.9, 0.9))
    reference = reference_of(home, HOURS, start_kwh=1.0)
    parts = components(home, reference, flat_tariff(), HOURS)
    assert parts is not None

    plan = solved(home, reference, flat_tariff(), ties, horizon=HOURS)

    assert plan is not None
    assert plan.way == "one storage"
    assert plan.cost_eur == pytest.approx(oracle_eur(parts, HOURS), abs=EUR, rel=0)


def test_earliest_charges_on_arrival_and_flattest_fills_the_valley() -> None:
    base = 0.3 + np.where(np.arange(96) >= 80, 1.5, 0.0)
    ev = ElectricVehicle(3.6, 24.0, 1.0, 72, 24, 12.0)
    home = Home("h", 3300.0, base, ev=ev, offered=frozenset({"ev"}))
    flat = Tariff("flat", np.full(96, 0.2), np.full(96, 0.05))
    reference = reference_of(home, QUARTERS)

    earliest = solved(home, reference, flat, TieRule.EARLIEST)
    flattest = solved(home, reference, flat, TieRule.FLATTEST)

    assert earliest is not None
    assert flattest is not None
    assert earliest.setpoints["ev"] == pytest.approx(reference.device_kw["ev"])
    # 12 kWh in the 8 h with 0.3 kW of base load: 1.5 kW, just up to the level of the evening.
    valley = [*range(72, 80), *range(24)]
    assert flattest.net_kw[valley] == pytest.approx(np.full(32, 1.8), abs=LEVEL_KW)


def test_a_lossless_battery_does_not_cycle_for_nothing() -> None:
    battery = Battery(4.0, 2.0, 1.0, 1.0)
    home = Home("h", 3300.0, np.full(24, 0.5), battery=battery, offered=frozenset({"battery"}))
    reference = reference_of(home, HOURS, start_kwh=2.0)

    for ties in (TieRule.RANDOM, TieRule.EARLIEST):
        plan = solved(home, reference, flat_tariff(), ties, horizon=HOURS)
        assert plan is not None
        assert not plan.setpoints["battery"].any()


def test_a_fee_on_what_is_drawn_keeps_the_sun_at_home() -> None:
    battery = Battery(2.0, 1.0, 0.9, 0.9)
    home, tariff = sunny_home(battery=battery), flat_tariff(0.06, 0.05)
    reference = reference_of(home, HOURS, start_kwh=0.0)
    exported = []
    for fee in (0.0, 0.1):
        parts = components(home, reference, tariff, HOURS, fee_eur_per_kwh=fee)
        assert parts is not None
        plan = solve_structured(parts, HOURS, TieRule.EARLIEST, stream(1, "ties"))
        assert plan is not None
        assert plan.cost_eur == pytest.approx(oracle_eur(parts, HOURS), abs=EUR, rel=0)
        exported.append(-plan.net_kw[plan.net_kw < 0].sum())

    assert exported[1] < exported[0]


def test_same_stream_gives_the_same_bytes() -> None:
    for seed in range(0, HOMES, 5):
        plans = [solved(*sample(seed), tariff_of("time_of_use", seed)) for _ in range(2)]
        if plans[0] is not None:
            assert plans[0].net_kw.tobytes() == plans[1].net_kw.tobytes()


@pytest.mark.parametrize(
    "device",
    [
        Appliance("washing_machine", (0.7, 0.7, 0.8, 0.8, 0.7, 0.7), 44, 44, 48),
        ElectricVehicle(3.6, 24.0, 1.0, 80, 88, 20.0),
    ],
    ids=["window_too_short", "stay_too_short"],
)
def test_what_cannot_be_met_is_left_to_the_fallback(device: FlexibleDevice) -> None:
    devices = {"appliances": (device,)} if isinstance(device, Appliance) else {"ev": device}
    home = Home("h", 3300.0, np.full(96, 0.3), offered=frozenset({device.name}), **devices)

    assert solved(home, reference_of(home, QUARTERS), time_of_use(QUARTERS)) is None


def test_prices_that_reward_waste_are_left_to_the_fallback() -> None:
    home = sunny_home(battery=Battery(2.0, 1.0, 0.9, 0.9))
    reference = reference_of(home, HOURS, start_kwh=1.0)

    assert solved(home, reference, flat_tariff(0.2, 0.3), horizon=HOURS) is None
    assert solved(home, reference, flat_tariff(0.2, -0.1), horizon=HOURS) is None


def test_what_components_cannot_say_is_left_to_the_fallback() -> None:
    home, reference = sunny_home(), ReferenceDay(np.zeros(24))
    load = InterruptibleLoad(np.ones(24), 1, 1, 0.1)
    with_load = replace(home, interruptible=load, offered=home.offered | {load.name})
    with_peak = replace(flat_tariff(), peak_eur_per_kw=0.1)

    assert components(home, reference, flat_tariff(), HOURS) is not None
    assert components(with_load, reference, flat_tariff(), HOURS) is None
    assert components(home, reference, with_peak, HOURS) is None


def test_all_faults_of_a_storage_come_together() -> None:
    zeros, ones = np.zeros(24), np.ones(24)
    with pytest.raises(ConfigurationError) as raised:
        Storage("tank", 0, 1.0, zeros, zeros, ones, zeros, -ones, ones, zeros, zeros)

    assert len(raised.value.faults) == 4
