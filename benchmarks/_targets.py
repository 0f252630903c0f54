"""Figures beside what they must reach, as a table and as a line of name=value pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; without a target it is there to compare with.

    Parameters
    ----------
    name : str
        In the line of pairs.
    what : str
        In the table, with its unit.
    at_most, at_least : float, optional
        The target.
    spec : str
        Format of the value.
    """

    name: str
    what: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    spec: str = ".3f"

    @property
    def met(self) -> bool:
        """Whether the target is reached, if there is one; what could not be measured is not."""
        reached = self.at_most is None or self.value <= self.at_most
        return reached and (self.at_least is None or self.value >= self.at_least)

    @property
    def target(self) -> str:
        parts = []
        if self.at_most is not None:
            parts.append(f"<= {self.at_most:g}")
        if self.at_least is not None:
            parts.append(f">= {self.at_least:g}")
        return " ".join(parts)


def print_table(figures: Sequence[Figure]) -> bool:
    """Print one line for each figure, then the pairs; whether every target is met."""
    width = max(len(figure.what) for figure in figures)
    for figure in figures:
        verdict = ("met" if figure.met else "missed") if figure.target else ""
        value = f"{figure.value:{figure.spec}}"
        print(f"{figure.what:{width}}  {value:>9}  {figure.target:9}{verdict}".rstrip())
    met = all(figure.met for figure in figures)
    pairs = [f"{figure.name}={figure.value:{figure.spec}}" for figure in figures]
    print(*pairs, f"targets_met={int(met)}")
    return met
