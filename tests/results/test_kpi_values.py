"""KPIs against sums made another way, by hand or from the raw arrays of the record."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.results import KPIS, CaseRecord, kpi_table
from mas2sim.results.kpi_definition import GROUPS

ROUNDING = 1e-9
"""Sums of 96 x 6 doubles in another order differ in the last digits only."""

H = 0.25


@pytest.fixture(scope="module")
def record(toy: ModuleType) -> CaseRecord:
    made: CaseRecord = toy.synthetic_record(tuple(Level), markets=True)
    return made


@pytest.fixture(scope="module")
def table(record: CaseRecord) -> pd.DataFrame:
    return kpi_table(record).set_index("level")


def test_the_columns_are_identity_axes_status_and_the_registry_in_order(toy: ModuleType) -> None:
    columns = list(kpi_table(toy.synthetic_record()).columns)
    assert columns == ["case", *toy.AXES, "level", "status", *(kpi.name for kpi in KPIS)]


def test_every_kpi_is_defined_in_full() -> None:
    assert len({kpi.name for kpi in KPIS}) == len(KPIS)
    for kpi in KPIS:
        assert kpi.group in GROUPS
        for text in (kpi.unit, kpi.formula, kpi.sign, kpi.boundary, kpi.missing, kpi.sentence):
            assert text, kpi.name


def test_units_stand_in_the_names() -> None:
    endings = {
        "EUR": "_eur",
        "kWh": "_kwh",
        "K h": "_kh",
        "kVAh": "_kvah",
        "kW": "_kw",
        "percent": "_percent",
        "pu": "_pu",
        "s": "_s",
    }
    for kpi in KPIS:
        if kpi.unit in endings:
            assert kpi.name.endswith(endings[kpi.unit]), kpi.name


def test_energy_and_peaks_follow_the_meters(record: CaseRecord, table: pd.DataFrame) -> None:
    for row, level in enumerate(record.levels):
        net, total = record.net_kw[row], record.net_kw[row].sum(axis=0)
        got = table.loc[level.value]
        assert got["homes_net_kwh"] == pytest.approx(H * net.sum(), abs=ROUNDING)
        assert got["energy_import_kwh"] == pytest.approx(H * net[net > 0].sum())
        assert got["energy_export_kwh"] == pytest.approx(-H * net[net < 0].sum())
        assert got["peak_import_kw"] == pytest.approx(total.max())
        assert got["peak_export_kw"] == pytest.approx(-total.min())


def test_the_transformer_draws_what_homes_and_losses_take(table: pd.DataFrame) -> None:
    losses = table[["loss_line_kwh", "loss_transformer_load_kwh", "loss_transformer_no_load_kwh"]]
    assert np.allclose(table["grid_net_kwh"], table["homes_net_kwh"] + losses.sum(axis=1))


def test_reductions_are_missing_at_their_reference_and_follow_it_elsewhere(
    table: pd.DataFrame,
) -> None:
    peak = table["peak_import_kw"]
    reduction = table["peak_import_reduction_percent"]
    assert math.isnan(reduction["baseline"])
    assert reduction["uc2"] == pytest.approx(
        100 * (peak["baseline"] - peak["uc2"]) / peak["baseline"]
    )
    vs_uc1 = table["peak_import_reduction_vs_uc1_percent"]
    assert vs_uc1[["baseline", "uc1"]].isna().all()
    assert vs_uc1["uc2"] == pytest.approx(100 * (peak["uc1"] - peak["uc2"]) / peak["uc1"])


def test_without_the_reference_level_there_is_no_reduction(toy: ModuleType) -> None:
    alone = kpi_table(toy.synthetic_record((Level.UC1,)))
    assert alone[["bill_saving_eur", "loss_reduction_total_percent"]].isna().all(axis=None)


def test_no_feed_in_gives_no_reduction_of_it(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    imports = dataclasses.replace(record, net_kw=np.abs(record.net_kw) + 0.1)
    table = kpi_table(imports)
    assert (table["peak_export_kw"] == 0).all()
    assert table["peak_export_reduction_percent"].isna().all()


def test_savings_of_the_two_groups_add_up_to_the_whole(
    record: CaseRecord, table: pd.DataFrame
) -> None:
    saved = (record.bill_eur[0] - record.payment_eur[2]).sum()
    row = table.loc["uc2"]
    assert 6 * row["bill_saving_eur"] == pytest.approx(saved)
    assert 4 * row["bill_saving_flexible_eur"] + 2 * row["bill_saving_passive_eur"] == (
        pytest.approx(saved)
    )
    assert row["bill_flexible_eur"] == pytest.approx(record.bill_eur[2, :4].sum())
    assert row["bill_passive_eur"] == pytest.approx(record.bill_eur[2, 4:].sum())
    assert row["bill_saving_percent"] == pytest.approx(
        100 * saved / (record.bill_eur[0].sum() - 6 * 0.25)
    )


def test_each_group_has_its_own_peak_and_self_consumption(
    record: CaseRecord, table: pd.DataFrame
) -> None:
    row = table.loc["uc1"]
    assert row["peak_import_flexible_kw"] == pytest.approx(record.net_kw[1, :4].sum(axis=0).max())
    assert row["peak_import_passive_kw"] == pytest.approx(record.net_kw[1, 4:].sum(axis=0).max())
    # Only the micro-CHP of h6 generates there: 0.5 kW before six, over a base load below that.
    surplus = 0.5 - record.homes[5].base_kw[:24]
    assert (surplus > 0).all()
    assert row["self_consumption_passive_percent"] == pytest.approx(
        100 * (1 - H * surplus.sum() / 3.0)
    )
    generated = dict.fromkeys(("flexible", "passive"), 0.0)
    for index, home in enumerate(record.homes):
        generated["flexible" if index < 4 else "passive"] -= H * home.generation_kw.sum()
    parts = sum(
        row[f"self_consumption_{group}_percent"] * energy for group, energy in generated.items()
    )
    assert parts == pytest.approx(row["self_consumption_percent"] * row["generation_kwh"])


def test_an_empty_group_has_no_figures(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    homes = tuple(dataclasses.replace(home, offered=frozenset()) for home in record.homes)
    table = kpi_table(dataclasses.replace(record, homes=homes))
    names = [kpi.name for kpi in KPIS if kpi.group == "homes" and "flexible" in kpi.name]
    names.remove("homes_flexible_count")
    assert len(names) == 5
    assert (table["homes_flexible_count"] == 0.0).all()
    assert (table["homes_count"] == len(homes)).all()
    assert table[names].isna().all(axis=None)
    assert (table["peak_import_passive_kw"] == table["peak_import_kw"]).all()


def test_the_market_has_a_revenue_only_where_there_is_a_market(table: pd.DataFrame) -> None:
    assert table.loc[["baseline", "uc1"], "market_revenue_eur"].isna().all()
    row = table.loc["uc2"]
    assert row["market_revenue_eur"] == pytest.approx(row["bill_eur"] - row["payment_eur"])


def test_energy_cost_is_what_is_settled_less_the_standing_charge(table: pd.DataFrame) -> None:
    standing = 6 * 0.25
    for level in ("baseline", "uc1"):
        assert table.loc[level, "energy_cost_eur"] == (
            pytest.approx(table.loc[level, "bill_eur"] - standing)
        )
        assert table.loc[level, "standing_charge_eur"] == pytest.approx(standing)
    for level in ("uc2", "uc3", "central"):
        assert table.loc[level, "energy_cost_eur"] == (
            pytest.approx(table.loc[level, "payment_eur"] - standing)
        )


def test_the_gap_is_measured_in_import_payments_under_uc1(
    record: CaseRecord, table: pd.DataFrame
) -> None:
    paid = H * (np.maximum(record.net_kw[1], 0.0) * record.tariff.import_eur_per_kwh).sum()
    assert table.loc["uc1", "gap_percent"] == pytest.approx(100 * 6 * 0.01 / paid)
    assert math.isnan(table.loc["baseline", "gap_percent"])
    bound = sum(plan.bound_eur for plan in record.plans[Level.CENTRAL])
    cost = table.loc["uc2", "energy_cost_eur"] + 0.04  # and the worth of the energy cut
    assert table.loc["uc2", "gap_percent"] == pytest.approx(100 * (cost - bound) / paid)


def test_a_price_of_the_peak_is_in_bills_gaps_and_gains_but_not_in_energy(toy: ModuleType) -> None:
    record = toy.synthetic_record(tuple(Level))
    tariff = dataclasses.replace(record.tariff, peak_eur_per_kw=0.5)
    peaks_eur = 0.5 * np.maximum(record.net_kw.max(axis=2), 0.0)
    plans = {
        level: tuple(
            dataclasses.replace(plan, bound_eur=plan.bound_eur + peaks_eur[row, home])
            for home, plan in enumerate(record.plans[level])
        )
        for row, level in enumerate(record.levels)
    }
    priced = dataclasses.replace(
        record,
        tariff=tariff,
        plans=plans,
        bill_eur=record.bill_eur + peaks_eur,
        payment_eur=record.payment_eur + peaks_eur,
    )
    free, table = (kpi_table(each).set_index("level") for each in (record, priced))
    assert table["energy_cost_eur"].equals(free["energy_cost_eur"])
    assert table.loc["uc1", "gap_percent"] == pytest.approx(free.loc["uc1", "gap_percent"])
    cost = table["energy_cost_eur"] + peaks_eur.sum(axis=1) + [0.0, 0.04, 0.04, 0.04, 0.04]
    assert table.loc["uc2", "gain_captured_percent"] == pytest.approx(
        100 * (cost["uc1"] - cost["uc2"]) / (cost["uc1"] - cost["central"])
    )


def test_what_a_cut_is_worth_is_no_gain(toy: ModuleType) -> None:
    """At uc2 the load runs: the bill is higher by what uc1 saved at the household's expense."""
    record = toy.synthetic_record((Level.UC1, Level.UC2, Level.CENTRAL))
    column = record.devices.index((3, "interruptible"))
    device, net = record.device_kw.copy(), record.net_kw.copy()
    device[1, column, toy.CUT] += 0.4
    net[1, 3, toy.CUT] += 0.4
    row = kpi_table(dataclasses.replace(record, device_kw=device, net_kw=net)).iloc[1]
    before = kpi_table(record).iloc[1]
    assert row["discomfort_eur"] == 0.0
    cost = {level: kpi_table(record).iloc[i]["energy_cost_eur"] for i, level in enumerate("abc")}
    possible = cost["a"] - cost["c"]
    dearer = row["energy_cost_eur"] - before["energy_cost_eur"]
    assert dearer > 0
    assert row["gain_captured_percent"] == pytest.approx(
        before["gain_captured_percent"] + 100 * (0.04 - dearer) / possible
    )


