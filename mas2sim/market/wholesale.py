"""The other benchmark: an aggregator that sells flexibility at wholesale, and no local trade.

D6.1 (2.3) wants the local market judged against an aggregator of a large portfolio that answers
requests of the wholesale market. Its members cannot trade with each other, neighbours or not (D6.1,
B.2.2): each home settles by its own meter and tariff. What the aggregator sells is the change of
its portfolio against what the members would have drawn; that energy changes hands at the wholesale
price, and the supplier who had bought it is settled with centrally at a price of its own (D6.1,
A.2.1, central settlement of activations). So members and aggregator together pay

    sum over homes of bill(n) + sum over PTUs of h (w - s) (n - n_ref)

with w the wholesale price, s the settlement price and n_ref what the home would draw otherwise.
With s the day's mean wholesale price, moving energy earns the spread and saving it earns nothing
beyond the bill. No home's plan depends on another's, so each is planned by itself: exact and fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.program import HomeProgram
from mas2sim.market.home_view import HomeView, exclude_both_ways, one_way, settle
from mas2sim.market.mixed_integer import Minimum, Outcome, ProgramStack, minimise

GAP_EUR = 1e-6
MAX_NODES = 400
"""For one home, as in its own planning."""


@dataclass(frozen=True, slots=True, eq=False)
class WholesaleSolution:
    """The portfolio's day of least cost.

    Where a home has no plan, its columns are empty and its figures NaN.

    Parameters
    ----------
    outcomes : tuple of Outcome
        For each home.
    columns : tuple of array, shape (column)
        For each home, in its own program.
    net_kw : array, shape (home, ptu)
    home_eur : array, shape (home)
        What each home pays by its own meter, with its peak and discomfort.
    traded_eur : array, shape (home)
        What its change costs (negative: earns) at wholesale, settlement with suppliers included.
    bound_eur : array, shape (home)
        Proven lower bound on the sum of the two.
    """

    outcomes: tuple[Outcome, ...]
    columns: tuple[FloatArray, ...]
    net_kw: FloatArray
    home_eur: FloatArray
    traded_eur: FloatArray
    bound_eur: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "home_eur", "traded_eur", "bound_eur")

    @property
    def cost_eur(self) -> float:
        """Cost of all homes together; NaN if one has no plan."""
        return float(self.home_eur.sum() + self.traded_eur.sum())


def solve_wholesale(
    programs: Sequence[HomeProgram],
    wholesale_eur_per_kwh: FloatArray,
    reference_net_kw: FloatArray,
    horizon: Horizon,
    *,
    settlement_eur_per_kwh: float | None = None,
    max_nodes: int = MAX_NODES,
) -> WholesaleSolution:
    """Plan each home for its own bill and what its change earns at wholesale.

    Parameters
    ----------
    programs : sequence of HomeProgram
        Each made with the tariff by which the home settles.
    wholesale_eur_per_kwh : array, shape (ptu)
    reference_net_kw : array, shape (home, ptu)
        What the homes would draw otherwise: their plans under their own tariffs.
    settlement_eur_per_kwh : float, optional
        What suppliers are settled with at; without it the mean of the wholesale prices.
    max_nodes : int
        Nodes of one home's search after which to stop.

    Raises
    ------
    ConfigurationError
        When arrays do not fit.
    """
    _check_shapes(programs, wholesale_eur_per_kwh, reference_net_kw, horizon)
    if settlement_eur_per_kwh is None:
        settlement_eur_per_kwh = float(np.mean(wholesale_eur_per_kwh))
    spread_eur_per_kw = (wholesale_eur_per_kwh - settlement_eur_per_kwh) * horizon.ptu_hours
    found = [_minimum(program, spread_eur_per_kw, max_nodes) for program in programs]
    columns, net_kw = [], np.full_like(reference_net_kw, np.nan)
    for home, (program, minimum) in enumerate(zip(programs, found, strict=True)):
        own = one_way(program, minimum.columns) if len(minimum.columns) else minimum.columns
        if len(own):
            net_kw[home] = own[program.net_import] - own[program.net_export]
        columns.append(own)
    home_eur = np.array(
        [
            float(program.cost @ own) if len(own) else np.nan
            for program, own in zip(programs, columns, strict=True)
        ]
    )
    traded_eur = (net_kw - reference_net_kw) @ spread_eur_per_kw
    bound_eur = np.array([minimum.bound for minimum in found])
    bound_eur -= reference_net_kw @ spread_eur_per_kw
    return WholesaleSolution(
        outcomes=tuple(minimum.outcome for minimum in found),
        columns=tuple(columns),
        net_kw=net_kw,
        home_eur=home_eur,
        traded_eur=traded_eur,
        # Rounding may leave the solver's bound a hair above what it bounds.
        bound_eur=np.fmin(bound_eur, home_eur + traded_eur),
    )


def _minimum(program: HomeProgram, spread_eur_per_kw: FloatArray, max_nodes: int) -> Minimum:
    """Plan one home at its own prices plus the spread."""
    view = HomeView.of(program)
    cost = program.cost.copy()
    cost[program.net_import] += spread_eur_per_kw
    cost[program.net_export] -= spread_eur_per_kw
    settled = settle(view) if not program.devices else None
    if settled is not None:
        value = float(cost @ settled)
        return Minimum(Outcome.OPTIMAL, settled, value, value, 0)
    stack = ProgramStack()
    first = stack.home(program, cost)
    least_eur_per_kw = np.minimum(cost[program.net_import], -cost[program.net_export])
    exclude_both_ways(stack, view, first, least_eur_per_kw <= 0.0)
    found = minimise(stack.finish(), gap=GAP_EUR, max_nodes=max_nodes)
    columns = found.columns[: len(program.cost)]
    return Minimum(found.outcome, columns, found.value, found.bound, found.nodes)


def _check_shapes(
    programs: Sequence[HomeProgram],
    wholesale_eur_per_kwh: FloatArray,
    reference_net_kw: FloatArray,
    horizon: Horizon,
) -> None:
    wanted = {
        "wholesale_eur_per_kwh": (wholesale_eur_per_kwh, (horizon.ptus,)),
        "reference_net_kw": (reference_net_kw, (len(programs), horizon.ptus)),
    }
    faults = [
        Fault(name, f"shape {np.shape(array)}", f"shape {shape}")
        for name, (array, shape) in wanted.items()
        if np.shape(array) != shape
    ]
    if faults:
        raise ConfigurationError(faults)
