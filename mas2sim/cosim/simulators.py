"""The simulators that do not negotiate: homes, grid, recorder.

Each is a few lines around an agent: which message is due at which gate, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mas2sim.cosim.scheduled import Inbox, ScheduledSimulator, only, place_of
from mas2sim.domain.arrays import FloatArray, IntArray, frozen
from mas2sim.domain.community import Community
from mas2sim.domain.grid_state import GridState, PowerFlow
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import DPrognosis, Measurements, Setpoints
from mas2sim.domain.plant import Plant
from mas2sim.market import Timetable
from mas2sim.market.dso_payment import fair_shares


def delivery_times(timetable: Timetable, horizon: Horizon) -> list[int]:
    """Start of each PTU of day D, in seconds."""
    return [timetable.operate_s + ptu * horizon.ptu_seconds for ptu in range(horizon.ptus)]


class HomesSimulator(ScheduledSimulator):
    """Plants: follow setpoints through day D, then hand over the metered day.

    Where the DSO has to limit connections, each gives up its share of what flows beyond: what the
    plants drew is metered, what the grid sees is less.

    Parameters
    ----------
    behind : mapping of str to sequence of array
        By substation, the connections behind each congestion point, as places among all of the
        substation in the order of `plants`; without it there is the transformer alone.
    """

    def __init__(
        self,
        plants: Mapping[str, Plant],
        levels: int,
        timetable: Timetable,
        horizon: Horizon,
        behind: Mapping[str, Sequence[IntArray]] | None = None,
    ) -> None:
        super().__init__(
            "Homes",
            [
                "day_before",
                "setpoints",
                "validated",
                "stored_start_kwh",
                "measurements",
                "measured_day",
                "metered_kw",
                "curtailed_kw",
            ],
            list(plants),
            [*delivery_times(timetable, horizon), timetable.settle_s],
        )
        self._plants, self._levels = plants, levels
        self._timetable, self._horizon = timetable, horizon
        self._drawn: dict[str, list[FloatArray]] = {name: [] for name in plants}
        self._curtailed: dict[str, list[FloatArray]] = {name: [] for name in plants}
        self._seen: dict[str, list[Measurements]] = {name: [] for name in plants}
        self._measured: dict[str, Measurements] = {}
        self._validated: dict[str, DPrognosis | None] = {}
        self._behind = behind or {}
        self._together: dict[str, list[str]] = {}
        for name in plants:
            self._together.setdefault(place_of(name), []).append(name)

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Step through a PTU, or hand over the metered day."""
        if time == self._timetable.settle_s:
            return {
                "measured_day": tuple(self._seen[entity]),
                "metered_kw": frozen(np.stack(self._drawn[entity], axis=-1)),
                "curtailed_kw": frozen(np.stack(self._curtailed[entity], axis=-1)),
            }
        plant = self._plants[entity]
        unmanaged = np.full((self._levels, len(plant.devices)), np.nan)
        changes: dict[str, Any] = {}
        if time == self._timetable.operate_s:
            day_before = only(inbox, "day_before")
            if day_before is None:
                day_before = np.repeat(unmanaged[:, :, None], self._horizon.ptus, axis=2)
            changes["stored_start_kwh"] = plant.run_in(day_before)
        self._validated[place_of(entity)] = only(inbox, "validated")
        setpoints = only(inbox, "setpoints")
        measured = plant.step(self._ptu(time), setpoints or Setpoints(unmanaged))
        self._drawn[entity].append(measured.p_kw)
        self._measured[entity] = measured
        return changes

    def act_together(self, time: int) -> Mapping[str, Mapping[str, Any]]:
        """Limit connections where the DSO has to, and say what the grid sees."""
        if time == self._timetable.settle_s:
            return {}
        seen: dict[str, Mapping[str, Any]] = {}
        for place, entities in self._together.items():
            curtailed = self._curtailed_kw(place, self._ptu(time))
            first = 0
            for entity in entities:
                measured = self._measured[entity]
                last = first + measured.p_kw.shape[1]
                taken_kw = curtailed[:, first:last]
                first = last
                self._curtailed[entity].append(taken_kw)
                left_kw = measured.p_kw - taken_kw
                left = replace(measured, p_kw=left_kw) if taken_kw.any() else measured
                self._seen[entity].append(left)
                seen[entity] = {"measurements": left}
        return seen

    def _ptu(self, time: int) -> int:
        return (time - self._timetable.operate_s) // self._horizon.ptu_seconds

    def _curtailed_kw(self, place: str, ptu: int) -> FloatArray:
        """What each connection of a place gives up, shape (level, home by entity)."""
        measured = [self._measured[entity] for entity in self._together[place]]
        drawn_kw = np.concatenate([each.p_kw for each in measured], axis=1)
        curtailed_kw = np.zeros_like(drawn_kw)
        wanted = self._validated.get(place)
        if wanted is None or not len(wanted.curtailment_kw):
            return curtailed_kw
        behind = self._behind.get(place, [np.arange(drawn_kw.shape[1])])
        # Feeders first: what they give up the transformer has no more.
        for point in reversed(range(len(behind))):
            places = behind[point]
            for level, beyond_kw in enumerate(wanted.curtailment_kw[:, point, ptu]):
                given_kw = curtailed_kw[level].sum() if point == 0 else 0.0
                excess_kw = beyond_kw - given_kw
                if beyond_kw * excess_kw > 0:
                    left_kw = drawn_kw[level, places] - curtailed_kw[level, places]
                    shares = fair_shares(left_kw[:, None], np.array([excess_kw]))
                    curtailed_kw[level, places] += shares.curtailed_kw[:, 0]
        return curtailed_kw


