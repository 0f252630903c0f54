"""KPIs of the markets: settlement, gains and gaps, the DSO's purchase, days with curtailment."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mas2sim.domain.community import Community
from mas2sim.domain.home import Home
from mas2sim.domain.limits import Regime
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.results import CaseRecord, kpi_table, series_dataset
from mas2sim.results.balance import boundary_energy
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.kpi_money import community_cost_eur

H = 0.25
EUR = 5e-5
"""The closed forms are given to four places."""
ROUNDING = 1e-9
"""Sums of 96 x 6 doubles in another order differ in the last digits only."""
MARKET_FIGURES = ["rounds", "messages", "answers_refused_count"]
DSO_FIGURES = ["congested_before_ptus", "moved_kwh", "saved_loss_eur", "insufficient_kwh"]


@pytest.fixture(scope="module")
def record(toy: ModuleType) -> CaseRecord:
    made: CaseRecord = toy.synthetic_record(tuple(Level), markets=True)
    return made


def kpis(record: CaseRecord) -> pd.DataFrame:
    return kpi_table(record).set_index("level")


def with_market(record: CaseRecord, level: Level, **changes: Any) -> CaseRecord:
    changed = dataclasses.replace(record.markets[level], **changes)
    return dataclasses.replace(record, markets={**record.markets, level: changed})


def street(toy: ModuleType, fee_eur_per_kwh: float) -> CaseLevel:
    """Ten loads of 0.4 kW and two exporters of 1.5 kW for an hour, at 0.12 and 0.0491 EUR/kWh."""
    record = toy.synthetic_record((Level.UC2,))
    net = np.zeros((1, 12, 96))
    net[0, :10, 40:44], net[0, 10:, 40:44] = 0.4, -1.5
    flat = np.ones(96)
    return CaseLevel(
        dataclasses.replace(
            record,
            homes=tuple(Home(f"h{number}", 1.0, flat) for number in range(12)),
            communities=(Community("street", tuple(range(12))),),
            devices=(),
            tariff=Tariff("flat", 0.12 * flat, 0.0491 * flat),
            net_kw=net,
            fee_eur_per_kwh=fee_eur_per_kwh,
        ),
        0,
    )


@pytest.mark.parametrize(
    ("fee", "netted"),
    # 1 kWh is bought from outside, 3 kWh inside, at the fee; at 0.1 trading would be at a loss.
    [(0.0, 0.1200), (0.02, 0.1200 + 3 * 0.02), (0.1, 0.3327)],
)
def test_a_community_is_billed_as_it_is_settled(toy: ModuleType, fee: float, netted: float) -> None:
    case = street(toy, fee)
    assert community_cost_eur(case, netted=False) == pytest.approx(0.3327, abs=EUR)
    assert community_cost_eur(case, netted=True) == pytest.approx(netted, abs=EUR)


def test_payments_and_what_others_pay_add_up_to_the_cost(record: CaseRecord) -> None:
    """At uc3 the communities get 1.5 and 0.5 EUR, aggregators keep 0.3 and add 0.1 EUR."""
    row = list(Level).index(Level.UC3)
    dso, service, short = np.zeros((3, 5, 2))
    dso[row], service[row, 0], short[row, 1] = (1.5, 0.5), 0.3, 0.1
    paid = record.payment_eur.copy()
    for column, community in enumerate(record.communities):
        change = service[row, column] - short[row, column] - dso[row, column]
        paid[row, list(community.members)] += change / 3
    before = kpis(record)
    table = kpis(
        dataclasses.replace(
            record, dso_eur=dso, service_eur=service, shortfall_eur=short, payment_eur=paid
        )
    )
    uc3 = table.loc["uc3"]
    assert uc3["dso_payment_eur"] == pytest.approx(2.0)
    assert (uc3["service_eur"], uc3["shortfall_eur"]) == (pytest.approx(0.3), pytest.approx(0.1))
    standing = 6 * 0.25
    owed = uc3["energy_cost_eur"] + standing + uc3["service_eur"] - uc3["shortfall_eur"]
    assert uc3["payment_eur"] + uc3["dso_payment_eur"] == pytest.approx(owed)
    # The money of the DSO and of the aggregators is no part of what trade is worth.
    assert uc3["market_revenue_eur"] == pytest.approx(before.loc["uc3", "market_revenue_eur"])
    assert uc3["market_revenue_eur"] == pytest.approx(
        uc3["bill_eur"] - standing - uc3["energy_cost_eur"]
    )
    for name in ("service_eur", "shortfall_eur", "local_trade_kwh", "market_revenue_eur"):
        assert table.loc[["baseline", "uc1"], name].isna().all()
        assert table.loc[["uc2", "uc3", "central"], name].notna().all()
    assert table.loc[["baseline", "uc1", "uc2"], "dso_payment_eur"].isna().all()


def test_what_is_traded_is_the_smaller_side(record: CaseRecord) -> None:
    expected = 0.0
    for community in record.communities:
        for powers in record.net_kw[2, list(community.members)].T:
            expected += H * min(powers[powers > 0].sum(), -powers[powers < 0].sum())
    assert kpis(record).loc["uc2", "local_trade_kwh"] == pytest.approx(expected)


def test_a_settlement_that_was_not_recorded_has_no_figures(toy: ModuleType) -> None:
    table = kpis(toy.synthetic_record(tuple(Level)))
    names = ["service_eur", "shortfall_eur", "local_trade_kwh", "dso_payment_eur"]
    names += ["market_revenue_eur", "certified_gap_percent", *MARKET_FIGURES, *DSO_FIGURES]
    assert table[names].isna().all(axis=None)


def test_markets_have_rounds_and_messages_and_other_levels_have_none(record: CaseRecord) -> None:
    table = kpis(record)
    assert table.loc["uc2", MARKET_FIGURES].tolist() == [7, 40, 2]
    assert table.loc["uc3", MARKET_FIGURES].tolist() == [9, 90, 0]
    assert table.loc[["baseline", "uc1", "central"], MARKET_FIGURES].isna().all(axis=None)


def test_the_purchase_of_the_dso_by_hand(toy: ModuleType, record: CaseRecord) -> None:
    bought = with_market(
        dataclasses.replace(record, congestion=toy.purchase(record)),
        Level.UC3,
        insufficient_kwh=0.75,
    )
    table = kpis(bought)
    uc3 = table.loc["uc3"]
    assert uc3["congested_before_ptus"] == 2
    # 2 and 1 kW moved to one PTU, and twice 1 kW; half of the sum, each offer by itself.
    assert uc3["moved_kwh"] == pytest.approx(H * (3.0 + 2.0))
    assert uc3["saved_loss_eur"] == 0.125
    assert uc3["insufficient_kwh"] == 0.75
    assert table.drop(index="uc3")[DSO_FIGURES].isna().all(axis=None)
    # A market that had nothing to buy is not a market that was not held.
    assert (kpis(record).loc["uc3", DSO_FIGURES] == 0.0).all()


def test_regimes_are_counted(record: CaseRecord) -> None:
    day = [Regime.GREEN] * 96
    day[10:13], day[13:15], day[15] = [Regime.YELLOW] * 3, [Regime.ORANGE] * 2, Regime.RED
    regimes = (*record.regimes[:3], tuple(day), ())
    table = kpis(dataclasses.replace(record, regimes=regimes))
    names = ["yellow_ptus", "orange_ptus", "red_ptus"]
    assert table.loc["uc3", names].tolist() == [3, 2, 1]
    assert table.loc["uc3", "regime_worst"] == "red"
    assert table.loc["central", names].isna().all()


def test_the_certified_gap_is_to_the_markets_own_bound(record: CaseRecord) -> None:
    wide = dataclasses.replace(
        record, limits=dataclasses.replace(record.limits, transformer_import_kw=99.0)
    )
    paid = H * (np.maximum(record.net_kw[1], 0.0) * record.tariff.import_eur_per_kwh).sum()
    table = kpis(wide)
    for level, bound in (("uc2", 2.5), ("uc3", 2.6)):
        cost = table.loc[level, "energy_cost_eur"] + 0.04  # and the worth of the energy cut
        assert table.loc[level, "certified_gap_percent"] == pytest.approx(
            100 * (cost - bound) / paid
        )
    assert table.loc[["baseline", "uc1"], "certified_gap_percent"].isna().all()
    central = table.loc["central"]
    assert central["certified_gap_percent"] == pytest.approx(central["gap_percent"])
    unproven = with_market(wide, Level.UC2, bound_eur=math.nan)
    assert math.isnan(kpis(unproven).loc["uc2", "certified_gap_percent"])


def test_a_bound_within_limits_judges_no_day_beyond_them(
    toy: ModuleType, record: CaseRecord
) -> None:
    """The toy's evening at uc3 is above 12 kW; then a feeder is, which no sum of all shows."""
    assert math.isnan(kpis(record).loc["uc3", "certified_gap_percent"])
    limits = dataclasses.replace(record.limits, transformer_import_kw=99.0)
    bought = toy.purchase(record)
    kept = dataclasses.replace(record, limits=limits, congestion=bought)
    assert math.isfinite(kpis(kept).loc["uc3", "certified_gap_percent"])
    beyond = np.zeros_like(bought.beyond_kw)
    beyond[1, 40] = 0.5
    left = dataclasses.replace(
        record, limits=limits, congestion=dataclasses.replace(bought, beyond_kw=beyond)
    )
    assert math.isnan(kpis(left).loc["uc3", "certified_gap_percent"])


