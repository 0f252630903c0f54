"""Cases of several substations: what may be said of them, what they leave, what is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mas2sim.cosim import run_world
from mas2sim.domain.errors import ConfigurationError, StoreError
from mas2sim.report.overview_page import write_pages
from mas2sim.results import open_result
from mas2sim.results.result import DATA_FILES
from mas2sim.scenario import CaseResult, compose_case, run_case
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.substations import build_setups, parts

GRIDS = Path(__file__).parents[2] / "grids"
LEVELS = "levels=[baseline,uc1,uc2,uc3]"
SMALL = {1: (12, []), 2: (14, [3, 8])}
"""Users and shops of two substations that run in a moment."""
TABLES = ("kpi", "homes", "assets")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small substations."""
    folder = tmp_path_factory.mktemp("data")
    grid = folder / "grids" / "cardiff"
    shutil.copytree(GRIDS / "cardiff", grid)
    for path in grid.glob("substation_*.yaml"):
        path.unlink()
    for number, (users, shops) in SMALL.items():
        recipe = yaml.safe_load((GRIDS / "cardiff" / "substation_1.yaml").read_text())
        feeder = recipe["feeders"][0]
        feeder["main"] = [{"cable": "main_95_al", "users": users}]
        recipe |= {"name": f"cardiff_{number}", "feeders": [feeder], "commercial": shops}
        (grid / f"substation_{number}.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def run(
    data: Path, substation: str | int, levels: str = "levels=[baseline,uc1]", **where: object
) -> CaseResult:
    limit = "grid.transformer_limit_kw=12"
    others = [levels, limit, "communities=2", "flexibility=high"]
    overrides = [f"substation={substation}", *others]
    return run_case(overrides, data=data, **where)


@pytest.fixture(scope="module")
def stored(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "all"
    run(data, "all", out=folder, report=write_pages)
    return folder


@pytest.fixture
def copied(stored: Path, tmp_path: Path) -> Path:
    shutil.copytree(stored, tmp_path / "all")
    return tmp_path / "all"


def faults_of(*overrides: str, data: Path | None = None) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        build_setups(compose_case(overrides, data=data))
    return {fault.where: fault.found for fault in caught.value.faults}


def untimed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[column for column in frame if not column.endswith("_s")]]


@pytest.mark.parametrize("value", ["0", "some", "1.5", "true", "null", "[1,2]"])
def test_a_substation_is_a_number_or_all(value: str) -> None:
    assert "substation" in faults_of(f"substation={value}")


