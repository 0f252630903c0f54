"""What a generated substation is made of, as read from files: cables, transformers, recipes.

The tables (cables.csv, transformers.csv) say in a column where each figure comes from. A recipe
(substation_N.yaml) says which unit feeds which streets, over which cables, past how many users.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mas2sim.domain.errors import Fault, GridError
from mas2sim.grid.network import VectorGroup

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Phase = Literal["a", "b", "c", "abc"]

_Model = TypeVar("_Model", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CableType(_Record):
    """A kind of cable, per km; zero-sequence values include the neutral."""

    cable: str
    r1_ohm_per_km: Positive
    x1_ohm_per_km: NotNegative
    r0_ohm_per_km: Positive
    x0_ohm_per_km: NotNegative
    c1_nf_per_km: NotNegative
    rating_a: Positive
    provenance: Annotated[str, Field(min_length=1)]


class TransformerType(_Record):
    """A kind of transformer with a tap changer at its HV side."""

    transformer: str
    sn_kva: Positive
    vn_hv_kv: Positive
    vn_lv_kv: Positive
    vector_group: VectorGroup
    vk_percent: Positive
    vkr_percent: NotNegative
    iron_kw: NotNegative
    i0_percent: NotNegative
    tap_step_percent: NotNegative
    tap_min: int
    tap_max: int
    provenance: Annotated[str, Field(min_length=1)]

    @field_validator("vector_group", mode="before")
    @classmethod
    def _parse_group(cls, value: Any) -> VectorGroup:
        return VectorGroup.parse(str(value))


class MainSection(_Record):
    """A stretch of main of one cable, past `users` homes and shops."""

    cable: str
    users: Annotated[int, Field(gt=0)]


class StreetLeg(_Record):
    """A straight piece of street; the bearing is clockwise from north."""

    bearing_deg: Annotated[float, Field(ge=0, lt=360)]
    length_m: Positive


class FeederRecipe(_Record):
    """One radial feeder: its main from the transformer on, and the street it lies in."""

    name: Annotated[str, Field(min_length=1)]
    main: Annotated[tuple[MainSection, ...], Field(min_length=1)]
    street: Annotated[tuple[StreetLeg, ...], Field(min_length=1)]

    @property
    def users(self) -> int:
        """Number of users on the feeder, homes and others."""
        return sum(section.users for section in self.main)

    @property
    def street_m(self) -> float:
        """Length of the street. [m]"""
        return sum(leg.length_m for leg in self.street)


class ServiceRecipe(_Record):
    """The cable from the main to each user; the lengths repeat along the users."""

    cable: str
    length_m: Annotated[tuple[Positive, ...], Field(min_length=1)]


class SubstationRecipe(_Record):
    """A substation to be generated.

    Parameters
    ----------
    at_m : (float, float)
        Where the substation stands, east and north. [m]
    main_m_per_user : float
        Main between the joints of two users in turn. [m]
    phases : tuple of str
        Phase of each user; repeats along the users, on from feeder to feeder. ``"abc"`` is a
        three-phase connection.
    commercial : tuple of int
        Small commercial users, by their number along the recipe, from 1; all others are homes.
    commercial_phases : tuple of str
        Their phases, instead of those of `phases`; repeats along them.
    """

    name: Annotated[str, Field(min_length=1)]
    transformer: str
    at_m: tuple[Coordinate, Coordinate] = (0.0, 0.0)
    main_m_per_user: Positive
    service: ServiceRecipe
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    commercial: tuple[Annotated[int, Field(gt=0)], ...] = ()
    commercial_phases: Annotated[tuple[Phase, ...], Field(min_length=1)] = ("abc",)
    feeders: Annotated[tuple[FeederRecipe, ...], Field(min_length=1)]

    @property
    def users(self) -> int:
        """Number of users of the substation, homes and others."""
        return sum(feeder.users for feeder in self.feeders)

    def phase(self, user: int) -> Phase:
        """Phase of a user, counted from 1."""
        if user in self.commercial:
            place = self.commercial.index(user)
            return self.commercial_phases[place % len(self.commercial_phases)]
        return self.phases[(user - 1) % len(self.phases)]


class Kit(_Record):
    """A recipe with the equipment that it names."""

    recipe: SubstationRecipe
    cables: dict[str, CableType]
    transformer: TransformerType


def read_kit(directory: Path, substation: int) -> Kit:
    """Read the recipe of a substation, and the tables beside it.

    Parameters
    ----------
    directory : Path
        Folder with cables.csv, transformers.csv and substation_N.yaml.
    substation : int
        Number N of the recipe.

    Raises
    ------
    GridError
        With the faults of all three files. What a recipe names is looked up once the files
        themselves are well formed.
    """
    faults: list[Fault] = []
    cables = _read_table(directory / "cables.csv", CableType, faults)
    units = _read_table(directory / "transformers.csv", TransformerType, faults)
    recipe = _read_recipe(directory, substation, faults)
    if recipe is None or faults:
        raise GridError(faults)
    faults = _reference_faults(recipe, cables, units, f"substation_{substation}.yaml")
    if faults:
        raise GridError(faults)
    return Kit(recipe=recipe, cables=cables, transformer=units[recipe.transformer])


def recipe_numbers(directory: Path) -> tuple[int, ...]:
    """Numbers of the recipes in a folder, ascending."""
    named = (path.stem.removeprefix("substation_") for path in directory.glob("substation_*.yaml"))
    return tuple(sorted(int(number) for number in named if number.isdecimal()))


def _read_table(path: Path, kind: type[_Model], faults: list[Fault]) -> dict[str, _Model]:
    """Rows of a table by their first column; faults are added to `faults`."""
    if not path.is_file():
        faults.append(Fault(str(path), "no such file", "a table"))
        return {}
    rows: dict[str, _Model] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            record = _validated(kind, row, where, faults)
            if record is None:
                continue
            name = str(next(iter(row.values())))
            if name in rows:
                faults.append(Fault(where, f"{name!r} again", "each name once"))
            rows[name] = record
    return rows


def _read_recipe(directory: Path, number: int, faults: list[Fault]) -> SubstationRecipe | None:
    path = directory / f"substation_{number}.yaml"
    if not path.is_file():
        numbers = ", ".join(map(str, recipe_numbers(directory)))
        faults.append(
            Fault("substation", str(number), f"one of: {numbers or 'none'}", f"write {path.name}")
        )
        return None
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        faults.append(Fault(path.name, " ".join(str(error).split()), "YAML"))
        return None
    return _validated(SubstationRecipe, data, path.name, faults)


def _validated(kind: type[_Model], data: Any, where: str, faults: list[Fault]) -> _Model | None:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            field = ".".join(map(str, detail["loc"]))
            # A missing field is reported with the record around it, which says nothing.
            found = "nothing" if detail["type"] == "missing" else repr(detail["input"])
            faults.append(Fault(f"{where}, {field}" if field else where, found, detail["msg"]))
        return None


def _reference_faults(
    recipe: SubstationRecipe,
    cables: dict[str, CableType],
    units: dict[str, TransformerType],
    where: str,
) -> list[Fault]:
    """What the recipe names and is not there, and streets that end before their last user."""
    faults: list[Fault] = []
    if recipe.transformer not in units:
        faults.append(Fault(f"{where}, transformer", recipe.transformer, ", ".join(units)))
    named = [("service.cable", recipe.service.cable)]
    for feeder in recipe.feeders:
        named += [(f"feeder {feeder.name}, main", section.cable) for section in feeder.main]
        main_m = feeder.users * recipe.main_m_per_user
        if feeder.street_m < main_m:
            faults.append(
                Fault(
                    f"{where}, feeder {feeder.name}",
                    f"a street of {feeder.street_m:g} m",
                    f"at least the {main_m:g} m of its main",
                    "lengthen the last leg",
                )
            )
    faults += [
        Fault(f"{where}, {field}", cable, ", ".join(cables))
        for field, cable in named
        if cable not in cables
    ]
    faults += [
        Fault(f"{where}, commercial", f"user {user}", f"1 to {recipe.users}, each once")
        for user, count in Counter(recipe.commercial).items()
        if user > recipe.users or count > 1
    ]
    names = [feeder.name for feeder in recipe.feeders]
    faults += [
        Fault(f"{where}, feeders", f"{name!r} again", "each name once")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    return faults
