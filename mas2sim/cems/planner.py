"""The plan of one home: least cost, and among equals the one that the tie rule prefers."""

from __future__ import annotations

from time import perf_counter
from types import MappingProxyType

import numpy as np

from mas2sim.cems.milp import MilpSolution, Outcome, ProgramSolver
from mas2sim.cems.program import home_program, unplanned_kw
from mas2sim.cems.ties import preference, with_peak
from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.device import Appliance, ElectricVehicle, FlexibleDevice
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff

EQUAL_COST_EUR = 1e-7
"""Plans whose costs differ by less are equal: the gap to which the least cost is proven."""
ROUNDING_EUR = 1e-8
"""What sums of 96 products and the solver's row tolerance may add to a cost that is not higher."""


def plan_home(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    horizon: Horizon,
    *,
    ties: TieRule = TieRule.RANDOM,
    rng: np.random.Generator,
) -> HomePlan:
    """Plan the day of one home at the least bill (level `uc1`).

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
        Never raises for a wish that cannot be met: the status says so, and the home keeps to its
        reference.
    """
    began = perf_counter()
    reference_eur = float(tariff.energy_cost_eur(reference.net_kw, horizon))
    if not home.offered_devices:
        return HomePlan(
            net_kw=reference.net_kw,
            cost_eur=reference_eur,
            bound_eur=reference_eur,
            status=PlanStatus.OPTIMAL,
            way="nothing to plan",
            solve_s=perf_counter() - began,
        )
    program = home_program(home, reference, tariff, horizon)
    if ties is TieRule.FLATTEST:
        program = with_peak(program)
    solver = ProgramSolver(program)
    cheapest = solver.least_cost()
    bound_eur = min(cheapest.bound, reference_eur)
    if cheapest.outcome in (Outcome.OPTIMAL, Outcome.BOUNDED):
        # Among equals, but never above what doing nothing costs.
        most_eur = min(cheapest.objective + EQUAL_COST_EUR, reference_eur)
        preferred = solver.best_of_equals(
            preference(program, ties, rng), max(cheapest.objective, most_eur)
        )
        for solution, way in ((preferred, "milp"), (cheapest, "milp, tie not resolved")):
            plan = _plan(home, reference, tariff, horizon, program, solution)
            if plan is not None and plan[2] <= reference_eur + ROUNDING_EUR:
                setpoints, net_kw, cost_eur = plan
                status, reason = _status(cheapest.outcome)
                return HomePlan(
                    net_kw,
                    MappingProxyType(setpoints),
                    cost_eur,
                    min(bound_eur, cost_eur),
                    status,
                    way,
                    reason,
                    perf_counter() - began,
                )
    status, reason = _status(cheapest.outcome)
    return HomePlan(
        net_kw=reference.net_kw,
        setpoints=MappingProxyType(_reference_setpoints(home, reference, horizon)),
        cost_eur=reference_eur,
        bound_eur=bound_eur,
        status=status,
        way="reference",
        reason=reason,
        solve_s=perf_counter() - began,
    )


def _status(outcome: Outcome) -> tuple[PlanStatus, str]:
    if outcome is Outcome.OPTIMAL:
        return PlanStatus.OPTIMAL, ""
    if outcome is Outcome.INFEASIBLE:
        return PlanStatus.INFEASIBLE, "the wishes for the devices cannot all be met"
    return PlanStatus.BOUNDED, outcome.value


def _plan(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    horizon: Horizon,
    program: HomeProgram,
    solution: MilpSolution,
) -> tuple[dict[str, FloatArray], FloatArray, float] | None:
    """Setpoints, net power and cost of a solution; None without one."""
    if not len(solution.columns):
        return None
    net_kw = unplanned_kw(home, reference)
    setpoints: dict[str, FloatArray] = {}
    for device in home.offered_devices:
        columns = solution.columns[program.devices[device.name]]
        setpoint, power_kw = _device_setpoints(device, columns, horizon)
        setpoints[device.name] = frozen(setpoint)
        net_kw += power_kw
    return setpoints, net_kw, float(tariff.energy_cost_eur(net_kw, horizon))


def _device_setpoints(
    device: FlexibleDevice, columns: FloatArray, horizon: Horizon
) -> tuple[FloatArray, FloatArray]:
    """Setpoints and power of one device from its columns, each of shape (ptu)."""
    if isinstance(device, Appliance):
        start = int(device.starts(horizon)[np.argmax(columns)])
        return _begin_at(start, horizon), device.profile_kw(start, horizon)
    if isinstance(device, ElectricVehicle):
        power_kw = np.zeros(horizon.ptus)
        stay = horizon.window(device.arrival, device.departure)
        power_kw[stay] = np.clip(columns, 0.0, device.charger_kw)
        return power_kw, power_kw
    charge_kw, discharge_kw = columns[: horizon.ptus], columns[horizon.ptus :]
    power_kw = np.clip(charge_kw - discharge_kw, -device.power_kw, device.power_kw)
    return power_kw, power_kw


def _reference_setpoints(
    home: Home, reference: ReferenceDay, horizon: Horizon
) -> dict[str, FloatArray]:
    """Setpoints that make the offered devices do what they do unmanaged."""
    return {
        device.name: _begin_at(device.asked_start, horizon)
        if isinstance(device, Appliance)
        else reference.device_kw[device.name]
        for device in home.offered_devices
    }


def _begin_at(start: int, horizon: Horizon) -> FloatArray:
    """1 in the PTU in which a cycle begins, 0 elsewhere."""
    setpoint = np.zeros(horizon.ptus)
    setpoint[start] = 1.0
    return setpoint
