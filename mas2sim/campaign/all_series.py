"""The series of all cases of a campaign side by side, read from its many files when they are used.

Each task of a campaign wrote a file of its own. Here they look like one dataset; what becomes of
it, a mean over cases or the day of a few, decides which of the files are read.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.ledger import SERIES
from mas2sim.campaign.rows import CASE, LEVEL, NUMBER
from mas2sim.campaign.series import MEANINGS
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.errors import StoreError

if TYPE_CHECKING:
    import xarray as xr

    from mas2sim.campaign.reading import Campaign


def all_series(campaign: Campaign) -> xr.Dataset:
    """Join the series of all cases; see `Campaign.all_series`."""
    _check_kept(campaign)
    import dask.array as da
    import xarray as xr
    from dask.delayed import delayed

    files = _kept(campaign)
    if not files:
        raise StoreError(f"{campaign.path}: no series of any case are there yet")
    with xr.open_dataset(next(iter(files)), engine="h5netcdf") as first:
        told = {name: (first[name].dims, first[name].attrs) for name in MEANINGS}
        sizes, levels = dict(first.sizes), first[LEVEL].to_numpy().tolist()
    read = delayed(_read)
    held = {}
    for name, (dims, attributes) in told.items():
        pieces = []
        for path, (places, _) in files.items():
            shape = (len(places), *(sizes[dimension] for dimension in dims[1:]))
            pieces.append(da.from_delayed(read(path, name, places), shape, dtype=np.float32))
        held[name] = (dims, da.concatenate(pieces), attributes)
    numbers = np.concatenate([own for _, own in files.values()])
    cases = campaign.cases.set_index(NUMBER).loc[numbers]
    coords = {name: (CASE, cases[name].to_numpy()) for name in (CASE, *campaign.axes)}
    return xr.Dataset(held, coords={**coords, NUMBER: (CASE, numbers), LEVEL: levels})


def _kept(campaign: Campaign) -> dict[Path, tuple[IntArray, IntArray]]:
    """Files with cases of the tables: places of those cases in each file, and their numbers.

    A task that was cut in halves may have left series of its whole: each case counts once. Those of
    a task that left no rows belong to no case of the tables.
    """
    import h5py

    wanted = set(campaign.cases[NUMBER])
    files = {}
    for path in series_files(campaign.path):
        try:
            with h5py.File(path) as file:
                numbers = np.asarray(file[NUMBER])
        except (OSError, KeyError) as error:
            raise StoreError(
                f"{path}: the file is damaged ({type(error).__name__}); remove it to go on without"
            ) from error
        places = np.flatnonzero([number in wanted for number in numbers.tolist()])
        if places.size:
            files[path] = (places, numbers[places])
            wanted -= set(numbers.tolist())
    return files


def _read(path: Path, name: str, places: IntArray) -> FloatArray:
    """Values of one variable of some cases of a file, shape (case, level, place).

    By HDF5's own library: xarray takes twenty times as long to open a file of this size.
    """
    import h5py

    with h5py.File(path) as file:
        return np.asarray(file[name])[places]


def series_files(folder: Path) -> list[Path]:
    """Files with series in a campaign's folder, in the order of their first cases."""
    return sorted((folder / SERIES).glob("series-*.nc"))


def _check_kept(campaign: Campaign) -> None:
    choice = campaign.plan.experiment.series
    if choice is Series.NONE:
        raise StoreError(
            f"{campaign.path}: no series were kept; plan it with `series: {Series.EXTREMES}`"
        )
    if choice is Series.ALL:
        raise StoreError(
            f"{campaign.path}: whole days were kept, and homes differ from case to case; read them "
            "one by one with series(case)"
        )
    if find_spec("dask") is None:
        raise StoreError(
            "series of all cases are read piece by piece, which needs the package dask; "
            "pip install 'mas2sim[cluster]', or read single cases with series(case)"
        )