def test_what_holds_for_one_substation_is_refused_for_all(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("home,annual_kwh\nh001,3000\n")
    found = faults_of(
        "substation=all",
        "participants=[{name:a,kind:pv_plant}]",
        f"population.annual_energy={own}",
    )
    assert set(found) == {"participants", "population.annual_energy"}


def test_a_fault_of_all_substations_is_told_once(data: Path) -> None:
    found = faults_of("substation=all", "grid.tap_pos=9", data=data)
    assert found == {"grid.tap_pos": "9"}
    # Twelve homes each: the other two of the second are shops.
    found = faults_of("substation=all", "communities=13", data=data)
    assert found == {"communities": "13"}


def test_a_fault_of_one_substation_says_of_which(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    recipe = tmp_path / "data" / "grids" / "cardiff" / "substation_2.yaml"
    recipe.write_text(recipe.read_text().replace("uk_500", "uk_5000"))
    found = faults_of("substation=all", data=tmp_path / "data")
    assert found == {"substation 2, substation_2.yaml, transformer": "uk_5000"}


def test_who_needs_one_substation_refuses_all() -> None:
    with pytest.raises(ConfigurationError, match="one substation"):
        build_setup(compose_case(["substation=all"]))


def test_a_part_is_the_case_of_that_substation(data: Path) -> None:
    whole = compose_case(["season=summer", "substation=all"], data=data)
    for number, part in zip(SMALL, parts(whole), strict=True):
        alone = compose_case(["season=summer", f"substation={number}"], data=data)
        assert part == alone
        assert part.identity == alone.identity
        assert part.axes == alone.axes
    assert parts(alone) == (alone,)


def test_shops_of_a_recipe_take_part_without_being_named() -> None:
    setup, sentences = build_setup(compose_case(["substation=2"]))
    assert [each.name for each in setup.participants] == ["shop023", "shop071"]
    assert [each.phase for each in setup.participants] == ["abc", "b"]
    assert {each.tariff.name for each in setup.participants} == {"uk_business"}
    layout = setup.flow.layout
    assert layout.home_bus[90:] == ("shop023", "shop071")
    assert layout.home_phase[90:] == ("abc", "b")
    assert sum(len(each.members) for each in setup.communities) == 90
    assert any("2 of the 92 users are small commercial" in each for each in sentences)
    assert not build_setup(compose_case())[0].participants


def test_ones_own_participants_come_after_those_of_the_recipe() -> None:
    bakery = "{name:bakery,kind:small_business,annual_kwh:9000,bus:h007,phase:c,tariff:uk_flat}"
    office = "{name:office,kind:small_business}"
    setup, sentences = build_setup(
        compose_case(["substation=2", f"participants=[{bakery},{office}]"])
    )
    names = [each.name for each in setup.participants]
    assert names == ["shop023", "shop071", "bakery", "office"]
    own, drawn = setup.participants[2:]
    assert (own.bus, own.phase, own.tariff.name) == ("h007", "c", "uk_flat")
    assert own.points[0].annual_kwh == 9000.0
    assert (drawn.bus, drawn.phase, drawn.tariff.name) == ("lv", "abc", "uk_business")
    assert any(each.startswith("The small business bakery has 9000 kWh") for each in sentences)


def test_names_of_shops_are_taken_and_shops_cannot_be_flexible() -> None:
    shop = "{name:shop023,kind:small_business}"
    assert faults_of("substation=2", f"participants=[{shop}]") == {
        "participants.0.name": "'shop023'"
    }
    found = faults_of("participants=[{name:a,kind:small_business,flexible:true,annual_kwh:0}]")
    assert set(found) == {"participants.0.flexible", "participants.0.annual_kwh"}


def test_all_in_memory_is_what_each_is_alone(data: Path) -> None:
    whole = run(data, "all", LEVELS)
    assert not whole.series
    for number, part in zip(SMALL, whole.parts, strict=True):
        alone = run(data, number, LEVELS)
        for name in TABLES:
            one, other = (untimed(getattr(each, name)) for each in (part, alone))
            pd.testing.assert_frame_equal(one, other, check_exact=True)
            rows = getattr(whole, name)
            of_it = untimed(rows[rows["substation"] == number].reset_index(drop=True))
            pd.testing.assert_frame_equal(of_it[list(other)], other, check_exact=True)
        assert part.series.identical(alone.series)
        assert part.provenance == alone.provenance
    assert set(whole.kpi["substation"]) == set(SMALL)
    # Both substations differ and both are asked, else this would say little.
    assert (whole.kpi.loc[whole.kpi["level"] == "uc3", "congested_before_ptus"] > 0).all()


def test_a_part_is_stored_as_the_single_result(data: Path, stored: Path, tmp_path: Path) -> None:
    run(data, 2, out=tmp_path / "two")
    part = stored / "substation_2"
    assert (part / "series.nc").read_bytes() == (tmp_path / "two" / "series.nc").read_bytes()
    one, other = (
        json.loads((each / "provenance.json").read_text()) for each in (part, tmp_path / "two")
    )
    assert one["plan_hash"] == other["plan_hash"]
    assert one["files"].keys() == set(DATA_FILES)
    # So the part is the finished result of that case, wherever it lies.
    again = run(data, 2, out=part)
    assert again.kept


def test_what_is_stored_has_tables_of_all_and_links_to_each(stored: Path) -> None:
    with open_result(stored) as result:
        assert [part.path.name for part in result.parts] == ["substation_1", "substation_2"]
        for name in ("kpi", "homes", "assets", "cases"):
            assert set(getattr(result, name)["substation"]) == set(SMALL), name
        assert result.levels == ("baseline", "uc1")
        assert not result.series
    page = (stored / "report" / "index.html").read_text()
    for number in SMALL:
        assert f'href="../substation_{number}/report/index.html">cardiff_{number}</a>' in page
        assert (stored / f"substation_{number}" / "report" / "index.html").is_file()


def test_an_identical_result_is_kept(data: Path, copied: Path) -> None:
    before = (copied / "provenance.json").read_bytes()
    kept = run(data, "all", out=copied)
    assert kept.kept
    assert len(kept.parts) == len(SMALL)
    assert (copied / "provenance.json").read_bytes() == before
    assert not run(data, "all", out=copied, force=True).kept


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("kpi.parquet", True),
        ("series.nc", False),
        *(
            pytest.param(name, lost, marks=pytest.mark.slow)
            for name, lost in [
                ("kpi.parquet", False),
                ("series.nc", True),
                ("provenance.json", True),
                ("provenance.json", False),
            ]
        ),
    ],
)
def test_a_damaged_part_is_found_and_computed_again(
    data: Path, copied: Path, name: str, lost: bool
) -> None:
    damaged = copied / "substation_2" / name
    whole = damaged.read_bytes()
    damaged.unlink()
    if not lost:
        damaged.write_bytes(whole + b" ")
    assert not run(data, "all", out=copied).kept
    if name == "series.nc":
        assert damaged.read_bytes() == whole


