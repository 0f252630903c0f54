"""Use case 1 in full sentences: one home plans its cyclic day for the least bill.

This is the text that says what the CEMS is asked to do: a mixed-integer linear programme in Pyomo
(Bynum et al. 2021, doi:10.1007/978-3-030-68928-5), meant to be read and to be changed. The planner
answers the same question faster in another way. The two share nothing but the values of the domain,
so that each can be held against the other.

How to change it: a device is a block that states its own constraints and offers an expression
`power_kw`; the connection point adds up the blocks. A new kind of device is one more function and
one more line in `home_model`. Nothing in one block relies on the prices or on another block.

Pyomo takes a second to import; the room's `__init__` therefore leaves this module out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers import Highs

from mas2sim.domain.arrays import FloatArray, freeze_fields, frozen
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, FlexibleDevice
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
        Least energy cost, without the standing charge.
    bound_eur : float
        Lower bound on the energy cost, as the solver proved it.
    net_kw : array, shape (ptu)
        Power at the connection point, positive is import.
    starts : mapping of str to int
        PTU in which each offered appliance begins its cycle.
    device_kw : mapping of str to array, shape (ptu)
        Power drawn by each offered device; negative where a battery delivers.
    battery_kwh : array, shape (ptu)
        Energy in the battery at the start of each PTU; NaN without an offered battery.
    """

    status: PlanStatus
    objective_eur: float
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
        Schedule of the devices that are not offered, and the battery's energy at midnight.
    tariff : Tariff
        Prices, of any sign and in any order; the standing charge changes no decision.
    horizon : Horizon
        The cyclic day.

    Returns
    -------
    pyomo.environ.ConcreteModel
        With `device[name]` (a block per offered device), `fixed_kw[ptu]`, `import_kw[ptu]`,
        `export_kw[ptu]`, `importing[ptu]` and the objective `cost_eur`.

    Raises
    ------
    ConfigurationError
        When an array does not fit the horizon or a device that is not offered has no schedule.
    """
    _check(home, reference, tariff, horizon)
    model = pyo.ConcreteModel(name=home.name)
    model.ptu = pyo.RangeSet(0, horizon.ptus - 1)
    model.ptu_hours = pyo.Param(initialize=horizon.ptu_hours, doc="Length of a PTU [h].")
    model.fixed_kw = pyo.Param(
        model.ptu,
        initialize=_by_ptu(_fixed_kw(home, reference)),
        within=pyo.Reals,
        doc="Power that no decision changes: base load, heat pump, PV, devices not offered [kW].",
    )

    offered = {device.name: device for device in home.offered_devices}
    model.device = pyo.Block(list(offered), doc="Offered devices, by name.")
    for name, device in offered.items():
        match device:
            case Appliance():
                _state_appliance(model.device[name], device, horizon)
            case ElectricVehicle():
                _state_vehicle(model.device[name], device, horizon)
            case Battery():
                _state_battery(model.device[name], device, reference.battery_start_kwh, horizon)

    _state_connection_point(model, tuple(offered.values()))
    _state_bill(model, tariff)
    return model


def _state_appliance(block: pyo.Block, appliance: Appliance, horizon: Horizon) -> None:
    """One cycle, begun in an allowed PTU and run to its end without a break."""
    ptu = block.model().ptu
    allowed = frozenset(appliance.starts(horizon).tolist())
    block.begins = pyo.Var(ptu, within=pyo.Binary, doc="1 in the PTU in which the cycle begins.")

    def begins_when_allowed(block: pyo.Block, t: int) -> pyo.Expression:
        """The cycle begins only where it fits into the household's window."""
        return block.begins[t] <= (1 if t in allowed else 0)

    def runs_once(block: pyo.Block) -> pyo.Expression:
        """The cycle runs exactly once a day."""
        return pyo.quicksum(block.begins[t] for t in ptu) == 1

    def power(block: pyo.Block, t: int) -> pyo.Expression:
        """The power at t is that of step k of the cycle begun k PTUs before, round midnight."""
        return pyo.quicksum(
            kw * block.begins[(t - k) % horizon.ptus] for k, kw in enumerate(appliance.cycle_kw)
        )

    block.begins_when_allowed = pyo.Constraint(ptu, rule=begins_when_allowed)
    block.runs_once = pyo.Constraint(rule=runs_once)
    block.power_kw = pyo.Expression(ptu, rule=power)


