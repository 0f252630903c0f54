"""KPIs of money: what the day costs, who pays it, and what homes save."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.typical_day import Level
from mas2sim.market.community_bill import peaks_eur, settled_cost_eur
from mas2sim.results.balance import community_groups
from mas2sim.results.kpi_definition import (
    NAN,
    CaseLevel,
    Kpi,
    Measure,
    compared,
    once_a_level,
    ratio,
)
from mas2sim.results.record import CaseRecord
from mas2sim.results.services import discomfort_eur

UNMANAGED_OR_ALONE = (Level.BASELINE, Level.UC1)
"""Levels without a local market."""

WITHIN_LIMITS = (Level.UC3, Level.CENTRAL)
"""Levels whose plans are to keep the DSO's limits."""

NO_TRADE = "at baseline and uc1: no local market; when the settlement was not recorded"


def community_cost_eur(case: CaseLevel, *, netted: bool) -> float:
    """Cost of all homes' energy without standing charges and prices of peaks. [EUR]

    Energy that was curtailed counts as if it had not been: it is compensated by itself.

    Parameters
    ----------
    netted : bool
        Whether energy is netted within each community in each PTU in which trade pays, with the
        network fee on it, or each home pays by its own meter.
    """
    record, drawn_kw = case.record, case.drawn_kw
    if not netted:
        return float(record.tariff.energy_cost_eur(drawn_kw, record.horizon).sum())
    energy = replace(record.tariff, peak_eur_per_kw=0.0)
    costs = (
        settled_cost_eur(drawn_kw[list(members)], energy, record.horizon, record.fee_eur_per_kwh)
        for members in community_groups(case)
    )
    return float(sum(costs))


@once_a_level
def level_cost_eur(case: CaseLevel) -> float:
    """Energy cost as the level settles it: by own meter up to uc1, netted from uc2 on. [EUR]"""
    return community_cost_eur(case, netted=case.level not in UNMANAGED_OR_ALONE)


def full_cost_eur(case: CaseLevel) -> float:
    """All that plans weigh: energy as settled, the price of each home's peak, discomfort. [EUR]

    Gains and gaps are measured in it, since a plan may pay for a lower peak with dearer energy, and
    what is saved by cutting a load is no gain as far as the household minds.
    """
    peaks = peaks_eur(case.drawn_kw, case.record.tariff)
    return level_cost_eur(case) + float(peaks.sum() + discomfort_eur(case).sum())


@once_a_level
def whole_cost_eur(case: CaseLevel) -> float:
    """The same with what the other participants' meters cost them. [EUR]

    Bounds of markets that sell to the DSO, and of central, hold for all of them together.
    """
    others = case.record.others
    if others is None:
        return full_cost_eur(case)
    costs = (
        float(each.tariff.cost_eur(drawn_kw, case.record.horizon))
        for each, drawn_kw in zip(others.participants, case.other_drawn_kw, strict=True)
    )
    return full_cost_eur(case) + sum(costs)


def _settled_eur(case: CaseLevel, by_community: FloatArray) -> float:
    """Sum over communities of an amount of the settlement; NaN where it was not recorded."""
    return float(by_community[case.index].sum()) if by_community.size else NAN


def _market_revenue(case: CaseLevel) -> float:
    if case.level in UNMANAGED_OR_ALONE:
        return NAN
    record = case.record
    kept = _settled_eur(case, record.service_eur) - _settled_eur(case, record.shortfall_eur)
    saved = float((case.bill_eur - case.payment_eur).sum())
    return saved + kept - _settled_eur(case, record.dso_eur)


def _traded(amount: Callable[[CaseRecord], FloatArray]) -> Measure:
    def compute(case: CaseLevel) -> float:
        traded = case.level not in UNMANAGED_OR_ALONE
        return _settled_eur(case, amount(case.record)) if traded else NAN

    return compute


def _dso_payment(case: CaseLevel) -> float:
    if case.level not in WITHIN_LIMITS or not case.has_plan:
        return NAN
    others = case.record.others
    paid_eur = 0.0 if others is None else float(others.dso_eur[case.index].sum())
    return _settled_eur(case, case.record.dso_eur) + paid_eur


def _saving_eur(reference: CaseLevel, case: CaseLevel) -> float:
    saved = float((reference.bill_eur - case.payment_eur).sum())
    return ratio(saved, float(len(case.homes)))


def _saving_percent(reference: CaseLevel, case: CaseLevel) -> float:
    standing = case.record.tariff.standing_eur_per_day * len(case.homes)
    saved = float((reference.bill_eur - case.payment_eur).sum())
    return 100.0 * ratio(saved, float(reference.bill_eur.sum()) - standing)


