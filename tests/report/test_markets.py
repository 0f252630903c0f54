"""The section on markets: its words, tables and figures against a purchase made by hand."""

from __future__ import annotations

import dataclasses
import json
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mas2sim.domain.flexibility import FlexOffer, FlexOrder
from mas2sim.domain.limits import Regime
from mas2sim.domain.typical_day import Level
from mas2sim.market import CongestionOutcome
from mas2sim.report.kpi_view import number
from mas2sim.report.market_figures import RESERVE, TAKEN
from mas2sim.report.market_view import LATEST_RESERVE, community_name
from mas2sim.results import CaseRecord

MARKET_FIGURES = ("prognosis", "offers", "regimes", "trade")
KW = 1e-9
"""Rounding of sums of six powers."""
AT_18 = 72


@pytest.fixture
def bought(toy: ModuleType) -> CaseRecord:
    record: CaseRecord = toy.synthetic_record(tuple(Level), markets=True)
    return dataclasses.replace(record, congestion=toy.purchase(record))


def with_offers(record: CaseRecord, community: str, prices_eur: list[float]) -> CaseRecord:
    """The record with offers of one community alone; the last one is taken."""
    outcome = record.congestion
    assert outcome is not None
    model = outcome.offers["community_1"][0].change_kw
    offers = tuple(
        FlexOffer(community, place, (1.0 + place) * model, price)
        for place, price in enumerate(prices_eur)
    )
    order = FlexOrder({community: len(offers) - 1}, {community: prices_eur[-1]}, {})
    changed: CongestionOutcome = dataclasses.replace(
        outcome, offers={community: offers}, order=order
    )
    return dataclasses.replace(record, congestion=changed)


def section(page: Any) -> str:
    return str(page.text[page.text.index('id="markets"') :].split("</section>")[0])


def test_without_a_market_there_is_no_section(toy: ModuleType, page_of: Any) -> None:
    page = page_of(toy.synthetic_record((Level.BASELINE, Level.UC1)))
    assert 'id="markets"' not in page.text
    for figure in MARKET_FIGURES:
        assert f"figure-{figure}" not in page.scripts


def test_where_nothing_was_bought_the_page_says_so(toy: ModuleType, page_of: Any) -> None:
    page = page_of(toy.synthetic_record(tuple(Level), markets=True))
    assert "it asked for nothing" in section(page)
    assert "figure-trade" in page.scripts
    for figure in ("prognosis", "offers"):
        assert f"figure-{figure}" not in page.scripts


def test_the_purchase_is_told_in_words(bought: CaseRecord, page_of: Any) -> None:
    words = section(page_of(bought))
    assert "The DSO asked for 3.00 kW less at most, 18:00 to 18:30." in words
    assert "It was made 3 offers and took 2: " in words
    assert "offer 1 of Community 1 at 0.250 EUR" in words
    assert "offer 0 of Community 2 at 0.125 EUR; 0.375 EUR in all." in words
    assert "peaked at 15.0 kW, at 18:00; with what it ordered, at 12.0 kW, at 18:00." in words


def test_a_wish_for_more_load_is_told_as_such(bought: CaseRecord, page_of: Any) -> None:
    outcome = bought.congestion
    assert outcome is not None
    beyond_kw = np.zeros_like(outcome.before_kw)
    beyond_kw[0, 48:52] = -4.0
    changed = dataclasses.replace(outcome, before_beyond_kw=beyond_kw)
    page = page_of(dataclasses.replace(bought, congestion=changed))
    assert "The DSO asked for 4.00 kW more at most, 12:00 to 13:00." in section(page)
    metas = [trace.get("meta") for trace in page.traces("prognosis")]
    assert "room lower" in metas
    assert "room upper" not in metas


def test_the_table_shows_the_market_levels_only(bought: CaseRecord, page_of: Any) -> None:
    text = section(page_of(bought))
    (row,) = re.findall(r'<tr data-kpi="rounds">(.*?)</tr>', text, flags=re.DOTALL)
    assert re.findall(r'<span class="number">(.*?)</span>', row) == ["7", "9", "-"]
    head = text[text.index("<thead>") : text.index("</thead>")]
    assert "UC2" in head
    assert "Baseline" not in head


def test_small_gaps_have_the_digits_that_tell_them_apart() -> None:
    assert number(0.0864, "percent") == "0.1"
    assert number(0.0864, "percent", "gap_percent") == "0.086"


def test_offers_taken_and_in_reserve_are_listed(bought: CaseRecord, page_of: Any) -> None:
    rows = re.findall(
        r'<tr><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>',
        section(page_of(bought)),
    )
    # Half of what changes in quarters: (2 + 1 + 3) / 8, (1 + 1 + 2) / 8, (3 + 2 + 5) / 8.
    assert rows == [
        ("Community 1", "1", "0.250", "0.8"),
        ("Community 2", "0", "0.125", "0.5"),
        ("Community 1", "0", "0.750", "1.2"),
    ]


