"""The least-cost day of a home whose net power is to stay within a band.

What is asked of a home or ordered from it is a bound on its net power in some PTUs. Such a bound is
kept as far as the devices can: first the power beyond the band is made as small as possible in sum,
then the cost, then the tie rule decides (a lexicographic program, solved one objective at a time).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from types import MappingProxyType

import numpy as np

from mas2sim.cems.milp import Outcome, ProgramSolver
from mas2sim.cems.program import home_program
from mas2sim.cems.setpoints import carried_out, forgone_eur
from mas2sim.cems.ties import preference, with_peak
from mas2sim.cems.wishes import nearest_feasible
from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.device import (
    Battery,
    ElectricVehicle,
    FlexibleDevice,
)
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import HomePlan, PlanStatus, TieRule
from mas2sim.domain.program import HomeProgram, SparseRows
from mas2sim.domain.tariff import Tariff

ROOM_KW = 1e-6
"""What a present plan may lie outside its own band by: the tolerance of the solver that made it."""
EQUAL_BEYOND_KW = 1e-7
"""Plans that exceed the band by sums this close are equal: the gap to which the sum is proven."""
EQUAL_COST_EUR = 1e-7
"""Plans whose costs differ by less are equal: the gap to which the least cost is proven."""
BOTH_WAYS_KW = 1e-6
"""Charging and discharging at once above this is waste, below it rounding."""
DECODED_KW = 1e-5
"""Greatest difference of the devices' sum from the program's balance: row tolerances in sum."""


@dataclass(frozen=True, slots=True, eq=False)
class NetBand:
    """Bounds on a home's net power, and how far a plan may lie outside them.

    Parameters
    ----------
    lower_kw, upper_kw : array, shape (ptu)
        Minus and plus infinity where nothing is asked.
    most_below_kw, most_above_kw : array, shape (ptu)
        Greatest power below the lower and above the upper bound; 0 makes a bound firm.
    """

    lower_kw: FloatArray
    upper_kw: FloatArray
    most_below_kw: FloatArray
    most_above_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "lower_kw", "upper_kw", "most_below_kw", "most_above_kw")

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return bool(np.isfinite(self.lower_kw).any() or np.isfinite(self.upper_kw).any())

    def beyond_kw(self, net_kw: FloatArray) -> FloatArray:
        """Power outside the band, shape (ptu). [kW]"""
        return np.maximum(np.maximum(self.lower_kw - net_kw, net_kw - self.upper_kw), 0.0)


def plan_within(
    home: Home,
    reference: ReferenceDay,
    tariff: Tariff,
    horizon: Horizon,
    band: NetBand,
    *,
    ties: TieRule = TieRule.RANDOM,
    rng: np.random.Generator,
) -> HomePlan | None:
    """Plan the day of least cost among those that exceed `band` least.

    Parameters
    ----------
    reference : ReferenceDay
        As for `plan_home`; here the plan may cost more than it.

    Returns
    -------
    HomePlan or None
        None when no plan is allowed by the devices and the firm bounds, or when the search ended
        without any. `status` is ``bounded`` when one of the two objectives is not proven.
    """
    began = perf_counter()
    wishes = nearest_feasible(home, reference, horizon)
    problem = _Problem(wishes.home, reference, tariff, horizon, band)
    found = problem.solve(ties, rng)
    if found is None:
        return None
    status = PlanStatus.OPTIMAL if found.proven else PlanStatus.BOUNDED
    setpoints, net_kw = problem.carried_out(found)
    cost_eur = float(tariff.cost_eur(net_kw, horizon))
    discomfort_eur = forgone_eur(wishes.home, setpoints, horizon)
    return HomePlan(
        net_kw=net_kw,
        setpoints=MappingProxyType(setpoints),
        cost_eur=cost_eur,
        discomfort_eur=discomfort_eur,
        bound_eur=min(found.bound_eur, cost_eur + discomfort_eur),
        status=PlanStatus.INFEASIBLE if wishes.reasons else status,
        way=found.way,
        reason="; ".join(wishes.reasons) or ("" if found.proven else Outcome.BOUNDED.value),
        solve_s=perf_counter() - began,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A solution, and what is known about it."""

    program: HomeProgram
    columns: FloatArray
    beyond_kw: float
    cost_eur: float
    bound_eur: float
    proven: bool
    way: str


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """One home's day within a band."""

    home: Home
    reference: ReferenceDay
    tariff: Tariff
    horizon: Horizon
    band: NetBand

    def solve(self, ties: TieRule, rng: np.random.Generator) -> _Found | None:
        """Solve the objectives in turn; None without any plan.

        Charging and discharging at once wastes energy. A lower bound on the net power of a PTU
        rewards that in this PTU (elsewhere less waste lowers the net power, which nothing forbids,
        and the cost). It is ruled out in the PTUs where a solution does it, and only there, until
        none does: the last solution is then the best of all that never do, since it is the best
        among more. Where the search for it ends early, one that never discharges in these PTUs is
        taken if it is better.
        """
        never = np.zeros(self.horizon.ptus, dtype=bool)
        exclusive = never
        while True:
            found = self._solve_once(exclusive, never, ties, rng)
            wasting = never if found is None else self._wasting(found.program, found.columns)
            if found is not None and found.proven:
                if not wasting.any():
                    return found
                exclusive = exclusive | wasting
                continue
            kept_off = np.isfinite(self.band.lower_kw) & (exclusive | wasting).any()
            if not kept_off.any():
                return found
            simple = self._solve_once(never, kept_off, ties, rng)
            sound = [
                each
                for each in (None if wasting.any() else found, simple)
                if each is not None and not self._wasting(each.program, each.columns).any()
            ]
            best = min(sound, key=lambda each: (each.beyond_kw, each.cost_eur), default=None)
            return None if best is None else replace(best, proven=False)

    def _solve_once(
        self, exclusive: BoolArray, kept_off: BoolArray, ties: TieRule, rng: np.random.Generator
    ) -> _Found | None:
        """Solve with storages that do not go both ways, or do not discharge, in some PTUs."""
        program, beyond = _with_band(self._program(exclusive, kept_off), self.band)
        if ties is TieRule.FLATTEST:
            program = with_peak(program)
        sum_beyond = np.zeros(len(program.cost))
        sum_beyond[beyond] = 1.0
        solver = ProgramSolver(program)
        nearest = solver.minimise(sum_beyond)
        if not len(nearest.columns):
            return None
        solver.hold(sum_beyond, nearest.objective + EQUAL_BEYOND_KW)
        cheapest = solver.minimise(program.cost)
        proven = nearest.outcome is Outcome.OPTIMAL and cheapest.outcome is Outcome.OPTIMAL
        columns = cheapest.columns if len(cheapest.columns) else nearest.columns
        way = "milp within a band, tie not resolved"
        # A solution that wastes is solved again, and one that was hard to keep from it is kept.
        if proven and not (exclusive.any() or self._wasting(program, columns).any()):
            most_eur = cheapest.objective + EQUAL_COST_EUR
            preferred = solver.best_of_equals(preference(program, ties, rng), most_eur).columns
            if len(preferred) and not self._wasting(program, preferred).any():
                columns, way = preferred, "milp within a band"
        return _Found(
            program=program,
            columns=columns,
            beyond_kw=float(columns[beyond].sum()),
            cost_eur=float(program.cost @ columns),
            bound_eur=cheapest.bound,
            proven=proven,
            way=way,
        )

    def _program(self, exclusive: BoolArray, kept_off: BoolArray) -> HomeProgram:
        """State the program; in some PTUs storages do not go both ways, or do not discharge.

        The program forbids both ways where energy is worthless. So it is made for prices lowered
        until one is not positive, and is given its true prices afterwards.
        """
        tariff = self.tariff
        import_, export = tariff.import_eur_per_kwh, tariff.export_eur_per_kwh
        lowered_eur = np.where(exclusive, np.maximum(np.minimum(import_, export), 0.0), 0.0)
        lowered = replace(
            tariff,
            import_eur_per_kwh=import_ - lowered_eur,
            export_eur_per_kwh=export - lowered_eur,
        )
        program = home_program(self.home, self.reference, lowered, self.horizon)
        cost = program.cost.copy()
        cost[program.net_import] += lowered_eur * self.horizon.ptu_hours
        cost[program.net_export] -= lowered_eur * self.horizon.ptu_hours
        upper = program.upper.copy()
        for device in self.home.offered_devices:
            ptus = _two_way_ptus(device, self.horizon)
            discharge = np.arange(len(program.cost))[program.devices[device.name]][len(ptus) :]
            if len(ptus):
                upper[discharge[kept_off[ptus]]] = 0.0
        return replace(program, cost=cost, upper=upper)

    def _wasting(self, program: HomeProgram, columns: FloatArray) -> BoolArray:
        """PTUs in which some storage both charges and discharges, shape (ptu)."""
        wasting = np.zeros(self.horizon.ptus, dtype=bool)
        for device in self.home.offered_devices:
            ptus = _two_way_ptus(device, self.horizon)
            if len(ptus):
                charge_kw, discharge_kw = columns[program.devices[device.name]].reshape(2, -1)
                wasting[ptus] |= np.minimum(charge_kw, discharge_kw) > BOTH_WAYS_KW
        return wasting

    def carried_out(self, found: _Found) -> tuple[dict[str, FloatArray], FloatArray]:
        """Setpoints of the offered devices and the home's net power, shape (ptu) each."""
        program, columns = found.program, found.columns
        setpoints, net_kw = carried_out(self.home, self.reference, program, columns, self.horizon)
        balance_kw = columns[program.net_import] - columns[program.net_export]
        if np.abs(net_kw - balance_kw).max() > DECODED_KW:
            raise Mas2simError(
                f"home {self.home.name}: the devices' plans do not add up to its net power: a "
                "fault of the program, not of the input"
            )
        return setpoints, net_kw


