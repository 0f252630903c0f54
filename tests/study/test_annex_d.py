"""The example of annex D of D6.1: its figures, and the price of the move that it tells of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mas2sim.cli import main
from mas2sim.cli.commands import commands
from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.flexibility import Declaration, MemberOffers, MemberOrder, MemberRequest
from mas2sim.domain.typical_day import Level
from mas2sim.market.congestion import CongestionMarket
from mas2sim.market.congestion_terms import CongestionOutcome, CongestionTerms, PointLimits
from mas2sim.market.dso_payment import congestion_payments
from mas2sim.market.membership import Membership
from mas2sim.market.offer_maker import OfferMaker
from mas2sim.market.session import hold_congestion_market
from mas2sim.market.split import SplitTerms, split_payments
from mas2sim.results import CaseRecord, open_result
from mas2sim.study import annex_d
from mas2sim.study.annex_d import DAY, HOMES, LIMIT_KW, PEAK_KW, annex_tariff
from mas2sim.study.example import EXAMPLES

GRIDS = Path(__file__).parents[2] / "grids"
EUR = 1e-9
"""Rounding of sums of some thousand products below 100."""
KW = 1e-6
"""What counts as keeping a limit."""
ROUNDING_KW = 1e-9
"""Of a sum of 150 powers."""
PTU_2000 = DAY.ptu_at(20)


@pytest.fixture(scope="module")
def case() -> tuple[CaseSetup, tuple[str, ...]]:
    return annex_d.annex_d(GRIDS)


@pytest.fixture(scope="module")
def record(case: tuple[CaseSetup, tuple[str, ...]]) -> CaseRecord:
    return run_world(case[0]).record


def prognosis(record: CaseRecord, level: Level) -> FloatArray:
    return np.asarray(record.d_prognosis_kw[record.levels.index(level)])


def bought(record: CaseRecord) -> CongestionOutcome:
    assert record.congestion is not None
    return record.congestion


def test_there_are_three_communities_of_fifty(case: tuple[CaseSetup, tuple[str, ...]]) -> None:
    setup, assumptions = case
    assert [len(community.members) for community in setup.communities] == [50, 50, 50]
    assert sorted(i for each in setup.communities for i in each.members) == list(range(HOMES))
    assert any("kW a home on average" in sentence for sentence in assumptions)


def test_the_prognosis_peaks_at_300_kw_at_eight(record: CaseRecord) -> None:
    plan_kw = prognosis(record, Level.UC2)
    assert plan_kw.argmax() == PTU_2000
    assert plan_kw[PTU_2000] == pytest.approx(PEAK_KW, abs=annex_d.PEAK_TOLERANCE_KW)
    np.testing.assert_allclose(bought(record).before_kw[0], plan_kw, atol=ROUNDING_KW)


def test_the_dso_asks_for_what_is_beyond_280_kw(record: CaseRecord) -> None:
    beyond_kw = np.maximum(prognosis(record, Level.UC2) - LIMIT_KW, 0.0)
    np.testing.assert_allclose(bought(record).before_beyond_kw[0], beyond_kw, atol=KW)
    assert bought(record).before_beyond_kw[0, PTU_2000] == pytest.approx(20.0, abs=KW)


def test_what_is_accepted_brings_the_day_below_the_limit(record: CaseRecord) -> None:
    outcome = bought(record)
    change_kw = sum(
        next(offer.change_kw[0] for offer in outcome.offers[name] if offer.number == number)
        for name, number in outcome.order.accepted.items()
    )
    metered_kw = record.net_kw[record.levels.index(Level.UC3)].sum(axis=0)
    np.testing.assert_allclose(outcome.before_kw[0] + change_kw, metered_kw, atol=ROUNDING_KW)
    assert metered_kw.max() <= LIMIT_KW + KW
    assert not record.curtailed_kw.any()


def test_part_of_the_peak_goes_to_the_dear_hours_and_that_has_its_price(
    record: CaseRecord,
) -> None:
    outcome = bought(record)
    change_kw = outcome.after_kw[0] - outcome.before_kw[0]
    assert change_kw[DAY.mask(DAY.ptu_at(17), DAY.ptu_at(19))].sum() > 0
    # All three communities are net importers there, so all energy moved costs 0.13 EUR/kWh more.
    dear_kwh = change_kw[DAY.mask(DAY.ptu_at(16), DAY.ptu_at(19))].sum() * DAY.ptu_hours
    paid_eur = sum(outcome.order.price_eur.values())
    assert paid_eur >= 0.13 * dear_kwh - EUR
    assert paid_eur > 0.1


def test_the_dso_pays_what_the_members_lose_and_nobody_loses(record: CaseRecord) -> None:
    uc1, uc2, uc3 = (record.levels.index(level) for level in (Level.UC1, Level.UC2, Level.UC3))
    order = bought(record).order
    for column, community in enumerate(record.communities):
        price_eur = order.price_eur.get(community.name, 0.0)
        assert record.dso_eur[uc3, column] == pytest.approx(price_eur, abs=EUR)
    np.testing.assert_allclose(record.payment_eur[uc3], record.payment_eur[uc2], atol=EUR)
    assert (record.payment_eur[uc3] <= record.bill_eur[uc1] + EUR).all()


def test_all_services_are_delivered(record: CaseRecord) -> None:
    """Cycles and charging: each device but a battery uses the same energy at every level."""
    kwh = record.device_kw.sum(axis=2) * DAY.ptu_hours
    for column, (_, name) in enumerate(record.devices):
        if name != "battery":
            assert kwh[:, column] == pytest.approx(kwh[0, column], abs=KW)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_the_story_does_not_hang_on_how_ties_fall(seed: int) -> None:
    setup, _ = annex_d.annex_d(GRIDS, seed=seed)
    plan_kw = annex_d.prognosis_kw(setup)
    assert plan_kw.argmax() == PTU_2000
    assert plan_kw[PTU_2000] == pytest.approx(PEAK_KW, abs=annex_d.PEAK_TOLERANCE_KW)


def test_the_command_leaves_a_result_with_a_page(tmp_path: Path) -> None:
    out = tmp_path / "example"
    assert main(["example", "annex_d", "--out", str(out)]) == 0
    with open_result(out) as result:
        assert result.series["prognosis_before_kw"].max() == pytest.approx(PEAK_KW, abs=KW)
        assert result.series["prognosis_after_kw"].max() <= LIMIT_KW + KW
        assert result.provenance["configuration"] == {"example": "annex_d"}
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "D6.1 annex D" in page
    assert "asked for 20.0 kW less at most" in page
    series = (out / "series.nc").read_bytes()
    assert main(["example", "annex_d", "--out", str(out)]) == 0
    assert (out / "series.nc").read_bytes() == series


def test_the_command_knows_every_example() -> None:
    (name,) = (each for each in commands.commands["example"].params if each.name == "name")
    assert list(name.type.choices) == list(EXAMPLES)


class OneCanMove:
    """Members of whom the first may spend its day in one other way; honest about both."""

    def __init__(self, now_kw: FloatArray, moved_kw: FloatArray) -> None:
        self.days_kw = np.stack([now_kw, moved_kw])
        self.ordered: MemberOrder | None = None

    def answer(self, request: MemberRequest) -> MemberOffers:
        price = request.prices_eur_per_kwh[0]
        worths_eur = (self.days_kw * price).sum(axis=1) * DAY.ptu_hours
        best = int(worths_eur.argmin())
        loss_eur = np.diff(annex_tariff().cost_eur(self.days_kw, DAY))
        return MemberOffers(
            community=request.community,
            number=request.number,
            members=(0,),
            net_kw=self.days_kw[1:],
            compensation_eur=loss_eur,
            forgone_eur=np.zeros(1),
            worth_eur=worths_eur[best : best + 1],
            worth_net_kw=self.days_kw[best : best + 1],
        )

    def order(self, order: MemberOrder) -> None:
        self.ordered = order


def moved(to_hour: float, until_hour: float) -> tuple[float, float, FloatArray]:
    """Price offered, DSO's payment and change when 10 kW of 20:30 go to another hour.

    One of five members has 10 kW from 20:30 to 21:00 and may have 5 kW for an hour instead. The
    others draw 50 kW together, and 280 in the half hour from 20:30, which is the limit.
    """
    now_kw, then_kw = np.zeros((2, DAY.ptus))
    now_kw[DAY.ptu_at(20.5)] = 10.0
    then_kw[DAY.mask(DAY.ptu_at(to_hour), DAY.ptu_at(until_hour))] = 5.0
    others_kw = np.full((4, DAY.ptus), 12.5)
    others_kw[:, DAY.ptu_at(20.5)] = 70.0
    plans_kw = np.vstack([now_kw, others_kw])
    reach_kw = np.full((5, DAY.ptus), 100.0)
    flexible = (True, False, False, False, False)
    declaration = Declaration("A", flexible, -reach_kw, reach_kw, np.zeros(5))
    seller = OfferMaker(
        Membership("A", plans_kw, declaration, np.zeros(5, dtype=np.int64), 1),
        annex_tariff(),
        DAY,
        fee_eur_per_kwh=0.0,
        price_eur_per_kwh=annex_tariff().import_eur_per_kwh,
        seed=1,
        substation=1,
    )
    everywhere = np.ones((1, DAY.ptus))
    market = CongestionMarket(
        PointLimits(("t",), -np.inf * everywhere, LIMIT_KW * everywhere, 0.0 * everywhere),
        {"A": seller.a_plan_kw(plans_kw)},
        DAY,
        CongestionTerms(),
        spread_eur_per_kwh=0.2,
        seed=1,
        substation=1,
    )
    hold_congestion_market(market, {"A": seller}, {"A": OneCanMove(now_kw, then_kw)})
    order, terms, tariff = market.order(), SplitTerms(), annex_tariff()
    alone_eur = tariff.cost_eur(plans_kw, DAY)
    before = split_payments(plans_kw, alone_eur, tariff, DAY, terms)
    after = split_payments(seller.ordered.net_kw, alone_eur, tariff, DAY, terms)
    paid = congestion_payments(before, after.cost_eur, terms)
    change_kw = seller.ordered.net_kw.sum(axis=0) - plans_kw.sum(axis=0)
    return order.price_eur["A"], paid.dso_eur, change_kw


def test_ten_kw_for_half_an_hour_into_dear_hours_cost_0_65() -> None:
    """5 kWh at 0.25 instead of 0.12 EUR/kWh."""
    price_eur, dso_eur, change_kw = moved(18, 19)
    assert price_eur == pytest.approx(0.65, abs=EUR)
    assert dso_eur == pytest.approx(0.65, abs=EUR)
    expected_kw = np.zeros(DAY.ptus)
    expected_kw[DAY.ptu_at(18) : DAY.ptu_at(19)] = 5.0
    expected_kw[DAY.ptu_at(20.5)] = -10.0
    np.testing.assert_allclose(change_kw, expected_kw, atol=ROUNDING_KW)


def test_into_an_hour_of_the_same_price_they_cost_nothing() -> None:
    price_eur, dso_eur, change_kw = moved(19, 20)
    assert price_eur == pytest.approx(0.0, abs=EUR)
    assert dso_eur == pytest.approx(0.0, abs=EUR)
    assert change_kw[DAY.ptu_at(20.5)] == pytest.approx(-10.0, abs=ROUNDING_KW)
