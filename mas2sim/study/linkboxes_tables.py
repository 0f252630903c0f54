"""Tables of a study of link boxes: losses, balancing, obstacles, break-even, days, schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mas2sim.domain.arrays import FloatArray
from mas2sim.grid import Substation, Transformer
from mas2sim.grid.linked import (
    LINK_STATES,
    LinkState,
    break_even_loading,
    transformer_saving_kw,
)
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.study.linkboxes_day import LINE, LOAD, NO_LOAD, OBSTACLES, LinkDay
from mas2sim.study.linkboxes_schedule import runs
from mas2sim.study.linkboxes_year import LinkYear

TIE_COLUMNS: Mapping[str, Column] = {
    "tie": Column("Tie"),
    "level": Column("Level"),
    "first": Column("First", note="number of the substation", decimals=0),
    "second": Column("Second", note="number of the substation", decimals=0),
}

LOSS_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "saved_kwh": Column("Losses saved", "kWh/a", "normal less scheduled", 1),
    "saved_percent": Column("Losses saved", "%", "of what both substations lose"),
    "saved_eur": Column("Saved", "EUR/a", "at the price of losses, less that of switching"),
    "normal_kwh": Column("Losses, tie open", "kWh/a", "lines and transformers of both", 0),
    "no_load_saved_kwh": Column("No-load saved", "kWh/a", "iron of what is off", 1),
    "more_load_kwh": Column("More copper", "kWh/a", "load losses of transformers", 1),
    "more_line_kwh": Column("More in lines", "kWh/a", "mains, services and the tie", 1),
    "normal_h": Column("Normal", "h/a", "tie open, both transformers on", 0),
    "tied_h": Column("Tied", "h/a", "tie closed, both transformers on", 0),
    "first_off_h": Column("First off", "h/a", "tie closed, first transformer off", 0),
    "second_off_h": Column("Second off", "h/a", "tie closed, second transformer off", 0),
    "switchings": Column("Switchings", "1/a", "operations of link box and breakers", 0),
    "starts": Column("Transformer starts", "1/a", decimals=0),
    "not_solved_h": Column("Not solved", "h/a", "tie open; in no other figure"),
}

BALANCE_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "potential_kwh": Column(
        "Surplus beside a deficit", "kWh/a", "one exports while the other imports, the lesser", 0
    ),
    "potential_day_kwh": Column("On the best day", "kWh", "of the days run"),
    "moved_kwh": Column("Moved over the tie", "kWh/a", "of that, tie closed where it may be", 1),
    "moved_percent": Column("Moved", "%", "of the surplus beside a deficit", 1),
    "value_eur": Column("Worth at most", "EUR/a", "moved energy at import less export price"),
    "potential_eur": Column("All of it worth", "EUR/a", "all the surplus, at that price"),
    "more_loss_kwh": Column("More losses", "kWh/a", "tied against normal; negative: saved", 1),
    "reverse_normal_kwh": Column("Reverse, tie open", "kWh/a", "through both transformers", 0),
    "reverse_tied_kwh": Column("Reverse, tied", "kWh/a", decimals=0),
    "reverse_normal_kw": Column("Reverse peak, tie open", "kW", "greater of both", 1),
    "reverse_tied_kw": Column("Reverse peak, tied", "kW", decimals=1),
    "import_normal_kw": Column("Import peak, tie open", "kW", "greater of both", 1),
    "import_tied_kw": Column("Import peak, tied", "kW", decimals=1),
    "tied_h": Column("May be tied", "h/a", decimals=0),
}

EVEN_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "state": Column("State"),
    "break_even_percent": Column("Break-even", "%", "transformers alone, both loaded alike", 1),
    "below_h": Column("Loaded less", "h/a", "both together below the break-even", 0),
    "saves_h": Column("Loses less", "h/a", "by the flow, whether allowed or not", 0),
    "saves_allowed_h": Column("Loses less and allowed", "h/a", decimals=0),
    "ideal_kwh": Column(
        "Saved at most", "kWh/a", "by transformers alone: cables lose nothing, nothing is barred", 0
    ),
    "greatest_percent": Column("Greatest loading with a saving", "%", "by the flow", 1),
}

OBSTACLE_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "state": Column("State"),
    "allowed_h": Column("Allowed", "h/a", decimals=0),
    **{
        name: Column(name.capitalize(), "h/a", "time in which this bars the state", 0)
        for name in OBSTACLES
    },
}

DAY_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "day": Column("Day"),
    "days": Column("Days of the year"),
    **{name: LOSS_COLUMNS[name] for name in ("normal_h", "tied_h", "first_off_h", "second_off_h")},
    "switchings": Column("Switchings", "1/d", decimals=0),
    "normal_kwh": Column("Losses, tie open", "kWh/d"),
    "saved_kwh": Column("Losses saved", "kWh/d"),
    "potential_kwh": Column("Surplus beside a deficit", "kWh/d"),
    "moved_kwh": Column("Moved over the tie", "kWh/d"),
    "value_eur": Column("Worth at most", "EUR/d"),
    "not_solved_h": Column("Not solved", "h/d"),
}

SCHEDULE_COLUMNS: Mapping[str, Column] = {
    **TIE_COLUMNS,
    "day": Column("Day"),
    "from": Column("From"),
    "to": Column("To", note="the same as from where the state lasts all day"),
    "state": Column("State"),
}


def linkbox_tables(
    years: Sequence[LinkYear], substations: Mapping[int, Substation]
) -> tuple[StudyTable, ...]:
    """All tables of the study."""
    covered = f"{years[0].covered_days:.4g} of 365 days, {len(years[0].days)} cases a row."
    days = [day for year in years for day in year.days]
    return (
        _table(
            "losses",
            "What switching saves in losses",
            f"The cheapest schedule of each day. {covered}",
            LOSS_COLUMNS,
            [loss_row(year) for year in years],
            by="saved_kwh",
        ),
        _table(
            "balancing",
            "What the tie moves between substations",
            f"Tie closed wherever it may be, both transformers on. {covered}",
            BALANCE_COLUMNS,
            [balance_row(year) for year in years],
            by="moved_kwh",
        ),
        _table(
            "break_even",
            "Below which loading a transformer is better off",
            f"Without cables, and as the flow has it with all of them. {covered}",
            EVEN_COLUMNS,
            [row for year in years for row in _even_rows(year, substations)],
            by="saves_h",
        ),
        _table(
            "obstacles",
            "What bars the states",
            f"Obstacles may coincide. {covered}",
            OBSTACLE_COLUMNS,
            [row for year in years for row in _obstacle_rows(year)],
        ),
        _table(
            "days",
            "Day by day",
            "One case a row.",
            DAY_COLUMNS,
            [_day_row(day) for day in days],
            shown=False,
        ),
        _table(
            "schedules",
            "When which state is in use",
            "Days are cyclic: a stretch may span midnight.",
            SCHEDULE_COLUMNS,
            [row for day in days for row in _schedule_rows(day)],
            shown=False,
        ),
    )


def _table(
    name: str,
    title: str,
    note: str,
    columns: Mapping[str, Column],
    rows: Sequence[Mapping[str, Any]],
    *,
    by: str | None = None,
    shown: bool = True,
) -> StudyTable:
    frame = pd.DataFrame(rows, columns=list(columns))
    if by is not None:
        frame = frame.sort_values(by, ascending=False, kind="stable", ignore_index=True)
    return StudyTable(name, title, note, frame, columns, shown)


def _tie_cells(found: LinkYear | LinkDay) -> dict[str, Any]:
    first, second = found.tie.substations
    return {
        "tie": found.tie.name,
        "level": found.level.value,
        "first": first,
        "second": second,
    }


def loss_row(year: LinkYear) -> dict[str, Any]:
    """What a year's schedule saves, and how it is switched."""
    normal_kwh = float(year.energy_kwh(lambda day: day.normal_kwh).sum())
    saved = year.energy_kwh(lambda day: day.saved_kwh)
    saved_kwh = float(saved.sum())
    hours = {state: year.hours_in(state) for state in LINK_STATES}
    return {
        **_tie_cells(year),
        "saved_kwh": saved_kwh,
        "saved_percent": 100.0 * saved_kwh / normal_kwh if normal_kwh > 0.0 else np.nan,
        "saved_eur": year.total(lambda day: day.saved_eur),
        "normal_kwh": normal_kwh,
        "no_load_saved_kwh": float(saved[NO_LOAD]),
        "more_load_kwh": float(-saved[LOAD]),
        "more_line_kwh": float(-saved[LINE]),
        "normal_h": hours[LinkState.NORMAL],
        "tied_h": hours[LinkState.TIED],
        "first_off_h": hours[LinkState.FIRST_OFF],
        "second_off_h": hours[LinkState.SECOND_OFF],
        "switchings": year.total(lambda day: day.switchings),
        "starts": year.total(lambda day: day.transformer_starts),
        "not_solved_h": year.total(lambda day: day.not_solved_h),
    }


