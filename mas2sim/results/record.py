"""What one finished case leaves behind, before it is turned into KPIs, tables and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.device import FlexibleDevice
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
        Metered power of flexible devices; energy stored at the end of each PTU, a heater's heat
        counted from 0 C (NaN for what stores none and for vehicles while away).
    stored_start_kwh : array, shape (level, device)
        Energy stored at midnight, where the day begins; NaN as above.
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

    Attributes
    ----------
    device_values : tuple of FlexibleDevice
        The flexible devices themselves, in the order of `devices`.
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
    device_values: tuple[FlexibleDevice, ...] = field(init=False)

    def __post_init__(self) -> None:
        by_name = [{each.name: each for each in home.flexible_devices} for home in self.homes]
        values = tuple(by_name[home][name] for home, name in self.devices)
        object.__setattr__(self, "device_values", values)
