"""Use case 1 in full sentences: one home plans its cyclic day for the least cost.

This is the text that says what the CEMS is asked to do: a mixed-integer linear programme in Pyomo
(Bynum et al. 2021, doi:10.1007/978-3-030-68928-5), meant to be read and to be changed. The planner
answers the same question faster in another way. The two share nothing but the values of the domain,
so that each can be held against the other.

How to change it: a device is a block that states its own constraints and offers an expression
`power_kw`; the blocks are in `statement_devices`. Here the connection point adds them up, and the
bill prices what crosses it. Nothing in one block relies on the prices or on another block.

Pyomo takes a second to import; the room's `__init__` therefore leaves this module out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers import Highs

from mas2sim.cems.statement_devices import (
    by_ptu,
    greatest_load_kw,
    greatest_source_kw,
    state_device,
)
from mas2sim.domain.arrays import FloatArray, freeze_fields, frozen
from mas2sim.domain.device import Appliance, Battery, Heater
from mas2sim.domain.errors import ConfigurationError, Fault, Mas2simError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff

HIGHS_OPTIONS: Mapping[str, float | int] = MappingProxyType(
    {
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 1e-9,
        # A binary that is off by the default 1e-6 would let in both directions at once a little,
        # which prices above others turn into money.
        "mip_feasibility_tolerance": 1e-9,
        "primal_feasibility_tolerance": 1e-9,
        "dual_feasibility_tolerance": 1e-9,
        # The scheduler of HiGHS is one per process, and one thread gives the same bytes.
        "threads": 1,
    }
)
"""Options under which the least cost is good to 1e-6 EUR."""


@dataclass(frozen=True, slots=True, eq=False)
class HomeSolution:
    """Least-cost day of one home.

    Without a feasible day the status is infeasible, numbers are NaN and mappings are empty.

    Parameters
    ----------
    status : PlanStatus
        Optimal or infeasible.
    objective_eur : float
        What was made least: cost and discomfort.
    cost_eur : float
        Cost of the energy and of the peak, without the standing charge.
    discomfort_eur : float
        What the loads that were cut would have been worth to the household.
    bound_eur : float
        Lower bound on the objective, as the solver proved it.
    net_kw : array, shape (ptu)
        Power at the connection point, positive is import.
    starts : mapping of str to int
        PTU in which each offered appliance begins its cycle.
    device_kw : mapping of str to array, shape (ptu)
        Power drawn by each offered device; negative where a battery or vehicle delivers.
    battery_kwh : array, shape (ptu)
        Energy in the battery at the start of each PTU; NaN without an offered battery.
    """

    status: PlanStatus
    objective_eur: float
    cost_eur: float
    discomfort_eur: float
    bound_eur: float
    net_kw: FloatArray
    starts: Mapping[str, int]
    device_kw: Mapping[str, FloatArray]
    battery_kwh: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "battery_kwh")


def solve_home(
    home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon
) -> HomeSolution:
    """Find the day of least cost, or find that there is none.

    Parameters
    ----------
    home, reference, tariff, horizon
        As in `home_model`.

    Raises
    ------
    ConfigurationError
        As in `home_model`.
    Mas2simError
        When the solver gives up for a reason other than infeasibility.
    """
    model = home_model(home, reference, tariff, horizon)
    solver = Highs()
    solver.highs_options = dict(HIGHS_OPTIONS)
    solver.config.load_solution = False
    results = solver.solve(model)
    ended = results.termination_condition
    # Every variable is bounded, so the model cannot be unbounded.
    if ended in {TerminationCondition.infeasible, TerminationCondition.infeasibleOrUnbounded}:
        return _no_solution(horizon)
    if ended is not TerminationCondition.optimal:
        raise Mas2simError(
            f"home {home.name}: HiGHS ended with {ended.name} instead of a proven optimum; "
            "try the model in another solver, or look at its bounds and coefficients"
        )
    results.solution_loader.load_vars()
    return _solution(model, home, float(results.best_objective_bound))


def home_model(
    home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon
) -> pyo.ConcreteModel:
    """State the least-cost day of one home.

    Parameters
    ----------
    home : Home
        Its loads, its devices, and which of them it offers.
    reference : ReferenceDay
        Schedule of the devices that are not offered, and what the storages hold at midnight.
    tariff : Tariff
        Energy prices of any sign and in any order, a peak price >= 0; the standing charge changes
        no decision.
    horizon : Horizon
        The cyclic day.

    Returns
    -------
    pyomo.environ.ConcreteModel
        With `device[name]` (a block per offered device), `fixed_kw[ptu]`, `import_kw[ptu]`,
        `export_kw[ptu]`, `importing[ptu]`, `peak_kw`, `cost_eur`, `discomfort_eur` and their sum,
        the objective `objective_eur`.

    Raises
    ------
    ConfigurationError
        When an array does not fit the horizon, two devices share a name, a cap or the peak price
        is negative, or the reference lacks what is needed of it.
    """
    _check(home, reference, tariff, horizon)
    model = pyo.ConcreteModel(name=home.name)
    model.ptu = pyo.RangeSet(0, horizon.ptus - 1)
    model.ptu_hours = pyo.Param(initialize=horizon.ptu_hours, doc="Length of a PTU [h].")
    model.fixed_kw = pyo.Param(
        model.ptu,
        initialize=by_ptu(_fixed_kw(home, reference)),
        within=pyo.Reals,
        doc="Power that no decision changes: base load, generation, devices not offered [kW].",
    )

    offered = {device.name: device for device in home.offered_devices}
    model.device = pyo.Block(list(offered), doc="Offered devices, by name.")
    for name, device in offered.items():
        state_device(model.device[name], device, reference, horizon)

    _state_connection_point(model, home)
    _state_objective(model, tariff)
    return model


def _state_connection_point(model: pyo.ConcreteModel, home: Home) -> None:
    """Net power is the sum of all loads, flows one way in a PTU, and stays within the caps."""
    load_kw = sum(greatest_load_kw(device) for device in home.offered_devices)
    source_kw = sum(greatest_source_kw(device) for device in home.offered_devices)
    # What the devices could reach together, or what the household's caps leave of it.
    most_import_kw = {
        t: min(home.import_cap_kw, max(0.0, model.fixed_kw[t] + load_kw)) for t in model.ptu
    }
    most_export_kw = {
        t: min(home.export_cap_kw, max(0.0, source_kw - model.fixed_kw[t])) for t in model.ptu
    }

    model.import_kw = pyo.Var(model.ptu, bounds=lambda _, t: (0.0, most_import_kw[t]))
    model.export_kw = pyo.Var(model.ptu, bounds=lambda _, t: (0.0, most_export_kw[t]))
    model.importing = pyo.Var(model.ptu, within=pyo.Binary, doc="1 where power may be drawn.")

    def balances(model: pyo.ConcreteModel, t: int) -> pyo.Expression:
        """What crosses the meter is what the home uses, less what it generates."""
        used_kw = model.fixed_kw[t] + pyo.quicksum(
            model.device[name].power_kw[t] for name in model.device
        )
        return model.import_kw[t] - model.export_kw[t] == used_kw

    def imports_or_not(model: pyo.ConcreteModel, t: int) -> pyo.Expression:
        """Power is imported only where the meter runs forward."""
        return model.import_kw[t] <= most_import_kw[t] * model.importing[t]

    def exports_or_not(model: pyo.ConcreteModel, t: int) -> pyo.Expression:
        """Power is exported only where it runs backward, even where a round trip would pay."""
        return model.export_kw[t] <= most_export_kw[t] * (1 - model.importing[t])

    model.balances = pyo.Constraint(model.ptu, rule=balances)
    model.imports_or_not = pyo.Constraint(model.ptu, rule=imports_or_not)
    model.exports_or_not = pyo.Constraint(model.ptu, rule=exports_or_not)


def _state_objective(model: pyo.ConcreteModel, tariff: Tariff) -> None:
    """The home pays for energy and peak, is paid for what it feeds in, and minds being cut."""
    for name, prices in (
        ("import_eur_per_kwh", tariff.import_eur_per_kwh),
        ("export_eur_per_kwh", tariff.export_eur_per_kwh),
    ):
        price = pyo.Param(model.ptu, initialize=by_ptu(prices), within=pyo.Reals)
        model.add_component(name, price)
    model.peak_eur_per_kw = pyo.Param(initialize=tariff.peak_eur_per_kw)
    most_kw = max(model.import_kw[t].ub for t in model.ptu)
    model.peak_kw = pyo.Var(bounds=(0.0, most_kw), doc="Greatest import of the day, or more [kW].")

    def peaks(model: pyo.ConcreteModel, t: int) -> pyo.Expression:
        """No PTU draws more than the peak; its price keeps it from being more than needed."""
        return model.peak_kw >= model.import_kw[t]

    def cost(model: pyo.ConcreteModel) -> pyo.Expression:
        """Energy drawn at the import price, less energy fed in at the export price, and peak."""
        energy_eur = model.ptu_hours * pyo.quicksum(
            model.import_eur_per_kwh[t] * model.import_kw[t]
            - model.export_eur_per_kwh[t] * model.export_kw[t]
            for t in model.ptu
        )
        return energy_eur + model.peak_eur_per_kw * model.peak_kw

    def discomfort(model: pyo.ConcreteModel) -> pyo.Expression:
        """What the household goes without, at its own valuation."""
        return pyo.quicksum(
            block.discomfort_eur
            for block in model.device.values()
            if block.component("discomfort_eur") is not None
        )

    model.peaks = pyo.Constraint(model.ptu, rule=peaks)
    model.cost_eur = pyo.Expression(rule=cost)
    model.discomfort_eur = pyo.Expression(rule=discomfort)
    model.objective_eur = pyo.Objective(
        expr=model.cost_eur + model.discomfort_eur, sense=pyo.minimize
    )


def _fixed_kw(home: Home, reference: ReferenceDay) -> FloatArray:
    """Power that no decision of this home changes, shape (ptu). [kW]"""
    kept = [
        reference.device_kw[device.name]
        for device in home.flexible_devices
        if device.name not in home.offered
    ]
    return np.asarray(sum(kept, start=home.fixed_kw), dtype=np.float64)


def _check(home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon) -> None:
    """Raise with every fault of the input at once."""
    where = f"home {home.name}"
    arrays = _arrays(home, tariff)
    faults = _faults_of_values(home, tariff)
    for device in home.flexible_devices:
        schedule = f"{where}, reference schedule of {device.name}"
        remedy = f"offer {device.name}, or add its schedule"
        if device.name in reference.device_kw:
            arrays[schedule] = reference.device_kw[device.name]
        elif device.name not in home.offered:
            faults.append(Fault(schedule, "none", "a power per PTU", remedy))
        elif isinstance(device, Heater) and device.name not in reference.heat_start_kwh:
            heat = f"{where}, reference heat of {device.name}"
            faults.append(Fault(heat, "none", "the heat stored at midnight, in kWh"))
    faults += [
        Fault(where, f"shape {np.shape(array)}", f"shape ({horizon.ptus},)")
        for where, array in arrays.items()
        if np.shape(array) != (horizon.ptus,)
    ]
    if faults:
        raise ConfigurationError(faults)


def _arrays(home: Home, tariff: Tariff) -> dict[str, FloatArray]:
    """Every array of home and tariff that has a value per PTU, by what it is called in a fault."""
    where = f"home {home.name}"
    arrays = {
        f"{where}, base_kw": home.base_kw,
        f"tariff {tariff.name}, import": tariff.import_eur_per_kwh,
        f"tariff {tariff.name}, export": tariff.export_eur_per_kwh,
    }
    for device in (home.pv, home.wind, home.micro_chp, home.interruptible):
        if device is not None:
            arrays[f"{where}, {device.name}"] = device.p_kw
    for heater in home.heaters:
        arrays[f"{where}, heat_per_power of {heater.name}"] = heater.heat_per_power
        for field in ("surroundings_c", "draw_kw", "lower_c", "upper_c"):
            arrays[f"{where}, {field} of {heater.name}"] = getattr(heater.store, field)
    return arrays


def _faults_of_values(home: Home, tariff: Tariff) -> list[Fault]:
    """Names that are taken twice, and limits and prices of the wrong sign."""
    where = f"home {home.name}"
    names = Counter(device.name for device in home.flexible_devices)
    faults = [
        Fault(f"{where}, name {name}", f"{count} devices", "one device of a name")
        for name, count in names.items()
        if count > 1
    ]
    signed = {
        f"{where}, import_cap_kw": home.import_cap_kw,
        f"{where}, export_cap_kw": home.export_cap_kw,
        # Below zero the peak would have to be read off the net power, not bounded from below.
        f"tariff {tariff.name}, peak_eur_per_kw": tariff.peak_eur_per_kw,
    }
    # Not value < 0: NaN is no limit either.
    faults += [Fault(at, str(value), ">= 0") for at, value in signed.items() if not value >= 0]
    return faults


def _no_solution(horizon: Horizon) -> HomeSolution:
    """The answer where the household's wishes cannot be met."""
    nothing = np.full(horizon.ptus, np.nan)
    return HomeSolution(
        status=PlanStatus.INFEASIBLE,
        objective_eur=float("nan"),
        cost_eur=float("nan"),
        discomfort_eur=float("nan"),
        bound_eur=float("nan"),
        net_kw=nothing,
        starts=MappingProxyType({}),
        device_kw=MappingProxyType({}),
        battery_kwh=nothing,
    )


def _solution(model: pyo.ConcreteModel, home: Home, bound_eur: float) -> HomeSolution:
    """Read the solved model's variables."""
    starts, device_kw = {}, {}
    battery_kwh = np.full(len(model.ptu), np.nan)
    for device in home.offered_devices:
        block = model.device[device.name]
        device_kw[device.name] = frozen([pyo.value(block.power_kw[t]) for t in model.ptu])
        if isinstance(device, Appliance):
            starts[device.name] = int(np.argmax([pyo.value(block.begins[t]) for t in model.ptu]))
        elif isinstance(device, Battery):
            battery_kwh = np.array([pyo.value(block.stored_kwh[t]) for t in model.ptu])
    return HomeSolution(
        status=PlanStatus.OPTIMAL,
        objective_eur=float(pyo.value(model.objective_eur)),
        cost_eur=float(pyo.value(model.cost_eur)),
        discomfort_eur=float(pyo.value(model.discomfort_eur)),
        bound_eur=bound_eur,
        net_kw=np.array([pyo.value(model.import_kw[t] - model.export_kw[t]) for t in model.ptu]),
        starts=MappingProxyType(starts),
        device_kw=MappingProxyType(device_kw),
        battery_kwh=battery_kwh,
    )
