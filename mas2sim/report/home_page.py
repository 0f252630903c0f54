"""The page of one home: what its household sees of itself (D6.1, table 15).

It is made on request from the stored series. A result holds what the home did at each level, not
what its devices were allowed to do; so suggestions take the times of level uc1, which are allowed,
and do not claim to be the best for one device alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.report.appearance import (
    DEVICE_NAME,
    LEVEL_COLOUR,
    LEVEL_NAME,
    clock_axis,
    clock_hours,
    frame,
    line_of,
    values_of,
)
from mas2sim.report.home_day import GENERATOR_SERIES, home_figure
from mas2sim.report.kpi_view import DASH, number
from mas2sim.report.load_figures import managed_level
from mas2sim.report.render import render
from mas2sim.report.wording import case_title
from mas2sim.results import Result

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from mas2sim.cems.awareness import Account, MeteredDay
    from mas2sim.cems.meter import MeterQuality

TEMPLATE_FILE = "home_page.html.j2"
BEFORE, AFTER = "baseline", "uc1"
"""Levels whose times a suggestion compares: nobody manages, and the home on its own does."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of the home at each level."""

    name: str
    unit: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """What other times of one device alone are worth on this day."""

    device: str
    before: str
    after: str
    saving_eur: float

    @property
    def saving(self) -> str:
        """The saving as it is printed."""
        return number(self.saving_eur, "EUR")


def home_page_name(home: str) -> str:
    """File name of a home's page; whatever is no letter, digit, dot or dash becomes a low line."""
    return f"home_{re.sub(r'[^A-Za-z0-9.-]', '_', home)}.html"


