"""Communities: every home in exactly one, of equal size, the same for the same seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.community import Community, membership, partition


@given(
    homes=st.integers(1, 200),
    communities=st.integers(1, 7),
    seed=st.integers(0, 2**32),
    substation=st.integers(1, 6),
)
def test_every_home_is_in_exactly_one_community(
    homes: int, communities: int, seed: int, substation: int
) -> None:
    parts = partition(homes, communities, seed=seed, substation=substation)

    assert len(parts) == communities
    assert sorted(home for part in parts for home in part.members) == list(range(homes))
    sizes = [len(part.members) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(list(part.members) == sorted(part.members) for part in parts)
    assert len({part.name for part in parts}) == communities


def test_same_seed_same_communities() -> None:
    assert partition(184, 3, seed=1, substation=2) == partition(184, 3, seed=1, substation=2)


@pytest.mark.parametrize(("seed", "substation"), [(2, 2), (1, 3)])
def test_seed_and_substation_change_the_communities(seed: int, substation: int) -> None:
    assert partition(184, 3, seed=1, substation=2) != partition(
        184, 3, seed=seed, substation=substation
    )


def test_order_of_dealing_does_not_depend_on_the_number_of_communities() -> None:
    # Six communities halve each of three: 180 homes are 6 x 30 in the same order as 3 x 60.
    three = partition(180, 3, seed=1, substation=1)
    six = partition(180, 6, seed=1, substation=1)

    for index, community in enumerate(three):
        halves = six[2 * index].members + six[2 * index + 1].members
        assert set(halves) == set(community.members)


def test_members_are_not_neighbours_by_number() -> None:
    # The list of homes follows the street: a community of consecutive numbers would be a feeder.
    first = partition(180, 3, seed=1, substation=1)[0].members

    assert first != tuple(range(60))


def test_membership_names_the_community_of_each_home() -> None:
    parts = (Community("community_1", (0, 3)), Community("community_2", (1, 2)))

    assert membership(parts) == {
        0: "community_1",
        1: "community_2",
        2: "community_2",
        3: "community_1",
    }
