"""A year of balanced flows: the default engine against power-grid-model called bare.

What the engine adds is the choice of what to put out, losses apart by where they arise, loadings,
times that failed, and a year in pieces that fit in memory. The baseline is the same model with the
same powers and the same tolerance, asked for everything it puts out by default, in one call; the
bare call that is asked only for what the state is made of stands beside it. Each bare call starts
from arrays that are already filled, so filling them is the engine's to pay.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._targets import Figure, print_table
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.randomness import stream
from mas2sim.grid import BatchPowerFlow, Substation, build_cardiff
from mas2sim.grid.batch_flow import ERROR_TOLERANCE_PU, MAX_ITERATIONS
from mas2sim.grid.batch_model import batch_model, phase_share

FLOWS = 35_040
TARGET_RATIO = 1.5
ROUNDS = 2
"""The least of so many runs counts."""

SAME_VOLTAGE_PU = 1e-12
"""The same engine with the same settings: nothing but rounding may lie between."""

GRIDS = Path(__file__).parents[1] / "grids" / "cardiff"


def main() -> int:
    substation = build_cardiff(GRIDS, 1)
    rng = stream(1, "benchmark", "year_of_flows")
    p_kw = rng.gamma(1.0, 0.9, (FLOWS, len(substation.homes)))
    q_kvar = 0.25 * p_kw
    flow = BatchPowerFlow(substation, unbalanced=False)
    flow.solve(p_kw[:2], q_kvar[:2])

    engine_s, state = least_s(lambda: flow.solve(p_kw, q_kvar))
    engine_gib = peak_gib()
    narrow_s, _ = least_s(bare(substation, p_kw, q_kvar, narrow=True))
    default_s, output = least_s(bare(substation, p_kw, q_kvar, narrow=False))
    nodes = substation.network.nodes()
    at = [nodes[bus.name] for bus in substation.layout.buses]
    difference_pu = float(np.abs(output["node"]["u_pu"][:, at] - state.vm_pu[..., 0]).max())

    same = difference_pu < SAME_VOLTAGE_PU and bool(state.converged.all())
    print(f"{FLOWS} balanced flows, {len(at)} buses, {len(substation.homes)} homes, one thread")
    if not same:
        print(f"voltages differ by {difference_pu:.1e} pu: the times mean nothing")
    met = print_table(
        [
            Figure("ratio", "engine / bare", engine_s / default_s, at_most=TARGET_RATIO),
            Figure("ratio_narrow", "engine / bare with fewer outputs", engine_s / narrow_s),
            Figure("engine_s", "engine [s]", engine_s, spec=".2f"),
            Figure("bare_s", "bare, default outputs [s]", default_s, spec=".2f"),
            Figure("narrow_s", "bare, fewer outputs [s]", narrow_s, spec=".2f"),
            Figure("engine_gib", "greatest memory until the engine was done [GiB]", engine_gib),
            Figure("bare_gib", "greatest memory after all [GiB]", peak_gib()),
        ]
    )
    return 0 if met and same else 1


def bare(
    substation: Substation, p_kw: FloatArray, q_kvar: FloatArray, *, narrow: bool
) -> Callable[[], dict[str, Any]]:
    """Return the bare call, with powers already in the engine's arrays."""
    from power_grid_model import ComponentType, DatasetType, initialize_array

    model, ids = batch_model(substation.network, substation.layout)
    share = phase_share(substation.layout.home_phase)
    update = initialize_array(DatasetType.update, ComponentType.asym_load, p_kw.shape)
    update["id"] = ids
    update["p_specified"] = 1000.0 * p_kw[:, :, None] * share
    update["q_specified"] = 1000.0 * q_kvar[:, :, None] * share
    fewer: dict[str, Any] = {
        "output_component_types": {
            ComponentType.node: ["u_pu"],
            ComponentType.source: ["p", "q"],
            ComponentType.transformer: ["p_from", "p_to", "s_from"],
            ComponentType.line: ["p_from", "p_to", "i_from", "i_to"],
        }
    }

    def call() -> dict[str, Any]:
        output: dict[str, Any] = model.calculate_power_flow(
            symmetric=True,
            error_tolerance=ERROR_TOLERANCE_PU,
            max_iterations=MAX_ITERATIONS,
            calculation_method="iterative_current",
            update_data={ComponentType.asym_load: update},
            threading=-1,
            **(fewer if narrow else {}),
        )
        return output

    return call


def least_s(call: Callable[[], Any]) -> tuple[float, Any]:
    """Least time of some runs, and the last result."""
    spent_s = []
    result = None
    for _ in range(ROUNDS):
        del result
        start = time.perf_counter()
        result = call()
        spent_s.append(time.perf_counter() - start)
    return min(spent_s), result


def peak_gib() -> float:
    """Greatest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30)


if __name__ == "__main__":
    sys.exit(main())
