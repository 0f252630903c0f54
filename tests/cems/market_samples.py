"""Homes of bare components in a market, and the least that answering a price curve can cost.

The oracle of a storage is a linear program that knows the curve only by tangents of its integral:
it never claims a cost that cannot be had for less, and is as near as its tangents are dense.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from types import MappingProxyType

import numpy as np
from scipy.optimize import linprog

from mas2sim.cems.components import Choice, HomeComponents, Storage
from mas2sim.cems.market_homes import MarketMember, days_of, market_homes
from mas2sim.cems.market_kernel import Days, MarketHomes
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.flexibility import PriceCurve
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan
from tests.market.curve_oracle import curve_cost, reading

from .component_oracle import random_components

TANGENT_KW = 0.02
"""Distance of the tangents."""


def member_of(
    parts: HomeComponents,
    load: InterruptibleLoad | None = None,
    storage_kw: Sequence[FloatArray] = (),
    starts: Sequence[int] = (),
    cut: FloatArray | None = None,
) -> MarketMember:
    """A home that stands as told: storages at rest and first starts where nothing is said."""
    ptus = len(parts.base_kw)
    powers = [*storage_kw, *(np.zeros(ptus) for _ in parts.storages[len(storage_kw) :])]
    begun = [*starts, *(int(choice.starts[0]) for choice in parts.choices[len(starts) :])]
    net_kw = parts.base_kw + sum(powers, np.zeros(ptus))
    setpoints = {s.name: power for s, power in zip(parts.storages, powers, strict=True)}
    for choice, start in zip(parts.choices, begun, strict=True):
        net_kw = net_kw + cycle_kw(choice, start, ptus)
        setpoints[choice.name] = (np.arange(ptus) == start).astype(float)
    if load is not None:
        cut = np.zeros(ptus) if cut is None else cut
        net_kw = net_kw + load.p_kw * (1.0 - cut)
        setpoints[load.name] = cut
    home = Home("sample", 3000.0, np.zeros(ptus))
    return MarketMember(home, HomePlan(net_kw, MappingProxyType(setpoints)), parts, load)


def bare(
    base_kw: FloatArray,
    choices: tuple[Choice, ...] = (),
    storages: tuple[Storage, ...] = (),
    **caps: float,
) -> HomeComponents:
    """Components whose own prices nobody reads."""
    nothing = np.zeros(len(base_kw))
    return HomeComponents(base_kw, choices, storages, nothing, nothing, **caps)


def any_member(rng: np.random.Generator) -> MarketMember | None:
    """A home of several devices somewhere within what they can do."""
    parts = random_components(rng, Horizon(60))
    powers = [any_day(rng, storage) for storage in parts.storages]
    if any(power is None for power in powers):
        return None
    starts = [int(rng.choice(choice.starts)) for choice in parts.choices]
    load = None
    if rng.random() < 0.5:
        load = InterruptibleLoad(rng.uniform(0.5, 2.0, 24), 2, 2, float(rng.uniform(0.0, 0.3)))
    return member_of(parts, load, [power for power in powers if power is not None], starts)


def in_market(members: Sequence[MarketMember]) -> tuple[MarketHomes, Days]:
    ptus = len(members[0].parts.base_kw)
    return market_homes(members, ptus), days_of(members, ptus)


def cycle_kw(choice: Choice, start: int, ptus: int) -> FloatArray:
    power = np.zeros(ptus)
    for step, p_kw in enumerate(choice.cycle_kw):
        power[(start + step) % ptus] += p_kw
    return power


def answer_eur(
    curve: PriceCurve, told_kw: FloatArray, net_kw: FloatArray, fee: FloatArray
) -> float:
    """Cost of a changed profile against staying, fee on import included. [EUR/h]"""
    fee_eur = fee * (np.maximum(net_kw, 0.0) - np.maximum(told_kw, 0.0))
    return curve_cost(curve, net_kw - told_kw) + float(fee_eur.sum())


def cut_patterns(load: InterruptibleLoad) -> list[FloatArray]:
    """Every allowed pattern of cuts, by trying all of them."""
    ptus = len(load.p_kw)
    allowed = []
    for number in range(2**ptus):
        cut = (number >> np.arange(ptus)) & 1
        runs = [len(list(run)) for is_cut, run in groupby(cut.tolist()) if is_cut]
        if len(runs) > load.cuts or max(runs, default=0) > load.longest_cut:
            continue
        if not (cut[0] and cut[-1]):
            allowed.append(cut.astype(float))
    return allowed


def energy_rows(storage: Storage) -> tuple[FloatArray, FloatArray]:
    """Stored energy at the end of each PTU of the storage's own day, and what it comes to alone.

    Returns
    -------
    rows : array, shape (ptu, 2 ptu)
        Energy per kW charged, then discharged, by the clock.
    alone : array, shape (ptu)
    """
    ptus = len(storage.keep)
    rows, alone = np.zeros((ptus, 2 * ptus)), np.zeros(ptus)
    row, here = np.zeros(2 * ptus), storage.start_kwh
    for k in range(ptus):
        t = (storage.first_ptu + k) % ptus
        row, here = storage.keep[t] * row, storage.keep[t] * here + storage.inflow_kwh[t]
        row[t] += storage.charge_kwh_per_kw[t]
        row[ptus + t] -= storage.discharge_kwh_per_kw[t]
        rows[k], alone[k] = row, here
    return rows, alone


def any_day(rng: np.random.Generator, storage: Storage) -> FloatArray | None:
    """Some day that the storage can live, shape (ptu); None when there is none."""
    found = _least(storage, rng.uniform(-1.0, 1.0, len(storage.keep)), [], [])
    return None if found is None else found[1]


def least_answer_eur(
    storage: Storage,
    curve: PriceCurve,
    told_kw: FloatArray,
    rest_kw: FloatArray,
    fee: FloatArray,
    caps_kw: tuple[float, float],
) -> float:
    """What the best answer of one storage costs at least. [EUR/h]"""
    rows, bounds = [], []
    ptus = len(rest_kw)
    for t in range(ptus):
        low, high = (
            max(storage.min_kw[t], -caps_kw[1] - rest_kw[t]),
            min(storage.max_kw[t], caps_kw[0] - rest_kw[t]),
        )
        row = curve.change_kw[t], curve.price_eur_per_kwh[t]
        at = np.arange(low, high + TANGENT_KW, TANGENT_KW) + 1e-7
        change = rest_kw[t] + at - told_kw[t]
        # The integral at each point by the exact sum over finer ones.
        cost = np.array([curve_cost_between(row, x) for x in change])
        slope = reading(row, change)
        for x, value, price in zip(at, cost, slope, strict=True):
            tangent = np.zeros(4 * ptus)
            tangent[t], tangent[ptus + t], tangent[2 * ptus + t] = price, -price, -1.0
            rows.append(tangent)
            bounds.append(price * x - value)
        for sign in (1.0, -1.0):
            balance = np.zeros(4 * ptus)
            balance[t], balance[ptus + t] = sign, -sign
            rows.append(balance)
            bounds.append(high if sign > 0 else -low)
        imported = np.zeros(4 * ptus)
        imported[t], imported[ptus + t], imported[3 * ptus + t] = 1.0, -1.0, -1.0
        rows.append(imported)
        bounds.append(-rest_kw[t])
    found = _least(storage, np.zeros(ptus), rows, bounds, fee)
    if found is None:
        return float("inf")
    return found[0] - float((fee * np.maximum(told_kw, 0.0)).sum())


def curve_cost_between(row: tuple[FloatArray, FloatArray], change: float) -> float:
    return curve_cost(PriceCurve(row[0][None], row[1][None]), np.array([change]))


def _least(
    storage: Storage,
    price: FloatArray,
    rows: list[FloatArray],
    bounds: list[float],
    fee: FloatArray | None = None,
) -> tuple[float, FloatArray] | None:
    """Columns: charge, discharge, cost of the curve, import, each of shape (ptu)."""
    ptus = len(price)
    energy, alone = energy_rows(storage)
    order = (storage.first_ptu + np.arange(ptus)) % ptus
    wide = np.hstack([energy, np.zeros((ptus, 2 * ptus))])
    cost = np.concatenate([price, -price, np.ones(ptus), np.zeros(ptus) if fee is None else fee])
    if not rows:
        cost[2 * ptus :] = 0.0
    limits = [
        *zip(np.maximum(storage.min_kw, 0), np.maximum(storage.max_kw, 0), strict=True),
        *zip(np.maximum(-storage.max_kw, 0), np.maximum(-storage.min_kw, 0), strict=True),
        *((None, None) for _ in range(ptus)),
        *((0, None) for _ in range(ptus)),
    ]
    done = linprog(
        cost,
        A_ub=np.vstack([wide, -wide, *rows]),
        b_ub=np.concatenate(
            [storage.upper_kwh[order] - alone, alone - storage.lower_kwh[order], bounds]
        ),
        bounds=limits,
    )
    if done.x is None:
        return None
    return float(done.fun), np.asarray(done.x[:ptus] - done.x[ptus : 2 * ptus])
