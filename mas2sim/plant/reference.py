"""What homes do on the cyclic day when nobody manages them: level `baseline`."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.device import Battery
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Setpoints
from mas2sim.plant.batteries import BatteryFleet
from mas2sim.plant.block import SimulatedBlock
from mas2sim.plant.heaters import HeaterFleet


def reference_days(homes: Sequence[Home], horizon: Horizon) -> tuple[ReferenceDay, ...]:
    """Let every device follow its own rule until the day repeats itself.

    Appliances begin when asked, vehicles charge on arrival at full power, heaters hold what their
    thermostat is set to, batteries follow the own surplus; each from the state at which the day
    ends as it began.

    Returns
    -------
    tuple of ReferenceDay, in the order of homes
    """
    heat_kwh = iter(
        HeaterFleet.of([heater for home in homes for heater in home.heaters], horizon)
        .periodic_start_kwh()
        .tolist()
    )
    begun = [
        ReferenceDay(
            home.fixed_kw,
            heat_start_kwh=MappingProxyType(
                {heater.name: next(heat_kwh) for heater in home.heaters}
            ),
        )
        for home in homes
    ]
    start_kwh = _battery_start_kwh(homes, begun, horizon)
    begun = [
        ReferenceDay(home.fixed_kw, battery_start_kwh=start, heat_start_kwh=day.heat_start_kwh)
        for home, day, start in zip(homes, begun, start_kwh, strict=True)
    ]
    net_kw, device_kw = _live(homes, begun, horizon)
    rows = iter(device_kw)
    return tuple(
        ReferenceDay(
            net_kw=net_kw[index],
            device_kw=MappingProxyType(
                {device.name: frozen(next(rows)) for device in home.flexible_devices}
            ),
            battery_start_kwh=day.battery_start_kwh,
            heat_start_kwh=day.heat_start_kwh,
        )
        for index, (home, day) in enumerate(zip(homes, begun, strict=True))
    )


def _battery_start_kwh(
    homes: Sequence[Home], begun: Sequence[ReferenceDay], horizon: Horizon
) -> list[float]:
    """Energy in each home's battery at midnight, 0 without one."""
    start_kwh = np.zeros(len(homes))
    owners = [index for index, home in enumerate(homes) if home.battery is not None]
    if owners:
        net_kw, device_kw = _live(homes, begun, horizon)
        devices = [device for home in homes for device in home.flexible_devices]
        places = [k for k, device in enumerate(devices) if isinstance(device, Battery)]
        fleet = BatteryFleet.of([d for d in devices if isinstance(d, Battery)], horizon)
        start_kwh[owners] = fleet.periodic_start_kwh(net_kw[owners] - device_kw[places])
    return [float(start) for start in start_kwh]


def _live(
    homes: Sequence[Home], references: Sequence[ReferenceDay], horizon: Horizon
) -> tuple[FloatArray, FloatArray]:
    """Net power, shape (home, ptu), and device power, shape (device, ptu), without setpoints."""
    block = SimulatedBlock(homes, references, horizon, levels=1)
    no_setpoints = np.full((1, len(block.devices), horizon.ptus), np.nan)
    block.run_in(no_setpoints)
    day = [block.step(ptu, Setpoints(no_setpoints[:, :, ptu])) for ptu in range(horizon.ptus)]
    return (
        np.stack([measured.p_kw[0] for measured in day], axis=-1),
        np.stack([measured.device_kw[0] for measured in day], axis=-1),
    )
