"""What a change of the homes' power does to losses and voltages.

A DSO that buys flexibility has to say what it is worth and how much is needed: what a kW less saves
in losses, and how far a feeder has to go until its voltages are back in their band. Both follow
from flows beside the one at hand, a little more and a little less power at a time, so any engine
will do. All flows of a day go through one call.

A group's power changes with the shares that its homes have in it, the larger one with more, and
their reactive power stays: what is flexible runs at a power factor of one. The other homes stay as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray, freeze_fields
from mas2sim.domain.errors import Fault, GridError
from mas2sim.domain.grid_state import GridLayout, GridState, PowerFlow
from mas2sim.grid.batch_model import phases_present
from mas2sim.grid.solution import powers_or_fault

STEP_KW_PER_HOME = 0.05
"""Change of a group's power on either side, for each home in it. [C] On the Cardiff substation it
gives the slope of the losses to 1e-5 and their curvature to 1e-4 of its value; the error goes with
the square of the step, and at a fifth of it the engine's tolerance begins to show in one home."""

MARGIN_V = 0.2
"""Default distance from the band at which an estimated limit keeps the voltage. [A] [V]"""

REACH_KW_PER_HOME = 3.0
"""Default of the change that a feeder could make at all, for each home: all of them start a charger
or a heat pump at once, or stop it. [A]"""

LEAST_V_PER_KW = 1e-4
"""A voltage that moves by less than this is not the feeder's to mend: 1 V would take 10 MW. It is
far above what is left of the engine's tolerance, and far below what a busbar does. [A]"""

_V_PER_KV = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class MarginalLosses:
    """Losses, and how they follow the power of groups of homes.

    The losses of a group that changes by d kW are about
    ``loss_kw + slope_kw_per_kw * d + curvature_per_kw * d**2 / 2``. What two groups do to each
    other is not in it: a group of both tells.

    Parameters
    ----------
    loss_kw : array, shape (ptu)
        At the powers given; NaN where the flow did not converge.
    slope_kw_per_kw : array, shape (group, ptu)
        First derivative; below zero where more import, or less export, saves losses.
    curvature_per_kw : array, shape (group, ptu)
        Second derivative. Not below zero, but for what the iron loss gives back as the voltage
        falls, where a group has hardly a wire of its own.
    """

    loss_kw: FloatArray
    slope_kw_per_kw: FloatArray
    curvature_per_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "loss_kw", "slope_kw_per_kw", "curvature_per_kw")

    @property
    def solved(self) -> BoolArray:
        """True where all flows behind a value converged, shape (group, ptu)."""
        return np.isfinite(self.slope_kw_per_kw)


@dataclass(frozen=True, slots=True, eq=False)
class FeederVoltages:
    """Worst voltages of feeders, and the powers between which they keep the band.

    Voltages are those at the buses of a feeder's homes, phase to neutral, on all phases that the
    bus has. NaN stands for what could not be solved, so no comparison with a limit may decide on
    its own: `kept` is True only where the band is known to be kept.

    Parameters
    ----------
    feeders : tuple of str
    net_kw : array, shape (feeder, ptu)
        Sum of its homes at the powers given.
    lowest_v, highest_v : array, shape (feeder, ptu)
        Worst voltages.
    lowest_v_per_kw, highest_v_per_kw : array, shape (feeder, ptu)
        Change of the voltage at that very place with the feeder's power.
    below_v, above_v : array, shape (feeder, ptu)
        By how much the band is left; 0 where it is kept.
    import_limit_kw, export_limit_kw : array, shape (feeder, ptu)
        Greatest import and export of the feeder by the linear estimate, each of either sign: an
        export limit of -5 kW asks for an import of 5 kW at least. Infinite where the band is kept
        and the limit further away than the feeder can change, or where its power does not move the
        voltage that is amiss. A violation's limit may lie out of reach.
    """

    feeders: tuple[str, ...]
    net_kw: FloatArray
    lowest_v: FloatArray
    highest_v: FloatArray
    lowest_v_per_kw: FloatArray
    highest_v_per_kw: FloatArray
    below_v: FloatArray
    above_v: FloatArray
    import_limit_kw: FloatArray
    export_limit_kw: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, *(name for name in self.__slots__ if name != "feeders"))

    @property
    def kept(self) -> BoolArray:
        """True where the band is known to be kept, shape (feeder, ptu)."""
        return np.asarray((self.below_v == 0.0) & (self.above_v == 0.0))

    @property
    def violated(self) -> BoolArray:
        """True where the band is known to be left, shape (feeder, ptu)."""
        return np.asarray((self.below_v > 0.0) | (self.above_v > 0.0))

    @property
    def solved(self) -> BoolArray:
        """True where all flows behind the limits converged, shape (feeder, ptu)."""
        return ~np.isnan(self.import_limit_kw)

    @property
    def contradictory(self) -> BoolArray:
        """True where no power of the feeder would keep the band on its own, shape (feeder, ptu).

        One phase is too low and another too high, say. The limits then exclude each other.
        """
        return np.asarray(-self.export_limit_kw > self.import_limit_kw)


