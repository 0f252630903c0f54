"""Homes' answers to price curves, and what their days are worth, against plain search and LPs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems.components import Choice, Storage
from mas2sim.cems.market_homes import MarketMember
from mas2sim.cems.market_kernel import PARTS, Days, answer_curves, best_cuts
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.flexibility import PriceCurve
from mas2sim.domain.horizon import Horizon
from tests.market.curve_oracle import random_curve

from .component_oracle import random_storage
from .market_samples import (
    TANGENT_KW,
    answer_eur,
    any_day,
    any_member,
    bare,
    cut_patterns,
    cycle_kw,
    in_market,
    least_answer_eur,
    member_of,
)

EUR = 1e-9
"""Sums of 24 products below 10 EUR."""
SOLVER_EUR = 1e-6
"""What an LP or MILP solver's tolerances may leave over 24 PTUs."""
STATEMENT_EUR = 2e-6
"""The same of the Pyomo statement, over as many as five devices."""
KW = 1e-6
RESOLUTION = 0.002
"""Rise of the price within a step of a storage's cost. [EUR/kWh]"""
NO_FEE = np.zeros(24)
HOURS = Horizon(60)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)
many = settings(max_examples=300, deadline=None)


def answered(
    member: MarketMember,
    curve: PriceCurve,
    fee: FloatArray = NO_FEE,
    sweeps: int = 1,
    resolution: float = RESOLUTION,
) -> Days:
    homes, days = in_market([member])
    only = np.zeros(1, dtype=np.int64)
    answer_curves(
        homes, only, only, np.array(curve.change_kw[None]), np.array(curve.price_eur_per_kwh[None]),
        fee, resolution, sweeps, days,
    )  # fmt: skip
    return days


def step_error(curve: PriceCurve) -> float:
    """By how much steps can misjudge a storage's cost over all PTUs. [EUR/h]

    A step's price is the mean over its width, so costs agree at its ends and differ most half way,
    by an eighth of its rise times its width. Between two knots there are as many steps as keep the
    rise of each below the resolution, or `PARTS` at most.
    """
    width_kw, rise = np.diff(curve.change_kw), np.diff(curve.price_eur_per_kwh)
    steps = np.clip(np.ceil(rise / RESOLUTION), 1, PARTS)
    return float((width_kw * rise / steps / 8).max(axis=1).sum())


@few
@given(seed=seeds, with_fee=st.booleans(), capped=st.booleans())
def test_a_storage_answers_as_cheaply_as_its_steps_allow(
    seed: int, with_fee: bool, capped: bool
) -> None:
    rng = np.random.default_rng(seed)
    storage = random_storage(rng, "storage", 24)
    day_kw = any_day(rng, storage)
    if day_kw is None:
        return
    base_kw = rng.uniform(-2.0, 2.0, 24)
    net_kw = base_kw + day_kw
    room = rng.uniform(0.0, 1.0)
    caps = (
        {
            "import_cap_kw": max(net_kw.max(), 0) + room,
            "export_cap_kw": max(-net_kw.min(), 0) + room,
        }
        if capped
        else {}
    )
    parts = bare(base_kw, storages=(storage,), **caps)
    curve = random_curve(rng, 24)
    fee = np.full(24, 0.1) if with_fee else NO_FEE

    days = answered(member_of(parts, storage_kw=[day_kw]), curve, fee)

    least = least_answer_eur(
        storage, curve, net_kw, base_kw, fee, (parts.import_cap_kw, parts.export_cap_kw)
    )
    cost = answer_eur(curve, net_kw, days.net_kw[0], fee)
    assert least - SOLVER_EUR <= cost
    assert cost <= least + step_error(curve) + SOLVER_EUR + TANGENT_KW**2
    assert cost <= step_error(curve)
    assert days.net_kw[0] == pytest.approx(base_kw + days.storage_kw[0])
    assert days.net_kw.max() <= parts.import_cap_kw + KW
    assert days.net_kw.min() >= -parts.export_cap_kw - KW


@many
@given(seed=seeds, with_fee=st.booleans(), capped=st.booleans())
def test_a_cycle_takes_the_best_of_its_starts(seed: int, with_fee: bool, capped: bool) -> None:
    rng = np.random.default_rng(seed)
    starts = (rng.integers(24) + np.arange(rng.integers(1, 25))) % 24
    choice = Choice("cycle", rng.uniform(0.2, 3.0, rng.integers(1, 5)), starts)
    base_kw, now = rng.uniform(-2.0, 2.0, 24), int(rng.choice(starts))
    told_kw = base_kw + cycle_kw(choice, now, 24)
    cap_kw = told_kw.max() + rng.uniform(0.0, 0.5) if capped else np.inf
    member = member_of(bare(base_kw, (choice,), import_cap_kw=cap_kw), starts=[now])
    curve = random_curve(rng, 24, lowest=-0.1)
    fee = np.full(24, 0.03) if with_fee else NO_FEE

    days = answered(member, curve, fee)

    days_kw = [base_kw + cycle_kw(choice, int(start), 24) for start in starts]
    least = min(
        answer_eur(curve, told_kw, net_kw, fee) for net_kw in days_kw if net_kw.max() <= cap_kw
    )
    assert answer_eur(curve, told_kw, days.net_kw[0], fee) == pytest.approx(least, abs=EUR)
    assert days.net_kw[0] == pytest.approx(base_kw + cycle_kw(choice, int(days.start[0]), 24))
    assert days.start[0] in starts


