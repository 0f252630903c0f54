"""A campaign's table taken elsewhere: one file, of the kind that its ending names.

Programs for labelled arrays get the KPIs over the axes, all others one row for each case and level.
What is there is never lost halfway: a file is written under another name and renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from mas2sim.domain.errors import StoreError
from mas2sim.results.workbook import MOST_ROWS, BookSheet, write_workbook

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from mas2sim.campaign.reading import Campaign

MOST_VALUES = 500_000_000
"""Values of a dataset over all combinations; a sample of many axes has more places than cases."""
COMPRESSION_LEVEL = 4
ZARR_FORMAT = 2
"""The one that any reader of Zarr knows; words have no settled type in the third yet."""
ZARR_FILES = (".zgroup", "zarr.json")
"""One of them lies in any Zarr group."""
WRITING, REPLACED = "writing", "replaced"


def export_campaign(campaign: Campaign, path: Path | str, *, force: bool = False) -> Path:
    """Write a campaign's figures into one file; see `Campaign.export`."""
    target = Path(path).expanduser().resolve()
    write = _writer(target)
    _check_place(campaign, target, force=force)
    unfinished = _beside(target, WRITING)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(campaign, unfinished)
            _put_in_place(unfinished, target)
        finally:
            _remove(unfinished)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target


def _writer(target: Path) -> Callable[[Campaign, Path], None]:
    if target.suffix.lower() not in WRITERS:
        raise StoreError(
            f"{target}: found the ending {target.suffix or 'of none'}; allowed: "
            f"{', '.join(WRITERS)}"
        )
    return WRITERS[target.suffix.lower()]


def _check_place(campaign: Campaign, target: Path, *, force: bool) -> None:
    """Refuse to write over what is there, unless told to, and into the campaign itself."""
    if campaign.path == target or campaign.path in target.parents:
        raise StoreError(
            f"{target}: this is in the campaign's own folder; choose a file outside of it"
        )
    if not target.exists():
        return
    if not force:
        raise StoreError(f"{target}: this is there already; --force writes over it")
    is_store = target.is_dir() and any((target / name).is_file() for name in ZARR_FILES)
    if target.is_dir() and not (target.suffix.lower() == ".zarr" and is_store):
        raise StoreError(f"{target}: this is a folder that no export made; choose another name")


def _beside(target: Path, purpose: str) -> Path:
    """A name in the same folder that no other process uses; the ending stays for the writers."""
    return target.with_name(f".{target.stem}.{os.getpid()}.{purpose}{target.suffix}")


def _put_in_place(unfinished: Path, target: Path) -> None:
    if not target.is_dir():
        unfinished.replace(target)
        return
    aside = _beside(target, REPLACED)
    target.rename(aside)
    unfinished.rename(target)
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _netcdf(campaign: Campaign, path: Path) -> None:
    whole = _dataset(campaign)
    coding = {
        str(name): {"zlib": True, "complevel": COMPRESSION_LEVEL}
        for name, held in whole.data_vars.items()
        if held.dtype.kind == "f"
    }
    whole.to_netcdf(path, engine="h5netcdf", encoding=coding)


def _zarr(campaign: Campaign, path: Path) -> None:
    try:
        import zarr  # noqa: F401 - asked for here, so that the answer is in words
    except ImportError:
        raise StoreError(
            f"{path.suffix} needs the package zarr; pip install 'mas2sim[zarr]'"
        ) from None
    whole = _dataset(campaign)
    # Words of any length; those of one length have no type in every reader.
    for name, coordinate in whole.coords.items():
        if coordinate.dtype.kind == "U":
            whole = whole.assign_coords({name: coordinate.astype(object)})
    whole.to_zarr(path, mode="w-", zarr_format=ZARR_FORMAT)


def _dataset(campaign: Campaign) -> xr.Dataset:
    """KPIs over the axes, unless nearly all of it would be empty and none of it fit into memory."""
    sizes = [campaign.kpi[name].nunique() for name in (*campaign.axes, "level")]
    if prod(sizes) * campaign.kpi.shape[1] > MOST_VALUES:
        raise StoreError(
            f"{campaign.path}: {prod(sizes):,} combinations of {len(sizes) - 1} axes are too many "
            f"for a dataset, and {len(campaign.cases):,} cases are there; write .parquet or .csv"
        )
    return campaign.dataset()


def _csv(campaign: Campaign, path: Path) -> None:
    campaign.kpi.to_csv(path, index=False, lineterminator="\n")


def _parquet(campaign: Campaign, path: Path) -> None:
    campaign.kpi.to_parquet(path, engine="pyarrow", index=False)


def _workbook(campaign: Campaign, path: Path) -> None:
    if len(campaign.kpi) > MOST_ROWS:
        raise StoreError(
            f"{campaign.path}: {len(campaign.kpi):,} rows; a sheet has no more than {MOST_ROWS:,}. "
            "Write .parquet or .csv"
        )
    write_workbook(path, [_sheet("kpi", campaign.kpi), _sheet("cases", campaign.cases)])


def _sheet(name: str, table: pd.DataFrame) -> BookSheet:
    return BookSheet(name, list(table.columns), table.itertuples(index=False, name=None))


WRITERS: Mapping[str, Callable[[Campaign, Path], None]] = MappingProxyType(
    {".nc": _netcdf, ".zarr": _zarr, ".csv": _csv, ".xlsx": _workbook, ".parquet": _parquet}
)
"""What writes a file, by its ending."""
