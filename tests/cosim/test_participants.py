"""Participants that are no homes: own bill, own voice, and flexibility for the DSO."""

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import partition
from mas2sim.domain.device import Battery, ElectricVehicle, PvPlant
from mas2sim.domain.home import Home
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.participant import Participant
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import BilateralContract, Direction, MarketTerms
from mas2sim.results import KPIS, kpi_table
from mas2sim.results.record import CaseRecord, OtherRecord

from .small_world import DAY, HOMES, small_setup

PLAN_KW = 1e-6
"""Row tolerance of the solver, over the shortest PTU."""
ROUNDING = 1e-9
SHARE = 0.04
"""Of a payment to four vehicles: 0.01 to 2.7 % above the least as measured, 0.2 % of the bills."""
LIMIT_KW = 6.0
BASELINE, UC1, UC2, UC3, CENTRAL = range(5)
CHEAP, DEAR = 0.08, 0.18
CHEAP_H = 1.0
VEHICLES, CHARGER_KW, DRAWN_KWH, STANDING_EUR = 4, 11.0, 12.0 / 0.9, 0.6
WIDE = GridLimits(280.0, 500.0, 216.2, 253.0)


def two_prices() -> Tariff:
    """Cheap from noon on, for less time than a vehicle needs at full power."""
    cheap = (DAY.start_hours >= 12) & (DAY.start_hours < 12 + CHEAP_H)
    return Tariff("noon", np.where(cheap, CHEAP, DEAR), np.full(DAY.ptus, 0.05), STANDING_EUR)


def depot(*, offered: bool = True) -> Participant:
    names = frozenset({"ev"})
    points = tuple(
        Home(
            f"depot_{place + 1}",
            0.0,
            np.zeros(DAY.ptus),
            ev=ElectricVehicle(CHARGER_KW, 60.0, 0.9, 14 + place, 38, 12.0),
            owns=names,
            offered=names if offered else frozenset(),
        )
        for place in range(VEHICLES)
    )
    return Participant("depot", points, two_prices(), "lv")


def farm() -> Participant:
    sun = np.maximum(0.0, np.sin((DAY.start_hours - 6) / 12 * np.pi))
    point = Home(
        "farm_1",
        0.0,
        np.zeros(DAY.ptus),
        pv=PvPlant(20.0, 15.0, 180.0, -15.0 * sun),
        battery=Battery(20.0, 8.0, 0.95, 0.95),
        owns=frozenset({"pv", "battery"}),
        offered=frozenset({"battery"}),
    )
    return Participant("farm", (point,), Tariff("flat", *np.full((2, DAY.ptus), 0.1)), "lv")


def setup(*others: Participant, levels: tuple[Level, ...] = tuple(Level)) -> CaseSetup:
    communities = partition(HOMES, 2, seed=1, substation=1)
    return replace(small_setup(), levels=levels, communities=communities, participants=others)


def passive(made: CaseSetup) -> CaseSetup:
    """The same with homes that offer nothing: then only others can sell."""
    homes = tuple(replace(home, offered=frozenset()) for home in made.homes)
    return replace(made, homes=homes)


def import_limit(limit_kw: float) -> GridLimits:
    return replace(WIDE, transformer_import_kw=limit_kw)


def others_of(record: CaseRecord) -> OtherRecord:
    assert record.others is not None
    return record.others


def total_kw(record: CaseRecord) -> FloatArray:
    """Sum of the connections, shape (level, ptu)."""
    return np.asarray(record.net_kw.sum(axis=1) + others_of(record).net_kw.sum(axis=1))


@pytest.fixture(scope="module")
def alone() -> CaseRecord:
    return run_world(setup()).record


@pytest.fixture(scope="module")
def together() -> CaseRecord:
    return run_world(setup(depot(), farm())).record


@pytest.fixture(scope="module")
def limited() -> CaseRecord:
    return run_world(replace(setup(depot(), farm()), limits=import_limit(LIMIT_KW))).record


def test_the_prognosis_and_the_grid_hold_homes_and_others(together: CaseRecord) -> None:
    np.testing.assert_allclose(together.d_prognosis_kw, total_kw(together), atol=PLAN_KW)
    grid_kw = np.array([together.grid[level].import_kw for level in together.levels])
    np.testing.assert_allclose(grid_kw, total_kw(together), atol=ROUNDING)
    assert np.abs(others_of(together).net_kw).sum(axis=2).min() > 1.0
    assert together.a_plan_kw.shape[1] == len(together.communities)


