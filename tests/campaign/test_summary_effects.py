"""Effects of axes, shares of variance and pairs of axes, against closed forms and scipy."""

from collections.abc import Mapping
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f_oneway

from mas2sim.campaign.summary_effects import effects_table, pairs_table, variance_table
from mas2sim.campaign.summary_rows import MAIN_KPIS

from .summary_samples import Figures, made_up, view_of

ROUNDING = 1e-9
KPI = "self_consumption_percent"
AXES = {"season": ["winter", "summer"], "communities": [1, 3, 5]}
SUN = {"winter": -10.0, "summer": 10.0}


def additive(case: Mapping[str, object], level: str) -> dict[str, float]:
    """50, 10 more or less by season, and twice the number of communities."""
    more = 1.0 if level == "uc1" else 0.0
    value = 50.0 + SUN[str(case["season"])] + 2.0 * float(str(case["communities"])) + more
    return {KPI: value, "vm_max_pu": 1.1}


def shares(figures: Figures, axes: Mapping[str, list[str | int]] = AXES) -> pd.Series:
    table = variance_table(view_of(made_up(axes, figures, levels=("uc1",))))
    return table.frame[table.frame["kpi"] == KPI].set_index("axis")["share_percent"]


def test_effects_are_differences_from_the_mean_of_the_level() -> None:
    table = effects_table(view_of(made_up(AXES, additive, levels=("baseline", "uc1"))))
    frame = table.frame.set_index(["axis", "value", "level"])
    assert frame.index[0] == ("season", "winter", "baseline")
    assert frame.loc[("season", "summer", "uc1"), KPI] == pytest.approx(67.0)
    assert frame.loc[("season", "summer", "uc1"), f"{KPI}_effect"] == pytest.approx(10.0)
    assert frame.loc[("communities", "5", "baseline"), f"{KPI}_effect"] == pytest.approx(4.0)
    assert frame.loc[("communities", "5", "baseline"), "cases"] == 2
    assert frame["dso_payment_eur"].isna().all()
    assert list(table.frame)[:4] == ["axis", "value", "level", "cases"]
    assert set(MAIN_KPIS) <= set(table.frame)


def test_shares_of_a_sum_of_effects_leave_nothing() -> None:
    found = shares(additive)
    between_seasons, between_communities = 100.0, 32.0 / 3.0
    both = between_seasons + between_communities
    assert found["season"] == pytest.approx(100.0 * between_seasons / both)
    assert found["communities"] == pytest.approx(100.0 * between_communities / both)
    assert found["rest"] == pytest.approx(0.0, abs=ROUNDING)


def test_what_two_axes_do_only_together_is_left() -> None:
    def crossed(case: Mapping[str, object], level: str) -> dict[str, float]:
        return {KPI: SUN[str(case["season"])] * (float(str(case["communities"])) - 2.0)}

    found = shares(crossed, {"season": ["winter", "summer"], "communities": [1, 3]})
    assert found.to_dict() == pytest.approx({"season": 0.0, "communities": 0.0, "rest": 100.0})


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-100.0, 100.0), min_size=12, max_size=12, unique=True))
def test_shares_are_those_of_an_analysis_of_variance(values: list[float]) -> None:
    places = {"winter": 0, "spring": 4, "summer": 8}

    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        return {KPI: values[places[str(case["season"])] + int(str(case["seed"])) - 1]}

    axes: dict[str, list[str | int]] = {"season": list(places), "seed": [1, 2, 3, 4]}
    found = shares(figures, axes)
    groups = np.array(values).reshape(3, 4)
    if np.ptp(groups, axis=1).max() < 1e-3 or np.ptp(groups) < 1e-3:
        return
    statistic = f_oneway(*groups).statistic
    # F = (share / 2) / ((1 - share) / 9), three values and twelve cases.
    share = 2.0 * statistic / (2.0 * statistic + 9.0)
    assert found["season"] == pytest.approx(100.0 * share, abs=1e-6)
    # Every combination is there once: the axes do not overlap.
    assert found.sum() == pytest.approx(100.0, abs=1e-6)


def test_labels_without_effect_explain_their_share_by_chance() -> None:
    """Mean over all ways to deal four values to two seasons: (2 - 1) / (4 - 1) of the variance."""
    axes: dict[str, list[str | int]] = {"season": ["winter", "summer"], "seed": [1, 2]}
    places = {"winter": 0, "summer": 2}
    found = []
    for dealt in permutations((1.0, 2.0, 5.0, 11.0)):

        def figures(
            case: Mapping[str, object], level: str, dealt: tuple[float, ...] = dealt
        ) -> dict[str, float]:
            return {KPI: dealt[places[str(case["season"])] + int(str(case["seed"])) - 1]}

        table = variance_table(view_of(made_up(axes, figures, levels=("uc1",))))
        found.append(table.frame.set_index("axis")["share_percent"])
    by_chance = table.frame.set_index("axis")["chance_percent"]
    assert by_chance.to_dict() == pytest.approx(dict.fromkeys(("season", "seed", "rest"), 100 / 3))
    assert pd.concat(found, axis=1).mean(axis=1)["season"] == pytest.approx(by_chance["season"])


def test_a_figure_without_variance_has_no_shares() -> None:
    table = variance_table(view_of(made_up(AXES, additive, levels=("uc1",))))
    assert set(table.frame["kpi"]) == {KPI}


def test_as_many_axes_as_cases_leave_the_rest_unknown() -> None:
    campaign = made_up(AXES, additive, levels=("uc1",), not_ok={1: "error", 3: "error", 5: "error"})
    table = variance_table(view_of(campaign))
    frame = table.frame[table.frame["kpi"] == KPI].set_index("axis")
    assert pd.isna(frame.loc["rest", "share_percent"])
    assert "Not every combination" in table.note


def test_pairs_hold_the_mean_of_each_combination() -> None:
    axes: dict[str, list[str | int]] = {**AXES, "seed": [1, 2], "substation": list(range(13))}

    def figures(case: Mapping[str, object], level: str) -> dict[str, float]:
        return {KPI: additive(case, level)[KPI] + float(str(case["seed"]))}

    frame = pairs_table(view_of(made_up(axes, figures, levels=("baseline", "uc1")))).frame
    # Thirteen substations are too many for a map.
    assert set(zip(frame["axis_a"], frame["axis_b"], strict=True)) == {
        ("season", "communities"),
        ("season", "seed"),
        ("communities", "seed"),
    }
    assert len(frame) == 2 * (6 + 4 + 6)
    maps = frame[frame["axis_b"] == "communities"].set_index(["value_a", "value_b", "level"])
    row = maps.loc[("summer", "5", "uc1")]
    assert row["mean"] == pytest.approx(71.0 + 1.5)
    assert row["cases"] == 26
    assert row["kpi"] == KPI


def test_one_axis_has_effects_but_no_pairs() -> None:
    view = view_of(made_up({"season": ["winter", "summer"]}, additive, levels=("uc1",)))
    assert len(effects_table(view).frame) == 2
    assert pairs_table(view).frame.empty
