"""The grid of a case, from wherever it comes: a recipe, a file, a package.

A room beside `build`, which needs a substation and not where it was found.
"""

from __future__ import annotations

from mas2sim.domain.errors import Fault, GridError
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
    if grid.name != "cardiff":
        return _own(case)
    return build_cardiff(
        case.grids / grid.name,
        case.substation,
        hv_vm_pu=1.0 if grid.hv_vm_pu is None else grid.hv_vm_pu,
        tap_pos=grid.tap_pos or 0,
        transformer_import_kw=grid.transformer_limit_kw,
        transformer_import_percent=grid.transformer_limit_percent,
        transformer_export_kw=grid.transformer_export_limit_kw,
        voltage_band_v=(grid.voltage_min_v, grid.voltage_max_v),
        unbalance_percent=grid.unbalance_limit_percent,
    )


def _own(case: Case) -> Substation:
    """A substation of a file or of a package; there is one in each."""
    from mas2sim.grid.net_source import net_of
    from mas2sim.grid.own_grid import OwnGrid, build_own_grid

    grid = case.configuration.grid
    if case.substation != 1:
        allowed = f"1: the grid {grid.name} is one substation"
        raise GridError([Fault("substation", str(case.substation), allowed, "substation=1")])
    source = grid.source or ""
    return build_own_grid(
        net_of(grid.name, source),
        OwnGrid(
            mapping=grid.mapping,
            hv_vm_pu=grid.hv_vm_pu,
            tap_pos=grid.tap_pos,
            transformer_import_kw=grid.transformer_limit_kw,
            transformer_import_percent=grid.transformer_limit_percent,
            transformer_export_kw=grid.transformer_export_limit_kw,
            voltage_band_v=(grid.voltage_min_v, grid.voltage_max_v),
            unbalance_percent=grid.unbalance_limit_percent,
        ),
        unbalanced=case.configuration.power_flow == "unbalanced",
    )
