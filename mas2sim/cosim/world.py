"""The world of one case: from 00:00 of D-1 to the settlement of day D."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import thread_time
from typing import Any

import mosaik
import numpy as np
import numpy.typing as npt
from mosaik.proxies import LocalProxy
from mosaik.starters import Starter

from mas2sim.cems import EnergyBoxes, PlanCache, PlanningTask
from mas2sim.cosim.agent_terms import (
    aggregator_terms,
    behind_points,
    congestion_register,
    dso_terms,
    market_records,
)
from mas2sim.cosim.central import CentralPlan, central_plan
from mas2sim.cosim.market_simulators import AggregatorSimulator, CemsSimulator, DsoSimulator
from mas2sim.cosim.negotiating import SUB_STEPS, keep_listening, start_in_circles
from mas2sim.cosim.others import layout_of_homes, other_record
from mas2sim.cosim.scheduled import ScheduledSimulator
from mas2sim.cosim.setup import CaseSetup
from mas2sim.cosim.simulators import GridSimulator, HomesSimulator, Recorder
from mas2sim.cosim.wiring import LINKS, Link, connect
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.grid_state import GridState
from mas2sim.domain.limits import Regime
from mas2sim.domain.typical_day import Level
from mas2sim.grid import protected_branches, tripped
from mas2sim.market import (
    Aggregator,
    Dso,
    Timetable,
)
from mas2sim.plant import SimulatedBlock, reference_days
from mas2sim.results.record import CaseRecord, MarketRecord

Progress = Callable[[str, int, int], None]
"""Called with the stage, what is done and what there is to do."""


@dataclass(frozen=True, slots=True, eq=False)
class WorldRun:
    """A finished world.

    Parameters
    ----------
    mosaik_s : float
        CPU time that building and running the world took beyond the agents' own work. [s]
    """

    record: CaseRecord
    mosaik_s: float


def run_world(
    setup: CaseSetup,
    *,
    links: Sequence[Link] = LINKS,
    progress: Progress = lambda _stage, _done, _total: None,
    cache: PlanCache | None = None,
) -> WorldRun:
    """Run one case through mosaik.

    Parameters
    ----------
    links : sequence of Link
        The wiring. Without a link, or with a later one, the case takes another course: a plan that
        misses its gate is not carried out.
    cache : PlanCache, optional
        Plans shared with other cases of this process; the result is the same without it.
    """
    connections, parties = setup.connections, setup.parties
    references = reference_days(connections, setup.horizon)
    central = _central(setup, references, progress)
    boxes = _energy_boxes(setup, references, central, progress, cache)
    register = congestion_register(setup)
    aggregators = {
        party.name: Aggregator(
            party,
            setup.tariff_of(party.name),
            setup.horizon,
            aggregator_terms(setup, party, register),
        )
        for party in parties
    }
    dso = Dso(dso_terms(setup, register), setup.horizon)
    plants = {
        party.name: SimulatedBlock(
            [connections[member] for member in party.members],
            [references[member] for member in party.members],
            setup.horizon,
            len(setup.levels),
        )
        for party in parties
    }
    timetable, horizon, name = setup.timetable, setup.horizon, setup.flow.layout.name
    recorder = Recorder(name, timetable, horizon)
    simulators: dict[str, ScheduledSimulator] = {
        "cems": CemsSimulator(boxes, timetable, horizon),
        "homes": HomesSimulator(
            plants, len(setup.levels), timetable, horizon, behind_points(setup, register)
        ),
        "aggregator": AggregatorSimulator(aggregators, timetable),
        "dso": DsoSimulator(name, dso, timetable),
        "grid": GridSimulator(name, setup.flow, parties, timetable, horizon),
        "recorder": recorder,
    }
    mosaik_s = _run(simulators, links, timetable)
    messages = (
        dso.messages
        + sum(aggregator.messages for aggregator in aggregators.values())
        + sum(block.messages for block in boxes.values())
    )
    markets = market_records(setup, aggregators, boxes, dso, central)
    return WorldRun(_record(setup, plants, boxes, recorder, messages, markets, dso), mosaik_s)


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
    progress: Progress,
    cache: PlanCache | None,
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
    done = 0

    def planned() -> None:
        nonlocal done
        done += 1
        progress("plan the homes", done, len(connections))

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
    simulators: Mapping[str, ScheduledSimulator], links: Sequence[Link], timetable: Timetable
) -> float:
    """Run the world and return the CPU time that mosaik itself took. [s]"""
    if _loop_is_running():
        # A notebook's own event loop would refuse mosaik's: give it a thread without one.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(_run, simulators, links, timetable).result()
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
            max_loop_iterations=SUB_STEPS,
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


def _record(
    setup: CaseSetup,
    plants: Mapping[str, SimulatedBlock],
    boxes: Mapping[str, EnergyBoxes],
    recorder: Recorder,
    messages: int,
    markets: Mapping[Level, MarketRecord],
    dso: Dso,
) -> CaseRecord:
    """Put what the recorder gathered by community into the order of homes and devices."""
    order = [member for community in setup.communities for member in community.members]
    by_home = np.argsort(order)
    devices = [
        (community.members[home], device)
        for community in setup.communities
        for home, device in plants[community.name].devices
    ]
    # Stable: the devices of one home keep their order.
    by_device = np.argsort([home for home, _ in devices], kind="stable")

    def gather(attribute: str, places: npt.NDArray[np.intp]) -> FloatArray:
        """Shape (level, home or device, ptu)."""
        per_ptu = [
            np.concatenate(
                [getattr(measured[community.name], attribute) for community in setup.communities],
                axis=1,
            )
            for measured in recorder.measurements
        ]
        return np.stack(per_ptu, axis=-1)[:, places]

    heard = recorder.messages
    missing = np.full((len(setup.levels), setup.horizon.ptus), np.nan)
    a_plans = [heard["a_plan"].get(community.name) for community in setup.communities]
    settlements = [heard["settlement"][community.name] for community in setup.communities]
    grid = dict(zip(setup.levels, heard["grid_states"][setup.flow.layout.name], strict=True))
    prognosis = heard["validated"][setup.flow.layout.name]

    def per_community(name: str) -> FloatArray:
        """Shape (level, community)."""
        return np.stack([getattr(each, name) for each in settlements], axis=1)

    plans = {
        level: tuple(
            np.array(
                [
                    plan
                    for community in setup.communities
                    for plan in boxes[community.name].plans[level]
                ],
                dtype=object,
            )[by_home]
        )
        for level in setup.levels
    }
    return CaseRecord(
        axes=setup.axes,
        date=setup.date,
        levels=setup.levels,
        horizon=setup.horizon,
        tariff=setup.tariff,
        limits=setup.limits,
        layout=layout_of_homes(setup),
        homes=setup.homes,
        communities=setup.communities,
        devices=tuple(devices[place] for place in by_device),
        net_kw=gather("p_kw", by_home),
        reactive_kvar=gather("q_kvar", by_home),
        device_kw=gather("device_kw", by_device),
        stored_kwh=gather("stored_kwh", by_device),
        stored_start_kwh=np.concatenate(
            [heard["stored_start_kwh"][community.name] for community in setup.communities], axis=1
        )[:, by_device],
        plans=plans,
        a_plan_kw=np.stack([missing if plan is None else plan.net_kw for plan in a_plans], axis=1),
        d_prognosis_kw=prognosis.net_kw,
        regimes=_with_trips(setup, prognosis.regimes, grid),
        bill_eur=np.concatenate([each.bill_eur for each in settlements], axis=1)[:, by_home],
        payment_eur=np.concatenate([each.payment_eur for each in settlements], axis=1)[:, by_home],
        grid=grid,
        outdoor_c=setup.outdoor_c,
        clearness=setup.clearness,
        messages=messages,
        curtailed_kw=np.concatenate(
            [heard["curtailed_kw"][community.name] for community in setup.communities], axis=1
        )[:, by_home],
        dso_eur=per_community("dso_eur"),
        service_eur=per_community("service_eur"),
        shortfall_eur=per_community("shortfall_eur"),
        local_kwh=per_community("local_kwh"),
        markets=markets,
        congestion=dso.outcome,
        fee_eur_per_kwh=setup.market.local.fee_eur_per_kwh,
        others=other_record(setup, recorder),
    )


def _with_trips(
    setup: CaseSetup,
    regimes: Sequence[Sequence[Regime]],
    grid: Mapping[Level, GridState],
) -> tuple[tuple[Regime, ...], ...]:
    """Regimes by plan, red from where a protection trips in delivery.

    The flow goes on as if nothing had tripped: what is lost then is not estimated.
    """
    watched = protected_branches(setup.flow.layout, setup.protection.limit)
    found = []
    for level, planned in zip(setup.levels, regimes, strict=True):
        loading = grid[level].loading_percent
        red = np.zeros(len(planned), dtype=np.bool_)
        for branch in watched:
            red |= tripped(loading[:, branch], setup.protection, setup.horizon.ptu_hours)
        found.append(
            tuple(
                Regime.RED if trips else regime for trips, regime in zip(red, planned, strict=True)
            )
        )
    return tuple(found)
