"""The plan of one home: least cost, and among equals the one that the tie rule prefers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType

import numpy as np

from mas2sim.cems.components import components
from mas2sim.cems.milp import MilpSolution, Outcome, ProgramSolver
from mas2sim.cems.program import home_program
from mas2sim.cems.setpoints import (
    as_unmanaged,
    carried_out,
    forgone_eur,
    reference_setpoints,
)
from mas2sim.cems.structured import solve_structured
from mas2sim.cems.ties import preference, with_peak
from mas2sim.cems.wishes import nearest_feasible
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff

EQUAL_COST_EUR = 1e-7
"""Plans whose costs differ by less are equal: the gap to which the least cost is proven."""
ROUNDING_EUR = 1e-8
"""What sums of 96 products and the solver's row tolerance may add to a cost that is not higher."""
ROUNDING_KW = 1e-6
"""What the solver's tolerances may add to a power that keeps its cap."""

Setpoints = Mapping[str, FloatArray]


def plan_home(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    horizon: Horizon,
    *,
    ties: TieRule = TieRule.RANDOM,
    rng: np.random.Generator,
) -> HomePlan:
    """Plan the day of one home at the least bill and discomfort (level `uc1`).

    Parameters
    ----------
    reference : ReferenceDay
        What the home does unmanaged: devices that are not offered keep to it, storages begin and
        end with its energy, and the plan never costs more.
    ties : TieRule
        Which of the plans of equal cost is taken.
    rng : Generator
        Stream of this home, for the rules that draw.

    Returns
    -------
    HomePlan
        Never raises for a wish that cannot be met: the home gets the best plan that breaks least,
        with the status `infeasible` and the reason.
    """
    began = perf_counter()
    wishes = nearest_feasible(home, reference, horizon)
    problem = _Problem(wishes.home, reference, tariff, horizon)
    found = _plan(problem, ties, rng)
    reasons = (*wishes.reasons, *found.reasons)
    cost_eur = float(tariff.cost_eur(found.net_kw, horizon))
    discomfort_eur = problem.discomfort_eur(found.setpoints)
    return HomePlan(
        net_kw=found.net_kw,
        setpoints=MappingProxyType(dict(found.setpoints)),
        cost_eur=cost_eur,
        discomfort_eur=discomfort_eur,
        bound_eur=min(found.bound_eur, cost_eur + discomfort_eur),
        status=PlanStatus.INFEASIBLE if reasons else found.status,
        way=found.way,
        reason="; ".join(reasons) or found.why_not_optimal,
        solve_s=perf_counter() - began,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A plan as it was found."""

    net_kw: FloatArray
    setpoints: Setpoints
    bound_eur: float
    status: PlanStatus
    way: str
    reasons: tuple[str, ...] = ()
    why_not_optimal: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """One home's day and what it costs to live it."""

    home: Home
    reference: ReferenceDay
    tariff: Tariff
    horizon: Horizon

    @property
    def reference_eur(self) -> float:
        """Cost of doing nothing; infinite where that breaks the home's caps."""
        if _excess_kw(self.home, self.reference.net_kw).max() > ROUNDING_KW:
            return float("inf")
        return float(self.tariff.cost_eur(self.reference.net_kw, self.horizon))

    def discomfort_eur(self, setpoints: Setpoints) -> float:
        """What the household forgoes, at the worth it has put on it."""
        return forgone_eur(self.home, setpoints, self.horizon)


def _plan(problem: _Problem, ties: TieRule, rng: np.random.Generator) -> _Found:
    home, reference = problem.home, problem.reference
    if not home.offered_devices:
        return _Found(
            reference.net_kw,
            {},
            float(problem.tariff.cost_eur(reference.net_kw, problem.horizon)),
            PlanStatus.OPTIMAL,
            "nothing to plan",
            _cap_reasons(home, reference.net_kw, problem.horizon),
        )
    found = _plan_by_structure(problem, ties, rng)
    return _plan_by_milp(problem, ties, rng) if found is None else found


def _plan_by_structure(problem: _Problem, ties: TieRule, rng: np.random.Generator) -> _Found | None:
    """The fast exact way; None where the home does not fit it."""
    home, horizon = problem.home, problem.horizon
    parts = components(home, problem.reference, problem.tariff, horizon)
    plan = None if parts is None else solve_structured(parts, horizon, ties, rng)
    if plan is None or plan.cost_eur > problem.reference_eur + ROUNDING_EUR:
        return None
    setpoints = dict(plan.setpoints)
    for device in home.offered_devices:
        # What is not among the components was found never worth cutting.
        setpoints.setdefault(device.name, as_unmanaged(device, problem.reference, horizon))
    return _Found(plan.net_kw, setpoints, plan.bound_eur, PlanStatus.OPTIMAL, plan.way)


def _plan_by_milp(problem: _Problem, ties: TieRule, rng: np.random.Generator) -> _Found:
    """The exact program, and doing nothing where that costs no more."""
    home, reference, horizon = problem.home, problem.reference, problem.horizon
    program = home_program(home, reference, problem.tariff, horizon)
    if ties is TieRule.FLATTEST:
        program = with_peak(program)
    solver, cheapest = _least_cost(program)
    reference_eur = problem.reference_eur
    status, why = _status(cheapest.outcome)
    bound_eur = min(cheapest.bound, reference_eur)
    if cheapest.outcome in (Outcome.OPTIMAL, Outcome.BOUNDED):
        # Among equals, but never above what doing nothing costs.
        most_eur = min(cheapest.objective + EQUAL_COST_EUR, reference_eur)
        preferred = solver.best_of_equals(
            preference(program, ties, rng), max(cheapest.objective, most_eur)
        )
        for solution, way in ((preferred, "milp"), (cheapest, "milp, tie not resolved")):
            if not len(solution.columns):
                continue
            setpoints, net_kw = carried_out(home, reference, program, solution.columns, horizon)
            cost_eur = float(problem.tariff.cost_eur(net_kw, horizon))
            if cost_eur + problem.discomfort_eur(setpoints) <= reference_eur + ROUNDING_EUR:
                reasons = _cap_reasons(home, net_kw, horizon)
                return _Found(net_kw, setpoints, bound_eur, status, way, reasons, why)
    return _Found(
        reference.net_kw,
        reference_setpoints(home, reference, horizon),
        bound_eur,
        status,
        "reference",
        _cap_reasons(home, reference.net_kw, horizon),
        why,
    )


def _least_cost(program: HomeProgram) -> tuple[ProgramSolver, MilpSolution]:
    """Least cost within the caps, or beyond them by the least energy."""
    solver = ProgramSolver(program)
    cheapest = solver.least_cost()
    if cheapest.outcome is not Outcome.INFEASIBLE or program.excess.start == program.excess.stop:
        return solver, cheapest
    upper = program.upper.copy()
    upper[program.excess] = np.inf
    solver = ProgramSolver(replace(program, upper=upper))
    beyond = np.zeros(len(program.cost))
    beyond[program.excess] = 1.0
    least = solver.minimise(beyond)
    if least.outcome is not Outcome.OPTIMAL:
        return solver, least
    solver.hold(beyond, least.objective + ROUNDING_KW)
    return solver, solver.minimise(program.cost)


def _status(outcome: Outcome) -> tuple[PlanStatus, str]:
    if outcome is Outcome.OPTIMAL:
        return PlanStatus.OPTIMAL, ""
    if outcome is Outcome.INFEASIBLE:
        return PlanStatus.INFEASIBLE, "the wishes for the devices cannot all be met together"
    return PlanStatus.BOUNDED, outcome.value


def _excess_kw(home: Home, net_kw: FloatArray) -> FloatArray:
    """By how much the home's caps are exceeded, shape (ptu). [kW]"""
    beyond = np.maximum(net_kw - home.import_cap_kw, -net_kw - home.export_cap_kw)
    return np.maximum(beyond, 0.0)


def _cap_reasons(home: Home, net_kw: FloatArray, horizon: Horizon) -> tuple[str, ...]:
    excess_kw = _excess_kw(home, net_kw)
    if excess_kw.max() <= 2 * ROUNDING_KW:
        return ()
    worst = int(excess_kw.argmax())
    energy_kwh = excess_kw.sum() * horizon.ptu_hours
    reason = (
        f"the cap on the home's own power is exceeded by up to {excess_kw[worst]:.2f} kW at "
        f"{horizon.clock(worst)}, {energy_kwh:.2f} kWh in all"
    )
    return (reason,)
