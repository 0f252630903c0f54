"""Meter readings: what is missing or odd is marked, and nothing is mended."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.cems.meter import Gap, Mark, MeterLog, MeterRules, Reading
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon

H = Horizon()
MONDAY = datetime(2019, 1, 7)  # noqa: DTZ001 (local clock time)
EXACT = 1e-12
"""Sums and quotients of a few floats."""


def ptu(number: int) -> datetime:
    return MONDAY + timedelta(minutes=15 * number)


def readings(first: int, *powers_kw: float) -> list[Reading]:
    return [Reading(ptu(first + k), power_kw=power) for k, power in enumerate(powers_kw)]


def marks(*parts: Reading, rules: MeterRules = MeterRules()) -> list[Mark]:  # noqa: B008
    return list(MeterLog(H, rules=rules).add(parts).marks())


def test_a_complete_day_is_complete() -> None:
    log = MeterLog(H).add(readings(0, *np.linspace(0.1, 1.0, H.ptus)))
    quality = log.quality()
    assert quality.complete
    assert (quality.expected_ptus, quality.used_ptus, quality.gaps) == (96, 96, ())
    assert quality.coverage_percent == 100.0
    assert quality.marks[Mark.GOOD] == 96
    np.testing.assert_array_equal(log.days_kw()[MONDAY.date()], np.linspace(0.1, 1.0, H.ptus))


def test_energy_and_power_say_the_same() -> None:
    log = MeterLog(H).add([Reading(ptu(0), energy_kwh=0.5), Reading(ptu(1), power_kw=-2.0)])
    assert log.powers_kw() == pytest.approx((2.0, -2.0), abs=EXACT)


def test_adding_leaves_the_log_as_it_was() -> None:
    empty = MeterLog(H)
    assert len(empty.add(readings(0, 0.3)).readings) == 1
    assert empty.readings == ()
    assert empty.quality().expected_ptus == 0
    assert math.isnan(empty.quality().coverage_percent)
    assert not empty.quality().complete
    assert dict(empty.days_kw()) == {}


def test_gaps_are_told_and_stay_gaps() -> None:
    log = MeterLog(H).add([*readings(0, 0.3, 0.3), *readings(5, 0.4), *readings(96 + 3, 0.5)])
    quality = log.quality()
    assert quality.gaps == (Gap(ptu(2), 3), Gap(ptu(6), 93))
    assert (quality.expected_ptus, quality.used_ptus) == (100, 4)
    assert quality.coverage_percent == pytest.approx(4.0, abs=EXACT)
    assert not quality.complete
    first, second = log.days_kw().values()
    assert np.flatnonzero(~np.isnan(first)).tolist() == [0, 1, 5]
    assert np.flatnonzero(~np.isnan(second)).tolist() == [3]


def test_a_day_without_readings_is_there_and_empty() -> None:
    log = MeterLog(H).add([*readings(0, 0.3), *readings(2 * 96, 0.3)])
    assert list(log.days_kw()) == [date(2019, 1, 7), date(2019, 1, 8), date(2019, 1, 9)]
    assert np.isnan(log.days_kw()[date(2019, 1, 8)]).all()


def test_the_first_reading_of_a_ptu_counts() -> None:
    log = MeterLog(H).add([*readings(0, 0.3), *readings(0, 0.9)])
    assert log.marks() == (Mark.GOOD, Mark.DUPLICATE)
    assert log.days_kw()[MONDAY.date()][0] == 0.3


def test_a_clock_that_goes_back_is_marked_and_may_fill_a_gap() -> None:
    log = MeterLog(H).add([*readings(0, 0.1), *readings(4, 0.4), *readings(2, 0.2, 0.3, 0.5)])
    expected = (Mark.GOOD, Mark.GOOD, Mark.BACKWARDS, Mark.BACKWARDS, Mark.DUPLICATE)
    assert log.marks() == expected
    assert log.days_kw()[MONDAY.date()][:5].tolist() == pytest.approx(
        [0.1, math.nan, 0.2, 0.3, 0.4], nan_ok=True, abs=EXACT
    )


def test_what_the_connection_cannot_carry_is_not_used() -> None:
    log = MeterLog(H).add(readings(0, 23.0, 23.1, -23.1, math.nan, math.inf))
    not_used = [Mark.IMPOSSIBLE, Mark.IMPOSSIBLE, Mark.NOT_A_NUMBER, Mark.NOT_A_NUMBER]
    assert list(log.marks()) == [Mark.GOOD, *not_used]
    assert log.quality().gaps == (Gap(ptu(1), 4),)


def test_a_later_reading_replaces_an_impossible_one() -> None:
    log = MeterLog(H).add([*readings(0, 400.0), *readings(0, 0.4)])
    assert log.marks() == (Mark.IMPOSSIBLE, Mark.GOOD)
    assert log.days_kw()[MONDAY.date()][0] == 0.4


@pytest.mark.parametrize(
    ("late_s", "mark"), [(0, Mark.GOOD), (60, Mark.GOOD), (-60, Mark.GOOD), (61, Mark.OFF_CLOCK)]
)
def test_a_time_off_the_ptu_is_not_guessed(late_s: int, mark: Mark) -> None:
    assert marks(Reading(ptu(8) + timedelta(seconds=late_s), power_kw=0.3)) == [mark]


def test_a_time_just_before_midnight_belongs_to_the_next_day() -> None:
    log = MeterLog(H).add([Reading(ptu(96) - timedelta(seconds=30), power_kw=0.7)])
    assert log.days_kw()[date(2019, 1, 8)][0] == 0.7


def test_an_outlier_by_hand() -> None:
    """Deviations 0 to 0.4 of a median of 1: the MAD is 0.2, so 3.5 means 3.5 x 0.2 / 0.6745."""
    others = [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
    rules = MeterRules(least_mad_kw=0.01)
    limit_kw = 1.0 + 3.5 * 0.2 / 0.6745

    def last(power_kw: float) -> Mark:
        daily = [Reading(ptu(96 * day), power_kw=p) for day, p in enumerate([*others, power_kw])]
        return marks(*daily, rules=rules)[-1]

    assert last(limit_kw - 0.001) is Mark.GOOD
    assert last(limit_kw + 0.001) is Mark.OUTLIER


def test_an_outlier_is_used_all_the_same() -> None:
    days = [Reading(ptu(96 * day), power_kw=9.0 if day == 3 else 0.3) for day in range(8)]
    log = MeterLog(H).add(days)
    assert log.marks()[3] is Mark.OUTLIER
    assert log.days_kw()[date(2019, 1, 10)][0] == 9.0
    assert log.quality().marks[Mark.OUTLIER] == 1


def test_few_days_judge_nobody() -> None:
    few = [Reading(ptu(96 * day), power_kw=9.0 if day == 3 else 0.3) for day in range(6)]
    assert set(marks(*few)) == {Mark.GOOD}


def test_an_idle_hour_makes_no_outlier_of_a_lamp() -> None:
    lamp = [Reading(ptu(96 * day), power_kw=0.2 if day == 3 else 0.1) for day in range(20)]
    assert set(marks(*lamp)) == {Mark.GOOD}


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(-30, 30)), max_size=60))
def test_every_reading_is_counted_once(data: list[tuple[int, float]]) -> None:
    log = MeterLog(H).add([Reading(ptu(n), power_kw=p) for n, p in data])
    quality = log.quality()
    assert sum(quality.marks.values()) == len(data)
    assert quality.expected_ptus == quality.used_ptus + sum(gap.ptus for gap in quality.gaps)
    used = sum(int((~np.isnan(day)).sum()) for day in log.days_kw().values())
    assert used == quality.used_ptus


def test_a_reading_that_says_nothing_or_too_much_is_refused() -> None:
    with pytest.raises(ConfigurationError) as told:
        Reading(MONDAY.replace(tzinfo=UTC), power_kw=1.0, energy_kwh=0.25)
    assert [fault.where for fault in told.value.faults] == ["reading.at", "reading"]
    with pytest.raises(ConfigurationError, match="neither"):
        Reading(MONDAY)


def test_rules_are_checked_together() -> None:
    with pytest.raises(ConfigurationError) as told:
        MeterRules(connection_kw=-1.0, outlier_score=math.nan, least_days=0, clock_tolerance_s=-1.0)
    wrong = ["connection_kw", "outlier_score", "least_days", "clock_tolerance_s"]
    assert [fault.where for fault in told.value.faults] == [f"meter.{name}" for name in wrong]
