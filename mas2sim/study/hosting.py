"""How much PV, how many EVs or heat pumps a grid can host, at what risk, and what flexibility adds.

Nobody knows which homes will have the technology. So it is placed at random many times, each time
in more and more homes until a limit breaks, on the day that is hardest for it; the share of draws
that are in violation is the risk. All levels and tap positions see the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Headline, StudyResult
from mas2sim.study.grid_days import site_deg
from mas2sim.study.hosting_capacity import End
from mas2sim.study.hosting_finding import CURTAILMENT, NOT_SOLVED
from mas2sim.study.hosting_gain import paired_gain
from mas2sim.study.hosting_plan import CHECKED_DRAWS, HostingPlan, plan_hosting
from mas2sim.study.hosting_question import (
    CRITERIA,
    CURTAILMENT_CAP_PERCENT,
    DRAWS,
    FLOW_LEVELS,
    PENETRATIONS,
    Criterion,
    HostingQuestion,
    Technology,
)
from mas2sim.study.hosting_risk import RISKS_PERCENT, at_risk
from mas2sim.study.hosting_run import LevelRun, run_levels
from mas2sim.study.hosting_tables import hosting_tables
from mas2sim.study.typical_year import Progress

KIND = "hosting"
HEADLINE_RISK_PERCENT = RISKS_PERCENT[0]


def hosting_study(
    overrides: Sequence[str],
    *,
    technology: str = Technology.PV,
    levels: Sequence[Level] = FLOW_LEVELS,
    draws: int = DRAWS,
    penetrations: int = PENETRATIONS,
    most_percent: float = 100.0,
    taps: Sequence[int] | None = None,
    criteria: Sequence[str] = CRITERIA,
    curtailment_cap_percent: float = CURTAILMENT_CAP_PERCENT,
    data: Path | None = None,
    threads: int | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> StudyResult:
    """Find the hosting capacity of a grid.

    Parameters
    ----------
    overrides : sequence of str
        Of the case, in Hydra's grammar. Season, day and weather are those of the technology's
        design day unless set here.
    technology : str
        ``"pv"``, ``"ev"`` or ``"heat_pump"``.
    levels : sequence of Level
        ``baseline`` and ``uc1`` cost flows only; ``uc2`` and ``uc3`` run worlds.
    draws, penetrations, most_percent
        Random orders of the homes, steps of penetration, and the highest one. [-], [-], [%]
    taps : sequence of int, optional
        Tap positions; that of the case when left out.
    criteria : sequence of str
        The limits that count.
    curtailment_cap_percent : float
        At level uc3, the most that may be curtailed, of the technology's energy of the day.
    data : Path, optional
        A folder that goes before the shipped ones.
    threads : int, optional
        Threads for power flows; no result depends on it.
    progress : callable
        Told first of all how long it will take.

    Raises
    ------
    ConfigurationError
        With every fault, before anything is computed.
    """
    question = HostingQuestion(
        technology=technology,
        levels=tuple(levels),
        draws=draws,
        penetrations=penetrations,
        most_percent=most_percent,
        taps=tuple(taps or ()),
        criteria=tuple(criteria),
        curtailment_cap_percent=curtailment_cap_percent,
    )
    return run_hosting(plan_hosting(overrides, question, data=data, threads=threads), progress)


def run_hosting(
    plan: HostingPlan, progress: Progress = lambda _stage, _done, _total: None
) -> StudyResult:
    """Run a study that `plan_hosting` found in order."""
    runs = run_levels(plan, progress)
    facts, setup = plan.facts, plan.grids[0].setup
    limits = setup.limits
    return StudyResult(
        kind=KIND,
        title=f"Hosting capacity for {facts.label}: {setup.flow.layout.name}",
        facts=_asked(plan),
        headlines=tuple(_headlines(plan, runs)),
        tables=hosting_tables(plan, runs),
        notes=tuple(_notes(plan, runs)),
        failures=tuple(_failures(plan, runs)),
        layout=plan.grids[0].flow.layout,
        voltage_band_v=(limits.voltage_min_v, limits.voltage_max_v),
        days=tuple(run.day for run in runs if run.day is not None),
        site_deg=site_deg(plan.case),
    )


def _asked(plan: HostingPlan) -> tuple[tuple[str, str], ...]:
    """What was asked, in words."""
    question, configuration = plan.question, plan.case.configuration
    day = f"{configuration.season.name} {configuration.day.name}, {configuration.weather.name}"
    offset_k = configuration.population.air_offset_k
    taps = ", ".join(
        "as the grid has it" if grid.tap is None else str(grid.tap) for grid in plan.grids
    )
    supply = plan.case.configuration.grid.hv_vm_pu
    return (
        ("technology", plan.facts.label),
        ("grid", plan.grids[0].setup.flow.layout.name),
        ("homes", str(len(plan.adopted))),
        ("day", f"{day}, air {offset_k:+g} K" if offset_k else day),
        ("levels", ", ".join(question.levels)),
        ("draws", str(question.draws)),
        ("penetrations", f"0 to {question.most_percent:g} % in {question.penetrations} steps"),
        ("tap positions", taps),
        ("HV side", "as the grid has it" if supply is None else f"{supply:g} pu"),
        ("power flow", configuration.power_flow),
        *((f"criterion {each}", plan.limits.stated(each)) for each in plan.limits.criteria),
    )


def _headlines(plan: HostingPlan, runs: Sequence[LevelRun]) -> list[Headline]:
    """What is hosted at the headline's risk, and the gain, at the first tap position."""
    found, risk = [], HEADLINE_RISK_PERCENT
    first = [run for run in runs if run.tap == plan.grids[0].tap]
    for run in first:
        homes = float(at_risk(run.homes, risk))
        size = float(at_risk(run.hosted_kw(plan), risk))
        least = "at least " if run.at_least(plan, risk) else ""
        share = 100.0 * homes / len(plan.adopted)
        note = f"{least}{homes:.0f} of {len(plan.adopted)} homes ({share:.1f} %)"
        found.append(
            Headline(
                f"hosted at {risk} % risk, {run.level.value}",
                f"{least}{size:.1f}",
                plan.facts.unit,
                f"{note}; {len(run.capacities)} draws",
            )
        )
    baseline = next((run for run in first if run.level is Level.BASELINE), None)
    for run in first:
        if baseline is None or run is baseline:
            continue
        gain = paired_gain(plan, run, baseline, risk)
        censored = any(each.at_least(plan, risk) for each in (run, baseline))
        known = "; one of both is known only as at least" if censored else ""
        found.append(
            Headline(
                f"hosting gain at {risk} % risk, {run.level.value} against baseline",
                _percent(gain.gain),
                "%",
                f"95 % interval {_percent(gain.low)} to {_percent(gain.high)} %, "
                f"paired draws{known}",
            )
        )
    return found


