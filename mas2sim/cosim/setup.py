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
from mas2sim.domain.participant import Participant
from mas2sim.domain.plan import TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.grid import Protection
from mas2sim.market import MarketTerms, Timetable


@dataclass(frozen=True, slots=True, eq=False)
class CaseSetup:
    """Everything a world is built from; the fields are those of `CaseRecord`.

    The power flow has a place for each of `connections`, in their order.
    """

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
    participants: tuple[Participant, ...] = ()

    @property
    def connections(self) -> tuple[Home, ...]:
        """The homes, and after them what the other participants have."""
        return (*self.homes, *(point for each in self.participants for point in each.points))

    @property
    def other_parties(self) -> tuple[Community, ...]:
        """The other participants, each as a community of its own; members are `connections`."""
        found: list[Community] = []
        first = len(self.homes)
        for each in self.participants:
            found.append(each.as_party(first))
            first += len(each.points)
        return tuple(found)

    @property
    def parties(self) -> tuple[Community, ...]:
        """All who send an A-plan: the communities, then the other participants."""
        return (*self.communities, *self.other_parties)

    def tariff_of(self, party: str) -> Tariff:
        """Tariff of the members of a party."""
        own = {each.name: each.point_tariff for each in self.participants}
        return own.get(party, self.tariff)
