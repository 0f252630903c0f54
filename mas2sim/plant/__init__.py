"""The physical side of homes, simulated.

A room of its own because a plant must not know what was planned: it follows setpoints as far as
physics lets it, and its own rules where there are none. So a plan that could not be lived shows.
"""

from mas2sim.plant.block import SimulatedBlock
from mas2sim.plant.reference import reference_days

__all__ = ["SimulatedBlock", "reference_days"]
