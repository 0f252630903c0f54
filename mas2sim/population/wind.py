"""Wind over the neighbourhood and small turbines in it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import WindTurbine
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.population.resolution import QUARTER_HOURS, QUARTERS, quarters_to_ptus
from mas2sim.population.tables import Parameter, SeasonFacts


def wind_speed_m_per_s(
    facts: SeasonFacts, parameters: Mapping[str, Parameter], *, seed: int
) -> FloatArray:
    """Wind speed of each quarter hour, one series for the neighbourhood, shape (96). [m/s]

    First-order autoregressive noise, given the Weibull distribution that speeds of a year have, and
    scaled so that the day's mean is the season's. It depends on the seed and the season alone:
    wind and clouds are taken to be independent [A].
    """
    rng = stream(seed, "wind", facts.season)
    memory = math.exp(-QUARTER_HOURS / parameters["memory_h"].value)
    noise = [rng.standard_normal()]
    for shock in rng.standard_normal(QUARTERS - 1):
        noise.append(memory * noise[-1] + math.sqrt(1 - memory**2) * shock)
    # Of a normal number z, the probability to be exceeded is erfc(z / sqrt 2) / 2; a Weibull
    # speed that is exceeded as often is (-ln of it) ** (1 / shape).
    exceeded = np.array([math.erfc(value / math.sqrt(2)) / 2 for value in noise])
    speed = (-np.log(exceeded)) ** (1 / parameters["weibull_shape"].value)
    return np.asarray(speed * (facts.wind_mean_m_per_s / speed.mean()))


def output_kw(
    speed_m_per_s: FloatArray, rated_kw: float, parameters: Mapping[str, Parameter]
) -> FloatArray:
    """Power by wind speed, never negative, same shape. [kW]

    Nothing below cut-in and from cut-out on; between cut-in and rated speed in proportion to
    ``v^3 - v_in^3``, above it the rated power.
    """
    cut_in, rated, cut_out = (
        parameters[name].value for name in ("cut_in_m_per_s", "rated_m_per_s", "cut_out_m_per_s")
    )
    share = np.clip((speed_m_per_s**3 - cut_in**3) / (rated**3 - cut_in**3), 0, 1)
    return np.asarray(np.where(speed_m_per_s < cut_out, rated_kw * share, 0.0))


def wind_turbine(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    speed_m_per_s: FloatArray,
    horizon: Horizon,
    *,
    seed: int,
    substation: int,
    home: int,
) -> WindTurbine:
    """Draw the turbine of one home; what is `known` by parameter name is kept.

    Parameters
    ----------
    speed_m_per_s : array, shape (96)
    """
    rng = stream(seed, substation, home, "wind")
    exposure = float(parameters["exposure"].draw(rng))
    rated_kw = known.get("rated_kw", parameters["rated_kw"].value)
    power = output_kw(exposure * speed_m_per_s, rated_kw, parameters)
    return WindTurbine(rated_kw, -quarters_to_ptus(power, horizon))
