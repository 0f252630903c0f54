"""The Energy Box as others meet it: what it answers is exact, and what is ordered is delivered."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mas2sim.cems.box import EnergyBoxes, PlanningTask
from mas2sim.cems.services import (
    OPEN_ANSWERS,
    AnswerError,
    Direction,
    EnergyBox,
    ExpiredAnswerError,
    FlexibilityRequest,
    UnknownAnswerError,
)
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, InterruptibleLoad
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.plan import PlanStatus, Setpoints, TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.plant import SimulatedBlock, reference_days

from .service_samples import (
    INCREASE,
    MACHINE,
    MORNING,
    REDUCE,
    H,
    at,
    flat,
    machine_box,
    make,
    start_of,
    steps,
)

EUR = 1e-6
"""What two objectives may differ by, each proven to 1e-7 and one after the other."""
KW = 1e-5
"""Solver tolerance of up to 1e-6 kW a variable, summed over the devices of a home."""
KWH = 1e-5
"""The same over the PTUs of a window."""
ROUNDING_KW = 1e-9
"""What sums of a few powers may be off by."""

# What the plan is before anybody asks.


def test_the_box_plans_as_the_agent_in_the_simulation() -> None:
    home, reference = make(MACHINE, battery=Battery(5.0, 2.0, 0.95, 0.95))
    task = PlanningTask(
        levels=(Level.UC1,),
        tariff=MORNING,
        horizon=H,
        ties=TieRule.RANDOM,
        seed=7,
        substation=2,
    )
    boxes = EnergyBoxes(Community("c", (0,)), [home], [reference], task)
    inside = boxes.plan().net_kw[0, 0]
    outside = EnergyBox(home, reference, MORNING, H, seed=7, substation=2).plan().net_kw
    np.testing.assert_array_equal(outside, inside)


def test_new_prices_move_the_cycle() -> None:
    box = machine_box()
    assert start_of(box.plan().setpoints["washing_machine"]) == "10:00"
    later = replace(MORNING, import_eur_per_kwh=steps(("00:00", 0.40), ("13:00", 0.10)))
    plan = box.prices(later)
    assert box.plan() is plan
    assert start_of(plan.setpoints["washing_machine"]) == "13:00"


def test_a_forecast_moves_the_cycle_into_the_sun() -> None:
    """D6.1, annex D: asked for 15:00, free from 11:00 to 17:00; here the sun comes at 14:00."""
    machine = Appliance("washing_machine", (1.0, 1.0), at("15:00"), at("11:00"), at("17:00"))
    prices = Tariff("flat", flat(0.20), flat(0.05))
    box = EnergyBox(*make(machine, pv_kw=np.zeros(H.ptus)), prices, H, ties=TieRule.EARLIEST)
    assert start_of(box.plan().setpoints["washing_machine"]) == "11:00"
    sun_kw = np.zeros(H.ptus)
    sun_kw[at("14:00") : at("14:30")] = -1.2
    plan = box.pv_forecast(sun_kw)
    assert start_of(plan.setpoints["washing_machine"]) == "14:00"
    # 0.2 kW of base all day but in the two sunny PTUs, in which base and machine use all of it.
    assert plan.cost_eur == pytest.approx(0.2 * 0.25 * (96 - 2) * 0.20, abs=EUR)


def test_a_forecast_reaches_a_home_that_plans_nothing() -> None:
    box = EnergyBox(*make(MACHINE, offer=False, pv_kw=np.zeros(H.ptus)), MORNING, H)
    before_kw = box.plan().net_kw
    sun_kw = np.where(H.mask(at("12:00"), at("13:00")), -1.0, 0.0)
    np.testing.assert_allclose(box.pv_forecast(sun_kw).net_kw, before_kw + sun_kw, atol=KW)


# What a request is answered with.


def test_a_cycle_is_moved_out_of_the_window_at_its_exact_loss() -> None:
    box = machine_box()
    answer = box.request(FlexibilityRequest(REDUCE, at("10:00"), at("11:00"), 0.8))
    # Only the two PTUs in which the machine was to run can be reduced; 0.5 kWh at 0.20, not 0.10.
    expected_kw = np.zeros(H.ptus)
    expected_kw[at("10:00") : at("10:30")] = 0.8
    np.testing.assert_allclose(answer.delivered_kw, expected_kw, atol=KW)
    assert not answer.met
    assert answer.reason
    assert answer.loss_eur == pytest.approx(0.5 * (0.20 - 0.10), abs=EUR)
    assert start_of(answer.plan.setpoints["washing_machine"]) == "11:00"
    assert answer.rebound_kw.sum() * 0.25 == pytest.approx(0.5, abs=KWH)
    assert answer.change_kw.sum() == pytest.approx(0.0, abs=KW)
    # Asking alone changes nothing.
    assert start_of(box.plan().setpoints["washing_machine"]) == "10:00"


def test_what_is_free_costs_nothing() -> None:
    answer = machine_box().request(FlexibilityRequest(REDUCE, at("10:00"), at("10:30"), 0.8))
    assert answer.met
    assert answer.reason == ""
    assert answer.loss_eur == 0.0
    assert start_of(answer.plan.setpoints["washing_machine"]) == "10:30"


def test_an_increase_moves_the_cycle_in() -> None:
    answer = machine_box().request(FlexibilityRequest(INCREASE, at("12:00"), at("12:30"), 1.0))
    assert answer.met
    assert answer.loss_eur == pytest.approx(0.5 * (0.30 - 0.10), abs=EUR)
    assert start_of(answer.plan.setpoints["washing_machine"]) == "12:00"


def test_a_window_may_wrap_midnight() -> None:
    dryer = Appliance("tumble_dryer", (2.0, 2.0), at("21:00"), at("20:00"), at("03:00"))
    night = Tariff("night", steps(("00:00", 0.10), ("00:30", 0.30)), flat(0.05))
    box = EnergyBox(*make(dryer), night, H, ties=TieRule.EARLIEST)
    assert start_of(box.plan().setpoints["tumble_dryer"]) == "00:00"
    answer = box.request(FlexibilityRequest(REDUCE, at("23:30"), at("01:00"), 2.0))
    assert answer.delivered_kw.sum() * 0.25 == pytest.approx(1.0, abs=KWH)
    assert answer.loss_eur == pytest.approx(1.0 * (0.30 - 0.10), abs=EUR)
    assert start_of(answer.plan.setpoints["tumble_dryer"]) not in {
        "23:30",
        "23:45",
        "00:00",
        "00:30",
    }


def test_the_most_possible_where_nothing_runs_is_nothing() -> None:
    box = machine_box()
    answer = box.request(FlexibilityRequest(REDUCE, at("18:00"), at("19:00"), 0.5))
    assert not answer.met
    assert answer.reason
    assert answer.delivered_kw.max() == 0.0
    assert answer.loss_eur == 0.0


def test_a_home_that_offers_nothing_says_so() -> None:
    box = EnergyBox(*make(MACHINE, offer=False), MORNING, H)
    answer = box.request(FlexibilityRequest(REDUCE, 40, 44, 0.5))
    assert "offers no device" in answer.reason
    assert answer.plan is box.plan()
    assert not answer.delivered_kw.any()


def test_a_full_battery_cannot_feign_use_by_charging_and_discharging() -> None:
    battery = Battery(4.0, 3.0, 0.8, 0.8)
    home, reference = make(battery=battery)
    full = replace(reference, battery_start_kwh=4.0)
    box = EnergyBox(home, full, Tariff("flat", flat(0.20), flat(0.05)), H)
    answer = box.request(FlexibilityRequest(INCREASE, 0, 1, 1.0))
    np.testing.assert_allclose(answer.delivered_kw, 0.0, atol=KW)


def test_a_cut_costs_the_comfort_less_the_energy_saved() -> None:
    """2 kW, cut once for an hour at most: 0.50 EUR/kWh of comfort, 0.20 EUR/kWh of energy."""
    load = InterruptibleLoad(flat(2.0), 4, 1, 0.50)
    home = replace(
        make()[0], interruptible=load, owns=frozenset({load.name}), offered=frozenset({load.name})
    )
    box = EnergyBox(home, reference_days([home], H)[0], Tariff("flat", flat(0.2), flat(0.05)), H)
    answer = box.request(FlexibilityRequest(REDUCE, at("17:00"), at("18:00"), 2.0))
    assert answer.met
    assert answer.loss_eur == pytest.approx(2.0 * (0.50 - 0.20), abs=EUR)
    assert answer.plan.discomfort_eur == pytest.approx(1.0, abs=EUR)
    longer = box.request(FlexibilityRequest(REDUCE, at("17:00"), at("19:00"), 2.0))
    assert not longer.met
    assert longer.delivered_kw.sum() * 0.25 == pytest.approx(2.0, abs=KWH)


def most_by_enumeration(
    home: Home, tariff: Tariff, present_kw: FloatArray, request: FlexibilityRequest
) -> tuple[float, float]:
    """Greatest energy delivered and least cost of that, over all starts of all appliances."""
    inside = H.mask(request.start_ptu, request.end_ptu)
    sign = -1.0 if request.direction is REDUCE else 1.0
    starts = [appliance.starts(H) for appliance in home.appliances]
    found: list[tuple[float, float]] = []
    for chosen in itertools.product(*starts):
        net_kw = home.fixed_kw.copy()
        for appliance, start in zip(home.appliances, chosen, strict=True):
            net_kw += appliance.profile_kw(int(start), H)
        moved_kw = sign * (net_kw - present_kw)[inside]
        if moved_kw.min() >= -ROUNDING_KW:
            delivered_kwh = float(np.minimum(moved_kw, request.power_kw).sum()) * 0.25
            found.append((delivered_kwh, float(tariff.energy_cost_eur(net_kw, H))))
    most_kwh = max(delivered_kwh for delivered_kwh, _ in found)
    return most_kwh, min(eur for kwh, eur in found if kwh > most_kwh - ROUNDING_KW)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), direction=st.sampled_from(Direction))
def test_appliances_against_all_their_starts(seed: int, direction: Direction) -> None:
    rng = np.random.default_rng(seed)
    appliances = []
    for name in ("washing_machine", "dishwasher"):
        begin = int(rng.integers(H.ptus))
        cycle_kw = tuple(rng.uniform(0.2, 2.0, rng.integers(2, 6)).tolist())
        end = (begin + int(rng.integers(8, 36))) % H.ptus
        appliances.append(Appliance(name, cycle_kw, begin, begin, end))
    sun_kw = -3.0 * np.clip(np.sin((H.start_hours - 6) / 12 * np.pi), 0, None)
    home, reference = make(*appliances, pv_kw=sun_kw)
    tariff = Tariff("random", rng.uniform(0.1, 0.3, 24).repeat(4), flat(0.05))
    box = EnergyBox(home, reference, tariff, H, seed=seed)
    begin = int(rng.integers(H.ptus))
    request = FlexibilityRequest(direction, begin, (begin + 8) % H.ptus, float(rng.uniform(0.1, 3)))
    answer = box.request(request)
    delivered_kwh, cost_eur = most_by_enumeration(home, tariff, box.plan().net_kw, request)
    assert answer.delivered_kw.sum() * 0.25 == pytest.approx(delivered_kwh, abs=KWH)
    assert answer.plan.cost_eur == pytest.approx(cost_eur, abs=EUR)
    assert answer.loss_eur == pytest.approx(cost_eur - box.plan().cost_eur, abs=EUR)


def test_a_battery_against_a_linear_program() -> None:
    """Reducing never rewards waste, so a battery's answer is two linear programs, stated anew."""
    battery = Battery(5.0, 2.0, 0.9, 0.95, reserve_kwh=0.5)
    home, reference = make(battery=battery, base_kw=0.6)
    tariff = Tariff("two", steps(("00:00", 0.08), ("07:00", 0.22), ("17:00", 0.35)), flat(0.05))
    box = EnergyBox(home, reference, tariff, H)
    present = box.plan()
    window = slice(at("12:00"), at("15:00"))
    answer = box.request(FlexibilityRequest(REDUCE, window.start, window.stop, 1.5))

    # Columns: charge, discharge, import, export, delivered; stored energy is a running sum.
    ptus, unit = H.ptus, np.eye(H.ptus)
    zero = np.zeros((ptus, ptus))
    running = np.tril(np.ones((ptus, ptus)))
    stored = [running * 0.25 * 0.9, -running * 0.25 / 0.95, zero, zero, zero]
    start_kwh = reference.battery_start_kwh
    asked_kw = np.zeros(ptus)
    asked_kw[window] = 1.5
    inside = np.flatnonzero(asked_kw)
    below = np.hstack([unit, -unit, zero, zero, unit])[inside]
    unequal = np.vstack([np.hstack(stored), -np.hstack(stored), below])
    room = np.concatenate(
        [flat(5.0 - start_kwh), flat(start_kwh - 0.5), present.net_kw[inside] - 0.6]
    )
    equal = np.vstack([np.hstack([unit, -unit, -unit, unit, zero]), np.hstack(stored)[-1]])
    target = np.append(flat(-0.6), 0.0)
    bounds = [(0.0, 2.0)] * (2 * ptus) + [(0.0, None)] * (2 * ptus) + [(0.0, a) for a in asked_kw]

    def least(cost: FloatArray, rows: FloatArray, most: FloatArray) -> float:
        solution = linprog(cost, A_ub=rows, b_ub=most, A_eq=equal, b_eq=target, bounds=bounds)
        return float(solution.fun)

    nothing = np.zeros(ptus)
    wish = np.concatenate([nothing, nothing, nothing, nothing, -np.ones(ptus)])
    delivered_kw = -least(wish, unequal, room)
    price = np.concatenate(
        [nothing, nothing, tariff.import_eur_per_kwh * 0.25, flat(-0.05 * 0.25), nothing]
    )
    kept = np.vstack([unequal, wish])
    cost_eur = least(price, kept, np.append(room, -delivered_kw + 1e-7))
    assert answer.delivered_kw.sum() == pytest.approx(delivered_kw, abs=KWH)
    assert answer.loss_eur == pytest.approx(cost_eur - present.cost_eur, abs=EUR)
    assert answer.loss_eur > 0.01


