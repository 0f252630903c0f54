"""Energy communities: who is a member of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.randomness import stream


@dataclass(frozen=True, slots=True)
class Community:
    """Homes with a contract with the same aggregator.

    Parameters
    ----------
    name : str
        Name of the community, unique in its substation.
    members : tuple of int
        Indices of the member homes in the substation's list, ascending.
    """

    name: str
    members: tuple[int, ...]


def partition(homes: int, communities: int, *, seed: int, substation: int) -> tuple[Community, ...]:
    """Split `homes` homes into communities of equal size, give or take one.

    The order in which homes are dealt out depends on seed and substation only, not on the number of
    communities.
    """
    order = stream(seed, substation, "communities").permutation(homes)
    return tuple(
        Community(f"community_{index + 1}", tuple(sorted(int(home) for home in members)))
        for index, members in enumerate(np.array_split(order, communities))
    )


def membership(communities: Sequence[Community]) -> dict[int, str]:
    """Name of the community of each home index."""
    return {home: community.name for community in communities for home in community.members}
