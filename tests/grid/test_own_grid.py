"""A net of one's own as a substation: which loads are homes, and what becomes of the rest."""

from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mas2sim.domain.errors import GridError
from mas2sim.grid import Substation, power_flow
from mas2sim.grid.check import zero_sequence_faults
from mas2sim.grid.load_mapping import places_of
from mas2sim.grid.net_source import PANDAPOWER_NETWORKS, kind_of, net_of
from mas2sim.grid.own_grid import OwnGrid, build_own_grid, grouped

from .own_nets import exchanged, street

SAME_PU = 1e-9
"""A net that was written and read is the same net; found are differences near 1e-13."""

TAP_PU = 1e-6
"""Contract with the oracle."""


STREET = street()
"""Read only."""


def mapped(folder: Path, text: str) -> OwnGrid:
    path = folder / "homes.csv"
    path.write_text(text, encoding="utf-8")
    return OwnGrid(mapping=path)


def test_a_written_substation_is_read_back_as_the_same(cardiff: Substation, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    pp.to_json(exchanged(cardiff), str(path))
    own = build_own_grid(net_of("file", str(path)), OwnGrid(), unbalanced=True)
    assert own.homes == cardiff.homes
    p_kw = np.random.default_rng(3).normal(1.0, 2.0, (4, len(cardiff.homes)))
    for unbalanced in (False, True):
        ours = power_flow(own, unbalanced=unbalanced).solve(p_kw, 0.3 * p_kw)
        theirs = power_flow(cardiff, unbalanced=unbalanced).solve(p_kw, 0.3 * p_kw)
        assert ours.converged.all()
        place = [bus.name for bus in own.layout.buses]
        order = [place.index(bus.name) for bus in cardiff.layout.buses]
        known = ~np.isnan(theirs.vm_pu)
        np.testing.assert_allclose(
            ours.vm_pu[:, order][known], theirs.vm_pu[known], rtol=0, atol=SAME_PU
        )
        np.testing.assert_allclose(ours.loss_kw, theirs.loss_kw, rtol=SAME_PU)


def test_every_low_voltage_load_is_a_home_by_default() -> None:
    net = street()
    pp.create_load(net, 0, p_mw=0.5, q_mvar=0.1, name="factory", type="wye")
    pp.create_sgen(net, 3, p_mw=0.01, name="roof")
    own = build_own_grid(net, OwnGrid(), unbalanced=True)
    assert [(home.home, home.bus, home.phase) for home in own.homes] == [
        (f"load {number}", f"joint {number}", "abc") for number in (1, 2, 3)
    ]
    assert [(load.name, load.p_kw) for load in own.network.loads] == [("factory", 500.0)]
    assert own.annual_kwh == (None, None, None)
    said = " ".join(own.assumptions)
    assert "3 homes have no phase stated" in said
    assert "1 static generators (10 kW)" in said


def test_a_mapping_says_name_phase_energy_and_kind(tmp_path: Path) -> None:
    net = street(5)
    pp.create_sgen(net, 3, p_mw=0.01, name="roof")
    text = (
        "load,home,phase,annual_kwh,kind\n"
        "load 1,Elm 1,a,3500,home\n"
        "1,Elm 2,b,,\n"
        "load 3,baker,c,9000,business\n"
        "load 4,,a,,fixed\n"
        "load 5,,,,none\n"
        "roof,,,,fixed\n"
    )
    own = build_own_grid(net, mapped(tmp_path, text), unbalanced=True)
    assert [(home.home, home.bus, home.phase) for home in own.homes] == [
        ("Elm 1", "joint 1", "a"),
        ("Elm 2", "joint 2", "b"),
    ]
    assert own.annual_kwh == (3500.0, None, 9000.0)
    assert [(shop.home, shop.phase) for shop in own.commercial] == [("baker", "c")]
    assert [(load.name, load.phase, load.p_kw) for load in own.network.loads] == [
        ("load 4", "a", 2.0),
        ("roof", "abc", -10.0),
    ]


def test_the_nets_own_columns_say_it_too() -> None:
    net = street(4)
    net.load["phase"] = ["a", "b", None, "c"]
    net.load["annual_kwh"] = [2000.0, np.nan, 4000.0, 5000.0]
    net.load["profile"] = ["H0-A", "H0-B", "G1-A", "Air_Parallel_1"]
    own = build_own_grid(net, OwnGrid(), unbalanced=True)
    assert [(home.home, home.phase) for home in own.homes] == [("load 1", "a"), ("load 2", "b")]
    assert own.annual_kwh == (2000.0, None, 4000.0)
    assert [shop.home for shop in own.commercial] == ["load 3"]
    assert own.network.loads == ()


def test_all_faults_of_a_mapping_are_named_with_their_lines(tmp_path: Path) -> None:
    text = (
        "load,home,phase,annual_kwh,kind,colour\n"
        "lode 1,x,a,3000,home,\n"
        "load 1,Elm,d,3000,home,\n"
        "load 2,Elm,a,many,home,\n"
        "load 2,Oak,a,3000,home,\n"
        "load 3,Ash,a,3.5,house,\n"
        "load 3,Ash\n"
    )
    with pytest.raises(GridError) as raised:
        build_own_grid(street(), mapped(tmp_path, text), unbalanced=False)
    found = {(fault.where, fault.found.split(" ")[0]) for fault in raised.value.faults}
    assert found == {
        ("homes.csv", "column"),
        ("homes.csv, line 2", "load"),
        ("homes.csv, line 3", "phase"),
        ("homes.csv, line 4", "annual_kwh"),
        ("homes.csv, line 4", "home"),
        ("homes.csv, line 5", "load"),
        ("homes.csv, line 6", "annual_kwh"),
        ("homes.csv, line 6", "kind"),
        ("homes.csv, line 7", "2"),
    }
    remedy = {fault.where: fault.remedy for fault in raised.value.faults}
    assert remedy["homes.csv, line 2"] == "load 1 or load 3"


@settings(max_examples=25, deadline=None)
@given(
    phases=st.lists(st.sampled_from(["a", "b", "c", "abc"]), min_size=3, max_size=3),
    energies=st.lists(st.integers(50, 200_000), min_size=3, max_size=3),
    order=st.permutations([0, 1, 2]),
)
def test_the_order_of_a_mapping_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    phases: list[str],
    energies: list[int],
    order: list[int],
) -> None:
    lines = [f"load {i + 1},home {i},{phases[i]},{energies[i]}" for i in order]
    text = "\n".join(["load,home,phase,annual_kwh", *lines])
    places, faults = places_of(STREET, mapped(tmp_path_factory.mktemp("map"), text).mapping)
    assert not faults
    assert [place.home for place in places] == ["home 0", "home 1", "home 2"]
    assert [place.phase for place in places] == phases
    assert [place.annual_kwh for place in places] == energies


