"""A study in its folder: whole, read back instead of run again, refused in a wrong place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.results.study_result import Column, StudyResult, StudyTable
from mas2sim.study.keep import KeptStudy, keep_study


def study(value: float = 1.5) -> StudyResult:
    frame = pd.DataFrame({"asset": ["cable"], "hours": [value]})
    columns = {"asset": Column("Asset"), "hours": Column("Hours", "h")}
    return StudyResult("example", "Example", [], [], [StudyTable("t", "T", "", frame, columns)])


def kept(out: Path, value: float = 1.5, *, force: bool = False, **settings: Any) -> KeptStudy:
    return keep_study("example", ["seed=3"], settings, lambda: study(value), out=out, force=force)


def hours(found: KeptStudy) -> list[float]:
    values: list[float] = found.result.table("t").frame["hours"].tolist()
    return values


def test_a_study_that_is_there_is_read_back_unless_it_is_forced(tmp_path: Path) -> None:
    out = tmp_path / "study"
    first, again = kept(out, draws=3), kept(out, 9.0, draws=3)
    assert (first.kept, again.kept) == (False, True)
    assert hours(first) == hours(again) == [1.5]
    assert first.result.provenance["plan_hash"]
    forced = kept(out, 9.0, force=True, draws=3)
    assert (forced.kept, hours(forced)) == (False, [9.0])


def test_another_question_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    kept(tmp_path / "study", draws=3)
    with pytest.raises(ConfigurationError, match="result folder"):
        kept(tmp_path / "study", draws=4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused_wherever_it_stands(tmp_path: Path, value: float) -> None:
    with pytest.raises(ConfigurationError) as error:
        kept(tmp_path / "study", price=value, rules={"least_hours": value, "most": 4})
    assert [fault.where for fault in error.value.faults] == ["price", "least_hours"]
    assert not (tmp_path / "study").exists()
