"""Series of a campaign: the extremes are those of the case, and their file is NetCDF."""

import math
from pathlib import Path

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.plan import PlannedCase
from mas2sim.campaign.series import MEANINGS, SeriesWriter, extremes
from mas2sim.cosim import run_world
from mas2sim.domain.grid_state import TRANSFORMER
from mas2sim.domain.typical_day import Level
from mas2sim.results import CaseRecord
from mas2sim.scenario import compose_case
from mas2sim.scenario.build import build_setup

FLOAT32 = 1e-6
"""Relative rounding of what is stored as float32."""


@pytest.fixture(scope="module")
def record() -> CaseRecord:
    setup, _ = build_setup(compose_case(["levels=[baseline]", "smart=2020_bau"]))
    return run_world(setup).record


@pytest.fixture
def written(record: CaseRecord, tmp_path: Path) -> Path:
    writer = SeriesWriter(Series.EXTREMES)
    for number, name in ((7, "c\u00e4se"), (8, "other")):
        writer.add(PlannedCase(number, name, (), {}), record)
    path = tmp_path / "series.nc"
    writer.write(path)
    return path


def test_extremes_are_those_found_one_by_one(record: CaseRecord) -> None:
    found = extremes(record)
    layout, flow = record.layout, record.grid[Level.BASELINE]
    missing = 0
    for ptu in range(record.horizon.ptus):
        volts = []
        for index, bus in enumerate(layout.buses):
            phases = [float(each) for each in flow.vm_pu[ptu, index] if bus.vn_kv <= 1.0]
            missing += sum(map(math.isnan, phases))
            volts += [each for each in phases if not math.isnan(each)]
        assert found["vm_min_pu"][0, ptu] == min(volts)
        assert found["vm_max_pu"][0, ptu] == max(volts)
        lines = [
            float(flow.loading_percent[ptu, index])
            for index, branch in enumerate(layout.branches)
            if branch.kind != TRANSFORMER
        ]
        assert found["line_loading_max_percent"][0, ptu] == max(lines)
    # Services of one phase are what makes it more than a minimum.
    assert missing > 0
    units = [branch.kind == TRANSFORMER for branch in layout.branches]
    falling = sorted(flow.loading_percent[:, units].max(axis=1), reverse=True)
    assert found["transformer_duration_percent"][0].tolist() == falling


def test_the_file_reads_as_a_dataset_over_cases_and_levels(
    record: CaseRecord, written: Path
) -> None:
    found = extremes(record)
    with xr.open_dataset(written, engine="h5netcdf") as series:
        assert dict(series.sizes) == {"case": 2, "level": 1, "place": 96, "ptu": 96}
        assert set(series.coords) == {"case", "number", "level"}
        assert series["case"].to_numpy().tolist() == ["c\u00e4se", "other"]
        assert series["number"].to_numpy().tolist() == [7, 8]
        assert series["level"].to_numpy().tolist() == ["baseline"]
        for name, (dimension, unit, meaning) in MEANINGS.items():
            variable = series[name]
            assert variable.dims == ("case", "level", dimension)
            assert variable.attrs == {"units": unit, "long_name": meaning}
            for case in variable.to_numpy():
                np.testing.assert_allclose(case, found[name], rtol=FLOAT32)


def test_the_file_keeps_to_netcdf(written: Path) -> None:
    # What is valid HDF5 and not valid NetCDF is refused by this reader.
    with h5netcdf.File(written, "r") as file:
        assert {name: len(each) for name, each in file.dimensions.items()} == {
            "case": 2,
            "level": 1,
            "place": 96,
            "ptu": 96,
        }
        assert set(file.variables) == {"case", "number", "level", *MEANINGS}


def test_the_same_series_are_the_same_bytes(
    record: CaseRecord, written: Path, tmp_path: Path
) -> None:
    writer = SeriesWriter(Series.EXTREMES)
    for number, name in ((7, "c\u00e4se"), (8, "other")):
        writer.add(PlannedCase(number, name, (), {}), record)
    writer.write(tmp_path / "again.nc")
    assert (tmp_path / "again.nc").read_bytes() == written.read_bytes()
