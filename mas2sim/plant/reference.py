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


def reference_days(homes: Sequence[Home], horizon: Horizon) -> tuple[ReferenceDay, ...]:
    """Let every device follow its own rule until the day repeats itself.

    Appliances begin when asked, vehicles charge on arrival at full power, batteries follow the own
    surplus, from the energy at which the day ends as it began.

    Returns
    -------
    tuple of ReferenceDay, in the order of homes
    """
    unmanaged = [ReferenceDay(home.fixed_kw) for home in homes]
    owners = [index for index, home in enumerate(homes) if home.battery is not None]
    start_kwh = np.zeros(len(homes))
    if owners:
        net_kw, device_kw = _live(homes, unmanaged, horizon)
        devices = [(i, device) for i, home in enumerate(homes) for device in home.flexible_devices]
        places = [k for k, (_, device) in enumerate(devices) if isinstance(device, Battery)]
        fleet = BatteryFleet.of([b for _, b in devices if isinstance(b, Battery)], horizon)
        start_kwh[owners] = fleet.periodic_start_kwh(net_kw[owners] - device_kw[places])

    begun = [
        ReferenceDay(home.fixed_kw, battery_start_kwh=float(start))
        for home, start in zip(homes, start_kwh, strict=True)
    ]
    net_kw, device_kw = _live(homes, begun, horizon)
    rows = iter(device_kw)
    return tuple(
        ReferenceDay(
            net_kw=net_kw[index],
            device_kw=MappingProxyType(
                {device.name: frozen(next(rows)) for device in home.flexible_devices}
            ),
            battery_start_kwh=float(start_kwh[index]),
        )
        for index, home in enumerate(homes)
    )


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
