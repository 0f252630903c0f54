"""Use cases 2 and 3 in full sentences: communities of homes plan their day as one.

This is the text that says what a local market is judged by: a mixed-integer linear programme in
Pyomo (Bynum et al. 2021, doi:10.1007/978-3-030-68928-5). Each home is a block, stated word for word
as in `statement`. What a community's members draw and feed in at the same time they trade among
themselves, for a network fee; the rest crosses the community's meter at its tariff. The grid may
limit what homes draw together. It is slow and meant to be read: the oracle of the fast benchmark,
with which it shares no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.appsi.base import TerminationCondition
from pyomo.contrib.appsi.solvers import Highs

from mas2sim.cems.statement import HIGHS_OPTIONS, home_model
from mas2sim.cems.statement_devices import by_ptu
from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.domain.errors import ConfigurationError, Fault, Mas2simError
from mas2sim.domain.home import Home, ReferenceDay
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import PlanStatus
from mas2sim.domain.tariff import Tariff


@dataclass(frozen=True, slots=True, eq=False)
class SharedLimit:
    """Bounds on what some homes draw together.

    Parameters
    ----------
    homes : tuple of int
        Their positions.
    other_kw : array, shape (ptu)
        What flows there besides. [kW]
    lower_kw, upper_kw : array, shape (ptu)
        Bounds of the sum, negative is export; infinite where there is none. [kW]
    """

    homes: tuple[int, ...]
    other_kw: FloatArray
    lower_kw: FloatArray
    upper_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "other_kw", "lower_kw", "upper_kw")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """Homes, and how they settle.

    Parameters
    ----------
    homes : tuple of Home
    references : tuple of ReferenceDay, one for each home
    tariffs : tuple of Tariff, one for each home
        Members of a community share theirs.
    communities : tuple of tuple of int
        Members by position; homes in none settle by their own meter.
    fee_eur_per_kwh : float
        Network charge on energy traded within a community.
    limits : tuple of SharedLimit
    """

    homes: tuple[Home, ...]
    references: tuple[ReferenceDay, ...]
    tariffs: tuple[Tariff, ...]
    communities: tuple[tuple[int, ...], ...]
    horizon: Horizon
    fee_eur_per_kwh: float = 0.0
    limits: tuple[SharedLimit, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourhoodSolution:
    """Day of least cost of all homes together; NaN and infeasible where there is none.

    Parameters
    ----------
    objective_eur, bound_eur : float
        What was made least, and the solver's proven lower bound on it.
    community_eur : array, shape (community)
        Energy and fee of each community.
    net_kw : array, shape (home, ptu)
    """

    status: PlanStatus
    objective_eur: float
    bound_eur: float
    community_eur: FloatArray
    net_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "community_eur", "net_kw")


def solve_neighbourhood(neighbourhood: Neighbourhood) -> NeighbourhoodSolution:
    """Find the day of least cost, or find that there is none.

    Raises
    ------
    ConfigurationError
        As in `neighbourhood_model`.
    Mas2simError
        When the solver gives up for a reason other than infeasibility.
    """
    model = neighbourhood_model(neighbourhood)
    solver = Highs()
    solver.highs_options = dict(HIGHS_OPTIONS)
    solver.config.load_solution = False
    results = solver.solve(model)
    ended = results.termination_condition
    communities, homes = len(neighbourhood.communities), len(neighbourhood.homes)
    # Every variable is bounded, so the model cannot be unbounded.
    if ended in {TerminationCondition.infeasible, TerminationCondition.infeasibleOrUnbounded}:
        return NeighbourhoodSolution(
            status=PlanStatus.INFEASIBLE,
            objective_eur=float("nan"),
            bound_eur=float("nan"),
            community_eur=np.full(communities, np.nan),
            net_kw=np.full((homes, neighbourhood.horizon.ptus), np.nan),
        )
    if ended is not TerminationCondition.optimal:
        raise Mas2simError(
            f"HiGHS ended with {ended.name} instead of a proven optimum for {homes} homes; "
            "try fewer of them, or longer PTUs"
        )
    results.solution_loader.load_vars()
    return NeighbourhoodSolution(
        status=PlanStatus.OPTIMAL,
        objective_eur=float(pyo.value(model.objective_eur)),
        bound_eur=float(results.best_objective_bound),
        community_eur=np.array(
            [pyo.value(model.community[c].cost_eur) for c in range(communities)]
        ),
        net_kw=np.array(
            [[pyo.value(model.net_kw[home, t]) for t in model.ptu] for home in range(homes)]
        ),
    )


def neighbourhood_model(neighbourhood: Neighbourhood) -> pyo.ConcreteModel:
    """State the day of least cost of all homes together.

    Returns
    -------
    pyomo.environ.ConcreteModel
        With `home[position]` (a block like `home_model`), `net_kw[home, ptu]`, `community[number]`
        (a block per community, with `import_kw`, `export_kw`, `cost_eur`), `limit[number]` and the
        objective `objective_eur`.

    Raises
    ------
    ConfigurationError
        When members of a community have different tariffs, and as in `home_model`.
    """
    _check_tariffs(neighbourhood)
    model = pyo.ConcreteModel()
    positions = range(len(neighbourhood.homes))
    model.ptu = pyo.RangeSet(0, neighbourhood.horizon.ptus - 1)
    model.home = pyo.Block(positions, doc="Homes, by position.")
    stated = zip(neighbourhood.homes, neighbourhood.references, neighbourhood.tariffs, strict=True)
    for position, (home, reference, tariff) in enumerate(stated):
        alone = home_model(home, reference, tariff, neighbourhood.horizon)
        # Alone the home makes its own bill least; here it takes part in what all make least.
        alone.objective_eur.deactivate()
        model.home[position].transfer_attributes_from(alone)

    def net(model: pyo.ConcreteModel, position: int, t: int) -> pyo.Expression:
        """What crosses a home's meter."""
        return model.home[position].import_kw[t] - model.home[position].export_kw[t]

    model.net_kw = pyo.Expression(positions, model.ptu, rule=net)

    model.community = pyo.Block(range(len(neighbourhood.communities)))
    for number, members in enumerate(neighbourhood.communities):
        _state_community(model.community[number], model, members, neighbourhood)
    model.limit = pyo.Block(range(len(neighbourhood.limits)))
    for number, limit in enumerate(neighbourhood.limits):
        _state_limit(model.limit[number], model, limit)
    _state_objective(model, neighbourhood)
    return model