def balance_row(year: LinkYear) -> dict[str, Any]:
    """What the tie moves in a year, and what the transformers see of it."""
    potential_kwh = year.power_kwh(lambda day: day.potential_kw)
    moved_kwh = year.power_kwh(lambda day: day.moved_kw)
    best_day = max(float(day.potential_kw.sum() * day.hours) for day in year.days)
    return {
        **_tie_cells(year),
        "potential_kwh": potential_kwh,
        "potential_day_kwh": best_day,
        "moved_kwh": moved_kwh,
        "moved_percent": 100.0 * moved_kwh / potential_kwh if potential_kwh > 0.0 else np.nan,
        "value_eur": year.total(lambda day: day.worth_eur(day.moved_kw)),
        "potential_eur": year.total(lambda day: day.worth_eur(day.potential_kw)),
        "more_loss_kwh": year.total(lambda day: day.tied_loss_kwh),
        "reverse_normal_kwh": year.power_kwh(lambda day: np.maximum(-day.normal_kw, 0.0)),
        "reverse_tied_kwh": year.power_kwh(lambda day: np.maximum(-day.balanced_kw, 0.0)),
        "reverse_normal_kw": year.peak_kw(lambda day: -day.normal_kw),
        "reverse_tied_kw": year.peak_kw(lambda day: -day.balanced_kw),
        "import_normal_kw": year.peak_kw(lambda day: day.normal_kw),
        "import_tied_kw": year.peak_kw(lambda day: day.balanced_kw),
        "tied_h": year.admissible_h(LinkState.TIED),
    }


