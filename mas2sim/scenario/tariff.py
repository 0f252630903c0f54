"""A tariff of bands in its own currency, turned into prices of each PTU in EUR."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.horizon import MINUTES_PER_DAY, MINUTES_PER_HOUR, Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import DayType
from mas2sim.scenario.configuration import TariffGroup


def tariff_of(group: TariffGroup, day: DayType, horizon: Horizon) -> Tariff:
    """Return the prices of one day.

    A band that begins or ends within a PTU counts with its share of the PTU.
    """
    per_kwh = np.full(MINUTES_PER_DAY, group.otherwise_per_kwh)
    for band in group.bands:
        if day in band.days:
            start, end = _minute(band.from_), _minute(band.to)
            length = (end - start) % MINUTES_PER_DAY or MINUTES_PER_DAY
            per_kwh[(start + np.arange(length)) % MINUTES_PER_DAY] = band.price_per_kwh
    rate = group.eur_per_unit
    return Tariff(
        name=group.name,
        import_eur_per_kwh=_mean_of_ptus(per_kwh, horizon) * rate,
        export_eur_per_kwh=np.full(horizon.ptus, group.export_per_kwh * rate),
        standing_eur_per_day=group.standing_per_day * rate,
        peak_eur_per_kw=group.peak_per_kw * rate,
    )


def _minute(clock: str) -> int:
    """Minute of the day of ``"HH:MM"``."""
    hours, minutes = clock.split(":")
    return int(hours) * MINUTES_PER_HOUR + int(minutes)


def _mean_of_ptus(per_minute: FloatArray, horizon: Horizon) -> FloatArray:
    """Mean over each PTU; exact where all its minutes are alike, so that equal prices tie."""
    minutes = per_minute.reshape(horizon.ptus, -1)
    alike = (minutes == minutes[:, :1]).all(axis=1)
    return np.where(alike, minutes[:, 0], minutes.mean(axis=1))
