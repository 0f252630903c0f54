"""Series and tables against the record they were made from."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mas2sim.domain.flexibility import FlexOrder
from mas2sim.domain.typical_day import Level
from mas2sim.results import (
    assets_table,
    cases_table,
    homes_table,
    kpi_table,
    series_dataset,
)
from mas2sim.results.series import write_series

FLOAT32 = 1e-6
"""Voltages and loadings are stored with seven digits."""


def test_the_series_hold_the_record(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    data = series_dataset(record)
    assert np.array_equal(data["p_kw"].sel(level="uc1", home="h3"), record.net_kw[1, 2])
    assert np.array_equal(data["device_kw"].sel(level="uc2").T, record.device_kw[2])
    assert np.array_equal(data["vm_pu"].sel(level="uc1"), record.grid[Level.UC1].vm_pu)
    assert data["device"].to_numpy().tolist()[:3] == ["h1/washing_machine", "h1/ev", "h1/battery"]
    assert data["device_kind"].to_numpy().tolist()[:3] == ["appliance", "ev", "battery"]
    assert data["home_phase"].to_numpy().tolist() == list("abcabc")
    assert str(data["time"].to_numpy()[5]) == "2023-06-21T01:15:00.000000000"
    parts = data["base_kw"] + data["pv_kw"] + data["wind_kw"] + data["micro_chp_kw"]
    devices = data["device_kw"].groupby("device_home").sum().rename(device_home="home")
    total = (parts + devices.reindex(home=data["home"], fill_value=0.0)).transpose(
        *data["p_kw"].dims
    )
    assert np.allclose(total, data["p_kw"])


def test_every_kind_of_device_is_told(toy: ModuleType) -> None:
    data = series_dataset(toy.synthetic_record())
    kinds = dict(zip(data["device"].to_numpy(), data["device_kind"].to_numpy(), strict=True))
    assert kinds == {
        "h1/washing_machine": "appliance",
        "h1/ev": "ev",
        "h1/battery": "battery",
        "h2/washing_machine": "appliance",
        "h3/washing_machine": "appliance",
        "h3/ev": "ev",
        "h4/interruptible": "interruptible",
        "h4/ev": "ev",
        "h5/heat_pump": "heat_pump",
    }
    assert (data["wind_kw"].sel(home="h2") == -0.2).all()
    assert not data["wind_kw"].sel(home="h1").any()
    assert data["micro_chp_kw"].sel(home="h6").to_numpy()[[0, 23, 24]].tolist() == [-0.5, -0.5, 0]


def test_temperatures_stand_beside_the_band_they_are_to_keep(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    stored = record.stored_kwh.copy()
    stored[1, record.devices.index((4, "heat_pump")), 40] = 6.0 * 18.5
    data = series_dataset(dataclasses.replace(record, stored_kwh=stored))
    pump = data.sel(device="h5/heat_pump")
    assert pump["temperature_c"].sel(level="uc1").to_numpy()[39:42].tolist() == [20.0, 18.5, 20.0]
    assert pump["comfort_lower_c"].to_numpy()[[27, 28, 87, 88]].tolist() == [17, 19, 19, 17]
    assert (pump["comfort_upper_c"] == 22.0).all()
    others = data.drop_sel(device="h5/heat_pump")
    for name in ("temperature_c", "comfort_lower_c", "comfort_upper_c"):
        assert np.isnan(others[name]).all(), name


def test_every_variable_says_its_unit_and_name(toy: ModuleType) -> None:
    for name, variable in series_dataset(toy.synthetic_record()).data_vars.items():
        assert variable.attrs["units"], name
        assert variable.attrs["long_name"], name


def test_regimes_decode_by_their_flags(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    regime = series_dataset(record)["regime"]
    meaning = dict(
        zip(regime.attrs["flag_values"], regime.attrs["flag_meanings"].split(), strict=True)
    )
    decoded = [[meaning[value] for value in row] for row in regime.to_numpy()]
    assert decoded == [[each.value for each in row] for row in record.regimes]


def test_a_level_without_a_flow_is_missing_not_zero(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    only = dataclasses.replace(record, grid={Level.UC1: record.grid[Level.UC1]})
    data = series_dataset(only)
    assert np.isnan(data["vm_pu"].sel(level="baseline")).all()
    assert not data["converged"].sel(level="baseline").any()
    assert np.isfinite(data["vm_pu"].sel(level="uc1")).all()


def test_the_series_survive_the_file(toy: ModuleType, tmp_path: Path) -> None:
    data = series_dataset(toy.synthetic_record())
    write_series(data, tmp_path / "series.nc")
    with xr.open_dataset(tmp_path / "series.nc", engine="h5netcdf") as back:
        xr.testing.assert_allclose(back.load(), data, rtol=FLOAT32)
        xr.testing.assert_identical(back["p_kw"], data["p_kw"])


WRITE_TWICE = """
import dataclasses, importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("synthetic_record", sys.argv[1])
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)
from mas2sim.results import kpi_table, series_dataset
from mas2sim.results.series import write_series
record = toy.synthetic_record()
record = dataclasses.replace(record, congestion=toy.purchase(record))
write_series(series_dataset(record), Path(sys.argv[2]))
kpi_table(record).to_parquet(sys.argv[3], index=False)
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    source = Path(__file__).with_name("synthetic_record.py")
    for run in ("1", "2"):
        arguments = [str(source), str(tmp_path / f"{run}.nc"), str(tmp_path / f"{run}.parquet")]
        subprocess.run(
            [sys.executable, "-c", WRITE_TWICE, *arguments],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": run},
        )
    for ending in ("nc", "parquet"):
        assert (tmp_path / f"1.{ending}").read_bytes() == (tmp_path / f"2.{ending}").read_bytes()


