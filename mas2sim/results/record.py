"""What one finished case leaves behind, before it is turned into KPIs, tables and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import HomePlan
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level


@dataclass(frozen=True, slots=True, eq=False)
class CaseRecord:
    """Everything the recorder gathered of one case.

    Axes are always in the order level, home (or community, device), ptu.

    Parameters
    ----------
    axes : mapping of str to str or int
        Identity of the case: the swept axes with their values, e.g. ``{"season": "winter",
        "day": "weekday", ..., "communities": 3, "substation": 1, "seed": 1}``.
    date : str
        The representative date of the season, ISO.
    homes : tuple of Home
    devices : tuple of (int, str)
        Home index and name of each flexible device.
    net_kw, reactive_kvar : array, shape (level, home, ptu)
        Metered power at the connection points.
    device_kw, stored_kwh : array, shape (level, device, ptu)
        Metered power of flexible devices; energy stored at the end of each PTU (NaN for appliances
        and for vehicles while away).
    stored_start_kwh : array, shape (level, device)
        Energy stored at midnight, where the day begins.
    plans : mapping of Level to tuple of HomePlan, in the order of homes
    a_plan_kw : array, shape (level, community, ptu)
    d_prognosis_kw : array, shape (level, ptu)
    regimes : tuple of tuple of Regime, shape (level, ptu)
    bill_eur, payment_eur : array, shape (level, home)
    grid : mapping of Level to GridState
    outdoor_c, clearness : array, shape (ptu)
        Air temperature, and irradiance over the clear sky's.
    messages : int
        Market messages sent.
    """

    axes: Mapping[str, str | int]
    date: str
    levels: tuple[Level, ...]
    horizon: Horizon
    tariff: Tariff
    limits: GridLimits
    layout: GridLayout
    homes: tuple[Home, ...]
    communities: tuple[Community, ...]
    devices: tuple[tuple[int, str], ...]
    net_kw: FloatArray
    reactive_kvar: FloatArray
    device_kw: FloatArray
    stored_kwh: FloatArray
    stored_start_kwh: FloatArray
    plans: Mapping[Level, tuple[HomePlan, ...]]
    a_plan_kw: FloatArray
    d_prognosis_kw: FloatArray
    regimes: tuple[tuple[Regime, ...], ...]
    bill_eur: FloatArray
    payment_eur: FloatArray
    grid: Mapping[Level, GridState]
    outdoor_c: FloatArray
    clearness: FloatArray
    messages: int = 0
