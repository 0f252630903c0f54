"""Days made by hand: a transformer, two mains in a row, and a home at the end of each."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from mas2sim.domain.grid_state import Branch, Bus, GridLayout, GridState
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.typical_day import Level
from mas2sim.study.grid_days import DayLevel
from mas2sim.study.typical_year import YearDay

HOURLY = Horizon(60)
LIMITS = GridLimits(100.0, 50.0, 216.2, 253.0)
LAYOUT = GridLayout(
    "street",
    (Bus("hv", 11.0, 0, 0), Bus("lv", 0.4, 0, 0), Bus("a", 0.4, 1, 0), Bus("b", 0.4, 2, 0)),
    (
        Branch("unit", "transformer", "hv", "lv", 100.0),
        Branch("first", "main", "lv", "a", 100.0, 50.0, "north"),
        Branch("second", "main", "a", "b", 100.0, 50.0, "north"),
    ),
    ("a", "b"),
    ("abc", "abc"),
)
NEUTRAL_V = 400.0 / np.sqrt(3.0)


def year_day(weight: float, season: str = "winter", day: str = "weekday") -> YearDay:
    overrides = (f"season={season}", f"day={day}", "weather=sunny")
    return YearDay(f"{season} {day}, sunny, {weight:g}", overrides, weight)


def hand_day(
    day: YearDay,
    *,
    loading: dict[int, tuple[float, float, float]] | None = None,
    volts: dict[int, float] | None = None,
    p_kw: float | np.ndarray = 1.0,
    lost: tuple[int, ...] = (),
    regimes: dict[int, Regime] | None = None,
    level: Level = Level.BASELINE,
) -> DayLevel:
    """A day of 24 hours: loadings by hour, voltage at bus b by hour, all else at rest."""
    values = np.full((24, 3), 10.0)
    for hour, row in (loading or {}).items():
        values[hour] = row
    vm_pu = np.ones((24, 4, 1))
    for hour, volt in (volts or {}).items():
        vm_pu[hour, 3, 0] = volt / NEUTRAL_V
    power = np.broadcast_to(np.asarray(p_kw, dtype=float), (24,))[:, None] * np.array([0.5, 0.5])
    state = GridState(
        vm_pu=vm_pu,
        unbalance_percent=np.full((24, 4), np.nan),
        loading_percent=values,
        import_kw=power.sum(axis=1) + 0.1,
        import_kvar=np.zeros(24),
        loss_line_kw=np.full(24, 0.04),
        loss_transformer_load_kw=np.full(24, 0.01),
        loss_transformer_no_load_kw=np.full(24, 0.05),
        converged=np.ones(24, dtype=bool),
    )
    told = regimes or {}
    return DayLevel(
        day,
        level,
        HOURLY,
        LAYOUT,
        LIMITS,
        unsolved(state, lost),
        power,
        np.zeros_like(power),
        tuple(told.get(hour, Regime.GREEN) for hour in range(24)),
        float("nan"),
    )


def unsolved(state: GridState, hours: tuple[int, ...]) -> GridState:
    values = {field.name: np.array(getattr(state, field.name)) for field in fields(GridState)}
    for name, each in values.items():
        each[list(hours)] = False if name == "converged" else np.nan
    return GridState(**values)
