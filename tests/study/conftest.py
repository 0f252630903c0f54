"""Days and grids made by hand, for the studies of a grid."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
USERS = 4


@pytest.fixture(scope="session")
def small() -> ModuleType:
    path = Path(__file__).with_name("small_year.py")
    spec = importlib.util.spec_from_file_location("small_year", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose substation 1 has the first feeder alone, with twelve users."""
    data = tmp_path_factory.mktemp("data")
    shutil.copytree(ROOT / "grids", data / "grids")
    path = data / "grids" / "cardiff" / "substation_1.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    (feeder, *_) = recipe["feeders"]
    feeder["main"] = [
        {key: value if key == "cable" else USERS for key, value in section.items()}
        for section in feeder["main"]
    ]
    recipe["feeders"] = [feeder]
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return data
