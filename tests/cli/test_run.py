"""`mas2sim run` as a user meets it: results on disk, the same again, bad input, an interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mas2sim.cli import main

BALANCE = 1e-6
"""Of the larger of the import and 1 kW."""
BILL_EUR = 1e-8
"""Rounding of sums of 96 products, as the planner allows."""
STORED_KWH = 1e-6
"""Row tolerance of the solver."""
CHANGED_KW = 1e-3
HELP_S = 0.7
RUN_S = 30.0


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cardiff") / "day"
    began = time.perf_counter()
    assert main(["run", "--out", str(folder)]) == 0
    assert time.perf_counter() - began < RUN_S
    return folder


@pytest.fixture(scope="module")
def series(result: Path) -> xr.Dataset:
    with xr.open_dataset(result / "series.nc", engine="h5netcdf") as dataset:
        return dataset.load()


def test_both_levels_are_in_the_table(result: Path) -> None:
    kpi = pd.read_parquet(result / "kpi.parquet")
    assert list(kpi["level"]) == ["baseline", "uc1"]
    assert list(kpi["status"]) == ["ok", "ok"]
    assert (result / "report" / "index.html").is_file()


def test_the_same_command_gives_the_same_bits(result: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert main(["run", "--out", str(again)]) == 0
    assert (again / "series.nc").read_bytes() == (result / "series.nc").read_bytes()
    for name in ("kpi.parquet", "homes.parquet", "assets.parquet"):
        first, second = (pd.read_parquet(folder / name) for folder in (result, again))
        timed = [column for column in first if column.endswith("_s")]
        pd.testing.assert_frame_equal(
            first.drop(columns=timed), second.drop(columns=timed), check_exact=True
        )


def test_another_seed_gives_other_figures(result: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert main(["run", "seed=2", "--out", str(other)]) == 0
    bills = [pd.read_parquet(folder / "kpi.parquet")["bill_eur"] for folder in (result, other)]
    assert (bills[0] != bills[1]).all()


def test_energy_balances_in_every_ptu_and_level(series: xr.Dataset) -> None:
    losses = (
        series["loss_line_kw"]
        + series["loss_transformer_load_kw"]
        + series["loss_transformer_no_load_kw"]
    )
    residual = np.abs(series["grid_import_kw"] - series["p_kw"].sum("home") - losses)
    scale = np.maximum(np.abs(series["grid_import_kw"]), 1.0)
    assert float((residual / scale).max()) < BALANCE
    assert bool(series["converged"].all())


def test_no_bill_is_higher_than_without_management(result: Path) -> None:
    bills = pd.read_parquet(result / "homes.parquet").pivot_table(
        index="home", columns="level", values="bill_eur"
    )
    assert (bills["uc1"] <= bills["baseline"] + BILL_EUR).all()
    assert bills["uc1"].sum() < bills["baseline"].sum() - 1


def test_the_day_is_cyclic_and_services_are_the_same(result: Path, series: xr.Dataset) -> None:
    end = series["stored_kwh"].isel(time=-1)
    start = series["stored_start_kwh"]
    known = np.isfinite(start)
    assert int(known.sum()) > 0
    assert float(np.abs(end - start).where(known).max()) < STORED_KWH
    energy = series["device_kw"].sum("time") * 0.25
    service = energy.sel(device=series["device_kind"].isin(["appliance", "ev"]))
    difference = service.sel(level="uc1") - service.sel(level="baseline")
    assert float(np.abs(difference).max()) < STORED_KWH
    kpi = pd.read_parquet(result / "kpi.parquet")
    for name in ("unserved_kwh", "late_h", "comfort_missed_kh", "storage_drift_kwh"):
        assert (kpi[name].abs() < STORED_KWH * 200).all(), name


def test_most_flexible_homes_do_something_else_than_unmanaged(
    result: Path, series: xr.Dataset
) -> None:
    homes = pd.read_parquet(result / "homes.parquet").query("level == 'uc1'")
    power = series["p_kw"]
    moved = np.abs(power.sel(level="uc1") - power.sel(level="baseline")).max("time") > CHANGED_KW
    flexible = homes["has_flexibility"].to_numpy()
    assert float(moved.to_numpy()[flexible].mean()) > 0.5
    assert not moved.to_numpy()[~flexible].any()


def test_a_finished_result_is_kept(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (result / "kpi.parquet").stat().st_mtime_ns
    assert main(["run", "--out", str(result)]) == 0
    assert (result / "kpi.parquet").stat().st_mtime_ns == before
    assert "was there already" in capsys.readouterr().out


def test_another_plans_folder_is_refused(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (result / "kpi.parquet").read_bytes()
    assert main(["run", "season=summer", "--out", str(result)]) == 1
    assert (result / "kpi.parquet").read_bytes() == before
    message = capsys.readouterr().err
    assert "another plan" in message
    assert "Traceback" not in message


def test_the_report_can_be_made_again(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = result / "report" / "index.html"
    page.unlink()
    assert main(["report", str(result)]) == 0
    assert page.is_file()
    assert str(page) in capsys.readouterr().out


def test_bad_input_is_told_at_once_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gaps = tmp_path / "annual.csv"
    gaps.write_text("home,annual_kwh\nh001,3000\nh002,\n")
    out = tmp_path / "out"
    arguments = [
        "season=wintr",
        "seed=x",
        "smart.pv_percent=101",
        "communities=0",
        "--out",
        str(out),
    ]
    assert main(["run", *arguments]) == 1
    message = capsys.readouterr().err
    for word in ("season=winter", "seed", "smart.pv_percent", "communities"):
        assert word in message
    assert main(["run", f"population.annual_energy={gaps}", "--out", str(out)]) == 1
    assert "annual_kwh" in capsys.readouterr().err
    assert not out.exists()


def test_faults_of_words_files_and_folder_come_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert main(["run", "season=wintr", "--out", str(taken)]) == 1
    message = capsys.readouterr().err
    assert "season=winter" in message
    assert "this is a file" in message
    gaps = tmp_path / "annual.csv"
    gaps.write_text("home,annual_kwh\nh001,3000\nh002,\n")
    assert main(["run", f"population.annual_energy={gaps}", "--out", str(taken / "below")]) == 1
    message = capsys.readouterr().err
    assert "annual_kwh" in message
    assert "result folder" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--no-such-option"],
        ["run", "--out"],
        ["no-such-command"],
        ["report", "no/such/folder"],
        ["run", "substation=77"],
        ["run", "communities=500"],
    ],
)
def test_wrong_commands_exit_with_1(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.err
    assert "Traceback" not in output.err


def test_help_comes_at_once() -> None:
    def seconds() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mas2sim", "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < HELP_S


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_interrupted_run_leaves_earlier_results_whole(
    result: Path, sent: signal.Signals, code: int
) -> None:
    before = {path: path.read_bytes() for path in result.rglob("*") if path.is_file()}
    run = subprocess.Popen(
        [sys.executable, "-m", "mas2sim", "run", "--force", "--out", str(result)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert run.stderr is not None
    for line in run.stderr:
        if "plan the homes" in line:
            break
    run.send_signal(sent)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == code, errors
    assert "Traceback" not in errors
    assert {path: path.read_bytes() for path in result.rglob("*") if path.is_file()} == before
    assert main(["run", "--out", str(result)]) == 0
    assert [path.name for path in result.parent.iterdir()] == [result.name]