def test_netting_and_coordination_make_up_the_gain(table: pd.DataFrame) -> None:
    row = table.loc["uc2"]
    assert row["gain_netting_percent"] + row["gain_coordination_percent"] == pytest.approx(
        row["gain_captured_percent"]
    )
    assert table.loc["central", "gain_captured_percent"] == pytest.approx(100.0)


def test_flexibility_counts_moved_energy_once(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    net = record.net_kw.copy()
    net[1] = net[0]
    net[1, 2, 10] += 2.0
    net[1, 2, 20] -= 2.0
    net[1, 5, 30] += 1.0  # a home without flexible assets does not count as changed
    row = kpi_table(dataclasses.replace(record, net_kw=net)).iloc[1]
    assert row["flexibility_activated_kwh"] == pytest.approx(0.5 * H * 5.0)
    assert row["homes_changed_count"] == 1
    assert row["homes_changed_percent"] == pytest.approx(25.0)


def test_congestion_counts_both_directions(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    net = np.zeros_like(record.net_kw)
    net[0, 0, 40], net[0, 1, 41], net[0, 2, 42] = 13.0, -32.0, 12.0
    changed = dataclasses.replace(
        record, net_kw=net, reactive_kvar=np.zeros_like(record.reactive_kvar)
    )
    row = kpi_table(changed).iloc[0]
    assert row["congested_ptus"] == 2
    assert row["hours_above"] == pytest.approx(0.5)
    assert row["congestion_kwh"] == pytest.approx(H * (1.0 + 2.0))
    assert row["congestion_kvah"] == pytest.approx(H * (1.0 + 2.0))


def test_the_voltage_of_the_high_voltage_bus_is_not_a_finding(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    flow = record.grid[Level.BASELINE]
    volts = flow.vm_pu.copy()
    volts[:, 0, :] = 1.3
    raised = dataclasses.replace(
        record, grid={Level.BASELINE: dataclasses.replace(flow, vm_pu=volts)}
    )
    row = kpi_table(raised).iloc[0]
    assert row["vm_max_pu"] == pytest.approx(flow.vm_pu[:, 1:].max())
    assert row["voltage_outside_hours"] == 0


def test_a_flow_that_did_not_converge_says_so_and_claims_nothing(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    grid = {**record.grid, Level.UC1: toy.unsolved(record.grid[Level.UC1], [70, 71, 72])}
    table = kpi_table(dataclasses.replace(record, grid=grid)).set_index("level")
    assert table["status"].to_list() == ["ok", "not_converged (3 of 96 PTUs)"]
    names = ["vm_min_pu", "vm_max_pu", "loss_line_kwh", "loss_percent", "grid_net_kwh"]
    names += ["transformer_loading_max_percent", "line_loading_max_percent"]
    names += ["voltage_outside_hours", "overloaded_hours", "loss_reduction_total_percent"]
    assert table.loc["uc1", names].isna().all()
    assert table.loc["uc1", "not_converged_ptus"] == 3
    assert table.loc["baseline", names[:-1]].notna().all()


def test_without_a_power_flow_grid_figures_are_missing(toy: ModuleType) -> None:
    row = kpi_table(toy.synthetic_record((Level.BASELINE,), power_flow=False)).iloc[0]
    assert row["status"] == "no_power_flow"
    assert math.isnan(row["not_converged_ptus"])
    assert math.isnan(row["vm_min_pu"])
    assert row["peak_import_kw"] > 0


def test_an_infeasible_home_is_in_the_status(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.UC1,))
    first, *others = record.plans[Level.UC1]
    broken = dataclasses.replace(first, status=PlanStatus.INFEASIBLE, reason="no room to charge")
    changed = dataclasses.replace(record, plans={Level.UC1: (broken, *others)})
    row = kpi_table(changed).iloc[0]
    assert row["status"] == "infeasible (1 of 6 homes)"
    assert row["homes_infeasible_count"] == 1
