"""A home's answer to linear prices against plain enumeration and linear programs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cems.components import HomeComponents, components
from mas2sim.cems.linear_response import LinearResponse
from mas2sim.cems.structured import solve_structured
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

from .home_samples import dynamic, random_home

EUR = 1e-9
"""Sums of 96 products below 10 EUR."""
QUARTERS = Horizon()


def parts_of(seed: int, tariff: Tariff) -> HomeComponents:
    """A sample home without limits that tie its devices together."""
    home, reference = random_home(np.random.default_rng(seed), QUARTERS)
    ev = home.ev and replace(home.ev, least_charge_kw=0.0)
    offered = home.offered - {home.interruptible.name if home.interruptible else ""}
    free = {"import_cap_kw": np.inf, "export_cap_kw": np.inf}
    parts = components(replace(home, ev=ev, offered=offered, **free), reference, tariff, QUARTERS)
    assert parts is not None
    return parts


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_least_cost_where_import_and_export_cost_the_same(seed: int) -> None:
    """Such a tariff is a linear price, and the planner's own method is checked elsewhere."""
    prices = dynamic(QUARTERS, np.random.default_rng(seed)).import_eur_per_kwh
    parts = parts_of(seed, Tariff("one_price", prices, prices))
    plan = solve_structured(parts, QUARTERS, TieRule.RANDOM, stream(1, "ties"))

    cost_eur, net_kw = LinearResponse.of(parts).answer(prices * QUARTERS.ptu_hours)

    assert plan is not None
    assert cost_eur == pytest.approx(plan.cost_eur, abs=EUR, rel=0)
    assert cost_eur == pytest.approx(float(prices @ net_kw) * QUARTERS.ptu_hours, abs=EUR, rel=0)


@pytest.mark.parametrize("seed", range(40))
def test_any_price_between_export_and_import_bounds_the_bill(seed: int) -> None:
    """Weak duality: what the negotiation's certificate rests on."""
    rng = np.random.default_rng(seed)
    tariff = dynamic(QUARTERS, rng)
    parts = parts_of(seed, tariff)
    plan = solve_structured(parts, QUARTERS, TieRule.RANDOM, stream(1, "ties"))
    share = rng.random(QUARTERS.ptus)
    between = share * tariff.import_eur_per_kwh + (1 - share) * tariff.export_eur_per_kwh

    cost_eur, _ = LinearResponse.of(parts).answer(between * QUARTERS.ptu_hours)

    assert plan is not None
    assert cost_eur <= plan.cost_eur + EUR


def small_home(**devices: object) -> HomeComponents:
    names = frozenset(device.name for device in devices.get("appliances", ()))
    names |= {kind for kind in ("ev", "battery") if kind in devices}
    home = Home("h", 3000.0, np.full(24, 0.5), offered=names, **devices)
    flat = Tariff("flat", np.full(24, 0.2), np.full(24, 0.1))
    parts = components(home, ReferenceDay(np.zeros(24), battery_start_kwh=1.0), flat, Horizon(60))
    assert parts is not None
    return parts


def test_by_hand() -> None:
    price = np.full(24, 0.2)
    price[3], price[20] = 0.1, 0.5
    parts = small_home(
        appliances=(Appliance("dishwasher", (1.0,), 10, 0, 0),),
        ev=ElectricVehicle(3.0, 20.0, 1.0, 18, 6, 5.0),
        battery=Battery(2.0, 1.0, 1.0, 1.0),
    )

    cost_eur, net_kw = LinearResponse.of(parts).answer(price)

    # The dishwasher at 3:00; 3 kWh of the vehicle at 3:00 and 2 beside; the battery from 3 to 20.
    base_eur = 0.5 * price.sum()
    assert cost_eur == pytest.approx(base_eur + 0.1 + 3 * 0.1 + 2 * 0.2 + 0.1 - 0.5)
    assert (net_kw[3], net_kw[20]) == pytest.approx((0.5 + 1 + 3 + 1, 0.5 - 1))


def test_a_negative_price_is_refused_where_it_would_reward_waste() -> None:
    price = np.full(24, 0.2)
    price[3] = -0.1
    lossless = LinearResponse.of(small_home(battery=Battery(2.0, 1.0, 1.0, 1.0)))
    lossy = LinearResponse.of(small_home(battery=Battery(2.0, 1.0, 0.9, 0.9)))

    assert np.isfinite(lossless.answer(price)[0])
    with pytest.raises(ConfigurationError, match="battery"):
        lossy.answer(price)


def test_limits_that_tie_devices_together_are_refused() -> None:
    free = small_home(ev=ElectricVehicle(3.0, 20.0, 1.0, 18, 6, 5.0, least_charge_kw=1.4))
    capped = replace(free, import_cap_kw=3.0)

    with pytest.raises(ConfigurationError) as raised:
        LinearResponse.of(capped)

    assert [fault.where for fault in raised.value.faults] == ["storage ev", "caps of the home"]


def test_a_home_without_an_answer_says_why_at_once() -> None:
    parts = small_home(
        appliances=(Appliance("dishwasher", (1.0, 1.0), 10, 10, 11),),
        ev=ElectricVehicle(3.0, 20.0, 1.0, 18, 19, 5.0),
    )

    with pytest.raises(ConfigurationError) as raised:
        LinearResponse.of(parts)

    assert [fault.where for fault in raised.value.faults] == ["choice dishwasher", "storage ev"]
    assert "2 kWh missing" in raised.value.faults[1].found
