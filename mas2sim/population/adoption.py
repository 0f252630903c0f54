"""Phase 3 of the data production: who owns what, and who offers it.

For each technology the homes stand in a fixed order; at a share s the first s x N of them own it.
So owners are nested in the share and from scenario to scenario, and a home never loses a device
when others gain one. The orders are built along the ladder of scenarios such that the homes with
any technology are as many as each scenario says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from mas2sim.domain.randomness import stream
from mas2sim.population.settings import SmartScenario

TECHNOLOGIES = ("pv", "ev", "heat_pump", "smart_appliances", "battery")
"""Batteries come last: they go first to homes that have PV, and seldom to new adopters."""
FURTHER = ("hot_water", "direct_heater", "wind", "micro_chp", "interruptible")
"""Technologies outside the ladder: each has an order of its own and counts in no union."""
FLEXIBLE = (
    "smart_appliances",
    "ev",
    "battery",
    "heat_pump",
    "hot_water",
    "direct_heater",
    "interruptible",
)
"""Technologies whose use can be planned; the appliances of a home are offered together."""
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Adoption:
    """Order in which homes adopt each technology.

    Parameters
    ----------
    order : mapping of str to tuple of int
        All homes of the substation, by technology.
    """

    order: Mapping[str, tuple[int, ...]]

    def owners(self, scenario: SmartScenario) -> dict[str, tuple[int, ...]]:
        """Homes that own each technology under a scenario, in the order of adoption."""
        return {
            name: order[: count(scenario.percent[name], len(order))]
            for name, order in self.order.items()
        }


def count(percent: float, homes: int) -> int:
    """Whole number of homes nearest a share; halves are rounded up."""
    return floor(percent / 100 * homes + 0.5)


def adopters(owners: Mapping[str, Sequence[int]]) -> set[int]:
    """Homes that own any technology of the ladder."""
    return {home for name in TECHNOLOGIES for home in owners.get(name, ())}


def build_adoption(
    ladder: Sequence[SmartScenario], homes: int, *, seed: int, substation: int
) -> Adoption:
    """Order the homes by technology along a ladder of scenarios.

    Parameters
    ----------
    ladder : sequence of SmartScenario
        Ascending in `any_percent`.

    Notes
    -----
    On each rung the lists grow to the scenario's counts. Of the new places, as many as the count of
    homes with any technology asks for go to new adopters in the order of a propensity of each home;
    the others go to adopters that lack the technology. Where whole homes leave no way to hit the
    count exactly, it is missed by as little as can be.
    """
    propensity = [stream(seed, substation, home, "propensity").random() for home in range(homes)]
    keenest = sorted(range(homes), key=propensity.__getitem__)
    order: dict[str, list[int]] = {name: [] for name in TECHNOLOGIES}
    for rung, scenario in enumerate(ladder):
        rng = stream(seed, substation, "adoption", rung)
        _climb(order, keenest, scenario, rng)
    begun = {home for places in order.values() for home in places}
    completed = {}
    for name, places in order.items():
        lot = [stream(seed, substation, home, name, "order").random() for home in range(homes)]
        lacking = set(range(homes)) - set(places)
        completed[name] = (
            *places,
            *sorted(lacking, key=lambda home: (home not in begun, lot[home])),
        )
    return Adoption(completed | _further_orders(completed["heat_pump"], seed, substation))


def _further_orders(
    heat_pump_order: Sequence[int], seed: int, substation: int
) -> dict[str, tuple[int, ...]]:
    """Orders of the technologies outside the ladder: by lot.

    Micro-CHP units come first to the half of the homes that is last to adopt heat pumps: no home
    has two central heatings as long as neither is in more than half of them.
    """
    homes = range(len(heat_pump_order))
    orders = {}
    for name in FURTHER:
        lot = [stream(seed, substation, home, name, "order").random() for home in homes]
        orders[name] = tuple(sorted(homes, key=lot.__getitem__))
    early = set(heat_pump_order[: len(homes) // 2])
    by_lot = orders["micro_chp"]
    orders["micro_chp"] = tuple(sorted(by_lot, key=early.__contains__))
    return orders


def _climb(
    order: dict[str, list[int]],
    keenest: Sequence[int],
    scenario: SmartScenario,
    rng: np.random.Generator,
) -> None:
    """Let the lists grow to one scenario; new adopters are the keenest homes without anything."""
    homes = len(keenest)
    wanted = {name: count(scenario.percent[name], homes) for name in TECHNOLOGIES}
    # A scenario may have less of a technology than one below it: later owners do not count then.
    current = {home for name in TECHNOLOGIES for home in order[name][: wanted[name]]}
    places = {name: max(0, wanted[name] - len(order[name])) for name in TECHNOLOGIES}
    new = count(scenario.any_percent, homes) - len(current)
    joining = _share_out(places, max(0, min(new, sum(places.values()))), rng)
    for name in TECHNOLOGIES:
        for _ in range(joining[name]):
            home = _first_outside(keenest, current, order[name])
            order[name].append(home)
            current.add(home)
    for name in TECHNOLOGIES:
        for _ in range(places[name] - joining[name]):
            lacking = sorted(current - set(order[name]))
            if name == "battery":
                with_pv = set(order["pv"][: wanted["pv"]])
                lacking = [home for home in lacking if home in with_pv] or lacking
            if lacking:
                home = int(rng.choice(lacking))
            else:
                home = _first_outside(keenest, current, order[name])
            order[name].append(home)
            current.add(home)


def _share_out(places: Mapping[str, int], new: int, rng: np.random.Generator) -> dict[str, int]:
    """How many of the `new` adopters begin with each technology: batteries only if need be."""
    others = [name for name in TECHNOLOGIES for _ in range(places[name]) if name != "battery"]
    begin = [str(name) for name in rng.permutation(others)] + ["battery"] * places["battery"]
    return {name: begin[:new].count(name) for name in TECHNOLOGIES}


def _first_outside(keenest: Sequence[int], current: set[int], owners: Sequence[int]) -> int:
    """Return the keenest home without anything; of the homes that lack this technology, if none."""
    lacking = [home for home in keenest if home not in owners]
    return next((home for home in lacking if home not in current), lacking[0])


def offering(
    owners: Sequence[int], percent: float, technology: str, *, seed: int, substation: int
) -> set[int]:
    """Owners that offer a technology: nested in the share, and close to it for any number.

    The i-th owner offers when ``(offset + i g) mod 1`` is below the share, g being the golden
    ratio: multiples of g fall more evenly into [0, 1) than any random numbers would.
    """
    offset = stream(seed, substation, technology, "offer").random()
    ranks = (offset + GOLDEN * np.arange(len(owners))) % 1.0
    return {home for home, rank in zip(owners, ranks, strict=True) if rank < percent / 100}
