"""Who has the technology in which draw, and what the grid says to it: by flows or by worlds.

A placement is a draw and a number of homes: the first so many of the draw's order have the
technology. So placements are nested, and the same at all levels and tap positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import floor, inf, nan
from typing import NamedTuple, Protocol

import numpy as np

from mas2sim.cosim import CaseSetup
from mas2sim.domain.arrays import BoolArray, FloatArray, IntArray
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.errors import Mas2simError
from mas2sim.domain.grid_extremes import GridExtremes
from mas2sim.domain.grid_state import GridLayout, GridState
from mas2sim.domain.home import Home
from mas2sim.domain.randomness import stream
from mas2sim.domain.typical_day import Level
from mas2sim.study.hosting_finding import NOT_SOLVED, Finding, HostingLimits
from mas2sim.study.hosting_homes import PowerBank, metered_day, mixed_homes

SCENARIOS_AT_ONCE = 20
"""Days in one batch: their powers take some tens of MB."""


class Placement(NamedTuple):
    """The first `homes` homes of the order of a draw have the technology."""

    draw: int
    homes: int


class ScenarioFlow(Protocol):
    """A power flow that can say of many days at once only how bad they were."""

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        ...

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch, shape (time, connection)."""
        ...

    def extremes(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridExtremes:
        """Worst of each scenario, shape (scenario, time, connection)."""
        ...


def draw_orders(homes: int, draws: int, *, seed: int, substation: int) -> IntArray:
    """Order in which the homes get the technology in each draw, shape (draw, home)."""
    return np.array(
        [stream(seed, substation, "hosting", draw).permutation(homes) for draw in range(draws)]
    )


def step_homes(homes: int, penetrations: int, most_percent: float) -> tuple[int, ...]:
    """Homes that have the technology at each step, from none on; halves are rounded up."""
    top = most_percent / 100.0 * homes
    return tuple(floor(step / penetrations * top + 0.5) for step in range(penetrations + 1))


class Judge(Protocol):
    """Says what placements do, in the order asked."""

    def find(self, placements: Sequence[Placement]) -> list[Finding]:
        """Findings of placements, those known already among them."""
        ...


class _Remembering(ABC):
    """Keeps what was found: placements with no home, or all, are the same in all draws."""

    def __init__(self, orders: IntArray, ended: Callable[[int], None]) -> None:
        self._orders, self._ended = orders, ended
        self._known: dict[Placement, Finding] = {}

    def find(self, placements: Sequence[Placement]) -> list[Finding]:
        """Findings of placements, those known already among them."""
        keys = [self._key(placement) for placement in placements]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        for first in range(0, len(new), SCENARIOS_AT_ONCE):
            part = new[first : first + SCENARIOS_AT_ONCE]
            self._known.update(zip(part, self._compute(part), strict=True))
            self._ended(len(part))
        return [self._known[key] for key in keys]

    def _key(self, placement: Placement) -> Placement:
        alike = placement.homes in (0, self._orders.shape[1])
        return Placement(0, placement.homes) if alike else placement

    def has(self, placements: Sequence[Placement]) -> BoolArray:
        """Which homes have the technology, shape (placement, home)."""
        chosen = np.zeros((len(placements), self._orders.shape[1]), dtype=np.bool_)
        for row, (draw, homes) in zip(chosen, placements, strict=True):
            row[self._orders[draw, :homes]] = True
        return chosen

    @abstractmethod
    def _compute(self, placements: Sequence[Placement]) -> list[Finding]: ...


class FlowJudge(_Remembering):
    """Judges at a level at which a placement's powers are a selection from a bank.

    Parameters
    ----------
    orders : array of int, shape (draw, home)
    bank : PowerBank
    level : Level
    flow : ScenarioFlow
    limits : HostingLimits
    ended : callable
        Told how many days were solved.
    """

    def __init__(
        self,
        orders: IntArray,
        bank: PowerBank,
        level: Level,
        flow: ScenarioFlow,
        limits: HostingLimits,
        ended: Callable[[int], None] = lambda _count: None,
    ) -> None:
        super().__init__(orders, ended)
        self._bank, self._level, self._flow, self._limits = bank, level, flow, limits

    def powers(self, placement: Placement) -> tuple[FloatArray, FloatArray]:
        """Powers of one placement, each of shape (ptu, connection)."""
        p_kw, q_kvar = self._bank.powers(self._level, self.has([placement]))
        return p_kw[0], q_kvar[0]

    def _compute(self, placements: Sequence[Placement]) -> list[Finding]:
        p_kw, q_kvar = self._bank.powers(self._level, self.has(placements))
        none = np.zeros(len(placements))
        extremes = self._flow.extremes(p_kw, q_kvar)
        return self._limits.findings(
            self._flow.layout, extremes, p_kw.sum(axis=2), none, np.full(len(none), inf)
        )


@dataclass(frozen=True, slots=True, eq=False)
class MarketHomes:
    """What worlds of a market level are made of.

    Parameters
    ----------
    setup : CaseSetup
        Of the homes without the technology, at the tap position in question.
    adopted : tuple of Home
        The homes with it.
    energy_kwh : array, shape (home)
        Energy of each home's technology on the unmanaged day.
    cap_percent : float
        Most that may be curtailed of it.
    """

    setup: CaseSetup
    adopted: tuple[Home, ...]
    energy_kwh: FloatArray
    cap_percent: float


class WorldJudge(_Remembering):
    """Judges at a level at which homes depend on each other: each placement runs a world.

    Attributes
    ----------
    reasons : mapping of Placement to str
        Why worlds came to no end.
    """

    def __init__(
        self,
        orders: IntArray,
        homes: MarketHomes,
        level: Level,
        flow: ScenarioFlow,
        limits: HostingLimits,
        ended: Callable[[int], None] = lambda _count: None,
        cache: ContentCache | None = None,
    ) -> None:
        super().__init__(orders, ended)
        self._homes, self._level, self._flow, self._limits = homes, level, flow, limits
        self._cache = cache
        self.reasons: dict[Placement, str] = {}

    def powers(self, placement: Placement) -> tuple[FloatArray, FloatArray]:
        """Powers of one placement, each of shape (ptu, connection)."""
        day = metered_day(self._setup(self.has([placement])[0]), self._cache)
        return day.p_kw[0], day.q_kvar[0]

    def _setup(self, has: BoolArray) -> CaseSetup:
        without = self._homes.setup
        homes = mixed_homes(without.homes, self._homes.adopted, has)
        return replace(without, homes=homes, levels=(self._level,))

    def _compute(self, placements: Sequence[Placement]) -> list[Finding]:
        return [self._one(placement) for placement in placements]

    def _one(self, placement: Placement) -> Finding:
        has = self.has([placement])[0]
        try:
            day = metered_day(self._setup(has), self._cache)
        except Mas2simError as error:
            self.reasons[placement] = str(error)
            return NO_FINDING
        cap_kwh = self._homes.cap_percent / 100.0 * self._homes.energy_kwh[has].sum()
        (finding,) = self._limits.findings(
            self._flow.layout,
            self._flow.extremes(day.p_kw, day.q_kvar),
            day.p_kw.sum(axis=2),
            day.curtailed_kwh,
            np.array([cap_kwh]),
        )
        return finding


NO_FINDING = Finding(nan, nan, nan, nan, nan, nan, nan, (NOT_SOLVED,))
"""Of a world that came to no end."""
