"""The storage path against linear programs, against numbers worked out by hand, and its buffers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult, linprog

from mas2sim.cems.storage_path import StorageTask, least_cost_path
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.machine_code import compiled

EUR = 1e-9
"""Costs are below 10 EUR and sums of fewer than 100 products."""
KWH = 1e-9
"""What the path itself allows rounding to add up to."""
PREFERENCE = 1e-5
"""The second linear program may cost 1e-8 more than the first, at some tens of preference per
EUR, and keeps its rows to 1e-10."""
SECOND_COST_EUR = 1e-8
HIGHS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@st.composite
def tasks(draw: st.DrawFn) -> StorageTask:
    """Storages of any make; slopes from a coarse grid, so that equal ones are common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    steps = draw(st.integers(1, 12))
    pieces = draw(st.integers(1, 4))
    keep = np.ones(steps) if draw(st.booleans()) else rng.uniform(0.7, 1.0, steps)
    inflow = rng.uniform(-0.2, 0.3, steps) if draw(st.booleans()) else np.zeros(steps)
    lower = rng.uniform(0.0, 0.8, steps) * draw(st.sampled_from([0.0, 1.0]))
    upper = lower + rng.uniform(0.5, 3.0, steps)
    if draw(st.booleans()):
        lower[-1] = upper[-1] = rng.uniform(0.0, 1.5)
    width = rng.uniform(0.0, 1.0, (steps, pieces)) * (rng.random((steps, 1)) < 0.8)
    grid = rng.integers(-3, 6, (2, steps, pieces)) / 10
    slope, preference = np.sort(grid, axis=-1)
    if draw(st.booleans()):
        slope = slope + rng.uniform(0.0, 0.05, (steps, 1))
    begin = -rng.uniform(0.0, 1.2, steps) * (width.sum(axis=1) > 0)
    return StorageTask(keep, inflow, lower, upper, 1.0, begin, width, slope, preference)


@dataclass(frozen=True)
class Program:
    """The task as a linear program: pieces, then energies."""

    task: StorageTask

    def solve(self, objective: np.ndarray, most_eur: float | None = None) -> OptimizeResult:
        task = self.task
        steps, pieces = task.width_kwh.shape
        rows = np.zeros((steps, steps * pieces + steps))
        for t in range(steps):
            rows[t, t * pieces : (t + 1) * pieces] = -1.0
            rows[t, steps * pieces + t] = 1.0
            if t:
                rows[t, steps * pieces + t - 1] = -task.keep[t]
        known = task.inflow_kwh + task.begin_kwh
        known[0] += task.keep[0] * task.start_kwh
        return linprog(
            np.r_[objective.ravel(), np.zeros(steps)],
            A_ub=None if most_eur is None else self._row(task.slope_eur_per_kwh),
            b_ub=None if most_eur is None else [most_eur],
            A_eq=rows,
            b_eq=known,
            bounds=[
                *((0.0, width) for width in task.width_kwh.ravel()),
                *zip(task.lower_kwh, task.upper_kwh, strict=True),
            ],
            options=HIGHS,
        )

    def _row(self, values: np.ndarray) -> np.ndarray:
        return np.r_[values.ravel(), np.zeros(len(self.task.keep))][None]


@given(task=tasks())
@settings(max_examples=250, deadline=None, derandomize=True)
def test_least_cost_and_then_least_preference(task: StorageTask) -> None:
    path = least_cost_path(task)
    cheapest = Program(task).solve(task.slope_eur_per_kwh)

    assert path.feasible == (cheapest.status == 0)
    if not path.feasible:
        check_infeasible(task)
        return
    check_path(task)
    assert path.cost_eur == pytest.approx(cheapest.fun, abs=EUR, rel=0)
    preferred = Program(task).solve(task.preference, most_eur=cheapest.fun + SECOND_COST_EUR)
    assert path.preference == pytest.approx(preferred.fun, abs=PREFERENCE, rel=0)


def check_path(task: StorageTask) -> None:
    """The path keeps to every bound, and its values prove its cost."""
    path = least_cost_path(task)
    stored = task.start_kwh
    for t, moved in enumerate(path.moved_kwh):
        stored = task.keep[t] * stored + task.inflow_kwh[t] + moved
        assert stored == pytest.approx(path.stored_kwh[t], abs=KWH)
        assert task.lower_kwh[t] - KWH <= stored <= task.upper_kwh[t] + KWH
        most = task.begin_kwh[t] + task.width_kwh[t].sum()
        assert task.begin_kwh[t] - KWH <= moved <= most + KWH
    assert lagrangian_eur(task, path.value_eur_per_kwh) == pytest.approx(path.cost_eur, abs=EUR)


def lagrangian_eur(task: StorageTask, value: np.ndarray) -> float:
    """Lower bound on the cost under any values of the energy: weak duality, term by term."""
    next_value = np.append(value[1:] * task.keep[1:], 0.0)
    reduced = np.minimum(task.slope_eur_per_kwh - value[:, None], 0.0) * task.width_kwh
    at_bound = np.minimum(
        (value - next_value) * task.lower_kwh, (value - next_value) * task.upper_kwh
    )
    fixed = value * (task.begin_kwh + task.inflow_kwh)
    return float(
        reduced.sum() + at_bound.sum() - fixed.sum() - value[0] * task.keep[0] * task.start_kwh
    )


