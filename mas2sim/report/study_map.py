"""The map of a study: the grid coloured by class at one time of one day, with a slider over time.

The page's script colours it anew at each move, so only values are in the page, not drawings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.report.grid_map import (
    HOME_SIZE,
    JOINT_SIZE,
    LOADING_CLASSES,
    LONE_SIZE,
    MANY_BUSES,
    ROOM_CLASSES,
    UNKNOWN,
    ColourClass,
)
from mas2sim.report.positions import positions
from mas2sim.results.study_result import GridDay, StudyResult


def map_values(result: StudyResult) -> dict[str, Any] | None:
    """Everything that the script draws the map from; None where there is no map.

    Voltages are in tenths of a volt and loadings in tenths of a percent, as integers: a day of a
    substation is half a megabyte that way.
    """
    layout = result.layout
    if layout is None or not result.days:
        return None
    place = positions(layout)
    index = {bus.name: number for number, bus in enumerate(layout.buses)}
    many = len(layout.buses) > MANY_BUSES
    homes = set(layout.home_bus)
    return {
        "buses": [
            {
                "name": bus.name,
                "x": _rounded(place[number, 0]),
                "y": _rounded(place[number, 1]),
                "size": _size(many, bus.name in homes),
            }
            for number, bus in enumerate(layout.buses)
        ],
        "branches": [
            {
                "name": branch.name,
                "kind": branch.kind,
                "ends": [index[branch.from_bus], index[branch.to_bus]],
                "rating": f"{branch.rating:.0f} {_unit(branch.kind)}",
            }
            for branch in layout.branches
        ],
        "band": list(result.voltage_band_v),
        "loading": _classes(LOADING_CLASSES),
        "room": _classes(ROOM_CLASSES),
        "unknown": UNKNOWN,
        "days": [_day(day, result.voltage_band_v) for day in result.days],
    }


def _size(many: bool, home: bool) -> float:
    if not many:
        return LONE_SIZE
    return HOME_SIZE if home else JOINT_SIZE


def _unit(kind: str) -> str:
    return "kVA" if kind == "transformer" else "A"


def _classes(classes: Sequence[ColourClass]) -> list[dict[str, Any]]:
    return [
        {
            "above": each.above if np.isfinite(each.above) else None,
            "name": each.name,
            "colour": each.colour,
        }
        for each in classes
    ]


def _day(day: GridDay, band_v: tuple[float, float]) -> dict[str, Any]:
    worst = _worst_time(day, band_v)
    return {
        "name": day.name,
        "clock_h": day.clock_h.tolist(),
        "first": worst,
        "loading": _tenths(day.loading_percent),
        "low": _tenths(day.low_v),
        "high": _tenths(day.high_v),
    }


def _worst_time(day: GridDay, band_v: tuple[float, float]) -> int:
    """The time at which the map opens: that at which most of a rating or of the band is used."""
    least_v, greatest_v = band_v
    middle_v, half_v = (greatest_v + least_v) / 2.0, (greatest_v - least_v) / 2.0
    used = np.hstack(
        [
            day.loading_percent / 100.0,
            (day.high_v - middle_v) / half_v,
            (middle_v - day.low_v) / half_v,
        ]
    )
    known = np.where(np.isfinite(used), used, -np.inf)
    return int(known.max(axis=1, initial=-np.inf).argmax())


def _tenths(values: FloatArray) -> list[list[int | None]]:
    """Values in tenths; None for what is not known."""
    return [
        [int(value) if np.isfinite(value) else None for value in row]
        for row in np.rint(10.0 * values)
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.8g}")
