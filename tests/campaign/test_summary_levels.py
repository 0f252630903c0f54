"""Level against level: paired differences, and the interval over seeds."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.campaign.summary_levels import RESAMPLES, interval, level_differences_table

from .summary_samples import FOUR, Figures, made_up, view_of

ROUNDING = 1e-9
SUBSTATIONS = {"substation": [1, 2, 3, 4]}


def differences(
    figures: Figures, axes: Mapping[str, list[str | int]], levels: Sequence[str] = FOUR
) -> pd.DataFrame:
    table = level_differences_table(view_of(made_up(axes, figures, levels=levels)))
    return table.frame.set_index(["reference", "level", "kpi"])


def peaks(case: Mapping[str, object], level: str) -> dict[str, float]:
    """Peaks of 10, 20, 30, 40 kW; uc1 takes 1 kW of the first three and adds 1 to the last."""
    place = int(str(case["substation"]))
    step = {"baseline": 0.0, "uc1": -1.0 if place < 4 else 1.0}.get(level, 0.0)
    reduction = {} if level == "baseline" else {"peak_import_reduction_percent": -step * 10.0}
    paid = {"dso_payment_eur": 2.0 * place} if level == "uc3" else {}
    return (
        {"peak_import_kw": 10.0 * place + step, "vm_max_pu": 1.0 - step / 100.0} | reduction | paid
    )


def test_differences_are_paired_and_lower_peaks_are_better() -> None:
    row = differences(peaks, SUBSTATIONS).loc[("baseline", "uc1", "peak_import_kw")]
    assert row["pairs"] == 4
    assert row["mean"] == pytest.approx(-0.5)
    assert row["median"] == pytest.approx(-1.0)
    assert row["p95"] == pytest.approx(np.percentile([-1.0, -1.0, -1.0, 1.0], 95))
    assert (row["better_percent"], row["worse_percent"], row["equal_percent"]) == (75.0, 25.0, 0.0)
    assert np.isnan(row["low"])
    assert np.isnan(row["high"])


def test_a_reduction_of_the_baseline_against_itself_is_nothing() -> None:
    found = differences(peaks, SUBSTATIONS)
    row = found.loc[("baseline", "uc1", "peak_import_reduction_percent")]
    assert row["mean"] == pytest.approx(5.0)
    assert row["better_percent"] == 75.0
    back = found.loc[("uc1", "uc2", "peak_import_reduction_percent")]
    assert back["mean"] == pytest.approx(-5.0)


def test_below_uc3_the_dso_pays_nothing() -> None:
    found = differences(peaks, SUBSTATIONS)
    row = found.loc[("uc2", "uc3", "dso_payment_eur")]
    assert (row["mean"], row["worse_percent"]) == (5.0, 100.0)
    assert ("uc1", "uc2", "dso_payment_eur") in found.index
    assert found.loc[("uc1", "uc2", "dso_payment_eur")]["equal_percent"] == 100.0


def test_no_direction_of_a_voltage_is_better() -> None:
    row = differences(peaks, SUBSTATIONS).loc[("baseline", "uc1", "vm_max_pu")]
    assert np.isnan(row["better_percent"])
    assert row["equal_percent"] == 0.0


def test_rounding_is_no_difference() -> None:
    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        return {"peak_import_kw": 300.0 + (1e-11 if level == "uc1" else 0.0)}

    row = differences(figures, SUBSTATIONS).loc[("baseline", "uc1", "peak_import_kw")]
    assert row["equal_percent"] == 100.0


def test_only_pairs_of_levels_that_were_run_and_cases_with_both_figures() -> None:
    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        lost = case["substation"] == 2 and level == "uc2"
        return {} if lost else {"peak_import_kw": 1.0}

    found = differences(figures, SUBSTATIONS, levels=("uc1", "uc2", "central"))
    assert list(found.index) == [
        ("uc1", "uc2", "peak_import_kw"),
        ("uc1", "uc2", "dso_payment_eur"),
    ]
    assert found["pairs"].tolist() == [3, 4]


def test_the_interval_is_over_seeds_and_the_note_says_so() -> None:
    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        by_seed = float(str(case["seed"])) if level == "uc1" else 0.0
        return {"peak_import_kw": by_seed + (0.5 if case["substation"] == 2 else -0.5)}

    campaign = made_up({"substation": [1, 2], "seed": [1, 3]}, figures, levels=("baseline", "uc1"))
    table = level_differences_table(view_of(campaign))
    row = table.frame.iloc[0]
    # Of two seeds both resamples are of one seed in a quarter of the draws: the whole range.
    assert (row["low"], row["mean"], row["high"]) == pytest.approx((1.0, 2.0, 3.0))
    assert "over 2 seeds" in table.note
    alone = made_up({"substation": [1, 2]}, figures, levels=("baseline", "uc1"))
    assert "With one seed there is no interval" in level_differences_table(view_of(alone)).note


def test_the_interval_is_that_of_all_resamples_of_three_clusters() -> None:
    """Twenty-seven equally likely draws: the lowest and highest have a share of 1/27 each."""
    values = np.array([1.0, 2.0, 4.0, 4.0, 9.0, 9.0, 12.0])
    clusters = np.array([0, 0, 1, 1, 2, 2, 2])
    means = []
    for drawn in product(range(3), repeat=3):
        chosen = np.concatenate([values[clusters == each] for each in drawn])
        means.append(chosen.mean())
    assert interval(values, clusters) == pytest.approx((min(means), max(means)))
    # Both ends are drawn often enough to be the percentiles, whatever the stream.
    assert 0.025 + 3.0 * np.sqrt(0.025 / RESAMPLES) < 1.0 / 27.0


def test_clusters_count_by_their_size() -> None:
    """Six clusters, one of which has twenty values of 1, the others one 0 each.

    It is drawn k times with the binomial chance of 6 draws at 1/6: never in 33 %, more than three
    times in 0.9 %, more than twice in 6.2 %. So the interval is that of k = 0 and k = 3.
    """
    values = np.array([0.0] * 5 + [1.0] * 20)
    clusters = np.array([0, 1, 2, 3, 4] + [5] * 20)
    assert interval(values, clusters) == pytest.approx((0.0, 60.0 / 63.0))


def test_many_clusters_have_nearly_a_normal_interval() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(5.0, 2.0, size=400)
    low, high = interval(values, np.arange(400))
    half = 1.96 * values.std() / np.sqrt(400)
    # Percentiles of 2,000 draws are some 5 % of the width uncertain.
    assert (high - low) / (2.0 * half) == pytest.approx(1.0, abs=0.1)
    assert (high + low) / 2.0 == pytest.approx(values.mean(), abs=0.1 * half)


@given(
    st.lists(st.tuples(st.floats(-50.0, 50.0), st.integers(0, 3)), min_size=2, max_size=12),
    st.floats(-10.0, 10.0),
)
def test_an_interval_moves_with_its_values_and_knows_no_names(
    pairs: list[tuple[float, int]], shift: float
) -> None:
    values = np.array([value for value, _ in pairs])
    clusters = np.array([cluster for _, cluster in pairs])
    low, high = interval(values, clusters)
    if len(set(clusters.tolist())) < 2:
        assert np.isnan(low)
        assert np.isnan(high)
        return
    assert values.min() - ROUNDING <= low <= high <= values.max() + ROUNDING
    assert interval(values + shift, 10 * clusters + 7) == pytest.approx(
        (low + shift, high + shift), abs=1e-8
    )
