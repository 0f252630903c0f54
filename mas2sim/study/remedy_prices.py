"""What reinforcement is made of and what it costs: cables, units, prices, annuity."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.grid.recipe import CableType, TransformerType

PRICES_FILE = "remedies.csv"
KIT_FOLDER = "cardiff"
"""Folder of the tables of cables and transformers, for own grids too."""

_FIXED, _PER_KVA, _VISIT = ("transformer", "fixed"), ("transformer", "per_kva"), ("tap", "visit")
_Type = TypeVar("_Type", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RemedyTerms:
    """What reinforcement is reckoned with.

    Parameters
    ----------
    rate_percent : float
        Interest a year. [A]
    life_a : float
        Years over which it is paid back. [A]
    margin_percent : float
        What a new transformer or an overloaded cable is made larger than the worst value. [A]
    tap_steps : float
        Positions that an off-circuit tap changer has on either side of neutral. [A]

    Raises
    ------
    ConfigurationError
        With all terms that cannot be.
    """

    rate_percent: float = 4.0
    life_a: float = 40.0
    margin_percent: float = 10.0
    tap_steps: int = 2

    def __post_init__(self) -> None:
        allowed = {
            "rate_percent": (0.0, 100.0),
            "life_a": (1.0, 200.0),
            "margin_percent": (0.0, 1000.0),
            "tap_steps": (0.0, 20.0),
        }
        faults = [
            Fault(f"remedies, {name}", f"{getattr(self, name):g}", f"{low:g} to {high:g}")
            for name, (low, high) in allowed.items()
            if not low <= getattr(self, name) <= high
        ]
        if faults:
            raise ConfigurationError(faults)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is assumed, in sentences."""
        reckoned = (
            f"Reinforcement is paid back over {self.life_a:g} years at {self.rate_percent:g} % "
            f"[A]; new units and overloaded cables are {self.margin_percent:g} % larger than the "
            f"worst value asks for [A]. Its prices, in {PRICES_FILE}, are assumptions."
        )
        mended = (
            "Reinforcement is to keep ratings and the voltage band at every PTU of the year and of "
            "the design days. Voltage unbalance is not mended by it, and limits that are the DSO's "
            "own have a row apart."
        )
        return reckoned, mended

    def annuity(self, cost_eur: float) -> float:
        """Equal yearly payment that pays back a sum over its life. [EUR/a]

        The capital recovery factor i / (1 - (1 + i)^-n) (S. G. Park, Contemporary Engineering
        Economics, chapter 3).
        """
        rate = self.rate_percent / 100.0
        share = rate / (1.0 - (1.0 + rate) ** -self.life_a) if rate > 0.0 else 1.0 / self.life_a
        return cost_eur * share


@dataclass(frozen=True, slots=True)
class RemedyKit:
    """Cables and units to choose from, and what they cost.

    Parameters
    ----------
    cables : tuple of CableType
        Those with a price, the smallest rating first.
    cable_eur_per_m : mapping of str to float
        By the name of the cable, laid.
    units : tuple of TransformerType
        The smallest first.
    unit_eur, unit_eur_per_kva : float
        Exchange of a transformer: the work, and the unit by its rating.
    tap_eur : float
        Change of one transformer's tap.
    """

    cables: tuple[CableType, ...]
    cable_eur_per_m: Mapping[str, float]
    units: tuple[TransformerType, ...]
    unit_eur: float
    unit_eur_per_kva: float
    tap_eur: float

    def unit_price_eur(self, sn_kva: float) -> float:
        """Price of the exchange of a transformer. [EUR]"""
        return self.unit_eur + self.unit_eur_per_kva * sn_kva

    def cable_for(self, current_a: float) -> CableType | None:
        """The smallest cable that carries a current; None where none does."""
        return next((cable for cable in self.cables if cable.rating_a >= current_a), None)

    def unit_for(self, s_kva: float, vn_hv_kv: float) -> TransformerType | None:
        """The smallest unit that carries a power, of its own HV voltage where there are any."""
        enough = [unit for unit in self.units if unit.sn_kva >= s_kva]
        alike = [unit for unit in enough if unit.vn_hv_kv == vn_hv_kv]
        return next(iter(alike or enough), None)


