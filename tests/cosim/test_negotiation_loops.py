"""Negotiation as same-time loops: dummy agents that count, and links that lose, delay or cut."""

from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosaik.progress import Progress, TriggerSpec
from mosaik.tiered_time import TieredTime

from mas2sim.cosim import LINKS, Link
from mas2sim.cosim.negotiating import SUB_STEPS
from mas2sim.domain.errors import Mas2simError

from .dummy_market import THREE, Market

CONVERSATION = [
    "flex_offer",
    "flex_order",
    "flex_request",
    "member_offers",
    "member_order",
    "member_request",
]
PLANNING = ["p_plans", "a_plan", "d_prognosis", "confirmation"]
ENDLESS = 10**6
QUIET_DAYS = 8.0
"""7.1 as counted; 19 and 60 when mosaik cancels waits in one circle or the other."""
LINEAR = 1.05
"""0.99 as counted; 1.5 to 3 with mosaik's cancelled waits in either circle."""


def altered(attribute: str, **changes: object) -> list[Link]:
    return [
        replace(link, **changes)
        if link.attribute == attribute and link.target != "recorder"
        else link
        for link in LINKS
    ]


def test_the_dso_prognoses_once_from_the_plans_that_ended_each_talk() -> None:
    market = Market()
    assert market.dso.prognoses == [{name: float(count) for name, count in THREE.items()}]
    recorded = market.recording.messages["a_plan"]
    assert {name: plan.net_kw[0, 0] for name, plan in recorded.items()} == THREE


def test_every_community_has_its_own_number_of_exchanges_and_one_order() -> None:
    market = Market()
    for name, count in THREE.items():
        answers = [number for who, what, number in market.log if (who, what) == (name, "answer")]
        assert answers == list(range(1, count + 1))
        assert market.boxes[name].orders == [count]
        assert market.aggregators[name].lost == 0
    assert market.steps["aggregator"] == 1 + max(THREE.values())
    assert market.finished


def test_plans_are_confirmed_at_the_gate_after_next_as_without_negotiation() -> None:
    assert all(boxes.admitted for boxes in Market().boxes.values())


def test_with_nothing_to_negotiate_there_is_one_step_at_each_gate() -> None:
    market = Market(dict.fromkeys(THREE, 0))
    assert market.steps == {"cems": 1, "aggregator": 1, "dso": 1}
    assert market.dso.orders == 0
    assert market.dso.prognoses == [dict.fromkeys(THREE, 0.0)]
    assert all(boxes.orders == [] and boxes.admitted for boxes in market.boxes.values())
    assert market.finished


def test_thirty_rounds_of_four_exchanges_end_in_one_order() -> None:
    market = Market(at_request=4, rounds=30)
    assert len(market.dso.offers) == 30
    for place, offers in enumerate(market.dso.offers, start=1):
        assert {offer.number for offer in offers.values()} == {place}
        assert {name: offer.price_eur for name, offer in offers.items()} == {
            name: count + 4.0 * place for name, count in THREE.items()
        }
    assert market.dso.orders == 1
    for name, count in THREE.items():
        assert market.aggregators[name].accepted == [30]
        assert market.boxes[name].orders == [count, count + 120]
    # Each round is one sub-step to read the request and four to read answers; one for the order.
    assert market.steps["aggregator"] == 1 + 30 * 5 + 1
    assert market.sub_steps <= SUB_STEPS
    assert market.finished


def test_requests_reach_all_communities_before_any_of_their_offers_is_read() -> None:
    """Rounds are barriers: nobody is asked for the second time before all have been once."""
    asked = [number for _, what, number in Market(at_request=2, rounds=3).log if what == "asked"]
    assert asked == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_aggregator_without_an_offer_says_so_and_the_rounds_go_on() -> None:
    market = Market(rounds=2, silent=("b",))
    assert [sorted(offers) for offers in market.dso.offers] == [["a", "c"]] * 2
    assert market.aggregators["b"].accepted == [-1]
    nobody = Market(rounds=2, silent=tuple(THREE))
    assert nobody.dso.offers == [{}, {}]
    assert nobody.dso.orders == 1


