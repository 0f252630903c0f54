"""The page as a whole: it needs nothing from outside, and its table says what the files say."""

from __future__ import annotations

import dataclasses
import html
import math
import re
import subprocess
import sys
import time
from types import ModuleType
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.report.kpi_view import change, kpi_groups, number
from mas2sim.report.page import report_page
from mas2sim.report.unmet_wishes import SHOWN, UnmetWish, unmet_wishes
from mas2sim.results import KPIS, CaseRecord, homes_table

PAGE_BYTES = 8_000_000
REPORT_S = 3.0
"""The page is made at the end of every run; longer would be noticed."""

LEVELS = tuple(level.value for level in Level)


def test_the_page_asks_for_nothing_from_outside(reported: Any) -> None:
    for tag, attributes in reported.page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert name not in attributes, (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed", "base")
    style = reported.page.scripts["style"]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = (
        attributes["content"]
        for tag, attributes in reported.page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_drawing_code_is_inside_once(reported: Any) -> None:
    assert reported.page.text.count(get_plotlyjs()) == 1
    assert reported.path.stat().st_size < PAGE_BYTES


def test_the_page_is_made_in_time(reported: Any) -> None:
    report_page(reported.result)
    start = time.perf_counter()
    report_page(reported.result)
    assert time.perf_counter() - start < REPORT_S


def test_every_level_of_every_kpi_is_shown_as_in_the_file(reported: Any) -> None:
    text = reported.page.text[reported.page.text.index('id="kpis"') :].split("</section>")[0]
    table = reported.result.kpi.set_index("level")
    shown = 0
    for kpi in KPIS:
        rows = re.findall(rf'<tr data-kpi="{kpi.name}">(.*?)</tr>', text, flags=re.DOTALL)
        if table[kpi.name].isna().all():
            assert rows == []
            continue
        (row,) = rows
        cells = re.findall(r'<span class="number">(.*?)</span>', row)
        values = [table.loc[level, kpi.name] for level in LEVELS]
        assert cells == [v if isinstance(v, str) else number(v, kpi.unit, kpi.name) for v in values]
        assert kpi.sentence in html.unescape(row)
        assert kpi.formula in html.unescape(row)
        shown += 1
    assert shown > 50


def test_kpis_without_any_value_are_listed_as_such(reported: Any) -> None:
    unknown = [kpi.name for group in kpi_groups(reported.result) for kpi in group.unknown]
    assert "dso_payment_eur" in unknown
    assert "payment_eur" not in unknown
    for name in unknown:
        assert f"<code>{name}</code>: no value" in reported.page.text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (math.nan, "kWh", "-"),
        (0.0, "kWh", "0.00"),
        (-0.0004, "EUR", "0.00"),
        (-12.34, "kW", "\N{MINUS SIGN}12.3"),
        (1234567.0, "kWh", "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567.0"),
        (3.0, "count", "3"),
        (1.04321, "pu", "1.0432"),
    ],
)
def test_numbers_read_at_a_glance(value: float, unit: str, text: str) -> None:
    assert number(value, unit) == text


@pytest.mark.parametrize(
    ("value", "reference", "unit", "text"),
    [
        (9.0, 10.0, "kW", "\N{MINUS SIGN}10.0 %"),
        (1.0, -2.0, "kWh", "+150.0 %"),
        (55.0, 50.0, "percent", "+5.0 points"),
        (1.0, 0.0, "kWh", ""),
        (math.nan, 1.0, "kWh", ""),
        (10.0, 10.0, "kW", ""),
    ],
)
def test_differences_read_at_a_glance(value: float, reference: float, unit: str, text: str) -> None:
    assert change(value, reference, unit) == text


def test_the_best_level_is_marked_and_the_bound_does_not_compete(reported: Any) -> None:
    rows = {row.kpi.name: row for group in kpi_groups(reported.result) for row in group.rows}
    payments = reported.result.kpi.set_index("level")["payment_eur"].drop("central")
    marked = [
        level for level, cell in zip(LEVELS, rows["payment_eur"].cells, strict=True) if cell.best
    ]
    assert marked == [payments.idxmin()]
    assert not any(cell.best for cell in rows["vm_max_pu"].cells)


def test_a_bound_better_than_every_level_is_not_marked(reported: Any) -> None:
    cheap = reported.result.kpi.copy()
    cheap["payment_eur"] = [5.0, 4.0, 3.0, 3.0, 1.0]
    groups = kpi_groups(dataclasses.replace(reported.result, kpi=cheap))
    (row,) = (row for row in groups[0].rows if row.kpi.name == "payment_eur")
    assert [cell.best for cell in row.cells] == [False, False, True, True, False]


