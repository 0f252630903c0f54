"""A campaign read back: one table, one dataset over the axes, and the series of single cases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.ledger import CASES_FILE, KPI_FILE, PROVENANCE_FILE, SERIES, Ledger
from mas2sim.campaign.plan import CampaignPlan
from mas2sim.campaign.rows import CASE_STATUS, LEVEL
from mas2sim.campaign.table import cases_table, read_rows
from mas2sim.domain.errors import StoreError
from mas2sim.results.kpi import KPIS, WORDS
from mas2sim.results.parquet_file import read_frame

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SERIES_FILE = re.compile(r"series-(\d+)-(\d+)\.nc")
NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, eq=False)
class Campaign:
    """A campaign as far as it is done.

    Parameters
    ----------
    path : Path
        The folder.
    plan : CampaignPlan
    kpi : DataFrame
        One row per case and level, in the plan's order: ``number``, ``case``, the axes, ``level``,
        ``status``, the KPIs, and ``case_status``, ``reason`` and ``case_s`` of the case. Missing
        figures are NaN.
    cases : DataFrame
        One row per case with ``status``, ``reason`` and the ``command`` that runs it alone.
    provenance : mapping
    """

    path: Path
    plan: CampaignPlan
    kpi: pd.DataFrame
    cases: pd.DataFrame
    provenance: Mapping[str, Any]

    @property
    def axes(self) -> tuple[str, ...]:
        """Swept keys; each is a column of the tables."""
        return tuple(axis.key for axis in self.plan.experiment.axes)

    @property
    def missing(self) -> int:
        """Cases that are not done yet."""
        return len(self.plan.cases) - len(self.cases)

    @property
    def failed(self) -> pd.DataFrame:
        """Cases that are done and not ok."""
        return self.cases[self.cases["status"] != "ok"]

    def dataset(self) -> xr.Dataset:
        """KPIs over the swept axes and the level.

        Returns
        -------
        Dataset
            A dimension for each axis, in the experiment's order, and `level`. Combinations without
            a case are NaN; `case_status` is ``"not_run"`` there.
        """
        import xarray as xr

        dims = [*self.axes, LEVEL]
        levels = [level.value for level in self.plan.experiment.levels]
        coords = {name: list(dict.fromkeys(self.kpi[name])) for name in self.axes}
        for axis in self.plan.experiment.axes:
            # In the order of the experiment; the rows are in that in which they were run.
            places_of = {text: place for place, text in enumerate(axis.overrides)}
            # By value, not by text: 1 and 2.5 are 1.0 and 2.5 in one column.
            order = {
                each.columns[axis.key]: places_of[text]
                for each in self.plan.cases
                for text in each.overrides
                if text in places_of
            }
            coords[axis.key].sort(key=lambda value, order=order: order.get(value, len(order)))  # type: ignore[misc]
        coords[LEVEL] = levels
        shape = tuple(len(coords[name]) for name in dims)
        places = tuple(
            self.kpi[name]
            .map({value: place for place, value in enumerate(coords[name])})
            .to_numpy()
            for name in dims
        )
        held: dict[str, Any] = {}
        # What an earlier version of the code wrote may lack a KPI.
        for kpi in (each for each in KPIS if each.name in self.kpi):
            empty = np.full(shape, "" if kpi.name in WORDS else np.nan, dtype=object)
            values = empty if kpi.name in WORDS else empty.astype(float)
            known = self.kpi[kpi.name]
            # A word that is missing is an empty one: files of arrays know no other.
            values[places] = (known.fillna("") if kpi.name in WORDS else known).to_numpy()
            held[kpi.name] = (dims, values, {"units": kpi.unit})
        status = np.full(shape, NOT_RUN, dtype=object)
        status[places] = self.kpi[CASE_STATUS].to_numpy()
        held[CASE_STATUS] = (dims, status)
        return xr.Dataset(held, coords=coords, attrs={"plan_hash": self.plan.plan_hash})

    def series(self, case: str) -> xr.Dataset:
        """Series that were kept of one case, read when they are used.

        Parameters
        ----------
        case : str
            Its name in the tables.

        Raises
        ------
        StoreError
            When none were kept of it.
        """
        import h5py
        import xarray as xr

        number = next((each.number for each in self.plan.cases if each.case == case), None)
        if number is None:
            raise StoreError(f"{self.path}: no case {case} in this campaign")
        groups = self.plan.experiment.series is Series.ALL
        for path in sorted((self.path / SERIES).glob("*.nc")):
            match = SERIES_FILE.fullmatch(path.name)
            if not match or not int(match[1]) <= number < int(match[2]):
                continue
            # Several files may span a case, and one of them has it: it was run again alone.
            with h5py.File(path) as file:
                held = [*file] if groups else file["case"].asstr()[:].tolist()
            if case in held and groups:
                return xr.open_dataset(path, engine="h5netcdf", group=case)
            if case in held:
                whole = xr.open_dataset(path, engine="h5netcdf")
                return whole.isel(case=held.index(case))
        raise StoreError(
            f"{self.path}: no series were kept of case {case} (series: "
            f"{self.plan.experiment.series}); run it alone, see the column command of the cases"
        )

    def all_series(self) -> xr.Dataset:
        """Series of all cases that have some, side by side, read when they are used.

        Needs dask (the extra `cluster`), and a campaign that keeps ``extremes``.

        Returns
        -------
        Dataset
            Dimensions case, level, and place (in falling order) or ptu. Coordinates on the case
            are its `number` and the swept axes: ``all_series().groupby("season").mean()``. No file
            stays open.

        Raises
        ------
        StoreError
            When none are there, the campaign keeps others, or dask is not installed.
        """
        from mas2sim.campaign.all_series import all_series

        return all_series(self)

    def export(self, path: Path | str, *, force: bool = False) -> Path:
        """Write the figures into one file of the kind that its ending names.

        Parameters
        ----------
        path : Path or str
            ``.nc`` and ``.zarr`` hold `dataset`, ``.csv`` and ``.parquet`` the table `kpi`, and
            ``.xlsx`` sheets of `kpi` and `cases`.
        force : bool
            Write over what is there.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        StoreError
            When the ending is another, something is there, or it cannot be written.
        """
        from mas2sim.campaign.export import export_campaign

        return export_campaign(self, path, force=force)


def open_campaign(path: Path | str) -> Campaign:
    """Read a campaign's folder, whole or as far as it is done.

    Raises
    ------
    StoreError
        When there is no campaign, nothing of it is done yet, or a file is damaged.
    """
    ledger = Ledger.find(path)
    return opened(ledger, ledger.read_plan())


def opened(ledger: Ledger, plan: CampaignPlan) -> Campaign:
    """Read a campaign of which the plan is at hand: that of thousands of cases takes a while."""
    tables = [ledger.path / name for name in (KPI_FILE, CASES_FILE)]
    if all(table.is_file() for table in tables):
        try:
            kpi, cases = (read_frame(table) for table in tables)
        except Exception as error:
            raise StoreError(
                f"{tables[0].parent}: a table is damaged; remove kpi.parquet and cases.parquet, "
                f"then: mas2sim resume {ledger.path}"
            ) from error
    else:
        kpi = read_rows(ledger, plan)
        cases = cases_table(kpi, plan)
    return Campaign(ledger.path, plan, kpi, cases, _provenance(ledger))


def _provenance(ledger: Ledger) -> dict[str, Any]:
    path = ledger.path / PROVENANCE_FILE
    if not path.is_file():
        return {}
    held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return held
