"""Level against level: the same cases under two levels, and how much the homes drawn decide.

A room of its own for the interval: cases are no sample of anything, sets of homes (seeds) are. So
the interval of a mean is over seeds, all cases of a seed together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mas2sim.campaign.experiment import SEED
from mas2sim.campaign.rows import LEVEL, NUMBER
from mas2sim.campaign.summary_rows import SummaryRows, as_table, better_of
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.results.study_result import Column, StudyTable

if TYPE_CHECKING:
    import pandas as pd

LEVEL_PAIRS = (
    (Level.BASELINE, Level.UC1),
    (Level.UC1, Level.UC2),
    (Level.UC2, Level.UC3),
    (Level.BASELINE, Level.UC2),
    (Level.BASELINE, Level.UC3),
)
"""Reference and level."""
AGAINST_BASELINE = (
    "bill_saving_percent",
    "peak_import_reduction_percent",
    "loss_reduction_total_percent",
    "loss_reduction_variable_percent",
)
"""Against the baseline; the baseline itself saves nothing against itself, which is 0."""
COMPARED = (
    "payment_per_home_eur",
    *AGAINST_BASELINE,
    "self_consumption_percent",
    "self_consumption_community_percent",
    "self_sufficiency_percent",
    "peak_import_kw",
    "peak_export_kw",
    "loss_kwh",
    "vm_min_pu",
    "vm_max_pu",
    "transformer_loading_max_percent",
    "line_loading_max_percent",
    "congested_ptus",
    "dso_payment_eur",
)
UNPAID = (Level.BASELINE, Level.UC1, Level.UC2)
"""Levels at which no DSO buys: it pays 0."""
SAME = 1e-9
"""Share of a figure's size, and in its unit, below which a difference is rounding."""
RESAMPLES = 2000
CONFIDENCE_PERCENT = 95.0


def level_differences_table(view: SummaryRows) -> StudyTable:
    """Differences between levels of the same case, their spread, and the interval of the mean."""
    import pandas as pd

    numbers = view.rows[NUMBER].unique()
    by_level = {
        level: part.set_index(NUMBER).reindex(numbers)
        for level, part in view.rows.groupby(LEVEL, observed=True)
    }
    seeds = _seeds(view)
    rows: list[dict[str, Any]] = []
    for reference, level in LEVEL_PAIRS:
        if not {reference.value, level.value} <= set(by_level):
            continue
        for name in COMPARED:
            before, after = (
                _figures(by_level[each.value], name, each) for each in (reference, level)
            )
            found = _compared(before, after, better_of(name), seeds)
            if found is not None:
                pair = {"reference": reference.value, "level": level.value, "kpi": name}
                rows.append({**pair, **found})
    note = (
        f"{view.behind} Level less reference, case by case, in the figure's unit (shares and "
        "reductions in points of a percent). Reductions and savings are against the baseline, "
        "whose own is 0; below uc3 the DSO pays 0. Better and worse as the KPI has it, missing "
        f"where neither direction is. {_interval_note(len(np.unique(seeds)))}"
    )
    frame = pd.DataFrame(rows) if rows else None
    return as_table("level_differences", "Level against level", note, frame, _COLUMNS)


_COLUMNS = {
    "reference": Column("Reference"),
    "level": Column("Level"),
    "kpi": Column("KPI"),
    "pairs": Column("Pairs", note="cases with the figure at both levels", decimals=0),
    "mean": Column("Mean difference", decimals=3),
    "low": Column("Interval from", note="95 %, of the mean over seeds", decimals=3),
    "high": Column("Interval to", note="95 %, of the mean over seeds", decimals=3),
    "median": Column("Median", decimals=3),
    "p5": Column("5 %", note="of the cases are below", decimals=3),
    "p95": Column("95 %", note="of the cases are below", decimals=3),
    "better_percent": Column("Better", "% of cases", decimals=1),
    "worse_percent": Column("Worse", "% of cases", decimals=1),
    "equal_percent": Column("Equal", "% of cases", "but for rounding", 1),
}


def _interval_note(seeds: int) -> str:
    if seeds < 2:
        return (
            "With one seed there is no interval: the spread over cases is that of the design, not "
            "an error of sampling."
        )
    return (
        f"Interval: {CONFIDENCE_PERCENT:g} % of the mean over {seeds} seeds, all cases of a seed "
        f"together, percentiles of {RESAMPLES:,} resamples of the seeds; with so few seeds as five "
        "it is too narrow, and it says nothing of other grids, days or tariffs."
    )


def _seeds(view: SummaryRows) -> IntArray:
    """Number of the seed of each case, shape (case); all 0 where seeds are not swept."""
    by_case = view.rows.drop_duplicates(NUMBER)
    if SEED not in view.swept:
        return np.zeros(len(by_case), dtype=np.int64)
    return np.asarray(by_case[SEED].cat.codes, dtype=np.int64)


def _figures(rows: pd.DataFrame, name: str, level: Level) -> FloatArray:
    """A figure of each case at one level, shape (case)."""
    nothing = level is Level.BASELINE and name in AGAINST_BASELINE
    if nothing or (level in UNPAID and name == "dso_payment_eur"):
        return np.zeros(len(rows))
    return np.asarray(rows[name], dtype=np.float64)


def _compared(
    before: FloatArray, after: FloatArray, better: str, seeds: IntArray
) -> dict[str, float] | None:
    """Row of one figure; None where no case has it at both levels."""
    there = np.isfinite(before) & np.isfinite(after)
    if not there.any():
        return None
    before, after, seeds = before[there], after[there], seeds[there]
    difference = after - before
    rounding = SAME * np.maximum(1.0, np.maximum(np.abs(before), np.abs(after)))
    more, less = difference > rounding, difference < -rounding
    shares = {"higher": (more, less), "lower": (less, more)}.get(better)
    good, bad = (100.0 * each.mean() for each in shares) if shares else (np.nan, np.nan)
    low, high = interval(difference, seeds)
    p5, median, p95 = np.percentile(difference, (5, 50, 95))
    return {
        "pairs": difference.size,
        "mean": float(difference.mean()),
        "low": low,
        "high": high,
        "median": float(median),
        "p5": float(p5),
        "p95": float(p95),
        "better_percent": float(good),
        "worse_percent": float(bad),
        "equal_percent": float(100.0 * (~more & ~less).mean()),
    }


def interval(values: FloatArray, clusters: IntArray) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean, whole clusters drawn.

    Of each resample the mean over all its values is taken, so clusters of unlike size count by
    their size (A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997,
    section 3.8).

    Parameters
    ----------
    values : array, shape (case)
    clusters : array, shape (case)
        Number of each value's cluster.

    Returns
    -------
    low, high : float
        NaN with fewer than two clusters.
    """
    _, places = np.unique(clusters, return_inverse=True)
    count = int(places.max()) + 1
    if count < 2:
        return float("nan"), float("nan")
    sizes, sums = np.bincount(places), np.bincount(places, weights=values)
    # The same stream for all figures: they rest on the same resamples.
    drawn = stream(0, "campaign", "seeds").integers(count, size=(RESAMPLES, count))
    resampled = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = (100.0 - CONFIDENCE_PERCENT) / 2.0
    low, high = np.percentile(resampled, (tail, 100.0 - tail))
    return float(low), float(high)
