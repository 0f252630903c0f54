"""The figures of each kind of study, drawn from its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from mas2sim.report.campaign_figures import campaign_panels
from mas2sim.report.congestion_figures import congestion_panels
from mas2sim.report.hosting_figures import hosting_panels
from mas2sim.report.linkbox_figures import linkbox_panels
from mas2sim.report.losses_figures import losses_panels
from mas2sim.results.study_result import StudyResult

if TYPE_CHECKING:
    import plotly.graph_objects as go

Panels = Sequence[tuple[str, str, str, "go.Figure | None"]]
"""Name, title, note and figure of each; the note of one without a figure says why it has none."""

DRAWN: Mapping[str, Callable[[StudyResult], Panels]] = MappingProxyType(
    {
        "congestion": congestion_panels,
        "losses": losses_panels,
        "hosting": hosting_panels,
        "linkboxes": linkbox_panels,
        "campaign": campaign_panels,
    }
)


def study_panels(result: StudyResult) -> Panels:
    """Figures of a study; none for a kind that has only tables."""
    draw = DRAWN.get(result.kind)
    return () if draw is None else draw(result)
