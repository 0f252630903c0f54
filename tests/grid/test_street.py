import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.grid.street import along, corners

METRE_TOLERANCE = 1e-9
"""Coordinates are sums of a few lengths below 1e4 m: rounding stays below 1e-11 m."""


def test_places_by_hand() -> None:
    street = corners([(90, 10), (0, 20)])  # east, then north
    np.testing.assert_allclose(street, [[0, 0], [10, 0], [10, 20]], atol=METRE_TOLERANCE)
    places = along(street, np.array([4.0, 10.0, 15.0]), np.array([3.0, 0.0, -2.0]))
    np.testing.assert_allclose(places, [[4, -3], [10, 0], [8, 5]], atol=METRE_TOLERANCE)


legs = st.lists(
    st.tuples(st.floats(0, 359), st.floats(1, 500)),
    min_size=1,
    max_size=6,
)


@given(legs, st.floats(0, 1), st.floats(-30, 30))
def test_a_place_is_its_offset_away_from_the_street(
    pieces: list[tuple[float, float]], share: float, offset_m: float
) -> None:
    street = corners(pieces)
    distance = np.array([share * sum(length for _, length in pieces)])
    on, beside = along(street, distance, np.zeros(1)), along(street, distance, np.array([offset_m]))
    assert abs(np.hypot(*(beside - on)[0]) - abs(offset_m)) < METRE_TOLERANCE
