"""The default engine phase by phase against pandapower's runpp_3ph, on every grid there is.

`runpp_3ph` is an oracle with conditions, and all of them are kept here:

- It knows the T model of a transformer only, so the magnetising branch is left out, without which T
  and pi are the same.
- Its magnetising impedance of the zero sequence must be next to infinite, as a delta has none.
- It may say that it converged and leave NaN (pandapower issue 3068); so the voltages are asked.
- It drops loads whose type is missing (issue 1072); nets are written anew from a `Network` here.
- It knows Dyn, YNyn and Yzn.

Most networks that come with packages have no zero sequence. They are given one here with a neutral
like the phases, R0 + jX0 = 4 (R + jX); both engines get the same.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pytest

from mas2sim.grid import (
    BatchPowerFlow,
    Network,
    Substation,
    build_cardiff,
    connect,
    from_pandapower,
    loads_as_homes,
    to_pandapower,
)

GRIDS = Path(__file__).parents[2] / "grids" / "cardiff"

VOLTAGE_PU = 1e-5
"""Contract with the oracle, which ends at 1e-6 pu or so; found are differences up to 3e-8."""

LOSS = 1e-4
"""Contract with the oracle, relative."""

UNBALANCE_PERCENT = 1e-3
"""The contract's voltages in percent."""

PHASES = "abc"
slow = pytest.mark.slow


def read(net: Any) -> Substation:
    """The net's loads as homes on the phases in turn, unless it says which."""
    if net.bus["name"].duplicated().any():
        net.bus["name"] = [f"bus {index}" for index in net.bus.index]
    network, homes = loads_as_homes(from_pandapower(net))
    turned = [
        replace(home, phase=PHASES[number % 3]) if home.phase == PHASES else home
        for number, home in enumerate(homes)
    ]
    return connect(network, turned)


def european() -> Substation:
    """IEEE European LV test feeder: 907 buses and 55 homes, each on its phase."""
    return read(pn.ieee_european_lv_asymmetric("on_peak_566"))


def simbench_net(code: str) -> Substation:
    simbench = pytest.importorskip("simbench")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = simbench.get_simbench_net(code)
    return read(net)


def cardiff_net(number: int) -> Substation:
    return build_cardiff(GRIDS, number)


def fit_for_the_oracle(network: Network) -> Network:
    """Without magnetising branches, and with a zero sequence for all lines."""
    return replace(
        network,
        transformers=tuple(
            replace(unit, iron_kw=0.0, i0_percent=0.0, vk0_percent=math.nan)
            for unit in network.transformers
        ),
        lines=tuple(
            replace(line, r0_ohm=4 * line.r_ohm, x0_ohm=4 * line.x_ohm, c0_nf=line.c_nf)
            if math.isnan(line.r0_ohm + line.x0_ohm)
            else line
            for line in network.lines
        ),
    )


def assert_agrees_with_runpp_3ph(found: Substation, *, seed: int = 11) -> None:
    substation = connect(fit_for_the_oracle(found.network), found.homes)
    homes = len(substation.layout.home_bus)
    rng = np.random.default_rng(seed)
    p_kw, q_kvar = rng.normal(0.8, 1.5, (1, homes)), rng.normal(0.2, 0.2, (1, homes))
    net = to_pandapower(substation, by_phase=True)
    for phase in PHASES:
        on = [(phase in home) / len(home) for home in substation.layout.home_phase]
        net.asymmetric_load.loc[: homes - 1, f"p_{phase}_mw"] = on * p_kw[0] / 1e3
        net.asymmetric_load.loc[: homes - 1, f"q_{phase}_mvar"] = on * q_kvar[0] / 1e3
    pp.runpp_3ph(net, tolerance_mva=1e-10)

    state = BatchPowerFlow(substation, unbalanced=True).solve(p_kw, q_kvar)
    assert state.converged.all()
    theirs = net.res_bus_3ph[["vm_a_pu", "vm_b_pu", "vm_c_pu"]].to_numpy()
    assert np.isfinite(theirs).all()
    # The oracle has a voltage on all phases of all buses, services of one phase among them.
    has_phase = np.isfinite(state.vm_pu[0])
    np.testing.assert_allclose(state.vm_pu[0][has_phase], theirs[has_phase], atol=VOLTAGE_PU)
    three = np.isfinite(state.unbalance_percent[0])
    assert three.tolist() == [phases == PHASES for phases in substation.layout.bus_phases]
    np.testing.assert_allclose(
        state.unbalance_percent[0][three],
        net.res_bus_3ph["unbalance_percent"].to_numpy()[three],
        atol=UNBALANCE_PERCENT,
    )
    columns = ["pl_a_mw", "pl_b_mw", "pl_c_mw"]
    line_kw = 1e3 * net.res_line_3ph[columns].to_numpy().sum()
    assert state.loss_line_kw[0] == pytest.approx(line_kw, rel=LOSS)
    unit_kw = 1e3 * net.res_trafo_3ph[columns].to_numpy().sum()
    assert state.loss_transformer_load_kw[0] == pytest.approx(unit_kw, rel=LOSS)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(pn.create_cigre_network_lv, id="cigre_lv"),
        pytest.param(pn.create_kerber_landnetz_freileitung_1, id="kerber_landnetz_freileitung_1"),
        pytest.param(pn.create_kerber_landnetz_freileitung_2, id="kerber_landnetz_freileitung_2"),
        pytest.param(pn.create_kerber_landnetz_kabel_1, id="kerber_landnetz_kabel_1"),
        pytest.param(pn.create_kerber_landnetz_kabel_2, id="kerber_landnetz_kabel_2"),
        pytest.param(pn.create_kerber_dorfnetz, id="kerber_dorfnetz"),
        pytest.param(
            pn.create_kerber_vorstadtnetz_kabel_1, id="kerber_vorstadtnetz_kabel_1", marks=slow
        ),
    ],
)
def test_nets_of_pandapower(build: Callable[[], Any]) -> None:
    assert_agrees_with_runpp_3ph(read(build()))


@pytest.mark.slow
def test_the_european_feeder() -> None:
    assert_agrees_with_runpp_3ph(european())


@pytest.mark.parametrize("number", [1, *(pytest.param(n, marks=slow) for n in range(2, 7))])
def test_cardiff(number: int) -> None:
    assert_agrees_with_runpp_3ph(cardiff_net(number))


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        f"1-LV-{name}--0-sw"
        for name in ("rural1", "rural2", "rural3", "semiurb4", "semiurb5", "urban6")
    ],
)
def test_nets_of_simbench(code: str) -> None:
    assert_agrees_with_runpp_3ph(simbench_net(code))
