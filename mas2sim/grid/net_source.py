"""A pandapower net by where it comes from: a file, a network of pandapower, a SimBench code.

A room beside `pandapower_import`, which reads a net and does not ask where it was found. Names are
looked up in lists, never among the attributes of a package.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mas2sim.domain.errors import Fault, GridError
from mas2sim.grid.net_json import load_net

PANDAPOWER_NETWORKS = (
    "create_cigre_network_lv",
    "create_dickert_lv_network",
    "create_kerber_dorfnetz",
    "create_kerber_landnetz_freileitung_1",
    "create_kerber_landnetz_freileitung_2",
    "create_kerber_landnetz_kabel_1",
    "create_kerber_landnetz_kabel_2",
    "create_kerber_vorstadtnetz_kabel_1",
    "create_kerber_vorstadtnetz_kabel_2",
    "create_synthetic_voltage_control_lv_network",
    "ieee_european_lv_asymmetric",
    "kb_extrem_dorfnetz",
    "kb_extrem_landnetz_freileitung",
    "kb_extrem_landnetz_kabel",
    "kb_extrem_vorstadtnetz_1",
    "kb_extrem_vorstadtnetz_2",
    "lv_schutterwald",
)
"""Low-voltage networks that pandapower ships, by the name of the function that makes each."""

SIMBENCH_COMMAND = 'python -m pip install "mas2sim[simbench]"'


def net_of(kind: str, source: str) -> Any:
    """Return the net of a source.

    Parameters
    ----------
    kind : str
        ``"file"``, ``"pandapower"`` or ``"simbench"``.
    source : str
        A path, a name in `PANDAPOWER_NETWORKS`, or a SimBench code.

    Returns
    -------
    pandapowerNet
        Made anew at each call.

    Raises
    ------
    GridError
        When there is no such net.
    """
    if kind == "file":
        return load_net(Path(source))
    # A study asks for the same net once a day of its year; what a package ships does not change.
    return deepcopy(_of_package(kind, source))


@lru_cache(maxsize=1)
def _of_package(kind: str, source: str) -> Any:
    return _shipped(source) if kind == "pandapower" else _simbench(source)


def kind_of(source: str) -> str:
    """Kind of a source by the look of it; what looks like neither name nor code is a file."""
    if source in PANDAPOWER_NETWORKS:
        return "pandapower"
    parts = source.split("-")
    if parts[0].isdigit() and len(parts) > 1 and not Path(source).exists():
        return "simbench"
    nameable = source.isidentifier() and not Path(source).exists()
    return "pandapower" if nameable else "file"


def _shipped(name: str) -> Any:
    if name not in PANDAPOWER_NETWORKS:
        close = get_close_matches(name, PANDAPOWER_NETWORKS, n=3, cutoff=0.4)
        raise GridError(
            [Fault("grid.source", name, ", ".join(PANDAPOWER_NETWORKS), " or ".join(close))]
        )
    import pandapower.networks as shipped

    with _quiet():
        return getattr(shipped, name)()


def _simbench(code: str) -> Any:
    try:
        import simbench
    except ModuleNotFoundError as error:
        found = "the package simbench, which is not installed"
        raise GridError(
            [Fault("grid.source", f"{code}, for {found}", "simbench", SIMBENCH_COMMAND)]
        ) from error
    from simbench.networks.extract_simbench_grids_from_csv import complete_data_path

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        close = get_close_matches(code, codes, n=3, cutoff=0.4)
        allowed = "a SimBench code such as 1-LV-rural3--0-sw"
        raise GridError([Fault("grid.source", code, allowed, " or ".join(close))])
    scenario = simbench.get_parameters_from_simbench_code(code)[5]
    with _quiet(), _without_profiles(Path(complete_data_path(scenario))) as folder:
        net = simbench.get_simbench_net(code, str(folder))
    net.name = net.name or code
    return net


@contextmanager
def _without_profiles(folder: Path) -> Iterator[Path]:
    """The folder without its profiles of a year, which take longer to read than all the rest."""
    import shutil

    with TemporaryDirectory() as made:
        for path in sorted(folder.glob("*.csv")):
            if "Profile" not in path.name:
                shutil.copyfile(path, Path(made) / path.name)
        yield Path(made)


@contextmanager
def _quiet() -> Iterator[None]:
    """The packages warn of what they do inside; their nets are checked afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
