"""A day of power flows on the Cardiff substation: one batch against a pandapower loop.

The baseline is what one would write first: `runpp` in a loop, numba on, compiled before the clock
starts. The faster variant, which reuses admittances and starts from the last result, is printed
beside it. Both solve the same powers, and their voltages are compared before anything is claimed.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mas2sim.domain.grid_state import GridState, PowerFlow
from mas2sim.domain.randomness import stream
from mas2sim.grid import BatchPowerFlow, PandapowerFlow, build_cardiff

FLOWS = 96
ROUNDS = 5
"""The least of so many runs counts for the batch, which is short enough to be disturbed."""

TARGET_RATIO = 20.0

PANDAPOWER_TOLERANCE_MVA = 1e-8
"""pandapower's own default; the tighter one of the tests would slow the baseline down."""

SAME_VOLTAGE_PU = 1e-6
GRIDS = Path(__file__).parents[1] / "grids" / "cardiff"


def main() -> int:
    substation = build_cardiff(GRIDS, 1)
    rng = stream(1, "benchmark", "power_flow")
    p_kw = rng.gamma(1.0, 0.9, (FLOWS, len(substation.homes)))
    q_kvar = 0.25 * p_kw

    batch_ms, batch = measure(BatchPowerFlow(substation, unbalanced=False), p_kw, q_kvar, ROUNDS)
    phase_ms, _ = measure(BatchPowerFlow(substation, unbalanced=True), p_kw, q_kvar, ROUNDS)
    pandapower = PandapowerFlow(substation, tolerance_mva=PANDAPOWER_TOLERANCE_MVA)
    loop_ms, loop = measure(pandapower, p_kw, q_kvar, 1)
    recycling = PandapowerFlow(substation, recycle=True, tolerance_mva=PANDAPOWER_TOLERANCE_MVA)
    recycle_ms, _ = measure(recycling, p_kw, q_kvar, 1)

    difference_pu = float(np.abs(batch.vm_pu - loop.vm_pu).max())
    ratio = loop_ms / batch_ms
    same = difference_pu < SAME_VOLTAGE_PU
    print(f"{FLOWS} flows, {len(substation.layout.buses)} buses, {len(substation.homes)} homes")
    if not same:
        print(f"voltages differ by {difference_pu:.1e} pu: the times mean nothing")
    if ratio < TARGET_RATIO:
        print(f"the batch is {ratio:.1f} times as fast; at least {TARGET_RATIO:g} times is wanted")
    print(
        f"ratio={ratio:.1f} batch_ms_per_flow={batch_ms:.3f} pandapower_ms_per_flow={loop_ms:.2f} "
        f"ratio_recycle={recycle_ms / batch_ms:.1f} recycle_ms_per_flow={recycle_ms:.2f} "
        f"unbalanced_ms_per_flow={phase_ms:.3f} numba={int(find_spec('numba') is not None)} "
        f"difference_pu={difference_pu:.1e}"
    )
    return 0 if same and ratio >= TARGET_RATIO else 1


def measure(
    flow: PowerFlow, p_kw: np.ndarray, q_kvar: np.ndarray, rounds: int
) -> tuple[float, GridState]:
    """Least time per flow of some rounds [ms], and the state; two flows warm up."""
    flow.solve(p_kw[:2], q_kvar[:2])
    spent_s = []
    for _ in range(rounds):
        start = time.perf_counter()
        state = flow.solve(p_kw, q_kvar)
        spent_s.append(time.perf_counter() - start)
    return 1000.0 * min(spent_s) / len(p_kw), state
