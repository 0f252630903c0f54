"""What the tables of a campaign's summary rest on: its cases that are ok, all of them the same.

A room of its own so that every table counts the same cases: those of which every level has its
figures. Cases that are not ok or not done are left out of all of them, and each table says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mas2sim.campaign.reading import Campaign
from mas2sim.campaign.rows import CASE_STATUS, LEVEL, NUMBER, CaseStatus
from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi import KPIS, WORDS
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]

ALL = "all"
"""Stands where an axis is not swept, or where its values are taken together."""
SCENARIO_KEYS = ("smart", "flexibility", "communities")
"""Axes that tables are grouped by; `ALL` where they are not swept."""
MAIN_KPIS = (
    "bill_saving_percent",
    "self_consumption_percent",
    "peak_import_reduction_percent",
    "loss_reduction_total_percent",
    "loss_reduction_variable_percent",
    "dso_payment_eur",
    "vm_max_pu",
    "transformer_loading_max_percent",
)
"""KPIs of the tables over the axes."""

UNITS = {"percent": "%", "count": "", "-": ""}
DECIMALS = {"pu": 4, "kWh": 1, "kW": 1, "h": 1, "count": 1}
"""Places shown, by unit; two for all others."""


@dataclass(frozen=True, slots=True, eq=False)
class SummaryRows:
    """Rows of the cases that are ok.

    Parameters
    ----------
    campaign : Campaign
    rows : DataFrame
        One row per case and level: the columns of ``campaign.kpi``, in which swept axes and `level`
        are categories in the experiment's order, and what `_derived` adds. KPIs that the campaign
        was run without are NaN.
    swept : mapping of str to tuple of str
        For each swept axis its values in words, in the experiment's order.
    """

    campaign: Campaign
    rows: pd.DataFrame
    swept: Mapping[str, tuple[str, ...]]

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels that were run, the lowest first."""
        return tuple(level.value for level in self.campaign.plan.experiment.levels)

    @property
    def several(self) -> tuple[str, ...]:
        """Axes with more than one value."""
        return tuple(key for key, values in self.swept.items() if len(values) > 1)

    @property
    def cases(self) -> int:
        """How many cases the tables rest on."""
        return int(self.rows[NUMBER].nunique())

    def at(self, level: Level) -> pd.DataFrame:
        """Rows of one level."""
        return self.rows[self.rows[LEVEL] == level.value]

    @property
    def knows_bills(self) -> bool:
        """Whether bills without standing charges are known, of which savings are shares."""
        return bool(self.rows["billed_eur"].notna().any())

    @property
    def behind(self) -> str:
        """Sentence that says how many cases are behind a table, and how many are left out."""
        not_ok, not_done = len(self.campaign.failed), self.campaign.missing
        text = f"{self.cases} cases"
        left_out = [f"{not_ok} not ok"] * (not_ok > 0) + [f"{not_done} not done"] * (not_done > 0)
        return f"{text}; left out: {' and '.join(left_out)}." if left_out else f"{text}."


def summary_rows(campaign: Campaign) -> SummaryRows:
    """Choose the cases that are ok and add what several tables need."""
    import pandas as pd

    swept = _swept(campaign)
    kpis = [kpi.name for kpi in KPIS if kpi.name not in WORDS]
    lacking = {name: float("nan") for name in kpis if name not in campaign.kpi}
    rows = campaign.kpi[campaign.kpi[CASE_STATUS] == CaseStatus.OK].assign(**lacking)
    levels = [level.value for level in campaign.plan.experiment.levels]
    words = {key: pd.Categorical(rows[key].map(in_words), swept[key]) for key in swept}
    words |= {key: pd.Categorical([ALL] * len(rows)) for key in SCENARIO_KEYS if key not in swept}
    words[LEVEL] = pd.Categorical(rows[LEVEL], levels)
    rows = rows.assign(**words).reset_index(drop=True)
    return SummaryRows(campaign, _derived(rows), swept)


def in_words(value: object) -> str:
    """A value of an axis as tables show it."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _swept(campaign: Campaign) -> dict[str, tuple[str, ...]]:
    """Values of each axis in the experiment's order, in the words of the tables."""
    named: dict[str, str] = {}
    for case in campaign.plan.cases:
        for override in case.overrides:
            if override not in named:
                named[override] = in_words(case.columns[override.partition("=")[0]])
    return {
        axis.key: tuple(dict.fromkeys(named[each] for each in axis.overrides if each in named))
        for axis in campaign.plan.experiment.axes
    }


def _derived(rows: pd.DataFrame) -> pd.DataFrame:
    """Add figures that are no KPIs, and those of the case's own baseline (missing without one).

    ``saved_eur`` and ``billed_eur`` are numerator and denominator of the KPI bill_saving_percent,
    ``entering_kwh`` the denominator of loss_percent.
    """
    variable = rows["loss_line_kwh"] + rows["loss_transformer_load_kwh"]
    loss = variable + rows["loss_transformer_no_load_kwh"]
    rows = rows.assign(
        payment_per_home_eur=rows["payment_eur"] / rows["homes_count"],
        loss_variable_kwh=variable,
        loss_kwh=loss,
        entering_kwh=100.0 * loss / rows["loss_percent"],
    )
    is_baseline = rows[LEVEL] == Level.BASELINE.value
    baseline = rows[is_baseline].set_index(NUMBER)
    billed = rows[NUMBER].map(baseline["bill_eur"]).where(~is_baseline)
    return rows.assign(
        saved_eur=billed - rows["payment_eur"], billed_eur=billed - rows["standing_charge_eur"]
    )


_KPI = MappingProxyType({kpi.name: kpi for kpi in KPIS})


def better_of(name: str) -> str:
    """Which direction of a figure is better, as the registry has it; empty where neither is."""
    derived = {"payment_per_home_eur": "lower", "loss_kwh": "lower", "loss_variable_kwh": "lower"}
    return derived[name] if name in derived else _KPI[name].better


def kpi_column(name: str, label: str = "", note: str = "") -> Column:
    """Meaning of a column that holds a KPI, or its mean over cases."""
    kpi = _KPI[name]
    decimals = DECIMALS.get(kpi.unit, 2)
    unit = UNITS.get(kpi.unit, kpi.unit)
    return Column(label or kpi.label, unit, note or kpi.sentence, decimals)


CASES = Column("Cases", note="cases behind the row", decimals=0)
LEVEL_COLUMN = Column("Level")
KEY_COLUMNS = {
    "smart": Column("Smart scenario"),
    "flexibility": Column("Flexibility"),
    "communities": Column("Communities", decimals=0),
}
"""Columns of `SCENARIO_KEYS`."""


def as_table(
    name: str,
    title: str,
    note: str,
    frame: pd.DataFrame | None,
    columns: Mapping[str, Column],
    *,
    shown: bool = True,
) -> StudyTable:
    """A table with exactly `columns`, categories as words; None is a table without rows."""
    import pandas as pd

    if frame is None:
        return StudyTable(name, title, note, pd.DataFrame(columns=list(columns)), columns, shown)
    frame = frame.reset_index(drop=True)[list(columns)]
    categories = frame.select_dtypes("category").columns
    words = {str(each): frame[each].astype(str) for each in categories}
    return StudyTable(name, title, note, frame.assign(**words), columns, shown)


def means(rows: pd.DataFrame, keys: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Means of figures over cases by keys, with ``cases``; cases without a figure are left out.

    Rows come in the order of the keys' categories; keys are columns of the result.
    """
    groups = rows.groupby(list(keys), observed=True)
    found = groups[list(names)].mean()
    return found.assign(cases=groups.size()).reset_index()
