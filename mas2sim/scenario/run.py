"""Runs one case and keeps its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas2sim.domain.errors import ConfigurationError, Fault, StoreError
from mas2sim.results import Result, ResultFolder, make_provenance
from mas2sim.scenario.case import Case, compose_case
from mas2sim.scenario.code_version import code_version, git_revision

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from mas2sim.cosim import CaseSetup
    from mas2sim.results import CaseRecord

Progress = Callable[[str, int, int], None]
Report = Callable[[Result, Path], None]
RESULTS = Path("results")


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """Result of a case in memory.

    Parameters
    ----------
    kpi : DataFrame
        One row a level; docs/kpis.md describes the columns.
    homes, assets : DataFrame
        One row a level and home, or a level and asset limit.
    series : Dataset
        Powers, voltages, loadings, prices over the day.
    provenance : mapping
        What was run, by which code.
    path : Path or None
        The result folder, if one was written.
    kept : bool
        Whether the folder held this very result already and nothing was computed.
    """

    kpi: pd.DataFrame
    homes: pd.DataFrame
    assets: pd.DataFrame
    series: xr.Dataset
    provenance: Mapping[str, Any]
    path: Path | None = None
    kept: bool = False


def run_case(
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    store: bool = False,
    force: bool = False,
    data: Path | None = None,
    report: Report | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> CaseResult:
    """Compose, run and, if asked, store one case.

    Parameters
    ----------
    overrides : sequence of str
        In Hydra's grammar, e.g. ``["season=summer", "seed=2"]``.
    out : Path or str, optional
        The result folder.
    store : bool
        Store without `out` too: in results/<grid>_<substation>/<plan hash>.
    force : bool
        Compute again what is stored already.
    data : Path, optional
        A folder with scenarios/, grids/ or profiles/ that goes before the shipped ones.
    report : callable, optional
        Makes the page of a stored result.
    progress : callable
        Told the stage, what is done and what there is to do.

    Raises
    ------
    ConfigurationError
        With every fault of overrides, values, files and folder, before anything is computed.
    StoreError
        When the result cannot be written in the end.
    """
    progress("read the case", 0, 1)
    plan = _prepare(overrides, out=out, store=store, force=force, data=data)
    if plan.folder is not None and plan.folder.finished:
        return _read(plan.folder.path, kept=True)

    from mas2sim.cosim import run_world

    run = run_world(plan.setup, progress=progress)
    if plan.folder is None:
        return _in_memory(run.record, plan.provenance)

    from mas2sim.results import write_result

    progress("write the result", 0, 1)
    return _read(write_result(plan.folder, run.record, plan.provenance, report=report), kept=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A case that was found in order, with its folder and its world's parts."""

    setup: CaseSetup
    provenance: Mapping[str, Any]
    folder: ResultFolder | None


def _prepare(
    overrides: Sequence[str],
    *,
    out: Path | str | None,
    store: bool,
    force: bool,
    data: Path | None,
) -> _Plan:
    """Check everything that can be wrong, and name all of it at once."""
    from mas2sim.scenario.build import build_setup

    faults: list[Fault] = []
    try:
        case = compose_case(overrides, data=data)
    except ConfigurationError as error:
        faults += [*error.faults, *_place_faults(out)]
        raise ConfigurationError(faults) from error

    provenance = _provenance(case, code_version([case.grids, case.profiles]))
    folder = None
    if out is not None or store:
        axes = case.axes
        default = RESULTS / f"{axes['grid']}_{axes['substation']}" / provenance["plan_hash"]
        try:
            folder = ResultFolder.prepare(out or default, provenance["plan_hash"], force=force)
        except StoreError as error:
            faults.append(_folder_fault(error))
    try:
        setup, assumptions = build_setup(case)
    except ConfigurationError as error:
        raise ConfigurationError([*faults, *error.faults]) from error
    if faults:
        raise ConfigurationError(faults)
    return _Plan(setup, {**provenance, "assumptions": list(assumptions)}, folder)


def _place_faults(out: Path | str | None) -> list[Fault]:
    """What is wrong with the result folder whatever the plan."""
    if out is None:
        return []
    try:
        ResultFolder.check_place(out)
    except StoreError as error:
        return [_folder_fault(error)]
    return []


def _folder_fault(error: StoreError) -> Fault:
    return Fault("result folder", str(error), "a new or an empty folder, or this plan's own")


def _provenance(case: Case, version: str) -> dict[str, Any]:
    return make_provenance(
        case.identity,
        code_version=version,
        seed=case.configuration.seed,
        overrides=case.overrides,
        git_revision=git_revision(),
    )


def _in_memory(record: CaseRecord, provenance: Mapping[str, Any]) -> CaseResult:
    from mas2sim.results import assets_table, homes_table, kpi_table, series_dataset

    return CaseResult(
        kpi_table(record),
        homes_table(record),
        assets_table(record),
        series_dataset(record),
        provenance,
    )


def _read(path: Path, *, kept: bool) -> CaseResult:
    from mas2sim.results import open_result

    with open_result(path) as result:
        return CaseResult(
            result.kpi,
            result.homes,
            result.assets,
            result.series.load(),
            result.provenance,
            result.path,
            kept,
        )