# Orders.


def replayed_kw(
    home: Home, reference: ReferenceDay, setpoints: dict[str, FloatArray]
) -> FloatArray:
    """Net power that a simulated home measures when it follows the setpoints."""
    block = SimulatedBlock([home], [reference], H, levels=1)
    rows = [setpoints[device.name] for device in home.flexible_devices]
    schedule = np.array(rows).reshape(1, -1, H.ptus)
    block.run_in(schedule)
    return np.array([block.step(t, Setpoints(schedule[:, :, t])).p_kw[0, 0] for t in range(H.ptus)])


@st.composite
def homes(draw: st.DrawFn) -> tuple[Home, ReferenceDay]:
    hour = st.floats(0, 23.75)
    appliances = [
        Appliance(name, cycle_kw, at_ptu, at_ptu, (at_ptu + length) % H.ptus)
        for name, cycle_kw in (("washing_machine", (0.7, 0.9)), ("tumble_dryer", (2.5, 2.5, 1.0)))
        if draw(st.booleans())
        for at_ptu, length in [(H.ptu_at(draw(hour)), draw(st.integers(3, 60)))]
    ]
    ev = battery = None
    if draw(st.booleans()):
        arrival = H.ptu_at(draw(st.floats(15, 22)))
        departure = (arrival + draw(st.integers(24, 56))) % H.ptus
        to_home_kw = draw(st.sampled_from([0.0, 3.0]))
        ev = ElectricVehicle(
            *(3.6, 24.0, 0.9, arrival, departure, draw(st.floats(1, 16))),
            discharge_kw=to_home_kw,
            discharge_efficiency=0.92,
            reserve_kwh=4.0,
        )
    if draw(st.booleans()) or not (appliances or ev):
        loss = draw(st.sampled_from([0.0, 0.002]))
        battery = Battery(draw(st.floats(2, 9)), 3.0, 0.95, 0.93, 0.2, loss)
    sun_kw = -draw(st.floats(0, 4)) * np.clip(np.sin((H.start_hours - 6) / 12 * np.pi), 0, None)
    return make(*appliances, ev=ev, battery=battery, pv_kw=sun_kw)


