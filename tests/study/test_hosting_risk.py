"""What is hosted at a risk, and the bootstrap of gains, by hand and by the definition."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.study.hosting_capacity import DrawCapacity, End
from mas2sim.study.hosting_plan import HostingPlan
from mas2sim.study.hosting_risk import RISKS_PERCENT, at_risk, hosting_gain
from mas2sim.study.hosting_run import LevelRun

ROUNDING = 1e-12
"""Of a few products and quotients of numbers near 1."""

SAMPLES = st.lists(st.integers(0, 50), min_size=1, max_size=120)


def gain(level: list[float], reference: list[float], risk: int = 5):  # type: ignore[no-untyped-def]
    return hosting_gain(np.array(level), np.array(reference), risk, stream(1, "test"))


def test_of_a_hundred_draws_five_may_be_in_violation() -> None:
    capacities = np.arange(100.0)[::-1]
    assert at_risk(capacities, 5) == 5.0
    assert at_risk(capacities, 50) == 50.0
    assert at_risk(capacities, 95) == 95.0


@given(SAMPLES, st.sampled_from(RISKS_PERCENT))
def test_it_is_the_greatest_amount_at_which_no_more_than_the_risk_is_broken(
    sample: list[int], risk: int
) -> None:
    hosted = int(at_risk(np.array(sample, dtype=float), risk))

    def broken_percent(amount: int) -> float:
        return 100.0 * sum(each < amount for each in sample) / len(sample)

    assert broken_percent(hosted) <= risk
    assert broken_percent(hosted + 1) > risk


def test_a_constant_gain_has_an_interval_without_width() -> None:
    reference = [float(value) for value in range(10, 110)]
    found = gain([1.12 * value for value in reference], reference)
    for value in (found.gain, found.low, found.high, found.mean_gain):
        assert value == pytest.approx(0.12, abs=ROUNDING)
    assert found.undefined == 0
    assert found.mean_difference == pytest.approx(0.12 * np.mean(reference), rel=ROUNDING)


def test_draws_are_resampled_in_pairs() -> None:
    """Two draws, the better one twice as good at the level: only three resamples are possible."""
    found = gain([10.0, 40.0], [10.0, 20.0], risk=50)
    # The upper of two: 40 / 20; both the lower: 10 / 10; both the upper: 40 / 20.
    assert found.gain == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((0.0, 1.0))
    assert found.mean_gain == pytest.approx(0.5)


def test_the_same_stream_gives_the_same_interval() -> None:
    rng = np.random.default_rng(3)
    level, reference = rng.gamma(3.0, 10.0, 100).tolist(), rng.gamma(3.0, 9.0, 100).tolist()
    assert gain(level, reference) == gain(level, reference)
    assert gain(level, reference).low <= gain(level, reference).gain <= gain(level, reference).high


def test_without_a_reference_there_is_no_gain() -> None:
    found = gain([5.0, 6.0, 7.0], [0.0, 0.0, 2.0])
    assert math.isnan(found.gain)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.undefined > 0
    assert (found.mean_draws, found.mean_gain) == (1, 2.5)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40))
def test_against_itself_nothing_is_gained(sample: list[int]) -> None:
    found = gain([float(each) for each in sample], [float(each) for each in sample])
    assert (found.gain, found.low, found.high, found.mean_difference) == (0.0, 0.0, 0.0, 0.0)


def test_a_size_that_hangs_on_a_draw_without_a_limit_is_at_least() -> None:
    """The first draw ends at one large plant, the second fills two homes with small ones."""
    ends = [(1, End.LIMIT), (2, End.TOP)]
    capacities = tuple(
        DrawCapacity(draw, homes, None, 0, end, None) for draw, (homes, end) in enumerate(ends)
    )
    run = LevelRun(Level.BASELINE, None, capacities, ())
    orders, sizes_kw = np.array([[0, 1, 2], [1, 2, 0]]), np.array([10.0, 1.0, 1.0])
    plan = cast("HostingPlan", SimpleNamespace(orders=orders, sizes_kw=sizes_kw))
    assert at_risk(run.homes, 5) == 1.0
    assert at_risk(run.hosted_kw(plan), 5) == 2.0
    assert run.at_least(plan, 5)
    alone = LevelRun(Level.BASELINE, None, capacities[:1], ())
    assert not alone.at_least(plan, 95)
