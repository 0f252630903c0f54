"""Aggregator and DSO as state machines over gates, without mosaik."""

import numpy as np
import pytest

from mas2sim.domain.community import Community
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import APlan, DPrognosis, PPlans
from mas2sim.domain.tariff import Tariff
from mas2sim.market import Aggregator, Dso, Timetable

HOUR = Horizon(60)
COMMUNITY = Community("community_1", (3, 5))
LIMITS = GridLimits(280.0, 100.0, 216.2, 253.0)


def aggregator() -> Aggregator:
    tariff = Tariff("flat", np.full(24, 0.2), np.full(24, 0.05), standing_eur_per_day=0.1)
    return Aggregator(COMMUNITY, tariff, HOUR, levels=1)


def p_plans(first: float, second: float) -> PPlans:
    return PPlans("community_1", (3, 5), np.array([[np.full(24, first), np.full(24, second)]]))


def prognosis(**accepted: bool) -> DPrognosis:
    return DPrognosis("t", np.zeros((1, 24)), ((Regime.GREEN,) * 24,), accepted)


def test_an_a_plan_is_the_sum_of_p_plans() -> None:
    plan = aggregator().plan(p_plans(1.0, -0.25))
    assert plan is not None
    assert plan.homes == 2
    np.testing.assert_array_equal(plan.net_kw, np.full((1, 24), 0.75))


def test_a_home_without_a_plan_is_left_out_of_the_sum() -> None:
    plan = aggregator().plan(p_plans(1.0, np.nan))
    assert plan is not None
    assert plan.homes == 1
    np.testing.assert_array_equal(plan.net_kw, np.full((1, 24), 1.0))


def test_another_communitys_p_plans_are_not_read() -> None:
    stray = PPlans("community_2", (3, 5), np.ones((1, 2, 24)))
    assert aggregator().plan(stray) is None


@pytest.mark.parametrize(
    ("sent", "finding", "admitted"),
    [
        (True, prognosis(community_1=True), True),
        (True, prognosis(community_1=False), False),
        (True, prognosis(community_2=True), False),
        (True, None, False),
        (False, prognosis(community_1=True), False),
    ],
)
def test_plans_are_admitted_only_when_sent_and_found_in_order(
    sent: bool, finding: DPrognosis | None, admitted: bool
) -> None:
    agent = aggregator()
    agent.plan(p_plans(1.0, 1.0) if sent else None)
    assert agent.validate(finding).admitted == (admitted,)


def test_members_are_billed_by_their_own_meter() -> None:
    """24 kWh at 0.2 and 0.1 standing; 12 kWh exported at 0.05, less 0.1 standing."""
    settlement = aggregator().settle(np.array([[np.full(24, 1.0), np.full(24, -0.5)]]))
    assert settlement.bill_eur[0] == pytest.approx([4.9, -0.5])
    assert settlement.payment_eur[0] == pytest.approx([4.9, -0.5])


def test_the_prognosis_sums_communities_and_names_the_regime() -> None:
    """Annex D of D6.1: a peak of 300 kW against a limit of 280 kW."""
    profile = np.full(24, 50.0)
    profile[20] = 100.0
    a_plans = {f"community_{k}": APlan(f"community_{k}", profile[None], 50) for k in (1, 2, 3)}
    finding = Dso("transformer", LIMITS, (1, 24)).prognose(a_plans)
    assert finding.net_kw[0, 20] == 300.0
    assert [ptu for ptu, regime in enumerate(finding.regimes[0]) if regime is not Regime.GREEN] == [
        20
    ]
    assert finding.accepted == dict.fromkeys(a_plans, True)


def test_export_has_a_limit_of_its_own() -> None:
    dso = Dso("transformer", LIMITS, (1, 24))
    regimes = dso.regimes(np.array([[-100.0, -100.1, 280.0, 280.1]]))
    assert regimes == ((Regime.GREEN, Regime.YELLOW, Regime.GREEN, Regime.YELLOW),)


def test_gates_follow_each_other_and_end_before_delivery() -> None:
    table = Timetable(plan_s=20 * 3600, gate_s=3600)
    gates = [table.plan_s, table.validate_s, table.confirm_s, table.operate_s, table.settle_s]
    assert gates == sorted(gates)
    assert table.confirm_s < table.operate_s == 24 * 3600
