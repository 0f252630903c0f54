import shutil
from pathlib import Path

import pytest
import yaml

from mas2sim.domain.errors import GridError
from mas2sim.grid.recipe import read_kit


@pytest.fixture
def folder(cardiff_files: Path, tmp_path: Path) -> Path:
    shutil.copytree(cardiff_files, tmp_path / "grid")
    return tmp_path / "grid"


def change(folder: Path, **changes: object) -> None:
    path = folder / "substation_1.yaml"
    recipe = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(recipe | changes))


def faults(folder: Path, substation: int = 1) -> list[str]:
    with pytest.raises(GridError) as caught:
        read_kit(folder, substation)
    return [str(fault) for fault in caught.value.faults]


def test_shipped_recipe_is_the_reference_substation(cardiff_files: Path) -> None:
    kit = read_kit(cardiff_files, 1)
    assert kit.transformer.sn_kva == 500
    assert [feeder.users for feeder in kit.recipe.feeders] == [46] * 4


def test_service_neutral_is_as_good_a_conductor_as_the_phase(cardiff_files: Path) -> None:
    """R0 = R1 + 3 Rn with Rn = R1, so a phase and its neutral in a loop have twice R1."""
    services = [c for n, c in read_kit(cardiff_files, 1).cables.items() if n.startswith("service")]
    assert len(services) == 3
    for cable in services:
        loop = (2 * cable.r1_ohm_per_km + cable.r0_ohm_per_km) / 3
        assert loop == pytest.approx(2 * cable.r1_ohm_per_km)


def test_every_figure_has_a_provenance(cardiff_files: Path) -> None:
    kit = read_kit(cardiff_files, 1)
    for record in (*kit.cables.values(), kit.transformer):
        assert any(mark in record.provenance for mark in ("[R]", "[C]", "[A]"))


def test_unknown_substation_names_those_there_are(folder: Path) -> None:
    (fault,) = faults(folder, 7)
    assert "found 7" in fault
    assert "one of: 1" in fault


def test_faults_of_all_three_files_come_together(folder: Path) -> None:
    change(folder, main_m_per_user=-1, phases=["a", "d"])
    cables = folder / "cables.csv"
    cables.write_text(cables.read_text().replace("main_70,0.446", "main_70,soft"))
    units = folder / "transformers.csv"
    units.write_text(units.read_text().replace("Dyn11", "Dyn10", 1))
    found = faults(folder)
    assert len(found) == 4
    for part in ("main_m_per_user", "phases.1", "cables.csv, line 6, r1", "transformers.csv"):
        assert any(part in fault for fault in found), part


def test_names_that_lead_nowhere_come_together(folder: Path) -> None:
    recipe = yaml.safe_load((folder / "substation_1.yaml").read_text())
    feeders = recipe["feeders"]
    feeders[0]["main"][1]["cable"] = "string"
    feeders[1]["name"] = "north"
    feeders[2]["street"][2]["length_m"] = 1
    change(folder, feeders=feeders, transformer="uk_501")
    found = faults(folder)
    assert len(found) == 4
    for part in ("uk_501", "string", "'north' again", "a street of 451 m"):
        assert any(part in fault for fault in found), part


def test_a_misspelt_key_and_broken_yaml_are_faults(folder: Path) -> None:
    change(folder, transformer_type="uk_500")
    assert "transformer_type" in faults(folder)[0]
    (folder / "substation_1.yaml").write_text("name: [")
    assert "allowed: YAML" in faults(folder)[0]


def test_a_cable_twice_is_a_fault(folder: Path) -> None:
    cables = folder / "cables.csv"
    last = cables.read_text().splitlines()[-1]
    cables.write_text(cables.read_text() + last + "\n")
    assert "'service_16' again" in faults(folder)[0]
