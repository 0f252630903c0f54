"""Rows of a campaign: tables put together in one order, with one kind for a column."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.campaign.plan import PlannedCase
from mas2sim.campaign.rows import CaseStatus, Rows, failed_rows, finished_rows, gathered, joined
from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi import KPIS, WORDS

LEVELS = (Level.BASELINE, Level.UC1, Level.UC3)


def rows_of(number: int, **columns: str | float) -> Rows:
    planned = PlannedCase(number, f"case {number}", (), {"season": "winter", **columns})
    return failed_rows(planned, LEVELS, CaseStatus.ERROR, "no reason", 0.0)


@given(st.permutations(range(5)))
def test_rows_are_by_case_and_level_however_they_come(order: list[int]) -> None:
    table = joined([gathered([rows_of(number)]) for number in order]).to_pandas()
    assert table["number"].tolist() == [number for number in range(5) for _ in LEVELS]
    assert table["level"].tolist() == [level.value for level in LEVELS] * 5
    assert (table["case"] == "case " + table["number"].astype(str)).all()
    at_once = gathered([rows_of(number) for number in order])
    pd.testing.assert_frame_equal(table, at_once.to_pandas())


def test_levels_keep_their_order_whatever_the_alphabet_says() -> None:
    backwards = {name: list(values)[::-1] for name, values in rows_of(1).items()}
    assert gathered([backwards])["level"].to_pylist() == ["baseline", "uc1", "uc3"]


def test_a_table_joined_again_is_the_same() -> None:
    table = gathered([rows_of(2), rows_of(1)])
    assert joined([table[3:], table[:3]]).equals(table)


def test_an_axis_of_numbers_and_words_becomes_words() -> None:
    mixed = [rows_of(1, limit="none"), rows_of(2, limit=250), rows_of(3, limit=2.5)]
    for table in (gathered(mixed), joined([gathered([rows]) for rows in mixed])):
        assert table["limit"].to_pylist() == ["none"] * 3 + ["250"] * 3 + ["2.5"] * 3
    numbers = joined([gathered([rows]) for rows in mixed[1:]])
    assert numbers["limit"].to_pylist() == [250.0] * 3 + [2.5] * 3


def test_columns_have_the_same_kind_with_figures_and_without() -> None:
    whole_numbers = {**rows_of(1), "rounds": [1, 2, 3], "regime_worst": ["green"] * 3}
    with_figures, without = gathered([whole_numbers]), gathered([rows_of(1)])
    assert with_figures.schema == without.schema
    assert without["rounds"].null_count == 3
    table = without.to_pandas()
    assert table["rounds"].dtype == np.float64
    assert table["number"].dtype == np.int64
    assert table["regime_worst"].dtype == object


def test_rows_of_a_case_hold_its_figures_each_in_its_column() -> None:
    figures = {kpi.name: [100.0 * place, -place / 3] for place, kpi in enumerate(KPIS)}
    figures |= {name: ["green", None] for name in WORDS} | {"rounds": [4, 5]}
    kpi = pd.DataFrame({"level": ["baseline", "uc1"], "status": "ok", **figures})
    rows = finished_rows(PlannedCase(3, "case 3", (), {}), kpi, 0.5)
    assert {name: rows[name] for name in figures} == figures
    assert rows["case_s"] == [0.5, 0.5]
    assert rows["case_status"] == ["ok", "ok"]
