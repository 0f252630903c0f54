"""The fifteen typical days."""

from __future__ import annotations

import pytest

from mas2sim.domain.typical_day import TYPICAL_DAYS, WEEK_SHARE, DayType, Season, TypicalDay


def test_five_seasons_by_three_day_types() -> None:
    assert len(TYPICAL_DAYS) == 15
    assert len({(day.season, day.day_type) for day in TYPICAL_DAYS}) == 15


def test_index_is_the_place_in_the_list() -> None:
    assert [day.index for day in TYPICAL_DAYS] == list(range(15))
    assert TypicalDay(Season.WINTER, DayType.WEEKDAY).index == 0
    assert TypicalDay(Season.AUTUMN, DayType.SUNDAY).index == 14


def test_day_types_share_the_week() -> None:
    assert sum(WEEK_SHARE.values()) == pytest.approx(1.0)
    assert set(WEEK_SHARE) == set(DayType)
