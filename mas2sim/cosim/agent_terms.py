"""What the agents of a case's markets are made from, and what is kept of what they came to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mas2sim.cems import EnergyBoxes
from mas2sim.cosim.central import CentralPlan
from mas2sim.cosim.dso_view import DsoView
from mas2sim.cosim.setup import CaseSetup
from mas2sim.domain.arrays import IntArray
from mas2sim.domain.community import Community
from mas2sim.domain.typical_day import Level
from mas2sim.market import (
    Aggregator,
    AggregatorTerms,
    Dso,
    DsoTerms,
    ExchangeTerms,
    LocalTerms,
    PointLimits,
    Protocol,
    SplitTerms,
)
from mas2sim.market.contracts import CongestionRegister
from mas2sim.market.prognosis_groups import prognosis_groups
from mas2sim.results.record import MarketRecord

BUSBAR = "busbar"
"""Congestion point of homes that lie behind no feeder."""

NO_TRADE = LocalTerms(rounds=0)
"""Of a participant with one meter: it keeps the plan that it would follow alone."""


def congestion_register(setup: CaseSetup) -> CongestionRegister:
    """Congestion points: the transformer, and its feeders where the DSO watches them."""
    layout, homes = setup.flow.layout, len(setup.connections)
    feeders = layout.feeder_homes if setup.market.watch_voltage else {}
    behind = {home for members in feeders.values() for home in members}
    if feeders and len(behind) < homes:
        feeders = {**feeders, BUSBAR: tuple(sorted(set(range(homes)) - behind))}
    return CongestionRegister.publish(layout.name, feeders, homes)


def behind_points(setup: CaseSetup, register: CongestionRegister) -> list[IntArray]:
    """Connections behind each congestion point, as places in the order of the parties."""
    order = [member for party in setup.parties for member in party.members]
    place = {home: index for index, home in enumerate(order)}
    return [
        np.array(sorted(place[home] for home in register.homes_behind(point)), dtype=np.int64)
        for point in register.points
    ]


def aggregator_terms(
    setup: CaseSetup, community: Community, register: CongestionRegister
) -> AggregatorTerms:
    """What the aggregator of one community works by, or another participant that is its own."""
    alone = community.name in {each.name for each in setup.participants}
    group, told = np.zeros(len(community.members), dtype=np.int64), np.eye(1)
    if len(register.points) > 1:
        feeders = register.points[1:]
        group = np.array([feeders.index(register.feeder[home]) for home in community.members])
        told = np.eye(len(feeders))
    if len(register.points) > 1 and not alone:
        told = np.zeros((len(feeders), len(feeders)))
        for sums in prognosis_groups(register, community.members):
            shares = [sums.shares.get(feeder, 0.0) for feeder in feeders]
            for home in sums.members:
                told[:, feeders.index(register.feeder[home])] = shares
    return AggregatorTerms(
        levels=setup.levels,
        seed=setup.seed,
        substation=setup.substation,
        protocol=Protocol.PRICE_CURVE if alone else setup.market.protocol,
        market=NO_TRADE if alone else setup.market.local,
        external=setup.market.external.get(community.name),
        split=SplitTerms() if alone else setup.market.split,
        contracts=tuple(
            each for each in setup.market.contracts if each.community == community.name
        ),
        curtailment_factor=setup.market.curtailment_factor,
        group=group,
        attribution=told,
    )


def dso_terms(setup: CaseSetup, register: CongestionRegister) -> DsoTerms:
    """What the DSO works by."""
    terms = setup.market
    tariffs = [setup.tariff, *(each.tariff for each in setup.participants)]
    shape = (len(register.points), setup.horizon.ptus)
    lower_kw, upper_kw = np.full(shape, -np.inf), np.full(shape, np.inf)
    lower_kw[0] = -setup.limits.transformer_export_kw
    upper_kw[0] = setup.limits.transformer_import_kw
    looks = terms.watch_voltage or terms.loss_eur_per_kwh > 0
    view = DsoView(
        setup.flow,
        setup.limits,
        register,
        np.array([home.pv_kw for home in setup.connections]),
        terms.watch_voltage,
        terms.voltage_margin_v,
        terms.loss_eur_per_kwh,
    )
    return DsoTerms(
        levels=setup.levels,
        limits=PointLimits(register.points, lower_kw, upper_kw, np.zeros(shape)),
        spread_eur_per_kwh=max(
            float((tariff.import_eur_per_kwh - tariff.export_eur_per_kwh).max())
            for tariff in tariffs
        ),
        seed=setup.seed,
        substation=setup.substation,
        market=terms.congestion,
        view=view if looks else None,
        contracts=terms.contracts,
        exchange=_exchange_terms(setup),
    )


def _exchange_terms(setup: CaseSetup) -> ExchangeTerms | None:
    """How communities trade with each other; who is in none does not."""
    if not setup.market.exchange:
        return None
    return ExchangeTerms(
        setup.tariff,
        setup.market.local.fee_eur_per_kwh,
        apart=frozenset(each.name for each in setup.participants),
    )


def market_records(
    setup: CaseSetup,
    aggregators: Mapping[str, Aggregator],
    boxes: Mapping[str, EnergyBoxes],
    dso: Dso,
    central: CentralPlan | None,
) -> dict[Level, MarketRecord]:
    """What the markets of each level came to, over all communities.

    Bounds hold for the bills of the other participants too, who keep their own plans where the DSO
    asks for nothing.
    """
    markets: dict[Level, MarketRecord] = {}
    trading = [aggregators[community.name] for community in setup.communities]
    outcomes = [each.outcome for each in trading if each.outcome is not None]
    bound_eur = sum(each.bound_eur for each in outcomes) + _own_bounds_eur(setup, boxes)
    events = tuple(event for each in aggregators.values() for event in each.events)
    if outcomes and Level.UC2 in setup.levels:
        markets[Level.UC2] = MarketRecord(
            bound_eur=bound_eur,
            rounds=max(each.rounds for each in outcomes),
            messages=sum(each.messages for each in outcomes),
            events=events,
        )
    if Level.UC3 in setup.levels and outcomes:
        bought = dso.outcome
        markets[Level.UC3] = MarketRecord(
            bound_eur=bought.bound_eur if bought else bound_eur,
            rounds=bought.rounds if bought else 0,
            messages=sum(each.messages for each in aggregators.values()),
            events=events,
            insufficient_kwh=bought.insufficient_kwh if bought else 0.0,
        )
    if central is not None:
        markets[Level.CENTRAL] = MarketRecord(
            bound_eur=central.bound_eur,
            outcome=central.outcome,
            planned=bool(np.isfinite(central.cost_eur)),
        )
    return markets


def _own_bounds_eur(setup: CaseSetup, boxes: Mapping[str, EnergyBoxes]) -> float:
    """What the bills of the other participants cannot be below, by their own plans. [EUR]"""
    level = Level.UC2 if Level.UC2 in setup.levels else Level.UC3
    if level not in setup.levels:
        return 0.0
    return sum(
        plan.bound_eur
        for party in setup.other_parties
        for plan in boxes[party.name].plans.get(level, ())
    )
