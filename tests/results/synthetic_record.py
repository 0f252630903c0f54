"""A small case made by hand: six homes on two feeders, solved by a linear flow of its own.

The flow is a radial one to first order: branch powers are sums of the powers behind them, voltages
fall by (R P + X Q) / V, losses are I2 R. It shares no code with the package, and keeps the books
closed: what the transformer draws is what the homes draw plus all losses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mas2sim.domain.community import Community
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    HeatStore,
    InterruptibleLoad,
    MicroChp,
    PvPlant,
    WindTurbine,
)
from mas2sim.domain.flexibility import FlexOffer, FlexOrder
from mas2sim.domain.grid_state import Branch, Bus, GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits, Regime
from mas2sim.domain.plan import HomePlan, PlanStatus
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level
from mas2sim.market import CongestionOutcome
from mas2sim.results.record import CaseRecord, MarketRecord

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
GIVE = slice(76, 78)
"""The vehicle of h4 delivers 1.8 kW for half an hour from uc1 on."""
CUT = slice(72, 76)
"""The interruptible load of h4 is cut for an hour from uc1 on."""
ROOM_C = 20.0
"""The heat pump of h5 holds this all day."""

WASH_START = {Level.BASELINE: 19, Level.UC1: 2, Level.UC2: 12, Level.UC3: 13, Level.CENTRAL: 11}


def tariff() -> Tariff:
    price = np.where(HOUR < 6, 0.12, np.where((HOUR >= 16) & (HOUR < 20), 0.32, 0.22))
    return Tariff("toy_tou", price, np.full(HORIZON.ptus, 0.05), standing_eur_per_day=0.25)


def homes() -> tuple[Home, ...]:
    """h1 to h4 offer devices; h5 and h6 are passive.

    PV on h1 and h2, a wind turbine on h2, a micro-CHP at h6; a battery at h1; vehicles at h1, h3
    and h4, of which the last can deliver; an interruptible load at h4; a heat pump at h5.
    """
    built = []
    for number in range(1, 7):
        base = 0.25 + 0.1 * number / 6 + 0.8 * np.exp(-((HOUR - 18.5 - number / 6) ** 2) / 3)
        devices: set[str] = set()
        appliances: tuple[Appliance, ...] = ()
        ev = battery = pv = None
        heaters: tuple[Heater, ...] = ()
        if number in (1, 2, 3):
            appliances = (Appliance("washing_machine", (1.8, 0.6, 0.4, 0.4), 76, 0, 0),)
            devices.add("washing_machine")
        if number in (1, 3, 4):
            ev = ElectricVehicle(
                3.6,
                40.0,
                0.9,
                arrival=72,
                departure=28,
                driven_kwh=6.48,
                discharge_kw=3.0 if number == 4 else 0.0,
                discharge_efficiency=0.9,
            )
            devices.add("ev")
        if number in (1, 2):
            sun = np.maximum(0.0, np.cos((HOUR - 12.5) / 14 * np.pi))
            pv = PvPlant(4.0, 35.0, 180.0, -3.2 * sun)
        if number == 1:
            battery = Battery(8.0, 2.0, 0.95, 0.95, reserve_kwh=0.5)
            devices.add("battery")
        if number == 4:
            devices.add("interruptible")
        if number == 5:
            heaters = (heat_pump(),)
        built.append(
            Home(
                name=f"h{number}",
                annual_kwh=3000.0,
                base_kw=base,
                appliances=appliances,
                ev=ev,
                battery=battery,
                pv=pv,
                heaters=heaters,
                interruptible=InterruptibleLoad(np.full(HORIZON.ptus, 0.4), 4, 2, 0.1)
                if number == 4
                else None,
                wind=WindTurbine(1.5, np.full(HORIZON.ptus, -0.2)) if number == 2 else None,
                micro_chp=MicroChp(1.0, 6.0, np.where(HOUR < 6, -0.5, 0.0))
                if number == 6
                else None,
                owns=frozenset(devices | {heater.name for heater in heaters}),
                offered=frozenset(devices),
            )
        )
    return tuple(built)


def heat_pump() -> Heater:
    """A building of 6 kWh/K and 0.15 kW/K, to be kept at 19 to 22 C by day and 17 C at night."""
    day = (HOUR >= 7) & (HOUR < 22)
    store = HeatStore(
        capacity_kwh_per_k=6.0,
        loss_kw_per_k=0.15,
        surroundings_c=8.0 + 4.0 * np.cos((HOUR - 15) / 24 * 2 * np.pi),
        draw_kw=np.zeros(HORIZON.ptus),
        lower_c=np.where(day, 19.0, 17.0),
        upper_c=np.full(HORIZON.ptus, 22.0),
    )
    flat = np.ones(HORIZON.ptus)
    return Heater("heat_pump", 3.0, 3.0 * flat, store, ROOM_C * flat)


def schedule(level: Level, home: Home, number: int, name: str) -> np.ndarray:
    """Power of one device over the day; every level delivers the same services."""
    power = np.zeros(HORIZON.ptus)
    if name == "ev":
        start = EV_START[level] * PER_HOUR + (2 * number if level is not Level.BASELINE else 0)
        power[start : start + 2 * PER_HOUR] = 3.6
        if number == 3 and level is not Level.BASELINE:
            # What was delivered is charged again at once after the rest, losses and all.
            power[GIVE] = -1.8
            power[start + 2 * PER_HOUR : start + 2 * PER_HOUR + 2] = 1.8 / (0.9 * 0.9)
        return power
    if name == "heat_pump":
        store = home.heaters[0].store
        return np.asarray(store.loss_kw_per_k * (ROOM_C - store.surroundings_c) / 3.0)
    if home.interruptible is not None and name == "interruptible":
        power += home.interruptible.p_kw
        power[CUT] = power[CUT] if level is Level.BASELINE else 0.0
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


def stored(device: FlexibleDevice, power: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy at midnight and at the end of each PTU; NaN for what stores none or is away."""
    if isinstance(device, Heater):
        kept = device.store.capacity_kwh_per_k * ROOM_C
        return kept, np.full(HORIZON.ptus, kept)
    if not isinstance(device, Battery | ElectricVehicle):
        return np.nan, np.full(HORIZON.ptus, np.nan)
    change = HORIZON.ptu_hours * np.where(
        power > 0, power * device.charge_efficiency, power / device.discharge_efficiency
    )
    if isinstance(device, Battery):
        return 2.0, 2.0 + np.cumsum(change)
    stay = HORIZON.window(device.arrival, device.departure)
    path = np.full(HORIZON.ptus, np.nan)
    path[stay] = device.arrival_kwh + np.cumsum(change[stay])
    return float(path[-1]), path


