"""The least-cost day of a home found by its structure: exact, in about a millisecond.

A home has few appliances and few storages, and its price has one kink, at zero net power. Where
that kink is out of reach everything pays a price per kWh and is planned by itself. What can reach
it is planned together: every combination of starts gets a lower bound from the values of stored
energy (Lagrangian relaxation: Geoffrion 1974, doi:10.1007/BFb0120690), and those that the bound
does not rule out get an answer of the storages of their own, best first, each sharpening the bounds
of the rest. When no bound is below the best cost found, that cost is proven least.

Caps of the net power and a charger's least power are left out of the search. A plan that keeps them
all the same is of least cost with them too; one that does not is dropped.

What does not fit is left to the MILP: a cap or a least power that binds, prices that reward waste
(export above import, or negative ones within reach), and what `components` cannot say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mas2sim.cems.components import Choice, HomeComponents, Storage
from mas2sim.cems.start_search import COMBINATIONS, equality_eur, search
from mas2sim.cems.starts import Cycles, squares_of, with_cycles
from mas2sim.cems.storage_answer import PlannedStorages, Ties, delivers_at_a_loss
from mas2sim.domain.arrays import FloatArray, IntArray, freeze_fields, frozen
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import TieRule

ROUNDING_KW = 1e-9
"""What sums over a home's devices may add to a power that keeps its limit."""


@dataclass(frozen=True, slots=True, eq=False)
class StructuredPlan:
    """A plan of proven least cost.

    Parameters
    ----------
    net_kw : array, shape (ptu)
        Power at the connection point.
    setpoints : mapping of str to array, shape (ptu)
        As in `HomePlan`: power of a storage in kW; 1 in the PTU in which a cycle begins.
    cost_eur, bound_eur : float
        Cost of `net_kw`, and the proven lower bound: equal but for rounding.
    way : str
        ``"fixed"``, ``"separable"``, ``"enumerated"``, ``"one storage"`` or ``"several storages"``.
    """

    net_kw: FloatArray
    setpoints: Mapping[str, FloatArray]
    cost_eur: float
    bound_eur: float
    way: str

    def __post_init__(self) -> None:
        freeze_fields(self, "net_kw")


def solve_structured(
    home: HomeComponents, horizon: Horizon, ties: TieRule, rng: np.random.Generator
) -> StructuredPlan | None:
    """Find the least-cost day of a home, and among equals the one that the tie rule prefers.

    Starts of equal cost: ``random`` takes each combination with equal chance, ``earliest`` the
    least sum of lateness, ``flattest`` the least sum of squares of the net power. Storage paths of
    equal cost: the least sum of powers weighted at random, by lateness, or (``flattest``) the least
    squares again. What meets the price's kink is settled first and together, but several storages
    one after the other; then the starts out of its reach, then the storages out of its reach.

    Returns
    -------
    StructuredPlan or None
        None when the home does not fit, or its wishes cannot be met: ask the MILP.
    """
    below, above = _prices_within_reach(home, horizon)
    if not _fits(home, below, above):
        return None
    rule = Ties(ties, rng)
    kinked = below < above
    joint_choices = [c for c in home.choices if kinked[_touched(c, horizon)].any()]
    joint_storages = [s for s in home.storages if kinked[s.max_kw > s.min_kw].any()]
    net_kw = np.array(home.base_kw)
    setpoints: dict[str, FloatArray] = {}
    if joint_choices or joint_storages:
        found = search(net_kw, below, above, joint_choices, joint_storages, rule)
        if found is None:
            return None
        _take(joint_choices, found.options, net_kw, setpoints)
        for storage, power_kw in zip(joint_storages, found.power_kw, strict=True):
            net_kw += power_kw
            setpoints[storage.name] = power_kw
        slack_eur = found.slack_eur
    else:
        slack_eur = 0.0
    takers = [choice for choice in home.choices if choice.name not in setpoints]
    _take(takers, _cheapest_starts(takers, net_kw, above, rule), net_kw, setpoints)
    for storage in home.storages:
        if storage.name not in setpoints:
            alone = PlannedStorages([storage], below, above, rule).answer(net_kw, final=True)
            if alone is None:
                return None
            (setpoints[storage.name],) = alone.power_kw
            net_kw += setpoints[storage.name]

    if not _keeps_limits(home, net_kw, setpoints):
        return None
    cost_eur = _cost_eur(net_kw, home, horizon)
    names = [choice.name for choice in home.choices] + [storage.name for storage in home.storages]
    ordered = {name: frozen(setpoints[name]) for name in names}
    way = _way(home, joint_choices, joint_storages)
    return StructuredPlan(net_kw, MappingProxyType(ordered), cost_eur, cost_eur - slack_eur, way)


def _keeps_limits(
    home: HomeComponents, net_kw: FloatArray, setpoints: Mapping[str, FloatArray]
) -> bool:
    """Whether the plan keeps what the search left out."""
    for storage in home.storages:
        power_kw = setpoints[storage.name]
        drawing = power_kw > ROUNDING_KW
        if (power_kw[drawing] < storage.least_draw_kw - ROUNDING_KW).any():
            return False
    most_kw, least_kw = home.import_cap_kw + ROUNDING_KW, -home.export_cap_kw - ROUNDING_KW
    return bool((net_kw <= most_kw).all() and (net_kw >= least_kw).all())


