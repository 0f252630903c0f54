"""From words to a case: composes the configuration, checks it, builds and runs the world.

The only room that knows Hydra. What leaves it is a validated, frozen case or its result; OmegaConf
objects never do.
"""

from mas2sim.scenario.case import Case, compose_case
from mas2sim.scenario.run import CaseResult, run_case

__all__ = ["Case", "CaseResult", "compose_case", "run_case"]
