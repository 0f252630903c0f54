"""A home's exact best answer to a price per PTU: at most 20 us, on the homes of `home_day`.

The baseline is the structured method under a tariff whose export price equals its import price,
which is the same question asked once; both costs are compared before anything is claimed.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from benchmarks.home_day import draw_homes, dynamic
from mas2sim.cems.components import components
from mas2sim.cems.linear_response import LinearResponse
from mas2sim.cems.structured import solve_structured
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff

LIMIT_US = 20.0
SAME_EUR = 1e-9
ROUNDS = 30
"""The least of so many rounds counts; a round asks every home once, each time another price."""


def main() -> int:
    horizon = Horizon()
    drawn = dynamic(horizon).import_eur_per_kwh
    rng = stream(1, "benchmark", "linear_response")
    prices = drawn * rng.uniform(0.5, 1.5, (ROUNDS, horizon.ptus))
    one_price = Tariff("one_price", prices[0], prices[0])
    drawn_homes = draw_homes(horizon, full=False)
    homes = [parts for home in drawn_homes if (parts := components(*home, one_price, horizon))]
    responses = [LinearResponse.of(parts) for parts in homes]

    per_kw = prices * horizon.ptu_hours
    difference_eur, structured_us = 0.0, []
    for parts, response in zip(homes, responses, strict=True):
        begun = perf_counter()
        plan = solve_structured(parts, horizon, TieRule.EARLIEST, rng)
        structured_us.append(1e6 * (perf_counter() - begun))
        cost_eur, _ = response.answer(per_kw[0])
        difference_eur = max(difference_eur, abs(cost_eur - plan.cost_eur) if plan else np.inf)

    spent_us = np.array([[timed_us(response, price) for response in responses] for price in per_kw])
    by_home = np.median(spent_us, axis=0)
    mean_us = float(spent_us.mean(axis=1).min())
    print(
        f"mean_us={mean_us:.1f} worst_home_us={by_home.max():.1f} "
        f"limit_us={LIMIT_US:g} ratio_structured={np.median(structured_us) / mean_us:.0f} "
        f"difference_eur={difference_eur:.1e} homes={len(homes)}"
    )
    return 0 if mean_us <= LIMIT_US and difference_eur <= SAME_EUR else 1


def timed_us(response: LinearResponse, price: np.ndarray) -> float:
    begun = perf_counter()
    response.answer(price)
    return 1e6 * (perf_counter() - begun)
