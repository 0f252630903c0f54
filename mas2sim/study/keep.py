"""Runs a study of a grid and keeps it: in its folder, whole, and not a second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from mas2sim.domain.errors import ConfigurationError, Fault, StoreError
from mas2sim.results import ResultFolder, make_provenance
from mas2sim.results.study_files import read_study_files, write_study
from mas2sim.results.study_result import StudyResult
from mas2sim.scenario import compose_case
from mas2sim.scenario.code_version import code_version, git_revision
from mas2sim.scenario.run import RESULTS

Page = Callable[[StudyResult, Path], None]


@dataclass(frozen=True, slots=True, eq=False)
class KeptStudy:
    """A study in its folder.

    Parameters
    ----------
    result : StudyResult
        Without map when it was read back.
    path : Path
    kept : bool
        Whether it was there already and nothing was computed.
    """

    result: StudyResult
    path: Path
    kept: bool


def keep_study(
    kind: str,
    overrides: Sequence[str],
    settings: Mapping[str, Any],
    study: Callable[[], StudyResult],
    *,
    out: Path | None = None,
    force: bool = False,
    data: Path | None = None,
    page: Page | None = None,
) -> KeptStudy:
    """Run a study unless its folder holds it already.

    Parameters
    ----------
    kind : str
        Name of the study.
    overrides : sequence of str
        Of the case that it varies.
    settings : mapping
        All else that it was asked; plain values, which decide the folder with the case.
    study : callable
        Does the work.
    out : Path, optional
        The folder; results/<kind>_<grid>_<substation>/<plan hash> when left out.
    force : bool
        Run again what is there.
    data : Path, optional
        A folder that goes before the shipped ones.
    page : callable, optional
        Writes the page of a study.

    Raises
    ------
    ConfigurationError
        With what is wrong with overrides or folder, before anything is computed.
    StoreError
        When the files cannot be written in the end.
    """
    faults = list(_number_faults(settings))
    if faults:
        raise ConfigurationError(faults)
    case = compose_case(overrides, data=data)
    provenance = make_provenance(
        {**case.identity, "study": {"kind": kind, **settings}},
        code_version=code_version([case.grids, case.profiles]),
        seed=case.configuration.seed,
        overrides=case.overrides,
        git_revision=git_revision(),
    )
    axes, plan = case.axes, provenance["plan_hash"]
    default = RESULTS / f"{kind}_{axes['grid']}_{axes['substation']}" / plan
    try:
        folder = ResultFolder.prepare(out or default, plan, force=force)
    except StoreError as error:
        allowed = "a new or an empty folder, or this study's own"
        raise ConfigurationError([Fault("result folder", str(error), allowed)]) from error
    if folder.finished:
        return KeptStudy(read_study_files(folder.path), folder.path, kept=True)
    result = replace(study(), provenance=provenance)
    return KeptStudy(result, write_study(folder, result, page=page), kept=False)


def _number_faults(settings: Mapping[str, Any]) -> Iterator[Fault]:
    """Settings that are no number: they would have no place in a plan, and no meaning in it."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _number_faults(value)
        elif isinstance(value, float) and not isfinite(value):
            yield Fault(name, f"{value:g}", "a number that is not infinite")
