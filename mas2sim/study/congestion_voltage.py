"""How much of the time voltages are in their bands, in the words of EN 50160.

EN 50160 looks at the 10-minute means of each week: 95 % of them within +-10 % of the nominal
voltage, all of them within +10 / -15 %. Here a week is five working days, a Saturday and a Sunday
of one season under one sky, and the mean is that of a PTU. A mean over 15 minutes hides a little
more than one over 10: what fails here fails there, while a narrow pass is not proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.typical_day import WEEK_SHARE, DayType
from mas2sim.study.grid_days import DayLevel, bus_voltages_v, low_voltage_mask
from mas2sim.study.typical_year import YearDay

NOMINAL_V = 230.0
"""Phase to neutral, of public low-voltage grids in Europe (EN 50160)."""
EN_95_V = (0.9 * NOMINAL_V, 1.1 * NOMINAL_V)
EN_ALL_V = (0.85 * NOMINAL_V, 1.1 * NOMINAL_V)
EN_SHARE = 0.95
"""Share of the week's means that has to be in `EN_95_V`."""
NATIONAL, EN_95, EN_ALL = range(3)
"""Places of the bands: the case's own, and the two of EN 50160."""
ROUNDING = 1e-9
"""Shares are sums of some hundred terms."""


@dataclass(frozen=True, slots=True, eq=False)
class BandShares:
    """Share of time in which each bus keeps each band, 0 to 1.

    Parameters
    ----------
    year : array, shape (band, bus)
        By the weight of the days.
    worst_day : array, shape (band, bus)
    worst_week : array, shape (band, bus)
        Of the weeks of one season under one sky; where a kind of day is not among the days, of
        those that are.
    """

    year: FloatArray
    worst_day: FloatArray
    worst_week: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "year", "worst_day", "worst_week")

    @property
    def en_50160(self) -> list[bool]:
        """Whether each bus keeps EN 50160 in every week."""
        enough = self.worst_week[EN_95] >= EN_SHARE - ROUNDING
        always = self.worst_week[EN_ALL] >= 1.0 - ROUNDING
        return [bool(each) for each in enough & always]


def band_shares(day: DayLevel) -> FloatArray:
    """Share of a day in which all phases of each bus are in each band, shape (band, bus).

    What was not solved is in no band. NaN above low voltage.
    """
    low_v, high_v = bus_voltages_v(day.layout, day.state)
    bands = ((day.limits.voltage_min_v, day.limits.voltage_max_v), EN_95_V, EN_ALL_V)
    # Voltages that are not known are within nothing, since no comparison with them holds.
    kept = [(low_v >= low) & (high_v <= high) for low, high in bands]
    shares = np.array([each.mean(axis=0) for each in kept])
    return np.where(low_voltage_mask(day.layout), shares, np.nan)


def year_shares(days: Sequence[YearDay], shares: Sequence[FloatArray]) -> BandShares:
    """Put the shares of days together; design days are left out.

    Parameters
    ----------
    shares : sequence of array, shape (band, bus)
        As `band_shares` has them, for each of `days`.
    """
    typical = [(day, each) for day, each in zip(days, shares, strict=True) if not day.is_design_day]
    weights = np.array([day.days for day, _ in typical])
    stacked = np.stack([each for _, each in typical])
    weeks: dict[tuple[str, str], list[tuple[float, FloatArray]]] = {}
    for day, each in typical:
        key = (day.choice("season"), day.choice("weather"))
        weeks.setdefault(key, []).append((WEEK_SHARE[DayType(day.choice("day"))], each))
    of_weeks = [
        np.average([each for _, each in week], axis=0, weights=[share for share, _ in week])
        for week in weeks.values()
    ]
    return BandShares(
        year=np.einsum("d,dbn->bn", weights, stacked) / weights.sum(),
        worst_day=stacked.min(axis=0),
        worst_week=np.min(of_weeks, axis=0),
    )
