"""The cyclic day: PTUs, clock and windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon

LENGTHS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60]
horizons = st.sampled_from(LENGTHS).map(Horizon)


@pytest.mark.parametrize(
    ("minutes", "ptus", "hours", "seconds"),
    [(15, 96, 0.25, 900), (30, 48, 0.5, 1800), (60, 24, 1.0, 3600), (5, 288, 1 / 12, 300)],
)
def test_length_of_a_ptu(minutes: int, ptus: int, hours: float, seconds: int) -> None:
    horizon = Horizon(minutes)

    assert horizon.ptus == ptus
    assert horizon.ptu_hours == hours
    assert horizon.ptu_seconds == seconds


def test_default_is_a_quarter_of_an_hour() -> None:
    assert Horizon() == Horizon(15)


@pytest.mark.parametrize("minutes", [0, -15, 7, 45, 90, 120, 1440])
def test_length_that_does_not_divide_an_hour_is_a_fault(minutes: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Horizon(minutes)

    (fault,) = caught.value.faults
    assert fault.where == "ptu_minutes"
    assert fault.found == str(minutes)
    assert "15" in fault.remedy


@pytest.mark.parametrize("minutes", LENGTHS)
def test_ptus_fill_the_day(minutes: int) -> None:
    horizon = Horizon(minutes)

    assert horizon.ptus * horizon.ptu_seconds == 24 * 3600
    assert horizon.start_hours.shape == (horizon.ptus,)
    assert horizon.start_hours[0] == 0.0
    assert np.diff(horizon.start_hours) == pytest.approx(horizon.ptu_hours)


@pytest.mark.parametrize(
    ("hour", "ptu"),
    [(0.0, 0), (0.2, 0), (0.25, 1), (11.0, 44), (15.1, 60), (23.99, 95), (24.0, 0), (25.5, 6)],
)
def test_ptu_at_clock_time(hour: float, ptu: int) -> None:
    assert Horizon().ptu_at(hour) == ptu


def test_ptu_at_is_not_misled_by_rounding() -> None:
    # 3 x 0.1 h is 0.30000000000000004 h and 0.7 h / 0.1 h is 6.999...: both must land on the PTU.
    horizon = Horizon(6)

    assert [horizon.ptu_at(step * 0.1) for step in range(240)] == list(range(240))
    assert horizon.ptu_at(0.7) == 7


@given(horizons, st.data())
def test_ptu_at_inverts_start_hours(horizon: Horizon, data: st.DataObject) -> None:
    ptu = data.draw(st.integers(0, horizon.ptus - 1))

    assert horizon.ptu_at(float(horizon.start_hours[ptu])) == ptu


@pytest.mark.parametrize(
    ("ptu", "clock"), [(0, "00:00"), (1, "00:15"), (62, "15:30"), (95, "23:45"), (96, "00:00")]
)
def test_clock(ptu: int, clock: str) -> None:
    assert Horizon().clock(ptu) == clock


def test_window_within_the_day() -> None:
    assert Horizon(60).window(11, 14).tolist() == [11, 12, 13]


def test_window_round_midnight() -> None:
    assert Horizon(60).window(22, 2).tolist() == [22, 23, 0, 1]


def test_equal_ends_mean_the_whole_day() -> None:
    assert Horizon(60).window(5, 5).tolist() == [*range(5, 24), *range(5)]
    assert Horizon(60).window_length(0, 0) == 24


@given(horizons, st.data())
def test_window_and_its_rest_make_the_day(horizon: Horizon, data: st.DataObject) -> None:
    ends = st.integers(0, horizon.ptus - 1)
    start, end = data.draw(ends), data.draw(ends)
    window, mask = horizon.window(start, end), horizon.mask(start, end)

    assert len(window) == horizon.window_length(start, end) == mask.sum()
    assert len(set(window.tolist())) == len(window)
    assert mask[window].all()
    assert window[0] == start
    assert (window[-1] + 1) % horizon.ptus == end
    if start != end:
        assert (mask ^ horizon.mask(end, start)).all()