def test_gains_beyond_the_limits_of_central_are_not_compared(record: CaseRecord) -> None:
    """At uc2 a home draws 20 kW more, and 20 kW less at another time; central stays as it is."""
    assert math.isfinite(kpis(record).loc["uc2", "gain_captured_percent"])
    net = record.net_kw.copy()
    net[2, 5, 80] += 20.0
    net[2, 5, 10] -= 20.0
    table = kpis(dataclasses.replace(record, net_kw=net))
    names = ["gain_captured_percent", "gain_coordination_percent", "gap_percent"]
    assert table.loc["uc2", names].isna().all()
    assert table.loc["uc3", names].notna().all()
    limits = dataclasses.replace(record.limits, transformer_import_kw=99.0)
    table = kpis(dataclasses.replace(record, net_kw=net, limits=limits))
    assert table.loc["uc2", names].notna().all()


def test_where_central_gains_nothing_there_is_no_share_of_it(record: CaseRecord) -> None:
    """Limits may cost more than a market gains: a share of a loss would read as a gain."""
    net = record.net_kw.copy()
    net[4, 5] += 2.0
    limits = dataclasses.replace(record.limits, transformer_import_kw=99.0)
    table = kpis(dataclasses.replace(record, net_kw=net, limits=limits))
    assert table["gain_captured_percent"].isna().all()
    assert math.isfinite(table.loc["uc2", "gap_percent"])


