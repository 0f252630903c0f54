"""Mixed-integer programs of a whole neighbourhood, put together from blocks and given to HiGHS.

A home's program is small and solved by the home. Here many stand side by side with rows that join
them: what is worth switching on in the solver differs with the size, and so does when to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import highspy
import numpy as np
import numpy.typing as npt

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.program import HomeProgram, SparseRows

FEASIBILITY = 1e-9
"""A binary that is off by the solver's default 1e-6 lets in both directions at once a little, which
prices above others turn into money."""
OPTIONS: tuple[tuple[str, bool | int | float | str], ...] = (
    ("output_flag", False),
    # The scheduler of HiGHS is one per process, and one thread gives the same bytes.
    ("threads", 1),
    ("mip_detect_symmetry", False),
    ("mip_heuristic_run_feasibility_jump", False),
    ("mip_rel_gap", 0.0),
    ("mip_feasibility_tolerance", FEASIBILITY),
    ("primal_feasibility_tolerance", FEASIBILITY),
    ("dual_feasibility_tolerance", FEASIBILITY),
)
"""Presolve stays on, unlike for one home. Without it every kind of device with a fee takes half as
long, but tight limits twice, and the linear program of a shortfall many times. Heuristics make no
difference; the jump to a first plan only takes time."""


class Outcome(StrEnum):
    """How a solve ended."""

    OPTIMAL = "optimal"
    """A plan within the gap that was asked for."""
    BOUNDED = "bounded"
    """Stopped at the node limit with a plan and a wider gap, which is stated."""
    INFEASIBLE = "infeasible"
    """Proven that there is no plan."""
    UNSOLVED = "unsolved"
    """Stopped at the node limit without a plan."""
    OUT_OF_TIME = "out of time"
    """Stopped by the clock: not the same on another machine."""


@dataclass(frozen=True, slots=True, eq=False)
class MixedIntegerProgram:
    """Minimise ``constant + cost @ x`` subject to bounds and rows within their bounds.

    Parameters
    ----------
    cost, lower, upper : array, shape (column)
    integer : array of bool, shape (column)
    rows : SparseRows
    row_lower, row_upper : array, shape (row)
    constant : float
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    rows: SparseRows
    row_lower: FloatArray
    row_upper: FloatArray
    constant: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """What the solver found: `columns` is empty and `value` NaN where there is no plan.

    Parameters
    ----------
    columns : array, shape (column)
    value, bound : float
        Objective of `columns` and proven lower bound on it: -inf where nothing is proven, inf
        where it is proven that there is no plan.
    nodes : int
        Nodes of the search tree that were looked at.
    """

    outcome: Outcome
    columns: FloatArray
    value: float
    bound: float
    nodes: int


class ProgramStack:
    """A program in the making: blocks, columns, rows and entries are appended."""

    def __init__(self) -> None:
        none, nowhere = np.empty(0), np.empty(0, dtype=np.int64)
        self._columns: list[tuple[FloatArray, FloatArray, FloatArray, BoolArray]] = [
            (none, none, none, np.empty(0, dtype=np.bool_))
        ]
        self._rows: list[tuple[FloatArray, FloatArray]] = [(none, none)]
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = [(nowhere, nowhere, none)]
        self._column_count = 0
        self._row_count = 0

    def home(self, program: HomeProgram, cost: FloatArray) -> int:
        """Append a home's program at another `cost`; return the index of its first column."""
        first = self._column_count
        self._columns.append((cost, program.lower, program.upper, program.integer))
        self._column_count += len(cost)
        row = self.rows(program.row_lower, program.row_upper)
        self.entries(
            np.repeat(row, np.diff(program.rows.start)),
            program.rows.column + first,
            program.rows.value,
        )
        return first

    def columns(
        self,
        count: int,
        *,
        cost: npt.ArrayLike = 0.0,
        upper: npt.ArrayLike = np.inf,
        integer: bool = False,
    ) -> IntArray:
        """Append `count` columns from 0 to `upper` and return their indices."""
        self._columns.append(
            (_filled(cost, count), np.zeros(count), _filled(upper, count), np.full(count, integer))
        )
        first, self._column_count = self._column_count, self._column_count + count
        return np.arange(first, self._column_count)

    def rows(self, lower: npt.ArrayLike, upper: npt.ArrayLike) -> IntArray:
        """Append rows with these bounds and return their indices."""
        count = np.size(lower)
        self._rows.append((_filled(lower, count), _filled(upper, count)))
        first, self._row_count = self._row_count, self._row_count + count
        return np.arange(first, self._row_count)

    def entries(self, rows: IntArray, columns: IntArray, values: npt.ArrayLike) -> None:
        """Set one coefficient for each pair of row and column."""
        self._entries.append((rows, columns, _filled(values, len(columns))))

    def exclude(
        self, first: IntArray, first_most: FloatArray, second: IntArray, second_most: FloatArray
    ) -> None:
        """Let at most one column of each pair differ from zero."""
        count = len(first)
        takes_first = self.columns(count, upper=1.0, integer=True)
        only_then = self.rows(np.full(count, -np.inf), np.zeros(count))
        self.entries(only_then, first, 1.0)
        self.entries(only_then, takes_first, -first_most)
        only_else = self.rows(np.full(count, -np.inf), second_most)
        self.entries(only_else, second, 1.0)
        self.entries(only_else, takes_first, second_most)

    def finish(self, constant: float = 0.0) -> MixedIntegerProgram:
        """Gather everything into one program."""
        cost, lower, upper, integer = (
            np.concatenate(parts) for parts in zip(*self._columns, strict=True)
        )
        row_lower, row_upper = (np.concatenate(parts) for parts in zip(*self._rows, strict=True))
        rows, columns, values = (
            np.concatenate(parts) for parts in zip(*self._entries, strict=True)
        )
        order = np.lexsort((columns, rows))
        start = np.zeros(self._row_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=self._row_count), out=start[1:])
        return MixedIntegerProgram(
            cost,
            lower,
            upper,
            integer,
            SparseRows(start, columns[order], values[order]),
            row_lower,
            row_upper,
            constant,
        )


