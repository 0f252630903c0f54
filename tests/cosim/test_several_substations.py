"""Several substations in one world: each is what it would be alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mas2sim.cosim import LINKS, CaseSetup, Link, run_world
from mas2sim.cosim.negotiating import SUB_STEPS
from mas2sim.domain.community import partition
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.grid_state import GridLayout
from mas2sim.domain.typical_day import Level
from mas2sim.results.record import CaseRecord

from .small_world import HOMES, CopperPlate, small_setup
from .test_market_world import setup_with

LEVELS = (Level.BASELINE, Level.UC1, Level.UC2, Level.UC3)
LIMIT_KW = 6.0
"""Binds in the small world, so that the DSO asks."""
SHORT_KW = 2.0
"""Below what the homes can do without."""
ARRAYS = (
    "net_kw", "reactive_kvar", "device_kw", "stored_kwh", "stored_start_kwh", "a_plan_kw",
    "d_prognosis_kw", "bill_eur", "payment_eur", "curtailed_kw", "dso_eur", "service_eur",
    "shortfall_eur", "local_kwh",
)  # fmt: skip


def at(number: int, setup: CaseSetup, communities: int = 3) -> CaseSetup:
    """The setup as that of another substation, with its own plate and communities."""
    flow = CopperPlate()
    flow.layout = GridLayout(f"plate_{number}", (), (), (), ())
    return replace(
        setup,
        axes={**setup.axes, "substation": number},
        flow=flow,
        communities=partition(HOMES, communities, seed=1, substation=number),
        substation=number,
    )


def three() -> list[CaseSetup]:
    """One market finds enough, in the next connections have to be limited, one has no limit."""
    enough, short, loose = (
        setup_with(limit_kw, LEVELS) for limit_kw in (LIMIT_KW, SHORT_KW, 280.0)
    )
    return [at(1, enough), at(2, short, communities=1), at(3, loose, communities=2)]


@pytest.fixture(scope="module")
def together() -> tuple[CaseRecord, ...]:
    return run_world(*three()).records


def assert_same(one: CaseRecord, other: CaseRecord) -> None:
    for name in ARRAYS:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert one.regimes == other.regimes
    assert one.messages == other.messages
    # As text: a bound that is not known is NaN, which is not itself.
    assert str(one.markets) == str(other.markets)
    assert one.devices == other.devices
    assert one.layout == other.layout
    for level, plans in one.plans.items():
        for plan, twin in zip(plans, other.plans[level], strict=True):
            assert np.array_equal(plan.net_kw, twin.net_kw)
            assert (plan.status, plan.reason) == (twin.status, twin.reason)
    for level, state in one.grid.items():
        assert np.array_equal(state.import_kw, other.grid[level].import_kw)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_is_bit_for_bit_what_it_is_alone(together: tuple[CaseRecord, ...], place: int) -> None:
    assert_same(together[place], run_world(three()[place]).record)


def test_the_substations_differ_and_two_of_them_buy(together: tuple[CaseRecord, ...]) -> None:
    """Else the comparison above would say little."""
    first, second, loose = together
    assert not np.array_equal(first.net_kw, second.net_kw)
    assert first.congestion is not None
    assert second.congestion is not None
    assert loose.congestion is None
    assert first.messages != second.messages
    assert second.curtailed_kw.any()
    assert not loose.curtailed_kw.any()


def test_the_order_of_the_setups_does_not_matter(together: tuple[CaseRecord, ...]) -> None:
    for record, before in zip(
        run_world(*reversed(three())).records, reversed(together), strict=True
    ):
        assert_same(record, before)


def test_a_message_lost_in_one_substation_changes_that_one_alone(
    together: tuple[CaseRecord, ...],
) -> None:
    links = [cut(link, "plate_1/community_2") for link in LINKS]
    changed, same, also = run_world(*three(), links=links).records
    assert np.isnan(changed.a_plan_kw[:, 1]).all()
    assert not np.array_equal(changed.net_kw, together[0].net_kw)
    assert_same(same, together[1])
    assert_same(also, together[2])


def test_a_name_alone_is_lost_in_every_substation() -> None:
    links = [cut(link, "community_1") for link in LINKS]
    for record in run_world(*three(), links=links).records:
        assert np.isnan(record.a_plan_kw[:, 0]).all()
        assert np.isfinite(record.a_plan_kw[:, 1:]).all()


def cut(link: Link, entity: str) -> Link:
    return replace(link, without=(entity,)) if link.attribute == "p_plans" else link


def test_substations_of_one_name_are_refused() -> None:
    with pytest.raises(Mas2simError, match="names of their own"):
        run_world(small_setup(), small_setup())


def test_the_record_of_a_world_is_asked_of_one_substation_only() -> None:
    run = run_world(*(at(number, small_setup()) for number in (1, 2)))
    with pytest.raises(ValueError, match="unpack"):
        _ = run.record


def test_progress_counts_the_homes_of_all() -> None:
    told: list[tuple[str, int, int]] = []
    setups = [at(number, small_setup()) for number in (1, 2)]
    run_world(*setups, progress=lambda *step: told.append(step))
    planned = [(done, total) for stage, done, total in told if stage == "plan the homes"]
    assert planned == [(done, 2 * HOMES) for done in range(1, 2 * HOMES + 1)]


def test_each_place_has_the_sub_steps_of_a_gate_to_itself() -> None:
    """An endless talk in one substation takes none from another."""
    from mas2sim.cosim.market_simulators import AggregatorSimulator
    from mas2sim.market import Timetable

    simulator = AggregatorSimulator({"x/a": None, "y/a": None}, Timetable())
    for _ in range(SUB_STEPS + 1):
        simulator._listen(0, {}, ["x/a"])
    assert not simulator.may_ask("x/a")
    assert simulator.may_ask("y/a")
