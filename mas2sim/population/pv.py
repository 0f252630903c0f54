"""Photovoltaic plants of homes: size and roof, and what they feed in under the day's sky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.randomness import stream
from mas2sim.population.tables import Parameter
from mas2sim.population.weather import ClearSky

WIND_M_PER_S = 1.0
"""Wind at the modules in the thermal model [A]: little, since they are on a roof."""
ALBEDO = 0.2


@dataclass(frozen=True, slots=True)
class Roof:
    """Size and place of a plant: rated power in kWp, tilt and azimuth in degrees."""

    rated_kwp: float
    tilt_deg: float
    azimuth_deg: float


def draw_roof(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    *,
    seed: int,
    substation: int,
    home: int,
) -> Roof:
    """Draw the plant of one home; what is `known` by parameter name is kept."""
    rng = stream(seed, substation, home, "pv")
    drawn = {
        name: float(parameters[name].draw(rng)) for name in ("rated_kwp", "tilt_deg", "azimuth_deg")
    }
    return Roof(**{name: known.get(name, value) for name, value in drawn.items()})


def plane_of_array(sky: ClearSky, roofs: tuple[Roof, ...]) -> FloatArray:
    """Clear-sky irradiance on the modules, shape (plant, minute). [W/m2]

    Sky diffuse by Hay and Davies (1980), ground reflection with an albedo of 0.2.
    """
    from pvlib.irradiance import aoi_projection, get_ground_diffuse, haydavies

    tilt = np.array([[roof.tilt_deg] for roof in roofs])
    azimuth = np.array([[roof.azimuth_deg] for roof in roofs])
    incidence = aoi_projection(tilt, azimuth, sky.zenith_deg, sky.azimuth_deg)
    # The sun does not shine on a roof from below the horizon.
    beam = np.where(sky.zenith_deg < 90, sky.dni * np.maximum(incidence, 0), 0)
    diffuse = haydavies(
        tilt, azimuth, sky.dhi, sky.dni, sky.dni_extra, sky.zenith_deg, sky.azimuth_deg
    )
    ground = get_ground_diffuse(tilt, sky.ghi, ALBEDO)
    return np.asarray(beam + np.maximum(diffuse, 0) + ground)


def feed_in_kw(
    roofs: tuple[Roof, ...],
    sky: ClearSky,
    clearness: FloatArray,
    air_c: FloatArray,
    parameters: Mapping[str, Parameter],
) -> FloatArray:
    """Power of each plant by minute, shape (plant, minute), never positive. [kW]

    DC power by PVWatts (Dobos 2014, NREL/TP-6A20-62641) with the module temperature of Faiman
    (2008, doi:10.1002/pip.813); the inverter cuts off what is above its limit.

    Parameters
    ----------
    clearness : array, shape (minute)
        Clear-sky index of the irradiance on the modules.
    air_c : array, shape (minute)
        Air temperature. [C]
    """
    from pvlib.inverter import pvwatts
    from pvlib.pvsystem import pvwatts_dc
    from pvlib.temperature import faiman

    rated_kw = np.array([[roof.rated_kwp] for roof in roofs])
    irradiance = plane_of_array(sky, roofs) * clearness
    cell_c = faiman(irradiance, air_c, wind_speed=WIND_M_PER_S)
    gamma = parameters["temperature_per_k"].value
    kept = 1 - parameters["system_loss_percent"].value / 100
    efficiency = parameters["inverter_efficiency"].value
    dc_kw = kept * pvwatts_dc(irradiance, cell_c, rated_kw, gamma)
    limit_kw = rated_kw / parameters["dc_ac_ratio"].value
    ac_kw = pvwatts(dc_kw, limit_kw / efficiency, efficiency)
    return np.asarray(0.0 - np.maximum(ac_kw, 0.0))
