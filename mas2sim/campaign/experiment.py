"""An experiment: the question, what its cases share, the axes that are swept, and what is kept.

It comes from a file, experiments/NAME.yaml, and may be narrowed or widened on the command line. It
says what is to be run; which cases that gives, and in which order, is the plan's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.typical_day import Level
from mas2sim.scenario.axes import Axis, parse_axes
from mas2sim.scenario.folders import scenario_folders
from mas2sim.scenario.strict import Strict

FOLDER = "experiments"
LEVELS = "levels"
SEED = "seed"
RESERVED = {LEVELS: "`levels:` of the experiment", "ptu_minutes": "`base:` of the experiment"}
"""Keys that are no axis: all cases of a table have the same levels and the same PTU."""


class Series(StrEnum):
    """Which series of a case are kept beside its KPIs."""

    NONE = "none"
    EXTREMES = "extremes"
    """Duration curves and the day's extremes of each PTU."""
    ALL = "all"


class _Sample(Strict):
    cases: int = Field(ge=1, strict=True)
    seed: int = Field(ge=0, strict=True)


class _ExperimentFile(Strict):
    """What stands in the file."""

    question: str = Field(min_length=1)
    base: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    seeds: tuple[Annotated[int, Field(ge=0, strict=True)], ...] = ()
    levels: Annotated[tuple[Level, ...], Field(min_length=1)] = (Level.BASELINE, Level.UC1)
    series: Series = Series.EXTREMES
    sample: _Sample | None = None
    case_limit_s: float | None = Field(default=600.0, gt=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A stratified sample of all cases: every value of an axis equally often.

    Parameters
    ----------
    cases : int
    seed : int
        Decides which values come together.
    """

    cases: int
    seed: int


@dataclass(frozen=True, slots=True)
class Experiment:
    """A campaign in words.

    Parameters
    ----------
    name : str
    question : str
        What the campaign is to answer.
    base : tuple of str
        Overrides of all cases.
    axes : tuple of Axis
        Swept keys; seeds are one of them.
    exclude : tuple of tuple of Axis
        A case is left out where all conditions of one of these hold.
    levels : tuple of Level
    series : Series
    sample : Sample or None
        None: all combinations.
    case_limit_s : float or None
        A case that takes longer is given up, with that as its status. [s]
    """

    name: str
    question: str
    base: tuple[str, ...]
    axes: tuple[Axis, ...]
    exclude: tuple[tuple[Axis, ...], ...]
    levels: tuple[Level, ...]
    series: Series
    sample: Sample | None
    case_limit_s: float | None

    @property
    def definition(self) -> dict[str, Any]:
        """The experiment in plain values, axes written out."""
        return {
            "name": self.name,
            "question": self.question,
            "base": list(self.base),
            "axes": {axis.key: list(axis.texts) for axis in self.axes},
            "exclude": [
                {axis.key: list(axis.texts) for axis in conditions} for conditions in self.exclude
            ],
            "levels": [level.value for level in self.levels],
            "series": self.series.value,
            "sample": self.sample and {"cases": self.sample.cases, "seed": self.sample.seed},
            "case_limit_s": self.case_limit_s,
        }

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> Experiment:
        """The experiment that `definition` was made of."""
        sample = definition["sample"]
        return cls(
            name=definition["name"],
            question=definition["question"],
            base=tuple(definition["base"]),
            axes=_axes(definition["axes"]),
            exclude=tuple(_axes(conditions) for conditions in definition["exclude"]),
            levels=tuple(Level(level) for level in definition["levels"]),
            series=Series(definition["series"]),
            sample=None if sample is None else Sample(sample["cases"], sample["seed"]),
            case_limit_s=definition["case_limit_s"],
        )

    @property
    def shared(self) -> tuple[str, ...]:
        """Overrides of all cases, the levels among them."""
        return (*self.base, f"{LEVELS}=[{','.join(self.levels)}]")


def _axes(texts: Mapping[str, Sequence[str]]) -> tuple[Axis, ...]:
    return tuple(Axis(key, tuple(values)) for key, values in texts.items())


def read_experiment(
    name: str, overrides: Sequence[str] = (), *, data: Path | None = None
) -> Experiment:
    """Read an experiment and narrow or widen it.

    Parameters
    ----------
    name : str
        Of a file in experiments/, or the path of a file.
    overrides : sequence of str
        ``season=winter`` narrows an axis or fixes a key for all cases, ``seed=range(1,11)`` widens
        one or adds it, ``"levels=[baseline,uc1]"`` sets the levels.
    data : Path, optional
        A folder with experiments/ or scenarios/ that goes before the shipped ones.

    Raises
    ------
    ConfigurationError
        With every fault of the file and the overrides; values are validated with the cases.
    """
    path = _find(name, data)
    content, faults = _read(path)
    experiment = None
    if content is not None:
        experiment, found = _made(path, content, data)
        faults += found
    changed: list[Axis] = []
    for text in overrides:
        try:
            changed += parse_axes([text], data=data)
        except ConfigurationError as error:
            faults += error.faults
    if experiment is not None:
        for axis in changed:
            try:
                experiment = _changed(experiment, axis)
            except ConfigurationError as error:
                faults += error.faults
    if faults or experiment is None:
        raise ConfigurationError(faults)
    return experiment


def experiment_names(data: Path | None = None) -> tuple[str, ...]:
    """Names of the experiments that can be found."""
    return tuple(sorted({path.stem for folder in _folders(data) for path in folder.glob("*.yaml")}))


def _folders(data: Path | None) -> list[Path]:
    """Folders of experiments, the one that goes first first: they lie beside scenarios/."""
    beside = [folder.parent for folder in scenario_folders(data)]
    roots = [*([data] if data else []), Path.cwd(), *beside]
    return [root / FOLDER for root in dict.fromkeys(roots) if (root / FOLDER).is_dir()]


def _find(name: str, data: Path | None) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if path.is_file():
            return path
        raise ConfigurationError([Fault("experiment", name, "a file that exists")])
    for folder in _folders(data):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = ", ".join(experiment_names(data))
    raise ConfigurationError([Fault("experiment", name, f"a file, or one of {known}")])


def _read(path: Path) -> tuple[_ExperimentFile | None, list[Fault]]:
    where = f"{FOLDER}/{path.name}"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        return None, [Fault(where, " ".join(str(error).split()), "a YAML file")]
    if not isinstance(content, dict):
        return None, [Fault(where, "no mapping", "question, axes and the like")]
    try:
        return _ExperimentFile.model_validate(content), []
    except ValidationError as error:
        return None, [
            Fault(
                f"{where}: {'.'.join(map(str, each['loc']))}",
                "nothing" if each["type"] == "missing" else repr(each["input"]),
                each["msg"].removeprefix("Input should be "),
                f"one of {', '.join(_ExperimentFile.model_fields)}"
                if each["type"] == "extra_forbidden"
                else "",
            )
            for each in error.errors()
        ]


def _made(
    path: Path, content: _ExperimentFile, data: Path | None
) -> tuple[Experiment | None, list[Fault]]:
    """The experiment that a file describes, or all that is wrong with its axes."""
    where = f"{FOLDER}/{path.name}"
    seeds = [f"{SEED}={','.join(map(str, content.seeds))}"] if content.seeds else []
    faults: list[Fault] = []

    def read(texts: Sequence[str]) -> tuple[Axis, ...]:
        try:
            return parse_axes(texts, data=data)
        except ConfigurationError as error:
            faults.extend(replace(fault, where=f"{where}: {fault.where}") for fault in error.faults)
            return ()

    axes, base = read([*content.axes, *seeds]), read(content.base)
    exclude = tuple(read(text.split()) for text in content.exclude)
    swept = {axis.key for axis in axes}
    for axis in base:
        if axis.key in swept:
            faults.append(Fault(f"{where}: base", axis.key, "a key that is no axis"))
        elif len(axis.texts) > 1:
            faults.append(Fault(f"{where}: base", axis.key, "one value", "make it an axis"))
    faults += [
        Fault(f"{where}: exclude", "a line without a condition", "conditions, or no such line")
        for text in content.exclude
        if not text.split()
    ]
    faults += [
        Fault(f"{where}: exclude", condition.key, f"an axis: {', '.join(sorted(swept))}")
        for conditions in exclude
        for condition in conditions
        if condition.key not in swept
    ]
    faults += [
        Fault(f"{where}: {axis.key}", "set as one of the overrides", RESERVED[axis.key])
        for axis in (*axes, *base)
        if axis.key in RESERVED and not (axis.key != LEVELS and axis in base)
    ]
    if faults:
        return None, faults
    sample = content.sample
    return Experiment(
        name=path.stem,
        question=content.question,
        base=tuple(content.base),
        axes=axes,
        exclude=exclude,
        levels=tuple(level for level in Level if level in content.levels),
        series=content.series,
        sample=None if sample is None else Sample(sample.cases, sample.seed),
        case_limit_s=content.case_limit_s,
    ), []


def _changed(experiment: Experiment, axis: Axis) -> Experiment:
    """The experiment with one axis or value of all cases set anew."""
    if axis.key == LEVELS:
        return replace(experiment, levels=_levels(axis))
    swept = [each.key for each in experiment.axes]
    if axis.key in swept:
        axes = tuple(axis if each.key == axis.key else each for each in experiment.axes)
        return replace(experiment, axes=axes)
    base = tuple(text for text in experiment.base if text.partition("=")[0] != axis.key)
    if len(axis.texts) == 1:
        return replace(experiment, base=(*base, *axis.overrides))
    if axis.key in RESERVED:
        raise ConfigurationError([Fault(axis.key, "several values", "one value for all cases")])
    return replace(experiment, base=base, axes=(*experiment.axes, axis))


def _levels(axis: Axis) -> tuple[Level, ...]:
    names = [name.strip() for name in axis.texts[0].strip("[]").split(",")]
    known = {level.value for level in Level}
    if len(axis.texts) > 1 or not set(names) <= known:
        found = ", ".join(axis.texts)
        allowed = f"a list of {', '.join(Level)}, the same for all cases"
        raise ConfigurationError([Fault(LEVELS, found, allowed, '"levels=[baseline,uc1]"')])
    return tuple(level for level in Level if level.value in names)
