"""What it would take instead: the reinforcement that keeps a grid in its limits, and its cost.

Beside it stands what flexibility costs, as far as a level buys any, so that both can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isnan
from typing import Any

import numpy as np
import pandas as pd

from mas2sim.grid import Substation
from mas2sim.results.study_result import Column, StudyTable
from mas2sim.study.congestion_limits import EXPORT, HIGH_V, IMPORT, LINE, LOW_V, UNIT
from mas2sim.study.congestion_year import LevelYear
from mas2sim.study.reinforcement import describe, feeding_units
from mas2sim.study.remedy_prices import RemedyKit, RemedyTerms
from mas2sim.study.remedy_search import Extremes, Reinforced, RemedySearch

Progress = Callable[[str, int, int], None]
Row = dict[str, Any]

MENDED = (UNIT, LINE, HIGH_V, LOW_V)
"""Limits that reinforcement is to keep."""
NAN = float("nan")

COLUMNS: Mapping[str, Column] = {
    "level": Column("Level"),
    "for": Column("To keep", note="ratings and band: on all days; operating limit: either way"),
    "remedy": Column("Remedy"),
    "where": Column("Where"),
    "before": Column("Now"),
    "after": Column("Instead"),
    "length_m": Column("Length", "m", "of the way, all stretches of a kind together", 0),
    "cost_eur": Column("Cost", "EUR", "by remedies.csv, all of it assumed", 0),
    "annual_eur": Column("Cost a year", "EUR/a", "annuity, or what is paid for flexibility", 0),
    "hours_before": Column("Not kept before", "h/a", "of the typical year, not solved included"),
    "hours_left": Column("Not kept after", "h/a", "solved again for every PTU; empty: not checked"),
    "design_ptus_before": Column("PTUs of design days not kept before", "", "", 0),
    "design_ptus_left": Column("PTUs of design days not kept after", "", "", 0),
    "remark": Column("Remark"),
}


def remedies_table(
    years: Sequence[LevelYear],
    substation: Substation,
    kit: RemedyKit,
    terms: RemedyTerms,
    *,
    unbalanced: bool,
    progress: Progress = lambda _stage, _done, _total: None,
) -> StudyTable:
    """Work out what each level would need.

    Parameters
    ----------
    years : sequence of LevelYear
    substation : Substation
        The grid of the years.
    unbalanced : bool
        Whether the flow is solved phase by phase.
    """
    rows: list[Row] = []
    for done, year in enumerate(years):
        progress("search for remedies", done, len(years))
        rows += _of_level(year, substation, kit, terms, unbalanced=unbalanced)
    progress("search for remedies", len(years), len(years))
    return StudyTable(
        "remedies",
        "What it would take instead",
        "Steps of one reinforcement by level, with its sum, and what it leaves. The search is by "
        "steps, the most volts per EUR first: there may be cheaper ways. Prices are assumptions.",
        pd.DataFrame(rows, columns=list(COLUMNS)),
        COLUMNS,
    )


def _row(year: LevelYear, purpose: str, remedy: str, **values: Any) -> Row:
    words = dict.fromkeys(("where", "before", "after", "remark"), "")
    numbers = [name for name in COLUMNS if name not in {"level", "for", "remedy", *words}]
    own = {"level": year.level.value, "for": purpose, "remedy": remedy}
    return {**words, **dict.fromkeys(numbers, NAN), **own, **values}


def _of_level(
    year: LevelYear,
    substation: Substation,
    kit: RemedyKit,
    terms: RemedyTerms,
    *,
    unbalanced: bool,
) -> Iterator[Row]:
    purpose = "ratings and voltage band"
    if not any((year.beyond(k, MENDED) | ~year.solved[k]).any() for k in range(len(year.days))):
        yield _row(
            year,
            purpose,
            "none needed",
            cost_eur=0.0,
            annual_eur=0.0,
            hours_before=0.0,
            hours_left=0.0,
            design_ptus_before=0,
            design_ptus_left=0,
        )
    else:
        search = RemedySearch(year, substation, kit, terms, unbalanced=unbalanced)
        before, found, after = search.reinforce()
        steps = [
            *_unit_rows(year, substation, found, kit),
            *_cable_rows(year, substation, found, kit),
            *_tap_rows(year, substation, found, kit),
        ]
        for step in steps:
            yield step | {"for": purpose, "annual_eur": terms.annuity(step["cost_eur"])}
        yield _sum_row(year, purpose, steps, terms, before, found, after)
    yield from _operating_rows(year, substation, kit, terms)
    if not isnan(year.payment_eur):
        yield _row(
            year,
            "operating limit and what else the DSO asks for",
            "flexibility",
            annual_eur=year.payment_eur,
            hours_left=year.hours_beyond((IMPORT, EXPORT)),
            remark="payments of the DSO over the year; hours left of the operating limits",
        )


def _sum_row(
    year: LevelYear,
    purpose: str,
    steps: Sequence[Row],
    terms: RemedyTerms,
    before: Extremes,
    found: Reinforced,
    after: Extremes,
) -> Row:
    hours = year.ptu_hours.ravel()
    amiss, left = before.amiss(year.grid_limits), after.amiss(year.grid_limits)
    cost = sum(step["cost_eur"] for step in steps)
    remarks = ["all limits kept" if not left.any() else "does not keep all limits"]
    if not steps:
        remarks = ["no reinforcement of this kind helps"]
    if found.no_unit:
        remarks.append("no transformer of the table is large enough")
    if found.no_cable:
        remarks.append(f"no cable of the table carries the load of {len(found.no_cable)} lines")
    return _row(
        year,
        purpose,
        "all of it",
        cost_eur=cost,
        annual_eur=terms.annuity(cost),
        hours_before=float(hours[amiss].sum()),
        hours_left=float(hours[left].sum()),
        design_ptus_before=int((amiss & (hours == 0.0)).sum()),
        design_ptus_left=int((left & (hours == 0.0)).sum()),
        remark="; ".join(remarks),
    )


def _unit_rows(
    year: LevelYear, substation: Substation, found: Reinforced, kit: RemedyKit
) -> Iterator[Row]:
    for k, name in found.units.items():
        old, new = substation.network.transformers[k], found.network.transformers[k]
        yield _row(
            year,
            "",
            "transformer",
            where=old.name,
            before=f"{old.rating_kva:g} kVA",
            after=f"{new.rating_kva:g} kVA ({name})",
            cost_eur=kit.unit_price_eur(new.sn_kva),
        )


def _cable_rows(
    year: LevelYear, substation: Substation, found: Reinforced, kit: RemedyKit
) -> Iterator[Row]:
    """One row for the lines of a feeder that are exchanged alike."""
    feeders = _feeders(year)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for k in sorted(found.cables):
        line = substation.network.lines[k]
        key = (feeders.get(line.to_bus, ""), describe(line, kit.cables), found.cables[k])
        groups.setdefault(key, []).append(k)
    for (feeder, old, new), lines in groups.items():
        length_m = sum(substation.network.lines[k].length_m for k in lines)
        first, last = (substation.network.lines[k].name for k in (lines[0], lines[-1]))
        yield _row(
            year,
            "",
            "cable",
            where=feeder or first,
            before=old,
            after=new,
            length_m=length_m,
            cost_eur=length_m * kit.cable_eur_per_m[new],
            remark=f"{len(lines)} lines, {first} to {last}",
        )


def _feeders(year: LevelYear) -> dict[str, str]:
    """Feeder of each bus that has a connection on it, or a line that carries its name."""
    layout = year.layout
    named = {branch.to_bus: branch.feeder for branch in layout.branches if branch.feeder}
    homes = {
        layout.home_bus[home]: feeder
        for feeder, members in layout.feeder_homes.items()
        for home in members
    }
    return homes | named


def _tap_rows(
    year: LevelYear, substation: Substation, found: Reinforced, kit: RemedyKit
) -> Iterator[Row]:
    if not found.tap_steps:
        return
    for k in feeding_units(substation.network):
        old, new = substation.network.transformers[k], found.network.transformers[k]
        yield _row(
            year,
            "",
            "tap",
            where=old.name,
            before=f"position {old.tap_steps:+g}",
            after=f"position {new.tap_steps:+g}",
            cost_eur=kit.tap_eur,
            remark=f"{old.tap_step_percent:g} % a step, {old.tap_side.upper()} side",
        )


def _operating_rows(
    year: LevelYear, substation: Substation, kit: RemedyKit, terms: RemedyTerms
) -> Iterator[Row]:
    """The unit whose operating limit, the same share of its rating, would carry the worst sum."""
    rating_kva = substation.network.rating_kva
    needed_kva, hours_before = 0.0, year.hours_beyond((IMPORT, EXPORT))
    for kind in (IMPORT, EXPORT):
        of_kind = year.year_of(kind)
        if of_kind is None or not of_kind.limit.limit > 0.0:
            continue
        worst = [of_kind.worst(design=design)[0] for design in (False, True)]
        worst_kw = float(np.fmax.reduce(np.concatenate(worst), initial=0.0))
        if of_kind.limit.beyond(np.array(worst_kw)) > 0.0:
            needed_kva = max(needed_kva, rating_kva * worst_kw / of_kind.limit.limit)
    design_before = sum(
        int(year.beyond(k, (IMPORT, EXPORT)).sum())
        for k, day in enumerate(year.days)
        if day.is_design_day
    )
    if needed_kva == 0.0:
        return
    first = substation.network.transformers[0] if substation.network.transformers else None
    unit = kit.unit_for(needed_kva, 0.0 if first is None else first.vn_hv_kv)
    cost = NAN if unit is None else kit.unit_price_eur(unit.sn_kva)
    found = {} if unit is None else {"hours_left": 0.0, "design_ptus_left": 0}
    yield _row(
        year,
        "operating limit",
        "transformer",
        where=substation.name,
        before=f"{rating_kva:g} kVA",
        after=f"{needed_kva:.0f} kVA needed, none in the table"
        if unit is None
        else f"{unit.sn_kva:g} kVA ({unit.transformer})",
        cost_eur=cost,
        annual_eur=terms.annuity(cost),
        hours_before=hours_before,
        design_ptus_before=design_before,
        remark="if the operating limit stays the same share of the rating; instead of flexibility",
        **found,
    )
