"""Markets as mosaik runs them: the bits of the agents alone, messages that decide the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mas2sim.cosim import LINKS, CaseSetup, Link, run_world
from mas2sim.cosim.wiring import connect
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.results.record import CaseRecord

from .market_without_mosaik import hold_day
from .small_world import DAY, small_setup

PLAN_KW = 1e-6
"""Row tolerance of the solver, over the shortest PTU."""
EUR = 1e-6
"""What plans that differ from the metered day by that may differ in money."""
ALL = (Level.BASELINE, Level.UC1, Level.UC2, Level.UC3, Level.CENTRAL)
BASELINE, UC1, UC2, UC3, CENTRAL = range(len(ALL))
TIGHT = 0.4
"""Share of the peak under uc2 that the transformer may carry."""
SAID = (
    "member_request", "member_offers", "member_order", "flex_request", "flex_offer", "flex_order",
)  # fmt: skip


def setup_with(limit_kw: float, levels: tuple[Level, ...] = ALL) -> CaseSetup:
    limits = GridLimits(limit_kw, 500.0, 216.2, 253.0)
    return replace(small_setup(), levels=levels, limits=limits)


@pytest.fixture(scope="module")
def unlimited() -> CaseRecord:
    return run_world(setup_with(280.0)).record


@pytest.fixture(scope="module")
def limit_kw(unlimited: CaseRecord) -> float:
    return TIGHT * float(unlimited.net_kw[UC2].sum(axis=0).max())


@pytest.fixture(scope="module")
def record(limit_kw: float) -> CaseRecord:
    return run_world(setup_with(limit_kw)).record


def planned_kw(record: CaseRecord, level: Level) -> FloatArray:
    return np.array([plan.net_kw for plan in record.plans[level]])


def total_kw(record: CaseRecord, place: int) -> FloatArray:
    return np.asarray(record.net_kw[place].sum(axis=0))


def test_plans_through_mosaik_are_those_without_to_the_bit(
    record: CaseRecord, limit_kw: float
) -> None:
    setup = setup_with(limit_kw, ALL[:CENTRAL])
    held = hold_day(setup)
    assert held.requests
    for level in setup.levels:
        np.testing.assert_array_equal(planned_kw(record, level), held.planned_kw(setup, level))
    for place, community in enumerate(setup.communities):
        np.testing.assert_array_equal(
            record.a_plan_kw[:CENTRAL, place], held.a_plans[community.name].net_kw
        )
    assert held.validated is not None
    np.testing.assert_array_equal(record.d_prognosis_kw[:CENTRAL], held.validated.net_kw)
    assert record.congestion is not None
    assert held.dso.outcome is not None
    assert record.congestion.rounds == held.dso.outcome.rounds
    assert dict(record.congestion.order.price_eur) == dict(held.dso.outcome.order.price_eur)


def test_the_same_world_twice_is_the_same_to_the_bit(record: CaseRecord, limit_kw: float) -> None:
    again = run_world(setup_with(limit_kw)).record
    np.testing.assert_array_equal(again.net_kw, record.net_kw)
    np.testing.assert_array_equal(again.payment_eur, record.payment_eur)
    assert again.messages == record.messages


def test_levels_do_not_depend_on_which_others_are_run(record: CaseRecord, limit_kw: float) -> None:
    alone = run_world(setup_with(limit_kw, (Level.UC1, Level.UC2))).record
    np.testing.assert_array_equal(alone.net_kw, record.net_kw[[UC1, UC2]])
    np.testing.assert_array_equal(alone.payment_eur, record.payment_eur[[UC1, UC2]])


def test_every_plan_holds_in_the_plant(record: CaseRecord) -> None:
    for place, level in enumerate(ALL):
        drawn_kw = record.net_kw[place] + record.curtailed_kw[place]
        np.testing.assert_allclose(drawn_kw, planned_kw(record, level), atol=PLAN_KW)


def test_the_same_services_are_delivered_at_every_level(record: CaseRecord) -> None:
    energy = record.device_kw.sum(axis=2) * DAY.ptu_hours
    services = [place for place, (_, name) in enumerate(record.devices) if name != "battery"]
    for place in range(len(ALL)):
        np.testing.assert_allclose(
            energy[place, services], energy[BASELINE, services], atol=PLAN_KW
        )
    np.testing.assert_allclose(record.stored_kwh[:, :, -1], record.stored_start_kwh, atol=1e-5)


def test_the_congestion_market_keeps_a_limit_that_the_local_market_does_not(
    record: CaseRecord, limit_kw: float
) -> None:
    assert total_kw(record, UC2).max() > limit_kw + 1.0
    assert total_kw(record, UC3).max() <= limit_kw + PLAN_KW
    assert total_kw(record, CENTRAL).max() <= limit_kw + PLAN_KW
    assert not record.curtailed_kw.any()
    assert np.abs(record.net_kw[UC3] - record.net_kw[UC2]).max() > 0.1
    assert Regime.YELLOW in record.regimes[UC3]
    assert Regime.ORANGE not in record.regimes[UC3]


def test_with_room_enough_the_two_markets_end_alike(unlimited: CaseRecord) -> None:
    np.testing.assert_array_equal(unlimited.net_kw[UC3], unlimited.net_kw[UC2])
    assert unlimited.payment_eur[UC3] == pytest.approx(unlimited.payment_eur[UC2], abs=EUR)
    assert unlimited.congestion is None


def community_eur(record: CaseRecord, place: int) -> FloatArray:
    """What each community owes for its metered day."""
    owed = []
    for community in record.communities:
        together_kw = record.net_kw[place, list(community.members)].sum(axis=0)
        owed.append(float(record.tariff.energy_cost_eur(together_kw, record.horizon)))
    return np.array(owed)


def test_money_balances_and_nobody_pays_more_than_alone(record: CaseRecord) -> None:
    for place in (UC2, UC3):
        assert (record.payment_eur[place] <= record.bill_eur[UC1] + EUR).all()
        paid = np.array(
            [record.payment_eur[place, list(each.members)].sum() for each in record.communities]
        )
        assert paid + record.dso_eur[place] == pytest.approx(
            community_eur(record, place) + record.service_eur[place], abs=EUR
        )


def test_the_dso_pays_what_the_order_costs_and_members_pay_what_they_paid_before(
    record: CaseRecord,
) -> None:
    increase = community_eur(record, UC3) - community_eur(record, UC2)
    assert record.dso_eur[UC3] == pytest.approx(np.maximum(increase, 0.0), abs=EUR)
    assert record.dso_eur[UC3].sum() > 0.001
    assert not record.dso_eur[UC2].any()
    for place, community in enumerate(record.communities):
        members = list(community.members)
        if increase[place] >= 0:
            assert record.payment_eur[UC3, members] == pytest.approx(
                record.payment_eur[UC2, members], abs=EUR
            )


def test_bounds_lie_below_what_they_bound(record: CaseRecord) -> None:
    """Bills and comfort of all communities: uc2 without limits, uc3 and central within them."""
    best = record.markets[Level.CENTRAL].bound_eur
    assert record.markets[Level.UC2].bound_eur <= community_eur(record, UC2).sum() + EUR
    assert record.markets[Level.UC3].bound_eur <= community_eur(record, CENTRAL).sum() + EUR
    assert best <= community_eur(record, UC3).sum() + EUR
    assert community_eur(record, UC2).sum() <= community_eur(record, UC1).sum() + EUR


def without(attribute: str, target: str = "") -> list[Link]:
    return [
        link
        for link in LINKS
        if link.attribute != attribute
        or link.target == "recorder"
        or target not in ("", link.target)
    ]


def late(attribute: str) -> list[Link]:
    return [
        replace(link, delay_gates=link.delay_gates + 1, weak=False)
        if link.attribute == attribute and link.target != "recorder"
        else link
        for link in LINKS
    ]


@pytest.fixture(scope="module", params=[f"{how} {what}" for what in SAID for how in ("no", "late")])
def broken(request: pytest.FixtureRequest, limit_kw: float) -> tuple[str, CaseRecord]:
    """A world in which one message of the markets is lost, or comes a gate too late."""
    how, what = request.param.split()
    links = without(what) if how == "no" else late(what)
    return what, run_world(setup_with(limit_kw, ALL[:CENTRAL]), links=links).record


def test_without_one_of_its_messages_a_market_changes_nothing(
    broken: tuple[str, CaseRecord], record: CaseRecord
) -> None:
    """Homes fall back to the plan before it: alone, or of the local market."""
    what, cut = broken
    local = what.startswith("member")
    for level in (Level.BASELINE, Level.UC1):
        np.testing.assert_array_equal(planned_kw(cut, level), planned_kw(record, level))
    uc2_kw = planned_kw(record, Level.UC1 if local else Level.UC2)
    np.testing.assert_array_equal(planned_kw(cut, Level.UC2), uc2_kw)
    np.testing.assert_array_equal(planned_kw(cut, Level.UC3), uc2_kw)
    assert np.abs(planned_kw(cut, Level.UC3) - planned_kw(record, Level.UC3)).max() > 0.1


def test_money_still_balances_without_one_of_the_messages(broken: tuple[str, CaseRecord]) -> None:
    _, cut = broken
    for place in (UC2, UC3):
        paid = np.array(
            [cut.payment_eur[place, list(each.members)].sum() for each in cut.communities]
        )
        for number, community in enumerate(cut.communities):
            members = list(community.members)
            drawn_kw = (cut.net_kw + cut.curtailed_kw)[place, members].sum(axis=0)
            owed = float(cut.tariff.energy_cost_eur(drawn_kw, cut.horizon))
            balance = paid[number] + cut.dso_eur[place, number] + cut.shortfall_eur[place, number]
            assert balance == pytest.approx(owed + cut.service_eur[place, number], abs=EUR)
        assert (cut.payment_eur[place] <= cut.bill_eur[UC1] + EUR).all()


def test_limits_are_kept_by_force_where_nobody_offers(limit_kw: float) -> None:
    """Every connection on the side of the excess gives up the same share, and no more."""
    cut = run_world(setup_with(limit_kw, ALL[:CENTRAL]), links=without("flex_offer")).record
    drawn_kw = cut.net_kw[UC3] + cut.curtailed_kw[UC3]
    excess_kw = np.maximum(drawn_kw.sum(axis=0) - limit_kw, 0.0)
    assert excess_kw.max() > 1.0
    assert total_kw(cut, UC3).max() <= limit_kw + PLAN_KW
    assert cut.curtailed_kw[UC3].sum(axis=0) == pytest.approx(excess_kw, abs=PLAN_KW)
    assert not cut.curtailed_kw[:UC3].any()
    for ptu in np.flatnonzero(excess_kw):
        importing = drawn_kw[:, ptu] > 0
        share = cut.curtailed_kw[UC3, importing, ptu] / drawn_kw[importing, ptu]
        assert share == pytest.approx(excess_kw[ptu] / drawn_kw[importing, ptu].sum(), abs=PLAN_KW)
        assert not cut.curtailed_kw[UC3, ~importing, ptu].any()
        assert cut.regimes[UC3][ptu] is Regime.ORANGE
    compensation = np.abs(cut.curtailed_kw[UC3]) @ cut.tariff.import_eur_per_kwh * DAY.ptu_hours
    assert cut.dso_eur[UC3].sum() == pytest.approx(compensation.sum(), abs=EUR)


def test_without_the_dsos_last_word_nobody_is_limited(limit_kw: float) -> None:
    links = [link for link in without("flex_offer") if (link.attribute, link.target) != (
        "validated", "homes"
    )]  # fmt: skip
    cut = run_world(setup_with(limit_kw, ALL[:CENTRAL]), links=links).record
    assert not cut.curtailed_kw.any()
    assert total_kw(cut, UC3).max() > limit_kw + 1.0


def test_a_limit_that_cannot_be_met_ends_in_limited_connections_and_a_proof() -> None:
    record = run_world(setup_with(2.0, ALL[:CENTRAL])).record
    assert total_kw(record, UC3).max() <= 2.0 + PLAN_KW
    assert record.curtailed_kw[UC3].any()
    proven_kwh = record.markets[Level.UC3].insufficient_kwh
    curtailed_kwh = record.curtailed_kw[UC3].sum() * DAY.ptu_hours
    assert 0.0 < proven_kwh <= curtailed_kwh + 1e-3


@pytest.mark.parametrize("attribute", ["p_plans", "a_plan", "d_prognosis", "confirmation"])
@pytest.mark.parametrize("how", [without, late])
def test_without_the_gates_messages_no_plan_is_carried_out(
    how, attribute: str, limit_kw: float, record: CaseRecord
) -> None:
    cut = run_world(setup_with(limit_kw, ALL[:CENTRAL]), links=how(attribute)).record
    for place in (UC1, UC2, UC3):
        drawn_kw = cut.net_kw[place] + cut.curtailed_kw[place]
        np.testing.assert_allclose(drawn_kw, record.net_kw[BASELINE], atol=PLAN_KW)


def test_one_community_that_is_not_heard_leaves_the_others_market_alone(
    limit_kw: float, record: CaseRecord
) -> None:
    lost = record.communities[0]
    links = [
        replace(link, without=(lost.name,)) if link.attribute == "member_offers" else link
        for link in LINKS
    ]
    cut = run_world(setup_with(limit_kw, ALL[:CENTRAL]), links=links).record
    members = list(lost.members)
    others = [home for home in range(len(cut.homes)) if home not in members]
    uc1_kw, uc2_kw = planned_kw(record, Level.UC1), planned_kw(record, Level.UC2)
    cut_kw = planned_kw(cut, Level.UC2)
    np.testing.assert_array_equal(cut_kw[members], uc1_kw[members])
    np.testing.assert_array_equal(cut_kw[others], uc2_kw[others])
    assert cut.markets[Level.UC2].events


def test_negotiated_plans_say_so(record: CaseRecord) -> None:
    moved = [
        plan
        for plan, alone in zip(record.plans[Level.UC2], record.plans[Level.UC1], strict=True)
        if not np.array_equal(plan.net_kw, alone.net_kw)
    ]
    assert moved
    assert {(plan.status, plan.way) for plan in moved} == {(PlanStatus.AGREED, "local market")}


@dataclass(frozen=True)
class Entity:
    eid: str

    def triggered_by(self, attribute: str) -> bool:
        del attribute
        return False


class Connections:
    """A world that only writes down who is connected with whom."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, str]] = []

    def connect(self, source: Entity, target: Entity, attribute: str, **_: object) -> None:
        self.made.append((source.eid, target.eid, attribute))


