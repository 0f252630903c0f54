"""What each kind of device can do on the cyclic day, as blocks of the Pyomo statement.

A block states the constraints of one device and offers `power_kw[ptu]`, the power that the device
draws at the home's side, negative where it delivers. A device that can leave the household without
what it wants also offers `discomfort_eur`. Blocks know nothing of prices or of one another: a new
kind of device is one more function here and one more case in `state_device`.
"""

from __future__ import annotations

import pyomo.environ as pyo

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.device import (
    Appliance,
    Battery,
    ElectricVehicle,
    FlexibleDevice,
    Heater,
    InterruptibleLoad,
)
from mas2sim.domain.home import ReferenceDay
from mas2sim.domain.horizon import Horizon


def state_device(
    block: pyo.Block, device: FlexibleDevice, reference: ReferenceDay, horizon: Horizon
) -> None:
    """State what an offered device can do.

    Parameters
    ----------
    block : pyomo Block
        Empty, within a model that has the set `ptu`; filled here.
    device : FlexibleDevice
    reference : ReferenceDay
        Energy that batteries and heat stores hold at midnight.
    horizon : Horizon
        The cyclic day.
    """
    match device:
        case Appliance():
            _state_appliance(block, device, horizon)
        case ElectricVehicle():
            _state_vehicle(block, device, horizon)
        case Battery():
            _state_battery(block, device, reference.battery_start_kwh, horizon)
        case Heater():
            _state_heater(block, device, reference.heat_start_kwh[device.name], horizon)
        case InterruptibleLoad():
            _state_interruptible_load(block, device, horizon)


def by_ptu(values: FloatArray) -> dict[int, float]:
    """Values by PTU, as Pyomo takes them."""
    return dict(enumerate(values.tolist()))


def greatest_load_kw(device: FlexibleDevice) -> float:
    """Power that a device never exceeds as a load. [kW]"""
    match device:
        case Appliance():
            return max(device.cycle_kw, default=0.0)
        case ElectricVehicle():
            return device.charger_kw
        case Battery() | Heater():
            return device.power_kw
        case InterruptibleLoad():
            return float(device.p_kw.max(initial=0.0))


def greatest_source_kw(device: FlexibleDevice) -> float:
    """Power that a device never exceeds as a source. [kW]"""
    match device:
        case ElectricVehicle():
            return device.discharge_kw
        case Battery():
            return device.power_kw
        case Appliance() | Heater() | InterruptibleLoad():
            return 0.0


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
    """Leave full after a stay in which it charges and, with vehicle-to-home, delivers."""
    ptu = block.model().ptu
    step = ev.transition(horizon)
    stay = horizon.window(ev.arrival, ev.departure).tolist()
    place = {t: k for k, t in enumerate(stay)}
    block.stay = pyo.RangeSet(0, len(stay) - 1, doc="PTUs of the stay, counted from arrival.")
    block.moment = pyo.RangeSet(0, len(stay), doc="Their starts, and the departure.")
    block.charge_kw = pyo.Var(block.stay, bounds=(0.0, ev.charger_kw), doc="Power drawn [kW].")
    block.discharge_kw = pyo.Var(
        block.stay, bounds=(0.0, ev.discharge_kw), doc="Power delivered to the home [kW]."
    )
    block.charging = pyo.Var(block.stay, within=pyo.Binary, doc="1 where it may draw.")
    block.stored_kwh = pyo.Var(
        block.moment,
        # One that comes home below its reserve cannot be above it at once.
        bounds=(min(ev.reserve_kwh, ev.arrival_kwh), ev.capacity_kwh),
        doc="Energy stored, never below the reserve or above capacity [kWh].",
    )

    def arrives_with_what_the_drive_left(block: pyo.Block) -> pyo.Expression:
        """It was full when it left, and the day's drive took its share."""
        return block.stored_kwh[0] == ev.arrival_kwh

    def leaves_full(block: pyo.Block) -> pyo.Expression:
        """Whatever was drawn and delivered, it is full at departure."""
        return block.stored_kwh[len(stay)] == ev.capacity_kwh

    def keeps_what_it_stores(block: pyo.Block, k: int) -> pyo.Expression:
        """Energy carries over from one PTU of the stay to the next."""
        return block.stored_kwh[k + 1] == (
            step.keep * block.stored_kwh[k]
            + step.charge_kwh_per_kw * block.charge_kw[k]
            - step.discharge_kwh_per_kw * block.discharge_kw[k]
        )

    def charges_at_most(block: pyo.Block, k: int) -> pyo.Expression:
        """It draws only where it is set to draw."""
        return block.charge_kw[k] <= ev.charger_kw * block.charging[k]

    def charges_at_least(block: pyo.Block, k: int) -> pyo.Expression:
        """Where it draws, it draws no less than the charger's least power."""
        return block.charge_kw[k] >= ev.least_charge_kw * block.charging[k]

    def discharges_or_not(block: pyo.Block, k: int) -> pyo.Expression:
        """It delivers only where it does not draw."""
        return block.discharge_kw[k] <= ev.discharge_kw * (1 - block.charging[k])

    def net_power(block: pyo.Block, t: int) -> pyo.Expression:
        """A load while it draws, a source while it delivers, nothing while it is away."""
        return block.charge_kw[place[t]] - block.discharge_kw[place[t]] if t in place else 0.0

    block.arrives_with_what_the_drive_left = pyo.Constraint(rule=arrives_with_what_the_drive_left)
    block.leaves_full = pyo.Constraint(rule=leaves_full)
    block.keeps_what_it_stores = pyo.Constraint(block.stay, rule=keeps_what_it_stores)
    block.charges_at_most = pyo.Constraint(block.stay, rule=charges_at_most)
    block.charges_at_least = pyo.Constraint(block.stay, rule=charges_at_least)
    block.discharges_or_not = pyo.Constraint(block.stay, rule=discharges_or_not)
    if ev.least_charge_kw == 0 and ev.discharge_kw == 0:
        block.charging.fix(1)  # nothing to decide: any power between none and full
    block.power_kw = pyo.Expression(ptu, rule=net_power)


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


