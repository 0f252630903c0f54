"""Experiments: those shipped are right, files and overrides at fault are told whole."""

from pathlib import Path

import pytest

from mas2sim.campaign import Experiment, experiment_names, make_plan, read_experiment
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import Level
from mas2sim.scenario.axes import Axis

from .samples import written

CASES = {
    "cardiff_table14": 9720,
    "cardiff_sample": 60,
    "seasons": 45,
    "penetration": 40,
    "flexibility": 50,
    "communities": 60,
    "tie_rules": 60,
    "transformer_limit": 90,
}


def faults(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_experiment(str(path), overrides)
    return str(caught.value)


def test_the_shipped_experiments_are_these() -> None:
    assert set(experiment_names()) == set(CASES)


def test_a_shipped_experiment_can_be_planned() -> None:
    plan = make_plan(read_experiment("transformer_limit"))
    assert len(plan.cases) == CASES["transformer_limit"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_shipped_experiment_can_be_planned(name: str) -> None:
    plan = make_plan(read_experiment(name))
    assert len(plan.cases) == CASES[name]


def test_an_axis_is_narrowed_widened_added_and_fixed(tmp_path: Path) -> None:
    experiment = read_experiment(
        str(written(tmp_path)),
        ["season=winter", "seed=range(1,41)", "day=glob(s*)", "ties=earliest", "levels=[uc1]"],
    )
    assert experiment.axes == (
        Axis("season", ("winter",)),
        Axis("communities", ("1", "3")),
        Axis("seed", tuple(map(str, range(1, 41)))),
        Axis("day", ("saturday", "sunday")),
    )
    assert experiment.shared == ("ties=earliest", "levels=[uc1]")
    assert experiment.levels == (Level.UC1,)


def test_its_definition_says_all_of_it(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        exclude="exclude: ['season=winter communities=1']\n",
        sample="sample: {cases: 7, seed: 2}\n",
        base="base: [ties=earliest]\n",
    )
    experiment = read_experiment(str(path))
    assert Experiment.from_definition(experiment.definition) == experiment


def test_all_faults_of_a_file_are_told(tmp_path: Path) -> None:
    said = faults(
        written(
            tmp_path,
            levels="levels: [uc9]\n",
            series="series: some\n",
            cases="cases: 3\n",
            sample="sample: {cases: 0, seed: 1}\n",
        )
    )
    for place in ("levels.0", "series", "small.yaml: cases", "sample.cases"):
        assert place in said


def test_all_faults_of_axes_are_told(tmp_path: Path) -> None:
    said = faults(
        written(
            tmp_path,
            axes="axes: ['season=winter,winter', 'seed=1,2', 'levels=[uc1],[uc2]']\n",
            base="base: ['ties=random,earliest', seed=3]\n",
            exclude="exclude: ['weather=sunny']\n",
        ),
        "day=shuffle(saturday,sunday)",
    )
    for found in ("winter more than once", "left to chance"):
        assert found in said
    said = faults(
        written(
            tmp_path,
            axes="axes: ['seed=1,2', 'levels=[uc1],[uc2]']\n",
            base="base: ['ties=random,earliest', seed=3]\n",
            exclude="exclude: ['weather=sunny', ' ']\n",
        )
    )
    for found in (
        "base: found ties",
        "base: found seed",
        "exclude: found weather",
        "without a condition",
        "levels",
    ):
        assert found in said


def test_an_unknown_experiment_comes_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="cardiff_sample"):
        read_experiment("cardif_sample")


def test_an_experiment_of_ones_own_goes_first(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "scenarios" / "season").mkdir(parents=True)
    path = tmp_path / "experiments" / "seasons.yaml"
    path.write_text("question: Mine?\naxes: ['season=winter,summer']\n")
    assert read_experiment("seasons", data=tmp_path).question == "Mine?"
