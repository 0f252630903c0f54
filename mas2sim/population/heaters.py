"""Heat pumps and direct heaters: what heats a building, and how strong it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import Heater
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.population.building import Building
from mas2sim.population.resolution import quarters_to_ptus
from mas2sim.population.tables import Parameter, ProfileTables


def coefficient_of_performance(
    outdoor_c: FloatArray, table_c: tuple[float, ...], table: tuple[float, ...], field_factor: float
) -> FloatArray:
    """Heat over electricity at an outdoor temperature; the table's ends hold beyond it."""
    return np.asarray(field_factor * np.interp(outdoor_c, table_c, table))


def heat_pump(
    building: Building,
    tables: ProfileTables,
    known: Mapping[str, float],
    outdoor_c: FloatArray,
    horizon: Horizon,
) -> Heater:
    """Return the heat pump of a building; hot water is not its task.

    Parameters
    ----------
    known : mapping of str to float
        ``power_kw`` where it need not be sized.
    outdoor_c : array, shape (96)
    """
    parameters = tables.parameters("heat_pump")

    def cop(air_c: FloatArray) -> FloatArray:
        factor = parameters["field_factor"].value
        return coefficient_of_performance(air_c, tables.cop_outdoor_c, tables.cop, factor)

    sizing_c = parameters["sizing_outdoor_c"].value
    heat_kw = _sizing_heat_kw(building, parameters)
    return Heater(
        name="heat_pump",
        power_kw=known.get("power_kw", heat_kw / float(cop(np.asarray(sizing_c)))),
        heat_per_power=quarters_to_ptus(cop(outdoor_c), horizon),
        store=building.store(outdoor_c, horizon),
        thermostat_c=building.thermostat_c(horizon),
    )


def direct_heater(
    building: Building,
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    outdoor_c: FloatArray,
    horizon: Horizon,
    *,
    seed: int,
    substation: int,
    home: int,
) -> Heater:
    """Return the direct heater of some rooms that are otherwise as the rest of the building.

    It heats rooms of its own, so it may stand beside any central heating.
    """
    rng = stream(seed, substation, home, "direct_heater")
    heat_loss = float(parameters["heat_loss_kw_per_k"].draw(rng))
    heat_loss = known.get("heat_loss_kw_per_k", heat_loss)
    rooms = replace(building, heat_loss_kw_per_k=heat_loss)
    return Heater(
        name="direct_heater",
        power_kw=known.get("power_kw", _sizing_heat_kw(rooms, parameters)),
        heat_per_power=np.ones(horizon.ptus),
        store=rooms.store(outdoor_c, horizon),
        thermostat_c=rooms.thermostat_c(horizon),
    )


def _sizing_heat_kw(building: Building, parameters: Mapping[str, Parameter]) -> float:
    """Heat that holds the band's upper edge on a cold day without free gains, and a margin. [kW]"""
    lift_k = building.high_c - parameters["sizing_outdoor_c"].value
    return parameters["sizing_margin"].value * building.heat_loss_kw_per_k * lift_k
