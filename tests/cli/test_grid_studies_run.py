"""Studies of a grid from the command line: they leave their files, and are not run again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mas2sim.cli.grid import grid
from mas2sim.domain.errors import ConfigurationError

HOSTING = ("hosting", "--draws", "1", "--penetrations", "2", "--level", "baseline")
HOURLY = "ptu_minutes=60"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(grid, list(arguments))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "provenance.json"
    }


@pytest.mark.slow
def test_a_study_leaves_its_files_and_is_printed_again(tmp_path: Path) -> None:
    first = run(*HOSTING, HOURLY, "--out", str(tmp_path / "one"))
    assert first.exit_code == 0, first.output
    assert {"risk.csv", "tables.xlsx", "study.json", "map.geojson", "report/index.html"} <= set(
        digests(tmp_path / "one")
    )
    assert "hosted at 5 % risk, baseline" in first.output
    again = run(*HOSTING, HOURLY, "--out", str(tmp_path / "one"))
    assert again.exit_code == 0
    assert "was there already" in again.output
    other = run(*HOSTING, HOURLY, "--out", str(tmp_path / "other"))
    assert other.exit_code == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "other")


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("losses", "--eur-per-kwh", "nan"), "loss_eur_per_kwh"),
        (("losses", "--eur-per-kwh", "-1"), "loss_eur_per_kwh"),
        (("congestion", "substation=all"), "substation"),
        (("congestion", "season=winter"), "override season=winter"),
        (("hosting", "--most-percent", "120"), "most_percent"),
        (("linkboxes", "--least-hours", "inf"), "least_hours"),
        (("linkboxes", "--tie", "nowhere"), "tie"),
    ],
)
def test_what_cannot_be_is_named_before_anything_runs(
    tmp_path: Path, arguments: tuple[str, ...], where: str
) -> None:
    result = run(*arguments, "--out", str(tmp_path / "study"))
    assert isinstance(result.exception, ConfigurationError)
    assert [fault.where for fault in result.exception.faults] == [where]
