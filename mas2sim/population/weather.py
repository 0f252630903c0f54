"""Phase 4 of the data production: sun, clouds and air temperature of the case's day.

The whole neighbourhood is under one sky: clouds depend on the seed, the season and the weather,
never on the substation or the home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Season, Weather
from mas2sim.population.resolution import QUARTER_HOURS, QUARTERS, ptus_to_quarters
from mas2sim.population.settings import Site
from mas2sim.population.tables import SeasonFacts

CLEAR, CLOUD = 1.0, 0.25
"""Clear-sky index of the two states of a variable day [A]."""
SHORTEST_DWELL, LONGEST_DWELL = 2, 4
"""A state of a variable day lasts 30 to 60 minutes, in quarter hours [A]."""
VARIABLE_BAND = 0.03
"""A variable day is redrawn until its mean is this near the table's; then it is scaled."""
CLOUDY_NOISE, CLOUDY_MEMORY = 0.12, 0.8
"""Standard deviation, relative, and quarter-hour autocorrelation of a cloudy day [A]."""
WARMEST_HOUR = 15.0
"""Clock time of the day's greatest air temperature [A]."""


@dataclass(frozen=True, slots=True, eq=False)
class ClearSky:
    """Sun and clear-sky irradiance over one day of local clock time, by minute.

    Parameters
    ----------
    zenith_deg, azimuth_deg : array, shape (minute)
        Apparent zenith, and azimuth clockwise from north.
    ghi, dni, dhi, dni_extra : array, shape (minute)
        Global horizontal, direct normal, diffuse horizontal and extraterrestrial irradiance.
        [W/m2]
    """

    zenith_deg: FloatArray
    azimuth_deg: FloatArray
    ghi: FloatArray
    dni: FloatArray
    dhi: FloatArray
    dni_extra: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "zenith_deg", "azimuth_deg", "ghi", "dni", "dhi", "dni_extra")


def clear_sky(site: Site, day: date) -> ClearSky:
    """Clear sky of one date by the Ineichen model with pvlib's monthly turbidity table.

    Ineichen and Perez 2002, doi:10.1016/S0038-092X(02)00045-2.
    """
    import pandas as pd
    from pvlib.irradiance import get_extra_radiation
    from pvlib.location import Location

    # Middles of the minutes: a value stands for the mean of its minute.
    times = pd.date_range(f"{day} 00:00:30", periods=1440, freq="min", tz=site.timezone)
    location = Location(site.latitude_deg, site.longitude_deg, site.timezone, site.altitude_m)
    position = location.get_solarposition(times)
    sky = location.get_clearsky(times, model="ineichen", solar_position=position)
    return ClearSky(
        zenith_deg=position["apparent_zenith"].to_numpy(),
        azimuth_deg=position["azimuth"].to_numpy(),
        ghi=sky["ghi"].to_numpy(),
        dni=sky["dni"].to_numpy(),
        dhi=sky["dhi"].to_numpy(),
        dni_extra=get_extra_radiation(times).to_numpy(),
    )


def representative_dates(site: Site, seasons: Mapping[Season, SeasonFacts]) -> dict[Season, date]:
    """Date of each season whose clear-sky energy is nearest the season's mean.

    The reference year is the one that the seasons' bounds lie in. Of equally near dates the
    earliest is taken.

    Parameters
    ----------
    seasons : mapping of Season to SeasonFacts
        Only the bounds are used.
    """
    import pandas as pd
    from pvlib.location import Location

    year = seasons[Season.SUMMER].first.year
    # Ten minutes keep a day's energy to well under the difference between neighbouring dates.
    times = pd.date_range(f"{year}-01-01 00:05", f"{year}-12-31 23:55", freq="10min", tz="UTC")
    location = Location(site.latitude_deg, site.longitude_deg, site.timezone, site.altitude_m)
    ghi = location.get_clearsky(times, model="ineichen")["ghi"]
    local_date = times.tz_convert(site.timezone).date
    energy = ghi.groupby(local_date).sum()
    energy = energy[[day.year == year for day in energy.index]]
    dates = {}
    for season, facts in seasons.items():
        inside = energy[[_within(day, facts.first, facts.last) for day in energy.index]]
        dates[season] = (inside - inside.mean()).abs().idxmin()
    return dates


def _within(day: date, first: date, last: date) -> bool:
    """Whether `day` lies in a season that may run through the turn of the year."""
    if first <= last:
        return first <= day <= last
    return day >= first or day <= last


def clearness_series(
    facts: SeasonFacts, weather: Weather, sky: ClearSky, *, seed: int
) -> FloatArray:
    """Clear-sky index of each quarter hour, shape (96).

    Its mean, weighted with the clear-sky energy, is the season's figure for that weather.
    """
    ghi = ptus_to_quarters(sky.ghi)
    if not ghi.any():
        # Polar night: there is nothing for clouds to dim.
        return np.zeros(QUARTERS)
    weight = ghi / ghi.sum()
    mean = facts.clearness[weather]
    rng = stream(seed, "clouds", facts.season, weather)
    if weather is Weather.SUNNY:
        return np.full(QUARTERS, mean)
    if weather is Weather.CLOUDY:
        index = np.clip(1 + CLOUDY_NOISE * _memory_noise(rng), 0.5, 1.5)
    else:
        index = _two_states(mean, rng)
        while abs(index @ weight / mean - 1) > VARIABLE_BAND:
            index = _two_states(mean, rng)
    return np.asarray(index * (mean / (index @ weight)))


def _memory_noise(rng: np.random.Generator) -> FloatArray:
    """First-order autoregressive noise of unit variance, shape (96)."""
    shocks = np.sqrt(1 - CLOUDY_MEMORY**2) * rng.standard_normal(QUARTERS)
    noise = np.empty(QUARTERS)
    value = rng.standard_normal()
    for quarter, shock in enumerate(shocks):
        value = CLOUDY_MEMORY * value + shock
        noise[quarter] = value
    return noise


def _two_states(mean: float, rng: np.random.Generator) -> FloatArray:
    """Clear and cloudy spells in turn, with `mean` expected, shape (96).

    The mean dwell of a state is in proportion to its share of the time, and 45 minutes for both
    together.
    """
    # The dwell bounds allow shares from a third to two thirds; what lies beyond is left to scaling.
    clear_share = np.clip((mean - CLOUD) / (CLEAR - CLOUD), 1 / 3, 2 / 3)
    spread = LONGEST_DWELL - SHORTEST_DWELL
    pair = SHORTEST_DWELL + LONGEST_DWELL
    index = np.empty(0)
    clear = rng.random() < clear_share
    while index.size < QUARTERS:
        share = clear_share if clear else 1 - clear_share
        longer = rng.binomial(spread, (pair * share - SHORTEST_DWELL) / spread)
        index = np.append(index, np.full(SHORTEST_DWELL + longer, CLEAR if clear else CLOUD))
        clear = not clear
    # The first spell has begun before midnight.
    return np.roll(index[:QUARTERS], -int(rng.integers(QUARTERS)))


def air_temperature_c(facts: SeasonFacts, offset_k: float = 0.0) -> FloatArray:
    """Outdoor temperature: the season's mean and one wave a day, shape (96). [C]"""
    hours = (np.arange(QUARTERS) + 0.5) * QUARTER_HOURS
    wave = np.cos(2 * np.pi * (hours - WARMEST_HOUR) / 24)
    return np.asarray(facts.air_mean_c + offset_k + facts.air_swing_k * wave)
