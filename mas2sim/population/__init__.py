"""The homes of a substation: how much they use, what they own, when they use it, under which sky.

Made in four phases, as D6.1 lays out its data production (figure 10): average demand,
diversification, devices, additional data. It is a room of its own because everything here is known
before a case begins: nothing in it plans, trades or simulates.
"""

from mas2sim.population.non_domestic import (
    ChargingStation,
    NonDomestic,
    PvFarm,
    SmallBusiness,
    build_non_domestic,
)
from mas2sim.population.population import Population, build_population
from mas2sim.population.settings import OwnData, PopulationSettings, Site, SmartScenario
from mas2sim.population.weather import representative_dates

__all__ = [
    "ChargingStation",
    "NonDomestic",
    "OwnData",
    "Population",
    "PopulationSettings",
    "PvFarm",
    "Site",
    "SmallBusiness",
    "SmartScenario",
    "build_non_domestic",
    "build_population",
    "representative_dates",
]