@pytest.mark.parametrize("rounds", [0, ENDLESS])
@pytest.mark.parametrize("at_request", [0, 1, ENDLESS])
@pytest.mark.parametrize("links", [LINKS, altered("flex_offer", without=tuple(THREE))])
def test_agents_that_never_end_are_ended_after_200_sub_steps(
    rounds: int, at_request: int, links: Sequence[Link]
) -> None:
    market = Market({"a": ENDLESS, "b": 2}, at_request, rounds, links=links)
    assert market.finished
    assert 190 < market.steps["aggregator"] <= SUB_STEPS
    assert market.sub_steps <= SUB_STEPS
    first, *rest = market.boxes["a"].orders
    assert first > 190
    assert len(rest) == (rounds > 0)
    assert market.boxes["b"].orders[0] == 2


@pytest.mark.parametrize("attribute", ["member_request", "member_offers"])
def test_a_talk_with_lost_messages_goes_on_without_answers(attribute: str) -> None:
    without = ("b",)
    market = Market(at_request=1, rounds=2, links=altered(attribute, without=without))
    assert market.finished
    assert (market.aggregators["b"].lost, market.aggregators["b"].answers) == (17 + 2, 0)
    assert (market.aggregators["c"].lost, market.aggregators["c"].answers) == (0, 60 + 2)
    assert market.dso.prognoses == [{"a": 3.0, "b": 0.0, "c": 60.0}]


def test_a_lost_order_leaves_its_boxes_without_one() -> None:
    market = Market(links=altered("member_order", without=("b",)))
    assert {name: boxes.orders for name, boxes in market.boxes.items()} == {
        "a": [3],
        "b": [],
        "c": [60],
    }


def test_the_dso_goes_on_without_a_lost_offer() -> None:
    market = Market(at_request=2, rounds=3, links=altered("flex_offer", without=("b",)))
    assert [sorted(offers) for offers in market.dso.offers] == [["a", "c"]] * 3
    assert {name: each.accepted for name, each in market.aggregators.items()} == {
        "a": [3],
        "b": [-1],
        "c": [3],
    }


@pytest.mark.parametrize("attribute", ["flex_request", "flex_offer"])
def test_a_dso_that_nobody_answers_asks_once(attribute: str) -> None:
    lost = altered(attribute, without=("plate", *THREE))
    market = Market(at_request=2, rounds=30, links=lost)
    assert market.dso.offers == [{}]
    assert [each.requests for each in market.aggregators.values()] == [
        attribute == "flex_offer"
    ] * 3
    assert all(each.accepted == [-1] for each in market.aggregators.values())


def disturbed(links: Sequence[Link]) -> Market:
    market = Market(at_request=2, rounds=5, links=links)
    assert market.finished
    assert market.sub_steps <= SUB_STEPS
    return market


@pytest.mark.parametrize("attribute", CONVERSATION)
@pytest.mark.parametrize("gates", [1, 2])
def test_a_message_of_a_talk_that_comes_a_gate_late_is_as_good_as_lost(
    attribute: str, gates: int
) -> None:
    late = disturbed(altered(attribute, delay_gates=gates))
    cut = disturbed([link for link in LINKS if link.attribute != attribute])
    assert late.log == cut.log
    assert [sorted(offers) for offers in late.dso.offers] == [
        sorted(offers) for offers in cut.dso.offers
    ]
    assert [boxes.orders for boxes in late.boxes.values()] == [
        boxes.orders for boxes in cut.boxes.values()
    ]
    assert late.log != disturbed(LINKS).log or attribute.endswith("order")


