"""The configuration of a case, validated: types, bounds and names, all faults at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, FilePath, PlainValidator, ValidationError

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.typical_day import DayType, Level, Season, Weather
from mas2sim.grid import ProtectedLimit
from mas2sim.market import Direction, Protocol, SplitRule
from mas2sim.scenario.participants import KEY, KINDS, ParticipantGroup
from mas2sim.scenario.strict import Clock, Strict

Percent = Annotated[float, Field(ge=0, le=100)]
AVAILABLE_LEVELS = tuple(Level)
OWNED = (
    "pv_percent",
    "ev_percent",
    "heat_pump_percent",
    "battery_percent",
    "smart_appliances_percent",
)
"""Technologies whose owners count as adopters of any."""
SOURCES = {
    "file": "net.json",
    "pandapower": "create_kerber_dorfnetz",
    "simbench": "1-LV-rural1--0-sw",
}
"""Kinds of grids of one's own, each with an example of where it is found."""
KIND_PLACE = 2
"""Where the kind of a participant stands in the place of a finding."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("a name in the IANA database, e.g. Europe/London") from error
    return name


def _one_or_all(substation: Any) -> int | Literal["all"]:
    if substation == "all":
        return "all"
    if isinstance(substation, int) and not isinstance(substation, bool) and substation >= 1:
        return substation
    raise ValueError("the number of a substation, at least 1, or all")


def _divides_an_hour(minutes: int) -> int:
    try:
        Horizon(minutes)
    except ConfigurationError as error:
        raise ValueError(error.faults[0].allowed) from error
    return minutes


def _available_once_each(levels: list[Level]) -> list[Level]:
    if len(set(levels)) < len(levels) or not set(levels) <= set(AVAILABLE_LEVELS):
        raise ValueError(f"each of {', '.join(AVAILABLE_LEVELS)} at most once")
    return sorted(levels, key=list(Level).index)


class SeasonGroup(Strict):
    """Period of the year."""

    name: Season


class DayGroup(Strict):
    """Kind of day of the week."""

    name: DayType


class WeatherGroup(Strict):
    """Kind of sky."""

    name: Weather


class SmartGroup(Strict):
    """Share of homes that own each technology. [%]

    `any_percent` is the share with any of the first five; `v2h_percent` is a share of the EVs.
    """

    name: str
    pv_percent: Percent
    ev_percent: Percent
    heat_pump_percent: Percent
    battery_percent: Percent
    smart_appliances_percent: Percent
    any_percent: Percent
    hot_water_percent: Percent = 0.0
    direct_heater_percent: Percent = 0.0
    wind_percent: Percent = 0.0
    micro_chp_percent: Percent = 0.0
    interruptible_percent: Percent = 0.0
    v2h_percent: Percent = 0.0


class FlexibilityGroup(Strict):
    """Share of the owned flexible devices that is offered. [%]"""

    name: str
    offered_percent: Percent


class SiteConfiguration(Strict):
    """Where the grid is."""

    latitude_deg: float = Field(ge=-90, le=90)
    longitude_deg: float = Field(ge=-180, le=180)
    altitude_m: float = Field(ge=-500, le=9000)
    timezone: Annotated[str, AfterValidator(_zone)]


class ProtectionConfiguration(Strict):
    """What trips, and along which curve."""

    limit: ProtectedLimit
    pickup_percent: float = Field(gt=0)
    curve: Literal["thermal", "standard_inverse"]
    time_constant_hours: float = Field(gt=0)
    time_multiplier: float = Field(gt=0)


class GridGroup(Strict):
    """The grid and its limits.

    A grid of one's own has a `source`; voltage and taps that are null are as the source has them.
    """

    name: Literal["cardiff", "file", "pandapower", "simbench"]
    source: str | None = None
    mapping: FilePath | None = None
    hv_vm_pu: float | None = Field(ge=0.8, le=1.2)
    tap_pos: int | None = Field(strict=True)
    transformer_limit_kw: float | None = Field(gt=0)
    transformer_limit_percent: float = Field(gt=0)
    transformer_export_limit_kw: float | None = Field(gt=0)
    voltage_min_v: float = Field(gt=0)
    voltage_max_v: float = Field(gt=0)
    unbalance_limit_percent: float = Field(gt=0)
    protection: ProtectionConfiguration
    site: SiteConfiguration


class TariffBand(Strict):
    """A price within a part of some days."""

    days: list[DayType] = Field(min_length=1)
    from_: Clock = Field(alias="from")
    to: Clock
    price_per_kwh: float


class TariffGroup(Strict):
    """Prices in a currency of their own."""

    name: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    eur_per_unit: float = Field(gt=0)
    standing_per_day: float
    peak_per_kw: float = Field(ge=0)
    otherwise_per_kwh: float
    export_per_kwh: float
    bands: list[TariffBand]


class ContractConfiguration(Strict):
    """Power that the DSO has bought in advance from one aggregator."""

    community: str
    point: str
    reduces: Direction
    power_kw: float = Field(gt=0)
    from_: Clock = Field(alias="from")
    to: Clock
    price_eur_per_kwh: float = Field(default=0.0, ge=0)
    fee_eur_per_day: float = Field(default=0.0, ge=0)
    activations_per_day: int = Field(default=1, ge=1, strict=True)


class ExternalConfiguration(Strict):
    """What a buyer outside asks of one community, in some hours."""

    buyer: str
    community: str
    change_kw: float
    from_: Clock = Field(alias="from")
    to: Clock
    price_eur_per_kwh: float = Field(ge=0)


class MarketGroup(Strict):
    """Gates of the market on the day before delivery, and how it is held."""

    name: Literal["spot"]
    plan_hour: int = Field(ge=0, le=20, strict=True)
    gate_minutes: int = Field(ge=1, le=60, strict=True)
    willing_percent: Percent
    protocol: Protocol
    network_fee_eur_per_kwh: float = Field(ge=0)
    gap_percent: float = Field(ge=0)
    split: SplitRule
    local_price_share: float = Field(ge=0, le=1)
    service_share: float = Field(ge=0, le=1)
    exchange: bool
    price_cap_eur_per_kwh: float = Field(gt=0)
    loss_eur_per_kwh: float = Field(ge=0)
    watch_voltage: bool
    voltage_margin_v: float = Field(ge=0, le=10)
    curtailment_factor: float = Field(ge=0)
    central_gap_percent: float = Field(gt=0)
    central_limit_s: float | None = Field(gt=0)
    external: list[ExternalConfiguration]
    contracts: list[ContractConfiguration]


class PopulationGroup(Strict):
    """Homes before any smart technology, and files of one's own."""

    name: str
    mean_annual_kwh: float = Field(gt=0)
    annual_kwh_cv: float = Field(ge=0, le=2)
    air_offset_k: float = Field(default=0.0, ge=-30, le=30)
    ladder: list[str] = Field(min_length=1)
    import_cap_kw: float | None = Field(default=None, gt=0)
    export_cap_kw: float | None = Field(default=None, ge=0)
    ev_least_charge_kw: float = Field(default=0.0, ge=0, le=7.4)
    most_cycles_per_day: int = Field(default=1, ge=1, le=2, strict=True)
    average_profiles: FilePath | None
    annual_energy: FilePath | None
    measured_profiles: FilePath | None
    allocation: FilePath | None


