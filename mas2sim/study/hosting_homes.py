"""The homes of a hosting study: each without and with the technology, and what it draws then.

At levels at which nobody negotiates, what a home draws does not depend on its neighbours. So every
home is planned once without and once with the technology; the powers of any draw are a selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mas2sim.cosim import CaseSetup, run_world
from mas2sim.domain.arrays import BoolArray, FloatArray, freeze_fields
from mas2sim.domain.content_cache import ContentCache
from mas2sim.domain.grid_state import GridLayout, GridState, PowerFlow
from mas2sim.domain.home import Home
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.typical_day import Level
from mas2sim.plant import reference_days
from mas2sim.study.hosting_question import Technology


@dataclass(frozen=True, slots=True, eq=False)
class PowerBank:
    """Powers of each connection without and with the technology, at some levels.

    Connections that are no homes are the same in both.

    Parameters
    ----------
    levels : tuple of Level
    without_kw, without_kvar, with_kw, with_kvar : array, shape (level, ptu, connection)
    """

    levels: tuple[Level, ...]
    without_kw: FloatArray
    without_kvar: FloatArray
    with_kw: FloatArray
    with_kvar: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "without_kw", "without_kvar", "with_kw", "with_kvar")

    def powers(self, level: Level, has: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Powers of scenarios.

        Parameters
        ----------
        has : array of bool, shape (scenario, home)
            Which homes have the technology.

        Returns
        -------
        p_kw, q_kvar : array, shape (scenario, ptu, connection)
            [kW], [kvar]
        """
        place = self.levels.index(level)
        connections = self.without_kw.shape[2]
        chosen = np.zeros((len(has), 1, connections), dtype=np.bool_)
        chosen[:, 0, : has.shape[1]] = has
        pairs = ((self.with_kw, self.without_kw), (self.with_kvar, self.without_kvar))
        p_kw, q_kvar = (np.where(chosen, new[place], old[place]) for new, old in pairs)
        return p_kw, q_kvar


def adopt(home: Home, owner: Home, technology: Technology) -> Home:
    """The home with the technology that it has as `owner`, and nothing else changed."""
    named = frozenset({str(technology)})
    adopter = replace(home, owns=home.owns | named, offered=home.offered | (owner.offered & named))
    if technology is Technology.PV:
        return replace(adopter, pv=owner.pv)
    if technology is Technology.EV:
        return replace(adopter, ev=owner.ev)
    added = tuple(heater for heater in owner.heaters if heater.name == technology)
    return replace(adopter, heaters=(*added, *home.heaters))


def mixed_homes(
    without: Sequence[Home], adopted: Sequence[Home], has: BoolArray
) -> tuple[Home, ...]:
    """Homes of which some have the technology.

    Parameters
    ----------
    has : array of bool, shape (home)
    """
    return tuple(
        new if chosen else old for old, new, chosen in zip(without, adopted, has, strict=True)
    )


def technology_kwh(homes: Sequence[Home], technology: Technology, horizon: Horizon) -> FloatArray:
    """Energy that each home's technology feeds in or draws on the unmanaged day, shape (home).

    Returns
    -------
    array, shape (home)
        Never negative. [kWh]
    """
    if technology is Technology.PV:
        power_kw = [-home.pv_kw for home in homes]
    else:
        days = reference_days(homes, horizon)
        power_kw = [day.device_kw.get(technology, np.zeros(horizon.ptus)) for day in days]
    return np.asarray(np.array(power_kw).sum(axis=1) * horizon.ptu_hours)


def power_bank(setup: CaseSetup, adopted: Sequence[Home], levels: tuple[Level, ...]) -> PowerBank:
    """Plan each home once without and once with the technology.

    Parameters
    ----------
    setup : CaseSetup
        Of the homes without it.
    adopted : sequence of Home
        The same homes with it.
    levels : tuple of Level
        Levels at which homes do not depend on each other.
    """
    before = metered_day(replace(setup, levels=levels))
    after = metered_day(replace(setup, levels=levels, homes=tuple(adopted)))
    return PowerBank(levels, before.p_kw, before.q_kvar, after.p_kw, after.q_kvar)


@dataclass(frozen=True, slots=True, eq=False)
class MeteredDay:
    """What a world hands to its power flow, after any curtailment.

    Parameters
    ----------
    p_kw, q_kvar : array, shape (level, ptu, connection)
    curtailed_kwh : array, shape (level)
        Energy that connections had to give up, either way.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    curtailed_kwh: FloatArray

    def __post_init__(self) -> None:
        freeze_fields(self, "p_kw", "q_kvar", "curtailed_kwh")


def metered_day(setup: CaseSetup, cache: ContentCache | None = None) -> MeteredDay:
    """Run the world of `setup`."""
    listening = _Listening(setup.flow)
    record = run_world(replace(setup, flow=listening), cache=cache).record
    # The DSO may ask the flow too; the grid asks it last, when the day is over.
    p_kw, q_kvar = listening.heard[-1]
    shape = (len(setup.levels), setup.horizon.ptus, len(setup.connections))
    curtailed_kw = np.abs(record.curtailed_kw).sum(axis=(1, 2))
    if record.others is not None:
        curtailed_kw = curtailed_kw + np.abs(record.others.curtailed_kw).sum(axis=(1, 2))
    return MeteredDay(
        p_kw.reshape(shape), q_kvar.reshape(shape), curtailed_kw * setup.horizon.ptu_hours
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Listening:
    """A power flow that keeps what it was asked."""

    flow: PowerFlow
    heard: list[tuple[FloatArray, FloatArray]] = field(default_factory=list)

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        return self.flow.layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Keep the powers and solve them."""
        self.heard.append((p_kw, q_kvar))
        return self.flow.solve(p_kw, q_kvar)
