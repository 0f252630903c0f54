"""Hydra's tree of scenarios, composed once, with all faults of the overrides found together.

Hydra stops at the first fault. So names and keys are checked against the tree before it composes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mas2sim.domain.errors import ConfigurationError, Fault

ROOT = "case"


def compose_tree(
    folders: Sequence[Path], overrides: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any], list[Fault]]:
    """Compose the configuration of one case.

    Parameters
    ----------
    folders : sequence of Path
        The trees (scenarios/); what stands in several is taken from the first.
    overrides : sequence of str
        In Hydra's grammar: ``season=winter``, ``grid.tap_pos=1``, ``"levels=[baseline,uc1]"``.

    Returns
    -------
    configuration : dict
        Composed from the overrides that are right.
    defaults : dict
        The same without the values that were overridden.
    faults : list of Fault
        What is wrong with the others.
    """
    faults = _file_faults(folders[:-1])
    if faults:
        raise ConfigurationError(faults)
    groups = _groups(folders)
    chosen: list[str] = []
    values: list[tuple[str, Override]] = []
    for text in overrides:
        override, fault = _parse(text)
        if override is None:
            faults.append(fault or Fault(text, "nothing", "key=value"))
        elif override.key_or_group in groups:
            fault = _choice_fault(override, groups[override.key_or_group])
            if fault:
                faults.append(fault)
            else:
                chosen.append(text)
        else:
            values.append((text, override))

    defaults = _compose(folders, chosen)
    names = {f"{group}.name" for group in groups}
    keys = [key for key in dict.fromkeys([*groups, *_leaves(defaults)]) if key not in names]
    for text, override in values:
        if override.key_or_group in keys and override.key_or_group not in groups:
            chosen.append(text)
        else:
            faults.append(_key_fault(override.key_or_group, keys))
    try:
        return _compose(folders, chosen), defaults, faults
    except (HydraException, OmegaConfBaseException) as error:
        faults.append(Fault("overrides", " ".join(chosen), "values that fit", str(error)))
        raise ConfigurationError(faults) from error


def group_choice(folders: Sequence[Path], group: str, name: str) -> dict[str, Any] | None:
    """Content of one choice of a group, as written; None if there is no such choice."""
    for folder in folders:
        path = folder / group / f"{name}.yaml"
        if path.is_file():
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            return content if isinstance(content, dict) else None
    return None


def _file_faults(folders: Sequence[Path]) -> list[Fault]:
    """Files of one's own trees that are no YAML."""
    faults = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.yaml")):
        try:
            yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            problem = " ".join(str(error).split())
            faults.append(Fault(str(path), problem, "a YAML file, like those shipped"))
    return faults


def _groups(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Choices of each group of the shipped tree, in any tree."""
    return {
        group.name: sorted(
            {choice.stem for folder in folders for choice in (folder / group.name).glob("*.yaml")}
        )
        for group in sorted(folders[-1].iterdir())
        if group.is_dir()
    }


def _compose(folders: Sequence[Path], overrides: Sequence[str]) -> dict[str, Any]:
    with (
        _overlaid(folders) as tree,
        initialize_config_dir(config_dir=str(tree), version_base="1.3"),
    ):
        composed = OmegaConf.to_container(compose(ROOT, list(overrides)), resolve=True)
    if not isinstance(composed, dict):
        raise ConfigurationError([Fault(f"{ROOT}.yaml", "no mapping", "keys with values")])
    return {str(key): value for key, value in composed.items()}


@contextmanager
def _overlaid(folders: Sequence[Path]) -> Iterator[Path]:
    """One tree in which the first folder's files lie over the later ones'.

    Hydra's own search path cannot put a folder before the one that holds the root file.
    """
    if len(folders) == 1:
        yield folders[0]
        return
    with TemporaryDirectory() as tree:
        for folder in reversed(folders):
            shutil.copytree(folder, tree, dirs_exist_ok=True)
        yield Path(tree)


def _parse(text: str) -> tuple[Override | None, Fault | None]:
    """One override, or what is wrong with its form."""
    one = "one value for one key, e.g. season=winter"
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException:
        return None, Fault(f"override {text!r}", "no key=value", one, "quote lists and spaces")
    if override.is_sweep_override():
        return None, Fault(f"override {text!r}", "several values", one, "one run for each value")
    if override.is_delete() or override.is_add() or override.is_force_add():
        return None, Fault(f"override {text!r}", "a key added or removed", one, "drop the + or ~")
    return override, None


def _choice_fault(override: Override, choices: Sequence[str]) -> Fault | None:
    group = override.key_or_group
    value = str(override.value())
    if value in choices:
        return None
    return Fault(group, value, ", ".join(choices), _closest(group, value, choices))


def _key_fault(key: str, keys: Sequence[str]) -> Fault:
    close = get_close_matches(key, keys, n=3, cutoff=0.5)
    return Fault(
        f"override {key}",
        "no such key",
        "a group or key of scenarios/: " + ", ".join(key for key in keys if "." not in key),
        " or ".join(close) if close else "mas2sim run --help",
    )


def _closest(group: str, value: str, choices: Sequence[str]) -> str:
    close = get_close_matches(value, choices, n=1, cutoff=0.5)
    return f"{group}={close[0]}" if close else ""


def _leaves(configuration: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys of everything that can be set."""
    keys: list[str] = []
    for key, value in configuration.items():
        keys.append(prefix + key)
        if isinstance(value, dict):
            keys += _leaves({str(k): v for k, v in value.items()}, f"{prefix}{key}.")
    return keys
