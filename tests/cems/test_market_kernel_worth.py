"""What a home's day is worth at fixed prices: the optimum itself, or a bound that nothing beats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.cems.market_homes import MarketMember, market_member
from mas2sim.cems.market_worth import worths
from mas2sim.cems.planner import plan_home
from mas2sim.cems.statement import solve_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff

from .component_oracle import oracle_eur
from .home_samples import dynamic, random_home
from .market_samples import any_member, bare, cut_patterns, in_market, member_of

EUR = 1e-9
"""Sums of 24 products below 10 EUR."""
SOLVER_EUR = 1e-6
"""What an LP or MILP solver's tolerances may leave over 24 PTUs."""
STATEMENT_EUR = 2e-6
"""The same of the Pyomo statement, over as many as five devices."""
NO_FEE = np.zeros(24)
HOURS = Horizon(60)
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None)


def worth_of(
    member: MarketMember, price: FloatArray, fee: FloatArray = NO_FEE
) -> tuple[float, FloatArray]:
    homes, days = in_market([member])
    only = np.zeros(1, dtype=np.int64)
    worth, net_kw = np.empty(1), np.empty((1, len(price)))
    worths(homes, only, price[None], only, fee, days.net_kw, HOURS.ptu_hours, worth, net_kw)
    return float(worth[0]), net_kw[0]


@few
@given(seed=seeds, lowest=st.sampled_from([-0.3, 0.05]))
def test_worth_is_the_optimum_of_components_at_the_same_prices(seed: int, lowest: float) -> None:
    """Storages that may charge and discharge at once, as the oracle's may: below zero that pays."""
    rng = np.random.default_rng(seed)
    member = any_member(rng)
    if member is None:
        return
    member = replace(member, load=None)
    price = rng.uniform(lowest, 0.4, 24)
    worth, net_kw = worth_of(member, price)
    same = replace(member.parts, import_eur_per_kwh=price, export_eur_per_kwh=price)
    least = oracle_eur(same, HOURS)
    assert least is not None
    assert worth == pytest.approx(least, abs=SOLVER_EUR)
    assert price @ net_kw == pytest.approx(worth, abs=EUR)


@few
@given(seed=seeds)
def test_worth_counts_the_best_cuts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    load = InterruptibleLoad(rng.uniform(0.5, 2.0, 8), 2, 2, float(rng.uniform(0.0, 0.3)))
    base_kw, price = rng.uniform(-1.0, 1.0, 8), rng.uniform(-0.1, 0.4, 8)
    worth, net_kw = worth_of(member_of(bare(base_kw), load), price, np.zeros(8))
    costs = [
        price @ (base_kw + load.p_kw * (1 - cut))
        + load.discomfort_eur_per_kwh * (load.p_kw * cut).sum()
        for cut in cut_patterns(load)
    ]
    assert worth == pytest.approx(min(costs), abs=EUR)
    forgone = load.discomfort_eur_per_kwh * float((base_kw + load.p_kw - net_kw).sum())
    assert price @ net_kw + forgone == pytest.approx(worth, abs=EUR)


def sampled(seed: int, *, free: bool) -> tuple[Home, ReferenceDay]:
    """A home of any make; with `free`, nothing in it ties its devices together."""
    home, reference = random_home(np.random.default_rng(seed), HOURS)
    if free:
        ev = home.ev and replace(home.ev, least_charge_kw=0.0)
        home = replace(home, ev=ev, import_cap_kw=np.inf, export_cap_kw=np.inf)
    return home, reference


def in_the_market(home: Home, reference: ReferenceDay, tariff: Tariff) -> MarketMember:
    rng = np.random.default_rng(1)
    plan = plan_home(home, reference, tariff, HOURS, rng=rng)
    return market_member(home, reference, plan, tariff, HOURS)


@pytest.mark.parametrize("seed", range(20))
def test_worth_is_the_statements_optimum_where_import_and_export_cost_the_same(seed: int) -> None:
    home, reference = sampled(seed, free=True)
    price = dynamic(HOURS, np.random.default_rng(seed)).import_eur_per_kwh
    tariff = Tariff("one_price", price, price)
    stated = solve_home(home, reference, tariff, HOURS)
    worth, _ = worth_of(in_the_market(home, reference, tariff), price)
    assert stated.status is PlanStatus.OPTIMAL
    assert worth == pytest.approx(stated.objective_eur, abs=STATEMENT_EUR)


@pytest.mark.parametrize("lowest", [0.05, -0.2])
@pytest.mark.parametrize("fee", [0.0, 0.04])
@pytest.mark.parametrize("seed", range(20, 32))
def test_worth_is_never_above_what_any_day_of_the_home_costs(
    seed: int, fee: float, lowest: float
) -> None:
    """With caps, least powers, a fee on import and prices below zero."""
    home, reference = sampled(seed, free=False)
    rng = np.random.default_rng(seed)
    price = rng.uniform(lowest, 0.3, 24)
    stated = solve_home(home, reference, Tariff("fee", price + fee, price), HOURS)
    member = in_the_market(home, reference, dynamic(HOURS, rng))
    worth, _ = worth_of(member, price, np.full(24, fee))
    if home.offered_devices:
        assert worth <= stated.objective_eur + STATEMENT_EUR
