"""The world of one case: from 00:00 of D-1 to the settlement of day D."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time
from typing import Any, TypeVar

import mosaik
from mosaik.proxies import LocalProxy
from mosaik.starters import Starter

from mas2sim.cosim.agents import DSO, GRID, RECORDER, Progress, SubstationAgents, make_agents
from mas2sim.cosim.market_simulators import AggregatorSimulator, CemsSimulator, DsoSimulator
from mas2sim.cosim.negotiating import SUB_STEPS, keep_listening, start_in_circles
from mas2sim.cosim.record_making import record_of
from mas2sim.cosim.scheduled import ScheduledSimulator, entity_at
from mas2sim.cosim.setup import CaseSetup
from mas2sim.cosim.simulators import (
    ConnectedGrid,
    GridSimulator,
    HomesSimulator,
    Recorder,
    Recording,
)
from mas2sim.cosim.wiring import LINKS, Link, connect
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.errors import Mas2simError
from mas2sim.market import Timetable
from mas2sim.results.record import CaseRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class WorldRun:
    """A finished world.

    Parameters
    ----------
    records : tuple of CaseRecord
        One for each substation, in the order of the setups.
    mosaik_s : float
        CPU time that building and running the world took beyond the agents' own work. [s]
    """

    records: tuple[CaseRecord, ...]
    mosaik_s: float

    @property
    def record(self) -> CaseRecord:
        """The record of a world with one substation."""
        (only,) = self.records
        return only


def run_world(
    *setups: CaseSetup,
    links: Sequence[Link] = LINKS,
    progress: Progress = lambda _stage, _done, _total: None,
    cache: ContentCache | None = None,
) -> WorldRun:
    """Run one case through mosaik: one substation, or several in one world.

    Substations have the same levels, hours and gates. Nothing goes from one to another, so the
    record of each is what it would be alone.

    Parameters
    ----------
    links : sequence of Link
        The wiring. Without a link, or with a later one, the case takes another course: a plan that
        misses its gate is not carried out.
    cache : ContentCache, optional
        Own plans and unmanaged days shared with other cases of this process; the result is the
        same without it.
    """
    first = setups[0]
    homes = sum(len(setup.connections) for setup in setups)
    done = 0

    def planned() -> None:
        nonlocal done
        done += 1
        progress("plan the homes", done, homes)

    agents = {
        each.place: each
        for each in (
            make_agents(setup, progress=progress, planned=planned, cache=cache) for setup in setups
        )
    }
    if len(agents) < len(setups):
        raise Mas2simError("substations that share a world need names of their own")
    recordings = {place: Recording() for place in agents}
    mosaik_s = _run(_simulators(agents, recordings, first), links, first.timetable, len(agents))
    records = tuple(record_of(each, recordings[place]) for place, each in agents.items())
    return WorldRun(records, mosaik_s)


def _simulators(
    agents: Mapping[str, SubstationAgents], recordings: Mapping[str, Recording], first: CaseSetup
) -> dict[str, ScheduledSimulator]:
    """The simulators of a world: six, whatever the number of substations."""
    timetable, horizon = first.timetable, first.horizon

    def everywhere(of: Callable[[SubstationAgents], Mapping[str, T]]) -> dict[str, T]:
        """What each party of each substation has, by entity."""
        return {
            entity_at(place, name): value
            for place, each in agents.items()
            for name, value in of(each).items()
        }

    return {
        "cems": CemsSimulator(everywhere(lambda each: each.boxes), timetable, horizon),
        "homes": HomesSimulator(
            everywhere(lambda each: each.plants),
            len(first.levels),
            timetable,
            horizon,
            {place: each.behind for place, each in agents.items()},
        ),
        "aggregator": AggregatorSimulator(everywhere(lambda each: each.aggregators), timetable),
        "dso": DsoSimulator(everywhere(lambda each: {DSO: each.dso}), timetable),
        "grid": GridSimulator(
            everywhere(lambda each: {GRID: ConnectedGrid(each.setup.flow, each.setup.parties)}),
            timetable,
            horizon,
        ),
        "recorder": Recorder(
            everywhere(lambda each: {RECORDER: recordings[each.place]}), timetable
        ),
    }


class _Ready(Starter):
    """Starts a simulator that exists already."""

    def __init__(self, simulator: ScheduledSimulator) -> None:
        self.api_version = None
        self._simulator = simulator

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> Any:
        """Hand the simulator to mosaik."""
        del sim_id, mosaik_config
        return LocalProxy(self._simulator, mosaik_remote)

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> None:
        """Nothing in a configuration file names these simulators."""
        del starter_config


def _run(
    simulators: Mapping[str, ScheduledSimulator],
    links: Sequence[Link],
    timetable: Timetable,
    substations: int,
) -> float:
    """Run the world and return the CPU time that mosaik itself took. [s]"""
    if _loop_is_running():
        # A notebook's own event loop would refuse mosaik's: give it a thread without one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(_run, simulators, links, timetable, substations).result()
    began = thread_time()
    # cache=False pushes values to their readers. With the cache, mosaik 3.6.0 throws the initial
    # value of a link that is delayed by more than one second away before it is read. The loop is
    # made here, because mosaik would leave a closed one behind as the thread's own.
    loop = asyncio.new_event_loop()
    with (
        mosaik.World(
            skip_greetings=True,
            configure_logging=False,
            cache=False,
            max_loop_iterations=SUB_STEPS * substations,
            asyncio_loop=loop,
        ) as world,
        _ending_tasks(loop),
    ):
        starters = {name: _Ready(simulator) for name, simulator in simulators.items()}
        factories = start_in_circles(world, starters)
        entities = {name: each.create_all(factories[name]) for name, each in simulators.items()}
        connect(world, entities, links, gate_s=timetable.gate_s)
        keep_listening(world, entities)
        world.run(until=timetable.settle_s + 1, print_progress=False)
        unfinished = [name for name, simulator in simulators.items() if not simulator.finished]
        if unfinished:
            raise Mas2simError(f"the world stopped early: {', '.join(unfinished)} did not finish")
    return thread_time() - began - sum(simulator.busy_s for simulator in simulators.values())


@contextmanager
def _ending_tasks(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """End the other simulators' tasks when one raises: mosaik leaves them pending."""
    try:
        yield
    except BaseException:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        raise


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
