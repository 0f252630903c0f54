"""Tables of what each asset and each node did over the year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.results.limits_kept import low_voltage_buses
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.study.congestion_limits import HIGH_V, LOADINGS, LOW_V, UNBALANCE
from mas2sim.study.congestion_voltage import EN_95, EN_ALL, NATIONAL, year_shares
from mas2sim.study.congestion_year import LevelYear, LimitYear
from mas2sim.study.duration import not_exceeded

NODE_KINDS = (HIGH_V, LOW_V, UNBALANCE)
NOT_SOLVED = "time of a year whose flow was not solved; it is in no other column"

ASSET_COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "kind": Column("Limit of", note="transformers, first line of feeders, lines; connections: sum"),
    "asset": Column("Asset"),
    "hours_above": Column("Above the limit", "h/a", "weighted hours of a year"),
    "worst": Column("Worst", "as the limit", "over the typical days"),
    "limit": Column("Limit", "as unit", decimals=0),
    "unit": Column("Unit"),
    "limit_used_percent": Column("Limit used", "%", "worst value against the limit", 1),
    "worst_at": Column("Worst at", note="typical day and clock time at which the PTU begins"),
    "beyond": Column("Above the limit, summed", "as next", "what is above, times its hours a year"),
    "beyond_unit": Column("of"),
    "p95": Column("95th percentile", "as unit", "not exceeded in 95 % of the year", 1),
    "p99": Column("99th percentile", "as unit", "not exceeded in 99 % of the year", 1),
    "design_worst": Column("Worst on design days", "as unit", "no part of the year"),
    "design_worst_at": Column("On"),
    "not_solved_hours": Column("Not solved", "h/a", NOT_SOLVED),
}

NODE_COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "node": Column("Node"),
    "hours_outside": Column("Outside the band", "h/a", "hours too high and hours too low added up"),
    "hours_high": Column("Too high", "h/a", "above the case's upper limit, any phase"),
    "hours_low": Column("Too low", "h/a", "below the case's lower limit, any phase"),
    "beyond_high_vh": Column("Too high, summed", "V h/a"),
    "beyond_low_vh": Column("Too low, summed", "V h/a"),
    "highest_v": Column("Highest", "V", "phase to neutral, over the typical days"),
    "highest_at": Column("Highest at"),
    "lowest_v": Column("Lowest", "V", "phase to neutral, over the typical days"),
    "lowest_at": Column("Lowest at"),
    "band_year_percent": Column("In the national band, year", "%", "share of the year", 3),
    "band_worst_day_percent": Column("In the national band, worst day", "%", decimals=2),
    "en95_year_percent": Column("Within +-10 %, year", "%", "share of the year", 3),
    "en95_worst_week_percent": Column("Within +-10 %, worst week", "%", "to be 95 at least"),
    "en_all_worst_week_percent": Column("Within +10/-15 %, worst week", "%", "to be 100"),
    "en_50160": Column("EN 50160", note="voltage bands, by means over a PTU, not 10 minutes"),
    "unbalance_percent": Column("Unbalance, greatest", "%", "negative over positive sequence"),
    "hours_unbalance": Column("Unbalanced", "h/a", "above the limit of the case, 2 % by default"),
    "design_highest_v": Column("Highest on design days", "V"),
    "design_lowest_v": Column("Lowest on design days", "V"),
    "not_solved_hours": Column("Not solved", "h/a", NOT_SOLVED),
}


def when(year: LevelYear, day: IntArray, ptu: IntArray, value: FloatArray) -> list[str]:
    """Day and clock time of each asset's worst value; empty where there is none."""
    return [
        f"{year.days[d].name} {year.horizon.clock(int(p))}" if np.isfinite(v) else ""
        for d, p, v in zip(day, ptu, value, strict=True)
    ]


def assets_table(years: Sequence[LevelYear]) -> StudyTable:
    """One row for each level and limit of transformers, feeders, lines and sums of connections."""
    rows = [row for year in years for row in _asset_rows(year)]
    frame = pd.DataFrame(rows, columns=list(ASSET_COLUMNS))
    frame = frame.sort_values(
        ["hours_above", "limit_used_percent"], ascending=False, kind="stable", ignore_index=True
    )
    return StudyTable(
        "assets",
        "Assets by limit",
        "Longest above the limit first, then by the share of the limit that is used.",
        frame,
        ASSET_COLUMNS,
    )


