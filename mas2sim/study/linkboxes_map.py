"""The most telling day of a study of link boxes on a map: as switched, and with the tie open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridLayout
from mas2sim.grid.linked import LINK_STATES, LinkedPair, LinkState
from mas2sim.results.study_result import GridDay
from mas2sim.study.grid_days import bus_voltages_v
from mas2sim.study.linkboxes_day import LinkDay
from mas2sim.study.linkboxes_year import LinkYear


def telling_day(years: Sequence[LinkYear]) -> LinkDay:
    """The day on which most is saved, of the tie and level that save most in a year."""
    best = max(years, key=lambda year: year.total(lambda day: float(day.saved_kwh.sum())))
    return max(best.days, key=lambda day: float(day.saved_kwh.sum()))


def map_layout(pair: LinkedPair) -> GridLayout:
    """Places of both substations and of the tie between them."""
    return pair.substations[LinkState.TIED].layout


def map_days(
    pair: LinkedPair, day: LinkDay, p_kw: FloatArray, q_kvar: FloatArray
) -> tuple[GridDay, GridDay]:
    """The day as the schedule switches it, and with the tie open.

    Parameters
    ----------
    p_kw, q_kvar : array, shape (ptu, connection)
        Power drawn at the connections of both substations.

    Returns
    -------
    GridDay, GridDay
        What is switched off and a tie that is open are loaded with nothing.
    """
    seen = [_seen(pair, state, p_kw, q_kvar) for state in LINK_STATES]
    ptus = np.arange(day.horizon.ptus)
    name = f"{day.day.name}, {day.level.value}, tie {day.tie.name}"
    switched, still = (
        GridDay(
            name=f"{name} {how}",
            clock_h=day.horizon.start_hours,
            loading_percent=np.stack([each[0] for each in seen])[states, ptus],
            low_v=np.stack([each[1] for each in seen])[states, ptus],
            high_v=np.stack([each[2] for each in seen])[states, ptus],
        )
        for how, states in (("as switched", day.states), ("open", np.zeros_like(day.states)))
    )
    return switched, still


def _seen(
    pair: LinkedPair, state: LinkState, p_kw: FloatArray, q_kvar: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Loading by the map's branches, and least and greatest voltage of buses, in one state."""
    flow, here = pair.solve(state, p_kw, q_kvar).grid, pair.substations[state].layout
    place = {branch.name: index for index, branch in enumerate(map_layout(pair).branches)}
    loading = np.zeros((len(p_kw), len(place)))
    loading[:, [place[branch.name] for branch in here.branches]] = flow.loading_percent
    return loading, *bus_voltages_v(here, flow)
