"""What the markets came to, in words and tables: what was asked, offered, taken and paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mas2sim.domain.arrays import FloatArray, freeze_fields
from mas2sim.report.appearance import DAY_H, LEVEL_COLOUR, LEVEL_NAME, clock_hours, values_of
from mas2sim.report.kpi_view import Group, Row, number
from mas2sim.results import Result

MARKET_LEVELS = ("uc2", "uc3", "central")
MARKET_KPIS = (
    "rounds",
    "messages",
    "certified_gap_percent",
    "gap_percent",
    "gain_captured_percent",
    "local_trade_kwh",
    "dso_payment_eur",
    "moved_kwh",
    "congested_before_ptus",
    "congested_ptus",
    "insufficient_kwh",
    "curtailed_kwh",
    "answers_refused_count",
    "members_worse_off_count",
)
"""Rows of the section's table, where the case has a value for them."""
ASKED_KW = 1e-6
"""Power below which nothing was asked for or changed."""
LATEST_RESERVE = 2
"""Offers of each community that are shown beside the one taken: later rounds make better ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """One offer of an aggregator to the DSO.

    Parameters
    ----------
    change_kw : array, shape (ptu)
        Change of the community's plan at the transformer, rebound included.
    moved_kwh : float
        Energy moved: half of what changes over the day.
    """

    community: str
    number: int
    price_eur: float
    accepted: bool
    change_kw: FloatArray
    moved_kwh: float

    def __post_init__(self) -> None:
        freeze_fields(self, "change_kw")

    @property
    def standing(self) -> str:
        """Accepted, or kept in reserve."""
        return "accepted" if self.accepted else "reserve"

    @property
    def reduction_kw(self) -> float:
        """Greatest reduction in a PTU. [kW]"""
        return max(0.0, -float(self.change_kw.min()))

    @property
    def increase_kw(self) -> float:
        """Greatest increase in a PTU. [kW]"""
        return max(0.0, float(self.change_kw.max()))

    @property
    def price(self) -> str:
        """The price to a tenth of a cent: offers are often cheaper than one cent."""
        return f"{self.price_eur:.3f} EUR"


@dataclass(frozen=True, slots=True)
class MarketSection:
    """What the page says of the markets beside its figures."""

    words: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    accepted: tuple[Offer, ...]
    reserve: tuple[Offer, ...]
    left_out: int


def market_levels(result: Result) -> tuple[str, ...]:
    """Levels at which members trade with each other."""
    return tuple(level for level in result.levels if level in MARKET_LEVELS)


def was_asked(result: Result) -> bool:
    """Whether the DSO wanted flexibility."""
    return "flex_requested_kw" in result.series


def offers(result: Result) -> tuple[Offer, ...]:
    """All offers to the DSO, by community and number; none when none was made."""
    series = result.series
    if "offer_change_kw" not in series:
        return ()
    step_h = float(np.diff(clock_hours(result)[:2]).item())
    changes_kw = values_of(result, "offer_change_kw")
    return tuple(
        Offer(
            community=community_name(str(community)),
            number=int(which),
            price_eur=float(price),
            accepted=bool(taken),
            change_kw=change_kw,
            moved_kwh=0.5 * step_h * float(np.abs(change_kw).sum()),
        )
        for community, which, price, taken, change_kw in zip(
            series["offer_community"].to_numpy(),
            series["offer_number"].to_numpy(),
            series["offer_price_eur"].to_numpy(),
            series["offer_accepted"].to_numpy(),
            changes_kw,
            strict=True,
        )
    )


def shown_offers(made: Sequence[Offer], community: str) -> tuple[Offer, ...]:
    """The offer taken of a community, and the latest others that differ from each other."""
    own = [offer for offer in made if offer.community == community]
    shown = [offer for offer in own if offer.accepted]
    reserve: list[Offer] = []
    for offer in reversed(own):
        if len(reserve) < LATEST_RESERVE and not any(_alike(offer, o) for o in shown + reserve):
            reserve.append(offer)
    return (*shown, *reserve)


def community_name(name: str) -> str:
    """The name of a community as a page shows it."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def market_section(result: Result, groups: Sequence[Group]) -> MarketSection | None:
    """What the section on markets holds; None when no market was held.

    Parameters
    ----------
    groups : sequence of Group
        The KPIs as the page's large table shows them.
    """
    held = market_levels(result)
    if not held:
        return None
    made = offers(result)
    accepted = tuple(offer for offer in made if offer.accepted)
    communities = dict.fromkeys(offer.community for offer in made)
    reserve = tuple(
        offer for name in communities for offer in shown_offers(made, name) if not offer.accepted
    )
    return MarketSection(
        words=_words(result, made),
        levels=tuple((LEVEL_NAME[level], LEVEL_COLOUR[level]) for level in held),
        rows=_rows(result, groups, held),
        accepted=accepted,
        reserve=reserve,
        left_out=len(made) - len(accepted) - len(reserve),
    )