def cut_eur(level: Level, home: Home) -> float:
    """0.4 kW for an hour at 0.1 EUR/kWh, where the load is cut."""
    return 0.0 if home.interruptible is None or level is Level.BASELINE else 0.04


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
    spread = (volts**2).sum(axis=2) - (volts * np.roll(volts, 1, axis=2)).sum(axis=2)
    three = [phases == "abc" for phases in grid.bus_phases]
    # Negative over positive sequence of phasors 120 degrees apart.
    unbalance = 100 * np.sqrt(np.maximum(spread, 0.0)) / volts.sum(axis=2)
    return GridState(
        vm_pu=volts / nominal[:, None],
        unbalance_percent=np.where(three, unbalance, np.nan),
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
    markets: bool = False,
) -> CaseRecord:
    """Record the toy case; with `markets`, what they came to and how they settled too."""
    levels = tuple(levels)
    people, grid, prices = homes(), layout(), tariff()
    communities = (Community("community_1", (0, 2, 4)), Community("community_2", (1, 3, 5)))
    devices = tuple((i, d.name) for i, home in enumerate(people) for d in home.flexible_devices)
    shape = (len(levels), len(devices), HORIZON.ptus)
    device_kw, stored_kwh = np.zeros(shape), np.full(shape, np.nan)
    start_kwh = np.full(shape[:2], np.nan)
    net = np.tile(np.array([home.fixed_kw for home in people]), (len(levels), 1, 1))
    reactive = np.tile(
        np.array([home.base_kw * home.reactive_per_active for home in people]), (len(levels), 1, 1)
    )
    for row, level in enumerate(levels):
        for column, (index, name) in enumerate(devices):
            home = people[index]
            power = schedule(level, home, index, name)
            device_kw[row, column] = power
            net[row, index] += power
            if name in ("washing_machine", "heat_pump", "interruptible"):
                reactive[row, index] += power * home.reactive_per_active
            (device,) = (each for each in home.flexible_devices if each.name == name)
            start_kwh[row, column], stored_kwh[row, column] = stored(device, power)
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
                cost_eur=float(prices.cost_eur(net[row, i], HORIZON)),
                discomfort_eur=cut_eur(level, home),
                bound_eur=float(prices.cost_eur(net[row, i], HORIZON))
                + cut_eur(level, home)
                - 0.01,
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
    record = CaseRecord(
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
    return with_markets(record) if markets else record


def with_markets(record: CaseRecord) -> CaseRecord:
    """The record with figures of its markets, and a settlement in which no money is left over."""
    local_kwh = np.zeros((len(record.levels), len(record.communities)))
    for row, level in enumerate(record.levels):
        if level not in (Level.BASELINE, Level.UC1):
            for column, community in enumerate(record.communities):
                members = record.net_kw[row, list(community.members)]
                sides = [np.maximum(sign * members, 0.0).sum(axis=0) for sign in (1, -1)]
                local_kwh[row, column] = np.minimum(*sides).sum() / PER_HOUR
    ends = {
        Level.UC2: MarketRecord(bound_eur=2.5, rounds=7, messages=40, events=("late", "NaN")),
        Level.UC3: MarketRecord(bound_eur=2.6, rounds=9, messages=90, insufficient_kwh=0.0),
        Level.CENTRAL: MarketRecord(
            bound_eur=sum(plan.bound_eur for plan in record.plans.get(Level.CENTRAL, ())),
            outcome="optimal",
        ),
    }
    nothing_eur = np.zeros_like(local_kwh)
    return dataclasses.replace(
        record,
        curtailed_kw=np.zeros_like(record.net_kw),
        dso_eur=nothing_eur,
        service_eur=nothing_eur,
        shortfall_eur=nothing_eur,
        local_kwh=local_kwh,
        markets={level: end for level, end in ends.items() if level in record.levels},
    )


def purchase(record: CaseRecord) -> CongestionOutcome:
    """What a DSO bought of the two communities, at the transformer and at one feeder.

    12 kW are the limit; the prognosis is 15 kW at 18:00 and 14 kW at 18:15, 5 kW otherwise. Taken
    are offer 1 of community_1, which moves 2 kW and 1 kW to 3:00, and offer 0 of community_2, which
    moves 1 kW twice.
    """
    ptus = record.horizon.ptus
    before = np.full((2, ptus), 5.0)
    before[0, 72:74] = 15.0, 14.0

    def offer(community: str, number: int, first: float, second: float, price: float) -> FlexOffer:
        change = np.zeros((2, ptus))
        change[0, 72:74] = -first, -second
        change[0, 12] = first + second
        change[1] = 0.5 * change[0]
        return FlexOffer(community, number, change, price)

    offers = {
        "community_2": (offer("community_2", 0, 1.0, 1.0, 0.125),),
        "community_1": (
            offer("community_1", 0, 3.0, 2.0, 0.75),
            offer("community_1", 1, 2.0, 1.0, 0.25),
        ),
    }
    order = FlexOrder(
        accepted={"community_1": 1, "community_2": 0},
        price_eur={"community_1": 0.25, "community_2": 0.125},
        reserve={"community_1": (0,)},
    )
    after = before + offers["community_1"][1].change_kw + offers["community_2"][0].change_kw
    beyond = np.zeros_like(before)
    beyond[0, 72:74] = 3.0, 2.0
    return CongestionOutcome(
        before_kw=before,
        after_kw=after,
        before_beyond_kw=beyond,
        beyond_kw=np.zeros_like(before),
        bound_eur=2.6,
        saved_loss_eur=0.125,
        insufficient_kwh=0.0,
        offers=offers,
        order=order,
        rounds=9,
        messages=50,
    )