def _way(home: HomeComponents, choices: Sequence[Choice], storages: Sequence[Storage]) -> str:
    if not (home.choices or home.storages):
        return "fixed"
    if storages:
        return "one storage" if len(storages) == 1 else "several storages"
    return "enumerated" if choices else "separable"


def _cost_eur(net_kw: FloatArray, home: HomeComponents, horizon: Horizon) -> float:
    price = np.where(net_kw > 0, home.import_eur_per_kwh, home.export_eur_per_kwh)
    return float((net_kw * price).sum() * horizon.ptu_hours)


def _touched(choice: Choice, horizon: Horizon) -> IntArray:
    """PTUs in which some start of the choice draws power."""
    return (choice.starts[:, None] + np.flatnonzero(choice.cycle_kw)) % horizon.ptus


def _prices_within_reach(home: HomeComponents, horizon: Horizon) -> tuple[FloatArray, FloatArray]:
    """Cost of 1 kW of net power while negative, and positive; alike where one is out of reach.

    Returns
    -------
    below, above : array, shape (ptu) [EUR/kW]
    """
    least_kw, most_kw = np.array(home.base_kw), np.array(home.base_kw)
    for storage in home.storages:
        least_kw += storage.min_kw
        most_kw += storage.max_kw
    for choice in home.choices:
        touched = np.zeros(horizon.ptus, dtype=bool)
        touched[_touched(choice, horizon)] = True
        least_kw += np.where(touched, min(0.0, choice.cycle_kw.min(initial=0.0)), 0.0)
        most_kw += np.where(touched, max(0.0, choice.cycle_kw.max(initial=0.0)), 0.0)
    below = home.export_eur_per_kwh * horizon.ptu_hours
    above = home.import_eur_per_kwh * horizon.ptu_hours
    imports, exports = least_kw >= 0, (least_kw < 0) & (most_kw <= 0)
    return np.where(imports, above, below), np.where(exports, below, above)


def _fits(home: HomeComponents, below: FloatArray, above: FloatArray) -> bool:
    """Whether the cost is convex in every decision, and every choice has a start."""
    if (below > above).any() or any(len(choice.starts) == 0 for choice in home.choices):
        return False
    if any((choice.cycle_kw < 0).any() for choice in home.choices):
        return False
    for storage in home.storages:
        active = storage.max_kw > storage.min_kw
        both = (storage.min_kw < 0) & (storage.max_kw > 0)
        if (both & (storage.discharge_kwh_per_kw < storage.charge_kwh_per_kw)).any():
            return False
        # A loss on the way through the storage pays where energy costs less than nothing.
        if delivers_at_a_loss(storage).any() and (below[active] < 0).any():
            return False
    return True


def _take(
    choices: Sequence[Choice],
    options: IntArray,
    net_kw: FloatArray,
    setpoints: dict[str, FloatArray],
) -> None:
    """Add the cycles begun at `options` to `net_kw`, and their setpoints."""
    for choice, option in zip(choices, options.tolist(), strict=True):
        start = int(choice.starts[option])
        net_kw[(start + np.arange(len(choice.cycle_kw))) % len(net_kw)] += choice.cycle_kw
        setpoints[choice.name] = np.zeros(len(net_kw))
        setpoints[choice.name][start] = 1.0


def _cheapest_starts(
    choices: Sequence[Choice], net_kw: FloatArray, price: FloatArray, rule: Ties
) -> IntArray:
    """Option of each choice that pays `price` [EUR/kW] whatever the others do."""
    equal = []
    for choice in choices:
        ptus = (choice.starts[:, None] + np.arange(len(choice.cycle_kw))) % len(net_kw)
        cost = price[ptus] @ choice.cycle_kw
        equal.append(np.flatnonzero(cost <= cost.min() + equality_eur(float(cost.min()))))
    if rule.rule is TieRule.RANDOM:
        return np.array([rule.rng.choice(options) for options in equal], dtype=np.int64)
    if rule.rule is TieRule.EARLIEST or not choices:
        return np.array([options[0] for options in equal], dtype=np.int64)
    return _flattest_starts(Cycles.of(choices), equal, net_kw)


def _flattest_starts(cycles: Cycles, equal: Sequence[IntArray], net_kw: FloatArray) -> IntArray:
    """Options of the least sum of squares: of all together, or in turn where those are too many."""
    if np.prod([float(len(options)) for options in equal]) <= COMBINATIONS:
        found = np.stack(np.meshgrid(*equal, indexing="ij"), axis=-1).reshape(-1, len(equal))
        squares = np.empty(len(found))
        squares_of(net_kw, cycles, np.ascontiguousarray(found), squares)
        taken: IntArray = found[squares.argmin()]
        return taken
    running_kw, total_kw = net_kw.copy(), np.empty_like(net_kw)
    in_turn = []
    for place, options in enumerate(equal):
        one = cycles.only(place)
        squares = np.empty(len(options))
        squares_of(running_kw, one, options[:, None], squares)
        option = options[squares.argmin()]
        in_turn.append(option)
        with_cycles(running_kw, one, np.array([option]), total_kw)
        running_kw[:] = total_kw
    return np.array(in_turn, dtype=np.int64)
