"""The centralised benchmark: one optimisation that knows all homes, to judge negotiations by.

It makes the sum over communities of

    B = sum over PTUs of h (c_imp N+ - c_exp N- + fee (sum_h n_h+ - N+))

least, with N the community's net power, n_h a home's and h the length of a PTU, and with it what
homes pay for their own peak and put on discomfort; within limits of the grid if there are any. No
market can do better than its bound. A room of its own, since it is told what no agent may know:
each home's whole program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault, InfeasibleError
from mas2sim.market.central_program import (
    CentralProblem,
    CongestionPoint,
    StackedHomes,
    costs_beside_energy,
    stack_homes,
)
from mas2sim.market.community_bill import community_cost_eur, settled_cost_eur
from mas2sim.market.home_view import HomeView
from mas2sim.market.mixed_integer import Minimum, Outcome, minimise

__all__ = [
    "CentralProblem",
    "CentralSolution",
    "CongestionPoint",
    "Outcome",
    "Shortfall",
    "least_shortfall",
    "solve_central",
]

RELATIVE_GAP = 2e-4
"""Of the import payments; a market's own gap is some three times that."""
LEAST_GAP_EUR = 1e-9
"""Below this the solver's arithmetic decides."""
MAX_NODES = 20_000
PRICE_ROUNDING_EUR_PER_KW = 1e-12
"""What may lie between a tariff's price and the same in a home's program."""
PROOF_KWH = 1e-3
"""Energy beyond limits that rounding in the solver cannot make up: 1e-9 kW a row, ten thousands of
rows."""


@dataclass(frozen=True, slots=True, eq=False)
class CentralSolution:
    """The best plan found, and what no plan can beat.

    Without a plan costs are NaN, `columns` is empty and `net_kw` NaN.

    Parameters
    ----------
    columns : tuple of array, shape (column)
        For each home, in its own program: import and export are not both above zero in a PTU.
    net_kw : array, shape (home, ptu)
        Net power of each home.
    energy_eur : array, shape (community)
        B of each community; one value if communities exchange.
    home_eur : array, shape (home)
        What each home pays besides: its own peak, discomfort; everything if it is in no community.
    cost_eur : float
        Sum of `energy_eur` and `home_eur`.
    bound_eur : float
        Proven lower bound on the cost of every plan; inf if there is none.
    gap_eur : float
        The gap that was asked for.
    nodes : int
        Nodes of the search tree that were looked at.
    """

    outcome: Outcome
    columns: tuple[FloatArray, ...]
    net_kw: FloatArray
    energy_eur: FloatArray
    home_eur: FloatArray
    cost_eur: float
    bound_eur: float
    gap_eur: float
    nodes: int

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw", "energy_eur", "home_eur")


@dataclass(frozen=True, slots=True, eq=False)
class Shortfall:
    """By how much limits must be exceeded at least, if devices could be used in parts.

    Parameters
    ----------
    above_kw, below_kw : array, shape (point, ptu)
        Flow beyond the upper, and beyond the lower bound, in the plan that exceeds them least.
    energy_kwh : float
        Sum over points and PTUs.
    proven : bool
        True: no plan holds the limits. False: one may.
    """

    above_kw: FloatArray
    below_kw: FloatArray
    energy_kwh: float
    proven: bool

    def __post_init__(self) -> None:
        freeze_fields(self, "above_kw", "below_kw")


