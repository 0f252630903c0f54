"""Components of any make, and a mixed-integer program that is stated from components alone."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from mas2sim.cems.components import Choice, HomeComponents, Storage
from mas2sim.domain.horizon import Horizon


def random_components(rng: np.random.Generator, horizon: Horizon) -> HomeComponents:
    """Choices, and storages of a make that devices need not have."""
    ptus = horizon.ptus
    choices = tuple(
        Choice(
            f"choice_{index}",
            rng.uniform(0.2, 2.5, rng.integers(1, 4)),
            (rng.integers(ptus) + np.arange(rng.integers(1, ptus + 1))) % ptus,
        )
        for index in range(rng.integers(0, 3))
    )
    imports = rng.choice([0.1, 0.2, 0.3], ptus)
    return HomeComponents(
        base_kw=rng.uniform(0.0, 1.0, ptus) - rng.uniform(0.0, 3.0) * (rng.random(ptus) < 0.4),
        choices=choices,
        storages=tuple(
            random_storage(rng, f"storage_{index}", ptus)
            for index in range(rng.choice([0, 1, 2, 3], p=[0.1, 0.5, 0.3, 0.1]))
        ),
        import_eur_per_kwh=imports,
        export_eur_per_kwh=imports - rng.choice([0.0, 0.05, 0.1], ptus),
    )


def random_storage(rng: np.random.Generator, name: str, ptus: int) -> Storage:
    """Leaky or not, with inflow or not, away for a while, its efficiency moving with the hour."""
    delivers = rng.random() < 0.6
    present = (np.arange(ptus) - rng.integers(ptus)) % ptus < rng.integers(6, ptus + 1)
    first = int(np.flatnonzero(present)[0])
    upper = np.full(ptus, rng.uniform(3.0, 8.0))
    lower = np.zeros(ptus)
    start = rng.uniform(1.0, 3.0)
    lower[first - 1] = start if rng.random() < 0.5 else 0.0
    if rng.random() < 0.3:
        upper[first - 1] = lower[first - 1] = start
    charge = rng.uniform(0.8, 1.0) * np.where(rng.random() < 0.5, 1.0, rng.uniform(0.5, 1.0, ptus))
    return Storage(
        name, first, start,
        keep=np.full(ptus, 1.0 if rng.random() < 0.5 else rng.uniform(0.9, 1.0)),
        inflow_kwh=rng.uniform(-0.1, 0.05, ptus) * (rng.random() < 0.5),
        lower_kwh=lower,
        upper_kwh=upper,
        min_kw=np.where(present & delivers, -rng.uniform(0.5, 3.0), 0.0),
        max_kw=np.where(present, rng.uniform(1.0, 3.0), 0.0),
        charge_kwh_per_kw=np.broadcast_to(charge, ptus),
        discharge_kwh_per_kw=np.full(ptus, rng.choice([1.0, 1.15])),
    )  # fmt: skip


def oracle_eur(home: HomeComponents, horizon: Horizon) -> float | None:
    """Least cost by a mixed-integer program over the components; None when there is none."""
    ptus, hours = horizon.ptus, horizon.ptu_hours
    blocks = [home.import_eur_per_kwh * hours, -home.export_eur_per_kwh * hours]
    lower, upper = [np.zeros(2 * ptus)], [np.full(2 * ptus, np.inf)]
    integer = [np.zeros(2 * ptus)]
    balance = [np.eye(ptus), -np.eye(ptus)]
    others: list[tuple[np.ndarray, np.ndarray, int]] = []
    for choice in home.choices:
        profiles = np.zeros((ptus, len(choice.starts)))
        for option, start in enumerate(choice.starts):
            for step, power in enumerate(choice.cycle_kw):
                profiles[(start + step) % ptus, option] += power
        others.append((np.ones((1, len(choice.starts))), np.ones(1), profiles.shape[1]))
        balance.append(-profiles)
        blocks.append(np.zeros(profiles.shape[1]))
        lower.append(np.zeros(profiles.shape[1]))
        upper.append(np.ones(profiles.shape[1]))
        integer.append(np.ones(profiles.shape[1]))
    for storage in home.storages:
        order = (storage.first_ptu + np.arange(ptus)) % ptus
        rows, known = np.zeros((ptus, 3 * ptus)), np.zeros(ptus)
        for k, t in enumerate(order):
            rows[k, t] = -storage.charge_kwh_per_kw[t]
            rows[k, ptus + t] = storage.discharge_kwh_per_kw[t]
            rows[k, 2 * ptus + t] = 1.0
            known[k] = storage.inflow_kwh[t]
            if k:
                rows[k, 2 * ptus + order[k - 1]] = -storage.keep[t]
            else:
                known[k] += storage.keep[t] * storage.start_kwh
        others.append((rows, known, 3 * ptus))
        balance.append(np.hstack([-np.eye(ptus), np.eye(ptus), np.zeros((ptus, ptus))]))
        blocks.append(np.zeros(3 * ptus))
        lower.append(np.r_[np.zeros(2 * ptus), storage.lower_kwh])
        upper.append(np.r_[storage.max_kw, -storage.min_kw, storage.upper_kwh])
        integer.append(np.zeros(3 * ptus))
    return _least_eur(home, np.hstack(balance), others, blocks, lower, upper, integer)


def _least_eur(home, balance, others, blocks, lower, upper, integer) -> float | None:
    rows, known = [balance], [home.base_kw]
    place = 2 * len(home.base_kw)
    for matrix, right, width in others:
        row = np.zeros((len(matrix), balance.shape[1]))
        row[:, place : place + width] = matrix
        rows.append(row)
        known.append(right)
        place += width
    matrix, right = np.vstack(rows), np.concatenate(known)
    done = milp(
        np.concatenate(blocks),
        constraints=LinearConstraint(matrix, right, right),
        bounds=Bounds(np.concatenate(lower), np.concatenate(upper)),
        integrality=np.concatenate(integer),
        options={"mip_rel_gap": 0.0},
    )
    return None if done.x is None else float(done.fun)