def test_homes_live_as_they_would_without_them(alone: CaseRecord, together: CaseRecord) -> None:
    """The benchmark may take another of equally good plans: its search is another one."""
    below = slice(BASELINE, CENTRAL)
    np.testing.assert_array_equal(together.net_kw[below], alone.net_kw[below])
    np.testing.assert_array_equal(together.payment_eur[below], alone.payment_eur[below])
    before, after = (kpi_table(record).set_index("level") for record in (alone, together))
    of_homes = [kpi.name for kpi in KPIS if kpi.group == "homes"]
    names = [*of_homes, "homes_net_kwh", "bill_eur", "payment_eur", "local_trade_kwh"]
    levels = [level.value for level in together.levels[below]]
    assert before.loc[levels, names].equals(after.loc[levels, names])


def test_kpis_of_the_grid_count_both(alone: CaseRecord, together: CaseRecord) -> None:
    table = kpi_table(together).set_index("level")
    energy = table["homes_net_kwh"] + table["other_net_kwh"]
    np.testing.assert_allclose(table["grid_net_kwh"], energy, atol=1e-6)
    np.testing.assert_allclose(table["peak_import_kw"], total_kw(together).max(axis=1))
    assert (kpi_table(alone)["other_net_kwh"] == 0.0).all()


def test_a_station_charges_when_its_own_tariff_is_cheap(together: CaseRecord) -> None:
    """At full power as long as that lasts; the one meter's standing charge is paid once."""
    others = others_of(together)
    dear_kwh = DRAWN_KWH - CHARGER_KW * CHEAP_H
    bill_eur = VEHICLES * (CHARGER_KW * CHEAP_H * CHEAP + dear_kwh * DEAR) + STANDING_EUR
    assert others.bill_eur[UC1, 0] == pytest.approx(bill_eur)
    assert others.bill_eur[BASELINE, 0] == pytest.approx(VEHICLES * DRAWN_KWH * DEAR + STANDING_EUR)
    np.testing.assert_allclose(others.net_kw.sum(axis=2)[:, 0] / 2, VEHICLES * DRAWN_KWH)


def test_it_takes_no_part_in_local_trade(together: CaseRecord) -> None:
    others = others_of(together)
    np.testing.assert_array_equal(others.net_kw[UC2], others.net_kw[UC1])
    np.testing.assert_allclose(others.payment_eur[UC2], others.bill_eur[UC1], atol=ROUNDING)


def test_no_market_is_held_behind_one_meter() -> None:
    """P-plan and confirmation of each point, A-plan and finding of each participant, no more."""
    levels = (Level.UC1, Level.UC2)
    without, made = (run_world(setup(*others, levels=levels)).record for others in
                     ((), (depot(), farm())))  # fmt: skip
    assert made.messages - without.messages == 2 * (VEHICLES + 1) + 2 * 2


def test_it_takes_no_part_in_trade_between_communities() -> None:
    levels = (Level.UC1, Level.UC2, Level.UC3)
    trading = MarketTerms(exchange=True)
    without = run_world(replace(setup(levels=levels), market=trading)).record
    record = run_world(replace(setup(depot(), farm(), levels=levels), market=trading)).record
    np.testing.assert_array_equal(record.payment_eur, without.payment_eur)
    assert not np.array_equal(record.payment_eur[1], run_world(setup(levels=levels)).record
                              .payment_eur[1])  # fmt: skip
    others = others_of(record)
    np.testing.assert_allclose(others.payment_eur, others.bill_eur, atol=ROUNDING)


def test_the_dso_buys_from_it_and_makes_good_what_it_loses(limited: CaseRecord) -> None:
    others = others_of(limited)
    assert total_kw(limited)[UC2].max() > LIMIT_KW + 1.0
    assert total_kw(limited)[UC3].max() <= LIMIT_KW + PLAN_KW
    assert limited.congestion is not None
    assert {"depot", "farm"} <= set(limited.congestion.order.accepted)
    assert others.dso_eur[UC3].min() > 0.05
    lost_eur = others.bill_eur[UC3] - others.bill_eur[UC1]
    assert (lost_eur <= others.dso_eur[UC3] + ROUNDING).all()
    np.testing.assert_allclose(others.payment_eur[UC3], others.bill_eur[UC1], atol=ROUNDING)
    table = kpi_table(limited).set_index("level")
    paid_eur = limited.dso_eur[UC3].sum() + others.dso_eur[UC3].sum()
    assert table.loc["uc3", "dso_payment_eur"] == pytest.approx(paid_eur)