def solve_central(
    problem: CentralProblem,
    *,
    relative_gap: float = RELATIVE_GAP,
    import_payments_eur: float | None = None,
    max_nodes: int = MAX_NODES,
    time_limit_s: float = float("inf"),
) -> CentralSolution:
    """Find a plan whose cost is within a gap of what no plan can beat.

    Parameters
    ----------
    relative_gap : float
        Wanted gap as a share of import payments. The cost itself is no measure: exports can bring
        it to zero.
    import_payments_eur : float, optional
        The import payments meant, e.g. those under the homes' own plans; without it, what the
        members' loads that no plan changes would pay by their own meters.
    max_nodes : int
        Nodes of the search tree after which to stop: the same on every machine.
    time_limit_s : float
        For interactive use; where it ends the search the outcome says so.

    Raises
    ------
    ConfigurationError
        With everything in which the parts of the problem do not fit.
    """
    check_problem(problem)
    if import_payments_eur is None:
        import_payments_eur = unplanned_import_payments_eur(problem)
    gap_eur = max(relative_gap * import_payments_eur, LEAST_GAP_EUR)
    stacked = stack_homes(problem, exclude_waste=False)
    found = minimise(stacked.program, gap=gap_eur, max_nodes=max_nodes, time_limit_s=time_limit_s)
    # Few plans lose energy on purpose though nothing forbids it, and those that do not are as good
    # with as without the binaries that would.
    if np.isfinite(found.value) and stacked.wastes(found.columns):
        stacked = stack_homes(problem, exclude_waste=True)
        found = minimise(
            stacked.program, gap=gap_eur, max_nodes=max_nodes, time_limit_s=time_limit_s
        )
    return _solution(problem, stacked, found, gap_eur)


def least_shortfall(problem: CentralProblem) -> Shortfall:
    """Find how much energy must flow beyond the limits, with every integer relaxed.

    A linear program: what it cannot avoid, no plan can. What it can, a plan of whole cycles perhaps
    cannot.

    Raises
    ------
    ConfigurationError
        As in `solve_central`.
    InfeasibleError
        When some home's own program has no plan, whatever the limits.
    """
    check_problem(problem)
    stacked = stack_homes(problem, exclude_waste=False)
    program, excess = stacked.program, stacked.excess
    if not excess.size:
        return Shortfall(np.zeros(excess[:, 0].shape), np.zeros(excess[:, 1].shape), 0.0, False)
    cost, upper = np.zeros_like(program.cost), program.upper.copy()
    cost[excess] = problem.horizon.ptu_hours
    upper[excess] = np.inf
    relaxed = replace(
        program,
        cost=cost,
        upper=upper,
        integer=np.zeros_like(program.integer),
        constant=0.0,
    )
    found = minimise(relaxed, gap=0.0, max_nodes=1)
    if found.outcome is not Outcome.OPTIMAL:
        raise InfeasibleError(
            f"no plan exists for the homes even without the grid's limits ({found.outcome}); "
            "look for a home whose own caps or wishes cannot be met"
        )
    beyond_kw = found.columns[excess]
    return Shortfall(
        above_kw=beyond_kw[:, 0],
        below_kw=beyond_kw[:, 1],
        energy_kwh=found.value,
        proven=found.value > PROOF_KWH,
    )


def unplanned_import_payments_eur(problem: CentralProblem) -> float:
    """Import payments of the loads that no plan changes, each home by its own meter."""
    payments_eur = 0.0
    for program in problem.programs:
        drawn_kw = np.maximum(HomeView.of(program).fixed_kw, 0.0)
        payments_eur += float(np.abs(program.cost[program.net_import]) @ drawn_kw)
    return payments_eur


def check_problem(problem: CentralProblem) -> None:
    """Raise with everything in which the parts of the problem do not fit."""
    faults = [*_faults_of_members(problem), *_faults_of_points(problem)]
    if not problem.fee_eur_per_kwh >= 0.0:
        faults.append(Fault("fee_eur_per_kwh", str(problem.fee_eur_per_kwh), ">= 0"))
    if len(problem.tariffs) != len(problem.communities):
        found, allowed = f"{len(problem.tariffs)} tariffs", f"{len(problem.communities)}"
        faults.append(Fault("tariffs", found, f"{allowed}, one for each community"))
    elif not faults:
        faults += _faults_of_prices(problem)
    if faults:
        raise ConfigurationError(faults)


def _faults_of_members(problem: CentralProblem) -> list[Fault]:
    homes = len(problem.programs)
    members = [home for community in problem.communities for home in community]
    faults = [
        Fault("communities", f"home {home}", f"0 to {homes - 1}, the programs' positions")
        for home in sorted(set(members))
        if not 0 <= home < homes
    ]
    faults += [
        Fault("communities", f"home {home} twice", "a home in one community at most")
        for home in sorted(set(members))
        if members.count(home) > 1
    ]
    return faults


