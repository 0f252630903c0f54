"""Turns a template of this room into a page that needs nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

STYLE_FILE, FIGURES_FILE = "page.css", "figures.js"


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure with what stands around it; without one the note stands alone."""

    name: str
    title: str
    note: str
    height: int
    json: str

    @classmethod
    def of(cls, name: str, title: str, note: str, figure: go.Figure | None) -> Panel:
        """Make a panel; plotly writes < and > as escapes, so no name in the data can end it."""
        if figure is None:
            return cls(name, title, note, 0, "")
        return cls(name, title, note, int(figure.layout.height), str(figure.to_json()))


def render(template: str, **values: Any) -> str:
    """Fill a template.

    Parameters
    ----------
    template : str
        Name of its file. Beside `values` it knows ``style``, and the scripts ``plotly``, which
        draws, and ``draw_figures``, which has it draw every figure of the page.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(text_of(template)).render(
        style=text_of(STYLE_FILE),
        plotly=get_plotlyjs(),
        draw_figures=text_of(FIGURES_FILE),
        **values,
    )


def text_of(name: str) -> str:
    """Content of a file of this room."""
    return resources.files("mas2sim.report").joinpath(name).read_text(encoding="utf-8")
