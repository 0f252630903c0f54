"""The community's bill and its split: bills by hand, and what every split obeys."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas2sim.domain.errors import ConfigurationError
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.tariff import Tariff
from mas2sim.market.community_bill import community_cost_eur, settled_cost_eur, trade_pays
from mas2sim.market.split import Payments, SplitRule, SplitTerms, split_payments

from .community_samples import (
    BUYERS,
    HOURS,
    SELLERS,
    Drawn,
    communities,
    owed_in_ptu_eur,
    street,
    tariff,
)

EUR = 1e-9
"""Rounding of sums of some hundred products of numbers below 100."""
KWH = 1e-9
"""Rounding of sums of some hundred energies below 10 kWh."""
MID = (0.12 + 0.0491) / 2


def split(drawn: Drawn) -> Payments:
    return split_payments(
        drawn.net_kw, drawn.alone_eur, drawn.tariff, HOURS, drawn.terms, drawn.worth_eur
    )


def alone(net_kw: np.ndarray, prices: Tariff | None = None) -> np.ndarray:
    return (prices or tariff()).cost_eur(net_kw, HOURS)


def test_street_alone_and_together() -> None:
    # 4 kWh at 0.12 less 3 kWh at 0.0491; netted, 1 kWh at 0.12 is left.
    assert alone(street()).sum() == pytest.approx(0.3327, abs=EUR)
    assert community_cost_eur(street(), tariff(), HOURS) == pytest.approx(0.1200, abs=EUR)


def test_bill_has_a_fee_on_local_energy_and_each_members_peak() -> None:
    # 3 kWh traded at a fee of 0.02; ten peaks of 0.4 kW at 0.5, none of the exporters.
    prices = tariff(peak_eur_per_kw=0.5)
    bill = community_cost_eur(street(), prices, HOURS, 0.02)

    assert bill == pytest.approx(0.12 + 0.06 + 2.00, abs=EUR)


def test_bills_of_several_levels_are_apart() -> None:
    levels = np.stack([street(), 2 * street()])

    for bill in (community_cost_eur, settled_cost_eur):
        assert bill(levels, tariff(), HOURS) == pytest.approx([0.12, 0.24], abs=EUR)


def test_street_at_the_middle_price() -> None:
    # Each buyer gets 0.3 of its 0.4 kWh locally, each seller sells all of its 1.5 kWh.
    payments = split_payments(street(), alone(street()), tariff(), HOURS, SplitTerms())

    buyer, seller = 0.3 * MID + 0.1 * 0.12, -1.5 * MID
    assert payments.payment_eur[BUYERS] == pytest.approx(np.full(10, buyer), abs=EUR)
    assert payments.payment_eur[SELLERS] == pytest.approx(np.full(2, seller), abs=EUR)
    assert payments.payment_eur.sum() == pytest.approx(0.12, abs=EUR)
    assert payments.bought_kwh[BUYERS] == pytest.approx(np.full(10, 0.3), abs=KWH)
    assert payments.sold_kwh[SELLERS] == pytest.approx(np.full(2, 1.5), abs=KWH)
    assert payments.local_kwh == pytest.approx(3.0, abs=KWH)


@pytest.mark.parametrize(("share", "price"), [(0.0, 0.0491), (1.0, 0.12)])
def test_local_price_goes_from_export_to_import_price(share: float, price: float) -> None:
    terms = SplitTerms(local_price_share=share)
    payments = split_payments(street(), alone(street()), tariff(), HOURS, terms)

    assert payments.payment_eur[SELLERS] == pytest.approx(np.full(2, -1.5 * price), abs=EUR)


def test_short_side_trades_all_and_long_side_in_proportion() -> None:
    # Surplus 6 kWh from sellers of 2 and 4 kWh, wanted 3 kWh: half of each is sold locally.
    net_kw = np.zeros((4, 24))
    net_kw[:, 8] = [1.0, 2.0, -2.0, -4.0]
    payments = split_payments(net_kw, alone(net_kw), tariff(), HOURS, SplitTerms())

    assert payments.bought_kwh == pytest.approx([1.0, 2.0, 0.0, 0.0], abs=KWH)
    assert payments.sold_kwh == pytest.approx([0.0, 0.0, 1.0, 2.0], abs=KWH)
    gains = (MID - 0.0491) * np.array([1.0, 2.0, 1.0, 2.0])
    assert payments.gain_eur == pytest.approx(gains, abs=EUR)


def test_fee_goes_to_the_network_and_is_paid_by_buyers() -> None:
    # The local price lies between 0.0491 and 0.10, so at 0.07455; buyers pay 0.02 more.
    terms = SplitTerms(fee_eur_per_kwh=0.02)
    payments = split_payments(street(), alone(street()), tariff(), HOURS, terms)

    price = (0.10 + 0.0491) / 2
    buyer = 0.3 * (price + 0.02) + 0.1 * 0.12
    assert payments.fee_eur == pytest.approx(0.06, abs=EUR)
    assert payments.payment_eur[BUYERS] == pytest.approx(np.full(10, buyer), abs=EUR)
    assert payments.payment_eur[SELLERS] == pytest.approx(np.full(2, -1.5 * price), abs=EUR)
    assert payments.cost_eur == pytest.approx(0.18, abs=EUR)


def test_aggregator_keeps_its_share_of_the_gain() -> None:
    # The street gains 0.3327 - 0.1200 = 0.2127; a tenth of it is the aggregator's.
    terms = SplitTerms(service_share=0.1)
    payments = split_payments(street(), alone(street()), tariff(), HOURS, terms)

    assert payments.service_eur == pytest.approx(0.02127, abs=EUR)
    assert payments.payment_eur.sum() == pytest.approx(0.12 + 0.02127, abs=EUR)
    free = split_payments(street(), alone(street()), tariff(), HOURS, SplitTerms())
    assert payments.gain_eur == pytest.approx(0.9 * free.gain_eur, abs=EUR)


def test_each_pays_for_its_own_peak() -> None:
    # The first buyer's peak of 0.4 kW was 2 kW alone: the 0.8 EUR saved at 0.5 EUR/kW are its own,
    # and those of the others are as they were.
    prices = tariff(peak_eur_per_kw=0.5)
    alone_eur = alone(street(), prices)
    alone_eur[0] += 0.8
    payments = split_payments(street(), alone_eur, prices, HOURS, SplitTerms())
    without = split_payments(street(), alone(street()), tariff(), HOURS, SplitTerms())

    peaks_eur = 0.5 * np.array([0.4] * 10 + [0.0] * 2)
    assert payments.payment_eur == pytest.approx(without.payment_eur + peaks_eur, abs=EUR)


def test_quarter_of_an_hour_counts_as_a_quarter() -> None:
    net_kw = np.zeros((12, 96))
    net_kw[:, 48] = street()[:, 12]
    prices = Tariff("flat", np.full(96, 0.12), np.full(96, 0.0491))
    quarters = Horizon(15)
    alone_eur = prices.cost_eur(net_kw, quarters)
    payments = split_payments(net_kw, alone_eur, prices, quarters, SplitTerms(fee_eur_per_kwh=0.02))

    assert payments.local_kwh == pytest.approx(0.75, abs=KWH)
    assert payments.sold_kwh.sum() == pytest.approx(0.75, abs=KWH)
    assert payments.fee_eur == pytest.approx(0.015, abs=EUR)
    assert payments.cost_eur == pytest.approx(0.18 / 4, abs=EUR)
    assert payments.payment_eur[11] == pytest.approx(-1.5 * (0.10 + 0.0491) / 2 / 4, abs=EUR)


def test_who_would_lose_is_lifted_and_those_who_gain_bear_it() -> None:
    # The first of ten buyers alone would have used the hour for nothing: its uc1 bill is 0.03.
    # At the local price it would pay 0.037365, 0.007365 too much; ten buyers' and two sellers'
    # gains carry that in proportion.
    alone_eur = alone(street())
    alone_eur[0] = 0.03
    payments = split_payments(street(), alone_eur, tariff(), HOURS, SplitTerms())

    buyer_gain, seller_gain = 0.3 * (0.12 - MID), 1.5 * (MID - 0.0491)
    gains = 9 * buyer_gain + 2 * seller_gain
    left = 1.0 - (0.3 * MID + 0.012 - 0.03) / gains
    assert payments.payment_eur[0] == pytest.approx(0.03, abs=EUR)
    assert payments.gain_eur[1] == pytest.approx(buyer_gain * left, abs=EUR)
    assert payments.gain_eur[11] == pytest.approx(seller_gain * left, abs=EUR)
    assert payments.payment_eur.sum() == pytest.approx(0.12, abs=EUR)


def test_surplus_of_a_morning_meets_a_washing_machine() -> None:
    """D6.1, annex D: surplus from 10:00, export at 0.05 EUR/kWh, a cycle of 1.1 kWh moved to it.

    It gives no import price: 0.25 is assumed here. Both sides do better than with their suppliers.
    """
    net_kw = np.zeros((2, 24))
    net_kw[0, 10:12], net_kw[1, 10:12] = [-0.75, -0.35], [0.75, 0.35]
    prices = tariff(0.25, 0.05)
    payments = split_payments(net_kw, alone(net_kw, prices), prices, HOURS, SplitTerms())

    earned_eur_per_kwh = -payments.payment_eur[0] / 1.1
    spent_eur_per_kwh = payments.payment_eur[1] / 1.1
    assert earned_eur_per_kwh > 0.05
    assert spent_eur_per_kwh < 0.25
    assert earned_eur_per_kwh == pytest.approx(0.15, abs=EUR)
    assert spent_eur_per_kwh == pytest.approx(0.15, abs=EUR)


def test_dual_gives_each_what_its_day_is_worth() -> None:
    # Surplus is short: the community's price is the import price. Buyers gain nothing by it,
    # sellers 1.5 kWh x (0.12 - 0.0491) each, which is all of the gain.
    worth_eur = 0.12 * street().sum(axis=1)
    terms = SplitTerms(rule=SplitRule.DUAL)
    payments = split_payments(street(), alone(street()), tariff(), HOURS, terms, worth_eur)

    assert payments.payment_eur == pytest.approx(worth_eur, abs=EUR)
    assert payments.payment_eur.sum() == pytest.approx(0.12, abs=EUR)


def test_dual_leaves_the_gap_to_the_bound_with_all_in_proportion() -> None:
    # Worth 1.0, 2.0 and 0.2 EUR less than alone, 3.2 in all; the gain reached is 1.6, half of it.
    net_kw = np.zeros((3, 24))
    net_kw[:, 5] = [10.0, 20.0, 2.0]
    alone_eur = alone(net_kw) + 1.6 / 3
    worth_eur = alone_eur - np.array([1.0, 2.0, 0.2])
    terms = SplitTerms(rule=SplitRule.DUAL)
    payments = split_payments(net_kw, alone_eur, tariff(), HOURS, terms, worth_eur)

    assert payments.gain_eur == pytest.approx([0.5, 1.0, 0.1], abs=EUR)


def test_dual_shares_equally_when_worths_tell_nothing() -> None:
    terms = SplitTerms(rule=SplitRule.DUAL)
    alone_eur = alone(street())
    payments = split_payments(street(), alone_eur, tariff(), HOURS, terms, alone_eur)

    assert payments.gain_eur == pytest.approx(np.full(12, 0.2127 / 12), abs=EUR)


@pytest.mark.parametrize("rule", SplitRule)
def test_member_with_no_trade_and_no_gain_pays_its_bill(rule: SplitRule) -> None:
    net_kw = np.vstack([street(), np.zeros(24)])
    net_kw[12, 20] = 2.0
    alone_eur = alone(net_kw)
    worth_eur = alone_eur - np.array([0.1] * 12 + [0.0])
    terms = SplitTerms(rule=rule, service_share=0.2)
    payments = split_payments(net_kw, alone_eur, tariff(), HOURS, terms, worth_eur)

    assert payments.payment_eur[12] == pytest.approx(0.24, abs=EUR)
    assert payments.bought_kwh[12] == 0.0


def test_nobody_trades_where_export_pays_more_than_import() -> None:
    # By own meters: 4 kWh at 0.05 less 3 kWh at 0.08 = -0.04; netted it would be 1 kWh at 0.05.
    prices = tariff(0.05, 0.08)
    payments = split_payments(street(), alone(street(), prices), prices, HOURS, SplitTerms())

    assert payments.local_kwh == 0.0
    assert payments.payment_eur == pytest.approx(alone(street(), prices), abs=EUR)
    assert payments.cost_eur == pytest.approx(-0.04, abs=EUR)
    assert community_cost_eur(street(), prices, HOURS) == pytest.approx(0.05, abs=EUR)
    assert payments.shortfall_eur == pytest.approx(0.0, abs=EUR)


def test_nobody_trades_where_the_fee_eats_the_gain() -> None:
    prices = replace(tariff(), import_eur_per_kwh=np.repeat([0.12, 0.06], 12))
    net_kw = street() + np.roll(street(), -6, axis=1)

    payments = split_payments(
        net_kw, alone(net_kw, prices), prices, HOURS, SplitTerms(fee_eur_per_kwh=0.02)
    )

    # 06:00: 3 kWh are traded. 12:00: the fee of 0.02 is above 0.06 - 0.0491.
    assert payments.local_kwh == pytest.approx(3.0, abs=KWH)
    assert payments.cost_eur == pytest.approx(0.12 + 0.06 + 0.24 - 0.1473, abs=EUR)


def test_without_a_gain_the_aggregator_bears_the_shortfall() -> None:
    alone_eur = np.array([0.005] * 10 + [0.01] * 2)
    terms = SplitTerms(service_share=0.5)
    payments = split_payments(street(), alone_eur, tariff(), HOURS, terms)

    assert payments.payment_eur == pytest.approx(alone_eur, abs=EUR)
    assert payments.shortfall_eur == pytest.approx(0.12 - 0.07, abs=EUR)
    assert payments.service_eur == 0.0


@given(communities(ordered=False))
def test_payments_are_cost_and_service(drawn: Drawn) -> None:
    payments = split(drawn)

    owed_eur = payments.cost_eur + payments.service_eur
    assert payments.payment_eur.sum() == pytest.approx(owed_eur, abs=EUR)
    assert payments.shortfall_eur == 0.0


@given(communities())
def test_cost_is_the_netted_bill_where_trade_pays(drawn: Drawn) -> None:
    assert trade_pays(drawn.tariff, drawn.terms.fee_eur_per_kwh).all()
    netted = community_cost_eur(drawn.net_kw, drawn.tariff, HOURS, drawn.terms.fee_eur_per_kwh)

    assert split(drawn).cost_eur == pytest.approx(float(netted), abs=EUR)


@given(communities(ordered=False))
def test_cost_is_what_trades_one_by_one_leave(drawn: Drawn) -> None:
    prices, fee = drawn.tariff, drawn.terms.fee_eur_per_kwh
    by_hand = sum(
        owed_in_ptu_eur(
            drawn.net_kw[:, ptu],
            float(prices.import_eur_per_kwh[ptu]),
            float(prices.export_eur_per_kwh[ptu]),
            fee,
        )
        for ptu in range(24)
    ) + sum(prices.peak_eur_per_kw * max(0.0, float(kw.max())) for kw in drawn.net_kw)

    assert split(drawn).cost_eur == pytest.approx(by_hand, abs=EUR)


@given(communities(ordered=False))
def test_nobody_is_worse_off_than_alone(drawn: Drawn) -> None:
    assert (split(drawn).gain_eur >= -EUR).all()


@given(communities(gain=False, ordered=False))
def test_the_uc1_bill_is_guaranteed(drawn: Drawn) -> None:
    payments = split(drawn)

    assert payments.payment_eur == pytest.approx(drawn.alone_eur, abs=EUR)
    assert payments.payment_eur.sum() == pytest.approx(
        payments.cost_eur - payments.shortfall_eur, abs=EUR
    )
    assert payments.service_eur == 0.0


@given(communities(ordered=False), st.randoms(use_true_random=False))
def test_order_of_members_does_not_matter(drawn: Drawn, random: Random) -> None:
    order = list(range(len(drawn.alone_eur)))
    random.shuffle(order)
    shuffled = replace(
        drawn,
        net_kw=drawn.net_kw[order],
        alone_eur=drawn.alone_eur[order],
        worth_eur=drawn.worth_eur[order],
    )

    assert split(shuffled).payment_eur == pytest.approx(split(drawn).payment_eur[order], abs=EUR)


@given(communities(ordered=False))
def test_as_much_is_bought_as_sold(drawn: Drawn) -> None:
    payments = split(drawn)
    fee = drawn.terms.fee_eur_per_kwh

    assert payments.bought_kwh.sum() == pytest.approx(payments.sold_kwh.sum(), abs=KWH)
    assert payments.fee_eur == pytest.approx(fee * payments.local_kwh, abs=EUR)
    assert (payments.bought_kwh <= np.maximum(drawn.net_kw, 0.0).sum(axis=1) + KWH).all()


def test_terms_name_every_fault() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SplitTerms(local_price_share=1.1, service_share=-0.1, fee_eur_per_kwh=float("nan"))

    places = [fault.where for fault in caught.value.faults]
    assert places == ["local_price_share", "service_share", "fee_eur_per_kwh"]


def test_what_cannot_be_settled_is_named() -> None:
    net_kw, alone_eur = street(), alone(street())[:-1]
    net_kw[3, 7] = np.nan
    with pytest.raises(ConfigurationError) as caught:
        split_payments(net_kw, alone_eur, tariff(), HOURS, SplitTerms(rule=SplitRule.DUAL))

    places = [fault.where for fault in caught.value.faults]
    assert places == ["worth_eur", "alone_eur", "net_kw of members [3]"]


def test_horizon_of_another_day_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="24 PTUs"):
        split_payments(street()[:, :23], alone(street()), tariff(), HOURS, SplitTerms())
