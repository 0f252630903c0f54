"""A small case made by hand: six homes on two feeders, solved by a linear flow of its own.

The flow is a radial one to first order: branch powers are sums of the powers behind them, voltages
fall by (R P + X Q) / V, losses are I2 R. It shares no code with the package, and keeps the books
closed: what the transformer draws is what the homes draw plus all losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mas2sim.domain.community import Community
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, HeatPump, PvPlant
from mas2sim.domain.grid_state import Branch, Bus, GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.results.record import CaseRecord

HORIZON = Horizon()
HOUR = HORIZON.start_hours
PER_HOUR = 4
PHASES = ("a", "b", "c")
NEUTRAL_V = 400.0 / np.sqrt(3.0)
TRANSFORMER_KVA = 30.0
NO_LOAD_KW = 0.05
WINDINGS_OHM = 0.02
MAIN_OHM, SERVICE_OHM = (0.012, 0.006), (0.035, 0.003)
MAIN_A, SERVICE_A = 60.0, 40.0

AXES: dict[str, str | int] = {
    "season": "summer",
    "day": "weekday",
    "weather": "sunny",
    "smart": "2030_green",
    "flexibility": "high",
    "grid": "toy",
    "substation": 1,
    "communities": 2,
    "seed": 7,
    "power_flow": "unbalanced",
    "ties": "random",
}

EV_START = {Level.BASELINE: 18, Level.UC1: 1, Level.UC2: 1, Level.UC3: 2, Level.CENTRAL: 1}
WASH_START = {Level.BASELINE: 19, Level.UC1: 2, Level.UC2: 12, Level.UC3: 13, Level.CENTRAL: 11}


def tariff() -> Tariff:
    price = np.where(HOUR < 6, 0.12, np.where((HOUR >= 16) & (HOUR < 20), 0.32, 0.22))
    return Tariff("toy_tou", price, np.full(HORIZON.ptus, 0.05), standing_eur_per_day=0.25)


def homes() -> tuple[Home, ...]:
    """h1 and h2 own PV, h1 a battery too; h1, h3 and h4 vehicles; h5 a heat pump; h6 nothing."""
    built = []
    for number in range(1, 7):
        base = 0.25 + 0.1 * number / 6 + 0.8 * np.exp(-((HOUR - 18.5 - number / 6) ** 2) / 3)
        devices: set[str] = set()
        appliances: tuple[Appliance, ...] = ()
        ev = battery = pv = heat_pump = None
        if number in (1, 2, 3):
            appliances = (Appliance("washing_machine", (1.8, 0.6, 0.4, 0.4), 76, 0, 0),)
            devices.add("washing_machine")
        if number in (1, 3, 4):
            ev = ElectricVehicle(3.6, 40.0, 0.9, arrival=72, departure=28, driven_kwh=6.48)
            devices.add("ev")
        if number in (1, 2):
            sun = np.maximum(0.0, np.cos((HOUR - 12.5) / 14 * np.pi))
            pv = PvPlant(4.0, 35.0, 180.0, -3.2 * sun)
        if number == 1:
            battery = Battery(8.0, 2.0, 0.95, 0.95, reserve_kwh=0.5)
            devices.add("battery")
        if number == 5:
            heat_pump = HeatPump(0.12, 0.4 + 0.3 * np.cos(HOUR / 24 * 2 * np.pi))
        built.append(
            Home(
                name=f"h{number}",
                annual_kwh=3000.0,
                base_kw=base,
                appliances=appliances,
                ev=ev,
                battery=battery,
                pv=pv,
                heat_pump=heat_pump,
                owns=frozenset(devices),
                offered=frozenset(devices),
            )
        )
    return tuple(built)


def schedule(level: Level, home: Home, number: int, name: str) -> np.ndarray:
    """Power of one device over the day; every level delivers the same services."""
    power = np.zeros(HORIZON.ptus)
    if name == "ev":
        start = EV_START[level] * PER_HOUR + (2 * number if level is not Level.BASELINE else 0)
        power[start : start + 2 * PER_HOUR] = 3.6
        return power
    if name == "washing_machine":
        start = WASH_START[level] * PER_HOUR + (4 * number if level is not Level.BASELINE else 0)
        return home.appliances[0].profile_kw(start, HORIZON)
    charge = slice(10 * PER_HOUR, 14 * PER_HOUR)
    if level is Level.BASELINE:
        power[charge] = 1.0
    else:
        # From uc1 on half of the charge comes from the grid at night, and is sold in the evening.
        power[4 * PER_HOUR : 6 * PER_HOUR] = 1.0
        power[slice(11 * PER_HOUR, 13 * PER_HOUR)] = 1.0
    give = slice(20 * PER_HOUR, 22 * PER_HOUR)
    power[give] = -power[power > 0].sum() * 0.95**2 / (2 * PER_HOUR)
    return power


def stored(battery: Battery, start_kwh: float, power: np.ndarray) -> np.ndarray:
    change = np.where(
        power > 0, power * battery.charge_efficiency, power / battery.discharge_efficiency
    )
    return start_kwh + np.cumsum(change) * HORIZON.ptu_hours


def layout(count: int = 6) -> GridLayout:
    buses = [Bus("hv", 11.0, 0.0, 12.0), Bus("lv", 0.4, 0.0, 0.0)]
    branches = [Branch("transformer", "transformer", "hv", "lv", TRANSFORMER_KVA)]
    home_bus = []
    for side, feeder in ((-1, "feeder_a"), (1, "feeder_b")):
        behind = "lv"
        for place in range(1, 4):
            node, number = f"{feeder}_{place}", (place if side < 0 else place + 3)
            buses.append(Bus(node, 0.4, side * 30.0 * place, -4.0 * place))
            branches.append(Branch(f"main_{node}", "main", behind, node, MAIN_A, 30.0, feeder))
            buses.append(Bus(f"bus_h{number}", 0.4, side * 30.0 * place, -4.0 * place - 14.0))
            branches.append(
                Branch(
                    f"service_h{number}", "service", node, f"bus_h{number}", SERVICE_A, 14.0, feeder
                )
            )
            home_bus.append(f"bus_h{number}")
            behind = node
    phases = tuple(PHASES[number % 3] for number in range(count))
    return GridLayout("toy_1", tuple(buses), tuple(branches), tuple(home_bus), phases)


def solve(grid: GridLayout, p_kw: np.ndarray, q_kvar: np.ndarray) -> GridState:
    """Flow of p, q, shape (time, home), to first order."""
    time = p_kw.shape[0]
    index = {bus.name: number for number, bus in enumerate(grid.buses)}
    parent = {branch.to_bus: number for number, branch in enumerate(grid.branches)}
    power = np.zeros((time, len(grid.branches), 3), dtype=complex)
    for home, bus in enumerate(grid.home_bus):
        phase, at = PHASES.index(grid.home_phase[home]), bus
        while at in parent:
            power[:, parent[at], phase] += p_kw[:, home] + 1j * q_kvar[:, home]
            at = grid.branches[parent[at]].from_bus
    volts = np.full((time, len(grid.buses), 3), NEUTRAL_V)
    volts[:, index["hv"], :] = 11_000 / np.sqrt(3)
    loading = np.zeros((time, len(grid.branches)))
    line_kw, windings_kw = np.zeros(time), np.zeros(time)
    for number, branch in enumerate(grid.branches):
        amps = 1000 * np.abs(power[:, number]) / NEUTRAL_V
        if branch.kind == "transformer":
            windings_kw = (amps**2).sum(axis=1) * WINDINGS_OHM / 1000
            continue
        r, x = MAIN_OHM if branch.kind == "main" else SERVICE_OHM
        drop = 1000 * (r * power[:, number].real + x * power[:, number].imag) / NEUTRAL_V
        volts[:, index[branch.to_bus]] = volts[:, index[branch.from_bus]] - drop
        line_kw = line_kw + (amps**2).sum(axis=1) * r / 1000
        loading[:, number] = 100 * amps.max(axis=1) / branch.rating
    import_kw = p_kw.sum(axis=1) + line_kw + windings_kw + NO_LOAD_KW
    import_kvar = q_kvar.sum(axis=1)
    loading[:, 0] = 100 * np.hypot(import_kw, import_kvar) / TRANSFORMER_KVA
    nominal = np.array([1000 * bus.vn_kv for bus in grid.buses]) / np.sqrt(3)
    return GridState(
        vm_pu=volts / nominal[:, None],
        loading_percent=loading,
        import_kw=import_kw,
        import_kvar=import_kvar,
        loss_line_kw=line_kw,
        loss_transformer_load_kw=windings_kw,
        loss_transformer_no_load_kw=np.full(time, NO_LOAD_KW),
        converged=np.ones(time, dtype=bool),
    )


def unsolved(state: GridState, times: Sequence[int]) -> GridState:
    """The same state with some times that did not converge."""
    lost = np.zeros(state.converged.size, dtype=bool)
    lost[list(times)] = True
    values = {
        name: np.where(lost.reshape((-1,) + (1,) * (value.ndim - 1)), np.nan, value)
        for name in GridState.__slots__
        if name != "converged"
        for value in [getattr(state, name)]
    }
    return GridState(**values, converged=~lost)


def synthetic_record(
    levels: Sequence[Level] = (Level.BASELINE, Level.UC1, Level.UC2),
    *,
    power_flow: bool = True,
    import_limit_kw: float = 12.0,
) -> CaseRecord:
    levels = tuple(levels)
    people, grid, prices = homes(), layout(), tariff()
    communities = (Community("community_1", (0, 2, 4)), Community("community_2", (1, 3, 5)))
    devices = tuple((i, d.name) for i, home in enumerate(people) for d in home.flexible_devices)
    shape = (len(levels), len(devices), HORIZON.ptus)
    device_kw, stored_kwh = np.zeros(shape), np.full(shape, np.nan)
    start_kwh = np.full(shape[:2], np.nan)
    net = np.tile(np.array([home.fixed_kw for home in people]), (len(levels), 1, 1))
    reactive = np.tile(
        np.array([home.load_kw * home.reactive_per_active for home in people]), (len(levels), 1, 1)
    )
    for row, level in enumerate(levels):
        for column, (index, name) in enumerate(devices):
            home = people[index]
            power = schedule(level, home, index, name)
            device_kw[row, column] = power
            net[row, index] += power
            if name == "washing_machine":
                reactive[row, index] += power * home.reactive_per_active
            if name == "battery" and home.battery is not None:
                start_kwh[row, column] = 2.0
                stored_kwh[row, column] = stored(home.battery, 2.0, power)
    bills = np.array([[prices.bill_eur(profile, HORIZON) for profile in day] for day in net])
    payments = bills.copy()
    for row, level in enumerate(levels):
        if level in (Level.BASELINE, Level.UC1):
            continue
        for community in communities:
            members = list(community.members)
            own = sum(prices.energy_cost_eur(net[row, i], HORIZON) for i in members)
            together = prices.energy_cost_eur(net[row, members].sum(axis=0), HORIZON)
            payments[row, members] -= (own - together) / len(members)
    plans = {
        level: tuple(
            HomePlan(
                net[row, i],
                cost_eur=float(prices.energy_cost_eur(net[row, i], HORIZON)),
                bound_eur=float(prices.energy_cost_eur(net[row, i], HORIZON)) - 0.01,
                status=PlanStatus.OPTIMAL if home.has_flexibility else PlanStatus.REFERENCE,
                way="milp" if home.has_flexibility else "rule",
                solve_s=0.01,
            )
            for i, home in enumerate(people)
        )
        for row, level in enumerate(levels)
    }
    total = net.sum(axis=1)
    regimes = tuple(
        tuple(Regime.YELLOW if value > import_limit_kw else Regime.GREEN for value in day)
        for day in total
    )
    return CaseRecord(
        axes=AXES,
        date="2023-06-21",
        levels=levels,
        horizon=HORIZON,
        tariff=prices,
        limits=GridLimits(import_limit_kw, TRANSFORMER_KVA, 216.2, 253.0),
        layout=grid,
        homes=people,
        communities=communities,
        devices=devices,
        net_kw=net,
        reactive_kvar=reactive,
        device_kw=device_kw,
        stored_kwh=stored_kwh,
        stored_start_kwh=start_kwh,
        plans=plans,
        a_plan_kw=np.stack([net[:, list(c.members)].sum(axis=1) for c in communities], axis=1),
        d_prognosis_kw=total,
        regimes=regimes,
        bill_eur=bills,
        payment_eur=payments,
        grid={level: solve(grid, net[row].T, reactive[row].T) for row, level in enumerate(levels)}
        if power_flow
        else {},
        outdoor_c=15.0 + 6.0 * np.cos((HOUR - 15) / 24 * 2 * np.pi),
        clearness=np.ones(HORIZON.ptus),
        messages=24,
    )
