"""Where the operating limit binds: overall, by axis, and by scenario and season together."""

from collections.abc import Mapping

import numpy as np
import pytest

from mas2sim.campaign.summary_limits import binding_table

from .summary_samples import made_up, view_of

AXES = {"smart": ["bau", "green"], "season": ["winter", "summer"], "substation": [1, 2, 3]}


def congested(case: Mapping[str, object], level: str) -> dict[str, float]:
    """It binds in the green winters of substations 2 and 3; in 3 the DSO cannot buy enough."""
    if level != "uc3":
        return {}
    place = int(str(case["substation"]))
    binds = case["smart"] == "green" and case["season"] == "winter" and place > 1
    return {
        "congested_before_ptus": 4.0 * place if binds else 0.0,
        "congested_ptus": 2.0 if binds and place == 3 else 0.0,
        "dso_payment_eur": 1.5 * place if binds else 0.0,
        "curtailed_kwh": 0.0,
    }


def test_shares_are_counted_by_axis_and_in_pairs() -> None:
    frame = binding_table(view_of(made_up(AXES, congested))).frame
    assert len(frame) == 1 + 2 + 2 + 3 + 4
    overall = frame.iloc[0]
    assert (overall["axis"], overall["cases"], overall["binding_cases"]) == ("all", 12, 2)
    assert overall["binding_percent"] == pytest.approx(100.0 * 2.0 / 12.0)
    by_axis = frame[frame["axis_b"] == ""].set_index(["axis", "value"])
    assert by_axis.loc[("substation", "1"), "binding_percent"] == 0.0
    assert by_axis.loc[("substation", "3"), "binding_percent"] == 25.0
    assert by_axis.loc[("smart", "green"), "binding_percent"] == pytest.approx(100.0 / 3.0)
    both = frame[frame["axis_b"] == "season"].set_index(["value", "value_b"])
    assert set(frame.loc[frame["axis_b"] == "season", "axis"]) == {"smart"}
    assert both.loc[("green", "winter"), "binding_percent"] == pytest.approx(200.0 / 3.0)
    assert both.loc[("green", "summer"), "binding_percent"] == 0.0


def test_payments_and_ptus_are_means_where_it_binds() -> None:
    frame = binding_table(view_of(made_up(AXES, congested))).frame
    overall = frame.iloc[0]
    assert overall["congested_before_ptus"] == pytest.approx(10.0)
    assert overall["congested_ptus"] == pytest.approx(1.0)
    assert overall["kept_percent"] == pytest.approx(50.0)
    assert overall["dso_payment_eur"] == pytest.approx(3.75)
    unbound = frame[(frame["axis"] == "substation") & (frame["value"] == "1")].iloc[0]
    assert np.isnan(unbound["dso_payment_eur"])
    assert np.isnan(unbound["kept_percent"])


def test_without_uc3_nothing_is_said() -> None:
    table = binding_table(view_of(made_up(AXES, congested, levels=("baseline", "uc2"))))
    assert table.frame.empty
    assert "No case has level uc3" in table.note
