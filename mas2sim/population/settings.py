"""What a population is built from: the site, the smart-grid scenario, the numbers, own data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from mas2sim.domain.errors import ConfigurationError, Fault

LARGEST_LEAST_CHARGE_KW = 7.4
"""A charger's least power is below the power of the strongest shipped charger."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the homes are.

    Parameters
    ----------
    latitude_deg, longitude_deg : float
        North and east are positive.
    altitude_m : float
        Above sea level.
    timezone : str
        Name in the IANA database, e.g. ``"Europe/London"``; the day runs by its clock.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    timezone: str


@dataclass(frozen=True, slots=True)
class SmartScenario:
    """Share of homes that own each technology. [%]

    Parameters
    ----------
    any_percent : float
        Share of homes with any of the five technologies named before it. The technologies after it
        are owned independently of each other and are no part of it.
    v2h_percent : float
        Share of the EVs that can deliver to the home, not of the homes.
    """

    name: str
    pv_percent: float
    ev_percent: float
    heat_pump_percent: float
    battery_percent: float
    smart_appliances_percent: float
    any_percent: float
    hot_water_percent: float = 0.0
    direct_heater_percent: float = 0.0
    wind_percent: float = 0.0
    micro_chp_percent: float = 0.0
    interruptible_percent: float = 0.0
    v2h_percent: float = 0.0

    @property
    def percent(self) -> dict[str, float]:
        """Share of homes by technology. [%]"""
        return {
            "pv": self.pv_percent,
            "ev": self.ev_percent,
            "heat_pump": self.heat_pump_percent,
            "battery": self.battery_percent,
            "smart_appliances": self.smart_appliances_percent,
            "hot_water": self.hot_water_percent,
            "direct_heater": self.direct_heater_percent,
            "wind": self.wind_percent,
            "micro_chp": self.micro_chp_percent,
            "interruptible": self.interruptible_percent,
        }


@dataclass(frozen=True, slots=True)
class OwnData:
    """Files (CSV or Parquet) that replace what would be made; docs/population.md describes them.

    Parameters
    ----------
    average_profiles : Path, optional
        Average demand of the typical days: season, day_type, ptu, p_kw.
    annual_energy : Path, optional
        Annual energy of every home, and the homes' names: home, annual_kwh.
    measured_profiles : Path, optional
        Measured load of homes on the day of the case: home, ptu or time, p_kw.
    allocation : Path, optional
        Who owns what: home, device and, where known, the device's parameters.
    """

    average_profiles: Path | None = None
    annual_energy: Path | None = None
    measured_profiles: Path | None = None
    allocation: Path | None = None


@dataclass(frozen=True, slots=True)
class PopulationSettings:
    """Everything that a population is built from, apart from the day, the sky and the seed.

    Parameters
    ----------
    homes : int
        Number of homes of the substation.
    smart : SmartScenario
        The scenario of the case.
    ladder : tuple of SmartScenario
        All scenarios of the study, ascending in `any_percent`; owners are nested along it, so it
        must be the same in every case that is compared.
    flexible_percent : float
        Share of the owned flexible devices that is offered.
    mean_annual_kwh, annual_kwh_cv : float
        Annual energy without EV and heat pump: mean over the homes, coefficient of variation.
    profiles_dir : Path
        Folder of the shipped tables.
    air_offset_k : float
        Added to the air temperature of the season, e.g. for the design day of a cold spell.
    import_cap_kw, export_cap_kw : float
        Bounds of every home's own net power; infinite for none.
    ev_least_charge_kw : float
        Every EV's charger draws nothing or at least this, 1.4 kW being 6 A on one phase. A charger
        with less power than that is off or draws all it can.
    home_names : tuple of str
        Names of the homes where the grid has them; ``h001`` and so on when empty.
    annual_kwh : tuple of (float or None)
        Annual energy of each home where the grid states it; drawn where None, or when empty.
    most_cycles_per_day : int
        1, or 2 for a second cycle in homes that run an appliance more than 365 times a year.

    Raises
    ------
    ConfigurationError
        With every setting that is out of bounds.
    """

    homes: int
    site: Site
    smart: SmartScenario
    ladder: tuple[SmartScenario, ...]
    flexible_percent: float
    mean_annual_kwh: float = 3300.0
    annual_kwh_cv: float = 0.55
    own_data: OwnData = field(default_factory=OwnData)
    profiles_dir: Path = Path("profiles")
    air_offset_k: float = 0.0
    import_cap_kw: float = math.inf
    export_cap_kw: float = math.inf
    ev_least_charge_kw: float = 0.0
    most_cycles_per_day: int = 1
    home_names: tuple[str, ...] = ()
    annual_kwh: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        faults = [
            Fault(f"population.{name}", f"{value:g}", allowed)
            for name, value, fits, allowed in (
                ("homes", self.homes, self.homes >= 1, "at least 1"),
                (
                    "flexible_percent",
                    self.flexible_percent,
                    0 <= self.flexible_percent <= 100,
                    "from 0 to 100",
                ),
                ("mean_annual_kwh", self.mean_annual_kwh, self.mean_annual_kwh > 0, "more than 0"),
                ("annual_kwh_cv", self.annual_kwh_cv, 0 <= self.annual_kwh_cv <= 2, "0 to 2"),
                (
                    "latitude_deg",
                    self.site.latitude_deg,
                    abs(self.site.latitude_deg) <= 90,
                    "-90 to 90",
                ),
                ("import_cap_kw", self.import_cap_kw, self.import_cap_kw > 0, "more than 0"),
                ("export_cap_kw", self.export_cap_kw, self.export_cap_kw >= 0, "0 or more"),
                (
                    "ev_least_charge_kw",
                    self.ev_least_charge_kw,
                    0 <= self.ev_least_charge_kw <= LARGEST_LEAST_CHARGE_KW,
                    f"from 0 to {LARGEST_LEAST_CHARGE_KW:g}",
                ),
                (
                    "most_cycles_per_day",
                    self.most_cycles_per_day,
                    self.most_cycles_per_day in (1, 2),
                    "1 or 2",
                ),
            )
            if not fits
        ]
        for scenario in {*self.ladder, self.smart}:
            faults += _scenario_faults(scenario)
        if [rung.any_percent for rung in self.ladder] != sorted(
            rung.any_percent for rung in self.ladder
        ):
            faults.append(
                Fault(
                    "population.ladder",
                    ", ".join(f"{rung.name} {rung.any_percent:g} %" for rung in self.ladder),
                    "scenarios that ascend in any_percent",
                )
            )
        if faults:
            raise ConfigurationError(sorted(faults, key=str))


def _scenario_faults(scenario: SmartScenario) -> list[Fault]:
    """Shares outside 0 to 100 %, or that no set of owners can have together."""
    shares = {**scenario.percent, "any": scenario.any_percent, "v2h": scenario.v2h_percent}
    return [
        Fault(f"smart scenario {scenario.name}, {name}_percent", f"{value:g}", "from 0 to 100")
        for name, value in shares.items()
        if not 0 <= value <= 100
    ]