def test_who_pays_more_than_alone_is_counted(record: CaseRecord) -> None:
    assert kpis(record).loc[["uc2", "uc3"], "members_worse_off_count"].tolist() == [0, 0]
    uc2, uc3 = 2, 3
    paid = np.array([record.bill_eur[1]] * 5)
    paid[uc2, 0] += 2e-9
    paid[uc2, 1] += 0.5e-9
    paid[uc3, [2, 4]] += 1.0
    table = kpis(dataclasses.replace(record, payment_eur=paid))
    assert table.loc[["uc2", "uc3"], "members_worse_off_count"].tolist() == [1, 2]
    assert table.loc[["baseline", "uc1", "central"], "members_worse_off_count"].isna().all()
    # A home outside communities pays its own bill, whatever that is.
    outside = dataclasses.replace(
        record, payment_eur=paid, communities=(Community("one", (0, 1, 3, 5)),)
    )
    assert kpis(outside).loc[["uc2", "uc3"], "members_worse_off_count"].tolist() == [1, 0]


def test_comfort_that_is_cut_counts_as_paid(toy: ModuleType, record: CaseRecord) -> None:
    """At uc1 the load of h4 runs, at uc2 it is cut for 0.04 EUR: 0.03 EUR less do not make up."""
    column = record.devices.index((3, "interruptible"))
    device, net = record.device_kw.copy(), record.net_kw.copy()
    device[1, column, toy.CUT] += 0.4
    net[1, 3, toy.CUT] += 0.4
    for less, count in ((0.03, 1), (0.05, 0)):
        paid = np.array([record.bill_eur[1]] * 5)
        paid[2:, 3] -= less
        changed = dataclasses.replace(record, device_kw=device, net_kw=net, payment_eur=paid)
        assert kpis(changed).loc["uc2", "members_worse_off_count"] == count


def curtailed(toy: ModuleType, record: CaseRecord) -> CaseRecord:
    """At uc3, 18:00 h5 gives up half of its import, and 12:15 h2 a quarter of its feed-in."""
    taken = np.zeros_like(record.net_kw)
    taken[3, 4, 72] = 0.5 * record.net_kw[3, 4, 72]
    taken[3, 1, 49] = 0.25 * record.net_kw[3, 1, 49]
    assert taken[3, 4, 72] > 0 > taken[3, 1, 49]
    net = record.net_kw - taken
    flow = toy.solve(record.layout, net[3].T, record.reactive_kvar[3].T)
    grid = {**record.grid, Level.UC3: flow}
    return dataclasses.replace(record, net_kw=net, curtailed_kw=taken, grid=grid)


