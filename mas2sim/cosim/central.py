"""Plans of the level `central`: one optimisation that knows every home of the substation.

Here because it needs both rooms below: homes state their programs, the market stacks and solves
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mas2sim.cems import carried_out, forgone_eur, home_program, nearest_feasible
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import Community
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.tariff import Tariff
from mas2sim.market import MarketTerms
from mas2sim.market.central import (
    CentralProblem,
    CentralSolution,
    CongestionPoint,
    Outcome,
    least_shortfall,
    solve_central,
)


@dataclass(frozen=True, slots=True, eq=False)
class CentralPlan:
    """The benchmark's plans and how good they are proven to be.

    Parameters
    ----------
    plans : tuple of HomePlan, in the order of homes
    cost_eur, bound_eur : float
        Sum of the communities' bills and what homes pay besides, and what none can be below. [EUR]
    outcome : str
        How the search ended.
    shortfall_kw : array, shape (ptu)
        By how much the import limit had to be widened (negative: the export limit), since no plan
        keeps it.
    """

    plans: tuple[HomePlan, ...]
    cost_eur: float
    bound_eur: float
    outcome: str
    shortfall_kw: FloatArray


def central_plan(
    homes: Sequence[Home],
    references: Sequence[ReferenceDay],
    communities: Sequence[Community],
    tariff: Tariff,
    horizon: Horizon,
    limits: GridLimits,
    terms: MarketTerms,
    import_payments_eur: float,
    own_tariffs: Mapping[int, Tariff] = MappingProxyType({}),
) -> CentralPlan:
    """Solve the whole substation within the transformer's limits.

    Limits that no plan keeps are widened by as little energy as they must.

    Parameters
    ----------
    own_tariffs : mapping of int to Tariff
        Of homes with another tariff than the communities'; they are in none and settle alone.
    """
    tariffs = [own_tariffs.get(place, tariff) for place in range(len(homes))]
    wished = [
        nearest_feasible(home, reference, horizon)
        for home, reference in zip(homes, references, strict=True)
    ]
    programs = tuple(
        home_program(each.home, reference, own, horizon)
        for each, reference, own in zip(wished, references, tariffs, strict=True)
    )

    def problem(shortfall_kw: FloatArray) -> CentralProblem:
        everywhere = np.ones(horizon.ptus)
        point = CongestionPoint(
            "transformer",
            tuple(range(len(homes))),
            np.zeros(horizon.ptus),
            -limits.transformer_export_kw * everywhere + np.minimum(shortfall_kw, 0.0),
            limits.transformer_import_kw * everywhere + np.maximum(shortfall_kw, 0.0),
        )
        return CentralProblem(
            programs=programs,
            communities=tuple(community.members for community in communities),
            tariffs=(tariff,) * len(communities),
            horizon=horizon,
            fee_eur_per_kwh=terms.local.fee_eur_per_kwh,
            points=(point,),
            trade_at_a_loss=False,
            exchange=terms.exchange,
        )

    nothing = np.zeros(horizon.ptus)
    shortfall_kw = nothing

    def solve(shortfall_kw: FloatArray) -> CentralSolution:
        return solve_central(
            problem(shortfall_kw),
            relative_gap=terms.central_gap_percent / 100.0,
            import_payments_eur=import_payments_eur,
            time_limit_s=terms.central_limit_s,
        )

    found = solve(nothing)
    if found.outcome is Outcome.INFEASIBLE:
        short = least_shortfall(problem(nothing))
        shortfall_kw = (short.above_kw - short.below_kw)[0]
        shortfall_kw = shortfall_kw + np.sign(shortfall_kw) * ROUNDING_KW
        found = solve(shortfall_kw)
    if not found.columns:
        unmanaged = tuple(
            HomePlan(reference.net_kw, status=PlanStatus.BOUNDED, reason=found.outcome.value)
            for reference in references
        )
        return CentralPlan(
            unmanaged, float("nan"), found.bound_eur, found.outcome.value, shortfall_kw
        )
    plans = []
    for each, reference, own, program, columns in zip(
        wished, references, tariffs, programs, found.columns, strict=True
    ):
        setpoints, net_kw = carried_out(each.home, reference, program, columns, horizon)
        plans.append(
            HomePlan(
                net_kw=net_kw,
                setpoints=MappingProxyType(setpoints),
                cost_eur=float(own.cost_eur(net_kw, horizon)),
                discomfort_eur=forgone_eur(each.home, setpoints, horizon),
                status=PlanStatus.INFEASIBLE if each.reasons else PlanStatus.AGREED,
                way="central",
                reason="; ".join(each.reasons),
            )
        )
    return CentralPlan(
        tuple(plans), found.cost_eur, found.bound_eur, found.outcome.value, shortfall_kw
    )


ROUNDING_KW = 1e-3
"""Added to a limit that is widened, so that whole cycles and the solver's rounding fit."""
