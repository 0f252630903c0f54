"""Homes' programs side by side, joined by what their communities net and what the grid allows.

A home's program prices its own meter. In a community that meter no longer decides: the community's
does, so the home's prices of energy give way to the fee on what is traded within, and one import
and one export of each community carry its tariff. Prices of the home's own peak and of discomfort
stay. Homes without anything to plan are sums before the solver sees them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram
from mas2sim.domain.tariff import Tariff
from mas2sim.market.community_bill import trade_pays
from mas2sim.market.home_view import HomeView, both_ways, exclude_both_ways, one_way, settle
from mas2sim.market.mixed_integer import MixedIntegerProgram, ProgramStack

ROUNDING_KW = 1e-7
"""Power that the solver's tolerance of 1e-9 a row may leave where there is none."""


@dataclass(frozen=True, slots=True, eq=False)
class CongestionPoint:
    """A place of the grid, and what may flow through it.

    Parameters
    ----------
    name : str
    homes : tuple of int
        Homes behind it, by their position among the programs.
    other_kw : array, shape (ptu)
        What flows there besides. [kW]
    lower_kw, upper_kw : array, shape (ptu)
        Bounds of the sum, negative is export; infinite where there is none. [kW]
    """

    name: str
    homes: tuple[int, ...]
    other_kw: FloatArray
    lower_kw: FloatArray
    upper_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "other_kw", "lower_kw", "upper_kw")

    def flow_kw(self, net_kw: FloatArray) -> FloatArray:
        """What flows there, shape (ptu), if homes draw `net_kw`, shape (home, ptu). [kW]"""
        return np.asarray(self.other_kw + net_kw[list(self.homes)].sum(axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class CentralProblem:
    """Everything that one optimisation of a substation knows.

    Parameters
    ----------
    programs : tuple of HomeProgram
        In the order of homes, each made with the tariff by which the home settles.
    communities : tuple of tuple of int
        Members by their position in `programs`; homes in none settle by their own meter.
    tariffs : tuple of Tariff
        One for each community.
    fee_eur_per_kwh : float
        Network charge on energy traded within a community, >= 0.
    points : tuple of CongestionPoint
    exchange : bool
        Whether communities net with each other too; they then need the same prices.
    trade_at_a_loss : bool
        Whether members net too where no price suits buyer and seller (`trade_pays`). Otherwise each
        settles by its own meter there.
    """

    programs: tuple[HomeProgram, ...]
    communities: tuple[tuple[int, ...], ...]
    tariffs: tuple[Tariff, ...]
    horizon: Horizon
    fee_eur_per_kwh: float = 0.0
    points: tuple[CongestionPoint, ...] = ()
    exchange: bool = False
    trade_at_a_loss: bool = True

    def netted(self, tariff: Tariff) -> BoolArray:
        """PTUs in which a community with this tariff settles as one, shape (ptu)."""
        return trade_pays(tariff, self.fee_eur_per_kwh) | self.trade_at_a_loss

    @property
    def netting(self) -> tuple[tuple[tuple[int, ...], Tariff], ...]:
        """Sets of homes that settle as one, and the tariff of each."""
        if not self.exchange or not self.communities:
            return tuple(zip(self.communities, self.tariffs, strict=True))
        everyone = tuple(home for members in self.communities for home in members)
        return ((everyone, self.tariffs[0]),)


@dataclass(frozen=True, slots=True, eq=False)
class StackedHomes:
    """One program of all homes, and where each home is in it.

    Parameters
    ----------
    views : tuple of HomeView
    first : tuple of int
        First column of each home; -1 for a home that is not in the program.
    settled : mapping by position
        Columns of the homes that are not in the program.
    excess : array of int, shape (point, 2, ptu)
        Columns by which the flow at a point goes beyond its upper, then its lower bound; held
        at 0. [kW]
    waste_pays : array of bool, shape (home, ptu)
        Where losing energy may pay though the home's own tariff gives no reason.
    """

    program: MixedIntegerProgram
    views: tuple[HomeView, ...]
    first: tuple[int, ...]
    settled: dict[int, FloatArray]
    excess: IntArray
    waste_pays: BoolArray

    def columns_of(self, home: int, columns: FloatArray) -> FloatArray:
        """Columns of one home, with import and export not both above zero in a PTU."""
        if home in self.settled:
            return self.settled[home]
        first, program = self.first[home], self.views[home].program
        return one_way(program, columns[first : first + len(program.cost)])

    def wastes(self, columns: FloatArray) -> bool:
        """Whether some device draws and delivers at once where that may pay."""
        for first, view, pays in zip(self.first, self.views, self.waste_pays, strict=True):
            if first >= 0 and pays.any():
                charge, deliver = both_ways(view, pays)
                both_kw = np.minimum(columns[charge + first], columns[deliver + first])
                if (both_kw > ROUNDING_KW).any():
                    return True
        return False


def stack_homes(problem: CentralProblem, *, exclude_waste: bool) -> StackedHomes:
    """State the least sum of the communities' costs as one program.

    Parameters
    ----------
    exclude_waste : bool
        Whether to rule out that storages lose energy on purpose where the community or a limit, but
        not the home's own tariff, may make it pay. It takes a binary for each storage and PTU.
    """
    stack = ProgramStack()
    views = [HomeView.of(program) for program in problem.programs]
    costs = _costs(problem)
    settled = {}
    for home, view in enumerate(views):
        columns = settle(view) if not view.program.devices else None
        if columns is not None:
            settled[home] = columns
    first = []
    waste_pays = _waste_pays(problem, views)
    for home, (view, cost) in enumerate(zip(views, costs, strict=True)):
        at = -1 if home in settled else stack.home(view.program, cost)
        first.append(at)
        if at >= 0 and exclude_waste:
            exclude_both_ways(stack, view, at, waste_pays[home])
    constant = sum(float(costs[home] @ columns) for home, columns in settled.items())

    joined = _Joined(stack, problem, views, tuple(first), settled)
    nets = [joined.community(members, tariff) for members, tariff in problem.netting]
    excess = [joined.point(point, nets) for point in problem.points]
    shape = (len(excess), 2, problem.horizon.ptus)
    return StackedHomes(
        program=stack.finish(constant),
        views=tuple(views),
        first=tuple(first),
        settled=settled,
        excess=np.array(excess, dtype=np.int64).reshape(shape),
        waste_pays=waste_pays,
    )


def costs_beside_energy(problem: CentralProblem) -> list[FloatArray]:
    """Cost of each home's columns; of a member's without energy, shape (column) each."""
    costs = [program.cost for program in problem.programs]
    for members in problem.communities:
        for home in members:
            program = problem.programs[home]
            costs[home] = program.cost.copy()
            costs[home][program.net_import] = 0.0
            costs[home][program.net_export] = 0.0
    return costs


def _costs(problem: CentralProblem) -> list[FloatArray]:
    """Cost of each home's columns: a member pays the fee where its community settles as one."""
    costs = costs_beside_energy(problem)
    fee_eur_per_kw = problem.fee_eur_per_kwh * problem.horizon.ptu_hours
    for members, tariff in zip(problem.communities, problem.tariffs, strict=True):
        netted = problem.netted(tariff)
        for home in members:
            alone = problem.programs[home]
            import_, export = alone.net_import, alone.net_export
            costs[home][import_] = np.where(netted, fee_eur_per_kw, alone.cost[import_])
            costs[home][export] = np.where(netted, 0.0, alone.cost[export])
    return costs


def _waste_pays(problem: CentralProblem, views: list[HomeView]) -> BoolArray:
    """Where losing energy may pay though the home's own tariff gives no reason, (home, ptu).

    Energy within a community is worth no less than its export price and no less than its import
    price without the fee, unless a bound on the export of a point can bind.
    """
    pays = np.zeros((len(views), problem.horizon.ptus), dtype=np.bool_)
    for members, tariff in zip(problem.communities, problem.tariffs, strict=True):
        at_home = np.minimum(tariff.import_eur_per_kwh, tariff.export_eur_per_kwh)
        within = np.minimum(at_home, tariff.import_eur_per_kwh - problem.fee_eur_per_kwh)
        pays[list(members)] = (within <= 0.0) & (at_home > 0.0) & problem.netted(tariff)
    if any(np.isfinite(point.lower_kw).any() for point in problem.points):
        least_kw = np.array([view.reach_kw()[0] for view in views])
        for point in problem.points:
            pays[list(point.homes)] |= point.flow_kw(least_kw) < point.lower_kw
    return pays


@dataclass(frozen=True, slots=True)
class _Joined:
    """What joins homes that stand in a stack."""

    stack: ProgramStack
    problem: CentralProblem
    views: list[HomeView]
    first: tuple[int, ...]
    settled: dict[int, FloatArray]

    def community(
        self, members: tuple[int, ...], tariff: Tariff
    ) -> tuple[frozenset[int], IntArray, IntArray]:
        """Add import and export of a community; return its members and those columns."""
        hours, ptus = self.problem.horizon.ptu_hours, self.problem.horizon.ptus
        # The fee is paid on the members' imports less what the community imports as one.
        above = tariff.import_eur_per_kwh - self.problem.fee_eur_per_kwh
        netted = self.problem.netted(tariff)
        import_ = self.stack.columns(ptus, cost=above * hours * netted)
        export = self.stack.columns(ptus, cost=-tariff.export_eur_per_kwh * hours * netted)
        fixed_kw = self._fixed_kw(members)
        balance = self.stack.rows(fixed_kw, fixed_kw)
        self.stack.entries(balance, import_, 1.0)
        self.stack.entries(balance, export, -1.0)
        self._add_homes(balance, members, -1.0)
        both_pay = np.flatnonzero(netted & ~trade_pays(tariff, self.problem.fee_eur_per_kwh))
        if len(both_pay):
            reach = [self.views[home].reach_kw() for home in members]
            most_kw = sum((np.maximum(most, 0.0) for _, most in reach), start=np.zeros(ptus))
            least_kw = sum((np.minimum(least, 0.0) for least, _ in reach), start=np.zeros(ptus))
            self.stack.exclude(
                import_[both_pay], most_kw[both_pay], export[both_pay], -least_kw[both_pay]
            )
        return frozenset(members), import_, export

    def point(
        self, point: CongestionPoint, nets: list[tuple[frozenset[int], IntArray, IntArray]]
    ) -> tuple[IntArray, IntArray]:
        """Add the bounds of a congestion point; return the columns of going beyond."""
        ptus = self.problem.horizon.ptus
        behind = set(point.homes)
        whole = [net for net in nets if net[0] and net[0] <= behind]
        single = tuple(sorted(behind.difference(*(members for members, _, _ in whole))))
        known_kw = point.other_kw + self._fixed_kw(single)
        within = self.stack.rows(point.lower_kw - known_kw, point.upper_kw - known_kw)
        # Communities all of whose homes are behind the point are there with two columns, not two
        # for each member.
        for _, import_, export in whole:
            self.stack.entries(within, import_, 1.0)
            self.stack.entries(within, export, -1.0)
        self._add_homes(within, single, 1.0)
        above, below = (self.stack.columns(ptus, upper=0.0) for _ in range(2))
        self.stack.entries(within, above, -1.0)
        self.stack.entries(within, below, 1.0)
        return above, below

    def _fixed_kw(self, homes: tuple[int, ...]) -> FloatArray:
        """Net power of those that are not in the program, shape (ptu). [kW]"""
        known = (self.views[home].fixed_kw for home in homes if home in self.settled)
        return np.asarray(sum(known, start=np.zeros(self.problem.horizon.ptus)))

    def _add_homes(self, rows: IntArray, homes: tuple[int, ...], sign: float) -> None:
        """Add `sign` times the net power of those that are in the program to `rows`."""
        for home in homes:
            if home in self.settled:
                continue
            program, first = self.views[home].program, self.first[home]
            for where, direction in ((program.net_import, 1.0), (program.net_export, -1.0)):
                columns = np.arange(where.start, where.stop) + first
                self.stack.entries(rows, columns, sign * direction)
