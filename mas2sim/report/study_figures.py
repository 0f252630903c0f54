"""The figures of each kind of study, drawn from its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import plotly.graph_objects as go

Panels = Sequence[tuple[str, str, str, "go.Figure"]]
"""Name, title, note and figure of each."""

DRAWN: Mapping[str, Callable[[StudyResult], Panels]] = MappingProxyType({})


def study_panels(result: StudyResult) -> Panels:
    """Figures of a study; none for a kind that has only tables."""
    draw = DRAWN.get(result.kind)
    return () if draw is None else draw(result)
