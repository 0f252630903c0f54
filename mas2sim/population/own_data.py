"""A user's own data: CSV or Parquet files that replace what would otherwise be made.

Everything that is wrong with any of the files is found before anything fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import TYPICAL_DAYS, DayType, Season
from mas2sim.population.settings import OwnData
from mas2sim.population.table_file import (
    SHOWN,
    UNIT_REMEDIES,
    TableFile,
    complete_days,
    day_steps,
    number,
    open_table,
)

LARGEST_P_KW = 100.0
"""More than any home's fuse lets through: a larger figure is in another unit [A]."""
SMALLEST_ANNUAL_KWH = 50.0
"""A home uses more in a year, if only for its refrigerator; less is a file in MWh."""
LARGEST_ANNUAL_KWH = 200_000.0
"""More than any home uses in a year: a larger figure is in another unit [A]."""

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "pv": ("rated_kwp", "tilt_deg", "azimuth_deg"),
    "ev": ("charger_kw", "capacity_kwh", "driven_kwh", "discharge_kw"),
    "battery": ("capacity_kwh", "power_kw"),
    "heat_pump": ("heat_loss_kw_per_k", "time_constant_h", "day_c", "night_c", "power_kw"),
    "hot_water": ("volume_l", "heat_kwh", "power_kw"),
    "direct_heater": ("heat_loss_kw_per_k", "power_kw"),
    "wind": ("rated_kw",),
    "micro_chp": ("electric_kw", "heat_kw"),
    "interruptible": ("heat_loss_kw_per_k", "power_kw"),
}
"""Parameters of a device that an allocation may give; appliances have none."""
INFLEXIBLE = ("pv", "wind", "micro_chp")
"""Devices whose use cannot be planned, and that cannot be offered."""


@dataclass(frozen=True, slots=True)
class Allocated:
    """One device of an allocation: its known parameters, and whether it is offered if stated."""

    parameters: Mapping[str, float] = field(default_factory=dict)
    offered: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OwnTables:
    """Own data after validation; None or empty where there is none.

    Parameters
    ----------
    average_kw : array, shape (day, 96), optional
    names : tuple of str
        Names of all homes: the grid's, or those of the annual energies, or ``h001`` and so on.
    annual_kwh : array, shape (home), optional
    measured_kw : mapping of int to array, shape (96)
        By index of the home.
    allocation : mapping of str to (mapping of int to Allocated), optional
        By device, then by index of the home, in the order of the file.
    """

    names: tuple[str, ...]
    average_kw: FloatArray | None = None
    annual_kwh: FloatArray | None = None
    measured_kw: Mapping[int, FloatArray] = field(default_factory=dict)
    allocation: Mapping[str, Mapping[int, Allocated]] | None = None


def read_own_data(
    own: OwnData, *, homes: int, appliances: Sequence[str], home_names: Sequence[str] = ()
) -> OwnTables:
    """Read and validate all own files.

    Parameters
    ----------
    homes : int
        Number of homes of the substation.
    home_names : sequence of str
        Names that the grid has for them; the annual energies then have to be of those.
    appliances : sequence of str
        Names of the appliances that can be modelled.

    Raises
    ------
    ConfigurationError
        With every fault of every file.
    """
    faults: list[Fault] = []
    names = tuple(home_names) or tuple(f"h{index + 1:03d}" for index in range(homes))
    average = annual = allocation = None
    measured: dict[int, FloatArray] = {}
    if own.average_profiles is not None:
        average = _read_average(own.average_profiles, faults)
    if own.annual_energy is not None:
        stated, annual = _read_annual(own.annual_energy, homes, faults, known=home_names)
        if home_names and annual is not None and set(stated) == set(names):
            annual = annual[[stated.index(name) for name in names]]
        names = names if home_names else stated
    index = {name: place for place, name in enumerate(names)}
    if own.measured_profiles is not None:
        measured = _read_measured(own.measured_profiles, index, faults)
    if own.allocation is not None:
        allocation = _read_allocation(own.allocation, index, appliances, faults)
    if faults:
        raise ConfigurationError(faults)
    return OwnTables(names, average, annual, measured, allocation)


def _read_average(path: Path, faults: list[Fault]) -> FloatArray | None:
    file = open_table(path, faults)
    if not file.columns or not file.require(["season", "day_type", "ptu", "p_kw"]):
        return None
    wrong = file.unknown("season", Season) | file.unknown("day_type", DayType)
    p_kw = file.numbers("p_kw", 0, LARGEST_P_KW, "give kW, not W")
    place, steps = day_steps(file, "ptu")
    keys = [
        "" if row in wrong else f"{season} {day_type}"
        for row, (season, day_type) in enumerate(
            zip(file.columns["season"], file.columns["day_type"], strict=True)
        )
    ]
    if not steps:
        return None
    days = complete_days(file, keys, place, steps, p_kw)
    wanted = [f"{day.season} {day.day_type}" for day in TYPICAL_DAYS]
    absent = [key for key in wanted if key not in keys]
    if absent:
        found = f"nothing for {', '.join(absent[:SHOWN])}"
        found += f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
        faults.append(Fault(file.name, found, "all five seasons and three day types"))
    return np.array([days[key] for key in wanted]) if all(key in days for key in wanted) else None


