"""The energy box of a home: it plans the day and commands the devices (use case 1).

A room of its own because a home's plan is a private matter: it needs the home, its tariff and
nothing of its neighbours or the grid. `plan_home` finds the exact plan of least cost; `statement`
says the same problem in Pyomo, to be read and changed, and shares no code with it. In a market
(`negotiation`) a home answers price curves; its devices stay its own affair.
"""

from mas2sim.cems.box import EnergyBoxes, PlanningTask
from mas2sim.cems.market_homes import market_member
from mas2sim.cems.negotiation import Negotiator
from mas2sim.cems.planner import plan_home
from mas2sim.cems.program import home_program
from mas2sim.cems.setpoints import carried_out, forgone_eur
from mas2sim.cems.wishes import nearest_feasible

__all__ = [
    "EnergyBoxes",
    "Negotiator",
    "PlanningTask",
    "carried_out",
    "forgone_eur",
    "home_program",
    "market_member",
    "nearest_feasible",
    "plan_home",
]
