"""A small world: twelve homes in three communities and a grid that only adds up."""

import numpy as np

from mas2sim.cosim import CaseSetup
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.community import partition
from mas2sim.domain.device import Appliance, Battery, ElectricVehicle, PvPlant
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.limits import GridLimits
from mas2sim.domain.plan import TieRule
from mas2sim.domain.tariff import Tariff
from mas2sim.domain.typical_day import Level

DAY = Horizon(30)
HOMES = 12


class CopperPlate:
    """A power flow without impedance: what goes in comes out."""

    layout = GridLayout("plate", (), (), (), ())

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        times = len(p_kw)
        nothing = np.zeros(times)
        return GridState(
            vm_pu=np.ones((times, 1, 1)),
            unbalance_percent=np.full((times, 1), np.nan),
            loading_percent=np.zeros((times, 1)),
            import_kw=p_kw.sum(axis=1),
            import_kvar=q_kvar.sum(axis=1),
            loss_line_kw=nothing,
            loss_transformer_load_kw=nothing,
            loss_transformer_no_load_kw=nothing,
            converged=np.ones(times, dtype=bool),
        )


def small_setup() -> CaseSetup:
    night = (DAY.start_hours >= 23) | (DAY.start_hours < 6)
    tariff = Tariff("two", np.where(night, 0.05, 0.2), np.full(DAY.ptus, 0.04))
    return CaseSetup(
        axes={"season": "winter", "substation": 1},
        date="2015-01-15",
        levels=(Level.BASELINE, Level.UC1),
        horizon=DAY,
        tariff=tariff,
        limits=GridLimits(280.0, 500.0, 216.2, 253.0),
        flow=CopperPlate(),
        homes=tuple(_home(index) for index in range(HOMES)),
        communities=partition(HOMES, 3, seed=1, substation=1),
        outdoor_c=np.full(DAY.ptus, 5.0),
        clearness=np.ones(DAY.ptus),
        ties=TieRule.RANDOM,
        seed=1,
        substation=1,
    )


def _home(index: int) -> Home:
    sun = np.maximum(0.0, np.sin((DAY.start_hours - 6) / 12 * np.pi))
    return Home(
        f"h{index:03d}",
        3000.0,
        np.full(DAY.ptus, 0.2 + 0.01 * index),
        appliances=(Appliance("washer", (0.8, 0.8), 36 + index, 30, 4),) if index % 2 else (),
        ev=ElectricVehicle(3.6, 24.0, 0.9, 36, 14, 6.0) if index % 3 == 0 else None,
        battery=Battery(7.0, 3.0, 0.95, 0.95) if index % 4 == 0 else None,
        pv=PvPlant(3.5, 35.0, 180.0, -2.0 * sun) if index % 4 < 2 else None,
        owns=frozenset({"washer", "ev", "battery"}),
        offered=frozenset({"washer", "ev", "battery"}) if index % 5 else frozenset(),
    )