REQUESTS = st.builds(
    lambda direction, start, length, power_kw: FlexibilityRequest(
        direction, start, (start + length) % H.ptus, power_kw
    ),
    st.sampled_from(Direction),
    st.integers(0, H.ptus - 1),
    st.integers(1, 24),
    st.floats(0.05, 4.0),
)


@settings(max_examples=20, deadline=None)
@given(home=homes(), requests=st.lists(REQUESTS, min_size=1, max_size=2))
def test_an_ordered_answer_is_delivered(
    home: tuple[Home, ReferenceDay], requests: list[FlexibilityRequest]
) -> None:
    evening = steps(("00:00", 0.06), ("06:00", 0.14), ("16:00", 0.28), ("19:00", 0.14))
    tariff = Tariff("tou", evening, flat(0.05))
    box = EnergyBox(*home, tariff, H)
    promises = []
    for request in requests:
        present = box.plan()
        answer = box.request(request)
        inside = H.mask(request.start_ptu, request.end_ptu)
        sign = -1.0 if request.direction is REDUCE else 1.0
        assert (answer.delivered_kw[~inside] == 0.0).all()
        assert answer.delivered_kw.max() <= request.power_kw
        assert (sign * answer.change_kw[inside]).min() >= -KW
        if len(promises) == 0 and present.status is PlanStatus.OPTIMAL:
            assert answer.loss_eur >= 0.0
        promises.append((inside, sign, present.net_kw + sign * answer.delivered_kw))
        assert box.order(answer.answer_id) is box.plan() is answer.plan
    measured_kw = replayed_kw(*home, dict(box.plan().setpoints))
    np.testing.assert_allclose(measured_kw, box.plan().net_kw, atol=KW)
    for inside, sign, promised_kw in promises:
        assert (sign * (measured_kw - promised_kw)[inside]).min() >= -KW
    assert not box.unkept_kw.any()