def marginal_losses(
    flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, groups: Sequence[Sequence[int]]
) -> MarginalLosses:
    """Derivatives of the losses by the power of groups of homes, by central differences.

    They are the loss part of a spot price of electricity (F. C. Schweppe et al., Spot Pricing of
    Electricity, Kluwer 1988), here against a stiff HV grid.

    Parameters
    ----------
    p_kw, q_kvar : array, shape (ptu, home)
    groups : sequence of sequences of int
        Homes of each group; a home may be in several.

    Raises
    ------
    GridError
        When shapes do not fit the homes, or a group is empty or names a home that is not there.
    """
    names = [f"group {number}" for number in range(len(groups))]
    around = _solve_around(flow, p_kw, q_kvar, dict(zip(names, groups, strict=True)))
    base = around.of(around.state.loss_kw)
    step_kw = around.step_kw[:, None]
    more, less = base[1::2], base[2::2]
    return MarginalLosses(
        loss_kw=base[0],
        slope_kw_per_kw=(more - less) / (2.0 * step_kw),
        curvature_per_kw=(more - 2.0 * base[0] + less) / step_kw**2,
    )


def voltage_sensitivity(
    flow: PowerFlow,
    p_kw: FloatArray,
    q_kvar: FloatArray,
    feeders: Mapping[str, Sequence[int]],
    band_v: tuple[float, float],
    *,
    margin_v: float = MARGIN_V,
    reach_kw_per_home: float = REACH_KW_PER_HOME,
) -> FeederVoltages:
    """Worst voltages of feeders, and the import and export at which they would keep the band.

    Every place has an estimate of its own, the tangent of its voltage, and the limits are those of
    the place that leaves the band first: as power moves, it need not be the one that is worst now.
    Other feeders stay as they are; what they change at the busbar, and the bend of the voltage, is
    what the margin is for.

    Only violations ask for a change. A voltage that is in the band but within the margin puts the
    limit at the present power: it may not come any closer.

    Parameters
    ----------
    p_kw, q_kvar : array, shape (ptu, home)
    feeders : mapping of str to sequence of int
        Homes of each feeder, as `GridLayout.feeder_homes` has them.
    band_v : (float, float)
        Least and greatest voltage, phase to neutral.
    margin_v : float
        Distance from the band that the limits keep.
    reach_kw_per_home : float
        A feeder that keeps the band now has no limit further away than this for each home. 0 leaves
        the limits of violations, infinity all.

    Raises
    ------
    GridError
        When shapes do not fit the homes, a feeder is empty or names a home that is not there, or
        the band is narrower than the margins.
    """
    low_v, high_v = band_v
    if not low_v + margin_v < high_v - margin_v:
        found = f"{low_v:g} to {high_v:g} V with a margin of {margin_v:g} V"
        raise GridError([Fault("voltage band", found, "a band wider than both margins")])
    around = _solve_around(flow, p_kw, q_kvar, feeders)
    places = _voltages(flow.layout, around, tuple(feeders.values()))
    rows = [
        _feeder_row(
            around.net_kw[number],
            *place,
            band_v=band_v,
            margin_v=margin_v,
            reach_kw=reach_kw_per_home * len(homes),
        )
        for number, (homes, place) in enumerate(zip(feeders.values(), places, strict=True))
    ]
    names = FeederVoltages.__slots__[1:]
    table = np.array(rows).reshape(len(feeders), len(names), -1 if rows else len(p_kw))
    return FeederVoltages(tuple(feeders), *table.swapaxes(0, 1))