def minimise(
    program: MixedIntegerProgram,
    *,
    gap: float,
    max_nodes: int,
    time_limit_s: float = float("inf"),
) -> Minimum:
    """Search until value and bound are within `gap`, or a limit is met.

    Raises
    ------
    Mas2simError
        When HiGHS refuses the program.
    """
    if not len(program.cost):
        return _empty(program)
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in (
        *OPTIONS,
        ("mip_abs_gap", gap),
        ("mip_max_nodes", max_nodes),
        ("time_limit", time_limit_s),
    ):
        _check(highs.setOptionValue(name, value), f"option {name}={value}")
    _check(highs.passModel(_highs_model(program)), "passModel")
    # An error status of run() is reported through the model status below.
    highs.run()
    info = highs.getInfo()
    outcome = _outcome(highs.getModelStatus(), feasible=info.primal_solution_status == 2)
    searched = bool(program.integer.any())
    nodes = max(int(info.mip_node_count), 0) if searched else 0
    if outcome is Outcome.INFEASIBLE:
        return Minimum(outcome, np.empty(0), float("nan"), float("inf"), nodes)
    found = info.primal_solution_status == 2
    value = float(info.objective_function_value) if found else float("nan")
    if searched:
        bound = float(info.mip_dual_bound)
    else:
        bound = value if outcome is Outcome.OPTIMAL else float("-inf")
    if found and value - bound <= gap:
        # A limit may be met in the work that follows the last improvement.
        outcome = Outcome.OPTIMAL
    columns = np.array(highs.getSolution().col_value) if found else np.empty(0)
    return Minimum(outcome, columns, value, bound, nodes)


def _empty(program: MixedIntegerProgram) -> Minimum:
    """What HiGHS calls empty and leaves without a bound: there is nothing to choose."""
    if (program.row_lower > FEASIBILITY).any() or (program.row_upper < -FEASIBILITY).any():
        return Minimum(Outcome.INFEASIBLE, np.empty(0), float("nan"), float("inf"), 0)
    return Minimum(Outcome.OPTIMAL, np.empty(0), program.constant, program.constant, 0)


def _outcome(status: highspy.HighsModelStatus, *, feasible: bool) -> Outcome:
    if status == highspy.HighsModelStatus.kOptimal:
        return Outcome.OPTIMAL
    if status in (
        highspy.HighsModelStatus.kInfeasible,
        # Nothing that is priced is unbounded.
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    ):
        return Outcome.INFEASIBLE
    if status == highspy.HighsModelStatus.kTimeLimit:
        return Outcome.OUT_OF_TIME
    return Outcome.BOUNDED if feasible else Outcome.UNSOLVED


def _highs_model(program: MixedIntegerProgram) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_ = len(program.cost)
    lp.num_row_ = len(program.row_lower)
    lp.offset_ = program.constant
    lp.col_cost_ = program.cost
    lp.col_lower_ = program.lower
    lp.col_upper_ = program.upper
    lp.row_lower_ = program.row_lower
    lp.row_upper_ = program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = program.rows.start.astype(np.int32)
    lp.a_matrix_.index_ = program.rows.column.astype(np.int32)
    lp.a_matrix_.value_ = program.rows.value
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in program.integer]
    return lp


def _filled(values: npt.ArrayLike, count: int) -> FloatArray:
    """One value for each of `count` places."""
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)))


def _check(status: highspy.HighsStatus, what: str) -> None:
    """HiGHS tells errors of options and model only by status."""
    if status == highspy.HighsStatus.kError:
        raise Mas2simError(f"HiGHS refused {what}: a fault of the program, not of the input")