def _percent(share: float) -> str:
    return f"{100.0 * share:+.1f}" if isfinite(share) else "-"


def _notes(plan: HostingPlan, runs: Sequence[LevelRun]) -> list[str]:
    """What was assumed, and what has to be known to read the figures."""
    question, facts = plan.question, plan.facts
    placed = (
        f"A draw is a random order of all {len(plan.adopted)} homes; at a penetration the first so "
        f"many of them have {facts.label}, each of the size that the population drew for it. Draws "
        "are the same at all levels and tap positions. Other devices are those of the case's "
        "scenario."
    )
    refined = (
        "The first violation ends a draw. Between two steps of penetration it is found by "
        "bisection to a single home, which takes for granted that a limit once broken within the "
        "step stays broken in it."
    )
    one_day = (
        "One day is assessed, the hardest typical one; PTUs are taken at their mean, so shorter "
        "peaks are not seen, and a single PTU beyond a limit is a violation."
    )
    notes = [placed, refined, one_day, "Tap and HV voltage stay where they are all day."]
    if Criterion.UNBALANCE in question.criteria and Criterion.UNBALANCE not in plan.limits.criteria:
        notes.append("Unbalance is not assessed: the flow is balanced and says nothing about it.")
    left_out = [str(each) for each in CRITERIA if each not in question.criteria]
    if left_out:
        notes.append(f"Left out by wish: {', '.join(left_out).replace('_', ' ')}.")
    for run in runs:
        notes += _run_notes(plan, run)
    if Level.UC3 in question.levels:
        notes.append(
            "At level uc3 the DSO asks for flexibility for voltages too, and limits connections "
            f"where it is offered too little. A penetration at which it curtails more than "
            f"{question.curtailment_cap_percent:g} % of the energy of {facts.label} on that day is "
            "not hosted [A]."
        )
    return notes


def _run_notes(plan: HostingPlan, run: LevelRun) -> list[str]:
    """What is to be said of one level at one tap position."""
    where, notes = _where(run), []
    base = next((each for each in run.capacities if each.end is End.BASE_LOAD), None)
    if base is not None and base.first is not None:
        names = " and ".join(base.first.broken).replace("_", " ")
        first = base.first
        notes.append(
            f"{where}: the base load breaks {names} without any {plan.facts.label}: a limit below "
            f"the base load ({first.low_v:.1f} to {first.high_v:.1f} V, lines to "
            f"{first.line_percent:.0f} %, transformer to {first.transformer_percent:.0f} %). "
            "Nothing is hosted."
        )
    censored = sum(each.censored for each in run.capacities)
    if censored:
        notes.append(
            f"{where}: {censored} of {len(run.capacities)} draws break no limit up to the highest "
            "penetration; their capacity is at least that."
        )
    returns = sum(each.returns for each in run.capacities)
    if returns:
        notes.append(
            f"{where}: in {returns} draws all limits are kept again at a penetration beyond the "
            "first violation, which counts nevertheless."
        )
    if run.agree is not None:
        tried = min(CHECKED_DRAWS, len(run.capacities))
        notes.append(
            f"{where}: first violations are found by bisection, which takes for granted that a "
            f"limit once broken stays broken; of {tried} draws tried at all penetrations "
            f"{run.agree} end at the same step."
        )
        over_cap = sum(CURTAILMENT in each.binding for each in run.capacities)
        if over_cap:
            notes.append(f"{where}: {over_cap} draws are ended by the cap on curtailment.")
    return notes


def _failures(plan: HostingPlan, runs: Sequence[LevelRun]) -> list[str]:
    """Draws with a flow or a world without a solution."""
    failures = []
    for run in runs:
        for draw, findings in enumerate(run.findings):
            steps = [step for step, found in enumerate(findings) if NOT_SOLVED in found.broken]
            if steps:
                share = 100.0 * plan.steps[steps[0]] / len(plan.adopted)
                failures.append(
                    f"{_where(run)}, draw {draw}: not solved at {len(steps)} of {len(findings)} "
                    f"penetrations, first at {share:.0f} % of homes; not hosted from there"
                )
        tried = len(run.findings)
        failures += [
            f"{_where(run)}, draw {each.draw}: not solved at {each.broken_homes} homes; not hosted"
            for each in run.capacities[tried:]
            if each.end is End.NOT_SOLVED
        ]
        failures += [f"{_where(run)}, {reason}" for reason in run.reasons]
    return failures


def _where(run: LevelRun) -> str:
    return run.level.value if run.tap is None else f"{run.level.value}, tap {run.tap}"


__all__ = ["hosting_study", "plan_hosting", "run_hosting"]
