"""mas2sim: multi-agent flexibility markets in low-voltage grids, co-simulated.

``mas2sim.run_case(["season=summer"])`` runs a case, ``mas2sim.open_result(path)`` reads one back;
``mas2sim.open_campaign(path)`` reads what `mas2sim sweep` left.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mas2sim.campaign import Campaign
    from mas2sim.results import Result
    from mas2sim.scenario import CaseResult

__version__ = "0.1.0"
__all__ = ["__version__", "open_campaign", "open_result", "run_case"]


def run_case(
    overrides: Sequence[str] = (), *, out: Path | str | None = None, force: bool = False
) -> CaseResult:
    """Run one case and return its KPIs and series.

    Parameters
    ----------
    overrides : sequence of str
        What differs from the default case, in Hydra's grammar: ``["season=summer", "seed=2"]``.
    out : Path or str, optional
        A folder to store the result and its report in; nothing is stored without it.
    force : bool
        Compute again what is stored there already.

    Returns
    -------
    CaseResult
        `kpi`, `homes` and `assets` are DataFrames, `series` is an xarray Dataset.

    Raises
    ------
    mas2sim.domain.errors.ConfigurationError
        With every fault of the input.
    mas2sim.domain.errors.StoreError
        When the folder cannot be used.
    """
    from mas2sim import scenario
    from mas2sim.report import write_report

    return scenario.run_case(overrides, out=out, force=force, report=write_report)


def open_result(path: Path | str) -> Result:
    """Read a stored result; raises `mas2sim.domain.errors.StoreError` in plain words."""
    from mas2sim import results

    return results.open_result(path)


def open_campaign(path: Path | str) -> Campaign:
    """Read a campaign, whole or as far as it is done.

    `kpi` and `cases` are DataFrames, `dataset()` is an xarray Dataset over the axes. Raises
    `mas2sim.domain.errors.StoreError` in plain words.
    """
    from mas2sim import campaign

    return campaign.open_campaign(path)
