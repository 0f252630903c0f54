"""The plan of a campaign: every case, in the order in which they share most, cut into shards.

The plan is a value that anyone can make again from the experiment: its hash names the campaign's
folder and covers the experiment, the scenarios' files and the code. All cases are validated here,
before the first of them runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise, product
from pathlib import Path
from typing import Any

from mas2sim.campaign.experiment import Experiment
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.randomness import stream
from mas2sim.results.case_identity import case_id, digest
from mas2sim.results.provenance import package_versions
from mas2sim.scenario.axes import Axis
from mas2sim.scenario.code_version import code_version
from mas2sim.scenario.folders import data_folder, scenario_folders
from mas2sim.scenario.sweep import CaseFactory

OUTER = ("grid", "population", "substation", "seed")
"""Axes that change the homes themselves: the slowest."""
INNER = ("season", "day", "smart", "weather", "flexibility", "tariff", "ties")
"""Axes of which one changes the homes' day or plans less than the one before it."""
LATE = ("power_flow", "market", "communities")
"""Axes, keys below them included, on which neither homes nor their own plans (UC1) depend."""
LATE_KEYS = ("grid.transformer", "grid.voltage", "grid.unbalance", "grid.hv_vm_pu", "grid.tap_pos")

LEAST_CASES, TARGET_CASES = 5, 36
"""Cases of a shard: the least for small campaigns, and the aim; no shard has twice as many."""
SHARDS_AT_LEAST = 20
"""Shards that even a small campaign is cut into, so that several workers end at about one time."""

