"""Which simulator tells which one what, and how long it takes: the whole market in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mas2sim.cosim.scheduled import NOTHING


@dataclass(frozen=True, slots=True)
class Link:
    """One attribute from one simulator to another.

    Entities of the same name are linked one to one (a community's boxes, homes and aggregator);
    a simulator that has one entity is linked with all of the other's.

    Parameters
    ----------
    delay_gates : int
        Gates that pass before the message arrives; 0 is the same instant.
    without : tuple of str
        Entities whose messages are lost on the way: what a study of failures cuts.
    """

    source: str
    target: str
    attribute: str
    delay_gates: int = 0
    without: tuple[str, ...] = ()


LINKS = (
    # Plan: P-plans to the own aggregator only, sums beyond it.
    Link("cems", "aggregator", "p_plans"),
    Link("aggregator", "dso", "a_plan"),
    # Validate: the finding comes back one gate later, and reaches the homes one gate after that.
    Link("dso", "aggregator", "d_prognosis", 1),
    Link("aggregator", "cems", "confirmation", 1),
    # Operate: setpoints down, measurements up.
    Link("cems", "homes", "day_before"),
    Link("cems", "homes", "setpoints"),
    Link("homes", "grid", "measurements"),
    # Settle.
    Link("homes", "aggregator", "metered_kw"),
    # For the record.
    Link("aggregator", "recorder", "a_plan"),
    Link("dso", "recorder", "d_prognosis"),
    Link("homes", "recorder", "stored_start_kwh"),
    Link("homes", "recorder", "measurements"),
    Link("grid", "recorder", "grid_states"),
    Link("aggregator", "recorder", "settlement"),
)


def connect(
    world: Any, entities: Mapping[str, Sequence[Any]], links: Sequence[Link], *, gate_s: int
) -> None:
    """Connect the entities of a mosaik world as the table says; gates are `gate_s` apart."""
    for link in links:
        shift = {}
        if link.delay_gates:
            shift = {
                "time_shifted": link.delay_gates * gate_s,
                "initial_data": {link.attribute: NOTHING},
            }
        sources = [source for source in entities[link.source] if source.eid not in link.without]
        for source, target in _pairs(sources, entities[link.target]):
            world.connect(source, target, link.attribute, **shift)


def _pairs(sources: Sequence[Any], targets: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pair entities of the same name, or all with the only one."""
    by_name = {target.eid: target for target in targets}
    if all(source.eid in by_name for source in sources):
        return [(source, by_name[source.eid]) for source in sources]
    return [(source, target) for source in sources for target in targets]
