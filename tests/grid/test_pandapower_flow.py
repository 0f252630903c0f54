"""The default engine against pandapower on the generated substation."""

from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from mas2sim.grid import (
    BatchPowerFlow,
    PandapowerFlow,
    Substation,
    connect,
    from_pandapower,
    to_pandapower,
)

VOLTAGE_PU = 1e-6
"""Contract with the oracle; found are differences near 1e-12, and 3e-8 phase by phase."""

LOSS = 1e-4
"""Contract with the oracle, relative."""

LOADING = 1e-4
"""Percentage points; the loading follows the voltage."""


def powers(times: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(0.8, 2.0, (times, 184)), rng.normal(0.2, 0.2, (times, 184))


@pytest.mark.parametrize("recycle", [False, True])
def test_balanced_flow_agrees(cardiff: Substation, recycle: bool) -> None:
    p_kw, q_kvar = powers(4)
    ours = BatchPowerFlow(cardiff, unbalanced=False).solve(p_kw, q_kvar)
    theirs = PandapowerFlow(cardiff, recycle=recycle).solve(p_kw, q_kvar)
    assert theirs.converged.all()
    np.testing.assert_allclose(ours.vm_pu, theirs.vm_pu, atol=VOLTAGE_PU)
    np.testing.assert_allclose(ours.loading_percent, theirs.loading_percent, atol=LOADING)
    for name in (
        "import_kw",
        "import_kvar",
        "loss_line_kw",
        "loss_transformer_load_kw",
        "loss_transformer_no_load_kw",
    ):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=LOSS)


def test_a_time_that_diverges_is_masked(cardiff: Substation) -> None:
    p_kw, q_kvar = powers(3)
    p_kw[1, 7] = 5000.0
    for recycle in (False, True):
        state = PandapowerFlow(cardiff, recycle=recycle).solve(p_kw, q_kvar)
        assert state.converged.tolist() == [True, False, True]
        assert np.isnan(state.vm_pu[1]).all()
        assert np.isnan(state.loss_kw[1])
        assert np.isfinite(state.vm_pu[[0, 2]]).all()


def test_phase_by_phase_flow_agrees(cardiff: Substation) -> None:
    """Without a magnetising branch: runpp_3ph knows the T model only, and without it T is pi."""
    unit = replace(cardiff.network.transformers[0], iron_kw=0.0, i0_percent=0.0)
    substation = connect(replace(cardiff.network, transformers=(unit,)), cardiff.homes)
    p_kw, q_kvar = powers(1)
    net = to_pandapower(substation, by_phase=True)
    for phase in "abc":
        on = np.array([home.phase == phase for home in substation.homes])
        net.asymmetric_load[f"p_{phase}_mw"] = on * p_kw[0] / 1e3
        net.asymmetric_load[f"q_{phase}_mvar"] = on * q_kvar[0] / 1e3
    pp.runpp_3ph(net, tolerance_mva=1e-10)

    state = BatchPowerFlow(substation, unbalanced=True).solve(p_kw, q_kvar)
    theirs = net.res_bus_3ph[["vm_a_pu", "vm_b_pu", "vm_c_pu"]].to_numpy()
    assert np.isfinite(theirs).all()
    # The oracle has a voltage on all phases of all buses, services of one phase among them.
    has_phase = np.isfinite(state.vm_pu[0])
    assert has_phase.sum() == 3 * 186 + 184
    np.testing.assert_allclose(state.vm_pu[0][has_phase], theirs[has_phase], atol=VOLTAGE_PU)
    columns = ["pl_a_mw", "pl_b_mw", "pl_c_mw"]
    line_kw = 1e3 * net.res_line_3ph[columns].to_numpy().sum()
    assert state.loss_line_kw[0] == pytest.approx(line_kw, rel=LOSS)
    unit_kw = 1e3 * net.res_trafo_3ph[columns].to_numpy().sum()
    assert state.loss_transformer_load_kw[0] == pytest.approx(unit_kw, rel=LOSS)
    s_mva = sum(
        np.hypot(net.res_trafo_3ph[f"p_{phase}_hv_mw"], net.res_trafo_3ph[f"q_{phase}_hv_mvar"])
        for phase in "abc"
    )
    loading = 100 * 1e3 * s_mva.item() / unit.rating_kva
    assert state.loading_percent[0, 0] == pytest.approx(loading, abs=LOADING)


def test_export_and_import_are_inverse(cardiff: Substation) -> None:
    network = from_pandapower(cardiff.net, name=cardiff.name)
    homes = [(load.name, load.bus) for load in network.loads]
    assert homes == [(home.home, home.bus) for home in cardiff.homes]
    assert network.buses == cardiff.network.buses
    assert network.sources == cardiff.network.sources
    for ours, back in zip(
        (*cardiff.network.transformers, *cardiff.network.lines),
        (*network.transformers, *network.lines),
        strict=True,
    ):
        assert (back.branch.from_bus, back.branch.to_bus) == (
            ours.branch.from_bus,
            ours.branch.to_bus,
        )
        assert back.branch.rating == pytest.approx(ours.branch.rating)
    for ours_line, line in zip(cardiff.network.lines, network.lines, strict=True):
        for name in ("r_ohm", "x_ohm", "r0_ohm", "x0_ohm", "c_nf"):
            assert getattr(line, name) == pytest.approx(getattr(ours_line, name))
