"""Tables by scenario: what homes pay, use themselves and lose at each level, and who takes part.

These are the tables by which flexibility projects are compared, one row per scenario and use case.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mas2sim.campaign.rows import LEVEL
from mas2sim.campaign.summary_rows import (
    CASES,
    KEY_COLUMNS,
    LEVEL_COLUMN,
    SummaryRows,
    as_table,
    kpi_column,
    means,
)
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

MEANS = (
    "self_consumption_percent",
    "self_consumption_community_percent",
    "self_sufficiency_percent",
    "peak_import_kw",
    "peak_import_reduction_percent",
    "loss_kwh",
    "loss_reduction_total_percent",
    "loss_reduction_variable_percent",
    "dso_payment_eur",
)
"""Columns that are means over cases, each case for itself."""
SAVING_BY_SUMS = "sum of (bill_baseline - payment) over sum of bills without standing charges"
SAVING_BY_CASE = "the mean of the cases' own savings, as bills without standing charges are unknown"
LOSSES = Column("Losses", "kWh per case", "lines and transformer, no load included", 1)
DENOMINATORS = ("homes_count", "homes_flexible_count", "energy_import_kwh", "billed_eur")
"""Sums of which shares are taken."""


def by_scenario_table(view: SummaryRows) -> StudyTable:
    """Bill, self-consumption, peak and losses by smart scenario and level."""
    keys = ["smart", LEVEL]
    sums = _sums(view.rows, keys, ("bill_eur", "payment_eur"))
    frame = means(view.rows, keys, MEANS).assign(
        bill_eur=sums["bill_eur"] / sums["homes_count"],
        payment_per_home_eur=sums["payment_eur"] / sums["homes_count"],
        saving_percent=savings(view, keys)["saving_percent"],
    )
    columns = {
        "smart": KEY_COLUMNS["smart"],
        "level": LEVEL_COLUMN,
        "cases": CASES,
        "bill_eur": Column("Bill", "EUR per home and day", "by the homes' own meters"),
        "payment_per_home_eur": Column(
            "Payment", "EUR per home and day", "what is paid in the end, local trades included"
        ),
        "saving_percent": Column(
            "Saving", "%", SAVING_BY_SUMS if view.knows_bills else SAVING_BY_CASE
        ),
        **{name: LOSSES if name == "loss_kwh" else kpi_column(name) for name in MEANS},
    }
    note = (
        f"{view.behind} Unweighted over the swept design, every case alike, so no year: the table "
        "of annual figures weighs days. Bills and payments are ratios of sums over all homes and "
        f"cases; the saving is {SAVING_BY_SUMS if view.knows_bills else SAVING_BY_CASE}. The other "
        "columns are means over the cases that have the figure, reductions of the cases' own. At "
        "uc3 members pay what they would at uc2: what it costs is in the DSO's payment."
    )
    return as_table(
        "by_scenario", "Bill, self-consumption, peak and losses by scenario", note, frame, columns
    )


def savings(view: SummaryRows, keys: Sequence[str]) -> pd.DataFrame:
    """Saving against the baseline by keys: ``saving_percent``, missing where there is none."""
    if not view.knows_bills:
        found = means(view.rows, keys, ["bill_saving_percent"])
        return found.assign(saving_percent=found["bill_saving_percent"])
    found = _sums(view.rows, keys, ("saved_eur", "billed_eur"))
    return found.assign(saving_percent=100.0 * found["saved_eur"] / found["billed_eur"])


def participation_table(view: SummaryRows) -> StudyTable:
    """How many homes can take part, how many do, and how much they move and trade."""
    keys = ["smart", "flexibility", LEVEL]
    counted = (
        "homes_flexible_count",
        "homes_changed_count",
        "homes_changed_vs_uc1_count",
        "local_trade_kwh",
        "energy_import_kwh",
    )
    sums = _sums(view.rows, keys, counted)
    moved = ("flexibility_activated_kwh", "flexibility_activated_vs_uc1_kwh", "moved_kwh")
    frame = means(view.rows, keys, (*moved, "homes_count")).assign(
        homes_flexible_percent=100.0 * sums["homes_flexible_count"] / sums["homes_count"],
        homes_changed_percent=100.0 * sums["homes_changed_count"] / sums["homes_flexible_count"],
        homes_changed_vs_uc1_percent=(
            100.0 * sums["homes_changed_vs_uc1_count"] / sums["homes_flexible_count"]
        ),
        homes_changed_of_all_percent=100.0 * sums["homes_changed_count"] / sums["homes_count"],
        local_trade_percent=100.0 * sums["local_trade_kwh"] / sums["energy_import_kwh"],
    )
    columns = {
        "smart": KEY_COLUMNS["smart"],
        "flexibility": KEY_COLUMNS["flexibility"],
        "level": LEVEL_COLUMN,
        "cases": CASES,
        "homes_count": Column("Homes", "", "mean over cases", 1),
        "homes_flexible_percent": Column("With flexible assets", "% of homes", decimals=1),
        "homes_changed_percent": Column(
            "Do otherwise than at baseline", "% of flexible homes", "by more than 1 W", 1
        ),
        "homes_changed_vs_uc1_percent": Column(
            "Do otherwise than at uc1", "% of flexible homes", "by more than 1 W", 1
        ),
        "homes_changed_of_all_percent": Column(
            "Do otherwise than at baseline", "% of all homes", decimals=1
        ),
        "local_trade_percent": Column(
            "Traded within communities", "% of import", "of what all homes import", 1
        ),
        "flexibility_activated_kwh": kpi_column(
            "flexibility_activated_kwh", "Moved against baseline"
        ),
        "flexibility_activated_vs_uc1_kwh": kpi_column(
            "flexibility_activated_vs_uc1_kwh", "Moved against uc1"
        ),
        "moved_kwh": kpi_column("moved_kwh"),
    }
    note = (
        f"{view.behind} Shares are ratios of sums over all cases, energies means of a case. An "
        "axis that is not swept is shown as `all`."
    )
    return as_table("participation", "Who takes part", note, frame, columns)


def _sums(rows: pd.DataFrame, keys: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Sums over cases in the order in which `means` has its rows, with those of the homes.

    Zero becomes missing where nothing was summed, or where a share of it would be asked for.
    """
    wanted = [*names, "homes_count"]
    found = rows.groupby(list(keys), observed=True)[wanted].sum(min_count=1).reset_index()
    shares_of = [name for name in DENOMINATORS if name in wanted]
    return found.assign(**{name: found[name].where(found[name] != 0.0) for name in shares_of})
