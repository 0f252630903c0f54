"""Electric vehicles: their batteries, their drives, and when they are at home."""

from __future__ import annotations

from collections.abc import Mapping

from mas2sim.domain.device import ElectricVehicle
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import TYPICAL_DAYS, DayType, TypicalDay
from mas2sim.population.tables import Parameter

USABLE_SHARE = 0.9
"""Share of a battery that a day's drive may use [A]: nobody drives it empty."""
SHORTEST_DRIVE_H = 1.0
"""A vehicle is away at least this long, so that it leaves before it comes back. [h]"""


def draw_vehicle(
    parameters: Mapping[str, Parameter],
    known: Mapping[str, float],
    day: TypicalDay,
    horizon: Horizon,
    *,
    seed: int,
    substation: int,
    home: int,
    delivers: bool = False,
    least_charge_kw: float = 0.0,
) -> ElectricVehicle:
    """Draw the vehicle of one home on one typical day; what is `known` by parameter name is kept.

    The vehicle drives on each typical day. What varies from day to day is drawn for all fifteen at
    once, so that one day's figures do not depend on which day is asked for.

    Parameters
    ----------
    delivers : bool
        Whether the vehicle delivers to the home.
    least_charge_kw : float
        The charger draws nothing or at least this, or its full power if that is less.
    """
    rng = stream(seed, substation, home, "ev")
    fast = 100 * rng.random() < parameters["fast_charger_percent"].value
    charger = parameters["fast_charger_kw" if fast else "charger_kw"].value
    capacity = float(parameters["capacity_kwh"].draw(rng))
    driven = float(parameters["driven_kwh"].draw(rng))
    weekday = [float(parameters[name].draw(rng)) for name in ("arrival_h", "departure_h")]
    weekend = [
        float(parameters[name].draw(rng)) for name in ("weekend_arrival_h", "weekend_departure_h")
    ]
    days = len(TYPICAL_DAYS)
    factors = parameters["day_factor"].draw(rng, days)
    shifts = [parameters["day_shift_h"].draw(rng, days) for _ in range(2)]

    usual_arrival_h, usual_departure_h = weekday if day.day_type is DayType.WEEKDAY else weekend
    arrival_h = usual_arrival_h + shifts[0][day.index]
    departure_h = min(usual_departure_h + shifts[1][day.index], arrival_h - SHORTEST_DRIVE_H)
    arrival, departure = horizon.ptu_at(arrival_h % 24), horizon.ptu_at(departure_h % 24)
    charger_kw = known.get("charger_kw", charger)
    capacity_kwh = known.get("capacity_kwh", capacity)
    efficiency = parameters["charge_efficiency"].value
    stay_h = horizon.window_length(arrival, departure) * horizon.ptu_hours
    discharge_kw = known.get("discharge_kw", parameters["v2h_kw"].value if delivers else 0.0)
    wanted = known.get("driven_kwh", driven) * factors[day.index]
    wanted *= parameters[f"{day.day_type}_factor"].value
    driven_kwh = min(float(wanted), USABLE_SHARE * capacity_kwh, charger_kw * efficiency * stay_h)
    reserve_kwh = parameters["v2h_reserve_percent"].value / 100 * capacity_kwh
    return ElectricVehicle(
        charger_kw=charger_kw,
        capacity_kwh=capacity_kwh,
        charge_efficiency=efficiency,
        arrival=arrival,
        departure=departure,
        driven_kwh=driven_kwh,
        least_charge_kw=min(least_charge_kw, charger_kw),
        discharge_kw=discharge_kw,
        discharge_efficiency=parameters["v2h_efficiency"].value if discharge_kw > 0 else 1.0,
        # A vehicle that comes home with less than the reserve cannot be asked to have had it.
        reserve_kwh=min(reserve_kwh, capacity_kwh - driven_kwh) if discharge_kw > 0 else 0.0,
    )
