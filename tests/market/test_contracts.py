"""Contracts before the market: contradictions, power bought in advance, sums that hide homes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.flexibility import FEWEST_HOMES, FlexOffer
from mas2sim.domain.horizon import Horizon
from mas2sim.market.acceptance import least_cost
from mas2sim.market.contracts import (
    BilateralContract,
    CongestionRegister,
    Direction,
    check_contracts,
    under_contracts,
)
from mas2sim.market.prognosis_groups import attribution, prognosis_groups

ROUNDING = 1e-12
"""Sums of a few numbers below 100."""
HOURS = Horizon(60)
POINTS = ("transformer", "north", "south")
REGISTER = CongestionRegister.publish(
    "transformer", {"south": range(6, 11), "north": range(6)}, homes=12
)
EVENING = BilateralContract(
    "A", "transformer", Direction.IMPORT, 8.0, (18, 21), price_eur_per_kwh=0.4
)


def day(**hours: float) -> FloatArray:
    """Power in kW by hour, given as ``h18=-5.0``."""
    p_kw = np.zeros(24)
    for hour, value in hours.items():
        p_kw[int(hour[1:])] = value
    return p_kw


def at_all_points(community: str, number: int, price_eur: float, **hours: float) -> FlexOffer:
    return FlexOffer(community, number, np.tile(day(**hours), (3, 1)), price_eur)


def faults_of(*arguments, **settings) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        check_contracts(*arguments, **settings)
    return [str(fault) for fault in refused.value.faults]


def test_points_are_the_transformer_and_then_feeders_by_name() -> None:
    assert REGISTER.points == POINTS
    assert REGISTER.transformer == "transformer"
    assert REGISTER.points_of(0) == ("transformer", "north")
    assert REGISTER.points_of(11) == ("transformer",)
    assert REGISTER.homes_behind("south") == (6, 7, 8, 9, 10)
    assert REGISTER.homes_behind("transformer") == tuple(range(12))


def test_a_register_names_every_fault() -> None:
    with pytest.raises(ConfigurationError) as refused:
        CongestionRegister.publish("t", {"t": [0], "a": [1, 5], "b": [1]}, homes=3)
    text = str(refused.value)
    assert len(refused.value.faults) == 3
    assert "a feeder named 't'" in text
    assert "behind a and b" in text
    assert "home 5" in text


def test_contracts_without_contradiction_pass() -> None:
    communities = [Community("A", tuple(range(6))), Community("B", tuple(range(6, 12)))]
    contracts = [EVENING, replace(EVENING, community="B"), replace(EVENING, hours=(21, 18))]

    check_contracts(communities, ["flat"] * 6 + ["tou"] * 6, REGISTER, contracts, ptus=24)


def test_every_contradiction_of_membership_is_found() -> None:
    communities = [
        Community("A", (0, 1, 2, 3, 4)),
        Community("B", (4, 5, 6, 7, 8, 30)),
        Community("C", ()),
        Community("D", (9, 10)),
        Community("D", (0, 1, 2, 3, 4)),
    ]
    faults = faults_of(communities, ["flat"] * 6 + ["tou"] * 6, REGISTER)

    for wanted in (
        "community D: found 2 of that name",
        "home 4: found a member of A and B and D",
        "community B: found home 30",
        "community B: found tariffs flat, tou",
        "community C: found no members",
        "community D: found 2 members",
    ):
        assert any(fault.startswith(wanted) for fault in faults), wanted
    # Homes 0 to 3 are members of A and of D.
    assert len(faults) == 6 + 4


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"community": "Z"}, "community Z"),
        ({"point": "west"}, "congestion point west"),
        ({"point": "south"}, "no member of A behind south"),
        ({"power_kw": 0.0}, "power 0.0 kW"),
        ({"hours": (20, 24)}, "hours (20, 24)"),
        ({"price_eur_per_kwh": -0.1}, "-0.1 EUR/kWh"),
        ({"fee_eur_per_day": float("nan")}, "nan EUR a day"),
        ({"activations_per_day": 0}, "0 activations"),
    ],
)
def test_contradictions_of_bilateral_contracts_are_found(change, found: str) -> None:
    communities = [Community("A", tuple(range(6)))]
    faults = faults_of(communities, ["flat"] * 12, REGISTER, [replace(EVENING, **change)], ptus=24)

    assert any(found in fault for fault in faults)


def test_the_same_power_is_not_sold_twice() -> None:
    communities = [Community("A", tuple(range(6)))]
    again = replace(EVENING, point="north", hours=(20, 2))
    faults = faults_of(communities, ["flat"] * 12, REGISTER, [EVENING, again], ptus=24)

    assert faults[0].startswith("bilateral contracts 1 and 2: found the same hours")
    other_way = replace(again, reduces=Direction.EXPORT)
    check_contracts(communities, ["flat"] * 12, REGISTER, [EVENING, other_way], ptus=24)


def test_homes_without_a_tariff_are_found() -> None:
    communities = [Community("A", tuple(range(6)))]

    assert "7 homes with a tariff" in faults_of(communities, ["flat"] * 7, REGISTER)[0]


def test_power_is_called_for_in_its_hours_direction_and_size() -> None:
    change_kw = day(h17=-3.0, h18=-10.0, h19=-5.0, h20=2.0, h21=-4.0)

    called_kw = EVENING.called_kw(change_kw, HOURS)
    np.testing.assert_array_equal(called_kw, day(h18=8.0, h19=5.0))
    less_export = replace(EVENING, reduces=Direction.EXPORT)
    np.testing.assert_array_equal(less_export.called_kw(change_kw, HOURS), day(h20=2.0))


def test_hours_may_wrap_midnight_and_one_activation_may_too() -> None:
    night = replace(EVENING, hours=(22, 3))
    change_kw = day(h21=-1.0, h22=-1.0, h23=-2.0, h0=-3.0, h1=-4.0, h3=-5.0)

    called_kw = night.called_kw(change_kw, HOURS)
    np.testing.assert_array_equal(called_kw, day(h22=1.0, h23=2.0, h0=3.0, h1=4.0))
    always = replace(EVENING, hours=(0, 0))
    noon_first = day(h23=-1.0, h0=-1.0, h12=-2.0)
    np.testing.assert_array_equal(always.called_kw(noon_first, HOURS), day(h12=2.0))
    assert always.called_kw(np.full(24, -1.0), HOURS).sum() == 24.0
    assert always.called_kw(np.full(24, -1.0), HOURS, used=1).sum() == 0.0


def test_activations_beyond_the_number_agreed_do_not_count() -> None:
    twice = replace(EVENING, hours=(0, 0), activations_per_day=2)
    change_kw = day(h6=-1.0, h7=-1.0, h12=-2.0, h18=-3.0)

    np.testing.assert_array_equal(twice.called_kw(change_kw, HOURS), day(h6=1.0, h7=1.0, h12=2.0))
    np.testing.assert_array_equal(twice.called_kw(change_kw, HOURS, used=1), day(h6=1.0, h7=1.0))
    assert not twice.called_kw(change_kw, HOURS, used=2).any()


def price(offers, *contracts, cap: float = 0.1, used=None):
    return under_contracts(offers, contracts, POINTS, HOURS, price_cap_eur_per_kwh=cap, used=used)


def test_contracted_energy_is_paid_at_the_contracts_price_whatever_the_cap() -> None:
    """6 kWh at 0.4 EUR/kWh are 2.40 EUR; the members lose 3 EUR, the cap would allow 0.60."""
    dear = at_all_points("A", 0, 3.0, h18=-6.0, h3=6.0)
    (priced,), exempt = price([dear], EVENING)

    assert priced.price_eur == pytest.approx(2.4, abs=ROUNDING)
    assert exempt == {("A", 0)}
    np.testing.assert_array_equal(priced.change_kw, dear.change_kw)
    limits_kw = np.full((3, 24), -50.0), np.full((3, 24), 10.0)
    settings = {"price_cap_eur_per_kwh": 0.1, "ptu_hours": 1.0}
    prognosis_kw = np.tile(day(h18=15.0), (3, 1))
    taken = least_cost([priced], prognosis_kw, *limits_kw, exempt=exempt, **settings)
    assert taken.price_eur == pytest.approx({"A": 2.4}, abs=ROUNDING)
    refused = least_cost([dear], prognosis_kw, *limits_kw, **settings)
    assert refused.refused == {"A": (0,)}


def test_the_rest_of_an_offer_keeps_its_price_and_the_cap() -> None:
    """8 of 10 kWh at 0.4 EUR/kWh, and a fifth of what the members lose."""
    offer = at_all_points("A", 0, 1.0, h18=-10.0, h3=10.0)
    (priced,), exempt = price([offer], EVENING, cap=0.1)
    assert priced.price_eur == pytest.approx(3.2 + 0.2, abs=ROUNDING)
    assert exempt == {("A", 0)}

    (left,), none = price([offer], EVENING, cap=0.09)
    assert left is offer
    assert none == frozenset()


def test_a_contract_concerns_its_community_its_point_and_what_is_left_of_the_day() -> None:
    change_kw = np.array([day(h18=-6.0, h3=6.0), day(), day(h18=-6.0, h3=6.0)])
    offer = FlexOffer("A", 0, change_kw, 3.0)
    north, south = replace(EVENING, point="north"), replace(EVENING, point="south")

    assert price([offer], north)[1] == frozenset()
    assert price([offer], south)[1] == {("A", 0)}
    assert price([replace(offer, community="B")], south)[1] == frozenset()
    assert price([offer], south, used={south: 1})[1] == frozenset()


def test_power_kept_ready_for_a_fee_costs_nothing_when_called() -> None:
    ready = replace(EVENING, price_eur_per_kwh=0.0, fee_eur_per_day=2.0)
    (priced,), _ = price([at_all_points("A", 0, 3.0, h18=-6.0, h3=6.0)], ready)

    assert priced.price_eur == 0.0


def test_small_groups_are_merged_with_the_smallest_other() -> None:
    """3 homes behind a and 4 behind c are told together, the 9 behind b by themselves."""
    register = CongestionRegister.publish(
        "t", {"a": range(3), "b": range(3, 12), "c": range(12, 16)}, homes=16
    )
    groups = prognosis_groups(register, range(16))

    assert [group.members for group in groups] == [
        (*range(3), *range(12, 16)),
        tuple(range(3, 12)),
    ]
    assert groups[0].shares == pytest.approx({"a": 3 / 7, "c": 4 / 7}, abs=ROUNDING)
    assert groups[1].shares == {"b": 1.0}
    # 14 kW of the first group and 9 of the second: 6 behind a, 9 behind b, 8 behind c.
    np.testing.assert_allclose(
        attribution(register, groups) @ [14.0, 9.0], [23.0, 6.0, 9.0, 8.0], atol=ROUNDING
    )


def test_homes_right_at_the_transformer_are_on_no_feeder() -> None:
    groups = prognosis_groups(REGISTER, (6, 7, 8, 9, 11))

    assert groups[0].shares == {"transformer": 0.2, "south": 0.8}
    np.testing.assert_allclose(attribution(REGISTER, groups)[:, 0], [1.0, 0.0, 0.8], atol=ROUNDING)


def test_a_home_counts_once() -> None:
    with pytest.raises(ConfigurationError, match="4 homes"):
        prognosis_groups(REGISTER, (6, 6, 7, 8, 9))


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), max_size=40), st.data())
def test_no_sum_tells_of_fewer_than_five_homes(feeders: list[str], data: st.DataObject) -> None:
    behind = {
        name: [home for home, feeder in enumerate(feeders) if feeder == name] for name in "abcde"
    }
    register = CongestionRegister.publish("t", behind, homes=len(feeders))
    joins = data.draw(st.lists(st.booleans(), min_size=len(feeders), max_size=len(feeders)))
    members = [home for home, joined in enumerate(joins) if joined]
    if len(members) < FEWEST_HOMES:
        with pytest.raises(ConfigurationError):
            prognosis_groups(register, members)
        return

    groups = prognosis_groups(register, members)
    assert all(len(group.members) >= FEWEST_HOMES for group in groups)
    assert sorted(home for group in groups for home in group.members) == members
    for group in groups:
        assert sum(group.shares.values()) == pytest.approx(1.0, abs=ROUNDING)
        for point, share in group.shares.items():
            there = [home for home in group.members if register.points_of(home)[-1] == point]
            assert len(there) == pytest.approx(share * len(group.members), abs=ROUNDING * 40)
    # Members behind one feeder are told in one sum, by itself where all such sums are large enough.
    counts = Counter(feeders[home] for home in members)
    assert sum(len(group.shares) for group in groups) == len(counts)
    if min(counts.values()) >= FEWEST_HOMES:
        assert len(groups) == len(counts)
