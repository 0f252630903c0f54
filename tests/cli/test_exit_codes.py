"""What a command ends with is what the program ends with."""

import click
import pytest

from mas2sim.cli.commands import commands, main
from mas2sim.domain.errors import ConfigurationError, Fault


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch):
    """A command that ends as told."""

    def add(end: BaseException | None) -> None:
        @click.command()
        def trial() -> None:
            if end is not None:
                raise end

        monkeypatch.setitem(commands.commands, "trial", trial)

    return add


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (None, 0),
        (ConfigurationError([Fault("season", "'wimter'", "winter")]), 1),
        (click.UsageError("not like this"), 1),
        (FileNotFoundError(2, "not there", "a.json"), 1),
        (click.exceptions.Exit(2), 2),
        (click.exceptions.Exit(3), 3),
        (click.exceptions.Exit(130), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_program_ends_with_the_code_of_its_command(ending, end, code: int) -> None:
    ending(end)
    assert main(["trial"]) == code


def test_help_and_version_are_all_well() -> None:
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
