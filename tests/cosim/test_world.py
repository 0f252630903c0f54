"""The world as mosaik runs it: plans hold in the plant, and messages decide the result."""

import asyncio
import gc
from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cosim import LINKS, Link, run_world
from mas2sim.domain.community import partition
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.grid_state import GridState
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.results.record import CaseRecord

from .small_world import DAY, HOMES, CopperPlate, small_setup

PLAN_KW = 1e-6
"""Row tolerance of the solver, over the shortest PTU."""
ROUNDING = 1e-9
BASELINE, UC1 = 0, 1
MOSAIK_S = 0.08


@pytest.fixture(scope="module")
def record() -> CaseRecord:
    return run_world(small_setup()).record


def bills(links: list[Link]) -> np.ndarray:
    return run_world(small_setup(), links=links).record.bill_eur.sum(axis=1)


def test_every_plan_holds_in_the_plant(record: CaseRecord) -> None:
    planned = np.array([[plan.net_kw for plan in record.plans[level]] for level in record.levels])
    np.testing.assert_allclose(record.net_kw, planned, atol=PLAN_KW)


def test_storages_end_with_what_they_began_with(record: CaseRecord) -> None:
    np.testing.assert_allclose(record.stored_kwh[:, :, -1], record.stored_start_kwh, atol=PLAN_KW)
    batteries = [place for place, (_, name) in enumerate(record.devices) if name == "battery"]
    start = record.stored_start_kwh[:, batteries]
    np.testing.assert_allclose(start[UC1], start[BASELINE], atol=ROUNDING)


def test_the_same_services_are_delivered_at_every_level(record: CaseRecord) -> None:
    energy = record.device_kw.sum(axis=2) * DAY.ptu_hours
    services = [place for place, (_, name) in enumerate(record.devices) if name != "battery"]
    assert energy[BASELINE, services].min() > 0
    np.testing.assert_allclose(energy[UC1, services], energy[BASELINE, services], atol=PLAN_KW)


def test_nobody_is_worse_off_and_some_are_better(record: CaseRecord) -> None:
    assert (record.bill_eur[UC1] <= record.bill_eur[BASELINE] + ROUNDING).all()
    assert record.bill_eur[UC1].sum() < record.bill_eur[BASELINE].sum() - 1
    assert {plan.status for plan in record.plans[record.levels[UC1]]} == {PlanStatus.OPTIMAL}


def test_sums_agree_from_homes_to_the_congestion_point(record: CaseRecord) -> None:
    np.testing.assert_allclose(record.d_prognosis_kw, record.net_kw.sum(axis=1), atol=PLAN_KW)
    for place, community in enumerate(record.communities):
        members = record.net_kw[:, list(community.members)].sum(axis=1)
        np.testing.assert_allclose(record.a_plan_kw[:, place], members, atol=PLAN_KW)
    grid_kw = np.array([record.grid[level].import_kw for level in record.levels])
    np.testing.assert_allclose(grid_kw, record.net_kw.sum(axis=1), atol=ROUNDING)


def test_the_same_world_twice_is_the_same_to_the_bit(record: CaseRecord) -> None:
    again = run_world(small_setup()).record
    np.testing.assert_array_equal(again.net_kw, record.net_kw)
    np.testing.assert_array_equal(again.bill_eur, record.bill_eur)


def test_every_message_of_the_market_is_counted(record: CaseRecord) -> None:
    """P-plans and confirmations of each home, A-plans and findings of each community."""
    assert record.messages == 2 * HOMES + 2 * len(record.communities)


def test_a_world_runs_inside_a_notebooks_event_loop(record: CaseRecord) -> None:
    async def cell() -> CaseRecord:
        return run_world(small_setup()).record

    np.testing.assert_array_equal(asyncio.run(cell()).net_kw, record.net_kw)


@pytest.mark.parametrize("attribute", ["p_plans", "a_plan", "d_prognosis", "confirmation"])
def test_without_one_of_its_messages_the_plan_is_not_carried_out(
    record: CaseRecord, attribute: str
) -> None:
    cut = bills(
        [link for link in LINKS if link.attribute != attribute or link.target == "recorder"]
    )
    assert cut[BASELINE] == record.bill_eur[BASELINE].sum()
    assert cut[UC1] == pytest.approx(cut[BASELINE])


@pytest.mark.parametrize("attribute", ["p_plans", "a_plan", "d_prognosis", "confirmation"])
def test_a_message_one_gate_late_misses_its_gate(record: CaseRecord, attribute: str) -> None:
    late = bills(
        [
            replace(link, delay_gates=link.delay_gates + 1)
            if link.attribute == attribute and link.target != "recorder"
            else link
            for link in LINKS
        ]
    )
    assert record.bill_eur[UC1].sum() < late[UC1] - 1
    assert late[UC1] == pytest.approx(late[BASELINE])