def read_remedy_kit(grids: Path) -> RemedyKit:
    """Read the prices, and the cables and transformers that they are for.

    Parameters
    ----------
    grids : Path
        Folder with remedies.csv, and the folder cardiff with cables.csv and transformers.csv.

    Raises
    ------
    ConfigurationError
        With every fault of the tables.
    """
    faults: list[Fault] = []
    cables = _read_types(grids / KIT_FOLDER / "cables.csv", CableType, faults)
    units = _read_types(grids / KIT_FOLDER / "transformers.csv", TransformerType, faults)
    prices = _read_prices(grids / PRICES_FILE, [cable.cable for cable in cables], faults)
    if faults:
        raise ConfigurationError(faults)
    per_m = {item: eur for (remedy, item), eur in prices.items() if remedy == "cable"}
    return RemedyKit(
        cables=tuple(
            sorted((each for each in cables if each.cable in per_m), key=lambda each: each.rating_a)
        ),
        cable_eur_per_m=per_m,
        units=tuple(sorted(units, key=lambda unit: (unit.sn_kva, unit.transformer))),
        unit_eur=prices[_FIXED],
        unit_eur_per_kva=prices[_PER_KVA],
        tap_eur=prices[_VISIT],
    )


def _rows(path: Path, faults: list[Fault]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a table with their place; lines that begin with # are remarks."""
    if not path.is_file():
        faults.append(Fault(str(path), "no such file", "a table", "copy the one shipped"))
        return
    with path.open(newline="", encoding="utf-8") as file:
        lines = [(number, line) for number, line in enumerate(file, 1) if not line.startswith("#")]
    reader = csv.DictReader(line for _, line in lines)
    for row in reader:
        yield f"{path.name}, line {lines[reader.line_num - 1][0]}", row


def _read_types(path: Path, kind: type[_Type], faults: list[Fault]) -> list[_Type]:
    found = []
    for where, row in _rows(path, faults):
        try:
            found.append(kind.model_validate(row))
        except ValidationError as error:
            faults += [
                Fault(f"{where}, {each['loc'][0]}", repr(each["input"]), each["msg"])
                for each in error.errors()
            ]
    return found


def _read_prices(
    path: Path, cables: list[str], faults: list[Fault]
) -> dict[tuple[str, str], float]:
    needed = {_FIXED, _PER_KVA, _VISIT}
    prices: dict[tuple[str, str], float] = {}
    for where, row in _rows(path, faults):
        key = (str(row.get("remedy")), str(row.get("item")))
        if key not in needed and not (key[0] == "cable" and key[1] in cables):
            known = "cable with a name of cables.csv; " + "; ".join(map(" ".join, sorted(needed)))
            faults.append(Fault(where, " ".join(key), known))
        elif key in prices:
            faults.append(Fault(where, f"{' '.join(key)} again", "each once"))
        else:
            prices[key] = _price(where, row, faults)
    if path.is_file():
        faults += [
            Fault(path.name, f"no price of {' '.join(key)}", "one row")
            for key in sorted(needed - set(prices))
        ]
    return prices


def _price(where: str, row: Mapping[str, Any], faults: list[Fault]) -> float:
    found = row.get("eur")
    try:
        price = float(str(found))
    except ValueError:
        price = float("nan")
    if not (isfinite(price) and price >= 0.0):
        faults.append(Fault(f"{where}, eur", repr(found), "a price of 0 or more"))
    if not row.get("provenance"):
        faults.append(Fault(f"{where}, provenance", "nothing", "where the price comes from"))
    return price
