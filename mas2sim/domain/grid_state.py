"""The electrical state of a substation over time, and the places it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol

from mas2sim.domain.arrays import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class Bus:
    """A node of the network; `x_m`, `y_m` place it on the map."""

    name: str
    vn_kv: float
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Branch:
    """A line or a transformer between two buses.

    Parameters
    ----------
    kind : str
        ``"main"``, ``"service"``, ``"line"`` or ``"transformer"``.
    rating : float
        Current in A of a line, apparent power in kVA of a transformer.
    feeder : str
        Name of the feeder it belongs to; empty for the transformer.
    """

    name: str
    kind: str
    from_bus: str
    to_bus: str
    rating: float
    length_m: float = 0.0
    feeder: str = ""


@dataclass(frozen=True, slots=True)
class GridLayout:
    """Places of a substation: buses, branches, and where each home is connected.

    `home_bus` and `home_phase` (``"a"``, ``"b"``, ``"c"`` or ``"abc"``) are in the order of homes.
    """

    name: str
    buses: tuple[Bus, ...]
    branches: tuple[Branch, ...]
    home_bus: tuple[str, ...]
    home_phase: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GridState:
    """Solution of the power flow over a batch of times.

    A time that did not converge is False in `converged` and NaN everywhere else.

    Parameters
    ----------
    vm_pu : array, shape (time, bus, phase)
        Voltage magnitude, phase to neutral; one phase when the flow is balanced.
    loading_percent : array, shape (time, branch)
        Lines: current of the most loaded phase against the rating. Transformer: apparent power at
        the HV side, losses included, against the rating.
    import_kw, import_kvar : array, shape (time)
        Power drawn from the HV grid.
    loss_line_kw, loss_transformer_load_kw, loss_transformer_no_load_kw : array, shape (time)
        Losses, split.
    converged : array of bool, shape (time)
    """

    vm_pu: FloatArray
    loading_percent: FloatArray
    import_kw: FloatArray
    import_kvar: FloatArray
    loss_line_kw: FloatArray
    loss_transformer_load_kw: FloatArray
    loss_transformer_no_load_kw: FloatArray
    converged: BoolArray

    def part(self, times: slice) -> GridState:
        """Return the state over a part of the batch."""
        return GridState(*(getattr(self, field.name)[times] for field in fields(self)))

    @property
    def loss_kw(self) -> FloatArray:
        """All losses, shape (time). [kW]"""
        return self.loss_line_kw + self.loss_transformer_load_kw + self.loss_transformer_no_load_kw


class PowerFlow(Protocol):
    """Seam: what turns powers of homes into a state of the grid."""

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        ...

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch.

        Parameters
        ----------
        p_kw, q_kvar : array, shape (time, home)
            Power drawn at each connection point.
        """
        ...