def _state_community(
    block: pyo.Block,
    model: pyo.ConcreteModel,
    members: Sequence[int],
    neighbourhood: Neighbourhood,
) -> None:
    """Members net what they draw and feed in; the rest flows one way through the tariff."""
    tariff = neighbourhood.tariffs[members[0]]
    most_import_kw = {
        t: sum(model.home[home].import_kw[t].ub for home in members) for t in model.ptu
    }
    most_export_kw = {
        t: sum(model.home[home].export_kw[t].ub for home in members) for t in model.ptu
    }
    block.import_eur_per_kwh = pyo.Param(
        model.ptu, initialize=by_ptu(tariff.import_eur_per_kwh), within=pyo.Reals
    )
    block.export_eur_per_kwh = pyo.Param(
        model.ptu, initialize=by_ptu(tariff.export_eur_per_kwh), within=pyo.Reals
    )
    block.fee_eur_per_kwh = pyo.Param(initialize=neighbourhood.fee_eur_per_kwh)
    block.import_kw = pyo.Var(model.ptu, bounds=lambda _, t: (0.0, most_import_kw[t]))
    block.export_kw = pyo.Var(model.ptu, bounds=lambda _, t: (0.0, most_export_kw[t]))
    block.importing = pyo.Var(model.ptu, within=pyo.Binary, doc="1 where it may draw power.")

    def nets(block: pyo.Block, t: int) -> pyo.Expression:
        """What the community draws is what its members draw, less what they feed in."""
        together_kw = pyo.quicksum(model.net_kw[home, t] for home in members)
        return block.import_kw[t] - block.export_kw[t] == together_kw

    def imports_or_not(block: pyo.Block, t: int) -> pyo.Expression:
        """The community draws only where it does not feed in."""
        return block.import_kw[t] <= most_import_kw[t] * block.importing[t]

    def exports_or_not(block: pyo.Block, t: int) -> pyo.Expression:
        """The community feeds in only where it does not draw."""
        return block.export_kw[t] <= most_export_kw[t] * (1 - block.importing[t])

    def traded(block: pyo.Block, t: int) -> pyo.Expression:
        """What members draw and the community does not, they have from each other."""
        drawn_kw = pyo.quicksum(model.home[home].import_kw[t] for home in members)
        return drawn_kw - block.import_kw[t]

    def cost(block: pyo.Block) -> pyo.Expression:
        """Energy drawn at the import price, less fed in at the export price, and the fee."""
        return neighbourhood.horizon.ptu_hours * pyo.quicksum(
            block.import_eur_per_kwh[t] * block.import_kw[t]
            - block.export_eur_per_kwh[t] * block.export_kw[t]
            + block.fee_eur_per_kwh * block.traded_kw[t]
            for t in model.ptu
        )

    block.nets = pyo.Constraint(model.ptu, rule=nets)
    block.imports_or_not = pyo.Constraint(model.ptu, rule=imports_or_not)
    block.exports_or_not = pyo.Constraint(model.ptu, rule=exports_or_not)
    block.traded_kw = pyo.Expression(model.ptu, rule=traded)
    block.cost_eur = pyo.Expression(rule=cost)


