"""What mosaik itself costs in the world of the default case: at most 80 ms."""

from __future__ import annotations

from statistics import median

LIMIT_MS = 80.0
RUNS = 5


def main() -> int:
    """Run the default case's world a few times and print mosaik's own share."""
    from mas2sim.cosim import run_world
    from mas2sim.scenario import compose_case
    from mas2sim.scenario.build import build_setup

    setup, _ = build_setup(compose_case())
    # CPU time of building, running and ending the world, less that within the agents' steps.
    overhead_ms = [1e3 * run_world(setup).mosaik_s for _ in range(RUNS)]
    middle = median(overhead_ms)
    print(
        f"mosaik_ms={middle:.1f} mosaik_min_ms={min(overhead_ms):.1f} "
        f"mosaik_max_ms={max(overhead_ms):.1f} limit_ms={LIMIT_MS:.0f} "
        f"homes={len(setup.homes)} levels={len(setup.levels)} runs={RUNS}"
    )
    return 0 if middle <= LIMIT_MS else 1
