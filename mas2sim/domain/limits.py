"""What the DSO has to keep its grid within."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class GridLimits:
    """Limits of one substation.

    Parameters
    ----------
    transformer_import_kw, transformer_export_kw : float
        Bounds on the sum of the connections, in market and plans.
    voltage_min_v, voltage_max_v : float
        Statutory band, phase to neutral.
    loading_percent : float
        Bound on the loading of transformer and cables against their ratings.
    unbalance_percent : float
        Bound on the voltage unbalance, negative over positive sequence. EN 50160 has 2 % for the
        10-minute means of 95 % of a week; taken here as a bound on every PTU.
    """

    transformer_import_kw: float
    transformer_export_kw: float
    voltage_min_v: float
    voltage_max_v: float
    loading_percent: float = 100.0
    unbalance_percent: float = 2.0


class Regime(StrEnum):
    """USEF's operating regimes, from the best to the worst."""

    GREEN = "green"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"
