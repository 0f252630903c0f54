"""The figures of a campaign, drawn from small tables whose every value is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from mas2sim.report.campaign_bars import (
    annual_figure,
    participation_figure,
    scenario_figure,
)
from mas2sim.report.campaign_differences import differences_figure
from mas2sim.report.campaign_effects import effects_figure, variance_figure
from mas2sim.report.campaign_fans import BANDS, LIMITS, day_figure, duration_figure
from mas2sim.report.campaign_figures import DRAWINGS, campaign_panels
from mas2sim.report.campaign_maps import binding_figure, pairs_figure
from mas2sim.report.small_multiples import axis_words, kpi_words
from mas2sim.report.study_page import study_page
from mas2sim.results.claims import LOSS_REDUCTION_PERCENT
from mas2sim.results.study_result import Column, StudyResult, StudyTable

NAN = float("nan")
LEVELS = ("baseline", "uc1", "uc2")
SMART = ("2020_bau", "2030_green")
PTUS = 96
DIGITS = 1e-4
"""Fans are drawn with five digits."""


def table(name: str, rows: list[dict[str, Any]] | pd.DataFrame, note: str = "") -> StudyTable:
    frame = pd.DataFrame(rows)
    columns = {str(column): Column(str(column), "%") for column in frame}
    return StudyTable(name, name, note, frame, columns)


def by_scenario() -> StudyTable:
    rows = [
        {
            "smart": smart,
            "level": level,
            "cases": 3,
            "saving_percent": NAN if level == "baseline" else 10.0 * first + second,
            "self_consumption_percent": 50.0 + first + second,
            "loss_reduction_total_percent": NAN if level == "baseline" else 1.0 - first,
        }
        for (first, smart), (second, level) in product(enumerate(SMART), enumerate(LEVELS))
    ]
    return table("by_scenario", rows)


def effects() -> StudyTable:
    values = {"season": ("winter", "summer"), "communities": ("1", "3", "5"), "day": ("weekday",)}
    rows = [
        {
            "axis": axis,
            "value": value,
            "level": level,
            "cases": 2,
            "vm_max_pu": 1.0 + place / 100,
            "vm_max_pu_effect": 0.0,
            "bill_saving_percent": NAN if level == "baseline" else float(place),
            "bill_saving_percent_effect": NAN,
            "dso_payment_eur": NAN,
            "dso_payment_eur_effect": NAN,
        }
        for axis, own in values.items()
        for place, value in enumerate(own)
        for level in LEVELS
    ]
    return table("effects", rows)


def pairs() -> StudyTable:
    """Of a sample: winter has no cloudy case, so its row says nothing of the order of weathers."""
    rows = []
    for level, kpi in product(LEVELS, ("vm_max_pu", "bill_saving_percent")):
        if level == "baseline" and kpi == "bill_saving_percent":
            continue
        shared = {"level": level, "kpi": kpi, "cases": 1}
        for value_a, value_b, mean in (
            ("winter", "variable", 1.0),
            ("summer", "sunny", 2.0),
            ("summer", "variable", 3.0),
            ("summer", "cloudy", 4.0),
        ):
            place = {"axis_a": "season", "value_a": value_a, "axis_b": "weather"}
            rows.append({**place, "value_b": value_b, "mean": mean, **shared})
        for day in ("weekday", "sunday"):
            place = {"axis_a": "season", "value_a": "winter", "axis_b": "day"}
            rows.append({**place, "value_b": day, "mean": 5.0, **shared})
    return table("pairs", rows)


def differences(low: float = NAN) -> StudyTable:
    shared = {"pairs": 4, "median": 1.5, "p5": -1.0, "p95": 4.0}
    shares = {"better_percent": 75.0, "worse_percent": 25.0, "equal_percent": 0.0}
    rows = [
        {"reference": reference, "level": level, "kpi": kpi, "mean": mean, **shared, **shares}
        for reference, level, mean in (("baseline", "uc1", 2.0), ("uc1", "uc2", 1e-8))
        for kpi in ("bill_saving_percent", "vm_max_pu", "congested_ptus")
    ]
    return table("level_differences", [{**row, "low": low, "high": low + 1.0} for row in rows])


def variance() -> StudyTable:
    rows = [
        {"axis": axis, "kpi": kpi, "level": level, "share_percent": share, "chance_percent": 5.0}
        for level in LEVELS
        for kpi in ("vm_max_pu", "bill_saving_percent")
        for axis, share in (("season", 60.0), ("day", 30.0), ("rest", 10.0))
        if level != "baseline" or kpi == "vm_max_pu"
    ]
    return table("variance_share", rows)


def fans() -> StudyTable:
    percentiles = (0, 5, 25, 50, 75, 95, 100)
    parts = []
    for variable, group, (place, level) in product(
        ("net_duration_kw", "vm_max_pu"), ("all", *SMART), enumerate(LEVELS)
    ):
        base = (1.0 if variable == "vm_max_pu" else 2.0) + place / 100 + np.arange(PTUS) / 1000
        columns = {f"p{each}": base + each / 1000 for each in percentiles}
        named = {"variable": variable, "level": level, "group": group, "unit": "pu"}
        part = pd.DataFrame(columns).assign(index=np.arange(PTUS), cases=3, **named)
        # In any order: it is the index that tells the place.
        parts.append(part.sample(frac=1.0, random_state=1))
    return table("fans", pd.concat(parts, ignore_index=True))


def binding() -> StudyTable:
    alone = [
        ("all", "all", "", "", 25.0),
        ("season", "winter", "", "", 50.0),
        ("season", "summer", "", "", 0.0),
        *(
            ("smart", smart, "season", "winter", share)
            for smart, share in zip(SMART, (0.0, 100.0), strict=True)
        ),
    ]
    names = ("axis", "value", "axis_b", "value_b", "binding_percent")
    rows = [dict(zip(names, row, strict=True)) for row in alone]
    return table("binding", [{**row, "cases": 4, "binding_cases": 1} for row in rows])


def annual() -> StudyTable:
    rows = [
        {
            "smart": smart,
            "flexibility": "low",
            "communities": communities,
            "substation": "all",
            "level": level,
            "cases": 45,
            "payment_eur": 400.0 + place,
            "saving_percent": NAN,
            "loss_kwh": 10.0,
        }
        for place, (smart, communities, level) in enumerate(product(SMART, ("1", "3"), LEVELS))
    ]
    return table("annual", rows)


def participation() -> StudyTable:
    rows = [
        {
            "smart": smart,
            "flexibility": "low",
            "level": level,
            "cases": 3,
            "homes_flexible_percent": 20.0,
            "homes_changed_percent": NAN if level == "baseline" else 90.0,
        }
        for smart, level in product(SMART, LEVELS)
    ]
    return table("participation", rows)


TABLES = (
    by_scenario,
    annual,
    differences,
    participation,
    binding,
    effects,
    variance,
    pairs,
    fans,
)


def campaign() -> StudyResult:
    return StudyResult(
        kind="campaign",
        title="Campaign small",
        facts=[("cases", "12")],
        headlines=[],
        tables=[make() for make in TABLES],
    )


def drawn(make: Callable[[StudyTable], go.Figure | None], of: StudyTable) -> go.Figure:
    figure = make(of)
    assert figure is not None
    return figure


def labels(figure: go.Figure, menu: int = 0) -> list[str]:
    return [button.label for button in figure.layout.updatemenus[menu].buttons]


def choose(figure: go.Figure, entry: int, menu: int = 0) -> go.Figure:
    """The figure as it is after an entry of a menu was chosen."""
    changed = go.Figure(figure)
    (change, *where) = figure.layout.updatemenus[menu].buttons[entry].args
    places = where[0] if where else range(len(figure.data))
    for name, values in change.items():
        for place, value in zip(places, values, strict=True):
            changed.data[place][name] = value
    return changed


def shown(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.visible is not False]


def test_bars_by_scenario_are_the_tables_values() -> None:
    figure = drawn(scenario_figure, by_scenario())
    bars = {(trace.name, trace.xaxis or "x"): trace for trace in figure.data if trace.type == "bar"}
    saving = bars["UC2 (communities)", "x"]
    assert list(saving.x) == ["2020 bau", "2030 green"]
    assert list(saving.y) == [2.0, 12.0]
    assert np.isnan(bars["Baseline", "x"].y).all()
    assert list(bars["Baseline", "x2"].y) == [50.0, 51.0]


def test_the_claimed_band_stands_behind_losses_alone() -> None:
    bands = [
        shape
        for shape in drawn(scenario_figure, by_scenario()).layout.shapes
        if shape.type == "rect"
    ]
    assert [(band.y0, band.y1, band.yref) for band in bands] == [(*LOSS_REDUCTION_PERCENT, "y3")]
    without = by_scenario().frame.drop(columns="loss_reduction_total_percent")
    assert not drawn(scenario_figure, table("by_scenario", without)).layout.shapes


@pytest.mark.parametrize("low", [NAN, 1.75])
def test_differences_show_the_spread_and_the_interval_there_is(low: float) -> None:
    figure = drawn(differences_figure, differences(low))
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    # The table compares more figures than are drawn; what is rounding is drawn as nothing.
    assert [(dot.x[0], dot.y[0]) for dot in dots] == [
        (2.0, "Baseline to UC1"),
        (0.0, "UC1 to UC2"),
    ] * 2
    lines = [
        tuple(trace.x) for trace in figure.data if trace.mode == "lines" and trace.x[0] is not None
    ]
    known = [] if np.isnan(low) else [(low, low + 1.0)]
    assert lines == [(-1.0, 4.0), *known] * 4
    named = [trace.name for trace in figure.data if trace.showlegend is not False]
    assert ("95 % interval of the mean over seeds" in named) == bool(known)


def test_each_figure_of_an_axis_is_in_the_menu() -> None:
    figure = drawn(effects_figure, effects())
    assert labels(figure) == ["Highest voltage, p.u.", "Saving of all homes, %"]
    assert [note.text for note in figure.layout.annotations] == ["Season", "Communities"]
    chosen = shown(choose(figure, 1))
    assert [trace.name for trace in chosen] == ["UC1 (each home)", "UC2 (communities)"] * 2
    assert list(chosen[2].x) == ["1", "3", "5"]
    assert list(chosen[2].y) == [0.0, 1.0, 2.0]
    assert len(shown(figure)) == 2 * len(LEVELS)


def test_shares_of_variance_by_level() -> None:
    figure = drawn(variance_figure, variance())
    assert labels(figure) == ["UC1 (each home)", "UC2 (communities)", "Baseline"]
    bars = [trace for trace in shown(choose(figure, 2)) if trace.type == "bar" and len(trace.x)]
    assert [list(bar.x) for bar in bars] == [[60.0, 30.0, 10.0]]
    assert list(bars[0].y) == ["Season", "Day", "All axes leave"]
    marks = [trace for trace in shown(figure) if trace.type == "scatter"]
    assert [list(mark.x) for mark in marks] == [[5.0, 5.0]] * 2


def test_maps_of_pairs_have_a_menu_for_the_pair_and_one_for_the_figure() -> None:
    figure = drawn(pairs_figure, pairs())
    assert labels(figure) == ["Season (down) and weather", "Season (down) and day"]
    assert labels(figure, 1) == ["Highest voltage, p.u.", "Saving of all homes, %"]
    maps = [trace for trace in shown(figure) if trace.coloraxis]
    assert len(maps) == len(LEVELS)
    for each in maps:
        assert list(each.y) == ["winter", "summer"]
        assert list(each.x) == ["sunny", "variable", "cloudy"]
        assert [list(row) for row in each.z] == [[None, 1.0, None], [2.0, 3.0, 4.0]]
    saving = [trace for trace in shown(choose(figure, 1, menu=1)) if trace.coloraxis]
    assert [list(row) for row in saving[0].z] == [[None] * 3] * 2
    assert [list(row) for row in saving[1].z] == [[None, 1.0, None], [2.0, 3.0, 4.0]]
    days = [trace for trace in shown(choose(figure, 1)) if trace.coloraxis]
    assert [list(each.x) for each in days] == [["weekday", "sunday"]] * len(LEVELS)


def test_where_the_limit_binds() -> None:
    figure = drawn(binding_figure, binding())
    (bar,) = (trace for trace in figure.data if trace.type == "bar")
    assert list(bar.x) == ["winter", "summer"]
    assert list(bar.y) == [50.0, 0.0]
    (heat,) = (trace for trace in figure.data if trace.type == "heatmap")
    assert [list(row) for row in heat.z] == [[0.0], [100.0]]
    (line,) = figure.layout.shapes
    assert line.y0 == line.y1 == 25.0


def test_a_fan_has_its_shades_and_its_median() -> None:
    figure = drawn(duration_figure, fans())
    assert labels(figure) == ["all cases", "2020 bau", "2030 green"]
    seen = shown(figure)
    assert len(seen) == len(LEVELS) * (len(BANDS) + 1)
    whole, _, _, median = seen[:4]
    rising = np.arange(PTUS) / 1000
    assert np.allclose(median.y, 2.05 + rising, rtol=DIGITS)
    assert np.allclose(whole.y[:PTUS], 2.1 + rising, rtol=DIGITS)
    assert np.allclose(whole.y[PTUS:], (2.0 + rising)[::-1], rtol=DIGITS)
    assert median.x[0] == pytest.approx(0.125)
    for column, level in enumerate(("Baseline", "UC1 (each home)", "UC2 (communities)")):
        assert figure.layout.annotations[column].text == level


@pytest.mark.parametrize(("high", "is_near"), [(1.07, True), (1.01, False)])
def test_a_limit_is_on_the_scale_of_the_fans_when_it_is_near(high: float, is_near: bool) -> None:
    made = fans()
    voltages = made.frame[made.frame["variable"] == "vm_max_pu"]
    percentiles = {name: 1.0 for name in voltages if str(name).startswith("p")}
    figure = drawn(day_figure, table("fans", voltages.assign(**{**percentiles, "p100": high})))
    (low_end, high_end) = figure.layout.yaxis.range
    assert low_end < 1.0
    assert (high_end > LIMITS["vm_max_pu"]) == is_near
    assert {shape.y0 for shape in figure.layout.shapes} == {LIMITS["vm_max_pu"]}
    assert not drawn(duration_figure, made).layout.shapes


def test_annual_figures_are_all_in_the_menu() -> None:
    figure = drawn(annual_figure, annual())
    assert labels(figure) == ["payment_eur, %", "loss_kwh, %"]
    first = shown(figure)[0]
    assert [list(words) for words in first.x] == [
        ["2020 bau", "2020 bau", "2030 green", "2030 green"],
        ["1", "3", "1", "3"],
    ]
    assert list(first.y) == [400.0, 403.0, 406.0, 409.0]
    assert [list(trace.y) for trace in shown(choose(figure, 1))] == [[10.0] * 4] * len(LEVELS)


def test_participation_names_homes_that_could_take_part_once() -> None:
    figure = drawn(participation_figure, participation())
    assert [list(trace.y) for trace in figure.data if trace.xaxis == "x2"] == [[20.0, 20.0]]
    assert len(figure.data) == len(LEVELS) + 1


def test_what_has_no_rows_is_a_sentence_and_no_empty_frame() -> None:
    whole = campaign()
    names = [drawing.name for drawing in DRAWINGS]
    assert [panel[0] for panel in campaign_panels(whole) if panel[3] is not None] == names
    empty = [
        replace(each, frame=each.frame.iloc[:0], note=f"no {each.name} here")
        for each in whole.tables
    ]
    for panel, drawing in zip(campaign_panels(replace(whole, tables=empty)), DRAWINGS, strict=True):
        assert panel[2:] == (f"Not drawn: no {drawing.table} here", None)
    for panel in campaign_panels(replace(whole, tables=[])):
        assert panel[2].startswith("Not drawn: this campaign has no table")
    page = study_page(replace(whole, tables=empty))
    assert "Not drawn: no fans here" in page
    assert 'id="plot-' not in page
    assert 'id="figure-' not in page


@pytest.mark.parametrize("make", [make for make in TABLES if make is not binding])
def test_tables_without_any_value_are_no_figures(make: Callable[[], StudyTable]) -> None:
    made = make()
    numbers = made.frame.select_dtypes("number").columns
    unknown = {name: NAN for name in numbers if name not in ("index", "cases", "pairs")}
    for drawing in DRAWINGS:
        if drawing.table == made.name:
            assert drawing.draw(table(made.name, made.frame.assign(**unknown))) is None


def test_the_page_needs_no_network_and_says_what_is_not_finished() -> None:
    page = study_page(replace(campaign(), unfinished="Of 12 cases 3 are not done."))
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", page)
    assert page.index("Of 12 cases 3 are not done.") < page.index('id="scenario"')
    assert "mas2sim, campaign" in page
    for drawing in DRAWINGS:
        assert f'id="plot-{drawing.name}"' in page
    assert "Not finished" not in study_page(campaign())


def test_names_cannot_leave_their_place() -> None:
    name = "</script><script>alert(1)</script>"
    rows = effects().frame.replace({"winter": name})
    page = study_page(replace(campaign(), tables=[table("effects", rows)]))
    assert "alert(1)</script>" not in page


def test_words() -> None:
    assert axis_words("high_axis") == "High axis"
    assert axis_words("grid.tap_pos") == "grid.tap_pos"
    assert axis_words("smart") == "Smart scenario"
    assert kpi_words("peak_import_reduction_vs_uc1_percent") == "Peak import reduction, %"
    assert kpi_words("payment_per_home_eur") == "Payment, EUR per home and day"
    assert kpi_words("made_of_others") == "made of others"
