"""Runs an example and keeps its result as that of any other case.

An example is a case that no configuration describes: its homes are made by code. So its name and
the version of the code are its identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.results import (
    Result,
    ResultFolder,
    make_provenance,
    open_result,
    write_result,
)
from mas2sim.scenario import CaseResult
from mas2sim.scenario.code_version import code_version, git_revision
from mas2sim.scenario.folders import data_folder
from mas2sim.study.annex_d import annex_d

Builder = Callable[[Path], tuple[CaseSetup, tuple[str, ...]]]
"""Given the folder of grids, returns a case and the assumptions behind it."""
Progress = Callable[[str, int, int], None]
Report = Callable[[Result, Path], None]

EXAMPLES: Mapping[str, Builder] = MappingProxyType({"annex_d": annex_d})


def run_example(
    name: str,
    out: Path | str,
    *,
    force: bool = False,
    data: Path | None = None,
    report: Report | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> CaseResult:
    """Run an example and store its result.

    Parameters
    ----------
    name : str
        One of `EXAMPLES`.
    out : Path or str
        The result folder. What it holds of this very example is kept, unless `force`.
    data : Path, optional
        A folder with grids/ in it that goes before the shipped one.
    report : callable, optional
        Makes the page of the stored result.
    progress : callable
        Told the stage, what is done and what there is to do.

    Raises
    ------
    ConfigurationError
        When there is no such example.
    StoreError
        When the folder is another plan's, or cannot be written.
    """
    if name not in EXAMPLES:
        raise ConfigurationError([Fault("example", name, f"one of {', '.join(EXAMPLES)}")])
    grids = data_folder("grids", data)
    version = code_version([grids])
    identity = {"example": name}
    plan = make_provenance(identity, code_version=version, seed=0)["plan_hash"]
    folder = ResultFolder.prepare(out, plan, force=force)
    if folder.finished:
        return _read(folder.path, kept=True)
    progress("make the example", 0, 1)
    setup, assumptions = EXAMPLES[name](grids)
    run = run_world(setup, progress=progress)
    progress("write the result", 0, 1)
    provenance = make_provenance(
        identity,
        code_version=version,
        seed=setup.seed,
        git_revision=git_revision(),
        assumptions=assumptions,
    )
    return _read(write_result(folder, run.record, provenance, report=report), kept=False)


def _read(path: Path, *, kept: bool) -> CaseResult:
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
