"""What one finished case leaves behind, before it is turned into KPIs, tables and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields, frozen
from mas2sim.domain.community import Community
from mas2sim.domain.device import FlexibleDevice
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.participant import Participant
from mas2sim.domain.plan import HomePlan
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import CongestionOutcome


@dataclass(frozen=True, slots=True)
class MarketRecord:
    """What the markets of one level came to, over all communities.

    Parameters
    ----------
    bound_eur : float
        What the bills of all communities together cannot be below; NaN without a proof.
    rounds : int
        Rounds of the community that needed most, or of the DSO.
    messages : int
    events : tuple of str
        Answers that could not be used.
    outcome : str
        How a search ended that was no market.
    insufficient_kwh : float
        Energy beyond the limits that is proven unavoidable.
    planned : bool
        Whether a plan came of it; without one homes stay unmanaged, and nothing is compared.
    """

    bound_eur: float = float("nan")
    rounds: int = 0
    messages: int = 0
    events: tuple[str, ...] = ()
    outcome: str = ""
    insufficient_kwh: float = 0.0
    planned: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class OtherRecord:
    """What the participants that are no homes metered and pay.

    Parameters
    ----------
    participants : tuple of Participant
    net_kw, reactive_kvar, curtailed_kw : array, shape (level, participant, ptu)
        As for homes, at the meter of each.
    bill_eur, payment_eur, dso_eur : array, shape (level, participant)
        Bill by its own meter and tariff, what it pays in the end, and what the DSO pays it: the
        second is the first less the third.
    """

    participants: tuple[Participant, ...]
    net_kw: FloatArray
    reactive_kvar: FloatArray
    curtailed_kw: FloatArray
    bill_eur: FloatArray
    payment_eur: FloatArray
    dso_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "reactive_kvar", "curtailed_kw")
        freeze_fields(self, "bill_eur", "payment_eur", "dso_eur")


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
    curtailed_kw : array, shape (level, home, ptu)
        What connections had to give up; `net_kw` is what was left.
    dso_eur, service_eur, shortfall_eur, local_kwh : array, shape (level, community)
        As in `Settlement`.
    markets : mapping of Level to MarketRecord
        For levels with a market or a benchmark.
    congestion : CongestionOutcome or None
        What the DSO asked for, was offered and took; None where it wanted nothing.
    fee_eur_per_kwh : float
        Network fee on energy traded within a community.
    others : OtherRecord or None
        Participants that are no homes; None where there are none.

    Attributes
    ----------
    device_values : tuple of FlexibleDevice
        The flexible devices themselves, in the order of `devices`.
    generation_kw : array, shape (home, ptu)
        What PV, wind and micro-CHP of each home would generate uncurtailed, never positive.
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
    curtailed_kw: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    dso_eur: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    service_eur: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    shortfall_eur: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    local_kwh: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    markets: Mapping[Level, MarketRecord] = field(default_factory=lambda: MappingProxyType({}))
    congestion: CongestionOutcome | None = None
    fee_eur_per_kwh: float = 0.0
    others: OtherRecord | None = None
    device_values: tuple[FlexibleDevice, ...] = field(init=False)
    generation_kw: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        by_name = [{each.name: each for each in home.flexible_devices} for home in self.homes]
        values = tuple(by_name[home][name] for home, name in self.devices)
        generation_kw = frozen([home.generation_kw for home in self.homes])
        by_home = (len(self.homes), self.horizon.ptus)
        object.__setattr__(self, "device_values", values)
        object.__setattr__(self, "generation_kw", generation_kw.reshape(by_home))
