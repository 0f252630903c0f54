"""KPIs of the market and of the run itself: regimes, purchase, messages, and what failed."""

from __future__ import annotations

from collections.abc import Callable

from mas2sim.domain.limits import Regime
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.typical_day import Level
from mas2sim.market import CongestionOutcome
from mas2sim.results.flexibility_bought import moved_kwh
from mas2sim.results.kpi_definition import NAN, CaseLevel, Kpi, Measure
from mas2sim.results.limits_kept import over_limit_kw
from mas2sim.results.record import MarketRecord

NEGOTIATED = (Level.UC2, Level.UC3)
"""Levels at which agents negotiate."""

NO_MARKET = "but at uc2 and uc3: no market; when the market was not recorded"
NO_DSO_MARKET = "but at uc3: no DSO buys; when the market was not recorded"


def _regime_worst(case: CaseLevel) -> str | None:
    regimes = case.record.regimes
    if not regimes or not regimes[case.index]:
        return None
    order = list(Regime)
    return max(regimes[case.index], key=order.index).value


def _ptus_in(regime: Regime) -> Measure:
    def compute(case: CaseLevel) -> float:
        regimes = case.record.regimes
        if not regimes or not regimes[case.index]:
            return NAN
        return float(sum(each is regime for each in regimes[case.index]))

    return compute


def _of_market(value: Callable[[MarketRecord], float], levels: tuple[Level, ...]) -> Measure:
    def compute(case: CaseLevel) -> float:
        market = case.record.markets.get(case.level)
        return NAN if market is None or case.level not in levels else float(value(market))

    return compute


def _of_purchase(value: Callable[[CaseLevel, CongestionOutcome], float]) -> Measure:
    """A figure of what the DSO bought; 0 where it held its market and wanted nothing."""

    def compute(case: CaseLevel) -> float:
        record = case.record
        if case.level is not Level.UC3 or Level.UC3 not in record.markets:
            return NAN
        return 0.0 if record.congestion is None else float(value(case, record.congestion))

    return compute


def _congested_before(case: CaseLevel, outcome: CongestionOutcome) -> float:
    return float((over_limit_kw(outcome.before_kw[0], case.record.limits) > 0.0).sum())


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
    *(
        _market(
            f"{regime.value}_ptus",
            "count",
            f"PTUs in the {regime.value} regime",
            f"number of PTUs in the {regime.value} regime",
            "substation",
            "when no regimes were recorded",
            sentence,
            _ptus_in(regime),
            "lower",
        )
        for regime, sentence in (
            (Regime.YELLOW, "PTUs for which the DSO wants flexibility, and finds it at uc3."),
            (Regime.ORANGE, "PTUs without enough flexibility: the DSO limits connections."),
            (Regime.RED, "PTUs from which on a protection has tripped."),
        )
    ),
    _market(
        "congested_before_ptus",
        "count",
        "Congested PTUs before the DSO bought",
        "number of PTUs whose prognosis before the market is beyond the limit by over 1 W",
        "substation",
        NO_DSO_MARKET,
        "PTUs whose limit on the sum of the connections the plans of uc2 would not have kept; "
        "congested_ptus is what is left.",
        _of_purchase(_congested_before),
    ),
    _market(
        "moved_kwh",
        "kWh",
        "Flexibility bought by the DSO",
        "sum over the offers taken of 1/2 sum over PTUs of h |change at the transformer|",
        "community",
        NO_DSO_MARKET,
        "Energy that the offers taken move from one time to another, rebound included.",
        _of_purchase(lambda case, outcome: moved_kwh(outcome, case.hours)),
    ),
    _market(
        "saved_loss_eur",
        "EUR",
        "Worth of the losses saved by the purchase",
        "slope and curvature of the losses by the change of the power at the transformer",
        "substation",
        NO_DSO_MARKET,
        "What the losses saved are worth to the DSO, by its own reckoning; 0 where it does not "
        "buy for losses.",
        _of_purchase(lambda _, outcome: outcome.saved_loss_eur),
        "higher",
    ),
    _market(
        "insufficient_kwh",
        "kWh",
        "Energy proven to be beyond the limits",
        "bound on the energy beyond the limits, from the members' best days at the limits' prices",
        "substation",
        NO_DSO_MARKET,
        "Energy beyond the limits that no plan of the members could have avoided.",
        _of_market(lambda market: market.insufficient_kwh, (Level.UC3,)),
        "lower",
    ),
    _market(
        "rounds",
        "count",
        "Rounds of negotiation",
        "rounds until the market stopped: of the community that needed most, at uc3 of the DSO",
        "community at uc2, substation at uc3",
        NO_MARKET,
        "Rounds of requests and answers until the market stopped.",
        _of_market(lambda market: market.rounds, NEGOTIATED),
    ),
    _market(
        "messages",
        "count",
        "Market messages",
        "number of messages that aggregators sent and received",
        "case",
        NO_MARKET,
        "Messages of the negotiations that the level rests on: those of uc2 are among those of "
        "uc3, which begins with its plans.",
        _of_market(lambda market: market.messages, NEGOTIATED),
    ),
    _market(
        "answers_refused_count",
        "count",
        "Answers that could not be used",
        "number of answers that were late, not complete or not possible",
        "case",
        NO_MARKET,
        "Answers to requests that aggregators could not use; the member kept its last valid plan.",
        _of_market(lambda market: len(market.events), NEGOTIATED),
        "lower",
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
