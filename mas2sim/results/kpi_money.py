"""KPIs of money: what homes pay, what they save, and how much of the possible gain is reached."""

from __future__ import annotations

import numpy as np

from mas2sim.domain.typical_day import Level
from mas2sim.results.balance import community_groups
from mas2sim.results.kpi_definition import NAN, CaseLevel, Kpi, compared, ratio
from mas2sim.results.services import discomfort_eur

UNMANAGED_OR_ALONE = (Level.BASELINE, Level.UC1)
"""Levels without a local market."""


def community_cost_eur(case: CaseLevel, *, netted: bool) -> float:
    """Energy cost of all homes without standing charges. [EUR]

    Parameters
    ----------
    netted : bool
        Whether energy is netted within each community in each PTU (the community's bill B), or each
        home pays by its own meter. No network fee on local trades is included.
    """
    record = case.record
    net = case.net_kw
    if netted:
        groups = community_groups(case)
        net = np.array([net[list(members)].sum(axis=0) for members in groups])
    return float(record.tariff.energy_cost_eur(net, record.horizon).sum())


def level_cost_eur(case: CaseLevel) -> float:
    """Energy cost as the level settles it: by own meter up to uc1, netted from uc2 on. [EUR]"""
    return community_cost_eur(case, netted=case.level not in UNMANAGED_OR_ALONE)


def full_cost_eur(case: CaseLevel) -> float:
    """All that plans weigh: energy as settled, the price of each home's peak, discomfort. [EUR]

    Gains and gaps are measured in it, since a plan may pay for a lower peak with dearer energy, and
    what is saved by cutting a load is no gain as far as the household minds.
    """
    tariff, horizon, net = case.record.tariff, case.record.horizon, case.net_kw
    peaks = tariff.cost_eur(net, horizon) - tariff.energy_cost_eur(net, horizon)
    return level_cost_eur(case) + float(peaks.sum()) + discomfort_eur(case)


def _market_revenue(case: CaseLevel) -> float:
    if case.level in UNMANAGED_OR_ALONE:
        return NAN
    return float((case.bill_eur - case.payment_eur).sum())


def _saving_eur(reference: CaseLevel, case: CaseLevel) -> float:
    saved = float((reference.bill_eur - case.payment_eur).sum())
    return ratio(saved, float(len(case.homes)))


def _saving_percent(reference: CaseLevel, case: CaseLevel) -> float:
    standing = case.record.tariff.standing_eur_per_day * len(case.homes)
    saved = float((reference.bill_eur - case.payment_eur).sum())
    return 100.0 * ratio(saved, float(reference.bill_eur.sum()) - standing)


def _gain_percent(case: CaseLevel, part: str) -> float:
    alone, best = case.against(Level.UC1), Level.CENTRAL
    if alone is None or best not in case.record.levels:
        return NAN
    central = CaseLevel(case.record, case.record.levels.index(best))
    before = full_cost_eur(alone)
    netting = community_cost_eur(alone, netted=False) - community_cost_eur(alone, netted=True)
    possible = before - full_cost_eur(central)
    gain = before - full_cost_eur(case)
    gains = {"all": gain, "netting": netting, "coordination": gain - netting}
    return 100.0 * ratio(gains[part], possible)


def _gap_percent(case: CaseLevel) -> float:
    record = case.record
    if Level.UC1 not in record.levels or case.level is Level.BASELINE:
        return NAN
    alone = CaseLevel(record, record.levels.index(Level.UC1))
    paid = np.maximum(alone.net_kw, 0.0) * record.tariff.import_eur_per_kwh
    source = Level.UC1 if case.level is Level.UC1 else Level.CENTRAL
    bounds = [plan.bound_eur for plan in record.plans.get(source, ())]
    if not bounds:
        return NAN
    excess = full_cost_eur(case) - float(np.sum(bounds))
    return 100.0 * ratio(excess, float(paid.sum() * case.hours))


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
        missing="unless uc1 and central were both run; at baseline and uc1",
        sentence=sentence,
        compute=compute,
        better="higher" if part == "all" else "",
    )


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
            "sum of h (c_imp N+ - c_exp N-); N is each home's net up to uc1, "
            "each community's from uc2 on; no standing charge, no price of the peak, no network fee"
        ),
        sign="positive: homes pay",
        boundary="home up to uc1, community from uc2 on",
        missing="never",
        sentence="Cost B of the energy alone, which local trade lowers.",
        compute=level_cost_eur,
        better="lower",
    ),
    Kpi(
        name="market_revenue_eur",
        unit="EUR",
        label="Gain from local trade",
        group="money",
        formula="sum over homes of (bill - payment)",
        sign="positive: homes gain",
        boundary="community",
        missing="at baseline and uc1: no local market",
        sentence="What members gain from trading with each other rather than with the supplier.",
        compute=_market_revenue,
        better="higher",
    ),
    Kpi(
        name="dso_payment_eur",
        unit="EUR",
        label="Paid by the DSO",
        group="money",
        formula="increase of members' payments against their plan before the request",
        sign="positive: the DSO pays",
        boundary="substation",
        missing="the record of a case holds no DSO settlement",
        sentence="What the DSO pays for flexibility.",
        compute=lambda _: NAN,
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
    _gain(
        "all",
        "Gain captured",
        "(C_uc1 - C) / (C_uc1 - C_central); C = B + price of homes' peaks + worth of energy cut",
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
        missing="at baseline; without uc1; from uc2 on without a bound from central",
        sentence=(
            "How far the metered cost, discomfort included, may lie above the least: at uc1 by the "
            "bounds of the homes' own plans, from uc2 on by the bound of central."
        ),
        compute=_gap_percent,
        better="lower",
    ),
)
"""KPIs of money."""
