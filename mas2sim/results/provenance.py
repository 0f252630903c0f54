"""Where a result comes from: enough to say what was run, by which code, and to run it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from mas2sim.results.case_identity import plan_hash

MAIN_PACKAGES = (
    "numpy",
    "numba",
    "pandas",
    "xarray",
    "power-grid-model",
    "pandapower",
    "highspy",
    "mosaik",
    "pvlib",
    "hydra-core",
)
"""Packages whose version can change a figure."""


def make_provenance(
    configuration: Mapping[str, Any],
    *,
    code_version: str,
    seed: int,
    overrides: Sequence[str] = (),
    git_revision: str | None = None,
    assumptions: Sequence[str] = (),
) -> dict[str, Any]:
    """Gather the provenance of a plan.

    Parameters
    ----------
    configuration : mapping
        The configuration, resolved; plain values only.
    code_version : str
        Digest of the package's sources and data.
    seed : int
    overrides : sequence of str
        What the user changed, as given.
    git_revision : str, optional
        Revision of the working tree; None outside of one.
    assumptions : sequence of str
        Assumptions behind the case, in sentences; shown in the report.

    Returns
    -------
    dict
        Plain values. The time of creation is added when the result is written.
    """
    return {
        "plan_hash": plan_hash(configuration, code_version),
        "configuration": dict(configuration),
        "overrides": list(overrides),
        "code_version": code_version,
        "git_revision": git_revision,
        "seed": seed,
        "assumptions": list(assumptions),
        "mas2sim": _version("mas2sim"),
        "python": platform.python_version(),
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str | None]:
    """Installed versions of `MAIN_PACKAGES`; None for what is not installed."""
    return {name: _version(name) for name in MAIN_PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