def _state_heater(block: pyo.Block, heater: Heater, start_kwh: float, horizon: Horizon) -> None:
    """Keep building or tank within its band, and end the day as it began."""
    ptu = block.model().ptu
    step = heater.transition(horizon)
    least_kwh = by_ptu(heater.store.capacity_kwh_per_k * heater.store.lower_c)
    most_kwh = by_ptu(heater.store.capacity_kwh_per_k * heater.store.upper_c)
    inflow_kwh = by_ptu(step.inflow_kwh)
    heat_kwh_per_kw = by_ptu(step.heat_kwh_per_kw)
    block.power_kw = pyo.Var(ptu, bounds=(0.0, heater.power_kw), doc="Electric power [kW].")
    block.stored_kwh = pyo.Var(
        ptu,
        bounds=lambda _, t: (least_kwh[t], most_kwh[t]),
        doc="Heat stored at the end of a PTU, counted from 0 C, within the comfort band [kWh].",
    )

    def stores_heat(block: pyo.Block, t: int) -> pyo.Expression:
        """Heat carries over, less losses and draw; the first PTU follows the last."""
        return block.stored_kwh[t] == (
            step.keep * block.stored_kwh[(t - 1) % horizon.ptus]
            + inflow_kwh[t]
            + heat_kwh_per_kw[t] * block.power_kw[t]
        )

    def ends_as_the_reference(block: pyo.Block) -> pyo.Expression:
        """At midnight it is as warm as at midnight of the unmanaged day."""
        return block.stored_kwh[horizon.ptus - 1] == start_kwh

    block.stores_heat = pyo.Constraint(ptu, rule=stores_heat)
    block.ends_as_the_reference = pyo.Constraint(rule=ends_as_the_reference)


def _state_interruptible_load(block: pyo.Block, load: InterruptibleLoad, horizon: Horizon) -> None:
    """Run but for a few short cuts, each of which the household feels."""
    ptu = block.model().ptu
    p_kw = by_ptu(load.p_kw)
    block.cut = pyo.Var(ptu, within=pyo.Binary, doc="1 where the load is cut.")
    block.begins = pyo.Var(ptu, within=pyo.Binary, doc="1 where a cut begins.")

    def begins_with_its_first_ptu(block: pyo.Block, t: int) -> pyo.Expression:
        """A PTU is cut because the PTU before was, or because a cut begins."""
        before = block.cut[t - 1] if t > 0 else 0
        return block.cut[t] <= before + block.begins[t]

    def has_so_many_cuts(block: pyo.Block) -> pyo.Expression:
        """The household allows so many cuts a day."""
        return pyo.quicksum(block.begins[t] for t in ptu) <= load.cuts

    def ends_in_time(block: pyo.Block, t: int) -> pyo.Expression:
        """Of one PTU more than the longest cut, one at least is not cut."""
        if t + load.longest_cut >= horizon.ptus:
            return pyo.Constraint.Skip
        return (
            pyo.quicksum(block.cut[t + k] for k in range(load.longest_cut + 1)) <= load.longest_cut
        )

    def spares_midnight(block: pyo.Block) -> pyo.Expression:
        """After the last PTU comes the first: cut both, and a cut would cross midnight."""
        return block.cut[horizon.ptus - 1] + block.cut[0] <= 1

    def power(block: pyo.Block, t: int) -> pyo.Expression:
        """The load draws its power where it is not cut."""
        return p_kw[t] * (1 - block.cut[t])

    def discomfort(block: pyo.Block) -> pyo.Expression:
        """Every kWh not served has its worth to the household."""
        unserved_kwh = horizon.ptu_hours * pyo.quicksum(p_kw[t] * block.cut[t] for t in ptu)
        return load.discomfort_eur_per_kwh * unserved_kwh

    block.begins_with_its_first_ptu = pyo.Constraint(ptu, rule=begins_with_its_first_ptu)
    block.has_so_many_cuts = pyo.Constraint(rule=has_so_many_cuts)
    block.ends_in_time = pyo.Constraint(ptu, rule=ends_in_time)
    block.spares_midnight = pyo.Constraint(rule=spares_midnight)
    block.power_kw = pyo.Expression(ptu, rule=power)
    block.discomfort_eur = pyo.Expression(rule=discomfort)
