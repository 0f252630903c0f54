"""The energy box of a home: it plans the day and commands the devices (use case 1).

A room of its own because a home's plan is a private matter: it needs the home, its tariff and
nothing of its neighbours or the grid. `plan_home` finds the exact plan of least cost; `statement`
says the same problem in Pyomo, to be read and changed, and shares no code with it.
"""

from mas2sim.cems.box import EnergyBoxes, PlanningTask
from mas2sim.cems.plan_cache import PlanCache
from mas2sim.cems.planner import plan_home

__all__ = ["EnergyBoxes", "PlanCache", "PlanningTask", "plan_home"]
