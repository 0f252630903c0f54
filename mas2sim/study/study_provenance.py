"""Where a study comes from: the case that it varies, and what it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mas2sim.results import make_provenance
from mas2sim.scenario import Case
from mas2sim.scenario.code_version import code_version, git_revision


def study_provenance(kind: str, case: Case, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the provenance of a study.

    Parameters
    ----------
    kind : str
        Name of the study.
    case : Case
        The case that the study varies, as the user gave it.
    settings : mapping
        What the study was asked beside; plain values.
    """
    return make_provenance(
        {**case.identity, "study": {"kind": kind, **settings}},
        code_version=code_version([case.grids, case.profiles]),
        seed=case.configuration.seed,
        overrides=case.overrides,
        git_revision=git_revision(),
    )
