"""Many cases at once: one composition, then plain values.

Hydra takes a tenth of a second for a case. Here it composes what the cases share, once; the choice
of a group is read once, swept values are put into plain mappings, and every case is validated as a
single one is. What cannot be done that way, such as a value that refers to another key, is left to
Hydra, so that a case is the same as `compose_case` makes of its overrides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.scenario.axes import REFERENCE, choices_of
from mas2sim.scenario.case import AXES, OWN_FILES, Case, changes_between, compose_case
from mas2sim.scenario.compose import compose_tree
from mas2sim.scenario.configuration import validate
from mas2sim.scenario.folders import ROOT_FILE, scenario_folders
from mas2sim.scenario.participants import KEY as PARTICIPANTS

PACKAGE = "@package"
"""Lets a choice write outside its group."""
CHOICES_BESIDE = ("population", "tariff", "grid")
KEYS_BESIDE = (
    PARTICIPANTS,
    "population.ladder",
    *(f"population.{name}" for name in OWN_FILES),
    "grid.source",
    "grid.mapping",
)
"""What names other files: the ladder, data and grids of one's own, tariffs of participants."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """One override, parsed.

    Parameters
    ----------
    right : bool
        Whether key and choice are known; the value itself is validated with the case.
    plain : bool
        Whether it can be put in place without Hydra.
    """

    text: str
    key: str
    value: Any
    is_choice: bool
    right: bool
    plain: bool

    @property
    def group(self) -> str:
        """The part of the tree that it changes."""
        return self.key.partition(".")[0]

    @property
    def reads_beside(self) -> bool:
        """Whether ladder, files or tariffs of the case may depend on it."""
        prices = self.group == "tariff"
        return prices or self.key in KEYS_BESIDE or (self.is_choice and self.key in CHOICES_BESIDE)


class CaseFactory:
    """Composes cases that have their base in common.

    Parameters
    ----------
    base : sequence of str
        Overrides of all cases.
    data : Path, optional
        A folder with scenarios/, grids/ or profiles/ that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With what is wrong with the base.
    """

    def __init__(self, base: Sequence[str] = (), *, data: Path | None = None) -> None:
        self._base, self._data = tuple(base), data
        self._folders = scenario_folders(data)
        composed, self._defaults, faults = compose_tree(self._folders, self._base)
        if faults:
            raise ConfigurationError(faults)
        self._choices = choices_of(self._folders)
        self._keys = frozenset(_leaves(composed))
        self._plain = _is_plain(self._folders, self._choices)
        self._settings: dict[str, _Setting] = {}
        self._contents: dict[tuple[str, str], dict[str, Any]] = {}
        self._examples: dict[tuple[str, ...], Case] = {}
        self._refused: set[tuple[str, ...]] = set()
        self._differences: dict[tuple[str, ...], str] = {}
        self._base_settings = tuple(self._setting(text) for text in self._base)

    @property
    def files(self) -> dict[str, str]:
        """Digests of one's own files in the cases composed so far, by path."""
        found = {}
        for case in self._examples.values():
            digests = case.identity["files"]
            for name, path in case.own_files.items():
                found[str(path)] = str(digests[name])
        return dict(sorted(found.items()))

    def case(self, overrides: Sequence[str]) -> Case:
        """Compose one case, equal to ``compose_case([*base, *overrides])``.

        Raises
        ------
        ConfigurationError
            With every fault of the overrides and values.
        """
        case, faults = None, self.wrong([overrides])
        if not faults:
            case, faults = self._compose(overrides)
        if case is None:
            raise ConfigurationError(faults)
        return case

    def value(self, override: str) -> str | int | float | bool | None:
        """Value of an override: a number or a word, and the text of anything else."""
        value = self._setting(override).value
        plain = isinstance(value, str | int | float | bool) or value is None
        return value if plain else override.partition("=")[2]

    def wrong(self, many: Sequence[Sequence[str]]) -> list[Fault]:
        """Keys and choices among the overrides of many cases that are not known, each once."""
        texts = dict.fromkeys(text for overrides in many for text in overrides)
        bad = [text for text in texts if not self._setting(text).right]
        if not bad:
            return []
        _, _, faults = compose_tree(self._folders, [*self._base, *bad])
        return list(dict.fromkeys(faults))

    def compose(self, overrides: Sequence[str]) -> tuple[Case | None, list[Fault]]:
        """Compose one case of known keys, or say what is wrong with its values."""
        return self._compose([text for text in overrides if self._setting(text).right])

    def _compose(self, overrides: Sequence[str]) -> tuple[Case | None, list[Fault]]:
        settings = [self._setting(text) for text in overrides]
        if not self._plain or not all(each.plain for each in (*self._base_settings, *settings)):
            return self._by_hydra(overrides)
        composed, defaults = self._put(settings)
        configuration, faults = validate(composed, defaults)
        example, found = self._example(overrides, settings, valid=configuration is not None)
        faults += [fault for fault in found if fault not in faults]
        if configuration is None or example is None:
            return None, faults
        case = Case(
            configuration=configuration,
            overrides=(*self._base, *overrides),
            ladder=example.ladder,
            changes=self._changes(settings, composed, defaults),
            grids=example.grids,
            profiles=example.profiles,
            tariffs=example.tariffs,
        )
        return case, []

    def _by_hydra(self, overrides: Sequence[str]) -> tuple[Case | None, list[Fault]]:
        try:
            case = compose_case([*self._base, *overrides], data=self._data)
        except ConfigurationError as error:
            return None, list(error.faults)
        self._examples.setdefault(tuple(overrides), case)
        return case, []

    def _put(self, settings: Sequence[_Setting]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Composed tree and the same without values; what is not changed is shared."""
        defaults = dict(self._defaults)
        for each in settings:
            if each.is_choice:
                defaults[each.key] = self._content(each.key, str(each.value))
        composed = dict(defaults)
        for each in (*self._base_settings, *settings):
            if each.is_choice:
                continue
            branch = composed
            *path, leaf = each.key.split(".")
            for part in path:
                branch[part] = dict(branch[part])
                branch = branch[part]
            branch[leaf] = each.value
        return composed, defaults

    def _changes(
        self,
        settings: Sequence[_Setting],
        composed: Mapping[str, Any],
        defaults: Mapping[str, Any],
    ) -> str:
        """What differs from the choices named; the same for the same values in the same choices."""
        every = (*self._base_settings, *settings)
        values = [each for each in every if not each.is_choice and each.key not in AXES]
        touched = {each.group for each in values}
        decide = [each for each in every if each in values or each.key in touched]
        key = tuple(each.text for each in decide)
        if key not in self._differences:
            self._differences[key] = changes_between(composed, defaults)
        return self._differences[key]

    def _example(
        self, overrides: Sequence[str], settings: Sequence[_Setting], *, valid: bool
    ) -> tuple[Case | None, list[Fault]]:
        """A case with the same ladder, files and tariffs, which is all that is read beside."""
        key = tuple(each.text for each in settings if each.reads_beside)
        if key in self._examples or (key in self._refused and not valid):
            return self._examples.get(key), []
        try:
            self._examples[key] = compose_case([*self._base, *overrides], data=self._data)
        except ConfigurationError as error:
            self._refused.add(key)
            return None, list(error.faults)
        return self._examples[key], []

    def _content(self, group: str, choice: str) -> dict[str, Any]:
        """Content of a choice, as Hydra reads it."""
        key = (group, choice)
        if key not in self._contents:
            places = [folder / group / f"{choice}.yaml" for folder in self._folders]
            path = next(place for place in places if place.is_file())
            content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
            if not isinstance(content, dict):
                raise ConfigurationError([Fault(str(path), "no mapping", "keys with values")])
            self._contents[key] = {str(name): value for name, value in content.items()}
        return self._contents[key]

    def _setting(self, text: str) -> _Setting:
        if text not in self._settings:
            self._settings[text] = self._parsed(text)
        return self._settings[text]

    def _parsed(self, text: str) -> _Setting:
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            return _Setting(text, text, None, is_choice=False, right=False, plain=False)
        key = override.key_or_group
        several = override.is_sweep_override()
        added = override.is_delete() or override.is_add() or override.is_force_add()
        value = None if several else override.value()
        is_choice = key in self._choices
        known = str(value) in self._choices[key] if is_choice else self._is_key(key)
        plain = not isinstance(value, dict) and REFERENCE not in str(value)
        if not is_choice and known:
            plain = plain and key in self._keys
        return _Setting(text, key, value, is_choice, known and not several and not added, plain)

    def _is_key(self, key: str) -> bool:
        """Whether a key can be set: a leaf, or a mapping of leaves, but no name of a choice."""
        group, _, rest = key.partition(".")
        if rest == "name" and group in self._choices:
            return False
        return key in self._keys or any(each.startswith(f"{key}.") for each in self._keys)


def compose_many(
    base: Sequence[str], many: Sequence[Sequence[str]], *, data: Path | None = None
) -> tuple[Case, ...]:
    """Compose many cases that have a base in common.

    Parameters
    ----------
    base : sequence of str
        Overrides of all cases.
    many : sequence of sequence of str
        For each case, its overrides beside.
    data : Path, optional
        A folder with scenarios/, grids/ or profiles/ that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With all faults of all cases, each once.
    """
    factory = CaseFactory(base, data=data)
    faults = factory.wrong(many)
    cases: list[Case] = []
    for overrides in many:
        case, found = factory.compose(overrides)
        faults += found
        if case is not None:
            cases.append(case)
    if faults:
        raise ConfigurationError(list(dict.fromkeys(faults)))
    return tuple(cases)


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of the values of a tree."""
    keys: list[str] = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            keys += _leaves(value, f"{prefix}{key}.")
        else:
            keys.append(f"{prefix}{key}")
    return keys


def _is_plain(folders: Sequence[Path], choices: Mapping[str, Sequence[str]]) -> bool:
    """Whether no file of the trees refers to another one or to other keys."""
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            text = path.read_text(encoding="utf-8")
            if REFERENCE in text or PACKAGE in text:
                return False
            content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
            is_root = path.name == ROOT_FILE and path.parent == folder
            named = set(choices) if is_root else {"defaults"}
            if not isinstance(content, dict) or named & set(content):
                return False
    return True
