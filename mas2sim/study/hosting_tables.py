"""The tables of a hosting study: at a risk, gained, by criterion, over penetration, by draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mas2sim.domain.arrays import FloatArray
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.study.hosting_capacity import DrawCapacity, End
from mas2sim.study.hosting_finding import NOT_SOLVED, Finding
from mas2sim.study.hosting_gain import GAIN_COLUMNS, gain_rows
from mas2sim.study.hosting_plan import HostingPlan
from mas2sim.study.hosting_risk import CONFIDENCE_PERCENT, RESAMPLES, RISKS_PERCENT, at_risk
from mas2sim.study.hosting_run import LevelRun

Row = dict[str, Any]
SPREAD_PERCENT = (5, 50, 95)
TAP = Column("tap position", note="Empty where the grid's own position is kept.")
LEVEL = Column("level")
DRAWS = Column("draws", decimals=0)


def hosting_tables(plan: HostingPlan, runs: Sequence[LevelRun]) -> tuple[StudyTable, ...]:
    """All tables, the most important first."""
    return (
        _risk_table(plan, runs),
        _gain_table(plan, runs),
        _criterion_table(plan, runs),
        _curve_table(plan, runs),
        _draw_table(plan, runs),
    )


def binding_share(capacities: Sequence[DrawCapacity]) -> str:
    """What ended the draws, with the share of draws, the most frequent first."""
    ended: dict[str, int] = {}
    for each in capacities:
        name = " and ".join(each.binding) if each.binding else "nothing up to the top"
        ended[name] = ended.get(name, 0) + 1
    ranked = sorted(ended.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {100.0 * count / len(capacities):.0f} %" for name, count in ranked)


def _risk_table(plan: HostingPlan, runs: Sequence[LevelRun]) -> StudyTable:
    rows = []
    for run in runs:
        homes, hosted_kw = run.homes, run.hosted_kw(plan)
        ends = [each.end for each in run.capacities]
        for risk in RISKS_PERCENT:
            at_homes = float(at_risk(homes, risk))
            rows.append(
                {
                    "tap": run.tap,
                    "level": run.level.value,
                    "risk_percent": risk,
                    "hosted_kw": float(at_risk(hosted_kw, risk)),
                    "hosted_homes": int(at_homes),
                    "hosted_percent": 100.0 * at_homes / len(plan.adopted),
                    "at_least": run.at_least(plan, risk),
                    "binding": binding_share(run.capacities),
                    "draws": len(run.capacities),
                    "base_broken": ends.count(End.BASE_LOAD),
                    "never_broken": ends.count(End.TOP),
                    "not_solved": ends.count(End.NOT_SOLVED),
                }
            )
    facts = plan.facts
    columns = {
        "tap": TAP,
        "level": LEVEL,
        "risk_percent": Column("risk", "%", "Draws in violation at this amount, at most.", 0),
        "hosted_kw": Column("hosted", facts.unit, f"Sum of the {facts.size}.", 1),
        "hosted_homes": Column("hosted", "homes", "Homes with the technology.", 0),
        "hosted_percent": Column("hosted", "% of homes", "Share of all homes.", 1),
        "at_least": Column("at least", note="It hangs on draws without a limit up to the top."),
        "binding": Column("ended by", note="Limits broken at the first violation, of all draws."),
        "draws": DRAWS,
        "base_broken": Column("draws at 0", note="The base load alone breaks a limit.", decimals=0),
        "never_broken": Column("draws to the top", note="No limit broke.", decimals=0),
        "not_solved": Column(
            "draws not solved", note="Ended by a flow or world without a solution.", decimals=0
        ),
    }
    note = (
        f"{plan.question.draws} draws. Hosted at a risk of r %: the greatest amount at which at "
        "most r % of the draws are in violation. A draw is in violation from its first violation "
        "on. Homes and size are ranked each for themselves."
    )
    frame = pd.DataFrame(rows, columns=list(columns))
    return StudyTable("risk", f"How much {facts.label} is hosted", note, frame, columns)


def _gain_table(plan: HostingPlan, runs: Sequence[LevelRun]) -> StudyTable:
    note = (
        f"(H - H_ref) / H_ref, H by size ({plan.facts.unit}), draws paired; "
        f"{CONFIDENCE_PERCENT:g} % interval from {RESAMPLES:,} resamples of the draws. Empty where "
        "H_ref is 0. The seeds speak of +12 to +15 % for renewable generation."
    )
    frame = pd.DataFrame(gain_rows(plan, runs), columns=list(GAIN_COLUMNS))
    columns = {
        **GAIN_COLUMNS,
        "mean_more": Column(
            "hosted more", plan.facts.unit, "Mean over all draws of the difference.", 2
        ),
    }
    return StudyTable("gain", "What a level hosts more", note, frame, columns)


def _criterion_table(plan: HostingPlan, runs: Sequence[LevelRun]) -> StudyTable:
    rows: list[Row] = []
    for run in runs:
        for criterion in plan.limits.criteria:
            homes = [
                each.by_criterion[criterion]
                for each in run.capacities
                if criterion in each.by_criterion
            ]
            if not homes:
                continue
            hosted = np.array(homes, dtype=np.float64)
            row: Row = {
                "tap": run.tap,
                "level": run.level.value,
                "criterion": criterion.value,
                "limit": plan.limits.stated(criterion),
            }
            for risk in RISKS_PERCENT:
                share = 100.0 * float(at_risk(hosted, risk)) / len(plan.adopted)
                row[f"hosted_percent_{risk}"] = share
            row["never_broken"] = int((hosted >= plan.steps[-1]).sum())
            row["draws"] = len(homes)
            rows.append(row)
    columns = {
        "tap": TAP,
        "level": LEVEL,
        "criterion": Column("criterion"),
        "limit": Column("limit"),
        **{
            f"hosted_percent_{risk}": Column(f"hosted at {risk} % risk", "% of homes", decimals=1)
            for risk in RISKS_PERCENT
        },
        "never_broken": Column("draws to the top", note="It broke at no step.", decimals=0),
        "draws": DRAWS,
    }
    note = (
        "If this criterion were the only one; at whole steps of penetration, so coarser than the "
        "capacities above. What was not solved counts as broken. Levels of a market are judged by "
        "all criteria together only."
    )
    frame = pd.DataFrame(rows, columns=list(columns))
    return StudyTable("criteria", "What each criterion alone would host", note, frame, columns)


def _curve_table(plan: HostingPlan, runs: Sequence[LevelRun]) -> StudyTable:
    names = [str(criterion) for criterion in plan.limits.criteria]
    rows = [_curve_row(plan, run, step, names) for run in runs for step in range(len(plan.steps))]
    spread = ", ".join(map(str, SPREAD_PERCENT))
    columns = {
        "tap": TAP,
        "level": LEVEL,
        "penetration_percent": Column("penetration", "% of homes", decimals=1),
        "homes": Column("homes", decimals=0),
        "mean_kw": Column("size", plan.facts.unit, "Mean over draws.", 1),
        "in_violation_percent": Column(
            "in violation", "% of draws", "First violation at or below this penetration.", 1
        ),
        **{
            f"{name}_percent": Column(
                name.replace("_", " "), "% of draws", "Broken at just this penetration.", 1
            )
            for name in names
        },
        "not_solved_percent": Column("not solved", "% of draws", decimals=1),
        **{
            f"{side}_v_{rank}": Column(
                f"{words} voltage, {rank} %", "V", f"Percentiles {spread} of the solved draws.", 1
            )
            for side, words in (("high", "greatest"), ("low", "least"))
            for rank in SPREAD_PERCENT
        },
    }
    note = (
        f"{plan.question.draws} draws at each penetration. Levels of a market have the share in "
        "violation alone: their draws are bisected, not tried at all penetrations."
    )
    frame = pd.DataFrame(rows, columns=list(columns))
    return StudyTable("curves", "Over penetration", note, frame, columns)


def _curve_row(plan: HostingPlan, run: LevelRun, step: int, names: Sequence[str]) -> Row:
    homes = plan.steps[step]
    sizes = plan.sizes_kw[plan.orders[:, :homes]].sum(axis=1)
    ended = [
        each.broken_homes is not None and each.broken_homes <= homes for each in run.capacities
    ]
    row: Row = {
        "tap": run.tap,
        "level": run.level.value,
        "penetration_percent": 100.0 * homes / len(plan.adopted),
        "homes": homes,
        "mean_kw": float(sizes.mean()),
        "in_violation_percent": 100.0 * float(np.mean(ended)),
    }
    if len(run.findings) < len(run.capacities):
        return row
    found = [findings[step] for findings in run.findings]
    for name in names:
        row[f"{name}_percent"] = _share(found, name)
    row["not_solved_percent"] = _share(found, NOT_SOLVED)
    for side in ("high", "low"):
        volts = np.array([getattr(each, f"{side}_v") for each in found if each.solved])
        for rank, value in zip(SPREAD_PERCENT, _spread(volts), strict=True):
            row[f"{side}_v_{rank}"] = value
    return row


def _share(findings: Sequence[Finding], name: str) -> float:
    return 100.0 * sum(name in each.broken for each in findings) / len(findings)


def _spread(values: FloatArray) -> list[float]:
    if not len(values):
        return [float("nan")] * len(SPREAD_PERCENT)
    spread: list[float] = np.percentile(values, SPREAD_PERCENT).tolist()
    return spread


def _draw_table(plan: HostingPlan, runs: Sequence[LevelRun]) -> StudyTable:
    unit = plan.facts.unit
    rows: list[Row] = []
    for run in runs:
        for each, hosted_kw in zip(run.capacities, run.hosted_kw(plan).tolist(), strict=True):
            first = each.first
            rows.append(
                {
                    "tap": run.tap,
                    "level": run.level.value,
                    "draw": each.draw,
                    "hosted_homes": each.homes,
                    "hosted_percent": 100.0 * each.homes / len(plan.adopted),
                    "hosted_kw": hosted_kw,
                    "end": each.end.value,
                    "broken": " and ".join(each.binding),
                    "broken_homes": each.broken_homes,
                    "kept_again": each.returns,
                    "high_v": None if first is None else first.high_v,
                    "low_v": None if first is None else first.low_v,
                    "line_percent": None if first is None else first.line_percent,
                    "transformer_percent": None if first is None else first.transformer_percent,
                    "unbalance_percent": None if first is None else first.unbalance_percent,
                    "export_kw": None if first is None else first.export_kw,
                    "curtailed_kwh": None if first is None else first.curtailed_kwh,
                }
            )
    at_first = "At the first violation."
    columns = {
        "tap": TAP,
        "level": LEVEL,
        "draw": Column("draw", decimals=0),
        "hosted_homes": Column("hosted", "homes", decimals=0),
        "hosted_percent": Column("hosted", "% of homes", decimals=1),
        "hosted_kw": Column("hosted", unit, decimals=1),
        "end": Column("ended by", note="limit, base load, top (at least), or not solved."),
        "broken": Column("limits broken", note=at_first),
        "broken_homes": Column("first violation", "homes", decimals=0),
        "kept_again": Column("kept again", note="All limits are kept at a later step."),
        "high_v": Column("greatest voltage", "V", at_first),
        "low_v": Column("least voltage", "V", at_first),
        "line_percent": Column("line loading", "%", at_first, 1),
        "transformer_percent": Column("transformer loading", "%", at_first, 1),
        "unbalance_percent": Column("unbalance", "%", at_first),
        "export_kw": Column("feed-in of all connections", "kW", at_first, 1),
        "curtailed_kwh": Column("curtailed", "kWh", at_first),
    }
    frame = pd.DataFrame(rows, columns=list(columns))
    note = "One row a draw, level and tap position; the same draw is the same order of homes."
    return StudyTable("draws", "Draw by draw", note, frame, columns, shown=False)