def _even_rows(year: LinkYear, substations: Mapping[int, Substation]) -> list[dict[str, Any]]:
    rows = []
    off_states = (LinkState.FIRST_OFF, LinkState.SECOND_OFF)
    for state, off, on in zip(
        off_states, year.tie.substations, reversed(year.tie.substations), strict=True
    ):
        units = [substations[number].network.transformers for number in (off, on)]
        # A substation of several units has no single break-even.
        single = all(len(each) == 1 for each in units)
        even, ideal_kwh = np.nan, np.nan
        if single:
            pair, at = (units[0][0], units[1][0]), 0 if state is LinkState.FIRST_OFF else 1
            even = 100.0 * break_even_loading(*pair)
            ideal_kwh = year.power_kwh(partial(_ideal_kw, off=pair[0], on=pair[1], at=at))
        rows.append(
            {
                **_tie_cells(year),
                "state": state.value,
                "break_even_percent": even,
                "below_h": year.below_h(even) if single else np.nan,
                "saves_h": year.saving_h(state, admissible=False),
                "saves_allowed_h": year.saving_h(state, admissible=True),
                "ideal_kwh": ideal_kwh,
                "greatest_percent": year.greatest_saving_percent(state),
            }
        )
    return rows


def _ideal_kw(day: LinkDay, *, off: Transformer, on: Transformer, at: int) -> FloatArray:
    """What one transformer of a day, number `at`, would save by being off; 0 where it costs."""
    carried_kva = day.carried_kva
    saved_kw = transformer_saving_kw(off, on, carried_kva[:, at], carried_kva[:, 1 - at])
    return np.maximum(saved_kw, 0.0)


def _obstacle_rows(year: LinkYear) -> list[dict[str, Any]]:
    return [
        {
            **_tie_cells(year),
            "state": state.value,
            "allowed_h": year.admissible_h(state),
            **{name: year.barred_h(name, state) for name in OBSTACLES},
        }
        for state in LINK_STATES
    ]


def _day_row(day: LinkDay) -> dict[str, Any]:
    return {
        **_tie_cells(day),
        "day": day.day.name,
        "days": day.day.days,
        "normal_h": day.hours_in(LinkState.NORMAL),
        "tied_h": day.hours_in(LinkState.TIED),
        "first_off_h": day.hours_in(LinkState.FIRST_OFF),
        "second_off_h": day.hours_in(LinkState.SECOND_OFF),
        "switchings": day.switchings,
        "normal_kwh": float(day.normal_kwh.sum()),
        "saved_kwh": float(day.saved_kwh.sum()),
        "potential_kwh": float(day.potential_kw.sum() * day.hours),
        "moved_kwh": float(day.moved_kw.sum() * day.hours),
        "value_eur": day.worth_eur(day.moved_kw),
        "not_solved_h": day.not_solved_h,
    }


def _schedule_rows(day: LinkDay) -> list[dict[str, Any]]:
    return [
        {
            **_tie_cells(day),
            "day": day.day.name,
            "from": day.horizon.clock(first),
            "to": day.horizon.clock(end),
            "state": state.value,
        }
        for first, end, state in runs(day.states)
    ]
