"""A power flow that remembers the times it solved lately.

Levels, and neighbouring cases of a campaign, have many times in common: where nobody manages homes
it does not matter what they offer, and where no limit binds `uc3` is `uc2`. A time is known again
by its powers, bit for bit, and a batch gives what its times give one by one; so the states are the
same with and without a memory.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from mas2sim.domain.arrays import FloatArray
from mas2sim.domain.grid_state import GridLayout, GridState, PowerFlow

MOST_TIMES = 2_048
"""Times remembered: those of nine neighbouring cases, some 15 kB each with 184 homes. [C]"""

_FIELDS = tuple(field.name for field in fields(GridState))


class FlowMemory:
    """Fulfils `PowerFlow` on top of an engine.

    Parameters
    ----------
    engine : PowerFlow
    most_times : int
        Times remembered; the oldest go first.

    Attributes
    ----------
    asked, solved : int
        Times asked for, and those that the engine had to solve.
    """

    def __init__(self, engine: PowerFlow, most_times: int = MOST_TIMES) -> None:
        self._engine = engine
        self._most = most_times
        self._slots: dict[bytes, int] = {}
        self._keys: list[bytes | None] = [None] * most_times
        self._next = 0
        self._states: dict[str, np.ndarray] = {}
        self.asked = self.solved = 0

    @property
    def layout(self) -> GridLayout:
        """Places that the state speaks of."""
        return self._engine.layout

    def solve(self, p_kw: FloatArray, q_kvar: FloatArray) -> GridState:
        """Solve the flow of a batch; see `PowerFlow.solve`."""
        p_kw, q_kvar = np.asarray(p_kw, dtype=np.float64), np.asarray(q_kvar, dtype=np.float64)
        if p_kw.ndim != 2 or p_kw.shape != q_kvar.shape:
            return self._engine.solve(p_kw, q_kvar)
        keys = [p.tobytes() + q.tobytes() for p, q in zip(p_kw, q_kvar, strict=True)]
        fresh = {key: time for time, key in enumerate(keys) if key not in self._slots}
        times = list(fresh.values())
        found = self._engine.solve(p_kw[times], q_kvar[times])
        self.asked += len(keys)
        self.solved += len(times)
        place = {key: index for index, key in enumerate(fresh)}
        state = self._put_together(keys, place, found)
        self._remember(list(fresh), found)
        return state

    def _put_together(
        self, keys: list[bytes], place: dict[bytes, int], found: GridState
    ) -> GridState:
        """State of all times: remembered ones, and those just found."""
        known = np.array([key not in place for key in keys], dtype=bool)
        slots = [self._slots[key] for key in keys if key not in place]
        places = [place[key] for key in keys if key in place]
        values = []
        for name in _FIELDS:
            new = getattr(found, name)
            whole = np.empty((len(keys), *new.shape[1:]), dtype=new.dtype)
            whole[~known] = new[places]
            if slots:
                whole[known] = self._states[name][slots]
            values.append(whole)
        return GridState(*values)

    def _remember(self, keys: list[bytes], found: GridState) -> None:
        """Keep what was found, in the places of what is oldest."""
        kept = keys[-self._most :]
        first = len(keys) - len(kept)
        slots = [(self._next + offset) % self._most for offset in range(len(kept))]
        self._next = (self._next + len(kept)) % self._most
        for slot, key in zip(slots, kept, strict=True):
            old = self._keys[slot]
            if old is not None:
                del self._slots[old]
            self._keys[slot], self._slots[key] = key, slot
        for name in _FIELDS:
            new = getattr(found, name)[first:]
            if name not in self._states:
                self._states[name] = np.empty((self._most, *new.shape[1:]), dtype=new.dtype)
            self._states[name][slots] = new