def _faults_of_points(problem: CentralProblem) -> list[Fault]:
    homes, ptus = len(problem.programs), problem.horizon.ptus
    faults = []
    for point in problem.points:
        where = f"congestion point {point.name}"
        if any(not 0 <= home < homes for home in point.homes):
            faults.append(Fault(f"{where}, homes", str(point.homes), f"0 to {homes - 1}"))
        if len(set(point.homes)) < len(point.homes):
            faults.append(Fault(f"{where}, homes", "a home twice", "each home once"))
        for name in ("other_kw", "lower_kw", "upper_kw"):
            shape = np.shape(getattr(point, name))
            if shape != (ptus,):
                faults.append(Fault(f"{where}, {name}", f"shape {shape}", f"shape ({ptus},)"))
    return faults


def _faults_of_prices(problem: CentralProblem) -> list[Fault]:
    """Programs made with other prices than their community's, prices that may not be netted."""
    faults = []
    hours = problem.horizon.ptu_hours
    for members, tariff in zip(problem.communities, problem.tariffs, strict=True):
        prices = np.stack([tariff.import_eur_per_kwh, -tariff.export_eur_per_kwh]) * hours
        for home in members:
            program = problem.programs[home]
            cost = np.stack([program.cost[program.net_import], program.cost[program.net_export]])
            if cost.shape != prices.shape or (
                np.abs(cost - prices).max() > PRICE_ROUNDING_EUR_PER_KW
            ):
                found, allowed = "other prices", f"those of the community's tariff {tariff.name}"
                faults.append(Fault(f"program of home {home}", found, allowed))
    first = problem.tariffs[0] if problem.exchange and problem.tariffs else None
    if first is not None and not all(
        np.array_equal(first.import_eur_per_kwh, other.import_eur_per_kwh)
        and np.array_equal(first.export_eur_per_kwh, other.export_eur_per_kwh)
        for other in problem.tariffs
    ):
        found, allowed = "different tariffs", "one tariff for all communities that exchange"
        faults.append(Fault("exchange", found, allowed, "exchange=False"))
    return faults


def _solution(
    problem: CentralProblem, stacked: StackedHomes, found: Minimum, gap_eur: float
) -> CentralSolution:
    """Read homes and costs out of the columns of the whole."""
    homes, netting = problem.programs, problem.netting
    if np.isnan(found.value):
        return CentralSolution(
            outcome=found.outcome,
            columns=(),
            net_kw=np.full((len(homes), problem.horizon.ptus), np.nan),
            energy_eur=np.full(len(netting), np.nan),
            home_eur=np.full(len(homes), np.nan),
            cost_eur=float("nan"),
            bound_eur=found.bound,
            gap_eur=gap_eur,
            nodes=found.nodes,
        )
    columns = tuple(stacked.columns_of(home, found.columns) for home in range(len(homes)))
    net_kw = np.array(
        [
            own[program.net_import] - own[program.net_export]
            for own, program in zip(columns, homes, strict=True)
        ]
    )
    beside_energy = zip(costs_beside_energy(problem), columns, strict=True)
    home_eur = np.array([float(cost @ own) for cost, own in beside_energy])
    energy_eur = _energy_eur(problem, net_kw)
    cost_eur = float(energy_eur.sum() + home_eur.sum())
    return CentralSolution(
        outcome=found.outcome,
        columns=columns,
        net_kw=net_kw,
        energy_eur=energy_eur,
        home_eur=home_eur,
        cost_eur=cost_eur,
        # Rounding may leave the solver's bound a hair above what it bounds.
        bound_eur=min(found.bound, cost_eur),
        gap_eur=gap_eur,
        nodes=found.nodes,
    )


def _energy_eur(problem: CentralProblem, net_kw: FloatArray) -> FloatArray:
    """B of each set of homes that settle as one, without their peaks, shape (community). [EUR]"""
    bill_eur = community_cost_eur if problem.trade_at_a_loss else settled_cost_eur
    return np.array(
        [
            float(
                bill_eur(
                    net_kw[list(members)],
                    replace(tariff, peak_eur_per_kw=0.0),
                    problem.horizon,
                    problem.fee_eur_per_kwh,
                )
            )
            for members, tariff in problem.netting
        ]
    )