def _with_band(program: HomeProgram, band: NetBand) -> tuple[HomeProgram, slice]:
    """Append a row and a column for each bound: net power less the column keeps the bound.

    Returns
    -------
    program, and the columns that hold the power outside the band
    """
    above, below = np.isfinite(band.upper_kw), np.isfinite(band.lower_kw)
    first = len(program.cost)
    count = int(above.sum() + below.sum())
    ptus = np.concatenate([np.flatnonzero(above), np.flatnonzero(below)])
    outside = first + np.arange(count)
    sign = np.concatenate([np.full(above.sum(), -1.0), np.full(below.sum(), 1.0)])
    columns = np.stack(
        [program.net_import.start + ptus, program.net_export.start + ptus, outside], axis=-1
    )
    values = np.stack([np.ones(count), -np.ones(count), sign], axis=-1)
    most = np.concatenate([band.most_above_kw[above], band.most_below_kw[below]]) + ROOM_KW
    widened = replace(
        program,
        cost=np.append(program.cost, np.zeros(count)),
        lower=np.append(program.lower, np.zeros(count)),
        upper=np.append(program.upper, most),
        integer=np.append(program.integer, np.zeros(count, dtype=bool)),
        rows=_appended(program.rows, columns, values),
        row_lower=np.concatenate(
            [program.row_lower, np.full(above.sum(), -np.inf), band.lower_kw[below]]
        ),
        row_upper=np.concatenate(
            [program.row_upper, band.upper_kw[above], np.full(below.sum(), np.inf)]
        ),
    )
    return widened, slice(first, first + count)


def _appended(rows: SparseRows, columns: IntArray, values: FloatArray) -> SparseRows:
    """Rows with further ones of equal length below, shape (row, entry)."""
    count, length = columns.shape
    return SparseRows(
        start=np.concatenate([rows.start, rows.start[-1] + length * np.arange(1, count + 1)]),
        column=np.concatenate([rows.column, columns.ravel()]),
        value=np.concatenate([rows.value, values.ravel()]),
    )


def _two_way_ptus(device: FlexibleDevice, horizon: Horizon) -> IntArray:
    """PTUs in which a storage may charge and discharge; none for what only draws."""
    if isinstance(device, Battery):
        return np.arange(horizon.ptus)
    if isinstance(device, ElectricVehicle) and device.discharge_kw > 0:
        return horizon.window(device.arrival, device.departure)
    return np.empty(0, dtype=np.int64)