@many
@given(seed=seeds)
def test_a_cycle_stays_within_the_homes_export_cap(seed: int) -> None:
    """Where it runs it uses what may not be fed in; a part of it may go on doing so."""
    rng = np.random.default_rng(seed)
    choice = Choice("cycle", rng.uniform(1.0, 2.0, 3), np.arange(24))
    now, sun = int(rng.integers(24)), int(rng.integers(1, 4))
    base_kw = np.full(24, 0.5)
    base_kw[(now + np.arange(sun)) % 24] = -3.0
    told_kw = base_kw + cycle_kw(choice, now, 24)
    cap_kw = -told_kw.min() + 0.1
    member = member_of(bare(base_kw, (choice,), export_cap_kw=cap_kw), starts=[now])
    curve = random_curve(rng, 24)
    days = answered(member, curve)
    days_kw = [base_kw + cycle_kw(choice, start, 24) for start in range(24)]
    costs = [
        answer_eur(curve, told_kw, net_kw, NO_FEE) for net_kw in days_kw if net_kw.min() >= -cap_kw
    ]
    assert days.net_kw.min() >= -cap_kw
    assert answer_eur(curve, told_kw, days.net_kw[0], NO_FEE) == pytest.approx(min(costs), abs=EUR)


@many
@given(seed=seeds, imports=st.booleans())
def test_cuts_keep_the_homes_caps(seed: int, imports: bool) -> None:
    """A load that is cut since both do not fit, and one that uses what may not be fed in."""
    rng = np.random.default_rng(seed)
    load = InterruptibleLoad(np.full(8, 2.0), 2, 2, float(rng.uniform(0.0, 0.3)))
    base_kw, cut = np.zeros(8), np.zeros(8)
    at = int(rng.integers(1, 6))
    base_kw[at : at + 2] = 4.0 if imports else -4.0
    cut[at : at + 2] = float(imports)
    caps = {"import_cap_kw": 5.0} if imports else {"export_cap_kw": 3.0}
    stands = member_of(bare(base_kw, **caps), load, cut=cut)
    days = answered(stands, random_curve(rng, 8), np.zeros(8))
    assert days.net_kw.max() <= 5.0
    assert days.net_kw.min() >= -3.0


@few
@given(seed=seeds, ptus=st.sampled_from([6, 8]), with_fee=st.booleans())
def test_a_load_is_cut_where_it_pays_most(seed: int, ptus: int, with_fee: bool) -> None:
    rng = np.random.default_rng(seed)
    load = InterruptibleLoad(
        rng.uniform(0.5, 2.0, ptus), int(rng.integers(0, 5)), int(rng.integers(0, 4)),
        float(rng.uniform(0.0, 0.4)),
    )  # fmt: skip
    base_kw = rng.uniform(-2.0, 1.0, ptus)
    curve = random_curve(rng, ptus, lowest=-0.1)
    fee = np.full(ptus, 0.03 if with_fee else 0.0)
    told_kw = base_kw + load.p_kw

    def cost(cut: FloatArray) -> float:
        net_kw = base_kw + load.p_kw * (1 - cut)
        forgone = load.discomfort_eur_per_kwh * float((load.p_kw * cut).sum())
        return answer_eur(curve, told_kw, net_kw, fee) + forgone

    days = answered(member_of(bare(base_kw), load), curve, fee)

    allowed = cut_patterns(load)
    assert any((days.cut[0] == pattern).all() for pattern in allowed)
    assert cost(days.cut[0]) == pytest.approx(min(cost(cut) for cut in allowed), abs=EUR)
    assert days.net_kw[0] == pytest.approx(base_kw + load.p_kw * (1 - days.cut[0]))


@given(
    gain=st.lists(st.integers(-3, 5), min_size=2, max_size=8),
    longest=st.integers(0, 8),
    cuts=st.integers(0, 5),
)
@settings(deadline=None)
def test_cuts_gain_the_most_of_all_patterns(gain: list[int], longest: int, cuts: int) -> None:
    load = InterruptibleLoad(np.ones(len(gain)), longest, cuts, 0.0)
    cut = np.empty(len(gain))
    best_cuts(np.array(gain, dtype=float), longest, cuts, cut)
    patterns = cut_patterns(load)
    assert any((cut == pattern).all() for pattern in patterns)
    assert cut @ gain == max(pattern @ np.array(gain) for pattern in patterns)


