"""What a check of a net found, and how much it matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mas2sim.domain.errors import Fault

SHOWN = 4
"""Elements named in one finding; the others are counted."""


class Severity(StrEnum):
    """How much a finding matters, from the worst to the least."""

    FAULT = "fault"
    """The net cannot be used, or its figures cannot be right."""
    MENDED = "mended"
    """It was wrong in the source, and is not in the net that was made of it."""
    ASSUMED = "assumed"
    """The net does not say it, and something was taken for it."""
    REMARK = "remark"
    """Worth knowing; nothing has to be done."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Parameters
    ----------
    element : str
        Where, e.g. ``"line Main 3"``; several of the same are named together.
    found, allowed : str
    remedy : str
        What to try, or for what was mended, what was done.
    """

    severity: Severity
    element: str
    found: str
    allowed: str
    remedy: str = ""

    @classmethod
    def of(cls, fault: Fault) -> Finding:
        """A fault as a finding."""
        return cls(Severity.FAULT, fault.where, fault.found, fault.allowed, fault.remedy)


def grouped(findings: Iterable[Finding]) -> list[Finding]:
    """Findings by severity; those that differ in nothing but the element as one."""
    groups: dict[tuple[Severity, str, str, str], list[str]] = {}
    for each in findings:
        key = (each.severity, each.found, each.allowed, each.remedy)
        groups.setdefault(key, []).append(each.element)
    together = [
        Finding(severity, listed(elements), found, allowed, remedy)
        for (severity, found, allowed, remedy), elements in groups.items()
    ]
    return sorted(together, key=lambda each: list(Severity).index(each.severity))


def listed(elements: Sequence[str]) -> str:
    """The first few elements, and how many more there are."""
    named = list(dict.fromkeys(elements))
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more
