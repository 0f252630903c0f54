"""Series of a campaign: for each task one NetCDF file, with as much of each day as was asked for.

`extremes` keeps, for each case and level, the duration curves of the transformer and the extremes
of the voltages in each PTU. `all` keeps what a single run keeps, each case in a group of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.plan import PlannedCase
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import TRANSFORMER
from mas2sim.results.kpi_definition import CaseLevel
from mas2sim.results.limits_kept import low_voltage_buses
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
COMPRESSION = {"zlib": True, "complevel": 4, "shuffle": True, "dtype": "float32"}


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
            whole = _dataset(self._extremes, self._levels)
            coding = {str(name): COMPRESSION for name in whole.data_vars}
            whole.to_netcdf(path, engine="h5netcdf", encoding=coding)
        for place, (planned, each) in enumerate(self._whole):
            coding = {
                str(name): {"zlib": True, "complevel": COMPRESSION["complevel"]}
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
    levels = [_extremes_of(CaseLevel(record, index)) for index in range(len(record.levels))]
    return {name: np.stack([each[name] for each in levels]) for name in MEANINGS}


def _dataset(cases: Sequence[tuple[PlannedCase, Extremes]], levels: Sequence[str]) -> xr.Dataset:
    """Extremes of several cases: dimensions case, level, and place (in falling order) or ptu."""
    import xarray as xr

    return xr.Dataset(
        {
            name: (
                ("case", "level", dimension),
                np.stack([held[name] for _, held in cases]),
                {"units": unit, "long_name": meaning},
            )
            for name, (dimension, unit, meaning) in MEANINGS.items()
        },
        coords={
            "case": ("case", [planned.case for planned, _ in cases]),
            "number": ("case", [planned.number for planned, _ in cases]),
            "level": ("level", list(levels)),
        },
    )


def _extremes_of(case: CaseLevel) -> dict[str, FloatArray]:
    """Variables of one level, each of shape (ptu)."""
    layout, flow = case.record.layout, case.solved_flow
    missing = np.full(case.record.horizon.ptus, np.nan)
    found = dict.fromkeys(MEANINGS, missing)
    found["net_duration_kw"] = -np.sort(-case.total_kw)
    if flow is None:
        return found
    loading = np.asarray(flow.loading_percent)
    is_transformer = np.array([branch.kind == TRANSFORMER for branch in layout.branches])
    volts = np.asarray(flow.vm_pu)[:, low_voltage_buses(layout), :]
    found["transformer_duration_percent"] = -np.sort(-loading[:, is_transformer].max(axis=1))
    if not is_transformer.all():
        found["line_loading_max_percent"] = loading[:, ~is_transformer].max(axis=1)
    found["vm_min_pu"] = np.nanmin(volts, axis=(1, 2))
    found["vm_max_pu"] = np.nanmax(volts, axis=(1, 2))
    return found
