"""Where the buses of a grid are drawn: at their places, or as a tree where they have none."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridLayout


def positions(layout: GridLayout) -> FloatArray:
    """Places of the buses on a drawing, shape (bus, 2).

    A grid of which any bus has no place is drawn as a tree: from left to right by the number of
    branches to a bus where the grid begins, and from top to bottom by the order of the ends.
    """
    own = np.array([(bus.x_m, bus.y_m) for bus in layout.buses], dtype=np.float64).reshape(-1, 2)
    if np.isfinite(own).all() and np.ptp(own, axis=0).any():
        return own
    return _tree(layout)


def _tree(layout: GridLayout) -> FloatArray:
    index = {bus.name: number for number, bus in enumerate(layout.buses)}
    near: list[list[int]] = [[] for _ in layout.buses]
    fed = set()
    for branch in layout.branches:
        one, other = index[branch.from_bus], index[branch.to_bus]
        near[one].append(other)
        near[other].append(one)
        fed.add(other)
    places = np.full((len(layout.buses), 2), np.nan)
    row = 0.0
    starts = [bus for bus in range(len(near)) if bus not in fed]
    for start in [*starts, *range(len(near))]:
        if np.isnan(places[start, 0]):
            row = _place_tree(start, near, places, row)
    return places


def _place_tree(start: int, near: list[list[int]], places: FloatArray, row: float) -> float:
    """Place what hangs together with `start`; the next free row."""
    places[start, 0] = 0.0
    order, children = [start], dict[int, list[int]]()
    for bus in order:
        fresh = [each for each in dict.fromkeys(near[bus]) if np.isnan(places[each, 0])]
        children[bus] = fresh
        places[fresh, 0] = places[bus, 0] + 1.0
        order.extend(fresh)
    # Ends get rows of their own, from the first branch to the last; the others lie between theirs.
    stack = [start]
    while stack:
        bus = stack.pop()
        if not children[bus]:
            places[bus, 1] = -row
            row += 1.0
        stack.extend(reversed(children[bus]))
    for bus in reversed(order):
        if children[bus]:
            places[bus, 1] = places[children[bus], 1].mean()
    return row
