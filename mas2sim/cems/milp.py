"""HiGHS from arrays: exact, on one thread, stopped by nodes and never by the clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import highspy
import numpy as np
import numpy.typing as npt

from mas2sim.domain.arrays import FloatArray, IntArray
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.program import HomeProgram

ABSOLUTE_GAP_EUR = 1e-7
MAX_NODES = 400
"""A home needs a few dozen at most; beyond this, where negative prices make losses pay, a plan is
within cents of its bound and the rest of the proof takes minutes."""
TIE_NODES = 50
"""Ties are told apart only as far as it is quick: any plan of equal cost will do."""
OPTIONS: tuple[tuple[str, bool | int | float | str], ...] = (
    ("output_flag", False),
    ("threads", 1),
    ("presolve", "off"),
    ("mip_detect_symmetry", False),
    ("mip_heuristic_effort", 0.0),
    ("mip_heuristic_run_feasibility_jump", False),
    ("mip_rel_gap", 0.0),
    ("mip_abs_gap", ABSOLUTE_GAP_EUR),
    ("mip_max_nodes", MAX_NODES),
    ("mip_feasibility_tolerance", 1e-9),
    ("primal_feasibility_tolerance", 1e-9),
)
"""A home's program is so small that presolve and heuristics cost more than they save."""


class Outcome(Enum):
    """How a solve ended."""

    OPTIMAL = "optimal"
    BOUNDED = "stopped at the node limit with a feasible plan"
    INFEASIBLE = "infeasible"
    UNSOLVED = "stopped without a feasible plan"


@dataclass(frozen=True, slots=True, eq=False)
class MilpSolution:
    """Solution of a program: `columns` is empty where there is none."""

    outcome: Outcome
    columns: FloatArray
    objective: float
    bound: float


class ProgramSolver:
    """One program, loaded once and solved for one objective after another."""

    def __init__(self, program: HomeProgram) -> None:
        self._program = program
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in OPTIONS:
            _check(self._highs.setOptionValue(name, value), f"option {name}={value}")
        _check(self._highs.passModel(_highs_model(program)), "passModel")

    def least_cost(self) -> MilpSolution:
        """Solve for the least cost."""
        return self._solve()

    def hold(self, weights: FloatArray, at_most: float) -> None:
        """Keep ``weights @ x`` at or below `at_most` in every later solve."""
        columns = np.flatnonzero(weights)
        row = (-highspy.kHighsInf, at_most, len(columns), columns.astype(np.int32))
        _check(self._highs.addRow(*row, weights[columns]), "addRow")

    def minimise(self, weights: FloatArray) -> MilpSolution:
        """Solve for the least ``weights @ x``."""
        everything = np.arange(len(weights), dtype=np.int32)
        changed = self._highs.changeColsCost(len(weights), everything, weights)
        _check(changed, "changeColsCost")
        return self._solve()

    def best_of_equals(self, preference: FloatArray, cost_eur: float) -> MilpSolution:
        """Among plans that cost at most `cost_eur`, take the one of least ``preference @ x``."""
        self.hold(self._program.cost, cost_eur)
        _check(self._highs.setOptionValue("mip_max_nodes", TIE_NODES), "mip_max_nodes")
        return self.minimise(preference)

    def _solve(self) -> MilpSolution:
        # An error status of run() is reported through the model status below.
        self._highs.run()
        info = self._highs.getInfo()
        outcome = _outcome(self._highs.getModelStatus(), info)
        if outcome in (Outcome.INFEASIBLE, Outcome.UNSOLVED):
            return MilpSolution(outcome, np.empty(0), float("nan"), float("nan"))
        objective = info.objective_function_value
        bound = info.mip_dual_bound if self._program.integer.any() else objective
        columns = np.array(self._highs.getSolution().col_value)
        return MilpSolution(outcome, columns, objective, bound)


def _outcome(status: highspy.HighsModelStatus, info: highspy.HighsInfo) -> Outcome:
    feasible = info.primal_solution_status == 2  # kSolutionStatusFeasible
    if status == highspy.HighsModelStatus.kOptimal:
        return Outcome.OPTIMAL
    if status in (
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    ):
        return Outcome.INFEASIBLE
    return Outcome.BOUNDED if feasible else Outcome.UNSOLVED


def _highs_model(program: HomeProgram) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    lp.num_col_ = len(program.cost)
    lp.num_row_ = len(program.row_lower)
    lp.col_cost_ = program.cost
    lp.col_lower_ = program.lower
    lp.col_upper_ = program.upper
    lp.row_lower_ = program.row_lower
    lp.row_upper_ = program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = _int32(program.rows.start)
    lp.a_matrix_.index_ = _int32(program.rows.column)
    lp.a_matrix_.value_ = program.rows.value
    if program.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(flag)] for flag in program.integer]
    return lp


def _int32(values: IntArray) -> npt.NDArray[np.int32]:
    return values.astype(np.int32)


def _check(status: highspy.HighsStatus, what: str) -> None:
    """HiGHS tells errors of options and model only by status."""
    if status == highspy.HighsStatus.kError:
        raise Mas2simError(f"HiGHS refused {what}: a fault of the program, not of the input")
