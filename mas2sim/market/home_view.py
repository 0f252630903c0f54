"""What can be read off one home's program without knowing its devices.

The centralised benchmark is given programs, not homes. Which rows balance a home's power, between
which powers it can choose and which columns lose energy on purpose follow from the program's shape:
each PTU has one equation that holds its import and export.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.program import HomeProgram
from mas2sim.market.mixed_integer import ProgramStack, minimise


@dataclass(frozen=True, slots=True, eq=False)
class HomeView:
    """A home's program with its power balance read out of its rows.

    Parameters
    ----------
    fixed_kw : array, shape (ptu)
        Net power if all other columns of the balance are zero.
    ptu, column : array of int, shape (entry)
        The balance's entries but import and export.
    power_kw : array, shape (entry)
        Net power per unit of the column.
    """

    program: HomeProgram
    fixed_kw: FloatArray
    ptu: IntArray
    column: IntArray
    power_kw: FloatArray

    @classmethod
    def of(cls, program: HomeProgram) -> HomeView:
        """Read the balance: of the rows that hold an export, the one that is an equation."""
        rows = program.rows
        row = np.repeat(np.arange(len(program.row_lower)), np.diff(rows.start))
        equation = (program.row_lower == program.row_upper)[row]
        export = program.net_export
        is_export = equation & (rows.column >= export.start) & (rows.column < export.stop)
        ptu_of_row = np.full(len(program.row_lower), -1)
        ptu_of_row[row[is_export]] = rows.column[is_export] - export.start
        import_ = program.net_import
        meters = ((rows.column >= export.start) & (rows.column < export.stop)) | (
            (rows.column >= import_.start) & (rows.column < import_.stop)
        )
        ptu = ptu_of_row[row]
        entry = (ptu >= 0) & ~meters
        fixed_kw = np.empty(export.stop - export.start)
        balance = np.flatnonzero(ptu_of_row >= 0)
        fixed_kw[ptu_of_row[balance]] = program.row_lower[balance]
        return cls(program, fixed_kw, ptu[entry], rows.column[entry], -rows.value[entry])

    def reach_kw(self) -> tuple[FloatArray, FloatArray]:
        """Least and most net power in each PTU, each of shape (ptu). [kW]

        Nothing beyond can be reached; not all of it need be.
        """
        least_kw, most_kw = self.fixed_kw.copy(), self.fixed_kw.copy()
        for where in self.program.devices.values():
            mine = (self.column >= where.start) & (self.column < where.stop)
            ptu, column = self.ptu[mine], self.column[mine]
            reached = self.power_kw[mine] * self.program.upper[column]
            drawn, delivered = np.zeros_like(most_kw), np.zeros_like(least_kw)
            # A device has one column a direction in a PTU, or of many starts takes one.
            np.maximum.at(drawn, ptu, reached)
            np.minimum.at(delivered, ptu, reached)
            most_kw += drawn
            least_kw += delivered
        return least_kw, most_kw


def settle(view: HomeView) -> FloatArray | None:
    """Columns of a home without anything to plan; None where its own program forbids them."""
    program = view.program
    lower, upper = program.lower.copy(), program.upper.copy()
    lower[program.net_import] = upper[program.net_import] = np.maximum(view.fixed_kw, 0.0)
    lower[program.net_export] = upper[program.net_export] = np.maximum(-view.fixed_kw, 0.0)
    if len(program.cost) == 2 * len(view.fixed_kw):
        return lower
    stack = ProgramStack()
    stack.home(replace(program, lower=lower, upper=upper), program.cost)
    found = minimise(stack.finish(), gap=0.0, max_nodes=1)
    return found.columns if len(found.columns) else None


def both_ways(view: HomeView, waste_pays: BoolArray) -> tuple[IntArray, IntArray]:
    """Columns by which a device draws, and delivers, in the same PTU, each of shape (pair).

    Both at once lose energy, which no device can do at will.

    Parameters
    ----------
    waste_pays : array of bool, shape (ptu)
        PTUs to look at.
    """
    charge, deliver = [], []
    for where in view.program.devices.values():
        mine = (view.column >= where.start) & (view.column < where.stop) & waste_pays[view.ptu]
        drawing, delivering = mine & (view.power_kw > 0), mine & (view.power_kw < 0)
        draws = dict(zip(view.ptu[drawing].tolist(), view.column[drawing].tolist(), strict=True))
        for ptu, column in zip(view.ptu[delivering], view.column[delivering], strict=True):
            if int(ptu) in draws:
                charge.append(draws[int(ptu)])
                deliver.append(int(column))
    return np.array(charge, dtype=np.int64), np.array(deliver, dtype=np.int64)


def exclude_both_ways(
    stack: ProgramStack, view: HomeView, first: int, waste_pays: BoolArray
) -> None:
    """Rule out that a device draws and delivers at once.

    Parameters
    ----------
    first : int
        First column of the home in the stack.
    waste_pays : array of bool, shape (ptu)
        PTUs in which losing energy may pay.
    """
    charge, deliver = both_ways(view, waste_pays)
    upper = view.program.upper
    stack.exclude(charge + first, upper[charge], deliver + first, upper[deliver])


def one_way(program: HomeProgram, columns: FloatArray) -> FloatArray:
    """Return the same plan with import and export not both above zero in a PTU.

    Where the difference alone is priced, the solver may raise both alike.
    """
    own = columns.copy()
    net_kw = columns[program.net_import] - columns[program.net_export]
    own[program.net_import] = np.maximum(net_kw, 0.0)
    own[program.net_export] = np.maximum(-net_kw, 0.0)
    return own
