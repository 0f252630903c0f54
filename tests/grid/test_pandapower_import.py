"""Nets of pandapower, read in and solved, against pandapower on the very same nets."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pytest

from mas2sim.domain.errors import GridError
from mas2sim.grid import (
    BatchPowerFlow,
    Substation,
    connect,
    from_pandapower,
    loads_as_homes,
    read_pandapower,
)

VOLTAGE_PU = 1e-6
"""Contract with the oracle; found are differences near 1e-12."""

LOSS = 1e-4
"""Contract with the oracle, relative."""

LOADING = 1e-5
"""Percentage points; the loading follows the voltage."""

KW = 1e-6
"""Powers: pandapower leaves up to 1e-10 MVA at each of 300 buses."""


def as_substation(net: Any) -> Substation:
    network, homes = loads_as_homes(from_pandapower(net))
    return connect(network, homes)


def assert_agrees_with_runpp(net: Any, *, times: int = 3, seed: int = 5) -> None:
    """Draw powers for the loads in service, solve them both ways and compare."""
    substation = as_substation(net)
    rng = np.random.default_rng(seed)
    shape = (times, len(substation.homes))
    p_kw, q_kvar = rng.normal(2.0, 2.0, shape), rng.normal(0.3, 0.3, shape)
    state = BatchPowerFlow(substation, unbalanced=False).solve(p_kw, q_kvar)
    assert state.converged.all()
    names = [bus.name for bus in substation.layout.buses]
    by_name = {name: index for index, name in net.bus["name"].items()}
    known = [i for i, name in enumerate(names) if name in by_name]
    lines = net.line.index[net.line["in_service"].astype(bool)]
    in_service = net.load.index[net.load["in_service"].astype(bool)]
    net.load["scaling"] = 1.0
    for time in range(times):
        net.load.loc[in_service, "p_mw"] = p_kw[time] / 1e3
        net.load.loc[in_service, "q_mvar"] = q_kvar[time] / 1e3
        pp.runpp(net, trafo_model="pi", tolerance_mva=1e-10)
        theirs = net.res_bus["vm_pu"].loc[[by_name[names[i]] for i in known]].to_numpy()
        np.testing.assert_allclose(state.vm_pu[time, known, 0], theirs, atol=VOLTAGE_PU)
        ratings = [branch.rating for branch in substation.layout.branches[-len(lines) :]]
        loading = 1e5 * net.res_line["i_ka"].loc[lines].to_numpy() / ratings
        ours = state.loading_percent[time, -len(lines) :]
        np.testing.assert_allclose(ours, loading, atol=LOADING)
        line_kw, unit_kw = 1e3 * net.res_line["pl_mw"].sum(), 1e3 * net.res_trafo["pl_mw"].sum()
        assert state.loss_line_kw[time] == pytest.approx(line_kw, rel=LOSS, abs=KW)
        ours = state.loss_transformer_load_kw[time] + state.loss_transformer_no_load_kw[time]
        assert ours == pytest.approx(unit_kw, rel=LOSS, abs=KW)
        drawn_kw = 1e3 * net.res_ext_grid["p_mw"].sum()
        assert state.import_kw[time] == pytest.approx(drawn_kw, abs=KW * shape[1])


def named(net: Any) -> Any:
    """The net with names by which its buses can be told apart."""
    if net.bus["name"].duplicated().any():
        net.bus["name"] = [f"bus {index}" for index in net.bus.index]
    return net


@pytest.mark.parametrize(
    "create",
    [
        pn.create_cigre_network_lv,
        pn.create_kerber_dorfnetz,
        pn.create_kerber_landnetz_kabel_1,
        pn.create_kerber_landnetz_kabel_2,
        pn.create_kerber_landnetz_freileitung_1,
        pn.create_kerber_landnetz_freileitung_2,
        pn.create_kerber_vorstadtnetz_kabel_1,
        pytest.param(pn.create_kerber_vorstadtnetz_kabel_2, marks=pytest.mark.slow),
    ],
)
def test_reference_networks(create: Callable[[], Any]) -> None:
    assert_agrees_with_runpp(named(create()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rural1", "rural2", "rural3", "semiurb4", "semiurb5", "urban6"])
def test_networks_of_simbench_with_taps(name: str) -> None:
    """The oracle heeds a tap only when its changer has a type, which SimBench's lose on the way."""
    simbench = pytest.importorskip("simbench")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = named(simbench.get_simbench_net(f"1-LV-{name}--0-sw"))
    for tap_pos in (0, -2):
        net.trafo["tap_pos"] = tap_pos
        net.trafo["tap_changer_type"] = None
        (unit,) = as_substation(net).network.transformers
        assert unit.tap_steps == tap_pos
        net.trafo["tap_changer_type"] = "Ratio"
        assert_agrees_with_runpp(net)


def village() -> Any:
    """A small net with everything that is read: 20/0.4 kV, a ring that is open, stubs, a switch."""
    net = pp.create_empty_network(name="village")
    hv, hv_2 = (pp.create_bus(net, 20.0, name=name) for name in ("hv", "hv_2"))
    lv = [pp.create_bus(net, 0.4, name=f"lv_{i}") for i in range(7)]
    pp.create_ext_grid(net, hv, vm_pu=1.01, va_degree=7.0)
    pp.create_switch(net, hv, hv_2, et="b", closed=True)
    pp.create_transformer_from_parameters(
        net, hv_2, lv[0], sn_mva=0.25, vn_hv_kv=20.0, vn_lv_kv=0.41, vkr_percent=1.4,
        vk_percent=4.0, pfe_kw=0.6, i0_percent=0.4, shift_degree=150, vector_group="Dyn5",
        tap_side="hv", tap_neutral=0, tap_pos=-1, tap_step_percent=2.5, tap_step_degree=0.0,
        tap_changer_type="Ratio", parallel=2, df=0.9,
    )  # fmt: skip
    for i in range(6):
        pp.create_line_from_parameters(
            net, lv[i], lv[i + 1], 0.15, r_ohm_per_km=0.2, x_ohm_per_km=0.08, c_nf_per_km=800.0,
            max_i_ka=0.27, g_us_per_km=20.0, parallel=1 + i % 2, df=0.8, name=f"line_{i}",
        )  # fmt: skip
    for i, bus in enumerate(lv[1:]):
        pp.create_load(net, bus, 0.01 * i, 0.002, name=f"load_{i}", scaling=0.9)
    pp.create_sgen(net, lv[2], 0.012, 0.001, scaling=0.5)
    pp.create_storage(net, lv[3], 0.004, 1.0)
    return net


