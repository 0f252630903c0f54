"""The summary of a campaign as a whole, and its tables by scenario and by case."""

from collections.abc import Mapping

import pandas as pd
import pytest

from mas2sim.campaign import Campaign, campaign_summary
from mas2sim.campaign.experiment import Sample
from mas2sim.campaign.summary import TABLES
from mas2sim.results.study_result import StudyResult

from .summary_samples import FOUR, made_up

ROUNDING = 1e-12
HOMES = {1: 10.0, 2: 30.0}
BILLS = {1: 20.0, 2: 45.0}
PAID = {"baseline": 1.0, "uc1": 0.9, "uc2": 0.8, "uc3": 0.8}
"""Share of the bills that is paid at each level, in substation 1; in 2 nothing is saved."""


def day(case: Mapping[str, object], level: str) -> dict[str, float]:
    """Two substations, of which only the small one saves; losses fall by 6 % at uc1."""
    place = int(str(case["substation"]))
    share = PAID[level] if place == 1 else 1.0
    losses = {"baseline": 10.0, "uc1": 9.4, "uc3": 9.0}.get(level, 11.0)
    above = level != "baseline"
    market = level in ("uc2", "uc3")
    return {
        "homes_count": HOMES[place],
        "homes_flexible_count": HOMES[place] / 2.0,
        "standing_charge_eur": 0.5 * HOMES[place],
        "bill_eur": BILLS[place],
        "payment_eur": BILLS[place] * share,
        "energy_import_kwh": 100.0 * place,
        "loss_line_kwh": losses - 5.0,
        "loss_transformer_load_kwh": 1.0,
        "loss_transformer_no_load_kwh": 4.0,
        "loss_percent": losses / 2.0,
        "vm_max_pu": 1.05 + 0.01 * place,
        "self_consumption_percent": 50.0,
        **({"bill_saving_percent": 100.0 * (1.0 - share)} if above else {}),
        **({"loss_reduction_total_percent": 10.0 * (10.0 - losses)} if above else {}),
        **({"homes_changed_count": HOMES[place] / 10.0} if above else {}),
        **({"local_trade_kwh": 15.0} if market else {}),
        **({"congested_before_ptus": 4.0 * (place == 1)} if level == "uc3" else {}),
        **({"congested_ptus": 0.0, "dso_payment_eur": 3.0} if level == "uc3" else {}),
    }


AXES = {"smart": ["b", "a"], "substation": [1, 2], "season": ["winter", "summer"]}


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return made_up(AXES, day)


@pytest.fixture(scope="module")
def summary(campaign: Campaign) -> StudyResult:
    return campaign_summary(campaign)


def row_of(result: StudyResult, table: str, **wanted: object) -> pd.Series:
    frame = result.table(table).frame
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, wanted
    return frame.iloc[0]


def test_every_table_is_there_once_and_says_how_many_cases_it_rests_on(
    summary: StudyResult,
) -> None:
    names = [table.name for table in summary.tables]
    assert len(names) == len(set(names)) == len(TABLES) + 2
    assert summary.kind == "campaign"
    for table in summary.tables:
        assert table.note.startswith(("8 cases.", "0 of 8 cases"))
    hidden = {table.name for table in summary.tables if not table.shown}
    assert hidden == {"pairs", "fans", "failed"}


def test_bills_and_savings_are_ratios_of_sums(summary: StudyResult) -> None:
    row = row_of(summary, "by_scenario", smart="a", level="uc1")
    assert row["cases"] == 4
    # Per home, not per case: 40 homes paid 65 EUR, 2 of them less under uc1.
    assert row["bill_eur"] == pytest.approx(65.0 / 40.0, abs=ROUNDING)
    assert row["payment_per_home_eur"] == pytest.approx(63.0 / 40.0, abs=ROUNDING)
    # Standing charges of 20 EUR are no bill that can be saved.
    assert row["saving_percent"] == pytest.approx(100.0 * 2.0 / 45.0, abs=ROUNDING)
    assert row["loss_kwh"] == pytest.approx(9.4, abs=ROUNDING)
    assert row["loss_reduction_total_percent"] == pytest.approx(6.0, abs=ROUNDING)
    assert pd.isna(row_of(summary, "by_scenario", smart="a", level="baseline")["saving_percent"])


def test_rows_come_in_the_order_of_the_experiment(summary: StudyResult) -> None:
    frame = summary.table("by_scenario").frame
    assert frame["smart"].tolist() == ["b"] * 4 + ["a"] * 4
    assert frame["level"].tolist() == list(FOUR) * 2


def test_an_axis_that_is_not_swept_is_called_all() -> None:
    summary = campaign_summary(made_up({"substation": [1, 2]}, day))
    assert set(summary.table("by_scenario").frame["smart"]) == {"all"}
    assert set(summary.table("participation").frame["flexibility"]) == {"all"}


def test_without_standing_charges_the_saving_is_the_mean_over_cases() -> None:
    older = made_up(AXES, day, without=["standing_charge_eur", "homes_count"])
    summary = campaign_summary(older)
    row = row_of(summary, "by_scenario", smart="a", level="uc1")
    assert row["saving_percent"] == pytest.approx(5.0, abs=ROUNDING)
    assert pd.isna(row["payment_per_home_eur"])
    assert "mean of the cases' own savings" in summary.table("by_scenario").note
    assert any("without counts of homes" in note for note in summary.notes)


