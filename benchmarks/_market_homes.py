"""Neighbourhoods on which markets are measured, and markets held on them.

Two kinds. Populations of the scenario 2030_green, with everything owned offered, on sunny days from
spring to summer, when communities have a surplus. And the flexible mix of `home_day`, where every
home has something to move and some have much: what it has of wind, hot water and loads that may be
cut is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from time import process_time

import numpy as np

from benchmarks.home_day import draw_homes
from mas2sim.cems import Negotiator, home_program, market_member, nearest_feasible, plan_home
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import partition
from mas2sim.domain.flexibility import MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.randomness import stream
from mas2sim.domain.tariff import Tariff
from mas2sim.market.bargaining import Membership
from mas2sim.market.central import CentralProblem, CentralSolution, CongestionPoint, solve_central
from mas2sim.market.congestion import (
    CongestionMarket,
    CongestionOutcome,
    CongestionTerms,
    PointLimits,
)
from mas2sim.market.local_market import LocalMarket, LocalOutcome, LocalTerms
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.session import CommunityMarket, hold_congestion_market, hold_local_market
from mas2sim.plant import reference_days
from mas2sim.population import PopulationSettings, Site, SmartScenario, build_population
from mas2sim.scenario import compose_case
from mas2sim.scenario.case import Case
from mas2sim.scenario.tariff import tariff_of

SUBSTATION = 1
TARIFFS = ("uk_time_of_use", "dynamic")
SEASONS = ("spring", "summer", "high_summer")
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
    def alone_eur(self) -> FloatArray:
        """What each home pays and gives up under uc1, shape (home)."""
        return np.array([plan.cost_eur + plan.discomfort_eur for plan in self.plans])

    @property
    def import_payments_eur(self) -> float:
        """What imports cost under uc1: what gaps are shares of."""
        drawn_kw = np.maximum([plan.net_kw for plan in self.plans], 0.0)
        return float((drawn_kw * self.tariff.import_eur_per_kwh).sum() * self.horizon.ptu_hours)

    @property
    def has_surplus(self) -> bool:
        """Whether some community exports in some PTU under uc1."""
        net_kw = np.array([plan.net_kw for plan in self.plans])
        return any(net_kw[list(m)].sum(axis=0).min() < 0 for m in self.communities.values())

    def divided(self, count: int) -> Neighbourhood:
        """Return the same homes in another number of communities."""
        parts = partition(len(self.homes), count, seed=self.seed, substation=SUBSTATION)
        return replace(self, communities={part.name: part.members for part in parts})

    def members(self, name: str) -> Negotiator:
        """Let the homes of one community take part in a market."""
        homes, tariff, horizon = self.homes, self.tariff, self.horizon
        some = [
            market_member(homes[place], self.references[place], self.plans[place], tariff, horizon)
            for place in self.communities[name]
        ]
        return Negotiator(name, some, tariff, horizon)

    def programs(self) -> tuple[HomeProgram, ...]:
        """Program of each home, for the centralised benchmark."""
        return tuple(
            home_program(
                nearest_feasible(home, reference, self.horizon).home,
                reference,
                self.tariff,
                self.horizon,
            )
            for home, reference in zip(self.homes, self.references, strict=True)
        )

    def central(
        self,
        limit_kw: float | None = None,
        *,
        relative_gap: float = CENTRAL_GAP,
        time_limit_s: float = float("inf"),
    ) -> CentralSolution:
        """Solve the neighbourhood as one, within a limit of its import if there is one."""
        point = CongestionPoint(
            "transformer",
            tuple(range(len(self.homes))),
            other_kw=np.zeros(self.horizon.ptus),
            lower_kw=np.full(self.horizon.ptus, -np.inf),
            upper_kw=np.full(self.horizon.ptus, np.inf if limit_kw is None else limit_kw),
        )
        problem = CentralProblem(
            programs=self.programs(),
            communities=tuple(self.communities.values()),
            tariffs=(self.tariff,) * len(self.communities),
            horizon=self.horizon,
            points=() if limit_kw is None else (point,),
            trade_at_a_loss=False,
        )
        return solve_central(
            problem,
            relative_gap=relative_gap,
            import_payments_eur=self.import_payments_eur,
            time_limit_s=time_limit_s,
        )


@dataclass(slots=True, eq=False)
class CountedMembers:
    """Members of one community that count how often they were asked, one after the other."""

    negotiator: Negotiator
    exchanges: int = 0

    def answer(self, request: MemberRequest) -> MemberOffers:
        self.exchanges += 1
        return self.negotiator.answer(request)

    def order(self, order: MemberOrder) -> None:
        self.negotiator.order(order)


@dataclass(frozen=True, slots=True, eq=False)
class LocalRun:
    """Local markets of all communities of a neighbourhood, and their CPU time. [s]"""

    outcomes: Mapping[str, LocalOutcome]
    members: Mapping[str, CountedMembers]
    flexible: int
    cpu_s: float

    @property
    def cost_eur(self) -> float:
        return sum(outcome.cost_eur for outcome in self.outcomes.values())

    @property
    def net_kw(self) -> FloatArray:
        """Power at the transformer, shape (ptu)."""
        return np.asarray(sum(each.net_kw.sum(axis=0) for each in self.outcomes.values()))


@dataclass(frozen=True, slots=True, eq=False)
class CongestionRun:
    """A congestion market after the local ones.

    Parameters
    ----------
    cost_eur : float
        Of all communities, with the plans ordered.
    cpu_s : float
        Of the congestion market alone. [s]
    """

    outcome: CongestionOutcome
    cost_eur: float
    net_kw: FloatArray
    exchanges: int
    cpu_s: float


def hold_local_markets(
    neighbourhood: Neighbourhood, terms: LocalTerms = LocalTerms(), *, seed: int = 1
) -> LocalRun:
    """Hold the local market of every community; making homes ready for it counts."""
    begun = process_time()
    members = {
        name: CountedMembers(neighbourhood.members(name)) for name in neighbourhood.communities
    }
    outcomes: dict[str, LocalOutcome] = {}
    flexible = 0
    for name, some in members.items():
        membership = membership_of(name, some.negotiator)
        flexible += sum(membership.declaration.flexible)
        market: CommunityMarket = LocalMarket(
            membership,
            neighbourhood.tariff,
            neighbourhood.horizon,
            terms,
            seed=seed,
            substation=SUBSTATION,
        )
        outcomes[name] = hold_local_market(market, some)
    return LocalRun(outcomes, members, flexible, process_time() - begun)


def hold_dso_market(
    neighbourhood: Neighbourhood,
    local: LocalRun,
    limit_kw: float,
    terms: CongestionTerms = CongestionTerms(),
    *,
    seed: int = 1,
) -> CongestionRun:
    """Hold the congestion market from where the local ones ended.

    The members of `local` go to the plans ordered, so that it serves once.
    """
    begun = process_time()
    tariff, horizon = neighbourhood.tariff, neighbourhood.horizon
    sellers = {
        name: OfferMaker(
            membership_of(name, local.members[name].negotiator),
            tariff,
            horizon,
            fee_eur_per_kwh=0.0,
            price_eur_per_kwh=outcome.price_eur_per_kwh,
            seed=seed,
            substation=SUBSTATION,
        )
        for name, outcome in local.outcomes.items()
    }
    everywhere = np.ones((1, horizon.ptus))
    limits = PointLimits(
        ("transformer",), -np.inf * everywhere, limit_kw * everywhere, 0.0 * everywhere
    )
    market = CongestionMarket(
        limits,
        {name: seller.a_plan_kw(seller.before.net_kw) for name, seller in sellers.items()},
        horizon,
        terms,
        spread_eur_per_kwh=float((tariff.import_eur_per_kwh - tariff.export_eur_per_kwh).max()),
        seed=seed,
        substation=SUBSTATION,
    )
    asked = sum(some.exchanges for some in local.members.values())
    hold_congestion_market(market, sellers, local.members)
    spent_s = process_time() - begun
    exchanges = sum(some.exchanges for some in local.members.values()) - asked
    ordered = [seller.ordered for seller in sellers.values()]
    return CongestionRun(
        outcome=market.outcome,
        cost_eur=sum(plan.cost_eur for plan in ordered),
        net_kw=np.asarray(sum(plan.net_kw.sum(axis=0) for plan in ordered)),
        exchanges=exchanges,
        cpu_s=spent_s,
    )


def membership_of(name: str, negotiator: Negotiator) -> Membership:
    """What the aggregator is told of its members when a market begins."""
    net_kw = negotiator.net_kw
    group = np.zeros(len(net_kw), dtype=np.int64)
    return Membership(name, net_kw, negotiator.declare(), group, groups=1)


def scenario_neighbourhood(
    homes: int, tariff: str, *, seed: int, communities: int = 1
) -> Neighbourhood:
    """Draw a population on the sunny day that the seed selects, in some communities."""
    case = sunny_case(SEASONS[seed % len(SEASONS)], tariff)
    population, references = scenario_homes(homes, seed)
    day, horizon = case.configuration.day.name, case.horizon
    prices = tariff_of(case.configuration.tariff, day, horizon)
    return planned(population, references, prices, horizon, seed=seed).divided(communities)


@cache
def scenario_homes(homes: int, seed: int) -> tuple[tuple[Home, ...], tuple[ReferenceDay, ...]]:
    """Homes of the scenario, and their unmanaged days; the same under every tariff."""
    case = sunny_case(SEASONS[seed % len(SEASONS)], TARIFFS[0])
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
def sunny_case(season: str, tariff: str) -> Case:
    """The case that a population and its prices are taken from."""
    return compose_case(
        [
            f"season={season}",
            "weather=sunny",
            "smart=2030_green",
            "flexibility=high",
            f"tariff={tariff}",
        ]
    )


def mix_neighbourhood(tariff: str) -> Neighbourhood:
    """The flexible mix in three communities of 60, 60 and 64 homes."""
    case = sunny_case(SEASONS[0], tariff)
    prices = tariff_of(case.configuration.tariff, case.configuration.day.name, case.horizon)
    homes, references = mix_homes()
    mix = planned(homes, references, prices, case.horizon, seed=1)
    places = tuple(range(len(homes)))
    return replace(mix, communities={"a": places[:60], "b": places[60:120], "c": places[120:]})


@cache
def mix_homes() -> tuple[tuple[Home, ...], tuple[ReferenceDay, ...]]:
    horizon = Horizon()
    homes = []
    for home, _ in draw_homes(horizon, full=True):
        heaters = tuple(heater for heater in home.heaters if heater.name == "heat_pump")
        plain = replace(home, heaters=heaters, interruptible=None, wind=None)
        names = frozenset(device.name for device in plain.flexible_devices)
        homes.append(replace(plain, owns=names, offered=names))
    return tuple(homes), reference_days(homes, horizon)


def planned(
    homes: Sequence[Home],
    references: Sequence[ReferenceDay],
    tariff: Tariff,
    horizon: Horizon,
    *,
    seed: int,
) -> Neighbourhood:
    """Plan every home's day on its own."""
    plans = tuple(
        plan_home(
            home,
            reference,
            tariff,
            horizon,
            rng=stream(seed, SUBSTATION, home.name, "ties"),
        )
        for home, reference in zip(homes, references, strict=True)
    )
    everyone = {"community_1": tuple(range(len(homes)))}
    return Neighbourhood(
        tuple(homes), tuple(references), plans, everyone, tariff, horizon, seed
    )
