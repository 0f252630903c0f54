"""What a campaign says: the tables of its report, from whatever of it is done.

`campaign_summary` puts together what the rooms beside it work out: figures by scenario, a year, the
effects of each axis, level against level, where the limit binds, and cases that stand out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from mas2sim.campaign.reading import Campaign
from mas2sim.campaign.rows import LEVEL
from mas2sim.campaign.summary_cases import best_and_worst_table, failed_table, failures
from mas2sim.campaign.summary_effects import (
    effects_table,
    is_whole,
    pairs_table,
    variance_table,
)
from mas2sim.campaign.summary_fans import fans_table
from mas2sim.campaign.summary_levels import level_differences_table
from mas2sim.campaign.summary_limits import binding, binding_table
from mas2sim.campaign.summary_rows import Progress, SummaryRows, summary_rows
from mas2sim.campaign.summary_scenario import (
    SAVING_BY_CASE,
    SAVING_BY_SUMS,
    by_scenario_table,
    participation_table,
    savings,
)
from mas2sim.campaign.summary_year import annual_table
from mas2sim.domain.typical_day import Level
from mas2sim.results.claims import LOSS_REDUCTION_PERCENT
from mas2sim.results.study_result import Headline, StudyResult, StudyTable

TABLES: tuple[Callable[[SummaryRows], StudyTable], ...] = (
    by_scenario_table,
    annual_table,
    level_differences_table,
    participation_table,
    binding_table,
    effects_table,
    variance_table,
    best_and_worst_table,
    pairs_table,
)
"""All but those of series and failures, the most important first."""


def campaign_summary(
    campaign: Campaign, *, progress: Progress = lambda _stage, _done, _total: None
) -> StudyResult:
    """Work out what a campaign says, as far as it is done.

    Parameters
    ----------
    campaign : Campaign
    progress : callable
        Told of each table and of each file of series.

    Returns
    -------
    StudyResult
        Of kind ``"campaign"``. Every table says how many cases are behind it; one that the
        campaign cannot fill is there without rows, and its note says why.
    """
    stage = "sum up the campaign"
    view = summary_rows(campaign)
    tables = []
    for done, table in enumerate(TABLES):
        progress(stage, done, len(TABLES))
        tables.append(table(view))
    progress(stage, len(TABLES), len(TABLES))
    tables += [fans_table(view, progress), failed_table(campaign)]
    return StudyResult(
        kind="campaign",
        title=f"Campaign {campaign.plan.experiment.name}",
        facts=_facts(view),
        headlines=_headlines(view, _less_in_a_year(tables)),
        tables=tuple(tables),
        notes=_notes(view),
        failures=failures(campaign),
        unfinished=_unfinished(campaign),
        provenance=campaign.provenance,
    )


def _unfinished(campaign: Campaign) -> str:
    if not campaign.missing:
        return ""
    return f"{campaign.missing:,} of {len(campaign.plan.cases):,} cases are not done yet."


def _facts(view: SummaryRows) -> list[tuple[str, str]]:
    campaign, experiment = view.campaign, view.campaign.plan.experiment
    planned, failed = len(campaign.plan.cases), len(campaign.failed)
    axes = [f"{key}: {', '.join(values)}" for key, values in view.swept.items()]
    return [
        ("question", experiment.question.strip()),
        ("cases", f"{len(campaign.cases):,} of {planned:,} done, {failed:,} of them not ok"),
        *(("axis", text) for text in axes),
        ("the same in all cases", " ".join(experiment.base) or "what scenarios/ holds"),
        ("levels", ", ".join(view.levels)),
        ("plan", campaign.plan.plan_hash),
    ]


def _less_in_a_year(tables: Sequence[StudyTable]) -> dict[str, float]:
    """Reduction of a year's losses by level, over all combinations; empty without a year."""
    annual = next(table.frame for table in tables if table.name == "annual")
    if annual.empty or Level.BASELINE not in set(annual[LEVEL]):
        return {}
    losses = annual.groupby(LEVEL, observed=True)["loss_kwh"].sum()
    before = losses[Level.BASELINE.value]
    return {str(level): 100.0 * (before - kwh) / before for level, kwh in losses.items()}


def _headlines(view: SummaryRows, in_a_year: Mapping[str, float]) -> list[Headline]:
    campaign = view.campaign
    failed = len(campaign.failed)
    note = f"{failed:,} not ok, {campaign.missing:,} not done"
    found = [Headline("Cases ok", f"{view.cases:,}", f"of {len(campaign.plan.cases):,}", note)]
    low, high = LOSS_REDUCTION_PERCENT
    saved = savings(view, [LEVEL]).set_index(LEVEL)["saving_percent"]
    for level in view.levels:
        part = view.rows[view.rows[LEVEL] == level]
        less = part["loss_reduction_total_percent"].dropna()
        if level == Level.BASELINE:
            continue
        saving = saved.get(level, float("nan"))
        if isfinite(saving):
            note = SAVING_BY_SUMS if view.knows_bills else SAVING_BY_CASE
            found.append(Headline(f"Saved, {level}", f"{saving:.2f}", "%", note))
        if len(less):
            within = 100.0 * less.between(low, high).mean()
            claimed = f"{within:.0f} % of cases within the {low:g} to {high:g} % claimed"
            if level in in_a_year:
                value = in_a_year[level]
                note = f"of a year's; mean of the cases' own {less.mean():.2f} %; {claimed}"
            else:
                value = float(less.mean())
                note = f"mean of the cases' own; {claimed}"
            found.append(Headline(f"Less losses, {level}", f"{value:.2f}", "% of all losses", note))
    binds = binding(view)
    if len(binds):
        note = "plans of uc2 beyond the limit on the sum of the connections"
        share = f"{100.0 * binds.mean():.1f}"
        found.append(Headline("Operating limit binds", share, "% of cases", note))
    return found


def _notes(view: SummaryRows) -> list[str]:
    sample = view.campaign.plan.experiment.sample
    counted = (
        "Tables rest on the cases of which every level has its figures; the others are listed, and "
        "are in no mean."
    )
    alike = (
        "Means over cases count every case alike: they say what the design holds, not what a year "
        "or a country holds."
    )
    notes = [counted, alike]
    if sample is not None:
        notes.append(
            f"The campaign is a sample of {sample.cases} cases, every value of an axis about as "
            "often as the others; which values come together is drawn."
        )
    elif view.cases and not is_whole(view):
        notes.append("Not every combination of the axes is there; effects of axes overlap.")
    if view.cases and view.rows["homes_count"].isna().all():
        notes.append("The campaign was run without counts of homes: figures per home are missing.")
    return notes