def _state_limit(block: pyo.Block, model: pyo.ConcreteModel, limit: SharedLimit) -> None:
    """What flows through a place of the grid stays within its bounds."""

    def flow(_: pyo.Block, t: int) -> pyo.Expression:
        """All homes behind the place, and what flows there besides."""
        return limit.other_kw[t] + pyo.quicksum(model.net_kw[home, t] for home in limit.homes)

    block.flow_kw = pyo.Expression(model.ptu, rule=flow)
    bounds = zip(model.ptu, limit.lower_kw.tolist(), limit.upper_kw.tolist(), strict=True)
    block.holds = pyo.ConstraintList()
    for t, lower_kw, upper_kw in bounds:
        if np.isfinite(lower_kw):
            block.holds.add(block.flow_kw[t] >= lower_kw)
        if np.isfinite(upper_kw):
            block.holds.add(block.flow_kw[t] <= upper_kw)


def _state_objective(model: pyo.ConcreteModel, neighbourhood: Neighbourhood) -> None:
    """Communities pay for energy together; each home for its own peak, and minds being cut."""
    members = {home for community in neighbourhood.communities for home in community}

    def objective(model: pyo.ConcreteModel) -> pyo.Expression:
        """The communities' energy and what each home bears by itself."""
        own_eur = pyo.quicksum(
            home.peak_eur_per_kw * home.peak_kw + home.discomfort_eur
            if position in members
            else home.cost_eur + home.discomfort_eur
            for position, home in model.home.items()
        )
        return own_eur + pyo.quicksum(block.cost_eur for block in model.community.values())

    model.objective_eur = pyo.Objective(rule=objective, sense=pyo.minimize)


def _check_tariffs(neighbourhood: Neighbourhood) -> None:
    """Raise where a community has more than one tariff."""
    faults = []
    for number, members in enumerate(neighbourhood.communities):
        names = {neighbourhood.tariffs[home].name for home in members}
        if len(names) > 1:
            found = ", ".join(sorted(names))
            faults.append(Fault(f"community {number}", found, "one tariff for all members"))
    if faults:
        raise ConfigurationError(faults)
