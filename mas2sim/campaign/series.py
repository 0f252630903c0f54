"""Series of a campaign: for each task one NetCDF file, with as much of each day as was asked for.

`extremes` keeps, for each case and level, the duration curves of the transformer and the extremes
of the voltages in each PTU. `all` keeps what a single run keeps, each case in a group of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.plan import PlannedCase
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.limits_kept import branches_of_kind, low_voltage_buses
from mas2sim.results.record import CaseRecord

if TYPE_CHECKING:
    import xarray as xr

MEANINGS = {
    "net_duration_kw": ("place", "kW", "sum of the connections, in falling order"),
    "transformer_duration_percent": ("place", "percent", "transformer loading, in falling order"),
    "line_loading_max_percent": ("ptu", "percent", "loading of the line that is loaded most"),
    "vm_min_pu": ("ptu", "pu", "lowest voltage of any low-voltage bus and phase"),
    "vm_max_pu": ("ptu", "pu", "highest voltage of any low-voltage bus and phase"),
}
"""Variables of `extremes`: last dimension, unit, meaning."""
Extremes = Mapping[str, FloatArray]
COMPRESSION: Mapping[str, Any] = MappingProxyType(
    {"compression": "gzip", "compression_opts": 4, "shuffle": True}
)
NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."
"""By this NetCDF knows a dimension that has no values of its own; its length follows."""


class SeriesWriter:
    """Gathers the series of a task's cases and writes them.

    Parameters
    ----------
    choice : Series
    """

    def __init__(self, choice: Series) -> None:
        self._choice = choice
        self._extremes: list[tuple[PlannedCase, Extremes]] = []
        self._whole: list[tuple[PlannedCase, xr.Dataset]] = []
        self._levels: list[str] = []

    @property
    def any(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._extremes or self._whole)

    def add(self, planned: PlannedCase, record: CaseRecord) -> None:
        """Keep what is to be kept of a case."""
        self._levels = [level.value for level in record.levels]
        if self._choice is Series.EXTREMES:
            self._extremes.append((planned, extremes(record)))
        elif self._choice is Series.ALL:
            from mas2sim.results import series_dataset

            self._whole.append((planned, series_dataset(record)))

    def write(self, path: Path) -> None:
        """Write all that was added to one file."""
        if self._extremes:
            _write_extremes(path, self._extremes, self._levels)
        for place, (planned, each) in enumerate(self._whole):
            coding = {
                str(name): {"zlib": True, "complevel": COMPRESSION["compression_opts"]}
                for name, held in each.data_vars.items()
                if held.dtype.kind in "fi" and held.ndim
            }
            each.to_netcdf(
                path,
                engine="h5netcdf",
                mode="w" if place == 0 else "a",
                group=planned.case,
                encoding=coding,
            )


def extremes(record: CaseRecord) -> Extremes:
    """Duration curves and daily extremes of one case.

    Returns
    -------
    mapping of str to array, shape (level, ptu)
        The variables of `MEANINGS`; missing where the power flow has no solution.
    """
    layout = record.layout
    places = _Places(
        low_voltage_buses(layout),
        branches_of_kind(layout, transformer=True),
        branches_of_kind(layout, transformer=False),
    )
    levels = [_extremes_of(CaseLevel(record, index), places) for index in range(len(record.levels))]
    return {name: np.stack([each[name] for each in levels]) for name in MEANINGS}


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """Indices of the buses and branches that are looked at, the same at each level."""

    buses: IntArray
    transformers: IntArray
    lines: IntArray


def _write_extremes(
    path: Path, cases: Sequence[tuple[PlannedCase, Extremes]], levels: Sequence[str]
) -> None:
    """Write several cases: dimensions case, level, and place (in falling order) or ptu.

    A NetCDF-4 file is an HDF5 file whose dimensions are scales (NetCDF User's Guide, appendix C).
    It is written as one, since a file by way of xarray takes six times as long, which shows where a
    shard has few cases.
    """
    import h5py

    ptus = len(cases[0][1]["vm_min_pu"][0])
    # In memory: on a full disk HDF5 takes the process with it instead of raising an error.
    with h5py.File(path, "w", track_order=True, driver="core", backing_store=False) as file:
        text = h5py.string_dtype()
        file.create_dataset("case", data=[planned.case for planned, _ in cases], dtype=text)
        file.create_dataset("level", data=list(levels), dtype=text)
        for name in ("case", "level"):
            file[name].make_scale(name)
        for name in ("place", "ptu"):
            file.create_dataset(name, shape=(ptus,), dtype="f4").make_scale(
                f"{NO_VARIABLE}{ptus:10d}"
            )
        number = file.create_dataset("number", data=[planned.number for planned, _ in cases])
        number.dims[0].attach_scale(file["case"])
        for name, (dimension, unit, meaning) in MEANINGS.items():
            values = np.stack([held[name] for _, held in cases])
            variable = file.create_dataset(name, data=values, dtype="f4", **COMPRESSION)
            for axis, scale in enumerate(("case", "level", dimension)):
                variable.dims[axis].attach_scale(file[scale])
            variable.attrs.update(units=unit, long_name=meaning, coordinates="number")
        file.flush()
        path.write_bytes(file.id.get_file_image())


def _extremes_of(case: CaseLevel, places: _Places) -> dict[str, FloatArray]:
    """Variables of one level, each of shape (ptu)."""
    flow = case.solved_flow
    missing = np.full(case.record.horizon.ptus, np.nan)
    found = dict.fromkeys(MEANINGS, missing)
    found["net_duration_kw"] = -np.sort(-case.total_kw)
    if flow is None:
        return found
    loading = np.asarray(flow.loading_percent).T
    # All buses and phases of a time in one row: extremes of long rows are found several times as
    # fast as those over two axes.
    volts = np.asarray(flow.vm_pu).take(places.buses, axis=1).reshape(len(missing), -1)
    found["transformer_duration_percent"] = -np.sort(-loading[places.transformers].max(axis=0))
    if places.lines.size:
        found["line_loading_max_percent"] = loading[places.lines].max(axis=0)
    # Of a phase that a bus does not have there is no voltage: such a NaN counts for neither.
    found["vm_min_pu"] = np.fmin.reduce(volts, axis=1)
    found["vm_max_pu"] = np.fmax.reduce(volts, axis=1)
    return found
