"""What homes do on the cyclic day when nobody manages them: level `baseline`."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.device import Battery, Heater
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.plant.block_arrays import BlockArrays, BlockOutputs
from mas2sim.plant.device_physics import BATTERY, HEATER


def reference_days(homes: Sequence[Home], horizon: Horizon) -> tuple[ReferenceDay, ...]:
    """Let every device follow its own rule until the day repeats itself.

    Appliances begin when asked, vehicles charge on arrival at full power, heaters hold what their
    thermostat is set to, batteries follow the own surplus; each from the state at which the day
    ends as it began.

    Returns
    -------
    tuple of ReferenceDay, in the order of homes
    """
    block = BlockArrays.of(homes, horizon)
    start_kwh = np.zeros(len(block.devices))
    # Heaters look at no other device: any day will do for them.
    block.write_periodic_starts(HEATER, start_kwh, _live(block, start_kwh))
    block.write_periodic_starts(BATTERY, start_kwh, _live(block, start_kwh))
    day = _live(block, start_kwh)
    net_kw, device_kw = day.p_kw[:, 0], day.device_kw[:, 0]

    days = []
    first = 0
    for home, home_kw in zip(homes, net_kw.T, strict=True):
        devices = home.flexible_devices
        places = range(first, first + len(devices))
        first = places.stop
        own = list(zip(devices, places, strict=True))
        days.append(
            ReferenceDay(
                net_kw=home_kw,
                device_kw=MappingProxyType(
                    {device.name: frozen(device_kw[:, k]) for device, k in own}
                ),
                battery_start_kwh=next(
                    (float(start_kwh[k]) for device, k in own if isinstance(device, Battery)), 0.0
                ),
                heat_start_kwh=MappingProxyType(
                    {d.name: float(start_kwh[k]) for d, k in own if isinstance(d, Heater)}
                ),
            )
        )
    return tuple(days)


def _live(block: BlockArrays, start_kwh: FloatArray) -> BlockOutputs:
    """Return the second of two days without setpoints, both begun with `start_kwh`."""
    state = block.at_midnight(start_kwh, levels=1)
    no_setpoints = np.full((len(block.fixed_kw), 1, len(block.devices)), np.nan)
    block.run_in(state, no_setpoints)
    return block.live(state, no_setpoints)