def errors(member: MarketMember, curve: PriceCurve) -> float:
    return len(member.parts.storages) * step_error(curve)


@few
@given(seed=seeds, with_fee=st.booleans())
def test_several_devices_settle_where_none_alone_does_better(seed: int, with_fee: bool) -> None:
    rng = np.random.default_rng(seed)
    member = any_member(rng)
    if member is None:
        return
    told_kw, parts = member.plan.net_kw, member.parts
    curve, fee = random_curve(rng, 24), np.full(24, 0.03 if with_fee else 0.0)

    days = answered(member, curve, fee, sweeps=60)

    def cost(net_kw: FloatArray) -> float:
        return answer_eur(curve, told_kw, net_kw, fee)

    net_kw, unsure = days.net_kw[0], errors(member, curve)
    forgone = 0.0
    if member.load is not None:
        forgone = member.load.discomfort_eur_per_kwh * float(days.cut[0] @ member.load.p_kw)
    assert cost(net_kw) + forgone <= unsure + EUR
    for choice, start in zip(parts.choices, days.start, strict=True):
        rest_kw = net_kw - cycle_kw(choice, int(start), 24)
        others = [cost(rest_kw + cycle_kw(choice, int(other), 24)) for other in choice.starts]
        assert cost(net_kw) <= min(others) + EUR
    for storage, power_kw in zip(parts.storages, days.storage_kw, strict=True):
        least = least_answer_eur(storage, curve, told_kw, net_kw - power_kw, fee, (np.inf, np.inf))
        assert cost(net_kw) <= least + step_error(curve) + SOLVER_EUR + TANGENT_KW**2


@few
@given(seed=seeds)
def test_homes_asked_together_answer_as_if_asked_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = [member for member in (any_member(rng) for _ in range(4)) if member is not None]
    curves = [random_curve(rng, 24) for _ in range(2)]
    if not members:
        return
    group = rng.integers(0, 2, len(members))
    alone = [
        answered(member, curves[g]).net_kw[0] for member, g in zip(members, group, strict=True)
    ]
    homes, days = in_market(members)
    asked = rng.permutation(len(members))
    answer_curves(
        homes, asked, group[asked], np.stack([c.change_kw for c in curves]),
        np.stack([c.price_eur_per_kwh for c in curves]), NO_FEE, RESOLUTION, 1, days,
    )  # fmt: skip
    np.testing.assert_array_equal(days.net_kw, alone)


def test_the_least_power_of_a_charger_is_kept() -> None:
    """4 kWh in six hours at 1.5 kW or nothing: a smooth answer would trickle."""
    storage = Storage(
        "ev", 0, 0.0, keep=np.ones(24), inflow_kwh=np.zeros(24),
        lower_kwh=np.where(np.arange(24) >= 5, 4.0, 0.0), upper_kwh=np.full(24, 4.0),
        min_kw=np.zeros(24), max_kw=np.where(np.arange(24) < 6, 3.0, 0.0),
        charge_kwh_per_kw=np.ones(24), discharge_kwh_per_kw=np.ones(24), least_draw_kw=1.5,
    )  # fmt: skip
    now_kw = np.zeros(24)
    now_kw[:2] = 2.0
    steep = PriceCurve(np.tile([-3.0, 3.0], (24, 1)), np.tile([0.05, 0.35], (24, 1)))
    days = answered(member_of(bare(np.zeros(24), storages=(storage,)), storage_kw=[now_kw]), steep)
    drawn_kw = days.storage_kw[0]
    assert drawn_kw.sum() == pytest.approx(4.0)
    assert (drawn_kw[drawn_kw > KW] >= 1.5 - KW).all()


def test_a_home_stays_where_a_negative_price_would_reward_waste() -> None:
    storage = random_storage(np.random.default_rng(0), "s", 24)
    lossy = replace(
        storage, min_kw=np.full(24, -1.0), max_kw=np.ones(24),
        charge_kwh_per_kw=np.full(24, 0.9), discharge_kwh_per_kw=np.full(24, 1.1),
        lower_kwh=np.zeros(24), start_kwh=2.0, upper_kwh=np.full(24, 5.0),
        keep=np.ones(24), inflow_kwh=np.zeros(24),
    )  # fmt: skip
    curve = PriceCurve(np.zeros((24, 1)), np.full((24, 1), -0.2))
    days = answered(member_of(bare(np.zeros(24), storages=(lossy,))), curve)
    np.testing.assert_array_equal(days.net_kw, np.zeros((1, 24)))
