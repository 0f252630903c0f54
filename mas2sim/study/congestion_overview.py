"""Tables of the whole grid: the year in figures, days, duration curves, reverse flow, regimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.limits import Regime
from mas2sim.results.limits_kept import low_voltage_buses
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.study.congestion_limits import (
    EXPORT,
    FEEDER,
    HIGH_V,
    IMPORT,
    LINE,
    LOW_V,
    UNBALANCE,
    UNIT,
)
from mas2sim.study.congestion_tables import percentiles
from mas2sim.study.congestion_voltage import EN_95, NATIONAL, year_shares
from mas2sim.study.congestion_year import LevelYear, Reverse, reverse_flow

EXCEEDED_PERCENT = (0, 0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, *range(10, 100, 5), 97, 99, 100)
"""Shares of the year at which duration curves are told, closer where the grid is full."""

WORDS = {
    IMPORT: "Sum of the connections, import",
    EXPORT: "Sum of the connections, export",
    UNIT: "Transformer loading",
    FEEDER: "Feeder loading",
    LINE: "Line loading",
    HIGH_V: "Voltage, high",
    LOW_V: "Voltage, low",
    UNBALANCE: "Voltage unbalance",
}


def summary_table(years: Sequence[LevelYear]) -> StudyTable:
    """The year in figures: a row for each, a column for each level."""
    figures = [_figures(year) for year in years]
    rows = []
    for number, (label, unit, limit, _) in enumerate(figures[0]):
        values = {
            year.level.value: figure[number][3] for year, figure in zip(years, figures, strict=True)
        }
        rows.append({"figure": label, "unit": unit, "limit": limit, **values})
    columns = {
        "figure": Column("Figure"),
        "unit": Column("Unit"),
        "limit": Column("Limit", "as unit", "empty where nothing is limited", 1),
        **{year.level.value: Column(year.level.value, "as unit") for year in years},
    }
    return StudyTable(
        "summary",
        "The year in figures",
        f"{_typical(years[0])} cases a level, one for each typical day, of "
        f"{years[0].horizon.ptus} PTUs; by their weight they add up to {years[0].weights.sum():g} "
        "days. Worst values without the design days.",
        pd.DataFrame(rows, columns=list(columns)),
        columns,
    )


def _typical(year: LevelYear) -> int:
    return int((year.weights > 0.0).sum())


def _figures(year: LevelYear) -> list[tuple[str, str, float, float]]:
    """Label, unit, limit and value of each figure of a level."""
    none = float("nan")
    rows = [
        ("Any rating or standard not kept", "h/a", none, year.hours_beyond()),
        ("Power flow not solved", "h/a", none, year.not_solved_h),
    ]
    for each in year.by_limit:
        limit, word = each.limit, WORDS[each.limit.kind]
        worst = each.worst(design=False)[0]
        extreme = (np.fmin if limit.low else np.fmax).reduce(worst, initial=none)
        rows += [
            (f"{word}, worst", limit.unit, limit.limit, float(extreme)),
            (f"{word}, beyond the limit", "h/a", none, year.hours_beyond([limit.kind])),
            (
                f"{word}, beyond, summed over assets",
                f"{limit.beyond_unit}/a",
                none,
                float(each.beyond.sum()),
            ),
        ]
    p95, p99 = percentiles(year, (0.95, 0.99)).get(UNIT, np.full((2, 0), np.nan))
    rows += [
        ("Transformer loading, 95th percentile", "%", none, _greatest(p95)),
        ("Transformer loading, 99th percentile", "%", none, _greatest(p99)),
    ]
    if low_voltage_buses(year.layout).size:
        shares = year_shares(year.days, year.bands)
        outside = sum(not kept for kept in (shares.en_50160[k] for k in _buses(year)))
        rows += [
            ("In the national band, worst node", "%", none, _least(year, shares.year, NATIONAL)),
            (
                "In the national band, worst node's worst day",
                "%",
                none,
                _least(year, shares.worst_day, NATIONAL),
            ),
            ("Within +-10 %, worst node", "%", none, _least(year, shares.year, EN_95)),
            (
                "Within +-10 %, worst node's worst week",
                "%",
                95.0,
                _least(year, shares.worst_week, EN_95),
            ),
            ("Nodes that fail EN 50160", "", 0.0, float(outside)),
        ]
    back = substation_reverse(year)
    rows += [
        ("Reverse flow at the substation", "h/a", none, back.hours),
        ("Reverse flow at the substation, energy", "kWh/a", none, back.energy_kwh),
        ("Paid for flexibility", "EUR/a", none, year.payment_eur),
    ]
    rows += [
        (f"Regime {regime.value}", "h/a", none, hours)
        for regime, hours in year.regime_hours().items()
    ]
    return rows


def _buses(year: LevelYear) -> list[int]:
    return [int(bus) for bus in low_voltage_buses(year.layout)]


def _least(year: LevelYear, shares: FloatArray, band: int) -> float:
    return float(100.0 * shares[band, _buses(year)].min())


def _greatest(values: FloatArray) -> float:
    return float(np.fmax.reduce(values, initial=np.nan))


DAY_COLUMNS: Mapping[str, Column] = {
    "day": Column("Day"),
    "level": Column("Level"),
    "weight_days": Column("Weight", "d/a", "days of the year that it stands for; 0: design day"),
    "transformer_percent": Column("Transformer loading, highest", "%", "", 1),
    "line_percent": Column("Line loading, highest", "%", "", 1),
    "highest_v": Column("Highest voltage", "V"),
    "lowest_v": Column("Lowest voltage", "V"),
    "unbalance_percent": Column("Unbalance, greatest", "%"),
    "import_kw": Column("Import, highest", "kW", "sum of the connections", 1),
    "export_kw": Column("Export, highest", "kW", "sum of the connections; negative: none", 1),
    "hours_beyond": Column("Any rating or standard not kept", "h"),
    "hours_beyond_operating": Column("Above the operating limits", "h", "sum of the connections"),
    "regime_worst": Column("Worst regime"),
    "dso_payment_eur": Column("Paid for flexibility", "EUR"),
    "not_solved_hours": Column("Not solved", "h", "its flow is in no other column"),
}
_WORST = {
    "transformer_percent": UNIT,
    "line_percent": LINE,
    "highest_v": HIGH_V,
    "lowest_v": LOW_V,
    "unbalance_percent": UNBALANCE,
    "import_kw": IMPORT,
    "export_kw": EXPORT,
}


def days_table(years: Sequence[LevelYear]) -> StudyTable:
    """One row a day and level, design days first and then the longest beyond a limit."""
    rows = [_day_row(year, k) for year in years for k in range(len(year.days))]
    frame = pd.DataFrame(rows, columns=list(DAY_COLUMNS))
    order = ["design", "hours_beyond", "transformer_percent"]
    frame = (
        frame.assign(design=frame["weight_days"] == 0.0)
        .sort_values(order, ascending=False, kind="stable", ignore_index=True)
        .drop(columns="design")
    )
    return StudyTable(
        "days",
        "Days",
        "Design days first: they have no weight and are no part of any sum of a year.",
        frame,
        DAY_COLUMNS,
    )


def _day_row(year: LevelYear, k: int) -> dict[str, Any]:
    worst = {}
    for limit, found in zip(year.limits, year.measured[k], strict=True):
        pick = np.fmin if limit.low else np.fmax
        worst[limit.kind] = float(pick.reduce(found.worst, initial=np.nan))
    hours = year.horizon.ptu_hours
    return {
        "day": year.days[k].name,
        "level": year.level.value,
        "weight_days": year.days[k].days,
        **{column: worst.get(kind, np.nan) for column, kind in _WORST.items()},
        "hours_beyond": float(year.beyond(k).sum() * hours),
        "hours_beyond_operating": float(year.beyond(k, (IMPORT, EXPORT)).sum() * hours),
        "regime_worst": max(year.regimes[k], key=list(Regime).index).value,
        "dso_payment_eur": year.payments_eur[k],
        "not_solved_hours": float((~year.solved[k]).sum() * hours),
    }


DURATION_COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "kind": Column("Of"),
    "asset": Column("Asset"),
    "exceeded_percent": Column("Share of the year", "%", "in which the value is reached", 1),
    "exceeded_hours": Column("Time of the year", "h/a", decimals=1),
    "loading_percent": Column("Loading", "%", "against the rating", 1),
}


def duration_table(years: Sequence[LevelYear]) -> StudyTable:
    """Duration curves of transformers and feeders: the loading reached in a share of the year."""
    rows = []
    for year in years:
        curves = percentiles(year, [1.0 - share / 100.0 for share in EXCEEDED_PERCENT])
        for limit in year.limits:
            if limit.kind not in (UNIT, FEEDER):
                continue
            rows += [
                {
                    "level": year.level.value,
                    "kind": limit.kind,
                    "asset": asset,
                    "exceeded_percent": float(share),
                    "exceeded_hours": share / 100.0 * float(year.ptu_hours.sum()),
                    "loading_percent": curves[limit.kind][at, k],
                }
                for k, asset in enumerate(limit.assets)
                for at, share in enumerate(EXCEEDED_PERCENT)
            ]
    return StudyTable(
        "duration",
        "Duration curves",
        "Sorted loadings of the weighted year. What was not solved counts as greater than all else "
        "and is missing at the top.",
        pd.DataFrame(rows, columns=list(DURATION_COLUMNS)),
        DURATION_COLUMNS,
        shown=False,
    )


REVERSE_COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "kind": Column("Of", note="the substation at its HV side, losses in; feeders by their meters"),
    "asset": Column("Asset"),
    "hours": Column("Reverse flow", "h/a"),
    "energy_kwh": Column("Energy fed back", "kWh/a", decimals=0),
    "greatest_kw": Column("Greatest", "kW", "over the typical days", 1),
    "not_solved_hours": Column("Not solved", "h/a", "the substation's flow is not known then"),
}


def reverse_table(years: Sequence[LevelYear]) -> StudyTable:
    """Reverse flow at the substation and at each feeder."""
    rows = []
    for year in years:
        level = year.level.value
        rows.append(
            _reverse_row(level, "substation", year.layout.name, substation_reverse(year))
            | {"not_solved_hours": year.not_solved_h}
        )
        for feeder, homes in year.layout.feeder_homes.items():
            net_kw = [p_kw[:, list(homes)].sum(axis=1) for p_kw in year.p_kw]
            rows.append(_reverse_row(level, "feeder", feeder, reverse_flow(year, net_kw)))
    frame = pd.DataFrame(rows, columns=list(REVERSE_COLUMNS))
    return StudyTable(
        "reverse",
        "Reverse flow",
        "Where power flows towards the high voltage. What a feeder feeds back is the sum of its "
        "connections, without the losses on the way.",
        frame.sort_values("hours", ascending=False, kind="stable", ignore_index=True),
        REVERSE_COLUMNS,
    )


def substation_reverse(year: LevelYear) -> Reverse:
    """Reverse flow at the HV side; what was not solved is not counted."""
    return reverse_flow(year, [np.nan_to_num(each, nan=0.0) for each in year.import_kw])


def _reverse_row(level: str, kind: str, asset: str, back: Reverse) -> dict[str, Any]:
    return {
        "level": level,
        "kind": kind,
        "asset": asset,
        "hours": back.hours,
        "energy_kwh": back.energy_kwh,
        "greatest_kw": back.greatest_kw,
        "not_solved_hours": 0.0,
    }


def regimes_table(years: Sequence[LevelYear]) -> StudyTable:
    """Hours in each regime: in a year, and on each design day."""
    columns = {
        "level": Column("Level"),
        "period": Column("Period", note="a year of typical days, or one design day"),
        **{f"{regime.value}_h": Column(regime.value.capitalize(), "h") for regime in Regime},
    }
    rows = []
    for year in years:
        design = [k for k, day in enumerate(year.days) if day.is_design_day]
        periods = [("year", None), *((year.days[k].name, k) for k in design)]
        rows += [
            {
                "level": year.level.value,
                "period": period,
                **{f"{r.value}_h": hours for r, hours in year.regime_hours(k).items()},
            }
            for period, k in periods
        ]
    return StudyTable(
        "regimes",
        "Operating regimes",
        "Green: the limits hold. Yellow: flexibility is bought. Orange: connections are limited. "
        "Red: a protection has tripped, for the rest of the day.",
        pd.DataFrame(rows, columns=list(columns)),
        columns,
    )
