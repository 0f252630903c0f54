"""Percentile fans from the files of series, read one by one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mas2sim.campaign import Campaign
from mas2sim.campaign.experiment import Series
from mas2sim.campaign.series import MEANINGS
from mas2sim.campaign.summary_fans import PERCENTILES, fans_table
from mas2sim.domain.errors import StoreError

from .summary_samples import made_up, view_of

FLOAT32 = 1e-6
"""Relative rounding of series, which are stored as float32."""
LEVELS = ("baseline", "uc1")
PTUS = 4
AXES = {"smart": ["bau", "green"], "substation": [1, 2, 3]}


def sizes(case: Mapping[str, object], level: str) -> dict[str, float]:
    return {"homes_count": 10.0 * float(str(case["substation"]))}


def value(number: int, level: int, place: int) -> float:
    return 100.0 * number + 10.0 * level + place


def write(folder: Path, start: int, stop: int, missing: int | None = None) -> None:
    """A file of cases from `start` to before `stop`; of `missing` one voltage is not there."""
    count = stop - start
    values = np.array(
        [
            [[value(start + case, level, place) for place in range(PTUS)] for level in range(2)]
            for case in range(count)
        ]
    )
    held = {
        name: (("case", "level", dimension), values.copy(), {"units": unit})
        for name, (dimension, unit, _) in MEANINGS.items()
    }
    if missing is not None:
        held["vm_min_pu"][1][missing - start, 0, 2] = np.nan
    coords = {
        "case": [f"case{number}" for number in range(start, stop)],
        "number": ("case", np.arange(start, stop)),
        "level": list(LEVELS),
    }
    (folder / "series").mkdir(exist_ok=True)
    path = folder / "series" / f"series-{start:06d}-{stop:06d}.nc"
    xr.Dataset(held, coords=coords).to_netcdf(path, engine="h5netcdf")


def campaign_in(folder: Path, **options: object) -> Campaign:
    options = {"series": Series.EXTREMES, **options}
    return made_up(AXES, sizes, levels=LEVELS, path=folder, **options)  # type: ignore[arg-type]


def fan(frame: pd.DataFrame, variable: str, level: str, group: str) -> pd.DataFrame:
    chosen = (frame["variable"] == variable) & (frame["level"] == level)
    return frame[chosen & (frame["group"] == group)].set_index("index")


def test_percentiles_are_over_cases_at_each_place(tmp_path: Path) -> None:
    write(tmp_path, 0, 2)
    write(tmp_path, 2, 6)
    told: list[tuple[str, int, int]] = []
    table = fans_table(view_of(campaign_in(tmp_path)), lambda *each: told.append(each))
    assert not table.shown
    assert [each[1:] for each in told] == [(0, 2), (1, 2), (2, 2)]
    assert len(table.frame) == len(MEANINGS) * 2 * 3 * PTUS
    voltages = fan(table.frame, "vm_max_pu", "uc1", "all")
    expected = [value(number, 1, 3) for number in range(6)]
    for each in PERCENTILES:
        found = voltages.loc[3, f"p{each}"]
        assert found == pytest.approx(np.percentile(expected, each), rel=FLOAT32)
    green = fan(table.frame, "vm_max_pu", "baseline", "green")
    assert green.loc[0, "p50"] == pytest.approx(value(4, 0, 0), rel=FLOAT32)
    assert green["cases"].tolist() == [3] * PTUS
    assert set(green["unit"]) == {"pu"}


def test_the_sum_of_connections_is_by_home_where_homes_are_known(tmp_path: Path) -> None:
    write(tmp_path, 0, 6)
    frame = fans_table(view_of(campaign_in(tmp_path)), lambda *_each: None).frame
    curve = fan(frame, "net_duration_kw", "baseline", "bau")
    # Cases 0, 1, 2 with 10, 20 and 30 homes.
    assert curve.loc[1, "p100"] == pytest.approx(201.0 / 30.0, rel=FLOAT32)
    assert set(curve["unit"]) == {"kW per home"}
    older = campaign_in(tmp_path, without=["homes_count"])
    frame = fans_table(view_of(older), lambda *_each: None).frame
    curve = fan(frame, "net_duration_kw", "baseline", "bau")
    assert curve.loc[1, "p100"] == pytest.approx(201.0, rel=FLOAT32)
    assert set(curve["unit"]) == {"kW"}


def test_cases_count_once_and_only_if_they_are_ok_and_whole(tmp_path: Path) -> None:
    write(tmp_path, 0, 3)
    write(tmp_path, 1, 6, missing=4)
    campaign = campaign_in(tmp_path, not_ok={0: "not_converged"})
    table = fans_table(view_of(campaign), lambda *_each: None)
    assert "Series are there of 5 cases" in table.note
    lowest = fan(table.frame, "vm_min_pu", "baseline", "all")
    assert lowest["cases"].tolist() == [4] * PTUS
    assert lowest.loc[0, "p0"] == pytest.approx(value(1, 0, 0), rel=FLOAT32)
    highest = fan(table.frame, "vm_max_pu", "baseline", "all")
    assert highest["cases"].tolist() == [5] * PTUS
    assert highest.loc[0, "p100"] == pytest.approx(value(5, 0, 0), rel=FLOAT32)


def test_without_series_the_table_is_empty_and_says_so(tmp_path: Path) -> None:
    for campaign in (campaign_in(tmp_path), campaign_in(tmp_path, series=Series.NONE)):
        table = fans_table(view_of(campaign), lambda *_each: None)
        assert table.frame.empty
        assert "No series" in table.note


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, 0, 6)
    path = tmp_path / "series" / "series-000000-000006.nc"
    path.write_bytes(b"damaged")
    with pytest.raises(StoreError, match=path.name):
        fans_table(view_of(campaign_in(tmp_path)), lambda *_each: None)
