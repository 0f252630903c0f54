"""Homes whose plan is not the proven best one that meets every wish, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass

from mas2sim.domain.plan import PlanStatus
from mas2sim.report.appearance import LEVEL_NAME
from mas2sim.results import Result

SHOWN = 30
"""Rows on the page; the table of homes holds them all."""


@dataclass(frozen=True, slots=True)
class UnmetWish:
    """What one home could not have, and at which levels."""

    home: str
    levels: str
    reason: str


@dataclass(frozen=True, slots=True)
class UnmetWishes:
    """Wishes to show, and how many there are in all.

    Parameters
    ----------
    rows : tuple of UnmetWish
        At most `SHOWN`; wishes that cannot be met come before plans that are not proven.
    left_out : int
        Rows beyond those.
    homes, homes_in_all : int
        Homes with any such plan, and homes of the case.
    """

    rows: tuple[UnmetWish, ...]
    left_out: int
    homes: int
    homes_in_all: int


def unmet_wishes(result: Result) -> UnmetWishes:
    """Gather what the table of homes says about plans that are not optimal.

    A home that gives the same reason at several levels takes one row.
    """
    homes = result.homes
    gathered: list[UnmetWish] = []
    for status in (PlanStatus.INFEASIBLE, PlanStatus.BOUNDED):
        rows = homes[homes["status"] == status.value]
        for (home, reason), same in rows.groupby(["home", "reason"], sort=False):
            levels = ", ".join(LEVEL_NAME[level] for level in same["level"])
            gathered.append(UnmetWish(str(home), levels, _in_words(status, str(reason))))
    return UnmetWishes(
        rows=tuple(gathered[:SHOWN]),
        left_out=max(0, len(gathered) - SHOWN),
        homes=len({wish.home for wish in gathered}),
        homes_in_all=int(homes["home"].nunique()),
    )


def _in_words(status: PlanStatus, reason: str) -> str:
    if status is PlanStatus.INFEASIBLE:
        return reason or "no reason was given"
    return "feasible, but not proven the cheapest" + (f": {reason}" if reason else "")
