"""Power flow by pandapower, one time after the other: the oracle that the default engine meets."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.grid.pandapower_export import to_pandapower
from mas2sim.grid.solution import masked_state, no_load_kw, powers_or_fault
from mas2sim.grid.substation import Substation

TOLERANCE_MVA = 1e-10
"""0.1 mW at a bus: an oracle should be closer than what is compared with it. [MVA]"""

_KW_PER_MW = 1000.0
_A_PER_KA = 1000.0


class PandapowerFlow:
    """The balanced flow of a substation, each home spread evenly over three phases.

    The transformer is a pi model here, as it is in power-grid-model; pandapower's default, a T
    model, differs by some 1e-7 pu.

    Parameters
    ----------
    substation : Substation
    recycle : bool
        True to start each time from the one before and to build the admittances once. Faster; the
        result then depends on the times before, within the tolerance.
    tolerance_mva : float
        Greatest power that may be amiss at a bus.
    """

    def __init__(
        self,
        substation: Substation,
        *,
        recycle: bool = False,
        tolerance_mva: float = TOLERANCE_MVA,
    ) -> None:
        self._substation = substation
        self._net = to_pandapower(substation)
        self._recycle = recycle
        self._tolerance_mva = tolerance_mva
        self._numba = find_spec("numba") is not None

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        return self._substation.layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch; arguments and result as in `BatchPowerFlow.solve`."""
        layout, network = self.layout, self._substation.network
        homes = len(layout.home_bus)
        p_kw, q_kvar, converged = powers_or_fault(p_kw, q_kvar, homes=homes)
        times = len(converged)
        vm_pu = np.full((times, len(layout.buses), 1), np.nan)
        loading = np.full((times, len(layout.branches)), np.nan)
        totals = np.full((times, 4), np.nan)
        warm = False
        for time in np.flatnonzero(converged):
            warm = converged[time] = self._run(p_kw[time], q_kvar[time], warm=warm)
            if converged[time]:
                vm_pu[time, :, 0] = self._net.res_bus["vm_pu"].to_numpy()
                loading[time] = self._loading_percent()
                totals[time] = self._totals()
        no_load = no_load_kw(network, vm_pu)
        return masked_state(
            converged,
            vm_pu=vm_pu,
            unbalance_percent=None,
            loading_percent=loading,
            import_kw=totals[:, 0],
            import_kvar=totals[:, 1],
            loss_line_kw=totals[:, 2],
            loss_transformer_load_kw=totals[:, 3] - no_load,
            loss_transformer_no_load_kw=no_load,
        )

    def _run(self, p_kw: FloatArray, q_kvar: FloatArray, *, warm: bool) -> bool:
        import pandapower as pp

        homes = np.arange(len(p_kw))
        self._net.load.loc[homes, "p_mw"] = p_kw / _KW_PER_MW
        self._net.load.loc[homes, "q_mvar"] = q_kvar / _KW_PER_MW
        options: dict[str, Any] = {}
        if self._recycle and warm:
            options = {
                "init": "results",
                "recycle": {"bus_pq": True, "trafo": False, "gen": False},
            }
        try:
            pp.runpp(
                self._net,
                trafo_model="pi",
                tolerance_mva=self._tolerance_mva,
                numba=self._numba,
                **options,
            )
        except pp.LoadflowNotConverged:
            return False
        return bool(self._net.converged)

    def _loading_percent(self) -> FloatArray:
        """Loading of transformers by their apparent power, of lines by their current."""
        units, lines = self._net.res_trafo, self._net.res_line
        network = self._substation.network
        s_kva = _KW_PER_MW * np.hypot(units["p_hv_mw"].to_numpy(), units["q_hv_mvar"].to_numpy())
        current_a = _A_PER_KA * lines["i_ka"].to_numpy()
        rating = [branch.rating for branch in network.branches]
        loading: FloatArray = 100.0 * np.concatenate([s_kva, current_a]) / rating
        return loading

    def _totals(self) -> list[float]:
        """Import [kW], [kvar], losses of lines and of transformers [kW]."""
        net = self._net
        sums = [
            net.res_ext_grid["p_mw"].sum(),
            net.res_ext_grid["q_mvar"].sum(),
            net.res_line["pl_mw"].sum(),
            net.res_trafo["pl_mw"].sum(),
        ]
        return [_KW_PER_MW * float(total) for total in sums]
