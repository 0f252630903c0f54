"""Aggregators, the DSO and the phases of USEF: plan, validate, operate, settle.

A room of its own because negotiation must not know how messages travel: agents are state machines
over gates and run without mosaik too. Devices and networks stay outside; messages are all they see.
"""

from mas2sim.market.aggregator import Aggregator
from mas2sim.market.dso import Dso
from mas2sim.market.timetable import Timetable

__all__ = ["Aggregator", "Dso", "Timetable"]
