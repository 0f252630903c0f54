"""What is computed of a level once and read by many KPIs."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.typical_day import Level
from mas2sim.results import KPIS, CaseRecord, kpi_table
from mas2sim.results.kpi_definition import CaseLevel, levels_of, once_a_level


@pytest.fixture(scope="module")
def record(toy: ModuleType) -> CaseRecord:
    made: CaseRecord = toy.synthetic_record(tuple(Level), markets=True)
    return made


def test_a_kpi_is_the_same_alone_as_among_all_others(record: CaseRecord) -> None:
    """Bit for bit: what others have asked for before changes nothing, in whatever order."""
    table = kpi_table(record)
    for kpi in reversed(KPIS):
        alone = [kpi.compute(CaseLevel(record, index)) for index in range(len(record.levels))]
        for found, expected in zip(table[kpi.name], alone, strict=True):
            missing = found is None or found != found
            assert missing if expected is None or expected != expected else found == expected


def test_levels_of_a_case_compute_a_value_once_each(record: CaseRecord) -> None:
    asked: list[Level] = []

    @once_a_level
    def total_kw(case: CaseLevel) -> FloatArray:
        asked.append(case.level)
        return np.asarray(case.net_kw.sum(axis=0))

    levels = levels_of(record)
    assert [case.level for case in levels] == list(record.levels)
    for case in levels:
        baseline = case.at(Level.BASELINE)
        assert baseline is not None
        total_kw(baseline)
        assert (total_kw(case) == record.net_kw[case.index].sum(axis=0)).all()
    assert asked == list(record.levels)


def test_what_is_known_of_a_record_is_not_told_of_another(record: CaseRecord) -> None:
    """A level given another record does not remember the first one's powers."""
    case = CaseLevel(record, 1)
    before_kw = case.total_kw
    doubled = dataclasses.replace(record, net_kw=2.0 * record.net_kw)
    assert dataclasses.replace(case, record=doubled).total_kw == pytest.approx(2.0 * before_kw)


def test_what_is_kept_cannot_be_written_to(record: CaseRecord) -> None:
    case = CaseLevel(record, 1)
    with pytest.raises(ValueError, match="read-only"):
        case.drawn_kw[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        record.generation_kw[0] = 0.0


def test_levels_that_were_not_run_are_not_there(toy: ModuleType) -> None:
    case = CaseLevel(toy.synthetic_record((Level.BASELINE, Level.UC1)), 1)
    baseline = case.at(Level.BASELINE)
    assert baseline is not None
    assert baseline.level is Level.BASELINE
    assert case.at(Level.CENTRAL) is None
    assert case.against(Level.UC1) is None
