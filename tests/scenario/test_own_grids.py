"""Grids of one's own as a choice of a case: composed, checked, identified and run."""

import sys
from pathlib import Path

import pandapower as pp
import pandapower.networks as pn
import pytest

from mas2sim.domain.errors import ConfigurationError
from mas2sim.grid.net_source import net_of
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.case import compose_case
from mas2sim.scenario.run import run_case

MAPPING = """load,home,phase,annual_kwh,kind
load 0,Elm 1,a,3500,
load 1,Elm 2,b,,
load 3,bakery,c,18000,business
"""
BAND_V = (207.0, 253.0)


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nets") / "village.json"
    pp.to_json(pn.create_kerber_landnetz_kabel_1(), str(path))
    return path


def overrides(village: Path, *more: str) -> list[str]:
    return ["grid=file", f"grid.source='{village}'", "power_flow=balanced", "communities=1", *more]


def faults(*chosen: str) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        build_setup(compose_case(chosen))
    return {fault.where: f"{fault.found}; {fault.remedy}" for fault in raised.value.faults}


def test_homes_have_the_names_and_energies_of_the_mapping(village: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "homes.csv"
    mapping.write_text(MAPPING, encoding="utf-8")
    bare = tmp_path / "bare.csv"
    bare.write_text("load,kind\nload 3,business\n", encoding="utf-8")
    plain, _ = build_setup(compose_case(overrides(village, f"grid.mapping='{bare}'")))
    setup, assumptions = build_setup(compose_case(overrides(village, f"grid.mapping='{mapping}'")))
    assert [home.name for home in setup.homes[:3]] == ["Elm 1", "Elm 2", "load 2"]
    assert setup.homes[0].annual_kwh == 3500.0
    (bakery,) = setup.participants
    assert bakery.name == "bakery"
    assert [point.annual_kwh for point in bakery.points] == [18000.0]
    # Who has no energy in the mapping draws the same as without it.
    assert setup.homes[1].annual_kwh == plain.homes[1].annual_kwh
    assert setup.flow.layout.home_phase[:3] == ("a", "b", "abc")
    assert (setup.limits.voltage_min_v, setup.limits.voltage_max_v) == BAND_V
    assert any("1 of 7 homes have an annual energy" in said for said in assumptions)


def test_names_of_businesses_may_have_signs_but_nobody_elses_name(
    village: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "homes.csv"
    text = 'load,home,kind\nload 0,"Müller, Elm 1/2",home\nload 3,Mühle 1/2,business\n'
    mapping.write_text(text, encoding="utf-8-sig")
    chosen = overrides(village, f"grid.mapping='{mapping}'", "levels=[baseline]")
    assert run_case(chosen).homes["home"][0] == "Müller, Elm 1/2"
    mapping.write_text("load,home,kind\nload 3,community_1,business\n", encoding="utf-8")
    assert "a community" in faults(*chosen)["business community_1"]


def test_energies_of_a_file_go_by_the_names_of_the_grid(village: Path, tmp_path: Path) -> None:
    energies = tmp_path / "energies.csv"
    names = [f"load {number}" for number in reversed(range(8))]
    lines = [f"{name},{2000 + place}" for place, name in enumerate(names)]
    energies.write_text("\n".join(["home,annual_kwh", *lines]), encoding="utf-8")
    given = overrides(village, f"population.annual_energy='{energies}'")
    setup, _ = build_setup(compose_case(given))
    assert {home.name: home.annual_kwh for home in setup.homes} == {
        name: 2000.0 + place for place, name in enumerate(names)
    }
    energies.write_text(energies.read_text().replace("load 3", "elm 3"), encoding="utf-8")
    assert "unknown home 'elm 3'" in faults(*given)["energies.csv, line 6"]


def test_the_content_of_the_net_is_part_of_the_cases_identity(
    village: Path, tmp_path: Path
) -> None:
    path = tmp_path / "village.json"
    path.write_text(village.read_text())
    before = compose_case(overrides(path)).identity
    assert compose_case(overrides(path)).identity == before
    path.write_text(village.read_text().replace("0.2067", "0.2068"))
    after = compose_case(overrides(path)).identity
    assert after["files"]["source"] != before["files"]["source"]
    assert after["configuration"] == before["configuration"]


def test_what_is_wrong_with_the_choice_is_named() -> None:
    assert "grid.source=net.json" in faults("grid=file")["grid.source"]
    assert "create_kerber_dorfnetz" in faults("grid=pandapower")["grid.source"]
    assert "nowhere.json" in faults("grid=file", "grid.source=nowhere.json")["grid.source"]
    assert "grid.tap_pos=0" in faults("grid.tap_pos=null")["grid.tap_pos"]
    assert "no such key" in faults("grid.source=net.json")["override grid.source"]
    own = ("grid=pandapower", "grid.source=create_kerber_landnetz_kabel_1")
    assert "power_flow=balanced" in next(iter(faults(*own).values()))
    assert faults(*own, "substation=2", "power_flow=balanced")["substation"] == "2; substation=1"
    assert "grid.tap_pos" in faults(*own, "grid.tap_pos=9", "power_flow=balanced")


def test_without_simbench_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(ConfigurationError, match=r'pip install "mas2sim\[simbench\]"'):
        net_of("simbench", "1-LV-rural1--0-sw")


@pytest.mark.slow
def test_a_day_on_a_grid_of_simbench() -> None:
    import mas2sim

    result = mas2sim.run_case(
        [
            "grid=simbench",
            "grid.source=1-LV-rural1--0-sw",
            "power_flow=balanced",
            "communities=1",
            "levels=[baseline,uc1]",
        ]
    )
    assert (result.kpi["status"] == "ok").all()
    assert set(result.kpi["level"]) == {"baseline", "uc1"}
