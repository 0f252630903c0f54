"""Small nets for the tests of own grids."""

from typing import Any

import pandapower as pp

from mas2sim.grid.pandapower_export import to_pandapower
from mas2sim.grid.substation import Substation


def street(homes: int = 3) -> Any:
    """A sound net: 100 kVA, one cable of 50 m a home, zero sequence and taps stated."""
    net = pp.create_empty_network(name="street")
    hv = pp.create_bus(net, 10.0, name="hv")
    lv = pp.create_bus(net, 0.4, name="lv")
    pp.create_ext_grid(net, hv, vm_pu=1.02)
    pp.create_transformer_from_parameters(
        net, hv, lv, sn_mva=0.1, vn_hv_kv=10.0, vn_lv_kv=0.4, vkr_percent=1.5, vk_percent=4.0,
        pfe_kw=0.2, i0_percent=0.3, shift_degree=150.0, vector_group="Dyn5", tap_side="hv",
        tap_neutral=0, tap_min=-2, tap_max=2, tap_pos=0, tap_step_percent=2.5,
        tap_changer_type="Ratio", name="unit",
    )  # fmt: skip
    before = lv
    for number in range(1, homes + 1):
        bus = pp.create_bus(net, 0.4, name=f"joint {number}")
        pp.create_line_from_parameters(
            net, before, bus, 0.05, r_ohm_per_km=0.32, x_ohm_per_km=0.08, c_nf_per_km=0.0,
            max_i_ka=0.2, r0_ohm_per_km=1.28, x0_ohm_per_km=0.32, c0_nf_per_km=0.0,
            name=f"cable {number}",
        )  # fmt: skip
        pp.create_load(net, bus, p_mw=0.002, q_mvar=0.0, name=f"load {number}", type="wye")
        before = bus
    return net


def exchanged(substation: Substation) -> Any:
    """A substation as its own net, with the phases in a column of its loads."""
    net = to_pandapower(substation)
    net.load["phase"] = [home.phase for home in substation.homes]
    return net
