"""Homes without and with a technology, and that their powers are those of a world of the mix."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from mas2sim.cosim import CaseSetup
from mas2sim.domain.arrays import BoolArray, FloatArray
from mas2sim.domain.content_cache import content_key
from mas2sim.domain.home import Home
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.typical_day import Level
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup
from mas2sim.study import hosting_placement
from mas2sim.study.hosting_capacity import End, scan_draws
from mas2sim.study.hosting_finding import CURTAILMENT, NOT_SOLVED, HostingLimits
from mas2sim.study.hosting_homes import (
    MeteredDay,
    adopt,
    metered_day,
    mixed_homes,
    power_bank,
    technology_kwh,
)
from mas2sim.study.hosting_placement import MarketHomes, Placement, WorldJudge
from mas2sim.study.hosting_question import CRITERIA, Technology, day_overrides, size_kw
from tests.cosim.small_world import small_setup
from tests.study.hosting_grid import HOMES, PTUS, WIDE, cable, in_turn, steps

SAME_KW = 1e-9
"""Powers are sums of the same numbers; the mix may add them in another order."""
LEVELS = (Level.BASELINE, Level.UC1)


@cache
def homes_of(technology: Technology) -> tuple[CaseSetup, tuple[Home, ...]]:
    """Setup without the technology, and the homes of the case in which all have it."""
    day = day_overrides(technology, ())
    none = compose_case([*day, f"smart.{technology}_percent=0"])
    everyone = compose_case([*day, f"smart.{technology}_percent=100", "smart.any_percent=100"])
    return build_setup(none)[0], build_setup(everyone)[0].homes


@pytest.mark.parametrize("technology", list(Technology))
def test_all_else_about_a_home_is_the_same_with_the_technology(technology: Technology) -> None:
    setup, owners = homes_of(technology)
    assert all(size_kw(home, technology) == 0.0 for home in setup.homes)
    for home, owner in zip(setup.homes, owners, strict=True):
        adopted = adopt(home, owner, technology)
        assert size_kw(adopted, technology) > 0.0
        assert content_key(adopted) == content_key(owner)


def test_powers_of_a_draw_are_those_of_a_world_of_its_homes() -> None:
    setup, owners = homes_of(Technology.PV)
    adopted = tuple(map(adopt, setup.homes, owners, [Technology.PV] * len(owners)))
    bank = power_bank(setup, adopted, LEVELS)
    has = np.random.default_rng(1).random(len(adopted)) < 0.4
    world = metered_day(replace(setup, homes=mixed_homes(setup.homes, adopted, has)))
    for place, level in enumerate(LEVELS):
        p_kw, q_kvar = bank.powers(level, has[None])
        assert np.abs(p_kw[0] - world.p_kw[place]).max() < SAME_KW
        assert np.abs(q_kvar[0] - world.q_kvar[place]).max() < SAME_KW
    assert np.abs(bank.with_kw - bank.without_kw).max() > 1.0
    assert (world.curtailed_kwh == 0.0).all()


def test_connections_that_are_no_homes_stay_as_they_are() -> None:
    setup = small_setup()
    sunny = tuple(replace(home, pv=setup.homes[0].pv) for home in setup.homes)
    bank = power_bank(setup, sunny, LEVELS)
    assert (bank.with_kw[1, :, -1] != bank.without_kw[1, :, -1]).any()
    # One connection more than homes that may have the technology.
    p_kw, _ = bank.powers(Level.UC1, np.ones((2, len(setup.homes) - 1), dtype=bool))
    assert (p_kw[:, :, -1] == bank.without_kw[1, :, -1]).all()


def test_energy_of_a_technology_is_what_it_feeds_in_or_draws() -> None:
    setup = small_setup()
    pv_kwh = technology_kwh(setup.homes, Technology.PV, setup.horizon)
    by_hand = [-home.pv_kw.sum() * setup.horizon.ptu_hours for home in setup.homes]
    assert pv_kwh == pytest.approx(by_hand)
    driven = [0.0 if home.ev is None else home.ev.driven_kwh / 0.9 for home in setup.homes]
    assert technology_kwh(setup.homes, Technology.EV, setup.horizon) == pytest.approx(driven)


def market(limits: GridLimits, cap_percent: float, monkeypatch: pytest.MonkeyPatch) -> WorldJudge:
    """Worlds in which each home with the technology has 1 kWh of it, and 0.02 n kWh curtailed."""

    def made_up(setup: CaseSetup, _cache: object) -> MeteredDay:
        owners = sum(home.pv is not None for home in setup.homes)
        powers: FloatArray = np.zeros((1, PTUS, HOMES))
        return MeteredDay(powers, powers, np.array([0.02 * owners * owners / 2]))

    monkeypatch.setattr(hosting_placement, "metered_day", made_up)
    example = small_setup()
    plant = example.homes[0].pv
    without = tuple(Home(f"h{index}", 1.0, np.zeros(PTUS)) for index in range(HOMES))
    homes = MarketHomes(
        replace(example, homes=without),
        tuple(replace(home, pv=plant) for home in without),
        np.ones(HOMES),
        cap_percent,
    )
    return WorldJudge(in_turn(), homes, Level.UC3, cable(), HostingLimits(limits, CRITERIA))


def test_a_penetration_beyond_the_cap_on_curtailment_is_not_hosted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = market(WIDE, 5.0, monkeypatch)
    (found,), _ = scan_draws(judge, steps(), 1, [])
    # 0.01 n^2 kWh of n kWh: n % of it.
    assert found.homes == 5
    assert found.binding == (CURTAILMENT,)
    assert found.first is not None
    assert found.first.curtailed_kwh == pytest.approx(0.36)


def test_a_world_without_an_end_is_a_failure_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = market(WIDE, 100.0, monkeypatch)

    def stopped(setup: CaseSetup, _cache: object) -> MeteredDay:
        raise hosting_placement.Mas2simError("the world stopped early")

    monkeypatch.setattr(hosting_placement, "metered_day", stopped)
    (found,), _ = scan_draws(judge, steps(1), 1, [])
    assert (found.homes, found.end, found.binding) == (0, End.NOT_SOLVED, (NOT_SOLVED,))
    assert judge.reasons[Placement(0, 0)] == "the world stopped early"


def test_a_mix_has_the_chosen_homes() -> None:
    setup, owners = homes_of(Technology.PV)
    has: BoolArray = np.zeros(len(owners), dtype=bool)
    has[[3, 7]] = True
    mixed = mixed_homes(setup.homes, owners, has)
    assert [index for index, home in enumerate(mixed) if home.pv is not None] == [3, 7]
