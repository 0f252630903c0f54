"""The shipped tables (folder profiles/) as typed values, validated while they are read.

A table is a CSV file; lines that begin with ``#`` are remarks. Every figure in it says where it
comes from, in a column `provenance` or in the remarks above. All faults of all tables are found
before anything fails.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np

from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import DayType, Season, Weather

HARMONICS = 8
"""Number of harmonics of the average demand in profiles/average_demand.csv."""

ROUNDED_SHARE = 1e-6
"""By this the shares of the weathers may miss one: more makes a year shorter or longer."""
DAYS_OF_A_YEAR = (365, 366)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SeasonFacts:
    """One season: its days, its representative date, its air and its sky.

    Parameters
    ----------
    days : int
        Days in a year.
    first, last : datetime.date
        First and last day in the reference year; winter runs through the turn of the year.
    representative : datetime.date
        Day whose clear-sky energy is nearest the season's mean.
    air_mean_c, air_swing_k : float
        Mean air temperature, and half the difference between its greatest and least value in a day.
    clearness : mapping of Weather to float
        Mean clear-sky index of a day of that weather.
    weather_share : mapping of Weather to float
        Share of the season's days with that weather.
    wind_mean_m_per_s : float
        Mean wind speed where small turbines stand.
    """

    season: Season
    days: int
    first: date
    last: date
    representative: date
    air_mean_c: float
    air_swing_k: float
    clearness: Mapping[Weather, float]
    weather_share: Mapping[Weather, float]
    wind_mean_m_per_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Harmonics:
    """Mean and harmonics of one day's average demand; `cos_kw`, `sin_kw` have shape (harmonic)."""

    mean_kw: float
    cos_kw: FloatArray
    sin_kw: FloatArray


@dataclass(frozen=True, slots=True)
class Habit:
    """When households ask for an appliance.

    Parameters
    ----------
    share : float
        Share of the households with this habit.
    hour, spread_h : float
        Clock time asked for: mean and standard deviation over households.
    day_spread_h : float
        Standard deviation from day to day in one household.
    window_before_h, window_after_h : float
        How much earlier than asked the cycle may begin, and how much later than asked it must have
        ended.
    """

    share: float
    hour: float
    spread_h: float
    day_spread_h: float
    window_before_h: float
    window_after_h: float


@dataclass(frozen=True, slots=True)
class ApplianceKind:
    """A kind of appliance: who owns it, how often it runs, what a cycle draws.

    Parameters
    ----------
    owners_share : float
        Share of homes that own one.
    cycles_per_year : float
        Cycles in a year in a home of mean annual energy.
    cycle_kw : tuple of float
        Mean power in each quarter hour of a cycle.
    """

    name: str
    owners_share: float
    cycles_per_year: float
    cycle_kw: tuple[float, ...]
    habits: tuple[Habit, ...] = ()

    @property
    def cycle_kwh(self) -> float:
        """Energy of a cycle. [kWh]"""
        return sum(self.cycle_kw) / 4


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure of a device: normal over homes with `spread` as standard deviation, then clipped."""

    value: float
    spread: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator, size: int | None = None) -> FloatArray:
        """Draw the figure for one home, or `size` times."""
        drawn = self.value + self.spread * rng.standard_normal(size)
        return np.asarray(np.clip(drawn, self.low, self.high))


@dataclass(frozen=True, slots=True)
class ProfileTables:
    """All shipped tables.

    Parameters
    ----------
    harmonics : mapping of (customer, Season, DayType) to Harmonics
    devices : mapping of (device, parameter) to Parameter
    cop_outdoor_c, cop : tuple of float
        Coefficient of performance of heat pumps over the outdoor temperature, ascending.
    """

    seasons: Mapping[Season, SeasonFacts]
    harmonics: Mapping[tuple[str, Season, DayType], Harmonics]
    appliances: tuple[ApplianceKind, ...]
    devices: Mapping[tuple[str, str], Parameter]
    cop_outdoor_c: tuple[float, ...]
    cop: tuple[float, ...]

    def season(self, season: Season) -> SeasonFacts:
        """Facts of one season."""
        return self.seasons[season]

    def parameters(self, device: str) -> dict[str, Parameter]:
        """Parameters of one device by name."""
        return {name: value for (owner, name), value in self.devices.items() if owner == device}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of a table; what cannot be read becomes a fault and the fallback is returned."""

    where: str
    cells: Mapping[str, str]
    faults: list[Fault]

    def _read(
        self, column: str, convert: Callable[[str], _Value], allowed: str, fallback: _Value
    ) -> _Value:
        text = self.cells.get(column, "")
        try:
            return convert(text)
        except ValueError:
            self.faults.append(Fault(f"{self.where}, column {column}", repr(text), allowed))
            return fallback

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float:
        allowed = "a number" if math.isinf(low) else f"a number from {low:g} to {high:g}"
        return self._read(column, lambda text: _bounded(text, low, high), allowed, 1.0)

    def numbers(self, column: str) -> tuple[float, ...]:
        def convert(text: str) -> tuple[float, ...]:
            values = tuple(_bounded(part, 0.0, math.inf) for part in text.split())
            if not values:
                raise ValueError
            return values

        return self._read(column, convert, "numbers >= 0 separated by spaces", (1.0,))

    def day(self, column: str) -> date:
        fallback = date(2015, 1, 1)
        return self._read(column, date.fromisoformat, "a date as YYYY-MM-DD", fallback)

    def text(self, column: str) -> str:
        return self.cells.get(column, "").strip()