def test_participation_counts_homes_not_cases(summary: StudyResult) -> None:
    row = row_of(summary, "participation", smart="b", level="uc2")
    assert row["homes_count"] == pytest.approx(20.0)
    assert row["homes_flexible_percent"] == pytest.approx(50.0)
    assert row["homes_changed_percent"] == pytest.approx(20.0)
    assert row["homes_changed_of_all_percent"] == pytest.approx(10.0)
    assert row["local_trade_percent"] == pytest.approx(10.0)
    assert pd.isna(row["homes_changed_vs_uc1_percent"])


def test_cases_that_are_not_ok_are_in_no_mean_but_in_every_note() -> None:
    broken = made_up(AXES, day, not_ok={0: "crashed", 1: "error", 3: "error"}, done=7)
    summary = campaign_summary(broken)
    assert row_of(summary, "by_scenario", smart="b", level="uc1")["cases"] == 1
    for table in summary.tables[:-1]:
        assert table.note.startswith("4 cases; left out: 3 not ok and 1 not done."), table.name
    assert summary.failures == [
        "2 cases error, e.g. case1: because it is error",
        "1 case crashed, e.g. case0: because it is crashed",
    ]
    failed = summary.table("failed")
    assert failed.shown
    assert failed.frame["case"].tolist() == ["case0", "case1", "case3"]
    assert failed.frame["command"].str.contains("mas2sim run").all()
    assert summary.unfinished == "1 of 8 cases are not done yet."
    assert summary.headlines[0].value == "4"
    assert any("Not every combination" in note for note in summary.notes)


def test_headlines_say_savings_losses_and_where_the_limit_binds(summary: StudyResult) -> None:
    found = {each.label: each for each in summary.headlines}
    assert found["Saved, uc1"].value == "4.44"
    assert found["Less losses, uc1"].value == "6.00"
    assert "100 % of cases within the 5 to 8 %" in found["Less losses, uc1"].note
    # Ten percent more, and ten percent less.
    for level in ("uc2", "uc3"):
        assert "; 0 % of cases within the 5 to 8 %" in found[f"Less losses, {level}"].note
    assert found["Operating limit binds"].value == "50.0"
    assert "Saved, baseline" not in found


def test_a_sample_is_called_one() -> None:
    summary = campaign_summary(made_up(AXES, day, done=5, sample=Sample(5, 1)))
    assert any("sample of 5 cases" in note for note in summary.notes)


@pytest.mark.parametrize("levels", [("baseline",), ("uc1",), ("uc1", "uc2"), ("uc3", "central")])
def test_few_levels_are_enough(levels: tuple[str, ...]) -> None:
    def one(case: Mapping[str, object], level: str) -> Mapping[str, float]:
        return day(case, "uc2" if level == "central" else level)

    summary = campaign_summary(made_up({"substation": [1, 2]}, one, levels=levels))
    assert summary.table("by_scenario").frame["level"].tolist() == list(levels)
    if "uc3" not in levels:
        assert summary.table("binding").frame.empty
        assert "uc3" in summary.table("binding").note


def test_no_axis_and_no_figures_leave_empty_tables_with_their_reason() -> None:
    one = campaign_summary(made_up({}, day))
    assert one.table("effects").frame.empty
    assert one.table("by_scenario").frame["cases"].tolist() == [1] * 4
    nothing = campaign_summary(
        made_up({"substation": [1, 2]}, day, not_ok={0: "error", 1: "error"})
    )
    for table in nothing.tables[:-1]:
        assert table.frame.empty, table.name
        assert table.note.startswith("0 cases; left out: 2 not ok.")
    assert [each.label for each in nothing.headlines] == ["Cases ok"]


def test_best_and_worst_cases_come_with_their_command() -> None:
    def rising(case: Mapping[str, object], level: str) -> dict[str, float]:
        seed = float(str(case["seed"]))
        saving = {} if level == "baseline" else {"bill_saving_percent": seed}
        return {"vm_max_pu": 1.0 + seed / 100.0, **saving}

    campaign = made_up({"seed": list(range(1, 13))}, rising, levels=("baseline", "uc1"))
    frame = campaign_summary(campaign).table("best_and_worst").frame
    assert set(frame["level"]) == {"uc1"}
    saving = frame[frame["kpi"] == "bill_saving_percent"]
    assert saving["value"].tolist() == [12, 11, 10, 9, 8, 1, 2, 3, 4, 5]
    assert saving["end"].tolist() == ["best"] * 5 + ["worst"] * 5
    assert saving["rank"].tolist() == [1, 2, 3, 4, 5] * 2
    first = saving.iloc[0]
    assert first["command"] == "mas2sim run ties=random 'levels=[baseline,uc1]' seed=12"
    assert first["case"] == "case11"
    assert first["what"] == "seed 12"
    highest = frame[frame["kpi"] == "vm_max_pu"]
    assert highest["value"].tolist()[5] == pytest.approx(1.12)


def test_three_cases_have_one_best_and_one_worst() -> None:
    def rising(case: Mapping[str, object], level: str) -> dict[str, float]:
        return {"bill_saving_percent": float(str(case["seed"]))}

    campaign = made_up({"seed": [1, 2, 3]}, rising, levels=("uc1",))
    frame = campaign_summary(campaign).table("best_and_worst").frame
    assert frame["value"].tolist() == [3.0, 1.0]


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    campaign = made_up({"substation": [1, 2]}, day)
    campaign_summary(campaign, progress=lambda *each: told.append(each))
    assert told[0][1:] == (0, len(TABLES))
    assert told[-1][1:] == (len(TABLES), len(TABLES))
