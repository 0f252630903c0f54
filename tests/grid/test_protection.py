"""Trip curves against the standards' figures, and what accumulates over the day."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.errors import ConfigurationError
from mas2sim.grid import Substation
from mas2sim.grid.protection import (
    FuseLike,
    ProtectedLimit,
    Protection,
    StandardInverse,
    protected_branches,
    trip_progress,
    tripped,
)

PRINTED_S = 6e-4
"""Relay manuals print the curve to a thousandth of a second, and some cut the digits off."""

ROUNDING = 1e-9
"""The same formula in another order of operations."""

PTU_HOURS = 0.25

FUSE = Protection(pickup_percent=100.0, curve=FuseLike(1.0))


@pytest.mark.parametrize(
    ("multiple", "seconds"), [(1.5, 17.194), (2.0, 10.029), (5.0, 4.280), (10.0, 2.971)]
)
def test_standard_inverse_as_relay_manuals_print_it(multiple: float, seconds: float) -> None:
    assert 3600 * StandardInverse().hours_to_trip(multiple) == pytest.approx(seconds, abs=PRINTED_S)
    half = StandardInverse(0.5).hours_to_trip(multiple)
    assert 2 * half == pytest.approx(StandardInverse().hours_to_trip(multiple), rel=ROUNDING)


@pytest.mark.parametrize("curve", [StandardInverse(), FuseLike()])
def test_at_or_below_pickup_nothing_trips(curve: StandardInverse | FuseLike) -> None:
    assert curve.hours_to_trip(1.0) == curve.hours_to_trip(0.3) == np.inf
    protection = Protection(pickup_percent=130.0, curve=curve)
    assert not tripped(np.full(96, 130.0), protection, PTU_HOURS).any()


def test_a_fuse_blows_after_the_textbook_time_and_not_before() -> None:
    """At twice the pickup: ln(4 / 3) of the time constant, 17.3 minutes of an hour."""
    assert FuseLike(1.0).hours_to_trip(2.0) == pytest.approx(np.log(4.0 / 3.0), rel=ROUNDING)
    minute = tripped(np.full(30, 200.0), FUSE, 1.0 / 60.0)
    assert np.flatnonzero(minute)[0] == 17
    assert minute[17:].all()


def test_a_high_overload_blows_a_fuse_at_a_constant_i2t() -> None:
    curve = FuseLike(2.0)
    high = [multiple**2 * curve.hours_to_trip(multiple) for multiple in (1e3, 1e4)]
    # The next term of the series is 1 / (2 m^2) of it.
    assert high == pytest.approx([2.0, 2.0], rel=1e-6)


@given(
    st.sampled_from([StandardInverse(900.0), FuseLike(0.7)]),
    st.floats(1.05, 4.0),
    st.integers(1, 40),
)
def test_a_constant_overload_trips_in_the_ptu_that_holds_its_time(
    curve: StandardInverse | FuseLike, multiple: float, cuts: int
) -> None:
    """The accumulation over PTUs of any length comes to the closed form of the curve."""
    hours = curve.hours_to_trip(multiple) / (cuts + 0.5)
    trips = tripped(np.full(cuts + 3, 100.0 * multiple), replace(FUSE, curve=curve), hours)
    assert trips.tolist() == [False] * cuts + [True] * 3


def test_a_relay_forgets_below_pickup_and_a_fuse_cools() -> None:
    """Two bursts that neither trips on alone, an hour apart or at once."""
    apart = np.array([110.0, 50.0, 50.0, 50.0, 110.0])
    together = np.array([110.0, 110.0, 0.0, 0.0, 0.0])
    slow = replace(FUSE, curve=StandardInverse(50.0))
    fuse = replace(FUSE, curve=FuseLike(0.2))
    warm = trip_progress(apart, fuse, PTU_HOURS)
    assert warm[3] < warm[2] < warm[1] < warm[0] < 1.0
    assert warm[3] > 0.25
    progress = trip_progress(apart, slow, PTU_HOURS)
    assert progress[1:4].tolist() == [0.0, 0.0, 0.0]
    assert progress[4] == progress[0]
    assert trip_progress(together, slow, PTU_HOURS)[1] == pytest.approx(2 * progress[0])


def test_warmth_goes_on_into_the_next_day() -> None:
    loading = np.random.default_rng(5).uniform(40.0, 130.0, 96)
    whole = trip_progress(loading, FUSE, PTU_HOURS)
    first = trip_progress(loading[:60], FUSE, PTU_HOURS)
    rest = trip_progress(loading[60:], FUSE, PTU_HOURS, start=first[-1])
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)
    cold = np.array([90.0, 120.0])
    assert not tripped(cold, FUSE, PTU_HOURS).any()
    assert tripped(cold, FUSE, PTU_HOURS, start=0.9).tolist() == [False, True]


@pytest.mark.parametrize("curve", [StandardInverse(), FuseLike()])
def test_what_could_not_be_solved_trips(curve: StandardInverse | FuseLike) -> None:
    loading = np.array([50.0, np.nan, 50.0, 50.0])
    trips = tripped(loading, Protection(curve=curve), PTU_HOURS)
    assert trips.tolist() == [False, True, True, True]


def test_what_has_tripped_stays_so() -> None:
    loading = np.array([50.0, 180.0, 10.0, 10.0])
    assert tripped(loading, Protection(), PTU_HOURS).tolist() == [False, True, True, True]
    assert tripped(np.zeros(0), Protection(), PTU_HOURS).shape == (0,)


def test_the_watched_branches_of_cardiff(cardiff: Substation) -> None:
    layout = cardiff.layout
    assert protected_branches(layout, ProtectedLimit.TRANSFORMER).tolist() == [0]
    heads = protected_branches(layout, ProtectedLimit.FEEDER)
    assert [layout.branches[index].name for index in heads] == [
        f"main_{feeder}_01" for feeder in ("north", "east", "south", "west")
    ]


def test_impossible_settings_say_why() -> None:
    with pytest.raises(ConfigurationError, match=r"protection.limit: found 'busbar'"):
        Protection(limit="busbar")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"pickup_percent: found 0"):
        Protection(pickup_percent=0.0)
    for curve in (StandardInverse, FuseLike):
        with pytest.raises(ConfigurationError, match="found -1"):
            curve(-1.0)
