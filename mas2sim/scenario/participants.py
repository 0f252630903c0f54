"""Participants that are no homes, as they are configured: one by one, each with its own tariff.

A room beside `configuration`: they are a list, and what can be wrong is wrong between its entries.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from mas2sim.domain.errors import Fault
from mas2sim.domain.typical_day import DayType
from mas2sim.population import ChargingStation, NonDomestic, PvFarm, SmallBusiness
from mas2sim.scenario.strict import Clock, Strict

KEY = "participants"
KINDS = ("charging_station", "pv_plant", "small_business")
BUSINESS_TARIFF = "uk_business"
"""Tariff of the small businesses of a recipe, and of others unless they name another."""
COMMUNITY = re.compile(r"community_\d+")
"""Names that the communities of a case have."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class _ParticipantGroup(Strict):
    """What all kinds have: a place and a tariff.

    Without a bus it is at the transformer's low-voltage busbar, without a tariff it has that of the
    homes.
    """

    name: Name
    bus: str | None = None
    tariff: str | None = None
    phase: Literal["a", "b", "c", "abc"] = "abc"


class ChargingStationGroup(_ParticipantGroup):
    """Charge points of one meter; the defaults are a car park at work. [A]"""

    kind: Literal["charging_station"]
    flexible: bool = True
    points: int = Field(default=6, ge=1, le=200, strict=True)
    charger_kw: float = Field(default=11.0, gt=0, le=350)
    capacity_kwh: float = Field(default=60.0, gt=0)
    driven_kwh: float = Field(default=15.0, ge=0)
    from_: Clock = Field(default="08:30", alias="from")
    to: Clock = "17:30"
    spread_h: float = Field(default=0.75, ge=0, le=6)
    days: list[DayType] = Field(default=list(DayType), min_length=1)

    @property
    def sentence(self) -> str:
        """What is assumed, for the record."""
        phases = "three-phase " if self.phase == "abc" else ""
        return (
            f"The charging station {self.name} has {self.points} {phases}charge points of "
            f"{self.charger_kw:g} kW with a vehicle each a day, connected from about {self.from_} "
            f"to {self.to}, which takes {self.driven_kwh:g} kWh on average."
        )

    def stands(self) -> ChargingStation:
        """What stands behind its meter."""
        return ChargingStation(
            name=self.name,
            points=self.points,
            charger_kw=self.charger_kw,
            capacity_kwh=self.capacity_kwh,
            driven_kwh=self.driven_kwh,
            arrival_h=_hours(self.from_),
            departure_h=_hours(self.to),
            spread_h=self.spread_h,
            days=tuple(self.days),
            flexible=self.flexible,
        )


class PvPlantGroup(_ParticipantGroup):
    """A larger PV plant, with a battery if it has a capacity; tilt as on a flat roof. [A]"""

    kind: Literal["pv_plant"]
    flexible: bool = True
    rated_kwp: float = Field(default=50.0, gt=0)
    tilt_deg: float = Field(default=15.0, ge=0, le=90)
    azimuth_deg: float = Field(default=180.0, ge=0, lt=360)
    battery_kwh: float = Field(default=0.0, ge=0)
    battery_kw: float = Field(default=0.0, ge=0)

    @property
    def sentence(self) -> str:
        """What is assumed, for the record."""
        battery = f"a battery of {self.battery_kwh:g} kWh" if self.battery_kwh else "no battery"
        return (
            f"The PV plant {self.name} has {self.rated_kwp:g} kWp, tilted by {self.tilt_deg:g} "
            f"degrees, and {battery}; its feed-in is not curtailed by plan."
        )

    def stands(self) -> PvFarm:
        """What stands behind its meter."""
        return PvFarm(
            name=self.name,
            rated_kwp=self.rated_kwp,
            tilt_deg=self.tilt_deg,
            azimuth_deg=self.azimuth_deg,
            battery_kwh=self.battery_kwh,
            battery_kw=self.battery_kw,
            flexible=self.flexible,
        )


