"""The base of the simulators that negotiate: conversations at gates, as same-time loops of mosaik.

A room of its own because these simulators are woken by messages, besides the times that are known
beforehand. A conversation is a generator: it yields what it asks, resumes in the next sub-step with
what came in, and returns its last word. That is all a simulator says; sub-steps are kept here.

Simulators talk in two circles (mosaik's groups), one inside the other. In the inner one,
aggregators talk with their boxes; a sub-step of the outer one, where the DSO sits, begins when all
talks of the inner one have ended, whatever number of exchanges each community needed.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any

from mas2sim.cosim.scheduled import NEVER, Inbox, ScheduledSimulator, by_sender, place_of
from mas2sim.domain.errors import Mas2simError

SUB_STEPS = 200
"""Most sub-steps at one gate, for all rounds and exchanges of a substation together."""
LAST_WORDS = 2
"""Sub-steps kept for what follows the last question: its answer, and the orders."""
AGAIN = "again"
"""What a simulator sends itself so as to be stepped in the next sub-step.

Being scheduled already spares mosaik 3.6.0 a wait that it would cancel and never forget: with such
waits, time grows with the square of the sub-steps.
"""
CIRCLE = ("dso",)
INNER_CIRCLE = ("aggregator", "cems")
BESIDE = ("homes",)
"""Do not talk, but sit with those who do: boxes tell homes and homes tell aggregators, and outside
the circle this way would be a loop in which mosaik counts no sub-steps."""

Conversation = Generator[Mapping[str, Any], Inbox, Mapping[str, Any]]
"""Yields messages that want an answer, is sent what was heard by the next sub-step."""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """A message of a conversation on its way.

    Parameters
    ----------
    time_s : int
        When it was said; later than that it is not heard any more. [s]
    sub_step : int
        Sub-step of the sender. A reader's own is no earlier: so all know how late it is.
    """

    time_s: int
    sub_step: int
    value: Any


class NegotiatingSimulator(ScheduledSimulator):
    """A simulator that steps at fixed times, and at some of them also holds conversations.

    Subclasses implement `at_gate` and `answer`. It is hybrid in mosaik's sense: messages of a
    conversation wake their reader and are read once; all other attributes are persistent, as long
    as the world runs without mosaik's cache, which would want them again in every sub-step.

    Parameters
    ----------
    said : sequence of str
        Attributes that are messages of a conversation, heard or spoken.
    """

    def __init__(
        self,
        model: str,
        attributes: Sequence[str],
        said: Sequence[str],
        entities: Sequence[str],
        times: Sequence[int],
    ) -> None:
        events = [*said, AGAIN]
        super().__init__(model, [*attributes, *events], entities, times)
        self.meta["type"] = "hybrid"
        self.meta["models"][model].update({"trigger": events, "non-persistent": events})
        self._said = tuple(said)
        self._talks: dict[str, Conversation] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._now = -1
        # By place: a substation's market does not end sooner for those that share its world.
        self._sub_steps: dict[str, int] = {}

    @property
    def sub_step(self) -> int:
        """Sub-steps at this gate in which something was to be done, where most were needed."""
        return max(self._sub_steps.values(), default=0)

    @property
    def finished(self) -> bool:
        """Whether the last step has been carried out, and every conversation has ended."""
        return super().finished and not self._talks

    def may_ask(self, entity: str) -> bool:
        """Whether there are sub-steps left at this gate for a question and what follows it."""
        return self._sub_steps.get(place_of(entity), 0) <= SUB_STEPS - LAST_WORDS

    @abstractmethod
    def at_gate(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any] | Conversation:
        """Carry out what is due: return what changes, or a conversation to begin."""

    @abstractmethod
    def answer(self, entity: str, heard: Inbox) -> Mapping[str, Any] | Conversation:
        """React to messages that are not part of a conversation under way."""

    def act(self, time: int, entity: str, inbox: Inbox) -> Mapping[str, Any]:
        """Begin what is due."""
        return self._begin(entity, self.at_gate(time, entity, inbox))

    def step(self, time: int, inputs: Mapping[str, Any], max_advance: int) -> int:
        """Carry out one sub-step, and return the next fixed time.

        mosaik does not schedule a time twice that it has already.
        """
        del max_advance
        began = thread_time()
        due = time != self._now and self._open(time)
        heard = self._listen(time, inputs, self._outputs if due else self._talks)
        self._changed = {}
        for entity in self._outputs:
            changes = self._turn(time, entity, inputs.get(entity, {}), heard.get(entity), due=due)
            if changes:
                self._changed[entity] = self._seal(time, entity, changes)
        if self._talks:
            self._changed.setdefault(next(iter(self._outputs)), {})[AGAIN] = True
        self.busy_s += thread_time() - began
        following = bisect_right(self._times, time)
        return self._times[following] if following < len(self._times) else NEVER

    def get_data(self, outputs: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
        """Return what changed in this sub-step: a message that is not there wakes nobody."""
        return {
            entity: {
                attribute: self._changed[entity][attribute]
                for attribute in attributes
                if attribute in self._changed[entity]
            }
            for entity, attributes in outputs.items()
            if entity in self._changed
        }

    def _open(self, time: int) -> bool:
        """Open a new instant, and return whether something is due."""
        if self._talks:
            names = ", ".join(self._talks)
            raise Mas2simError(
                f"the conversations of {names} at {self._now} s had not ended at {time} s: was "
                "`keep_listening` left out?"
            )
        self._now, self._sub_steps = time, {}
        due = time in self._times
        self._stepped += due
        return due

    def _listen(
        self, time: int, inputs: Mapping[str, Any], active: Iterable[str]
    ) -> Mapping[str, Inbox]:
        """Take this instant's messages out of the inputs, and count the sub-step of each place.

        It counts where entities are active or hear something.

        Taken out, because mosaik 3.6.0 without its cache keeps them among the persistent inputs.
        """
        latest = dict.fromkeys(map(place_of, active), 0)
        heard: dict[str, dict[str, dict[str, Any]]] = {}
        for entity, received in inputs.items():
            place = place_of(entity)
            said = by_sender({name: received.pop(name) for name in self._said if name in received})
            for attribute, senders in said.items():
                for sender, message in senders.items():
                    if message.time_s == time:
                        latest[place] = max(latest.get(place, 0), message.sub_step)
                        to_entity = heard.setdefault(entity, {})
                        to_entity.setdefault(attribute, {})[sender] = message.value
        for place, sub_step in latest.items():
            self._sub_steps[place] = max(self._sub_steps.get(place, 0) + 1, sub_step)
        return heard

    def _turn(
        self, time: int, entity: str, inputs: Mapping[str, Any], heard: Inbox | None, *, due: bool
    ) -> Mapping[str, Any]:
        """What one entity says in this sub-step."""
        if due:
            return self.act(time, entity, by_sender(inputs))
        if entity in self._talks:
            return self._go_on(entity, heard or {})
        return self._begin(entity, self.answer(entity, heard)) if heard else {}

    def _begin(self, entity: str, turn: Mapping[str, Any] | Conversation) -> Mapping[str, Any]:
        if isinstance(turn, Mapping):
            return turn
        self._talks[entity] = turn
        return self._go_on(entity, None)

    def _go_on(self, entity: str, heard: Inbox | None) -> Mapping[str, Any]:
        """Resume a conversation; its last word ends it."""
        talk = self._talks[entity]
        try:
            return next(talk) if heard is None else talk.send(heard)
        except StopIteration as end:
            del self._talks[entity]
            last: Mapping[str, Any] = end.value
            return last

    def _seal(self, time: int, entity: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        sub_step = self._sub_steps.get(place_of(entity), 0)
        return {
            attribute: Said(time, sub_step, value) if attribute in self._said else value
            for attribute, value in changes.items()
        }


def start_in_circles(world: Any, starters: Mapping[str, Any]) -> dict[str, Any]:
    """Start all simulators of a mosaik world, those that negotiate in their circles.

    Parameters
    ----------
    starters : mapping of str to mosaik.starters.Starter
        By name of the simulator.

    Returns
    -------
    dict
        mosaik's model factories, by name of the simulator.
    """
    factories: dict[str, Any] = {}

    def start(names: Sequence[str]) -> None:
        factories.update((name, world.start(starters[name], name)) for name in names)

    with world.group("market"):
        start(CIRCLE)
        with world.group("communities"):
            start((*INNER_CIRCLE, *BESIDE))
    start([name for name in starters if name not in factories])
    return factories


def keep_listening(world: Any, entities: Mapping[str, Sequence[Any]]) -> None:
    """Let every simulator of the circles wake itself: a lost message then leaves nobody waiting.

    Who sits in the inner circle is also woken two sub-steps after each question of the outer one
    (a weak link of weight 2), and so is scheduled before it is asked: mosaik then has no wait to
    cancel. That changes no talk; it saves a quarter of mosaik's time.
    """
    for name in (*CIRCLE, *INNER_CIRCLE):
        world.connect(entities[name][0], entities[name][0], AGAIN, weak=True)
    for outer in CIRCLE:
        for inner in INNER_CIRCLE:
            world.connect(entities[outer][0], entities[inner][0], AGAIN, weak=2)