def plain(net: Any) -> None:
    """The village as it is."""


def stub(net: Any) -> None:
    """The far end of a cable is open, its load has no supply, and it still draws charging power."""
    pp.create_switch(net, int(net.line.at[5, "to_bus"]), 5, et="l", closed=False)
    net.load.loc[5, "in_service"] = False


def ring(net: Any) -> None:
    pp.create_line_from_parameters(
        net, int(net.line.at[5, "to_bus"]), int(net.line.at[0, "from_bus"]), 0.4, 0.2, 0.08, 800.0,
        max_i_ka=0.27, name="back",
    )  # fmt: skip


def bus_out_of_service(net: Any) -> None:
    net.bus.loc[int(net.line.at[5, "to_bus"]), "in_service"] = False
    net.load.loc[5, "in_service"] = False


def line_and_load_out_of_service(net: Any) -> None:
    net.line.loc[5, "in_service"] = False
    net.load.loc[[1, 5], "in_service"] = False


def second_unit_open_at_lv(net: Any) -> None:
    net.trafo = net.trafo.loc[[0, 0]].reset_index(drop=True)
    pp.create_switch(net, int(net.trafo.at[1, "lv_bus"]), 1, et="t", closed=False)


def tap_at_the_lv_winding(net: Any) -> None:
    net.trafo.loc[0, "tap_side"] = "lv"
    net.trafo.loc[0, "tap_pos"] = 2


def no_vector_group(net: Any) -> None:
    net.trafo["vector_group"] = None
    net.trafo["shift_degree"] = 0.0


@pytest.mark.parametrize(
    "change",
    [
        plain,
        stub,
        ring,
        bus_out_of_service,
        line_and_load_out_of_service,
        second_unit_open_at_lv,
        tap_at_the_lv_winding,
        no_vector_group,
    ],
)
def test_parts_of_a_net_are_read_as_pandapower_means_them(change: Callable[[Any], None]) -> None:
    net = village()
    change(net)
    assert_agrees_with_runpp(net)


def test_ratings_take_parallel_and_derating() -> None:
    network = from_pandapower(village())
    assert network.transformers[0].rating_kva == pytest.approx(0.9 * 2 * 250)
    assert network.lines[1].rating_a == pytest.approx(2 * 0.8 * 270)


def test_an_open_line_ends_on_a_bus_of_its_own() -> None:
    net = village()
    stub(net)
    substation = as_substation(net)
    places = {bus.name for bus in substation.layout.buses}
    assert "open end of line_5" in places
    assert "lv_6" not in places


def test_a_load_without_supply_is_missed() -> None:
    net = village()
    stub(net)
    net.load.loc[5, "in_service"] = True
    with pytest.raises(GridError, match=r"load_5: found bus lv_6, without a way to an ext_grid"):
        from_pandapower(net)


def test_a_tap_counts_though_its_changer_has_no_type() -> None:
    """pandapower would leave it out."""
    net = village()
    with_type = from_pandapower(net)
    net.trafo["tap_changer_type"] = None
    assert from_pandapower(net).transformers[0].tapped_kv == with_type.transformers[0].tapped_kv


def test_what_cannot_be_read_comes_together() -> None:
    net = village()
    pp.create_shunt(net, 3, q_mvar=0.01)
    pp.create_gen(net, 4, p_mw=0.01)
    net.load.loc[0, "const_z_p_percent"] = 50.0
    net.load.loc[1, "type"] = "delta"
    net.switch.loc[0, "z_ohm"] = 0.1
    net.trafo["shift_degree"] = 20.0
    net.trafo["tap_changer_type"] = "Ideal"
    with pytest.raises(GridError) as caught:
        from_pandapower(net)
    assert sorted(fault.where for fault in caught.value.faults) == [
        "net.gen",
        "net.load[0]",
        "net.load[1]",
        "net.shunt",
        "net.switch[0]",
        "net.trafo[0]",
        "net.trafo[0]",
    ]


def test_a_file_is_read_or_missed(tmp_path: Path) -> None:
    net = village()
    pp.to_json(net, str(tmp_path / "village.json"))
    # By their text, since a value that is not known is NaN and equals nothing.
    read = read_pandapower(tmp_path / "village.json")
    assert repr(read) == repr(from_pandapower(net))
    with pytest.raises(GridError, match="no such file"):
        read_pandapower(tmp_path / "town.json")


def test_single_phase_loads_become_single_phase_homes() -> None:
    """The IEEE European LV feeder: 55 homes, each on one phase."""
    network, homes = loads_as_homes(from_pandapower(pn.ieee_european_lv_asymmetric()))
    phases = [home.phase for home in homes]
    assert (phases.count("a"), phases.count("b"), phases.count("c")) == (21, 19, 15)
    assert all(np.isfinite([bus.x_m for bus in network.buses]))
