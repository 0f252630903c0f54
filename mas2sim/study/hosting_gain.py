"""What each level hosts more than baseline, and markets more than homes alone, tap by tap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Column
from mas2sim.study.hosting_plan import HostingPlan
from mas2sim.study.hosting_question import MARKET_LEVELS
from mas2sim.study.hosting_risk import RISKS_PERCENT, HostingGain, hosting_gain
from mas2sim.study.hosting_run import LevelRun

GAIN_COLUMNS: Mapping[str, Column] = {
    "tap": Column("tap position", note="Empty where the grid's own position is kept."),
    "level": Column("level"),
    "reference": Column("against"),
    "risk_percent": Column("risk", "%", decimals=0),
    "gain_percent": Column("gain", "%", "(H - H_ref) / H_ref at the risk.", 1),
    "low_percent": Column("interval from", "%", "Bootstrap; empty where H_ref is 0 in any.", 1),
    "high_percent": Column("interval to", "%", "Bootstrap; empty where H_ref is 0 in any.", 1),
    "mean_gain_percent": Column("mean of the draws' own gains", "%", "H_ref of 0 left out.", 1),
    "mean_more": Column("hosted more"),
    "at_least": Column("censored", note="One of both is known only as at least."),
    "draws": Column("draws", decimals=0),
    "undefined_draws": Column("draws with H_ref = 0", decimals=0),
    "undefined_resamples": Column("resamples with H_ref = 0", decimals=0),
}


def gain_rows(plan: HostingPlan, runs: Sequence[LevelRun]) -> list[dict[str, Any]]:
    """Rows of the table of gains."""
    rows = []
    for run, reference in _pairs(runs):
        for risk in RISKS_PERCENT:
            found = paired_gain(plan, run, reference, risk)
            rows.append(
                {
                    "tap": run.tap,
                    "level": run.level.value,
                    "reference": reference.level.value,
                    "risk_percent": risk,
                    "gain_percent": 100.0 * found.gain,
                    "low_percent": 100.0 * found.low,
                    "high_percent": 100.0 * found.high,
                    "mean_gain_percent": 100.0 * found.mean_gain,
                    "mean_more": found.mean_difference,
                    "at_least": any(each.at_least(plan, risk) for each in (run, reference)),
                    "draws": len(run.capacities),
                    "undefined_draws": len(run.capacities) - found.mean_draws,
                    "undefined_resamples": found.undefined,
                }
            )
    return rows


def paired_gain(
    plan: HostingPlan, run: LevelRun, reference: LevelRun, risk_percent: int
) -> HostingGain:
    """Gain of one level against another, by size; all gains rest on the same resamples."""
    setup = plan.grids[0].setup
    rng: np.random.Generator = stream(setup.seed, setup.substation, "hosting", "bootstrap")
    return hosting_gain(run.hosted_kw(plan), reference.hosted_kw(plan), risk_percent, rng)


def _pairs(runs: Sequence[LevelRun]) -> Iterator[tuple[LevelRun, LevelRun]]:
    """Each level with what it is held against at the same tap position."""
    for run in runs:
        wanted = [Level.BASELINE] if run.level is not Level.BASELINE else []
        wanted += [Level.UC1] if run.level in MARKET_LEVELS else []
        for level in wanted:
            for reference in runs:
                if reference.level is level and reference.tap == run.tap:
                    yield run, reference
