"""`sweep`, `status` and `resume` as typed."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mas2sim.campaign import LocalEngine
from mas2sim.cli import sweep as commands
from mas2sim.domain.errors import ConfigurationError, StoreError

from .samples import cheap_engine, written


@click.group()
def program() -> None:
    """Commands of campaigns alone."""


for each in (commands.sweep, commands.status, commands.resume):
    program.add_command(each)


def typed(*arguments: str | Path) -> Result:
    return CliRunner().invoke(program, [str(argument) for argument in arguments])


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Engines whose cases take no time; faults that are put in come to pass."""
    faults: dict[str, str] = {}

    def engine(_name: str, workers: int, _scheduler: str | None) -> LocalEngine:
        return cheap_engine(workers, **faults)

    monkeypatch.setattr(commands, "_engine", engine)
    return faults


def test_a_dry_run_says_what_would_be_run(tmp_path: Path) -> None:
    named = ("--out", tmp_path / "named")
    done = typed("sweep", written(tmp_path), "--dry-run", "--workers", "2", "seed=1,2", *named)
    assert done.exit_code == 0
    assert "8 cases at levels baseline, uc1" in done.output
    assert "with 2 workers" in done.output
    assert "MB on disk" in done.output
    assert f"folder {tmp_path / 'named'}" in done.output
    assert not (tmp_path / "named").exists()


def test_faults_are_told_before_anything_runs(tmp_path: Path) -> None:
    done = typed(
        "sweep", written(tmp_path), "season=wintr,summer", "seed=-1", "--out", tmp_path / "c"
    )
    assert isinstance(done.exception, ConfigurationError)
    assert len(done.exception.faults) == 2
    assert not (tmp_path / "c").exists()


def test_a_sweep_goes_to_its_end_and_is_kept(cheap: dict[str, str], tmp_path: Path) -> None:
    arguments = ("sweep", written(tmp_path), "seed=1,2", "--out", tmp_path / "c", "--workers", "1")
    arguments = (*arguments, "--no-report")
    done = typed(*arguments)
    assert done.exit_code == 0, done.output
    assert "8 cases: 8 ok" in done.output
    assert "2 of 2 shards, 8 of 8 cases" in done.stderr
    before = (tmp_path / "c" / "kpi.parquet").stat().st_mtime_ns
    assert typed(*arguments).exit_code == 0
    assert (tmp_path / "c" / "kpi.parquet").stat().st_mtime_ns == before
    assert "finished" in typed("status", tmp_path / "c").output
    other = typed("sweep", written(tmp_path), "seed=1,3", "--out", tmp_path / "c")
    assert isinstance(other.exception, StoreError)


def test_failed_cases_are_told_and_are_the_exit_code(cheap: dict[str, str], tmp_path: Path) -> None:
    cheap["n3"] = "raise"
    arguments = ("sweep", written(tmp_path), "seed=1", "--out", tmp_path / "c", "--workers", "1")
    done = typed(*arguments, "--no-report")
    assert done.exit_code == 2
    assert "3 ok, 1 error" in done.output
    assert "1 of 1 shards, 4 of 4 cases, 1 not ok" in done.stderr
    assert "ValueError: told to" in done.output
    assert f"mas2sim resume {tmp_path / 'c'} --again" in done.output
    del cheap["n3"]
    assert typed("resume", tmp_path / "c", "--no-report").exit_code == 2
    assert typed("resume", tmp_path / "c", "--again", "--no-report").exit_code == 0


@pytest.mark.slow
def test_an_engine_that_fails_is_exit_code_3_and_can_be_resumed(
    cheap: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(commands, "_engine", lambda *_: LocalEngine(1, program=("false",)))
        done = typed("sweep", written(tmp_path), "seed=1", "--out", tmp_path / "c")
    assert done.exit_code == 3
    assert "mas2sim resume" in done.output
    assert "not running" in typed("status", tmp_path / "c").output
    assert typed("resume", tmp_path / "c", "--workers", "1").exit_code == 0


def test_an_interruption_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Interrupted:
        def run(self, work: object, watch: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_engine", lambda *_: Interrupted())
    done = typed("sweep", written(tmp_path), "seed=1", "--out", tmp_path / "c")
    assert done.exit_code == 130
    assert "mas2sim resume" in done.output
