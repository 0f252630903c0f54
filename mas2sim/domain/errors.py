"""What can go wrong, in the words of the field.

One root, a few children. An error that stems from input carries every fault found in it, so that a
user mends them all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Mas2simError(Exception):
    """Root of every error that mas2sim raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    Parameters
    ----------
    where : str
        The element at fault, e.g. ``"grid.transformer_limit_kw"`` or ``"homes.csv, line 12"``.
    found : str
        The value found.
    allowed : str
        What would have been right.
    remedy : str
        What to try; empty when `allowed` says it all.
    """

    where: str
    found: str
    allowed: str
    remedy: str = ""

    def __str__(self) -> str:
        sentence = f"{self.where}: found {self.found}; allowed: {self.allowed}"
        return f"{sentence}; try: {self.remedy}" if self.remedy else sentence


class ConfigurationError(Mas2simError):
    """An input cannot be used; `faults` lists every reason that was found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        head = "1 fault in the input" if count == 1 else f"{count} faults in the input"
        super().__init__("\n".join([f"{head}:", *(f"  - {fault}" for fault in self.faults)]))

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[tuple[Fault, ...]]]:
        return (type(self), (self.faults,))


class GridError(ConfigurationError):
    """A network cannot be used: an island, a home without a bus, an impossible rating."""


class InfeasibleError(Mas2simError):
    """A plan cannot be made; inside a case this becomes a status and never reaches the user."""


class PlantError(Mas2simError):
    """A simulated or real plant cannot do what it was asked to."""


class StoreError(Mas2simError):
    """A result cannot be written or read."""
