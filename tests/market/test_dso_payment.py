"""What the DSO pays for orders and for curtailment, and what is left to the members."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mas2sim.market.dso_payment import (
    congestion_payments,
    curtailment_compensation_eur,
    dso_payment_eur,
    fair_shares,
)
from mas2sim.market.split import Payments, SplitTerms, split_payments

from .community_samples import HOURS, Drawn, communities, street, tariff

EUR = 1e-9
"""Rounding of sums of some hundred products of numbers below 100."""
KW = 1e-9
"""Rounding of sums of a few powers below 1000 kW."""
changes_eur = st.floats(-5, 5)


def street_payments(service_share: float = 0.0) -> Payments:
    terms = SplitTerms(service_share=service_share)
    return split_payments(street(), tariff().cost_eur(street(), HOURS), tariff(), HOURS, terms)


def settled(drawn: Drawn) -> Payments:
    return split_payments(
        drawn.net_kw, drawn.alone_eur, drawn.tariff, HOURS, drawn.terms, drawn.worth_eur
    )


def test_dso_pays_increases_and_takes_no_credit_for_decreases() -> None:
    paid_eur = dso_payment_eur(np.array([10.0, 4.0, 6.0]), np.array([12.5, 3.0, 6.0]))

    assert paid_eur == pytest.approx([2.5, 0.0, 0.0], abs=EUR)


def test_members_are_held_harmless() -> None:
    before = street_payments(service_share=0.1)
    after = congestion_payments(before, 0.12 + 0.08, SplitTerms(service_share=0.1))

    assert after.dso_eur == pytest.approx(0.08, abs=EUR)
    assert after.payment_eur == pytest.approx(before.payment_eur, abs=EUR)
    assert after.service_eur == pytest.approx(before.service_eur, abs=EUR)


def test_decrease_is_shared_in_proportion_to_gains() -> None:
    # 0.1 EUR less; the aggregator keeps 0.01, and all gains grow alike, by 0.09 of 0.9 x 0.2127.
    before = street_payments(service_share=0.1)
    after = congestion_payments(before, 0.12 - 0.10, SplitTerms(service_share=0.1))

    grown = before.gain_eur * (1 + 0.09 / (0.9 * 0.2127))
    assert after.dso_eur == 0.0
    assert before.alone_eur - after.payment_eur == pytest.approx(grown, abs=EUR)
    assert after.service_eur == pytest.approx(before.service_eur + 0.01, abs=EUR)


def test_decrease_repays_the_aggregator_first() -> None:
    # The shortfall of 0.05 is repaid out of 0.08; of 0.03 the aggregator keeps a third, and as
    # nobody had gained, twelve members share 0.02 equally.
    alone_eur = np.array([0.005] * 10 + [0.01] * 2)
    terms = SplitTerms(service_share=1 / 3)
    before = split_payments(street(), alone_eur, tariff(), HOURS, terms)
    after = congestion_payments(before, 0.12 - 0.08, terms)

    assert before.shortfall_eur == pytest.approx(0.05, abs=EUR)
    assert after.shortfall_eur == pytest.approx(0.0, abs=EUR)
    assert after.service_eur == pytest.approx(0.01, abs=EUR)
    assert after.payment_eur == pytest.approx(alone_eur - 0.02 / 12, abs=EUR)


def test_comfort_forgone_is_paid_to_who_forgoes_it() -> None:
    # The order costs 0.08 in energy and the first member comfort worth 0.03.
    before = street_payments()
    forgone_eur = np.array([0.03] + [0.0] * 11)
    after = congestion_payments(before, 0.12 + 0.08, SplitTerms(), forgone_eur)

    assert after.dso_eur == pytest.approx(0.11, abs=EUR)
    assert after.payment_eur == pytest.approx(before.payment_eur - forgone_eur, abs=EUR)


def test_comfort_given_back_lowers_what_the_dso_pays() -> None:
    before = street_payments()
    forgone_eur = np.array([-0.03] + [0.0] * 11)
    after = congestion_payments(before, 0.12 + 0.08, SplitTerms(), forgone_eur)

    assert after.dso_eur == pytest.approx(0.05, abs=EUR)


@given(communities(ordered=False) | communities(gain=False, ordered=False), changes_eur, st.data())
def test_books_balance_and_nobody_loses_by_an_order(
    drawn: Drawn, change_eur: float, data: st.DataObject
) -> None:
    before = settled(drawn)
    members = len(drawn.alone_eur)
    forgone_eur = data.draw(npst.arrays(np.float64, members, elements=st.floats(-1, 1)))
    cost_after_eur = before.cost_eur + change_eur

    after = congestion_payments(before, cost_after_eur, drawn.terms, forgone_eur)

    received_eur = float(after.payment_eur.sum()) + after.dso_eur + after.shortfall_eur
    assert received_eur == pytest.approx(cost_after_eur + after.service_eur, abs=EUR)
    assert (after.payment_eur + forgone_eur <= before.payment_eur + EUR).all()
    loss_eur = change_eur + float(forgone_eur.sum())
    assert after.dso_eur == pytest.approx(max(loss_eur, 0.0), abs=EUR)
    assert 0.0 <= after.shortfall_eur <= before.shortfall_eur
    assert after.service_eur >= before.service_eur


def test_import_is_curtailed_in_proportion() -> None:
    # 3 of 12 kW are too much: a quarter of each import, and nothing of the exporter.
    curtailment = fair_shares(np.array([[8.0], [4.0], [-2.0]]), np.array([3.0]))

    assert curtailment.curtailed_kw[:, 0] == pytest.approx([2.0, 1.0, 0.0], abs=KW)
    assert curtailment.remaining_kw == pytest.approx([0.0], abs=KW)


def test_export_is_curtailed_in_proportion() -> None:
    curtailment = fair_shares(np.array([[1.0], [-6.0], [-3.0]]), np.array([-3.0]))

    assert curtailment.curtailed_kw[:, 0] == pytest.approx([0.0, -2.0, -1.0], abs=KW)


def test_what_cannot_be_curtailed_is_returned() -> None:
    # 12 kW of import against an excess of 15, and 4 kW of export against one of 5.
    net_kw = np.array([[8.0, 1.0], [4.0, -4.0]])
    curtailment = fair_shares(net_kw, np.array([15.0, -5.0]))

    np.testing.assert_allclose(net_kw - curtailment.curtailed_kw, [[0, 1], [0, 0]], atol=KW)
    assert curtailment.remaining_kw == pytest.approx([3.0, -1.0], abs=KW)


@given(
    npst.arrays(np.float64, (5, 8), elements=st.floats(-100, 100)),
    npst.arrays(np.float64, 8, elements=st.floats(-300, 300)),
)
def test_shares_add_up_and_stop_at_zero(net_kw: np.ndarray, excess_kw: np.ndarray) -> None:
    curtailment = fair_shares(net_kw, excess_kw)
    left_kw = net_kw - curtailment.curtailed_kw

    total_kw = curtailment.curtailed_kw.sum(axis=0) + curtailment.remaining_kw
    np.testing.assert_allclose(total_kw, excess_kw, atol=KW)
    assert (left_kw * np.sign(net_kw) >= -KW).all()
    assert (np.abs(left_kw) <= np.abs(net_kw) + KW).all()
    spared = np.abs(curtailment.remaining_kw) > KW
    on_side_kw = np.maximum(left_kw * np.sign(excess_kw), 0.0)
    assert (on_side_kw[:, spared] <= KW).all()


def test_equals_give_equally() -> None:
    curtailed_kw = fair_shares(np.array([[3.0], [3.0], [3.0]]), np.array([2.0])).curtailed_kw

    assert curtailed_kw[:, 0] == pytest.approx(np.full(3, 2 / 3), abs=KW)


def test_curtailed_energy_is_paid_at_the_import_price() -> None:
    # 2 kWh of import at 0.12 and 1 kWh of export at 0.12; one and a half times that.
    curtailed_kwh = np.zeros((2, 24))
    curtailed_kwh[0, 18], curtailed_kwh[1, 12] = 2.0, -1.0

    assert curtailment_compensation_eur(curtailed_kwh, tariff()) == pytest.approx(
        [0.24, 0.12], abs=EUR
    )
    assert curtailment_compensation_eur(curtailed_kwh, tariff(), 1.5) == pytest.approx(
        [0.36, 0.18], abs=EUR
    )


def test_nobody_pays_for_being_curtailed() -> None:
    prices = replace(tariff(), import_eur_per_kwh=np.repeat([-0.05, 0.12], 12))

    assert curtailment_compensation_eur(np.ones((1, 24)), prices) == pytest.approx([1.44], abs=EUR)
