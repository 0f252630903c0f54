"""Neighbourhoods on which markets are measured.

Two kinds. Populations of the scenario 2030_green, with everything owned offered, on sunny days from
spring to summer, when communities have a surplus. And the flexible mix of `home_day`, where every
home has something to move and some have much: what it has of wind, hot water and loads that may be
cut is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from benchmarks.home_day import HOMES, draw_home
from mas2sim.cems import Negotiator, home_program, market_member, nearest_feasible, plan_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import partition
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.market.central import CentralProblem, CentralSolution, CongestionPoint, solve_central
from mas2sim.market.community_bill import settled_cost_eur
from mas2sim.plant import reference_days
from mas2sim.population import PopulationSettings, Site, SmartScenario, build_population
from mas2sim.scenario import compose_case
from mas2sim.scenario.case import Case
from mas2sim.scenario.tariff import tariff_of

SUBSTATION = 1
TARIFFS = ("uk_time_of_use", "dynamic")
SEASONS = ("spring", "summer", "high_summer")
MIX_COMMUNITIES = (60, 60, 64)
CENTRAL_GAP = 2e-4
"""To which the centralised benchmark is solved, of the import payments."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Homes under one tariff, with their plans of uc1.

    Parameters
    ----------
    communities : mapping of str to tuple of int
        Positions of the members of each.
    """

    homes: tuple[Home, ...]
    references: tuple[ReferenceDay, ...]
    plans: tuple[HomePlan, ...]
    communities: Mapping[str, tuple[int, ...]]
    tariff: Tariff
    horizon: Horizon
    seed: int

    @property
    def net_kw(self) -> FloatArray:
        """Plans of uc1, shape (home, ptu)."""
        return np.array([plan.net_kw for plan in self.plans])

    @property
    def alone_eur(self) -> FloatArray:
        """What each home pays and gives up under uc1, shape (home)."""
        return np.array([plan.cost_eur + plan.discomfort_eur for plan in self.plans])

    @property
    def netted_eur(self) -> float:
        """What all communities owe when members trade and no plan changes."""
        net_kw, forgone_eur = self.net_kw, sum(plan.discomfort_eur for plan in self.plans)
        return forgone_eur + sum(
            float(settled_cost_eur(net_kw[list(members)], self.tariff, self.horizon))
            for members in self.communities.values()
        )

    @property
    def import_payments_eur(self) -> float:
        """What imports cost under uc1: what gaps are shares of."""
        drawn_kw = np.maximum(self.net_kw, 0.0)
        return float((drawn_kw * self.tariff.import_eur_per_kwh).sum() * self.horizon.ptu_hours)

    @property
    def has_surplus(self) -> bool:
        """Whether every community exports in some PTU under uc1."""
        net_kw = self.net_kw
        return all(net_kw[list(m)].sum(axis=0).min() < 0 for m in self.communities.values())

    def divided(self, count: int) -> Neighbourhood:
        """Return the same homes in another number of communities."""
        parts = partition(len(self.homes), count, seed=self.seed, substation=SUBSTATION)
        return replace(self, communities={part.name: part.members for part in parts})

    def part(self, first: int, after: int) -> Neighbourhood:
        """Return some of the homes as one community."""
        span = slice(first, after)
        homes = self.homes[span]
        return replace(
            self,
            homes=homes,
            references=self.references[span],
            plans=self.plans[span],
            communities={"community_1": tuple(range(len(homes)))},
        )

    def members(self, name: str) -> Negotiator:
        """Let the homes of one community take part in a market."""
        tariff, horizon = self.tariff, self.horizon
        some = [
            market_member(
                self.homes[place], self.references[place], self.plans[place], tariff, horizon
            )
            for place in self.communities[name]
        ]
        return Negotiator(name, some, tariff, horizon)

    def central(
        self,
        limit_kw: float = np.inf,
        *,
        relative_gap: float = CENTRAL_GAP,
        time_limit_s: float = np.inf,
    ) -> CentralSolution:
        """Solve the neighbourhood as one program, within a limit of its import."""
        everywhere = np.ones(self.horizon.ptus)
        point = CongestionPoint(
            "transformer",
            tuple(range(len(self.homes))),
            other_kw=0.0 * everywhere,
            lower_kw=-np.inf * everywhere,
            upper_kw=limit_kw * everywhere,
        )
        problem = CentralProblem(
            programs=self._programs(),
            communities=tuple(self.communities.values()),
            tariffs=(self.tariff,) * len(self.communities),
            horizon=self.horizon,
            points=(point,) if np.isfinite(limit_kw) else (),
            trade_at_a_loss=False,
        )
        return solve_central(
            problem,
            relative_gap=relative_gap,
            import_payments_eur=self.import_payments_eur,
            time_limit_s=time_limit_s,
        )

    def _programs(self) -> tuple[HomeProgram, ...]:
        return tuple(
            home_program(
                nearest_feasible(home, reference, self.horizon).home,
                reference,
                self.tariff,
                self.horizon,
            )
            for home, reference in zip(self.homes, self.references, strict=True)
        )


def sunny_neighbourhood(
    homes: int, tariff: str, *, seed: int, communities: int = 1
) -> Neighbourhood:
    """Draw a population; the seed says which of the seasons it lives in too."""
    season = SEASONS[seed % len(SEASONS)]
    case = sunny_case(season, tariff)
    drawn, references = sunny_homes(homes, season, seed)
    return planned(drawn, references, prices_of(case), case.horizon, seed).divided(communities)


def mix_neighbourhood(tariff: str, homes: int = HOMES) -> Neighbourhood:
    """Draw the flexible mix, in one community."""
    case = sunny_case(SEASONS[0], tariff)
    drawn, references = mix_homes(homes, case.horizon)
    return planned(drawn, references, prices_of(case), case.horizon, seed=1)


def mix_in_three(tariff: str) -> Neighbourhood:
    """The flexible mix in three communities of about equal size."""
    after = np.cumsum(MIX_COMMUNITIES).tolist()
    spans = zip([0, *after[:-1]], after, strict=True)
    communities = {f"community_{i + 1}": tuple(range(*span)) for i, span in enumerate(spans)}
    return replace(mix_neighbourhood(tariff, after[-1]), communities=communities)


@cache
def sunny_case(season: str, tariff: str) -> Case:
    """The case that a population and its prices are taken from."""
    choices = {
        "season": season,
        "weather": "sunny",
        "smart": "2030_green",
        "flexibility": "high",
        "tariff": tariff,
    }
    return compose_case([f"{group}={choice}" for group, choice in choices.items()])


def prices_of(case: Case) -> Tariff:
    return tariff_of(case.configuration.tariff, case.configuration.day.name, case.horizon)


@cache
def sunny_homes(
    homes: int, season: str, seed: int
) -> tuple[tuple[Home, ...], tuple[ReferenceDay, ...]]:
    """Homes of the scenario, and their unmanaged days; no tariff has to do with them."""
    case = sunny_case(season, TARIFFS[0])
    configuration = case.configuration
    site = configuration.grid.site
    population = build_population(
        PopulationSettings(
            homes=homes,
            site=Site(site.latitude_deg, site.longitude_deg, site.altitude_m, site.timezone),
            smart=SmartScenario(**configuration.smart.model_dump()),
            ladder=tuple(SmartScenario(**rung.model_dump()) for rung in case.ladder),
            flexible_percent=configuration.flexibility.offered_percent,
            profiles_dir=case.profiles,
        ),
        day=case.day,
        weather=configuration.weather.name,
        seed=seed,
        substation=SUBSTATION,
        horizon=case.horizon,
    )
    return population.homes, reference_days(population.homes, case.horizon)


@cache
def mix_homes(count: int, horizon: Horizon) -> tuple[tuple[Home, ...], tuple[ReferenceDay, ...]]:
    """Homes of the mix, and their unmanaged days."""
    homes = []
    for index in range(count):
        full = draw_home(index, horizon, full=True)
        heaters = tuple(heater for heater in full.heaters if heater.name == "heat_pump")
        home = replace(full, heaters=heaters, interruptible=None, wind=None)
        names = frozenset(device.name for device in home.flexible_devices)
        homes.append(replace(home, owns=names, offered=names))
    return tuple(homes), reference_days(homes, horizon)


def planned(
    homes: Sequence[Home],
    references: Sequence[ReferenceDay],
    tariff: Tariff,
    horizon: Horizon,
    seed: int,
) -> Neighbourhood:
    """Plan every home's day on its own."""
    plans = tuple(
        plan_home(home, day, tariff, horizon, rng=stream(seed, SUBSTATION, home.name, "ties"))
        for home, day in zip(homes, references, strict=True)
    )
    everyone = {"community_1": tuple(range(len(homes)))}
    return Neighbourhood(tuple(homes), tuple(references), plans, everyone, tariff, horizon, seed)
