"""How devices move through one PTU, and homes through a day: machine code on plain arrays.

The one statement of each device's physics: a step of a block, a day of it and the state in which a
cyclic day begins all call the same step of the same device. A block has some tens of devices, so
that a step of it is far cheaper than the handling of arrays by numpy would be.

Devices and their states are rows of structured arrays (`DEVICE`, `STATE`), what changes from PTU to
PTU are rows of `profiles`, shape (row, ptu). The functions marked `compiled` are machine code after
their first call. All stand in this one file, since numba renews its cache when the file of the
caller changes, not that of the callee.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.machine_code import compiled

Rows = npt.NDArray[np.void]
"""A structured array: `DEVICE` or `STATE`."""

APPLIANCE, HEATER, INTERRUPTIBLE, VEHICLE, BATTERY = range(5)

DEVICE = np.dtype(
    [
        ("kind", np.int64),
        ("home", np.int64),
        ("profile", np.int64),
        ("power_kw", np.float64),
        ("delivery_kw", np.float64),
        ("lower_kwh", np.float64),
        ("upper_kwh", np.float64),
        ("keep", np.float64),
        ("charge_kwh_per_kw", np.float64),
        ("discharge_kwh_per_kw", np.float64),
        ("arrival_kwh", np.float64),
        ("begins", np.int64),
        ("cycle_ptus", np.int64),
        ("longest_cut", np.int64),
        ("cuts", np.int64),
    ]
)
"""One device; what its kind does not have is 0.

- ``home``: index within the block.
- ``profile``: first of its rows of `profiles`: an appliance's cycle by place in the cycle; whether
  a vehicle is connected; an interruptible load's power; a heater's inflow, then the heat stored by
  1 kW, then the heat stored at the temperature that its thermostat holds.
- ``power_kw``, ``delivery_kw``: greatest power drawn and delivered.
- ``lower_kwh``, ``upper_kwh``: bounds of the stored energy.
- ``keep``: share of the stored energy that is still there after a PTU.
- ``begins``: PTU at which the household asked for the start, or at which the vehicle arrives.
- ``longest_cut``, ``cuts``: most PTUs of one cut, most cuts in a day.
"""

STATE = np.dtype(
    [
        ("stored_kwh", np.float64),
        ("place", np.int64),
        ("running_cut", np.int64),
        ("cuts_left", np.int64),
    ]
)
"""State of one device; what its kind does not have stays as it is.

