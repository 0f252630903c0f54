"""What homes' days are worth at fixed prices: the terms of a bound that no plan can beat.

Never more than the least cost that a home could really have. What ties its devices together is left
out (caps, least powers), and where a network fee puts a kink at zero into the cost, any share of
the fee that counts everywhere gives a bound (Lagrangian relaxation); a few steps find a good one.
"""

from __future__ import annotations

import numpy as np

from mas2sim.cems.market_kernel import MarketHomes, best_cuts, workspace
from mas2sim.cems.storage_path import walk
from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.machine_code import compiled

FEE_STEPS = 12
"""Shares of the fee that are tried; without a fee there is nothing to try."""


@compiled
def cheapest_cycles(homes: MarketHomes, h: int, own: FloatArray, net: FloatArray) -> None:
    """Add each cycle of a home at its first start of least cost under `own`, shape (ptu)."""
    ptus = len(own)
    for c in range(homes.first_choice[h], homes.first_choice[h + 1]):
        least_cost = np.inf
        taken = 0
        for i in range(homes.options[c]):
            cost = 0.0
            for k in range(homes.cycle_steps[c]):
                t = homes.starts[c, i] + k
                cost += own[t if t < ptus else t - ptus] * homes.cycle_kw[c, k]
            if cost < least_cost:
                least_cost, taken = cost, homes.starts[c, i]
        for k in range(homes.cycle_steps[c]):
            net[(taken + k) % ptus] += homes.cycle_kw[c, k]


@compiled
def cheapest_paths(
    homes: MarketHomes,
    h: int,
    own: FloatArray,
    net: FloatArray,
    work: tuple[FloatArray, FloatArray, FloatArray, FloatArray, IntArray, FloatArray, FloatArray],
) -> None:
    """Add each storage of a home on its least-cost path under `own`, shape (ptu).

    Where a price is below zero losses pay: then it charges and delivers at once, which no storage
    does, but no real path is cheaper.
    """
    begin, width, slope, preference, count, moved, stored = work
    ptus = len(own)
    for s in range(homes.first_storage[h], homes.first_storage[h + 1]):
        for k in range(ptus):
            t = (homes.begins[s] + k) % ptus
            gain = homes.charge_kwh_per_kw[s, k]
            drain = homes.discharge_kwh_per_kw[s, k]
            low, high = homes.min_kw[s, k], homes.max_kw[s, k]
            begin[k] = low * gain if low > 0.0 else low * drain
            count[k] = 0
            charges_first = own[t] < 0.0 and drain > gain
            for piece in range(2):
                delivers = piece == (1 if charges_first else 0)
                span = min(high, 0.0) - low if delivers else high - max(low, 0.0)
                if span > 0.0:
                    kwh_per_kw = drain if delivers else gain
                    place = count[k]
                    width[k, place] = span * kwh_per_kw
                    slope[k, place] = own[t] / kwh_per_kw
                    preference[k, place] = (-1.0 if delivers else 1.0) / kwh_per_kw
                    count[k] += 1
        walk(
            begin, width, slope, preference, count, homes.keep[s], homes.inflow_kwh[s],
            homes.lower_kwh[s], homes.upper_kwh[s], homes.start_kwh[s], moved, stored,
        )  # fmt: skip
        for k in range(ptus):
            power = homes.min_kw[s, k]
            left = moved[k] - begin[k]
            for piece in range(count[k]):
                part = min(left, width[k, piece])
                # The preference of a piece is 1 kW over what that stores.
                power += part * abs(preference[k, piece])
                left -= part
            net[(homes.begins[s] + k) % ptus] += power


@compiled
def cheapest_cuts(homes: MarketHomes, h: int, own: FloatArray, net: FloatArray) -> float:
    """Add what is left of a home's loads when cut at best; return the comfort lost. [EUR/h]."""
    ptus = len(own)
    gain = np.empty(ptus)
    cut = np.empty(ptus)
    forgone = 0.0
    for b in range(homes.first_load[h], homes.first_load[h + 1]):
        for t in range(ptus):
            gain[t] = (own[t] - homes.forgone_eur_per_kwh[b]) * homes.load_kw[b, t]
        best_cuts(gain, homes.longest_cut[b], homes.cuts[b], cut)
        for t in range(ptus):
            power = homes.load_kw[b, t]
            net[t] += power * (1.0 - cut[t])
            forgone += homes.forgone_eur_per_kwh[b] * power * cut[t]
    return forgone


@compiled
def worths(
    homes: MarketHomes,
    asked: IntArray,
    price: FloatArray,
    group: IntArray,
    fee: FloatArray,
    net_now_kw: FloatArray,
    ptu_hours: float,
    worth: FloatArray,
    net_kw: FloatArray,
) -> None:
    """Write the least cost of each home's day at fixed prices, and a profile that has it.

    Parameters
    ----------
    price : array, shape (price, ptu)
    group : array, shape (asked)
        Which price is a home's.
    fee : array, shape (ptu)
        Network fee on what the home imports. [EUR/kWh]
    net_now_kw : array, shape (home, ptu)
        Where the homes stand: the fee counts first where they import now.
    worth : array, shape (asked), written [EUR]
    net_kw : array, shape (asked, ptu), written
    """
    ptus = homes.base_kw.shape[1]
    work = workspace(ptus, 2)
    own = np.empty(ptus)
    counted = np.empty(ptus)
    net = np.empty(ptus)
    tries = FEE_STEPS if fee.max() > 0.0 else 1
    for a in range(len(asked)):
        h = asked[a]
        most_kw = 1e-3
        for t in range(ptus):
            counted[t] = fee[t] if net_now_kw[h, t] > 0.0 else 0.0
            most_kw = max(most_kw, abs(net_now_kw[h, t]))
        worth[a] = -np.inf
        for attempt in range(tries):
            for t in range(ptus):
                own[t] = price[group[a], t] + counted[t]
            net[:] = homes.base_kw[h]
            cheapest_cycles(homes, h, own, net)
            cheapest_paths(homes, h, own, net, work)
            total = cheapest_cuts(homes, h, own, net)
            for t in range(ptus):
                total += own[t] * net[t]
            if total * ptu_hours > worth[a]:
                worth[a] = total * ptu_hours
                net_kw[a] = net
            step = 1.0 / (most_kw * (1.0 + attempt))
            for t in range(ptus):
                counted[t] = min(max(counted[t] + step * fee[t] * net[t], 0.0), fee[t])
