"""What a hosting study is asked: which technology, against which limits, in how many draws.

A room of its own because everything that can be wrong with the question is found here, before a
case is composed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from mas2sim.domain.errors import Fault
from mas2sim.domain.home import Home
from mas2sim.domain.typical_day import Level
from mas2sim.study.typical_year import DESIGN_DAYS, YearDay

DRAWS, PENETRATIONS = 100, 20
CURTAILMENT_CAP_PERCENT = 5.0
"""Most that the DSO may curtail for a penetration to count as hosted, of the technology's energy of
the day [A]."""
FLOW_LEVELS = (Level.BASELINE, Level.UC1)
"""Levels at which a home's power does not depend on other homes, so that draws cost flows only."""
MARKET_LEVELS = (Level.UC2, Level.UC3)
"""Levels at which every draw and penetration needs a world of its own."""
LEVELS = (*FLOW_LEVELS, *MARKET_LEVELS)


class Technology(StrEnum):
    """What is to be hosted."""

    PV = "pv"
    EV = "ev"
    HEAT_PUMP = "heat_pump"


class Criterion(StrEnum):
    """A limit that decides whether a penetration is hosted."""

    VOLTAGE = "voltage"
    THERMAL = "thermal"
    UNBALANCE = "unbalance"
    REVERSE_POWER = "reverse_power"


CRITERIA = tuple(Criterion)


@dataclass(frozen=True, slots=True)
class TechnologyFacts:
    """How a technology is spoken of, and on which day it is hardest to host.

    Parameters
    ----------
    label : str
        In sentences.
    unit, size : str
        Unit and meaning of a plant's size.
    day : YearDay
        The design day.
    """

    label: str
    unit: str
    size: str
    day: YearDay


_COLD_SPELL, _CLEAR_SUNDAY = DESIGN_DAYS
FACTS: Mapping[Technology, TechnologyFacts] = {
    Technology.PV: TechnologyFacts("PV", "kWp", "rated power of the modules", _CLEAR_SUNDAY),
    Technology.EV: TechnologyFacts("EVs", "kW", "rated power of the chargers", _COLD_SPELL),
    Technology.HEAT_PUMP: TechnologyFacts(
        "heat pumps", "kW", "greatest electric power of the heat pumps", _COLD_SPELL
    ),
}


def size_kw(home: Home, technology: Technology) -> float:
    """Size of the technology in a home that has it. [kWp or kW]"""
    if technology is Technology.PV:
        return 0.0 if home.pv is None else home.pv.rated_kwp
    if technology is Technology.EV:
        return 0.0 if home.ev is None else home.ev.charger_kw
    return sum(heater.power_kw for heater in home.heaters if heater.name == technology)


@dataclass(frozen=True, slots=True)
class HostingQuestion:
    """What is asked.

    Parameters
    ----------
    technology : str
        ``"pv"``, ``"ev"`` or ``"heat_pump"``.
    levels : sequence of Level
        Of `LEVELS`.
    draws : int
        Orders in which homes get the technology.
    penetrations : int
        Steps from none to `most_percent` of the homes.
    most_percent : float
        The highest penetration. [%]
    taps : sequence of int
        Tap positions; without any, that of the case.
    criteria : sequence of str
        The limits that count, of `Criterion`.
    curtailment_cap_percent : float
        At level uc3, the most that may be curtailed, of the technology's energy of the day.
    """

    technology: str = Technology.PV
    levels: Sequence[Level] = FLOW_LEVELS
    draws: int = DRAWS
    penetrations: int = PENETRATIONS
    most_percent: float = 100.0
    taps: Sequence[int] = ()
    criteria: Sequence[str] = CRITERIA
    curtailment_cap_percent: float = CURTAILMENT_CAP_PERCENT

    @property
    def flow_levels(self) -> tuple[Level, ...]:
        """Levels that cost flows only, in their order."""
        return tuple(level for level in FLOW_LEVELS if level in self.levels)

    @property
    def market_levels(self) -> tuple[Level, ...]:
        """Levels that need worlds, in their order."""
        return tuple(level for level in MARKET_LEVELS if level in self.levels)

    def faults(self) -> list[Fault]:
        """What is wrong with the question by itself."""
        faults = [
            *_choice_faults("technology", [self.technology], [str(each) for each in Technology]),
            *_choice_faults("levels", self.levels, [str(each) for each in LEVELS]),
            *_choice_faults("criteria", self.criteria, [str(each) for each in Criterion]),
            *_count_faults("draws", self.draws),
            *_count_faults("penetrations", self.penetrations),
        ]
        if len(set(self.taps)) < len(self.taps):
            faults.append(Fault("taps", _list(self.taps), "each position at most once"))
        if not 0.0 < self.most_percent <= 100.0:
            found = f"{self.most_percent:g} %"
            allowed = "more than 0, at most 100: there are no more plants than homes"
            faults.append(Fault("most_percent", found, allowed, "most_percent=100"))
        cap = self.curtailment_cap_percent
        if not (isfinite(cap) and 0.0 <= cap <= 100.0):
            faults.append(Fault("curtailment_cap_percent", f"{cap:g} %", "0 to 100"))
        return faults


def day_overrides(technology: Technology, overrides: Sequence[str]) -> tuple[str, ...]:
    """Overrides that make the technology's design day, but for what the user sets.

    A user's own season or weather is another day altogether: the cold spell is left out then.
    """
    own = {text.split("=", 1)[0] for text in overrides}
    chosen = own & {"season", "weather"}
    return tuple(
        text
        for text in FACTS[technology].day.overrides
        if (key := text.split("=", 1)[0]) not in own
        and not (chosen and key == "population.air_offset_k")
    )


def _choice_faults(where: str, chosen: Sequence[str], allowed: Sequence[str]) -> list[Fault]:
    one_of = ", ".join(allowed)
    if not chosen:
        return [Fault(where, "none", f"at least one of {one_of}")]
    faults = [Fault(where, repr(str(each)), one_of) for each in chosen if each not in allowed]
    if len(set(chosen)) < len(chosen):
        faults.append(Fault(where, _list(chosen), "each at most once"))
    return faults


def _count_faults(where: str, value: int) -> list[Fault]:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return []
    return [Fault(where, str(value), "a whole number, at least 1")]


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))
