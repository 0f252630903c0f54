"""The record of one substation, from what was sent there and what its agents came to.

A room beside `world`, which runs everything: here figures are put in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mas2sim.cosim.agent_terms import market_records
from mas2sim.cosim.agents import DSO, GRID, SubstationAgents
from mas2sim.cosim.others import layout_of_homes, other_record
from mas2sim.cosim.setup import CaseSetup
from mas2sim.cosim.simulators import Recording
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridState
from mas2sim.domain.limits import Regime
from mas2sim.domain.typical_day import Level
from mas2sim.grid import protected_branches, tripped
from mas2sim.results.record import CaseRecord


def record_of(agents: SubstationAgents, recording: Recording) -> CaseRecord:
    """Put what the recorder gathered by community into the order of homes and devices."""
    setup, plants, boxes, dso = agents.setup, agents.plants, agents.boxes, agents.dso
    order = [member for community in setup.communities for member in community.members]
    by_home = np.argsort(order)
    devices = [
        (community.members[home], device)
        for community in setup.communities
        for home, device in plants[community.name].devices
    ]
    # Stable: the devices of one home keep their order.
    by_device = np.argsort([home for home, _ in devices], kind="stable")

    heard = recording.messages

    def gather(attribute: str, places: npt.NDArray[np.intp]) -> FloatArray:
        """Shape (level, home or device, ptu)."""
        by_community = [
            np.array([getattr(each, attribute) for each in heard["measured_day"][community.name]])
            for community in setup.communities
        ]
        together = np.concatenate(by_community, axis=-1)
        # In one piece with the PTUs side by side, as all that sums over a day reads it.
        return np.ascontiguousarray(np.moveaxis(together, 0, -1)[:, places])

    missing = np.full((len(setup.levels), setup.horizon.ptus), np.nan)
    a_plans = [heard["a_plan"].get(community.name) for community in setup.communities]
    settlements = [heard["settlement"][community.name] for community in setup.communities]
    grid = dict(zip(setup.levels, heard["grid_states"][GRID], strict=True))
    prognosis = heard["validated"][DSO]

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
        messages=(
            dso.messages
            + sum(each.messages for each in agents.aggregators.values())
            + sum(each.messages for each in boxes.values())
        ),
        curtailed_kw=np.concatenate(
            [heard["curtailed_kw"][community.name] for community in setup.communities], axis=1
        )[:, by_home],
        dso_eur=per_community("dso_eur"),
        service_eur=per_community("service_eur"),
        shortfall_eur=per_community("shortfall_eur"),
        local_kwh=per_community("local_kwh"),
        markets=market_records(setup, agents.aggregators, boxes, dso, agents.central),
        congestion=dso.outcome,
        fee_eur_per_kwh=setup.market.local.fee_eur_per_kwh,
        others=other_record(setup, recording),
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
