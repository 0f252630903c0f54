"""The base of all simulators: time-based, with steps that are known beforehand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from time import thread_time
from typing import Any

import mosaik_api_v3

Inbox = Mapping[str, Mapping[str, Any]]
"""What one entity received: by attribute, then by the name of the sending entity."""


class ScheduledSimulator(mosaik_api_v3.Simulator, ABC):
    """A simulator that steps its entities at fixed times.

    Subclasses implement `act`. Attributes are persistent: an entity's output stands until the next
    step replaces it. mosaik steps every time-based simulator at time 0; nothing is due then.

    Parameters
    ----------
    model : str
        Name of the simulator's only model.
    attributes : sequence of str
        Inputs and outputs of the model.
    entities : sequence of str
        Names of the entities.
    times : sequence of int
        Seconds at which to step, ascending.

    Attributes
    ----------
    busy_s : float
        CPU time spent in `act`: the case's own work, as against mosaik's. [s]
    """

    def __init__(
        self, model: str, attributes: Sequence[str], entities: Sequence[str], times: Sequence[int]
    ) -> None:
        description = {"public": True, "params": [], "attrs": list(attributes)}
        meta = {"type": "time-based", "models": {model: description}}
        super().__init__(meta)  # type: ignore[no-untyped-call]
        self._model = model
        self._times = list(times)
        self._outputs: dict[str, dict[str, Any]] = {
            entity: dict.fromkeys(attributes) for entity in entities
        }
        self._stepped = 0
        self.busy_s = 0.0

    @property
    def finished(self) -> bool:
        """Whether the last step has been carried out."""
        return self._stepped == len(self._times)

    def create_all(self, factory: Any) -> list[Any]:
        """Create this simulator's entities in a world."""
        entities: list[Any] = getattr(factory, self._model).create(len(self._outputs))
        return entities

    @abstractmethod
    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Carry out one entity's step and return the attributes that change."""

    def act_together(self, time: int) -> Mapping[str, Mapping[str, Any]]:
        """What entities do once all have acted: attributes that change, by entity."""
        del time
        return {}

    def init(self, sid: str, time_resolution: float = 1.0, **_: Any) -> Any:
        """Return the description of the simulator."""
        del sid, time_resolution
        return self.meta

    def create(self, num: int, model: str, **_: Any) -> list[Any]:
        """Create all entities; their names are known beforehand."""
        if num != len(self._outputs):
            raise ValueError(f"{model} has {len(self._outputs)} entities, not {num}")
        return [{"eid": entity, "type": model} for entity in self._outputs]

    def step(self, time: int, inputs: Mapping[str, Any], max_advance: int) -> int:
        """Step every entity if something is due, and return the next time."""
        del max_advance
        if time in self._times:
            began = thread_time()
            for entity, outputs in self._outputs.items():
                outputs.update(self.act(time, entity, by_sender(inputs.get(entity, {}))))
            for entity, changes in self.act_together(time).items():
                self._outputs[entity].update(changes)
            self._stepped += 1
            self.busy_s += thread_time() - began
        following = bisect_right(self._times, time)
        return self._times[following] if following < len(self._times) else NEVER

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
        """Return the attributes that mosaik asks for."""
        return {
            entity: {attribute: self._outputs[entity][attribute] for attribute in attributes}
            for entity, attributes in outputs.items()
        }


NEVER = 10 * 24 * 3600
"""A time after the end of every world."""
NOTHING = "nothing yet"
"""What a delayed link carries before its first message: mosaik does not take None for that."""


_SLASH = "\x1f"
"""Stands for a slash within a name; a separator of units, which is typed into no name."""


def entity_at(place: str, name: str) -> str:
    """Entity of that name in a place, as mosaik knows it.

    Substations that share a world have communities of the same names, so the place goes before it.
    A name of a mapping file may hold the sign that parts the two, which is told by another then.
    """
    return f"{place}/{name.replace('/', _SLASH)}"


def place_of(entity: str) -> str:
    """Place of an entity; nothing for one that was named without."""
    return entity.rpartition("/")[0]


def name_of(entity: str) -> str:
    """Name of an entity in its place."""
    return entity.rpartition("/")[2].replace(_SLASH, "/")


def by_sender(inputs: Mapping[str, Mapping[str, Any]]) -> Inbox:
    """Name senders by their entity alone, and leave out those that have sent nothing.

    ``"cems-0.cardiff_1/community_1"`` becomes ``"community_1"``: who sends is of the same place.
    """
    return {
        attribute: {
            name_of(source.split(".", 1)[1]): value
            for source, value in values.items()
            if value is not None and value is not NOTHING
        }
        for attribute, values in inputs.items()
    }


def only(inbox: Inbox, attribute: str) -> Any:
    """Return the value of an attribute that at most one entity sends; None if nothing came."""
    values = list(inbox.get(attribute, {}).values())
    return values[0] if values else None
