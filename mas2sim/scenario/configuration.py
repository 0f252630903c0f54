"""The configuration of a case, validated: types, bounds and names, all faults at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    ValidationError,
    model_validator,
)

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.typical_day import DayType, Level, Season, Weather

Percent = Annotated[float, Field(ge=0, le=100)]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
AVAILABLE_LEVELS = (Level.BASELINE, Level.UC1)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("a name in the IANA database, e.g. Europe/London") from error
    return name


def _divides_an_hour(minutes: int) -> int:
    try:
        Horizon(minutes)
    except ConfigurationError as error:
        raise ValueError(error.faults[0].allowed) from error
    return minutes


def _available_once_each(levels: list[Level]) -> list[Level]:
    if len(set(levels)) < len(levels) or not set(levels) <= set(AVAILABLE_LEVELS):
        raise ValueError(f"each of {', '.join(AVAILABLE_LEVELS)} at most once")
    return levels


class _Strict(BaseModel):
    """Nothing unknown, nothing converted in silence, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SeasonGroup(_Strict):
    """Period of the year."""

    name: Season


class DayGroup(_Strict):
    """Kind of day of the week."""

    name: DayType


class WeatherGroup(_Strict):
    """Kind of sky."""

    name: Weather


class SmartGroup(_Strict):
    """Share of homes that own each technology. [%]"""

    name: str
    pv_percent: Percent
    ev_percent: Percent
    heat_pump_percent: Percent
    battery_percent: Percent
    smart_appliances_percent: Percent
    any_percent: Percent

    @model_validator(mode="after")
    def _any_covers_each(self) -> Self:
        owned = max(
            self.pv_percent,
            self.ev_percent,
            self.heat_pump_percent,
            self.battery_percent,
            self.smart_appliances_percent,
        )
        if owned > self.any_percent:
            raise ValueError(
                f"any_percent of at least {owned:g}, the largest share of one technology "
                f"(found {self.any_percent:g})"
            )
        return self


class FlexibilityGroup(_Strict):
    """Share of the owned flexible devices that is offered. [%]"""

    name: str
    offered_percent: Percent


class SiteConfiguration(_Strict):
    """Where the grid is."""

    latitude_deg: float = Field(ge=-90, le=90)
    longitude_deg: float = Field(ge=-180, le=180)
    altitude_m: float = Field(ge=-500, le=9000)
    timezone: Annotated[str, AfterValidator(_zone)]


class GridGroup(_Strict):
    """The grid and its limits."""

    name: Literal["cardiff"]
    hv_vm_pu: float = Field(ge=0.8, le=1.2)
    tap_pos: int = Field(strict=True)
    transformer_limit_kw: float | None = Field(gt=0)
    transformer_export_limit_kw: float | None = Field(gt=0)
    voltage_min_v: float = Field(gt=0)
    voltage_max_v: float = Field(gt=0)
    site: SiteConfiguration

    @model_validator(mode="after")
    def _band_has_width(self) -> Self:
        if self.voltage_min_v >= self.voltage_max_v:
            raise ValueError("voltage_min_v less than voltage_max_v")
        return self


class TariffBand(_Strict):
    """A price within a part of some days."""

    days: list[DayType] = Field(min_length=1)
    from_: Clock = Field(alias="from")
    to: Clock
    price_per_kwh: float


class TariffGroup(_Strict):
    """Prices in a currency of their own."""

    name: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    eur_per_unit: float = Field(gt=0)
    standing_per_day: float
    otherwise_per_kwh: float
    export_per_kwh: float
    bands: list[TariffBand]


class MarketGroup(_Strict):
    """Gates of the market on the day before delivery."""

    name: Literal["spot"]
    plan_hour: int = Field(ge=0, le=20, strict=True)
    gate_minutes: int = Field(ge=1, le=60, strict=True)


class PopulationGroup(_Strict):
    """Homes before any smart technology, and files of one's own."""

    name: str
    mean_annual_kwh: float = Field(gt=0)
    annual_kwh_cv: float = Field(ge=0, le=2)
    ladder: list[str] = Field(min_length=1)
    average_profiles: FilePath | None
    annual_energy: FilePath | None
    measured_profiles: FilePath | None
    allocation: FilePath | None


class CaseConfiguration(_Strict):
    """Everything that can be set for one case; the keys are those of scenarios/."""

    season: SeasonGroup
    day: DayGroup
    weather: WeatherGroup
    smart: SmartGroup
    flexibility: FlexibilityGroup
    grid: GridGroup
    tariff: TariffGroup
    market: MarketGroup
    population: PopulationGroup
    substation: int = Field(ge=1, strict=True)
    communities: int = Field(ge=1, strict=True)
    seed: int = Field(ge=0, strict=True)
    levels: Annotated[list[Level], Field(min_length=1), AfterValidator(_available_once_each)]
    power_flow: Literal["unbalanced", "balanced"]
    ties: TieRule
    ptu_minutes: Annotated[int, Field(strict=True), AfterValidator(_divides_an_hour)]


def validate(configuration: dict[str, Any]) -> tuple[CaseConfiguration | None, list[Fault]]:
    """Validate a composed configuration.

    Returns
    -------
    configuration : CaseConfiguration or None
        None when there are faults.
    faults : list of Fault
    """
    try:
        return CaseConfiguration.model_validate(configuration), []
    except ValidationError as error:
        return None, [_fault(details) for details in error.errors()]


def _fault(details: Any) -> Fault:
    """One of pydantic's findings in this project's words."""
    where = ".".join(str(part) for part in details["loc"])
    found = "the values given" if isinstance(details["input"], dict) else repr(details["input"])
    if details["type"] == "missing":
        found = "nothing"
    allowed = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if details["type"] == "path_not_file":
        allowed = "a CSV or Parquet file that exists"
    return Fault(where, found, allowed)
