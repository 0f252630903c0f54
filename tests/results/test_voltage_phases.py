"""Voltages on phases that a bus does not have, in KPIs, table and series; and losses by hand."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from mas2sim.domain.grid_state import GridState
from mas2sim.domain.typical_day import Level
from mas2sim.results import CaseRecord, assets_table, kpi_table, series_dataset

NEUTRAL_V = 400.0 / np.sqrt(3.0)
LOWEST_V, HIGHEST_V = 214.0, 249.5


def with_flow(record: CaseRecord, **changes: np.ndarray) -> CaseRecord:
    flow = dataclasses.replace(record.grid[Level.BASELINE], **changes)
    return dataclasses.replace(record, grid={Level.BASELINE: flow})


@pytest.fixture(scope="module")
def one_phase(toy: ModuleType) -> CaseRecord:
    """Homes that know their own phase alone; one dips out of the band at 18:00, one rises.

    In the record without the mask the phases beside the loaded one would reach 260 V.
    """
    record = toy.synthetic_record((Level.BASELINE,))
    layout = record.layout
    volts = np.full((96, len(layout.buses), 3), 240.0) / NEUTRAL_V
    volts[:, 0] = 1.0
    place = {bus.name: index for index, bus in enumerate(layout.buses)}
    for bus, phase in zip(layout.home_bus, layout.home_phase, strict=True):
        others = [number for number, name in enumerate("abc") if name != phase]
        volts[:, place[bus], others] = np.nan
    first, last = layout.home_bus[0], layout.home_bus[-1]
    volts[72, place[first], "abc".index(layout.home_phase[0])] = LOWEST_V / NEUTRAL_V
    volts[50, place[last], "abc".index(layout.home_phase[-1])] = HIGHEST_V / NEUTRAL_V
    return with_flow(record, vm_pu=volts)


def test_the_mask_of_the_record_is_that_of_its_layout(one_phase: CaseRecord) -> None:
    known = np.isfinite(one_phase.grid[Level.BASELINE].vm_pu).all(axis=0)
    expected = [[phase in has for phase in "abc"] for has in one_phase.layout.bus_phases]
    assert known.tolist() == expected


def test_extremes_take_the_phases_that_are_there(one_phase: CaseRecord) -> None:
    (row,) = kpi_table(one_phase).to_dict("records")
    assert row["status"] == "ok"
    assert row["vm_min_pu"] == pytest.approx(LOWEST_V / NEUTRAL_V)
    assert row["vm_max_pu"] == pytest.approx(HIGHEST_V / NEUTRAL_V)
    assert row["voltage_outside_hours"] == 0.25
    assert row["not_converged_ptus"] == 0


def voltage_row(table: pd.DataFrame, bus: str, kind: str) -> pd.Series:
    (row,) = [row for _, row in table[(table.asset == bus) & (table.kind == kind)].iterrows()]
    return row


def test_assets_take_the_phases_that_are_there(one_phase: CaseRecord) -> None:
    table = assets_table(one_phase)
    first, last = one_phase.layout.home_bus[0], one_phase.layout.home_bus[-1]
    low = voltage_row(table, first, "voltage_low")
    assert (low["worst"], low["worst_at"]) == (pytest.approx(LOWEST_V), "18:00")
    assert low["hours_above"] == 0.25
    high = voltage_row(table, last, "voltage_high")
    assert (high["worst"], high["worst_at"]) == (pytest.approx(HIGHEST_V), "12:30")
    assert (table["status"] == "ok").all()


def test_a_day_with_a_hole_still_has_no_extremes(toy: ModuleType, one_phase: CaseRecord) -> None:
    flow: GridState = toy.unsolved(one_phase.grid[Level.BASELINE], [40])
    record = dataclasses.replace(one_phase, grid={Level.BASELINE: flow})
    (row,) = kpi_table(record).to_dict("records")
    assert np.isnan([row["vm_min_pu"], row["vm_max_pu"], row["voltage_outside_hours"]]).all()
    assert row["status"] == "not_converged (1 of 96 PTUs)"
    low = voltage_row(assets_table(record), record.layout.home_bus[0], "voltage_low")
    assert np.isnan(low["worst"])
    assert low["status"] == row["status"]


def test_the_series_keep_what_is_missing(one_phase: CaseRecord) -> None:
    series = series_dataset(one_phase)
    stored = series["vm_pu"].sel(level="baseline").to_numpy()
    np.testing.assert_array_equal(stored, one_phase.grid[Level.BASELINE].vm_pu)
    assert series["converged"].to_numpy().all()


def test_losses_are_a_share_of_what_enters_from_above_and_from_the_homes(toy: ModuleType) -> None:
    """One PTU imports 10 kW from above while a home feeds in 6 kW; another returns 4 kW.

    Entering are 10 kW from above, 6 kW and 9 kW from homes; lost are 0.2 kW in each of the PTUs.
    """
    record = toy.synthetic_record((Level.BASELINE,))
    net_kw = np.zeros_like(record.net_kw)
    net_kw[0, :2, 10] = [15.8, -6.0]
    net_kw[0, :2, 11] = [4.8, -9.0]
    import_kw = np.zeros(96)
    import_kw[10:12] = [10.0, -4.0]
    losses = np.zeros(96)
    losses[10:12] = 0.2
    record = with_flow(
        record,
        import_kw=import_kw,
        loss_line_kw=0.5 * losses,
        loss_transformer_load_kw=0.3 * losses,
        loss_transformer_no_load_kw=0.2 * losses,
    )
    record = dataclasses.replace(record, net_kw=net_kw)
    (row,) = kpi_table(record).to_dict("records")
    assert row["loss_percent"] == pytest.approx(100 * 0.4 / (10.0 + 6.0 + 9.0))


@pytest.fixture(scope="module")
def unlike(toy: ModuleType) -> CaseRecord:
    """One bus of the mains at 2.5 % unbalance in two PTUs, the others at 1 %, homes without any."""
    record = toy.synthetic_record((Level.BASELINE,))
    three = [phases == "abc" for phases in record.layout.bus_phases]
    unbalance = np.where(three, 1.0, np.nan) * np.ones((96, 1))
    unbalance[[70, 71], three.index(True, 2)] = 2.5
    unbalance[:, 0] = 9.0
    return with_flow(record, unbalance_percent=unbalance)


def test_unbalance_is_that_of_low_voltage_buses_with_three_phases(unlike: CaseRecord) -> None:
    """The medium-voltage bus is not asked."""
    (row,) = kpi_table(unlike).to_dict("records")
    assert row["unbalance_max_percent"] == 2.5
    assert row["unbalance_exceeded_ptus"] == 2
    table = assets_table(unlike)
    rows = table[table.kind == "unbalance"]
    three = sum(phases == "abc" for phases in unlike.layout.bus_phases)
    assert len(rows) == three - 1
    (worst,) = [row for _, row in rows.iterrows() if row["worst"] > 2.0]
    assert (worst["limit"], worst["hours_above"], worst["worst_at"]) == (2.0, 0.5, "17:30")
    series = series_dataset(unlike)["unbalance_percent"]
    assert series.dims == ("level", "time")
    assert series.attrs["units"] == "percent"


def test_a_balanced_flow_makes_no_statement_on_unbalance(unlike: CaseRecord) -> None:
    flow = unlike.grid[Level.BASELINE]
    balanced = with_flow(
        unlike,
        vm_pu=np.ones((96, len(unlike.layout.buses), 1)),
        unbalance_percent=np.full(flow.unbalance_percent.shape, np.nan),
    )
    (row,) = kpi_table(balanced).to_dict("records")
    assert np.isnan([row["unbalance_max_percent"], row["unbalance_exceeded_ptus"]]).all()
    assert "unbalance" not in set(assets_table(balanced).kind)
    assert np.isnan(series_dataset(balanced)["unbalance_percent"]).all()


def test_an_unsolved_flow_leaves_the_unbalance_open(toy: ModuleType, unlike: CaseRecord) -> None:
    flow: GridState = toy.unsolved(unlike.grid[Level.BASELINE], [3])
    record = dataclasses.replace(unlike, grid={Level.BASELINE: flow})
    (row,) = kpi_table(record).to_dict("records")
    assert np.isnan([row["unbalance_max_percent"], row["unbalance_exceeded_ptus"]]).all()
    rows = assets_table(record)
    rows = rows[rows.kind == "unbalance"]
    assert len(rows)
    assert rows["worst"].isna().all()
    assert rows["status"].str.startswith("not_converged").all()
