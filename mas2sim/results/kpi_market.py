"""KPIs of the market and of the run itself: regimes, messages, effort and what failed."""

from __future__ import annotations

from mas2sim.domain.limits import Regime
from mas2sim.domain.plan import PlanStatus
from mas2sim.results.kpi_definition import NAN, CaseLevel, Kpi, Measure


def _regime_worst(case: CaseLevel) -> str | None:
    regimes = case.record.regimes
    if not regimes or not regimes[case.index]:
        return None
    order = list(Regime)
    return max(regimes[case.index], key=order.index).value


def _not_converged(case: CaseLevel) -> float:
    return NAN if case.flow is None else float((~case.flow.converged).sum())


def _plans_with(*statuses: PlanStatus) -> Measure:
    def compute(case: CaseLevel) -> float:
        if not case.plans:
            return NAN
        return float(sum(plan.status in statuses for plan in case.plans))

    return compute


def _market(
    name: str,
    unit: str,
    label: str,
    formula: str,
    boundary: str,
    missing: str,
    sentence: str,
    compute: Measure,
    better: str = "",
) -> Kpi:
    return Kpi(
        name=name,
        unit=unit,
        label=label,
        group="market",
        formula=formula,
        sign="none" if unit == "-" else "positive",
        boundary=boundary,
        missing=missing,
        sentence=sentence,
        compute=compute,
        better=better,
    )


MARKET = (
    _market(
        "regime_worst",
        "-",
        "Worst regime",
        "worst of green, yellow, orange, red over the PTUs",
        "substation",
        "when no regimes were recorded",
        "Worst operating regime that the DSO declared.",
        _regime_worst,
    ),
    _market(
        "rounds",
        "count",
        "Rounds of negotiation",
        "rounds until the market stopped",
        "community",
        "the record of a case holds no rounds",
        "Rounds of requests and answers between aggregator and members.",
        lambda _: NAN,
    ),
    _market(
        "messages",
        "count",
        "Market messages",
        "number of messages sent in the case",
        "case",
        "never",
        "Market messages of the whole case; a message carries all levels at once.",
        lambda case: float(case.record.messages),
    ),
    _market(
        "homes_infeasible_count",
        "count",
        "Homes with a wish not met",
        "number of homes whose plan is infeasible",
        "home",
        "when no plans were recorded",
        "Homes whose wishes could not all be met in one plan.",
        _plans_with(PlanStatus.INFEASIBLE),
        "lower",
    ),
    _market(
        "homes_bounded_count",
        "count",
        "Homes with an unproven plan",
        "number of homes whose plan is feasible with a stated gap",
        "home",
        "when no plans were recorded",
        "Homes whose plan is feasible but not proven to be the cheapest.",
        _plans_with(PlanStatus.BOUNDED),
        "lower",
    ),
    _market(
        "not_converged_ptus",
        "count",
        "PTUs without a power flow",
        "number of PTUs whose power flow did not converge",
        "substation",
        "when the power flow was not run",
        "PTUs for which the grid's state is unknown.",
        _not_converged,
        "lower",
    ),
    _market(
        "solve_s",
        "s",
        "Planning time",
        "sum over homes of the time spent on their plans",
        "home",
        "when no plans were recorded",
        "Time spent on plans, added up over homes; varies from run to run.",
        lambda case: sum(plan.solve_s for plan in case.plans) if case.plans else NAN,
    ),
)
"""KPIs of the market and the run."""
