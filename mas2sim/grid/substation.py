"""A substation: a network with its homes and its limits, and the engine that solves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mas2sim.domain.errors import GridError
from mas2sim.domain.grid_state import GridLayout, PowerFlow
from mas2sim.domain.limits import GridLimits
from mas2sim.grid.check import Connection, connection_faults, network_faults
from mas2sim.grid.network import Network

IMPORT_PERCENT = 45.0
"""Operating limit on import, of the rating: one share for all substations and cases. [percent] At
the 56 % of D6.1, annex D, it binds in no case of the campaign (decision 16)."""

EXPORT_SHARE = 1.0
"""Limit on reverse power over the rating [A]; older tap changers may bear half of it."""

UK_BAND_V = (216.2, 253.0)
"""230 V +10 / -6 %, phase to neutral (UK statutory limits, ESQCR 2002)."""

UNBALANCE_PERCENT = 2.0
"""Negative over positive sequence of the voltage (EN 50160)."""


@dataclass(frozen=True, slots=True, eq=False)
class Substation:
    """A network with its homes, its commercial users and its limits.

    Parameters
    ----------
    network : Network
        The electrical description, homes left out.
    homes : tuple of Connection
        In the order in which powers are given.
    layout : GridLayout
        Places of the network, and the bus and phase of each home.
    limits : GridLimits
    commercial : tuple of Connection
        Small commercial users. They take part for themselves: powers are given for those that are
        connected as homes are.
    annual_kwh : tuple of (float or None)
        Annual energy of each home, then of each commercial user, where the source states it; empty
        where it speaks of none.
    assumptions : tuple of str
        What was made of the source, in sentences.
    """

    name: str
    network: Network
    homes: tuple[Connection, ...]
    layout: GridLayout
    limits: GridLimits
    commercial: tuple[Connection, ...] = ()
    annual_kwh: tuple[float | None, ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def net(self) -> Any:
        """The substation as a pandapower net with one load a home, made anew at each call.

        For exchange and for cross-checks; to import pandapower takes a second or two.
        """
        from mas2sim.grid.pandapower_export import to_pandapower

        return to_pandapower(self)


def connect(
    network: Network,
    homes: Sequence[Connection],
    limits: GridLimits | None = None,
    *,
    commercial: Sequence[Connection] = (),
) -> Substation:
    """Connect homes to a network.

    Parameters
    ----------
    homes : sequence of Connection
        In the order in which their powers will be given.
    limits : GridLimits, optional
        `default_limits` of the network when left out.
    commercial : sequence of Connection
        Small commercial users that the network has places for.

    Raises
    ------
    GridError
        With all faults of the network and of the connections.
    """
    faults = network_faults(network) + connection_faults(network, [*homes, *commercial])
    if faults:
        raise GridError(faults)
    layout = GridLayout(
        name=network.name,
        buses=network.buses,
        branches=network.branches,
        home_bus=tuple(home.bus for home in homes),
        home_phase=tuple(home.phase for home in homes),
        other_loads=tuple((load.bus, load.phase) for load in network.loads),
    )
    limits = limits or default_limits(network.rating_kva)
    return Substation(network.name, network, tuple(homes), layout, limits, tuple(commercial))


def default_limits(
    rating_kva: float,
    *,
    transformer_import_kw: float | None = None,
    transformer_import_percent: float = IMPORT_PERCENT,
    transformer_export_kw: float | None = None,
    voltage_band_v: tuple[float, float] = UK_BAND_V,
    unbalance_percent: float = UNBALANCE_PERCENT,
) -> GridLimits:
    """Limits that follow from the rating of a substation, or as given.

    The import limit is one share of the rating for all substations and cases, so that it never
    follows a case's own peak.
    """
    if transformer_import_kw is None:
        transformer_import_kw = transformer_import_percent / 100.0 * rating_kva
    if transformer_export_kw is None:
        transformer_export_kw = EXPORT_SHARE * rating_kva
    return GridLimits(
        transformer_import_kw,
        transformer_export_kw,
        *voltage_band_v,
        unbalance_percent=unbalance_percent,
    )


def loads_as_homes(network: Network) -> tuple[Network, tuple[Connection, ...]]:
    """Turn each load of a network into a home; what generates stays as it is.

    Returns
    -------
    Network, tuple of Connection
        The network without those loads, and a home at the place of each, named after it.
    """
    homes = tuple(load for load in network.loads if load.kind == "load")
    rest = tuple(load for load in network.loads if load.kind != "load")
    connections = tuple(Connection(load.name, load.bus, load.phase) for load in homes)
    return replace(network, loads=rest), connections


def power_flow(substation: Substation, *, unbalanced: bool) -> PowerFlow:
    """Return the engine that solves a substation.

    Parameters
    ----------
    unbalanced : bool
        True to solve phase by phase, each home on its own phase; False to spread each home evenly
        over three phases, which leaves out what the neutral loses.

    Raises
    ------
    GridError
        When `unbalanced` and the network lacks zero-sequence data.
    """
    from mas2sim.grid.batch_flow import BatchPowerFlow

    return BatchPowerFlow(substation, unbalanced=unbalanced)