def check_infeasible(task: StorageTask) -> None:
    """Up to the step named there is a path; with what is missing there is one beyond it."""
    path = least_cost_path(task)
    step, missing = path.infeasible_step, path.missing_kwh
    assert abs(missing) > KWH

    assert step == 0 or least_cost_path(first_steps(task, step)).feasible
    lower, upper = task.lower_kwh.copy(), task.upper_kwh.copy()
    lower[step] -= max(missing, 0.0)
    upper[step] -= min(missing, 0.0)
    eased = first_steps(replace(task, lower_kwh=lower, upper_kwh=upper), step + 1)
    assert least_cost_path(eased).feasible
    # A little less would not do.
    lower[step] += 1e-6 * (missing > 0)
    upper[step] -= 1e-6 * (missing < 0)
    if lower[step] <= upper[step]:
        still = first_steps(replace(task, lower_kwh=lower, upper_kwh=upper), step + 1)
        assert least_cost_path(still).infeasible_step == step


def first_steps(task: StorageTask, steps: int) -> StorageTask:
    return StorageTask(
        task.keep[:steps], task.inflow_kwh[:steps], task.lower_kwh[:steps], task.upper_kwh[:steps],
        task.start_kwh, task.begin_kwh[:steps], task.width_kwh[:steps],
        task.slope_eur_per_kwh[:steps], task.preference[:steps],
    )  # fmt: skip


def charge_only(prices: list[float], need_kwh: float, **changes: object) -> StorageTask:
    """At most 1 kWh a step, `need_kwh` in the end."""
    steps = len(prices)
    lower = np.zeros(steps)
    lower[-1] = need_kwh
    task = StorageTask(
        np.ones(steps), np.zeros(steps), lower, np.full(steps, need_kwh), 0.0, np.zeros(steps),
        np.ones((steps, 1)), np.array(prices)[:, None], np.zeros((steps, 1)),
    )  # fmt: skip
    return replace(task, **changes)


def test_energy_is_bought_in_the_cheapest_steps() -> None:
    path = least_cost_path(charge_only([0.3, 0.1, 0.2, 0.4], 1.5))

    assert path.moved_kwh.tolist() == [0.0, 1.0, 0.5, 0.0]
    assert path.cost_eur == pytest.approx(0.1 + 0.5 * 0.2)
    # While it is neither empty nor full, one kWh more would be bought at 0.2.
    assert path.value_eur_per_kwh[1:3].tolist() == pytest.approx([0.2, 0.2])


def test_leakage_makes_early_energy_dearer() -> None:
    # 1 kWh in the first step leaves 0.8 kWh: 0.10 / 0.8 > 0.12.
    early, late = 0.10, 0.12
    path = least_cost_path(charge_only([early, late], 0.5, keep=np.array([1.0, 0.8])))

    assert path.moved_kwh.tolist() == [0.0, 0.5]


def test_preference_decides_among_equals_only() -> None:
    liking = np.array([3.0, 2.0, 1.0, -9.0])[:, None]
    path = least_cost_path(charge_only([0.1, 0.1, 0.1, 0.2], 1.5, preference=liking))

    assert path.moved_kwh.tolist() == [0.0, 0.5, 1.0, 0.0]


def test_it_says_how_much_is_missing_and_when() -> None:
    path = least_cost_path(charge_only([0.1, 0.1], 2.75))

    assert (path.infeasible_step, path.missing_kwh) == (1, pytest.approx(0.75))
    assert np.isnan(path.cost_eur)


def test_it_says_how_much_is_too_much_and_when() -> None:
    path = least_cost_path(charge_only([0.1, 0.1], 0.5, inflow_kwh=np.array([0.0, 0.7])))

    assert (path.infeasible_step, path.missing_kwh) == (1, pytest.approx(-0.2))


def test_all_faults_of_a_task_come_together() -> None:
    with pytest.raises(ConfigurationError) as raised:
        StorageTask(
            np.array([0.0]), np.zeros(1), np.zeros(1), np.ones(1), 0.0, np.zeros(1),
            np.array([[1.0, -1.0]]), np.array([[0.2, 0.1]]), np.zeros((1, 2)),
        )  # fmt: skip

    assert [fault.where for fault in raised.value.faults] == [
        "keep",
        "width_kwh",
        "slope_eur_per_kwh",
    ]


def test_without_a_folder_for_machine_code_it_compiles_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    genuine = numba.njit

    def nowhere_to_write(*args: object, cache: bool = False, **options: object) -> object:
        if cache:

            def refuse(function: object) -> object:
                raise RuntimeError("cannot cache function: no locator available")

            return refuse
        return genuine(*args, **options)

    monkeypatch.setattr(numba, "njit", nowhere_to_write)

    assert compiled(lambda x: x + 1)(1) == 2


FULL_BUFFERS = """
import numpy as np
from mas2sim.cems.storage_path import StorageDay, StorageTask, least_cost_path, storage_plan

steps, pieces = 96, 24
rng = np.random.default_rng(0)
grid = np.sort(rng.random((2, steps, pieces)), axis=-1)
# Bounds that never bind: every piece of every step stays in the list to the end.
wide = StorageTask(
    np.ones(steps), np.zeros(steps), np.full(steps, -1e6), np.full(steps, 1e6), 0.0,
    np.zeros(steps), np.full((steps, pieces), 0.1), *grid,
)
assert least_cost_path(wide).feasible
limits = (0.99, 0.01, -1e6, 1e6, -1.0, 1.0, 0.2, 0.3)
day = StorageDay(*(np.full(steps, limit) for limit in limits))
for net in (-0.5, 0.0, 0.5):
    answer = storage_plan(
        np.full(steps, net), np.full(steps, 0.1), np.full(steps, 0.2), day, 95, 0.0,
        np.ones(steps), 8, np.empty(steps), np.empty(steps),
    )
    assert answer[2] == -1
"""


def test_no_buffer_is_overrun(tmp_path: object) -> None:
    """The largest lists there can be, with every index checked."""
    checked = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", FULL_BUFFERS],
        check=False,
        env=checked,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
