"""What the agents of a case's markets are made from, and what is kept of what they came to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
    PointLimits,
)
from mas2sim.market.contracts import CongestionRegister
from mas2sim.market.prognosis_groups import prognosis_groups
from mas2sim.results.record import MarketRecord

BUSBAR = "busbar"
"""Congestion point of homes that lie behind no feeder."""


def congestion_register(setup: CaseSetup) -> CongestionRegister:
    """Congestion points: the transformer, and its feeders where the DSO watches them."""
    layout, homes = setup.flow.layout, len(setup.homes)
    feeders = layout.feeder_homes if setup.market.watch_voltage else {}
    behind = {home for members in feeders.values() for home in members}
    if feeders and len(behind) < homes:
        feeders = {**feeders, BUSBAR: tuple(sorted(set(range(homes)) - behind))}
    return CongestionRegister.publish(layout.name, feeders, homes)


def behind_points(setup: CaseSetup, register: CongestionRegister) -> list[IntArray]:
    """Connections behind each congestion point, as places in the order of the communities."""
    order = [member for community in setup.communities for member in community.members]
    place = {home: index for index, home in enumerate(order)}
    return [
        np.array(sorted(place[home] for home in register.homes_behind(point)), dtype=np.int64)
        for point in register.points
    ]


def aggregator_terms(
    setup: CaseSetup, community: Community, register: CongestionRegister
) -> AggregatorTerms:
    """What the aggregator of one community works by."""
    group, told = np.zeros(len(community.members), dtype=np.int64), np.eye(1)
    if len(register.points) > 1:
        feeders = register.points[1:]
        group = np.array([feeders.index(register.feeder[home]) for home in community.members])
        told = np.zeros((len(feeders), len(feeders)))
        for sums in prognosis_groups(register, community.members):
            shares = [sums.shares.get(feeder, 0.0) for feeder in feeders]
            for home in sums.members:
                told[:, feeders.index(register.feeder[home])] = shares
    return AggregatorTerms(
        levels=setup.levels,
        seed=setup.seed,
        substation=setup.substation,
        market=setup.market.local,
        split=setup.market.split,
        contracts=tuple(
            each for each in setup.market.contracts if each.community == community.name
        ),
        curtailment_factor=setup.market.curtailment_factor,
        group=group,
        attribution=told,
    )


def dso_terms(setup: CaseSetup, register: CongestionRegister) -> DsoTerms:
    """What the DSO works by."""
    tariff, terms = setup.tariff, setup.market
    shape = (len(register.points), setup.horizon.ptus)
    lower_kw, upper_kw = np.full(shape, -np.inf), np.full(shape, np.inf)
    lower_kw[0] = -setup.limits.transformer_export_kw
    upper_kw[0] = setup.limits.transformer_import_kw
    looks = terms.watch_voltage or terms.loss_eur_per_kwh > 0
    view = DsoView(
        setup.flow,
        setup.limits,
        register,
        np.array([home.pv_kw for home in setup.homes]),
        terms.watch_voltage,
        terms.voltage_margin_v,
        terms.loss_eur_per_kwh,
    )
    return DsoTerms(
        levels=setup.levels,
        limits=PointLimits(register.points, lower_kw, upper_kw, np.zeros(shape)),
        spread_eur_per_kwh=float((tariff.import_eur_per_kwh - tariff.export_eur_per_kwh).max()),
        seed=setup.seed,
        substation=setup.substation,
        market=terms.congestion,
        view=view if looks else None,
        contracts=terms.contracts,
        exchange=(ExchangeTerms(tariff, terms.local.fee_eur_per_kwh) if terms.exchange else None),
    )


def market_records(
    setup: CaseSetup,
    aggregators: Mapping[str, Aggregator],
    dso: Dso,
    central: CentralPlan | None,
) -> dict[Level, MarketRecord]:
    """What the markets of each level came to, over all communities."""
    markets: dict[Level, MarketRecord] = {}
    outcomes = [each.outcome for each in aggregators.values() if each.outcome is not None]
    events = tuple(event for each in aggregators.values() for event in each.events)
    if outcomes and Level.UC2 in setup.levels:
        markets[Level.UC2] = MarketRecord(
            bound_eur=sum(each.bound_eur for each in outcomes),
            rounds=max(each.rounds for each in outcomes),
            messages=sum(each.messages for each in outcomes),
            events=events,
        )
    if Level.UC3 in setup.levels and outcomes:
        bought = dso.outcome
        markets[Level.UC3] = MarketRecord(
            bound_eur=sum(each.bound_eur for each in outcomes) if not bought else bought.bound_eur,
            rounds=bought.rounds if bought else 0,
            messages=sum(each.messages for each in aggregators.values()),
            events=events,
            insufficient_kwh=bought.insufficient_kwh if bought else 0.0,
        )
    if central is not None:
        markets[Level.CENTRAL] = MarketRecord(bound_eur=central.bound_eur, outcome=central.outcome)
    return markets