def _read_annual(
    path: Path, homes: int, faults: list[Fault], *, known: Sequence[str] = ()
) -> tuple[tuple[str, ...], FloatArray | None]:
    file = open_table(path, faults)
    if not file.columns or not file.require(["home", "annual_kwh"]):
        return (), None
    energy = file.numbers(
        "annual_kwh", SMALLEST_ANNUAL_KWH, LARGEST_ANNUAL_KWH, "give kWh, not Wh or MWh"
    )
    names = tuple(file.columns["home"])
    _find_duplicates(file, names, "home")
    if known:
        file.unknown("home", known, "names are those of the grid")
    if len(names) != homes:
        faults.append(
            Fault(
                file.name,
                f"{len(names)} homes",
                f"{homes} homes, as many as the substation has",
                "add or remove lines, or change the number of homes",
            )
        )
    return names, energy


def _find_duplicates(file: TableFile, keys: Sequence[str], word: str) -> None:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    if "" in rows:
        file.faults.append(Fault(file.where(rows.pop("")), f"no {word}", "a name"))
    twice = {key: found for key, found in rows.items() if len(found) > 1}
    if twice:
        shown = ", ".join(list(twice)[:SHOWN])
        more = f" and {len(twice) - SHOWN} more" if len(twice) > SHOWN else ""
        places = sorted(row for found in twice.values() for row in found)
        what = f"{word} {shown}{more} more than once"
        file.faults.append(Fault(file.where(places), what, "each once"))


def _read_measured(
    path: Path, index: Mapping[str, int], faults: list[Fault]
) -> dict[int, FloatArray]:
    file = open_table(path, faults)
    step_column = "time" if "time" in file.columns else "ptu"
    if not file.columns or not file.require(["home", step_column, "p_kw"]):
        return {}
    # Without a readable list of homes every name would look unknown.
    wrong = file.unknown("home", index, _home_remedy(index)) if index else set()
    p_kw = file.numbers("p_kw", 0, LARGEST_P_KW, "give kW, not W")
    place, steps = day_steps(file, step_column)
    keys = ["" if row in wrong else home for row, home in enumerate(file.columns["home"])]
    if not steps:
        return {}
    days = complete_days(file, keys, place, steps, p_kw)
    return {index[home]: profile for home, profile in days.items() if home in index}


def _home_remedy(index: Mapping[str, int]) -> str:
    """Where the names of the homes come from."""
    first = next(iter(index))
    own = "as in the annual energies" if first != "h001" else "h001 on, or give annual energies"
    return f"names of homes are {own}"


def _read_allocation(
    path: Path, index: Mapping[str, int], appliances: Sequence[str], faults: list[Fault]
) -> dict[str, dict[int, Allocated]]:
    file = open_table(path, faults)
    if not file.columns or not file.require(["home", "device"]):
        return {}
    devices = {**PARAMETERS, **dict.fromkeys(appliances, ())}
    wrong = file.unknown("home", index, _home_remedy(index)) if index else set()
    wrong |= file.unknown("device", devices)
    parameters = list(dict.fromkeys(name for names in PARAMETERS.values() for name in names))
    for column in file.columns:
        if column not in {"home", "device", "offered", *parameters}:
            remedy = UNIT_REMEDIES.get(column, "remove the column")
            listed = ", ".join(parameters)
            faults.append(Fault(file.name, f"column {column}", listed, remedy))
    pairs = [
        " ".join(pair) for pair in zip(file.columns["home"], file.columns["device"], strict=True)
    ]
    _find_duplicates(file, pairs, "device")
    allocation: dict[str, dict[int, Allocated]] = {name: {} for name in devices}
    for row, (home, device) in enumerate(
        zip(file.columns["home"], file.columns["device"], strict=True)
    ):
        if row not in wrong:
            allocated = _allocated(file, row, devices[device], parameters)
            if home in index:
                allocation[device][index[home]] = allocated
    return allocation


def _allocated(
    file: TableFile, row: int, allowed: Sequence[str], parameters: Sequence[str]
) -> Allocated:
    """One row of an allocation: empty cells are left to be drawn."""
    known = {}
    device = file.columns["device"][row]
    for name in parameters:
        text = file.columns[name][row] if name in file.columns else ""
        if not text:
            continue
        value = number(text)
        low, high = _bounds(name)
        if name not in allowed:
            listed = ", ".join(allowed) or "no parameter"
            file.faults.append(Fault(file.where([row]), f"{name} for {device}", listed))
        elif not low < value <= high:
            limits = f"a number above {low:g}, up to {high:g}"
            file.faults.append(Fault(file.where([row]), f"{name} {text!r}", limits))
        else:
            known[name] = value
    words = {"yes": True, "true": True, "no": False, "false": False, "": None}
    said = file.columns["offered"][row].lower() if "offered" in file.columns else ""
    if said not in words:
        file.faults.append(Fault(file.where([row]), f"offered {said!r}", "yes, no or empty"))
    elif words[said] and device in INFLEXIBLE:
        remedy = "leave the cell empty"
        file.faults.append(
            Fault(file.where([row]), f"{device} that is offered", "flexible devices", remedy)
        )
    return Allocated(known, words.get(said))


def _bounds(parameter: str) -> tuple[float, float]:
    """What a parameter must lie above, and at most be; wide, to catch other units [A]."""
    bounds = {"tilt_deg": (-0.001, 90.0), "azimuth_deg": (-0.001, 360.0), "rated_kwp": (0, 100.0)}
    bounds |= {"capacity_kwh": (0, 200.0), "heat_loss_kw_per_k": (0, 2.0)}
    bounds |= {"volume_l": (0, 1000.0), "time_constant_h": (0, 1000.0)}
    return bounds.get(parameter, (0.0, 100.0))