def wired(links: Sequence[Link] = LINKS) -> list[tuple[str, str, str, str, str]]:
    """Simulator and entity of source and target of each connection of two communities."""
    communities = ["a", "b"]
    single = {"dso": "t", "grid": "t", "recorder": "t"}
    entities = {
        name: [Entity(single[name])] if name in single else [Entity(each) for each in communities]
        for link in links
        for name in (link.source, link.target)
    }
    made = []
    for link in links:
        world = Connections()
        connect(world, entities, [link], gate_s=3600)
        made += [(link.source, s, link.target, t, attribute) for s, t, attribute in world.made]
    return made


def test_what_a_home_says_reaches_its_own_aggregator_and_its_own_plant_alone() -> None:
    """But for meters, which the grid has to carry and the record of the study keeps."""
    from_homes = [each for each in wired() if each[0] in ("cems", "homes")]
    for source, sender, target, reader, attribute in from_homes:
        if target in ("aggregator", "homes"):
            assert sender == reader
        else:
            assert source == "homes"
            assert target in ("grid", "recorder")
            assert attribute in (
                "measurements",
                "measured_day",
                "stored_start_kwh",
                "curtailed_kw",
            )


def test_beyond_an_aggregator_go_sums_alone() -> None:
    beyond = {
        (target, attribute)
        for source, _, target, _, attribute in wired()
        if source == "aggregator" and target != "cems"
    }
    assert beyond == {
        ("dso", "a_plan"), ("dso", "flex_offer"), ("recorder", "a_plan"), ("recorder", "settlement")
    }  # fmt: skip


def test_what_an_aggregator_says_to_homes_reaches_its_own_alone() -> None:
    said = [each for each in wired() if each[0] == "aggregator" and each[2] == "cems"]
    assert {attribute for *_, attribute in said} == {
        "member_request", "member_order", "confirmation",
    }  # fmt: skip
    assert all(sender == reader for _, sender, _, reader, _ in said)


def test_no_message_to_the_dso_holds_a_row_for_a_home(limit_kw: float) -> None:
    """Every array in it has one row for each level or congestion point, whatever the members."""
    setup = setup_with(limit_kw, ALL[:CENTRAL])
    held = hold_day(setup)
    assert held.offers
    for a_plan in held.a_plans.values():
        assert a_plan.net_kw.shape == (len(setup.levels), DAY.ptus)
        assert a_plan.at_points_kw.shape == (1, DAY.ptus)
    for offer in held.offers:
        assert offer.change_kw.shape == (1, DAY.ptus)
        assert offer.worth_kw.shape in ((1, DAY.ptus), (0, 0))
        assert isinstance(offer.price_eur, float)
        assert isinstance(offer.worth_eur, float)