def test_voltage_and_tap_of_a_case_go_before_the_nets() -> None:
    plain = build_own_grid(street(), OwnGrid(), unbalanced=True)
    assert plain.network.sources[0].vm_pu == 1.02
    changed = build_own_grid(street(), OwnGrid(hv_vm_pu=0.97, tap_pos=-1), unbalanced=True)
    assert changed.network.sources[0].vm_pu == 0.97
    assert changed.network.transformers[0].tap_steps == -1.0
    with pytest.raises(GridError) as raised:
        build_own_grid(street(), OwnGrid(hv_vm_pu=1.3, tap_pos=3), unbalanced=True)
    assert [fault.where for fault in raised.value.faults] == ["hv_vm_pu", "tap_pos"]


def test_unbalanced_needs_zero_sequences_and_names_what_lacks_them() -> None:
    net = street(7)
    net.line["r0_ohm_per_km"] = np.nan
    with pytest.raises(GridError) as raised:
        build_own_grid(net, OwnGrid(), unbalanced=True)
    (fault,) = raised.value.faults
    assert fault.where == "line cable 1, line cable 2, line cable 3, line cable 4 and 3 more"
    assert "power_flow=balanced" in fault.remedy
    assert (
        len(grouped(zero_sequence_faults(build_own_grid(net, OwnGrid(), unbalanced=False).network)))
        == 1
    )


def test_limits_follow_from_the_units_that_feed_low_voltage() -> None:
    own = build_own_grid(street(), OwnGrid(), unbalanced=False)
    assert own.limits.transformer_import_kw == pytest.approx(45.0)
    assert own.limits.transformer_export_kw == pytest.approx(100.0)
    net = street()
    net.trafo["in_service"] = False
    net.ext_grid["bus"] = 1
    with pytest.raises(GridError, match="transformer_limit_kw and transformer_export_limit_kw"):
        build_own_grid(net, OwnGrid(), unbalanced=False)


def test_a_net_without_homes_is_refused() -> None:
    net = street()
    net.load["in_service"] = False
    with pytest.raises(GridError, match="no load at up to 1 kV that is a home"):
        build_own_grid(net, OwnGrid(), unbalanced=False)


def test_only_listed_names_reach_pandapower() -> None:
    with pytest.raises(GridError, match="create_kerber_dorfnetz"):
        net_of("pandapower", "create_kerber_dorfnets")
    with pytest.raises(GridError):
        net_of("pandapower", "__builtins__")
    assert kind_of("ieee_european_lv_asymmetric") == "pandapower"
    assert kind_of("1-LV-rural3--0-sw") == "simbench"
    assert kind_of("nets/mine.json") == "file"