def test_an_example_is_titled_by_its_name(toy: ModuleType, page_of: Any) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    page = page_of(dataclasses.replace(record, axes={**record.axes, "example": "D6.1_annex_D"}))
    assert "<h1>D6.1 annex D, " in page.text


def test_assumptions_and_provenance_are_on_the_page(reported: Any) -> None:
    words = reported.page.visible_text
    assert "Homes run at a power factor of 0.97 <lagging> [A]" in words
    assert "<lagging>" not in reported.page.text
    for value in (reported.result.provenance["plan_hash"], "c0de", "2030 green", "0.1.0"):
        assert value in words


def test_a_flow_that_did_not_converge_stands_at_the_top(toy: ModuleType, page_of: Any) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1))
    grid = {**record.grid, Level.UC1: toy.unsolved(record.grid[Level.UC1], [70, 71])}
    page = page_of(dataclasses.replace(record, grid=grid))
    assert "UC1 (each home): not converged (2 of 96 PTUs)" in page.visible_text
    (row,) = re.findall(r'<tr data-kpi="vm_min_pu">(.*?)</tr>', page.text, flags=re.DOTALL)
    assert re.findall(r'<span class="number">(.*?)</span>', row)[1] == "-"


def with_plan(
    record: CaseRecord, level: Level, home: int, status: PlanStatus, reason: str
) -> CaseRecord:
    """The record with another verdict on one home's plan."""
    plans = list(record.plans[level])
    plans[home] = dataclasses.replace(plans[home], status=status, reason=reason)
    return dataclasses.replace(record, plans={**record.plans, level: tuple(plans)})


def test_wishes_that_cannot_be_met_are_told_in_words(toy: ModuleType, page_of: Any) -> None:
    record = toy.synthetic_record((Level.BASELINE, Level.UC1, Level.UC2))
    reason = "ev: 2.00 of 6.48 kWh cannot be charged by <07:00>"
    for level in (Level.UC1, Level.UC2):
        record = with_plan(record, level, 2, PlanStatus.INFEASIBLE, reason)
    record = with_plan(record, Level.UC1, 0, PlanStatus.BOUNDED, "node limit")
    page = page_of(record)
    rows = re.findall(
        r'<tr><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>',
        page.text[page.text.index('id="wishes"') :].split("</section>")[0],
    )
    assert [tuple(map(html.unescape, row)) for row in rows] == [
        ("h3", "UC1 (each home), UC2 (communities)", reason),
        ("h1", "UC1 (each home)", "feasible, but not proven the cheapest: node limit"),
    ]
    assert "2 of 6 homes have a plan that leaves a wish unmet" in page.visible_text
    assert "homes.parquet" not in page.visible_text
    assert reason not in page.text


def test_no_wish_unmet_takes_no_place(reported: Any) -> None:
    assert 'id="wishes"' not in reported.page.text
    assert unmet_wishes(reported.result).rows == ()


def test_of_many_unmet_wishes_some_are_shown_and_all_are_counted(
    toy: ModuleType, reported: Any
) -> None:
    table = homes_table(toy.synthetic_record((Level.UC1,)))
    many = table.loc[table.index.repeat(7)].reset_index(drop=True)
    many["home"] = [f"h{number}" for number in range(len(many))]
    many["status"] = ["infeasible"] * 40 + ["optimal"] * 2
    many["reason"] = "too cold"
    wishes = unmet_wishes(dataclasses.replace(reported.result, homes=many))
    assert len(wishes.rows) == SHOWN == 30
    assert wishes.rows[-1] == UnmetWish("h29", "UC1 (each home)", "too cold")
    assert (wishes.left_out, wishes.homes, wishes.homes_in_all) == (10, 40, 42)


def test_a_single_level_without_a_flow_still_makes_a_page(toy: ModuleType, page_of: Any) -> None:
    page = page_of(toy.synthetic_record((Level.UC1,), power_flow=False))
    assert "no power flow" in page.visible_text
    assert page.traces("load")


def test_names_from_the_grid_cannot_break_out(toy: ModuleType, page_of: Any) -> None:
    record = toy.synthetic_record((Level.BASELINE,))
    evil = "</script><script>alert(1)</script>"
    first = dataclasses.replace(record.homes[0], name=evil)
    buses = (*record.layout.buses[:-1], dataclasses.replace(record.layout.buses[-1], name=evil))
    layout = dataclasses.replace(record.layout, name=evil, buses=buses, branches=())
    page = page_of(
        dataclasses.replace(record, homes=(first, *record.homes[1:]), layout=layout, grid={})
    )
    assert evil not in page.text
    assert evil in page.trace("map", "baseline voltage")["text"][-1]


HEAVY = """
import sys
import mas2sim.report
import mas2sim.results
print([name for name in ("pandas", "plotly", "xarray", "jinja2") if name in sys.modules])
"""


def test_importing_the_room_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", HEAVY], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
