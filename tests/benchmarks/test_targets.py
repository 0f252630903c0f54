"""A table of figures says what is met, and nothing that was not measured counts as met."""

import math

import pytest

from benchmarks._targets import Figure, print_table


@pytest.mark.parametrize(
    ("value", "met"), [(1.0, True), (2.0, True), (2.1, False), (math.nan, False)]
)
def test_at_most(value: float, met: bool) -> None:
    assert Figure("time", "time [ms]", value, at_most=2.0).met is met


@pytest.mark.parametrize(("value", "met"), [(98.0, True), (97.9, False), (math.nan, False)])
def test_at_least(value: float, met: bool) -> None:
    assert Figure("share", "share [%]", value, at_least=98.0).met is met


def test_without_a_target_nothing_is_missed() -> None:
    assert Figure("seen", "seen", math.nan).met


def test_table_ends_with_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Figure("gap", "gap [%]", 0.05, at_most=0.15)
    missed = Figure("ratio", "ratio", 3.0, at_least=20.0, spec=".1f")
    assert not print_table([kept, missed])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["gap", "[%]", "0.050", "<=", "0.15", "met"]
    assert lines[1].split() == ["ratio", "3.0", ">=", "20", "missed"]
    assert lines[2] == "gap=0.050 ratio=3.0 targets_met=0"
    assert print_table([kept])
