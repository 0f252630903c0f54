"""The fifteen typical days, the weathers and the levels: the axes of D6.1, table 14."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product


class Season(StrEnum):
    """The four seasons and high summer."""

    WINTER = "winter"
    SPRING = "spring"
    SUMMER = "summer"
    HIGH_SUMMER = "high_summer"
    AUTUMN = "autumn"


class DayType(StrEnum):
    """Kind of day of the week."""

    WEEKDAY = "weekday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Weather(StrEnum):
    """Kind of sky."""

    SUNNY = "sunny"
    VARIABLE = "variable"
    CLOUDY = "cloudy"


class Level(StrEnum):
    """Who decides: nobody, each home, the community, the DSO as well, or one who knows all."""

    BASELINE = "baseline"
    UC1 = "uc1"
    UC2 = "uc2"
    UC3 = "uc3"
    CENTRAL = "central"


WEEK_SHARE = {DayType.WEEKDAY: 5 / 7, DayType.SATURDAY: 1 / 7, DayType.SUNDAY: 1 / 7}


@dataclass(frozen=True, slots=True, order=True)
class TypicalDay:
    """One of the fifteen days that stand for a year."""

    season: Season
    day_type: DayType

    @property
    def index(self) -> int:
        """Place of the day in `TYPICAL_DAYS`."""
        return TYPICAL_DAYS.index(self)


TYPICAL_DAYS = tuple(TypicalDay(season, day) for season, day in product(Season, DayType))