def test_an_order_binds_the_plans_that_follow() -> None:
    box = machine_box()
    box.order(box.request(FlexibilityRequest(REDUCE, at("10:00"), at("11:00"), 1.0)).answer_id)
    assert start_of(box.plan().setpoints["washing_machine"]) == "11:00"
    # The cheapest hours are now those that the order has closed, but for 10:30.
    plan = box.prices(
        replace(
            MORNING,
            import_eur_per_kwh=steps(
                ("00:00", 0.4), ("10:00", 0.01), ("11:00", 0.2), ("13:30", 0.05)
            ),
        )
    )
    assert start_of(plan.setpoints["washing_machine"]) == "13:30"
    assert not box.unkept_kw.any()


def test_an_order_that_the_sun_breaks_is_reported() -> None:
    sun_kw = np.zeros(H.ptus)
    sun_kw[at("10:00") : at("11:00")] = -1.5
    box = EnergyBox(*make(MACHINE, pv_kw=sun_kw), MORNING, H, ties=TieRule.EARLIEST)
    assert start_of(box.plan().setpoints["washing_machine"]) == "10:00"
    box.order(box.request(FlexibilityRequest(REDUCE, at("10:00"), at("10:30"), 1.0)).answer_id)
    box.pv_forecast(np.zeros(H.ptus))
    lost_kw = np.zeros(H.ptus)
    lost_kw[at("10:00") : at("10:30")] = 1.5
    np.testing.assert_allclose(box.unkept_kw, lost_kw, atol=KW)


