"""Which simulator tells which one what, and how long it takes: the whole market in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mas2sim.cosim.scheduled import NOTHING, name_of, place_of


@dataclass(frozen=True, slots=True)
class Link:
    """One attribute from one simulator to another.

    Entities of the same name are linked one to one (a community's boxes, homes and aggregator);
    a simulator that has one entity a substation is linked with all of the other's there. Nothing
    goes from one substation to another.

    Parameters
    ----------
    delay_gates : int
        Gates that pass before the message arrives; 0 is the same instant.
    without : tuple of str
        Entities whose messages are lost on the way: what a study of failures cuts. A name alone
        stands for the entities of that name in every substation.
    weak : bool
        Whether the message is read one sub-step later: the link that closes a same-time loop.
    """

    source: str
    target: str
    attribute: str
    delay_gates: int = 0
    without: tuple[str, ...] = ()
    weak: bool = False


LINKS = (
    # Plan: P-plans to the own aggregator only, sums beyond it.
    Link("cems", "aggregator", "p_plans"),
    # Within a community: what an aggregator asks is read in the next sub-step and answered there.
    Link("aggregator", "cems", "member_request", weak=True),
    Link("cems", "aggregator", "member_offers"),
    Link("aggregator", "cems", "member_order", weak=True),
    Link("aggregator", "dso", "a_plan"),
    # Validate: the finding comes back one gate later, and reaches the homes one gate after that.
    Link("dso", "aggregator", "d_prognosis", 1),
    # Between the DSO and all aggregators: one round is one sub-step of the outer circle.
    Link("dso", "aggregator", "flex_request", weak=True),
    Link("aggregator", "dso", "flex_offer"),
    Link("dso", "aggregator", "flex_order", weak=True),
    Link("aggregator", "cems", "confirmation", 1),
    # Operate: setpoints down, measurements up.
    Link("cems", "homes", "day_before"),
    Link("cems", "homes", "setpoints"),
    Link("dso", "homes", "validated", 1),
    Link("homes", "grid", "measurements"),
    # Settle.
    Link("dso", "aggregator", "validated", 1),
    Link("homes", "aggregator", "metered_kw"),
    Link("homes", "aggregator", "curtailed_kw"),
    # For the record.
    Link("aggregator", "recorder", "a_plan"),
    Link("dso", "recorder", "validated"),
    Link("homes", "recorder", "stored_start_kwh"),
    Link("homes", "recorder", "measured_day"),
    Link("homes", "recorder", "curtailed_kw"),
    Link("grid", "recorder", "grid_states"),
    Link("aggregator", "recorder", "settlement"),
)


def connect(
    world: Any, entities: Mapping[str, Sequence[Any]], links: Sequence[Link], *, gate_s: int
) -> None:
    """Connect the entities of a mosaik world as the table says; gates are `gate_s` apart."""
    for link in links:
        shift: dict[str, Any] = {}
        if link.weak:
            shift["weak"] = True
        if link.delay_gates:
            shift["time_shifted"] = link.delay_gates * gate_s
        sources = [
            source
            for source in entities[link.source]
            if not {source.eid, name_of(source.eid)} & set(link.without)
        ]
        for source, target in _pairs(sources, entities[link.target]):
            # What wakes its reader needs no first value: nobody looks for it before it comes.
            if shift and not target.triggered_by(link.attribute):
                shift["initial_data"] = {link.attribute: NOTHING}
            world.connect(source, target, link.attribute, **shift)


def _pairs(sources: Sequence[Any], targets: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Pair entities of the same name, or within each place all with the only one."""
    by_name = {target.eid: target for target in targets}
    if all(source.eid in by_name for source in sources):
        return [(source, by_name[source.eid]) for source in sources]
    by_place: dict[str, list[Any]] = {}
    for target in targets:
        by_place.setdefault(place_of(target.eid), []).append(target)
    return [(source, target) for source in sources for target in by_place[place_of(source.eid)]]