def test_offers_stand_beside_what_was_asked_for(toy: ModuleType, tmp_path: Path) -> None:
    record = toy.synthetic_record()
    write_series(
        series_dataset(dataclasses.replace(record, congestion=toy.purchase(record))),
        tmp_path / "series.nc",
    )
    with xr.open_dataset(tmp_path / "series.nc", engine="h5netcdf") as data:
        assert data["offer"].to_numpy().tolist() == [
            "community_1/0",
            "community_1/1",
            "community_2/0",
        ]
        assert data["offer_community"].to_numpy().tolist()[1:] == ["community_1", "community_2"]
        assert data["offer_number"].to_numpy().tolist() == [0, 1, 0]
        assert data["offer_price_eur"].to_numpy().tolist() == [0.75, 0.25, 0.125]
        assert data["offer_accepted"].to_numpy().tolist() == [0, 1, 1]
        np.testing.assert_array_equal(data["offer_paid_eur"], [np.nan, 0.25, 0.125])
        # At the transformer, although each offer tells of a feeder too.
        offered = data["offer_change_kw"].transpose("offer", "time").to_numpy()
        assert offered[:, 72].tolist() == [-3.0, -2.0, -1.0]
        assert offered[:, 12].tolist() == [5.0, 3.0, 2.0]
        assert data["flex_requested_kw"].to_numpy()[71:75].tolist() == [0.0, -3.0, -2.0, 0.0]
        before, after = data["prognosis_before_kw"], data["prognosis_after_kw"]
        assert before.to_numpy()[72:74].tolist() == [15.0, 14.0]
        assert after.to_numpy()[[12, 72, 73]].tolist() == [10.0, 12.0, 12.0]
        taken = data["offer_change_kw"].where(data["offer_accepted"] == 1, 0.0).sum("offer")
        np.testing.assert_allclose(after - before, taken)
        np.testing.assert_allclose(before + data["flex_available_upper_kw"], 12.0)
        np.testing.assert_allclose(before + data["flex_available_lower_kw"], -30.0)
        for name, variable in data.data_vars.items():
            assert variable.attrs["units"], name


def test_without_a_purchase_there_are_no_offers(toy: ModuleType, tmp_path: Path) -> None:
    record = toy.synthetic_record()
    data = series_dataset(record)
    assert "offer" not in data.dims
    assert "flex_requested_kw" not in data
    silent = dataclasses.replace(toy.purchase(record), offers={}, order=FlexOrder({}, {}, {}))
    data = series_dataset(dataclasses.replace(record, congestion=silent))
    assert "offer" not in data.dims
    write_series(data, tmp_path / "series.nc")
    with xr.open_dataset(tmp_path / "series.nc", engine="h5netcdf") as back:
        assert back["flex_requested_kw"].to_numpy()[72] == -3.0