def test_a_limited_connection_draws_less_but_is_settled_as_if_it_had_not(
    toy: ModuleType, record: CaseRecord
) -> None:
    limited = curtailed(toy, record)
    whole, table = kpis(record), kpis(limited)
    taken = np.abs(limited.curtailed_kw[3]).sum() * H
    assert table.loc["uc3", "curtailed_kwh"] == pytest.approx(taken)
    assert (table.drop(index="uc3")["curtailed_kwh"] == 0.0).all()
    same = ["bill_eur", "energy_cost_eur", "market_revenue_eur"]
    same += ["flexibility_activated_kwh", "homes_changed_count"]
    # A day kept within the limits by force is compared with no optimum.
    assert table.loc["uc3", ["gain_captured_percent", "gap_percent"]].isna().all()
    pd.testing.assert_series_equal(table.loc["uc3", same], whole.loc["uc3", same])
    less_kwh = H * limited.curtailed_kw[3, 4, 72]
    assert table.loc["uc3", "energy_import_kwh"] == pytest.approx(
        whole.loc["uc3", "energy_import_kwh"] - less_kwh
    )


def test_the_books_of_energy_close_with_curtailment(toy: ModuleType, record: CaseRecord) -> None:
    limited = curtailed(toy, record)
    drawn = limited.net_kw + limited.curtailed_kw
    expected = np.tile([home.fixed_kw for home in limited.homes], (5, 1, 1))
    for row, (home, _) in enumerate(limited.devices):
        expected[:, home] += limited.device_kw[:, row]
    assert np.abs(drawn - expected).max() < ROUNDING
    table = kpis(limited)
    losses = table[["loss_line_kwh", "loss_transformer_load_kwh", "loss_transformer_no_load_kwh"]]
    residual = table["grid_net_kwh"] - table["homes_net_kwh"] - losses.sum(axis=1)
    assert residual.abs().max() < ROUNDING
    series = series_dataset(limited)
    given_up = series["curtailed_kw"].sel(level="uc3").to_numpy()
    assert given_up[72] == pytest.approx(limited.curtailed_kw[3, 4, 72])
    assert given_up[49] == pytest.approx(limited.curtailed_kw[3, 1, 49])


def test_feed_in_that_was_given_up_was_not_generated(toy: ModuleType, record: CaseRecord) -> None:
    """So it is no self-consumption: what the home used itself is the same energy as before."""
    limited = curtailed(toy, record)
    whole, left = (boundary_energy(CaseLevel(each, 3), [(1,)]) for each in (record, limited))
    lost_kwh = -H * limited.curtailed_kw[3, 1, 49]
    assert left.generated_kwh == pytest.approx(whole.generated_kwh - lost_kwh)
    assert left.exported_generation_kwh == pytest.approx(whole.exported_generation_kwh - lost_kwh)
    used = whole.generated_kwh - whole.exported_generation_kwh
    assert left.generated_kwh - left.exported_generation_kwh == pytest.approx(used)


def test_a_day_with_orange_regime_has_no_certified_gap(toy: ModuleType, record: CaseRecord) -> None:
    """After curtailment the sum keeps the limit; by plan it did not, and costs are by plan."""
    total = record.net_kw[3].sum(axis=0)
    limit_kw = float(total.max()) - 0.1
    taken = np.zeros_like(record.net_kw)
    taken[3] = np.maximum(total - limit_kw, 0.0) * record.net_kw[3] / total
    limits = dataclasses.replace(record.limits, transformer_import_kw=limit_kw)
    limited = dataclasses.replace(
        record, limits=limits, net_kw=record.net_kw - taken, curtailed_kw=taken
    )
    row = kpis(limited).loc["uc3"]
    assert row["congested_ptus"] == 0
    assert math.isnan(row["certified_gap_percent"])


def test_a_benchmark_that_ran_out_of_time_is_in_the_status(record: CaseRecord) -> None:
    assert (kpi_table(record)["status"] == "ok").all()
    late = kpis(with_market(record, Level.CENTRAL, outcome="out of time"))
    assert late.loc["central", "status"] == "benchmark_out_of_time"
    assert (late.drop(index="central")["status"] == "ok").all()
    wide = kpis(with_market(record, Level.CENTRAL, outcome="bounded"))
    assert (wide["status"] == "ok").all()


def test_a_benchmark_without_a_plan_is_compared_with_nothing(record: CaseRecord) -> None:
    none = with_market(
        record, Level.CENTRAL, outcome="infeasible", bound_eur=float("inf"), planned=False
    )
    table = kpis(none)
    compared = ["gap_percent", "gain_captured_percent", "gain_netting_percent"]
    assert table[compared].drop(index="uc1", errors="ignore").isna().all(axis=None)
    assert np.isnan(table.loc["central", "certified_gap_percent"])
    assert np.isnan(table.loc["central", "dso_payment_eur"])
    assert table.loc["central", "status"] == "benchmark_infeasible"
