"""The case in words, and its figures in a nutshell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mas2sim.report.appearance import LEVEL_NAME
from mas2sim.report.kpi_view import change, number
from mas2sim.report.load_figures import managed_level
from mas2sim.results import Result

AXIS_NAMES = {
    "smart": "smart scenario",
    "power_flow": "power flow",
    "ties": "tie rule",
}

HEADLINES = (
    ("payment_eur", "Homes pay", "EUR", "EUR"),
    ("peak_import_kw", "Peak import", "kW", "kW"),
    ("loss_variable_kwh", "Variable losses", "kWh", "kWh"),
    (
        "self_consumption_substation_percent",
        "Generation used by the substation's homes",
        "percent",
        "%",
    ),
)


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure in a nutshell; the comparison is with the baseline."""

    label: str
    value: str
    unit: str
    comparison: str


def case_title(result: Result) -> str:
    """Name the case by its day and place, or by the example that it is."""
    axes = result.cases.iloc[0].to_dict()
    named = ("example",) if "example" in axes else ("weather", "season", "day")
    day = " ".join(str(axes[name]).replace("_", " ") for name in named if name in axes)
    place = str(result.series.attrs.get("substation", "")).replace("_", " ")
    return f"{day[:1].upper()}{day[1:]}, {place}" if day else place


def case_facts(result: Result) -> list[tuple[str, str]]:
    """Identity of the case as pairs of name and value."""
    row = result.cases.iloc[0].to_dict()
    series = result.series
    facts = [
        (AXIS_NAMES.get(str(name), str(name)), _fact(str(name), str(value)))
        for name, value in row.items()
        if name not in ("case", "status") and str(value)
    ]
    flexible = int(series["home_has_flexibility"].to_numpy().sum())
    if "tariff" not in row:
        facts.append(("tariff", str(series.attrs["tariff"]).replace("_", " ")))
    ptu_h = float(np.diff(series["clock_h"].to_numpy()[:2]).item())
    facts += [
        ("PTU", f"{60.0 * ptu_h:.0f} min"),
        ("homes", f"{series.sizes['home']}, {flexible} with flexible assets"),
        ("import limit", f"{series.attrs['transformer_import_limit_kw']:.0f} kW"),
        ("export limit", f"{series.attrs['transformer_export_limit_kw']:.0f} kW"),
        (
            "voltage band",
            f"{series.attrs['voltage_min_v']:.1f} to {series.attrs['voltage_max_v']:.1f} V",
        ),
    ]
    return facts


def _fact(name: str, value: str) -> str:
    """The value in words; overrides stay as they were typed."""
    return value if name == "changes" else value.replace("_", " ")


def headlines(result: Result) -> list[Headline]:
    """Return the few figures shown first: the managed level, against the baseline where known."""
    columns = [column for column, *_ in HEADLINES if column in result.kpi]
    table = result.kpi.set_index("level")[columns].astype("float64")
    losses = result.kpi.set_index("level")[["loss_line_kwh", "loss_transformer_load_kwh"]]
    table["loss_variable_kwh"] = losses.sum(axis=1, skipna=False)
    level = managed_level(result)
    shown = []
    for column, label, unit, sign in HEADLINES:
        values = dict(zip(table.index, table[column].to_numpy(), strict=True))
        value = float(values[level])
        reference = math.nan
        if level != "baseline":
            reference = float(values.get("baseline", math.nan))
        shown.append(Headline(label, number(value, unit), sign, change(value, reference, unit)))
    return shown


def headline_words(result: Result) -> str:
    """Say which level the headlines speak of, and what they are compared with."""
    level = managed_level(result)
    against = "baseline" in result.levels and level != "baseline"
    return LEVEL_NAME[level] + (" against the baseline" if against else "")


def level_statuses(result: Result) -> list[tuple[str, str]]:
    """Levels with something to report other than ``ok``, and what it is."""
    return [
        (LEVEL_NAME[level], status.replace("_", " "))
        for level, status in zip(result.kpi["level"], result.kpi["status"], strict=True)
        if status != "ok"
    ]