@dataclass(slots=True, eq=False)
class ConnectedGrid:
    """A network with those who are connected to it, and the powers of the day so far.

    Parameters
    ----------
    parties : sequence of Community
        Who measures; members are places among the power flow's connections.
    """

    flow: PowerFlow
    parties: Sequence[Community]
    _p_kw: list[FloatArray] = field(default_factory=list, init=False)
    _q_kvar: list[FloatArray] = field(default_factory=list, init=False)

    def gather(self, measured: Mapping[str, Measurements]) -> None:
        """Note the powers of one PTU, measured by party."""
        homes = sum(len(party.members) for party in self.parties)
        p_kw = np.full((len(next(iter(measured.values())).p_kw), homes), np.nan)
        q_kvar = p_kw.copy()
        for party in self.parties:
            members = list(party.members)
            p_kw[:, members] = measured[party.name].p_kw
            q_kvar[:, members] = measured[party.name].q_kvar
        self._p_kw.append(p_kw)
        self._q_kvar.append(q_kvar)

    def solve(self) -> tuple[GridState, ...]:
        """State of each level over the day."""
        p_kw, q_kvar = (np.stack(parts, axis=1) for parts in (self._p_kw, self._q_kvar))
        levels, ptus, homes = p_kw.shape
        state = self.flow.solve(p_kw.reshape(-1, homes), q_kvar.reshape(-1, homes))
        return tuple(state.part(slice(k * ptus, (k + 1) * ptus)) for k in range(levels))


class GridSimulator(ScheduledSimulator):
    """The networks: each gathers the day's powers and solves all levels as one batch at its end."""

    def __init__(
        self, grids: Mapping[str, ConnectedGrid], timetable: Timetable, horizon: Horizon
    ) -> None:
        times = delivery_times(timetable, horizon)
        super().__init__("Grid", ["measurements", "grid_states"], list(grids), times)
        self._grids, self._last = grids, times[-1]

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Gather; in the last PTU, solve."""
        grid = self._grids[entity]
        grid.gather(inbox["measurements"])
        return {} if time < self._last else {"grid_states": grid.solve()}


@dataclass(slots=True, eq=False)
class Recording:
    """What was sent in one substation.

    Parameters
    ----------
    messages : dict
        The last value by attribute and sender.
    """

    messages: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class Recorder(ScheduledSimulator):
    """Keeps what the others sent, in one recording a substation."""

    def __init__(self, recordings: Mapping[str, Recording], timetable: Timetable) -> None:
        super().__init__(
            "Recorder",
            [
                "a_plan",
                "validated",
                "stored_start_kwh",
                "measured_day",
                "curtailed_kw",
                "grid_states",
                "settlement",
            ],
            list(recordings),
            [timetable.plan_s, timetable.validate_s, timetable.settle_s],
        )
        self._recordings = recordings

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Record."""
        del time
        self._recordings[entity].messages.update(inbox)
        return {}
