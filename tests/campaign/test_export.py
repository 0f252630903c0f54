"""A campaign's figures taken elsewhere, and its series side by side: what was put in comes out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from openpyxl import load_workbook

from mas2sim.campaign import Campaign, CampaignPlan, all_series, export
from mas2sim.campaign.experiment import Series
from mas2sim.campaign.ledger import Ledger, Task
from mas2sim.campaign.rows import CaseStatus, failed_rows, finished_rows, gathered
from mas2sim.campaign.series import MEANINGS, SeriesWriter
from mas2sim.campaign.table import cases_table
from mas2sim.domain.errors import StoreError
from mas2sim.results import KPIS

from .cheap_worker import cheap_kpi
from .samples import small_plan

FAILED, NOT_DONE = 2, 5
"""A case that failed, and one that is not done."""
KEPT = ("bill_eur", "vm_max_pu", "regime_worst", "rounds")
PTUS = 96
BASE = 10.0
"""Extremes tell their case and level: BASE for each case, one for each level."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CampaignPlan:
    """Six cases on axes of words, numbers and a key with a point."""
    swept = ["seed=1", "communities=1,3,5", "grid.transformer_limit_kw=250.5,280", "season=winter"]
    folder = tmp_path_factory.mktemp("experiment")
    return small_plan(folder, *swept, series="series: extremes\n")


@pytest.fixture
def campaign(plan: CampaignPlan, tmp_path: Path) -> Campaign:
    """All cases but one are done, and one of them is not ok."""
    tables = []
    for planned in plan.cases:
        levels = [level.value for level in plan.experiment.levels]
        if planned.number == FAILED:
            reason = "=1+1 \x1b[31mValueError: no"
            tables.append(
                failed_rows(planned, plan.experiment.levels, CaseStatus.ERROR, reason, 0.5)
            )
        elif planned.number != NOT_DONE:
            tables.append(finished_rows(planned, cheap_kpi(planned, levels), 1.5))
    rows = gathered(tables).to_pandas()
    # A file of a hundred variables takes seconds and says no more than one of a few.
    rows = rows.drop(columns=[kpi.name for kpi in KPIS if kpi.name not in KEPT])
    ledger = Ledger.prepare(tmp_path / "campaign", plan)
    return Campaign(ledger.path, plan, rows, cases_table(rows, plan), {})


def write_series(campaign: Campaign, *spans: tuple[int, int]) -> None:
    """Series files of some spans of cases, as tasks leave them; a case that failed has none."""
    levels = [level.value for level in campaign.plan.experiment.levels]
    for start, stop in spans:
        writer = SeriesWriter(Series.EXTREMES)
        writer._levels = levels
        for case in campaign.plan.cases[start:stop]:
            if case.number != FAILED:
                by_level = BASE * case.number + np.arange(len(levels))
                values = np.repeat(by_level[:, np.newaxis], PTUS, axis=1)
                writer._extremes.append((case, dict.fromkeys(MEANINGS, values)))
        writer.write(Ledger(campaign.path).series_path(Task(1, start, stop)))


def opened(path: Path) -> xr.Dataset:
    if path.suffix == ".zarr":
        return xr.open_zarr(path, chunks=None).load()
    with xr.open_dataset(path, engine="h5netcdf") as held:
        return held.load()


