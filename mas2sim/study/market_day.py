"""A market day that can be negotiated again and again: homes planned once, and what they may tell.

Here too is what an auditor finds of the same homes: it plans them anew from registered devices, so
that what it knows and what honest homes tell are the same by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from mas2sim.cems import Negotiator, market_member, plan_home
from mas2sim.cems.market_homes import MarketMember
from mas2sim.cosim import CaseSetup
from mas2sim.domain.plan import PPlans
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.market.audit import RegisteredDays
from mas2sim.plant import reference_days

LEVELS = (Level.UC2, Level.UC3)
UC2, UC3 = range(2)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class MarketDay:
    """One case made ready to be negotiated many times.

    Parameters
    ----------
    members : mapping of str to tuple of MarketMember
        By community.
    told : mapping of str to PPlans
        What honest homes tell.
    registered : mapping of str to RegisteredDays
    limit_kw : float
        Most power of all connections together.
    """

    setup: CaseSetup
    members: Mapping[str, tuple[MarketMember, ...]]
    told: Mapping[str, PPlans]
    registered: Mapping[str, RegisteredDays]
    limit_kw: float

    def negotiator(self, community: str) -> Negotiator:
        """Members at the beginning of the day."""
        setup = self.setup
        return Negotiator(community, self.members[community], setup.tariff, setup.horizon)


def plan_day(
    setup: CaseSetup,
    *,
    limit_kw: float = inf,
    progress: Progress = lambda _stage, _done, _total: None,
) -> MarketDay:
    """Plan all homes of a case and work out what an auditor knows of them."""
    tariff, horizon = setup.tariff, setup.horizon
    members: dict[str, tuple[MarketMember, ...]] = {}
    told: dict[str, PPlans] = {}
    registered: dict[str, RegisteredDays] = {}
    references = reference_days(setup.homes, horizon)
    for community in setup.communities:
        homes = []
        for place in community.members:
            home, reference = setup.homes[place], references[place]
            rng = stream(setup.seed, setup.substation, home.name, "ties")
            plan = plan_home(home, reference, tariff, horizon, ties=setup.ties, rng=rng)
            homes.append(market_member(home, reference, plan, tariff, horizon))
            done = sum(map(len, members.values())) + len(homes)
            progress(f"plan the homes, seed {setup.seed}", done, len(setup.homes))
        name = community.name
        members[name] = tuple(homes)
        told[name], registered[name] = _honest_words(setup, name, community.members, homes)
    return MarketDay(setup, members, told, registered, limit_kw)


def _honest_words(
    setup: CaseSetup, name: str, places: tuple[int, ...], homes: Sequence[MarketMember]
) -> tuple[PPlans, RegisteredDays]:
    """What honest homes tell, and what an auditor finds of the same devices."""
    declaration = Negotiator(name, homes, setup.tariff, setup.horizon).declare()
    net_kw = np.array([member.plan.net_kw for member in homes])
    alone_eur = np.array([member.plan.cost_eur for member in homes])
    forgone_most_eur = [_forgone_most_eur(member, setup) for member in homes]
    registered = RegisteredDays(
        declaration=declaration,
        net_kw=net_kw,
        least_eur=alone_eur + np.array([member.plan.discomfort_eur for member in homes]),
        bound_eur=np.array([member.plan.bound_eur for member in homes]),
        forgone_most_eur=np.array(forgone_most_eur),
    )
    told = PPlans(name, places, np.repeat(net_kw[None], len(LEVELS), 0), alone_eur, declaration)
    return told, registered


def _forgone_most_eur(member: MarketMember, setup: CaseSetup) -> float:
    """Worth of all that a home could cut."""
    load = member.home.interruptible
    if load is None:
        return 0.0
    return float(load.p_kw.sum()) * setup.horizon.ptu_hours * load.discomfort_eur_per_kwh
