"""A case of several substations, as the cases of each.

A room beside `build`, which makes one of them: what cannot be said for several is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from mas2sim.cosim import CaseSetup
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.grid import recipe_numbers
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.case import OWN_FILES, Case


def parts(case: Case) -> tuple[Case, ...]:
    """The case for each of its substations: itself, unless it has all of them.

    Raises
    ------
    ConfigurationError
        When it has all and the grid is of one, or says something that holds for one only.
    """
    if case.configuration.substation != "all":
        return (case,)
    grid = case.configuration.grid.name
    numbers = recipe_numbers(case.grids / grid)
    faults = list(_faults_of_one(case))
    if not numbers:
        allowed = f"1: the grid {grid} is one substation"
        faults.append(Fault("substation", "all", allowed, "substation=1"))
    if faults:
        raise ConfigurationError(faults)
    return tuple(case.of(number) for number in numbers)


def build_setups(case: Case) -> tuple[tuple[CaseSetup, tuple[str, ...]], ...]:
    """Build grid and homes of each substation of `case`.

    Returns
    -------
    tuple of (setup, assumptions)
        As from `build_setup`.

    Raises
    ------
    ConfigurationError
        With the faults of all substations; what all of them have in common is told once.
    """
    made = []
    found: dict[int, tuple[Fault, ...]] = {}
    for part in parts(case):
        try:
            made.append(build_setup(part))
        except ConfigurationError as error:
            found[part.substation] = tuple(error.faults)
    if found:
        shared = set.intersection(*map(set, found.values())) if not made else set()
        raise ConfigurationError(list(_told_once(found, shared)))
    return tuple(made)


def _faults_of_one(case: Case) -> list[Fault]:
    """What names homes, buses or communities of one substation."""
    configuration = case.configuration
    remedy = "substation=1, or another number"
    faults = [
        Fault(f"population.{name}", "a file", "null where substation is all", remedy)
        for name in OWN_FILES
        if getattr(configuration.population, name) is not None and name != "average_profiles"
    ]
    lists: dict[str, Sequence[object]] = {
        "participants": configuration.participants,
        "market.contracts": configuration.market.contracts,
        "market.external": configuration.market.external,
    }
    faults += [
        Fault(where, f"{len(entries)} of them", "none where substation is all", remedy)
        for where, entries in lists.items()
        if entries
    ]
    return faults


def _told_once(found: Mapping[int, Sequence[Fault]], shared: Set[Fault]) -> Iterator[Fault]:
    """Faults that all substations have, then those of each with its number."""
    for fault in next(iter(found.values())):
        if fault in shared:
            yield fault
    for substation, faults in found.items():
        for fault in faults:
            if fault not in shared:
                yield replace(fault, where=f"substation {substation}, {fault.where}")
