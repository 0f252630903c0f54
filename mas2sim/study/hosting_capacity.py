"""The hosting capacity of a draw: up to where all limits are kept.

The first penetration at which a limit breaks ends it, whatever comes after. Between that step and
the one before it, the number of homes is found by bisection, to a single home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mas2sim.study.hosting_finding import Finding
from mas2sim.study.hosting_placement import Judge, Placement


class End(StrEnum):
    """What ended a draw."""

    LIMIT = "limit"
    BASE_LOAD = "base load"
    TOP = "top"
    NOT_SOLVED = "not solved"


@dataclass(frozen=True, slots=True)
class DrawCapacity:
    """Hosting capacity of one draw.

    Parameters
    ----------
    draw : int
    homes : int
        Greatest number of homes up to which all limits are kept; 0 where the base load alone
        breaks one.
    broken_homes : int or None
        Number of homes at the first violation; None where there is none up to the top.
    step : int
        The last step before it.
    end : End
    first : Finding or None
        What was found at the first violation.
    by_criterion : mapping of str to int
        Homes at the last step before each criterion breaks by itself; those that were assessed at
        all steps.
    returns : bool
        Whether limits are kept again at a later step: a draw that is not monotone.
    """

    draw: int
    homes: int
    broken_homes: int | None
    step: int
    end: End
    first: Finding | None
    by_criterion: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    returns: bool = False

    @property
    def censored(self) -> bool:
        """Whether the capacity is at least, and not exactly, what is given."""
        return self.end is End.TOP

    @property
    def binding(self) -> tuple[str, ...]:
        """Limits broken at the first violation."""
        return () if self.first is None else self.first.broken


def scan_draws(
    judge: Judge, steps: Sequence[int], draws: int, criteria: Sequence[str]
) -> tuple[list[DrawCapacity], list[list[Finding]]]:
    """Judge every draw at every step, and refine each first violation to a home.

    Parameters
    ----------
    judge : Judge
    steps : sequence of int
        Homes at each step, the first 0, ascending.
    draws : int
    criteria : sequence of str

    Returns
    -------
    capacities : list of DrawCapacity
    findings : list of list of Finding, shape (draw, step)
    """
    findings = [judge.find([Placement(draw, homes) for homes in steps]) for draw in range(draws)]
    first = [_first(found) for found in findings]
    bounds = _refine(
        judge,
        {
            draw: (steps[step - 1], steps[step])
            for draw, step in enumerate(first)
            if 0 < step < len(steps)
        },
    )
    capacities = []
    for draw, (step, found) in enumerate(zip(first, findings, strict=True)):
        by_criterion = {name: steps[max(_first(found, name) - 1, 0)] for name in criteria}
        returns = any(not each.broken for each in found[step:])
        capacities.append(_capacity(judge, draw, step, steps, bounds, by_criterion, returns))
    return capacities, findings


def bisect_draws(judge: Judge, steps: Sequence[int], draws: int) -> list[DrawCapacity]:
    """Find each draw's first violation by bisection, first over steps and then over homes.

    That takes for granted that limits once broken stay broken at higher penetrations.
    """
    capacities = []
    for draw in range(draws):
        kept, broken = 0, len(steps) - 1
        if judge.find([Placement(draw, steps[kept])])[0].broken:
            kept, broken = -1, 0
        elif not judge.find([Placement(draw, steps[broken])])[0].broken:
            kept, broken = broken, len(steps)
        while broken - kept > 1:
            middle = (kept + broken) // 2
            if judge.find([Placement(draw, steps[middle])])[0].broken:
                broken = middle
            else:
                kept = middle
        within = 0 < broken < len(steps)
        bounds = _refine(judge, {draw: (steps[kept], steps[broken])} if within else {})
        capacities.append(_capacity(judge, draw, broken, steps, bounds, {}, returns=False))
    return capacities


def _first(findings: Sequence[Finding], criterion: str | None = None) -> int:
    """The first step at which a limit breaks, or beyond the last."""
    for step, finding in enumerate(findings):
        if finding.broken if criterion is None else finding.breaks(criterion):
            return step
    return len(findings)


def _refine(judge: Judge, bounds: Mapping[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Bisect each draw between a number of homes that is kept and one that is not.

    All draws go one step at a time together, so that flows come in batches.
    """
    found = dict(bounds)
    while True:
        middle = {
            draw: (kept + broken) // 2
            for draw, (kept, broken) in found.items()
            if broken - kept > 1
        }
        if not middle:
            return found
        placements = [Placement(draw, homes) for draw, homes in middle.items()]
        for (draw, homes), finding in zip(placements, judge.find(placements), strict=True):
            kept, broken = found[draw]
            found[draw] = (kept, homes) if finding.broken else (homes, broken)


def _capacity(
    judge: Judge,
    draw: int,
    first: int,
    steps: Sequence[int],
    bounds: Mapping[int, tuple[int, int]],
    by_criterion: Mapping[str, int],
    returns: bool,
) -> DrawCapacity:
    """Capacity of a draw whose first violation is at step `first`."""
    if first == len(steps):
        end = End.TOP
        homes, broken_homes, finding = steps[-1], None, None
    else:
        homes, broken_homes = bounds.get(draw, (0, steps[first]))
        (finding,) = judge.find([Placement(draw, broken_homes)])
        end = End.LIMIT if finding.solved else End.NOT_SOLVED
        if first == 0 and finding.solved:
            end = End.BASE_LOAD
    return DrawCapacity(
        draw=draw,
        homes=homes,
        broken_homes=broken_homes,
        step=max(first - 1, 0),
        end=end,
        first=finding,
        by_criterion=MappingProxyType(dict(by_criterion)),
        returns=returns,
    )
