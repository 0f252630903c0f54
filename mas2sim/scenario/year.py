"""How often a typical day occurs in a year: the weights by which studies and campaigns sum.

A room of its own below both, so that a year is the same year wherever one is summed up.
"""

from __future__ import annotations

from mas2sim.domain.typical_day import WEEK_SHARE, DayType, Season, Weather
from mas2sim.population.tables import ProfileTables


def days_of_year(
    season: Season, day_type: DayType, weather: Weather, tables: ProfileTables
) -> float:
    """Days of the year that a typical day under one weather stands for. [d]

    ``days of the season x (5/7 weekday, 1/7 Saturday, 1/7 Sunday) x share of the weather in the
    season``; the 45 of them sum to the days of the year.

    Parameters
    ----------
    season, day_type, weather : Season, DayType, Weather
    tables : ProfileTables
        Their seasons hold the days of each and how often each weather is.
    """
    facts = tables.season(season)
    return facts.days * WEEK_SHARE[day_type] * facts.weather_share[weather]
