"""The registry of KPIs, and the table it makes of a case.

There is one definition of each KPI. Columns, their order, the tooltips of the report and the
reference page follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.results.case_identity import case_id
from mas2sim.results.kpi_definition import GROUPS, Kpi, levels_of
from mas2sim.results.kpi_energy import ENERGY
from mas2sim.results.kpi_gain import GAINS
from mas2sim.results.kpi_grid import GRID
from mas2sim.results.kpi_homes import HOMES
from mas2sim.results.kpi_market import MARKET
from mas2sim.results.kpi_money import MONEY
from mas2sim.results.kpi_services import SERVICES
from mas2sim.results.record import CaseRecord

if TYPE_CHECKING:
    import pandas as pd

KPIS: tuple[Kpi, ...] = (*MONEY, *GAINS, *HOMES, *ENERGY, *SERVICES, *GRID, *MARKET)
"""Every KPI, in the order of the table's columns."""

WORDS = ("regime_worst",)
"""KPIs whose value is a word."""


def kpis_by_group() -> Mapping[str, tuple[Kpi, ...]]:
    """KPIs in their groups, both in the order in which they are shown."""
    return {group: tuple(kpi for kpi in KPIS if kpi.group == group) for group in GROUPS}


def kpi_table(record: CaseRecord) -> pd.DataFrame:
    """Compute every KPI of every level of a case.

    Parameters
    ----------
    record : CaseRecord

    Returns
    -------
    DataFrame
        One row per level, in the record's order. Columns: ``case``, the axes, ``level``,
        ``status``, then `KPIS` in their order. NaN (None for words) where there is no value.
    """
    import pandas as pd

    cases = levels_of(record)
    identity = {"case": case_id(record.axes), **record.axes}
    columns: dict[str, Any] = {name: [value] * len(cases) for name, value in identity.items()}
    columns["level"] = [case.level.value for case in cases]
    columns["status"] = [case.status for case in cases]
    for kpi in KPIS:
        values = [kpi.compute(case) for case in cases]
        columns[kpi.name] = values if kpi.name in WORDS else np.array(values, dtype=np.float64)
    return pd.DataFrame(columns)