def test_one_communitys_missing_plan_costs_that_community_alone(record: CaseRecord) -> None:
    setup = small_setup()
    lost = setup.communities[0]

    links = [link for link in LINKS if link.attribute != "p_plans"]
    links.append(Link("cems", "aggregator", "p_plans", without=(lost.name,)))
    cut = run_world(setup, links=links).record
    members = list(lost.members)
    others = [home for home in range(HOMES) if home not in members]
    np.testing.assert_array_equal(cut.bill_eur[UC1, others], record.bill_eur[UC1, others])
    np.testing.assert_allclose(cut.bill_eur[UC1, members], cut.bill_eur[BASELINE, members])
    assert cut.bill_eur[UC1, members].sum() > record.bill_eur[UC1, members].sum()


def test_late_setpoints_change_what_homes_do(record: CaseRecord) -> None:
    late = [
        replace(link, delay_gates=1) if link.attribute == "setpoints" else link for link in LINKS
    ]
    changed = run_world(small_setup(), links=late).record
    assert np.abs(changed.net_kw[UC1] - record.net_kw[UC1]).max() > 0.1
    np.testing.assert_array_equal(changed.net_kw[BASELINE], record.net_kw[BASELINE])


def test_mosaik_costs_little() -> None:
    """The least of three: the target is mosaik's own cost, not the machine's other work."""
    assert min(run_world(small_setup()).mosaik_s for _ in range(3)) <= MOSAIK_S


def test_an_unoffered_battery_keeps_its_schedule_whatever_else_is_planned() -> None:
    """Left to its rule it would answer to the plan of the washer beside it, and break the plan."""
    setup = small_setup()
    home = replace(setup.homes[0], offered=frozenset({"ev"}))
    assert home.battery is not None
    assert home.ev is not None
    sunny = replace(home, base_kw=home.base_kw * 0.1, ev=replace(home.ev, arrival=20, departure=10))
    record = run_world(replace(setup, homes=(sunny, *setup.homes[1:]))).record
    battery = record.devices.index((0, "battery"))
    assert np.abs(record.device_kw[BASELINE, battery]).max() > 0.1
    np.testing.assert_allclose(
        record.device_kw[UC1, battery], record.device_kw[BASELINE, battery], atol=PLAN_KW
    )
    planned = record.plans[record.levels[UC1]][0].net_kw
    np.testing.assert_allclose(record.net_kw[UC1, 0], planned, atol=PLAN_KW)


def test_an_error_inside_a_world_leaves_no_pending_tasks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken(CopperPlate):
        def solve(self, p_kw: np.ndarray, q_kvar: np.ndarray) -> GridState:
            raise RuntimeError("no flow")

    with pytest.raises(RuntimeError, match="no flow"):
        run_world(replace(small_setup(), flow=Broken()))
    gc.collect()
    assert "pending" not in capsys.readouterr().err


def uc1_plans(cache: ContentCache | None, communities: int) -> np.ndarray:
    setup = small_setup()
    split = partition(HOMES, communities, seed=1, substation=1)
    record = run_world(replace(setup, communities=split), cache=cache).record
    return np.array([plan.net_kw for plan in record.plans[Level.UC1]])


def test_cached_plans_are_the_plans_that_would_be_made() -> None:
    """Communities decide nothing about a home's own plan, so the second world plans nothing.

    Nor about the unmanaged days of all homes, which are one value beside the plans.
    """
    cache = ContentCache()
    uc1_plans(cache, communities=3)
    made = cache.misses
    np.testing.assert_array_equal(uc1_plans(cache, communities=1), uc1_plans(None, communities=1))
    assert (cache.misses, cache.hits) == (made, HOMES + 1)


def test_a_poisoned_cache_shows() -> None:
    cache = ContentCache()
    fresh = uc1_plans(cache, communities=3)
    key, plan = next(
        (key, value)
        for key, value in cache._values.items()
        if isinstance(value, HomePlan) and value.setpoints
    )
    cache._values[key] = replace(plan, net_kw=plan.net_kw + 0.1)
    assert (uc1_plans(cache, communities=3) != fresh).any(axis=1).sum() == 1
    poisoned = run_world(small_setup(), cache=cache).record
    planned = np.array([plan.net_kw for plan in poisoned.plans[Level.UC1]])
    assert np.abs(planned - poisoned.net_kw[UC1]).max() == pytest.approx(0.1)
