"""`mas2sim run` with a limit that binds: the books of money and energy, and what is printed."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mas2sim.cli import main

CASE = [
    "levels=[baseline,uc1,uc2,uc3]",
    "season=winter",
    "smart=full_mix",
    "flexibility=high",
    "grid.transformer_limit_kw=300",
]
BOOKS_EUR = 1e-6
"""Sums over 184 homes of sums of 96 products, made in two ways."""
BALANCE_KW = 1e-6
METER_KW = 1e-3
"""A plan that meets a limit exactly is metered within a watt of it."""
CERTIFIED_PERCENT = 0.3
"""What the markets are to prove of themselves."""


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The result folder, and what the run printed."""
    folder, output = tmp_path_factory.mktemp("congested") / "day", io.StringIO()
    with redirect_stdout(output):
        assert main(["run", *CASE, "--out", str(folder)]) == 0
    return folder, output.getvalue()


@pytest.fixture(scope="module")
def result(printed: tuple[Path, str]) -> Path:
    return printed[0]


@pytest.fixture(scope="module")
def kpi(result: Path) -> pd.DataFrame:
    return pd.read_parquet(result / "kpi.parquet").set_index("level")


@pytest.fixture(scope="module")
def series(result: Path) -> xr.Dataset:
    with xr.open_dataset(result / "series.nc", engine="h5netcdf") as dataset:
        return dataset.load()


def test_the_dso_buys_until_its_limit_is_kept(kpi: pd.DataFrame, series: xr.Dataset) -> None:
    uc3 = kpi.loc["uc3"]
    assert uc3["congested_before_ptus"] == kpi.loc["uc2", "congested_ptus"] > 0
    assert uc3["congested_ptus"] == uc3["orange_ptus"] == uc3["curtailed_kwh"] == 0
    assert uc3["yellow_ptus"] == uc3["congested_before_ptus"]
    assert uc3["moved_kwh"] > 0
    after = series["prognosis_after_kw"]
    assert float(after.max()) <= 300.0 + METER_KW
    metered = series["p_kw"].sel(level="uc3").sum("home")
    assert float(np.abs(metered - after).max()) < METER_KW


def test_payments_add_up_to_what_is_owed(kpi: pd.DataFrame, series: xr.Dataset) -> None:
    standing_eur = kpi.loc["baseline", "bill_eur"] - kpi.loc["baseline", "energy_cost_eur"]
    kept = kpi["service_eur"] - kpi["shortfall_eur"]
    paid = kpi["payment_eur"] + kpi["dso_payment_eur"].fillna(0.0)
    for level in ("uc2", "uc3"):
        owed = kpi.loc[level, "energy_cost_eur"] + standing_eur + kept[level]
        assert paid[level] == pytest.approx(owed, abs=BOOKS_EUR)
    taken = series["offer_accepted"] == 1
    ordered_eur = float(series["offer_paid_eur"].where(taken, 0.0).sum())
    assert kpi.loc["uc3", "dso_payment_eur"] == pytest.approx(ordered_eur, abs=BOOKS_EUR)


def test_nobody_is_worse_off_and_the_gaps_are_proven(kpi: pd.DataFrame) -> None:
    assert (kpi.loc[["uc2", "uc3"], "members_worse_off_count"] == 0).all()
    gaps = kpi.loc[["uc2", "uc3"], "certified_gap_percent"]
    assert gaps.between(-BOOKS_EUR, CERTIFIED_PERCENT).all()


def test_meters_are_what_loads_and_devices_draw_less_what_was_given_up(
    series: xr.Dataset,
) -> None:
    parts = sum(
        series[name].sum("home") for name in ("base_kw", "pv_kw", "wind_kw", "micro_chp_kw")
    )
    expected = parts + series["device_kw"].sum("device") - series["curtailed_kw"]
    assert float(np.abs(series["p_kw"].sum("home") - expected).max()) < BALANCE_KW


def test_the_purchase_is_printed_below_the_levels(printed: tuple[Path, str]) -> None:
    lines = printed[1].splitlines()
    (first,) = [place for place, line in enumerate(lines) if line.startswith("Bought by the DSO")]
    offers = [line for line in lines[first + 1 :] if line.startswith("  community_")]
    assert offers
    assert all("kWh moved for" in line and line.endswith("EUR") for line in offers)
    rows = {line.split()[0] for line in lines if line.split()}
    assert {"rounds", "messages", "certified_gap_percent", "dso_payment_eur"} <= rows
    assert {"congested_before_ptus", "congested_ptus", "members_worse_off_count"} <= rows


def test_the_same_market_gives_the_same_bytes(result: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert main(["run", *CASE, "--out", str(again)]) == 0
    assert (again / "series.nc").read_bytes() == (result / "series.nc").read_bytes()
