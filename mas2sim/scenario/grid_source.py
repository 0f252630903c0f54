"""The grid of a case, from wherever it comes: a recipe, a file, a package.

A room beside `build`, which needs a substation and not where it was found.
"""

from __future__ import annotations

from mas2sim.grid import Substation, build_cardiff
from mas2sim.scenario.case import Case


def build_substation(case: Case) -> Substation:
    """Build the substation of a case.

    Raises
    ------
    ConfigurationError
        With every fault of the grid's files and settings.
    """
    grid = case.configuration.grid
    return build_cardiff(
        case.grids / grid.name,
        case.configuration.substation,
        hv_vm_pu=grid.hv_vm_pu,
        tap_pos=grid.tap_pos,
        transformer_import_kw=grid.transformer_limit_kw,
        transformer_export_kw=grid.transformer_export_limit_kw,
        voltage_band_v=(grid.voltage_min_v, grid.voltage_max_v),
    )
