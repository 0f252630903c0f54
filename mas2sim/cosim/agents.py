"""The agents of one substation: what is made from its setup before a world begins.

A room beside `world`, where several substations may live in one world: each has its own agents, and
they are the same as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mas2sim.cems import EnergyBoxes, PlanningTask
from mas2sim.cosim.agent_terms import (
    aggregator_terms,
    behind_points,
    congestion_register,
    dso_terms,
)
from mas2sim.cosim.central import CentralPlan, central_plan
from mas2sim.cosim.setup import CaseSetup
from mas2sim.domain.arrays import IntArray
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import Level
from mas2sim.market import Aggregator, Dso
from mas2sim.plant import SimulatedBlock, reference_days

Progress = Callable[[str, int, int], None]
"""Called with the stage, what is done and what there is to do."""

DSO, GRID, RECORDER = "dso", "grid", "recorder"
"""Names of the entities that a substation has one of."""


@dataclass(frozen=True, slots=True, eq=False)
class SubstationAgents:
    """Who takes part in one substation; mappings are by party.

    Parameters
    ----------
    central : CentralPlan or None
        The benchmark; None where it is not among the levels.
    behind : sequence of array
        Connections behind each congestion point, as places in the order of the parties.
    """

    setup: CaseSetup
    boxes: Mapping[str, EnergyBoxes]
    aggregators: Mapping[str, Aggregator]
    plants: Mapping[str, SimulatedBlock]
    dso: Dso
    central: CentralPlan | None
    behind: Sequence[IntArray]

    @property
    def place(self) -> str:
        """Name of the substation: where its entities are."""
        return self.setup.flow.layout.name


def make_agents(
    setup: CaseSetup,
    *,
    progress: Progress,
    planned: Callable[[], None],
    cache: ContentCache | None,
) -> SubstationAgents:
    """Make the agents of one substation.

    Parameters
    ----------
    planned : callable
        Told whenever a home has been planned.
    cache : ContentCache, optional
        What is shared with other cases of this process.
    """
    connections, parties = setup.connections, setup.parties
    references = _references(connections, setup.horizon, cache)
    central = _central(setup, references, progress)
    register = congestion_register(setup)
    return SubstationAgents(
        setup=setup,
        boxes=_energy_boxes(setup, references, central, planned, cache),
        aggregators={
            party.name: Aggregator(
                party,
                setup.tariff_of(party.name),
                setup.horizon,
                aggregator_terms(setup, party, register),
            )
            for party in parties
        },
        plants={
            party.name: SimulatedBlock(
                [connections[member] for member in party.members],
                [references[member] for member in party.members],
                setup.horizon,
                len(setup.levels),
            )
            for party in parties
        },
        dso=Dso(dso_terms(setup, register), setup.horizon),
        central=central,
        behind=behind_points(setup, register),
    )


def _references(
    connections: Sequence[Home], horizon: Horizon, cache: ContentCache | None
) -> tuple[ReferenceDay, ...]:
    """What everybody does when nobody manages them."""
    if cache is None:
        return reference_days(connections, horizon)
    content = ("reference days", horizon, *connections)
    return cache.get(content, lambda: reference_days(connections, horizon))


def _central(setup: CaseSetup, references: Sequence[Any], progress: Progress) -> CentralPlan | None:
    """Plans of the level `central`; its gap is a share of what imports cost unmanaged."""
    if Level.CENTRAL not in setup.levels:
        return None
    progress("solve the centralised benchmark", 0, 1)
    drawn_kw = np.maximum([reference.net_kw for reference in references[: len(setup.homes)]], 0.0)
    payments_eur = float((drawn_kw * setup.tariff.import_eur_per_kwh).sum())
    return central_plan(
        setup.connections,
        references,
        setup.communities,
        setup.tariff,
        setup.horizon,
        setup.limits,
        setup.market,
        payments_eur * setup.horizon.ptu_hours,
        {
            member: setup.tariff_of(party.name)
            for party in setup.other_parties
            for member in party.members
        },
    )


def _energy_boxes(
    setup: CaseSetup,
    references: Sequence[Any],
    central: CentralPlan | None,
    planned: Callable[[], None],
    cache: ContentCache | None,
) -> dict[str, EnergyBoxes]:
    task = PlanningTask(
        setup.levels,
        setup.tariff,
        setup.horizon,
        setup.ties,
        setup.seed,
        setup.substation,
        cache,
        {} if central is None else {Level.CENTRAL: central.plans},
    )
    connections = setup.connections
    return {
        party.name: EnergyBoxes(
            party,
            connections,
            references,
            replace(task, tariff=setup.tariff_of(party.name)),
            planned,
        )
        for party in setup.parties
    }