def spans(result: Result, wanted: FloatArray) -> str:
    """Times at which `wanted` is not 0, as ``"19:30 to 20:30, 22:00 to 22:30"``."""
    hours = clock_hours(result)
    inside = np.concatenate([[False], np.abs(wanted) > ASKED_KW, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return ", ".join(
        f"{_clock(hours[begin])} to {_clock(hours[end])}"
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    )


def _rows(result: Result, groups: Sequence[Group], levels: tuple[str, ...]) -> tuple[Row, ...]:
    """Rows of the large table that tell of the markets, their levels only."""
    found = {row.kpi.name: row for group in groups for row in group.rows}
    places = [list(result.kpi["level"]).index(level) for level in levels]
    table = result.kpi.set_index("level").loc[list(levels)]
    return tuple(
        replace(row, cells=tuple(replace(row.cells[place], change="") for place in places))
        for name in MARKET_KPIS
        if (row := found.get(name)) is not None and table[name].notna().any()
    )


def _words(result: Result, made: Sequence[Offer]) -> tuple[str, ...]:
    """The purchase of the DSO as a story: the request, the offers, and what it came to."""
    if "uc3" not in result.levels:
        return ()
    if not was_asked(result):
        return ("The plans of the communities keep the DSO's limits: it asked for nothing.",)
    asked_kw = values_of(result, "flex_requested_kw")
    less_kw, more_kw = -float(asked_kw.min()), float(asked_kw.max())
    asked = [
        f"{number(size_kw, 'kW')} kW {word} at most, {spans(result, part_kw)}"
        for size_kw, word, part_kw in (
            (less_kw, "less", np.minimum(asked_kw, 0.0)),
            (more_kw, "more", np.maximum(asked_kw, 0.0)),
        )
        if size_kw > ASKED_KW
    ]
    request = (
        f"The DSO asked for {' and '.join(asked)}."
        if asked
        else "The DSO asked for changes that lower its losses."
    )
    taken = [offer for offer in made if offer.accepted]
    paid = ", ".join(f"offer {o.number} of {o.community} at {o.price}" for o in taken)
    total_eur = sum(offer.price_eur for offer in taken)
    order = (
        f"It was made {len(made)} offers and took {len(taken)}: {paid}; {total_eur:.3f} EUR in all."
        if taken
        else f"It was made {len(made)} offers and took none."
    )
    before, after = (_peak(result, name) for name in ("prognosis_before_kw", "prognosis_after_kw"))
    outcome = f"Before, the prognosis peaked at {before}; with what it ordered, at {after}."
    return request, order, outcome


def _peak(result: Result, name: str) -> str:
    power_kw = values_of(result, name)
    at = int(power_kw.argmax())
    return f"{number(float(power_kw[at]), 'kW')} kW, at {_clock(clock_hours(result)[at])}"


def _alike(one: Offer, other: Offer) -> bool:
    return bool(
        one.price == other.price and np.allclose(one.change_kw, other.change_kw, atol=ASKED_KW)
    )


def _clock(hour: float) -> str:
    minutes = round(60.0 * min(hour, DAY_H))
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
