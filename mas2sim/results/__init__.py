"""What a finished case leaves behind: KPIs, tables and series, and the folder that holds them.

A case comes in as a `CaseRecord`. The registry `KPIS` says what is measured; `write_result` puts
table, series and provenance on disk all at once or not at all; `open_result` reads them back.
"""

from __future__ import annotations

from mas2sim.results.case_identity import case_id, plan_hash
from mas2sim.results.folder import FolderState, ResultFolder
from mas2sim.results.kpi import KPIS, kpi_table, kpis_by_group
from mas2sim.results.kpi_definition import Kpi
from mas2sim.results.provenance import make_provenance
from mas2sim.results.record import CaseRecord
from mas2sim.results.result import Result, open_result
from mas2sim.results.series import series_dataset
from mas2sim.results.tables import assets_table, cases_table, homes_table
from mas2sim.results.writing import record_tables, tables_of_all, write_parts, write_result

__all__ = [
    "KPIS",
    "CaseRecord",
    "FolderState",
    "Kpi",
    "Result",
    "ResultFolder",
    "assets_table",
    "case_id",
    "cases_table",
    "homes_table",
    "kpi_table",
    "kpis_by_group",
    "make_provenance",
    "open_result",
    "plan_hash",
    "record_tables",
    "series_dataset",
    "tables_of_all",
    "write_parts",
    "write_result",
]
