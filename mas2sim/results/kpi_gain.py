"""KPIs of how good a market is: the share of the possible gain, gaps to what is proven, and losers.

A room beside `kpi_money`: there money is counted, here it is compared with what could have been.
A day beyond the limits is not compared with one within them, as it is cheaper for a bad reason.
"""

from __future__ import annotations

import numpy as np

from mas2sim.domain.typical_day import Level
from mas2sim.results.kpi_definition import NAN, CaseLevel, Kpi, once_a_level, ratio
from mas2sim.results.kpi_money import (
    UNMANAGED_OR_ALONE,
    community_cost_eur,
    full_cost_eur,
    whole_cost_eur,
)
from mas2sim.results.limits_kept import drawn_beyond_kwh
from mas2sim.results.services import discomfort_eur

WORSE_OFF_EUR = 1e-9
"""More than this is no rounding of sums of 96 products."""

SAME_KWH = 1e-3
"""Energy beyond the limits that differs by less is the same: a watt for an hour, as a watt counts
as keeping a limit."""

MARKETS = (Level.UC2, Level.UC3)
"""Levels at which members decide whether to take part."""


@once_a_level
def import_payments_eur(case: CaseLevel) -> float:
    """What the homes' imports cost under uc1: what gaps are shares of. [EUR]

    NaN when uc1 was not run.
    """
    alone = case.at(Level.UC1)
    if alone is None:
        return NAN
    paid = np.maximum(alone.drawn_kw, 0.0) * case.record.tariff.import_eur_per_kwh
    return float(paid.sum() * case.hours)


def _comparable_central(case: CaseLevel) -> CaseLevel | None:
    """Level central, where this level's day is no further beyond the limits."""
    central = case.at(Level.CENTRAL)
    if central is None or not central.has_plan or case.curtailed_kw.any():
        # A day that was kept within the limits by force is no plan's merit, and a benchmark
        # without a plan is none.
        return None
    further_kwh = drawn_beyond_kwh(case) - drawn_beyond_kwh(central)
    return central if further_kwh <= SAME_KWH else None


def _gain_percent(case: CaseLevel, part: str) -> float:
    alone, central = case.against(Level.UC1), _comparable_central(case)
    if alone is None or central is None:
        return NAN
    before = whole_cost_eur(alone)
    possible = before - whole_cost_eur(central)
    if possible <= 0.0:
        return NAN
    netting = community_cost_eur(alone, netted=False) - community_cost_eur(alone, netted=True)
    gain = before - whole_cost_eur(case)
    gains = {"all": gain, "netting": netting, "coordination": gain - netting}
    return 100.0 * ratio(gains[part], possible)


def _gap_percent(case: CaseLevel) -> float:
    if case.level is Level.BASELINE:
        return NAN
    if case.level is Level.UC1:
        bounds = [plan.bound_eur for plan in case.plans]
        excess = full_cost_eur(case) - (float(np.sum(bounds)) if bounds else NAN)
    else:
        bound = NAN if _comparable_central(case) is None else _bound_eur(case, Level.CENTRAL)
        excess = whole_cost_eur(case) - bound
    return 100.0 * ratio(excess, import_payments_eur(case))


def _certified_gap_percent(case: CaseLevel) -> float:
    if case.level in UNMANAGED_OR_ALONE or (case.level is Level.UC3 and _short(case)):
        return NAN
    excess = whole_cost_eur(case) - _bound_eur(case, case.level)
    return 100.0 * ratio(excess, import_payments_eur(case))


def _bound_eur(case: CaseLevel, level: Level) -> float:
    """What the market or benchmark of a level has proven that no day costs less than. [EUR]"""
    market = case.record.markets.get(level)
    # A search that found nothing has proven nothing, however it says so.
    return market.bound_eur if market is not None and np.isfinite(market.bound_eur) else NAN


