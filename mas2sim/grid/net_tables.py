"""Whether a pandapower net has the tables and columns without which nothing of it can be read.

A room below the reading and the checks: both take a table and its columns for granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mas2sim.domain.errors import Fault

_ONE_BUS = ("bus", "p_mw", "q_mvar", "in_service")
_BY_PHASE = (
    "bus", "p_a_mw", "p_b_mw", "p_c_mw", "q_a_mvar", "q_b_mvar", "q_c_mvar", "in_service",
)  # fmt: skip
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bus": ("vn_kv", "in_service"),
    "line": (
        "from_bus", "to_bus", "length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km",
        "max_i_ka", "parallel", "in_service",
    ),
    "trafo": (
        "hv_bus", "lv_bus", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw",
        "i0_percent", "parallel", "in_service",
    ),
    "ext_grid": ("bus", "vm_pu", "in_service"),
    "switch": ("bus", "element", "et", "closed"),
    "load": _ONE_BUS,
    "sgen": _ONE_BUS,
    "storage": _ONE_BUS,
    "asymmetric_load": _BY_PHASE,
    "asymmetric_sgen": _BY_PHASE,
}  # fmt: skip
"""Columns that a table with rows has to have."""


def table_faults(net: Any) -> list[Fault]:
    """Tables that are not there, that lack a column, or whose rows cannot be told apart."""
    faults = []
    for table, needed in _COLUMNS.items():
        frame = net.get(table)
        if not hasattr(frame, "columns"):
            faults.append(Fault(f"net.{table}", "no table", "a table, empty where there is none"))
            continue
        if not len(frame):
            continue
        lacking = [column for column in needed if column not in frame]
        if lacking:
            found = f"no column {', '.join(lacking)}"
            faults.append(Fault(f"net.{table}", found, f"columns {', '.join(needed)}"))
        if not frame.index.is_unique:
            again = frame.index[frame.index.duplicated()][0]
            faults.append(Fault(f"net.{table}", f"index {again} twice", "each index once"))
    return faults
