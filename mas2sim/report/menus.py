"""A menu that shows the traces of one choice at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go


def choice_menu(figure: go.Figure, owner: Sequence[Hashable], labels: Sequence[str]) -> None:
    """Add a menu to a figure, unless there is but one choice.

    Parameters
    ----------
    owner : sequence
        The choice that each trace belongs to.
    labels : sequence of str
        Of the choices in the order in which traces first belong to them.
    """
    choices = list(dict.fromkeys(owner))
    if len(choices) < 2:
        return
    buttons = [
        {
            "label": label,
            "method": "restyle",
            "args": [{"visible": [who == choice for who in owner]}],
        }
        for choice, label in zip(choices, labels, strict=True)
    ]
    menu = {
        "buttons": buttons,
        "type": "dropdown",
        "active": 0,
        "x": 0,
        "xanchor": "left",
        "y": 1.03,
        "yanchor": "bottom",
        "bgcolor": "#ffffff",
        "bordercolor": "#c3c9d1",
    }
    figure.update_layout(updatemenus=[menu])