class CaseConfiguration(Strict):
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
    substation: Annotated[int | Literal["all"], PlainValidator(_one_or_all)]
    communities: int = Field(ge=1, strict=True)
    seed: int = Field(ge=0, lt=2**63, strict=True)
    levels: Annotated[list[Level], Field(min_length=1), AfterValidator(_available_once_each)]
    power_flow: Literal["unbalanced", "balanced"]
    ties: TieRule
    ptu_minutes: Annotated[int, Field(strict=True), AfterValidator(_divides_an_hour)]
    participants: list[ParticipantGroup] = Field(default_factory=list)


def validate(
    configuration: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[CaseConfiguration | None, list[Fault]]:
    """Validate a composed configuration.

    Parameters
    ----------
    configuration : mapping
        As composed.
    defaults : mapping
        The same tree without the user's values: what to try instead of a wrong one.

    Returns
    -------
    configuration : CaseConfiguration or None
        None when there are faults.
    faults : list of Fault
    """
    checked: CaseConfiguration | None = None
    faults: list[Fault] = []
    try:
        checked = CaseConfiguration.model_validate(dict(configuration))
    except ValidationError as error:
        faults = [_fault(details, defaults) for details in error.errors()]
    faults += _contradictions(configuration)
    return (None if faults else checked), faults


def _contradictions(configuration: Mapping[str, Any]) -> list[Fault]:
    """What is right by itself and wrong together; looked for even where other values are wrong."""
    faults = []
    smart, grid = configuration.get("smart", {}), configuration.get("grid", {})
    shares = [smart.get(name) for name in OWNED]
    owned = max((share for share in shares if _is_number(share) and share <= 100), default=0.0)
    if _is_number(smart.get("any_percent")) and owned > smart["any_percent"]:
        faults.append(
            Fault(
                "smart.any_percent",
                f"{smart['any_percent']:g}",
                f"at least {owned:g}, the largest share of one technology",
                f"smart.any_percent={owned:g}",
            )
        )
    faults += _source_faults(grid)
    low, high = grid.get("voltage_min_v"), grid.get("voltage_max_v")
    if _is_number(low) and _is_number(high) and low >= high:
        found = f"{low:g} V, above grid.voltage_max_v of {high:g} V"
        faults.append(Fault("grid.voltage_min_v", found, "less than grid.voltage_max_v"))
    return faults


def _source_faults(grid: Mapping[str, Any]) -> list[Fault]:
    """A grid of one's own without a source, or a generated one without what a net would say."""
    name, source = grid.get("name"), grid.get("source")
    if name == "cardiff":
        return [
            Fault(f"grid.{key}", "null", "a number: no net says it", f"grid.{key}={value}")
            for key, value in (("hv_vm_pu", "1.0"), ("tap_pos", "0"))
            if key in grid and grid[key] is None
        ]
    if name in SOURCES and not (isinstance(source, str) and source):
        remedy = f"grid.source={SOURCES[name]}"
        return [Fault("grid.source", repr(source), f"where the {name} grid is found", remedy)]
    if name == "file" and not Path(str(source)).is_file():
        return [Fault("grid.source", repr(source), "a file that exists, a pandapower net in JSON")]
    return []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fault(details: Any, defaults: Mapping[str, Any]) -> Fault:
    """One of pydantic's findings in this project's words."""
    place = details["loc"]
    if details["type"].startswith("union_tag"):
        tag = details["ctx"].get("tag")
        where = ".".join([*map(str, place), "kind"])
        return Fault(where, "nothing" if tag is None else repr(tag), ", ".join(KINDS))
    if place[0] == KEY and len(place) > KIND_PLACE:
        # The kind, which pydantic names here, is no key of the user's.
        place = (*place[:KIND_PLACE], *place[KIND_PLACE + 1 :])
    where = ".".join(str(part) for part in place)
    found = "nothing" if details["type"] == "missing" else repr(details["input"])
    default = _default(place, defaults)
    remedy = "" if default is None else f"{where}={default}"
    return Fault(where, found, _allowed(details), remedy)


def _allowed(details: Any) -> str:
    """What would have been right, said for people."""
    limits = details.get("ctx", {})
    said = {
        "extra_forbidden": "no such key",
        "missing": "a value",
        "int_type": "an integer",
        "int_parsing": "an integer",
        "int_from_float": "an integer",
        "float_type": "a number",
        "float_parsing": "a number",
        "finite_number": "a finite number",
        "string_type": "a word",
        "list_type": "a list, e.g. [a,b]",
        "too_short": "one at least",
        "path_type": "a CSV or Parquet file that exists",
        "path_not_file": "a CSV or Parquet file that exists",
        "string_pattern_mismatch": (
            "HH:MM for a time, three capitals for a currency, small letters, digits and _ for a "
            "name"
        ),
        "greater_than": f"more than {limits.get('gt')}",
        "greater_than_equal": f"at least {limits.get('ge')}",
        "less_than": f"less than {limits.get('lt')}",
        "less_than_equal": f"at most {limits.get('le')}",
    }
    message: str = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return said.get(details["type"], message)


def _default(place: tuple[Any, ...], defaults: Mapping[str, Any]) -> Any:
    """Value of a key in the tree without the user's values; None for none and for whole groups."""
    value: Any = defaults
    for part in place:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    if isinstance(value, list):
        return "[" + ",".join(map(str, value)) + "]" if all(map(_is_plain, value)) else None
    return value if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)