def test_answers_end_once_ordered_dropped_or_overtaken() -> None:
    box = machine_box()
    ask = FlexibilityRequest(REDUCE, 40, 44, 0.8)
    first, second, third = (box.request(ask) for _ in range(3))
    assert len({first.answer_id, second.answer_id, third.answer_id}) == 3
    box.drop(first.answer_id)
    box.order(second.answer_id)
    for gone in (first, second, third):
        for service in (box.order, box.drop):
            with pytest.raises(ExpiredAnswerError, match="request again"):
                service(gone.answer_id)
    fourth = box.request(ask)
    box.prices(MORNING)
    with pytest.raises(ExpiredAnswerError):
        box.order(fourth.answer_id)


@pytest.mark.parametrize("name", ["h001-1", "h001-00", "h001--1", "h002-0", "0", "", "h001-x"])
def test_answers_never_given_are_unknown(name: str) -> None:
    box = machine_box()
    kept = box.request(FlexibilityRequest(REDUCE, 40, 44, 0.8))
    with pytest.raises(UnknownAnswerError, match=kept.answer_id) as told:
        box.order(name)
    assert isinstance(told.value, AnswerError)
    box.drop(kept.answer_id)


def test_open_answers_do_not_pile_up() -> None:
    box = EnergyBox(*make(MACHINE, offer=False), MORNING, H)
    ask = FlexibilityRequest(REDUCE, 40, 44, 0.8)
    answers = [box.request(ask) for _ in range(OPEN_ANSWERS + 1)]
    with pytest.raises(ExpiredAnswerError):
        box.order(answers[0].answer_id)
    box.order(answers[1].answer_id)
