"""The six simulators of a case: energy boxes, homes, aggregators, DSO, grid, recorder.

Each is a few lines around an agent: which message is due at which gate, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mas2sim.cems import EnergyBoxes
from mas2sim.cosim.scheduled import Inbox, ScheduledSimulator, only
from mas2sim.domain.arrays import FloatArray, frozen
from mas2sim.domain.community import Community
from mas2sim.domain.grid_state import GridState, PowerFlow
from mas2sim.domain.horizon import Horizon
from mas2sim.domain.plan import Measurements, Setpoints
from mas2sim.domain.plant import Plant
from mas2sim.market import Aggregator, Dso, Timetable


def delivery_times(timetable: Timetable, horizon: Horizon) -> list[int]:
    """Start of each PTU of day D, in seconds."""
    return [timetable.operate_s + ptu * horizon.ptu_seconds for ptu in range(horizon.ptus)]


class CemsSimulator(ScheduledSimulator):
    """Energy boxes: plan at the gate, take the confirmation, command through day D."""

    def __init__(
        self, boxes: Mapping[str, EnergyBoxes], timetable: Timetable, horizon: Horizon
    ) -> None:
        gates = [timetable.plan_s, timetable.confirm_s]
        super().__init__(
            "EnergyBoxes",
            ["p_plans", "confirmation", "day_before", "setpoints"],
            list(boxes),
            gates + delivery_times(timetable, horizon),
        )
        self._boxes, self._timetable, self._horizon = boxes, timetable, horizon

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Plan, confirm or command."""
        boxes = self._boxes[entity]
        if time == self._timetable.plan_s:
            return {"p_plans": boxes.plan()}
        if time == self._timetable.confirm_s:
            confirmation = only(inbox, "confirmation")
            if confirmation is not None:
                boxes.confirm(confirmation)
            return {"day_before": boxes.schedule}
        ptu = (time - self._timetable.operate_s) // self._horizon.ptu_seconds
        return {"setpoints": boxes.setpoints(ptu)}


class HomesSimulator(ScheduledSimulator):
    """Plants: follow setpoints through day D, then hand over the metered day."""

    def __init__(
        self, plants: Mapping[str, Plant], levels: int, timetable: Timetable, horizon: Horizon
    ) -> None:
        super().__init__(
            "Homes",
            ["day_before", "setpoints", "stored_start_kwh", "measurements", "metered_kw"],
            list(plants),
            [*delivery_times(timetable, horizon), timetable.settle_s],
        )
        self._plants, self._levels = plants, levels
        self._timetable, self._horizon = timetable, horizon
        self._metered: dict[str, list[FloatArray]] = {name: [] for name in plants}

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Step through a PTU, or hand over the metered day."""
        if time == self._timetable.settle_s:
            return {"metered_kw": frozen(np.stack(self._metered[entity], axis=-1))}
        plant = self._plants[entity]
        unmanaged = np.full((self._levels, len(plant.devices)), np.nan)
        changes: dict[str, Any] = {}
        if time == self._timetable.operate_s:
            day_before = only(inbox, "day_before")
            if day_before is None:
                day_before = np.repeat(unmanaged[:, :, None], self._horizon.ptus, axis=2)
            changes["stored_start_kwh"] = plant.run_in(day_before)
        setpoints = only(inbox, "setpoints")
        ptu = (time - self._timetable.operate_s) // self._horizon.ptu_seconds
        measured = plant.step(ptu, Setpoints(unmanaged) if setpoints is None else setpoints)
        self._metered[entity].append(measured.p_kw)
        return {**changes, "measurements": measured}


class AggregatorSimulator(ScheduledSimulator):
    """Aggregators: one A-plan, one confirmation, one settlement each."""

    def __init__(self, aggregators: Mapping[str, Aggregator], timetable: Timetable) -> None:
        super().__init__(
            "Aggregator",
            ["p_plans", "a_plan", "d_prognosis", "confirmation", "metered_kw", "settlement"],
            list(aggregators),
            [timetable.plan_s, timetable.validate_s, timetable.settle_s],
        )
        self._aggregators, self._timetable = aggregators, timetable

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Plan, validate or settle; a message that comes after its gate is not read any more."""
        aggregator = self._aggregators[entity]
        if time == self._timetable.plan_s:
            return {"a_plan": aggregator.plan(only(inbox, "p_plans"))}
        if time == self._timetable.validate_s:
            return {"confirmation": aggregator.validate(only(inbox, "d_prognosis"))}
        metered_kw = only(inbox, "metered_kw")
        return {} if metered_kw is None else {"settlement": aggregator.settle(metered_kw)}


class DsoSimulator(ScheduledSimulator):
    """The DSO: one prognosis for its congestion point."""

    def __init__(self, name: str, dso: Dso, timetable: Timetable) -> None:
        super().__init__("Dso", ["a_plan", "d_prognosis"], [name], [timetable.plan_s])
        self._dso = dso

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Prognose."""
        del time, entity
        return {"d_prognosis": self._dso.prognose(inbox.get("a_plan", {}))}


class GridSimulator(ScheduledSimulator):
    """The network: gathers the day's powers and solves all levels as one batch at its end."""

    def __init__(
        self,
        name: str,
        flow: PowerFlow,
        communities: Sequence[Community],
        timetable: Timetable,
        horizon: Horizon,
    ) -> None:
        times = delivery_times(timetable, horizon)
        super().__init__("Grid", ["measurements", "grid_states"], [name], times)
        self._flow, self._communities, self._last = flow, communities, times[-1]
        self._p_kw: list[FloatArray] = []
        self._q_kvar: list[FloatArray] = []

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Gather; in the last PTU, solve."""
        del entity
        measured: Mapping[str, Measurements] = inbox["measurements"]
        homes = sum(len(community.members) for community in self._communities)
        p_kw = np.full((len(next(iter(measured.values())).p_kw), homes), np.nan)
        q_kvar = p_kw.copy()
        for community in self._communities:
            members = list(community.members)
            p_kw[:, members] = measured[community.name].p_kw
            q_kvar[:, members] = measured[community.name].q_kvar
        self._p_kw.append(p_kw)
        self._q_kvar.append(q_kvar)
        return {} if time < self._last else {"grid_states": self._solve()}

    def _solve(self) -> tuple[GridState, ...]:
        """State of each level over the day."""
        p_kw, q_kvar = (np.stack(parts, axis=1) for parts in (self._p_kw, self._q_kvar))
        levels, ptus, homes = p_kw.shape
        state = self._flow.solve(p_kw.reshape(-1, homes), q_kvar.reshape(-1, homes))
        return tuple(state.part(slice(k * ptus, (k + 1) * ptus)) for k in range(levels))


class Recorder(ScheduledSimulator):
    """Keeps what the others sent; `messages` holds the last value by attribute and sender."""

    def __init__(self, name: str, timetable: Timetable, horizon: Horizon) -> None:
        super().__init__(
            "Recorder",
            [
                "a_plan",
                "d_prognosis",
                "stored_start_kwh",
                "measurements",
                "grid_states",
                "settlement",
            ],
            [name],
            [timetable.plan_s, *delivery_times(timetable, horizon), timetable.settle_s],
        )
        self._settle_s, self._plan_s = timetable.settle_s, timetable.plan_s
        self.measurements: list[Mapping[str, Measurements]] = []
        self.messages: dict[str, Mapping[str, Any]] = {}

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Record."""
        del entity
        if self._plan_s < time < self._settle_s:
            self.measurements.append(inbox["measurements"])
        self.messages.update(
            (attribute, values)
            for attribute, values in inbox.items()
            if attribute != "measurements"
        )
        return {}