def _short(case: CaseLevel) -> bool:
    """Whether the DSO could not buy all it needed: its bound holds for days within the limits."""
    bought = case.record.congestion
    left = bought is not None and bool(bought.beyond_kw.any())
    return left or drawn_beyond_kwh(case) > 0.0


def _worse_off(case: CaseLevel) -> float:
    alone = case.against(Level.UC1)
    if alone is None or case.level not in MARKETS:
        return NAN
    members = [index for community in case.record.communities for index in community.members]
    now = case.payment_eur + discomfort_eur(case)
    guaranteed = alone.bill_eur + discomfort_eur(alone)
    return float((now > guaranteed + WORSE_OFF_EUR)[members].sum())


def _gain(part: str, label: str, formula: str, sentence: str) -> Kpi:
    def compute(case: CaseLevel) -> float:
        return _gain_percent(case, part)

    return Kpi(
        name={"all": "gain_captured_percent"}.get(part, f"gain_{part}_percent"),
        unit="percent",
        label=label,
        group="money",
        formula=formula,
        sign="positive: cost goes down",
        boundary="community",
        missing=(
            "unless uc1 and central were both run; at baseline and uc1; where central gains "
            f"nothing; {BEYOND_CENTRAL}"
        ),
        sentence=sentence,
        compute=compute,
        better="higher" if part == "all" else "",
    )


BEYOND_CENTRAL = "where more energy would be beyond the limits than at central"

GAINS = (
    _gain(
        "all",
        "Gain captured",
        "(C_uc1 - C) / (C_uc1 - C_central); C = B + price of homes' peaks + worth of energy cut + "
        "bills of other participants",
        "Share of the gain that an all-knowing optimisation finds which this level reaches.",
    ),
    _gain(
        "netting",
        "Gain captured by netting alone",
        "(B_uc1 - B_uc1 netted) / (C_uc1 - C_central)",
        "The part that comes from trading unchanged uc1 plans.",
    ),
    _gain(
        "coordination",
        "Gain captured by changing plans",
        "(C_uc1 - C - (B_uc1 - B_uc1 netted)) / (C_uc1 - C_central)",
        "The part that comes from plans that answer each other.",
    ),
    Kpi(
        name="gap_percent",
        unit="percent",
        label="Gap to the proven bound",
        group="money",
        formula="(C - lower bound) / import payments under uc1",
        sign="positive: dearer than the bound",
        boundary="home at uc1, community from uc2 on",
        missing=(
            "at baseline; without uc1; from uc2 on without a bound from central, and "
            f"{BEYOND_CENTRAL}"
        ),
        sentence=(
            "How far the metered cost, discomfort included, may lie above the least: at uc1 by the "
            "bounds of the homes' own plans, from uc2 on by the bound of central."
        ),
        compute=_gap_percent,
        better="lower",
    ),
    Kpi(
        name="certified_gap_percent",
        unit="percent",
        label="Gap that the market itself proves",
        group="money",
        formula="(C - bound of the level's own market) / import payments under uc1",
        sign="positive: dearer than the bound",
        boundary="community",
        missing=(
            "at baseline and uc1; without uc1; without a proof; at uc3 where the limits are not "
            "kept by plan, as the bound holds for days that keep them"
        ),
        sentence=(
            "The same by the bound that the level has found by itself: uc2 and uc3 from the "
            "members' answers to prices, central from its own search."
        ),
        compute=_certified_gap_percent,
        better="lower",
    ),
    Kpi(
        name="members_worse_off_count",
        unit="count",
        label="Members worse off than alone",
        group="money",
        formula="number of members with payment + worth of energy cut > those of uc1 by 1e-9 EUR",
        sign="positive",
        boundary="home",
        missing="at baseline, uc1 and central; when uc1 was not run",
        sentence="Members of communities who would have done better without the market.",
        compute=_worse_off,
        better="lower",
    ),
)
"""KPIs of how good a market is."""