def _asset_rows(year: LevelYear) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    shares = percentiles(year, (0.95, 0.99))
    for each in year.by_limit:
        if each.limit.kind in NODE_KINDS:
            continue
        limit = each.limit
        value, day, ptu = each.worst(design=False)
        design, design_day, design_ptu = each.worst(design=True)
        p95, p99 = shares.get(limit.kind, np.full((2, len(limit.assets)), np.nan))
        at, design_at = when(year, day, ptu, value), when(year, design_day, design_ptu, design)
        hours, beyond, used = each.hours, each.beyond, 100.0 * limit.used(value)
        rows += [
            {
                "level": year.level.value,
                "kind": limit.kind,
                "asset": asset,
                "hours_above": hours[k],
                "worst": value[k],
                "limit": limit.limit,
                "unit": limit.unit,
                "limit_used_percent": used[k],
                "worst_at": at[k],
                "beyond": beyond[k],
                "beyond_unit": limit.beyond_unit,
                "p95": p95[k],
                "p99": p99[k],
                "design_worst": design[k],
                "design_worst_at": design_at[k],
                "not_solved_hours": year.not_solved_h if limit.needs_flow else 0.0,
            }
            for k, asset in enumerate(limit.assets)
        ]
    return rows


def percentiles(year: LevelYear, shares: Sequence[float]) -> dict[str, FloatArray]:
    """Loadings not exceeded in shares of the year, by kind, each of shape (share, asset). [%]"""
    loading = np.concatenate(year.loadings)
    hours = year.ptu_hours.ravel()
    found = np.stack([not_exceeded(loading, hours, share) for share in shares])
    kinds = [limit for limit in year.limits if limit.kind in LOADINGS]
    ends = np.cumsum([len(limit.assets) for limit in kinds])
    parts = np.split(found, ends[:-1], axis=1)
    return {limit.kind: part for limit, part in zip(kinds, parts, strict=True)}


def nodes_table(years: Sequence[LevelYear]) -> StudyTable:
    """One row for each level and low-voltage node."""
    rows = [row for year in years for row in _node_rows(year)]
    frame = pd.DataFrame(rows, columns=list(NODE_COLUMNS))
    order = ["hours_outside", "highest_v"]
    frame = frame.sort_values(order, ascending=False, kind="stable", ignore_index=True)
    return StudyTable(
        "nodes",
        "Voltages by node",
        "Longest outside the band first. The worst week is that of the season and sky in which the "
        "node is least in the band.",
        frame,
        NODE_COLUMNS,
    )


def _node_rows(year: LevelYear) -> list[dict[str, Any]]:
    high, low, unbalance = (year.year_of(kind) for kind in NODE_KINDS)
    if high is None or low is None:
        return []
    buses = low_voltage_buses(year.layout)
    shares = year_shares(year.days, year.bands)
    kept = shares.en_50160
    columns = {
        "hours_outside": high.hours + low.hours,
        "hours_high": high.hours,
        "hours_low": low.hours,
        "beyond_high_vh": high.beyond,
        "beyond_low_vh": low.beyond,
        **_extreme(year, high, "highest"),
        **_extreme(year, low, "lowest"),
        "band_year_percent": 100.0 * shares.year[NATIONAL, buses],
        "band_worst_day_percent": 100.0 * shares.worst_day[NATIONAL, buses],
        "en95_year_percent": 100.0 * shares.year[EN_95, buses],
        "en95_worst_week_percent": 100.0 * shares.worst_week[EN_95, buses],
        "en_all_worst_week_percent": 100.0 * shares.worst_week[EN_ALL, buses],
        "en_50160": ["kept" if kept[bus] else "not kept" for bus in buses],
        "unbalance_percent": np.full(len(buses), np.nan)
        if unbalance is None
        else unbalance.worst(design=False)[0],
        "hours_unbalance": np.full(len(buses), np.nan) if unbalance is None else unbalance.hours,
    }
    return [
        {
            "level": year.level.value,
            "node": year.layout.buses[bus].name,
            **{name: values[k] for name, values in columns.items()},
            "not_solved_hours": year.not_solved_h,
        }
        for k, bus in enumerate(buses)
    ]


def _extreme(year: LevelYear, limit: LimitYear, name: str) -> dict[str, Any]:
    value, day, ptu = limit.worst(design=False)
    return {
        f"{name}_v": value,
        f"{name}_at": when(year, day, ptu, value),
        f"design_{name}_v": limit.worst(design=True)[0],
    }
