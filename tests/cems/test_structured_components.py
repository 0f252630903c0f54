"""The structured method on components of any make, against a mixed-integer program of its own.

The program is stated here from components alone: it meets what no device of today needs yet.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mas2sim.cems.structured import solve_structured
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule
from mas2sim.domain.randomness import stream

from .component_oracle import oracle_eur, random_components

EUR = 1e-6
"""What the planner promises against the proven optimum."""

HOURS = Horizon(60)
MAKES = 120
WAYS = {"fixed", "separable", "enumerated", "one storage"}


@pytest.mark.parametrize("seed", range(MAKES))
def test_same_least_cost_on_components_of_any_make(seed: int) -> None:
    home = random_components(np.random.default_rng(seed), HOURS)
    oracle = oracle_eur(home, HOURS)

    plan = solve_structured(home, HOURS, TieRule.RANDOM, stream(seed, "ties"))

    assert (plan is None) == (oracle is None)
    if plan is not None:
        assert plan.cost_eur == pytest.approx(oracle, abs=EUR, rel=0)
        assert plan.bound_eur == pytest.approx(oracle, abs=EUR, rel=0)


def test_samples_of_any_make_meet_every_way() -> None:
    ways = Counter()
    for seed in range(MAKES):
        home = random_components(np.random.default_rng(seed), HOURS)
        plan = solve_structured(home, HOURS, TieRule.RANDOM, stream(seed, "ties"))
        ways[plan.way if plan else "infeasible"] += 1

    assert set(ways) == {*WAYS, "several storages", "infeasible"}
    assert min(ways["one storage"], ways["several storages"]) > MAKES // 10
