"""Runs one case and keeps its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
        Powers, voltages, loadings, prices over the day; empty where there are parts.
    provenance : mapping
        What was run, by which code.
    path : Path or None
        The result folder, if one was written.
    kept : bool
        Whether the folder held this very result already and nothing was computed.
    parts : tuple of CaseResult
        Results of the single substations of a case that has all of them, whose rows are in the
        tables here too; none for a case of one.
    """

    kpi: pd.DataFrame
    homes: pd.DataFrame
    assets: pd.DataFrame
    series: xr.Dataset
    provenance: Mapping[str, Any]
    path: Path | None = None
    kept: bool = False
    parts: tuple[CaseResult, ...] = ()


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

    run = run_world(*plan.setups, progress=progress)
    if plan.folder is None:
        return _in_memory(run.records, plan)

    from mas2sim.results import write_parts, write_result

    progress("write the result", 0, 1)
    if plan.parts:
        parts = tuple(zip(run.records, plan.parts, strict=True))
        path = write_parts(plan.folder, parts, plan.provenance, report=report)
    else:
        path = write_result(plan.folder, run.record, plan.provenance, report=report)
    return _read(path, kept=False)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """A case that was found in order, with its folder and its world's substations.

    Parameters
    ----------
    provenance : mapping
        Of the whole case.
    parts : tuple of mapping
        Of each substation as if it were run alone; none where there is only one.
    """

    setups: tuple[CaseSetup, ...]
    provenance: Mapping[str, Any]
    parts: tuple[Mapping[str, Any], ...]
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
    from mas2sim.scenario.substations import build_setups, parts

    faults: list[Fault] = []
    try:
        case = compose_case(overrides, data=data)
    except ConfigurationError as error:
        faults += [*error.faults, *_place_faults(out)]
        raise ConfigurationError(faults) from error

    version = code_version([case.grids, case.profiles])
    provenance = _provenance(case, version)
    folder = None
    if out is not None or store:
        axes = case.axes
        default = RESULTS / f"{axes['grid']}_{axes['substation']}" / provenance["plan_hash"]
        try:
            folder = ResultFolder.prepare(out or default, provenance["plan_hash"], force=force)
        except StoreError as error:
            faults.append(_folder_fault(error))
    try:
        made = build_setups(case)
    except ConfigurationError as error:
        raise ConfigurationError([*faults, *error.faults]) from error
    if faults:
        raise ConfigurationError(faults)
    setups = tuple(setup for setup, _ in made)
    assumptions = [list(sentences) for _, sentences in made]
    own: tuple[Mapping[str, Any], ...] = ()
    if case.configuration.substation == "all":
        own = tuple(
            {**_provenance(part, version), "assumptions": sentences}
            for part, sentences in zip(parts(case), assumptions, strict=True)
        )
    return _Plan(setups, {**provenance, "assumptions": _shared(assumptions)}, own, folder)


def _shared(assumptions: Sequence[Sequence[str]]) -> list[str]:
    """What is assumed of all substations; what differs stands with each of them."""
    return [each for each in assumptions[0] if all(each in others for others in assumptions)]


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


def _in_memory(records: Sequence[CaseRecord], plan: _Plan) -> CaseResult:
    from mas2sim.results import record_tables, series_dataset, tables_of_all
    from mas2sim.results.result import ASSETS_FILE, HOMES_FILE, KPI_FILE

    tables = [record_tables(record) for record in records]

    def result(
        own: Mapping[str, pd.DataFrame], series: xr.Dataset, provenance: Mapping[str, Any]
    ) -> CaseResult:
        return CaseResult(own[KPI_FILE], own[HOMES_FILE], own[ASSETS_FILE], series, provenance)

    if not plan.parts:
        return result(tables[0], series_dataset(records[0]), plan.provenance)

    import xarray as xr

    whole = tables_of_all([record.axes["substation"] for record in records], tables)
    parts = tuple(
        result(own, series_dataset(record), provenance)
        for own, record, provenance in zip(tables, records, plan.parts, strict=True)
    )
    return replace(result(whole, xr.Dataset(), plan.provenance), parts=parts)


def _read(path: Path, *, kept: bool) -> CaseResult:
    from mas2sim.results import open_result

    with open_result(path) as result:
        return _loaded(result, kept=kept)


def _loaded(result: Result, *, kept: bool) -> CaseResult:
    return CaseResult(
        result.kpi,
        result.homes,
        result.assets,
        result.series.load(),
        result.provenance,
        result.path,
        kept,
        tuple(_loaded(part, kept=kept) for part in result.parts),
    )
