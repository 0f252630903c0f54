"""Aggregators, the DSO and the phases of USEF: plan, validate, operate, settle.

A room of its own because negotiation must not know how messages travel: agents are state machines
over gates and run without mosaik too. Devices and networks stay outside; messages are all they see.
`central` is the benchmark that knows all; nothing of it is told to an agent.
"""

from mas2sim.market.aggregator import Aggregator, AggregatorTerms
from mas2sim.market.congestion_terms import (
    CongestionOutcome,
    CongestionTerms,
    LossWorth,
    PointLimits,
)
from mas2sim.market.contracts import BilateralContract, Direction
from mas2sim.market.dso import Dso, DsoTerms, ExchangeTerms
from mas2sim.market.external_request import ExternalRequest
from mas2sim.market.local_market import LocalOutcome, LocalTerms
from mas2sim.market.protocols import Protocol
from mas2sim.market.split import SplitRule, SplitTerms
from mas2sim.market.terms import MarketTerms
from mas2sim.market.timetable import Timetable

__all__ = [
    "Aggregator",
    "AggregatorTerms",
    "BilateralContract",
    "CongestionOutcome",
    "CongestionTerms",
    "Direction",
    "Dso",
    "DsoTerms",
    "ExchangeTerms",
    "ExternalRequest",
    "LocalOutcome",
    "LocalTerms",
    "LossWorth",
    "MarketTerms",
    "PointLimits",
    "Protocol",
    "SplitRule",
    "SplitTerms",
    "Timetable",
]
