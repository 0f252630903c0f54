"""One case: a validated configuration with everything that decides its result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import TypicalDay
from mas2sim.scenario.compose import compose_tree, group_choice
from mas2sim.scenario.configuration import (
    CaseConfiguration,
    SmartGroup,
    TariffGroup,
    validate,
)
from mas2sim.scenario.folders import data_folder, scenario_folders
from mas2sim.scenario.participants import named_tariffs, participant_faults

AXES = ("substation", "communities", "seed", "levels", "power_flow", "ties")
"""Values that have a column of their own in the tables, and levels, which have rows."""
OWN_FILES = ("average_profiles", "annual_energy", "measured_profiles", "allocation")


@dataclass(frozen=True, slots=True)
class Case:
    """A case that can be run.

    Parameters
    ----------
    configuration : CaseConfiguration
    overrides : tuple of str
        As given by the user.
    ladder : tuple of SmartGroup
        The scenarios along which ownership is nested.
    changes : str
        Values that differ from those of the choices named, e.g. ``"grid.tap_pos=1"``.
    grids, profiles : Path
        Folders of the data.
    tariffs : mapping of str to TariffGroup
        Tariffs that participants have beside that of the homes, by name of the choice; among them
        that of small businesses.
    """

    configuration: CaseConfiguration
    overrides: tuple[str, ...]
    ladder: tuple[SmartGroup, ...]
    changes: str
    grids: Path
    profiles: Path
    tariffs: Mapping[str, TariffGroup] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def substation(self) -> int:
        """Number of the case's substation.

        Raises
        ------
        ConfigurationError
            When the case has all of them.
        """
        number = self.configuration.substation
        if number == "all":
            raise ConfigurationError(
                [Fault("substation", "all", "the number of one substation here", "substation=1")]
            )
        return number

    def of(self, substation: int) -> Case:
        """The same case for one substation, as if it had been asked for alone."""
        asked = f"substation={substation}"
        return replace(
            self,
            configuration=self.configuration.model_copy(update={"substation": substation}),
            overrides=tuple(
                asked if each.split("=", 1)[0] == "substation" else each for each in self.overrides
            ),
        )

    @property
    def day(self) -> TypicalDay:
        """The typical day."""
        return TypicalDay(self.configuration.season.name, self.configuration.day.name)

    @property
    def horizon(self) -> Horizon:
        """The day in PTUs."""
        return Horizon(self.configuration.ptu_minutes)

    @property
    def axes(self) -> dict[str, str | int]:
        """Identity of the case among others."""
        case = self.configuration
        groups = (case.smart, case.flexibility, case.grid, case.tariff)
        smart, flexibility, grid, tariff = (group.name for group in groups)
        return {
            "season": case.season.name.value,
            "day": case.day.name.value,
            "weather": case.weather.name.value,
            "smart": smart,
            "flexibility": flexibility,
            "grid": grid,
            "substation": case.substation,
            "communities": case.communities,
            "tariff": tariff,
            "seed": case.seed,
            "power_flow": case.power_flow,
            "ties": case.ties.value,
            "changes": self.changes,
        }

    @property
    def own_files(self) -> dict[str, Path]:
        """Files of one's own that the case names; their content decides the result."""
        population, grid = self.configuration.population, self.configuration.grid
        named = {name: getattr(population, name) for name in OWN_FILES}
        named["mapping"] = grid.mapping
        named["source"] = Path(grid.source) if grid.name == "file" and grid.source else None
        return {name: path for name, path in named.items() if path is not None}

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result, apart from the code: configuration and content of files."""
        return {
            "configuration": self.configuration.model_dump(mode="json", by_alias=True),
            "tariffs": {name: each.model_dump(mode="json") for name, each in self.tariffs.items()},
            "ladder": [rung.model_dump(mode="json") for rung in self.ladder],
            "files": {name: _digest(path) for name, path in self.own_files.items()},
        }


def compose_case(overrides: Sequence[str] = (), *, data: Path | None = None) -> Case:
    """Compose and check one case.

    Parameters
    ----------
    overrides : sequence of str
        In Hydra's grammar.
    data : Path, optional
        A folder with scenarios/, grids/ or profiles/ in it that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With every fault of the overrides, the values and the files named.
    """
    scenarios = scenario_folders(data)
    composed, defaults, faults = compose_tree(scenarios, overrides)
    configuration, found = validate(composed, defaults)
    # A value may be at fault both as an override and in the composed tree: once is enough.
    faults += [fault for fault in found if fault.where not in {each.where for each in faults}]
    ladder, found = _ladder(scenarios, composed)
    faults += found
    tariffs, found = _tariffs(scenarios, composed)
    faults += found
    if faults or configuration is None:
        raise ConfigurationError(faults)
    return Case(
        configuration=configuration,
        overrides=tuple(overrides),
        ladder=ladder,
        changes=changes_between(composed, defaults),
        grids=data_folder("grids", data),
        profiles=data_folder("profiles", data),
        tariffs=tariffs,
    )


def changes_between(
    composed: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str = ""
) -> str:
    """Keys whose values were overridden, apart from those that are axes themselves."""
    found = []
    for key, value in composed.items():
        before, name = defaults.get(key), f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found.append(changes_between(value, before, f"{name}."))
        elif value != before and name not in AXES:
            found.append(f"{name}={value}")
    return " ".join(change for change in found if change)


def _ladder(
    scenarios: Sequence[Path], composed: Mapping[str, Any]
) -> tuple[tuple[SmartGroup, ...], list[Fault]]:
    """Scenarios of population.ladder as shipped; overrides of smart.* do not touch them."""
    population = composed.get("population")
    names = population.get("ladder") if isinstance(population, dict) else None
    if not isinstance(names, list):
        return (), []
    rungs, faults = [], []
    for name in names:
        content = group_choice(scenarios, "smart", str(name))
        if content is None:
            faults.append(Fault("population.ladder", str(name), "names in scenarios/smart/"))
        else:
            rungs.append(SmartGroup.model_validate(content))
    return tuple(rungs), faults


def _tariffs(
    scenarios: Sequence[Path], composed: Mapping[str, Any]
) -> tuple[dict[str, TariffGroup], list[Fault]]:
    """Tariffs that participants name, as they stand in scenarios/, and what is wrong with both."""
    contents = {name: group_choice(scenarios, "tariff", name) for name in named_tariffs(composed)}
    faults = participant_faults(composed, contents)
    tariffs = {}
    for name, content in contents.items():
        if content is None:
            continue
        try:
            tariffs[name] = TariffGroup.model_validate(content)
        except ValidationError as error:
            faults += [
                Fault(f"scenarios/tariff/{name}.yaml", str(each["loc"]), str(each["msg"]))
                for each in error.errors()
            ]
    return tariffs, faults


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
