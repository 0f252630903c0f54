"""The table on the terminal: what stands below it, and that it fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mas2sim.cli.tables import WIDTH, print_result, purchase_lines
from mas2sim.results import KPIS
from mas2sim.scenario import CaseResult

LEVELS = ["baseline", "uc1", "uc2", "uc3", "central"]
LARGE = -12345.678
"""As wide as figures of a substation get."""


def series(*, bought: bool = True, curtailed: bool = False) -> xr.Dataset:
    """A day in which two of three offers were taken."""
    curtailed_kw = np.zeros((5, 96))
    if curtailed:
        curtailed_kw[3, [70, 71, 95]] = 2.0, 2.0, -4.0
    data = xr.Dataset(
        {"curtailed_kw": (("level", "time"), curtailed_kw)},
        coords={"level": LEVELS, "clock_h": ("time", np.arange(96) / 4)},
    )
    if not bought:
        return data
    change = np.zeros((3, 96))
    change[:, 80] = -8.0, -4.0, -400.0
    change[:, 10] = 8.0, 4.0, 4400.0
    return data.assign(offer_change_kw=(("offer", "time"), change)).assign_coords(
        offer_community=("offer", ["community_1", "community_1", "community_2"]),
        offer_number=("offer", [3, 4, 12]),
        offer_accepted=("offer", [0, 1, 1]),
        offer_paid_eur=("offer", [np.nan, 0.654, 1234.5]),
    )


def result(day: xr.Dataset) -> CaseResult:
    axes = {
        "grid": "cardiff",
        "substation": 1,
        "season": "winter",
        "day": "weekday",
        "weather": "variable",
        "smart": "full_mix",
        "flexibility": "high",
        "communities": 3,
        "seed": 1,
    }
    figures = {kpi.name: LARGE for kpi in KPIS} | {"regime_worst": "orange"}
    kpi = pd.DataFrame([{**axes, "level": level, "status": "ok", **figures} for level in LEVELS])
    return CaseResult(kpi, pd.DataFrame(), pd.DataFrame(), day, {})


def test_each_offer_taken_has_a_line() -> None:
    assert list(purchase_lines(series())) == [
        "Bought by the DSO: 2 of 3 offers",
        "  community_1, offer 4: 1.0 kWh moved for 0.65 EUR",
        "  community_2, offer 12: 600.0 kWh moved for 1,234.50 EUR",
    ]


def test_without_congestion_there_is_nothing_to_say() -> None:
    assert list(purchase_lines(series(bought=False))) == []


def test_what_was_curtailed_is_told_with_its_hours() -> None:
    assert list(purchase_lines(series(bought=False, curtailed=True))) == [
        "uc3: insufficient flexibility, 2.0 kWh curtailed at 17:30-18:00, 23:45-24:00"
    ]


def test_five_levels_fit_with_every_name_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result(series()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    words = {line.split()[0] for line in lines if line.split()}
    assert {kpi.name for kpi in KPIS} <= words
    assert sum(line.split() == ["KPI", "unit", *LEVELS] for line in lines) == 1
    (row,) = [line.split() for line in lines if line.split()[:1] == ["payment_eur"]]
    assert row == ["payment_eur", "EUR", *["-12,346"] * 5]
    assert "  community_2, offer 12: 600.0 kWh moved for 1,234.50 EUR" in lines


def several(day: xr.Dataset) -> CaseResult:
    """Three substations side by side."""
    parts = []
    for number in (1, 2, 3):
        one = result(day)
        parts.append(replace(one, kpi=one.kpi.assign(substation=number)))
    kpi = pd.concat([part.kpi for part in parts], ignore_index=True)
    return replace(parts[0], kpi=kpi, series=xr.Dataset(), parts=tuple(parts))


def test_substations_stand_one_below_the_other_and_fit(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(several(series()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].startswith("cardiff all substations: ")
    rows = [line.split() for line in lines if line.split()[:1] in (["1"], ["2"], ["3"])]
    assert [row[:2] for row in rows] == [["1", "baseline"], ["2", "baseline"], ["3", "baseline"]]
    assert sum("central" in line for line in lines) == 3
    assert not any("…" in line for line in lines)


def test_what_the_dso_bought_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(several(series(curtailed=True)))
    printed = capsys.readouterr().out
    assert "Substation 2, Bought by the DSO: 2 of 3 offers" in printed
    assert "Substation 3, uc3: insufficient flexibility" in printed