def _state_vehicle(block: pyo.Block, ev: ElectricVehicle, horizon: Horizon) -> None:
    """Charge what the day's drive took, at any time of the stay."""
    ptu = block.model().ptu
    connected = ev.connected(horizon).tolist()
    block.power_kw = pyo.Var(
        ptu, bounds=(0.0, ev.charger_kw), doc="Power drawn, up to what the charger gives [kW]."
    )

    def charges_when_connected(block: pyo.Block, t: int) -> pyo.Expression:
        """The vehicle draws nothing while it is away."""
        return block.power_kw[t] <= (ev.charger_kw if connected[t] else 0.0)

    def makes_the_drive_good(block: pyo.Block) -> pyo.Expression:
        """Over its stay the vehicle draws exactly what the day's drive costs it."""
        return pyo.quicksum(block.power_kw[t] for t in ptu) * horizon.ptu_hours == ev.drawn_kwh

    block.charges_when_connected = pyo.Constraint(ptu, rule=charges_when_connected)
    block.makes_the_drive_good = pyo.Constraint(rule=makes_the_drive_good)


def _state_battery(block: pyo.Block, battery: Battery, start_kwh: float, horizon: Horizon) -> None:
    """Store and deliver within reserve and capacity, and end the day as it began."""
    ptu = block.model().ptu
    step = battery.transition(horizon)
    power = (0.0, battery.power_kw)
    block.charge_kw = pyo.Var(ptu, bounds=power, doc="Power drawn at the home's side [kW].")
    block.discharge_kw = pyo.Var(ptu, bounds=power, doc="Power delivered at the home's side [kW].")
    block.charging = pyo.Var(ptu, within=pyo.Binary, doc="1 where it may draw, 0 where deliver.")
    block.stored_kwh = pyo.Var(
        ptu,
        bounds=(battery.reserve_kwh, battery.capacity_kwh),
        doc="Energy stored at the start of a PTU, never below the reserve or above capacity [kWh].",
    )

    def keeps_what_it_stores(block: pyo.Block, t: int) -> pyo.Expression:
        """Energy carries over, less losses; after the last PTU comes the first."""
        return block.stored_kwh[(t + 1) % horizon.ptus] == (
            step.keep * block.stored_kwh[t]
            + step.charge_kwh_per_kw * block.charge_kw[t]
            - step.discharge_kwh_per_kw * block.discharge_kw[t]
        )

    def begins_as_the_reference(block: pyo.Block) -> pyo.Expression:
        """At midnight it holds what it holds at midnight of the unmanaged day."""
        return block.stored_kwh[0] == start_kwh

    def charges_or_not(block: pyo.Block, t: int) -> pyo.Expression:
        """It draws only where it is set to draw."""
        return block.charge_kw[t] <= battery.power_kw * block.charging[t]

    def discharges_or_not(block: pyo.Block, t: int) -> pyo.Expression:
        """It delivers only where it is not: both at once would burn energy, for money if paid."""
        return block.discharge_kw[t] <= battery.power_kw * (1 - block.charging[t])

    def net_power(block: pyo.Block, t: int) -> pyo.Expression:
        """Seen from the home the battery is a load while it draws, a source while it delivers."""
        return block.charge_kw[t] - block.discharge_kw[t]

    block.keeps_what_it_stores = pyo.Constraint(ptu, rule=keeps_what_it_stores)
    block.begins_as_the_reference = pyo.Constraint(rule=begins_as_the_reference)
    block.charges_or_not = pyo.Constraint(ptu, rule=charges_or_not)
    block.discharges_or_not = pyo.Constraint(ptu, rule=discharges_or_not)
    block.power_kw = pyo.Expression(ptu, rule=net_power)


