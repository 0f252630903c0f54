"""What the market benchmarks measure, on a handful of homes."""

import numpy as np
import pytest

from benchmarks._market_homes import (
    MIX_COMMUNITIES,
    TARIFFS,
    Neighbourhood,
    mix_homes,
    mix_neighbourhood,
    sunny_neighbourhood,
)
from benchmarks._market_runs import (
    LocalRun,
    above,
    hold_dso_market,
    hold_local_markets,
    is_bound,
    worse_off,
    worse_off_after_order,
)
from benchmarks.market_quality import LIMIT_KW, measure
from mas2sim.domain.horizon import Horizon
from mas2sim.market.central import Outcome
from mas2sim.market.protocols import Protocol

HOMES = 8
ROUNDING_EUR = 1e-9
"""Sums of a hundred products each."""


@pytest.fixture(scope="module")
def some() -> Neighbourhood:
    return mix_neighbourhood(TARIFFS[0], HOMES)


def local_run(neighbourhood: Neighbourhood) -> LocalRun:
    return hold_local_markets(neighbourhood)


def test_costs_are_ordered(some: Neighbourhood) -> None:
    """Bounds below plans, more coordination below less."""
    run, best = local_run(some), some.central()
    assert best.outcome is Outcome.OPTIMAL
    alone_eur = some.alone_eur.sum()
    assert run.bound_eur <= best.cost_eur + ROUNDING_EUR
    assert best.bound_eur <= run.cost_eur <= some.netted_eur <= alone_eur + ROUNDING_EUR


def test_payments_are_of_imports_alone(some: Neighbourhood) -> None:
    hours, price = some.horizon.ptu_hours, some.tariff.import_eur_per_kwh
    by_hand = sum(
        max(kw, 0.0) * eur * hours
        for row in some.net_kw
        for kw, eur in zip(row, price, strict=True)
    )
    assert some.import_payments_eur == pytest.approx(by_hand, rel=1e-12)


def test_limit_holds_and_costs(some: Neighbourhood) -> None:
    local = local_run(some)
    limit_kw = 0.8 * float(local.net_kw.max())
    run = hold_dso_market(some, local, limit_kw)
    best = some.central(limit_kw)
    assert run.net_kw.max() <= limit_kw + LIMIT_KW
    assert best.bound_eur <= run.cost_eur + ROUNDING_EUR
    assert best.net_kw.sum(axis=0).max() <= limit_kw + LIMIT_KW
    assert worse_off_after_order(some, local, run) == 0


def test_nobody_is_worse_off_under_any_protocol(some: Neighbourhood) -> None:
    for protocol in Protocol:
        assert worse_off(some, hold_local_markets(some, protocol=protocol)) == 0


def test_who_is_worse_off_is_counted() -> None:
    most_eur = np.array([1.0, 2.0, -3.0])
    assert above(most_eur, most_eur) == 0
    assert above(most_eur + np.array([1e-3, -1e-3, 1e-3]), most_eur) == 2


def test_netting_is_what_the_protocol_of_that_name_does(some: Neighbourhood) -> None:
    run = hold_local_markets(some, protocol=Protocol.NETTING)
    assert run.cost_eur == pytest.approx(some.netted_eur, abs=ROUNDING_EUR)


def test_exchanges_and_flexible_homes(some: Neighbourhood) -> None:
    run = local_run(some)
    assert run.flexible == HOMES
    assert run.exchanges == max(each.exchanges for each in run.members.values()) > 0
    assert run.cpu_s > 0


def test_measured_matches_its_parts(some: Neighbourhood) -> None:
    row = measure("mix", some)
    run, best = hold_local_markets(some, seed=some.seed), some.central()
    gap_percent = 100 * (run.cost_eur - best.bound_eur) / some.import_payments_eur
    assert row.gap_percent == pytest.approx(gap_percent, abs=1e-9)
    assert row.netted_percent <= row.captured_percent <= 100.0 + ROUNDING_EUR
    assert row.valid
    assert row.solved
    assert row.worse_off == 0


def test_bound_above_a_cost_is_none() -> None:
    assert is_bound(1.0, 1.0, 2.0)
    assert not is_bound(1.1, 1.0, 2.0)
    assert is_bound(float("nan"), 1.0)


def test_mix_is_that_of_the_facts() -> None:
    homes, references = mix_homes(sum(MIX_COMMUNITIES), Horizon())
    assert len(homes) == len(references) == sum(MIX_COMMUNITIES)
    for home in homes:
        assert home.wind is None
        assert home.interruptible is None
        assert {heater.name for heater in home.heaters} <= {"heat_pump"}
        assert home.offered == {device.name for device in home.flexible_devices}
    assert any(home.heaters for home in homes)


def test_populations_have_a_surplus_and_keep_their_homes_under_any_tariff() -> None:
    first, second = (sunny_neighbourhood(31, tariff, seed=1) for tariff in TARIFFS)
    assert first.homes is second.homes
    assert first.has_surplus
    parts = first.divided(3).communities.values()
    assert sorted(place for part in parts for place in part) == list(range(31))
    assert np.isclose(first.netted_eur, first.divided(1).netted_eur)