CASE_S, LEVEL_S = 0.12, 0.06
"""What a case takes by itself and for each level, for a substation of about 200 homes [CPU-s];
measured on one machine, an indication for `--dry-run` and no more."""
ROW_BYTES = 2_000
"""Of one level of one case on disk, in its shard and in the whole table; measured."""
SERIES_BYTES = {"none": 0, "extremes": 1_000, "all": 700_000}
"""Of the series of one level of one case on disk; measured, with 184 homes."""
ALL_SUBSTATIONS = Fault(
    "substation", "all", "the numbers of substations; each is a case of its own", "substation=1,2,3"
)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One case of a campaign.

    Parameters
    ----------
    number : int
        Place in the plan.
    case : str
        Its name in tables.
    overrides : tuple of str
        What makes it this case, beside what all share.
    columns : mapping
        Values of its axes in tables: those of any case, and those that are swept beside.
    """

    number: int
    case: str
    overrides: tuple[str, ...]
    columns: Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Shard:
    """Cases that are run, stored and resumed together: those from `start` to before `stop`."""

    number: int
    start: int
    stop: int

    @property
    def cases(self) -> int:
        """How many there are."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """All cases of a campaign.

    Parameters
    ----------
    experiment : Experiment
    cases : tuple of PlannedCase
    shards : tuple of Shard
    code_version : str
        Digest of code, data and scenarios.
    files : mapping of str to str
        Digests of one's own data files, by path.
    data : str or None
        Folder that went before the shipped ones.
    versions : mapping of str to (str or None)
        Of the libraries that can change a figure, where the plan was made.
    """

    experiment: Experiment
    cases: tuple[PlannedCase, ...]
    shards: tuple[Shard, ...]
    code_version: str
    files: Mapping[str, str]
    data: str | None
    versions: Mapping[str, str | None] = field(default_factory=package_versions)

    @property
    def plan_hash(self) -> str:
        """Name of the plan: another one for anything that could change a figure."""
        return plan_hash(self.experiment, self.code_version, self.files)

    @property
    def content(self) -> dict[str, Any]:
        """The plan in plain values."""
        return {
            "plan_hash": self.plan_hash,
            "experiment": self.experiment.definition,
            "code_version": self.code_version,
            "files": dict(self.files),
            "data": self.data,
            "versions": dict(self.versions),
            "cases": [
                {"case": each.case, "overrides": list(each.overrides), "columns": each.columns}
                for each in self.cases
            ],
            "shards": [[each.start, each.stop] for each in self.shards],
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> CampaignPlan:
        """The plan that `content` was made of."""
        return cls(
            experiment=Experiment.from_definition(content["experiment"]),
            cases=tuple(
                PlannedCase(number, each["case"], tuple(each["overrides"]), each["columns"])
                for number, each in enumerate(content["cases"])
            ),
            shards=tuple(
                Shard(number, start, stop)
                for number, (start, stop) in enumerate(content["shards"], start=1)
            ),
            code_version=content["code_version"],
            files=content["files"],
            data=content["data"],
            versions=content.get("versions", {}),
        )

    def cpu_s(self) -> float:
        """About how long all cases take on one core. [CPU-s]"""
        return len(self.cases) * (CASE_S + LEVEL_S * len(self.experiment.levels))

    def disk_bytes(self) -> int:
        """About how much all results take on disk."""
        rows = len(self.cases) * len(self.experiment.levels)
        return rows * (ROW_BYTES + SERIES_BYTES[self.experiment.series])


def plan_hash(experiment: Experiment, version: str, files: Mapping[str, str]) -> str:
    """Name a plan by all that decides its figures."""
    return digest(
        {"experiment": experiment.definition, "code_version": version, "files": dict(files)}
    )


def campaign_version(data: Path | None) -> str:
    """Digest of the code, the data folders and the scenarios."""
    folders = [data_folder("grids", data), data_folder("profiles", data)]
    return code_version([*folders, *scenario_folders(data)])


def changed_since(plan: CampaignPlan) -> list[str]:
    """What is not here as it was when a plan was made, in words; nothing if it can be run here."""
    data = None if plan.data is None else Path(plan.data)
    changed = [path for path, held in plan.files.items() if _file_digest(Path(path)) != held]
    if campaign_version(data) != plan.code_version:
        changed.insert(0, "the code, or a file of scenarios/, grids/ or profiles/")
    now = package_versions()
    changed += [
        f"{name} was {version}, is {now.get(name)}"
        for name, version in plan.versions.items()
        if now.get(name) != version
    ]
    return changed


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def make_plan(experiment: Experiment, *, data: Path | None = None) -> CampaignPlan:
    """Write out all cases of an experiment, validate them, and put them in order.

    Raises
    ------
    ConfigurationError
        With all faults of all cases, each once.
    """
    factory = CaseFactory(experiment.shared, data=data)
    many = _combinations(experiment)
    faults = factory.wrong([axis.overrides for axis in experiment.axes])
    if not many:
        faults.append(Fault(experiment.name, "no case", "axes and exclusions that leave some"))
    extra = _columns(experiment.axes, factory)
    cases: list[PlannedCase] = []
    for overrides in many:
        case, found = factory.compose(overrides)
        faults += found
        if case is None:
            continue
        if case.configuration.substation == "all":
            faults.append(ALL_SUBSTATIONS)
            continue
        own = case.axes
        swept = {
            key: column[text]
            for text in overrides
            if (key := text.partition("=")[0]) not in own and (column := extra.get(key))
        }
        groups = {key: value for key, value in swept.items() if "." not in key}
        name = case_id({**own, **{key: str(value) for key, value in groups.items()}})
        cases.append(PlannedCase(len(cases), name, overrides, {**own, **swept}))
    faults += _doubled(cases)
    if faults:
        raise ConfigurationError(list(dict.fromkeys(faults)))
    return CampaignPlan(
        experiment=experiment,
        cases=tuple(cases),
        shards=_shards(cases),
        code_version=campaign_version(data),
        files=factory.files,
        data=None if data is None else str(data.resolve()),
    )


def _columns(axes: Sequence[Axis], factory: CaseFactory) -> dict[str, dict[str, str | int | float]]:
    """For each axis, its values by override, as they stand in tables: all numbers or all words."""
    columns: dict[str, dict[str, str | int | float]] = {}
    for axis in axes:
        values = [factory.value(text) for text in axis.overrides]
        numbers = [each for each in values if isinstance(each, int | float)]
        if len(numbers) == len(values) and not any(isinstance(each, bool) for each in values):
            columns[axis.key] = dict(zip(axis.overrides, numbers, strict=True))
        else:
            words = [
                each if isinstance(each, str) else text
                for each, text in zip(values, axis.texts, strict=True)
            ]
            columns[axis.key] = dict(zip(axis.overrides, words, strict=True))
    return columns


def _rank(axis: Axis) -> tuple[int, int]:
    """Place of an axis: what changes most about the homes is the slowest."""
    if axis.key in OUTER:
        return 0, OUTER.index(axis.key)
    if axis.key in INNER:
        return 2, INNER.index(axis.key)
    if _is_late(axis.key):
        return 3, LATE.index(axis.key.partition(".")[0]) if not axis.key.startswith("grid.") else 0
    return 1, 0


def _is_late(key: str) -> bool:
    return key.partition(".")[0] in LATE or key.startswith(LATE_KEYS)


def _combinations(experiment: Experiment) -> list[tuple[str, ...]]:
    """Overrides of every case, in the order in which they are run."""
    axes = sorted(experiment.axes, key=_rank)
    excluded = [_condition(each) for each in experiment.exclude]
    places: Iterable[tuple[int, ...]] = product(*(range(len(axis.texts)) for axis in axes))
    if experiment.sample is not None:
        sample = experiment.sample
        places = _sample(axes, excluded, sample.cases, sample.seed)
    named = [axis.overrides for axis in axes]
    found = []
    for place in places:
        overrides = tuple(texts[index] for texts, index in zip(named, place, strict=True))
        if not _left_out(overrides, excluded):
            found.append(overrides)
    return found


def _condition(conditions: Sequence[Axis]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(axis.overrides) for axis in conditions)


def _left_out(overrides: Sequence[str], excluded: Sequence[Sequence[frozenset[str]]]) -> bool:
    """Whether all conditions of one exclusion hold."""
    return any(
        all(any(text in wanted for text in overrides) for wanted in conditions)
        for conditions in excluded
    )


def _sample(
    axes: Sequence[Axis], excluded: Sequence[Sequence[frozenset[str]]], cases: int, seed: int
) -> list[tuple[int, ...]]:
    """Draw cases in which the values of each axis are equally often, as far as they divide.

    A case that is there already or left out swaps one of its values with another case, which keeps
    the shares as they are.
    """
    everything = 1
    for axis in axes:
        everything *= len(axis.texts)
    if cases >= everything:
        return list(product(*(range(len(axis.texts)) for axis in axes)))
    columns = []
    for axis in axes:
        drawn = stream(seed, "sample", axis.key).permutation(cases)
        columns.append([int(place) % len(axis.texts) for place in drawn])
    rows = [list(row) for row in zip(*columns, strict=True)]
    generator = stream(seed, "sample", "swaps")

    def wrong(number: int) -> bool:
        row = rows[number]
        named = [axis.overrides[index] for axis, index in zip(axes, row, strict=True)]
        return rows.index(row) != number or _left_out(named, excluded)

    for _ in range(SWAPS * cases):
        number = next((number for number in range(cases) if wrong(number)), None)
        if number is None:
            break
        other, column = int(generator.integers(cases)), int(generator.integers(len(axes)))
        first, second = rows[number], rows[other]
        first[column], second[column] = second[column], first[column]
    return sorted({tuple(row) for row in rows})


SWAPS = 50
"""Swaps per case before a sample is taken as it is, without what is left out or there twice."""


def _doubled(cases: Sequence[PlannedCase]) -> list[Fault]:
    """Cases that are one and the same under two names."""
    seen: dict[str, PlannedCase] = {}
    faults = []
    for each in cases:
        first = seen.setdefault(each.case, each)
        if first is not each:
            same = f"{' '.join(first.overrides)} and {' '.join(each.overrides)}"
            faults.append(Fault("axes", f"the same case: {same}", "each case once"))
    return faults


def _shards(cases: Sequence[PlannedCase]) -> tuple[Shard, ...]:
    """Cut the plan, where it can be between cases that have no homes in common."""
    aim = min(max(len(cases) // SHARDS_AT_LEAST, LEAST_CASES), TARGET_CASES)
    cuts = [0]
    place = 0
    for _, group in groupby(cases, key=_homes):
        size = len(list(group))
        if place > cuts[-1] and place + size - cuts[-1] >= 2 * aim:
            cuts.append(place)
        place += size
        while place - cuts[-1] >= 2 * aim:
            cuts.append(cuts[-1] + aim)
        if place - cuts[-1] >= aim:
            cuts.append(place)
    if cuts[-1] < len(cases):
        cuts.append(len(cases))
    return tuple(
        Shard(number, start, stop) for number, (start, stop) in enumerate(pairwise(cuts), start=1)
    )


def _homes(case: PlannedCase) -> tuple[str, ...]:
    """What decides the homes of a case."""
    return tuple(text for text in case.overrides if not _is_late(text.partition("=")[0]))
