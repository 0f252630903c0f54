"""Home batteries: the sizes that homes are given."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from mas2sim.domain.device import Battery
from mas2sim.domain.randomness import stream
from mas2sim.population.tables import Parameter


def draw_battery(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    *,
    seed: int,
    substation: int,
    home: int,
) -> Battery:
    """Draw the battery of one home; what is `known` by parameter name is kept."""
    rng = stream(seed, substation, home, "battery")
    drawn = {
        name: known.get(name, float(parameters[name].draw(rng)))
        for name in ("capacity_kwh", "power_kw", "round_trip_efficiency")
    }
    one_way = sqrt(drawn["round_trip_efficiency"])
    return Battery(
        capacity_kwh=drawn["capacity_kwh"],
        power_kw=drawn["power_kw"],
        charge_efficiency=one_way,
        discharge_efficiency=one_way,
    )
