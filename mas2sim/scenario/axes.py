"""Swept keys and their values, read as Hydra reads a sweep.

A room beside `sweep`, which composes the cases: an axis is known before any case is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep
from hydra.errors import HydraException

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.scenario.folders import scenario_folders

REFERENCE = "${"
"""Begins what Hydra replaces by the value of another key."""
MOST_VALUES = 100_000
"""Values of one axis; a range beyond is a slip."""
VALUES_ALLOWED = "values, a range or a glob, e.g. season=winter,summer or seed=range(1,6)"


@dataclass(frozen=True, slots=True)
class Axis:
    """One key and the values that it takes.

    Parameters
    ----------
    key : str
        A group or a dotted key.
    texts : tuple of str
        The values as Hydra writes them, each once.
    """

    key: str
    texts: tuple[str, ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """One override for each value."""
        return tuple(f"{self.key}={text}" for text in self.texts)


def choices_of(folders: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """Choices of each group of the shipped tree, in any tree."""
    groups = sorted(entry.name for entry in folders[-1].iterdir() if entry.is_dir())
    return {
        group: tuple(
            sorted({each.stem for folder in folders for each in (folder / group).glob("*.yaml")})
        )
        for group in groups
    }


def parse_axes(texts: Sequence[str], *, data: Path | None = None) -> tuple[Axis, ...]:
    """Read axes as Hydra reads a sweep.

    Parameters
    ----------
    texts : sequence of str
        ``season=winter,summer``, ``seed=range(1,4)``, ``weather=glob(*)``, ``"levels=[a],[b]"``; a
        single value is an axis of one.
    data : Path, optional
        A folder with scenarios/ in it, whose choices a glob finds too.

    Raises
    ------
    ConfigurationError
        With every axis that cannot be read, is empty, or is there twice. Whether keys and values
        are right is for `CaseFactory` to say.
    """
    choices = choices_of(scenario_folders(data))
    axes: list[Axis] = []
    faults: list[Fault] = []
    for text in texts:
        try:
            axis = _axis(text, choices)
        except ConfigurationError as error:
            faults += error.faults
            continue
        if axis.key in {each.key for each in axes}:
            faults.append(Fault(f"axis {axis.key}", "there twice", "each axis once"))
        axes.append(axis)
    if faults:
        raise ConfigurationError(faults)
    return tuple(axes)


def _axis(text: str, choices: Mapping[str, Sequence[str]]) -> Axis:
    where = f"axis {text!r}"

    def refused(found: str, remedy: str = "") -> ConfigurationError:
        return ConfigurationError([Fault(where, found, VALUES_ALLOWED, remedy)])

    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise refused("no key=values", "quote lists and spaces") from error
    if override.is_delete() or override.is_add() or override.is_force_add():
        raise refused("a key added or removed", "drop the + or ~")
    texts = _texts(override, choices.get(override.key_or_group, ()))
    if isinstance(texts, str):
        raise refused(texts)
    doubled = sorted({each for each in texts if texts.count(each) > 1})
    if doubled:
        raise refused(f"{', '.join(doubled)} more than once", "each value once")
    return Axis(override.key_or_group, tuple(texts))


def _texts(override: Override, choices: Sequence[str]) -> list[str] | str:
    """Values of an axis as Hydra writes them, or what is wrong with them."""
    if not override.is_sweep_override():
        text = override.input_line.split("=", 1)[1] if override.input_line else ""
        return "a reference to another key" if REFERENCE in text else [text]
    sweep = override.value()
    if isinstance(sweep, Glob):
        return list(sweep.filter(list(choices))) or "a glob that finds no choice"
    if not isinstance(sweep, ChoiceSweep | RangeSweep):
        return "an interval, which has no values to take in turn"
    if sweep.shuffle:
        return "values in an order left to chance"
    if isinstance(sweep, RangeSweep) and _too_long(sweep):
        return f"more than {MOST_VALUES:,} values"
    if isinstance(sweep, ChoiceSweep) and REFERENCE in str(sweep.list):
        return "a reference to another key"
    return [str(each) for each in override.sweep_string_iterator()] or "no value"


def _too_long(sweep: RangeSweep) -> bool:
    if sweep.start is None or sweep.stop is None or not sweep.step:
        return True
    return abs(sweep.stop - sweep.start) > MOST_VALUES * abs(sweep.step)
