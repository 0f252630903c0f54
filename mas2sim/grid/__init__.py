"""The grid: networks, their homes and limits, and the power flow that solves them.

The only room that knows pandapower (which people author grids in, and the oracle of the tests) and
power-grid-model (which solves the batches).
"""

from mas2sim.grid.batch_flow import BatchPowerFlow
from mas2sim.grid.cardiff import build_cardiff
from mas2sim.grid.check import Connection
from mas2sim.grid.flow_memory import FlowMemory
from mas2sim.grid.network import (
    FixedLoad,
    Line,
    Network,
    Source,
    Transformer,
    VectorGroup,
)
from mas2sim.grid.pandapower_export import to_pandapower
from mas2sim.grid.pandapower_flow import PandapowerFlow
from mas2sim.grid.pandapower_import import from_pandapower, read_pandapower
from mas2sim.grid.protection import (
    FuseLike,
    ProtectedLimit,
    Protection,
    StandardInverse,
    protected_branches,
    tripped,
)
from mas2sim.grid.recipe import recipe_numbers
from mas2sim.grid.sensitivity import (
    FeederVoltages,
    MarginalLosses,
    feeder_ratings_kw,
    marginal_losses,
    voltage_sensitivity,
)
from mas2sim.grid.substation import (
    Substation,
    connect,
    default_limits,
    loads_as_homes,
    power_flow,
)

__all__ = [
    "BatchPowerFlow",
    "Connection",
    "FeederVoltages",
    "FixedLoad",
    "FlowMemory",
    "FuseLike",
    "Line",
    "MarginalLosses",
    "Network",
    "PandapowerFlow",
    "ProtectedLimit",
    "Protection",
    "Source",
    "StandardInverse",
    "Substation",
    "Transformer",
    "VectorGroup",
    "build_cardiff",
    "connect",
    "default_limits",
    "feeder_ratings_kw",
    "from_pandapower",
    "loads_as_homes",
    "marginal_losses",
    "power_flow",
    "protected_branches",
    "read_pandapower",
    "recipe_numbers",
    "to_pandapower",
    "tripped",
    "voltage_sensitivity",
]
