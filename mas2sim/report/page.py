"""The report page: one file with all it needs inside, figures' data and drawing code included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mas2sim.report.appearance import LEVEL_COLOUR, LEVEL_NAME
from mas2sim.report.grid_figures import loss_figure, voltage_figure
from mas2sim.report.grid_map import map_figure
from mas2sim.report.home_day import chosen_home, home_figure
from mas2sim.report.kpi_view import kpi_groups
from mas2sim.report.load_figures import duration_figure, load_figure, managed_level, plans_figure
from mas2sim.report.market_figures import (
    offers_figure,
    prognosis_figure,
    regime_figure,
    trade_figure,
)
from mas2sim.report.market_view import market_levels, market_section, offers, was_asked
from mas2sim.report.render import Panel, render
from mas2sim.report.unmet_wishes import unmet_wishes
from mas2sim.report.wording import (
    case_facts,
    case_title,
    headline_words,
    headlines,
    level_statuses,
)
from mas2sim.results import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go

TEMPLATE_FILE = "page.html.j2"


def write_report(result: Result, path: Path) -> None:
    """Write the report of a result.

    Parameters
    ----------
    result : Result
    path : Path
        The HTML file to write; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_page(result), encoding="utf-8")


def report_page(result: Result) -> str:
    """Return the page as HTML."""
    groups = kpi_groups(result)
    drawn = figures(result)
    return render(
        TEMPLATE_FILE,
        title=case_title(result),
        facts=case_facts(result),
        headlines=headlines(result),
        headline_words=headline_words(result),
        statuses=level_statuses(result),
        levels=[(LEVEL_NAME[level], LEVEL_COLOUR[level]) for level in result.kpi["level"]],
        groups=groups,
        panels=_panels(result, drawn),
        market=market_section(result, groups),
        market_panels=_market_panels(drawn),
        wishes=unmet_wishes(result),
        assumptions=result.provenance.get("assumptions", []),
        provenance=provenance_rows(result.provenance),
        configuration=json.dumps(
            result.provenance.get("configuration", {}), indent=2, ensure_ascii=False
        ),
    )


def figures(result: Result) -> Mapping[str, go.Figure]:
    """All figures of the report by name; those of markets where they were held."""
    found = {
        "load": load_figure(result),
        "plans": plans_figure(result),
        "duration": duration_figure(result),
        "voltage": voltage_figure(result),
        "map": map_figure(result),
        "home": home_figure(result),
        "losses": loss_figure(result),
    }
    if market_levels(result):
        found |= {"regimes": regime_figure(result), "trade": trade_figure(result)}
    if was_asked(result):
        found["prognosis"] = prognosis_figure(result)
    if offers(result):
        found["offers"] = offers_figure(result)
    return found


def _panels(result: Result, drawn: Mapping[str, go.Figure]) -> list[Panel]:
    managed = LEVEL_NAME[managed_level(result)]
    words = {
        "load": (
            "Load of the substation",
            "Sum of all connections. Above the dashed line the limit is not kept.",
        ),
        "plans": (
            "Plans of the communities",
            f"A-plans that the aggregators sent, and the D-prognosis of the substation, {managed}.",
        ),
        "duration": (
            "How long the transformer is loaded",
            "Apparent power at the HV side, phases added up, losses included, against the rating.",
        ),
        "voltage": (
            "Voltage",
            (
                "Phase to neutral over all low-voltage buses and the phases they have: the shade "
                "spans lowest to highest, the line is the median, dashed are the statutory limits."
            ),
        ),
        "map": (
            "Where the grid is strained",
            (
                "Dots are buses, by the room that the day leaves between their voltage and a "
                "statutory limit. Lines are cables, the square is the transformer, both by their "
                "highest loading. Orange is close to a limit, red beyond it. The menus choose the "
                "level and the limit: the upper one tells of feed-in, the lower one of the "
                "evening's load. Point at a place for its values and their times."
            ),
        ),
        "home": (
            f"A home's day: {chosen_home(result)}",
            "The home with the most devices in use; of several, the one that saves most.",
        ),
        "losses": (
            "Losses of the day",
            "Only losses in lines and windings answer to load; those in the iron do not.",
        ),
    }
    return [Panel.of(name, *said, drawn[name]) for name, said in words.items()]


def _market_panels(drawn: Mapping[str, go.Figure]) -> list[Panel]:
    words = {
        "prognosis": (
            "What the DSO asked for, and what it got",
            (
                "Red is beyond the limit of the transformer, and what the DSO asked the "
                "aggregators to move. Green is the day with the offers that it took."
            ),
        ),
        "offers": (
            "Offers of the aggregators",
            (
                "Change of the community's plan, rebound included, and the price of all of it: "
                "what the members lose by it. At most one offer of each community is taken; of the "
                "others the latest that differ are shown."
            ),
        ),
        "regimes": (
            "Regimes",
            (
                "Green: within limits. Yellow: the market is to solve it, or has. Orange: the DSO "
                "limits connections. Red: protection trips."
            ),
        ),
        "trade": (
            "Trade within the communities",
            (
                "What members feed in supplies other members first, at a price between export and "
                "import; the rest leaves the community or comes from outside."
            ),
        ),
    }
    return [Panel.of(name, *said, drawn[name]) for name, said in words.items() if name in drawn]


def provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a result comes from, as rows of a name and a value."""
    names = (
        ("plan_hash", "plan"),
        ("created", "created"),
        ("mas2sim", "mas2sim"),
        ("code_version", "code version"),
        ("git_revision", "git revision"),
        ("python", "Python"),
        ("seed", "seed"),
    )
    rows = [(label, str(provenance[key])) for key, label in names if provenance.get(key)]
    overrides = provenance.get("overrides")
    if overrides:
        rows.append(("overrides", " ".join(map(str, overrides))))
    versions = provenance.get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return [*rows, ("packages", packages)] if packages else rows
