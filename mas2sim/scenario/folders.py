"""Where scenarios, grids and profiles lie: beside the work, in a checkout, or in the wheel."""

from __future__ import annotations

import os
from pathlib import Path

from mas2sim.domain.errors import ConfigurationError, Fault

VARIABLE = "MAS2SIM_DATA"
"""Environment variable that names a folder with scenarios/, grids/ or profiles/ in it."""

MARKERS = {"grids": "cardiff/transformers.csv", "profiles": "average_demand.csv"}
"""What a folder must hold to be taken for the one of that name."""

ROOT_FILE = "case.yaml"
"""The file at the root of the scenario tree."""


def data_folder(kind: str, flag: Path | None = None) -> Path:
    """Return the folder of `kind`: the first found of flag, environment, work folder and package.

    Parameters
    ----------
    kind : str
        ``"grids"`` or ``"profiles"``.
    flag : Path, optional
        A folder that holds the folder of `kind`, named on the command line.

    Raises
    ------
    ConfigurationError
        When none holds the file by which the folder is known.
    """
    for root in _roots(flag):
        if (root / kind / MARKERS[kind]).is_file():
            return (root / kind).resolve()
    raise _missing(kind, MARKERS[kind])


def scenario_folders(flag: Path | None = None) -> tuple[Path, ...]:
    """Return the scenario trees, the one that goes first first; the last one is the shipped one.

    A tree of one's own may hold as little as one choice, e.g. scenarios/tariff/mine.yaml.

    Raises
    ------
    ConfigurationError
        When the shipped tree is missing.
    """
    found = [(root / "scenarios").resolve() for root in _roots(flag)]
    folders = [folder for folder in dict.fromkeys(found) if folder.is_dir()]
    shipped = next((folder for folder in reversed(folders) if (folder / ROOT_FILE).is_file()), None)
    if shipped is None:
        raise _missing("scenarios", ROOT_FILE)
    groups = {path.name for path in shipped.iterdir() if path.is_dir()}
    own = [
        folder
        for folder in folders[: folders.index(shipped)]
        if (folder / ROOT_FILE).is_file() or any((folder / group).is_dir() for group in groups)
    ]
    return (*own, shipped)


def _roots(flag: Path | None) -> list[Path]:
    """Folders in which to look, in order."""
    package = Path(__file__).resolve().parents[1]
    named = [("--data", flag)] if flag else []
    if os.environ.get(VARIABLE):
        named.append((f"${VARIABLE}", Path(os.environ[VARIABLE])))
    faults = [
        Fault(where, str(root), "a folder with scenarios/, grids/ or profiles/ in it")
        for where, root in named
        if not any((root / kind).is_dir() for kind in ("scenarios", *MARKERS))
    ]
    if faults:
        raise ConfigurationError(faults)
    roots = [root for _, root in named]
    return [*roots, Path.cwd(), package.parent, package / "_data"]


def _missing(kind: str, marker: str) -> ConfigurationError:
    allowed = f"one in the work folder, in ${VARIABLE} or in the installed package"
    return ConfigurationError(
        [Fault(kind, f"no folder {kind}/ with {marker}", allowed, "reinstall mas2sim")]
    )
