from pathlib import Path

import pytest

from mas2sim.grid import Substation, build_cardiff

GRIDS = Path(__file__).parents[2] / "grids" / "cardiff"


@pytest.fixture(scope="session")
def cardiff_files() -> Path:
    return GRIDS


@pytest.fixture(scope="session")
def cardiff() -> Substation:
    return build_cardiff(GRIDS, 1)
