"""CPU time of the markets: per home and day, against one program of all homes, and by size.

Counted is the market alone: making the homes ready for it, the negotiation and its certificate; not
the homes' own plans of uc1, which they come with. All homes of a community count, whether they have
anything to move or not; per flexible home it is printed beside. The congestion market (uc3) is
counted apart from the local markets (uc2) that it follows.

The one program is stopped at a gap of 0.1 %, and so is the market that it is compared with here;
its time is that of stating the homes' programs and solving them. Populations are those of
`market_quality`; the flexible mix of `home_day`, where everybody has something to move, is measured
too. All in one process on one thread; the least of a few repetitions counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import process_time

from benchmarks._market_homes import (
    TARIFFS,
    Neighbourhood,
    mix_in_three,
    mix_neighbourhood,
    sunny_neighbourhood,
)
from benchmarks._market_runs import TERMS, hold_dso_market, hold_local_markets
from benchmarks._targets import Figure, print_table
from mas2sim.market.central import Outcome

HOMES, MANY_HOMES = 184, 1200
COMMUNITIES = 3
SEED = 1
SHARES = (0.8, 0.6, 0.5)
"""Limits of uc3, of the peak that the local markets leave."""
LEAST_RATIOS = {HOMES: 20.0, MANY_HOMES: 100.0}
MOST_GROWTH = 8.0
REPETITIONS = 3
GAP_PERCENT = 0.1
"""Where market and program stop to be compared."""
TIME_LIMIT_S = 150.0
"""The one program is not waited for any longer; the ratio is then a lower bound. The solver counts
by the wall clock, so that on a busy machine it gets less done."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of a market per home and day. [ms]"""

    what: str
    tariff: str
    per_home_ms: float
    per_flexible_ms: float


@dataclass(frozen=True, slots=True)
class Race:
    """A market of one community and the one program on the same homes, CPU times in s.

    Parameters
    ----------
    market_s, early_s : float
        Of the market as it is held by default, and when it stops at the gap of the comparison.
    early_gap_percent : float
        What it has proven then; no more than was wanted, unless its rounds were over.
    finished : bool
        Whether the program came to its gap in time.
    """

    kind: str
    homes: int
    tariff: str
    market_s: float
    early_s: float
    early_gap_percent: float
    central_s: float
    finished: bool

    @property
    def ratio(self) -> float:
        return self.central_s / self.early_s


def main() -> int:
    hold_local_markets(mix_neighbourhood(TARIFFS[0]).part(0, 12))  # compiles
    local, limited, races = [], [], []
    for tariff in TARIFFS:
        population = sunny_neighbourhood(HOMES, tariff, seed=SEED, communities=COMMUNITIES)
        mix = mix_in_three(tariff)
        local.append(local_cost("population in 3 communities", population))
        local.append(local_cost("population in 1 community", population.divided(1)))
        local.append(local_cost("mix in 3 communities", mix))
        limited.append(limited_cost("population in 3 communities", population))
        limited.append(limited_cost("mix in 3 communities", mix))
    print_costs("uc2", local)
    print_costs("uc3", limited)
    for tariff in TARIFFS:
        for homes in (HOMES, MANY_HOMES):
            races.append(race("population", sunny_neighbourhood(homes, tariff, seed=SEED)))
            races.append(race("mix", mix_neighbourhood(tariff, homes)))
    return 0 if print_table([*cost_figures(local, limited), *race_figures(races)]) else 1


def local_cost(what: str, neighbourhood: Neighbourhood) -> Cost:
    """Time of the local markets, as they are held by default."""
    runs = [hold_local_markets(neighbourhood) for _ in range(REPETITIONS)]
    spent_ms = 1e3 * min(run.cpu_s for run in runs)
    return Cost(
        what,
        neighbourhood.tariff.name,
        spent_ms / len(neighbourhood.homes),
        spent_ms / runs[0].flexible,
    )