def test_the_prognosis_shows_request_and_outcome(
    bought: CaseRecord, page_of: Any, decode: Any
) -> None:
    page = page_of(bought)
    outcome = bought.congestion
    assert outcome is not None
    before, after = outcome.before_kw[0], outcome.after_kw[0]
    assert decode(page.trace("prognosis", "before")["y"]) == pytest.approx(before)
    assert decode(page.trace("prognosis", "after")["y"])[:-1] == pytest.approx(after)
    assert decode(page.trace("prognosis", "ordered")["y"])[:-1] == pytest.approx(after - before)
    asked = decode(page.trace("prognosis", "requested")["y"])
    assert np.flatnonzero(np.isfinite(asked)).tolist() == [AT_18, AT_18 + 1]
    assert asked[AT_18 : AT_18 + 2].tolist() == [-3.0, -2.0]
    beyond = page.trace("prognosis", "beyond")
    tops = decode(beyond["base"]) + decode(beyond["y"])
    assert tops[AT_18] == pytest.approx(15.0)
    assert decode(beyond["base"])[AT_18] == pytest.approx(12.0)
    room = decode(page.trace("prognosis", "room upper")["y"])
    assert room[0] == pytest.approx(7.0)
    assert np.isnan(room[AT_18])
    assert decode(page.trace("prognosis", "limit")["y"]).tolist() == [12.0, 12.0]


def test_offers_are_drawn_with_price_and_standing(
    bought: CaseRecord, page_of: Any, decode: Any
) -> None:
    page = page_of(bought)
    outcome = bought.congestion
    assert outcome is not None
    for community, made in outcome.offers.items():
        for offer in made:
            trace = page.trace("offers", f"{community_name(community)} {offer.number}")
            assert decode(trace["y"]) == pytest.approx(offer.change_kw[0])
            taken = outcome.order.accepted[community] == offer.number
            assert trace["name"] == ("Accepted" if taken else "Reserve")
            assert trace["marker"]["color"] == (TAKEN if taken else RESERVE)
    text = page.scripts["figure-offers"]
    assert "Community 1, offer 1" in text
    assert "0.250 EUR, accepted" in text
    assert "0.750 EUR, reserve" in text


def test_of_many_offers_the_latest_that_differ_are_drawn(bought: CaseRecord, page_of: Any) -> None:
    page = page_of(with_offers(bought, "community_1", [0.1, 0.2, 0.3, 0.4, 0.5]))
    metas = [trace["meta"] for trace in page.traces("offers")]
    assert metas == [f"Community 1 {which}" for which in (4, 3, 2)]
    assert len(metas) == 1 + LATEST_RESERVE
    assert "2 earlier or equal ones are in series.nc" in section(page)


def test_equal_offers_are_drawn_once(bought: CaseRecord, page_of: Any) -> None:
    record = with_offers(bought, "community_1", [0.1, 0.2, 0.3, 0.4])
    outcome = record.congestion
    assert outcome is not None
    first, second, third, taken = outcome.offers["community_1"]
    again = dataclasses.replace(second, number=2)
    offers = {"community_1": (first, second, again, taken)}
    del third
    changed = dataclasses.replace(outcome, offers=offers)
    page = page_of(dataclasses.replace(record, congestion=changed))
    metas = [trace["meta"] for trace in page.traces("offers")]
    assert metas == [f"Community 1 {which}" for which in (3, 2, 0)]


def test_a_purchase_without_offers_has_no_figure_of_them(bought: CaseRecord, page_of: Any) -> None:
    outcome = bought.congestion
    assert outcome is not None
    none = dataclasses.replace(
        outcome, offers={}, order=FlexOrder({}, {}, {}), after_kw=outcome.before_kw
    )
    page = page_of(dataclasses.replace(bought, congestion=none))
    assert "figure-offers" not in page.scripts
    assert "It was made 0 offers and took none." in section(page)


def test_regimes_are_a_strip_for_each_level(bought: CaseRecord, page_of: Any) -> None:
    regimes = list(bought.regimes)
    regimes[3] = (Regime.ORANGE, *regimes[3][1:])
    page = page_of(dataclasses.replace(bought, regimes=tuple(regimes)))
    strip = page.trace("regimes", "regime")
    assert strip["text"][3][0] == "orange"
    for row, level in enumerate(regimes):
        assert strip["text"][row] == [regime.value for regime in level]
    assert {trace.get("name") for trace in page.traces("regimes")[1:]} >= {"Green", "Orange"}
    colours = dict(strip["colorscale"])
    assert len(set(colours.values())) == 5


@pytest.mark.parametrize("level", [Level.UC2, Level.UC3, Level.CENTRAL])
def test_trade_is_what_meets_within_the_community(
    bought: CaseRecord, page_of: Any, decode: Any, level: Level
) -> None:
    page = page_of(bought)
    for community in bought.communities:
        net_kw = bought.net_kw[list(Level).index(level)][list(community.members)]
        parts = {
            part: decode(page.trace("trade", f"{level} {community.name} {part}")["y"])
            for part in ("from", "local", "to")
        }
        assert parts["from"] + parts["to"] == pytest.approx(net_kw.sum(axis=0), abs=KW)
        assert parts["from"] + parts["local"] == pytest.approx(
            np.maximum(net_kw, 0.0).sum(axis=0), abs=KW
        )
        assert (parts["from"] >= -KW).all()
        assert (parts["to"] <= KW).all()
        assert not (np.minimum(parts["from"], -parts["to"]) > KW).any()


def test_names_of_communities_cannot_break_the_page(bought: CaseRecord, page_of: Any) -> None:
    outcome = bought.congestion
    assert outcome is not None
    name = "</script><b>"
    offers = {
        name: tuple(dataclasses.replace(o, community=name) for o in outcome.offers["community_1"])
    }
    order = FlexOrder({name: 0}, {name: 0.75}, {})
    changed = dataclasses.replace(outcome, offers=offers, order=order)
    page = page_of(dataclasses.replace(bought, congestion=changed))
    assert "<b>" not in page.text
    titles = json.loads(page.scripts["figure-offers"])["layout"]["annotations"]
    assert titles[0]["text"].startswith("&lt;/script&gt;&lt;b&gt;, offer 0<br>")
