"""A substation as a pandapower net, for exchange and for cross-checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from mas2sim.grid.network import PHASES, Network, Transformer
from mas2sim.grid.substation import Substation

_KW_PER_MW = 1000.0
_A_PER_KA = 1000.0
_M_PER_KM = 1000.0
_DEGREES_PER_HOUR = 30.0
_STIFF_MVA = 1e14
_OPEN_MAGNETISING_PERCENT = 1e9
"""Zero-sequence magnetising impedance of a transformer without a path for it: as good as open."""


def to_pandapower(substation: Substation, *, by_phase: bool = False) -> Any:
    """Write a substation as a pandapower net.

    Parameters
    ----------
    by_phase : bool
        True to make each home an asymmetric_load, for `runpp_3ph`; False to make it a load.

    Returns
    -------
    pandapowerNet
        Buses and branches in the order of the layout, transformers apart; the first loads are the
        homes, at no power.
    """
    import pandapower as pp

    network = substation.network
    net = pp.create_empty_network(name=network.name, f_hz=network.frequency_hz)
    bus = _buses(net, network)
    for source in network.sources:
        pp.create_ext_grid(
            net,
            bus[source.bus],
            vm_pu=source.vm_pu,
            va_degree=source.va_degree,
            s_sc_max_mva=_STIFF_MVA,
            rx_max=0.1,
            r0x0_max=0.1,
            x0x_max=1.0,
        )
    _lines(net, network, bus)
    for unit in network.transformers:
        _transformer(net, unit, bus)
    for one, other in network.joined:
        pp.create_switch(net, bus[one], bus[other], et="b")
    _loads(net, substation, bus, by_phase=by_phase)
    return net


def _buses(net: Any, network: Network) -> dict[str, int]:
    import pandapower as pp

    placed = all(np.isfinite([bus.x_m, bus.y_m]).all() for bus in network.buses)
    index = pp.create_buses(
        net,
        len(network.buses),
        vn_kv=[bus.vn_kv for bus in network.buses],
        name=[bus.name for bus in network.buses],
        geodata=[(bus.x_m, bus.y_m) for bus in network.buses] if placed else None,
    )
    return dict(zip([bus.name for bus in network.buses], index.tolist(), strict=True))


def _lines(net: Any, network: Network, bus: dict[str, int]) -> None:
    import pandapower as pp

    lines = network.lines
    if not lines:
        return
    # A line without a length still has an impedance; its figures are then stated for a whole km.
    length_km = np.array([line.length_m / _M_PER_KM or 1.0 for line in lines])

    def per_km(field: str) -> Any:
        return np.array([getattr(line, field) for line in lines]) / length_km

    pp.create_lines_from_parameters(
        net,
        [bus[line.from_bus] for line in lines],
        [bus[line.to_bus] for line in lines],
        length_km,
        r_ohm_per_km=per_km("r_ohm"),
        x_ohm_per_km=per_km("x_ohm"),
        c_nf_per_km=per_km("c_nf"),
        max_i_ka=np.array([line.rating_a for line in lines]) / _A_PER_KA,
        name=[line.name for line in lines],
        g_us_per_km=per_km("g_us"),
        r0_ohm_per_km=per_km("r0_ohm"),
        x0_ohm_per_km=per_km("x0_ohm"),
        c0_nf_per_km=per_km("c0_nf"),
    )


def _transformer(net: Any, unit: Transformer, bus: dict[str, int]) -> None:
    import pandapower as pp

    group = unit.vector_group
    pp.create_transformer_from_parameters(
        net,
        bus[unit.hv_bus],
        bus[unit.lv_bus],
        sn_mva=unit.sn_kva / _KW_PER_MW,
        vn_hv_kv=unit.vn_hv_kv,
        vn_lv_kv=unit.vn_lv_kv,
        vkr_percent=unit.vkr_percent,
        vk_percent=unit.vk_percent,
        pfe_kw=unit.iron_kw,
        i0_percent=unit.i0_percent,
        shift_degree=group.clock * _DEGREES_PER_HOUR,
        vector_group=f"{group.hv}{group.lv}",
        df=unit.rating_kva / unit.sn_kva,
        tap_side=unit.tap_side,
        tap_neutral=0,
        tap_pos=unit.tap_steps,
        tap_step_percent=unit.tap_step_percent,
        tap_step_degree=0.0,
        tap_changer_type="Ratio",
        vk0_percent=unit.vk_percent,
        vkr0_percent=unit.vkr_percent,
        mag0_percent=_OPEN_MAGNETISING_PERCENT,
        mag0_rx=0.0,
        si0_hv_partial=0.9,
        name=unit.name,
    )


def _loads(net: Any, substation: Substation, bus: dict[str, int], *, by_phase: bool) -> None:
    """Homes first, then the loads that never change."""
    import pandapower as pp

    layout, fixed = substation.layout, substation.network.loads
    buses = [bus[name] for name in (*layout.home_bus, *(load.bus for load in fixed))]
    names = [*(home.home for home in substation.homes), *(load.name for load in fixed)]
    p_mw = np.array([0.0] * len(substation.homes) + [load.p_kw for load in fixed]) / _KW_PER_MW
    q_mvar = np.array([0.0] * len(substation.homes) + [load.q_kvar for load in fixed]) / _KW_PER_MW
    if not by_phase:
        if buses:
            pp.create_loads(net, buses, p_mw, q_mvar, name=names)
        return
    phases = [*layout.home_phase, *(load.phase for load in fixed)]
    for index, phase in enumerate(phases):
        share = {letter: (letter in phase) / len(phase) for letter in PHASES}
        pp.create_asymmetric_load(
            net,
            buses[index],
            name=names[index],
            **{f"p_{letter}_mw": p_mw[index] * part for letter, part in share.items()},
            **{f"q_{letter}_mvar": q_mvar[index] * part for letter, part in share.items()},
        )
