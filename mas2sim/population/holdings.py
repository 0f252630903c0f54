"""Who owns and offers which device in one case: by adoption, or by the user's own allocation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TypicalDay
from mas2sim.population.adoption import (
    FLEXIBLE,
    FURTHER,
    TECHNOLOGIES,
    Adoption,
    build_adoption,
    offering,
)
from mas2sim.population.appliances import ApplianceUse, draw_kinds
from mas2sim.population.own_data import Allocated, OwnTables
from mas2sim.population.settings import PopulationSettings
from mas2sim.population.tables import ApplianceKind, ProfileTables, SeasonFacts


@dataclass(frozen=True, slots=True)
class Case:
    """What all homes of a case share."""

    settings: PopulationSettings
    tables: ProfileTables
    own: OwnTables
    day: TypicalDay
    seed: int
    substation: int
    horizon: Horizon

    @property
    def season(self) -> SeasonFacts:
        """Facts of the season of the day."""
        return self.tables.season(self.day.season)

    def key(self, home: int) -> dict[str, int]:
        """Key of the random streams of a home."""
        return {"seed": self.seed, "substation": self.substation, "home": home}


@dataclass(frozen=True, slots=True)
class Holdings:
    """Who owns and offers what.

    Parameters
    ----------
    owners : mapping of str to tuple of int
        By technology, in the order of adoption.
    known : mapping of (technology, home) to (mapping of str to float)
        Parameters that need not be drawn.
    kinds : mapping of int to tuple of ApplianceKind
        Appliances of each home with smart appliances.
    offered : mapping of int to frozenset of str
        Names of the devices that a home offers.
    second_cycles : mapping of int to frozenset of str
        Names of the appliances' second cycles of a day, which are devices of their own.
    """

    owners: Mapping[str, tuple[int, ...]]
    kinds: Mapping[int, tuple[ApplianceKind, ...]]
    offered: Mapping[int, frozenset[str]]
    known: Mapping[tuple[str, int], Mapping[str, float]] = field(default_factory=dict)
    second_cycles: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def owns(self, home: int) -> frozenset[str]:
        """Names of all devices of a home."""
        names = {name for name, homes in self.owners.items() if home in homes and name in SINGLE}
        appliances = {kind.name for kind in self.kinds.get(home, ())}
        return frozenset(names | appliances | self.second_cycles.get(home, frozenset()))

    def parameters(self, device: str, home: int) -> Mapping[str, float]:
        """Parameters of a home's device that need not be drawn."""
        return self.known.get((device, home), {})

    def with_second(self, uses: Mapping[int, Sequence[ApplianceUse]]) -> Holdings:
        """The same with the second cycles of a day, offered where the appliance is."""
        offered = dict(self.offered)
        for home, seconds in uses.items():
            offers = offered.get(home, frozenset())
            added = {use.name for use in seconds if use.kind.name in offers}
            if added:
                offered[home] = offers | added
        names = {home: frozenset(use.name for use in seconds) for home, seconds in uses.items()}
        return replace(self, offered=offered, second_cycles=names)


SINGLE = frozenset({*TECHNOLOGIES, *FURTHER}) - {"smart_appliances"}
"""Technologies of which a home has one device, by the same name."""


def hold(case: Case, cache: ContentCache | None = None) -> Holdings:
    """Who owns and offers what, by the own allocation or by adoption."""
    if case.own.allocation is not None:
        return _hold_allocated(case, case.own.allocation)
    adoption = _adoption(case, cache)
    owners = adoption.owners(case.settings.smart)
    kinds = {
        home: draw_kinds(case.tables.appliances, **case.key(home))
        for home in owners["smart_appliances"]
    }
    return Holdings(owners, kinds, _offer(case, owners, kinds, {}))


def _adoption(case: Case, cache: ContentCache | None) -> Adoption:
    ladder, homes = case.settings.ladder, case.settings.homes

    def build() -> Adoption:
        return build_adoption(ladder, homes, seed=case.seed, substation=case.substation)

    if cache is None:
        return build()
    return cache.get(("adoption", ladder, homes, case.seed, case.substation), build)


def _hold_allocated(case: Case, allocation: Mapping[str, Mapping[int, Allocated]]) -> Holdings:
    kinds: dict[int, tuple[ApplianceKind, ...]] = {}
    for kind in case.tables.appliances:
        for home in allocation.get(kind.name, {}):
            kinds[home] = (*kinds.get(home, ()), kind)
    owners = {name: tuple(allocation.get(name, {})) for name in (*TECHNOLOGIES, *FURTHER)}
    owners["smart_appliances"] = tuple(kinds)
    stated = {
        (device, home): allocated.offered
        for device, homes in allocation.items()
        for home, allocated in homes.items()
        if allocated.offered is not None
    }
    known = {
        (device, home): allocated.parameters
        for device, homes in allocation.items()
        for home, allocated in homes.items()
    }
    return Holdings(owners, kinds, _offer(case, owners, kinds, stated), known)


def _offer(
    case: Case,
    owners: Mapping[str, Sequence[int]],
    kinds: Mapping[int, Sequence[ApplianceKind]],
    stated: Mapping[tuple[str, int], bool],
) -> dict[int, frozenset[str]]:
    """Names of the devices that each home offers; what is `stated` goes before the share."""
    offered: dict[int, set[str]] = {}
    for technology in FLEXIBLE:
        offering_homes = offering(
            owners[technology],
            case.settings.flexible_percent,
            technology,
            seed=case.seed,
            substation=case.substation,
        )
        for home in owners[technology]:
            names = [technology] if technology in SINGLE else [kind.name for kind in kinds[home]]
            for name in names:
                if stated.get((name, home), home in offering_homes):
                    offered.setdefault(home, set()).add(name)
    return {home: frozenset(names) for home, names in offered.items()}