def test_what_homes_gave_up_is_in_their_table(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    taken = np.zeros_like(record.net_kw)
    taken[2, 3, 70:72], taken[2, 1, 50] = 0.5, -0.25
    limited = dataclasses.replace(record, curtailed_kw=taken, net_kw=record.net_kw - taken)
    homes = homes_table(limited).set_index(["level", "home"])["curtailed_kwh"]
    assert homes["uc2", "h4"] == pytest.approx(0.25)
    assert homes["uc2", "h2"] == pytest.approx(0.0625)
    assert homes.sum() == pytest.approx(kpi_table(limited)["curtailed_kwh"].sum())
    given_up = series_dataset(limited)["curtailed_kw"].sel(level="uc2").to_numpy()
    assert given_up[[50, 70]].tolist() == [-0.25, 0.5]


def test_homes_add_up_to_the_case(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    homes = homes_table(record)
    assert len(homes) == len(record.levels) * len(record.homes)
    by_level = homes.groupby("level", sort=False)["bill_eur"].sum()
    assert np.allclose(by_level, record.bill_eur.sum(axis=1))
    first = homes.iloc[0]
    assert (first["home"], first["community"], first["phase"]) == ("h1", "community_1", "a")
    assert first["gap_eur"] == pytest.approx(0.01)


def test_services_of_the_homes_add_up_to_the_case(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    homes = homes_table(record)
    kpis = kpi_table(record).set_index("level")
    columns = ["unserved_kwh", "late_h", "comfort_missed_kh", "cut_kwh", "discomfort_eur"]
    by_level = homes.groupby("level", sort=False)[columns].sum()
    assert np.allclose(by_level, kpis[columns])
    cut = homes[homes["discomfort_eur"] > 0]
    assert cut[["level", "home"]].to_numpy().tolist() == [["uc1", "h4"], ["uc2", "h4"]]
    assert cut["discomfort_eur"].to_numpy() == pytest.approx([0.04, 0.04])


def test_a_plan_without_a_bound_has_no_gap(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.UC1,))
    plans = tuple(dataclasses.replace(p, bound_eur=float("nan")) for p in record.plans[Level.UC1])
    homes = homes_table(dataclasses.replace(record, plans={Level.UC1: plans}))
    assert homes["gap_eur"].isna().all()
    assert (homes_table(dataclasses.replace(record, plans={}))["status"] == "no_plan").all()


def asset(table: pd.DataFrame, level: str, name: str, kind: str) -> pd.Series:
    rows = table[(table["level"] == level) & (table["asset"] == name) & (table["kind"] == kind)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_assets_name_their_worst_moment(toy: ModuleType) -> None:
    record = toy.synthetic_record()
    table = assets_table(record)
    total = record.net_kw[0].sum(axis=0)
    row = asset(table, "baseline", "toy_1", "transformer_import")
    assert row["worst"] == pytest.approx(total.max())
    assert row["worst_at"] == record.horizon.clock(int(total.argmax()))
    assert row["hours_above"] == pytest.approx(0.25 * (total > 12.0).sum())
    flow = record.grid[Level.BASELINE]
    bus = [each.name for each in record.layout.buses].index("bus_h4")
    low = asset(table, "baseline", "bus_h4", "voltage_low")
    assert low["worst"] == pytest.approx(flow.vm_pu[:, bus].min() * 400 / np.sqrt(3))
    assert low["hours_above"] == 0.0
    assert "hv" not in set(table.loc[table["kind"] == "voltage_low", "asset"])


def test_a_voltage_below_the_band_counts_as_hours_beyond_the_limit(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    flow = record.grid[Level.BASELINE]
    volts = flow.vm_pu.copy()
    volts[10:14, 3, 1] = 0.9
    low = dataclasses.replace(record, grid={Level.BASELINE: dataclasses.replace(flow, vm_pu=volts)})
    row = asset(assets_table(low), "baseline", record.layout.buses[3].name, "voltage_low")
    assert row["hours_above"] == pytest.approx(1.0)
    assert row["worst_at"] == "02:30"


def test_assets_of_an_unsolved_flow_are_missing_with_a_status(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    grid = {Level.BASELINE: toy.unsolved(record.grid[Level.BASELINE], [5])}
    table = assets_table(dataclasses.replace(record, grid=grid))
    lines = table[table["kind"] == "line_loading"]
    assert lines["worst"].isna().all()
    assert (lines["status"] == "not_converged (1 of 96 PTUs)").all()
    assert table.loc[table["kind"] == "transformer_import", "worst"].notna().all()


def test_the_case_row_says_what_is_incomplete(toy: ModuleType) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    assert cases_table(record).loc[0, "status"] == "ok"
    grid = {**record.grid, Level.UC1: toy.unsolved(record.grid[Level.UC1], [5])}
    row = cases_table(dataclasses.replace(record, grid=grid)).iloc[0]
    assert row["status"] == "uc1: not_converged (1 of 96 PTUs)"
    assert row["season"] == "summer"
