"""Electric heating behind a relay: a load that may be cut for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import InterruptibleLoad
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.population.building import Building
from mas2sim.population.resolution import quarters_to_ptus
from mas2sim.population.tables import Parameter


def interruptible_load(
    building: Building,
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    outdoor_c: FloatArray,
    horizon: Horizon,
    *,
    seed: int,
    substation: int,
    home: int,
) -> InterruptibleLoad:
    """Draw the interruptible heating of some rooms; what is `known` by parameter name is kept.

    It draws what its rooms lose at the temperature asked for, up to its rated power. The heat that
    a cut leaves out is not made good: `discomfort_eur_per_kwh` is its price.

    Parameters
    ----------
    outdoor_c : array, shape (96)
    """
    rng = stream(seed, substation, home, "interruptible")
    heat_loss = float(parameters["heat_loss_kw_per_k"].draw(rng))
    rooms = replace(building, heat_loss_kw_per_k=known.get("heat_loss_kw_per_k", heat_loss))
    rated_kw = known.get("power_kw", parameters["power_kw"].value)
    p_kw = np.minimum(rooms.heat_kw(outdoor_c), rated_kw)
    longest_h = parameters["longest_cut_h"].value
    return InterruptibleLoad(
        p_kw=quarters_to_ptus(p_kw, horizon),
        # No cut is longer than allowed, but one PTU can always be cut.
        longest_cut=max(1, int(longest_h / horizon.ptu_hours + 1e-9)),
        cuts=round(parameters["cuts"].value),
        discomfort_eur_per_kwh=parameters["discomfort_eur_per_kwh"].value,
    )
