"""The engine that comes with mas2sim: worker processes on this machine, one thread each."""

from __future__ import annotations

from dataclasses import dataclass, field

from mas2sim.campaign.driver import Drivers
from mas2sim.campaign.engine import Watch, cores
from mas2sim.campaign.seat import MEMORY_MB, Seat, SeatRules, seat_name
from mas2sim.campaign.work_list import WorkList

LOOK_S = 0.2
"""How often the engine looks whether it was interrupted. [s]"""


@dataclass(slots=True)
class LocalEngine:
    """Runs tasks in worker processes on this machine.

    Parameters
    ----------
    workers : int
        How many at a time.
    memory_mb : float
        A worker that holds more is replaced between tasks. [MB]
    caches : bool
        Whether workers keep what cases share.
    program : tuple of str
        What is started as a worker process; empty: mas2sim's own.
    """

    workers: int = field(default_factory=cores)
    memory_mb: float = MEMORY_MB
    caches: bool = True
    program: tuple[str, ...] = ()

    def run(self, work: WorkList, watch: Watch) -> None:
        """Run all tasks; see `Engine.run`."""
        rules = SeatRules.of(work, self)
        drivers = Drivers(work, watch)
        try:
            for number in range(1, min(self.workers, work.tasks_left) + 1):
                drivers.add(Seat(rules, seat_name(number)), str(number))
            while drivers.at_work(LOOK_S):
                pass
        finally:
            drivers.stop()
