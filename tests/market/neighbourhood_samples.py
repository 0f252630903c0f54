"""Random communities for the centralised benchmark, and what the Pyomo statement says of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from mas2sim.cems.community_statement import (
    Neighbourhood,
    NeighbourhoodSolution,
    SharedLimit,
    solve_neighbourhood,
)
from mas2sim.cems.program import home_program
from mas2sim.domain.horizon import Horizon
from mas2sim.market.central import (
    CentralProblem,
    CentralSolution,
    CongestionPoint,
    solve_central,
)
from tests.cems.home_samples import (
    dynamic,
    export_above_import,
    negative_prices,
    peak_price,
    random_home,
)

HOURS = Horizon(60)
FREE = np.full(HOURS.ptus, np.inf)
TARIFFS = {
    "dynamic": dynamic,
    "export_above_import": export_above_import,
    "negative_prices": negative_prices,
    "peak_price": peak_price,
}


@dataclass(frozen=True)
class Sample:
    """What is drawn; the limits are shares of the greatest import and export without limits."""

    seed: int
    tariff: str = "dynamic"
    communities: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3),)
    fee: float = 0.0
    most_import: float = 0.0
    most_export: float = 0.0
    exchange: bool = False


SAMPLES = [
    *(Sample(seed) for seed in range(4)),
    *(Sample(seed, fee=0.03) for seed in range(4, 8)),
    *(Sample(seed, name) for seed in (8, 9) for name in TARIFFS),
    Sample(10, "export_above_import", fee=0.02),
    Sample(11, "negative_prices", fee=0.02),
    # More than energy costs in some hours: what members trade there they trade at a loss.
    Sample(12, fee=0.12),
    Sample(13, fee=0.16),
    *(Sample(seed, most_import=0.7) for seed in (14, 15)),
    *(Sample(seed, most_export=0.6) for seed in (16, 17, 18)),
    Sample(19, "negative_prices", most_import=0.8, most_export=0.8),
    Sample(27, fee=0.02, most_import=0.8, most_export=0.8),
    # Two communities; a home in none.
    *(Sample(seed, communities=((0, 2), (1, 3))) for seed in (21, 22)),
    Sample(23, communities=((1,), (3, 0)), fee=0.03, most_import=0.8, most_export=0.7),
    Sample(24, communities=((0, 2), (1, 3)), fee=0.01, exchange=True),
    Sample(25, "peak_price", communities=((2, 0),), fee=0.02, most_import=0.9),
]


@cache
def neighbourhood_of(sample: Sample) -> Neighbourhood:
    """Homes of any make, as the statement reads them; limits come from the day without them."""
    rng = np.random.default_rng([sample.seed, 7])
    homes, references = zip(*(random_home(rng, HOURS) for _ in range(4)), strict=True)
    communities = sample.communities
    if sample.exchange:
        communities = (tuple(home for members in communities for home in members),)
    tariff = TARIFFS[sample.tariff](HOURS, rng) if sample.tariff != "dynamic" else None
    free = Neighbourhood(
        homes,
        references,
        (tariff or dynamic(HOURS, rng),) * len(homes),
        communities,
        HOURS,
        sample.fee,
    )
    if not (sample.most_import or sample.most_export):
        return free
    other_kw = rng.uniform(-0.5, 0.5, HOURS.ptus)
    flow_kw = other_kw + solve_neighbourhood(free).net_kw.sum(axis=0)
    limit = SharedLimit(
        homes=(0, 1, 2, 3),
        other_kw=other_kw,
        upper_kw=sample.most_import * flow_kw.max() + np.zeros(24) if sample.most_import else FREE,
        lower_kw=sample.most_export * flow_kw.min() + np.zeros(24) if sample.most_export else -FREE,
    )
    return replace(free, limits=(limit,))


@cache
def stated(sample: Sample) -> NeighbourhoodSolution:
    return solve_neighbourhood(neighbourhood_of(sample))


@cache
def problem_of(sample: Sample) -> CentralProblem:
    street = neighbourhood_of(sample)
    parts = zip(street.homes, street.references, street.tariffs, strict=True)
    return CentralProblem(
        programs=tuple(home_program(*part, HOURS) for part in parts),
        communities=sample.communities,
        tariffs=tuple(street.tariffs[members[0]] for members in sample.communities),
        horizon=HOURS,
        fee_eur_per_kwh=sample.fee,
        points=tuple(
            CongestionPoint("t", limit.homes, limit.other_kw, limit.lower_kw, limit.upper_kw)
            for limit in street.limits
        ),
        exchange=sample.exchange,
    )


@cache
def solved(sample: Sample) -> CentralSolution:
    return solve_central(problem_of(sample), relative_gap=0.0)
