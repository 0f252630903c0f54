"""A case the plain way: a Pyomo model for each home, a call of pandapower for each time.

What one would write first for homes that plan (UC1) and a flow phase by phase: the model is stated
anew for each home and solved by HiGHS, and `runpp_3ph` is called for each PTU of each level. Both
are timed on some homes and times, and the mean is taken for all. What this way has no other means
for is counted at this project's own time: reading and building the case without any cache, the
markets (UC2, UC3), the plants and the KPIs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Any, TypeVar

import numpy as np

from mas2sim.cems.statement import solve_home
from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.grid_state import GridLayout, GridState, PowerFlow
from mas2sim.domain.typical_day import Level
from mas2sim.grid import Connection, connect, to_pandapower
from mas2sim.plant import reference_days
from mas2sim.results import CaseRecord, kpi_table
from mas2sim.scenario import Case, compose_case
from mas2sim.scenario.build import build_setup
from mas2sim.scenario.grid_source import build_substation

HOME_EVERY = 8
"""One flexible home in so many is planned by Pyomo."""
PTU_EVERY = 16
"""One PTU in so many of each level is solved by pandapower."""
PHASES = "abc"
KW_PER_MW = 1000.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlainCase:
    """What a case takes the plain way.

    Parameters
    ----------
    homes, home_s : int, float
        Homes that have something to plan, and a home's mean by Pyomo. [CPU-s]
    flows, flow_s : int, float
        Times and levels together, and a flow's mean by pandapower. [CPU-s]
    rest_s : float
        What is counted at this project's own time. [CPU-s]
    difference_eur : float
        Most by which a home's least cost differs from that of its plan. [EUR]
    difference_pu : float
        Most by which a voltage differs. [pu]
    """

    homes: int
    home_s: float
    flows: int
    flow_s: float
    rest_s: float
    difference_eur: float
    difference_pu: float

    @property
    def total_s(self) -> float:
        """The whole case. [CPU-s]"""
        return self.homes * self.home_s + self.flows * self.flow_s + self.rest_s


class _Watched:
    """A power flow that keeps the last batch and what it took: that of the day's levels."""

    def __init__(self, flow: PowerFlow) -> None:
        self._flow = flow
        self.p_kw = self.q_kvar = np.zeros((0, 0))
        self.seconds = 0.0

    @property
    def layout(self) -> GridLayout:
        return self._flow.layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        self.p_kw, self.q_kvar = p_kw.copy(), q_kvar.copy()
        self.seconds, state = timed(lambda: self._flow.solve(p_kw, q_kvar))
        return state


def plain_case(overrides: Sequence[str]) -> PlainCase:
    """Take a case the plain way, in samples."""
    cache = ContentCache()
    _own_way(overrides, cache)
    # The second time its homes are planned already: what is left is not counted twice.
    rest_s, (case, setup, watched, record) = timed(lambda: _own_way(overrides, cache))
    homes, home_s, difference_eur = _homes(setup, record)
    flow_s, difference_pu = _flows(case, setup, watched, record)
    return PlainCase(
        homes=homes,
        home_s=home_s,
        flows=len(watched.p_kw),
        flow_s=flow_s,
        rest_s=rest_s - watched.seconds,
        difference_eur=difference_eur,
        difference_pu=difference_pu,
    )


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """CPU time of one call [s], and what it returned."""
    began = process_time()
    value = call()
    return process_time() - began, value


def _own_way(
    overrides: Sequence[str], cache: ContentCache
) -> tuple[Case, CaseSetup, _Watched, CaseRecord]:
    """Read, build, run and measure the case; `cache` spares its homes' own plans."""
    case = compose_case(overrides)
    setup, _ = build_setup(case)
    watched = _Watched(setup.flow)
    record = run_world(replace(setup, flow=watched), cache=cache).record
    kpi_table(record)
    return case, setup, watched, record


def _homes(setup: CaseSetup, record: CaseRecord) -> tuple[int, float, float]:
    """Homes with something to plan, mean time of Pyomo [s], greatest difference [EUR]."""
    references = reference_days(setup.homes, setup.horizon)
    flexible = [place for place, home in enumerate(setup.homes) if home.offered_devices]
    if not flexible:
        return 0, 0.0, 0.0
    tariff, horizon = setup.tariff, setup.horizon
    taken_s, differences_eur = [], []
    for place in flexible[::HOME_EVERY]:
        home, reference = setup.homes[place], references[place]
        seconds, stated = timed(
            lambda home=home, reference=reference: solve_home(home, reference, tariff, horizon)
        )
        taken_s.append(seconds)
        plan = record.plans[Level.UC1][place]
        differences_eur.append(abs(stated.cost_eur - plan.cost_eur))
    return len(flexible), float(np.mean(taken_s)), max(differences_eur)


def _flows(
    case: Case, setup: CaseSetup, watched: _Watched, record: CaseRecord
) -> tuple[float, float]:
    """Mean time of `runpp_3ph` [s], and the greatest difference of a voltage [pu]."""
    import pandapower as pp

    found = build_substation(case)
    points = [
        Connection(point.name, each.bus, each.phase)
        for each in setup.participants
        for point in each.points
    ]
    substation = connect(found.network, (*found.homes, *points), found.limits)
    net = to_pandapower(substation, by_phase=True)
    voltages_pu = np.concatenate([record.grid[level].vm_pu for level in record.levels])
    shares = np.array(
        [[(phase in home) / len(home) for phase in PHASES] for home in substation.layout.home_phase]
    )

    def solve(time: int) -> float:
        _put(net, shares, watched.p_kw[time], watched.q_kvar[time])
        seconds, _ = timed(lambda: pp.runpp_3ph(net))
        return seconds

    solve(0)  # compiles, before the clock starts
    taken_s, differences_pu = [], []
    for time in range(0, len(watched.p_kw), PTU_EVERY):
        taken_s.append(solve(time))
        theirs = net.res_bus_3ph[[f"vm_{phase}_pu" for phase in PHASES]].to_numpy()
        differences_pu.append(float(np.nanmax(np.abs(theirs - voltages_pu[time]))))
    return float(np.mean(taken_s)), max(differences_pu)


def _put(net: Any, shares: FloatArray, p_kw: FloatArray, q_kvar: FloatArray) -> None:
    """Set the powers of all connections for one time."""
    loads = np.arange(len(shares))
    for index, phase in enumerate(PHASES):
        net.asymmetric_load.loc[loads, f"p_{phase}_mw"] = shares[:, index] * p_kw / KW_PER_MW
        net.asymmetric_load.loc[loads, f"q_{phase}_mvar"] = shares[:, index] * q_kvar / KW_PER_MW