def write_home_page(result: Result, home: str, path: Path) -> None:
    """Write the page of one home.

    Parameters
    ----------
    result : Result
    home : str
        Name of the home.
    path : Path
        The HTML file to write; its folder is made.

    Raises
    ------
    ConfigurationError
        When the result has no such home.
    """
    page = home_page(result, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def home_page(result: Result, home: str) -> str:
    """Return the page as HTML."""
    own = of_home(result, home)
    figures = {"home": home_figure(own), "cost": cost_figure(own)}
    return render(
        TEMPLATE_FILE,
        home=home,
        case=case_title(result),
        facts=_facts(own),
        levels=[(LEVEL_NAME[level], LEVEL_COLOUR[level]) for level in own.levels],
        rows=account_rows(own),
        statuses=_statuses(own),
        quality=meter_quality(own),
        metered=LEVEL_NAME[managed_level(own)],
        compared=BEFORE in own.levels and AFTER in own.levels,
        shifts=shifts(own),
        # plotly writes < and > as escapes, so no name in the data can end the element.
        figures={name: str(figure.to_json()) for name, figure in figures.items()},
        heights={name: int(figure.layout.height) for name, figure in figures.items()},
        plan_hash=result.provenance.get("plan_hash", ""),
    )


def of_home(result: Result, home: str) -> Result:
    """Return the result of one home alone: its series, its devices and its rows.

    Raises
    ------
    ConfigurationError
        When the result has no such home.
    """
    names = [str(name) for name in result.series["home"].to_numpy()]
    if home not in names:
        near = get_close_matches(home, names, n=3)
        allowed = f"one of the {len(names)} homes, {names[0]} to {names[-1]}" if names else "none"
        raise ConfigurationError([Fault("home", repr(home), allowed, " or ".join(near))])
    mine = np.flatnonzero(result.series["device_home"].to_numpy() == home)
    series = result.series.isel(home=[names.index(home)], device=mine)
    table = result.homes
    return replace(result, series=series, homes=table[table["home"] == home])


def account_rows(own: Result) -> list[Row]:
    """Consumption, production and cost of the day, by level."""
    from mas2sim.cems.awareness import Period, accounts

    kept: list[Account] = []
    for level in own.levels:
        kept += accounts([_metered_day(own, level)], Period.DAY, _horizon(own))
    energies = [
        Row(words, "kWh", tuple(number(getattr(each, name), "kWh") for each in kept))
        for words, name in (
            ("Used", "consumption_kwh"),
            ("Produced", "generation_kwh"),
            ("Drawn from the grid", "import_kwh"),
            ("Fed in", "export_kwh"),
        )
    ]
    cost = Row("Cost of the energy", "EUR", tuple(number(e.energy_eur, "EUR") for e in kept))
    table = own.homes.set_index("level")
    money = [
        Row(words, "EUR", tuple(_cell(table, level, name) for level in own.levels))
        for words, name in (
            ("Bill, standing charge included", "bill_eur"),
            ("Paid in the end", "payment_eur"),
        )
        if name in table
    ]
    return [*energies, cost, *money]


def shifts(own: Result) -> list[Shift]:
    """What each device's times at level uc1 save against those of the baseline, all else the same.

    Sorted by saving; less than a cent is left out.
    """
    from mas2sim.cems.awareness import LEAST_SAVING_EUR, hours_in_use, moved_saving_eur

    if not {BEFORE, AFTER} <= set(own.levels):
        return []
    horizon, tariff = _horizon(own), _tariff(own)
    net_kw = values_of(own, "p_kw", BEFORE)[:, 0]
    found = []
    for column, device in enumerate(own.series["device"].to_numpy()):
        before_kw = values_of(own, "device_kw", BEFORE)[:, column]
        after_kw = values_of(own, "device_kw", AFTER)[:, column]
        saving_eur = moved_saving_eur(net_kw, before_kw, after_kw, tariff, horizon)
        if saving_eur >= LEAST_SAVING_EUR:
            found.append(
                Shift(
                    device=_device_name(str(device)),
                    before=hours_in_use(before_kw, horizon),
                    after=hours_in_use(after_kw, horizon),
                    saving_eur=saving_eur,
                )
            )
    return sorted(found, key=lambda shift: (-shift.saving_eur, shift.device))


def meter_quality(own: Result) -> MeterQuality:
    """Read the home's meter at the managed level, PTU by PTU, and judge the readings."""
    from mas2sim.cems.meter import MeterLog, Reading

    level, horizon = managed_level(own), _horizon(own)
    midnight = _midnight(own)
    readings = [
        Reading(midnight + timedelta(seconds=ptu * horizon.ptu_seconds), power_kw=float(power_kw))
        for ptu, power_kw in enumerate(values_of(own, "p_kw", level)[:, 0])
    ]
    return MeterLog(horizon).add(readings).quality()


def cost_figure(own: Result) -> go.Figure:
    """Cost of energy from midnight on, at every level."""
    import plotly.graph_objects as go

    figure = go.Figure()
    tariff, horizon = _tariff(own), _horizon(own)
    for level in own.levels:
        net_kw = values_of(own, "p_kw", level)[:, 0]
        price = np.where(net_kw > 0, tariff.import_eur_per_kwh, tariff.export_eur_per_kwh)
        spent_eur = np.concatenate([[0.0], np.cumsum(net_kw * price) * horizon.ptu_hours])
        figure.add_scatter(
            x=clock_hours(own),
            y=spent_eur,
            name=LEVEL_NAME[level],
            meta=level,
            line=line_of(level),
            hovertemplate="%{y:.2f} EUR",
        )
    return frame(figure, height=340, xaxis=clock_axis(), yaxis={"title": "Spent so far [EUR]"})


def _metered_day(own: Result, level: str) -> MeteredDay:
    from mas2sim.cems.awareness import MeteredDay

    generation: Sequence[FloatArray] = [
        values_of(own, name)[:, 0] for name in GENERATOR_SERIES.values() if name in own.series
    ]
    net_kw = values_of(own, "p_kw", level)[:, 0]
    generation_kw = np.asarray(sum(generation, start=np.zeros_like(net_kw)))
    return MeteredDay(_midnight(own).date(), net_kw, generation_kw, _tariff(own))


def _tariff(own: Result) -> Tariff:
    """Prices of energy; a result keeps charges for standing and peak in the bills alone."""
    return Tariff(
        str(own.series.attrs["tariff"]),
        values_of(own, "import_eur_per_kwh"),
        values_of(own, "export_eur_per_kwh"),
    )


def _horizon(own: Result) -> Horizon:
    return Horizon(24 * 60 // own.series.sizes["time"])


def _midnight(own: Result) -> datetime:
    start: datetime = own.series["time"].to_numpy()[0].astype("datetime64[s]").item()
    return start


def _facts(own: Result) -> list[tuple[str, str]]:
    series = own.series
    kinds = [str(kind) for kind in series["device_kind"].to_numpy()]
    names = [str(device) for device in series["device"].to_numpy()]
    devices = [
        _device_name(name) if kind == "appliance" else DEVICE_NAME.get(kind, kind)
        for name, kind in zip(names, kinds, strict=True)
    ]
    devices += [
        DEVICE_NAME[kind]
        for kind, name in GENERATOR_SERIES.items()
        if name in series and np.abs(values_of(own, name)).max() > 0
    ]
    community = str(series["home_community"].to_numpy()[0]).replace("_", " ")
    return [
        ("community", community or DASH),
        ("in use today", ", ".join(devices).lower().replace("pv", "PV") or "base load only"),
        ("tariff", str(series.attrs["tariff"]).replace("_", " ")),
        ("date", str(series.attrs["date"])),
    ]


def _statuses(own: Result) -> list[tuple[str, str]]:
    """Levels at which the home's plan is not what was wished, and why."""
    if "reason" not in own.homes:
        return []
    return [
        (LEVEL_NAME[level], str(reason))
        for level, reason in zip(own.homes["level"], own.homes["reason"], strict=True)
        if isinstance(reason, str) and reason
    ]


def _cell(table: pd.DataFrame, level: str, column: str) -> str:
    return number(float(table[column].get(level, np.nan)), "EUR")


def _device_name(device: str) -> str:
    """Name without the home's before it."""
    return device.rpartition("/")[2].replace("_", " ")
