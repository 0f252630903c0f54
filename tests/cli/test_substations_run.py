"""`mas2sim run substation=all` and `mas2sim report` on what it leaves, on two small substations."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mas2sim.cli import main

GRIDS = Path(__file__).parents[2] / "grids" / "cardiff"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    grid = folder / "grids" / "cardiff"
    grid.mkdir(parents=True)
    for name in ("cables.csv", "transformers.csv"):
        shutil.copy(GRIDS / name, grid)
    recipe = yaml.safe_load((GRIDS / "substation_2.yaml").read_text())
    feeder = recipe["feeders"][0]
    feeder["main"] = [{"cable": "main_95_al", "users": 10}]
    for number in (1, 2):
        recipe |= {"name": f"cardiff_{number}", "feeders": [feeder], "commercial": [4]}
        (grid / f"substation_{number}.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def result(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "all"
    assert main(["run", "substation=all", "--data", str(data), "--out", str(folder)]) == 0
    return folder


def test_a_run_stores_every_substation(result: Path) -> None:
    kpi = pd.read_parquet(result / "kpi.parquet")
    assert list(kpi["substation"]) == [1, 1, 2, 2]
    assert list(kpi["status"]) == ["ok"] * 4
    homes = pd.read_parquet(result / "homes.parquet")
    assert homes.groupby("substation")["home"].nunique().to_dict() == {1: 9, 2: 9}


def test_the_page_of_all_leads_to_each_and_needs_no_network(result: Path) -> None:
    page = result / "report" / "index.html"
    text = page.read_text()
    links = re.findall(r'href="([^"]+)"', text)
    assert len(links) == 2
    for link in links:
        assert (page.parent / link).resolve().is_file()
    assert not re.search(r"https?://", text)
    kpi = pd.read_parquet(result / "kpi.parquet")
    for peak_kw in kpi["peak_import_kw"]:
        assert f"<td>{peak_kw:,.2f}</td>" in text
    assert "2 substations with 18 homes" in text


def test_reports_are_made_again_for_all_and_for_each(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = sorted(result.rglob("index.html"))
    before = [page.read_bytes() for page in pages]
    assert len(pages) == 3
    for page in pages:
        page.unlink()
    assert main(["report", str(result)]) == 0
    assert [page.read_bytes() for page in pages] == before
    assert str(result / "report" / "index.html") in capsys.readouterr().out


def test_a_home_is_asked_of_one_substation(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(result), "--home", "h001"]) == 1
    assert "substation_1 --home h001" in capsys.readouterr().err
    assert main(["report", str(result / "substation_1"), "--home", "h001"]) == 0
