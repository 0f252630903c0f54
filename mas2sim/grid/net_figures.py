"""Checks of a pandapower net's figures: what is no number, and what no cable or unit can have.

A room beside `check`, which asks whether a network can be solved: here it is asked whether a
planner meant it. Every check yields what it finds; none needs the net to be solvable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mas2sim.domain.grid_state import LOW_VOLTAGE_KV
from mas2sim.grid.finding import Finding, Severity
from mas2sim.grid.pandapower_import import element_labels, in_service

NEEDED: Mapping[str, tuple[str, ...]] = {
    "bus": ("vn_kv",),
    "line": ("length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka", "parallel"),
    "trafo": (
        "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent",
        "parallel",
    ),
    "ext_grid": ("vm_pu",),
    "load": ("p_mw", "q_mvar"),
    "asymmetric_load": ("p_a_mw", "p_b_mw", "p_c_mw", "q_a_mvar", "q_b_mvar", "q_c_mvar"),
}  # fmt: skip
"""Columns that have to be numbers in every row in service."""

LARGEST_LV_KA = 5.0
"""More than the busbar of the largest distribution transformer carries [A]."""
LARGEST_LV_KM = 50.0
"""A low-voltage line is some hundred metres long; more is in metres [A]."""
R_OVER_X = (0.01, 100.0)
"""Of cables and overhead lines R/X is from 0.1 to 20; beyond, a unit is mistaken [A]."""
LARGEST_MISMATCH = 0.15
"""Rated voltage of a winding beside that of its bus, relative; 433 V on 400 V is 8 % [A]."""
WORDS = {
    "trafo": "transformer",
    "asymmetric_load": "load",
    "sgen": "generator",
    "asymmetric_sgen": "generator",
}

Row = Mapping[str, Any]


def figure_findings(net: Any) -> Iterator[Finding]:
    """Everything that is wrong with the figures of a net, element by element."""
    for table, columns in NEEDED.items():
        for place, row in elements(net, table):
            wrong = [name for name in columns if not math.isfinite(value(row, name))]
            if wrong:
                yield _fault(place, f"no number in {', '.join(wrong)}", "a finite number")
    low = {index for index, kv in net.bus["vn_kv"].items() if kv <= LOW_VOLTAGE_KV}
    for place, row in elements(net, "line"):
        yield from _line(place, row, is_low=row["from_bus"] in low)
    for place, row in elements(net, "trafo"):
        yield from _transformer(net, place, row)
    yield from _loads(net)


def elements(net: Any, table: str) -> Iterator[tuple[str, Row]]:
    """Elements in service of a table, each with the words for it."""
    labels = element_labels(net, table)
    for index, row in in_service(net, table):
        label, word = labels[index], WORDS.get(table, table)
        yield (label if label == f"{word} {index}" else f"{word} {label}"), row


def value(row: Row, name: str) -> float:
    """Number in a cell; NaN for none."""
    try:
        return float(row.get(name, math.nan))
    except (TypeError, ValueError):
        return math.nan


def _fault(place: str, found: str, allowed: str, remedy: str = "") -> Finding:
    return Finding(Severity.FAULT, place, found, allowed, remedy)


def _line(place: str, row: Row, *, is_low: bool) -> Iterator[Finding]:
    rating, length = value(row, "max_i_ka"), value(row, "length_km")
    r, x = value(row, "r_ohm_per_km"), value(row, "x_ohm_per_km")
    if rating <= 0 or (is_low and rating > LARGEST_LV_KA):
        remedy = "max_i_ka is in kA" if rating > 0 else "the rated current of its type"
        yield _fault(
            place, f"rating {rating:g} kA", f"more than 0, up to {LARGEST_LV_KA:g} kA", remedy
        )
    if length <= 0 or (is_low and length > LARGEST_LV_KM):
        remedy = "length_km is in km" if length > 0 else "join its buses by a switch if it has none"
        yield _fault(
            place, f"length {length:g} km", f"more than 0, up to {LARGEST_LV_KM:g} km", remedy
        )
    least, most = R_OVER_X
    if r < 0 or x < 0 or (r == 0 and x == 0):
        yield _fault(place, f"{r:g} + j{x:g} ohm/km", "R and X of 0 or more, not both 0")
    elif is_low and (not r > x * least or r > x * most):
        ratio = r / x if x else math.inf
        if math.isfinite(r) and math.isfinite(x):
            yield _fault(
                place,
                f"R/X {ratio:g} ({r:g} and {x:g} ohm/km)",
                f"R/X from {least:g} to {most:g}",
                "both are in ohm per km",
            )
    yield from _parallel(place, row)


def _parallel(place: str, row: Row) -> Iterator[Finding]:
    count = value(row, "parallel")
    if count < 1 or (math.isfinite(count) and not count.is_integer()):
        yield _fault(place, f"parallel {count:g}", "a whole number, at least 1")


def _transformer(net: Any, place: str, row: Row) -> Iterator[Finding]:
    rating, vk, vkr = (value(row, name) for name in ("sn_mva", "vk_percent", "vkr_percent"))
    if rating <= 0:
        yield _fault(place, f"rating {rating * 1000:g} kVA", "more than 0", "sn_mva is in MVA")
    if vk <= 0 or vkr < 0 or vk < vkr:
        yield _fault(place, f"vk {vk:g} %, vkr {vkr:g} %", "0 <= vkr <= vk, vk > 0")
    if value(row, "pfe_kw") < 0 or value(row, "i0_percent") < 0:
        yield _fault(
            place, f"iron loss {row['pfe_kw']:g} kW, i0 {row['i0_percent']:g} %", "0 or more"
        )
    for side in ("hv", "lv"):
        rated, bus = value(row, f"vn_{side}_kv"), row[f"{side}_bus"]
        level = float(net.bus["vn_kv"].get(bus, math.nan))
        if abs(rated / level - 1.0) > LARGEST_MISMATCH if level > 0 else False:
            yield _fault(
                place,
                f"a {side.upper()} winding of {rated:g} kV on a bus of {level:g} kV",
                f"within {100 * LARGEST_MISMATCH:g} %",
                "exchange hv_bus and lv_bus, or correct the voltage",
            )
    yield from _parallel(place, row)
    yield from _tap(place, row)
    if not isinstance(row.get("vector_group"), str):
        yield Finding(
            Severity.ASSUMED,
            place,
            f"no vector group, a shift of {value(row, 'shift_degree'):g} degrees",
            "a group such as Dyn5",
            "Dyn is taken where the clock number is odd, YNyn where it is even",
        )


def _tap(place: str, row: Row) -> Iterator[Finding]:
    """A tap away from neutral whose changer has no type: pandapower leaves it out of account."""
    position, neutral = value(row, "tap_pos"), value(row, "tap_neutral")
    away = position - (neutral if math.isfinite(neutral) else 0.0)
    step = value(row, "tap_step_percent")
    if not (math.isfinite(away) and away and math.isfinite(step) and step):
        return
    if row.get("tap_changer_type") not in ("Ratio", "Symmetrical", "Ideal", "Tabular"):
        yield Finding(
            Severity.ASSUMED,
            place,
            f"tap {position:g}, {away:+g} from neutral, of a changer without a type, which "
            "pandapower ignores",
            "tap_changer_type Ratio",
            f"counted as a ratio changer ({away * step:+g} %); --mend writes it down",
        )


def _loads(net: Any) -> Iterator[Finding]:
    for table in ("load", "asymmetric_load"):
        for place, row in elements(net, table):
            powers = [value(row, name) for name in NEEDED[table] if name.startswith("p_")]
            if min(powers) < 0:
                yield Finding(
                    Severity.REMARK,
                    place,
                    "negative power: it generates",
                    "0 or more",
                    "make it an sgen; as a home its power in the net is not used",
                )
            if not isinstance(row.get("type"), str):
                yield Finding(
                    Severity.ASSUMED,
                    place,
                    "no type; runpp_3ph leaves such loads out",
                    "wye or delta",
                    "wye is taken; --mend writes it down",
                )