MONEY = (
    Kpi(
        name="bill_eur",
        unit="EUR",
        label="Bills",
        group="money",
        formula=(
            "sum over homes of (sum of h (c_imp n+ - c_exp n-) + c_peak max n+ + standing charge)"
        ),
        sign="positive: homes pay",
        boundary="home",
        missing="when a home has no bill",
        sentence="Bills of all homes by their own meters and tariff, before any local market.",
        compute=lambda case: float(case.bill_eur.sum()),
        better="lower",
    ),
    Kpi(
        name="standing_charge_eur",
        unit="EUR",
        label="Standing charges",
        group="money",
        formula="standing charge of a day x number of homes",
        sign="positive: homes pay",
        boundary="home",
        missing="never",
        sentence="Part of the bills that no use of energy changes; percentages leave it out.",
        compute=lambda case: case.record.tariff.standing_eur_per_day * len(case.homes),
    ),
    Kpi(
        name="payment_eur",
        unit="EUR",
        label="Payments",
        group="money",
        formula="sum over homes of what settlement asks of them",
        sign="positive: homes pay",
        boundary="community",
        missing="when a home was not settled",
        sentence="What all homes pay in the end, local trades included.",
        compute=lambda case: float(case.payment_eur.sum()),
        better="lower",
    ),
    Kpi(
        name="energy_cost_eur",
        unit="EUR",
        label="Energy cost as settled",
        group="money",
        formula=(
            "sum of h (c_imp N+ - c_exp N- + fee (sum of n+ - N+)); N is each home's net up to "
            "uc1, each community's from uc2 on, but each home's where c_imp - fee < c_exp; "
            "no standing charge, no price of the peak"
        ),
        sign="positive: homes pay",
        boundary="home up to uc1, community from uc2 on",
        missing="never",
        sentence=(
            "Cost B of the energy alone, which local trade lowers; where no price suits buyer and "
            "seller there is no trade."
        ),
        compute=level_cost_eur,
        better="lower",
    ),
    Kpi(
        name="market_revenue_eur",
        unit="EUR",
        label="Gain from local trade",
        group="money",
        formula="sum over homes of (bill - payment) + service - shortfall - paid by the DSO",
        sign="positive: homes gain",
        boundary="community",
        missing=NO_TRADE,
        sentence=(
            "What members and aggregators gain from trading with each other rather than with the "
            "supplier, by the same meters; the DSO's money is apart."
        ),
        compute=_market_revenue,
        better="higher",
    ),
    Kpi(
        name="local_trade_kwh",
        unit="kWh",
        label="Traded within communities",
        group="money",
        formula="sum over communities and PTUs in which trade pays of h min(sum of n+, sum of n-)",
        sign="positive",
        boundary="community",
        missing=NO_TRADE,
        sentence="Energy that members buy from each other.",
        compute=_traded(lambda record: record.local_kwh),
    ),
    Kpi(
        name="service_eur",
        unit="EUR",
        label="Kept by the aggregators",
        group="money",
        formula="sum over communities of the aggregator's share of the gain",
        sign="positive: members pay",
        boundary="community",
        missing=NO_TRADE,
        sentence=(
            "What aggregators keep of the gain, and what bilateral contracts bring them beyond the "
            "members' loss."
        ),
        compute=_traded(lambda record: record.service_eur),
    ),
    Kpi(
        name="shortfall_eur",
        unit="EUR",
        label="Added by the aggregators",
        group="money",
        formula="sum over communities of max(0, cost of the day - what members would pay alone)",
        sign="positive: aggregators pay",
        boundary="community",
        missing=NO_TRADE,
        sentence="What aggregators add so that no member pays more than alone; 0 as a rule.",
        compute=_traded(lambda record: record.shortfall_eur),
        better="lower",
    ),
    Kpi(
        name="dso_payment_eur",
        unit="EUR",
        label="Paid by the DSO",
        group="money",
        formula=(
            "sum over communities and other participants of the increase of their cost against "
            "the plan before the request, of what contracts bring beyond it, and of compensation "
            "for curtailment"
        ),
        sign="positive: the DSO pays",
        boundary="substation",
        missing="below uc3: no DSO buys; without a plan; when the settlement was not recorded",
        sentence=(
            "What the DSO pays for flexibility, and for connections that it had to limit; at "
            "central what the same rule asks for the benchmark's plans."
        ),
        compute=_dso_payment,
        better="lower",
    ),
    *compared(
        "bill_saving",
        "eur",
        label="Saving per home",
        group="money",
        formula="sum over homes of (bill_ref - payment) / number of homes",
        sign="positive: homes save",
        boundary="home",
        sentence="Mean saving of a home on this day.",
        compare=_saving_eur,
        better="higher",
    ),
    *compared(
        "bill_saving",
        "percent",
        label="Saving of all homes",
        group="money",
        formula="sum of (bill_ref - payment) / sum of (bill_ref - standing charge)",
        sign="positive: homes save",
        boundary="home",
        sentence="Saving of all homes as a share of their bills without the standing charge.",
        compare=_saving_percent,
        better="higher",
        missing="when the bills it refers to are zero",
    ),
)
"""KPIs of money."""
