"""Made-up campaigns: a table of figures that a hand can check, without any case being run."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from mas2sim.campaign import Campaign, CampaignPlan, Experiment, PlannedCase
from mas2sim.campaign.experiment import Sample, Series
from mas2sim.campaign.rows import CASE_STATUS
from mas2sim.campaign.summary_rows import SummaryRows, summary_rows
from mas2sim.campaign.table import cases_table
from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi import KPIS, WORDS
from mas2sim.scenario.axes import Axis

FOUR = ("baseline", "uc1", "uc2", "uc3")
FIXED = {
    "season": "winter",
    "day": "weekday",
    "weather": "cloudy",
    "smart": "2030_green",
    "flexibility": "high",
    "grid": "cardiff",
    "substation": 1,
    "communities": 3,
    "seed": 1,
}
Figures = Callable[[Mapping[str, object], str], Mapping[str, float]]


def made_up(
    axes: Mapping[str, Sequence[str | int | float]],
    figures: Figures,
    *,
    levels: Sequence[str] = FOUR,
    not_ok: Mapping[int, str] | None = None,
    done: int | None = None,
    path: Path = Path("nowhere"),
    series: Series = Series.NONE,
    sample: Sample | None = None,
    without: Sequence[str] = (),
) -> Campaign:
    """A campaign of all combinations of `axes`.

    `figures` gives the KPIs of a case (its axes) at a level; all others are missing. `not_ok` gives
    status by number, `done` how many cases are done, `without` columns that the table lacks.
    """
    swept = tuple(Axis(key, tuple(map(str, values))) for key, values in axes.items())
    experiment = Experiment(
        name="made_up",
        question="What do the tables say?",
        base=("ties=random",),
        axes=swept,
        exclude=(),
        levels=tuple(map(Level, levels)),
        series=series,
        sample=sample,
        case_limit_s=None,
    )
    cases = tuple(
        PlannedCase(
            number,
            f"case{number}",
            tuple(f"{key}={value}" for key, value in zip(axes, values, strict=True)),
            {**FIXED, **dict(zip(axes, values, strict=True))},
        )
        for number, values in enumerate(product(*axes.values()))
    )
    plan = CampaignPlan(experiment, cases, (), "version", {}, None)
    kpi = _rows(cases[:done], levels, figures, not_ok or {}).drop(columns=list(without))
    return Campaign(path, plan, kpi, cases_table(kpi, plan), {"plan_hash": plan.plan_hash})


def _rows(
    cases: Sequence[PlannedCase],
    levels: Sequence[str],
    figures: Figures,
    not_ok: Mapping[int, str],
) -> pd.DataFrame:
    names = [kpi.name for kpi in KPIS]
    rows = []
    for case, level in product(cases, levels):
        status = not_ok.get(case.number, "ok")
        found = figures(case.columns, level) if status == "ok" else {}
        assert set(found) <= set(names), set(found) - set(names)
        rows.append(
            {
                "number": case.number,
                "case": case.case,
                **case.columns,
                "level": level,
                "status": status,
                **{name: None if name in WORDS else np.nan for name in names},
                **found,
                CASE_STATUS: status,
                "reason": "" if status == "ok" else f"because it is {status}",
                "case_s": 1.0,
            }
        )
    return pd.DataFrame(rows)


def view_of(campaign: Campaign) -> SummaryRows:
    return summary_rows(campaign)
