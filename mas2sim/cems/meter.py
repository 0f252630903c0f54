"""Readings of a home's meter as they come in, with what is wrong with them marked (UC1-S1).

Nothing is mended: a gap stays a gap, and every reading keeps its mark, so that whoever uses the
data decides. Times are local clock time without zone; the hour that daylight saving adds shows as
duplicates, the one it takes as a gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from math import isfinite, nan
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon

NORMAL_MAD = 0.6745
"""Median absolute deviation of a normal distribution over its standard deviation. [C]"""


class Mark(StrEnum):
    """What was found about a reading; the first that applies."""

    NOT_A_NUMBER = "not a number"
    """No value, or an infinite one; not used."""
    OFF_CLOCK = "off the clock"
    """Its time is not the start of a PTU; not used."""
    DUPLICATE = "duplicate"
    """Its PTU has been read already; not used."""
    IMPOSSIBLE = "impossible"
    """More than the connection carries; not used."""
    BACKWARDS = "backwards"
    """Its time is before that of an earlier reading; used where it fills a gap."""
    OUTLIER = "outlier"
    """Far from the same PTU of other days; used, since what is rare is not wrong."""
    GOOD = "good"


UNUSED = frozenset({Mark.NOT_A_NUMBER, Mark.OFF_CLOCK, Mark.DUPLICATE, Mark.IMPOSSIBLE})
"""Marks of readings that are no measurement of their PTU."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading: mean power over a PTU or the energy in it, exactly one of the two.

    Parameters
    ----------
    at : datetime
        Start of the PTU, local clock time without zone.
    power_kw, energy_kwh : float, optional
        Positive is import.

    Raises
    ------
    ConfigurationError
        When the time carries a zone, or not exactly one value is given.
    """

    at: datetime
    power_kw: float | None = None
    energy_kwh: float | None = None

    def __post_init__(self) -> None:
        faults = []
        if self.at.tzinfo is not None:
            faults.append(Fault("reading.at", self.at.isoformat(), "local clock time, no zone"))
        if (self.power_kw is None) == (self.energy_kwh is None):
            found = "both" if self.power_kw is not None else "neither"
            faults.append(Fault("reading", found, "power_kw or energy_kwh, exactly one"))
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True)
class MeterRules:
    """By what readings are judged.

    Parameters
    ----------
    connection_kw : float
        Greatest power that the connection carries either way. The default is a fuse of 100 A at
        230 V, common in the UK [A].
    outlier_score : float
        Least modified z-score of an outlier: 0.6745 abs(x - median) / MAD > 3.5, after Iglewicz and
        Hoaglin, How to Detect and Handle Outliers, ASQC Quality Press, 1993 [R].
    least_mad_kw : float
        Least deviation counted with, so that an idle hour in a house does not make an outlier of
        every lamp [A].
    least_days : int
        Days on which a PTU has to be read before it is judged by the others [A].
    clock_tolerance_s : float
        How far a time may be off the start of its PTU [A].
    """

    connection_kw: float = 23.0
    outlier_score: float = 3.5
    least_mad_kw: float = 0.1
    least_days: int = 7
    clock_tolerance_s: float = 60.0

    def __post_init__(self) -> None:
        places = ("connection_kw", "outlier_score", "least_mad_kw", "least_days")
        faults = [
            Fault(f"meter.{name}", str(getattr(self, name)), "a finite number above 0")
            for name in places
            if not (isfinite(getattr(self, name)) and getattr(self, name) > 0)
        ]
        if not (isfinite(self.clock_tolerance_s) and self.clock_tolerance_s >= 0):
            faults.append(
                Fault("meter.clock_tolerance_s", str(self.clock_tolerance_s), "a number >= 0")
            )
        if faults:
            raise ConfigurationError(faults)


@dataclass(frozen=True, slots=True)
class Gap:
    """Successive PTUs without a usable reading."""

    start: datetime
    ptus: int


@dataclass(frozen=True, slots=True)
class MeterQuality:
    """How complete and how sound the readings are.

    Parameters
    ----------
    expected_ptus, used_ptus : int
        PTUs from the first to the last one read, and those of them that have a usable reading.
    gaps : tuple of Gap
    marks : mapping of Mark to int
        Number of readings of each mark; all marks are there.
    """

    expected_ptus: int
    used_ptus: int
    gaps: tuple[Gap, ...]
    marks: Mapping[Mark, int]

    @property
    def coverage_percent(self) -> float:
        """Share of the expected PTUs that have a usable reading; NaN when none is expected."""
        return 100.0 * self.used_ptus / self.expected_ptus if self.expected_ptus else nan

    @property
    def complete(self) -> bool:
        """Whether no PTU is missing and every reading is good."""
        readings = sum(self.marks.values())
        return bool(readings) and not self.gaps and self.marks[Mark.GOOD] == readings


@dataclass(frozen=True, slots=True)
class MeterLog:
    """Readings in the order in which they came; adding to a log makes another one.

    Parameters
    ----------
    horizon : Horizon
        Length of the PTUs.
    readings : tuple of Reading
    rules : MeterRules
    """

    horizon: Horizon
    readings: tuple[Reading, ...] = ()
    rules: MeterRules = MeterRules()

    def add(self, readings: Sequence[Reading]) -> MeterLog:
        """Return a log with further readings, in their order of arrival."""
        return replace(self, readings=(*self.readings, *readings))

    def powers_kw(self) -> tuple[float, ...]:
        """Mean power of each reading; energy is spread over its PTU. [kW]"""
        hours = self.horizon.ptu_hours
        return tuple(
            reading.power_kw
            if reading.power_kw is not None
            else (reading.energy_kwh or 0.0) / hours
            for reading in self.readings
        )

    def marks(self) -> tuple[Mark, ...]:
        """Mark of each reading.

        A reading is judged by all others of the log, those that came after it included.
        """
        marks = list(self._first_marks())
        days = self._values(marks)
        outliers = _outliers(
            np.array(list(days.values())).reshape(-1, self.horizon.ptus), self.rules
        )
        place_of = {day: place for place, day in enumerate(days)}
        for place, reading in enumerate(self.readings):
            if marks[place] is Mark.GOOD:
                day, ptu, _ = self._place(reading.at)
                if outliers[place_of[day], ptu]:
                    marks[place] = Mark.OUTLIER
        return tuple(marks)

    def days_kw(self) -> Mapping[date, FloatArray]:
        """Mean power by day, shape (ptu) each, NaN where no reading is usable. [kW]

        Every day from the first to the last one read is there, in order.
        """
        # Outliers are used, so the first marks tell already which readings are not.
        days = self._values(self._first_marks())
        return MappingProxyType({day: frozen(values) for day, values in days.items()})

    def quality(self) -> MeterQuality:
        """Count what is missing and what is marked."""
        days = self._values(self._first_marks())
        counts = Counter(self.marks())
        marks = MappingProxyType({mark: counts[mark] for mark in Mark})
        places = [self._place(reading.at)[:2] for reading in self.readings]
        if not places:
            return MeterQuality(0, 0, (), marks)
        ptus = self.horizon.ptus
        first_day, values = next(iter(days)), np.concatenate(list(days.values()))
        numbers = [(day - first_day).days * ptus + ptu for day, ptu in places]
        first, last = min(numbers), max(numbers) + 1
        missing = np.isnan(values[first:last])
        return MeterQuality(
            expected_ptus=last - first,
            used_ptus=int((~missing).sum()),
            gaps=tuple(
                Gap(self._time(first_day, first + begin), end - begin)
                for begin, end in _runs(missing)
            ),
            marks=marks,
        )

    def _first_marks(self) -> tuple[Mark, ...]:
        """Marks that follow from the order of arrival and from each reading alone."""
        marks = []
        read: set[tuple[date, int]] = set()
        latest: datetime | None = None
        for reading, power_kw in zip(self.readings, self.powers_kw(), strict=True):
            day, ptu, offset_s = self._place(reading.at)
            if not isfinite(power_kw):
                mark = Mark.NOT_A_NUMBER
            elif abs(offset_s) > self.rules.clock_tolerance_s:
                mark = Mark.OFF_CLOCK
            elif (day, ptu) in read:
                mark = Mark.DUPLICATE
            elif abs(power_kw) > self.rules.connection_kw:
                mark = Mark.IMPOSSIBLE
            elif latest is not None and reading.at < latest:
                mark = Mark.BACKWARDS
            else:
                mark = Mark.GOOD
            if mark not in UNUSED:
                read.add((day, ptu))
            latest = reading.at if latest is None else max(latest, reading.at)
            marks.append(mark)
        return tuple(marks)

    def _values(self, marks: Sequence[Mark]) -> dict[date, FloatArray]:
        """Usable powers by day from the first to the last day read, NaN in gaps."""
        places = [self._place(reading.at)[:2] for reading in self.readings]
        if not places:
            return {}
        first, last = min(day for day, _ in places), max(day for day, _ in places)
        span = range((last - first).days + 1)
        days = {first + timedelta(days=k): np.full(self.horizon.ptus, np.nan) for k in span}
        for (day, ptu), power_kw, mark in zip(places, self.powers_kw(), marks, strict=True):
            if mark not in UNUSED:
                days[day][ptu] = power_kw
        return days

    def _place(self, at: datetime) -> tuple[date, int, float]:
        """Day and PTU whose start is nearest, and how far `at` is after it. [s]"""
        seconds = (at - datetime.combine(at.date(), time())).total_seconds()
        ptu = round(seconds / self.horizon.ptu_seconds)
        offset_s = seconds - ptu * self.horizon.ptu_seconds
        return (
            at.date() + timedelta(days=ptu // self.horizon.ptus),
            ptu % self.horizon.ptus,
            offset_s,
        )

    def _time(self, day: date, ptu: int) -> datetime:
        return datetime.combine(day, time()) + timedelta(seconds=ptu * self.horizon.ptu_seconds)


def _outliers(
    days_kw: FloatArray, rules: MeterRules
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Readings far from the same PTU of other days, shape (day, ptu)."""
    far = np.zeros(days_kw.shape, dtype=bool)
    enough = (~np.isnan(days_kw)).sum(axis=0) >= rules.least_days
    if not enough.any():
        return far
    judged = days_kw[:, enough]
    deviation_kw = np.abs(judged - np.nanmedian(judged, axis=0))
    mad_kw = np.maximum(np.nanmedian(deviation_kw, axis=0), rules.least_mad_kw)
    # NaN compares as not above: a gap is no outlier.
    far[:, enough] = NORMAL_MAD * deviation_kw / mad_kw > rules.outlier_score
    return far


def _runs(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