@pytest.mark.slow
@pytest.mark.parametrize("name", PANDAPOWER_NETWORKS)
def test_every_listed_network_can_be_read_and_solved(name: str) -> None:
    settings = OwnGrid(transformer_import_kw=100.0, transformer_export_kw=100.0)
    own = build_own_grid(net_of("pandapower", name), settings, unbalanced=False)
    p_kw = np.ones((1, len(own.homes)))
    assert power_flow(own, unbalanced=False).solve(p_kw, 0.0 * p_kw).converged.all()


@pytest.mark.slow
def test_the_taps_of_simbench_count() -> None:
    """As loaded 0.952 pu, since pandapower ignores taps without a type; as meant 0.980 pu."""
    net = net_of("simbench", "1-LV-rural3--2-sw")
    pp.runpp(net, trafo_model="pi")
    assert net.res_bus["vm_pu"].min() == pytest.approx(0.9520, abs=5e-4)
    own = build_own_grid(net_of("simbench", "1-LV-rural3--2-sw"), OwnGrid(), unbalanced=False)
    assert own.network.transformers[0].tap_steps == -1.0
    net.trafo["tap_changer_type"] = "Ratio"
    homes = {home.home for home in own.homes}
    net.load.loc[~net.load["name"].isin(homes), "in_service"] = False
    net.sgen["in_service"] = net.storage["in_service"] = False
    pp.runpp(net, trafo_model="pi", tolerance_mva=1e-10)
    power = net.load.set_index("name")
    order = [home.home for home in own.homes]
    p_kw = 1000.0 * power.loc[order, "p_mw"].to_numpy()[None, :]
    q_kvar = 1000.0 * power.loc[order, "q_mvar"].to_numpy()[None, :]
    state = power_flow(own, unbalanced=False).solve(p_kw, q_kvar)
    assert np.nanmin(state.vm_pu) == pytest.approx(net.res_bus["vm_pu"].min(), abs=TAP_PU)
    net.load["in_service"] = net.sgen["in_service"] = net.storage["in_service"] = True
    pp.runpp(net, trafo_model="pi")
    assert net.res_bus["vm_pu"].min() == pytest.approx(0.9804, abs=5e-4)


def test_parts_of_a_fixed_load_keep_their_phases() -> None:
    net = street(2)
    pp.create_asymmetric_load(net, 3, p_a_mw=0.003, p_b_mw=0.001, name="pump")
    net.asymmetric_load["kind"] = "fixed"
    own = build_own_grid(net, OwnGrid(), unbalanced=True)
    assert [(load.phase, load.p_kw) for load in own.network.loads] == [("a", 3.0), ("b", 1.0)]


def test_a_fixed_load_is_not_taken_for_a_home_of_its_name() -> None:
    """Names are told apart within a table; with two of them the home's power was kept as well."""
    net = street(2)
    pp.create_asymmetric_load(net, 3, p_a_mw=0.003, name="load 1")
    net.asymmetric_load["kind"] = "fixed"
    own = build_own_grid(net, OwnGrid(), unbalanced=True)
    assert [home.home for home in own.homes] == ["load 1", "load 2"]
    assert [(load.phase, load.p_kw) for load in own.network.loads] == [("a", 3.0)]


@pytest.mark.parametrize("bus", [np.nan, 99.0])
@pytest.mark.parametrize(
    ("table", "column"),
    [("load", "bus"), ("line", "to_bus"), ("trafo", "lv_bus"), ("ext_grid", "bus")],
)
def test_what_stands_on_no_bus_is_a_fault_and_never_left_out(
    table: str, column: str, bus: float
) -> None:
    net = street(3)
    net[table][column] = net[table][column].astype(float)
    net[table].loc[0, column] = bus
    with pytest.raises(GridError, match=rf"net.{table}\[0\]: found (no bus|bus 99)"):
        build_own_grid(net, OwnGrid(), unbalanced=False)


@pytest.mark.parametrize("figure", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("bus", "vn_kv"),
        ("line", "c_nf_per_km"),
        ("line", "x_ohm_per_km"),
        ("trafo", "vn_lv_kv"),
        ("ext_grid", "vm_pu"),
    ],
)
def test_a_figure_that_is_no_number_is_a_fault_and_no_unsolved_flow(
    table: str, column: str, figure: float
) -> None:
    net = street(2)
    net[table].loc[0, column] = figure
    with pytest.raises(GridError, match=str(figure)):
        build_own_grid(net, OwnGrid(), unbalanced=False)


def test_a_tap_without_a_position_is_at_neutral() -> None:
    """As pandapower has it; counted from 0 it would be two steps off."""
    net = street(1)
    net.trafo["tap_pos"], net.trafo["tap_neutral"] = np.nan, 2
    (unit,) = build_own_grid(net, OwnGrid(), unbalanced=False).network.transformers
    assert unit.tapped_kv == (10.0, 0.4)