def _feeder_row(
    net_kw: FloatArray,
    v: FloatArray,
    v_per_kw: FloatArray,
    *,
    band_v: tuple[float, float],
    margin_v: float,
    reach_kw: float,
) -> list[FloatArray]:
    """Fields of `FeederVoltages` for one feeder, in their order, each of shape (ptu)."""
    lowest, highest = v.argmin(axis=1)[:, None], v.argmax(axis=1)[:, None]
    lowest_v, lowest_v_per_kw, highest_v, highest_v_per_kw = (
        np.take_along_axis(values, at, axis=1)[:, 0]
        for at in (lowest, highest)
        for values in (v, v_per_kw)
    )
    down_kw, up_kw = _room_kw(v, v_per_kw, band_v, margin_v)
    return [
        np.where(np.isnan(lowest_v), np.nan, net_kw),
        lowest_v,
        highest_v,
        lowest_v_per_kw,
        highest_v_per_kw,
        np.maximum(band_v[0] - lowest_v, 0.0),
        np.maximum(highest_v - band_v[1], 0.0),
        np.where(up_kw > reach_kw, np.inf, net_kw + up_kw),
        np.where(down_kw < -reach_kw, np.inf, -(net_kw + down_kw)),
    ]


def feeder_ratings_kw(layout: GridLayout) -> dict[str, float]:
    """Power that each feeder with homes may carry, sqrt(3) U I of the branches it begins with. [kW]

    At nominal voltage, a power factor of one and equal currents in the phases; the homes' power
    factor of 0.97 and single-phase homes leave less.
    """
    nominal_kv = {bus.name: bus.vn_kv for bus in layout.buses}
    heads = layout.feeder_heads
    ratings_kw = [
        sqrt(3.0) * nominal_kv[branch.from_bus] * branch.rating for branch in layout.branches
    ]
    return {
        feeder: sum(ratings_kw[head] for head in heads[feeder]) for feeder in layout.feeder_homes
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """A flow, and after it two for each group, with more and with less of its power.

    Parameters
    ----------
    state : GridState
        Over (1 + 2 groups) times the PTUs, one flow after the other.
    step_kw : array, shape (group)
    net_kw : array, shape (group, ptu)
        Sum of a group's homes.
    """

    state: GridState
    step_kw: FloatArray
    net_kw: FloatArray

    def of(self, values: FloatArray) -> FloatArray:
        """Values of the state, shape (flow, ptu, ...)."""
        apart: FloatArray = values.reshape(1 + 2 * len(self.step_kw), -1, *values.shape[1:])
        return apart


def _solve_around(
    flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, groups: Mapping[str, Sequence[int]]
) -> _Around:
    homes = len(flow.layout.home_bus)
    powers_or_fault(p_kw, q_kvar, homes=homes)
    members = _members(groups, homes)
    # A power that is no number stays one, and makes its PTU one that does not converge.
    p_kw, q_kvar = np.asarray(p_kw, dtype=np.float64), np.asarray(q_kvar, dtype=np.float64)
    step_kw = STEP_KW_PER_HOME * np.array([len(group) for group in members], dtype=np.float64)
    flows = np.repeat(p_kw[None], 1 + 2 * len(members), axis=0)
    for number, group in enumerate(members):
        change_kw = step_kw[number] * _shares(p_kw[:, group])
        flows[1 + 2 * number][:, group] += change_kw
        flows[2 + 2 * number][:, group] -= change_kw
    state = flow.solve(flows.reshape(-1, homes), np.tile(q_kvar, (len(flows), 1)))
    net_kw = [p_kw[:, group].sum(axis=1) for group in members]
    return _Around(state, step_kw, np.array(net_kw).reshape(len(members), len(p_kw)))


def _members(groups: Mapping[str, Sequence[int]], homes: int) -> list[IntArray]:
    """Homes of each group as indices, checked."""
    faults = []
    for name, group in groups.items():
        strange = sorted({home for home in group if not 0 <= home < homes})
        if not len(group):
            faults.append(Fault(name, "no homes", "one home at least"))
        elif strange or len(set(group)) < len(group):
            found = f"homes {strange}" if strange else "a home named twice"
            faults.append(Fault(name, found, f"each home once, 0 to {homes - 1}"))
    if faults:
        raise GridError(faults)
    return [np.array(group, dtype=np.int64) for group in groups.values()]


def _shares(p_kw: FloatArray) -> FloatArray:
    """Share of each home in a change of the group, shape (ptu, home), in sum 1.

    By the size of its power, whether it imports or exports, so that shares do not grow beyond all
    bounds where imports and exports cancel; equal where nothing flows.
    """
    size = np.abs(p_kw)
    total = size.sum(axis=1, keepdims=True)
    equal = np.full_like(size, 1.0 / size.shape[1])
    shares: FloatArray = np.divide(size, total, out=equal, where=total > 0.0)
    return shares


def _voltages(
    layout: GridLayout, around: _Around, groups: Sequence[Sequence[int]]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Voltage [V], and its derivative by the group's power, at the places of each group.

    A place is a phase of a bus that a home of the group is at; both have the shape (ptu, place).
    """
    vm_pu = around.of(around.state.vm_pu)
    by_phase = vm_pu.shape[-1] > 1
    place = {bus.name: index for index, bus in enumerate(layout.buses)}
    present = phases_present(layout.bus_phases) if by_phase else np.ones((len(place), 1), bool)
    nominal = np.array([bus.vn_kv for bus in layout.buses]) * _V_PER_KV / sqrt(3.0)
    for number, homes in enumerate(groups):
        at = np.array(sorted({place[layout.home_bus[home]] for home in homes}))
        bus, phase = np.nonzero(present[at])
        nominal_v = nominal[at[bus]]
        trio = vm_pu[[0, 1 + 2 * number, 2 + 2 * number]]
        base, more, less = trio[:, :, at[bus], phase] * nominal_v
        yield base, (more - less) / (2.0 * around.step_kw[number])


def _room_kw(
    v: FloatArray, v_per_kw: FloatArray, band_v: tuple[float, float], margin_v: float
) -> tuple[FloatArray, FloatArray]:
    """Least and greatest change of power that keep all places in the band, shape (ptu). [kW]

    Each side of the band at each place is a line, room + slope * change >= 0. A falling one bounds
    the change from above, a rising one from below.
    """
    left_v = np.stack([v - band_v[0], band_v[1] - v])
    slope = np.stack([v_per_kw, -v_per_kw])
    room_v = np.where(left_v < 0.0, left_v - margin_v, np.maximum(left_v - margin_v, 0.0))
    moved = np.abs(slope) > LEAST_V_PER_KW
    change_kw = np.divide(-room_v, slope, out=np.zeros_like(slope), where=moved)
    up_kw = np.where(moved & (slope < 0.0), change_kw, np.inf)
    down_kw = np.where(moved & (slope > 0.0), change_kw, -np.inf)
    unsolved = np.isnan(v_per_kw).any(axis=1)
    return (
        np.where(unsolved, np.nan, down_kw.max(axis=(0, 2))),
        np.where(unsolved, np.nan, up_kw.min(axis=(0, 2))),
    )
