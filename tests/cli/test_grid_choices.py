"""What the commands offer as choices, which they spell out so that help comes at once."""

from mas2sim.cli import grid
from mas2sim.study.hosting_question import LEVELS, Criterion, Technology
from mas2sim.study.linkboxes import DAY_CHOICES


def test_choices_are_those_of_the_studies() -> None:
    assert tuple(map(str, Technology)) == grid.TECHNOLOGIES
    assert tuple(map(str, Criterion)) == grid.CRITERIA
    assert tuple(map(str, LEVELS)) == grid.ALL_LEVELS
    assert tuple(DAY_CHOICES) == grid.DAYS
