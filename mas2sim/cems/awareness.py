"""What a household sees of itself: its accounts, and what it could have saved (UC1-S1).

Suggestions come from the home's own days alone. Each is the difference of what a day cost and what
it would have cost had one device run at its best allowed time and all else stayed as it was; so two
suggestions are alternatives, and their savings do not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from math import nan

import numpy as np

from mas2sim.cems.planner import plan_home
from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.device import Appliance, FlexibleDevice
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus, TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

LEAST_SAVING_EUR = 0.01
"""Saving of a day below which nothing is suggested: the least that a bill shows. [A]"""
IN_USE_KW = 0.01
"""Power below which a device counts as idle when its hours are told: ten watts. [A]"""


class Period(StrEnum):
    """By what an account is kept; weeks begin on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def label(self, day: date) -> str:
        """Name of the period that holds `day`: ``2024-02-29``, ``2024-W09``, ``2024-02``."""
        if self is Period.WEEK:
            year, week, _ = day.isocalendar()
            return f"{year:04d}-W{week:02d}"
        return day.isoformat() if self is Period.DAY else f"{day.year:04d}-{day.month:02d}"


@dataclass(frozen=True, slots=True, eq=False)
class MeteredDay:
    """One day of a home's series.

    Parameters
    ----------
    day : date
    net_kw : array, shape (ptu)
        Power at the connection point, NaN where it was not read.
    generation_kw : array, shape (ptu)
        Never positive; zeros for a home that generates nothing.
    tariff : Tariff
    """

    day: date
    net_kw: FloatArray
    generation_kw: FloatArray
    tariff: Tariff

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "generation_kw")


@dataclass(frozen=True, slots=True)
class Account:
    """Energy and money of one day, week or month, of the PTUs that were read.

    Parameters
    ----------
    label : str
        As of `Period.label`.
    days, missing_ptus : int
        Days in the account, and PTUs of theirs that are in none of its figures; with none read the
        figures are NaN.
    consumption_kwh : float
        What the home used, whatever its source: net energy plus generation. What a battery loses is
        use.
    generation_kwh, import_kwh, export_kwh : float
        All >= 0.
    energy_eur, standing_eur : float
        Cost of the energy and, where the tariff has one, of each day's peak; standing charges.
    """

    label: str
    days: int
    missing_ptus: int
    consumption_kwh: float
    generation_kwh: float
    import_kwh: float
    export_kwh: float
    energy_eur: float
    standing_eur: float

    @property
    def cost_eur(self) -> float:
        """Energy, peak and standing charge. [EUR]"""
        return self.energy_eur + self.standing_eur


