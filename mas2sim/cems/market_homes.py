"""Homes made ready for a negotiation: their devices as arrays, and what they do so far.

A negotiation asks every home some fifty times. So what does not depend on the question is worked
out once, for all homes of a community; they still answer one by one and see nothing of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.cems.components import HomeComponents, components
from mas2sim.cems.market_kernel import Days, MarketHomes
from mas2sim.cems.starts import Cycles
from mas2sim.cems.wishes import nearest_feasible
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan
from mas2sim.domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class MarketMember:
    """One home in the market.

    Parameters
    ----------
    home : Home
        With the nearest wishes that can be met.
    plan : HomePlan
        The plan it comes with, from which its least compensation is counted.
    parts : HomeComponents
        What the market may move; no choices and no storages for a home that takes no part.
    load : InterruptibleLoad or None
        Load that it may cut.
    """

    home: Home
    plan: HomePlan
    parts: HomeComponents
    load: InterruptibleLoad | None


def market_member(
    home: Home, reference: ReferenceDay, plan: HomePlan, tariff: Tariff, horizon: Horizon
) -> MarketMember:
    """Make one home ready; one that cannot take part keeps its plan.

    A home takes no part when it offers nothing, has opted out, or pays for its own peak, which a
    price per PTU cannot say.
    """
    wished = nearest_feasible(home, reference, horizon).home
    load = wished.interruptible
    if load is not None and load.name not in wished.offered:
        load = None
    without = wished if load is None else replace(wished, offered=wished.offered - {load.name})
    parts = None
    if wished.offered_devices and wished.joins_market:
        parts = components(without, reference, tariff, horizon)
    if parts is None:
        fixed = HomeComponents(
            plan.net_kw, (), (), tariff.import_eur_per_kwh, tariff.export_eur_per_kwh
        )
        return MarketMember(wished, plan, fixed, None)
    if load is not None:
        # Not offered, the load is in the base in full; the market counts it apart.
        parts = replace(parts, base_kw=parts.base_kw - load.p_kw)
    return MarketMember(wished, plan, parts, load)


def market_homes(members: Sequence[MarketMember], ptus: int) -> MarketHomes:
    """Gather the members' devices, as copies that the compiled functions may hold."""
    choices = [choice for member in members for choice in member.parts.choices]
    storages = [storage for member in members for storage in member.parts.storages]
    loads = [member.load for member in members if member.load is not None]
    cycles = Cycles.of(choices)

    def by_own_day(name: str) -> FloatArray:
        rows = [np.roll(getattr(storage, name), -storage.first_ptu) for storage in storages]
        return np.array(rows).reshape(len(storages), ptus)

    def per_home(values: Sequence[float]) -> FloatArray:
        return np.array(values, dtype=np.float64)

    return MarketHomes(
        base_kw=np.array([member.parts.base_kw for member in members]).reshape(-1, ptus),
        import_cap_kw=per_home([member.parts.import_cap_kw for member in members]),
        export_cap_kw=per_home([member.parts.export_cap_kw for member in members]),
        first_choice=_firsts([len(member.parts.choices) for member in members]),
        first_storage=_firsts([len(member.parts.storages) for member in members]),
        first_load=_firsts([int(member.load is not None) for member in members]),
        cycle_kw=cycles.power_kw,
        cycle_steps=cycles.steps,
        starts=cycles.starts,
        options=cycles.options,
        begins=np.array([storage.first_ptu for storage in storages], dtype=np.int64),
        keep=by_own_day("keep"),
        inflow_kwh=by_own_day("inflow_kwh"),
        lower_kwh=by_own_day("lower_kwh"),
        upper_kwh=by_own_day("upper_kwh"),
        min_kw=by_own_day("min_kw"),
        max_kw=by_own_day("max_kw"),
        charge_kwh_per_kw=by_own_day("charge_kwh_per_kw"),
        discharge_kwh_per_kw=by_own_day("discharge_kwh_per_kw"),
        start_kwh=per_home([storage.start_kwh for storage in storages]),
        least_draw_kw=per_home([storage.least_draw_kw for storage in storages]),
        load_kw=np.array([load.p_kw for load in loads]).reshape(len(loads), ptus),
        forgone_eur_per_kwh=per_home([load.discomfort_eur_per_kwh for load in loads]),
        longest_cut=np.array([load.longest_cut for load in loads], dtype=np.int64),
        cuts=np.array([load.cuts for load in loads], dtype=np.int64),
    )


def days_of(members: Sequence[MarketMember], ptus: int) -> Days:
    """What the members' devices do by the plans they came with."""
    start, storage_kw, cut = [], [], []
    for member in members:
        setpoints = member.plan.setpoints
        start += [int(np.argmax(setpoints[choice.name])) for choice in member.parts.choices]
        storage_kw += [setpoints[storage.name] for storage in member.parts.storages]
        if member.load is not None:
            cut.append(setpoints[member.load.name])
    return Days(
        start=np.array(start, dtype=np.int64),
        storage_kw=np.array(storage_kw, dtype=np.float64).reshape(-1, ptus),
        cut=np.array(cut, dtype=np.float64).reshape(-1, ptus),
        net_kw=np.array([member.plan.net_kw for member in members]).reshape(-1, ptus),
    )


def _firsts(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