def _state_connection_point(model: pyo.ConcreteModel, offered: tuple[FlexibleDevice, ...]) -> None:
    """Net power is the sum of all loads; in a PTU it flows one way only."""
    load_kw = sum(_greatest_load_kw(device) for device in offered)
    source_kw = sum(device.power_kw for device in offered if isinstance(device, Battery))
    # The tightest bounds that no schedule of the devices can exceed.
    most_import_kw = {t: max(0.0, model.fixed_kw[t] + load_kw) for t in model.ptu}
    most_export_kw = {t: max(0.0, source_kw - model.fixed_kw[t]) for t in model.ptu}

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


def _state_bill(model: pyo.ConcreteModel, tariff: Tariff) -> None:
    """The home pays for what it draws and is paid for what it feeds in."""
    for name, prices in (
        ("import_eur_per_kwh", tariff.import_eur_per_kwh),
        ("export_eur_per_kwh", tariff.export_eur_per_kwh),
    ):
        price = pyo.Param(model.ptu, initialize=_by_ptu(prices), within=pyo.Reals)
        model.add_component(name, price)

    def cost(model: pyo.ConcreteModel) -> pyo.Expression:
        """Energy drawn at the import price, less energy fed in at the export price."""
        return model.ptu_hours * pyo.quicksum(
            model.import_eur_per_kwh[t] * model.import_kw[t]
            - model.export_eur_per_kwh[t] * model.export_kw[t]
            for t in model.ptu
        )

    model.cost_eur = pyo.Objective(rule=cost, sense=pyo.minimize)


def _greatest_load_kw(device: FlexibleDevice) -> float:
    """Greatest power that a device can draw. [kW]"""
    match device:
        case Appliance():
            return max(device.cycle_kw, default=0.0)
        case ElectricVehicle():
            return device.charger_kw
        case Battery():
            return device.power_kw


def _fixed_kw(home: Home, reference: ReferenceDay) -> FloatArray:
    """Power that no decision of this home changes, shape (ptu). [kW]"""
    kept = [
        reference.device_kw[device.name]
        for device in home.flexible_devices
        if device.name not in home.offered
    ]
    return np.asarray(sum(kept, start=home.fixed_kw), dtype=np.float64)


def _by_ptu(values: FloatArray) -> dict[int, float]:
    """Values by PTU, as Pyomo takes them."""
    return dict(enumerate(values.tolist()))


def _check(home: Home, reference: ReferenceDay, tariff: Tariff, horizon: Horizon) -> None:
    """Raise with every fault of the input at once."""
    arrays = {
        f"home {home.name}, base_kw": home.base_kw,
        f"tariff {tariff.name}, import": tariff.import_eur_per_kwh,
        f"tariff {tariff.name}, export": tariff.export_eur_per_kwh,
    }
    for profile in (home.pv, home.heat_pump):
        if profile is not None:
            arrays[f"home {home.name}, {profile.name}"] = profile.p_kw
    faults = []
    for device in home.flexible_devices:
        where = f"home {home.name}, reference schedule of {device.name}"
        if device.name in reference.device_kw:
            arrays[where] = reference.device_kw[device.name]
        elif device.name not in home.offered:
            faults.append(
                Fault(where, "none", "a power per PTU", f"offer {device.name}, or add its schedule")
            )
    faults += [
        Fault(where, f"shape {np.shape(array)}", f"shape ({horizon.ptus},)")
        for where, array in arrays.items()
        if np.shape(array) != (horizon.ptus,)
    ]
    if faults:
        raise ConfigurationError(faults)


def _no_solution(horizon: Horizon) -> HomeSolution:
    """The answer where the household's wishes cannot be met."""
    nothing = np.full(horizon.ptus, np.nan)
    return HomeSolution(
        status=PlanStatus.INFEASIBLE,
        objective_eur=float("nan"),
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
        objective_eur=float(pyo.value(model.cost_eur)),
        bound_eur=bound_eur,
        net_kw=np.array([pyo.value(model.import_kw[t] - model.export_kw[t]) for t in model.ptu]),
        starts=MappingProxyType(starts),
        device_kw=MappingProxyType(device_kw),
        battery_kwh=battery_kwh,
    )