- ``place``: place in the cycle that comes next, or `IDLE`.
- ``running_cut``: PTUs that the present cut has lasted, 0 without one.
- ``cuts_left``: cuts that are still allowed today.
"""

IDLE = -1

BISECTIONS = 60
"""Halvings of a few hundred kWh at most: below the resolution of a float."""


@compiled
def within(value: float, low: float, high: float) -> float:
    """Bring a value between two bounds, the first not above the second."""
    return min(max(value, low), high)


@compiled
def step_appliance(
    appliance: np.void, cycle_kw: FloatArray, place: int, ptu: int, setpoint: float
) -> tuple[int, float]:
    """Run through one PTU; return the next place in the cycle and the power in kW.

    A setpoint of 1 begins a cycle; NaN leaves it to the household's asked start. A running cycle is
    not interrupted.
    """
    if place == IDLE:
        begins = appliance["begins"] == ptu if np.isnan(setpoint) else setpoint > 0.5
        if not begins:
            return IDLE, 0.0
        place = 0
    following = place + 1
    return IDLE if following >= appliance["cycle_ptus"] else following, cycle_kw[place]


@compiled
def step_heater(
    heater: np.void, profiles: FloatArray, stored_kwh: float, ptu: int, setpoint_kw: float
) -> tuple[float, float]:
    """Heat through one PTU; return stored heat in kWh and power in kW.

    Without a setpoint (NaN) as the thermostat asks.
    """
    first = heater["profile"]
    left_kwh = heater["keep"] * stored_kwh + profiles[first, ptu]
    heat_kwh_per_kw = profiles[first + 1, ptu]
    if np.isnan(setpoint_kw):
        setpoint_kw = (profiles[first + 2, ptu] - left_kwh) / heat_kwh_per_kw
    power_kw = within(setpoint_kw, 0.0, heater["power_kw"])
    return left_kwh + heat_kwh_per_kw * power_kw, power_kw


@compiled
def step_interruptible(
    load: np.void, p_kw: float, running_cut: int, cuts_left: int, ptu: int, setpoint: float
) -> tuple[int, int, float]:
    """Run or cut through one PTU; return the running cut, the cuts left and the power in kW.

    A setpoint of 1 cuts; 0 and NaN do not. A cut that would be longer than allowed ends, and one
    too many does not begin: the relay protects the household whatever it is asked for.
    """
    if ptu == 0:
        running_cut, cuts_left = 0, load["cuts"]
    begins = running_cut == 0 and cuts_left > 0 and load["longest_cut"] > 0
    goes_on = 0 < running_cut < load["longest_cut"]
    if not (setpoint > 0.5 and (goes_on or begins)):
        return 0, cuts_left, p_kw
    return running_cut + 1, cuts_left - 1 if begins else cuts_left, 0.0


@compiled
def step_vehicle(
    vehicle: np.void, connected: bool, stored_kwh: float, ptu: int, setpoint_kw: float
) -> tuple[float, float]:
    """Charge, or deliver, through one PTU; return stored energy in kWh and power in kW.

    Positive setpoints charge; without one (NaN) it charges until full. A vehicle arrives with what
    the day's drive has left of a full battery: what it could not charge here it is taken to have
    charged elsewhere, and the plan's status says so.
    """
    if vehicle["begins"] == ptu:
        stored_kwh = vehicle["arrival_kwh"]
    if not connected:
        return stored_kwh, 0.0
    wanted_kw = vehicle["power_kw"] if np.isnan(setpoint_kw) else setpoint_kw
    room_kw = max(vehicle["upper_kwh"] - stored_kwh, 0.0) / vehicle["charge_kwh_per_kw"]
    charge_kw = within(wanted_kw, 0.0, min(vehicle["power_kw"], room_kw))
    deliver_kw = 0.0
    # A vehicle that only charges has 0 kW and 0 kWh/kW: nothing to divide, nothing to deliver.
    if vehicle["delivery_kw"] > 0.0:
        spare_kw = max(stored_kwh - vehicle["lower_kwh"], 0.0) / vehicle["discharge_kwh_per_kw"]
        deliver_kw = within(-wanted_kw, 0.0, min(vehicle["delivery_kw"], spare_kw))
    charged_kwh = stored_kwh + vehicle["charge_kwh_per_kw"] * charge_kw
    return charged_kwh - vehicle["discharge_kwh_per_kw"] * deliver_kw, charge_kw - deliver_kw


@compiled
def step_battery(
    battery: np.void, stored_kwh: float, setpoint_kw: float, home_net_kw: float
) -> tuple[float, float]:
    """Charge or discharge through one PTU; return stored energy in kWh and power in kW.

    Positive setpoints charge. Without one (NaN) the battery follows its home's own surplus and
    need: `home_net_kw` is the home's net power without the battery.
    """
    wanted_kw = -home_net_kw if np.isnan(setpoint_kw) else setpoint_kw
    lower_kwh, gain = battery["lower_kwh"], battery["charge_kwh_per_kw"]
    drain, greatest_kw = battery["discharge_kwh_per_kw"], battery["power_kw"]
    left_kwh = battery["keep"] * stored_kwh
    room_kw = max(battery["upper_kwh"] - left_kwh, 0.0) / gain
    available_kw = max(left_kwh - lower_kwh, 0.0) / drain
    # Where standing loss would take it below, the battery holds its reserve by itself.
    lacking_kw = max(lower_kwh - left_kwh, 0.0) / gain
    charge_kw = within(max(wanted_kw, lacking_kw), 0.0, min(greatest_kw, room_kw))
    discharge_kw = within(-wanted_kw, 0.0, min(greatest_kw, available_kw))
    return left_kwh + gain * charge_kw - drain * discharge_kw, charge_kw - discharge_kw


@compiled
def step_device(
    device: np.void,
    profiles: FloatArray,
    state: np.void,
    ptu: int,
    setpoint: float,
    home_net_kw: float,
) -> tuple[float, float]:
    """Bring the state of one device of any kind through one PTU.

    Returns
    -------
    power in kW, stored energy in kWh : float
        NaN for what stores none, and for a vehicle while it is away.
    """
    kind, first = device["kind"], device["profile"]
    stored_kwh = np.nan
    if kind == APPLIANCE:
        state["place"], power_kw = step_appliance(
            device, profiles[first], state["place"], ptu, setpoint
        )
    elif kind == HEATER:
        stored_kwh, power_kw = step_heater(device, profiles, state["stored_kwh"], ptu, setpoint)
        state["stored_kwh"] = stored_kwh
    elif kind == INTERRUPTIBLE:
        state["running_cut"], state["cuts_left"], power_kw = step_interruptible(
            device, profiles[first, ptu], state["running_cut"], state["cuts_left"], ptu, setpoint
        )
    elif kind == VEHICLE:
        connected = profiles[first, ptu] > 0.0
        kwh, power_kw = step_vehicle(device, connected, state["stored_kwh"], ptu, setpoint)
        state["stored_kwh"] = kwh
        if connected:
            stored_kwh = kwh
    else:
        stored_kwh, power_kw = step_battery(device, state["stored_kwh"], setpoint, home_net_kw)
        state["stored_kwh"] = stored_kwh
    return power_kw, stored_kwh


@compiled
def live_ptus(
    devices: Rows,
    profiles: FloatArray,
    base_kw: FloatArray,
    fixed_kw: FloatArray,
    reactive_per_active: FloatArray,
    state: Rows,
    first: int,
    setpoints: FloatArray,
    p_kw: FloatArray,
    q_kvar: FloatArray,
    device_kw: FloatArray,
    stored_kwh: FloatArray,
) -> None:
    """Bring all devices of a block through some PTUs, one or a day, at all levels.

    Parameters
    ----------
    base_kw, fixed_kw : array, shape (ptu of the day, home)
        Base load, and what no device changes.
    reactive_per_active : array, shape (home)
        Of loads.
    state : structured array, shape (level, device)
        Read and written.
    first : int
        First PTU.
    setpoints : array, shape (ptu, level, device)
        NaN where a device follows its own rule.
    p_kw, q_kvar : array, shape (ptu, level, home)
        Written.
    device_kw, stored_kwh : array, shape (ptu, level, device)
        Written.
    """
    p_kw[:] = 0.0
    q_kvar[:] = 0.0
    steps, levels, homes = p_kw.shape
    for i in range(steps):
        ptu = first + i
        # Batteries last: their own rule answers to everything else in the home.
        for batteries in (False, True):
            for k in range(len(devices)):
                kind, home = devices[k]["kind"], devices[k]["home"]
                if (kind == BATTERY) != batteries:
                    continue
                for level in range(levels):
                    power_kw, stored_kwh[i, level, k] = step_device(
                        devices[k],
                        profiles,
                        state[level, k],
                        ptu,
                        setpoints[i, level, k],
                        fixed_kw[ptu, home] + p_kw[i, level, home],
                    )
                    device_kw[i, level, k] = power_kw
                    p_kw[i, level, home] += power_kw
                    if kind != VEHICLE and kind != BATTERY:
                        q_kvar[i, level, home] += power_kw
        for level in range(levels):
            for home in range(homes):
                load_kw = base_kw[ptu, home] + q_kvar[i, level, home]
                p_kw[i, level, home] += fixed_kw[ptu, home]
                q_kvar[i, level, home] = load_kw * reactive_per_active[home]


@compiled
def day_end_kwh(
    device: np.void, profiles: FloatArray, home_net_kw: FloatArray, stored_kwh: float
) -> float:
    """Energy with which a battery or a heater ends a day of its own rule, by that at its start."""
    for ptu in range(len(home_net_kw)):
        if device["kind"] == HEATER:
            stored_kwh, _ = step_heater(device, profiles, stored_kwh, ptu, np.nan)
        else:
            stored_kwh, _ = step_battery(device, stored_kwh, np.nan, home_net_kw[ptu])
    return stored_kwh


@compiled
def periodic_start_kwh(device: np.void, profiles: FloatArray, home_net_kw: FloatArray) -> float:
    """Energy with which a battery's or a heater's cyclic day of its own rule begins and ends.

    There is one, because the energy at the end never falls when that at the start rises, and stays
    within the device's bounds. What touches a bound or a set point within the day is there after
    one day; the others are bisected.

    Parameters
    ----------
    home_net_kw : array, shape (ptu)
        Net power of the home without its battery; a heater does not look at it.
    """
    low = day_end_kwh(device, profiles, home_net_kw, device["lower_kwh"])
    end = day_end_kwh(device, profiles, home_net_kw, low)
    if end <= low:
        return low
    high = float(device["upper_kwh"])
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if day_end_kwh(device, profiles, home_net_kw, middle) > middle:
            low = middle
        else:
            high = middle
    return high
