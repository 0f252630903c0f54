"""One case as a discrete-event co-simulation in mosaik.

The only room that knows mosaik. Simulators are thin: they carry messages and keep time, the work is
done by the agents of the rooms below. There are six of them whatever the number of homes, because
mosaik's cost grows with simulators and links: homes and communities are entities and places in
arrays. Levels are an axis of those arrays, so that one world lives the day at all levels.
"""

from mas2sim.cosim.agent_terms import congestion_register
from mas2sim.cosim.setup import CaseSetup
from mas2sim.cosim.wiring import LINKS, Link
from mas2sim.cosim.world import WorldRun, run_world

__all__ = ["LINKS", "CaseSetup", "Link", "WorldRun", "congestion_register", "run_world"]