def limited_cost(what: str, neighbourhood: Neighbourhood) -> Cost:
    """Time of the congestion market alone, the mean over the limits."""
    spent_ms, flexible = 0.0, 1
    for share in SHARES:
        runs = []
        for _ in range(REPETITIONS):
            local = hold_local_markets(neighbourhood)
            limit_kw = share * float(local.net_kw.max())
            runs.append(hold_dso_market(neighbourhood, local, limit_kw))
            flexible = local.flexible
        spent_ms += 1e3 * min(run.cpu_s for run in runs) / len(SHARES)
    return Cost(
        what, neighbourhood.tariff.name, spent_ms / len(neighbourhood.homes), spent_ms / flexible
    )


def race(kind: str, neighbourhood: Neighbourhood) -> Race:
    """Measure market and program, both to the same gap."""
    terms = replace(TERMS.local, gap_percent=GAP_PERCENT)
    runs = [hold_local_markets(neighbourhood) for _ in range(REPETITIONS)]
    early = [hold_local_markets(neighbourhood, terms) for _ in range(REPETITIONS)]
    begun = process_time()
    best = neighbourhood.central(relative_gap=GAP_PERCENT / 100.0, time_limit_s=TIME_LIMIT_S)
    raced = Race(
        kind=kind,
        homes=len(neighbourhood.homes),
        tariff=neighbourhood.tariff.name,
        market_s=min(run.cpu_s for run in runs),
        early_s=min(run.cpu_s for run in early),
        early_gap_percent=early[0].gap_percent,
        central_s=process_time() - begun,
        finished=best.outcome is Outcome.OPTIMAL,
    )
    print(
        f"{kind}, {raced.homes} homes, {raced.tariff}: market {raced.market_s:.3f} s, to "
        f"{raced.early_gap_percent:.2f} % {raced.early_s:.3f} s; one program "
        f"{'' if raced.finished else 'more than '}{raced.central_s:.2f} s, {raced.ratio:.1f} times"
    )
    return raced


def print_costs(level: str, costs: Sequence[Cost]) -> None:
    for cost in costs:
        print(
            f"{level} {cost.what}, {cost.tariff}: {cost.per_home_ms:.2f} ms per home and day, "
            f"{cost.per_flexible_ms:.2f} ms per flexible home"
        )


def cost_figures(local: Sequence[Cost], limited: Sequence[Cost]) -> list[Figure]:
    """Times per home and day, the worst of the tariffs and numbers of communities."""
    uc2_ms, uc2_mix_ms = slowest(local, "population"), slowest(local, "mix")
    uc3_ms, uc3_mix_ms = slowest(limited, "population"), slowest(limited, "mix")
    return [
        Figure("uc2_ms", "uc2 with certificate, population [ms]", uc2_ms, at_most=1.0),
        Figure("uc3_ms", "uc3, population [ms]", uc3_ms, at_most=2.0),
        Figure("uc3_mix_ms", "uc3, mix [ms]", uc3_mix_ms, at_most=2.0),
        Figure("uc2_mix_ms", "uc2 with certificate, mix [ms]", uc2_mix_ms),
    ]


def slowest(costs: Sequence[Cost], kind: str) -> float:
    return max(cost.per_home_ms for cost in costs if cost.what.startswith(kind))


def race_figures(races: Sequence[Race]) -> list[Figure]:
    """Ratios, the worst of the tariffs."""
    figures = []
    for kind in ("population", "mix"):
        for homes, times in LEAST_RATIOS.items():
            some = [each for each in races if (each.kind, each.homes) == (kind, homes)]
            ratio = min(each.ratio for each in some)
            late = "" if all(each.finished for each in some) else " (at least)"
            what = f"times as fast as the one program, {homes} homes of the {kind}{late}"
            figures.append(Figure(f"ratio_{kind}_{homes}", what, ratio, at_least=times, spec=".1f"))
        what = f"{MANY_HOMES} homes of the {kind} against {HOMES} [times]"
        growth = growth_of([each for each in races if each.kind == kind])
        figures.append(Figure(f"growth_{kind}", what, growth, at_most=MOST_GROWTH, spec=".1f"))
    return figures


def growth_of(races: Sequence[Race]) -> float:
    """Time of many homes' market as a multiple of that of a few."""
    spent_s = {(each.tariff, each.homes): each.market_s for each in races}
    return max(spent_s[tariff, MANY_HOMES] / spent_s[tariff, HOMES] for tariff in TARIFFS)