class SmallBusinessGroup(_ParticipantGroup):
    """A shop, an office or a workshop; its year is drawn unless it is given."""

    kind: Literal["small_business"]
    tariff: str | None = BUSINESS_TARIFF
    annual_kwh: float | None = Field(default=None, gt=0)

    @property
    def sentence(self) -> str:
        """What is assumed, for the record."""
        year = "an annual energy that is drawn"
        if self.annual_kwh is not None:
            year = f"{self.annual_kwh:g} kWh a year"
        return (
            f"The small business {self.name} has {year}, the shape of the average small commercial "
            "demand at its own hours, and nothing that could be planned."
        )

    def stands(self) -> SmallBusiness:
        """What stands behind its meter."""
        return SmallBusiness(self.name, self.annual_kwh)


AnyGroup = ChargingStationGroup | PvPlantGroup | SmallBusinessGroup
ParticipantGroup = Annotated[AnyGroup, Field(discriminator="kind")]
"""One participant that is no home."""


def behind_meters(groups: Sequence[AnyGroup]) -> tuple[NonDomestic, ...]:
    """What stands behind each participant's meter."""
    return tuple(group.stands() for group in groups)


def participant_faults(
    configuration: Mapping[str, Any], tariffs: Mapping[str, Mapping[str, Any] | None]
) -> list[Fault]:
    """What is right by itself and wrong together, whatever else is wrong.

    Parameters
    ----------
    configuration : mapping
        As composed.
    tariffs : mapping of str to mapping or None
        Content of the tariffs that participants name; None where there is no such choice.
    """
    entries = configuration.get(KEY)
    if not isinstance(entries, list):
        return []
    known = [each if isinstance(each, Mapping) else {} for each in entries]
    names = Counter(str(each["name"]) for each in known if "name" in each)
    faults = [
        Fault(KEY, f"{count} of the name {name!r}", "a name of its own for each")
        for name, count in names.items()
        if count > 1
    ]
    for place, entry in enumerate(known):
        faults += _faults_of(f"{KEY}.{place}", entry)
        name = entry.get("tariff")
        prices = configuration.get("tariff") if name is None else tariffs.get(str(name))
        if name is not None and prices is None:
            allowed = "the name of a choice in scenarios/tariff/, or null for that of the homes"
            faults.append(Fault(f"{KEY}.{place}.tariff", repr(name), allowed))
        elif isinstance(prices, Mapping) and _has_peak(prices) and entry.get("points", 6) != 1:
            faults += _faults_of_peak(place, entry, prices)
    return faults


def named_tariffs(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """Tariffs that participants name, each once, and first that of small businesses.

    That one is always known: whether a grid has such users is known once it is built.
    """
    entries = configuration.get(KEY)
    named = [
        str(each["tariff"])
        for each in (entries if isinstance(entries, list) else [])
        if isinstance(each, Mapping) and each.get("tariff") is not None
    ]
    return tuple(dict.fromkeys([BUSINESS_TARIFF, *named]))


def _faults_of(where: str, entry: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong within one entry."""
    if COMMUNITY.fullmatch(str(entry.get("name"))):
        yield Fault(f"{where}.name", repr(entry["name"]), "a name that no community has")
    start, end = entry.get("from", "08:30"), entry.get("to", "17:30")
    if start == end:
        yield Fault(f"{where}.to", repr(end), "another time than `from`")
    if _positive(entry.get("battery_kwh")) and not _positive(entry.get("battery_kw")):
        yield Fault(f"{where}.battery_kw", str(entry.get("battery_kw", 0)), "more than 0")


def _faults_of_peak(
    place: int, entry: Mapping[str, Any], prices: Mapping[str, Any]
) -> Iterator[Fault]:
    """A price of the peak is one for the whole meter, and charge points are planned one by one."""
    if entry.get("kind") == "charging_station":
        found = f"{prices.get('name')}, with a price of the peak, for several charge points"
        allowed = "a tariff without a price of the peak"
        yield Fault(f"{KEY}.{place}.tariff", found, allowed, "points: 1, or another tariff")


def _has_peak(prices: Mapping[str, Any]) -> bool:
    return _positive(prices.get("peak_per_kw"))


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _hours(clock: str) -> float:
    hours, minutes = clock.split(":")
    return int(hours) + int(minutes) / 60.0
