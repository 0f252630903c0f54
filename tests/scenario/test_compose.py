"""Overrides and values: right ones compose, wrong ones are all named at once."""

from pathlib import Path

import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.typical_day import Level, Season
from mas2sim.scenario import compose_case
from mas2sim.scenario.folders import VARIABLE, data_folder, scenario_folders


def faults(*overrides: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        compose_case(overrides)
    return {fault.where: str(fault) for fault in caught.value.faults}


def test_the_default_case_is_the_reference_substation() -> None:
    axes = compose_case().axes
    assert axes == {
        "season": "winter",
        "day": "weekday",
        "weather": "variable",
        "smart": "2030_green",
        "flexibility": "medium",
        "grid": "cardiff",
        "substation": 1,
        "communities": 3,
        "tariff": "uk_time_of_use",
        "seed": 1,
        "power_flow": "unbalanced",
        "ties": "random",
        "changes": "",
    }


def test_groups_values_and_lists_can_be_overridden() -> None:
    case = compose_case(
        ["season=high_summer", "grid.transformer_limit_kw=250", "levels=[uc1]", "communities=5"]
    )
    assert case.configuration.season.name is Season.HIGH_SUMMER
    assert case.configuration.grid.transformer_limit_kw == 250
    assert case.configuration.levels == [Level.UC1]
    assert case.configuration.communities == 5


def test_every_choice_of_every_group_composes() -> None:
    (*_, shipped) = scenario_folders()
    for choice in shipped.glob("*/*.yaml"):
        # A grid of one's own has to be told where it is; any file does, since none is read.
        needs_source = choice.parent.name == "grid" and choice.stem != "cardiff"
        source = [f"grid.source='{choice}'"] if needs_source else []
        compose_case([f"{choice.parent.name}={choice.stem}", *source])


def test_all_faults_are_named_at_once() -> None:
    found = faults(
        "sesaon=winter",
        "weather=suny",
        "seed=abc",
        "smart.pv_percent=120",
        "communities=0",
        "grid.tap_pos=1.5",
        "ptu_minutes=7",
        "levels=[uc2,uc2]",
        "grid.site.timezone=Mars/One",
        "population.annual_energy=no_such_file.csv",
    )
    assert set(found) == {
        "override sesaon",
        "weather",
        "seed",
        "smart.pv_percent",
        "communities",
        "grid.tap_pos",
        "ptu_minutes",
        "levels",
        "grid.site.timezone",
        "population.annual_energy",
    }
    assert "season" in found["override sesaon"]
    assert "weather=sunny" in found["weather"]
    assert "integer" in found["seed"]


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("season", "override 'season'"),
        ("season=winter,summer", "override 'season=winter,summer'"),
        ("+extra=1", "override '+extra=1'"),
        ("~season", "override '~season'"),
        ("seed=[1", "override 'seed=[1'"),
        ("season=null", "season"),
        ("seed=1.5", "seed"),
        ("seed=-1", "seed"),
        ("seed=true", "seed"),
        ("substation=null", "substation"),
        ("levels=[]", "levels"),
        ("levels=[uc1,uc1]", "levels"),
        ("levels=baseline", "levels"),
        ("smart.pv_percent=-1", "smart.pv_percent"),
        ("smart.pv_percent=nan", "smart.pv_percent"),
        ("flexibility.offered_percent=101", "flexibility.offered_percent"),
        ("smart.pv_percent=60", "smart.any_percent"),
        ("grid.voltage_min_v=260", "grid.voltage_min_v"),
        ("smart.name=2020_bau", "override smart.name"),
        ("seed=99999999999999999999", "seed"),
        ("grid.transformer_limit_kw=0", "grid.transformer_limit_kw"),
        ("tariff.eur_per_unit=0", "tariff.eur_per_unit"),
        ("population.ladder=[2020_bau,tomorrow]", "population.ladder"),
    ],
)
def test_a_fault_is_found_where_it_is(override: str, where: str) -> None:
    assert set(faults(override)) == {where}


def test_an_own_tree_goes_before_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "profiles"
    own.mkdir()
    (own / "average_demand.csv").write_text("own")
    assert data_folder("profiles", tmp_path) == own
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert data_folder("profiles") == own
    monkeypatch.delenv(VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert data_folder("profiles") == own


def test_one_file_of_ones_own_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (*_, shipped) = scenario_folders()
    own = tmp_path / "scenarios" / "tariff"
    own.mkdir(parents=True)
    written = (shipped / "tariff" / "uk_flat.yaml").read_text().replace("0.14", "0.5")
    (own / "mine.yaml").write_text(written.replace("uk_flat", "mine"))
    (own / "uk_flat.yaml").write_text(written)
    assert compose_case(["tariff=mine"], data=tmp_path).axes["tariff"] == "mine"
    monkeypatch.chdir(tmp_path)
    assert compose_case(["tariff=uk_flat"]).configuration.tariff.otherwise_per_kwh == 0.5
    assert compose_case(["tariff=uk_economy7"]).axes["tariff"] == "uk_economy7"


def test_a_folder_that_only_shares_the_name_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "scenarios" / "of_another_project").mkdir(parents=True)
    assert scenario_folders(tmp_path) == scenario_folders()


def test_what_differs_from_the_named_choices_is_told() -> None:
    case = compose_case(["grid.tap_pos=1", "smart.pv_percent=45", "smart=2030_green", "seed=3"])
    assert case.axes["changes"] == "smart.pv_percent=45 grid.tap_pos=1"
    assert compose_case(["smart.pv_percent=20", "season=summer"]).axes["changes"] == ""


def test_levels_come_in_their_order() -> None:
    assert compose_case(["levels=[uc1,baseline]"]).configuration.levels == [
        Level.BASELINE,
        Level.UC1,
    ]


def test_faults_of_values_and_contradictions_come_together() -> None:
    found = faults("grid.transformer_limit_kw=-5", "grid.voltage_min_v=300")
    assert set(found) == {"grid.transformer_limit_kw", "grid.voltage_min_v"}


def test_a_wrong_value_comes_with_what_to_try() -> None:
    assert "seed=1" in faults("seed=abc")["seed"]
    assert "[baseline,uc1]" in faults("levels=[]")["levels"]


def test_a_tree_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    own = tmp_path / "scenarios" / "tariff"
    own.mkdir(parents=True)
    (own / "broken.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError) as caught:
        compose_case(data=tmp_path)
    assert "broken.yaml" in str(caught.value)


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="--data"):
        compose_case(data=tmp_path / "nowhere")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=VARIABLE):
        compose_case()