def contents(path: Path) -> dict[str, bytes]:
    """All files of an export, by name."""
    files = path.rglob("*") if path.is_dir() else [path]
    return {str(file.relative_to(path)): file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_the_dataset_comes_back_with_its_words(
    campaign: Campaign, tmp_path: Path, ending: str
) -> None:
    path = campaign.export(tmp_path / f"out{ending}")
    back = opened(path)
    xr.testing.assert_identical(back, campaign.dataset())
    sizes = {"season": 1, "communities": 3, "seed": 1, "grid.transformer_limit_kw": 2, "level": 2}
    assert dict(back.sizes) == sizes
    case = {"season": "winter", "seed": 1, "level": "uc1"}
    failed = campaign.plan.cases[FAILED].columns
    there = {name: failed[name] for name in ("communities", "grid.transformer_limit_kw")}
    assert back["case_status"].sel(**case, **there).item() == "error"
    assert back["regime_worst"].sel(**case, **there).item() == ""
    assert np.isnan(back["bill_eur"].sel(**case, **there).item())
    statuses = sorted(back["case_status"].to_numpy().ravel())
    assert statuses == ["error"] * 2 + ["not_run"] * 2 + ["ok"] * 8
    assert set(back["regime_worst"].to_numpy().ravel()) == {"", "green"}
    assert back["bill_eur"].attrs["units"] == "EUR"


def test_tables_come_back(campaign: Campaign, tmp_path: Path) -> None:
    table = pd.read_parquet(campaign.export(tmp_path / "out.parquet"))
    pd.testing.assert_frame_equal(table, campaign.kpi, check_exact=True)
    # Text has no types of its own; a column without any value is a column of nothing.
    text = pd.read_csv(campaign.export(tmp_path / "out.csv"), keep_default_na=False, na_values=[""])
    kinds = {name: kind for name, kind in campaign.kpi.dtypes.items() if kind.kind in "if"}
    expected = campaign.kpi.replace("", None)
    pd.testing.assert_frame_equal(text.astype(kinds), expected, check_exact=True, check_dtype=False)


def test_a_workbook_has_rows_and_cases_and_no_formula(campaign: Campaign, tmp_path: Path) -> None:
    path = campaign.export(tmp_path / "out.xlsx")
    book = load_workbook(path, read_only=True)
    assert book.sheetnames == ["kpi", "cases"]
    rows = list(book["kpi"].iter_rows(values_only=True))
    assert list(rows[0]) == list(campaign.kpi.columns)
    assert len(rows) == len(campaign.kpi) + 1
    place = rows[0].index("bill_eur")
    bills = campaign.kpi["bill_eur"].to_numpy()
    assert [row[place] for row in rows[1:]] == [None if np.isnan(bill) else bill for bill in bills]
    cases = list(book["cases"].iter_rows())
    (reason,) = (cell for cell in cases[FAILED + 1] if str(cell.value).startswith("=1"))
    assert (reason.value, reason.data_type) == ("=1+1 ?[31mValueError: no", "s")
    assert str(cases[1][-1].value).startswith("mas2sim run")
    again = campaign.export(tmp_path / "again.xlsx")
    assert again.read_bytes() == path.read_bytes()
    with ZipFile(path) as parts:
        said = parts.read("docProps/core.xml").decode()
    assert re.findall(r">(\d{4}-[^<]*)<", said) == ["2000-01-01T00:00:00Z"] * 2


@pytest.mark.parametrize("ending", [".zarr", ".CSV"])
def test_what_is_there_is_written_over_by_force_alone(
    campaign: Campaign, tmp_path: Path, ending: str
) -> None:
    path = campaign.export(tmp_path / "new" / f"out{ending}")
    narrowed = replace(campaign, kpi=campaign.kpi[campaign.kpi["number"] < FAILED])
    with pytest.raises(StoreError, match="--force"):
        narrowed.export(path)
    narrowed.export(path, force=True)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    if ending == ".zarr":
        xr.testing.assert_identical(opened(path), narrowed.dataset())
    else:
        assert len(pd.read_csv(path)) == len(narrowed.kpi)


@pytest.mark.parametrize("ending", [".csv", ".zarr"])
def test_a_failure_leaves_what_was_there(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = campaign.export(tmp_path / "new" / f"out{ending}")
    before = contents(path)

    def broken(_campaign: Campaign, unfinished: Path) -> None:
        unfinished.mkdir() if ending == ".zarr" else unfinished.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "WRITERS", {ending: broken})
    with pytest.raises(StoreError, match="No space left"):
        campaign.export(path, force=True)
    assert contents(path) == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_places_and_endings_that_are_refused(campaign: Campaign, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"found the ending \.mat; allowed: \.nc, \.zarr"):
        campaign.export(tmp_path / "out.mat")
    with pytest.raises(StoreError, match="ending of none"):
        campaign.export(tmp_path / "out")
    for inside in ("kpi.parquet", "shards/deep/out.csv"):
        with pytest.raises(StoreError, match="own folder"):
            campaign.export(campaign.path / inside, force=True)
    for name in ("mine.zarr", "mine.csv"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
        with pytest.raises(StoreError, match="no export made"):
            campaign.export(tmp_path / name, force=True)
        assert (tmp_path / name / "thesis.txt").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        campaign.export(tmp_path / "file" / "out.csv")


def test_too_many_combinations_or_rows_are_said(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_VALUES", 50)
    monkeypatch.setattr(export, "MOST_ROWS", 3)
    with pytest.raises(StoreError, match="12 combinations of 4 axes"):
        campaign.export(tmp_path / "out.nc")
    with pytest.raises(StoreError, match="10 rows"):
        campaign.export(tmp_path / "out.xlsx")
    assert not list(tmp_path.glob("*out*"))


def test_zarr_that_is_not_installed_is_said(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(StoreError, match=r"mas2sim\[zarr\]"):
        campaign.export(tmp_path / "out.zarr")


def test_series_of_all_cases_side_by_side(campaign: Campaign) -> None:
    # The first half was run again in quarters after its whole had left its series: each case once.
    # Case 5 left series and no rows.
    write_series(campaign, (0, 4), (0, 2), (2, 4), (4, 6))
    there = [0, 1, 3, 4]
    own = campaign.cases.set_index("number").loc[there]
    series = campaign.all_series()
    assert series["number"].to_numpy().tolist() == there
    for name in ("case", *campaign.axes):
        assert series[name].to_numpy().tolist() == own[name].tolist()
    assert all(each.chunks is not None for each in series.data_vars.values())
    uc1 = series["vm_max_pu"].sel(level="uc1").max("ptu")
    assert uc1.to_numpy().tolist() == [BASE * number + 1.0 for number in there]
    curves = series["net_duration_kw"].sel(level="baseline")
    means = curves.groupby("communities").mean("case")
    for count, numbers in own.groupby("communities").groups.items():
        expected = np.full(PTUS, BASE * float(np.mean(list(numbers))))
        assert means.sel(communities=count).to_numpy() == pytest.approx(expected)
    with campaign.series(own["case"][3]) as alone:
        for name, (dimension, unit, _) in MEANINGS.items():
            assert series[name].dims == ("case", "level", dimension)
            assert series[name].attrs["units"] == unit
            assert np.array_equal(series[name].isel(case=2), alone[name])


def test_series_that_are_damaged_are_named(campaign: Campaign) -> None:
    write_series(campaign, (0, 4))
    Ledger(campaign.path).series_path(Task(1, 4, 6)).write_bytes(b"no such file")
    with pytest.raises(StoreError, match=r"series-000004-000006\.nc: the file is damaged"):
        campaign.all_series()


def test_a_case_without_series_is_said(campaign: Campaign) -> None:
    write_series(campaign, (0, 4))
    names = campaign.cases.set_index("number")["case"]
    with campaign.series(names[3]) as series:
        assert series["number"].item() == 3
    with pytest.raises(StoreError, match="no series were kept of case"):
        campaign.series(names[FAILED])


def without_dask(name: str) -> None:
    assert name == "dask"


@pytest.mark.parametrize(
    ("choice", "find", "said"),
    [
        (Series.EXTREMES, None, "no series of any case are there yet"),
        (Series.EXTREMES, without_dask, r"mas2sim\[cluster\]"),
        (Series.NONE, None, "no series were kept"),
        (Series.ALL, None, r"one by one with series\(case\)"),
    ],
)
def test_series_that_cannot_be_gathered_are_said(
    campaign: Campaign,
    monkeypatch: pytest.MonkeyPatch,
    choice: Series,
    find: Callable[[str], None] | None,
    said: str,
) -> None:
    if find is not None:
        monkeypatch.setattr(all_series, "find_spec", find)
    plan = replace(campaign.plan, experiment=replace(campaign.plan.experiment, series=choice))
    with pytest.raises(StoreError, match=said):
        replace(campaign, plan=plan).all_series()
