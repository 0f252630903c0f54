"""The check of a grid: every fault by name, what is mended, what is assumed, what is no net."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from mas2sim.domain.errors import GridError
from mas2sim.grid.finding import Severity
from mas2sim.grid.grid_report import GridReport, check_grid, check_net, save_net
from mas2sim.grid.net_json import load_net

from .own_nets import street

CLOSED_FORM = 1e-9
"""Rounding of a product."""


def faults(report: GridReport) -> set[tuple[str, str]]:
    return {
        (each.element, each.found) for each in report.findings if each.severity == Severity.FAULT
    }


def findings(report: GridReport, severity: Severity) -> str:
    return " | ".join(
        f"{each.element}: {each.found}" for each in report.findings if each.severity == severity
    )


def line(net: Any, one: int, other: int, name: str, **changes: float) -> None:
    values = {
        "length_km": 0.05, "r_ohm_per_km": 0.32, "x_ohm_per_km": 0.08, "c_nf_per_km": 0.0,
        "max_i_ka": 0.2, "r0_ohm_per_km": 1.28, "x0_ohm_per_km": 0.32, "c0_nf_per_km": 0.0,
    }  # fmt: skip
    pp.create_line_from_parameters(net, one, other, name=name, **(values | changes))


def test_a_sound_net_is_sound_and_solved() -> None:
    report = check_net(street(), "street")
    assert report.sound
    assert [state.engine for state in report.states] == ["balanced", "unbalanced"]
    balanced, unbalanced = report.states
    assert balanced.lowest_bus == "joint 3"
    # Homes on three phases are balanced whichever way they are solved.
    assert unbalanced.lowest_v == pytest.approx(balanced.lowest_v, abs=1e-4)
    # Highest at the busbar: 235.6 V without load, less what 3 kW drop over the unit's R of 1.5 %.
    no_load = 400.0 * 1.02 / 3**0.5
    assert balanced.highest_v == pytest.approx(no_load * (1 - 0.015 * 0.03 / 1.02**2), abs=0.02)
    assert dict(report.summary)["lines"] == "3, 0.150 km"


def test_one_fault_of_every_kind_in_one_go() -> None:
    net = street(1)
    for number in range(11):
        pp.create_bus(net, 0.4, name=f"b{number}")
    first, lv = 3, 1
    line(net, lv, first, "no rating", max_i_ka=0.0)
    line(net, lv, first + 1, "in amperes", max_i_ka=200.0)
    line(net, lv, first + 2, "in metres", length_km=51.0)
    line(net, lv, first + 3, "no length", length_km=0.0)
    line(net, lv, first + 4, "odd ratio", r_ohm_per_km=20.0, x_ohm_per_km=0.1)
    line(net, lv, first + 5, "nan", r_ohm_per_km=np.nan)
    line(net, lv, first + 6, "nan rating", max_i_ka=np.nan)
    line(net, lv, first + 7, "no parallel", parallel=0)
    line(net, 0, first + 8, "two levels")
    line(net, lv, first + 9, "switched")
    pp.create_switch(net, lv, net.line.index[-1], et="l", closed=False)
    pp.create_switch(net, first + 9, net.line.index[-1], et="l", closed=False)
    pp.create_load(net, first + 9, p_mw=0.001, name="cut off", type="wye")
    pp.create_load(net, first + 10, p_mw=0.001, name="island", type="wye")
    net.load.loc[0, "p_mw"] = np.nan
    for name, changes in {
        "no kVA": {"sn_mva": 0.0},
        "vk below vkr": {"vk_percent": 1.0, "vkr_percent": 2.0},
        "wrong winding": {"vn_lv_kv": 0.5},
    }.items():
        values = {
            "sn_mva": 0.1, "vn_hv_kv": 10.0, "vn_lv_kv": 0.4, "vk_percent": 4.0,
            "vkr_percent": 1.5, "pfe_kw": 0.2, "i0_percent": 0.3,
        }  # fmt: skip
        pp.create_transformer_from_parameters(
            net, 0, lv, name=name, vector_group="Dyn5", shift_degree=150.0, **(values | changes)
        )
    report = check_net(net, "odd")
    assert not report.sound
    assert report.states == ()
    assert faults(report) == {
        ("line no rating", "rating 0 kA"),
        ("line in amperes", "rating 200 kA"),
        ("line in metres", "length 51 km"),
        ("line no length", "length 0 km"),
        ("line odd ratio", "R/X 200 (20 and 0.1 ohm/km)"),
        ("line nan", "no number in r_ohm_per_km"),
        ("line nan rating", "no number in max_i_ka"),
        ("line no parallel", "parallel 0"),
        ("line two levels", "10 kV at one end, 0.4 kV at the other"),
        (
            "bus b9",
            "an island: no way to an ext_grid, an open switch is between, and loads in service",
        ),
        ("bus b10", "an island: no way to an ext_grid, and loads in service"),
        ("load load 1", "no number in p_mw"),
        ("transformer no kVA", "rating 0 kVA"),
        ("transformer vk below vkr", "vk 1 %, vkr 2 %"),
        ("transformer wrong winding", "a LV winding of 0.5 kV on a bus of 0.4 kV"),
    }


def test_buses_that_are_not_there_are_named_before_anything_is_solved() -> None:
    net = street(2)
    net.line.loc[1, "to_bus"] = 77
    net.load["bus"] = net.load["bus"].astype(float)
    net.load.loc[1, "bus"] = np.nan
    net.ext_grid.loc[0, "bus"] = 99
    pp.create_switch(net, 1, 0, et="l")
    net.switch.loc[0, "element"] = 55
    assert faults(check_net(net, "broken")) == {
        ("line cable 2", "to_bus 77, which is not there"),
        ("load load 2", "no bus in bus"),
        ("ext_grid 0", "bus 99, which is not there"),
        ("switch 0", "line 55, which is not there"),
    }


def test_no_source_several_sources_and_names() -> None:
    net = street(2)
    pp.create_ext_grid(net, 0)
    net.bus.loc[3, "name"] = "joint 1"
    net.line.loc[0, "name"] = None
    report = check_net(net, "two")
    assert report.sound
    assert "2 sources" in findings(report, Severity.REMARK)
    assert "first 'joint 1'" in findings(report, Severity.ASSUMED)
    assert "1 of 2 without a name" in findings(report, Severity.ASSUMED)
    net.ext_grid["in_service"] = False
    assert ("net.ext_grid", "no source in service") in faults(check_net(net, "none"))


def test_what_is_assumed_is_said_and_mended_on_request() -> None:
    net = street(3)
    net.trafo["tap_pos"] = -1
    net.trafo["tap_changer_type"] = None
    net.load["type"] = None
    net.bus.loc[4, "name"] = None
    dead = pp.create_bus(net, 0.4, name="dead")
    pp.create_bus(net, 0.4, name="deader")
    line(net, dead, dead + 1, "to nowhere")
    net.load.loc[2, "p_mw"] = -0.001
    before = json.dumps(json.loads(pp.to_json(net)), sort_keys=True)
    report = check_net(net, "as it is")
    said = findings(report, Severity.ASSUMED)
    for words in ("which pandapower ignores", "runpp_3ph leaves such loads out", "an island"):
        assert words in said
    assert "negative power" in findings(report, Severity.REMARK)
    mended = check_net(net, "mended", mending=True)
    assert json.dumps(json.loads(pp.to_json(net)), sort_keys=True) == before
    assert mended.sound
    done = findings(mended, Severity.MENDED)
    for words in (
        "1 taps away",
        "3 loads without a type",
        "2 buses without a way",
        "1 buses without a name",
    ):
        assert words in done
    assert set(mended.net.load["type"]) == {"wye"}
    assert set(mended.net.trafo["tap_changer_type"]) == {"Ratio"}
    assert list(mended.net.bus["name"]) == ["hv", "lv", "joint 1", "joint 2", "bus 4"]
    assert [row.lowest_v for row in mended.states] == [row.lowest_v for row in report.states]
    # A tap one step down raises the homes by 2.5 %, and is no fault of the check's own reading.
    plain = check_net(street(3), "neutral").states[0]
    assert report.states[0].highest_v / plain.highest_v == pytest.approx(1 / 0.975, abs=1e-4)


def test_zero_sequence_is_assumed_only_on_request_and_by_the_rule() -> None:
    net = street(2)
    net.line = net.line.drop(columns=["r0_ohm_per_km", "x0_ohm_per_km", "c0_nf_per_km"])
    report = check_net(net, "bare")
    assert report.sound
    assert [state.engine for state in report.states] == ["balanced"]
    assert "line cable 1, line cable 2: no zero-sequence" in findings(report, Severity.REMARK)
    assumed = check_net(net, "assumed", zero_sequence=True)
    assert [state.engine for state in assumed.states] == ["balanced", "unbalanced"]
    given = assumed.net.line
    for part in ("r", "x"):
        np.testing.assert_allclose(
            given[f"{part}0_ohm_per_km"], 4.0 * given[f"{part}_ohm_per_km"], rtol=CLOSED_FORM
        )


def test_four_equal_cores_have_four_times_the_impedance_in_the_zero_sequence() -> None:
    """The rule, from the matrix of a four-core cable: Z1 by sequences, Z0 by the loop."""
    own, mutual = 0.32 + 0.7j, 0.0 + 0.62j
    cores = np.full((4, 4), mutual) + np.eye(4) * (own - mutual)
    phases = cores[:3, :3] - np.outer(cores[:3, 3], cores[3, :3]) / cores[3, 3]
    turn = np.exp(2j * np.pi / 3)
    to_sequence = np.array([[1, 1, 1], [1, turn, turn**2], [1, turn**2, turn]]) / 3
    sequences = to_sequence @ phases @ np.linalg.inv(to_sequence)
    # 1 A in each phase and 3 A back: what a phase drops, less what the neutral does.
    loop = (own + 2 * mutual - 3 * mutual) - (3 * mutual - 3 * own)
    assert loop == pytest.approx(4.0 * sequences[1, 1], rel=CLOSED_FORM)


def test_a_mended_net_is_written_and_read_again(tmp_path: Path) -> None:
    net = street(2)
    net.load["type"] = None
    path = tmp_path / "mended.json"
    save_net(check_net(net, "x", mending=True), path)
    again = check_grid(str(path), recipes=tmp_path)
    assert again.sound
    assert not findings(again, Severity.MENDED)
    with pytest.raises(GridError, match="a folder that exists"):
        save_net(again, tmp_path / "no" / "net.json")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("empty.json", b"", "an empty file"),
        ("text.json", b"a grid", "no JSON"),
        ("list.json", b"[1, 2]", "JSON, a list"),
        ("other.json", b'{"nodes": [], "edges": []}', "JSON with keys nodes, edges"),
        ("net.xlsx", b"PK\x05\x06" + bytes(18), "an Excel file"),
        ("net.p", b"\x80\x04K\x01.", "a pickle"),
        ("picture.json", b"\xff\xfe\x00\x80\xff", "no text"),
        ("deep.json", b"[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_net_gets_one_fault(
    tmp_path: Path, name: str, content: bytes, found: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(GridError) as raised:
        check_grid(str(path), recipes=tmp_path)
    (fault,) = raised.value.faults
    assert found in fault.found
    with pytest.raises(GridError, match="a folder"):
        check_grid(str(tmp_path), recipes=tmp_path)
    with pytest.raises(GridError, match="no such file"):
        check_grid(str(tmp_path / "none.json"), recipes=tmp_path)


def test_an_empty_net_is_refused() -> None:
    with pytest.raises(GridError, match="a net without a bus"):
        check_net(pp.create_empty_network(), "empty")


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("builtins", "eval", "1"),
        ("subprocess", "getoutput", "echo"),
        ("pandas", "read_pickle", "x.p"),
        ("pandapower.file_io", "from_pickle", "x.p"),
        ("os", "function", "system"),
    ],
)
def test_a_file_that_names_code_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, module: str, name: str, value: str
) -> None:
    def refuse(text: str) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pp, "from_json_string", refuse)
    content = json.loads(pp.to_json(street(1)))
    harm: Any = {"_module": module, "_class": name, "_object": value}
    for _ in range(depth):
        # As a table of pandas holds it: text of JSON within the JSON, escaped as one likes.
        harm = json.dumps(harm).replace("_module", "\\u005fmodule")
    content["_object"]["extra"] = harm
    path = tmp_path / "net.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(GridError, match=f"names {module}.{name}"):
        load_net(path)


def test_a_key_that_stands_twice_cannot_hide_another(tmp_path: Path) -> None:
    text = pp.to_json(street(1)).replace(
        '"_class": "pandapowerNet"', '"_class": "other", "_class": "pandapowerNet"', 1
    )
    path = tmp_path / "net.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GridError, match="stands twice"):
        load_net(path)


HARM = '{"\\u005fmodule": "os", "\\u005fclass": "function", "_object": "system"}'


@pytest.mark.parametrize(
    "table",
    [
        # pandas takes a sign without its escape, and the last of two values with one name.
        '{"columns": ["a\x01"], "index": [0], "data": [[HARM]]}',
        '{"columns": ["a"], "index": [0], "data": [[HARM]]}'.replace(
            "HARM", '{"\\u005fmodule": "numpy", "\\u005fmodule": "os", "\\u005fclass": "function"}'
        ),
        # pandapower opens the file of such a name, which nobody has looked into.
        "/somewhere/second.json",
        None,
    ],
)
def test_a_tables_text_is_json_by_the_strict_rules_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str | None
) -> None:
    def refuse(text: str) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pp, "from_json_string", refuse)
    content = json.loads(pp.to_json(street(1)))
    text = None if table is None else table.replace("HARM", HARM)
    content["_object"]["extra"] = {
        "_module": "pandas.core.frame", "_class": "DataFrame", "_object": text, "orient": "split"
    }  # fmt: skip
    path = tmp_path / "net.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(GridError, match="a table whose text is no JSON"):
        load_net(path)


def test_text_that_could_hide_a_name_behind_escapes_is_refused(tmp_path: Path) -> None:
    content = json.loads(pp.to_json(street(1)))
    content["_object"]["extra"] = "{\\u005fmodule"
    path = tmp_path / "net.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(GridError, match="text that is no JSON"):
        load_net(path)
    content["_object"]["extra"] = "[north] main"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert len(load_net(path).bus) == len(street(1).bus)


@pytest.mark.parametrize("table", ["bus", "line", "trafo", "switch", "load", "asymmetric_load"])
def test_tables_that_are_not_there_are_named(table: str) -> None:
    net = street(1)
    del net[table]
    with pytest.raises(GridError, match=f"net.{table}: found no table"):
        check_net(net, "lacking")


def test_columns_and_rows_that_cannot_be_read_are_named() -> None:
    net = street(2)
    del net.line["parallel"]
    net.load.index = [0, 0]
    with pytest.raises(GridError) as raised:
        check_net(net, "lacking")
    assert [(fault.where, fault.found) for fault in raised.value.faults] == [
        ("net.line", "no column parallel"),
        ("net.load", "index 0 twice"),
    ]


def test_text_in_a_column_of_numbers_is_no_number() -> None:
    net = street(2)
    for table, column in (("load", "p_mw"), ("line", "r_ohm_per_km")):
        net[table][column] = net[table][column].astype(object)
        net[table].loc[0, column] = "two"
    found = faults(check_net(net, "text"))
    assert ("load load 1", "no number in p_mw") in found
    assert ("line cable 1", "no number in r_ohm_per_km") in found


def test_a_net_without_branches_or_without_low_voltage_has_a_state(tmp_path: Path) -> None:
    net = pp.create_empty_network(name="one bus")
    bus = pp.create_bus(net, 0.4, name="b")
    pp.create_ext_grid(net, bus)
    pp.create_load(net, bus, p_mw=0.001, name="h", type="wye")
    report = check_net(net, "one bus")
    assert report.sound
    assert np.isnan(report.states[0].loading_percent)
    net.bus["vn_kv"] = 10.0
    mapping = tmp_path / "homes.csv"
    mapping.write_text("load,kind\nh,home\n", encoding="utf-8")
    report = check_net(net, "one bus", mapping=mapping)
    assert report.sound
    assert np.isnan(report.states[0].lowest_v)


def test_recipes_are_checked_too(cardiff_files: Path) -> None:
    report = check_grid("cardiff/1", recipes=cardiff_files.parent)
    assert report.sound
    assert {state.users for state in report.states} == {184}
    for none in ("cardiff/99", "cardiff/\N{SUPERSCRIPT TWO}"):
        with pytest.raises(GridError, match="cardiff/1"):
            check_grid(none, recipes=cardiff_files.parent)


def test_a_net_that_cannot_be_solved_says_so() -> None:
    net = street(40)
    net.line["length_km"] = 40.0
    report = check_net(net, "far")
    assert not report.sound
    assert not report.states[0].converged
    assert "no solution at 1 kW a home" in findings(report, Severity.FAULT)