def _bounded(text: str, low: float, high: float) -> float:
    """Convert `text` to a finite number within bounds, or raise ValueError."""
    value = float(text)
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError
    return value


def _entries(path: Path, columns: Sequence[str], faults: list[Fault]) -> Iterator[_Entry]:
    """Lines of a table that has all `columns`; none when it has not, or is missing."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        faults.append(
            Fault(str(path), "no such file", "a table that mas2sim ships", "check profiles_dir")
        )
        return
    numbered = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    reader = csv.reader(line for _, line in numbered)
    header = next(reader, [])
    missing = [column for column in columns if column not in header]
    if missing:
        faults.append(Fault(path.name, f"no column {', '.join(missing)}", f"{', '.join(columns)}"))
        return
    for (number, _), cells in zip(numbered[1:], reader, strict=True):
        yield _Entry(f"{path.name}, line {number}", dict(zip(header, cells, strict=False)), faults)


def _read_seasons(path: Path, faults: list[Fault]) -> dict[Season, SeasonFacts]:
    columns = ["season", "days", "first_date", "last_date", "representative_date", "air_mean_c"]
    columns += ["air_swing_k", *(f"{weather}_k" for weather in Weather)]
    columns += [*(f"{weather}_share" for weather in Weather), "wind_m_per_s"]
    seasons = {}
    for entry in _entries(path, columns, faults):
        name = entry.text("season")
        if name not in set(Season):
            faults.append(Fault(entry.where, repr(name), ", ".join(Season)))
            continue
        season = Season(name)
        seasons[season] = SeasonFacts(
            season=season,
            days=int(entry.number("days", 1, 365)),
            first=entry.day("first_date"),
            last=entry.day("last_date"),
            representative=entry.day("representative_date"),
            air_mean_c=entry.number("air_mean_c", -60, 60),
            air_swing_k=entry.number("air_swing_k", 0, 30),
            clearness={weather: entry.number(f"{weather}_k", 0.01, 1.3) for weather in Weather},
            weather_share={weather: entry.number(f"{weather}_share", 0, 1) for weather in Weather},
            wind_mean_m_per_s=entry.number("wind_m_per_s", 0.1, 30),
        )
        shares = sum(seasons[season].weather_share.values())
        if abs(shares - 1.0) > ROUNDED_SHARE:
            faults.append(Fault(entry.where, f"shares of weathers that sum to {shares:g}", "1"))
    days = sum(each.days for each in seasons.values())
    if len(seasons) == len(Season) and days not in DAYS_OF_A_YEAR:
        faults.append(Fault(path.name, f"{days} days in all seasons", "365 or 366"))
    lacking = [season for season in Season if season not in seasons]
    if lacking:
        faults.append(Fault(path.name, f"no line for {', '.join(lacking)}", "one line per season"))
    return seasons


def _read_harmonics(
    path: Path, faults: list[Fault]
) -> dict[tuple[str, Season, DayType], Harmonics]:
    order = range(1, HARMONICS + 1)
    columns = ["customer", "season", "day_type", "mean_kw"]
    columns += [f"{wave}{k}_kw" for k in order for wave in ("cos", "sin")]
    harmonics = {}
    for entry in _entries(path, columns, faults):
        season, day_type = entry.text("season"), entry.text("day_type")
        if season not in set(Season) or day_type not in set(DayType):
            faults.append(Fault(entry.where, f"{season}, {day_type}", "a season and a day type"))
            continue
        harmonics[entry.text("customer"), Season(season), DayType(day_type)] = Harmonics(
            mean_kw=entry.number("mean_kw", 0, 1e6),
            cos_kw=frozen([entry.number(f"cos{k}_kw") for k in order]),
            sin_kw=frozen([entry.number(f"sin{k}_kw") for k in order]),
        )
    return harmonics


def _read_appliances(
    kinds_path: Path, habits_path: Path, faults: list[Fault]
) -> tuple[ApplianceKind, ...]:
    columns = ["appliance", "owners_percent", "cycles_per_year", "cycle_kw", "provenance"]
    kinds = list(_entries(kinds_path, columns, faults))
    names = [entry.text("appliance") for entry in kinds]
    columns = ["appliance", "share_percent", "hour", "spread_h", "day_spread_h"]
    columns += ["window_before_h", "window_after_h", "provenance"]
    habits: dict[str, list[Habit]] = {name: [] for name in names}
    for entry in _entries(habits_path, columns, faults):
        name = entry.text("appliance")
        if name not in habits:
            faults.append(Fault(entry.where, repr(name), ", ".join(names)))
            continue
        habits[name].append(
            Habit(
                share=entry.number("share_percent", 0, 100) / 100,
                hour=entry.number("hour", 0, 24),
                spread_h=entry.number("spread_h", 0, 12),
                day_spread_h=entry.number("day_spread_h", 0.01, 6),
                window_before_h=entry.number("window_before_h", 0, 24),
                window_after_h=entry.number("window_after_h", 0, 24),
            )
        )
    for name, found in habits.items():
        total = 100 * sum(habit.share for habit in found)
        if not math.isclose(total, 100.0, abs_tol=0.01):
            where = f"{habits_path.name}, {name}"
            faults.append(Fault(where, f"shares that sum to {total:g} %", "100 %"))
    return tuple(
        ApplianceKind(
            name=name,
            owners_share=entry.number("owners_percent", 0, 100) / 100,
            cycles_per_year=entry.number("cycles_per_year", 0, 3650),
            cycle_kw=entry.numbers("cycle_kw"),
            habits=tuple(habits[name]),
        )
        for name, entry in zip(names, kinds, strict=True)
    )


def _read_devices(path: Path, faults: list[Fault]) -> dict[tuple[str, str], Parameter]:
    columns = ["device", "parameter", "value", "spread", "low", "high", "unit", "provenance"]
    devices = {}
    for entry in _entries(path, columns, faults):
        parameter = Parameter(
            value=entry.number("value"),
            spread=entry.number("spread", 0, 1e6),
            low=entry.number("low"),
            high=entry.number("high"),
        )
        if not parameter.low <= parameter.value <= parameter.high:
            allowed = f"from low {parameter.low:g} to high {parameter.high:g}"
            faults.append(Fault(entry.where, f"value {parameter.value:g}", allowed))
        devices[entry.text("device"), entry.text("parameter")] = parameter
    lacking = [
        f"{device} {name}" for device, name in _device_parameters() if (device, name) not in devices
    ]
    if lacking:
        faults.append(Fault(path.name, f"no line for {', '.join(lacking)}", "one line for each"))
    return devices


def _device_parameters() -> Iterator[tuple[str, str]]:
    """Parameters that the room draws from profiles/devices.csv."""
    names = {
        "pv": "rated_kwp tilt_deg azimuth_deg dc_ac_ratio system_loss_percent temperature_per_k"
        " inverter_efficiency",
        "ev": "charger_kw fast_charger_kw fast_charger_percent capacity_kwh charge_efficiency"
        " driven_kwh day_factor weekday_factor saturday_factor sunday_factor arrival_h"
        " departure_h weekend_arrival_h weekend_departure_h day_shift_h v2h_kw v2h_efficiency"
        " v2h_reserve_percent",
        "battery": "capacity_kwh power_kw round_trip_efficiency",
        "building": "heat_loss_kw_per_k time_constant_h day_c night_c setback_percent free_gain_k"
        " morning_h evening_h ramp_h day_low_c night_low_c high_c",
        "heat_pump": "field_factor sizing_outdoor_c sizing_margin",
        "direct_heater": "heat_loss_kw_per_k sizing_outdoor_c sizing_margin",
        "hot_water": "volume_l power_kw heat_kwh day_factor thermostat_c low_c high_c"
        " loss_kw_per_k room_c morning_h evening_h morning_percent draw_h",
        "wind": "rated_kw cut_in_m_per_s rated_m_per_s cut_out_m_per_s exposure weibull_shape"
        " memory_h",
        "micro_chp": "electric_kw heat_kw",
        "interruptible": "heat_loss_kw_per_k power_kw longest_cut_h cuts discomfort_eur_per_kwh",
    }
    for device, parameters in names.items():
        for parameter in parameters.split():
            yield device, parameter


def _read_cop(path: Path, faults: list[Fault]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    entries = list(_entries(path, ["outdoor_c", "cop", "provenance"], faults))
    outdoor = tuple(entry.number("outdoor_c") for entry in entries)
    cop = tuple(entry.number("cop", 1, 20) for entry in entries)
    if list(outdoor) != sorted(set(outdoor)) or not outdoor:
        faults.append(Fault(path.name, "outdoor_c out of order", "ascending temperatures"))
    return outdoor, cop


def read_tables(profiles_dir: Path) -> ProfileTables:
    """Read and validate every shipped table.

    Raises
    ------
    ConfigurationError
        With every fault found in any of the tables.
    """
    faults: list[Fault] = []
    outdoor_c, cop = _read_cop(profiles_dir / "heat_pump_cop.csv", faults)
    tables = ProfileTables(
        seasons=_read_seasons(profiles_dir / "seasons.csv", faults),
        harmonics=_read_harmonics(profiles_dir / "average_demand.csv", faults),
        appliances=_read_appliances(
            profiles_dir / "appliances.csv", profiles_dir / "habits.csv", faults
        ),
        devices=_read_devices(profiles_dir / "devices.csv", faults),
        cop_outdoor_c=outdoor_c,
        cop=cop,
    )
    if faults:
        raise ConfigurationError(faults)
    return tables
