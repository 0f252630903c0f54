"""Sums by which a community tells the DSO what its members will draw, and none tells of one home.

A room of its own because privacy has a price here. The DSO wants the power behind each feeder; a
sum over fewer than five homes must not leave the aggregator (D6.1, C.1.3). So members behind small
feeders are told in one sum, which the DSO attributes to feeders by the number of homes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.flexibility import FEWEST_HOMES
from mas2sim.market.contracts import CongestionRegister


@dataclass(frozen=True, slots=True)
class PrognosisGroup:
    """Members whose power is told as one sum.

    Parameters
    ----------
    members : tuple of int
        Homes, ascending.
    shares : mapping of str to float
        Share of them behind each feeder, of those right at the transformer under its name; adds
        up to 1.
    """

    members: tuple[int, ...]
    shares: Mapping[str, float]


def prognosis_groups(
    register: CongestionRegister, members: Sequence[int]
) -> tuple[PrognosisGroup, ...]:
    """Group a community's members by feeder, and merge groups until none is too small.

    As long as the smallest group has fewer than `FEWEST_HOMES` homes it is merged with the next
    smallest, of equals with the one whose feeder comes first.

    Returns
    -------
    tuple of PrognosisGroup
        In the order of the first congestion point that they have a home behind.

    Raises
    ------
    ConfigurationError
        When the community as a whole is too small.
    """
    distinct = sorted(set(members))
    if len(distinct) < FEWEST_HOMES:
        found, allowed = f"a community of {len(distinct)} homes", f"at least {FEWEST_HOMES}"
        raise ConfigurationError([Fault("members", found, allowed)])
    place = {point: index for index, point in enumerate(register.points)}
    behind: dict[str, list[int]] = {}
    for home in distinct:
        behind.setdefault(register.points_of(home)[-1], []).append(home)
    groups = [(place[point], homes) for point, homes in behind.items()]
    while True:
        groups.sort(key=lambda group: (len(group[1]), group[0]))
        if len(groups[0][1]) >= FEWEST_HOMES:
            break
        (first, homes), (second, others), *rest = groups
        groups = [(min(first, second), homes + others), *rest]
    return tuple(_group(register, homes) for _, homes in sorted(groups))


def attribution(register: CongestionRegister, groups: Sequence[PrognosisGroup]) -> FloatArray:
    """Share of each group's power that goes through each congestion point, shape (point, group).

    By it, sums told for groups become power at the points: ``attribution @ group_kw``.
    """
    shares = np.array(
        [[group.shares.get(point, 0.0) for group in groups] for point in register.points]
    )
    shares[0] = 1.0
    return shares


def _group(register: CongestionRegister, homes: Sequence[int]) -> PrognosisGroup:
    count = Counter(register.points_of(home)[-1] for home in homes)
    shares = {point: count[point] / len(homes) for point in register.points if point in count}
    return PrognosisGroup(tuple(sorted(homes)), shares)