def test_bounds_hold_for_homes_and_others_together(limited: CaseRecord) -> None:
    table = kpi_table(limited).set_index("level")
    assert 0.0 <= table.loc["uc2", "certified_gap_percent"] < 1.0
    assert table.loc["uc3", "certified_gap_percent"] >= 0.0
    assert -0.01 <= table.loc["uc3", "gap_percent"] < 2.0
    assert -0.01 <= table.loc["central", "certified_gap_percent"] < 0.1


@pytest.mark.parametrize("room_kw", [8.0, 16.0])
def test_what_does_not_fit_is_paid_at_the_difference_of_its_prices(room_kw: float) -> None:
    """Homes draw what they draw; the room beside them in the cheap hours is the station's."""
    levels = (Level.UC1, Level.UC3, Level.CENTRAL)
    made = passive(setup(depot(), levels=levels))
    cheap = np.flatnonzero(two_prices().import_eur_per_kwh == CHEAP)
    homes_kw = run_world(made).record.net_kw[0].sum(axis=0)
    limit_kw = float(homes_kw[cheap].max()) + room_kw
    room_kwh = float((limit_kw - homes_kw[cheap]).sum()) * DAY.ptu_hours
    record = run_world(replace(made, limits=import_limit(limit_kw))).record
    moved_eur = (VEHICLES * CHARGER_KW * CHEAP_H - room_kwh) * (DEAR - CHEAP)
    bought_eur, central_eur = others_of(record).dso_eur[1:, 0]
    assert central_eur == pytest.approx(moved_eur, rel=SHARE)
    assert moved_eur * (1 - 1e-6) <= bought_eur <= moved_eur * (1 + SHARE)


def test_what_nobody_offers_is_limited_and_compensated() -> None:
    levels = (Level.UC1, Level.UC3)
    made = passive(setup(depot(offered=False), levels=levels))
    record = run_world(replace(made, limits=import_limit(20.0))).record
    others = others_of(record)
    assert Regime.ORANGE in record.regimes[1]
    assert others.curtailed_kw[1].max() > 1.0
    assert not others.curtailed_kw[0].any()
    assert total_kw(record)[1].max() <= 20.0 + PLAN_KW
    given_kwh = others.curtailed_kw[1, 0] * DAY.ptu_hours
    assert others.dso_eur[1, 0] == pytest.approx(float(given_kwh @ two_prices().import_eur_per_kwh))
    assert (kpi_table(record)["congested_ptus"].iloc[1]) == 0


def test_a_contract_with_the_dso_pays_the_participant_itself() -> None:
    contract = BilateralContract("depot", "plate", Direction.IMPORT, 40.0, (0, 0), 0.3, 2.0, 9)
    made = replace(
        setup(depot(), levels=(Level.UC1, Level.UC2, Level.UC3)),
        market=MarketTerms(contracts=(contract,)),
        limits=import_limit(LIMIT_KW),
    )
    others = others_of(run_world(made).record)
    lost_eur = others.bill_eur[2, 0] - others.bill_eur[0, 0]
    assert others.dso_eur[2, 0] > lost_eur + 2.0
    assert others.payment_eur[2, 0] < others.bill_eur[0, 0] - 2.0


def test_what_it_pays_is_its_bill_less_the_dsos_money(
    together: CaseRecord, limited: CaseRecord
) -> None:
    for record in (together, limited):
        others = others_of(record)
        np.testing.assert_allclose(
            others.payment_eur, others.bill_eur - others.dso_eur, atol=ROUNDING
        )


def test_its_plans_are_proven_like_those_of_homes() -> None:
    """A plan that the market has not moved is the optimal one, so bounds may count it as it is."""
    record = run_world(setup(depot(), farm(), levels=(Level.UC1, Level.UC2))).record
    market = record.markets[Level.UC2]
    others = others_of(record)
    standing_eur = np.array([STANDING_EUR, 0.0])
    own_eur = float((others.bill_eur[1] - standing_eur).sum())
    homes = run_world(setup(levels=(Level.UC1, Level.UC2))).record.markets[Level.UC2]
    assert market.bound_eur == pytest.approx(homes.bound_eur + own_eur, abs=1e-6)
    assert {plan.status for plan in record.plans[Level.UC1]} == {PlanStatus.OPTIMAL}