@dataclass(frozen=True, slots=True, eq=False)
class ObservedDay:
    """What a home did on a day, and how often such a day comes.

    Parameters
    ----------
    home : Home
        Its devices of that day, with what they were allowed to do.
    actual : ReferenceDay
        What they did.
    tariff : Tariff
    days_per_year : float
        Days in a year that this one stands for.
    """

    home: Home
    actual: ReferenceDay
    tariff: Tariff
    days_per_year: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What one device could have saved by running at other times.

    Parameters
    ----------
    device : str
    saving_eur : float
        On the observed day on which it would have saved most.
    saving_eur_per_year : float
        Sum over the observed days, each as often as it comes.
    words : str
        The suggestion, with the times of that day.
    assumption : str
        What the figure for the year rests on.
    """

    device: str
    saving_eur: float
    saving_eur_per_year: float
    words: str
    assumption: str


def accounts(days: Sequence[MeteredDay], period: Period, horizon: Horizon) -> tuple[Account, ...]:
    """Keep accounts by day, week or month, in the order of time.

    Raises
    ------
    ConfigurationError
        With every array that is not one value for each PTU, every generation above zero, and every
        day that is there twice.
    """
    faults = list(_day_faults(days, horizon))
    if faults:
        raise ConfigurationError(faults)
    periods: dict[str, list[Account]] = {}
    for metered in sorted(days, key=lambda each: each.day):
        label = period.label(metered.day)
        periods.setdefault(label, []).append(_day_account(metered, label, horizon))
    return tuple(_sum(parts, horizon) for parts in periods.values())


def suggestions(days: Sequence[ObservedDay], horizon: Horizon) -> tuple[Suggestion, ...]:
    """Suggest other times for single devices, the greatest saving of a year first.

    A device is shifted whether the household offers it or not: it is told what that would be worth.
    Days on which it saves less than a cent do not count.
    """
    found: dict[str, list[tuple[float, float, str]]] = {}
    for observed in days:
        for device in observed.home.flexible_devices:
            saving_eur, words = _best_shift(observed, device, horizon)
            if saving_eur >= LEAST_SAVING_EUR:
                shift = (saving_eur, saving_eur * observed.days_per_year, words)
                found.setdefault(device.name, []).append(shift)
    total_days = sum(observed.days_per_year for observed in days)
    assumption = (
        f"{len(days)} observed day{'s stand' if len(days) > 1 else ' stands'} for "
        f"{total_days:g} days of a year; everything else in the home stays as it was"
    )
    made = [
        Suggestion(
            device=name,
            saving_eur=max(shifts)[0],
            saving_eur_per_year=sum(year_eur for _, year_eur, _ in shifts),
            words=max(shifts)[2],
            assumption=assumption,
        )
        for name, shifts in found.items()
    ]
    return tuple(sorted(made, key=lambda each: (-each.saving_eur_per_year, each.device)))


def moved_saving_eur(
    net_kw: FloatArray,
    before_kw: FloatArray,
    after_kw: FloatArray,
    tariff: Tariff,
    horizon: Horizon,
) -> float:
    """Saving of a day on which one device alone had run as `after_kw`. [EUR]

    Parameters
    ----------
    net_kw : array, shape (ptu)
        The home's net power with the device running as `before_kw`.
    before_kw, after_kw : array, shape (ptu)
    """
    moved_kw = net_kw - before_kw + after_kw
    return float(tariff.cost_eur(net_kw, horizon) - tariff.cost_eur(moved_kw, horizon))


def hours_in_use(power_kw: FloatArray, horizon: Horizon) -> str:
    """Tell when a device draws power, as ``18:00-19:15, 23:00-01:30``; a run may pass midnight."""
    on = power_kw > IN_USE_KW
    if on.all():
        return "all day"
    begins = np.flatnonzero(on & ~np.roll(on, 1))
    ends = np.flatnonzero(~on & np.roll(on, 1))
    if not len(begins):
        return "never"
    # A run that passes midnight ends with the day's first end.
    ends = np.roll(ends, -1) if ends[0] <= begins[0] else ends
    clock = horizon.clock
    return ", ".join(f"{clock(int(b))}-{clock(int(e))}" for b, e in zip(begins, ends, strict=True))


def _best_shift(
    observed: ObservedDay, device: FlexibleDevice, horizon: Horizon
) -> tuple[float, str]:
    """Saving on the day with this device at its best, and what to do."""
    actual, tariff = observed.actual, observed.tariff
    alone = replace(observed.home, offered=frozenset({device.name}))
    plan = plan_home(
        alone, actual, tariff, horizon,
        ties=TieRule.EARLIEST, rng=stream(0, alone.name, "awareness"),
    )  # fmt: skip
    if plan.status not in (PlanStatus.OPTIMAL, PlanStatus.BOUNDED):
        return 0.0, ""
    paid_eur = float(tariff.cost_eur(actual.net_kw, horizon))
    saving_eur = paid_eur - plan.cost_eur - plan.discomfort_eur
    before_kw = actual.device_kw[device.name]
    after_kw = before_kw + plan.net_kw - actual.net_kw
    return saving_eur, _words(device, before_kw, after_kw, horizon)


def _words(
    device: FlexibleDevice, before_kw: FloatArray, after_kw: FloatArray, horizon: Horizon
) -> str:
    name = device.name.replace("_", " ")
    before, after = hours_in_use(before_kw, horizon), hours_in_use(after_kw, horizon)
    verb = "run" if isinstance(device, Appliance) else "let it draw power"
    return f"{name}: {verb} {after} rather than {before}"


def _day_faults(days: Sequence[MeteredDay], horizon: Horizon) -> Iterator[Fault]:
    seen: set[date] = set()
    for metered in days:
        if metered.day in seen:
            yield Fault("day", metered.day.isoformat(), "each day once")
        seen.add(metered.day)
        series: Mapping[str, FloatArray] = {
            "net_kw": metered.net_kw,
            "generation_kw": metered.generation_kw,
            "tariff.import_eur_per_kwh": metered.tariff.import_eur_per_kwh,
            "tariff.export_eur_per_kwh": metered.tariff.export_eur_per_kwh,
        }
        for name, values in series.items():
            if values.shape != (horizon.ptus,):
                where = f"{metered.day.isoformat()}, {name}"
                yield Fault(where, f"shape {values.shape}", f"({horizon.ptus},)")
        if (metered.generation_kw > 0).any():
            found = f"{np.nanmax(metered.generation_kw):g} kW"
            where = f"{metered.day.isoformat()}, generation_kw"
            yield Fault(where, found, "never positive: generation is negative")


def _day_account(metered: MeteredDay, label: str, horizon: Horizon) -> Account:
    known = np.isfinite(metered.net_kw) & np.isfinite(metered.generation_kw)
    net_kw = np.where(known, metered.net_kw, 0.0)
    generation_kw = np.where(known, metered.generation_kw, 0.0)
    hours = horizon.ptu_hours
    return Account(
        label=label,
        days=1,
        missing_ptus=int((~known).sum()),
        consumption_kwh=float((net_kw - generation_kw).sum()) * hours,
        # Taken from zero, so that no generation is 0 and not -0.
        generation_kwh=0.0 - float(generation_kw.sum()) * hours,
        import_kwh=float(np.maximum(net_kw, 0.0).sum()) * hours,
        export_kwh=float(np.maximum(-net_kw, 0.0).sum()) * hours,
        energy_eur=float(metered.tariff.cost_eur(net_kw, horizon)),
        standing_eur=metered.tariff.standing_eur_per_day,
    )


def _sum(parts: Sequence[Account], horizon: Horizon) -> Account:
    """One account of several days; energies and their cost are NaN where nothing was read."""
    missing_ptus = sum(part.missing_ptus for part in parts)
    # Missing is NaN, never 0.
    unknown = nan if missing_ptus == len(parts) * horizon.ptus else 0.0
    return Account(
        label=parts[0].label,
        days=len(parts),
        missing_ptus=missing_ptus,
        consumption_kwh=sum((part.consumption_kwh for part in parts), unknown),
        generation_kwh=sum((part.generation_kwh for part in parts), unknown),
        import_kwh=sum((part.import_kwh for part in parts), unknown),
        export_kwh=sum((part.export_kwh for part in parts), unknown),
        energy_eur=sum((part.energy_eur for part in parts), unknown),
        standing_eur=sum(part.standing_eur for part in parts),
    )
