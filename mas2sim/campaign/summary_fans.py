"""Percentiles over cases of the duration curves and daily extremes that a campaign kept.

A room of its own because it reads files: one after the other, so that memory holds no more than one
row of 96 single-precision values per case, level and variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.experiment import Series
from mas2sim.campaign.ledger import SERIES
from mas2sim.campaign.reading import SERIES_FILE
from mas2sim.campaign.rows import NUMBER
from mas2sim.campaign.series import MEANINGS
from mas2sim.campaign.summary_rows import ALL, CASES, LEVEL_COLUMN, Progress, SummaryRows, as_table
from mas2sim.domain.arrays import IntArray
from mas2sim.domain.errors import StoreError
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import pandas as pd

    Float32Array = npt.NDArray[np.float32]

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
BY_HOME = "net_duration_kw"
"""Divided by the number of homes, so that substations of unlike size can be put together."""
_COLUMNS = {
    "variable": Column("Variable"),
    "unit": Column("Unit"),
    "level": LEVEL_COLUMN,
    "group": Column("Smart scenario", note=f"`{ALL}`: all cases"),
    "index": Column("Place", note="place in falling order, or PTU of the day", decimals=0),
    **{
        f"p{each}": Column(f"{each} %", note="of the cases are at or below", decimals=4)
        for each in PERCENTILES
    },
    "cases": CASES,
}
TITLE = "Percentiles of duration curves and days"


def fans_table(view: SummaryRows, progress: Progress) -> StudyTable:
    """Percentiles over cases, place by place and PTU by PTU."""
    kept = view.campaign.plan.experiment.series
    paths = sorted(
        path
        for path in (view.campaign.path / SERIES).glob("*.nc")
        if SERIES_FILE.fullmatch(path.name)
    )
    if kept is not Series.EXTREMES or not paths or not view.cases:
        note = f"{view.behind} No series of duration curves and extremes were kept of them."
        return as_table("fans", TITLE, note, None, _COLUMNS, shown=False)
    numbers, found = _read(paths, view, progress)
    note = (
        f"{view.behind} Series are there of {len(numbers)} cases. At each place or PTU the "
        "percentiles over cases, so no line of a fan is a day of any one case."
    )
    return as_table("fans", TITLE, note, _percentiles(view, numbers, found), _COLUMNS, shown=False)


def _read(
    paths: list[Path], view: SummaryRows, progress: Progress
) -> tuple[IntArray, dict[str, Float32Array]]:
    """Numbers of the cases, ascending, and for each variable its values, (case, level, place)."""
    import h5netcdf

    wanted = view.rows[NUMBER].unique()
    held: dict[str, list[Float32Array]] = {name: [] for name in MEANINGS}
    read: list[IntArray] = []
    for done, path in enumerate(paths):
        progress("read series", done, len(paths))
        try:
            # Without xarray: opening hundreds of files would take it longer than reading them.
            with h5netcdf.File(path, "r") as series:
                of_file = series["number"][...]
                there = np.isin(of_file, wanted)
                read.append(of_file[there])
                for name, parts in held.items():
                    parts.append(series[name][...].astype(np.float32)[there])
        except (OSError, KeyError, ValueError) as error:
            raise StoreError(
                f"{path}: the file is damaged ({type(error).__name__}); remove it to go on without"
            ) from error
    progress("read series", len(paths), len(paths))
    # A shard that was run again in parts may have left a case in two files, the same in both.
    numbers, first = np.unique(np.concatenate(read), return_index=True)
    return numbers, {name: np.concatenate(parts)[first] for name, parts in held.items()}


def _percentiles(
    view: SummaryRows, numbers: IntArray, found: dict[str, Float32Array]
) -> pd.DataFrame:
    import pandas as pd

    cases = view.rows.drop_duplicates(NUMBER).set_index(NUMBER).loc[numbers]
    groups = {ALL: np.ones(len(numbers), dtype=bool)}
    groups |= {value: (cases["smart"] == value).to_numpy() for value in view.swept.get("smart", ())}
    homes = cases["homes_count"].to_numpy(dtype=np.float32)
    parts = []
    for name, (_, unit, _) in MEANINGS.items():
        values = found[name]
        by_home = name == BY_HOME and bool(np.isfinite(homes).all())
        if by_home:
            values = values / homes[:, np.newaxis, np.newaxis]
        for group, members in groups.items():
            for place, level in enumerate(view.levels):
                fan = _fan(values[members, place])
                if fan is None:
                    continue
                row: dict[str, Any] = {"variable": name, "level": level, "group": group}
                row["unit"] = f"{unit} per home" if by_home else unit
                parts.append(pd.DataFrame(fan).assign(**row, index=np.arange(len(fan["p0"]))))
    return pd.concat(parts, ignore_index=True)


def _fan(values: Float32Array) -> dict[str, Any] | None:
    """Percentiles over the cases that have all their values, each of shape (place), and how many.

    None where no case has.
    """
    whole = values[np.isfinite(values).all(axis=1)]
    if not len(whole):
        return None
    found = np.percentile(whole, PERCENTILES, axis=0)
    fan = {f"p{each}": row for each, row in zip(PERCENTILES, found, strict=True)}
    return {**fan, "cases": len(whole)}
