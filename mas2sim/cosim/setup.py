"""What one case's world is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.grid_state import PowerFlow
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.plan import TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.grid import Protection
from mas2sim.market import MarketTerms, Timetable


@dataclass(frozen=True, slots=True, eq=False)
class CaseSetup:
    """Everything a world is built from; the fields are those of `CaseRecord`."""

    axes: Mapping[str, str | int]
    date: str
    levels: tuple[Level, ...]
    horizon: Horizon
    tariff: Tariff
    limits: GridLimits
    flow: PowerFlow
    homes: tuple[Home, ...]
    communities: tuple[Community, ...]
    outdoor_c: FloatArray
    clearness: FloatArray
    ties: TieRule
    seed: int
    substation: int
    timetable: Timetable = field(default_factory=Timetable)
    market: MarketTerms = field(default_factory=MarketTerms)
    protection: Protection = field(default_factory=Protection)