def test_files_of_somebody_else_within_a_part_are_not_removed(data: Path, copied: Path) -> None:
    (copied / "substation_1" / "notes.txt").write_text("mine")
    assert run(data, "all", out=copied).kept
    with pytest.raises(ConfigurationError, match=r"substation_1/notes\.txt"):
        run(data, "all", out=copied, force=True)
    assert (copied / "substation_1" / "notes.txt").is_file()


def test_a_result_beside_another_ones_files_is_not_taken_for_its_part(
    data: Path, tmp_path: Path
) -> None:
    """substation_2 in the folder of a single result is somebody else's, not a part of it."""
    run(data, 1, out=tmp_path / "one")
    run(data, 2, out=tmp_path / "one" / "substation_2")
    assert run(data, 1, out=tmp_path / "one").kept
    with pytest.raises(ConfigurationError, match="substation_2"):
        run(data, 1, out=tmp_path / "one", force=True)


def test_all_does_not_take_the_folder_of_one(data: Path, tmp_path: Path) -> None:
    run(data, 1, out=tmp_path / "one")
    with pytest.raises(ConfigurationError, match="another plan"):
        run(data, "all", out=tmp_path / "one")


def test_a_page_that_fails_leaves_the_figures(data: Path, tmp_path: Path) -> None:
    def fails_at_the_whole(result, path: Path) -> None:
        if result.parts:
            raise RuntimeError("no ink")
        path.write_text("page")

    with pytest.raises(StoreError, match="no ink"):
        run(data, "all", out=tmp_path / "all", report=fails_at_the_whole)
    assert run(data, "all", out=tmp_path / "all").kept
    assert not list((tmp_path / "all").rglob("report"))


@pytest.mark.slow
def test_six_substations_are_each_what_they_are_alone() -> None:
    case = compose_case(["substation=all", LEVELS, "flexibility=high", "season=summer"])
    setups = [setup for setup, _ in build_setups(case)]
    for setup, record in zip(setups, run_world(*setups).records, strict=True):
        alone = run_world(setup).record
        for name in ("net_kw", "payment_eur", "d_prognosis_kw", "curtailed_kw", "stored_kwh"):
            one, other = (getattr(each, name) for each in (record, alone))
            assert one.tobytes() == other.tobytes(), (setup.substation, name)
        for level, state in record.grid.items():
            assert state.vm_pu.tobytes() == alone.grid[level].vm_pu.tobytes()
            assert state.converged.all()
        assert record.messages == alone.messages