@pytest.mark.parametrize("attribute", PLANNING)
@pytest.mark.parametrize("cut", [False, True])
def test_plans_that_miss_their_gate_end_nothing_but_the_plan(attribute: str, cut: bool) -> None:
    links = [link for link in LINKS if link.attribute != attribute or link.target == "recorder"]
    shift = {"d_prognosis": 2, "confirmation": 2}.get(attribute, 1)
    market = disturbed(links if cut else altered(attribute, delay_gates=shift))
    if attribute == "p_plans":
        assert market.dso.prognoses == [dict.fromkeys(THREE, 0.0)]
    if attribute == "a_plan":
        assert market.dso.prognoses == [{}]
    if attribute in {"d_prognosis", "confirmation"}:
        assert not any(boxes.admitted for boxes in market.boxes.values())


def fates() -> st.SearchStrategy[tuple[Link | None, ...]]:
    """Each link of the day before: as it is, cut, lossy, late, or both."""
    talked = [link for link in LINKS if link.attribute in {*CONVERSATION, *PLANNING}]
    return st.tuples(
        *(
            st.none()
            | st.builds(
                replace,
                st.just(link),
                delay_gates=st.integers(link.delay_gates, 2),
                without=st.sets(st.sampled_from([*THREE, "plate"])).map(tuple),
            )
            for link in talked
            if link.target != "recorder"
        )
    )


@settings(max_examples=30, deadline=None)
@given(fates(), st.sampled_from([0, 2, ENDLESS]), st.sampled_from([0, 5, ENDLESS]))
def test_whatever_is_lost_or_late_the_world_comes_to_its_end(
    links: Sequence[Link | None], at_request: int, rounds: int
) -> None:
    daily = [link for link in LINKS if link.attribute not in PLANNING or link.target == "recorder"]
    wired = [*daily, *(link for link in links if link is not None)]
    market = Market(at_request=at_request, rounds=rounds, links=wired)
    assert market.finished
    assert market.sub_steps <= SUB_STEPS


def test_all_links_of_negotiation_cut_is_a_talk_with_nobody() -> None:
    market = disturbed([link for link in LINKS if link.attribute not in CONVERSATION])
    assert market.log == []
    assert [each.lost for each in market.aggregators.values()] == list(THREE.values())


def test_the_same_negotiation_twice_is_the_same_in_the_same_order() -> None:
    first, again = (Market(at_request=4, rounds=30) for _ in range(2))
    assert first.log == again.log
    assert first.steps == again.steps


def test_a_world_wired_without_wake_ups_says_so() -> None:
    links = altered("member_offers", without=tuple(THREE))
    with pytest.raises(Mas2simError, match="conversations of a, b, c at 36000 s"):
        Market(listening=False, links=links)


def looks(exchanges: int = 0, at_request: int = 0, rounds: int = 0, names: str = "abc") -> int:
    """How often mosaik looks whether a wait is over: more often where waits pile up."""
    count = 0
    look = Progress._triggered_time

    def counted(progress: Progress, trigger: TriggerSpec) -> TieredTime | None:
        nonlocal count
        count += 1
        return look(progress, trigger)

    with patch.object(Progress, "_triggered_time", counted):
        Market(dict.fromkeys(names, exchanges), at_request, rounds)
    return count


@pytest.mark.parametrize("names", ["a", "abc", "abcde"])
def test_the_longest_negotiation_costs_mosaik_a_few_quiet_days(names: str) -> None:
    """160 sub-steps at one gate and 150 at the next."""
    assert looks(160, 4, 30, names) <= QUIET_DAYS * looks(names=names)


def test_mosaiks_cost_grows_with_the_sub_steps_not_with_their_square() -> None:
    quiet = looks()
    assert looks(exchanges=180) - quiet <= LINEAR * 4 * (looks(exchanges=45) - quiet)
    few, many = (looks(at_request=1, rounds=rounds) - quiet for rounds in (20, 80))
    assert many <= LINEAR * 4 * few
