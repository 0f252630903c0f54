"""A grid so small that what it hosts is known by hand: one cable, some homes at its end.

Each home draws and feeds in through the same resistance, so voltages follow from the closed form
of a resistive line: V1 = V2 + R I, I = P / V2.
"""

from __future__ import annotations

import math

import numpy as np

from mas2sim.domain.arrays import IntArray
from mas2sim.domain.grid_state import Bus
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.typical_day import Level
from mas2sim.grid import BatchPowerFlow, Connection, Line, Network, Source, connect
from mas2sim.study.hosting_homes import PowerBank
from mas2sim.study.hosting_placement import step_homes

HOMES, PTUS = 20, 4
R_OHM = 0.05
SOURCE_V = 400.0 / math.sqrt(3.0)
WIDE = GridLimits(1e6, 1e6, 100.0, 400.0, 1e6, 100.0)
"""Limits that nothing here reaches."""


def cable(
    *, phase: str = "abc", rating_a: float = 200.0, unbalanced: bool = True
) -> BatchPowerFlow:
    """A stiff source, 50 milliohm, and all homes at the far end, on one phase or on three."""
    network = Network(
        name="cable",
        buses=(Bus("near", 0.4, 0.0, 0.0), Bus("far", 0.4, 100.0, 0.0)),
        lines=(Line("line", "near", "far", 100.0, R_OHM, 0.0, rating_a, r0_ohm=R_OHM, x0_ohm=0.0),),
        transformers=(),
        sources=(Source("near"),),
    )
    homes = [Connection(f"h{home}", "far", phase) for home in range(HOMES)]
    return BatchPowerFlow(connect(network, homes, WIDE), unbalanced=unbalanced)


def bank(*, base_kw: float, plant_kw: float) -> PowerBank:
    """Each home draws `base_kw`, and `plant_kw` less with the technology in the third PTU."""
    without = np.full((1, PTUS, HOMES), base_kw)
    with_plant = without.copy()
    with_plant[0, 2] -= plant_kw
    none = np.zeros_like(without)
    return PowerBank((Level.BASELINE,), without, none, with_plant, none)


def in_turn(draws: int = 1) -> IntArray:
    """Homes one after the other, beginning with another one in each draw."""
    return np.array([np.roll(np.arange(HOMES), -draw) for draw in range(draws)])


def far_v(import_kw: float, phases: int = 3) -> float:
    """Voltage at the far end, phase to neutral, by the closed form. [V]"""
    watt = 1000.0 * import_kw / phases
    return (SOURCE_V + math.sqrt(SOURCE_V**2 - 4.0 * R_OHM * watt)) / 2.0


def steps(count: int = 10) -> tuple[int, ...]:
    return step_homes(HOMES, count, 100.0)
